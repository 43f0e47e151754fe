"""Builds generated routes with the options of their Resource."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import Body as FastAPIBody
from fastapi import params
from fastapi.datastructures import Default, DefaultPlaceholder
from fastapi.routing import APIRouter
from starlette.routing import BaseRoute

from colonnade.models import Idempotency, snake
from colonnade.resources import openapi
from colonnade.resources._hook_parameters import hook_dependencies
from colonnade.resources._path_columns import PathColumns
from colonnade.resources._table_context import ResourceContext
from colonnade.resources.contract._contract import Contract
from colonnade.resources.openapi._named_values import component_name
from colonnade.resources.responses._bodies import NO_CONTENT
from colonnade.resources.routes._route import GeneratedRoute
from colonnade.resources.writes._resource_tables import ResourceTable

Operation = Literal[
    "list", "read", "create", "update", "delete", "batch", "link", "upsert", "replace", "aggregate"
]
"""A kind of route that a Resource generates, for ``operations`` and ``dependencies``."""

WRITES: frozenset[Operation] = frozenset(("create", "update", "delete"))
"""The operations that write rows of the table itself."""

Guards = Mapping[Operation, Sequence[params.Depends]]
Endpoint = Callable[..., Any]
Parameters = Callable[[], list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class ResourceOptions:
    """The options of a Resource.

    Attributes:
        operations: The enabled operations.
        guards: The dependencies of each operation.
        table: The table as writes reach it, with the tables that its relations nest.
        contract: How the Resource answers.
        scopes: The dependencies that return the scopes.
        nested_scopes: Those of the tables that only nested writes reach.
        write_scopes: The dependencies that return the write scope of the table.
        idempotency: The table of stored responses; None to ignore ``Idempotency-Key``.
        operation_prefix: What the operation ids begin with, if the table has several Resources.
        aggregate_exclude: The fields that requests can neither group by nor aggregate.
    """

    operations: frozenset[Operation]
    guards: Guards
    table: ResourceTable
    contract: Contract
    scopes: list[params.Depends]
    nested_scopes: list[params.Depends]
    write_scopes: list[params.Depends]
    idempotency: type[Idempotency] | None
    operation_prefix: str
    path_columns: PathColumns
    aggregate_exclude: tuple[str, ...] = ()


class RouteBuilder:
    """Builds the generated routes of one Resource.

    Args:
        router: The Resource, for the settings of all its routes.
        table_context: The table of the Resource.
        options: The options of the Resource.

    Attributes:
        routes: The routes that were added.
    """

    def __init__(
        self, router: APIRouter, table_context: ResourceContext, options: ResourceOptions
    ) -> None:
        self.router = router
        self.table_context = table_context
        self.options = options
        self.routes: list[BaseRoute] = []
        self.key = table_context.keys.name
        self.row_path = f"/{{{self.key}}}"
        self.name = snake(table_context.name)

    def add(
        self,
        path: str,
        method: str,
        endpoint: Endpoint,
        operation: Operation | tuple[Operation, ...],
        *,
        name: str,
        summary: str,
        response_model: Any,
        responses: dict[int | str, dict[str, Any]],
        parameters: Parameters = list,
        scopes: Sequence[params.Depends] = (),
        dependencies: Sequence[params.Depends] = (),
        status: int = 200,
        route_class: type[GeneratedRoute] = GeneratedRoute,
        include_in_schema: bool = True,
    ) -> None:
        """Add a route.

        Args:
            path: The path below that of the Resource.
            method: The HTTP method.
            endpoint: The endpoint.
            operation: The operation or operations whose dependencies guard the route.
            name: The name of the route.
            summary: The summary in the OpenAPI document.
            response_model: The documented response.
            responses: The documented responses by status.
            parameters: Builds the documented parameters.
            scopes: The dependencies that return scopes, besides those of the Resource.
            dependencies: The guards of another Resource whose rows the route writes.
            status: The status of a successful response.
            route_class: The class of the route.
            include_in_schema: Whether the route is in the OpenAPI document.
        """
        operations = (operation,) if isinstance(operation, str) else operation
        guards = [guard for name in operations for guard in self.options.guards.get(name, ())]
        needed = [*self.options.scopes, *scopes]
        if not WRITES.isdisjoint(operations):
            needed += self.options.write_scopes
        if needed:
            responses = {403: openapi.responses(403)[403], **responses}
        path_columns = self.options.path_columns
        if path_columns:
            responses = {404: openapi.responses(404)[404], **responses}
        unreachable = self.options.contract.unreachable
        if method not in {"GET", "DELETE"}:
            responses = openapi.with_unreachable(responses, unreachable)
        router = self.router
        route = route_class(
            router.prefix + path,
            path_columns.endpoint(endpoint),
            response_model=None if status == NO_CONTENT else response_model,
            status_code=status,
            tags=list(router.tags),
            dependencies=[
                *router.dependencies,
                *guards,
                *dependencies,
                *needed,
                *hook_dependencies(self.options.table.hooks.of_kinds(operations)),
            ],
            summary=summary,
            responses={**router.responses, **responses},
            deprecated=router.deprecated,
            methods=[method],
            name=name,
            include_in_schema=router.include_in_schema and include_in_schema,
            dependency_overrides_provider=router.dependency_overrides_provider,
            openapi_extra=openapi.LazyParameters(
                lambda: [*path_columns.documented(), *parameters()]
            ),
            generate_unique_id_function=self._unique_id(),
        )
        route.db = self.table_context.db
        route.unreachable = unreachable
        route.siblings = router.routes
        # Nested rows may need the guards of another Resource, which FastAPI solves. Subclasses
        # choose requests by more than the path.
        route.may_be_direct = route_class is GeneratedRoute and (
            method == "GET" or not self.options.table.relations
        )
        self.routes.append(route)

    def _unique_id(self) -> Any:
        """The function for operation ids: the application's or Resource's, else the route's name.

        FastAPI prefers every function to a ``Default``.
        """
        chosen = self.router.generate_unique_id_function
        if not isinstance(chosen, DefaultPlaceholder):
            return chosen
        prefix = self.options.operation_prefix
        return Default(lambda route: f"{prefix}{route.name}")

    def component_name(self, *relation: str) -> str:
        """Return what the names of components in the OpenAPI document begin with."""
        return f"{self.options.table.component}{component_name(*relation)}"

    def key_parameter(self) -> dict[str, Any]:
        """Return the documented path parameter for the key of a row."""
        return openapi.path_parameter(self.key, self.table_context.keys.columns)


def with_body(endpoint: Endpoint, body: openapi.Body, default: Any = ...) -> Endpoint:
    """Document the body of an endpoint, which reads it from the request itself."""
    endpoint.__annotations__["body"] = Annotated[Any, FastAPIBody(), body]
    if default is not ...:
        endpoint.__defaults__ = (default,)
    return endpoint


def words_of(name: str) -> str:
    """Return the words of a name in snake case."""
    return name.replace("_", " ")
