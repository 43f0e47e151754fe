"""Errors of one row of a nested body, with its location."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from fastapi import HTTPException
from sqlalchemy.exc import SQLAlchemyError

from colonnade.errors import DatabaseError, QueryError
from colonnade.models import Shape
from colonnade.resources.responses._failures import problem_of
from colonnade.resources.responses._problems import Problem, path_text
from colonnade.resources.writes.nested._rows import Loc

NO_FIELDS: Mapping[str, Loc] = MappingProxyType({})


@contextmanager
def located(
    loc: Loc,
    shape: Shape,
    *,
    fields: Mapping[str, Loc] = NO_FIELDS,
    deleting: bool = False,
    missing_reference: Callable[[], Problem | None] = lambda: None,
) -> Iterator[None]:
    """Give the errors of a block the location of its row.

    Args:
        loc: The location of the row.
        shape: The table of the row.
        fields: The locations of fields that are not below the row, since relations set them.
        deleting: Whether the row is deleted.
        missing_reference: Finds the foreign key that refers to a missing row, for SQLite, which
            does not name it.

    Raises:
        HTTPException: 4xx, with the location.
        QueryError: The same, for a value.
    """
    try:
        yield
    except QueryError as error:
        entries = [{**entry, "loc": _below(loc, entry["loc"], fields)} for entry in error.errors]
        raise QueryError(entries) from None
    except HTTPException as refused:
        raise relocated(refused, loc, fields) from None
    except (SQLAlchemyError, DatabaseError) as error:
        problem_found = problem_of(error, shape, deleting=deleting)
        if problem_found is None or problem_found.status_code >= 500:
            raise
        if problem_found.kind == "foreign_key" and not problem_found.errors:
            problem_found = missing_reference() or problem_found
        raise relocated(problem_found, loc, fields) from error


def relocated(
    error: HTTPException, loc: Loc, fields: Mapping[str, Loc] = NO_FIELDS
) -> HTTPException:
    """Return an error of a row with the location of the row.

    Args:
        error: The error: a problem, or what a guard or a hook raised.
        loc: The location of the row.
        fields: The locations of fields that are not below the row, since relations set them.
    """
    errors = error.errors if isinstance(error, Problem) else ()
    located_errors: list[Mapping[str, Any]] = [
        {**entry, "loc": list(_below(loc, entry.get("loc", ("body",)), fields))} for entry in errors
    ]
    is_unchanged = all(
        entry["loc"] == list(old.get("loc", ()))
        for entry, old in zip(located_errors, errors, strict=True)
    )
    if error.status_code >= 500 or (loc == ("body",) and is_unchanged):
        return error
    detail = str(error.detail)
    located_errors = located_errors or [{"loc": list(loc), "message": detail}]
    return Problem(
        error.status_code,
        f"{path_text(located_errors[0]['loc'])}: {detail}",
        kind=error.kind if isinstance(error, Problem) else "",
        errors=located_errors,
        headers=error.headers,
    )


def _below(loc: Loc, inner: Sequence[str | int], fields: Mapping[str, Loc]) -> Loc:
    if len(inner) > 1 and inner[1] in fields:
        return (*fields[str(inner[1])], *inner[2:])
    return (*loc, *inner[1:])
