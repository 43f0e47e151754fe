"""Detect differences between models, history and database, by replaying the history."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from alembic.autogenerate import produce_migrations
from alembic.operations import ops
from alembic.operations.ops import MigrateOperation
from sqlalchemy import Connection, MetaData

from colonnade.database import Database, DatabaseURL
from colonnade.migrations import operations as safe_ops
from colonnade.migrations._environment import migration_connection, migration_context
from colonnade.migrations._history import History
from colonnade.migrations.autogenerate._descriptions import describe, flatten, join_reprs, table_of
from colonnade.migrations.autogenerate._enum_types import enum_phases, enum_steps, enums_in
from colonnade.migrations.autogenerate._reflected import StoredTable, TableKey, stored_tables
from colonnade.migrations.autogenerate._revision_writer import apply, replay
from colonnade.migrations.autogenerate._schema_history import SchemaHistory
from colonnade.migrations.runner._migrate import known_heads
from colonnade.migrations.runner._runner import Watcher, plan_revisions
from colonnade.migrations.runner._throwaway_database import throwaway_database
from colonnade.models import application_tables

Between = Literal["models", "database"]
Reflected = tuple[MetaData, Mapping[TableKey, StoredTable]]


@dataclass(frozen=True)
class Drift:
    """A difference between the history and the models or the database.

    Attributes:
        between: The side that differs from the history.
        what: A description of the difference.

    Examples:
        ```python
        from pathlib import Path

        from colonnade.migrations import History, find_drift, models_of, upgrade
        from colonnade.testing import Project

        project = Project.find(Path.cwd())
        tables = models_of(project)
        db = project.choose_database()
        upgrade(db)
        with db.engine.begin() as connection:
            connection.exec_driver_sql("DROP INDEX ix_task_name")
        for drift in find_drift(History(project), db, tables, url=db.url):
            print(drift.between)  # database
            print(drift.what)  # The database lacks the index ix_task_name of task
        ```
    """

    between: Between
    what: str

    def __str__(self) -> str:
        return self.what


def find_drift(
    history: History,
    database: Database | None,
    metadata: MetaData,
    *,
    url: DatabaseURL,
    watcher: Watcher | None = None,
) -> list[Drift]:
    """Find the differences between models, history and database.

    Args:
        history: The history.
        database: The database; None to compare only the models with the history.
        metadata: The models' tables.
        url: The database system to replay the history in, and on PostgreSQL the server.
        watcher: Receives the progress of the replay.

    Returns:
        The differences; an empty list if there are none.

    Raises:
        MigrationError: The history cannot be replayed, or the database is ahead of it.

    Examples:
        ```python
        from pathlib import Path

        from colonnade.migrations import History, find_drift, models_of
        from colonnade.testing import Project

        with Path("app/models.py").open("a") as file:
            print("    weight: int | None = None", file=file)
        project = Project.find(Path.cwd())
        tables = models_of(project)
        url = project.choose_database().url
        for drift in find_drift(History(project), None, tables, url=url):
            print(drift)  # The history lacks the column task.weight
        ```
    """
    history.head()
    drifts: list[Drift] = []
    heads: tuple[str, ...] = history.heads
    if database is not None:
        with migration_connection(database) as connection:
            heads = known_heads(history, connection, database)
            behind = len(plan_revisions(history, "upgrade", "heads", heads))
        if behind:
            revisions = "revision" if behind == 1 else "revisions"
            drifts.append(
                Drift(
                    "database",
                    f"The database is {behind} {revisions} behind. Run `colonnade upgrade`.",
                )
            )
    with throwaway_database(url) as connection:
        schema_history = replay(history, connection, watcher=watcher)
        stored = _reflect(connection) if heads == history.heads else None
        models = differences(connection, metadata, schema_history=schema_history)
        drifts += [
            Drift("models", _describe_difference(model, "the history", "the models"))
            for model in models
        ]
    if database is not None:
        if stored is None:
            stored = _reflect_replay(history, url, heads)
        with migration_connection(database) as connection:
            descriptions = [_describe_difference(difference, "the database", "the history")
                    for difference in differences(connection, *stored)]  # fmt: skip
        drifts += [Drift("database", description) for description in descriptions]
    return drifts


def _reflect_replay(history: History, url: DatabaseURL, heads: tuple[str, ...]) -> Reflected:
    """Reflect the tables that a history creates up to some revisions."""
    with throwaway_database(url) as connection:
        for revision in heads:
            replay(history, connection, revision)
        return _reflect(connection)


def _reflect(connection: Connection) -> Reflected:
    metadata = MetaData()
    metadata.reflect(connection, only=application_tables(connection))
    stored = stored_tables(connection)
    connection.rollback()
    return metadata, stored


def differences(
    connection: Connection,
    metadata: MetaData,
    stored: Mapping[TableKey, StoredTable] | None = None,
    *,
    schema_history: SchemaHistory | None = None,
) -> Iterator[MigrateOperation]:
    """Yield the operations that would bring a database in line with a metadata.

    Args:
        connection: The database.
        metadata: The tables.
        stored: The tables as a database stores them, if the metadata was reflected from one:
            storing reflected tables again does not always have the same result (PostgreSQL adds
            casts to casts).
        schema_history: The history's definitions, if the database is a throwaway one that has
            replayed the history. Then tables that only the database has count as differences.
            None for a database in which other applications may have tables.
    """
    yield from _enum_differences(connection, metadata, schema_history)
    context = migration_context(connection, metadata, compare_all=schema_history is not None)
    context.opts["colonnade_stored"] = stored
    if schema_history is not None:
        context.opts["colonnade_schema_history"] = schema_history
    if schema_history is None:
        context.opts["include_object"] = _include_only(metadata)
    script = produce_migrations(context, metadata)
    connection.rollback()
    assert script.upgrade_ops is not None
    yield from flatten(script.upgrade_ops.ops)


def _enum_differences(
    connection: Connection, metadata: MetaData, schema_history: SchemaHistory | None
) -> Iterator[MigrateOperation]:
    """Yield the operations on enum types; in a throwaway database they are applied as well."""
    if schema_history is not None:
        before, after = enum_phases(connection, metadata, schema_history)
        apply(connection, before.upgrade, schema_history)
        yield from (*before.upgrade, *after.upgrade)
    elif connection.dialect.name == "postgresql":
        yield from enum_steps(enums_in(connection), metadata)


def database_drift(connection: Connection, metadata: MetaData) -> list[str]:
    """Describe how a database differs from a metadata; other tables are ignored.

    Args:
        connection: The database.
        metadata: The tables.

    Returns:
        The differences, one sentence each.

    Examples:
        ```python
        from colonnade import Database, Field, SQLModel
        from colonnade.migrations import database_drift


        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            title: str


        db = Database("sqlite://")
        with db.engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE task (id INTEGER PRIMARY KEY)")
            print(database_drift(connection, SQLModel.metadata))
            # ['The database lacks the column task.title']
        ```
    """
    return [
        _describe_difference(difference, "the database", "the models")
        for difference in differences(connection, metadata)
    ]


def _include_only(metadata: MetaData) -> Callable[..., bool]:
    """Return Alembic's ``include_object`` hook that ignores tables outside a metadata."""

    def is_in(_: object, name: str, kind: str, reflected: bool, __: object) -> bool:
        return kind != "table" or not reflected or name in metadata.tables

    return is_in


