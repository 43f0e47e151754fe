"""Scopes: the dependency of each table that decides which rows a request may access.

FastAPI solves the dependencies with all others, so that overrides, caching and sub-dependencies
work as usual; a wrapper stores their results in the request's ASGI scope.
"""

from collections.abc import Callable, Iterable
from typing import Any
from weakref import WeakKeyDictionary

from fastapi import Depends, Request, Response, params
from sqlalchemy import Table

from colonnade.database import Database
from colonnade.errors import ModelError
from colonnade.models import Shape
from colonnade.query import NO_SCOPES, Scope, Scopes
from colonnade.resources._fastapi_compat import headers_of

_SCOPES_KEY = "colonnade.scopes"

VARY_KEY = "colonnade.vary"
"""Key in the ASGI scope: the headers that the request's scopes depend on."""


class Unscoped:
    """The value of ``scope`` with which a Resource serves all rows, although the table has a scope.

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


class _Registry:
    """The scopes of the tables of a database, and the Resource that first used each table."""

    def __init__(self) -> None:
        self.scopes: dict[Table, tuple[Any, Callable[..., Any]]] = {}
        self.used_by: dict[Table, str] = {}


_registries: WeakKeyDictionary[Database, _Registry] = WeakKeyDictionary()


def _registry(db: Database) -> _Registry:
    registry = _registries.get(db)
    if registry is None:
        registry = _registries[db] = _Registry()
    return registry


def declare(db: Database, shape: Shape, scope: Any) -> None:
    """Register a dependency as the scope of a table.

    Args:
        db: The database.
        shape: The table.
        scope: The dependency, with or without ``Depends()`` around it.

    Raises:
        ModelError: The table has another scope, or a Resource was built without its scope.
    """
    dependency: Any = scope.dependency if isinstance(scope, params.Depends) else scope
    registry = _registry(db)
    name = shape.model.__name__
    known = registry.scopes.get(shape.table)
    if known is not None and known[0] is not dependency:
        raise ModelError(
            f"{name} already has a scope, and a table has only one. Omit scope= to share it, or "
            f"pass scope=Unscoped."
        )
    if known is None and shape.table in registry.used_by:
        raise ModelError(
            f"{name} was given a scope after {registry.used_by[shape.table]} was built without it. "
            f"Create the Resource with the scope before you include the other one."
        )
    registry.scopes[shape.table] = known or (dependency, _scope_dependency(shape, dependency))


def mark_used(db: Database, tables: Iterable[Table], by: str) -> None:
    """Record that a Resource that was built uses these tables."""
    for table in tables:
        _registry(db).used_by.setdefault(table, by)


def has_scope(db: Database, table: Table) -> bool:
    """Whether a table has a scope."""
    return table in _registry(db).scopes


def dependencies(db: Database, tables: Iterable[Table]) -> list[params.Depends]:
    """Return the scope dependencies of a route that accesses these tables."""
    scopes = _registry(db).scopes
    return [Depends(scopes[table][1]) for table in dict.fromkeys(tables) if table in scopes]


def scopes_of(request: Request, db: Database, tables: Callable[[], Iterable[Table]]) -> Scopes:
    """Return the scopes of a request for these tables.

    Args:
        request: The request.
        db: The database of the tables.
        tables: Returns the tables; called only if the database has scopes.

    Raises:
        ModelError: The route does not depend on one of the scopes.
    """
    declared = _registry(db).scopes
    if not declared:
        return NO_SCOPES
    request_scopes: dict[Table, Scope] = request.scope.get(_SCOPES_KEY, {})
    scopes: dict[Table, Scope] = {}
    for table in tables():
        if table in request_scopes:
            scopes[table] = request_scopes[table]
        elif table in declared:
            raise ModelError(
                f"The route does not depend on the scope of {table.name}. Add the endpoint to the "
                f"Resource, or give it dependencies=tasks.scopes."
            )
    return Scopes(scopes) if scopes else NO_SCOPES


def _scope_dependency(shape: Shape, dependency: Callable[..., Any]) -> Callable[..., Any]:
    headers = headers_of(dependency)

    async def store_scope(
        request: Request,
        result: Any = Depends(dependency),  # noqa: B008 - FastAPI's syntax
    ) -> None:
        request.scope.setdefault(_SCOPES_KEY, {})[shape.table] = Scope.of(shape, result)
        request.scope.setdefault(VARY_KEY, set()).update(headers)

    return store_scope


def mark_private(request: Request, response: Response) -> None:
    """Mark a scoped response as private, so that shared caches do not store it."""
    response.headers.setdefault("Cache-Control", "private")
    for name in sorted(request.scope[VARY_KEY]):
        response.headers.add_vary_header(name)
