"""PostgreSQL databases for tests, which are restored by undoing what a test changed."""

import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from colonnade.database import Database, DatabaseURL, with_database
from colonnade.errors import FixtureError, UnreachableError
from colonnade.testing._temporary_databases import (
    Backend,
    RestoreResult,
    SchemaBuilder,
    TemporaryDatabase,
)

GRACE_PERIOD = 1.0
"""Seconds that transactions have to end after their test."""

VACUUM_THRESHOLD = 1 << 20
"""Size in bytes of tables that are vacuumed after DELETE, which leaves dead rows in place.

TRUNCATE instead creates new files, which takes 1 ms and more per table; DELETE of a few rows takes
50 µs."""

_TABLES = """
SELECT format('%I.%I', n.nspname, c.relname),
       (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM pg_attribute a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence <> 't'
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
ORDER BY 1
"""
_SEQUENCES = """
SELECT 'sequence', format('%I.%I', schemaname, sequencename), last_value::text, start_value::text
FROM pg_sequences WHERE schemaname !~ '^pg_'
"""
_CATALOGS = {
    "pg_attrdef": "adrelid IN (TABLE relation)",
    "pg_attribute": "attrelid IN (TABLE relation)",
    "pg_collation": "collnamespace IN (TABLE space)",
    "pg_constraint": "conrelid IN (TABLE relation) OR contypid <> 0 AND oid >= {first}",
    "pg_enum": "oid >= {first}",
    "pg_namespace": "oid IN (TABLE space)",
    "pg_policy": "polrelid IN (TABLE relation)",
    "pg_proc": "oid >= {first} AND pronamespace IN (TABLE space)",
    "pg_rewrite": "ev_class IN (TABLE relation)",
    "pg_trigger": "tgrelid IN (TABLE relation)",
    "pg_type": "oid >= {first} AND typnamespace IN (TABLE space)",
}
"""The system catalogs that define a schema, and which of their rows belong to it: temporary tables
do not."""

_FIRST_WITH_STRATEGIES = 150_000
"""The first version of PostgreSQL, as libpq writes it, with ``CREATE DATABASE ... STRATEGY``."""

_FIRST_OID = 16_384
"""The first OID of objects that users create: FirstNormalObjectId in access/transam.h."""

# Relations are compared by content: maintenance writes to their rows too, which changes xmin.
_SCHEMA_VERSION = """
SELECT 'schema', (
  WITH space AS MATERIALIZED (
    SELECT oid FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
  ), relation AS MATERIALIZED (
    SELECT oid FROM pg_class WHERE oid >= {first} AND relnamespace IN (TABLE space)
  )
  SELECT concat_ws(' ', (
    SELECT sum(hashtextextended(concat_ws(' ', oid, relname, relnatts, relchecks, relhastriggers,
           relhasrules, relrowsecurity, relforcerowsecurity, relacl, reloptions), 0))
    FROM pg_class WHERE oid IN (TABLE relation)
  ), {catalogs})
), NULL, NULL
""".format(
    first=_FIRST_OID,
    catalogs=", ".join(
        f"(SELECT concat(count(*), '/', sum(xmin::text::bigint)) FROM {catalog} WHERE {rows})"
        for catalog, rows in _CATALOGS.items()
    ).format(first=_FIRST_OID),
)
_OPEN_TRANSACTIONS = """
SELECT 'open', pid::text, state, query FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
  AND backend_type = 'client backend' AND state NOT IN ('idle', 'disabled')
"""


