"""``Backend`` and ``TemporaryDatabase``: the interfaces of the databases for tests.

A test commits its writes, and they are undone when it ends. The usual alternative shares one
connection with an open transaction, which is rolled back. That does not work for a sync and an
async driver at once, and it differs from production: ``now()`` stands still, deferred constraints
are never checked, a second connection sees nothing and no lock ever waits. ``docs/testing.md``
compares both.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from colonnade.database import DatabaseURL

SchemaBuilder: TypeAlias = Callable[[str], None]
"""Creates the tables of a project in the database of a URL."""

OPEN_TRANSACTION = (
    "It left a transaction open that has written to the database. Commit it, roll it back, or "
    "close its session, as `with db.session()` does."
)


@dataclass(frozen=True, slots=True)
class RestoreResult:
    """The outcome of restoring a database after a test.

    Attributes:
        leaks: What the test left running or open, one sentence each.
        needs_replacement: Whether the database could not be restored, so that the next test needs
            a new one.
    """

    leaks: tuple[str, ...] = ()
    needs_replacement: bool = False


class TemporaryDatabase(ABC):
    """A database for tests, which can be restored to its original state.

    Attributes:
        url_string: Its URL, with the password; ``sqlite://`` for any database in memory.
        url: The parsed URL.
    """

    url_string: str
    url: DatabaseURL

    @abstractmethod
    def restore(self) -> RestoreResult:
        """Undo what was written since the database was created or last restored."""

    @abstractmethod
    def close(self) -> None:
        """Delete the database. Connections to it may be ended."""


class Backend(ABC):
    """Creates temporary databases of one kind."""

    @abstractmethod
    def create(self, schema: SchemaBuilder | None, *, restored: bool = True) -> TemporaryDatabase:
        """Create a database.

        Args:
            schema: Creates the tables. It is called once; later databases are clones of the
                first. None creates an empty database.
            restored: Whether the database is restored after a test, which needs to know its
                original state.

        Raises:
            FixtureError: The database cannot be created; the message says what to do.
        """

    @abstractmethod
    def close(self) -> None:
        """Delete the template. The databases of the backend must be closed before."""
