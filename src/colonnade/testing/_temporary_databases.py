"""What a kind of database must be able to do for tests: ``Backend`` and ``TemporaryDatabase``.

A test's writes are committed, and what it wrote is taken back when it ends. The other known way
lends one connection with an open transaction to everything and rolls it back; it cannot be had
for a sync and an async driver at once, and what it shows is not what production does: ``now()``
stands still, deferred constraints are never checked, a second connection sees nothing, and a
lock never waits. ``docs/testing.md`` has the whole comparison.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from colonnade.database import DatabaseURL

Schema: TypeAlias = Callable[[str], None]
"""Makes the tables of a project in the database of a URL."""

OPEN_TRANSACTION = (
    "It left a transaction open that has written to the database. End it: commit, roll back, or "
    "close its session, as `with db.session()` does."
)


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a database after a test.

    Attributes:
        complaints: What the test left that it ought not to have, a sentence each.
        is_lost: Whether it could not be made as it was, so that the next test needs another.
    """

    complaints: tuple[str, ...] = ()
    is_lost: bool = False


class TemporaryDatabase(ABC):
    """A database for tests, which can be made as it was.

    Attributes:
        text: Its URL, with the password if there is one; for a database in memory, of any.
        url: The same, understood.
    """

    text: str
    url: DatabaseURL

    @abstractmethod
    def settle(self) -> Settled:
        """Take back what was written since it was made, or since the last time."""

    @abstractmethod
    def close(self) -> None:
        """Delete it. Nobody is connected, or need not be any more."""


class Backend(ABC):
    """Makes databases of one kind."""

    @abstractmethod
    def place(self, schema: Schema | None) -> TemporaryDatabase:
        """A new database.

        Args:
            schema: What makes its tables: called for the first one, which later ones are clones
                of. None: an empty database.

        Raises:
            FixtureError: It cannot be made; the message says what to do.
        """

    @abstractmethod
    def close(self) -> None:
        """Delete what was kept to clone from. Its places are closed before."""
