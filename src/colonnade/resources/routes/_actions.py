"""Actions: functions of the program that requests call with chosen rows.

An action is an endpoint, ``POST /tasks:close?key=1&key=2``. Its rows are loaded in the transaction
in which the function runs, within the scope and the write scope of the request.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from inspect import Parameter, Signature, cleandoc, getdoc, iscoroutinefunction, signature
from typing import Annotated, Any, get_args, get_type_hints

from fastapi import Depends, Query, Request
from pydantic import BaseModel, WithJsonSchema
from sqlalchemy import ColumnElement, bindparam, tuple_
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from colonnade.errors import ModelError
from colonnade.models import Shape
from colonnade.query import compared_type
from colonnade.resources._table_context import ResourceContext
from colonnade.resources.descriptions._describe import body_schema
from colonnade.resources.descriptions._resource_description import ActionDescription, JSONSchema
from colonnade.resources.responses._problems import Problem
from colonnade.resources.routes._request_context import context_of
from colonnade.writes import RunStatements

PROVIDED = ("rows", "session")
"""The parameters of an action that the Resource provides."""

TAKEN = ("aggregate", "batch", "import")
"""Names of generated routes."""

_REQUEST = "colonnade_request"
_KEYS = "colonnade_keys"
_WRITABLE = "colonnade_writable"
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


class ActionResult(BaseModel):
    """The response to an action."""

    ok: bool = True
    message: str | None = None


@dataclass(slots=True, eq=False)
class Action:
    """A function of the program that requests call with chosen rows.

    Attributes:
        function: The function.
        name: The name in the path.
        title: What a button for it says.
        confirm: A question to ask before; None to ask nothing.
        max_rows: The maximum number of rows in a request.
        form: The JSON schema of the request body; None if it has none.
    """

    function: Callable[..., Any]
    name: str
    title: str
    confirm: str | None
    max_rows: int
    form: JSONSchema | None = None

    @classmethod
    def of(
        cls,
        function: Callable[..., Any],
        title: str,
        *,
        name: str | None,
        confirm: str | None,
        max_rows: int,
    ) -> "Action":
        """Read an action from a function.

        Raises:
            ModelError: The name is not one for a path, or the function takes no rows.
        """
        if "rows" not in signature(function).parameters:
            raise ModelError(
                f"The action {title!r} needs a parameter for the chosen rows, such as "
                f"rows: list[Task]."
            )
        chosen = name or function.__name__.replace("_", "-")
        if not _NAME.fullmatch(chosen) or chosen in TAKEN:
            raise ModelError(
                f"The action {title!r} has the name {chosen!r}. Use small letters, digits and "
                f"hyphens, and none of {', '.join(TAKEN)}: "
                f'@tasks.action("Close", name="close").'
            )
        return cls(function, chosen, title, confirm, max_rows)

    def describe(self) -> ActionDescription:
        """Describe the action, with the JSON schema of its form."""
        return ActionDescription(
            name=self.name,
            title=self.title,
            description=cleandoc(getdoc(self.function) or ""),
            confirm=self.confirm,
            form=self.form,
        )

    def _annotations(self) -> dict[str, Any]:
        return get_type_hints(self.function, include_extras=True)

    def read_form(self, route: Any) -> None:
        """Read the JSON schema of the request body from the route of the action."""
        body = route.body_field
        annotation = None if body is None else body.field_info.annotation
        models = [each for each in (annotation, *get_args(annotation)) if _is_model(each)]
        self.form = body_schema(models[0]) if models else None

    def endpoint(
        self,
        context: Callable[[], ResourceContext],
        writable: Callable[..., Any],
        key_schema: JSONSchema,
    ) -> Callable[..., Awaitable[ActionResult]]:
        """Return the endpoint of the action.

        Args:
            context: Returns the table.
            writable: The dependency that returns which rows a request may write, as a condition.
            key_schema: The JSON schema of a key, for the OpenAPI document.
        """

        async def run_action(**values: Any) -> ActionResult:
            request: Request = values.pop(_REQUEST)
            keys: list[str] = values.pop(_KEYS)
            condition: ColumnElement[bool] = values.pop(_WRITABLE)
            table = context()
            loc = ("query", "key")
            wanted = list(dict.fromkeys(table.key_of(request, text, loc) for text in keys))

            async def work(session: AsyncSession, _: RunStatements) -> Any:
                rows = await _locked_rows(session, table.shape, wanted, condition)
                if len(rows) < len(wanted):
                    raise _missing(table, wanted, rows)
                return await self._call(session, rows, values)

            message = await table.run_hooked(context_of(request), work)
            return ActionResult(message=None if message is None else str(message))

        annotated = self._annotations()
        keys = Annotated[
            list[Annotated[str, WithJsonSchema(key_schema)]],
            Query(
                alias="key",
                min_length=1,
                max_length=self.max_rows,
                description="The key of a row; repeat it for each row",
            ),
        ]
        keyword = Parameter.KEYWORD_ONLY
        others = [
            parameter.replace(kind=keyword, annotation=annotated.get(name, parameter.annotation))
            for name, parameter in signature(self.function, eval_str=True).parameters.items()
            if name not in PROVIDED
        ]
        run_action.__signature__ = Signature([  # type: ignore[attr-defined]  # FastAPI reads it
            Parameter(_REQUEST, keyword, annotation=Request),
            Parameter(_KEYS, keyword, annotation=keys),
            Parameter(_WRITABLE, keyword, annotation=Any, default=Depends(writable)),
            *others,
        ])  # fmt: skip
        run_action.__name__ = self.function.__name__
        run_action.__doc__ = self.function.__doc__
        return run_action

    async def _call(self, session: AsyncSession, rows: Sequence[Any], values: Any) -> Any:
        """Call the function; a sync one with a ``Session``, an async one with the async session."""
        takes_session = "session" in signature(self.function).parameters

        def arguments(provided: Any) -> dict[str, Any]:
            return {"rows": rows, **values, **({"session": provided} if takes_session else {})}

        if iscoroutinefunction(self.function):
            return await self.function(**arguments(session))
        return await session.run_sync(lambda sync: self.function(**arguments(sync)))


def add_action(actions: dict[str, Action], action: Action, model_name: str) -> None:
    """Add an action to those of a Resource.

    Args:
        actions: The actions by name.
        action: The action.
        model_name: The name of the table, for the error.

    Raises:
        ModelError: There is one with the same name.
    """
    if action.name in actions:
        raise ModelError(
            f"{model_name} has two actions with the name {action.name!r}. Choose another: "
            f'@tasks.action({action.title!r}, name="...").'
        )
    actions[action.name] = action


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


async def _locked_rows(
    session: AsyncSession, shape: Shape, keys: Sequence[tuple[Any, ...]], where: ColumnElement[bool]
) -> list[Any]:
    """Load rows for a change, in the order of their keys; those out of reach are left out."""
    columns = [getattr(shape.model, column.name) for column in shape.primary_key]
    types = [compared_type(column) for column in shape.primary_key]
    # A key that is out of range for its column is that of no row.
    bound = [
        [bindparam(None, value, type_=kind) for value, kind in zip(key, types, strict=True)]
        for key in keys
    ]
    chosen = (
        columns[0].in_([values[0] for values in bound])
        if len(columns) == 1
        else tuple_(*columns).in_([tuple_(*values) for values in bound])
    )
    # Not the rows that the model loads with them, by an outer join, which cannot be locked.
    statement = select(shape.model).where(chosen, where).with_for_update(of=shape.model)
    rows = {_key_of(shape, row): row for row in (await session.exec(statement)).unique().all()}
    return [rows[key] for key in keys if key in rows]


def _key_of(shape: Shape, row: Any) -> tuple[Any, ...]:
    return tuple(getattr(row, column.name) for column in shape.primary_key)


def _missing(
    table: ResourceContext, wanted: Sequence[tuple[Any, ...]], rows: Sequence[Any]
) -> Problem:
    """The 404 for keys that no row in scope has."""
    loaded = {_key_of(table.shape, row) for row in rows}
    missing = [table.keys.write(key) for key in wanted if key not in loaded]
    return Problem(
        404,
        f"{table.name} not found, or not yours to change: {', '.join(missing[:10])}.",
        kind="not_found",
    )
