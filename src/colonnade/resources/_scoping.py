"""Scopes: which dependency says what of a table a request may reach; one for each table.

A dependency's answer is kept with the request, by a dependency of our own that FastAPI solves
with the others, so that overrides, caching and sub-dependencies work as everywhere.
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

_KEPT = "colonnade.scopes"

VARY = "colonnade.vary"
"""Where a request has the names of the headers that its scopes have looked at."""


class Unscoped:
    """``Resource(Task, db, scope=Unscoped)``: every row, although the table has a scope."""


class _Registry:
    """The scopes of one database's tables, and who reaches them."""

    def __init__(self) -> None:
        self.scopes: dict[Table, tuple[Any, Callable[..., Any]]] = {}
        self.reached: dict[Table, str] = {}


_registries: WeakKeyDictionary[Database, _Registry] = WeakKeyDictionary()


def _registry(db: Database) -> _Registry:
    registry = _registries.get(db)
    if registry is None:
        registry = _registries[db] = _Registry()
    return registry


def declare(db: Database, shape: Shape, scope: Any) -> None:
    """Make a dependency the scope of a table.

    Args:
        db: The database.
        shape: The table.
        scope: The dependency, with or without ``Depends()`` around it.

    Raises:
        ModelError: The table has another scope, or is reached without one already.
    """
    dependency: Any = scope.dependency if isinstance(scope, params.Depends) else scope
    registry = _registry(db)
    name = shape.model.__name__
    known = registry.scopes.get(shape.table)
    if known is not None and known[0] is not dependency:
        raise ModelError(
            f"{name} already has a scope, and a table has only one. Leave scope= out to share "
            "it, or pass scope=Unscoped."
        )
    if known is None and shape.table in registry.reached:
        raise ModelError(
            f"{name} gets a scope after {registry.reached[shape.table]} was built, which reads it "
            "without the scope. Create the Resource with the scope before that one is "
            "included."
        )
    registry.scopes[shape.table] = known or (dependency, _keeping(shape, dependency))


def reach(db: Database, tables: Iterable[Table], by: str) -> None:
    """Note that a built Resource reaches these tables."""
    for table in tables:
        _registry(db).reached.setdefault(table, by)


def dependencies(db: Database, tables: Iterable[Table]) -> list[params.Depends]:
    """What a route that reaches these tables depends on."""
    scopes = _registry(db).scopes
    return [Depends(scopes[table][1]) for table in dict.fromkeys(tables) if table in scopes]


def scopes_of(request: Request, db: Database, tables: Callable[[], Iterable[Table]]) -> Scopes:
    """The scopes that a request's dependencies answered for these tables.

    Args:
        request: The request.
        db: Where the tables are.
        tables: Tells them, if any table of the database has a scope.

    Raises:
        ModelError: One of the dependencies was not asked: the route is not a Resource's.
    """
    declared = _registry(db).scopes
    if not declared:
        return NO_SCOPES
    kept: dict[Table, Scope] = request.scope.get(_KEPT, {})
    scopes: dict[Table, Scope] = {}
    for table in tables():
        if table in kept:
            scopes[table] = kept[table]
        elif table in declared:
            raise ModelError(
                f"The scope of {table.name} was not solved on this route. Add the endpoint to "
                "the Resource, or give it dependencies=tasks.scopes."
            )
    return Scopes(scopes) if scopes else NO_SCOPES


def _keeping(shape: Shape, dependency: Callable[..., Any]) -> Callable[..., Any]:
    headers = headers_of(dependency)

    async def keep_scope(
        request: Request,
        answer: Any = Depends(dependency),  # noqa: B008 - as FastAPI has it
    ) -> None:
        request.scope.setdefault(_KEPT, {})[shape.table] = Scope.of(shape, answer)
        request.scope.setdefault(VARY, set()).update(headers)

    return keep_scope


def keep_private(request: Request, response: Response) -> None:
    """Have caches give an answer within a scope to nobody else."""
    response.headers.setdefault("Cache-Control", "private")
    for name in sorted(request.scope[VARY]):
        response.headers.add_vary_header(name)
