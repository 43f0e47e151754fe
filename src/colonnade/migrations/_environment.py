"""The connection, the tables and the comparison options that Alembic works with."""

import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
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
from colonnade.migrations.operations._conversions import IS_UTF8
from colonnade.migrations.runner._journal import JOURNAL_TABLE
from colonnade.models import application_tables
from colonnade.project import Project

VERSION_TABLE = "alembic_version"
INTERNAL_TABLES = frozenset((VERSION_TABLE, JOURNAL_TABLE))
"""The tables in which migrations keep their records."""


@contextmanager
def connect(config: Config) -> Iterator[Connection]:
    """Connect to the database in Alembic's ``env.py``.

    It yields the connection of the running command, or opens one if Alembic was started by itself.

    Args:
        config: Alembic's settings.

    Yields:
        The connection.

    Examples:
        ```python
        from pathlib import Path

        from colonnade.migrations import History, connect
        from colonnade.testing import Project

        project = Project.find(Path.cwd())
        project.load()
        with connect(History(project).config) as connection:
            print(connection.dialect.name)  # sqlite
        ```
    """
    connection = config.attributes.get("connection")
    if connection is not None:
        yield connection
        return
    with migration_connection(project_of(config).choose_database()) as connection:
        yield connection


@contextmanager
def migration_connection(database: Database) -> Iterator[Connection]:
    """Open a connection for changing tables.

    It bypasses a connection pooler, which may give each statement another session. On SQLite,
    foreign keys are not enforced while tables are copied and dropped; they are checked afterwards.

    Args:
        database: The database.

    Raises:
        UnreachableError: The database cannot be reached.
        MigrationError: The database is behind a pooler, and no direct URL is configured.
    """
    direct = database.direct
    direct_database = database if direct is database.url else Database(direct)
    try:
        direct_database.ping()
        if direct_database.is_pooled:
            raise MigrationError(
                f"{direct_database.url} is behind a pooler in transaction mode, which keeps "
                "neither locks nor settings for the duration of a migration. Specify the URL of "
                "the server: Database(direct_url=...), DATABASE_URL_UNPOOLED beside DATABASE_URL, "
                "or --database-url."
            )
        with direct_database.engine.connect() as connection, warnings.catch_warnings():
            ignore_reflection_warnings()
            if direct_database.url.backend != "sqlite":
                yield connection
                return
            _sqlite.reflect_foreign_key_actions(connection.dialect)
            driver: Any = connection.connection.driver_connection
            driver.execute("PRAGMA foreign_keys=OFF")
            driver.create_function(IS_UTF8, 1, _is_utf8, deterministic=True)
            try:
                yield connection
            finally:
                connection.rollback()
                driver.execute("PRAGMA foreign_keys=ON")
    finally:
        if direct_database is not database:
            direct_database.dispose()


