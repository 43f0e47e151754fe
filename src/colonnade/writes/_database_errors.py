"""Translate database errors into rejections that name the field and the constraint."""

import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import Column, Index, MetaData, PrimaryKeyConstraint, Table, UniqueConstraint
from sqlalchemy.exc import DBAPIError, StatementError
from sqlmodel import SQLModel
from sqlmodel.main import default_registry

from colonnade.database import ErrorKind, error_kind_of
from colonnade.errors import UncertainCommitError
from colonnade.models import Shape, snake, with_article
from colonnade.rows import MAX_ANSWER_BYTES
from colonnade.writes._errors import RejectedError, field_error

logger = logging.getLogger("colonnade.resources")

RETRY_AFTER = "1"
"""Seconds after which a client may retry when the database is busy or unavailable."""

TOO_LARGE = "answer_too_large"
"""The kind of the problem for rows that are too large for one response."""

_TOO_LARGE = "54000"
_DATA_ERROR, _OUT_OF_RANGE = "22000", "22003"
_RESTRICTED = "23001"
_UNIQUE, _FOREIGN, _CHECK, _NOT_NULL = "23505", "23503", "23514", "23502"
_MESSAGES: tuple[tuple[str, str], ...] = (
    (r"UNIQUE constraint failed: (?P<columns>.+)", _UNIQUE),
    (r"FOREIGN KEY constraint failed", _FOREIGN),
    (r"CHECK constraint failed: (?P<name>.+)", _CHECK),
    (r"NOT NULL constraint failed: (?P<columns>.+)", _NOT_NULL),
    (r"string or blob too big", _TOO_LARGE),
    (r"datatype mismatch|too large to convert", "22001"),
    (r"cannot contain NUL|value out of int", _OUT_OF_RANGE),  # said by drivers of PostgreSQL
)


class DriverError:
    """A database error in the same form for every driver.

    Attributes:
        state: The SQLSTATE; for SQLite, the equivalent of PostgreSQL.
        message: The message of the database.
        constraint: The name of the constraint, if the database reports it.
        table: The name of the table, if the database reports it.
        schema: The schema of the table, if the database reports it.
        columns: The names of the columns, if the database reports them.
    """

    def __init__(self, error: DBAPIError) -> None:
        cause = _innermost_error(error)
        diagnosis = getattr(cause, "diag", cause)
        self.state = str(getattr(cause, "sqlstate", None) or "")
        self.message = str(cause)
        self.constraint: str | None = getattr(diagnosis, "constraint_name", None)
        self.table: str | None = getattr(diagnosis, "table_name", None)
        self.schema: str | None = getattr(diagnosis, "schema_name", None)
        column = getattr(diagnosis, "column_name", None)
        self.columns: tuple[str, ...] = (column,) if column else ()
        self.detail = str(
            getattr(diagnosis, "message_detail", None) or getattr(cause, "detail", None) or ""
        )
        if self.state in {"", _DATA_ERROR}:
            self._read_message(str(cause))

    def _read_message(self, message: str) -> None:
        for pattern, state in _MESSAGES:
            match = re.search(pattern, message)
            if match is None:
                continue
            self.state = state
            groups = match.groupdict()
            name = groups.get("name")
            # SQLite reports the expression of a CHECK without a name.
            self.constraint = name if name and re.fullmatch(r"[\w.]+", name) else None
            named = [part.strip() for part in (groups.get("columns") or "").split(",")]
            if named[0].startswith("index "):
                self.constraint = named[0].removeprefix("index ").strip("'")
            elif named[0]:
                self.table = named[0].rpartition(".")[0] or None
                self.columns = tuple(name.rpartition(".")[2] for name in named)
            return


def _innermost_error(error: DBAPIError) -> BaseException:
    """Return the error of the driver itself, beneath SQLAlchemy's adapters."""
    cause: BaseException = error.orig or error
    innermost = cause
    while cause.__cause__ is not None:
        cause = cause.__cause__
        # asyncpg's error for a value of the wrong type is caused by a bare TypeError.
        if getattr(cause, "sqlstate", None) or not getattr(innermost, "sqlstate", None):
            innermost = cause
    return innermost


