"""Upgrade or downgrade a database: one process at a time, with retries, and resumable."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from random import uniform

import sqlalchemy as sa
from alembic.runtime.migration import RevisionStep
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from colonnade.database import Database
from colonnade.errors import MigrationError, UnreachableError
from colonnade.migrations._environment import (
    INTERNAL_TABLES,
    VERSION_TABLE,
    migration_connection,
)
from colonnade.migrations._history import History, translated_errors
from colonnade.migrations.guard._findings import Finding
from colonnade.migrations.guard._guard import assess_revisions, created_tables
from colonnade.migrations.runner._blocking_sessions import BlockingSessionMonitor
from colonnade.migrations.runner._journal import Journal
from colonnade.migrations.runner._plan import Plan, confirm_plan, make_plan
from colonnade.migrations.runner._runner import (
    AlreadyDoneError,
    Direction,
    MigrationRun,
    Watcher,
    current_heads,
    is_lock_error,
    plan_revisions,
    revision_of,
    sqlstate_of,
)
from colonnade.migrations.runner._unfinished import (
    UnfinishedRevision,
    find_unfinished,
    revert_unfinished,
)
from colonnade.models import application_tables, schemas_with_tables

LOCK_KEY = 0x636F6C6F6E6E6164
"""The key of the advisory lock that a runner holds on PostgreSQL: ``colonnad`` in ASCII."""


@dataclass(frozen=True)
class Patience:
    """How long a run may make others wait, and how long it waits for others.

    Attributes:
        lock_timeout: Seconds that a statement waits for a lock on PostgreSQL. Sessions that need
            the table later wait behind it.
        attempts: The maximum number of attempts to run a revision when a lock is not available.
        runner_timeout: Seconds to wait for another runner.

    Examples:
        ```python
        from pathlib import Path

        from colonnade import Database
        from colonnade.migrations import History, Patience, migrate_to
        from colonnade.testing import Project

        history = History(Project.find(Path.cwd()))
        patience = Patience(lock_timeout=0.2, attempts=100, runner_timeout=10.0)
        migrate_to(history, Database("sqlite:///tracker.db"), patience=patience)
        ```
    """

    lock_timeout: float = 1.0
    attempts: int = 30
    runner_timeout: float = 60.0


class RefusedError(MigrationError):
    """The guard refused steps that are dangerous and were not allowed. Nothing was run.

    A step is dangerous if it loses data, locks a table for long, cannot be undone, or would fail on
    the existing rows. Read the findings. If you accept the danger, pass their names as ``allow``;
    otherwise change the revision as the findings advise.

    Args:
        findings: The steps, with the reasons.

    Attributes:
        findings: The steps, with the reasons.

    Examples:
        ```python
        from pathlib import Path

        from app.models import Task
        from colonnade import Database
        from colonnade.migrations import History, RefusedError, migrate_to
        from colonnade.testing import Project

        history = History(Project.find(Path.cwd()))
        db = Database("sqlite:///tracker.db")
        migrate_to(history, db)
        with db.session() as session:
            session.add(Task(name="Write"))
            session.commit()
        try:
            migrate_to(history, db, "downgrade", "base")
        except RefusedError as error:
            print([finding.name for finding in error.findings])  # ['loses-data:task']
        ```
    """

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = tuple(findings)
        reasons = "\n\n".join(str(finding) for finding in findings)
        names = list(dict.fromkeys(finding.name for finding in findings if finding.kind != "fails"))
        hint = f" To run it anyway: --allow {' --allow '.join(names)}" if names else ""
        super().__init__(f"{reasons}\n\nNothing was run.{hint}")


def migrate_to(
    history: History,
    database: Database,
    direction: Direction = "upgrade",
    target: str = "heads",
    *,
    allow: frozenset[str] = frozenset(),
    guarded: bool = True,
    confirm: str | None = None,
    ask: Callable[[Plan], str] | None = None,
    patience: Patience | None = None,
    watcher: Watcher | None = None,
) -> list[str]:
    """Upgrade or downgrade a database to a revision.

    Args:
        history: The history.
        database: The database.
        direction: ``upgrade`` or ``downgrade``.
        target: A revision, the beginning of its id, ``head``, ``base``, ``+1`` or ``-1``.
        allow: The findings of the guard to ignore: ``loses-data:task.title``, or a whole kind,
            ``loses-data``.
        guarded: Whether the guard assesses the revisions first, and a plan needs a confirmation.
        confirm: The code of the plan that may run, if the project has ``confirm = true``.
        ask: Asks a person for the code of a plan that needs one.
        patience: How long to wait for locks and for other runners.
        watcher: Receives the progress.

    Returns:
        The ids of the revisions that were run.

    Raises:
        RefusedError: A step is dangerous and was not allowed; nothing was run.
        ConfirmationError: The plan needs a confirmation, or ``confirm`` is that of another plan;
            nothing was run.
        MigrationError: A revision failed or could not start; the message says what was completed.

    Examples:
        ```python
        from pathlib import Path

        from colonnade import Database
        from colonnade.migrations import History, migrate_to
        from colonnade.testing import Project

        history = History(Project.find(Path.cwd()))
        db = Database("sqlite:///tracker.db")
        print(migrate_to(history, db))  # ['4edcb97abb17']
        print(migrate_to(history, db, "downgrade", "-1"))  # ['4edcb97abb17']
        ```
    """
    patience, watcher = patience or Patience(), watcher or Watcher()
    target = _resolve_target(history, direction, target)
    with (
        exclusive_runner(database, patience.runner_timeout, watcher),
        migration_connection(database) as connection,
    ):
        heads = known_heads(history, connection, database)
        undone = _unfinished(history, connection, direction)
        steps = _steps(history, direction, target, heads, undone)
        if not steps and not undone:
            return []
        if not heads and direction == "upgrade":
            _refuse_existing_tables(history, connection, database)
        if guarded:
            plan = _plan(history, connection, database, direction, steps, undone, patience)
            refused = [finding for finding in plan.findings if not finding.is_allowed(allow)]
            if refused:
                raise RefusedError(refused)
            asks = confirm is None and ask is not None and history.project.asks_for_confirmation
            code = ask(plan) if asks and ask is not None and plan.needs_confirmation else confirm
            confirm_plan(history, plan, code, target=target, by_person=code is not confirm)
        reverted = _revert_unfinished(history, connection, undone, watcher)
        if connection.in_transaction():
            connection.rollback()
        planned = [revision_of(step) for step in steps]
        only = frozenset(planned)
        if steps:
            run = MigrationRun(history, connection, direction, target, watcher, only=only)
            _run(run, database, patience)
        return [*reverted, *planned]


def plan_migration(
    history: History,
    database: Database,
    direction: Direction = "upgrade",
    target: str = "heads",
    *,
    patience: Patience | None = None,
) -> Plan:
    """Return what ``migrate_to`` would do, without running it.

    Args:
        history: The history.
        database: The database.
        direction: ``upgrade`` or ``downgrade``.
        target: A revision, the beginning of its id, ``head``, ``base``, ``+1`` or ``-1``.
        patience: How long others may wait for a step.

    Returns:
        The plan, with the code that confirms it.

    Raises:
        MigrationError: The history does not have the database's revision, or the target.

    Examples:
        ```python
        from pathlib import Path

        from colonnade import Database
        from colonnade.migrations import History, migrate_to, plan_migration
        from colonnade.testing import Project

        history = History(Project.find(Path.cwd()))
        db = Database("sqlite:///tracker.db")
        migrate_to(history, db)
        plan = plan_migration(history, db, "downgrade", "base")
        print(plan.revisions, plan.needs_confirmation)  # ('4edcb97abb17',) False
        ```
    """
    patience = patience or Patience()
    target = _resolve_target(history, direction, target)
    with migration_connection(database) as connection:
        heads = known_heads(history, connection, database)
        undone = _unfinished(history, connection, direction)
        steps = _steps(history, direction, target, heads, undone)
        return _plan(history, connection, database, direction, steps, undone, patience)


def _plan(
    history: History,
    connection: Connection,
    database: Database,
    direction: Direction,
    steps: Sequence[RevisionStep],
    undone: Sequence[UnfinishedRevision],
    patience: Patience,
) -> Plan:
    """The plan of a run, with what the guard finds in a database that has tables."""
    findings = (
        assess_revisions(history, connection, steps, direction, patience.lock_timeout)
        if steps and not _is_empty(connection)
        else []
    )
    ids = [unfinished.revision for unfinished in undone]
    return make_plan(connection, database, direction, steps, findings, undone=ids)


def _steps(
    history: History,
    direction: Direction,
    target: str,
    heads: Sequence[str],
    undone: Sequence[UnfinishedRevision],
) -> list[RevisionStep]:
    """The revisions to run after those that a run did not finish have been reverted."""
    if undone and target == "-1":
        return []  # that one is the last revision
    with translated_errors(history.folder):
        return plan_revisions(history, direction, target, heads)


def _unfinished(
    history: History, connection: Connection, direction: Direction
) -> list[UnfinishedRevision]:
    """The revisions that a run in the other direction did not finish."""
    return [
        unfinished
        for unfinished in find_unfinished(history, connection)
        if unfinished.direction != direction and history.has(unfinished.revision)
    ]


def _revert_unfinished(
    history: History, connection: Connection, undone: Sequence[UnfinishedRevision], watcher: Watcher
) -> list[str]:
    """Revert the steps of revisions that a run did not finish; their ids."""
    for unfinished in undone:
        with translated_errors(history.folder):
            revert_unfinished(history, connection, unfinished, watcher)
        watcher.ended(unfinished.revision, 0.0)
    return [unfinished.revision for unfinished in undone]


def _resolve_target(history: History, direction: Direction, target: str) -> str:
    if direction == "upgrade" and target in ("head", "heads"):
        history.head()  # raises if the history has several
        return "heads"
    return target


def known_heads(history: History, connection: Connection, database: Database) -> tuple[str, ...]:
    """The current revisions of a database.

    Raises:
        MigrationError: The history does not have one of them.
    """
    heads = current_heads(connection)
    for head in heads:
        if not history.has(head):
            raise MigrationError(
                f"{database.url} is at revision {head}, which is not in {history.folder}: the "
                "database is ahead of this code, or has another history. Check out the code that "
                "has this revision. If the tables match a revision of this history, run "
                "`colonnade stamp REVISION`."
            )
    return heads


def _is_empty(connection: Connection) -> bool:
    """Whether a database has no tables, so that nothing can be lost or blocked."""
    is_empty = not (application_tables(connection) or schemas_with_tables(connection))
    connection.rollback()
    return is_empty


def _refuse_existing_tables(history: History, connection: Connection, database: Database) -> None:
    """Refuse to create tables that already exist, for example after ``create_all()``."""
    existing = set(sa.inspect(connection).get_table_names()) - INTERNAL_TABLES
    connection.rollback()
    conflicts = sorted(existing & created_tables(history, connection))
    if conflicts:
        tables = "the table" if len(conflicts) == 1 else "the tables"
        raise MigrationError(
            f"{database.url} already has {tables} {', '.join(conflicts)}, but is at no revision, "
            "as after create_all(). If its tables match a revision, run `colonnade stamp "
            "REVISION`, then upgrade again (`colonnade history` lists the revisions, `colonnade "
            "drift` compares the tables)."
        )


def _run(run: MigrationRun, database: Database, patience: Patience) -> None:
    if run.connection.dialect.name == "postgresql":
        milliseconds = max(1, round(patience.lock_timeout * 1000))
        run.connection.exec_driver_sql(f"SET lock_timeout = {milliseconds}")
        run.connection.commit()
    with BlockingSessionMonitor(run, database) as monitor:
        _run_with_retries(run, database, patience, monitor)


def _run_with_retries(
    run: MigrationRun, database: Database, patience: Patience, monitor: BlockingSessionMonitor
) -> None:
    attempts: dict[str | None, int] = {}
    while True:
        try:
            _execute(run)
        except AlreadyDoneError:
            run.connection.rollback()
        except MigrationError as error:
            raise MigrationError(f"{error} {_state(run, database)}") from error
        except DBAPIError as error:
            attempt = attempts[run.current] = attempts.get(run.current, 0) + 1
            is_transient = is_lock_error(error) or _is_version_table_race(run, error)
            if not is_transient or attempt >= patience.attempts:
                message = _failure(run, database, error, attempt, monitor)
                raise MigrationError(message) from error
            run.connection.rollback()
            run.watcher.waits(f"{run.doing}: {monitor.last_seen or _reason(error)}")
            time.sleep(uniform(0.5, 1.0) * min(0.2 * 2**attempt, 5.0))  # noqa: S311
        except KeyboardInterrupt:
            raise MigrationError(f"Interrupted. {_state(run, database)}") from None
        except Exception as error:
            raise MigrationError(
                f"Revision {run.current} failed: {type(error).__name__}: {error}. "
                f"{_state(run, database)}"
            ) from error
        else:
            return


def _execute(run: MigrationRun) -> None:
    """Run the revisions; an interruption inside a statement raises KeyboardInterrupt, too.

    It closes the connection, and what is then asked of that raises another error.
    """
    try:
        run.execute()
    except Exception as error:
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, KeyboardInterrupt):
                raise cause from None
            cause = cause.__context__
        raise


def _is_version_table_race(run: MigrationRun, error: DBAPIError) -> bool:
    """Whether two processes created Alembic's version table at the same time, on SQLite."""
    return run.current is None and f"{VERSION_TABLE} already exists" in str(error.orig)


