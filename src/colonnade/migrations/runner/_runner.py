"""Run revisions: each once, each whole, or from where it was interrupted."""

import itertools
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Literal, cast

from alembic.operations import BatchOperations, Operations, ops
from alembic.operations.ops import MigrateOperation
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext, MigrationStep, RevisionStep
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from colonnade.errors import MigrationError
from colonnade.migrations._history import History, explained
from colonnade.migrations.autogenerate._descriptions import describe
from colonnade.migrations.operations import Step
from colonnade.migrations.runner._journal import Journal, journal_name

Direction = Literal["upgrade", "downgrade"]


class Watcher:
    """Told how an upgrade goes; does nothing itself."""

    def began(self, revision: str, number: int, total: int) -> None:
        """A revision begins, as the number-th of so many."""

    def progressed(self, what: str, done: int, total: int) -> None:
        """A long step has come so far."""

    def ended(self, revision: str, seconds: float) -> None:
        """A revision is applied."""

    def waits(self, why: str) -> None:
        """It waits for somebody else."""


class OvertakenError(Exception):
    """Somebody else has applied the revision meanwhile."""


@dataclass
class Run:
    """One way through a history, on one connection.

    Args:
        history: The history.
        connection: The database.
        direction: Forwards or backwards.
        target: Where to, as Alembic takes it: ``heads``, ``-1``, a revision.
        watcher: Receives the progress.
        note: Called with each operation before it is run.
    """

    history: History
    connection: Connection
    direction: Direction = "upgrade"
    target: str = "heads"
    watcher: Watcher = field(default_factory=Watcher)
    note: Callable[[MigrateOperation], None] | None = None
    current: str | None = field(default=None, init=False)
    journal: Journal | None = field(default=None, init=False)
    options: dict[str, Any] = field(default_factory=dict, init=False)
    doing: str = field(default="", init=False)
    commits: bool = field(default=False, init=False)
    _broken: int = field(default=0, init=False)

    def __call__(self) -> None:
        """Go all the way.

        Raises:
            MigrationError: The history cannot be read.
            OvertakenError: Somebody else is on the way as well.
            Exception: Whatever a revision raises.
        """
        config = self.history.config
        config.attributes["connection"] = self.connection
        url = self.connection.engine.url.render_as_string(hide_password=False)
        config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))  # revisions may read it
        if self.connection.dialect.name == "sqlite":
            self._broken = len(self._dangling())
        if self.connection.in_transaction():
            self.connection.rollback()  # Alembic leaves a transaction that it finds to its owner
        try:
            with EnvironmentContext(config, self.history.script, fn=self._steps):
                self.history.script.run_env()
        finally:
            del config.attributes["connection"]

    def _steps(self, heads: Any, context: MigrationContext) -> list[RevisionStep]:
        with explained(self.history.folder):
            steps = plan(self.history, self.direction, self.target, heads)
        context.opts["colonnade_report"] = self.watcher.progressed
        for number, step in enumerate(steps, 1):
            step.migration_fn = self._revision(step, step.migration_fn, context, number, len(steps))
        return steps

    def _revision(
        self,
        step: RevisionStep,
        written: Callable[..., None],
        context: MigrationContext,
        number: int,
        total: int,
    ) -> Callable[..., None]:
        def run(**keywords: Any) -> None:
            revision = revision_of(step)
            self.current = revision
            self.watcher.began(revision, number, total)
            began = time.monotonic()
            self._claim(step, context)
            name = journal_name(revision, self.direction)
            on_sqlite = self.connection.dialect.name == "sqlite"
            self.journal = None if on_sqlite else Journal(self.connection, name)
            context.opts["colonnade_journal"] = self.journal
            self.options = context.opts
            context.opts.pop("colonnade_undone", None)
            with watched(context, self.journal, self.note, doing=self._doing):
                written(**keywords)
            if self.journal is not None:
                self.journal.clear()
            if on_sqlite:
                self._check_references(revision)
            self.watcher.ended(revision, time.monotonic() - began)

        return run

    def _doing(self, operation: MigrateOperation) -> None:
        self.doing = describe(operation)
        dialect = self.connection.dialect.name
        self.commits = isinstance(operation, Step) and operation.commits(dialect)

    def _claim(self, step: RevisionStep, context: MigrationContext) -> None:
        """On SQLite, have the one lock there is, and look whether this is still to be done."""
        if self.connection.dialect.name != "sqlite":
            return
        driver: Any = self.connection.connection.driver_connection
        if not driver.in_transaction:
            self.connection.exec_driver_sql("BEGIN IMMEDIATE")
        heads = context.get_current_heads()
        below = self.history.script.iterate_revisions(heads, "base") if heads else ()
        is_there = any(each.revision == revision_of(step) for each in below)
        if is_there == (self.direction == "upgrade"):
            raise OvertakenError

    def _dangling(self) -> Sequence[Any]:
        return self.connection.exec_driver_sql("PRAGMA foreign_key_check").all()

    def _check_references(self, revision: str) -> None:
        dangling = self._dangling()
        if len(dangling) > self._broken:
            table, _, target, _ = dangling[-1]
            raise MigrationError(
                f"Rows of {table} would refer to rows of {target} that do not exist."
            )


