"""Errors of one row of a nested body, with its location."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from colonnade.errors import DatabaseError, QueryError
from colonnade.models import Shape
from colonnade.resources.responses._failures import problem_of
from colonnade.resources.responses._problems import Problem, path_text
from colonnade.resources.writes.nested._rows import Loc


@contextmanager
def located(
    loc: Loc,
    shape: Shape,
    *,
    deleting: bool = False,
    missing_reference: Callable[[], Problem | None] = lambda: None,
) -> Iterator[None]:
    """Give the errors of a block the location of its row.

    Args:
        loc: The location of the row.
        shape: The table of the row.
        deleting: Whether the row is deleted.
        missing_reference: Finds the foreign key that refers to a missing row, for SQLite, which
            does not name it.

    Raises:
        Problem: 4xx, with the location.
        QueryError: The same, for a value.
    """
    try:
        yield
    except QueryError as error:
        entries = [{**entry, "loc": _below(loc, entry["loc"])} for entry in error.errors]
        raise QueryError(entries) from None
    except Problem as problem:
        raise relocated(problem, loc) from None
    except (SQLAlchemyError, DatabaseError) as error:
        problem_found = problem_of(error, shape, deleting=deleting)
        if problem_found is None or problem_found.status_code >= 500:
            raise
        if problem_found.kind == "foreign_key" and not problem_found.errors:
            problem_found = missing_reference() or problem_found
        raise relocated(problem_found, loc) from error


def relocated(problem: Problem, loc: Loc) -> Problem:
    """Return a problem of a row with the location of the row.

    Args:
        problem: The problem.
        loc: The location of the row.
    """
    if loc == ("body",):
        return problem
    errors: list[Mapping[str, Any]] = [
        {**entry, "loc": list(_below(loc, entry.get("loc", ("body",))))} for entry in problem.errors
    ]
    detail = str(problem.detail)
    errors = errors or [{"loc": list(loc), "message": detail}]
    return Problem(
        problem.status_code,
        f"{path_text(errors[0]['loc'])}: {detail}",
        kind=problem.kind,
        errors=errors,
        headers=problem.headers,
    )


def _below(loc: Loc, inner: Sequence[str | int]) -> Loc:
    return (*loc, *inner[1:])