def _reason(error: DBAPIError) -> str:
    return str(error.orig).strip().splitlines()[0]


def _failure(
    run: MigrationRun,
    database: Database,
    error: DBAPIError,
    attempts: int,
    monitor: BlockingSessionMonitor,
) -> str:
    """The message about a database error that ended a run."""
    name = "?" if run.current is None else run.history.name(run.current)
    reason = _reason(error)
    if is_lock_error(error):
        blocked_by = f"; last blocked by {monitor.last_seen}" if monitor.last_seen else ""
        tried = "1 attempt" if attempts == 1 else f"{attempts} attempts"
        reason = (
            f"{run.doing} could not get its locks in {tried} ({reason}{blocked_by}). Try again "
            "when the database is less busy, or with a longer --lock-timeout"
        )
    elif sqlstate_of(error) == "42501":
        reason = f"the user lacks a permission ({reason}). Run it as the owner of the tables"
    return f"Revision {name} failed: {reason}. {_state(run, database)}"


def _state(run: MigrationRun, database: Database) -> str:
    """Sentences about the state of the database after a failure."""
    try:
        run.connection.rollback()
        return _state_of(run, run.connection, database)
    except DBAPIError:
        pass
    try:  # an interruption or the server has closed the connection
        with migration_connection(database) as connection:
            return _state_of(run, connection, database)
    except (DBAPIError, MigrationError, UnreachableError):
        return (
            f"The connection to {database.url} was lost. Committed steps stay applied. Run "
            "`colonnade current` to see them, and `colonnade upgrade` to continue."
        )


