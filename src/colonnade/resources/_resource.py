"""``Resource``: a table's whole HTTP surface, as an APIRouter."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from enum import Enum
from functools import cached_property
from typing import Any, Literal, TypeVar, get_args

from fastapi import APIRouter, Request, Response, params
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.routing import BaseRoute, Match
from starlette.types import Scope

from colonnade.database import Database
from colonnade.errors import ModelError, QueryError
from colonnade.models import Idempotency, Shape, schemas
from colonnade.query import Page, QueryableTable, did_you_mean
from colonnade.resources import _scoping
from colonnade.resources._hooks import Hooks, Written
from colonnade.resources._reads import Reads, asked_page
from colonnade.resources._table_context import TableContext
from colonnade.resources.routes import _openapi as documents
from colonnade.resources.routes._disconnect import DEADLINE
from colonnade.resources.routes._names import path_of
from colonnade.resources.routes._operations import Guards, Operation, Operations, ResourceOptions
from colonnade.resources.routes._request_context import NO_CONTEXT, RequestContext, context_of
from colonnade.resources.routes._route import ResourceRoute, Routes, replaced, replaced_with_batch

OPERATIONS: frozenset[Operation] = frozenset(get_args(Operation))
HookT = TypeVar("HookT", bound=Callable[..., Any])


class Resource(APIRouter):
    """The HTTP surface of a table: include it in an app as any router.

    Its routes are made when it is included. Endpoints that you add to it match first; one with
    the method and path of a generated route takes its place, and that of the same operation on
    many rows: who replaces ``DELETE /{key}`` replaces ``DELETE :batch``.

    Args:
        model: The table.
        db: Where it is.
        create: What a POST says; ``schemas(model).create`` by default.
        update: What a PATCH says; ``schemas(model).update`` by default.
        read: What an answer says; ``schemas(model).read`` by default. Relations that it has
            come with every answer.
        include: The relations that requests may include, filter across, and read as separate
            lists, such as ``["project", "assignments.worker"]``.
        scope: A dependency that says which rows a request may reach: a mapping of fields to
            values, which a new row is given; a condition; or None, which refuses. It is the
            table's, for every Resource of the database. ``Unscoped`` leaves it out here.
        operations: Which operations there are: ``list`` (relations and trees included),
            ``read``, ``create``, ``update``, ``delete``, ``batch`` (the three of them on many
            rows) and ``link``.
        dependencies: Dependencies of all routes, or of each operation's: those of ``create``,
            ``update`` and ``delete`` guard their batches too.
        max_limit: Rows in a page, and in a batch, at most.
        idempotency: A table of answers, ``class RequestKey(Idempotency, table=True)``: a POST
            that comes again with the same ``Idempotency-Key`` is answered as it was. Without it
            the header means nothing.
        prefix: The path; the model's name in the plural by default.
        tags: Tags in the OpenAPI document; the prefix by default.
        responses: Answers that every route may have, for the OpenAPI document.
        deprecated: Whether the document shows its routes as deprecated.
        include_in_schema: Whether they are in the document.

    Raises:
        ModelError: The model is not a table, or something is asked of it that it does not have.
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
        scope: Any = None,
        operations: set[Operation] | frozenset[Operation] = OPERATIONS,
        dependencies: Sequence[params.Depends] | Guards = (),
        max_limit: int = 1000,
        idempotency: type[Idempotency] | None = None,
        deadline: float | None = DEADLINE,
        prefix: str | None = None,
        tags: list[str | Enum] | None = None,
        responses: dict[int | str, dict[str, Any]] | None = None,
        deprecated: bool | None = None,
        include_in_schema: bool = True,
    ) -> None:
        self._shape = Shape.of(model)
        if max_limit < 1:
            raise ModelError(f"max_limit must be at least 1, not {max_limit}")
        if deadline is not None and not deadline > 0:
            raise ModelError(f"deadline must be more than 0 seconds, or None, not {deadline}")
        self._deadline = deadline
        self._guards = _guards(dependencies)
        _known_operations(operations, self._guards)
        self._operations = frozenset(operations)
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
        self.routes: Routes = Routes(self._made, self._complete, self._replaced)
        self._head = path.partition("{")[0]  # what a path here begins with, wherever it is included
        self.db = db
        self._schemas = (create, update, read)
        self._include = tuple(include)
        self._scoped = scope is not _scoping.Unscoped
        if scope is not None and self._scoped:
            _scoping.declare(db, self._shape, scope)
        self._max_limit = max_limit
        self._idempotency = idempotency
        self._hooks = Hooks()

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
        """The schema of a row in an answer."""
        return self._schemas[2] or schemas(self.model).read

    @property
    def why_not_exact(self) -> tuple[str, ...]:
        """Why Pydantic writes the answers; empty when the database does."""
        return self.subject.view.fallback_reasons

    @cached_property
    def subject(self) -> TableContext:
        """The table as its operations know it.

        Raises:
            ModelError: ``include`` or a schema names what the model does not have.
        """
        surface = QueryableTable.of(self.model, self._schemas[2], self._include)
        return TableContext(
            self.db,
            surface,
            self.create,
            self.update,
            scoped=self._scoped,
            deadline=self._deadline,
        )

    @cached_property
    def _reads(self) -> Reads:
        return Reads(self.subject, self._max_limit)

    @property
    def scopes(self) -> list[params.Depends]:
        """The dependencies that an endpoint outside of the Resource needs to use ``query``."""
        return _scoping.dependencies(self.db, self.subject.tables())

    def query(self, request: Request) -> Page:
        """A dependency: the page that a request asks for, with filters, order and limits.

        ``query: Page = Depends(tasks.query)``. Its parameters are those of the generated list.

        Raises:
            RequestValidationError: The query string is not valid: a 422.
        """
        try:
            page = asked_page(self._reads.reader, self.subject, request)
        except QueryError as error:
            raise RequestValidationError(error.errors) from None
        return replace(page, context=context_of(request))

    async def answer(self, page: Page) -> Response:
        """Answer with a page, as the generated list does.

        Args:
            page: From ``query``, narrowed by ``page.where(...)`` if you like.
        """
        context = page.context if isinstance(page.context, RequestContext) else NO_CONTEXT
        return await self._reads.page(context, page)

    def before(self, operation: Written) -> Callable[[HookT], HookT]:
        """Have a function called before a write, in its transaction.

        It is called with the session and the values by field, which it may change; of a
        delete, with the key as a tuple. See ``docs/resources.md``.
        """
        return self._hook("before", operation)

    def after(self, operation: Written) -> Callable[[HookT], HookT]:
        """Have a function called after a write, in its transaction.

        It is called with the session and the row; of a delete, with the key as a tuple.
        """
        return self._hook("after", operation)

    def _hook(
        self, when: Literal["before", "after"], operation: Written
    ) -> Callable[[HookT], HookT]:
        if operation not in get_args(Written):
            raise ModelError(
                f"Unknown operation {operation!r}: hooks run on create, update and delete"
            )

        def add(hook: HookT) -> HookT:
            self._hooks.add(when, operation, hook)
            return hook

        return add

    # The routes

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether a route of this Resource answers a request; no to most without asking each."""
        if self._head not in scope["path"] and self.routes.are_all_below(self._head):
            return Match.NONE, {}
        return super().matches(scope)

    def _complete(self, route: BaseRoute) -> None:
        """Give an endpoint of the user's what it needs of the Resource, and its document too."""
        if not isinstance(route, ResourceRoute):
            return
        route.db = self.db
        route.siblings = self.routes
        scopes = self.scopes
        route.dependencies = [*route.dependencies, *scopes]
        problems = documents.responses()
        route.responses = {422: problems[422], **route.responses}
        if any(dependency.call == self.query for dependency in route.dependant.dependencies):
            reader = self._reads.reader
            known = documents.Operation(lambda: documents.page_parameters(reader))
            route.openapi_extra = route.openapi_extra or known

    def _replaced(self, route: BaseRoute) -> set[tuple[str, str]]:
        return replaced_with_batch(route, self.prefix)

    def _made(self, user_routes: list[BaseRoute]) -> list[BaseRoute]:
        """The generated routes, those left out whose place an endpoint of the user takes."""
        subject = self.subject
        _refuse_cascades(self._shape, self._operations)
        _refuse_closed(self._shape, self.create, self.update)
        tables = subject.tables()
        _scoping.reach(self.db, tables, by=f"the Resource of {self.model.__name__}")
        scopes = _scoping.dependencies(self.db, tables)
        taken = {
            replaced_route for route in user_routes for replaced_route in self._replaced(route)
        }
        offer = ResourceOptions(
            self._operations, self._guards, self._hooks, self._max_limit, scopes, self._idempotency
        )
        operations = Operations(self, subject, self._reads, offer)
        generated = operations.routes()
        linked = [table for link in operations.links for table in link.tables()]
        _scoping.reach(self.db, linked, by=f"the Resource of {self.model.__name__}")
        return [route for route in generated if not replaced(route) & taken]