def ignore_reflection_warnings() -> None:
    """Ignore SQLAlchemy's warnings about what Colonnade reads and sorts itself."""
    for message in (
        "Skipped unsupported reflection of expression-based index",
        "SQL-parsed foreign key constraint",  # a foreign key that a table has twice
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
    """The project that Alembic's settings belong to: by default the one around alembic.ini."""
    project = config.attributes.get("project")
    if project is None:
        file = Path(config.config_file_name or "alembic.ini")
        project = config.attributes["project"] = Project.find(file.absolute().parent)
    return project


def options_for(config: Config) -> dict[str, Any]:
    """The options for ``context.configure()`` in an ``env.py``.

    Args:
        config: Alembic's settings.

    Returns:
        The keyword arguments: the tables, the rules of the comparison and the rendering of types.

    Raises:
        ProjectError: The project's models cannot be imported.

    Examples:
        ```python
        from pathlib import Path

        from colonnade.migrations import History, options_for
        from colonnade.testing import Project

        options = options_for(History(Project.find(Path.cwd())).config)
        print(list(options["target_metadata"].tables))  # ['task']
        ```
    """
    metadata = config.attributes.get("metadata")
    if metadata is None:
        metadata = models_of(project_of(config))
    return {**options(metadata), **config.attributes.get("options", {})}


def models_of(project: Project) -> MetaData:
    """The tables of a project's models: of the configured metadata, by default of every SQLModel.

    Args:
        project: The project, whose app and models are imported.

    Returns:
        The tables, in one MetaData.

    Raises:
        ProjectError: The models cannot be imported, or two of them have the same name.

    Examples:
        ```python
        from pathlib import Path

        from colonnade.migrations import models_of
        from colonnade.testing import Project

        print(list(models_of(Project.find(Path.cwd())).tables))  # ['task']
        ```
    """
    project.load()
    migrated = project.load_metadata() or metadatas()
    try:
        metadata = merged(migrated)
    except ValueError as error:
        raise ProjectError(str(error)) from None
    metadata.info[UNMANAGED_TABLES] = {
        (table.schema, table.name): label
        for label, other in project.other_metadata(migrated).items()
        for table in other.tables.values()
        if table.key not in metadata.tables
    }
    return metadata


UNMANAGED_TABLES = "colonnade.others"
"""The key in ``MetaData.info`` of the tables of other metadata, by schema and name."""


def unmanaged_table_counts(metadata: MetaData) -> dict[str, int]:
    """The number of tables in each metadata of the project that is not migrated.

    Args:
        metadata: The tables from ``models_of``.

    Returns:
        The numbers by ``module:name`` of the metadata.

    Examples:
        ```python
        from pathlib import Path

        from colonnade.migrations import models_of, unmanaged_table_counts
        from colonnade.testing import Project

        with Path("app/models.py").open("a") as file:
            print("from sqlalchemy import Column, Integer, MetaData, Table", file=file)
            print("other = MetaData()", file=file)
            print("Table('log', other, Column('id', Integer))", file=file)
        tables = models_of(Project.find(Path.cwd()))
        print(unmanaged_table_counts(tables))  # {'app.models:other': 1}
        ```
    """
    return dict(Counter(metadata.info.get(UNMANAGED_TABLES, {}).values()))


def is_unmanaged(metadata: MetaData, schema: str | None, table: str) -> bool:
    """Whether a table belongs to a metadata that is not migrated."""
    return (schema, table) in metadata.info.get(UNMANAGED_TABLES, {})


def options(metadata: MetaData) -> dict[str, Any]:
    """The options for ``context.configure()`` with the given tables."""
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
    """A filter for Alembic that leaves out tables without a model, and columns put aside."""

    def is_compared(
        schema_item: Any, name: str | None, kind: str, reflected: bool, counterpart: Any
    ) -> bool:
        if kind == "table":
            key = f"{schema_item.schema}.{name}" if schema_item.schema else name
            return not reflected or (key in metadata.tables and name not in INTERNAL_TABLES)
        return not (kind == "column" and reflected and is_aside(str(name)))

    return is_compared


def migration_context(
    connection: Connection, metadata: MetaData, *, compare_all: bool = False
) -> MigrationContext:
    """Alembic's context for comparing tables with a database.

    Args:
        connection: The database.
        metadata: The tables.
        compare_all: Whether to compare the application's tables that only the database has.
    """
    configured = options(metadata)
    if compare_all:
        compares_other_item = configured["include_object"]

        @cache
        def in_database(schema: str | None) -> frozenset[str]:
            return frozenset(application_tables(connection, schema))

        def is_compared(
            schema_item: Any, name: str, kind: str, reflected: bool, counterpart: Any
        ) -> bool:
            if kind != "table":
                return bool(compares_other_item(schema_item, name, kind, reflected, counterpart))
            schema = schema_item.schema
            if name in INTERNAL_TABLES or is_aside(name) or is_unmanaged(metadata, schema, name):
                return False
            return schema_item.key in metadata.tables or name in in_database(schema)

        configured["include_object"] = is_compared
    return MigrationContext.configure(connection, opts=configured)
