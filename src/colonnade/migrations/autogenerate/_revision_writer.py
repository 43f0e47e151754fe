"""Write a revision: what the models have become since the last one."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from alembic.autogenerate import produce_migrations, render
from alembic.autogenerate.api import AutogenContext
from alembic.operations import Operations, ops
from alembic.operations.ops import MigrateOperation
from alembic.util import rev_id
from sqlalchemy import Connection, MetaData
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateSchema as CreateSchemaDDL

from colonnade.database import DatabaseURL
from colonnade.errors import MigrationError
from colonnade.migrations._environment import fresh_context, options
from colonnade.migrations._history import History, explained
from colonnade.migrations.autogenerate._backfill import Fields
from colonnade.migrations.autogenerate._choices import Choices
from colonnade.migrations.autogenerate._descriptions import describe, each, summary
from colonnade.migrations.autogenerate._enum_types import find_types
from colonnade.migrations.autogenerate._foreign_keys import (
    foreign_keys_in,
    foreign_keys_of,
    name_foreign_keys,
)
from colonnade.migrations.autogenerate._formatting import lay_out
from colonnade.migrations.autogenerate._phases import (
    Phase,
    downgrade_around,
    undo_first_of,
    upgrade_around,
)
from colonnade.migrations.autogenerate._reflected import stored_models, stored_tables
from colonnade.migrations.autogenerate._renames import find_gone
from colonnade.migrations.autogenerate._rendering import MAKES_TYPES
from colonnade.migrations.autogenerate._schema_history import SchemaHistory
from colonnade.migrations.autogenerate._step_planner import StepPlanner
from colonnade.migrations.autogenerate._trial import try_out
from colonnade.migrations.operations import CreateSchema
from colonnade.migrations.runner._baseline import start_from_baseline
from colonnade.migrations.runner._runner import Run, Watcher
from colonnade.migrations.runner._throwaway_database import shadow


@dataclass(frozen=True)
class Change:
    """The difference between a history and the models.

    Attributes:
        upgrade: What makes it.
        downgrade: What takes it back.
        aside: What was put aside earlier, and may be dropped.
        applied: What takes back the part of it that was done in the throwaway database, to compare.
    """

    upgrade: Sequence[MigrateOperation]
    downgrade: Sequence[MigrateOperation]
    aside: Sequence[str] = ()
    applied: Sequence[MigrateOperation] = ()


@dataclass(frozen=True)
class Written:
    """A revision that was written.

    Attributes:
        path: Its file.
        revision: Its id.
        message: The message of the revision.
        steps: What it does, in words.
    """

    path: Path
    revision: str
    message: str
    steps: tuple[str, ...]


def replay(history: History, connection: Connection, target: str = "heads",
           watcher: Watcher | None = None) -> SchemaHistory:  # fmt: skip
    """Run a history in an empty database, from its baseline if it has one; return its state.

    Raises:
        MigrationError: A revision fails, or the history cannot be read.
    """
    ledger = SchemaHistory()
    note = noting(ledger, connection)
    run = Run(history, connection, target=target, watcher=watcher or Watcher(), note=note)
    if not history.is_empty:
        with explained(history.folder, run):
            start_from_baseline(history, connection, target, ledger)
            run()
    return ledger


def noting(ledger: SchemaHistory, connection: Connection) -> Callable[[MigrateOperation], None]:
    """What takes note of each operation of a history in a throwaway database.

    A history may rely on schemas that somebody has made in the database itself: they are made.
    """

    def note(operation: MigrateOperation) -> None:
        schema = getattr(operation, "schema", None)
        is_asked = connection.dialect.name == "postgresql"
        if is_asked and isinstance(operation, ops.CreateTableOp) and schema is not None:
            connection.execute(CreateSchemaDDL(schema, if_not_exists=True))
        ledger.note(operation)

    return note


def find_change(
    connection: Connection, metadata: MetaData, ledger: SchemaHistory, choices: Choices
) -> Change:
    """What the models have become since a history, which a database has replayed.

    Args:
        connection: The throwaway database; it is changed.
        metadata: The models' tables.
        ledger: What the history said.
        choices: The options of the command: renames and such.

    Raises:
        MigrationError: An option is missing, and there is nobody to ask.
    """
    name_foreign_keys(metadata)
    gone = find_gone(connection, metadata, choices, ledger)
    schemas = _schemas(metadata, ledger)
    apply(connection, [*schemas.first, *gone.first], ledger)
    types = find_types(connection, metadata, ledger, choices, gone.last)
    apply(connection, types.first, ledger)
    context = fresh_context(connection, metadata, everything=True)
    context.opts["colonnade_ledger"] = ledger
    script = produce_migrations(context, metadata)
    assert script.upgrade_ops is not None
    assert script.downgrade_ops is not None
    there, models = stored_tables(connection), stored_models(metadata, connection)
    parts = (connection, Fields(metadata), choices, ledger)
    keys = foreign_keys_in(connection, there), foreign_keys_of(metadata)
    forwards = StepPlanner(*parts, there, models, keys[0]).arrange(script.upgrade_ops.ops)
    backwards = StepPlanner(*parts, models, there, keys[1], going_back=True).arrange(
        script.downgrade_ops.ops
    )
    choices.check_used(
        {
            f"{table.name}.{column.name}"
            for table in metadata.tables.values()
            for column in table.columns
        }
    )
    if connection.in_transaction():
        connection.rollback()
    gone.last, gone.undo_last = _in_tables(gone.last), _in_tables(gone.undo_last)
    phases = (schemas, gone, types)
    return Change(
        upgrade_around(phases, forwards),
        downgrade_around(phases, backwards),
        gone.aside,
        undo_first_of(phases),
    )


def _schemas(metadata: MetaData, ledger: SchemaHistory) -> Phase:
    """Return the phase that creates the schemas of models' tables that the history lacks."""
    known = ledger.schemas | {schema for schema, _, _ in ledger.types if schema is not None}
    wanted = {table.schema for table in metadata.tables.values() if table.schema is not None}
    steps = [CreateSchema(schema) for schema in sorted(wanted - known)]
    return Phase([*steps], undo_first=[step.reverse() for step in reversed(steps)])


