"""Every error that Colonnade raises.

    ColonnadeError
    ├── ModelError             a class whose options conflict  (TypeError)
    │   ├── ColumnTypeError        a field that cannot be a column  (ValueError)
    │   └── PartialError           a schema that cannot be partial
    ├── StoredValueError       the database holds what the model cannot  (ValueError)
    ├── LazyLoadError          an attribute async code had not loaded
    ├── DatabaseError          a database that cannot be used
    │   ├── DatabaseURLError       a URL that does not say which  (ValueError)
    │   ├── MissingDriverError     its driver is not installed  (ImportError)
    │   ├── UnreachableError       it does not answer  (ConnectionError)
    │   ├── UncertainCommitError   it was lost before it said whether it committed
    │   └── StatementTimeoutError  it did not answer a statement in time  (TimeoutError)
    ├── QueryError             a request that asks for what cannot be asked  (ValueError)
    ├── ProjectError           a project whose parts cannot be found
    ├── MigrationError         a migration that cannot be written or run
    ├── FixtureError           a test cannot have what it asks for
    ├── CheckError             a check that cannot be made as it was asked for
    └── CommandError           a command that cannot do what it was asked

The builtin in brackets is a base too, so that code which expects it keeps working.
No message holds a password.
"""

from typing import Any


class ColonnadeError(Exception):
    """Base of every error that Colonnade raises."""


class ModelError(ColonnadeError, TypeError):
    """A model class says something that cannot be done."""


class ColumnTypeError(ModelError, ValueError):
    """A field of a table has a type that no column can hold.

    A ``ValueError`` too, as sqlmodel raises for the same.
    """


class PartialError(ModelError):
    """``partial=True`` on a class that cannot be partial."""


class StoredValueError(ColonnadeError, ValueError):
    """The database holds a value that the model's type does not accept."""


class LazyLoadError(ColonnadeError):
    """Async code read an attribute that was not loaded: it would have had to wait."""


class DatabaseError(ColonnadeError):
    """A database that cannot be used."""


class DatabaseURLError(DatabaseError, ValueError):
    """A database URL with a part that cannot be understood."""


class MissingDriverError(DatabaseError, ImportError):
    """The driver a URL needs is not installed."""


class UnreachableError(DatabaseError, ConnectionError):
    """The database did not answer, or refused."""


class UncertainCommitError(DatabaseError):
    """The connection was lost after COMMIT was sent: whether it took place is not known.

    What was written is there as a whole or not at all. A unit of work that may be carried out
    twice is run again instead: ``db.transaction(work, idempotent=True)``.
    """


class StatementTimeoutError(DatabaseError, TimeoutError):
    """No answer to a statement came within ``statement_timeout``; the connection was given up."""


class QueryError(ColonnadeError, ValueError):
    """The query of a request cannot be answered as it stands.

    Attributes:
        errors: What is wrong, one dict each, as Pydantic and FastAPI write them: ``type``,
            ``loc``, ``msg`` and ``input``.
    """

    def __init__(self, errors: list[dict[str, Any]]) -> None:
        self.errors = errors
        where = ".".join(str(part) for part in errors[0]["loc"]) if errors else "query"
        super().__init__(f"{where}: {errors[0]['msg']}" if errors else where)


def error_entry(
    kind: str, loc: tuple[str | int, ...], message: str, value: object = None
) -> dict[str, Any]:
    """Build an entry of ``QueryError.errors``, in the form that Pydantic and FastAPI use.

    Args:
        kind: A code for programs, such as ``extra_forbidden``.
        loc: Where the value is: ``("query", "limit")``.
        message: What is wrong, for people.
        value: The value.
    """
    return {"type": kind, "loc": loc, "msg": message, "input": value}


class ProjectError(ColonnadeError):
    """A project does not say where its parts are, or they cannot be imported."""


class MigrationError(ColonnadeError):
    """A migration that cannot be written or run, or did not come to its end."""


class FixtureError(ColonnadeError):
    """A test cannot have the app or the database that it asks for; the message says what to do."""


class CheckError(ColonnadeError):
    """A check of code was asked for in a way that cannot be done: a setting, a path, a code."""


class CommandError(ColonnadeError):
    """A command cannot do what it was asked; the message says what to do."""
