"""Whether models, history and database agree, by replaying the history."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from alembic.autogenerate import produce_migrations
from alembic.operations import ops
from alembic.operations.ops import MigrateOperation
from sqlalchemy import Connection, MetaData

from colonnade.database import Database, DatabaseURL
from colonnade.migrations import operations as safe_ops
from colonnade.migrations._environment import OURS, fresh_context, opened
from colonnade.migrations._history import History
from colonnade.migrations.autogenerate._descriptions import describe, each, listed, table_of
from colonnade.migrations.autogenerate._enum_types import changes, enums_in, find_types
from colonnade.migrations.autogenerate._reflected import Key, Stored, stored_tables
from colonnade.migrations.autogenerate._revision_writer import apply, replay
from colonnade.migrations.autogenerate._schema_history import SchemaHistory
from colonnade.migrations.runner._migrate import heads_known
from colonnade.migrations.runner._runner import Watcher, plan
from colonnade.migrations.runner._throwaway_database import shadow

Between = Literal["models", "database"]
Reflected = tuple[MetaData, Mapping[Key, Stored]]


@dataclass(frozen=True)
class Drift:
    """One thing in which a side differs from the history.

    Attributes:
        between: Which side.
        what: The difference, in words.
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
    """Where models, history and database disagree.

    Args:
        history: The history.
        database: The database; None: models and history alone.
        metadata: The models' tables.
        url: The kind of database to replay in, and on PostgreSQL the server.
        watcher: Told how the replay goes.

    Raises:
        MigrationError: The history cannot be replayed, or the database is ahead of it.
    """
    history.head()
    drift: list[Drift] = []
    at: tuple[str, ...] = history.heads
    if database is not None:
        with opened(database) as connection:
            at = heads_known(history, connection, database)
            behind = len(plan(history, "upgrade", "heads", at))
        if behind:
            revisions = "revision" if behind == 1 else "revisions"
            drift.append(
                Drift("database", f"The database is {behind} {revisions} behind: colonnade upgrade")
            )
    with shadow(url) as connection:
        ledger = replay(history, connection, watcher=watcher)
        stored = _reflected(connection) if at == history.heads else None
        models = differences(connection, metadata, ledger=ledger)
        drift += [Drift("models", _said(model, "the history", "the models")) for model in models]
    if database is not None:
        if stored is None:
            stored = _replayed(history, url, at)
        with opened(database) as connection:
            descriptions = [_said(difference, "the database", "the history")
                    for difference in differences(connection, *stored)]  # fmt: skip
        drift += [Drift("database", description) for description in descriptions]
    return drift


def _replayed(history: History, url: DatabaseURL, at: tuple[str, ...]) -> Reflected:
    """The tables of a history as of a revision."""
    with shadow(url) as connection:
        for revision in at:
            replay(history, connection, revision)
        return _reflected(connection)


def _reflected(connection: Connection) -> Reflected:
    metadata = MetaData()
    metadata.reflect(connection, only=lambda name, _: name not in OURS)
    stored = stored_tables(connection)
    connection.rollback()
    return metadata, stored


def differences(
    connection: Connection,
    metadata: MetaData,
    stored: Mapping[Key, Stored] | None = None,
    *,
    ledger: SchemaHistory | None = None,
) -> Iterator[MigrateOperation]:
    """What would make a database as a metadata says.

    Args:
        connection: The database.
        metadata: The tables.
        stored: How a database has stored them, if one has: what is read from it and stored again
            is not always the same (PostgreSQL adds casts to casts).
        ledger: What the history said, which a throwaway database has replayed: what is only
            there is a difference too. None: a database that others may have tables in.
    """
    yield from _types(connection, metadata, ledger)
    context = fresh_context(connection, metadata, everything=ledger is not None)
    context.opts["colonnade_stored"] = stored
    if ledger is not None:
        context.opts["colonnade_ledger"] = ledger
    if ledger is None:
        context.opts["include_object"] = _is_in(metadata)
    script = produce_migrations(context, metadata)
    connection.rollback()
    assert script.upgrade_ops is not None
    yield from each(script.upgrade_ops.ops)


