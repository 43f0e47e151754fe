"""Columns in the path of a Resource: ``/books/{book_id}/reviews`` has the reviews of one book.

Their values narrow the scope of the table for the request, so that whatever applies a scope applies
them: every statement, new rows and repeated requests.
"""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, wraps
from inspect import Parameter, Signature
from typing import Annotated, Any

from fastapi import Depends, Path, Request, params
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError, WithJsonSchema
from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    Table,
    and_,
    bindparam,
    exists,
    inspect,
    select,
)
from sqlalchemy.sql import literal_column

from colonnade.errors import ModelError
from colonnade.models import Shape
from colonnade.query import Page, Scope, Scopes, adapt_to_source
from colonnade.resources import _scoping, openapi
from colonnade.resources._fastapi_compat import declared_path_names
from colonnade.resources.responses._problems import Problem
from colonnade.writes import ForeignKeys, Keys, Reference, RejectedError

Values = Mapping[str, Any]
Endpoint = Callable[..., Awaitable[Any]]

_PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}")
"""A path parameter of Starlette, without or with a convertor."""
_KEY = "colonnade.path_columns"
"""Key in the ASGI scope: the values of the columns, by ``PathColumns``."""


class PathColumns:
    """The columns of a table that are parameters in the path of its Resource.

    Args:
        shape: The table.
        prefix: The path of the Resource.

    Attributes:
        shape: The table.
        columns: The columns, by field.
        key_columns: The columns of the key that are not in the path.

    Raises:
        ModelError: No part of the key is left for the path of a row.
    """

    def __init__(self, shape: Shape, prefix: str) -> None:
        self.shape = shape
        self._prefix = prefix
        names = _PARAMETER.findall(prefix)
        self.columns = {name: shape.columns[name] for name in names if name in shape.columns}
        self._others = [name for name in names if name not in shape.columns]
        self._keys = {name: Keys((column,)) for name, column in self.columns.items()}
        self.key_columns = tuple(
            column for column in shape.primary_key if column.name not in self.columns
        )
        taken = {"target", Keys(self.key_columns).name if self.key_columns else "key"}
        if taken & self.columns.keys():
            raise ModelError(
                f"The path {prefix} has a parameter {min(taken & self.columns.keys())!r}, which "
                f"the paths below it have, too. Give the column another name."
            )
        if not self.key_columns:
            raise ModelError(
                f"The path {prefix} has the whole key of {shape.model.__name__}, so that a row "
                f"would have no path below it. Name the parameters after foreign keys, as in "
                f"/books/{{book_id}}/reviews."
            )

    def __bool__(self) -> bool:
        return bool(self.columns)

    def find_references(self) -> tuple[Reference, ...]:
        """Find the foreign keys whose columns are all in the path, to tables that exist so far."""
        return tuple(
            reference
            for reference in ForeignKeys(self.shape).references
            if set(reference.names) <= self.columns.keys()
        )

    @cached_property
    def references(self) -> tuple[Reference, ...]:
        """The foreign keys whose columns are all in the path, to the rows above in the path.

        Raises:
            ModelError: One refers to the table itself.
        """
        references = self.find_references()
        if any(reference.target is self.shape.table for reference in references):
            raise ModelError(
                f"The path {self._prefix} has a foreign key to {self.shape.model.__name__} itself."
                f" Use the relation, whose rows have the path /{{id}}/{{relation}}."
            )
        return references

    @cached_property
    def name(self) -> str:
        """The name of the model above, or of the table if there is none."""
        targets = [_model_name(reference.target, self.shape) for reference in self.references]
        return " or ".join(dict.fromkeys(targets)) or self.shape.model.__name__

    def not_found(self) -> Problem:
        """Build the 404 for a row in the path that does not exist or is out of scope."""
        return Problem(404, f"{self.name} not found.", kind="not_found")

    def check(self, route: Any) -> None:
        """Check the path with a generated route, which has the dependencies of the Resource.

        Raises:
            ModelError: A parameter is neither a column nor declared by a dependency, or a foreign
                key refers to the table itself.
        """
        _ = self.references
        declared = declared_path_names(route)
        unknown = [name for name in self._others if name not in declared]
        if unknown:
            raise ModelError(
                f"The path {self._prefix} has the parameter {{{unknown[0]}}}, which is not a field "
                f"of {self.shape.model.__name__}, and no dependency of the Resource declares it. "
                f"Its fields: {', '.join(self.shape.columns)}."
            )

    def documented(self) -> list[dict[str, Any]]:
        """The parameters of the path, for the OpenAPI document."""
        return [openapi.path_parameter(name, (column,)) for name, column in self.columns.items()]

    def narrow(self, request: Request) -> None:
        """Narrow the scope of the table for a request to the rows below its path.

        Raises:
            Problem: 404, no row can be below it.
            RequestValidationError: 422, a value does not have the type of its column.
            ModelError: The path of an endpoint lacks a parameter.
        """
        known: dict[PathColumns, Values] = request.scope.setdefault(_KEY, {}) if self else {}
        if not self or self in known:
            return
        known[self] = values = {name: self._value(name, request) for name in self.columns}
        _scoping.narrow(request, RowsBelow(self, values))

    def values(self, request: Request) -> Values:
        """Return the values of the columns in the path of a request, by field."""
        values: Values = request.scope[_KEY][self] if self else {}
        return values

    def above(self, request: Request) -> "RowsAbove | None":
        """Return the rows that the path of a request refers to; None if it refers to none."""
        if not self or not self.references:
            return None
        return RowsAbove(self, self.values(request))

    def _value(self, name: str, request: Request) -> Any:
        text = request.path_params.get(name)
        if text is None:
            raise ModelError(
                f"The Resource at {self._prefix} needs the path parameter {{{name}}}, which "
                f"{request.url.path} does not have. Add the endpoint to the Resource."
            )
        keys = self._keys[name]
        try:
            key = keys.read(str(text))
        except ValidationError as error:
            if keys.is_out_of_range(error):
                raise self.not_found() from None
            raise RequestValidationError(keys.errors(error, ("path", name))) from None
        if key is None:
            raise self.not_found()
        return key[0]

    def endpoint(self, endpoint: Endpoint) -> Endpoint:
        """Wrap a generated endpoint: its request has the rows below the path alone."""
        if not self:
            return endpoint

        @wraps(endpoint)
        async def respond(request: Request, **body: Any) -> Any:
            self.narrow(request)
            try:
                return await endpoint(request, **body)
            except RejectedError as error:
                raise self._answered(error) from None

        return respond

    def _answered(self, error: RejectedError) -> RejectedError:
        """Return the 404 for a write whose foreign key in the path refers to nothing."""
        names = {column.body_name for column in self.columns.values()}
        fields = {entry.get("field") for entry in error.errors}
        is_above = error.kind == "foreign_key" and fields and fields <= names
        return self.not_found() if is_above else error

    def dependencies(self) -> list[params.Depends]:
        """The dependency of the user's endpoints below the path; none without columns."""
        return [Depends(self._dependency)] if self else []

    @cached_property
    def _dependency(self) -> Callable[..., Awaitable[None]]:

        async def narrow(request: Request, **_: str) -> None:
            self.narrow(request)

        keyword = Parameter.KEYWORD_ONLY
        parameters = [
            Parameter(f"path_{index}", keyword, annotation=Annotated[
                str,
                WithJsonSchema(entry["schema"]),
                Path(alias=entry["name"], description=entry["description"]),
            ])
            for index, entry in enumerate(self.documented())
        ]  # fmt: skip
        request = Parameter("request", keyword, annotation=Request)
        narrow.__signature__ = Signature([request, *parameters])  # type: ignore[attr-defined]  # FastAPI reads it
        return narrow


