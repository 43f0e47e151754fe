"""``Resource``: the HTTP API of a table, as an APIRouter."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from enum import Enum
from functools import cached_property
from typing import Annotated, Any, TypeVar, get_args
from weakref import WeakValueDictionary

from fastapi import APIRouter, Request, Response, params
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from sqlalchemy import inspect
from starlette.routing import BaseRoute, Match
from starlette.types import Scope

from colonnade.database import Database
from colonnade.errors import ModelError, QueryError
from colonnade.models import Idempotency, Shape, schemas, snake
from colonnade.query import DEFAULT_LIMIT, Page, QueryableTable, did_you_mean
from colonnade.resources import _scoping, openapi
from colonnade.resources._reads import ReadOperations
from colonnade.resources._resource_checks import (
    OPERATIONS,
    refuse_orm_cascades,
    refuse_protected_fields,
    refuse_unknown_operations,
    refuse_unset_columns,
)
from colonnade.resources._table_context import ResourceContext
from colonnade.resources.contract._contract import (
    NO_STATUSES,
    UNREACHABLE,
    TotalHeader,
    contract_of,
)
from colonnade.resources.openapi._named_values import component_name
from colonnade.resources.routes._disconnect import DEADLINE
from colonnade.resources.routes._names import path_of
from colonnade.resources.routes._operations import GeneratedRoutes
from colonnade.resources.routes._request_context import NO_CONTEXT, RequestContext, context_of
from colonnade.resources.routes._route import (
    GeneratedRoute,
    ResourceRoute,
    Routes,
    replaced_keys,
    route_keys,
)
from colonnade.resources.routes._route_builder import WRITES, Guards, Operation, ResourceOptions
from colonnade.resources.routes._upsert_routes import bypassing_operations
from colonnade.resources.writes._resource_tables import ResourceTable
from colonnade.writes import Hooks, Moment, WriteKind

_resources: WeakValueDictionary[tuple[str, str], "Resource"] = WeakValueDictionary()
"""The Resources that exist, by the name in their operation ids, and the path."""

STANDARD: frozenset[Operation] = frozenset(
    ("list", "read", "create", "update", "delete", "batch", "link")
)
"""The default operations of a Resource, for ``operations=STANDARD | {"upsert"}``.

