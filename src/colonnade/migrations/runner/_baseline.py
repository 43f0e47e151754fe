"""A snapshot of the schema at one revision, from which a history can be replayed.

Some histories cannot run in an empty database: a revision reads rows that only the real database
has, or opens another connection. ``[tool.colonnade] baseline`` names a revision whose snapshot
replaces it and all earlier revisions when the history is replayed.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection

from colonnade.database import Database
from colonnade.errors import MigrationError
from colonnade.migrations._environment import INTERNAL_TABLES, migration_connection
from colonnade.migrations._history import History
from colonnade.migrations.autogenerate._enum_types import enums_in
from colonnade.migrations.autogenerate._schema_history import SchemaHistory
from colonnade.migrations.runner._runner import current_heads
from colonnade.models import application_tables

BASELINE_FOLDER = "baseline"
"""The folder of the snapshots beside the revisions, which Alembic does not read."""

_SQLITE_OBJECTS = """
SELECT tbl_name, sql FROM sqlite_master
WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
ORDER BY CASE type WHEN 'table' THEN 0 WHEN 'view' THEN 1 ELSE 2 END, rowid
"""


def write_baseline(history: History, database: Database) -> tuple[str, Path]:
    """Write the current schema of a database as a snapshot.

    Args:
        history: The history; the database is at one of its revisions.
        database: The database; on PostgreSQL, ``pg_dump`` reads its schema.

    Returns:
        The database's revision, and the file.

    Raises:
        MigrationError: The database is not at exactly one revision of the history, or ``pg_dump``
            is not installed or fails.

    Examples:
        ```python
        from pathlib import Path

        from colonnade import Database
        from colonnade.migrations import History, upgrade, write_baseline
        from colonnade.testing import Project

        history = History(Project.find(Path.cwd()))
        db = Database("sqlite:///tracker.db")
        upgrade(db)
        revision, file = write_baseline(history, db)
        print(revision, file.name)  # 4edcb97abb17 4edcb97abb17.sqlite.sql
        ```
    """
    with migration_connection(database) as connection:
        heads = current_heads(connection)
        if len(heads) != 1 or not history.has(heads[0]):
            current = " and ".join(heads) or "no revision"
            raise MigrationError(
                f"{database.url} is at {current}. A baseline needs a database at exactly one "
                "revision of the history: run `colonnade upgrade`, or `colonnade stamp` if its "
                "tables already exist."
            )
        if connection.dialect.name == "sqlite":
            schema = _schema_on_sqlite(connection)
        else:
            schema = _schema_on_postgresql(connection)
    path = _snapshot_path(history, heads[0], connection.dialect.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(schema, encoding="utf-8")
    return heads[0], path


def start_from_baseline(
    history: History,
    connection: Connection,
    target: str,
    schema_history: SchemaHistory | None = None,
) -> str | None:
    """Bring an empty database to the baseline of a history.

    Args:
        history: The history.
        connection: The database.
        target: The revision up to which the history is replayed. The baseline is used only if it
            comes before this revision.
        schema_history: Receives the schemas and enum types of the snapshot.

    Returns:
        The revision of the baseline; None if it is not used, or the database is not empty.

    Raises:
        MigrationError: The baseline is not a revision of the history, its snapshot is missing, or
            the snapshot cannot be loaded.
    """
    baseline = _configured_baseline(history)
    if baseline is None or target == "base" or current_heads(connection):
        return None
    below = {script.revision for script in history.script.iterate_revisions(target, "base")}
    if baseline not in below:
        return None
    path = _snapshot_path(history, baseline, connection.dialect.name)
    if not path.is_file():
        raise MigrationError(
            f"{path}, the snapshot of the baseline {baseline}, does not exist. Run `colonnade "
            f"baseline` on a {_DIALECT_NAMES[connection.dialect.name]} database that is at this "
            "revision, or remove the baseline from [tool.colonnade]."
        )
    _load(connection, path)
    if connection.in_transaction():
        connection.rollback()
    with connection.begin():
        MigrationContext.configure(connection).stamp(history.script, baseline)
        if schema_history is not None and connection.dialect.name == "postgresql":
            schema_history.enums.update(enums_in(connection))
            schema_history.schemas.update(_schemas(connection))
    return baseline


def load_baseline(history: History, database: Database) -> None:
    """Bring an empty database to the baseline of its history, if it has one.

    Args:
        history: The history.
        database: The database.

    Raises:
        MigrationError: The baseline is not a revision of the history, or its snapshot is missing.

    Examples:
        ```python
        from dataclasses import replace
        from pathlib import Path

        from colonnade import Database
        from colonnade.migrations import History, load_baseline, upgrade, write_baseline
        from colonnade.testing import Project

        project = Project.find(Path.cwd())
        db = Database("sqlite:///tracker.db")
        upgrade(db)
        revision, _ = write_baseline(History(project), db)

        new = Database("sqlite:///new.db")
        load_baseline(History(replace(project, baseline=revision)), new)
        print(new.health().revisions)  # ('4edcb97abb17',)
        ```
    """
    if history.project.baseline is not None:
        with migration_connection(database) as connection:
            start_from_baseline(history, connection, "heads")


_DIALECT_NAMES = {"postgresql": "PostgreSQL", "sqlite": "SQLite"}


def _configured_baseline(history: History) -> str | None:
    baseline = history.project.baseline
    if baseline is None:
        return None
    if not history.has(baseline):
        raise MigrationError(
            f"[tool.colonnade] baseline names {baseline}, which is not a revision in "
            f"{history.folder}. Run `colonnade history` for the revisions."
        )
    return baseline


def _snapshot_path(history: History, revision: str, dialect: str) -> Path:
    return history.folder / BASELINE_FOLDER / f"{revision}.{dialect}.sql"


def _schema_on_sqlite(connection: Connection) -> str:
    """The SQL of all objects, except internal tables and the shadow tables of virtual tables."""
    tables = set(sa.inspect(connection).get_table_names())
    hidden = tables - set(application_tables(connection))
    objects = connection.exec_driver_sql(_SQLITE_OBJECTS).all()
    return "".join(
        f"{sql};\n"
        for table, sql in objects
        if table not in hidden or sql.upper().startswith("CREATE VIRTUAL TABLE")
    )


def _schema_on_postgresql(connection: Connection) -> str:
    command = shutil.which("pg_dump")
    if command is None:
        raise MigrationError(
            "A baseline needs pg_dump to read the schema, and pg_dump is not installed. Install "
            "PostgreSQL's client programs (apt install postgresql-client, brew install libpq)."
        )
    driver: Any = connection.connection.driver_connection
    parameters = driver.info.get_parameters()
    environment = {
        f"PG{_VARIABLE_NAMES.get(name, name).upper()}": parameters[name]
        for name in _PG_DUMP_PARAMETERS & parameters.keys()
    }
    arguments = [f"--exclude-table=*.{name}" for name in sorted(INTERNAL_TABLES)]
    process = subprocess.run(  # noqa: S603 - runs pg_dump on the user's database
        [command, "--schema-only", "--no-owner", "--no-privileges", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment, "PGPASSWORD": driver.info.password},
    )
    if process.returncode:
        raise MigrationError(f"pg_dump cannot read the schema: {process.stderr.strip()}")
    # \restrict and \unrestrict are for psql: https://www.postgresql.org/docs/current/app-psql.html
    schema = re.sub(r"^\\(?:un)?restrict .*\n", "", process.stdout, flags=re.MULTILINE)
    # A server does not know the timeout settings of a newer pg_dump.
    settings, name, objects = schema.partition("\n-- Name: ")
    return re.sub(r"^SET \w+_timeout = 0;\n", "", settings, flags=re.MULTILINE) + name + objects


_PG_DUMP_PARAMETERS = {
    "host", "hostaddr", "port", "dbname", "user", "sslmode", "sslrootcert", "sslcert", "sslkey",
}  # fmt: skip
"""The connection parameters that every pg_dump knows; the driver's library may know more."""

_VARIABLE_NAMES = {"dbname": "database"}
"""The libpq environment variables that are not named like their parameters:
https://www.postgresql.org/docs/current/libpq-envars.html"""


def _load(connection: Connection, path: Path) -> None:
    driver: Any = connection.connection.driver_connection
    schema = path.read_text(encoding="utf-8")
    try:
        if connection.dialect.name == "sqlite":
            driver.executescript(schema)
            return
        driver.execute(schema)
        driver.commit()
        driver.execute("RESET ALL")  # a dump changes settings such as search_path
        driver.execute("SET synchronous_commit = off")
        driver.commit()
    except Exception as error:
        raise MigrationError(
            f"{path} cannot be loaded: {str(error).strip()}. Write the snapshot again with "
            "`colonnade baseline`."
        ) from error


def _schemas(connection: Connection) -> list[str]:
    return list(
        connection.exec_driver_sql(
            "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' "
            "AND nspname NOT IN ('information_schema', 'public')"
        ).scalars()
    )
