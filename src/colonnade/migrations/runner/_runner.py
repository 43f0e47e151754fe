"""Run the revisions of a history through Alembic, skipping the steps that are already done."""

import itertools
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from alembic.operations import BatchOperations, Operations, ops
from alembic.operations.ops import MigrateOperation
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext, MigrationStep, RevisionStep
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from colonnade.errors import MigrationError
from colonnade.migrations._alembic_compat import (
    current_operations,
    downgrade_steps,
    redirected_batch,
    replaced_methods,
    upgrade_steps,
)
from colonnade.migrations._history import History, translated_errors
from colonnade.migrations.autogenerate._descriptions import describe
from colonnade.migrations.operations import Step
from colonnade.migrations.runner._journal import Journal, journal_name

Direction = Literal["upgrade", "downgrade"]
"""Whether revisions are applied or reverted."""


class Watcher:
    """Receives the progress of a run. Override its methods; they do nothing by default.

    Examples:
        ```python
        from pathlib import Path

        from colonnade import Database
        from colonnade.migrations import History, Watcher, migrate_to
        from colonnade.testing import Project


        class Printer(Watcher):
            def began(self, revision: str, number: int, total: int) -> None:
                print(f"{revision}: {number} of {total}")  # 4edcb97abb17: 1 of 1


        history = History(Project.find(Path.cwd()))
        migrate_to(history, Database("sqlite:///tracker.db"), watcher=Printer())
        ```
    """

    def began(self, revision: str, number: int, total: int) -> None:
        """A revision starts.

        Args:
            revision: The id of the revision.
            number: Its number in this run, starting at 1.
            total: The number of revisions in this run.
        """

    def progressed(self, what: str, done: int, total: int) -> None:
        """A long step has made progress.

        Args:
            what: What the step processes.
            done: The number of processed rows or pages.
            total: The number of all rows or pages.
        """

    def ended(self, revision: str, seconds: float) -> None:
        """A revision is complete.

        Args:
            revision: The id of the revision.
            seconds: How long it took.
        """

    def waits(self, why: str) -> None:
        """The run waits for a lock or for another process.

        Args:
            why: What it waits for.
        """


class AlreadyDoneError(Exception):
    """Another process has applied or reverted the revision in the meantime."""


