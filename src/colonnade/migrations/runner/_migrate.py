"""Bring a database forwards or back: one runner at a time, patient, and able to begin again."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from random import uniform

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from colonnade.database import Database
from colonnade.errors import MigrationError, UnreachableError
from colonnade.migrations._environment import VERSION_TABLE, opened
from colonnade.migrations._history import History, explained
from colonnade.migrations.guard._findings import Finding
from colonnade.migrations.guard._guard import look_ahead
from colonnade.migrations.runner._blocking_sessions import BlockedWatch
from colonnade.migrations.runner._journal import JOURNAL, Journal
from colonnade.migrations.runner._runner import (
    Direction,
    OvertakenError,
    Run,
    Watcher,
    current_heads,
    is_for_want_of_a_lock,
    plan,
    revision_of,
    sqlstate_of,
)
from colonnade.migrations.runner._unfinished import take_back, unfinished
from colonnade.models import application_tables, schemas_with_tables

LOCK = 0x636F6C6F6E6E6164
"""The key of PostgreSQL's advisory lock, ``colonnad`` in ASCII: one runner to a database."""


@dataclass(frozen=True)
class Patience:
    """How long others are made to wait, and how long it waits for others.

    Attributes:
        lock_timeout: Seconds that a statement waits for a lock on PostgreSQL, while those who
            come after it wait behind it.
        attempts: How often a revision is tried that did not get its locks.
        runner: Seconds to wait for another runner.
    """

    lock_timeout: float = 1.0
    attempts: int = 30
    runner: float = 60.0


class RefusedError(MigrationError):
    """Steps that need to be allowed have not been.

    Attributes:
        findings: The steps, and what is to be said of each.
    """

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = tuple(findings)
        report = "\n\n".join(str(finding) for finding in findings)
        names = list(dict.fromkeys(finding.name for finding in findings if finding.kind != "fails"))
        meant = f" If this is intended: --allow {' --allow '.join(names)}" if names else ""
        super().__init__(f"{report}\n\nNothing was run.{meant}")


def migrate_to(
    history: History,
    database: Database,
    direction: Direction = "upgrade",
    target: str = "heads",
    *,
    allow: frozenset[str] = frozenset(),
    guarded: bool = True,
    patience: Patience | None = None,
    watcher: Watcher | None = None,
) -> list[str]:
    """Run the revisions between a database and another place in the history.

    Args:
        history: The history.
        database: The database.
        direction: ``upgrade`` or ``downgrade``.
        target: A revision, the beginning of its id, ``head``, ``base``, ``+1`` or ``-1``.
        allow: The findings of the guard that are meant: ``loses-data:task.title``, or a whole
            kind, ``loses-data``.
        guarded: Whether the guard looks at them first.
        patience: How long to wait for what.
        watcher: Told how it goes.

    Returns:
        The revisions that were run.

    Raises:
        RefusedError: A step is dangerous and was not allowed; nothing was run.
        MigrationError: A revision failed, or could not be begun; the message says what is done.
    """
    patience, watcher = patience or Patience(), watcher or Watcher()
    target = _target(history, direction, target)
    with alone(database, patience.runner, watcher), opened(database) as connection:
        heads = heads_known(history, connection, database)
        done = _taken_back(history, connection, direction, watcher)
        if done and target == "-1":
            return done
        with explained(history.folder):
            steps = plan(history, direction, target, heads)
        if not steps:
            return done
        if not heads and direction == "upgrade":
            _check_unclaimed(history, connection, database)
        if guarded and not _is_empty(connection):
            findings = look_ahead(history, connection, steps, direction, patience.lock_timeout)
            refused = [finding for finding in findings if not finding.is_allowed(allow)]
            if refused:
                raise RefusedError(refused)
        if connection.in_transaction():
            connection.rollback()
        _run(Run(history, connection, direction, target, watcher), database, patience)
        return [*done, *(revision_of(step) for step in steps)]


