"""``counts`` and ``no_n_plus_one``: assertions about the number of SQL statements."""

from collections.abc import Iterator
from contextlib import contextmanager

from colonnade.database import Database
from colonnade.testing._statements import Statement, record_statements, shorten

MAX_LISTED = 20
"""The most statements that a message lists."""


@contextmanager
def counts(
    database: Database, *, at_most: int | None = None, exactly: int | None = None
) -> Iterator[list[Statement]]:
    """Count the statements that are sent to a database.

    BEGIN, COMMIT and ROLLBACK do not count. A statement for many rows counts once.

    Args:
        database: The database.
        at_most: The most statements allowed.
        exactly: The exact number of statements required.

    Yields:
        The statements so far: their number is its ``len()``, and each has its ``sql``.

    Raises:
        AssertionError: The number is another; the message lists the statements and the lines
            that they come from.

    Examples:
        ```python
        from colonnade import Database, Field, SQLModel, select
        from colonnade.testing import counts


        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)


        db = Database("sqlite://")
        db.create_all()
        with db.session() as session, counts(db, exactly=1) as statements:
            session.exec(select(Task)).all()
        print(statements[0].sql.split()[0])  # SELECT
        ```
    """
    with record_statements(database) as statements:
        yield statements
    if exactly is not None and len(statements) != exactly:
        raise AssertionError(_wrong_count(statements, f"exactly {exactly}"))
    if at_most is not None and len(statements) > at_most:
        raise AssertionError(_wrong_count(statements, f"at most {at_most}"))


@contextmanager
def no_n_plus_one(database: Database, *, at_most: int = 2) -> Iterator[list[Statement]]:
    """Find the statement that a loop runs once for each row.

    Args:
        database: The database.
        at_most: How often a line of code may run the same SQL, whatever its parameters.

    Yields:
        The statements so far.

    Raises:
        AssertionError: A line ran it more often; the message names the line, its loop and a fix.

    Examples:
        ```python
        from colonnade import Database, Field, SQLModel
        from colonnade.testing import no_n_plus_one


        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)


        db = Database("sqlite://")
        db.create_all()
        try:
            with db.session() as session, no_n_plus_one(db):
                for key in range(5):
                    session.get(Task, key)
        except AssertionError as error:
            print(str(error).splitlines()[0])  # N+1: the same statement ran 5 times:
        ```
    """
    with record_statements(database) as statements:
        yield statements
    messages = [_repetition(group) for group in _by_line(statements) if len(group) > at_most]
    if messages:
        raise AssertionError("\n\n".join(messages))


def _wrong_count(statements: list[Statement], allowed: str) -> str:
    count = len(statements)
    listed = [
        f"{number}. {statement}" for number, statement in enumerate(statements[:MAX_LISTED], 1)
    ]
    more = [f"... and {count - MAX_LISTED} more"] if count > MAX_LISTED else []
    repetitions = [_repetition(group) for group in _by_line(statements) if len(group) > 2]
    title = f"{count} statement{'' if count == 1 else 's'}, but {allowed} expected:"
    return "\n".join([title, *listed, *more, *repetitions])


def _by_line(statements: list[Statement]) -> list[list[Statement]]:
    """The statements grouped by SQL and line of code, the largest group first."""
    groups: dict[object, list[Statement]] = {}
    for statement in statements:
        groups.setdefault((statement.sql, statement.site), []).append(statement)
    return sorted(groups.values(), key=len, reverse=True)


def _repetition(group: list[Statement]) -> str:
    first = group[0]
    lines = [f"N+1: the same statement ran {len(group)} times:", f"    {shorten(first.sql)}"]
    if first.site is not None:
        lines.append(f"    from {first.site}, in {first.site.function}: {first.site.text}")
        loop = first.site.loop
        if loop is not None and loop.line != first.site.line:
            lines.append(f"    in the loop at {loop}: {loop.text}")
    lines.append(
        "Load the rows with the first query, using options(selectinload(...)) or a join. For a "
        "list of keys, run one query with in_(...)."
    )
    return "\n".join(lines)
