"""Migration steps that are safe on a table in use, and safe to run again after an interruption.

``colonnade migrate`` writes them. Use them the same way in a revision that you write by hand::

    from colonnade.migrations import steps

    def upgrade() -> None:
        steps.add_index("ix_task_due", "task", ["due"])

On PostgreSQL a step does its slow work without blocking writes, and commits the operations before
it to do so. On SQLite it is part of the revision's transaction. See ``docs/migrations.md``.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from alembic import op
from sqlalchemy.types import TypeEngine

from colonnade.migrations import operations
from colonnade.migrations.operations import BATCH_SIZE, BatchFunction, Condition, by_dialect

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
    """Rename a table; foreign keys, indexes and views follow.

    Args:
        table: The table.
        new: Its new name.
        schema: The table's schema, if it is not the default one.

    Examples:
        ```python
        from colonnade.migrations import steps


        def upgrade() -> None:
            steps.rename_table("task", "todo")


        def downgrade() -> None:
            steps.rename_table("todo", "task")
        ```
    """
    op.invoke(operations.RenameTable(table, new, schema=schema))


def rename_column(table: str, column: str, new: str, *, schema: str | None = None) -> None:
    """Rename a column; indexes, constraints and views follow.

    Args:
        table: The table.
        column: The column.
        new: Its new name.
        schema: The table's schema, if it is not the default one.

    Examples:
        ```python
        from colonnade.migrations import steps


        def upgrade() -> None:
            steps.rename_column("task", "title", "name")


        def downgrade() -> None:
            steps.rename_column("task", "name", "title")
        ```
    """
    op.invoke(operations.RenameColumn(table, column, new, schema=schema))


def rename_index(table: str, index: str, new: str, *, schema: str | None = None) -> None:
    """Rename an index.

    Args:
        table: The table of the index.
        index: The index.
        new: Its new name.
        schema: The table's schema, if it is not the default one.

    Examples:
        ```python
        from colonnade.migrations import steps


        def upgrade() -> None:
            steps.rename_index("task", "ix_task_status", "task_by_status")
        ```
    """
    op.invoke(operations.RenameIndex(table, index, new, schema=schema))


def rename_constraint(table: str, constraint: str, new: str, *, schema: str | None = None) -> None:
    """Rename a primary key, UNIQUE or foreign key constraint.

    Args:
        table: The table of the constraint.
        constraint: The constraint.
        new: Its new name.
        schema: The table's schema, if it is not the default one.

    Examples:
        ```python
        from colonnade.migrations import steps


        def upgrade() -> None:
            steps.rename_constraint("task", "uq_task_title", "task_title_key")
        ```
    """
    op.invoke(operations.RenameConstraint(table, constraint, new, schema=schema))


def create_schema(name: str) -> None:
    """Create a schema on PostgreSQL if it does not exist; SQLite has no schemas.

    Args:
        name: The schema.

    Examples:
        ```python
        from colonnade.migrations import steps


        def upgrade() -> None:
            steps.create_schema("archive")


        def downgrade() -> None:
            steps.drop_schema("archive")
        ```
    """
    op.invoke(operations.CreateSchema(name))


def drop_schema(name: str) -> None:
    """Drop a schema on PostgreSQL if it is empty.

    Args:
        name: The schema.

    Examples:
        ```python
        from colonnade.migrations import steps


        def upgrade() -> None:
            steps.drop_schema("archive")
        ```
    """
    op.invoke(operations.DropSchema(name))


def rename_check(
    table: str, check: str, new: str, condition: Condition, *, schema: str | None = None
) -> None:
    """Rename a CHECK constraint.

    Args:
        table: The table of the constraint.
        check: The constraint.
        new: Its new name.
        condition: The condition, as SQL, with which SQLite recreates the constraint.
        schema: The table's schema, if it is not the default one.

    Examples:
        ```python
        from colonnade.migrations import steps


        def upgrade() -> None:
            steps.rename_check("task", "ck_task_progress", "task_progress", "progress >= 0")
        ```
    """
    op.invoke(operations.RenameCheck(table, check, new, condition, schema=schema))


def put_aside(
    table: str, column: str, *, name: str | None = None, schema: str | None = None
) -> None:
    """Take a column out of use but keep its data: rename it and drop NOT NULL.

    Args:
        table: The table.
        column: The column.
        name: The column's new name. The default is ``<column>__dropped``.
        schema: The table's schema, if it is not the default one.

    Examples:
        ```python
        from colonnade.migrations import steps


        def upgrade() -> None:
            steps.put_aside("task", "priority")  # renames it to priority__dropped


        def downgrade() -> None:
            steps.take_back("task", "priority")
        ```
    """
    op.invoke(operations.PutAside(table, column, name=name, schema=schema))


def take_back(
    table: str, column: str, *, name: str | None = None, schema: str | None = None
) -> None:
    """Undo ``put_aside``; the column is NULL in rows written in the meantime.

    Args:
        table: The table.
        column: The original name of the column.
        name: The column's current name. The default is ``<column>__dropped``.
        schema: The table's schema, if it is not the default one.

    Examples:
        ```python
        from colonnade.migrations import steps


        def upgrade() -> None:
            steps.take_back("task", "legacy")
        ```
    """
    op.invoke(operations.TakeBack(table, column, name=name, schema=schema))


def fill(
    table: str,
    column: str,
    value: Any,
    *,
    schema: str | None = None,
    batch: int = BATCH_SIZE,
) -> None:
    """Set a column's NULLs to a value, in batches.

    Args:
        table: The table.
        column: The column.
        value: A string, number or bool; or SQL, such as ``sa.func.now()`` or
            ``sa.text("'2026-01-01'")``.
        schema: The table's schema, if it is not the default one.
        batch: The approximate number of rows per transaction.

    Examples:
        ```python
        from colonnade.migrations import steps


        def upgrade() -> None:
            steps.fill("task", "priority", "medium")
        ```
    """
    op.invoke(operations.Fill(table, column, value, schema=schema, batch=batch))


def map_values(
    table: str,
    column: str,
    values: Mapping[Any, Any],
    *,
    schema: str | None = None,
    batch: int = BATCH_SIZE,
) -> None:
    """Replace values of a column, in batches: ``{"canceled": "cancelled"}``.

    If a replacement is itself replaced, as in ``{"a": "b", "b": "a"}``, a single statement updates
    all rows.

    Args:
        table: The table.
        column: The column.
        values: The replacement for each old value.
        schema: The table's schema, if it is not the default one.
        batch: The approximate number of rows per transaction.

    Examples:
        ```python
        from colonnade.migrations import steps


        def upgrade() -> None:
            steps.map_values("task", "priority", {"urgent": "high", "minor": "low"})
        ```
    """
    op.invoke(operations.MapValues(table, column, values, schema=schema, batch=batch))


def change_type(
    table: str,
    column: str,
    type_: TypeEngine[Any],
    was: TypeEngine[Any],
    *,
    using: str | None = None,
    zone: str | None = None,
    default: Any = False,
    schema: str | None = None,
) -> None:
    """Change a column's type. PostgreSQL may have to rewrite the table.

    On SQLite, values are converted from the storage format of the old type. If a value cannot be
    converted, the step fails and changes nothing.

    Args:
        table: The table.
        column: The column.
        type_: The new type.
        was: The old type.
        using: The expression with which PostgreSQL converts a value, as SQL.
        zone: The time zone of the times without one, such as ``Europe/Berlin``, if the column gets
            or loses its time zone. On SQLite, too, the stored times are converted.
        default: The new server default, as SQL; None to drop it. The default is to keep it.
        schema: The table's schema, if it is not the default one.

    Examples:
        ```python
        import sqlalchemy as sa

        from colonnade.migrations import steps


        def upgrade() -> None:
            steps.change_type(
                "task", "estimate", sa.Integer(), sa.String(), using="estimate::integer"
            )


        def downgrade() -> None:
            steps.change_type("task", "estimate", sa.String(), sa.Integer())
        ```
    """
    op.invoke(
        operations.ChangeType(
            table, column, type_, was, using=using, zone=zone, default=default, schema=schema
        )
    )


def create_enum(name: str, values: Sequence[str], *, schema: str | None = None) -> None:
    """Create an enum type on PostgreSQL; SQLite has no enum types.

    Columns use it as ``sa.Enum(..., name=name, create_type=False)``.

    Args:
        name: The type.
        values: Its values, in order.
        schema: The type's schema, if it is not the default one.

    Examples:
        ```python
        from colonnade.migrations import steps


        def upgrade() -> None:
            steps.create_enum("priority", ["low", "medium", "high"])


        def downgrade() -> None:
            steps.drop_enum("priority", ["low", "medium", "high"])
        ```
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
    """Change the values of an enum type.

    Adding or renaming values alters the type in place. Removing or reordering values recreates the
    type and rewrites every table that uses it. If a row has a removed value without a replacement,
    the step fails and changes nothing.

    Args:
        name: The type.
        values: The new values, in order.
        was: The old values, in order.
        mapping: The replacement for each removed value: ``{"canceled": "cancelled"}``.
        columns: The columns that use the type: ``["task.status"]``. Only SQLite, which has no enum
            types, needs them to update their rows.
        schema: The type's schema, if it is not the default one.

    Examples:
        ```python
        from colonnade.migrations import steps


        def upgrade() -> None:
            steps.change_enum(
                "priority",
                ["low", "high"],
                ["low", "medium", "high"],
                mapping={"medium": "high"},
                columns=["task.priority"],
            )
        ```
    """
    op.invoke(
        operations.ChangeEnum(
            name, values, was, mapping=mapping or {}, columns=columns, schema=schema
        )
    )


