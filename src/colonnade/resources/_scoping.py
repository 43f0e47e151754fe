"""Scopes: the dependency of each table that decides which rows a request may access.

FastAPI solves the dependencies with all others, so that overrides, caching and sub-dependencies
work as usual; a wrapper stores their results in the request's ASGI scope. A 401 or 403 of the scope
of another table than that of the route is stored as well, instead of failing the request.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from inspect import Parameter, Signature
from operator import is_
from typing import Any, Literal, Protocol

from fastapi import Depends, Request, Response, params
from sqlalchemy import Table
from starlette.exceptions import HTTPException

from colonnade._owner_caches import cached_by_owner
from colonnade.database import Database
from colonnade.errors import ModelError
from colonnade.models import Shape
from colonnade.query import NO_SCOPES, Scope, Scopes
from colonnade.resources._fastapi_compat import OptionalDependency, headers_of, identity_of
from colonnade.resources.routes._request_context import NO_CONTEXT, context_of

Access = Literal["read", "write"]
"""What a scope restricts: which rows exist for a request, or which of these it may write."""

_SCOPES_KEYS: dict[Access, str] = {"read": "colonnade.scopes", "write": "colonnade.write_scopes"}
"""Keys in the ASGI scope: the scopes of the request by table."""

_ARGUMENTS: dict[Access, str] = {"read": "scope", "write": "write_scope"}
"""The arguments of a Resource."""

_NARROWINGS_KEY = "colonnade.narrowings"
"""Key in the ASGI scope: what narrows the scopes of the request."""

_NARROWED_KEY = "colonnade.narrowed_scopes"
"""Key in the ASGI scope: the narrowed scope of each narrowing, with those that it comes from."""

VARY_KEY = "colonnade.vary"
"""Key in the ASGI scope: the headers that the request's scopes depend on."""


class Unscoped:
    """The value of ``scope`` with which a Resource serves all rows, although the table has a scope.

    ``write_scope=Unscoped`` keeps the scope, and lets requests write all rows that they may read.
    Protect such a Resource with ``dependencies``, as for administrators.

    Examples:
        ```python
        from fastapi import Depends, FastAPI, Header, HTTPException

        from colonnade import Database, Field, Resource, SQLModel, Unscoped


        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            owner: str


        def own_tasks(x_user: str = Header()) -> dict[str, str]:
            return {"owner": x_user}


        def require_admin(x_user: str = Header()) -> None:
            if x_user != "admin":
                raise HTTPException(403)


        db = Database("sqlite://")
        app = FastAPI()
        app.include_router(Resource(Task, db, scope=own_tasks))
        admin = [Depends(require_admin)]
        all_tasks = Resource(Task, db, scope=Unscoped, prefix="/all-tasks", dependencies=admin)
        app.include_router(all_tasks)
        ```
    """


class _ScopeDependency:
    """The dependency of a route that stores a scope in the request's ASGI scope.

    Args:
        shape: The table.
        marker: The dependency that returns the scope.
        access: What the scope restricts.
    """

    def __init__(self, shape: Shape, marker: params.Depends, access: Access) -> None:
        self._shape = shape
        self._key = _SCOPES_KEYS[access]
        self._headers = headers_of(marker)
        keyword = Parameter.KEYWORD_ONLY
        self.__signature__ = Signature([
            Parameter("request", keyword, annotation=Request),
            Parameter("response", keyword, annotation=Response),
            Parameter("result", keyword, annotation=Any, default=marker),
        ])  # fmt: skip

    async def __call__(self, request: Request, response: Response, result: Any) -> None:
        self._store(request, Scope.of(self._shape, result))
        vary(request, self._headers, response)

    def _store(self, request: Request, scope: Scope) -> None:
        request.scope.setdefault(self._key, {})[self._shape.table] = scope


class _OptionalScopeDependency(_ScopeDependency, OptionalDependency):
    """The same for a table that a route reaches through another one."""

    def failed(self, request: Request, error: HTTPException) -> None:
        """Store that the request may access no rows, and why."""
        self._store(request, Scope(self._shape, refused=True, error=error))
        vary(request, self._headers)


