"""Serve the application of a result, and count the SQL statements that it sends to SQLite.

Run by the result's own Python, in its directory. It imports the libraries once and then forks a
server for each line of its input, ``{"port": ..., "environment": {...}, "log": ...}``, whose
process ID it prints. It imports nothing that a result may lack.
"""

import importlib
import json
import os
import signal
import sqlite3
import sqlite3.dbapi2
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import uvicorn

TRANSACTION = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "PRAGMA")
statements: list[str] = []
connect = sqlite3.connect


def count(statement: str) -> None:
    if not statement.lstrip().upper().startswith(TRANSACTION):
        statements.append(statement)


def counting_connect(
    *args: Any, factory: Any = sqlite3.Connection, **kwargs: Any
) -> sqlite3.Connection:
    """Connect, and count the statements of the connection, whatever its class is."""
    bound = factory if isinstance(factory, partial) else partial(factory)

    class Connection(bound.func):  # type: ignore[misc,valid-type] # a class known at run time
        def cursor(self, factory: type[sqlite3.Cursor] = sqlite3.Cursor) -> sqlite3.Cursor:
            class Cursor(factory):  # type: ignore[misc,valid-type] # the same
                def executemany(self, sql: str, rows: Any, /) -> Any:
                    with counted_once(self.connection, sql):
                        return super().executemany(sql, rows)

            cursor: sqlite3.Cursor = super().cursor(Cursor)
            return cursor

        def executemany(self, sql: str, rows: Any, /) -> Any:
            with counted_once(self, sql):
                return super().executemany(sql, rows)

    connection: sqlite3.Connection = connect(
        *args, factory=partial(Connection, *bound.args, **bound.keywords), **kwargs
    )
    connection.set_trace_callback(count)
    return connection


@contextmanager
def counted_once(connection: sqlite3.Connection, sql: str) -> Iterator[None]:
    """Count what runs in the context as one statement: SQLite traces one for each row."""
    connection.set_trace_callback(None)
    try:
        yield
    finally:
        count(sql)
        connection.set_trace_callback(count)


def counted(app: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """The application, with ``GET /-/statements``: how many it has sent since it started."""

    async def call(scope: Any, receive: Any, send: Any) -> None:
        if scope.get("path") != "/-/statements":
            await app(scope, receive, send)
            return
        body = str(len(statements)).encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    return call


def serve(port: int, environment: dict[str, str], log: str) -> None:
    """Serve the application, in this process."""
    os.setsid()
    with open(log, "w") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    from app.main import app  # type: ignore[import-not-found]  # the result's

    uvicorn.run(counted(app), port=port, log_level="warning")


if __name__ == "__main__":
    # The synchronous driver of SQLAlchemy calls the one, aiosqlite the other.
    sqlite3.connect = sqlite3.dbapi2.connect = counting_connect  # type: ignore[assignment]
    sys.path.insert(0, "")
    for library in ("fastapi", "sqlmodel", "sqlalchemy.ext.asyncio", "colonnade"):
        with suppress(ImportError):
            importlib.import_module(library)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        process = os.fork()
        if not process:
            serve(**json.loads(line))
            break
        print(process, flush=True)
