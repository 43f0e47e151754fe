"""Schemas by role: a dependency that chooses one of several declared schemas for each request.

FastAPI solves the dependency with all others, as it does those of scopes; a wrapper stores the
chosen schema in the request's ASGI scope.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from inspect import Parameter, Signature
from itertools import product
from types import MappingProxyType
from typing import Any, Literal

from fastapi import Depends, Request, Response, params
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from colonnade.errors import ModelError
from colonnade.resources._declared_schemas import declared_schemas
from colonnade.resources._fastapi_compat import OptionalDependency, headers_of
from colonnade.resources._scoping import vary

SchemaKind = Literal["create", "update", "read"]
"""What a schema describes: the body of a POST, that of a PATCH, or a row in a response."""

SchemaOption = type[BaseModel] | Callable[..., Any] | params.Depends | None
"""What ``create``, ``update`` and ``read`` of a Resource accept."""

Selection = Mapping["SchemaChoice", type[BaseModel]]
"""The chosen schema of each choice."""

NO_CHOICES: Selection = MappingProxyType({})
"""The selection of a Resource with the same schemas for all requests."""

MAX_COMBINATIONS = 64
"""Maximum number of combinations of schemas, each with its own statements and readers."""

_CHOSEN = "colonnade.chosen_schemas"
"""Key in the ASGI scope: the schemas of the request by choice."""

_FAILED = "colonnade.failed_choices"
"""Key in the ASGI scope: the 401 or 403 of choices of nested Resources."""


class SchemaChoice:
    """A dependency that chooses one of several schemas.

    Args:
        kind: What the schemas describe.
        marker: The dependency, whose return annotation declares the schemas.
        table: The name of the table, for messages.

    Attributes:
        schemas: The declared schemas, in order.
        required: The dependency of routes that need the choice.
        optional: That of routes that may need it for a nested row.

    Raises:
        ModelError: The annotation does not declare schemas.
    """

    def __init__(self, kind: SchemaKind, marker: params.Depends, table: str) -> None:
        dependency: Any = marker.dependency
        self.kind = kind
        self.marker = marker
        self.label = f"{kind}={getattr(dependency, '__name__', repr(dependency))} of {table}"
        self.schemas = declared_schemas(dependency, self.label)
        self.required = _ChoiceDependency(self)
        self.optional = _OptionalChoiceDependency(self)

    def schema_of(self, request: Request) -> type[BaseModel]:
        """Return the schema that the dependency chose for a request.

        If a nested Resource refused the choice, it is the first one: see ``raise_failure``.

        Raises:
            ModelError: The route does not depend on the choice.
        """
        schema: type[BaseModel] | None = request.scope.get(_CHOSEN, {}).get(self)
        if schema is not None:
            return schema
        if self in request.scope.get(_FAILED, {}):
            return self.schemas[0]
        raise ModelError(
            f"The route does not depend on {self.label}. Add the endpoint to the Resource, or give "
            f"it dependencies=employees.scopes, with the name of your Resource."
        )

    def raise_failure(self, request: Request) -> None:
        """Raise the 401 or 403 with which the dependency refused to choose, if it did."""
        error: HTTPException | None = request.scope.get(_FAILED, {}).get(self)
        if error is not None:
            raise error


class _ChoiceDependency:
    """The dependency of a route that stores the chosen schema in the request's ASGI scope."""

    def __init__(self, choice: SchemaChoice) -> None:
        self._choice = choice
        self._headers = headers_of(choice.marker)
        keyword = Parameter.KEYWORD_ONLY
        self.__signature__ = Signature([
            Parameter("request", keyword, annotation=Request),
            Parameter("response", keyword, annotation=Response),
            Parameter("schema", keyword, annotation=Any, default=choice.marker),
        ])  # fmt: skip

    async def __call__(self, request: Request, response: Response, schema: Any) -> None:
        choice = self._choice
        if schema not in choice.schemas:
            known = ", ".join(declared.__name__ for declared in choice.schemas)
            raise ModelError(
                f"{choice.label} returned {schema!r}, which its return annotation does not "
                f"declare. Return {known}, or add the schema to the annotation."
            )
        request.scope.setdefault(_CHOSEN, {})[choice] = schema
        vary(request, self._headers, response)


class _OptionalChoiceDependency(_ChoiceDependency, OptionalDependency):
    """The same for a Resource that a route may reach by nesting."""

    def failed(self, request: Request, error: HTTPException) -> None:
        """Store why no schema was chosen, for a body that needs it."""
        request.scope.setdefault(_FAILED, {})[self._choice] = error
        vary(request, self._headers)


def schema_choices(
    table: str, options: Mapping[SchemaKind, SchemaOption]
) -> dict[SchemaKind, SchemaChoice]:
    """Return the choices among the arguments of a Resource; none for plain schemas.

    Args:
        table: The name of the table, for messages.
        options: The arguments.

    Raises:
        ModelError: An argument is neither a schema nor a dependency that declares schemas.
    """
    choices: dict[SchemaKind, SchemaChoice] = {}
    for kind, option in options.items():
        if option is None or (isinstance(option, type) and issubclass(option, BaseModel)):
            continue
        marker = option if isinstance(option, params.Depends) else Depends(option)
        dependency = marker.dependency
        if isinstance(dependency, type) or not callable(dependency):
            raise ModelError(
                f"{kind}={dependency!r} of {table} is neither a schema nor a function that returns "
                f"one. Pass a subclass of BaseModel, or a dependency that returns one of several: "
                f"def by_role(...) -> type[A] | type[B]."
            )
        choices[kind] = SchemaChoice(kind, marker, table)
    return choices


def selections(choices: Iterable[SchemaChoice]) -> Iterator[Selection]:
    """Yield all combinations of schemas; a single empty one without choices."""
    choices = list(choices)
    for combination in product(*(choice.schemas for choice in choices)):
        yield dict(zip(choices, combination, strict=True))


def refuse_many_combinations(choices: Iterable[SchemaChoice]) -> None:
    """Refuse choices whose combinations would take too long to build.

    Raises:
        ModelError: There are more than ``MAX_COMBINATIONS``.
    """
    choices, count = list(choices), 1
    for choice in choices:
        count *= len(choice.schemas)
    if count > MAX_COMBINATIONS:
        labels = ", ".join(choice.label for choice in choices)
        raise ModelError(
            f"{labels} have {count} combinations of schemas, and the maximum is "
            f"{MAX_COMBINATIONS}. Declare fewer schemas, or nest fewer Resources with schemas by "
            f"role."
        )