def _guards(dependencies: Sequence[params.Depends] | Guards) -> Guards:
    return dependencies if isinstance(dependencies, Mapping) else {}


def _known_operations(operations: Any, guards: Guards) -> None:
    for name in (*operations, *guards):
        if name not in OPERATIONS:
            known = ", ".join(get_args(Operation))
            raise ModelError(
                f"{name!r} is not an operation: {known}.{did_you_mean(str(name), OPERATIONS)}"
            )


def _refuse_cascades(shape: Shape, operations: frozenset[Operation]) -> None:
    """A DELETE is the database's: what only the ORM would delete along must be its rule."""
    if "delete" not in operations:
        return
    for relation in shape.relations.values():
        orm = relation.orm
        if not orm.cascade.delete or relation.kind in {"one", "many_to_many"}:
            continue
        target = Shape.of(relation.target)
        theirs = {target.table.c[there].name for _, there in relation.pairs}
        for key in target.foreign_keys:
            if set(key.columns) == theirs and (key.ondelete or "").upper() not in {
                "CASCADE",
                "SET NULL",
            }:
                columns = ", ".join(key.columns)
                raise ModelError(
                    f"{shape.model.__name__}.{relation.name} has cascade_delete, which only the "
                    f"ORM sees; a Resource deletes in SQL. Have the database do it: "
                    f'Field(..., ondelete="CASCADE") on {relation.target.__name__}.{columns}.'
                )


def _refuse_closed(shape: Shape, create: type[BaseModel], update: type[BaseModel]) -> None:
    """A schema of the program's own opens no door that its table closes."""
    for schema, doors in ((create, ("readonly", "role")), (update, ("readonly", "role", "frozen"))):
        for column in shape.columns.values():
            if column.name not in schema.model_fields or not any(
                getattr(column, door) for door in doors
            ):
                continue
            why = "is kept by the database" if column.readonly or column.role else "is set once"
            if column.primary_key:
                why = "is the primary key, which no update changes" if schema is update else why
            raise ModelError(f"{schema.__name__}.{column.name} {why}: leave it out of the schema.")
