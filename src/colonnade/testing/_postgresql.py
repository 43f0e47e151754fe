"""PostgreSQL for tests: what a test changed is asked of the server, and taken back."""

import time
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from colonnade.database import Database, DatabaseURL, with_database
from colonnade.errors import FixtureError, UnreachableError
from colonnade.testing._temporary_databases import Backend, Schema, Settled, TemporaryDatabase

PATIENCE = 1.0
"""Seconds that a transaction may still take to end once its test has."""

LARGE = 1 << 20
"""Bytes from which on a table is vacuumed after its rows are deleted, which leaves them in place.
TRUNCATE makes new files, 1 ms and more a table, where DELETE of a few rows takes 50 µs."""

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
"""Where the server keeps what a schema is made of, and which of its rows are of this one: not those
of temporary tables."""

_FIRST_OID = 16_384
"""From which on objects are not the server's own: FirstNormalObjectId in access/transam.h."""

# Relations by what they say: maintenance writes to their rows as well, and so makes xmin another.
_SHAPE = """
SELECT 'shape', (
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
_OPEN = """
SELECT 'open', pid::text, state, query FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
  AND backend_type = 'client backend' AND state NOT IN ('idle', 'disabled')
"""


class PostgreSQLBackend(Backend):
    """Databases on a server.

    Args:
        text: The URL of a database on it to connect to, which is not touched.
        run: What the names of databases begin with: one for all processes of a run.
        name: What tells those of this process apart.

    Raises:
        FixtureError: It cannot be connected to.
    """

    def __init__(self, text: str, run: str, name: str) -> None:
        self._text = text
        self._names = f"{run}_{name}"
        self._template = f"{run}_template"
        self._has_template = False
        self._numbers = count(1)
        self._connection = _connect(text)

    def place(self, schema: Schema | None) -> TemporaryDatabase:
        if schema is not None and not self._has_template:
            self._make_template(schema)
        name = f"{self._names}_{next(self._numbers)}"
        template = "template1" if schema is None else self._template
        self._run("CREATE DATABASE {} TEMPLATE {}", name, template)
        return PostgreSQLPlace(self, name)

    def drop(self, name: str) -> None:
        """Delete a database, whoever is connected to it."""
        self._run("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)

    def text(self, name: str) -> str:
        """The URL of a database on this server."""
        return with_database(self._text, name)

    def close(self) -> None:
        with suppress(FixtureError, psycopg.Error):  # other processes of the run may be using it
            self._run("DROP DATABASE IF EXISTS {}", self._template)
        self._connection.close()

    def _make_template(self, schema: Schema) -> None:
        """The template, made by whichever process comes first."""
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
                    schema(self.text(draft))
                    self._disconnect(draft)
                    self._run("ALTER DATABASE {} RENAME TO {}", draft, self._template)
                finally:
                    self.drop(draft)
        finally:
            self._connection.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", [draft])
        self._has_template = True

    def _disconnect(self, name: str) -> None:
        """End the connections that whoever made the tables has left open."""
        deadline = time.monotonic() + 5 * PATIENCE
        ending = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
        while self._connection.execute(ending, [name]).fetchall() and time.monotonic() < deadline:
            time.sleep(0.01)

    def _run(self, statement: LiteralString, *names: str) -> None:
        try:
            self._connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
        except psycopg.errors.InsufficientPrivilege:
            raise FixtureError(
                f"{DatabaseURL.parse(self._text)} must not make databases, of which each process "
                "of a test run needs one: ALTER ROLE ... CREATEDB, or name another user."
            ) from None


@dataclass(slots=True)
class _Table:
    """A table, and what it held when the database was made.

    Attributes:
        name: Its name, quoted.
        columns: Those that can be written, quoted.
        rows: Its rows, as COPY writes them.
        state: What changes whenever they do; None if there are none.
    """

    name: LiteralString
    columns: LiteralString
    rows: bytes = b""
    state: str | None = None


class PostgreSQLPlace(TemporaryDatabase):
    """One database on a server.

    After each test one query asks what is not as it was: which tables have rows, or other rows
    than they were made with, which sequences have moved, whether the schema is another, who is
    in a transaction. What is found is taken back.
    """

    def __init__(self, backend: PostgreSQLBackend, name: str) -> None:
        self._backend = backend
        self._name = name
        self.text = backend.text(name)
        self.url = DatabaseURL.parse(self.text)
        self._connection = _connect(self.text)
        self._ignores_keys = self._ignore_keys()
        self._tables = [_Table(*row) for row in self._connection.execute(_TABLES).fetchall()]
        for table in self._tables:
            self._keep(table)
        self._question = self._asked()
        before = self._answers()
        self._shape, self._sequences = before["shape"], before["sequence"]

    def settle(self) -> Settled:
        try:
            changes = self._answers()
            deadline = time.monotonic() + PATIENCE
            while changes["open"] and time.monotonic() < deadline:
                time.sleep(0.01)
                changes = self._answers()
        except psycopg.errors.UndefinedTable:
            return Settled(is_lost=True)
        if changes["open"]:
            return Settled(tuple(map(_complaint, changes["open"])), is_lost=True)
        if changes["shape"] != self._shape:
            return Settled(is_lost=True)
        if changes["written"] and not self._take_back(changes["written"]):
            return Settled(is_lost=True)
        for name, last, start in changes["sequence"]:
            if (name, last, start) not in self._sequences:
                self._wind_back(name, start)
        return Settled()

    def close(self) -> None:
        self._connection.close()
        self._backend.drop(self._name)

    def _ignore_keys(self) -> bool:
        """Have foreign keys and triggers not see what this connection does, if it may."""
        try:
            self._connection.execute("SET session_replication_role = replica")
        except psycopg.errors.InsufficientPrivilege:
            return False
        return True

    def _keep(self, table: _Table) -> None:
        """Remember the rows that a table has been made with."""
        state = self._connection.execute(f"SELECT {_state(table)}").fetchone()
        table.state = state[0] if state else None
        if table.state is not None:
            with (
                self._connection.cursor() as cursor,
                cursor.copy(_copy(table, "TO STDOUT")) as copy,
            ):
                table.rows = b"".join(map(bytes, copy))

    def _asked(self) -> str:
        """The query of everything that may have changed."""
        written = [
            f"SELECT 'written', '{number}', pg_relation_size({_literal(table.name)})::text, NULL "
            f"WHERE {_is_written(table)}"
            for number, table in enumerate(self._tables)
        ]
        return " UNION ALL ".join([_SEQUENCES, _SHAPE, _OPEN, *written])

    def _answers(self) -> dict[str, list[tuple[Any, ...]]]:
        changes: dict[str, list[tuple[Any, ...]]] = {
            "sequence": [], "shape": [], "open": [], "written": []
        }  # fmt: skip
        for kind, *details in self._connection.execute(self._question):
            changes[kind].append(tuple(details))
        return changes

    def _take_back(self, written: list[tuple[Any, ...]]) -> bool:
        """Make tables as they were; whether that could be done."""
        if not self._ignores_keys:
            if any(table.state is not None for table in self._tables):
                return False
            names = ", ".join(self._tables[int(number)].name for number, _, _ in written)
            self._connection.execute(f"TRUNCATE {names} CASCADE")
            return True
        for number, size, _ in written:
            table = self._tables[int(number)]
            self._connection.execute(f"DELETE FROM {table.name}")
            if int(size) > LARGE:
                self._connection.execute(f"VACUUM {table.name}")
            if table.state is not None:
                self._refill(table)
        return True

    def _refill(self, table: _Table) -> None:
        """Give a table the rows it was made with."""
        with self._connection.cursor() as cursor, cursor.copy(_copy(table, "FROM STDIN")) as rows:
            rows.write(table.rows)
        self._keep(table)
        self._question = self._asked()

    def _wind_back(self, name: str, start: str) -> None:
        last = next((last for known, last, _ in self._sequences if known == name), None)
        self._connection.execute(
            "SELECT setval(%s::regclass, %s, %s)", [name, int(last or start), last is not None]
        )


def _connect(text: str) -> "psycopg.Connection[tuple[Any, ...]]":
    """A connection on which each statement is its own transaction.

    Raises:
        FixtureError: There is none to be had; the message says why.
    """
    database = Database(text)
    try:
        database.ping()
    except UnreachableError as error:
        raise FixtureError(f"No database for tests: {error}") from None
    pooled = database.engine.raw_connection()
    connection: psycopg.Connection[tuple[Any, ...]] | None = pooled.driver_connection
    assert connection is not None
    pooled.detach()
    database.dispose()
    connection.rollback()
    connection.autocommit = True
    return connection


def _state(table: _Table) -> LiteralString:
    """What changes with every change to the rows of a table: its rows' transactions."""
    return (
        f"(SELECT nullif(concat_ws(' ', count(*), sum(xmin::text::bigint)), '0') FROM {table.name})"
    )


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _is_written(table: _Table) -> str:
    """Whether a table has other rows than it was made with."""
    if table.state is None:
        return f"EXISTS (SELECT FROM {table.name})"
    return f"{_state(table)} IS DISTINCT FROM '{table.state}'"


def _copy(table: _Table, direction: LiteralString) -> LiteralString:
    return f"COPY {table.name} ({table.columns}) {direction}"


def _complaint(change: tuple[str, str, str]) -> str:
    _, state, query = change
    shown = " ".join(query.split())[:200]
    if state == "active":
        return f"It left a statement running: {shown}. Wait for it, or cancel what runs it."
    return (
        f"It left a transaction open, whose last statement is: {shown}. End it: commit, roll back, "
        "or close its session, as `with db.session()` does."
    )