def _in_tables(operations: Iterable[MigrateOperation]) -> list[MigrateOperation]:
    """Operations, those on columns each in their table's."""
    return [
        ops.ModifyTableOps(operation.table_name, [operation], schema=operation.schema)
        if isinstance(operation, ops.DropColumnOp | ops.AddColumnOp)
        else operation
        for operation in operations
    ]


def apply(connection: Connection, steps: Iterable[MigrateOperation], ledger: SchemaHistory) -> None:
    """Do in a throwaway database what comes before tables are compared.

    Args:
        connection: The database.
        steps: What is done.
        ledger: What the history said, which this is added to.
    """
    connection.rollback()  # Alembic leaves a transaction that it finds to its owner
    context = fresh_context(connection, MetaData())
    operations = Operations(context)
    with context.begin_transaction(_per_migration=True):
        for step in steps:
            ledger.note(step)
            try:
                operations.invoke(step)
            except DBAPIError as error:
                raise MigrationError(
                    f"Could not apply `{step}` while comparing schemas: "
                    f"{str(error.orig).partition(chr(10))[0]}. Drop what depends on it before, and "
                    "make it again after, in your own revision (colonnade migrate --empty)."
                ) from error


def write_revision(
    history: History,
    url: DatabaseURL,
    metadata: MetaData,
    message: str | None = None,
    choices: Choices | None = None,
    *,
    empty: bool = False,
    watcher: Watcher | None = None,
    edit: Callable[[Path], None] | None = None,
) -> tuple[Written | None, Sequence[str]]:
    """Write the revision that brings a history up to the models.

    The history is replayed in a throwaway database and compared there: what the database at hand
    happens to hold does not matter, and is not touched.

    Args:
        history: The history.
        url: The kind of database to compare on, and on PostgreSQL the server.
        metadata: The models' tables.
        message: The message of the revision; None for a summary of its operations.
        choices: The options of the command: renames and such.
        empty: Write one even if nothing has changed, to be filled in by hand.
        watcher: Told how the replay goes.
        edit: Called with the file that was written, to change it before it is tried.

    Returns:
        What was written, None if nothing has changed; and what is aside and may be dropped.

    Raises:
        MigrationError: The history has two heads or cannot be replayed, an option is missing,
            or the file cannot be written.
    """
    head = history.head()
    with shadow(url) as connection:
        ledger = replay(history, connection, watcher=watcher)
        before = ledger.copy()
        try:
            change = find_change(connection, metadata, ledger, choices or Choices())
        except MigrationError:
            if not empty:
                raise
            change = Change((), ())  # by hand, since it cannot be otherwise
        if not change.upgrade and not empty:
            return None, change.aside
        title = message or summary(change.upgrade) or "by hand"
        written = write(history, connection, metadata, change, title, head)
        if edit is not None:
            edit(written.path)
            history.forget()
        if change.upgrade and not empty:  # else it is still to be written by hand
            is_tried = _is_good(history, connection, ledger, before, change, written)
    if change.upgrade and not empty and not is_tried:
        with shadow(url) as connection:
            ledger = replay(history, connection, head or "base")
            _keep_if_it_runs(history, connection, ledger, written)
    return written, change.aside


