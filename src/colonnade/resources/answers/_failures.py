"""What the database refused, as a problem that names field and constraint."""

import logging
import re
from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import Index, MetaData, PrimaryKeyConstraint, Table, UniqueConstraint
from sqlalchemy.exc import DBAPIError, StatementError

from colonnade.database import ErrorKind, error_kind_of
from colonnade.errors import UncertainCommitError
from colonnade.models import Shape, with_article
from colonnade.resources.answers._problems import Problem, field_error
from colonnade.resources.routes._names import snake
from colonnade.rows import MAX_ANSWER_BYTES

logger = logging.getLogger("colonnade.resources")

RETRY_AFTER = "1"
"""Seconds after which a client may ask again where the database had no time or was not there."""

TOO_LARGE = "answer_too_large"
"""The kind of the problem that rows are too large for one answer."""

_TOO_LARGE = "54000"
_UNIQUE, _FOREIGN, _CHECK, _NOT_NULL = "23505", "23503", "23514", "23502"
_SQLITE: tuple[tuple[str, str], ...] = (
    (r"UNIQUE constraint failed: (?P<columns>.+)", _UNIQUE),
    (r"FOREIGN KEY constraint failed", _FOREIGN),
    (r"CHECK constraint failed: (?P<name>.+)", _CHECK),
    (r"NOT NULL constraint failed: (?P<columns>.+)", _NOT_NULL),
    (r"string or blob too big", _TOO_LARGE),
    (r"datatype mismatch|too large to convert", "22001"),
)


class Refusal:
    """What a database said, whichever driver it came by.

    Attributes:
        state: The SQLSTATE; SQLite's messages are given the one that PostgreSQL has.
        message: What the database says of it.
        constraint: The constraint's name, if the database tells.
        table: The table's name, if the database tells.
        columns: The columns' names, if the database tells.
    """

    def __init__(self, error: DBAPIError) -> None:
        cause = _driver_error(error)
        diagnosis = getattr(cause, "diag", cause)
        self.state = str(getattr(cause, "sqlstate", None) or "")
        self.message = str(cause)
        self.constraint: str | None = getattr(diagnosis, "constraint_name", None)
        self.table: str | None = getattr(diagnosis, "table_name", None)
        column = getattr(diagnosis, "column_name", None)
        self.columns: tuple[str, ...] = (column,) if column else ()
        self.detail = str(
            getattr(diagnosis, "message_detail", None) or getattr(cause, "detail", None) or ""
        )
        if not self.state:
            self._read_sqlite(str(cause))

    def _read_sqlite(self, message: str) -> None:
        for pattern, state in _SQLITE:
            match = re.search(pattern, message)
            if match is None:
                continue
            self.state = state
            groups = match.groupdict()
            self.constraint = groups.get("name")
            named = [part.strip() for part in (groups.get("columns") or "").split(",")]
            if named[0].startswith("index "):
                self.constraint = named[0].removeprefix("index ").strip("'")
            elif named[0]:
                self.table = named[0].rpartition(".")[0] or None
                self.columns = tuple(name.rpartition(".")[2] for name in named)
            return


def _driver_error(error: DBAPIError) -> BaseException:
    """The driver's own error, beneath SQLAlchemy's adapters."""
    cause: BaseException = error.orig or error
    innermost = cause
    while cause.__cause__ is not None:
        cause = cause.__cause__
        # Beneath what asyncpg says of a value that is of the wrong type is a bare TypeError.
        if getattr(cause, "sqlstate", None) or not getattr(innermost, "sqlstate", None):
            innermost = cause
    return innermost


def problem_of(error: Exception, shape: Shape, *, deleting: bool = False) -> Problem | None:
    """The problem that an error of the database amounts to; None if it is not a fault of a request.

    Args:
        error: What was raised.
        shape: The table that was written.
        deleting: Whether a row was deleted: then a foreign key is one that refers to it.
    """
    unavailable = unavailable_of(error)
    if unavailable is not None:
        return unavailable
    if isinstance(error, DBAPIError):
        return _of_refusal(Refusal(error), shape, deleting=deleting)
    if isinstance(error, StatementError) and isinstance(error.orig, ValueError | OverflowError):
        return Problem(422, str(error.orig), kind="invalid")
    return None


