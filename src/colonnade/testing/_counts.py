"""``counts`` and ``no_n_plus_one``: how many statements, and which come again and again."""

from collections.abc import Iterator
from contextlib import contextmanager

from colonnade.database import Database
from colonnade.testing._statements import Statement, recorded, shortened

SHOWN = 20
"""Statements that a message lists at most."""


@contextmanager
def counts(
    database: Database, *, at_most: int | None = None, exactly: int | None = None
) -> Iterator[list[Statement]]:
    """Count the statements that a database is given.

    BEGIN, COMMIT and ROLLBACK do not count; a statement for many rows is one.

    Args:
        database: The database.
        at_most: How many there may be.
        exactly: How many there must be.

    Yields:
        The statements so far: ``len()`` of it, and the ``sql`` of each.

    Raises:
        AssertionError: There are others; the message lists them, with the lines they come from.

    Example:
        ```python
        with counts(database, at_most=1):
            client.get("/tasks?include=project")
        ```
    """
    with recorded(database) as statements:
        yield statements
    number = len(statements)
    if exactly is not None and number != exactly:
        raise AssertionError(_told(statements, f"exactly {exactly}"))
    if at_most is not None and number > at_most:
        raise AssertionError(_told(statements, f"at most {at_most}"))


@contextmanager
def no_n_plus_one(database: Database, *, at_most: int = 2) -> Iterator[list[Statement]]:
    """Find the statement that a loop runs once for each row.

    Args:
        database: The database.
        at_most: How often one line may give the database the same statement, with whatever
            values.

    Yields:
        The statements so far.

    Raises:
        AssertionError: A line did so more often; the message names it, its loop and a way out.

    Example:
        ```python
        with no_n_plus_one(database):
            client.get("/report")
        ```
    """
    with recorded(database) as statements:
        yield statements
    groups = [_told_again(group) for group in _again(statements) if len(group) > at_most]
    if groups:
        raise AssertionError("\n\n".join(groups))


def _told(statements: list[Statement], allowed: str) -> str:
    number = len(statements)
    shown = [f"{index}. {statement}" for index, statement in enumerate(statements[:SHOWN], 1)]
    more = [f"... and {number - SHOWN} more"] if number > SHOWN else []
    again = [_told_again(group) for group in _again(statements) if len(group) > 2]
    counted = f"{number} statement{'' if number == 1 else 's'}, where {allowed} may be:"
    return "\n".join([counted, *shown, *more, *again])


def _again(statements: list[Statement]) -> list[list[Statement]]:
    """Statements of one text from one line, those that come most often first."""
    groups: dict[object, list[Statement]] = {}
    for statement in statements:
        groups.setdefault((statement.sql, statement.site), []).append(statement)
    return sorted(groups.values(), key=len, reverse=True)


def _told_again(group: list[Statement]) -> str:
    first = group[0]
    lines = [f"N+1: one statement {len(group)} times:", f"    {shortened(first.sql)}"]
    if first.site is not None:
        lines.append(f"    from {first.site}, in {first.site.function}: {first.site.text}")
        loop = first.site.loop
        if loop is not None and loop.line != first.site.line:
            lines.append(f"    in the loop at {loop}: {loop.text}")
    lines.append(
        "Load the rows with the first query, by options(selectinload(...)) or a join; for "
        "known values, use one query with in_(...)."
    )
    return "\n".join(lines)