def plan(
    history: History, direction: Direction, target: str, heads: Sequence[str]
) -> list[RevisionStep]:
    """The revisions on the way, in the order they are run."""
    script = history.script
    if direction == "upgrade":
        return list(script._upgrade_revs(target, heads))  # type: ignore[arg-type]  # any sequence
    back = re.fullmatch(r"-(\d+)", target)
    if back is None:
        return list(script._downgrade_revs(target, heads))  # type: ignore[arg-type]  # as above
    # Alembic calls it ambiguous how many revisions below a merge of two branches are meant.
    below = script.iterate_revisions(tuple(heads), "base") if heads else ()
    return [
        MigrationStep.downgrade_from_script(script.revision_map, revision)
        for revision in itertools.islice(below, int(back[1]))
    ]


def revision_of(step: RevisionStep) -> str:
    """Which revision a step is of."""
    return str(step.revision.revision)


def idle_batch(
    context: MigrationContext,
    table: str,
    schema: str | None,
    invoke: Callable[[MigrateOperation], Any],
) -> BatchOperations:
    """A batch on a table that does nothing.

    Args:
        context: Alembic's.
        table: The table.
        schema: Its schema.
        invoke: Called with each operation instead.
    """
    idle: Any = BatchOperations(context, impl=cast("Any", SimpleNamespace()))
    idle.impl.table_name, idle.impl.schema = table, schema
    idle.invoke = invoke
    return cast("BatchOperations", idle)


@contextmanager
def watched(
    context: MigrationContext,
    journal: Journal | None,
    note: Callable[[MigrateOperation], None] | None,
    applies: Callable[[MigrateOperation], bool] | None = None,
    doing: Callable[[MigrateOperation], None] | None = None,
) -> Iterator[None]:
    """See the operations of a revision, and leave out those that are done already.

    Args:
        context: Alembic's.
        journal: The revision's, if one is kept.
        note: Called with each operation before it is run, or left out.
        applies: Whether an operation is run at all; all are where it is None.
        doing: Called with each operation that is run.

    ``alembic.op`` stands for an ``Operations`` that Alembic has installed: what is set on it is
    what revisions call.
    """
    from alembic import op

    operations: Any = op._proxy  # type: ignore[attr-defined]  # set at run time
    seen = _Seen(operations, context, journal, note)
    seen.applies, seen.doing = applies, doing
    operations.invoke, operations.batch_alter_table = seen.invoke, seen.batch
    operations._install_proxy()
    try:
        yield
    finally:
        del operations.invoke, operations.batch_alter_table
        operations._install_proxy()


class _Seen:
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
        self.doing: Callable[[MigrateOperation], None] | None = None

    def invoke(self, operation: Any) -> Any:
        stock = Operations.invoke
        if self.depth:
            return stock(self.operations, operation)
        if self._is_done():
            self._note(operation)
            return operation.to_table() if isinstance(operation, ops.CreateTableOp) else None
        self._note(operation)
        if not self._begins(operation):
            return None
        journal = self.journal
        commits = isinstance(operation, Step) and operation.commits(self.context.dialect.name)
        if journal is not None:
            journal.step = self.number
            if commits:
                journal.mark(self.number, journal.resumed)
        with self._inside():
            result = stock(self.operations, operation)
        if journal is not None and commits:
            with self.context.autocommit_block():
                journal.mark(self.number + 1)
        return result

    @contextmanager
    def batch(
        self, table_name: str, schema: str | None = None, **keywords: Any
    ) -> Iterator[BatchOperations]:
        stock = Operations.batch_alter_table
        if self.depth:
            with stock(self.operations, table_name, schema, **keywords) as batch:
                yield batch
            return
        if self._is_done():
            yield idle_batch(self.context, table_name, schema, self._note)
            return
        with self._inside(), stock(self.operations, table_name, schema, **keywords) as batch:
            yield self._noted(batch)

    def _noted(self, batch: BatchOperations) -> BatchOperations:
        stock = batch.invoke

        def invoke(operation: Any) -> Any:
            self._note(operation)
            return stock(operation) if self._begins(operation) else None

        batch.invoke = invoke  # type: ignore[method-assign]  # what its methods call
        return batch

    def _begins(self, operation: MigrateOperation) -> bool:
        """Whether an operation is run; its progress is reported."""
        if self.applies is not None and not self.applies(operation):
            return False
        if self.doing is not None:
            self.doing(operation)
        return True

    def _is_done(self) -> bool:
        self.number += 1
        return self.journal is not None and self.number < self.journal.done

    def _note(self, operation: MigrateOperation) -> None:
        if self.note is not None:
            self.note(operation)

    @contextmanager
    def _inside(self) -> Iterator[None]:
        self.depth += 1
        try:
            yield
        finally:
            self.depth -= 1


LOCK_STATES = frozenset(("55P03", "40P01"))
"""lock_not_available, deadlock_detected: https://www.postgresql.org/docs/current/errcodes-appendix"""


def sqlstate_of(error: BaseException) -> str:
    """The SQLSTATE of a driver's error; empty if it has none."""
    return str(getattr(getattr(error, "orig", None), "sqlstate", None) or "")


def is_for_want_of_a_lock(error: DBAPIError) -> bool:
    """Whether a statement failed because others were using what it needs."""
    return sqlstate_of(error) in LOCK_STATES or "database is locked" in str(error.orig)


def current_heads(connection: Connection) -> tuple[str, ...]:
    """The revisions a database is at."""
    context = MigrationContext.configure(connection)
    heads = context.get_current_heads()
    if not connection.in_nested_transaction() and connection.in_transaction():
        connection.rollback()
    return tuple(heads)
