"""A snapshot of the tables at one revision, from which a history is replayed.

Some histories cannot run in an empty database: a revision reads rows that only the real database
has, or opens its own connection. ``[tool.colonnade] baseline`` names a revision whose snapshot
stands in for it and for all before it wherever a history is replayed.
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
from colonnade.migrations._environment import OURS, opened
from colonnade.migrations._history import History
from colonnade.migrations.autogenerate._enum_types import enums_in
from colonnade.migrations.autogenerate._schema_history import SchemaHistory
from colonnade.migrations.runner._runner import current_heads
from colonnade.models import application_tables

FOLDER = "baseline"
"""Beside the revisions; Alembic reads no folders in theirs."""

_SQLITE_OBJECTS = """
SELECT tbl_name, sql FROM sqlite_master
WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
ORDER BY CASE type WHEN 'table' THEN 0 WHEN 'view' THEN 1 ELSE 2 END, rowid
"""


def write_baseline(history: History, database: Database) -> tuple[str, Path]:
    """Write the snapshot of a database's tables as they are now.

    Args:
        history: The history; the database is at one of its revisions.
        database: The database. One on PostgreSQL is read by ``pg_dump``.

    Returns:
        The revision that the database is at, and the file.

    Raises:
        MigrationError: The database is at no revision of the history or at several, or ``pg_dump``
            is not installed or fails.
    """
    with opened(database) as connection:
        heads = current_heads(connection)
        if len(heads) != 1 or not history.has(heads[0]):
            at = " and ".join(heads) or "no revision"
            raise MigrationError(
                f"{database.url} is at {at}. A baseline needs a database at exactly one revision "
                "of the history: run `colonnade upgrade`, or `colonnade stamp` if its tables are "
                "there already."
            )
        if connection.dialect.name == "sqlite":
            schema = _schema_on_sqlite(connection)
        else:
            schema = _schema_on_postgresql(connection)
    path = _snapshot(history, heads[0], connection.dialect.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(schema, encoding="utf-8")
    return heads[0], path


def start_from_baseline(
    history: History, connection: Connection, target: str, ledger: SchemaHistory | None = None
) -> str | None:
    """Bring an empty database to the baseline of a history.

    Args:
        history: The history.
        connection: The database.
        target: Where the replay goes; the baseline is left out unless it is on the way there.
        ledger: Takes note of the schemas and enum types that the snapshot has.

    Returns:
        The baseline; None if the history has none on the way, or the database is not empty.

    Raises:
        MigrationError: The history has no such revision, its snapshot is missing, or it cannot be
            loaded.
    """
    baseline = _baseline_of(history)
    if baseline is None or target == "base" or current_heads(connection):
        return None
    below = {script.revision for script in history.script.iterate_revisions(target, "base")}
    if baseline not in below:
        return None
    path = _snapshot(history, baseline, connection.dialect.name)
    if not path.is_file():
        raise MigrationError(
            f"There is no {path}, the snapshot of the baseline {baseline}. Run `colonnade baseline`"
            f" on a database of {_LABELS[connection.dialect.name]} that is at this revision, or "
            "take the baseline out of [tool.colonnade]."
        )
    _load(connection, path)
    if connection.in_transaction():
        connection.rollback()
    with connection.begin():
        MigrationContext.configure(connection).stamp(history.script, baseline)
        if ledger is not None and connection.dialect.name == "postgresql":
            ledger.enums.update(enums_in(connection))
            ledger.schemas.update(_schemas(connection))
    return baseline


def load_baseline(history: History, database: Database) -> None:
    """Bring an empty database to the baseline of its history, if it has one.

    Args:
        history: The history.
        database: The database.

    Raises:
        MigrationError: As ``start_from_baseline``.
    """
    if history.project.baseline is not None:
        with opened(database) as connection:
            start_from_baseline(history, connection, "heads")


_LABELS = {"postgresql": "PostgreSQL", "sqlite": "SQLite"}


def _baseline_of(history: History) -> str | None:
    named = history.project.baseline
    if named is None:
        return None
    if not history.has(named):
        raise MigrationError(
            f"[tool.colonnade] baseline names {named}, which is not a revision in {history.folder}."
        )
    return named


def _snapshot(history: History, revision: str, dialect: str) -> Path:
    return history.folder / FOLDER / f"{revision}.{dialect}.sql"


def _schema_on_sqlite(connection: Connection) -> str:
    """Every object but the migrations' own tables, and those that a virtual table makes itself."""
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
            "pg_dump, which reads the schema, is not installed: it comes with PostgreSQL's client "
            "programs (apt install postgresql-client, brew install libpq)."
        )
    driver: Any = connection.connection.driver_connection
    known = driver.info.get_parameters()
    address = {
        f"PG{_VARIABLES.get(name, name).upper()}": known[name] for name in _ADDRESS & known.keys()
    }
    arguments = [f"--exclude-table=*.{name}" for name in sorted(OURS)]
    run = subprocess.run(  # noqa: S603 - what is run is pg_dump, where the user's database is
        [command, "--schema-only", "--no-owner", "--no-privileges", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **address, "PGPASSWORD": driver.info.password},
    )
    if run.returncode:
        raise MigrationError(f"pg_dump cannot read the schema: {run.stderr.strip()}")
    # \restrict and \unrestrict are for psql: https://www.postgresql.org/docs/current/app-psql.html
    schema = re.sub(r"^\\(?:un)?restrict .*\n", "", run.stdout, flags=re.MULTILINE)
    # The timeouts of a pg_dump that is newer than the server are unknown there.
    settings, name, objects = schema.partition("\n-- Name: ")
    return re.sub(r"^SET \w+_timeout = 0;\n", "", settings, flags=re.MULTILINE) + name + objects


_ADDRESS = {"host", "hostaddr", "port", "dbname", "user", "sslmode", "sslrootcert", "sslcert",
            "sslkey"}  # fmt: skip
"""The parameters that every pg_dump knows; the driver's library knows more."""

_VARIABLES = {"dbname": "database"}
"""The environment variables of libpq that have another name than the parameter:
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
        driver.execute("RESET ALL")  # a dump empties the search path, among other things
        driver.execute("SET synchronous_commit = off")
        driver.commit()
    except Exception as error:
        raise MigrationError(f"{path} cannot be loaded: {str(error).strip()}") from error


def _schemas(connection: Connection) -> list[str]:
    return list(
        connection.exec_driver_sql(
            "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' "
            "AND nspname NOT IN ('information_schema', 'public')"
        ).scalars()
    )
