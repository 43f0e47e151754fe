"""Errors of one row of a nested body, with its location."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from colonnade.errors import DatabaseError, QueryError
from colonnade.models import Shape
from colonnade.writes._database_errors import rejection_of
from colonnade.writes._errors import RejectedError, path_text
from colonnade.writes.nested._rows import Loc

NO_FIELDS: Mapping[str, Loc] = MappingProxyType({})


@contextmanager
def located(
    loc: Loc,
    shape: Shape,
    *,
    fields: Mapping[str, Loc] = NO_FIELDS,
    deleting: bool = False,
    refusals: tuple[type[Exception], ...] = (),
    missing_reference: Callable[[], RejectedError | None] = lambda: None,
) -> Iterator[None]:
    """Give the errors of a block the location of its row.

    Args:
        loc: The location of the row.
        shape: The table of the row.
        fields: The locations of fields that are not below the row, since relations set them.
        deleting: Whether the row is deleted.
        refusals: What hooks raise to refuse a row, such as FastAPI's ``HTTPException``.
        missing_reference: Finds the foreign key that refers to a missing row, for SQLite, which
            does not name it.

    Raises:
        RejectedError: 4xx, with the location.
        QueryError: The same, for a value.
    """
    try:
        yield
    except QueryError as error:
        entries = [{**entry, "loc": _below(loc, entry["loc"], fields)} for entry in error.errors]
        raise QueryError(entries) from None
    except RejectedError as error:
        raise relocated(error, loc, fields) from None
    except refusals as error:
        raise relocated(error, loc, fields) from None
    except (SQLAlchemyError, DatabaseError) as error:
        rejection = rejection_of(error, shape, deleting=deleting)
        if rejection is None or rejection.status_code >= 500:
            raise
        if rejection.kind == "foreign_key" and not rejection.errors:
            rejection = missing_reference() or rejection
        raise relocated(rejection, loc, fields) from error


def relocated(error: Exception, loc: Loc, fields: Mapping[str, Loc] = NO_FIELDS) -> Exception:
    """Return an error of a row with the location of the row.

    Args:
        error: What a rule, a guard or a hook raised: it has a status and a detail.
        loc: The location of the row.
        fields: The locations of fields that are not below the row, since relations set them.
    """
    errors = error.errors if isinstance(error, RejectedError) else ()
    located_errors: list[Mapping[str, Any]] = [
        {**entry, "loc": list(_below(loc, entry.get("loc", ("body",)), fields))} for entry in errors
    ]
    is_unchanged = all(
        entry["loc"] == list(old.get("loc", ()))
        for entry, old in zip(located_errors, errors, strict=True)
    )
    status: int = getattr(error, "status_code", 500)
    if status >= 500 or (loc == ("body",) and is_unchanged):
        return error
    detail = str(getattr(error, "detail", error))
    located_errors = located_errors or [{"loc": list(loc), "message": detail}]
    return RejectedError(
        status,
        f"{path_text(located_errors[0]['loc'])}: {detail}",
        kind=error.kind if isinstance(error, RejectedError) else "",
        errors=located_errors,
        headers=getattr(error, "headers", None),
    )


def _below(loc: Loc, inner: Sequence[str | int], fields: Mapping[str, Loc]) -> Loc:
    if len(inner) > 1 and inner[1] in fields:
        return (*fields[str(inner[1])], *inner[2:])
    return (*loc, *inner[1:])