_UNAVAILABLE: dict[ErrorKind, tuple[str, str]] = {
    ErrorKind.CONFLICT: ("busy", "The database is busy: try again shortly."),
    ErrorKind.BUSY: ("busy", "The database is busy: try again shortly."),
    ErrorKind.STALLED: ("busy", "The database did not answer in time: try again shortly."),
    ErrorKind.FULL: ("full", "The database has no space left: nothing was changed."),
    ErrorKind.LOST: ("unavailable", "The database cannot be reached: try again shortly."),
    ErrorKind.MOVED: (
        "unavailable",
        "The database does not accept writes at the moment: try again shortly.",
    ),
    ErrorKind.UNREACHABLE: ("unavailable", "The database cannot be reached: try again shortly."),
}


def unavailable_of(error: BaseException) -> Problem | None:
    """The 503 that an error of the database amounts to; None if it is none of time or reach."""
    error_kind = error_kind_of(error)
    if error_kind is None:
        return None
    kind, detail = _UNAVAILABLE[error_kind]
    if isinstance(error, UncertainCommitError):
        kind = "uncertain"
        detail = (
            "The connection to the database was lost. It is not known whether the request "
            "was carried out: check before you retry."
        )
    logger.warning("Answered 503, %s: %s", kind, _reason(error))
    return Problem(503, detail, kind=kind, headers={"Retry-After": RETRY_AFTER})


def too_late(seconds: float, *, wrote: bool) -> Problem:
    """The 503 of a request that has waited for the database as long as may be.

    Args:
        seconds: So long.
        wrote: Whether it asked for a write, which may have been carried out.
    """
    detail = (
        f"The database did not answer within {seconds:g} seconds, and the request was cancelled"
    )
    logger.warning("Answered 503: %s.", detail)
    headers = {"Retry-After": RETRY_AFTER}
    if not wrote:
        return Problem(503, f"{detail}. Try again shortly.", kind="busy", headers=headers)
    detail += ". It is not known whether the request was carried out: check before you retry."
    return Problem(503, detail, kind="uncertain", headers=headers)


def _reason(error: BaseException) -> str:
    """What the database said, without the statement and its values."""
    return str(getattr(error, "orig", None) or error).partition("\n")[0]


def _of_refusal(refusal: Refusal, shape: Shape, *, deleting: bool) -> Problem | None:
    state = refusal.state
    name = shape.model.__name__
    if state == _UNIQUE:
        fields = _fields(refusal, shape)
        named = " and ".join(fields) or "key"
        unique = _unique(refusal, shape)
        constraint = refusal.constraint or (None if unique is None else str(unique.name))
        row = with_article(snake(name).replace("_", " "))
        detail = f"There is already {row} with this {named}."
        if _is_partial(unique):
            detail = f"There is already {row} with this {named}, by the constraint {constraint}."
        return _conflict("unique", _worded(unique) or detail, fields, constraint)
    if state in {_FOREIGN, "23001"}:
        return _foreign(refusal, shape, deleting=deleting)
    if state == _CHECK:
        return _invalid(refusal, shape, f"does not meet the constraint {refusal.constraint}")
    if state == _NOT_NULL:
        return _invalid(refusal, shape, "must not be null")
    if state == "23P01":
        return _conflict("exclusion", "This overlaps an existing row.", (), refusal.constraint)
    if state == "2200H":
        detail = f"No key is left for a new {name}: the sequence has reached its maximum."
        logger.error("Answered 503: %s", detail)
        return Problem(503, detail, kind="full")
    if state == _TOO_LARGE and "index row" in refusal.message:
        return Problem(422, "A value is too long for the index of its column.", kind="invalid")
    if state == _TOO_LARGE:
        return too_large("This")
    if state.startswith("22"):
        return Problem(422, "A value does not fit its column.", kind="invalid")
    return None


def too_large(subject: str) -> Problem:
    """The problem of rows that are too large for one answer.

    Args:
        subject: What is too large.
    """
    detail = (
        f"{subject} is larger than the {MAX_ANSWER_BYTES // 2**20} MiB of an answer: ask for fewer "
        f"rows with limit=, or for fewer fields with fields=."
    )
    return Problem(413, detail, kind=TOO_LARGE)


def _foreign(refusal: Refusal, shape: Shape, *, deleting: bool) -> Problem:
    if deleting or refusal.state == "23001" or "still referenced" in refusal.detail:
        return referenced(shape, refusal.table, refusal.constraint)
    return missing_row(_fields(refusal, shape), refusal.constraint)