class PostgreSQLBackend(Backend):
    """Creates databases on a PostgreSQL server.

    Args:
        url: The URL of an existing database of the server. It is only connected to.
        run: The prefix of the databases' names, the same for all processes of a run.
        process: The name of this process, unique in the run.

    Raises:
        FixtureError: The server cannot be reached.
    """

    def __init__(self, url: str, run: str, process: str) -> None:
        self._url = url
        self._prefix = f"{run}_{process}"
        self._template = f"{run}_template"
        self._has_template = False
        self._numbers = count(1)
        self._connection = _connect(url)

    def create(self, schema: SchemaBuilder | None, *, restored: bool = True) -> TemporaryDatabase:
        if schema is not None and not self._has_template:
            self._make_template(schema)
        name = f"{self._prefix}_{next(self._numbers)}"
        template = "template1" if schema is None else self._template
        self._run(self._copy_statement, name, template)
        return (PostgreSQLDatabase if restored else UnrestoredDatabase)(self, name)

    @cached_property
    def _copy_statement(self) -> LiteralString:
        """The statement that creates a database as a copy of another.

        Without fsync, copying the files takes 8 ms instead of 32. With it, each copy would wait for
        two checkpoints of the whole server.
        """
        row = self._connection.execute("SELECT current_setting('fsync')").fetchone()
        has_strategies = self._connection.info.server_version >= _FIRST_WITH_STRATEGIES
        if has_strategies and row is not None and row[0] == "off":
            return "CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY"
        return "CREATE DATABASE {} TEMPLATE {}"

    def drop(self, name: str) -> None:
        """Delete a database and end the connections to it."""
        self._run("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)

    def url_of(self, name: str) -> str:
        """The URL of a database on this server."""
        return with_database(self._url, name)

    def close(self) -> None:
        with suppress(FixtureError, psycopg.Error):  # other processes of the run may be using it
            self._run("DROP DATABASE IF EXISTS {}", self._template)
        self._connection.close()

    def _make_template(self, schema: SchemaBuilder) -> None:
        """Create the template database, unless another process of the run has."""
        draft = f"{self._template}_draft"
        self._connection.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [draft])
        try:
            exists = self._connection.execute(
                "SELECT 1 FROM pg_database WHERE datname = %s", [self._template]
            )
            if exists.fetchone() is None:
                self.drop(draft)
                self._run("CREATE DATABASE {} TEMPLATE template1", draft)
                try:
                    schema(self.url_of(draft))
                    self._disconnect(draft)
                    self._run("ALTER DATABASE {} RENAME TO {}", draft, self._template)
                finally:
                    self.drop(draft)
        finally:
            self._connection.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", [draft])
        self._has_template = True

    def _disconnect(self, name: str) -> None:
        """End the connections to a database, such as those of the code that created its tables."""
        deadline = time.monotonic() + 5 * GRACE_PERIOD
        query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
        while self._connection.execute(query, [name]).fetchall() and time.monotonic() < deadline:
            time.sleep(0.01)

    def _run(self, statement: LiteralString, *names: str) -> None:
        try:
            self._connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
        except psycopg.errors.InsufficientPrivilege:
            raise FixtureError(
                f"The user of {DatabaseURL.parse(self._url)} may not create databases, and each "
                "process of a test run needs one. Run ALTER ROLE ... CREATEDB, or use another user."
            ) from None


@dataclass(slots=True)
class _Table:
    """A table, and the rows that it had when the database was created.

    Attributes:
        name: Its quoted name.
        columns: Its writable columns, quoted.
        rows: Its original rows, as COPY writes them.
        version: A value that changes with every change to the rows; None if there are no rows.
    """

    name: LiteralString
    columns: LiteralString
    rows: bytes = b""
    version: str | None = None


class UnrestoredDatabase(TemporaryDatabase):
    """A temporary database on a PostgreSQL server, for a single test."""

    def __init__(self, backend: PostgreSQLBackend, name: str) -> None:
        self._backend = backend
        self._name = name
        self.url_string = backend.url_of(name)
        self.url = DatabaseURL.parse(self.url_string)

    def restore(self) -> RestoreResult:
        return RestoreResult(needs_replacement=True)

    def close(self) -> None:
        self._backend.drop(self._name)