def _taken_back(
    history: History, connection: Connection, direction: Direction, watcher: Watcher
) -> list[str]:
    """Take back what a run in the other direction has left unfinished; the revisions."""
    taken = []
    for left in unfinished(history, connection):
        if left.direction != direction and history.has(left.revision):
            with explained(history.folder):
                take_back(history, connection, left, watcher)
            watcher.ended(left.revision, 0.0)
            taken.append(left.revision)
    return taken


def _target(history: History, direction: Direction, target: str) -> str:
    if direction == "upgrade" and target in ("head", "heads"):
        history.head()
        return "heads"
    return target


def heads_known(history: History, connection: Connection, database: Database) -> tuple[str, ...]:
    """The revisions a database is at.

    Raises:
        MigrationError: The history does not have them.
    """
    heads = current_heads(connection)
    for head in heads:
        if not history.has(head):
            raise MigrationError(
                f"{database.url} is at revision {head}, which is not in {history.folder}: it is "
                "ahead of this code, or has another history. Use the code that has it or, if "
                "its tables match a revision here, record "
                "that: colonnade stamp REVISION."
            )
    return heads


def _is_empty(connection: Connection) -> bool:
    """Whether a database has no table: a history can neither lose anything there nor lock it."""
    is_empty = not (application_tables(connection) or schemas_with_tables(connection))
    connection.rollback()
    return is_empty


def _check_unclaimed(history: History, connection: Connection, database: Database) -> None:
    """Have no revision make tables that are there already, made by ``create_all``."""
    there = set(sa.inspect(connection).get_table_names()) - {VERSION_TABLE, JOURNAL}
    connection.rollback()
    from colonnade.migrations.guard._guard import tables_made

    taken = sorted(there & tables_made(history, connection))
    if taken:
        raise MigrationError(
            f"{database.url} has {', '.join(taken)} already, but no revision, as after "
            "create_all(). If its tables match a "
            "revision, record that and continue from there: colonnade stamp REVISION "
            "(colonnade history lists them; "
            "colonnade drift compares)."
        )


def _run(run: Run, database: Database, patience: Patience) -> None:
    if run.connection.dialect.name == "postgresql":
        milliseconds = max(1, round(patience.lock_timeout * 1000))
        run.connection.exec_driver_sql(f"SET lock_timeout = {milliseconds}")
        run.connection.commit()
    with BlockedWatch(run, database) as watch:
        _try(run, database, patience, watch)


def _try(run: Run, database: Database, patience: Patience, watch: BlockedWatch) -> None:
    attempts: dict[str | None, int] = {}
    while True:
        try:
            run()
        except OvertakenError:
            run.connection.rollback()
        except MigrationError as error:
            raise MigrationError(f"{error} {_state(run, database)}") from error
        except DBAPIError as error:
            tried = attempts[run.current] = attempts.get(run.current, 0) + 1
            is_passing = is_for_want_of_a_lock(error) or _has_begun_elsewhere(run, error)
            if not is_passing or tried >= patience.attempts:
                raise MigrationError(_failed(run, database, error, tried, watch)) from error
            run.connection.rollback()
            run.watcher.waits(f"{run.doing}: {watch.seen or _reason(error)}")
            time.sleep(uniform(0.5, 1.0) * min(0.2 * 2**tried, 5.0))  # noqa: S311
        except KeyboardInterrupt:
            raise MigrationError(f"Interrupted. {_state(run, database)}") from None
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            raise MigrationError(
                f"Revision {run.current} fails: {reason}. {_state(run, database)}"
            ) from error
        else:
            return


def _has_begun_elsewhere(run: Run, error: DBAPIError) -> bool:
    """Whether another process has made the table of versions at the same moment, on SQLite."""
    return run.current is None and f"{VERSION_TABLE} already exists" in str(error.orig)


def _reason(error: DBAPIError) -> str:
    return str(error.orig).strip().splitlines()[0]