def rejection_of(error: Exception, shape: Shape, *, deleting: bool = False) -> RejectedError | None:
    """Return the rejection for a database error; None if the request did not cause it.

    Args:
        error: The exception.
        shape: The written table.
        deleting: Whether a row was deleted, so that a failing foreign key refers to it.
    """
    unavailable = unavailable_of(error)
    if unavailable is not None:
        return unavailable
    if isinstance(error, DBAPIError):
        return _rejection_of_driver_error(DriverError(error), shape, deleting=deleting)
    if isinstance(error, StatementError) and isinstance(error.orig, ValueError | OverflowError):
        return RejectedError(422, str(error.orig), kind="invalid")
    return None


_OF_CONSTRAINTS = frozenset((_UNIQUE, _FOREIGN, _RESTRICTED, _CHECK, "23P01"))
"""Violated constraints. A NULL in a NOT NULL column is not among them.

https://www.postgresql.org/docs/current/errcodes-appendix.html"""
_OF_VALUES = frozenset((_OUT_OF_RANGE, "22001", "22021"))
"""Numbers out of range, and text that contains NUL."""


def client_rejection_of(error: Exception) -> RejectedError | None:
    """Return the rejection for an error of a hand-written statement.

    None if it is more likely a mistake in the statement than in the values of a client: a sum may
    be out of range, too.
    """
    unavailable = unavailable_of(error)
    if unavailable is not None or not isinstance(error, DBAPIError):
        return unavailable
    driver_error = DriverError(error)
    if driver_error.state not in _OF_CONSTRAINTS and not (
        driver_error.state in _OF_VALUES and _has_impossible_value(error)
    ):
        return None
    logger.warning("Responded with a problem to an error of a statement: %s", _reason(error))
    deleting = bool(re.search(r"\bDELETE\s+FROM\b", error.statement or "", re.IGNORECASE))
    if _is_referenced(driver_error, deleting=deleting):
        return referenced(None, driver_error.table, driver_error.constraint)
    return _rejection_of_driver_error(driver_error, _shape_of(driver_error), deleting=False)


def _has_impossible_value(error: DBAPIError) -> bool:
    """Whether a parameter is a text, or an integer of more than 16 bits."""
    if isinstance(error.orig, OverflowError):
        return True
    sets: Any = error.params if isinstance(error.params, list) else [error.params or ()]
    values = (
        value
        for parameters in sets
        for value in (parameters.values() if isinstance(parameters, Mapping) else parameters)
    )
    return any(
        (isinstance(value, int) and value not in range(-(2**15), 2**15)) or (isinstance(value, str))
        for value in values
    )


def _shape_of(driver_error: DriverError) -> Shape | None:
    """The only table that an error names, or whose constraint it names; None for several."""
    models = []
    for mapper in default_registry.mappers:
        table = mapper.local_table
        if isinstance(table, Table) and issubclass(mapper.class_, SQLModel):
            items: list[Any] = [*table.constraints, *table.indexes]
            if (
                driver_error.table == table.name
                and driver_error.schema in (None, table.schema or "public")
                if driver_error.table is not None
                else driver_error.constraint in {item.name for item in items if item.name}
            ):
                models.append(mapper.class_)
    return Shape.of(models[0]) if len(models) == 1 else None


_UNAVAILABLE: dict[ErrorKind, tuple[str, str]] = {
    ErrorKind.CONFLICT: ("busy", "The database is busy. Try again shortly."),
    ErrorKind.BUSY: ("busy", "The database is busy. Try again shortly."),
    ErrorKind.STALLED: ("busy", "The database did not respond in time. Try again shortly."),
    ErrorKind.FULL: ("full", "The database has no space left. Nothing was changed."),
    ErrorKind.LOST: ("unavailable", "The database is unavailable. Try again shortly."),
    ErrorKind.MOVED: (
        "unavailable",
        "The database does not accept writes at the moment. Try again shortly.",
    ),
    ErrorKind.UNREACHABLE: ("unavailable", "The database is unavailable. Try again shortly."),
}


def unavailable_of(error: BaseException) -> RejectedError | None:
    """Return the 503 for a database that is busy or unavailable; None for other errors."""
    error_kind = error_kind_of(error)
    if error_kind is None:
        return None
    kind, detail = _UNAVAILABLE[error_kind]
    if isinstance(error, UncertainCommitError):
        kind = "uncertain"
        detail = (
            "The connection to the database was lost, and the request may or may not have been "
            "carried out. Read the current state before you retry."
        )
    logger.warning("Responded with 503, %s: %s", kind, _reason(error))
    return RejectedError(503, detail, kind=kind, headers={"Retry-After": RETRY_AFTER})