def _describe_difference(operation: MigrateOperation, side: str, other_side: str) -> str:
    """Describe the difference that an operation would remove."""
    side = side[0].upper() + side[1:]
    match operation:
        case safe_ops.EnumStep():
            return _describe_enum_step(operation, side, other_side)
        case safe_ops.ChangeKey() | safe_ops.ChangeComputed():
            return _describe_step(operation, side[0].lower() + side[1:], other_side)
        case ops.CreateTableOp():
            return f"{side} lacks the table {operation.table_name}"
        case ops.DropTableOp():
            return f"{side} has the table {operation.table_name}, which is not in {other_side}"
        case ops.AddColumnOp():
            return f"{side} lacks the column {operation.table_name}.{operation.column.name}"
        case ops.DropColumnOp():
            name = f"{operation.table_name}.{operation.column_name}"
            return f"{side} has the column {name}, which is not in {other_side}"
        case ops.CreateIndexOp():
            return f"{side} lacks the index {operation.index_name} of {operation.table_name}"
        case ops.DropIndexOp():
            table = str(operation.table_name)
            return f"{side} has the index {operation.index_name} of {table}, unlike {other_side}"
        case ops.AddConstraintOp():
            return f"{side} lacks {_constraint_name(operation)}, unlike {other_side}"
        case ops.DropConstraintOp():
            name = str(operation.constraint_name or f"a {operation.constraint_type} constraint")
            table = operation.table_name
            return f"{side} has the constraint {name} of {table}, unlike {other_side}"
        case ops.AlterColumnOp():
            return _describe_alteration(operation, side[0].lower() + side[1:], other_side)
    return describe(operation)


def _constraint_name(added: ops.AddConstraintOp) -> str:
    """Describe a constraint by its name, or an unnamed foreign key by its columns."""
    match added:
        case ops.CreateForeignKeyOp(constraint_name=None):
            columns = ", ".join(map(str, added.local_cols))
            return f"a foreign key of {added.source_table} ({columns} to {added.referent_table})"
    name: Any = getattr(added, "constraint_name", None)
    return f"the constraint {name} of {table_of(added)}"


def _describe_step(
    step: safe_ops.ChangeKey | safe_ops.ChangeComputed, side: str, other_side: str
) -> str:
    if isinstance(step, safe_ops.ChangeComputed):
        name = f"{step.table}.{step.column}"
        return f"{name} has another expression in {side} than in {other_side}"
    was, columns = ", ".join(step.was), ", ".join(step.columns)
    return f"The primary key of {step.table} is {was} in {side}, and {columns} in {other_side}"


def _describe_enum_step(step: safe_ops.EnumStep, side: str, other_side: str) -> str:
    match step:
        case safe_ops.ChangeEnum():
            side = side[0].lower() + side[1:]
            was, values = join_reprs(step.was), join_reprs(step.values)
            return (
                f"The type {step.name} has the values {was} in {side}, and {values} in {other_side}"
            )
        case safe_ops.DropEnum():
            return f"{side} has the type {step.name}, which is not in {other_side}"
    return f"{side} lacks the type {step.name}"


def _describe_alteration(alter: ops.AlterColumnOp, side: str, other_side: str) -> str:
    name = f"{alter.table_name}.{alter.column_name}"
    if alter.modify_type is not None:
        old, new = alter.existing_type, alter.modify_type
        return f"{name} has another type in {side} ({old!r}) than in {other_side} ({new!r})"
    if alter.modify_nullable is not None:
        strict, nullable = (side, other_side) if alter.modify_nullable else (other_side, side)
        return f"{name} is NOT NULL in {strict}, and nullable in {nullable}"
    if alter.modify_server_default is not False:
        return f"{name} has another default in {side} than in {other_side}"
    return f"{name} has another comment in {side} than in {other_side}"