def _failed(
    run: Run, database: Database, error: DBAPIError, tried: int, watch: BlockedWatch
) -> str:
    name = "?" if run.current is None else run.history.name(run.current)
    reason = _reason(error)
    if is_for_want_of_a_lock(error):
        who = f"; last in the way: {watch.seen}" if watch.seen else ""
        reason = (
            f"{run.doing} did not get its locks in {tried} attempts ({reason}{who}). Try again "
            "under less "
            "load, or with a longer --lock-timeout"
        )
    elif sqlstate_of(error) == "42501":
        reason = f"the user lacks the permission ({reason}): run it as the owner of the tables"
    return f"Revision {name} fails: {reason}. {_state(run, database)}"


def _state(run: Run, database: Database) -> str:
    """Where the database is, after a failure."""
    try:
        run.connection.rollback()
        return _state_of(run, run.connection, database)
    except DBAPIError:
        pass
    try:  # the connection is lost, by an interruption or by the server
        with opened(database) as connection:
            return _state_of(run, connection, database)
    except (DBAPIError, MigrationError, UnreachableError):
        return (
            f"The connection to {database.url} was lost. Committed steps stay: `colonnade "
            "current` shows how far it got, `colonnade upgrade` goes on from there."
        )


def _state_of(run: Run, connection: Connection, database: Database) -> str:
    left = next(
        (
            unfinished_run
            for unfinished_run in unfinished(run.history, connection)
            if unfinished_run.revision == run.current
        ),
        None,
    )
    undone = run.options.get("colonnade_undone")
    if left is not None and left.done == 0 and undone is not None:
        Journal(connection, left.name).clear()
        connection.commit()
        left = None
    at = current_heads(connection)
    where = ", ".join(run.history.name(revision) for revision in at) or "the beginning"
    if left is None:
        but = f" but {undone}" if undone else ""
        return f"Nothing of it is left{but}; {database.url} is at {where}."
    is_begun = run.commits and undone is None
    begun = f", and the next ({run.doing}) was begun" if is_begun else ""
    return (
        f"{database.url} is at {where}; of {left.revision}, {left.done} of {left.total} steps are "
        f"done and stay{begun}. Fix the cause and run `colonnade {left.direction}` again to "
        "continue, or undo it with "
        f"`colonnade {'downgrade' if left.direction == 'upgrade' else 'upgrade'}`."
    )


@contextmanager
def alone(database: Database, wait: float, watcher: Watcher) -> Iterator[None]:
    """Be the only runner on a database.

    By an advisory lock on PostgreSQL, held by its own transaction, which a pooler keeps on
    one server connection, and which ends with the process. SQLite lets one write at a time, and
    each revision looks whether it is still to be done once it holds that lock.

    Raises:
        MigrationError: Another runner was not done in time.
    """
    if database.url.backend != "postgresql":
        yield
        return
    lock_database = Database(database.direct)  # a pool of one connection would not have two
    with closing_pool(lock_database), opened(lock_database) as connection:
        deadline = time.monotonic() + wait
        is_reported = False
        while not connection.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(LOCK))):
            who = _holder(connection)
            if time.monotonic() >= deadline:
                raise MigrationError(
                    f"Another migration is running on {database.url}: {who}. It did not "
                    f"finish within {wait:g} s, and nothing was run."
                )
            if not is_reported:
                watcher.waits(f"another migration is running: {who}")
                is_reported = True
            time.sleep(0.2)
        # A statement without parameters also drops the query before it, whose snapshot
        # CREATE INDEX CONCURRENTLY would wait for.
        connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
        yield
        connection.rollback()


@contextmanager
def closing_pool(database: Database) -> Iterator[None]:
    """Close a database's connections afterwards."""
    try:
        yield
    finally:
        database.dispose()


def _holder(connection: Connection) -> str:
    query = sa.text(
        "SELECT a.pid, a.usename, a.application_name, a.client_addr, a.xact_start "
        "FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE l.locktype = 'advisory' "
        "AND l.granted AND l.classid::bigint = :high AND l.objid::bigint = :low"
    )
    holder = connection.execute(query, {"high": LOCK >> 32, "low": LOCK & 0xFFFFFFFF}).first()
    if holder is None:
        return "somebody"
    where = f" from {holder.client_addr}" if holder.client_addr else ""
    return f"process {holder.pid} of {holder.usename}{where}, since {holder.xact_start:%H:%M:%S}"
