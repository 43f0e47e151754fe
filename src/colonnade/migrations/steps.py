"""What a revision can do to a table in use, each safe and able to be run again.

``migrate`` writes them; in your own revision they are used the same way::

    from colonnade.migrations import steps

    def upgrade() -> None:
        steps.add_index("ix_task_due", "task", ["due"])

Each does on PostgreSQL its long part without making any write wait, for which it commits what
came before it; on SQLite it is part of the revision's transaction. See ``docs/migrations.md``.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from alembic import op
from sqlalchemy.types import TypeEngine

from colonnade.migrations import operations
from colonnade.migrations.operations import BATCH, Condition, Work, by_dialect

__all__ = [
    "add_check",
    "add_foreign_key",
    "add_index",
    "add_unique",
    "by_dialect",
    "change_computed",
    "change_enum",
    "change_key",
    "change_type",
    "create_enum",
    "create_schema",
    "drop_check",
    "drop_enum",
    "drop_foreign_key",
    "drop_index",
    "drop_not_null",
    "drop_schema",
    "fill",
    "for_each_batch",
    "map_values",
    "put_aside",
    "rename_check",
    "rename_column",
    "rename_constraint",
    "rename_index",
    "rename_table",
    "replace_check",
    "require",
    "set_default",
    "set_not_null",
    "take_back",
]


def rename_table(table: str, new: str, *, schema: str | None = None) -> None:
    """Give a table another name; foreign keys, indexes and views follow."""
    op.invoke(operations.RenameTable(table, new, schema=schema))


def rename_column(table: str, column: str, new: str, *, schema: str | None = None) -> None:
    """Give a column another name; indexes, constraints and views follow."""
    op.invoke(operations.RenameColumn(table, column, new, schema=schema))


def rename_index(table: str, index: str, new: str, *, schema: str | None = None) -> None:
    """Give an index another name."""
    op.invoke(operations.RenameIndex(table, index, new, schema=schema))


def rename_constraint(table: str, constraint: str, new: str, *, schema: str | None = None) -> None:
    """Give a primary key, a UNIQUE or a foreign key another name."""
    op.invoke(operations.RenameConstraint(table, constraint, new, schema=schema))


def create_schema(name: str) -> None:
    """Make a schema of PostgreSQL, unless it is there; SQLite has none."""
    op.invoke(operations.CreateSchema(name))


def drop_schema(name: str) -> None:
    """Drop a schema of PostgreSQL, unless something of others is in it."""
    op.invoke(operations.DropSchema(name))


def rename_check(
    table: str, check: str, new: str, condition: Condition, *, schema: str | None = None
) -> None:
    """Give a CHECK another name; SQLite needs its condition for that."""
    op.invoke(operations.RenameCheck(table, check, new, condition, schema=schema))


def put_aside(
    table: str, column: str, *, name: str | None = None, schema: str | None = None
) -> None:
    """Take a column out of use and keep what it holds, nullable and under another name.

    Args:
        table: The table.
        column: The column.
        name: The other name. The default is ``<column>__dropped``.
        schema: The table's, if it is not the default one.
    """
    op.invoke(operations.PutAside(table, column, name=name, schema=schema))


def take_back(
    table: str, column: str, *, name: str | None = None, schema: str | None = None
) -> None:
    """Undo ``put_aside``; rows written since have no value in it."""
    op.invoke(operations.TakeBack(table, column, name=name, schema=schema))


def fill(
    table: str,
    column: str,
    value: Any,
    *,
    schema: str | None = None,
    batch: int = BATCH,
) -> None:
    """Give a column's NULLs a value, in batches.

    Args:
        table: The table.
        column: The column.
        value: Text, a number or a bool; or SQL, such as ``sa.func.now()`` or
            ``sa.text("'2026-01-01'")``.
        schema: The table's, if it is not the default one.
        batch: Rows in one transaction, about.
    """
    op.invoke(operations.Fill(table, column, value, schema=schema, batch=batch))


def map_values(
    table: str,
    column: str,
    values: Mapping[Any, Any],
    *,
    schema: str | None = None,
    batch: int = BATCH,
) -> None:
    """Change values of a column to others, in batches: ``{"canceled": "cancelled"}``.

    In one statement where a value becomes one that becomes another: ``{"a": "b", "b": "a"}``.
    """
    op.invoke(operations.MapValues(table, column, values, schema=schema, batch=batch))


def change_type(
    table: str,
    column: str,
    type_: TypeEngine[Any],
    was: TypeEngine[Any],
    *,
    using: str | None = None,
    default: Any = False,
    schema: str | None = None,
) -> None:
    """Give a column another type. PostgreSQL may have to write the table anew for it.

    On SQLite its values are converted by the form in which the old type stores them. Fails, and
    leaves all as it was, where one cannot be.

    Args:
        table: The table.
        column: The column.
        type_: The new type.
        was: The type it had.
        using: How PostgreSQL makes a new value of an old one, as SQL.
        default: Its default in the database from then on, as SQL; None if it has none any more.
            The default is to leave it.
        schema: The table's, if it is not the default one.
    """
    op.invoke(
        operations.ChangeType(
            table, column, type_, was, using=using, default=default, schema=schema
        )
    )


def create_enum(name: str, values: Sequence[str], *, schema: str | None = None) -> None:
    """Make an enum type on PostgreSQL; SQLite has none.

    Columns have it as ``sa.Enum(..., name=name, create_type=False)``.
    """
    op.invoke(operations.CreateEnum(name, values, schema=schema))


def change_enum(
    name: str,
    values: Sequence[str],
    was: Sequence[str],
    *,
    mapping: Mapping[str, str] | None = None,
    columns: Sequence[str] = (),
    schema: str | None = None,
) -> None:
    """Give an enum type other values.

    Values that come, or are called something else, change the type alone. Where some go, or the
    order is another, every table that has the type is written anew. Fails, and leaves all as it
    was, where a row has a value that goes.

    Args:
        name: The type.
        values: Its values, in their order.
        was: Those it had.
        mapping: What values become that go: ``{"canceled": "cancelled"}``.
        columns: Which have it: ``["task.status"]``. PostgreSQL knows; on SQLite, which has no
            such types, these are the ones whose rows are changed.
        schema: The type's, if it is not the default one.
    """
    op.invoke(
        operations.ChangeEnum(
            name, values, was, mapping=mapping or {}, columns=columns, schema=schema
        )
    )


def drop_enum(name: str, values: Sequence[str], *, schema: str | None = None) -> None:
    """Drop an enum type on PostgreSQL.

    Args:
        name: The type. Fails where a column still has it.
        values: The values it had, for whoever reads the revision.
        schema: The type's, if it is not the default one.
    """
    op.invoke(operations.DropEnum(name, values, schema=schema))


def require(
    table: str, column: str, value: Any, *, schema: str | None = None, batch: int = BATCH
) -> None:
    """Have a column need a value, and give the rows that have none one, in batches.

    On PostgreSQL the value is the column's default meanwhile, for rows that are written by code
    that does not know the column yet.

    Args:
        table: The table.
        column: The column.
        value: As in ``fill``.
        schema: The table's, if it is not the default one.
        batch: Rows in one transaction, about.
    """
    op.invoke(operations.Require(table, column, value, schema=schema, batch=batch))


def change_computed(
    table: str,
    column: str,
    type_: TypeEngine[Any],
    expression: Condition | None,
    was_type: TypeEngine[Any],
    was: Condition | None,
    *,
    schema: str | None = None,
) -> None:
    """Have a computed column say something else, or make one a plain column and back.

    Args:
        table: The table.
        column: The column.
        type_: Its type.
        expression: What it is computed from, as SQL; None: it is a plain column from then on.
        was_type: The type it had.
        was: What it was computed from; None: it was a plain column, whose values are lost.
        schema: The table's, if it is not the default one.
    """
    op.invoke(
        operations.ChangeComputed(table, column, type_, expression, was_type, was, schema=schema)
    )


def change_key(
    table: str,
    columns: Sequence[str],
    was: Sequence[str],
    *,
    name: str | None = None,
    was_name: str | None = None,
    schema: str | None = None,
) -> None:
    """Make other columns the primary key; on PostgreSQL from an index built CONCURRENTLY.

    Args:
        table: The table.
        columns: The columns of the key.
        was: Those of the key that it has.
        name: The key's name.
        was_name: The name of the key that it has.
        schema: The table's, if it is not the default one.
    """
    op.invoke(
        operations.ChangeKey(table, columns, was, name=name, was_name=was_name, schema=schema)
    )


def set_default(
    table: str, column: str, default: Any, *, was: Any = None, schema: str | None = None
) -> None:
    """Give a column another default in the database.

    Args:
        table: The table.
        column: The column.
        default: Text, a number or a bool, or SQL; None: it has none any more.
        was: The default it had, for whoever reads the revision.
        schema: The table's, if it is not the default one.
    """
    op.invoke(operations.SetDefault(table, column, default, was=was, schema=schema))


def set_not_null(table: str, column: str, *, schema: str | None = None) -> None:
    """Have a column need a value. Fails, and leaves it as it was, where a row has none."""
    op.invoke(operations.SetNotNull(table, column, schema=schema))


def drop_not_null(table: str, column: str, *, schema: str | None = None) -> None:
    """Have a column need no value."""
    op.invoke(operations.DropNotNull(table, column, schema=schema))


def add_index(
    name: str,
    table: str,
    columns: Sequence[Any],
    *,
    unique: bool = False,
    options: Mapping[str, Any] | None = None,
    schema: str | None = None,
) -> None:
    """Add an index, CONCURRENTLY on PostgreSQL.

    Args:
        name: Its name.
        table: The table.
        columns: Names of columns, or SQL expressions.
        unique: Whether no two rows may have the same.
        options: Of one database, as Alembic has them: ``{"postgresql_using": "gin"}``.
        schema: The table's, if it is not the default one.
    """
    op.invoke(
        operations.AddIndex(
            name, table, columns, unique=unique, options=options or {}, schema=schema
        )
    )


def drop_index(name: str, table: str, *, schema: str | None = None) -> None:
    """Drop an index, CONCURRENTLY on PostgreSQL."""
    op.invoke(operations.DropIndex(name, table, schema=schema))


def add_check(name: str, table: str, condition: Condition, *, schema: str | None = None) -> None:
    """Add a CHECK: NOT VALID, then validated, on PostgreSQL."""
    op.invoke(operations.AddCheck(name, table, condition, schema=schema))


def replace_check(
    name: str,
    table: str,
    condition: Condition,
    *,
    column: str | None = None,
    values: Mapping[Any, Any] | None = None,
    schema: str | None = None,
) -> None:
    """Have a CHECK say something else; at no time is there none.

    Args:
        name: Its name.
        table: The table.
        condition: The condition.
        column: A column whose values become others, as the CHECK asks for.
        values: What they become: ``{"canceled": "cancelled"}``. On PostgreSQL the new CHECK holds
            for rows that are written from then on, then existing rows are changed, in batches.
        schema: The table's, if it is not the default one.
    """
    op.invoke(
        operations.ReplaceCheck(
            name, table, condition, column=column, values=values or {}, schema=schema
        )
    )


def drop_check(name: str, table: str, *, schema: str | None = None) -> None:
    """Drop a CHECK."""
    op.invoke(operations.DropCheck(name, table, schema=schema))


def add_unique(name: str, table: str, columns: Sequence[str], *, schema: str | None = None) -> None:
    """Add a UNIQUE constraint; on PostgreSQL from an index that is built CONCURRENTLY."""
    op.invoke(operations.AddUnique(name, table, columns, schema=schema))


def add_foreign_key(
    name: str,
    table: str,
    columns: Sequence[str],
    target: str,
    target_columns: Sequence[str],
    *,
    ondelete: str | None = None,
    onupdate: str | None = None,
    deferrable: bool | None = None,
    initially: str | None = None,
    schema: str | None = None,
    target_schema: str | None = None,
) -> None:
    """Add a foreign key: NOT VALID, then validated, on PostgreSQL."""
    op.invoke(
        operations.AddForeignKey(
            name,
            table,
            columns,
            target,
            target_columns,
            ondelete=ondelete,
            onupdate=onupdate,
            deferrable=deferrable,
            initially=initially,
            schema=schema,
            target_schema=target_schema,
        )
    )


def drop_foreign_key(name: str, table: str, *, schema: str | None = None) -> None:
    """Drop a foreign key."""
    op.invoke(operations.DropForeignKey(name, table, schema=schema))


def for_each_batch(
    table: str,
    work: Work,
    *,
    where: str | None = None,
    batch: int = 1000,
    schema: str | None = None,
) -> None:
    """Run a function over a table's rows, in the order of its key.

    On PostgreSQL each batch is a transaction, which also stores how far the work has come: after
    an interruption it goes on from there. On SQLite all is one transaction with the revision.

    Args:
        table: The table; it needs a primary key.
        work: Called with the connection and the rows of a batch.
        where: Which rows, as SQL. The default is all.
        batch: Rows in a batch.
        schema: The table's, if it is not the default one.
    """
    op.invoke(operations.ForEachBatch(table, work, where=where, batch=batch, schema=schema))