def deadline_exceeded(seconds: float, *, wrote: bool) -> RejectedError:
    """Return the 503 of a request that waited for the database until its deadline.

    Args:
        seconds: The deadline in seconds.
        wrote: Whether the request may have written something.
    """
    detail = f"The database did not respond within {seconds:g} s, and the request was cancelled"
    logger.warning("Responded with 503: %s.", detail)
    headers = {"Retry-After": RETRY_AFTER}
    if not wrote:
        return RejectedError(503, f"{detail}. Try again shortly.", kind="busy", headers=headers)
    detail += ". It may or may not have been carried out. Read the current state before you retry."
    return RejectedError(503, detail, kind="uncertain", headers=headers)


def _reason(error: BaseException) -> str:
    """Return the message of the database, without the statement and its values."""
    return str(getattr(error, "orig", None) or error).partition("\n")[0]


def _rejection_of_driver_error(
    driver_error: DriverError, shape: Shape | None, *, deleting: bool
) -> RejectedError | None:
    state = driver_error.state
    name = _name_of(shape)
    if state == _UNIQUE:
        fields = _fields(driver_error, shape)
        named = " and ".join(fields) or "key"
        unique = _unique_constraint(driver_error, shape)
        constraint = driver_error.constraint or (None if unique is None else str(unique.name))
        row = with_article(snake(name).replace("_", " "))
        detail = f"There is already {row} with this {named}."
        if _is_partial(unique):
            detail = f"There is already {row} with this {named} (constraint {constraint})."
        return _conflict("unique", _custom_message(unique) or detail, fields, constraint)
    if state in {_FOREIGN, _RESTRICTED}:
        return _foreign_key_rejection(driver_error, shape, deleting=deleting)
    if state == _CHECK:
        constraint = f"the constraint {driver_error.constraint}"
        named = constraint if driver_error.constraint else "a constraint"
        return _invalid(driver_error, shape, f"violates {named}")
    if state == _NOT_NULL:
        return _invalid(driver_error, shape, "must not be null")
    if state == "23P01":
        return _conflict("exclusion", "This overlaps an existing row.", (), driver_error.constraint)
    if state == "2200H":
        detail = f"Cannot create another {name}: the sequence of its key has reached its maximum."
        logger.error("Responded with 503: %s", detail)
        return RejectedError(503, detail, kind="full", headers={"Retry-After": RETRY_AFTER})
    if state == _TOO_LARGE and "index row" in driver_error.message:
        return RejectedError(422, "A value is too long for an index on its column.", kind="invalid")
    if state == _TOO_LARGE:
        return too_large("The response")
    if state.startswith("22"):
        return RejectedError(422, "A value does not fit its column.", kind="invalid")
    return None


def too_large(what: str) -> RejectedError:
    """Return the rejection of rows that are too large for one response.

    Args:
        what: What is too large.
    """
    detail = (
        f"{what} is larger than the maximum of {MAX_ANSWER_BYTES // 2**20} MiB. "
        f"Request fewer rows with limit=, or fewer fields with fields=."
    )
    return RejectedError(413, detail, kind=TOO_LARGE)


def _foreign_key_rejection(
    driver_error: DriverError, shape: Shape | None, *, deleting: bool
) -> RejectedError:
    if _is_referenced(driver_error, deleting=deleting):
        return referenced(shape, driver_error.table, driver_error.constraint)
    return missing_row(_fields(driver_error, shape), driver_error.constraint)


def _name_of(shape: Shape | None) -> str:
    return "row" if shape is None else shape.model.__name__


def _is_referenced(driver_error: DriverError, *, deleting: bool) -> bool:
    """Whether other rows refer to the row that a statement deletes, or whose key it changes."""
    if driver_error.state == _FOREIGN:
        return deleting or "still referenced" in driver_error.detail
    return driver_error.state == _RESTRICTED


def referenced(shape: Shape | None, table: str | None, constraint: str | None) -> RejectedError:
    """Return the conflict of a row that other rows refer to."""
    by = f" in {table}" if table and (shape is None or table != shape.name) else ""
    detail = f"Other rows{by} refer to this {_name_of(shape)}."
    return _conflict("referenced", detail, (), constraint)