def _types(
    connection: Connection, metadata: MetaData, ledger: SchemaHistory | None
) -> Iterator[MigrateOperation]:
    """The enum types in which a database differs; a throwaway one has them as they are then."""
    if ledger is not None:
        operations = find_types(connection, metadata, ledger)
        apply(connection, operations.first, ledger)
        yield from (*operations.first, *operations.last)
    elif connection.dialect.name == "postgresql":
        yield from changes(enums_in(connection), metadata)


def database_drift(connection: Connection, metadata: MetaData) -> list[str]:
    """How a database differs from a metadata, in words; its other tables are not looked at.

    Args:
        connection: The database.
        metadata: The tables.
    """
    return [
        _said(difference, "the database", "the models")
        for difference in differences(connection, metadata)
    ]


def _is_in(metadata: MetaData) -> Callable[..., bool]:
    """Whether a table is one of a metadata's: what others have made is theirs."""

    def is_in(_: object, name: str, kind: str, reflected: bool, __: object) -> bool:
        return kind != "table" or not reflected or name in metadata.tables

    return is_in


def _said(operation: MigrateOperation, here: str, there: str) -> str:
    """What an operation that would make one side like the other says of the two."""
    here = here[0].upper() + here[1:]
    match operation:
        case safe_ops.EnumStep():
            return _said_of_type(operation, here, there)
        case safe_ops.ChangeKey() | safe_ops.ChangeComputed():
            return _said_of_step(operation, here[0].lower() + here[1:], there)
        case ops.CreateTableOp():
            return f"{here} lacks the table {operation.table_name}"
        case ops.DropTableOp():
            return f"{here} has the table {operation.table_name}, which is not in {there}"
        case ops.AddColumnOp():
            return f"{here} lacks the column {operation.table_name}.{operation.column.name}"
        case ops.DropColumnOp():
            name = f"{operation.table_name}.{operation.column_name}"
            return f"{here} has the column {name}, which is not in {there}"
        case ops.CreateIndexOp():
            return f"{here} lacks the index {operation.index_name} of {operation.table_name}"
        case ops.DropIndexOp():
            table = str(operation.table_name)
            return f"{here} has the index {operation.index_name} of {table}, unlike {there}"
        case ops.AddConstraintOp():
            return f"{here} lacks {_constraint(operation)}, unlike {there}"
        case ops.DropConstraintOp():
            name = str(operation.constraint_name or f"a {operation.constraint_type} constraint")
            table = operation.table_name
            return f"{here} has the constraint {name} of {table}, unlike {there}"
        case ops.AlterColumnOp():
            return f"{_different(operation)}, in {here[0].lower() + here[1:]} and in {there}"
    return describe(operation)


def _constraint(added: ops.AddConstraintOp) -> str:
    """A constraint as people know it."""
    match added:
        case ops.CreateForeignKeyOp(constraint_name=None):
            columns = ", ".join(map(str, added.local_cols))
            return f"a foreign key of {added.source_table} ({columns} to {added.referent_table})"
    name: Any = getattr(added, "constraint_name", None)
    return f"the constraint {name} of {table_of(added)}"


def _said_of_step(step: safe_ops.ChangeKey | safe_ops.ChangeComputed, here: str, there: str) -> str:
    if isinstance(step, safe_ops.ChangeComputed):
        name = f"{step.table}.{step.column}"
        return f"{name} is computed from something else in {here} than in {there}"
    was, columns = ", ".join(step.was), ", ".join(step.columns)
    return f"The primary key of {step.table} is {was} in {here}, and {columns} in {there}"


def _said_of_type(step: safe_ops.EnumStep, here: str, there: str) -> str:
    match step:
        case safe_ops.ChangeEnum():
            here = here[0].lower() + here[1:]
            was, values = listed(step.was), listed(step.values)
            return f"The type {step.name} has the values {was} in {here}, and {values} in {there}"
        case safe_ops.DropEnum():
            return f"{here} has the type {step.name}, which is not in {there}"
    return f"{here} lacks the type {step.name}"


def _different(alter: ops.AlterColumnOp) -> str:
    name = f"{alter.table_name}.{alter.column_name}"
    if alter.modify_type is not None:
        new = alter.modify_type
        return f"{name} has another type ({alter.existing_type!r}, {new!r})"
    if alter.modify_nullable is not None:
        return f"{name} is NOT NULL on one side alone"
    if alter.modify_server_default is not False:
        return f"{name} has another default"
    return f"{name} has another comment"
