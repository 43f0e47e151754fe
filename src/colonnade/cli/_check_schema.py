"""``colonnade check --models``: reviews the tables of an imported module, and of a database."""

import sys
from importlib import import_module
from pathlib import Path

from sqlalchemy import MetaData
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import registry

from colonnade.database import Database
from colonnade.errors import CheckError
from colonnade.lint import Finding
from colonnade.lint.schema import review_database, review_metadata


def review_schema(module: str, database_url: str | None) -> list[Finding]:
    """Run the schema rules on the tables of a module, and on a database.

    Raises:
        CheckError: The module cannot be imported, has no tables, or its models cannot be mapped.
        DatabaseError: The database cannot be reached.
    """
    findings: list[Finding] = []
    bases = _bases(module)
    for metadata, registries in bases.items():
        try:
            findings += review_metadata(metadata, list(registries))
        except SQLAlchemyError as error:
            raise CheckError(f"The models cannot be mapped: {error}") from None
    if database_url is not None:
        from colonnade.migrations import database_drift

        database = Database(database_url)
        database.ping()
        with database.engine.connect() as connection:
            drift = [
                difference
                for metadata in bases
                for difference in database_drift(connection, metadata)
            ]
            findings += review_database(connection, drift)
        database.dispose()
    return list(dict.fromkeys(findings))


def _bases(name: str) -> dict[MetaData, set[registry]]:
    """Import a module and collect its MetaData objects with the registries of their classes.

    Raises:
        CheckError: The module cannot be imported, or has no tables.
    """
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        module = import_module(name)
    except Exception as error:  # a user's module may raise anything
        raise CheckError(f"{name} cannot be imported: {type(error).__name__}: {error}") from error
    registries: dict[MetaData, set[registry]] = {}
    for value in vars(module).values():
        registered = getattr(value, "registry", None) or getattr(value, "_sa_registry", None)
        metadata = getattr(value, "metadata", None)
        if isinstance(value, type) and isinstance(metadata, MetaData) and metadata.tables:
            registries.setdefault(metadata, set())
            if isinstance(registered, registry):
                registries[metadata].add(registered)
    if not registries:
        raise CheckError(f"{name} has no tables. Name a module that defines or imports them.")
    return registries