def referenced(shape: Shape, table: str | None, constraint: str | None) -> Problem:
    """The conflict of a row that others refer to."""
    by = f" in {table}" if table and table != shape.name else ""
    detail = f"Other rows{by} refer to this {shape.model.__name__}."
    return _conflict("referenced", detail, (), constraint)


def missing_row(fields: Iterable[str], constraint: str | None) -> Problem:
    """The conflict of a foreign key that names no row, or none that can be reached."""
    named = tuple(fields)
    subject = " and ".join(named) or "A foreign key"
    detail = f"{subject} refers to a row that does not exist."
    return _conflict("foreign_key", detail, named, constraint)


def _conflict(kind: str, detail: str, fields: Iterable[str], constraint: str | None) -> Problem:
    errors = [field_error(("body", name), name, constraint or kind, detail) for name in fields]
    if not errors and constraint:
        errors = [{"constraint": constraint, "message": detail}]
    return Problem(409, detail, kind=kind, errors=errors)


def _invalid(refusal: Refusal, shape: Shape, what: str) -> Problem:
    fields = _fields(refusal, shape)
    detail = _worded(_constraint(refusal, shape)) or f"{' and '.join(fields) or 'The row'} {what}."
    constraint = refusal.constraint or ("not_null" if refusal.state == _NOT_NULL else "check")
    errors = [field_error(("body", name), name, constraint, detail) for name in fields]
    return Problem(422, detail, kind="invalid", errors=errors)


def _fields(refusal: Refusal, shape: Shape) -> tuple[str, ...]:
    """The fields a constraint is about."""
    if refusal.columns:
        return _named(refusal.columns, shape)
    if refusal.constraint is None:
        return ()
    for table in _tables(refusal, shape):
        columns = _columns_of(refusal.constraint, table)
        if columns:
            return _named(columns, shape)
    return ()


def _tables(refusal: Refusal, shape: Shape) -> Iterator[Table]:
    metadata: MetaData = shape.table.metadata
    yield shape.table
    if refusal.table is not None and refusal.table in metadata.tables:
        yield metadata.tables[refusal.table]


def _columns_of(constraint: str, table: Table) -> tuple[str, ...]:
    named: list[Any] = [*table.constraints, *table.indexes]
    for item in named:
        if item.name == constraint:
            return tuple(column.name for column in item.columns)
    if constraint == f"{table.name}_pkey":
        return tuple(column.name for column in table.primary_key)
    for unique in table.constraints:
        if isinstance(unique, UniqueConstraint) and constraint == (
            f"{table.name}_{'_'.join(column.name for column in unique.columns)}_key"
        ):
            return tuple(column.name for column in unique.columns)
    return ()


def _constraint(refusal: Refusal, shape: Shape) -> Any:
    """The constraint or index of the name that the database gave; None if it is not known."""
    for table in _tables(refusal, shape):
        named: list[Any] = [*table.constraints, *table.indexes]
        for item in named:
            if item.name and item.name == refusal.constraint:
                return item
    return None


def _unique(refusal: Refusal, shape: Shape) -> Any:
    """The constraint or unique index, by its name or by the columns that SQLite names."""
    named_constraint = _constraint(refusal, shape)
    if named_constraint is not None or refusal.constraint is not None:
        return named_constraint
    for table in _tables(refusal, shape):
        named: list[Any] = [*table.constraints, *(index for index in table.indexes if index.unique)]
        for item in named:
            unique = isinstance(item, UniqueConstraint | PrimaryKeyConstraint | Index)
            if unique and item.name and {c.name for c in item.columns} == set(refusal.columns):
                return item
    return None


def _is_partial(unique: Any) -> bool:
    """Whether an index is over some of the rows."""
    if not isinstance(unique, Index):
        return False
    options: Any = unique.dialect_options
    return any(options[name].get("where") is not None for name in ("postgresql", "sqlite"))


def _worded(constraint: Any) -> str | None:
    """How the program words a constraint: ``info={"message": ...}``, or ``Field(message=...)``."""
    return None if constraint is None else constraint.info.get("message")


def _named(columns: Iterable[str], shape: Shape) -> tuple[str, ...]:
    names = {column.column.name: column.body_name for column in shape.columns.values()}
    return tuple(names.get(column, column) for column in columns)