def drop_enum(name: str, values: Sequence[str], *, schema: str | None = None) -> None:
    """Drop an enum type on PostgreSQL.

    Args:
        name: The type. The step fails if a column still uses it.
        values: The type's values, for readers of the revision.
        schema: The type's schema, if it is not the default one.

    Examples:
        ```python
        from colonnade.migrations import steps


        def upgrade() -> None:
            steps.drop_enum("priority", ["low", "medium", "high"])
        ```
    """
    op.invoke(operations.DropEnum(name, values, schema=schema))


def require(
    table: str, column: str, value: Any, *, schema: str | None = None, batch: int = BATCH_SIZE
) -> None:
    """Fill a column's NULLs, in batches, and set NOT NULL.

    On PostgreSQL the value is also the column's default until the step is done, for rows inserted
    by application code that does not know the column yet.

    Args:
        table: The table.
        column: The column.
        value: The value for existing rows, as in ``fill``.
        schema: The table's schema, if it is not the default one.
        batch: The approximate number of rows per transaction.

    Examples:
        ```python
        from colonnade.migrations import steps


        def upgrade() -> None:
            steps.require("task", "priority", "medium")


        def downgrade() -> None:
            steps.drop_not_null("task", "priority")
        ```
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
    """Change the expression of a computed column, or turn one into a plain column or back.

    Turning a plain column into a computed one loses its values.

    Args:
        table: The table.
        column: The column.
        type_: The new type.
        expression: The new expression, as SQL; None for a plain column.
        was_type: The old type.
        was: The old expression, as SQL; None for a plain column.
        schema: The table's schema, if it is not the default one.

    Examples:
        ```python
        import sqlalchemy as sa

        from colonnade.migrations import steps


        def upgrade() -> None:
            steps.change_computed(
                "task", "points", sa.Integer(), "progress * 3", sa.Integer(), "progress * 2"
            )
        ```
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
    """Change the columns of the primary key; on PostgreSQL its index is built CONCURRENTLY.

    Args:
        table: The table.
        columns: The columns of the new key.
        was: The columns of the old key.
        name: The name of the new key.
        was_name: The name of the old key.
        schema: The table's schema, if it is not the default one.

    Examples:
        ```python
        from colonnade.migrations import steps


        def upgrade() -> None:
            steps.change_key("assignment", ["task_id", "worker_id"], ["task_id"])


        def downgrade() -> None:
            steps.change_key("assignment", ["task_id"], ["task_id", "worker_id"])
        ```
    """
    op.invoke(
        operations.ChangeKey(table, columns, was, name=name, was_name=was_name, schema=schema)
    )


