"""The statements that a database is given, and where in the program each comes from."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Engine, event

from colonnade.database import Database
from colonnade.testing._call_sites import CallSite, site

_is_unseen: ContextVar[bool] = ContextVar("colonnade_is_unseen", default=False)


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement that a database was given.

    Attributes:
        sql: Its text, as the driver has it.
        parameters: Its values, as the driver has them.
        site: The line of the program that it comes from; None for what a Resource asks itself.
    """

    sql: str
    parameters: Any = field(repr=False)  # they may be secret
    site: CallSite | None

    def __str__(self) -> str:
        place = "" if self.site is None else f"\n    from {self.site}: {self.site.text}"
        return f"{shortened(self.sql)}{place}"


@contextmanager
def unseen() -> Iterator[None]:
    """Statements inside are the test kit's own, and no test sees them."""
    token = _is_unseen.set(True)
    try:
        yield
    finally:
        _is_unseen.reset(token)


@contextmanager
def recorded(database: Database) -> Iterator[list[Statement]]:
    """The statements that a database is given inside the block, in order.

    BEGIN, COMMIT and ROLLBACK are none.

    Args:
        database: The database, by whichever of its engines.
    """
    statements: list[Statement] = []

    def note(
        connection: Connection,
        cursor: object,
        statement: str,
        parameters: Any,
        context: object,
        executemany: bool,
    ) -> None:
        if database.has(connection.engine) and not _is_unseen.get():
            statements.append(Statement(statement, parameters, site()))

    # Of all engines, for one may be made inside the block, with its event loop.
    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def shortened(sql: str) -> str:
    """A statement, in a line."""
    line = " ".join(sql.split())
    return line if len(line) <= 200 else f"{line[:197]}..."