@dataclass
class MigrationRun:
    """A run of the revisions between a database and a target, on one connection.

    Args:
        history: The history.
        connection: The database.
        direction: ``upgrade`` or ``downgrade``.
        target: The target as Alembic accepts it: ``heads``, ``-1``, a revision.
        watcher: Receives the progress.
        note: Called with each operation before it runs.
        only: The ids of the revisions that may run: a target such as ``-2`` means others once some
            of them have run. None for all up to the target.

    Attributes:
        current: The revision that is running.
        journal: The journal of this revision; None on SQLite.
        options: The options of Alembic's context.
        doing: A description of the step that is running.
        commits: Whether this step commits the steps before it.
    """

    history: History
    connection: Connection
    direction: Direction = "upgrade"
    target: str = "heads"
    watcher: Watcher = field(default_factory=Watcher)
    note: Callable[[MigrateOperation], None] | None = None
    only: frozenset[str] | None = None
    current: str | None = field(default=None, init=False)
    journal: Journal | None = field(default=None, init=False)
    options: dict[str, Any] = field(default_factory=dict, init=False)
    doing: str = field(default="", init=False)
    commits: bool = field(default=False, init=False)
    _dangling_before: int = field(default=0, init=False)

    def execute(self) -> None:
        """Run the revisions.

        Raises:
            MigrationError: The history cannot be read.
            AlreadyDoneError: Another process runs the same revisions.
            Exception: Any error of a revision.
        """
        config = self.history.config
        config.attributes["connection"] = self.connection
        url = self.connection.engine.url.render_as_string(hide_password=False)
        config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))  # revisions may read it
        if self.connection.dialect.name == "sqlite":
            self._dangling_before = len(self._dangling_rows())
        if self.connection.in_transaction():
            self.connection.rollback()  # Alembic would leave an open transaction to the caller
        try:
            with EnvironmentContext(config, self.history.script, fn=self._steps):
                self.history.script.run_env()
        finally:
            del config.attributes["connection"]

    def _steps(self, heads: Any, context: MigrationContext) -> list[RevisionStep]:
        with translated_errors(self.history.folder):
            steps = plan_revisions(self.history, self.direction, self.target, heads)
        if self.only is not None:
            steps = [step for step in steps if revision_of(step) in self.only]
        context.opts["colonnade_report"] = self.watcher.progressed
        for number, step in enumerate(steps, 1):
            step.migration_fn = self._revision(step, step.migration_fn, context, number, len(steps))
        return steps

    def _revision(
        self,
        step: RevisionStep,
        migrate: Callable[..., None],
        context: MigrationContext,
        number: int,
        total: int,
    ) -> Callable[..., None]:
        """Wrap a revision's function to lock the database and to record its steps."""

        def run(**keywords: Any) -> None:
            revision = revision_of(step)
            self.current = revision
            self.watcher.began(revision, number, total)
            started = time.monotonic()
            self._lock_sqlite(step, context)
            name = journal_name(revision, self.direction)
            on_sqlite = self.connection.dialect.name == "sqlite"
            self.journal = None if on_sqlite else Journal(self.connection, name)
            context.opts["colonnade_journal"] = self.journal
            self.options = context.opts
            context.opts.pop("colonnade_undone", None)
            with intercept_operations(context, self.journal, self.note, starts=self._starts):
                migrate(**keywords)
            if self.journal is not None:
                self.journal.clear()
            if on_sqlite:
                self._check_foreign_keys()
            self.watcher.ended(revision, time.monotonic() - started)

        return run

    def _starts(self, operation: MigrateOperation) -> None:
        self.doing = describe(operation)
        dialect = self.connection.dialect.name
        self.commits = isinstance(operation, Step) and operation.commits(dialect)

    def _lock_sqlite(self, step: RevisionStep, context: MigrationContext) -> None:
        """On SQLite, take the write lock, and check that no other process was faster."""
        if self.connection.dialect.name != "sqlite":
            return
        driver: Any = self.connection.connection.driver_connection
        if not driver.in_transaction:
            self.connection.exec_driver_sql("BEGIN IMMEDIATE")
        heads = context.get_current_heads()
        below = self.history.script.iterate_revisions(heads, "base") if heads else ()
        is_applied = any(script.revision == revision_of(step) for script in below)
        if is_applied == (self.direction == "upgrade"):
            raise AlreadyDoneError

    def _dangling_rows(self) -> Sequence[Any]:
        return self.connection.exec_driver_sql("PRAGMA foreign_key_check").all()

    def _check_foreign_keys(self) -> None:
        dangling = self._dangling_rows()
        if len(dangling) > self._dangling_before:
            table, _, target, _ = dangling[-1]
            raise MigrationError(
                f"Rows of {table} would refer to rows of {target} that do not exist. Delete these "
                "rows, or change the revision."
            )


def plan_revisions(
    history: History, direction: Direction, target: str, heads: Sequence[str]
) -> list[RevisionStep]:
    """The revisions between the current heads and a target, in the order in which they run."""
    script = history.script
    if direction == "upgrade":
        return upgrade_steps(script, target, heads)
    back = re.fullmatch(r"-(\d+)", target)
    if back is None:
        return downgrade_steps(script, target, heads)
    # Alembic refuses relative downgrades below the merge of two branches as ambiguous.
    below = script.iterate_revisions(tuple(heads), "base") if heads else ()
    return [
        MigrationStep.downgrade_from_script(script.revision_map, revision)
        for revision in itertools.islice(below, int(back[1]))
    ]


def revision_of(step: RevisionStep) -> str:
    """The id of the revision that a step applies or reverts."""
    return str(step.revision.revision)


@contextmanager
def intercept_operations(
    context: MigrationContext,
    journal: Journal | None,
    note: Callable[[MigrateOperation], None] | None,
    applies: Callable[[MigrateOperation], bool] | None = None,
    starts: Callable[[MigrateOperation], None] | None = None,
) -> Iterator[None]:
    """Intercept the operations of a revision, and skip those that are already done.

    ``alembic.op`` is a proxy of an ``Operations``. Revisions call the methods that are set on it
    here.

    Args:
        context: Alembic's context.
        journal: The journal of the revision; None if there is none.
        note: Called with each operation, including skipped ones.
        applies: Whether to run an operation; None runs all.
        starts: Called with each operation before it runs.
    """
    operations = current_operations()
    interceptor = _OperationInterceptor(operations, context, journal, note)
    interceptor.applies, interceptor.starts = applies, starts
    with replaced_methods(
        operations, invoke=interceptor.invoke, batch_alter_table=interceptor.batch
    ):
        yield


