"""``colonnade serve``: an HTTP API for the tables of a module or of a database."""

import re
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import chain, count
from typing import Any

from fastapi import FastAPI

from colonnade.cli import _console
from colonnade.cli._server import listen, serve, url_of
from colonnade.cli._tables import import_tables, open_database, reflect_tables, require_tables
from colonnade.database import Database
from colonnade.errors import ModelError
from colonnade.models import Shape
from colonnade.resources import STANDARD, Operation, Resource, path_of, problems

READ_OPERATIONS: frozenset[Operation] = frozenset(("list", "read"))


def serve_target(
    target: str,
    host: str,
    port: int,
    database_url: str | None,
    *,
    writable: bool | None,
    schemas: Sequence[str] = (),
) -> None:
    """Serve the tables of a module or a database until the process is stopped.

    Args:
        target: The name of a module, or a database URL.
        host: The address to listen on.
        port: The port to listen on; 0 for any free port.
        database_url: The database of a module's tables.
        writable: Whether rows can be written. None allows it for a module only.
        schemas: The schemas of a database; by default its default schema.

    Raises:
        CommandError: The module cannot be imported, or there are no tables.
        DatabaseError: The database cannot be used.
    """
    with listen(host, port) as listener:
        if "://" in target:
            app = app_of_url(target, schemas, writable=bool(writable))
        else:
            app = app_of_module(target, database_url, writable=writable is not False)
        tables: list[str] = app.state.tables
        _console.panel(
            app.title,
            [
                f"[bold]{url_of(listener)}/docs[/bold]",
                f"{len(tables)} {'table' if len(tables) == 1 else 'tables'}: "
                + _console.escaped(", ".join(tables)),
                *(f"left out: {_console.escaped(reason)}" for reason in app.state.skipped),
                "writable" if app.state.writable else "read-only (--writable allows writes)",
            ],
        )
        serve(app, listener)


def app_of_module(name: str, database_url: str | None, *, writable: bool) -> FastAPI:
    """Build an app for the tables of a module. If writable, missing tables are created.

    Raises:
        CommandError: The module cannot be imported, or has no tables.
    """
    module, tables = import_tables(name)
    databases = [value for value in vars(module).values() if isinstance(value, Database)]
    db = databases[0] if databases and database_url is None else Database(database_url)
    if writable:
        db.create_all(tables[0].metadata)
    else:
        require_tables(db, tables)
    return app_of_models(name, db, tables, writable=writable)


def app_of_models(
    title: str,
    db: Database,
    models: Iterable[type[Any]],
    *,
    writable: bool,
    more: Collection[Operation] = (),
) -> FastAPI:
    """Build an app for tables, each at the path that a Resource chooses unless it is in use.

    Args:
        title: The title of the app.
        db: The database of the tables.
        models: The tables.
        writable: Whether rows can be written.
        more: Further operations.
    """
    models = list(models)
    paths = zip(models, _paths(path_of(model.__name__) for model in models), strict=True)
    return _app(title, db, dict(paths), [], writable=writable, more=more)


def app_of_url(
    url: str, schemas: Sequence[str] = (), *, writable: bool, more: Collection[Operation] = ()
) -> FastAPI:
    """Build an app for the tables of a database.

    Args:
        url: The database.
        schemas: The schemas; by default the default schema.
        writable: Whether rows can be written.
        more: Further operations.

    Raises:
        CommandError: The database has no tables, or its file does not exist.
        DatabaseError: The database cannot be used.
    """
    db = open_database(url, writable=writable)
    reflection = reflect_tables(db, schemas)
    skipped = [f"{name}, because {why}" for name, why in reflection.skipped.items()]
    paths = dict(zip(reflection.models.values(), _paths(reflection.models), strict=True))
    app = _app(str(db.url), db, paths, skipped, writable=writable, more=more)
    app.state.name = _name_of(db)
    return app


def _name_of(db: Database) -> str:
    """A short name of a database: that of its file, or the last part of its URL."""
    file = db.url.file
    return file.name if file is not None else str(db.url).rpartition("/")[2].partition("?")[0]


def _paths(tables: Iterable[str]) -> Iterator[str]:
    """The path of each table: a name with other characters replaced, numbered if in use."""
    taken = {"docs", "redoc", "openapi.json", "studio"}
    for table in tables:
        name = re.sub(r"[^\w.~-]+", "-", table)
        numbered = chain((name,), (f"{name}-{number}" for number in count(2)))
        path = next(name for name in numbered if name not in taken)
        taken.add(path)
        yield f"/{path}"


def _app(
    title: str,
    db: Database,
    paths: Mapping[type[Any], str | None],
    skipped: list[str],
    *,
    writable: bool,
    more: Collection[Operation],
) -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with db.lifespan(app):
            yield

    app = FastAPI(title=title, lifespan=lifespan)
    left_out = list(skipped)
    tables = _served([Shape.of(model) for model in paths])
    for shape in tables:
        options: dict[str, Any] = {"prefix": paths[shape.model], "include": list(shape.relations)}
        operations = (STANDARD if writable else READ_OPERATIONS) | set(more)
        try:
            app.include_router(Resource(shape.model, db, operations=operations, **options))
        except ModelError as error:
            left_out.append(f"deleting {shape.name}: {error}")
            operations -= {"delete"}
            app.include_router(Resource(shape.model, db, operations=operations, **options))
    problems(app)
    app.state.tables = [shape.name for shape in tables]
    app.state.skipped, app.state.writable = left_out, writable
    app.state.name = title
    return app


def _served(shapes: list[Shape]) -> list[Shape]:
    """The tables that get a Resource.

    A table that only links two others is served as lists of its two sides instead.
    """
    relations = [relation for shape in shapes for relation in shape.relations.values()]
    link_tables = {
        relation.link.table
        for relation in relations
        if relation.kind == "many_to_many" and relation.link
    }
    return [shape for shape in shapes if shape.link_fields != () or shape.table not in link_tables]
