"""``colonnade serve``: an HTTP API for the tables of a module or of a database."""

import re
import sys
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from importlib import import_module
from itertools import chain, count
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from colonnade.cli import _console
from colonnade.cli._server import listen, serve, url_of
from colonnade.database import Database
from colonnade.errors import CommandError, ModelError
from colonnade.models import Shape, reflect_models, schemas_with_tables
from colonnade.resources import STANDARD, Operation, Resource, problems

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
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        module = import_module(name)
    except ImportError as error:
        raise CommandError(
            f"Cannot import {name}: {error}. Name a module such as app.models, or a database URL."
        ) from error
    tables = [value for value in vars(module).values() if _is_table(value)]
    if not tables:
        raise CommandError(
            f"{name} has no tables. Name a module that defines or imports classes with table=True."
        )
    databases = [value for value in vars(module).values() if isinstance(value, Database)]
    db = databases[0] if databases and database_url is None else Database(database_url)
    db.ping()
    if writable:
        db.create_all(tables[0].metadata)
    return _app(name, db, dict.fromkeys(tables), [], writable=writable)


def app_of_url(url: str, schemas: Sequence[str] = (), *, writable: bool) -> FastAPI:
    """Build an app for the tables of a database.

    Args:
        url: The database.
        schemas: The schemas; by default the default schema.
        writable: Whether rows can be written.

    Raises:
        CommandError: The database has no tables, or its file does not exist.
        DatabaseError: The database cannot be used.
    """
    db = Database(url)
    if db.url.file is not None and not writable and "mode=" not in url:
        # A read-only connection leaves the file unchanged: no write-ahead log, no statistics.
        db = Database(f"{url}{'&' if '?' in url else '?'}mode=ro")
    if db.url.file is not None and not db.url.file.exists():
        raise CommandError(f"File not found: {db.url.file}.")
    db.ping()
    with db.engine.connect() as connection:
        reflection = reflect_models(connection, *schemas)
        others = [] if reflection.models or schemas else schemas_with_tables(connection)
    if not reflection.models:
        where = f" in {', '.join(schemas)}" if schemas else ""
        other = f" There are tables in {', '.join(others)}: choose the schemas with --schema."
        raise CommandError(f"{db.url} has no tables{where}." + (other if others else ""))
    skipped = [f"{name}, because {why}" for name, why in reflection.skipped.items()]
    paths = dict(zip(reflection.models.values(), _paths(reflection.models), strict=True))
    return _app(str(db.url), db, paths, skipped, writable=writable)


def _paths(tables: Iterable[str]) -> Iterator[str]:
    """The path of each table: its name with other characters replaced, numbered if in use."""
    taken = {"docs", "redoc", "openapi.json"}
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
        operations = STANDARD if writable else READ_OPERATIONS
        try:
            app.include_router(Resource(shape.model, db, operations=operations, **options))
        except ModelError as error:
            left_out.append(f"deleting {shape.name}: {error}")
            operations -= {"delete"}
            app.include_router(Resource(shape.model, db, operations=operations, **options))
    problems(app)
    app.state.tables = [shape.name for shape in tables]
    app.state.skipped, app.state.writable = left_out, writable
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


def _is_table(candidate: Any) -> bool:
    if not isinstance(candidate, type):
        return False
    try:
        Shape.of(candidate)
    except ModelError:
        return False
    return True
