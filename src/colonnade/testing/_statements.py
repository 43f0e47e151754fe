"""Records the statements that are sent to a database, with the lines of code they come from."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Engine, event

from colonnade.database import Database
from colonnade.testing._call_sites import CallSite, current_call_site

_is_paused: ContextVar[bool] = ContextVar("colonnade_is_paused", default=False)


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement that was sent to a database.

    Attributes:
        sql: The SQL, as the driver received it.
        parameters: The parameters, as the driver received them.
        site: The line of the user's program that it comes from; None for a Resource's own queries.

    Examples:
        ```python
        from colonnade import Database, text
        from colonnade.testing import counts

        db = Database("sqlite://")
        with db.session() as session, counts(db) as statements:
            session.exec(text("SELECT 1"))
        for statement in statements:
            print(statement.sql)  # SELECT 1
        ```
    """

    sql: str
    parameters: Any = field(repr=False)  # they may be secret
    site: CallSite | None

    def __str__(self) -> str:
        origin = "" if self.site is None else f"\n    from {self.site}: {self.site.text}"
        return f"{shorten(self.sql)}{origin}"


@contextmanager
def unrecorded() -> Iterator[None]:
    """Leave the statements inside the block out of recordings, as the test kit's own."""
    token = _is_paused.set(True)
    try:
        yield
    finally:
        _is_paused.reset(token)


@contextmanager
def record_statements(database: Database) -> Iterator[list[Statement]]:
    """Record the statements that are sent to a database inside the block.

    BEGIN, COMMIT and ROLLBACK are left out.

    Args:
        database: The database; all its engines are recorded.

    Yields:
        The statements so far, in order.
    """
    statements: list[Statement] = []

    def record(
        connection: Connection,
        cursor: object,
        statement: str,
        parameters: Any,
        context: object,
        executemany: bool,
    ) -> None:
        if database.has(connection.engine) and not _is_paused.get():
            statements.append(Statement(statement, parameters, current_call_site()))

    # Listen on every engine, since an async engine may be created inside the block.
    event.listen(Engine, "before_cursor_execute", record)
    try:
        yield statements
    finally:
        event.remove(Engine, "before_cursor_execute", record)


def shorten(sql: str) -> str:
    """The SQL on one line of at most 200 characters."""
    line = " ".join(sql.split())
    return line if len(line) <= 200 else f"{line[:197]}..."