def set_default(
    table: str, column: str, default: Any, *, was: Any = None, schema: str | None = None
) -> None:
    """Change or drop a column's server default.

    Args:
        table: The table.
        column: The column.
        default: A string, number, bool or SQL; None to drop the default.
        was: The old default, for readers of the revision.
        schema: The table's schema, if it is not the default one.

    Examples:
        ```python
        from colonnade.migrations import steps


        def upgrade() -> None:
            steps.set_default("task", "status", "pending")


        def downgrade() -> None:
            steps.set_default("task", "status", None, was="pending")
        ```
    """
    op.invoke(operations.SetDefault(table, column, default, was=was, schema=schema))


def set_not_null(table: str, column: str, *, schema: str | None = None) -> None:
    """Set NOT NULL. If a row has NULL, the step fails and changes nothing.

    Args:
        table: The table.
        column: The column.
        schema: The table's schema, if it is not the default one.

    Examples:
        ```python
        from colonnade.migrations import steps


        def upgrade() -> None:
            steps.fill("task", "priority", "medium")
            steps.set_not_null("task", "priority")
        ```
    """
    op.invoke(operations.SetNotNull(table, column, schema=schema))


def drop_not_null(table: str, column: str, *, schema: str | None = None) -> None:
    """Drop NOT NULL.

    Args:
        table: The table.
        column: The column.
        schema: The table's schema, if it is not the default one.

    Examples:
        ```python
        from colonnade.migrations import steps


        def upgrade() -> None:
            steps.drop_not_null("task", "estimate")
        ```
    """
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
        name: The index's name.
        table: The table.
        columns: Column names or SQL expressions.
        unique: Whether the index is UNIQUE.
        options: Alembic's dialect-specific options: ``{"postgresql_using": "gin"}``.
        schema: The table's schema, if it is not the default one.

    Examples:
        ```python
        from colonnade.migrations import steps


        def upgrade() -> None:
            steps.add_index("ix_task_due", "task", ["due"])


        def downgrade() -> None:
            steps.drop_index("ix_task_due", "task")
        ```
    """
    op.invoke(
        operations.AddIndex(
            name, table, columns, unique=unique, options=options or {}, schema=schema
        )
    )


def drop_index(name: str, table: str, *, schema: str | None = None) -> None:
    """Drop an index, CONCURRENTLY on PostgreSQL.

    Args:
        name: The index's name.
        table: The table of the index.
        schema: The table's schema, if it is not the default one.

    Examples:
        ```python
        from colonnade.migrations import steps


        def upgrade() -> None:
            steps.drop_index("ix_task_status", "task")
        ```
    """
    op.invoke(operations.DropIndex(name, table, schema=schema))


def add_check(name: str, table: str, condition: Condition, *, schema: str | None = None) -> None:
    """Add a CHECK; on PostgreSQL it is added NOT VALID, then validated.

    Args:
        name: The constraint's name.
        table: The table.
        condition: The condition, as SQL, or ``by_dialect`` for a condition that differs.
        schema: The table's schema, if it is not the default one.

    Examples:
        ```python
        from colonnade.migrations import steps


        def upgrade() -> None:
            steps.add_check("ck_task_title_min_length", "task", "length(title) >= 1")


        def downgrade() -> None:
            steps.drop_check("ck_task_title_min_length", "task")
        ```
    """
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
    """Change the condition of a CHECK, without a moment in which the table has none.

    Args:
        name: The CHECK's name.
        table: The table.
        condition: The new condition.
        column: A column whose values are replaced to meet the condition.
        values: The replacement for each old value: ``{"canceled": "cancelled"}``. On PostgreSQL
            the new CHECK applies to new rows first; then existing rows are updated in batches.
        schema: The table's schema, if it is not the default one.

    Examples:
        ```python
        from colonnade.migrations import steps


        def upgrade() -> None:
            steps.replace_check(
                "ck_task_status",
                "task",
                "status IN ('pending', 'done', 'cancelled')",
                column="status",
                values={"canceled": "cancelled"},
            )
        ```
    """
    op.invoke(
        operations.ReplaceCheck(
            name, table, condition, column=column, values=values or {}, schema=schema
        )
    )


def drop_check(name: str, table: str, *, schema: str | None = None) -> None:
    """Drop a CHECK.

    Args:
        name: The constraint's name.
        table: The table.
        schema: The table's schema, if it is not the default one.

    Examples:
        ```python
        from colonnade.migrations import steps


        def upgrade() -> None:
            steps.drop_check("ck_task_progress", "task")
        ```
    """
    op.invoke(operations.DropCheck(name, table, schema=schema))


def add_unique(name: str, table: str, columns: Sequence[str], *, schema: str | None = None) -> None:
    """Add a UNIQUE constraint; on PostgreSQL its index is built CONCURRENTLY.

    Args:
        name: The constraint's name.
        table: The table.
        columns: The columns. If two rows have the same values, the step fails and changes nothing.
        schema: The table's schema, if it is not the default one.

    Examples:
        ```python
        from colonnade.migrations import steps


        def upgrade() -> None:
            steps.add_unique("uq_project_slug", "project", ["slug"])
        ```
    """
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
    """Add a foreign key; on PostgreSQL it is added NOT VALID, then validated.

    Args:
        name: The constraint's name.
        table: The table.
        columns: The columns of the table.
        target: The referenced table.
        target_columns: The referenced columns, in the same order.
        ondelete: What happens when the referenced row is deleted: ``CASCADE``, ``SET NULL`` or
            ``RESTRICT``.
        onupdate: What happens when the referenced key changes.
        deferrable: Whether the check can be deferred to the end of the transaction.
        initially: ``DEFERRED`` or ``IMMEDIATE``, for a deferrable constraint.
        schema: The table's schema, if it is not the default one.
        target_schema: The schema of the referenced table, if it is not the default one.

    Examples:
        ```python
        from colonnade.migrations import steps


        def upgrade() -> None:
            steps.add_foreign_key(
                "fk_task_project_id_project",
                "task",
                ["project_id"],
                "project",
                ["id"],
                ondelete="CASCADE",
            )


        def downgrade() -> None:
            steps.drop_foreign_key("fk_task_project_id_project", "task")
        ```
    """
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
    """Drop a foreign key.

    Args:
        name: The constraint's name.
        table: The table.
        schema: The table's schema, if it is not the default one.

    Examples:
        ```python
        from colonnade.migrations import steps


        def upgrade() -> None:
            steps.drop_foreign_key("fk_task_owner_id", "task")
        ```
    """
    op.invoke(operations.DropForeignKey(name, table, schema=schema))


def for_each_batch(
    table: str,
    work: BatchFunction,
    *,
    where: str | None = None,
    batch: int = 1000,
    schema: str | None = None,
) -> None:
    """Call a function with a table's rows, in batches, ordered by primary key.

    On PostgreSQL each batch is a transaction that also records the progress, so that the step
    resumes after an interruption. On SQLite all batches are part of the revision's transaction.

    Args:
        table: The table, which must have a primary key.
        work: The function, called with the connection and the rows of a batch.
        where: An SQL condition that selects rows. The default is all rows.
        batch: The number of rows in a batch.
        schema: The table's schema, if it is not the default one.

    Examples:
        ```python
        from collections.abc import Sequence

        import sqlalchemy as sa

        from colonnade.migrations import steps


        def shorten(connection: sa.Connection, rows: Sequence[sa.Row]) -> None:
            statement = sa.text("UPDATE task SET title = :title WHERE id = :id")
            for row in rows:
                connection.execute(statement, {"id": row.id, "title": row.title[:80]})


        def upgrade() -> None:
            steps.for_each_batch("task", shorten, where="length(title) > 80")
        ```
    """
    op.invoke(operations.ForEachBatch(table, work, where=where, batch=batch, schema=schema))