@dataclass(frozen=True, slots=True, eq=False)
class RowsBelow:
    """The rows below a path, as what narrows the scope of a request.

    Attributes:
        path: The columns in the path.
        values: Their values.
    """

    path: PathColumns
    values: Values

    @property
    def table(self) -> Table:
        """The table of the rows."""
        return self.path.shape.table

    @property
    def above(self) -> Sequence[Table]:
        """The tables of the rows above in the path."""
        return [reference.target for reference in self.path.references]

    def scope(self, above: Mapping[Table, Scope]) -> Scope:
        """The rows with the values, below rows in scope.

        Raises:
            HTTPException: 401 or 403, the error of the scope of a table above.
        """
        conditions = []
        for reference in self.path.references:
            scope = above.get(reference.target)
            if scope is None:
                continue
            if scope.error is not None:
                raise scope.error
            row = reference.target.alias()
            pairs = zip(reference.fields, reference.columns, strict=True)
            same = [self.table.c[field.column.key] == row.c[each.key] for field, each in pairs]
            in_scope = adapt_to_source(scope.where(), reference.target, row)
            rows: Select[Any] = select(literal_column("1")).select_from(row)
            conditions.append(exists(rows.where(*same, in_scope)))
        return Scope(self.path.shape, self.values, and_(*conditions) if conditions else None)

    def not_found(self) -> Problem:
        """The 404 of a path outside of the scope of the table."""
        return self.path.not_found()


@dataclass(frozen=True, slots=True, eq=False)
class RowsAbove:
    """The rows that the foreign keys in a path refer to, as the parent of a page.

    Attributes:
        path: The columns in the path.
        values: Their values.
    """

    path: PathColumns
    values: Values

    @property
    def structure(self) -> str:
        """A key that pages with the same SQL share."""
        return "above"

    @property
    def name(self) -> str:
        """The name of the model of the rows."""
        return self.path.name

    def narrow(self, statement: Select[Any], _source: FromClause, _page: Page) -> Select[Any]:
        """Return the statement, which the scope narrows."""
        return statement

    def exists(self, scopes: Scopes) -> ColumnElement[bool]:
        """The condition that the rows exist and are in scope."""
        conditions = []
        for reference in self.path.references:
            above = reference.target.alias()
            pairs = zip(reference.fields, reference.columns, strict=True)
            same = [
                above.c[column.key] == bindparam(f"above_{field.name}", type_=field.column.type)
                for field, column in pairs
            ]
            row: Select[Any] = select(literal_column("1")).select_from(above).where(*same)
            conditions.append(exists(row.where(*scopes.clauses(reference.target, above))))
        return and_(*conditions)

    def parameters(self) -> dict[str, Any]:
        """The values of the parameters in the condition, by name."""
        return {f"above_{name}": value for name, value in self.values.items()}


def _model_name(table: Table, shape: Shape) -> str:
    """The name of the model of a table, in the registry of another model."""
    mappers = inspect(shape.model).registry.mappers
    names = (mapper.class_.__name__ for mapper in mappers if mapper.local_table is table)
    return next(names, table.name)
