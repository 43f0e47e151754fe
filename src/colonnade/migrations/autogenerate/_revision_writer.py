"""Write a revision for the changes of the models since the last one."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from alembic.autogenerate import produce_migrations
from alembic.autogenerate.api import AutogenContext
from alembic.operations import Operations, ops
from alembic.operations.ops import MigrateOperation
from alembic.util import rev_id
from sqlalchemy import Connection, MetaData
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateSchema as CreateSchemaDDL

from colonnade.database import DatabaseURL
from colonnade.errors import MigrationError
from colonnade.migrations._alembic_compat import render_operations, revision_transaction
from colonnade.migrations._environment import migration_context, options
from colonnade.migrations._history import History, translated_errors
from colonnade.migrations.autogenerate._backfill import BackfillValues
from colonnade.migrations.autogenerate._choices import Choices
from colonnade.migrations.autogenerate._descriptions import describe, flatten, summarize
from colonnade.migrations.autogenerate._enum_types import enum_phases
from colonnade.migrations.autogenerate._foreign_keys import (
    foreign_keys_in,
    foreign_keys_of,
    name_foreign_keys,
)
from colonnade.migrations.autogenerate._formatting import format_statements
from colonnade.migrations.autogenerate._phase import Phase
from colonnade.migrations.autogenerate._reflected import stored_models, stored_tables
from colonnade.migrations.autogenerate._renames import resolve_removals
from colonnade.migrations.autogenerate._rendering import MAKES_TYPES
from colonnade.migrations.autogenerate._schema_history import SchemaHistory
from colonnade.migrations.autogenerate._step_planner import StepPlanner
from colonnade.migrations.autogenerate._trial import try_revision
from colonnade.migrations.operations import CreateSchema
from colonnade.migrations.runner._baseline import start_from_baseline
from colonnade.migrations.runner._runner import MigrationRun, Watcher
from colonnade.migrations.runner._throwaway_database import throwaway_database


@dataclass(frozen=True)
class Change:
    """The difference between a history and the models.

    Attributes:
        upgrade: The operations of the upgrade.
        downgrade: The operations of the downgrade.
        aside: The names of tables and columns that an earlier revision put aside.
        undo_applied: The operations that undo what was applied in the throwaway database before
            the comparison.
    """

    upgrade: Sequence[MigrateOperation]
    downgrade: Sequence[MigrateOperation]
    aside: Sequence[str] = ()
    undo_applied: Sequence[MigrateOperation] = ()


@dataclass(frozen=True)
class Written:
    """A revision that was written.

    Attributes:
        path: The revision's file.
        revision: The revision's id.
        message: The revision's message.
        steps: Descriptions of the upgrade's operations.

    Examples:
        ```python
        from pathlib import Path

        from colonnade.migrations import History, models_of, write_revision
        from colonnade.testing import Project

        project = Project.find(Path.cwd())
        tables = models_of(project)
        url = project.choose_database().url
        written, _ = write_revision(History(project), url, tables, "by hand", empty=True)
        print(written.revision in written.path.name, written.steps)  # True ()
        ```
    """

    path: Path
    revision: str
    message: str
    steps: tuple[str, ...]


def replay(history: History, connection: Connection, target: str = "heads",
           watcher: Watcher | None = None) -> SchemaHistory:  # fmt: skip
    """Run a history in an empty database, from its baseline if it has one.

    Returns:
        The history's definitions.

    Raises:
        MigrationError: A revision fails, or the history cannot be read.
    """
    schema_history = SchemaHistory()
    note = recorder_for(schema_history, connection)
    run = MigrationRun(history, connection, target=target, watcher=watcher or Watcher(), note=note)
    if not history.is_empty:
        with translated_errors(history.folder, run):
            start_from_baseline(history, connection, target, schema_history)
            run.execute()
    return schema_history


def recorder_for(
    schema_history: SchemaHistory, connection: Connection
) -> Callable[[MigrateOperation], None]:
    """Return a function that records each operation of a replay in the schema history.

    It also creates the schemas of tables: a history may rely on schemas that were created by hand.
    """

    def note(operation: MigrateOperation) -> None:
        schema = getattr(operation, "schema", None)
        has_schemas = connection.dialect.name == "postgresql"
        if has_schemas and isinstance(operation, ops.CreateTableOp) and schema is not None:
            connection.execute(CreateSchemaDDL(schema, if_not_exists=True))
        schema_history.record(operation)

    return note


def find_change(
    connection: Connection, metadata: MetaData, schema_history: SchemaHistory, choices: Choices
) -> Change:
    """Compare the models with a history.

    Args:
        connection: A throwaway database with the history replayed, which is changed.
        metadata: The models' tables.
        schema_history: The history's definitions.
        choices: The answers given in advance, and the prompt for the others.

    Raises:
        MigrationError: An answer is missing and ``choices.asker`` is None, or an answer cannot be
            applied.
    """
    name_foreign_keys(metadata)
    removals = resolve_removals(connection, metadata, choices, schema_history)
    before = _create_schemas(metadata, schema_history) + removals.before
    apply(connection, before.upgrade, schema_history)
    enums_before, enums_after = enum_phases(
        connection, metadata, schema_history, choices, removals.after.upgrade
    )
    apply(connection, enums_before.upgrade, schema_history)
    before += enums_before
    context = migration_context(connection, metadata, compare_all=True)
    context.opts["colonnade_schema_history"] = schema_history
    script = produce_migrations(context, metadata)
    assert script.upgrade_ops is not None
    assert script.downgrade_ops is not None
    stored, models = stored_tables(connection), stored_models(metadata, connection)
    parts = (connection, BackfillValues(metadata), choices, schema_history)
    keys = foreign_keys_in(connection, stored), foreign_keys_of(metadata)
    forwards = StepPlanner(*parts, stored, models, keys[0]).plan_steps(script.upgrade_ops.ops)
    backwards = StepPlanner(*parts, models, stored, keys[1], going_back=True).plan_steps(
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
    drops = Phase(*map(_in_tables, (removals.after.upgrade, removals.after.downgrade)))
    whole = before + Phase(forwards, backwards) + drops + enums_after
    return Change(whole.upgrade, whole.downgrade, removals.aside, before.downgrade)


def _create_schemas(metadata: MetaData, schema_history: SchemaHistory) -> Phase:
    """Create the schemas of the models' tables that the history does not know."""
    known = schema_history.schemas | {
        schema for schema, _, _ in schema_history.types if schema is not None
    }
    wanted = {table.schema for table in metadata.tables.values() if table.schema is not None}
    phase = Phase()
    for schema in sorted(wanted - known):
        phase.add(CreateSchema(schema))
    return phase


