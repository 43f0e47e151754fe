"""The foreign keys of a database and of the models, as steps that add them."""

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from alembic.operations import ops
from sqlalchemy import Connection, MetaData

from colonnade.migrations.autogenerate._reflected import TableKey
from colonnade.migrations.operations import AddForeignKey, DropForeignKey
from colonnade.models import constraint_name


def foreign_keys_in(connection: Connection, tables: Iterable[TableKey]) -> list[AddForeignKey]:
    """Return the named foreign keys of tables in a database."""
    inspector = sa.inspect(connection)
    return [
        foreign_key_of(key, name, schema)
        for schema, name in tables
        for key in inspector.get_foreign_keys(name, schema)
        if key["name"] is not None
    ]


def foreign_keys_of(metadata: MetaData) -> list[AddForeignKey]:
    """Return the named foreign keys of the models' tables."""
    return [
        AddForeignKey(
            str(key.name),
            table.name,
            [column.name for column in key.columns],
            element.column.table.name,
            [foreign_key.column.name for foreign_key in key.elements],
            ondelete=key.ondelete,
            onupdate=key.onupdate,
            deferrable=key.deferrable,
            initially=key.initially,
            schema=table.schema,
            target_schema=element.column.table.schema,
        )
        for table in metadata.tables.values()
        for key in table.foreign_key_constraints
        if key.name is not None and (element := key.elements[0])
    ]


def foreign_key_of(key: Any, table: str, schema: str | None) -> AddForeignKey:
    """Convert a foreign key, as reflected by SQLAlchemy's inspector, to a step."""
    options = key.get("options", {})
    return AddForeignKey(
        key["name"],
        table,
        key["constrained_columns"],
        key["referred_table"],
        key["referred_columns"],
        ondelete=options.get("ondelete"),
        onupdate=options.get("onupdate"),
        deferrable=options.get("deferrable"),
        initially=options.get("initially"),
        schema=schema,
        target_schema=key["referred_schema"],
    )


def name_foreign_keys(metadata: MetaData) -> None:
    """Name the unnamed foreign keys of a metadata, so that a migration can drop them."""
    for table in metadata.tables.values():
        for key in table.foreign_key_constraints:
            if key.name is None:
                columns = [column.name for column in key.columns]
                key.name = foreign_key_name(table.name, columns, key.referred_table.name)


def name_in_operations(modified: ops.ModifyTableOps) -> None:
    """Name the unnamed foreign keys in the operations on a table."""
    for index, operation in enumerate(modified.ops):
        match operation:
            case ops.CreateForeignKeyOp(constraint_name=None):
                operation.constraint_name = foreign_key_name(
                    operation.source_table, operation.local_cols, operation.referent_table
                )
            case ops.DropConstraintOp(constraint_name=None, constraint_type="foreignkey"):
                key: Any = operation.reverse()
                name = foreign_key_name(key.source_table, key.local_cols, key.referent_table)
                modified.ops[index] = DropForeignKey(
                    name, operation.table_name, schema=operation.schema
                )


def foreign_key_name(table: str, columns: Iterable[object], target: str) -> str:
    """Return the name of a foreign key by the models' naming convention."""
    return str(constraint_name("fk", table, *map(str, columns), target))


def foreign_key_step(added: ops.CreateForeignKeyOp) -> AddForeignKey:
    """Convert Alembic's operation to a step."""
    rules = {name: added.kw.get(name) for name in ("ondelete", "onupdate")}
    return AddForeignKey(
        str(added.constraint_name),
        added.source_table,
        [str(column) for column in added.local_cols],
        added.referent_table,
        [str(column) for column in added.remote_cols],
        **rules,
        deferrable=added.kw.get("deferrable"),
        initially=added.kw.get("initially"),
        schema=added.kw.get("source_schema"),
        target_schema=added.kw.get("referent_schema"),
    )