def missing_row(fields: Iterable[str], constraint: str | None) -> RejectedError:
    """Return the conflict of a foreign key to a row that does not exist or is out of scope."""
    named = tuple(fields)
    what = " and ".join(named) or "A foreign key"
    return _conflict(
        "foreign_key", f"{what} refers to a row that does not exist.", named, constraint
    )


def _conflict(
    kind: str, detail: str, fields: Iterable[str], constraint: str | None
) -> RejectedError:
    errors = [field_error(("body", name), name, constraint or kind, detail) for name in fields]
    if not errors and constraint:
        errors = [{"constraint": constraint, "message": detail}]
    return RejectedError(409, detail, kind=kind, errors=errors)


def _invalid(driver_error: DriverError, shape: Shape | None, what: str) -> RejectedError:
    fields = _fields(driver_error, shape)
    detail = (
        _custom_message(_constraint(driver_error, shape))
        or f"{' and '.join(fields) or 'The row'} {what}."
    )
    constraint = driver_error.constraint or (
        "not_null" if driver_error.state == _NOT_NULL else "check"
    )
    errors = [field_error(("body", name), name, constraint, detail) for name in fields]
    return RejectedError(422, detail, kind="invalid", errors=errors)


def _fields(driver_error: DriverError, shape: Shape | None) -> tuple[str, ...]:
    """The fields of a violated constraint."""
    if driver_error.columns:
        return _body_names(driver_error.columns, shape)
    if driver_error.constraint is None:
        return ()
    for table in _tables(driver_error, shape):
        columns = _columns_of(driver_error.constraint, table)
        if columns:
            return _body_names(columns, shape)
    return ()


def _tables(driver_error: DriverError, shape: Shape | None) -> Iterator[Table]:
    if shape is None:
        return
    metadata: MetaData = shape.table.metadata
    yield shape.table
    if driver_error.table is not None and driver_error.table in metadata.tables:
        yield metadata.tables[driver_error.table]


def _columns_of(constraint: str, table: Table) -> tuple[str, ...]:
    named: list[Any] = [*table.constraints, *table.indexes]
    for candidate in named:
        if candidate.name == constraint:
            # The columns of a CHECK contain its literals as well.
            columns: list[Any] = [*candidate.columns]
            return tuple(column.name for column in columns if isinstance(column, Column))
    if constraint == f"{table.name}_pkey":
        return tuple(column.name for column in table.primary_key)
    for unique in table.constraints:
        if isinstance(unique, UniqueConstraint) and constraint == (
            f"{table.name}_{'_'.join(column.name for column in unique.columns)}_key"
        ):
            return tuple(column.name for column in unique.columns)
    return ()


def _constraint(driver_error: DriverError, shape: Shape | None) -> Any:
    """The constraint or index with the reported name; None if the metadata has none."""
    for table in _tables(driver_error, shape):
        named: list[Any] = [*table.constraints, *table.indexes]
        for candidate in named:
            if candidate.name and candidate.name == driver_error.constraint:
                return candidate
    return None


def _unique_constraint(driver_error: DriverError, shape: Shape | None) -> Any:
    """The unique constraint or index, by the reported name or, on SQLite, the reported columns."""
    constraint = _constraint(driver_error, shape)
    if constraint is not None or driver_error.constraint is not None:
        return constraint
    for table in _tables(driver_error, shape):
        named: list[Any] = [*table.constraints, *(index for index in table.indexes if index.unique)]
        for candidate in named:
            unique = isinstance(candidate, UniqueConstraint | PrimaryKeyConstraint | Index)
            if (
                unique
                and candidate.name
                and {c.name for c in candidate.columns} == set(driver_error.columns)
            ):
                return candidate
    return None


def _is_partial(unique: Any) -> bool:
    """Whether an index has a ``WHERE`` condition."""
    if not isinstance(unique, Index):
        return False
    options: Any = unique.dialect_options
    return any(options[name].get("where") is not None for name in ("postgresql", "sqlite"))


def _custom_message(constraint: Any) -> str | None:
    """The custom message of a constraint: ``info={"message": ...}`` or ``Field(message=...)``."""
    return None if constraint is None else constraint.info.get("message")


def _body_names(columns: Iterable[str], shape: Shape | None) -> tuple[str, ...]:
    if shape is None:
        return tuple(columns)
    body_names = {column.column.name: column.body_name for column in shape.columns.values()}
    return tuple(body_names.get(column, column) for column in columns)