class _DeclaredScope:
    """The scope of a table, with its dependencies of routes.

    Attributes:
        marker: The dependency that returns the scope.
        required: For routes of the table.
        optional: For routes that reach the table through another one.
    """

    def __init__(self, shape: Shape, marker: params.Depends, access: Access) -> None:
        self.marker = marker
        self.required = _ScopeDependency(shape, marker, access)
        self.optional = _OptionalScopeDependency(shape, marker, access)


class _Registry:
    """The scopes of the tables of a database, and the Resource that first used each table.

    Reads and writes have different registries.
    """

    def __init__(self) -> None:
        self.scopes: dict[Table, _DeclaredScope] = {}
        self.used_by: dict[Table, str] = {}


@cached_by_owner
def _scope_registries(db: Database) -> dict[Access, _Registry]:
    return {"read": _Registry(), "write": _Registry()}


def _registry(db: Database, access: Access = "read") -> _Registry:
    return _scope_registries(db)[access]


def declare(db: Database, shape: Shape, scope: Any, access: Access = "read") -> None:
    """Register a dependency as the scope of a table.

    Args:
        db: The database.
        shape: The table.
        scope: The dependency, with or without ``Depends()`` or ``Security()`` around it.
        access: What the scope restricts.

    Raises:
        ModelError: The table has another scope, or a Resource was built without its scope.
    """
    marker = scope if isinstance(scope, params.Depends) else Depends(scope)
    registry = _registry(db, access)
    name, argument = shape.model.__name__, _ARGUMENTS[access]
    known = registry.scopes.get(shape.table)
    if known is not None and identity_of(known.marker) != identity_of(marker):
        raise ModelError(
            f"{name} already has a {argument}, and a table has only one. Omit {argument}= to share "
            f"it, or pass {argument}=Unscoped."
        )
    if known is None and shape.table in registry.used_by:
        raise ModelError(
            f"{name} got its {argument} after {registry.used_by[shape.table]} was built "
            f"without it. Create the Resource with the {argument} first."
        )
    registry.scopes[shape.table] = known or _DeclaredScope(shape, marker, access)


def mark_used(db: Database, tables: Iterable[Table], by: str, access: Access = "read") -> None:
    """Record that something that was built uses these tables."""
    for table in tables:
        _registry(db, access).used_by.setdefault(table, by)


def has_scope(db: Database, table: Table) -> bool:
    """Whether a table has a scope, for reads or for writes."""
    return table in _registry(db).scopes or table in _registry(db, "write").scopes


def dependency_of(db: Database, table: Table, access: Access = "read") -> Callable[..., Any] | None:
    """Return the dependency that is the scope of a table; None if it has none."""
    declared = _registry(db, access).scopes.get(table)
    return None if declared is None else declared.marker.dependency


def dependencies(db: Database, tables: Iterable[Table], route_table: Table) -> list[params.Depends]:
    """Return the scope dependencies of a route that accesses these tables.

    Args:
        db: The database of the tables.
        tables: The tables.
        route_table: The table of the Resource. A 401 or 403 of another scope does not fail the
            route.
    """
    scopes = _registry(db).scopes
    return [
        Depends(scopes[table].required if table is route_table else scopes[table].optional)
        for table in dict.fromkeys(tables)
        if table in scopes
    ]


def write_dependencies(
    db: Database, tables: Iterable[Table], *, optional: bool = False
) -> list[params.Depends]:
    """Return the write scope dependencies of a route that writes these tables.

    Args:
        db: The database of the tables.
        tables: The tables.
        optional: Whether a request may write none of them, so that a 401 or 403 is not that of the
            route.
    """
    scopes = _registry(db, "write").scopes
    return [
        Depends(scopes[table].optional if optional else scopes[table].required)
        for table in tables
        if table in scopes
    ]