class _OperationInterceptor:
    """Replaces ``invoke`` and ``batch_alter_table`` of Alembic's operations.

    Attributes:
        number: The number of the current step; a batch is one step.
        depth: How deep operations are nested: a step may run others.
    """

    def __init__(
        self,
        operations: Operations,
        context: MigrationContext,
        journal: Journal | None,
        note: Callable[[MigrateOperation], None] | None,
    ) -> None:
        self.operations = operations
        self.context = context
        self.journal = journal
        self.note = note
        self.number = -1
        self.depth = 0
        self.applies: Callable[[MigrateOperation], bool] | None = None
        self.starts: Callable[[MigrateOperation], None] | None = None

    def invoke(self, operation: Any) -> Any:
        original = Operations.invoke
        if self.depth:
            return original(self.operations, operation)
        if self._is_done():
            self._note(operation)
            return operation.to_table() if isinstance(operation, ops.CreateTableOp) else None
        self._note(operation)
        if not self._start(operation):
            return None
        journal = self.journal
        commits = isinstance(operation, Step) and operation.commits(self.context.dialect.name)
        if journal is not None:
            journal.step = self.number
            if commits:
                journal.save(self.number, journal.resume_position)
        with self._nested():
            result = original(self.operations, operation)
        if journal is not None and commits:
            with self.context.autocommit_block():
                journal.save(self.number + 1)
        return result

    @contextmanager
    def batch(
        self, table_name: str, schema: str | None = None, **keywords: Any
    ) -> Iterator[BatchOperations]:
        original = Operations.batch_alter_table
        if self.depth:
            with original(self.operations, table_name, schema, **keywords) as batch:
                yield batch
            return
        if self._is_done():
            yield redirected_batch(self.context, table_name, schema, self._note)
            return
        with self._nested(), original(self.operations, table_name, schema, **keywords) as batch:
            yield self._intercepted(batch)

    def _intercepted(self, batch: BatchOperations) -> BatchOperations:
        original = batch.invoke

        def invoke(operation: Any) -> Any:
            self._note(operation)
            return original(operation) if self._start(operation) else None

        batch.invoke = invoke  # type: ignore[method-assign]  # its methods call it
        return batch

    def _start(self, operation: MigrateOperation) -> bool:
        """Announce an operation; False if it is skipped."""
        if self.applies is not None and not self.applies(operation):
            return False
        if self.starts is not None:
            self.starts(operation)
        return True

    def _is_done(self) -> bool:
        """Count a step; whether an earlier run has completed it."""
        self.number += 1
        return self.journal is not None and self.number < self.journal.done

    def _note(self, operation: MigrateOperation) -> None:
        if self.note is not None:
            self.note(operation)

    @contextmanager
    def _nested(self) -> Iterator[None]:
        self.depth += 1
        try:
            yield
        finally:
            self.depth -= 1


LOCK_SQLSTATES = frozenset(("55P03", "40P01"))
"""lock_not_available, deadlock_detected: https://www.postgresql.org/docs/current/errcodes-appendix"""


def sqlstate_of(error: BaseException) -> str:
    """The SQLSTATE of a driver's error; empty if it has none."""
    return str(getattr(getattr(error, "orig", None), "sqlstate", None) or "")


def is_lock_error(error: DBAPIError) -> bool:
    """Whether a statement failed because other sessions held a lock that it needs."""
    return sqlstate_of(error) in LOCK_SQLSTATES or "database is locked" in str(error.orig)


def current_heads(connection: Connection) -> tuple[str, ...]:
    """The current revisions of a database: one for each branch of the history."""
    context = MigrationContext.configure(connection)
    heads = context.get_current_heads()
    if not connection.in_nested_transaction() and connection.in_transaction():
        connection.rollback()
    return tuple(heads)
