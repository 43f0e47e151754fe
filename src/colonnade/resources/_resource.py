"""``Resource``: the HTTP API of a table, as an APIRouter."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from fastapi import APIRouter, Depends, HTTPException, Request, Response, params
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from sqlalchemy import ColumnElement
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from colonnade.database import Database
from colonnade.errors import ModelError, QueryError
from colonnade.models import Idempotency, Shape, snake
from colonnade.query import DEFAULT_LIMIT, NO_ALIASES, Page, QueryableTable
from colonnade.resources import _scoping, openapi
from colonnade.resources._documented_queries import document_query
from colonnade.resources._explain import Explanation
from colonnade.resources._hook_decorators import HookDecorators
from colonnade.resources._operation_prefixes import choose_operation_prefix
from colonnade.resources._path_columns import PathColumns
from colonnade.resources._reached_tables import ReachedTables
from colonnade.resources._reads import ReadOperations
from colonnade.resources._resource_checks import (
    refuse_orm_cascades,
    refuse_unknown_operations,
)
from colonnade.resources._resource_schemas import ResourceSchemas
from colonnade.resources._schema_choices import (
    NO_CHOICES,
    SchemaKind,
    SchemaOption,
)
from colonnade.resources._schema_registry import declare_choice, mark_links, mark_schemas
from colonnade.resources._scope_conditions import ScopeCondition
from colonnade.resources._table_context import ResourceContext
from colonnade.resources._writable_tables import NestedTables, WritableTables
from colonnade.resources.contract._contract import (
    NO_STATUSES,
    UNREACHABLE,
    TotalHeader,
    contract_of,
)
from colonnade.resources.descriptions._describe import (
    describe_resource,
    relative_routes,
    searchable_fields,
)
from colonnade.resources.descriptions._resource_description import ResourceDescription
from colonnade.resources.descriptions._studio_view import StudioView
from colonnade.resources.responses._problems import Problem
from colonnade.resources.routes._actions import Action, ActionResult, add_action
from colonnade.resources.routes._choice_routes import generated_routes
from colonnade.resources.routes._direct_routes import DirectRoutes
from colonnade.resources.routes._disconnect import DEADLINE
from colonnade.resources.routes._names import path_of
from colonnade.resources.routes._read_guards import require_readable
from colonnade.resources.routes._request_context import NO_CONTEXT, RequestContext, context_of
from colonnade.resources.routes._route import (
    ResourceRoute,
    Routes,
    replaced_keys,
    route_keys,
)
from colonnade.resources.routes._route_builder import (
    WRITES,
    Guards,
    Operation,
    ResourceOptions,
    RouteBuilder,
)
from colonnade.resources.routes._upsert_routes import bypassing_operations
from colonnade.writes import Hooks, RejectedError

if TYPE_CHECKING:
    from colonnade.resources._aggregates import AggregateOperations

STANDARD: frozenset[Operation] = frozenset(
    ("list", "read", "create", "update", "delete", "batch", "link")
)
"""The default operations of a Resource, for ``operations=STANDARD | {"upsert"}``.