def _in_tables(operations: Iterable[MigrateOperation]) -> list[MigrateOperation]:
    """Wrap operations on columns in operations on their tables, as Alembic renders them."""
    return [
        ops.ModifyTableOps(operation.table_name, [operation], schema=operation.schema)
        if isinstance(operation, ops.DropColumnOp | ops.AddColumnOp)
        else operation
        for operation in operations
    ]


def apply(
    connection: Connection, steps: Iterable[MigrateOperation], schema_history: SchemaHistory
) -> None:
    """Apply steps in a throwaway database, before its tables are compared.

    Args:
        connection: The database.
        steps: The steps.
        schema_history: The history's definitions, in which the steps are recorded.

    Raises:
        MigrationError: The database refuses a step.
    """
    connection.rollback()  # Alembic leaves a transaction that it finds to its owner
    context = migration_context(connection, MetaData())
    operations = Operations(context)
    with revision_transaction(context):
        for step in steps:
            schema_history.record(step)
            try:
                operations.invoke(step)
            except DBAPIError as error:
                raise MigrationError(
                    f"Could not apply `{step}` while comparing schemas: "
                    f"{str(error.orig).partition(chr(10))[0]}. Write the revision by hand "
                    "(`colonnade migrate --empty`): drop the objects that depend on it first, and "
                    "create them again at the end."
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
    """Write the revision that brings a history up to date with the models.

    The history is replayed in a throwaway database and compared with the models there. The
    application's database is neither read nor changed.

    Args:
        history: The history.
        url: The database system to compare on, and on PostgreSQL the server.
        metadata: The models' tables.
        message: The revision's message; None to generate one.
        choices: The answers given in advance, and the prompt for the others.
        empty: Write a revision even if nothing has changed, to be completed by hand.
        watcher: Receives the progress of the replay.
        edit: Called with the path of the revision's file, to edit it before it is tested.

    Returns:
        The revision, or None if nothing has changed; and the names of tables and columns that an
        earlier revision put aside.

    Raises:
        MigrationError: The history has two heads or cannot be replayed, an answer is missing, the
            revision fails when it is tested, or its file cannot be written.

    Examples:
        ```python
        from pathlib import Path

        from colonnade.migrations import History, models_of, write_revision
        from colonnade.testing import Project

        with Path("app/models.py").open("a") as file:
            print("    weight: int | None = None", file=file)
        project = Project.find(Path.cwd())
        tables = models_of(project)
        url = project.choose_database().url
        written, _ = write_revision(History(project), url, tables, "weights")
        print(written.message, written.steps)  # weights ('add task.weight',)
        ```
    """
    head = history.head()
    with throwaway_database(url) as connection:
        schema_history = replay(history, connection, watcher=watcher)
        before = schema_history.copy()
        try:
            change = find_change(connection, metadata, schema_history, choices or Choices())
        except MigrationError:
            if not empty:
                raise
            change = Change((), ())  # the user writes the operations that could not be generated
        if not change.upgrade and not empty:
            return None, change.aside
        text = message or summarize(change.upgrade) or "by hand"
        written = write(history, connection, metadata, change, text, head)
        if edit is not None:
            edit(written.path)
            history.clear_cache()
        if change.upgrade and not empty:  # an empty revision is not complete yet
            is_tried = _runs_in_same_database(
                history, connection, schema_history, before, change, written
            )
    if change.upgrade and not empty and not is_tried:
        with throwaway_database(url) as connection:
            schema_history = replay(history, connection, head or "base")
            _try_or_delete(history, connection, schema_history, written)
    return written, change.aside


def _runs_in_same_database(
    history: History,
    connection: Connection,
    schema_history: SchemaHistory,
    before: SchemaHistory,
    change: Change,
    written: Written,
) -> bool:
    """Test a revision in the database of the comparison; return whether it passed.

    The steps that were applied for the comparison are undone first. As that may not restore the
    database completely, a failure is not final: the caller repeats the test in a new database.

    Raises:
        MigrationError: The revision fails, and no steps had been applied.
    """
    if not change.undo_applied:
        _try_or_delete(history, connection, schema_history, written)
        return True
    try:
        apply(connection, change.undo_applied, schema_history)
        try_revision(history, connection, before, written.revision)
    except MigrationError:
        return False
    return True


def _try_or_delete(
    history: History, connection: Connection, schema_history: SchemaHistory, written: Written
) -> None:
    """Test a revision, and delete its file if it fails.

    Raises:
        MigrationError: The revision fails.
    """
    try:
        try_revision(history, connection, schema_history, written.revision)
    except BaseException:
        written.path.unlink(missing_ok=True)
        history.clear_cache()
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
    context = migration_context(connection, metadata)
    chosen = {**options(metadata), "sqlalchemy_module_prefix": "sa.",
              "alembic_module_prefix": "op.", MAKES_TYPES: True}  # fmt: skip
    autogen = AutogenContext(context, metadata, chosen)
    upgrade, downgrade = (
        _body(autogen, operations) for operations in (change.upgrade, change.downgrade)
    )
    history.folder.mkdir(parents=True, exist_ok=True)
    revision = revision or rev_id()
    with translated_errors(history.folder):
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
    history.clear_cache()
    steps = tuple(describe(operation) for operation in flatten(change.upgrade))
    return Written(path, revision, message, steps)


_NAMED = re.compile(r"\b(?:op|batch_op)\.f\(((?:'[^']*')|(?:\"[^\"]*\"))\)")
"""Alembic's mark for names to which a naming convention was applied, as here all names are."""


def _body(autogen: AutogenContext, operations: Sequence[MigrateOperation]) -> str:
    source = render_operations(operations, autogen)
    return format_statements(_NAMED.sub(r"\1", source).replace(", unique=False)", ")")).strip()


def tidy(source: str) -> str:
    """Remove unused imports and superfluous blank lines from a revision."""
    body = source.partition("def upgrade")[2]
    if "sa." not in body:
        source = source.replace("import sqlalchemy as sa\n", "")
    if "op." not in body:
        source = source.replace("from alembic import op\n", "")
    head, mark, rest = source.partition("revision: str")
    head = re.sub(r"\n{3,}", "\n\n", head)
    lines = [line.rstrip() for line in (head.rstrip("\n") + "\n\n" + mark + rest).splitlines()]
    return "\n".join(lines).rstrip("\n") + "\n"
