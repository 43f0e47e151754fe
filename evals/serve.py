"""Serve the application of a result, and count the SQL statements that it sends to SQLite.

Run by the result's own Python, in its directory: ``python serve.py PORT``. It imports nothing
that a result may lack.
"""

import sqlite3
import sqlite3.dbapi2
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn

TRANSACTION = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "PRAGMA")
statements: list[str] = []
connect = sqlite3.connect


def count(statement: str) -> None:
    if not statement.lstrip().upper().startswith(TRANSACTION):
        statements.append(statement)


def counting_connect(*args: Any, **kwargs: Any) -> sqlite3.Connection:
    connection: sqlite3.Connection = connect(
        *args, **kwargs
    )  # of whatever class: a library may bring its own
    connection.set_trace_callback(count)
    return connection


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


if __name__ == "__main__":
    # The synchronous driver of SQLAlchemy calls the one, aiosqlite the other.
    sqlite3.connect = sqlite3.dbapi2.connect = counting_connect  # type: ignore[assignment]
    sys.path.insert(0, "")
    from app.main import app  # type: ignore[import-not-found]  # the result's

    uvicorn.run(counted(app), port=int(sys.argv[1]), log_level="warning")