def _is_good(
    history: History,
    connection: Connection,
    ledger: SchemaHistory,
    before: SchemaHistory,
    change: Change,
    written: Written,
) -> bool:
    """Try a revision in the database that it was compared in; whether that says it is good.

    What the comparison did there is undone first. If that leaves a trace, the revision is not to
    blame: a fresh database has the last word, which costs another replay.

    Raises:
        MigrationError: It fails, and nothing was done there to compare.
    """
    if not change.applied:
        _keep_if_it_runs(history, connection, ledger, written)
        return True
    try:
        apply(connection, change.applied, ledger)
        try_out(history, connection, before, written.revision)
    except MigrationError:
        return False
    return True


def _keep_if_it_runs(
    history: History, connection: Connection, ledger: SchemaHistory, written: Written
) -> None:
    """Try a revision that was written, and take its file away if it fails.

    Raises:
        MigrationError: It fails.
    """
    try:
        try_out(history, connection, ledger, written.revision)
    except BaseException:
        written.path.unlink(missing_ok=True)
        history.forget()
        raise


def write(
    history: History,
    connection: Connection,
    metadata: MetaData,
    change: Change,
    message: str,
    head: str | None,
    revision: str | None = None,
) -> Written:
    """Write a revision's file."""
    context = fresh_context(connection, metadata)
    chosen = {**options(metadata), "sqlalchemy_module_prefix": "sa.",
              "alembic_module_prefix": "op.", MAKES_TYPES: True}  # fmt: skip
    autogen = AutogenContext(context, metadata, chosen)
    upgrade, downgrade = (
        _body(autogen, container) for container in (change.upgrade, change.downgrade)
    )
    history.folder.mkdir(parents=True, exist_ok=True)
    revision = revision or rev_id()
    with explained(history.folder):
        script = history.script.generate_revision(
            revision,
            message,
            head=head or "base",
            refresh=True,
            upgrades=upgrade,
            downgrades=downgrade,
            imports="\n".join(sorted(autogen.imports)),
        )
    assert script is not None
    path = Path(script.path)
    path.write_text(tidy(path.read_text(encoding="utf-8")), encoding="utf-8")
    history.forget()
    steps = tuple(describe(operation) for operation in each(change.upgrade))
    return Written(path, revision, message, steps)


_NAMED = re.compile(r"\b(?:op|batch_op)\.f\(((?:'[^']*')|(?:\"[^\"]*\"))\)")
"""Alembic's way to say that a naming convention has been applied: here all names are whole."""


def _body(autogen: AutogenContext, operations: Sequence[MigrateOperation]) -> str:
    source = render._render_cmd_body(ops.UpgradeOps(list(operations)), autogen)
    return lay_out(_NAMED.sub(r"\1", source).replace(", unique=False)", ")")).strip()


def tidy(source: str) -> str:
    """A revision without an import that it does not use, or an empty line too many."""
    body = source.partition("def upgrade")[2]
    if "sa." not in body:
        source = source.replace("import sqlalchemy as sa\n", "")
    if "op." not in body:
        source = source.replace("from alembic import op\n", "")
    head, mark, rest = source.partition("revision: str")
    head = re.sub(r"\n{3,}", "\n\n", head)
    lines = [line.rstrip() for line in (head.rstrip("\n") + "\n\n" + mark + rest).splitlines()]
    return "\n".join(lines).rstrip("\n") + "\n"
