"""The tables that a command is about: those of a module, of a project, or of a database."""

import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from sqlalchemy import inspect

from colonnade.database import Database, table_models
from colonnade.errors import CommandError, ModelError
from colonnade.models import Reflection, Shape, reflect_models, schemas_with_tables
from colonnade.project import Project


def import_tables(name: str) -> tuple[ModuleType, list[type[Any]]]:
    """Import a module, and return it with the tables that it defines or imports.

    Raises:
        CommandError: The module cannot be imported, or has no tables.
    """
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        module = import_module(name)
    except ImportError as error:
        raise CommandError(f"Cannot import {name}: {error}. {_what_to_name(name)}") from error
    tables = [value for value in vars(module).values() if _is_table(value)]
    if not tables:
        raise CommandError(
            f"{name} has no tables. Name a module that defines or imports classes with table=True."
        )
    return module, list(dict.fromkeys(tables))


def _what_to_name(name: str) -> str:
    """What to write instead of a name that cannot be imported."""
    if name.endswith(".py"):
        return f"Name the module: {name.removesuffix('.py').replace('/', '.')}."
    if Path(name).is_file():
        return f"Name the database by its URL: sqlite:///{name}."
    return "Name a module such as app.models, or a database URL."


def project_models(project: Project) -> list[type[Any]]:
    """The models of a project.

    Raises:
        CommandError: It has no tables.
    """
    project.load()
    models = table_models()
    if not models:
        raise CommandError(
            f"The project in {project.root} has no tables. Name a module such as app.models, or a "
            "database URL."
        )
    return models


def open_database(url: str, *, writable: bool) -> Database:
    """Open the database of a URL.

    Raises:
        CommandError: Its file does not exist.
        DatabaseError: The database cannot be used.
    """
    db = Database(url)
    if db.url.file is not None and not writable and "mode=" not in url:
        # A read-only connection leaves the file unchanged: no write-ahead log, no statistics.
        db = Database(f"{url}{'&' if '?' in url else '?'}mode=ro")
    if db.url.file is not None and not db.url.file.exists():
        raise CommandError(f"File not found: {db.url.file}.")
    db.ping()
    return db


def unscoped_database(declared: Database | None, url: str | None) -> Database:
    """A database without the scopes and the schemas by role that a program has declared.

    They are for the users of its API: they would hide rows from the owner of the database.

    Args:
        declared: The Database of the program; None if it has none.
        url: Another database; None for that of the program.
    """
    if url is None and declared is not None:
        return Database(declared.url)
    return Database(url)


def require_tables(db: Database, models: Sequence[type[Any]], *, creates: bool = True) -> None:
    """Check that a database that is only read has the tables of models.

    Args:
        db: The database.
        models: The models.
        creates: Whether the command creates missing tables with ``--writable``.

    Raises:
        CommandError: Its file does not exist, or a table is missing.
        DatabaseError: The database cannot be used.
    """
    create = "Run `colonnade upgrade`"
    create += ", or pass --writable to create the tables." if creates else "."
    if db.url.file is not None and not db.url.file.exists():
        raise CommandError(f"File not found: {db.url.file}. {create}")
    db.ping()
    inspector = inspect(db.engine)
    tables = [Shape.of(model).table for model in models]
    missing = [each.fullname for each in tables if not inspector.has_table(each.name, each.schema)]
    if missing:
        raise CommandError(f"{db.url} lacks the tables {', '.join(missing)}. {create}")


def reflect_tables(db: Database, schemas: Sequence[str] = ()) -> Reflection:
    """Make models of the tables of a database.

    Args:
        db: The database.
        schemas: The schemas; by default the default schema.

    Raises:
        CommandError: The database has no tables there.
    """
    with db.engine.connect() as connection:
        reflection = reflect_models(connection, *schemas)
        others = [] if reflection.models or schemas else schemas_with_tables(connection)
    if not reflection.models:
        where = f" in {', '.join(schemas)}" if schemas else ""
        other = f" There are tables in {', '.join(others)}: choose the schemas with --schema."
        if reflection.skipped:
            reasons = "; ".join(
                f"{name}, because {why}" for name, why in reflection.skipped.items()
            )
            raise CommandError(f"{db.url} has no tables that can be used{where}: {reasons}.")
        raise CommandError(f"{db.url} has no tables{where}." + (other if others else ""))
    return reflection


def _is_table(candidate: Any) -> bool:
    if not isinstance(candidate, type):
        return False
    try:
        Shape.of(candidate)
    except ModelError:
        return False
    return True