class PostgreSQLDatabase(UnrestoredDatabase):
    """A temporary database on a PostgreSQL server, for one test after another.

    After each test a single query finds what has changed: tables with other rows than at the
    start, advanced sequences, a changed schema and open transactions. The changes are undone.
    """

    def __init__(self, backend: PostgreSQLBackend, name: str) -> None:
        super().__init__(backend, name)
        self._connection = _connect(self.url_string)
        self._triggers_disabled = self._disable_triggers()
        self._tables = [_Table(*row) for row in self._connection.execute(_TABLES).fetchall()]
        for table in self._tables:
            self._remember_rows(table)
        self._change_query = self._build_change_query()
        before = self._find_changes()
        self._schema_version, self._sequences = before["schema"], before["sequence"]

    def restore(self) -> RestoreResult:
        try:
            changes = self._find_changes()
            deadline = time.monotonic() + GRACE_PERIOD
            while changes["open"] and time.monotonic() < deadline:
                time.sleep(0.01)
                changes = self._find_changes()
        except psycopg.errors.UndefinedTable:
            return RestoreResult(needs_replacement=True)
        if changes["open"]:
            return RestoreResult(tuple(map(_leak, changes["open"])), needs_replacement=True)
        if changes["schema"] != self._schema_version:
            return RestoreResult(needs_replacement=True)
        if changes["written"] and not self._restore_tables(changes["written"]):
            return RestoreResult(needs_replacement=True)
        for name, last, start in changes["sequence"]:
            if (name, last, start) not in self._sequences:
                self._reset_sequence(name, start)
        return RestoreResult()

    def close(self) -> None:
        self._connection.close()
        super().close()

    def _disable_triggers(self) -> bool:
        """Disable triggers and foreign keys on this connection; whether the user may do so."""
        try:
            self._connection.execute("SET session_replication_role = replica")
        except psycopg.errors.InsufficientPrivilege:
            return False
        return True

    def _remember_rows(self, table: _Table) -> None:
        """Store the current rows of a table as its original rows."""
        row = self._connection.execute(f"SELECT {_row_version(table)}").fetchone()
        table.version = row[0] if row else None
        if table.version is not None:
            with (
                self._connection.cursor() as cursor,
                cursor.copy(_copy_sql(table, "TO STDOUT")) as copy,
            ):
                table.rows = b"".join(map(bytes, copy))

    def _build_change_query(self) -> str:
        """The query for everything that a test may have changed."""
        written = [
            f"SELECT 'written', '{number}', pg_relation_size({_literal(table.name)})::text, NULL "
            f"WHERE {_has_changed(table)}"
            for number, table in enumerate(self._tables)
        ]
        return " UNION ALL ".join([_SEQUENCES, _SCHEMA_VERSION, _OPEN_TRANSACTIONS, *written])

    def _find_changes(self) -> dict[str, list[tuple[Any, ...]]]:
        changes: dict[str, list[tuple[Any, ...]]] = {
            "sequence": [], "schema": [], "open": [], "written": []
        }  # fmt: skip
        for kind, *details in self._connection.execute(self._change_query):
            changes[kind].append(tuple(details))
        return changes

    def _restore_tables(self, written: list[tuple[Any, ...]]) -> bool:
        """Restore the rows of tables; whether that was possible."""
        if not self._triggers_disabled:
            if any(table.version is not None for table in self._tables):
                return False
            names = ", ".join(self._tables[int(number)].name for number, _, _ in written)
            self._connection.execute(f"TRUNCATE {names} CASCADE")
            return True
        for number, size, _ in written:
            table = self._tables[int(number)]
            self._connection.execute(f"DELETE FROM {table.name}")
            if int(size) > VACUUM_THRESHOLD:
                self._connection.execute(f"VACUUM {table.name}")
            if table.version is not None:
                self._refill(table)
        return True

    def _refill(self, table: _Table) -> None:
        """Insert the original rows into an empty table."""
        with (
            self._connection.cursor() as cursor,
            cursor.copy(_copy_sql(table, "FROM STDIN")) as rows,
        ):
            rows.write(table.rows)
        self._remember_rows(table)
        self._change_query = self._build_change_query()

    def _reset_sequence(self, name: str, start: str) -> None:
        last = next((last for known, last, _ in self._sequences if known == name), None)
        self._connection.execute(
            "SELECT setval(%s::regclass, %s, %s)", [name, int(last or start), last is not None]
        )


def _connect(url: str) -> "psycopg.Connection[tuple[Any, ...]]":
    """Open a connection in autocommit mode.

    Raises:
        FixtureError: The server cannot be reached.
    """
    database = Database(url)
    try:
        database.ping()
    except UnreachableError as error:
        raise FixtureError(f"Cannot create a database for tests: {error}") from None
    pooled = database.engine.raw_connection()
    connection: psycopg.Connection[tuple[Any, ...]] | None = pooled.driver_connection
    assert connection is not None
    pooled.detach()
    database.dispose()
    connection.rollback()
    connection.autocommit = True
    return connection


def _row_version(table: _Table) -> LiteralString:
    """SQL for a value that changes with the rows of a table: made of their transaction ids."""
    return (
        f"(SELECT nullif(concat_ws(' ', count(*), sum(xmin::text::bigint)), '0') FROM {table.name})"
    )


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _has_changed(table: _Table) -> str:
    """SQL for whether a table has other rows than its original ones."""
    if table.version is None:
        return f"EXISTS (SELECT FROM {table.name})"
    return f"{_row_version(table)} IS DISTINCT FROM '{table.version}'"


def _copy_sql(table: _Table, direction: LiteralString) -> LiteralString:
    return f"COPY {table.name} ({table.columns}) {direction}"


def _leak(transaction: tuple[str, str, str]) -> str:
    _, state, query = transaction
    statement = " ".join(query.split())[:200]
    if state == "active":
        return (
            f"It left a statement running: {statement}. Await it, or cancel the task that runs it."
        )
    return (
        f"It left a transaction open, whose last statement is: {statement}. Commit it, roll it "
        "back, or close its session, as `with db.session()` does."
    )
