"""Alembic's configuration: the database, the tables, and how the two are compared."""

import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, MetaData
from sqlalchemy.exc import SAWarning

from colonnade.database import Database, merged, metadatas
from colonnade.errors import MigrationError, ProjectError
from colonnade.migrations.autogenerate._comparators import PLUGINS, type_differs
from colonnade.migrations.autogenerate._rendering import render_item
from colonnade.migrations.operations import _sqlite_batch as _sqlite
from colonnade.migrations.operations import is_aside
from colonnade.migrations.operations._conversions import UTF8
from colonnade.migrations.runner._journal import JOURNAL
from colonnade.project import Project

VERSION_TABLE = "alembic_version"
OURS = frozenset((VERSION_TABLE, JOURNAL))
"""Tables that are not models'."""


@contextmanager
def connect(config: Config) -> Iterator[Connection]:
    """A connection for Alembic's ``env.py``: the one that a command has, or a new one.

    Args:
        config: Alembic's settings.
    """
    given_connection = config.attributes.get("connection")
    if given_connection is not None:
        yield given_connection
        return
    with opened(project_of(config).choose_database()) as connection:
        yield connection


@contextmanager
def opened(database: Database) -> Iterator[Connection]:
    """A connection to change tables on.

    Past a pooler, where a session is not a session. On SQLite without foreign keys being
    enforced, since a table is copied and dropped to change it; they are checked afterwards.

    Args:
        database: The database.

    Raises:
        UnreachableError: It cannot be connected to.
        MigrationError: It is behind a pooler, and nobody says where the server itself is.
    """
    direct = database.direct
    other = database if direct is database.url else Database(direct)
    try:
        other.ping()
        if other.is_pooled:
            raise MigrationError(
                f"{other.url} is behind a pooler in transaction mode, where neither locks nor "
                "settings last as long as a migration. Specify the server itself: "
                "Database(direct_url=...), DATABASE_URL_UNPOOLED beside DATABASE_URL, or "
                "--database-url."
            )
        with other.engine.connect() as connection, warnings.catch_warnings():
            leave_to_us()
            if other.url.backend != "sqlite":
                yield connection
                return
            _sqlite.read_rules_of_keys(connection.dialect)
            driver: Any = connection.connection.driver_connection
            driver.execute("PRAGMA foreign_keys=OFF")
            driver.create_function(UTF8, 1, _is_utf8, deterministic=True)
            try:
                yield connection
            finally:
                connection.rollback()
                driver.execute("PRAGMA foreign_keys=ON")
    finally:
        if other is not database:
            other.dispose()


def leave_to_us() -> None:
    """Have SQLAlchemy say nothing of what Colonnade reads and sorts itself."""
    for message in (
        "Skipped unsupported reflection of expression-based index",
        "SQL-parsed foreign key constraint",  # one that a table has twice
        "Cannot correctly sort tables",
    ):
        warnings.filterwarnings("ignore", message, SAWarning)
        warnings.filterwarnings("ignore", f"WARNING: {message}", SAWarning)


def _is_utf8(value: object) -> bool:
    try:
        return not isinstance(value, bytes) or bool(value.decode() or True)
    except UnicodeDecodeError:
        return False


def project_of(config: Config) -> Project:
    """The project that settings are for; those of an alembic.ini: the one it is in."""
    project = config.attributes.get("project")
    if project is None:
        file = Path(config.config_file_name or "alembic.ini")
        project = config.attributes["project"] = Project.find(file.absolute().parent)
    return project


def options_for(config: Config) -> dict[str, Any]:
    """How Alembic compares and writes, for ``context.configure`` in an ``env.py``.

    Args:
        config: Alembic's settings.

    Raises:
        ProjectError: The project's models cannot be imported.
    """
    metadata = config.attributes.get("metadata")
    if metadata is None:
        metadata = models_of(project_of(config))
    return {**options(metadata), **config.attributes.get("options", {})}


def models_of(project: Project) -> MetaData:
    """The tables of a project's models: of the metadatas that it names, else of every SQLModel.

    Raises:
        ProjectError: They cannot be imported, or two of them have the same name.
    """
    project.load()
    collected = project.load_metadata() or metadatas()
    try:
        metadata = merged(collected)
    except ValueError as error:
        raise ProjectError(str(error)) from None
    others = {
        (table.schema, table.name): label
        for label, other in project.other_metadata(collected).items()
        for table in other.tables.values()
        if table.key not in metadata.tables
    }
    metadata.info[OTHERS] = others
    return metadata


OTHERS = "colonnade.others"
"""Under which a metadata's ``info`` has the tables of other metadatas, by schema and name."""


def others_of(metadata: MetaData) -> dict[str, int]:
    """The MetaDatas of a project that are not migrated, and how many tables each has."""
    return dict(Counter(metadata.info.get(OTHERS, {}).values()))


def is_of_others(metadata: MetaData, schema: str | None, table: str) -> bool:
    """Whether a table is another metadata's, which is not migrated here."""
    return (schema, table) in metadata.info.get(OTHERS, {})


def options(metadata: MetaData) -> dict[str, Any]:
    """``options_for`` of given tables."""
    return {
        "target_metadata": metadata,
        "render_as_batch": True,
        "compare_type": type_differs,
        "include_object": _is_compared(metadata),
        "render_item": render_item,
        "transaction_per_migration": True,
        "transactional_ddl": True,
        "include_schemas": any(table.schema for table in metadata.tables.values()),
        "autogenerate_plugins": list(PLUGINS),
        "user_module_prefix": None,
    }


def _is_compared(metadata: MetaData) -> Any:
    """Whether a thing of a database is compared: what no model or revision made is left alone."""

    def is_compared(
        thing: Any, name: str | None, kind: str, reflected: bool, counterpart: Any
    ) -> bool:
        if kind == "table":
            key = f"{thing.schema}.{name}" if thing.schema else name
            return not reflected or (key in metadata.tables and name not in OURS)
        return not (kind == "column" and reflected and is_aside(str(name)))

    return is_compared


def fresh_context(
    connection: Connection, metadata: MetaData, *, everything: bool = False
) -> MigrationContext:
    """Alembic's context for comparing tables with a database.

    Args:
        connection: The database.
        metadata: The tables.
        everything: Whether a table that is only in the database is a difference too.
    """
    chosen = options(metadata)
    if everything:
        compared = chosen["include_object"]

        def is_compared(thing: Any, name: str, kind: str, reflected: bool, other: Any) -> bool:
            if kind == "table":
                is_others = is_of_others(metadata, thing.schema, name)
                return name not in OURS and not is_aside(str(name)) and not is_others
            return bool(compared(thing, name, kind, reflected, other))

        chosen["include_object"] = is_compared
    return MigrationContext.configure(connection, opts=chosen)