A new release adds none, so that an upgrade opens nothing.
"""

ActionT = TypeVar("ActionT", bound=Callable[..., Any])

Nested = Mapping[str, "Resource | Callable[[], Resource]"]
"""The Resources of relations, by the names of the relations."""


class Resource(HookDecorators, APIRouter):
    """The HTTP API of a table: include it in an app like any other router.

    Its routes are built when it is included. Endpoints that you add match first; an endpoint with
    the method and path of a generated route replaces it, together with the same operation on many
    rows: an endpoint for ``DELETE /{key}`` also replaces ``DELETE :batch``.

    Args:
        model: The table.
        db: The database of the table.
        create: The schema of a POST; ``schemas(model).create`` by default. A dependency with the
            return annotation ``type[A] | type[B]`` chooses one of these for each request, for
            fields by role; the same for ``update`` and ``read``.
        update: The schema of a PATCH; ``schemas(model).update`` by default.
        read: The schema of a row in responses; ``schemas(model).read`` by default. Its relations
            are part of every response. Requests can filter and sort only by its fields.
        include: The relations that requests may include, filter across, sort by and list, and the
            aggregates of their rows, such as ``["project", "assignments.worker"]`` and
            ``["subtasks.count"]``.
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
            and ``link``. ``STANDARD`` has these; ``upsert`` (POST with ``on_conflict``),
            ``replace`` (PUT) and ``aggregate`` (GET ``:aggregate``) are off until you name them:
            ``STANDARD | {"upsert"}``.
        dependencies: Dependencies of all routes, or a mapping of operations to dependencies; those
            of ``create``, ``update`` and ``delete`` apply to batches as well, those of ``create``
            and ``update`` to upserts and replacements, and those of ``list`` to aggregates.
        max_limit: The maximum number of rows in a page and in a batch; 1,000 by default.
        default_limit: The number of rows in a page if the request sets no limit. None lists all
            rows up to ``max_limit``, which must be set then.
        default_order_by: The order of the list if the request sets none, in the form of
            ``order_by``: ``-created_at``. By default, the key. A field of a related row needs the
            scope of its table, as in ``order_by``.
        query_aliases: Other names of the list's parameters, as an existing API has them:
            ``{"q": "title__icontains", "sort": "order_by"}``.
        aggregate_exclude: The fields that requests can neither group by nor aggregate, such as
            ``["salary"]``.
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
        deadline: Maximum time in seconds that a request waits for the database, 30 by default; None
            for no limit. An aggregate waits for at most 5 seconds in any case.
        studio: How Studio shows the rows: the name of the table, its columns and its search.
        prefix: The path; the plural of the model's name by default. A parameter that is a column,
            ``/books/{book_id}/reviews``, restricts the Resource to the rows with this value, which
            new rows get.
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
        create: SchemaOption = None,
        update: SchemaOption = None,
        read: SchemaOption = None,
        include: Sequence[str] = (),
        nested: Nested | None = None,
        scope: Any = None,
        write_scope: Any = None,
        operations: set[Operation] | frozenset[Operation] = STANDARD,
        dependencies: Sequence[params.Depends] | Guards = (),
        max_limit: int | None = None,
        default_limit: int | None = DEFAULT_LIMIT,
        default_order_by: str | None = None,
        query_aliases: Mapping[str, str] = NO_ALIASES,
        aggregate_exclude: Sequence[str] = (),
        envelope: type[BaseModel] | None = None,
        total_header: TotalHeader | None = None,
        statuses: Mapping[str, int] = NO_STATUSES,
        unreachable: int = UNREACHABLE,
        idempotency: type[Idempotency] | None = None,
        deadline: float | None = DEADLINE,
        studio: StudioView | None = None,
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
            default_order_by=default_order_by,
            query_aliases=query_aliases,
            envelope=envelope,
            total_header=total_header,
            statuses=statuses,
            unreachable=unreachable,
            upserts="upsert" in operations,
        )
        path = f"/{path_of(model.__name__)}" if prefix is None else prefix
        super().__init__(
            prefix=path,
            tags=tags or [path.rpartition("}")[2].strip("/") or path_of(model.__name__)],
            dependencies=None if isinstance(dependencies, Mapping) else list(dependencies),
            route_class=ResourceRoute,
            responses=responses,
            deprecated=deprecated,
            include_in_schema=include_in_schema,
        )
        self._operation_prefix = choose_operation_prefix(self)
        self.routes: Routes = Routes(self._generate_routes, self._complete, self._replaced_keys)
        self._path_columns = PathColumns(self._shape, path)
        # Every path of this router contains it, wherever the router is included.
        self._path_prefix = path.partition("{")[0]
        self.db = db
        self._direct_routes = DirectRoutes(self, db)
        options: dict[SchemaKind, SchemaOption] = {"create": create, "update": update, "read": read}
        self._schemas = ResourceSchemas(
            self.model, options, self._make_reads, self._operation_prefix
        )
        self._include = tuple(include)
        self._scoped = scope is not _scoping.Unscoped
        self._write_scoped = self._scoped and write_scope is not _scoping.Unscoped
        self._declare_scopes(scope, write_scope)
        for choice in self._schemas.choices.values():
            declare_choice(db, self._shape, choice)
        self._aggregate_exclude = tuple(aggregate_exclude)
        self._all_aggregates: dict[ResourceContext, AggregateOperations] = {}
        self._idempotency = idempotency
        self._hooks = Hooks()
        self._studio = studio or StudioView()
        self._actions: dict[str, Action] = {}
        self._nested = dict(nested or {})
        self._writable_tables = WritableTables(
            self._shape,
            db,
            self,
            self._schemas,
            self._hooks,
            operations=self._operations,
            guards=self._guards,
            nested=self._nested_tables,
        )

    def _refuse_unknown_columns(self, reads: Sequence[ReadOperations]) -> None:
        """Refuse a ``StudioView`` with fields that no request may read."""
        fields = [name for each in reads for name in each.table_context.queryable.columns]
        searchable = [name for each in reads for name in searchable_fields(each.reader)]
        self._studio.refuse_unknown_fields(
            self.model.__name__, dict.fromkeys(fields), dict.fromkeys(searchable)
        )

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

    @property
    def model(self) -> type[Any]:
        """The table."""
        return self._shape.model

    @property
    def create(self) -> type[BaseModel]:
        """The schema of a POST, if it is the same for all requests."""
        return self._schemas.schema("create", NO_CHOICES)

    @property
    def update(self) -> type[BaseModel]:
        """The schema of a PATCH, if it is the same for all requests."""
        return self._schemas.schema("update", NO_CHOICES)

    @property
    def read(self) -> type[BaseModel]:
        """The schema of a row in a response, if it is the same for all requests."""
        return self._schemas.schema("read", NO_CHOICES)

    @property
    def operations(self) -> frozenset[Operation]:
        """The enabled operations."""
        return self._operations

    @property
    def scope(self) -> Callable[..., Any] | None:
        """The dependency that returns which rows a request may access; None for all rows."""
        return _scoping.dependency_of(self.db, self._shape.table) if self._scoped else None

    @property
    def write_scope(self) -> Callable[..., Any] | None:
        """The dependency that returns which of these a request may write; None for all of them."""
        if not self._write_scoped:
            return None
        return _scoping.dependency_of(self.db, self._shape.table, "write")

    @property
    def max_limit(self) -> int:
        """The maximum number of rows in a page and in a batch."""
        return self._contract.max_limit

    @property
    def idempotency(self) -> type[Idempotency] | None:
        """The table of responses by ``Idempotency-Key``; None if the header has no effect."""
        return self._idempotency

    @property
    def why_not_exact(self) -> tuple[str, ...]:
        """The reasons why Pydantic renders the responses; empty if the database does."""
        views = [context.view for context in self._schemas.contexts()]
        return tuple(dict.fromkeys(reason for view in views for reason in view.fallback_reasons))

    @cached_property
    def table_context(self) -> ResourceContext:
        """The table with what its operations share, if all requests have the same schemas.

        Raises:
            ModelError: ``include`` or a schema names a field that the model does not have.
        """
        return self._schemas.reads(NO_CHOICES).table_context

    def _make_reads(
        self, create: type[BaseModel], update: type[BaseModel], read: type[BaseModel]
    ) -> ReadOperations:
        """Make the table with three schemas, and its read operations."""
        is_chosen, options = "read" in self._schemas.choices, self._schemas.options
        queryable = QueryableTable.of(self.model, read, self._include, is_chosen=is_chosen)
        mark_schemas(self.db, queryable, options, self._operations, is_chosen=is_chosen)
        table_context = ResourceContext(
            self.db,
            queryable,
            create,
            update,
            scoped=self._scoped,
            write_scoped=self._write_scoped,
            path_columns=self._path_columns,
            deadline=self._deadline,
        )
        return ReadOperations(table_context, self._contract)

    def _nested_resources(self) -> dict[str, "Resource"]:
        return {
            name: resource if isinstance(resource, Resource) else resource()
            for name, resource in self._nested.items()
        }

    def _nested_tables(self) -> NestedTables:
        resources = self._nested_resources()
        return {name: resource._writable_tables for name, resource in resources.items()}

    def _aggregates_of(self, page: Page) -> "AggregateOperations":
        """The aggregates of the program, which may use every field of the page's schema."""
        # Here, since most applications have no aggregates, and the import takes milliseconds.
        from colonnade.resources._aggregates import AggregateOperations

        context = self._schemas.reads_of(page).table_context
        aggregates = self._all_aggregates.get(context)
        if aggregates is None:
            aggregates = AggregateOperations(context, for_requests=False)
            self._all_aggregates[context] = aggregates
        return aggregates

    @property
    def scopes(self) -> list[params.Depends]:
        """The dependencies that an endpoint outside of the Resource needs for ``query``."""
        tables = self._schemas.readable_tables()
        return [
            *self._schemas.read_dependencies(),
            *_scoping.dependencies(self.db, tables, self._shape.table),
            *self._path_columns.dependencies(),
        ]

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
        reads = self._schemas.requested_reads(request)
        self._path_columns.narrow(request)
        try:
            page = reads.requested_page(request)
        except QueryError as error:
            raise RequestValidationError(error.errors) from None
        context = context_of(request)
        if context is NO_CONTEXT:
            context = RequestContext(outside=request)
        return replace(page, context=context)

    @cached_property
    def reachable(self) -> Callable[..., Awaitable[ColumnElement[bool]]]:
        """A dependency that returns the scope as a condition on the model.

        ``reachable: ColumnElement[bool] = Depends(tasks.reachable)``, then
        ``select(Task).where(reachable)``. It works in any endpoint, also outside of the Resource,
        and is true if the table has no scope. A request to which the scope denies access gets the
        same 401 or 403 as from the generated routes.
        """
        return self._scope_condition("reachable", writing=False)

    def action(
        self,
        title: str,
        *,
        name: str | None = None,
        confirm: str | None = None,
        dependencies: Sequence[params.Depends] = (),
    ) -> Callable[[ActionT], ActionT]:
        """Add an action: an endpoint that calls a function with the rows that a request chooses.

        ``POST /tasks:close?key=1&key=2`` calls the function ``close`` with these rows, in one
        transaction, which rolls back if it raises. It does not depend on ``operations``, and Studio
        shows a button for it. The function has a parameter ``rows``, and may have ``session``, a
        Pydantic model as the body, which is a form in Studio, and any parameter of an endpoint. A
        sync function gets a ``Session``, an async function an ``AsyncSession``. Its return value is
        the message of the response. The scope, the write scope and the dependencies of ``update``
        apply, and hooks do not. If the transaction is retried, the function runs again.

        Args:
            title: The label of the button.
            name: The name in the path; by default that of the function.
            confirm: A question that Studio asks first, such as ``"Close these tasks?"``.
            dependencies: More dependencies of the endpoint.

        Returns:
            The decorator, which returns the function unchanged.

        Raises:
            ModelError: The function has no parameter ``rows``, or the name is not valid in a path,
                is reserved, or belongs to another action.

        Examples:
            ```python
            from fastapi import FastAPI
            from fastapi.testclient import TestClient

            from colonnade import Database, Field, Resource, SQLModel


            class Ticket(SQLModel, table=True):
                id: int | None = Field(default=None, primary_key=True)
                open: bool = True


            db = Database("sqlite://")
            db.create_all()
            tickets = Resource(Ticket, db)


            @tickets.action("Close", confirm="Close these tickets?")
            def close(rows: list[Ticket]) -> str:
                for ticket in rows:
                    ticket.open = False
                return f"Closed {len(rows)}"


            app = FastAPI()
            app.include_router(tickets)
            client = TestClient(app)
            client.post("/tickets", json={})
            print(client.post("/tickets:close?key=1").json()["message"])  # Closed 1
            print(client.get("/tickets/1").json()["open"])  # False
            ```
        """

        def add(function: ActionT) -> ActionT:
            action = Action.of(
                function, title, name=name, confirm=confirm, max_rows=self._contract.max_limit
            )
            add_action(self._actions, action, self.model.__name__)
            update = self._schemas.choices.get("update")
            self.add_api_route(
                f":{action.name}",
                action.endpoint(
                    lambda: next(self._schemas.contexts()),
                    self.writable,
                    openapi.path_parameter("key", self._path_columns.key_columns)["schema"],
                ),
                methods=["POST"],
                name=f"{function.__name__}_{snake(self.model.__name__)}",
                summary=title,
                response_model=ActionResult,
                responses=openapi.responses(403, 404, 409, 413),
                dependencies=[
                    *([] if update is None else [Depends(update.required)]),
                    *self._guards.get("update", ()),
                    *self._path_columns.dependencies(),
                    *dependencies,
                ],
            )
            action.read_form(list.__getitem__(self.routes, self.routes.last_user_index))
            return function

        return add

    async def describe(self, request: Request) -> ResourceDescription:
        """Describe what the Resource offers to a request: its fields, relations and operations.

        The fields are those of the schemas that the request may use. The description does not say
        which rows the request may access, or whether a dependency refuses an operation.

        Args:
            request: A request of an endpoint in the same app.

        Raises:
            HTTPException: The request may not read the rows: a dependency of the list or of
                ``include_router`` refuses it.
            RequestValidationError: The request lacks what such a dependency needs.
        """
        selection, refused = await self._schemas.select(request)
        reads = self._schemas.reads(selection)
        keys = {key for route in self.routes for key in route_keys(route)}
        access = await require_readable(self, request)
        if access.can_read:
            reads.table_context.scopes(request)
        return describe_resource(
            reads.table_context,
            reads.reader,
            self._contract,
            path=self.prefix,
            routes=relative_routes(keys, self.prefix),
            refused=refused,
            nested={
                name: await resource._create_schema_for(request)
                for name, resource in self._nested_resources().items()
            },
            actions=tuple(action.describe() for action in self._actions.values()),
            is_open=access.can_read
            and access.is_generated
            and not (self._schemas.choices or self._table_scopes()),
            studio=self._studio,
        )

    async def _create_schema_for(self, request: Request) -> type[BaseModel] | None:
        """The schema of a POST of a request; None if it may not choose one."""
        try:
            selection, refused = await self._schemas.select(request)
        except (HTTPException, RequestValidationError):
            return None
        if "create" in refused:
            return None
        return self._schemas.reads(selection).table_context.create.schema

    def _table_scopes(self) -> list[params.Depends]:
        """The scope of the table, if it applies here."""
        table = self._shape.table
        return _scoping.dependencies(self.db, [table], table) if self._scoped else []

    @cached_property
    def writable(self) -> Callable[..., Awaitable[ColumnElement[bool]]]:
        """A dependency that returns the scope and the write scope as a condition on the model.

        ``writable: ColumnElement[bool] = Depends(tasks.writable)``, then
        ``delete(Task).where(writable)``, as ``reachable``.
        """
        return self._scope_condition("writable", writing=True)

    def _scope_condition(self, name: str, *, writing: bool) -> ScopeCondition:
        return ScopeCondition(
            f"{name} of a Resource of {self.model.__name__}",
            self.db,
            self._shape,
            self._path_columns,
            scoped=self._scoped,
            write_scoped=writing and self._write_scoped,
        )

    async def answer(self, page: Page) -> Response:
        """Respond with a page, like the generated list.

        Args:
            page: The page from ``query``, optionally narrowed by ``page.where(...)``.

        Returns:
            The response, with the headers of the generated list.
        """
        context = page.context if isinstance(page.context, RequestContext) else NO_CONTEXT
        response = await self._schemas.reads_of(page).page(context, page)
        if context.outside is not None and _scoping.VARY_KEY in context.outside.scope:
            _scoping.mark_private(context.outside, response)
        return response

    async def explain(self, page: Page, key: str | None = None) -> Explanation:
        """Return the SQL and the query plan of a page, or of one row, without running the query.

        Args:
            page: The page from ``query``.
            key: The key of a row as it is in paths, to explain how that row is read with the fields
                and relations of the page.

        Returns:
            The statement, its parameters and the query plan. Show it to developers only: it reveals
            tables and columns that the schemas may hide.

        Raises:
            Problem: 404, no row can have the key.
            RequestValidationError: 422, the key does not have the types of its columns.
        """
        try:
            return await self._schemas.reads_of(page).explain(page, key)
        except RejectedError as error:
            raise Problem.of(error) from None
        except QueryError as error:
            raise RequestValidationError(error.errors) from None

    async def aggregate(
        self, page: Page, *, group_by: Sequence[str] = (), aggregate: Sequence[str] = ("count",)
    ) -> list[dict[str, Any]]:
        """Group the rows of a page, and count, sum or compare them in the database.

        It works whether or not ``operations`` has ``aggregate``, and may use the fields of
        ``aggregate_exclude``.

        Args:
            page: The page from ``query``. Its filters, its scope and the conditions of
                ``page.where(...)`` apply; its ordering and its limits do not.
            group_by: The fields to group by, such as ``["project.slug", "created_at.month"]``.
            aggregate: The aggregates, such as ``["count", "hours.sum"]``.

        Returns:
            A dict for each group, ordered by the groups, whose keys are the names in ``group_by``
            and ``aggregate``, and whose values are Python objects.

        Raises:
            RequestValidationError: 422, a field cannot be grouped or aggregated, or there are more
                than 10,000 groups.
        """
        context = page.context if isinstance(page.context, RequestContext) else NO_CONTEXT
        try:
            return await self._aggregates_of(page).values(context, page, group_by, aggregate)
        except QueryError as error:
            raise RequestValidationError(error.errors) from None

    # The routes

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match a request to the routes of this Resource, with a quick exit by its path prefix."""
        if self._path_prefix not in scope["path"] and self.routes.all_start_with(self._path_prefix):
            return Match.NONE, {}
        if self._direct_routes.match(scope):
            return Match.FULL, {}
        return super().matches(scope)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that these routes match."""
        if not await self._direct_routes.handle(scope, receive, send):
            await super().handle(scope, receive, send)

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
            document_query(route, self._schemas)

    def _replaced_keys(self, route: BaseRoute) -> set[tuple[str, str]]:
        return replaced_keys(route, self.prefix)

    def _generate_routes(self, user_routes: list[BaseRoute]) -> list[BaseRoute]:
        """Build the generated routes, except those that a user endpoint replaces."""
        variants = self._writable_tables.variants
        refuse_orm_cascades(self._shape, self._operations)
        self._refuse_unknown_columns([variant.reads for variant in variants])
        for variant in variants:
            variant.refuse_bad_schemas(self._operations, self._contract)
        by = f"the Resource of {self.model.__name__}"
        reached = ReachedTables.of(variants, writes=bool(self._operations & WRITES))
        reached.mark_used(self.db, by)
        taken = {key for route in user_routes for key in self._replaced_keys(route)}
        first = variants[0].table
        options = ResourceOptions(
            self._operations - bypassing_operations(taken, self.prefix),
            self._guards,
            first,
            self._contract,
            _scoping.dependencies(self.db, reached.read, self._shape.table),
            [
                *(Depends(choice.optional) for choice in self._writable_tables.nested_choices),
                *reached.nested_scopes(self.db, self._shape.table),
            ],
            _scoping.write_dependencies(self.db, reached.written),
            self._idempotency,
            self._operation_prefix,
            self._path_columns,
            self._aggregate_exclude,
        )
        builder = RouteBuilder(self, first.table_context, options)
        routes, links = generated_routes(builder, variants)
        for route in routes:
            self._path_columns.check(route)
        linked = [table for link in links for table in link.tables()]
        _scoping.mark_used(self.db, linked, by)
        _scoping.mark_used(self.db, [link.table for link in links], by, "write")
        for link in (*links, *(link for each in variants for link in each.table.nested_links())):
            mark_links(self.db, link)
        kept = [route for route in routes if not route_keys(route) & taken]
        if self.prefix.endswith("}"):  # whose parameter would match "1:batch"
            collection = f"{self.prefix}:"
            kept.sort(key=lambda route: not getattr(route, "path", "").startswith(collection))
        return kept


def _guards(dependencies: Sequence[params.Depends] | Guards) -> Guards:
    return dependencies if isinstance(dependencies, Mapping) else {}
