"""SQLite for tests: a file, or memory; made as it was by copying its pages back."""

import sqlite3
from contextlib import closing
from itertools import count
from pathlib import Path

from colonnade.database import DatabaseURL
from colonnade.testing._locks import locked
from colonnade.testing._temporary_databases import (
    OPEN_TRANSACTION,
    Backend,
    Schema,
    Settled,
    TemporaryDatabase,
)

PATIENCE = 1.0
"""Seconds that a transaction may still take to end once its test has."""


class SQLiteBackend(Backend):
    """Databases of SQLite.

    Args:
        directory: Where files go. Processes that have it in common share the template.
        name: What the files of this process are called.
        memory: Whether databases are in memory rather than in files.
    """

    def __init__(self, directory: Path, name: str, *, memory: bool = False) -> None:
        self._directory = directory
        self._name = name
        self._memory = memory
        self._empty = _nothing()
        self._template: sqlite3.Connection | None = None
        self._numbers = count(1)

    def place(self, schema: Schema | None) -> TemporaryDatabase:
        if schema is None:
            return SQLitePlace(self._text(), self._empty)
        if self._template is None:
            self._template = self._made(schema)
        return SQLitePlace(self._text(), self._template)

    def close(self) -> None:
        self._empty.close()
        if self._template is not None:
            self._template.close()

    def _text(self) -> str:
        if self._memory:
            return "sqlite://"
        return f"sqlite:///{self._directory / self._name}-{next(self._numbers)}.db"

    def _made(self, schema: Schema) -> sqlite3.Connection:
        """The template, made by whichever process comes first."""
        finished = self._directory / "template.db"
        with locked(self._directory / "template.lock"):
            if not finished.exists():
                draft = self._directory / "draft.db"
                draft.unlink(missing_ok=True)
                schema(f"sqlite:///{draft}")
                with closing(sqlite3.connect(draft, isolation_level=None)) as connection:
                    # One file, without the log of a database that is written to.
                    connection.execute("VACUUM INTO ?", (str(finished),))
        template = _nothing()
        with closing(sqlite3.connect(finished)) as connection:
            connection.backup(template)
        return template


class SQLitePlace(TemporaryDatabase):
    """One database of SQLite."""

    def __init__(self, text: str, template: sqlite3.Connection) -> None:
        self.text = text
        self.url = DatabaseURL.parse(text)
        self._template = template
        self._tables = _plain_tables(template)
        self._connection = self._open()
        self._restore()

    def settle(self) -> Settled:
        if self._is_written_to():
            return Settled((OPEN_TRANSACTION,), is_lost=True)
        if self._version() != self._seen:
            if self._tables is not None and self._schema() == self._known_schema:
                self._empty(self._tables)
            else:
                self._restore()
        return Settled()

    def close(self) -> None:
        self._connection.close()
        file = self.url.file
        if file is not None:
            for suffix in ("", "-wal", "-shm"):
                Path(f"{file}{suffix}").unlink(missing_ok=True)

    def _open(self) -> sqlite3.Connection:
        memory = self.url.memory
        name = str(self.url.sync.url.database)
        connection = sqlite3.connect(
            f"{name}?vfs=memdb" if memory else name,
            uri=memory,
            isolation_level=None,
            check_same_thread=False,
            timeout=PATIENCE,
        )
        connection.execute("PRAGMA synchronous=OFF")
        if not memory:
            connection.execute("PRAGMA journal_mode=WAL")
        return connection

    def _restore(self) -> None:
        self._template.backup(self._connection)
        self._known_schema = self._schema()
        self._seen = self._version()

    def _empty(self, tables: list[str]) -> None:
        """``_restore`` for plain tables that had no rows.

        Every connection has to read the schema again, and prepare its statements, after pages
        were copied over it.
        """
        self._connection.execute("BEGIN IMMEDIATE")
        for table in tables:
            self._connection.execute(f"DELETE FROM {table}")
        self._connection.execute("COMMIT")
        self._seen = self._version()

    def _schema(self) -> int:
        (version,) = self._connection.execute("PRAGMA schema_version").fetchone()
        return int(version)

    def _version(self) -> int:
        """What changes whenever another connection commits.

        https://sqlite.org/pragma.html#pragma_data_version
        """
        (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        return int(version)

    def _is_written_to(self) -> bool:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:  # busy
            return True
        self._connection.execute("ROLLBACK")
        return False


def _plain_tables(template: sqlite3.Connection) -> list[str] | None:
    """The tables of a database, quoted, if DELETE makes each what it was; else None."""
    objects = template.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
    virtual = any(str(sql).upper().startswith("CREATE VIRTUAL") for _, _, sql in objects)
    if virtual or any(kind == "trigger" for kind, _, _ in objects):
        return None
    names = [f'"{name}"' for kind, name, _ in objects if kind == "table"]
    rows = any(template.execute(f"SELECT 1 FROM {name} LIMIT 1").fetchone() for name in names)
    return None if rows else names


def _nothing() -> sqlite3.Connection:
    return sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