def _state_of(run: MigrationRun, connection: Connection, database: Database) -> str:
    unfinished = next(
        (
            revision
            for revision in find_unfinished(run.history, connection)
            if revision.revision == run.current
        ),
        None,
    )
    undone_except_for = run.options.get("colonnade_undone")
    is_undone = undone_except_for is not None
    if unfinished is not None and unfinished.done == 0 and is_undone:
        Journal(connection, unfinished.name).clear()
        connection.commit()
        unfinished = None
    heads = ", ".join(map(run.history.name, current_heads(connection))) or "no revision"
    if unfinished is None:
        exception = f", except for {undone_except_for}" if undone_except_for else ""
        return f"The revision was rolled back{exception}; {database.url} is at {heads}."
    started = f", and the next ({run.doing}) has started" if run.commits and not is_undone else ""
    opposite = "downgrade" if unfinished.direction == "upgrade" else "upgrade"
    return (
        f"{database.url} is at {heads}. Revision {unfinished.revision} is unfinished: "
        f"{unfinished.done} of {unfinished.total} steps are done and stay applied{started}. Fix "
        f"the cause and run `colonnade {unfinished.direction}` to continue, or `colonnade "
        f"{opposite}` to revert these steps."
    )


@contextmanager
def exclusive_runner(database: Database, timeout: float, watcher: Watcher) -> Iterator[None]:
    """Keep other processes from running migrations on a database.

    On PostgreSQL by an advisory lock, which ends with the process. A separate transaction holds
    it, so that a pooler keeps it on one server connection. SQLite allows one writer at a time, and
    each revision checks whether it is already applied once it holds that lock.

    Args:
        database: The database.
        timeout: Seconds to wait for another runner.
        watcher: Told who the other runner is.

    Raises:
        MigrationError: Another runner did not finish in time.
    """
    if database.url.backend != "postgresql":
        yield
        return
    lock_database = Database(database.direct)  # a pool of one connection does not have a second
    with closing_pool(lock_database), migration_connection(lock_database) as connection:
        deadline = time.monotonic() + timeout
        is_reported = False
        while not connection.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(LOCK_KEY))):
            holder = _lock_holder(connection)
            if time.monotonic() >= deadline:
                raise MigrationError(
                    f"Another process ({holder}) is running migrations on {database.url} and did "
                    f"not finish in {timeout:g} s. Nothing was run. Try again later, or with a "
                    "longer --wait."
                )
            if not is_reported:
                watcher.waits(f"another process is running migrations: {holder}")
                is_reported = True
            time.sleep(0.2)
        # A statement without parameters also drops the query before it, whose snapshot
        # CREATE INDEX CONCURRENTLY would wait for.
        connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
        yield
        connection.rollback()


@contextmanager
def closing_pool(database: Database) -> Iterator[None]:
    """Close a database's connections at the end."""
    try:
        yield
    finally:
        database.dispose()


def _lock_holder(connection: Connection) -> str:
    """Describe the process that holds the advisory lock."""
    query = sa.text(
        "SELECT a.pid, a.usename, a.application_name, a.client_addr, a.xact_start "
        "FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE l.locktype = 'advisory' "
        "AND l.granted AND l.classid::bigint = :high AND l.objid::bigint = :low"
    )
    keys = {"high": LOCK_KEY >> 32, "low": LOCK_KEY & 0xFFFFFFFF}
    holder = connection.execute(query, keys).first()
    if holder is None:
        return "unknown"
    address = f" from {holder.client_addr}" if holder.client_addr else ""
    return f"process {holder.pid} of {holder.usename}{address}, since {holder.xact_start:%H:%M:%S}"
