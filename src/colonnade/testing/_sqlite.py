"""SQLite databases for tests, in files or in memory, restored by copying their pages back."""

import sqlite3
from contextlib import closing
from itertools import count
from pathlib import Path

from colonnade.database import DatabaseURL
from colonnade.testing._locks import locked
from colonnade.testing._temporary_databases import (
    OPEN_TRANSACTION,
    Backend,
    RestoreResult,
    SchemaBuilder,
    TemporaryDatabase,
)

BUSY_TIMEOUT = 1.0
"""Seconds that transactions have to end after their test."""


class SQLiteBackend(Backend):
    """Creates SQLite databases.

    Args:
        directory: The directory for files. Processes with the same directory share the template.
        process: The name of this process, unique in the run.
        memory: Whether the databases are in memory instead of in files.
    """

    def __init__(self, directory: Path, process: str, *, memory: bool = False) -> None:
        self._directory = directory
        self._process = process
        self._memory = memory
        self._empty = _memory_database()
        self._template: sqlite3.Connection | None = None
        self._numbers = count(1)

    def create(self, schema: SchemaBuilder | None, *, restored: bool = True) -> TemporaryDatabase:
        if schema is None:
            return SQLiteDatabase(self._next_url(), self._empty)
        if self._template is None:
            self._template = self._load_template(schema)
        return SQLiteDatabase(self._next_url(), self._template)

    def close(self) -> None:
        self._empty.close()
        if self._template is not None:
            self._template.close()

    def _next_url(self) -> str:
        if self._memory:
            return "sqlite://"
        return f"sqlite:///{self._directory / self._process}-{next(self._numbers)}.db"

    def _load_template(self, schema: SchemaBuilder) -> sqlite3.Connection:
        """A copy of the template in memory. The first process of the run creates the template."""
        finished = self._directory / "template.db"
        with locked(self._directory / "template.lock"):
            if not finished.exists():
                draft = self._directory / "draft.db"
                draft.unlink(missing_ok=True)
                schema(f"sqlite:///{draft}")
                with closing(sqlite3.connect(draft, isolation_level=None)) as connection:
                    # VACUUM INTO writes a single file, without a write-ahead log.
                    connection.execute("VACUUM INTO ?", (str(finished),))
        template = _memory_database()
        with closing(sqlite3.connect(finished)) as connection:
            connection.backup(template)
        return template


class SQLiteDatabase(TemporaryDatabase):
    """A temporary SQLite database."""

    def __init__(self, url: str, template: sqlite3.Connection) -> None:
        self.url_string = url
        self.url = DatabaseURL.parse(url)
        self._template = template
        self._tables = _plain_tables(template)
        self._connection = self._open()
        self._copy_template()

    def restore(self) -> RestoreResult:
        if self._is_written_to():
            return RestoreResult((OPEN_TRANSACTION,), needs_replacement=True)
        if self._data_version() != self._restored_version:
            if self._tables is not None and self._schema_version() == self._original_schema_version:
                self._delete_rows(self._tables)
            else:
                self._copy_template()
        return RestoreResult()

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
            timeout=BUSY_TIMEOUT,
        )
        connection.execute("PRAGMA synchronous=OFF")
        if not memory:
            connection.execute("PRAGMA journal_mode=WAL")
        return connection

    def _copy_template(self) -> None:
        self._template.backup(self._connection)
        self._original_schema_version = self._schema_version()
        self._restored_version = self._data_version()

    def _delete_rows(self, tables: list[str]) -> None:
        """Restore tables that were empty and have no triggers.

        Copying the template instead would make every connection read the schema and prepare its
        statements again.
        """
        self._connection.execute("BEGIN IMMEDIATE")
        for table in tables:
            self._connection.execute(f"DELETE FROM {table}")
        self._connection.execute("COMMIT")
        self._restored_version = self._data_version()

    def _schema_version(self) -> int:
        (version,) = self._connection.execute("PRAGMA schema_version").fetchone()
        return int(version)

    def _data_version(self) -> int:
        """A number that changes when another connection commits.

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
    """The quoted names of the tables, if deleting all rows restores them; else None."""
    objects = template.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
    virtual = any(str(sql).upper().startswith("CREATE VIRTUAL") for _, _, sql in objects)
    if virtual or any(kind == "trigger" for kind, _, _ in objects):
        return None
    names = [f'"{name}"' for kind, name, _ in objects if kind == "table"]
    rows = any(template.execute(f"SELECT 1 FROM {name} LIMIT 1").fetchone() for name in names)
    return None if rows else names


def _memory_database() -> sqlite3.Connection:
    return sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