A new release adds none, so that an upgrade opens nothing.
"""

HookT = TypeVar("HookT", bound=Callable[..., Any])
Nested = Mapping[str, "Resource | Callable[[], Resource]"]
"""The Resources of relations, by the names of the relations."""


class Resource(APIRouter):
    """The HTTP API of a table: include it in an app like any other router.

    Its routes are built when it is included. Endpoints that you add match first; an endpoint with
    the method and path of a generated route replaces it, together with the same operation on many
    rows: an endpoint for ``DELETE /{key}`` also replaces ``DELETE :batch``.

    Args:
        model: The table.
        db: The database of the table.
        create: The schema of a POST; ``schemas(model).create`` by default.
        update: The schema of a PATCH; ``schemas(model).update`` by default.
        read: The schema of a row in responses; ``schemas(model).read`` by default. Its relations
            are part of every response.
        include: The relations that requests may include, filter across, and list, such as
            ``["project", "assignments.worker"]``.
        nested: The relations that a body may write with its row, each with the Resource of the
            related table, whose operations, dependencies, schemas and hooks apply, such as
            ``{"tasks": tasks}``. A function returns a Resource that does not exist yet:
            ``{"subtasks": lambda: tasks}``.
        scope: A dependency that returns which rows a request may access: a mapping of fields to
            values, which new rows get; a condition; or None, which denies access. It may raise 401
            or 403, which answers requests of this table and those that name it. The scope applies
            to the table in every Resource of the database; ``Unscoped`` opts out here.
        write_scope: A dependency that returns which of these rows a request may write, in the same
            form. A row that may only be read is a 403. It applies to the table in every Resource of
            the database; ``Unscoped`` opts out here.
        operations: The enabled operations: ``list`` (with relations and trees), ``read``,
            ``create``, ``update``, ``delete``, ``batch`` (create, update and delete of many rows)
            and ``link``. ``STANDARD`` has these; ``upsert`` (POST with ``on_conflict``) and
            ``replace`` (PUT) are off until you name them: ``STANDARD | {"upsert"}``.
        dependencies: Dependencies of all routes, or a mapping of operations to dependencies; those
            of ``create``, ``update`` and ``delete`` apply to batches as well, and those of
            ``create`` and ``update`` to upserts and replacements.
        max_limit: The maximum number of rows in a page and in a batch; 1,000 by default.
        default_limit: The number of rows in a page if the request sets no limit. None lists all
            rows up to ``max_limit``, which must be set then.
        envelope: A Pydantic class for the responses of lists, such as
            ``class Items(BaseModel): data: list[Any]; count: int``. The names and types of its
            fields say what they mean: see ``EnvelopeField``. A bare array by default.
        total_header: A header of every list with the number of all rows: ``X-Total-Count`` or
            ``Content-Range``. By default, X-Total-Count is sent if a request has ``count``.
        statuses: The statuses of successful operations: ``{"delete": 204, "link": 204}``. 204 has
            no body. ``create`` may have 200 instead of 201; ``update``, ``delete`` and ``link`` 204
            instead of 200. Batches have the status of their operation.
        unreachable: The status of a write with a foreign key to a row that does not exist or is
            out of scope: 409, or 400, 403, 404 or 422.
        idempotency: A table of responses, ``class RequestKey(Idempotency, table=True)``: a repeated
            POST with the same ``Idempotency-Key`` gets the same response. Without it, the header is
            ignored.
        deadline: Seconds that a request waits for the database; None for no limit.
        prefix: The path; the plural of the model's name by default.
        tags: Tags in the OpenAPI document; the prefix by default.
        responses: Additional responses of all routes, for the OpenAPI document.
        deprecated: Whether the OpenAPI document marks the routes as deprecated.
        include_in_schema: Whether the routes are in the OpenAPI document.

    Raises:
        ModelError: The model is not a table, or an argument does not fit it.

    Examples:
        ```python
        from fastapi import FastAPI
        from fastapi.testclient import TestClient

        from colonnade import Database, Field, Resource, Session, SQLModel


        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            title: str = Field(min_length=1)


        db = Database("sqlite://")
        db.create_all()
        tasks = Resource(Task, db, max_limit=100)


        @tasks.before("create")
        def strip_title(session: Session, values: dict[str, str]) -> None:
            values["title"] = values["title"].strip()


        app = FastAPI()
        app.include_router(tasks)
        client = TestClient(app)
        print(client.post("/tasks", json={"title": " Write "}).status_code)  # 201
        print(client.get("/tasks?title=Write").json())  # [{'id': 1, 'title': 'Write'}]
        ```
    """

    def __init__(
        self,
        model: type[Any],
        db: Database,
        *,
        create: type[BaseModel] | None = None,
        update: type[BaseModel] | None = None,
        read: type[BaseModel] | None = None,
        include: Sequence[str] = (),
        nested: Nested | None = None,
        scope: Any = None,
        write_scope: Any = None,
        operations: set[Operation] | frozenset[Operation] = STANDARD,
        dependencies: Sequence[params.Depends] | Guards = (),
        max_limit: int | None = None,
        default_limit: int | None = DEFAULT_LIMIT,
        envelope: type[BaseModel] | None = None,
        total_header: TotalHeader | None = None,
        statuses: Mapping[str, int] = NO_STATUSES,
        unreachable: int = UNREACHABLE,
        idempotency: type[Idempotency] | None = None,
        deadline: float | None = DEADLINE,
        prefix: str | None = None,
        tags: list[str | Enum] | None = None,
        responses: dict[int | str, dict[str, Any]] | None = None,
        deprecated: bool | None = None,
        include_in_schema: bool = True,
    ) -> None:
        self._shape = Shape.of(model)
        if deadline is not None and not deadline > 0:
            raise ModelError(f"deadline must be more than 0 seconds, or None, not {deadline}")
        self._deadline = deadline
        self._guards = _guards(dependencies)
        refuse_unknown_operations((*operations, *self._guards))
        self._operations = frozenset(operations)
        self._contract = contract_of(
            max_limit=max_limit,
            default_limit=default_limit,
            envelope=envelope,
            total_header=total_header,
            statuses=statuses,
            unreachable=unreachable,
            upserts="upsert" in operations,
        )
        path = f"/{path_of(model.__name__)}" if prefix is None else prefix
        super().__init__(
            prefix=path,
            tags=tags or [path.strip("/")],
            dependencies=None if isinstance(dependencies, Mapping) else list(dependencies),
            route_class=ResourceRoute,
            responses=responses,
            deprecated=deprecated,
            include_in_schema=include_in_schema,
        )
        self._operation_prefix = self._choose_operation_prefix()
        self.routes: Routes = Routes(self._generate_routes, self._complete, self._replaced_keys)
        # Every path of this router contains it, wherever the router is included.
        self._path_prefix = path.partition("{")[0]
        self.db = db
        self._schemas = (create, update, read)
        self._include = tuple(include)
        self._scoped = scope is not _scoping.Unscoped
        self._write_scoped = self._scoped and write_scope is not _scoping.Unscoped
        self._declare_scopes(scope, write_scope)
        self._idempotency = idempotency
        self._hooks = Hooks()
        self._nested = dict(nested or {})

    def _declare_scopes(self, scope: Any, write_scope: Any) -> None:
        if scope is not None and self._scoped:
            _scoping.declare(self.db, self._shape, scope)
        if write_scope is None or write_scope is _scoping.Unscoped:
            return
        if not self._scoped:
            raise ModelError(
                f"scope=Unscoped lets requests read and write every {self.model.__name__}, so that "
                f"write_scope= has no effect. Leave one of them out."
            )
        _scoping.declare(self.db, self._shape, write_scope, "write")

    def _choose_operation_prefix(self) -> str:
        """What the operation ids begin with: the path, if they would be those of another Resource.

        A Resource with the same path belongs to another application, as that of another test.
        """
        own_name = snake(self.model.__name__)
        is_told_apart = any(
            name == own_name
            and path != self.prefix
            and inspect(other.model, raiseerr=False) is not None
            for (name, path), other in _resources.items()
        )
        _resources[own_name, self.prefix] = self
        words = re.sub(r"[^a-z0-9]+", "_", self.prefix.lower()).strip("_")
        return f"{words}_" if is_told_apart else ""

    @property
    def model(self) -> type[Any]:
        """The table."""
        return self._shape.model

    @property
    def create(self) -> type[BaseModel]:
        """The schema of a POST."""
        return self._schemas[0] or schemas(self.model).create

    @property
    def update(self) -> type[BaseModel]:
        """The schema of a PATCH."""
        return self._schemas[1] or schemas(self.model).update

    @property
    def read(self) -> type[BaseModel]:
        """The schema of a row in a response."""
        return self._schemas[2] or schemas(self.model).read

    @property
    def why_not_exact(self) -> tuple[str, ...]:
        """The reasons why Pydantic renders the responses; empty if the database does."""
        return self.table_context.view.fallback_reasons

    @cached_property
    def table_context(self) -> ResourceContext:
        """The table with what its operations share.

        Raises:
            ModelError: ``include`` or a schema names a field that the model does not have.
        """
        queryable = QueryableTable.of(self.model, self._schemas[2], self._include)
        return ResourceContext(
            self.db,
            queryable,
            self.create,
            self.update,
            scoped=self._scoped,
            write_scoped=self._write_scoped,
            deadline=self._deadline,
        )

    @cached_property
    def _writable_table(self) -> ResourceTable:
        """The table as writes reach it, also those of Resources that nest this one."""
        guards: dict[str, list[params.Depends]] = {
            operation: [*self.dependencies, *self._guards.get(operation, ())]
            for operation in OPERATIONS
        }
        return ResourceTable(
            self.table_context,
            self._hooks,
            self._nestable_operations,
            self._nested_tables,
            self._replaced_links,
            guards=guards,
            router=self,
            enabled=self._operations,
            component=component_name(self._operation_prefix, snake(self.table_context.name)),
        )

    def _user_keys(self) -> set[tuple[str, str]]:
        """The keys of the generated routes that user endpoints replace."""
        return {
            key
            for route in list.__iter__(self.routes)
            if not isinstance(route, GeneratedRoute)
            for key in self._replaced_keys(route)
        }

    def _replaced_links(self) -> frozenset[str]:
        """The relations that nested writes may not link, since a user endpoint does."""
        taken = self._user_keys()
        base = re.sub(r"\{[^}]*\}", "{}", self.prefix)
        return frozenset(
            name
            for name in self._nested
            if taken & {(f"{base}/{{}}/{name}/{{}}", method) for method in ("PUT", "DELETE")}
        )

    def _nestable_operations(self) -> frozenset[str]:
        """The operations that nested writes may do: none that a user endpoint replaces."""
        taken = self._user_keys()
        base = re.sub(r"\{[^}]*\}", "{}", self.prefix)
        paths = {
            "create": (base, "POST"),
            "update": (f"{base}/{{}}", "PATCH"),
            "delete": (f"{base}/{{}}", "DELETE"),
        }
        return frozenset(
            operation for operation in self._operations if paths.get(operation) not in taken
        )

    def _nested_tables(self) -> dict[str, ResourceTable]:
        """The tables that relations nest.

        Raises:
            ModelError: ``nested`` names something that is not a relation, or a Resource of another
                table.
        """
        tables = {}
        for name, resource in self._nested.items():
            nested = resource if isinstance(resource, Resource) else resource()
            relation = self._shape.relations.get(name)
            if relation is None:
                raise ModelError(
                    f"nested names {name!r}, which is not a relation of {self.model.__name__}. Its "
                    f"relations: {', '.join(self._shape.relations) or 'none'}."
                    f"{did_you_mean(name, self._shape.relations)}"
                )
            if nested.model is not relation.target or nested.db is not self.db:
                raise ModelError(
                    f"nested gives {name} the Resource of {nested.model.__name__}. It needs a "
                    f"Resource of {relation.target.__name__} with the same Database."
                )
            tables[name] = nested._writable_table
        return tables

    @cached_property
    def _reads(self) -> ReadOperations:
        return ReadOperations(self.table_context, self._contract)

    @property
    def scopes(self) -> list[params.Depends]:
        """The dependencies that an endpoint outside of the Resource needs for ``query``."""
        return _scoping.dependencies(self.db, self.table_context.tables(), self._shape.table)

    def query(self, request: Request) -> Page:
        """Return the page that a request asks for: a dependency with filters, order and limits.

        ``query: Page = Depends(tasks.query)``. It has the parameters of the generated list, and
        ignores those that the endpoint declares.

        Args:
            request: The request.

        Returns:
            The page, for ``answer``, or for ``Page.apply`` with your own statement.

        Raises:
            RequestValidationError: 422, the query string is not valid.
        """
        try:
            page = self._reads.requested_page(request)
        except QueryError as error:
            raise RequestValidationError(error.errors) from None
        return replace(page, context=context_of(request))

    async def answer(self, page: Page) -> Response:
        """Respond with a page, like the generated list.

        Args:
            page: The page from ``query``, optionally narrowed by ``page.where(...)``.

        Returns:
            The response, with the headers of the generated list.
        """
        context = page.context if isinstance(page.context, RequestContext) else NO_CONTEXT
        return await self._reads.page(context, page)

    def before(self, operation: WriteKind) -> Callable[[HookT], HookT]:
        """Register a function to call before a write, in its transaction.

        The function names what it needs: ``session``; ``values``, a dict by field, which it may
        change; ``body``, the validated create or update schema; before an update or a delete also
        ``key``, a tuple, and ``row``, the row as it is, locked. Other parameters are those of an
        endpoint: a ``Request``, ``Header()``, ``Depends()``. If the transaction is retried, the
        function runs again.

        Args:
            operation: ``create``, ``update`` or ``delete``.

        Returns:
            The decorator, which returns the function unchanged.

        Raises:
            ModelError: The function asks for something that does not exist before the write.
        """
        return self._hook("before", operation)

    def after(self, operation: WriteKind) -> Callable[[HookT], HookT]:
        """Register a function to call after a write, in its transaction.

        The function names what it needs, as before a write: ``session``, ``row``, ``key``,
        ``values`` and ``body``; after a delete ``session`` and ``key``.

        Args:
            operation: ``create``, ``update`` or ``delete``.

        Returns:
            The decorator, which returns the function unchanged.

        Raises:
            ModelError: The function asks for something that does not exist after the write.
        """
        return self._hook("after", operation)

    def committed(self, operation: WriteKind) -> Callable[[HookT], HookT]:
        """Register a function to call once after the commit of a write, for mails and queues.

        The function names what it needs: ``row``, ``key`` and ``body``, or ``key`` after a delete,
        and parameters of an endpoint. Its failure is logged with the key of the row, and does not
        change the response. If the process stops between the commit and the call, it is not called:
        write a row to an outbox table in ``after`` if it must happen.

        Args:
            operation: ``create``, ``update`` or ``delete``.

        Returns:
            The decorator, which returns the function unchanged.

        Raises:
            ModelError: The function asks for something that does not exist after the commit.
        """
        return self._hook("committed", operation)

    def _hook(self, moment: Moment, operation: WriteKind) -> Callable[[HookT], HookT]:
        if operation not in get_args(WriteKind):
            raise ModelError(
                f"Unknown operation {operation!r} for a hook. Use create, update or delete."
                f"{did_you_mean(str(operation), get_args(WriteKind))}"
            )

        def add(hook: HookT) -> HookT:
            self._hooks.add(moment, operation, hook)
            return hook

        return add

    # The routes

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match a request to the routes of this Resource, with a quick exit by its path prefix."""
        if self._path_prefix not in scope["path"] and self.routes.all_start_with(self._path_prefix):
            return Match.NONE, {}
        return super().matches(scope)

    def _complete(self, route: BaseRoute) -> None:
        """Give a user endpoint the database, the scopes and the documentation of the Resource."""
        if not isinstance(route, ResourceRoute):
            return
        route.db = self.db
        route.siblings = self.routes
        scopes = self.scopes
        route.dependencies = [*route.dependencies, *scopes]
        problems = openapi.responses()
        route.responses = {422: problems[422], **route.responses}
        if any(dependency.call == self.query for dependency in route.dependant.dependencies):
            self._document_query(route)

    def _document_query(self, route: ResourceRoute) -> None:
        """Document the query parameters of ``Depends(resource.query)``."""
        if route.openapi_extra:
            return
        reader = self._reads.reader
        component = component_name(self._operation_prefix, snake(self.table_context.name))
        route.openapi_extra = openapi.LazyParameters(
            lambda: openapi.page_parameters(reader, component)
        )
        problem = openapi.ParameterProblem(openapi.Rows(reader.queryable, name=component))
        route.responses = {
            **route.responses,
            422: {**route.responses[422], "model": Annotated[Any, problem]},
        }

    def _replaced_keys(self, route: BaseRoute) -> set[tuple[str, str]]:
        return replaced_keys(route, self.prefix)

    def _generate_routes(self, user_routes: list[BaseRoute]) -> list[BaseRoute]:
        """Build the generated routes, except those that a user endpoint replaces."""
        table_context = self.table_context
        refuse_orm_cascades(self._shape, self._operations)
        refuse_protected_fields(self._shape, self.create, self.update)
        if self._contract.envelope is not None:
            self._contract.envelope.refuse_other_rows(self.read)
        if self._operations & {"create", "batch", "upsert", "replace"}:
            refuse_unset_columns(table_context, self._hooks)
        tables = table_context.tables()
        _scoping.mark_used(self.db, tables, by=f"the Resource of {self.model.__name__}")
        scopes = _scoping.dependencies(self.db, tables, self._shape.table)
        by = f"the Resource of {self.model.__name__}"
        nested = self._writable_table
        nested_tables = [table for table in nested.all_reached() if table not in tables]
        _scoping.mark_used(self.db, nested_tables, by)
        written = table_context.written_tables if self._operations & WRITES else ()
        nested_written = [table for table in nested.all_written() if table not in written]
        _scoping.mark_used(self.db, (*written, *nested_written), by, "write")
        taken = {key for route in user_routes for key in self._replaced_keys(route)}
        options = ResourceOptions(
            self._operations - bypassing_operations(taken, self.prefix),
            self._guards,
            self._writable_table,
            self._contract,
            scopes,
            [
                *_scoping.dependencies(self.db, nested_tables, self._shape.table),
                *_scoping.write_dependencies(self.db, nested_written, optional=True),
            ],
            _scoping.write_dependencies(self.db, written),
            self._idempotency,
            self._operation_prefix,
        )
        generated = GeneratedRoutes(self, table_context, self._reads, options)
        routes = generated.routes()
        linked = [table for link in generated.links for table in link.tables()]
        _scoping.mark_used(self.db, linked, by=f"the Resource of {self.model.__name__}")
        links = [link.table for link in generated.links]
        _scoping.mark_used(self.db, links, f"the Resource of {self.model.__name__}", "write")
        return [route for route in routes if not route_keys(route) & taken]


def _guards(dependencies: Sequence[params.Depends] | Guards) -> Guards:
    return dependencies if isinstance(dependencies, Mapping) else {}