def scopes_of(
    request: Request,
    db: Database,
    tables: Callable[[], Iterable[Table]],
    written: Iterable[Table] = (),
) -> Scopes:
    """Return the scopes of a request for these tables.

    Args:
        request: The request.
        db: The database of the tables.
        tables: Returns the tables; called only if the database has scopes.
        written: The tables that the request writes, whose write scopes apply as well.

    Raises:
        ModelError: The route does not depend on one of the scopes.
    """
    declared = _scope_registries(db)
    read, write = declared["read"].scopes, declared["write"].scopes
    narrowings = request.scope.get(_NARROWINGS_KEY, ())
    if not read and not write and not narrowings:
        return NO_SCOPES
    scopes = _scopes_of(request, read, tables(), "read") if read else {}
    for narrowing in narrowings:
        table = narrowing.table
        above = _scopes_of(request, read, narrowing.above, "read")
        scopes[table] = _narrowed(request, narrowing, scopes.get(table), above)
    write_scopes = _scopes_of(request, write, written, "write") if write else {}
    return Scopes(scopes, write_scopes) if scopes or write_scopes else NO_SCOPES


class Narrowing(Protocol):
    """What narrows the scope of a table for a request, also that of an ``Unscoped`` Resource."""

    @property
    def table(self) -> Table:
        """The table."""

    @property
    def above(self) -> Sequence[Table]:
        """The tables whose scopes ``scope`` needs."""

    def scope(self, above: Mapping[Table, Scope]) -> Scope:
        """The rows of the table, within the scopes of the tables above.

        Raises:
            HTTPException: The error of one of these scopes.
        """

    def not_found(self) -> Exception:
        """The error of a request whose scope has none of the rows."""


def narrow(request: Request, narrowing: Narrowing) -> None:
    """Narrow the scope of a table for a request.

    The scopes are combined when they are used: a dependency may narrow before others return them.
    """
    request.scope.setdefault(_NARROWINGS_KEY, []).append(narrowing)


def _narrowed(
    request: Request, narrowing: Narrowing, declared: Scope | None, above: Mapping[Table, Scope]
) -> Scope:
    """Return a narrowed scope, the same object as long as it comes from the same scopes."""
    if declared is not None and declared.refused:
        return declared
    known = request.scope.setdefault(_NARROWED_KEY, {})
    sources = (declared, *above.values())
    if narrowing in known and all(map(is_, known[narrowing][0], sources)):
        scope: Scope = known[narrowing][1]
        return scope
    scope = narrowing.scope(above)
    if declared is not None:
        scope = declared.narrowed(scope)
        if scope.refused:
            raise narrowing.not_found()
    known[narrowing] = sources, scope
    return scope


def _scopes_of(
    request: Request,
    declared: Mapping[Table, _DeclaredScope],
    tables: Iterable[Table],
    access: Access,
) -> dict[Table, Scope]:
    request_scopes: dict[Table, Scope] = request.scope.get(_SCOPES_KEYS[access], {})
    scopes: dict[Table, Scope] = {}
    for table in tables:
        if table in request_scopes:
            scopes[table] = request_scopes[table]
        elif table in declared:
            raise ModelError(
                f"The route does not depend on the {_ARGUMENTS[access]} of {table.name}. Add the "
                f"endpoint to the Resource, or give it dependencies=tasks.scopes."
            )
    return scopes


def vary(request: Request, headers: Iterable[str], response: Response | None = None) -> None:
    """Record that the response depends on headers of the request.

    A route of a Resource marks its responses itself, also those that are errors.

    Args:
        request: The request.
        headers: The names of the headers.
        response: What FastAPI copies headers from to the response of any other route.
    """
    request.scope.setdefault(VARY_KEY, set()).update(headers)
    if response is not None and context_of(request) is NO_CONTEXT:
        mark_private(request, response)


def mark_private(request: Request, response: Response) -> None:
    """Mark a scoped response as private, so that shared caches do not store it."""
    response.headers.setdefault("Cache-Control", "private")
    marked = {name.strip().lower() for name in response.headers.get("Vary", "").split(",")}
    for name in sorted(request.scope[VARY_KEY]):
        if name.lower() not in marked:
            response.headers.add_vary_header(name)
