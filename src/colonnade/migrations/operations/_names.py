"""Steps that rename database objects, and that put columns aside."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import sqlalchemy as sa
from alembic.operations import BatchOperations, Operations

from colonnade.errors import MigrationError
from colonnade.migrations.operations._base import (
    ASIDE_SUFFIX,
    Condition,
    Step,
    TableStep,
    alembic_condition,
    is_aside,
    literal,
    on_postgresql,
    quoted,
    run_sql,
)


@dataclass(frozen=True, eq=False)
class RenameTable(TableStep):
    """Rename a table; foreign keys, indexes and views follow."""

    function = "rename_table"
    description = "rename {0.table} to {0.new}"
    new: str

    def __str__(self) -> str:
        return f"put {self.table} aside" if is_aside(self.new) else super().__str__()

    def run(self, operations: Operations) -> None:
        new = quoted(operations, self.new)
        run_sql(operations, f"ALTER TABLE {self.sql_table(operations)} RENAME TO {new}")

    def reverse(self) -> Step:
        return RenameTable(self.new, self.table, schema=self.schema)


@dataclass(frozen=True, eq=False)
class RenameColumn(TableStep):
    """Rename a column; indexes and constraints follow."""

    function = "rename_column"
    description = "rename {0.table}.{0.column} to {0.new}"
    column: str
    new: str

    def run(self, operations: Operations) -> None:
        old, new = quoted(operations, self.column), quoted(operations, self.new)
        table = self.sql_table(operations)
        run_sql(operations, f"ALTER TABLE {table} RENAME COLUMN {old} TO {new}")

    def reverse(self) -> Step:
        return RenameColumn(self.table, self.new, self.column, schema=self.schema)


@dataclass(frozen=True, eq=False)
class CreateSchema(Step):
    """Create a schema on PostgreSQL if it does not exist; SQLite has no schemas."""

    function = "create_schema"
    description = "create schema {0.name}"
    name: str

    def run(self, operations: Operations) -> None:
        if on_postgresql(operations):
            run_sql(operations, f"CREATE SCHEMA IF NOT EXISTS {quoted(operations, self.name)}")

    def reverse(self) -> Step:
        return DropSchema(self.name)


@dataclass(frozen=True, eq=False)
class DropSchema(Step):
    """Drop a schema on PostgreSQL if it is empty."""

    function = "drop_schema"
    description = "drop schema {0.name}"
    name: str

    def run(self, operations: Operations) -> None:
        if not on_postgresql(operations):
            return
        schema, name = quoted(operations, self.name), literal(operations, self.name)
        run_sql(
            operations,
            f"DO $colonnade$ BEGIN IF NOT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n "
            f"ON n.oid = c.relnamespace WHERE n.nspname = {name}) "
            f"THEN DROP SCHEMA IF EXISTS {schema}; END IF; END $colonnade$",
        )

    def reverse(self) -> Step:
        return CreateSchema(self.name)


@dataclass(frozen=True, eq=False)
class RenameIndex(TableStep):
    """Rename an index."""

    function = "rename_index"
    description = "rename index {0.index} to {0.new}"
    index: str
    new: str

    def run(self, operations: Operations) -> None:
        if on_postgresql(operations):
            old = quoted(operations, self.index, self.schema)
            run_sql(operations, f"ALTER INDEX {old} RENAME TO {quoted(operations, self.new)}")
            return
        connection = operations.get_bind()
        sql = connection.scalar(
            sa.text("SELECT sql FROM sqlite_master WHERE type = 'index' AND name = :name"),
            {"name": self.index},
        )
        if sql is None:
            raise MigrationError(
                f"Cannot rename the index {self.index} of {self.table}: the database has no such "
                "index. Check the name, or remove the step from the revision."
            )
        on = sql.upper().index(" ON ")
        unique = "UNIQUE " if sql.upper().lstrip().startswith("CREATE UNIQUE") else ""
        run_sql(
            operations,
            f"DROP INDEX {quoted(operations, self.index)}",
            f"CREATE {unique}INDEX {quoted(operations, self.new)}{sql[on:]}",
        )


@dataclass(frozen=True, eq=False)
class RenameCheck(TableStep):
    """Rename a CHECK."""

    function = "rename_check"
    description = "rename {0.check} to {0.new}"
    check: str
    new: str
    condition: Condition

    def run(self, operations: Operations) -> None:
        if on_postgresql(operations):
            old, new = quoted(operations, self.check), quoted(operations, self.new)
            table = self.sql_table(operations)
            run_sql(operations, f"ALTER TABLE {table} RENAME CONSTRAINT {old} TO {new}")
            return
        with self.batch_alter(operations) as batch:
            batch.drop_constraint(self.check, type_="check")
            batch.create_check_constraint(self.new, alembic_condition(self.condition))


@dataclass(frozen=True, eq=False)
class RenameConstraint(TableStep):
    """Rename a primary key, UNIQUE or foreign key constraint."""

    function = "rename_constraint"
    description = "rename {0.constraint} to {0.new}"
    constraint: str
    new: str

    def run(self, operations: Operations) -> None:
        if on_postgresql(operations):
            old, new = quoted(operations, self.constraint), quoted(operations, self.new)
            table = self.sql_table(operations)
            run_sql(operations, f"ALTER TABLE {table} RENAME CONSTRAINT {old} TO {new}")
            return
        constraint = self._find_on_sqlite(operations)
        if constraint is not None:
            kind, recreate = constraint
            with self.batch_alter(operations) as batch:
                batch.drop_constraint(self.constraint, type_=kind)
                recreate(batch)

    def _find_on_sqlite(
        self, operations: Operations
    ) -> tuple[str, Callable[[BatchOperations], object]] | None:
        """Return the constraint's kind and a function that recreates it under the new name.

        None if the table has no constraint of the old name: SQLite's constraints may be unnamed.
        """
        inspector = sa.inspect(operations.get_bind())
        key = inspector.get_pk_constraint(self.table)
        if key["name"] == self.constraint:
            columns = key["constrained_columns"]
            return "primary", lambda batch: batch.create_primary_key(self.new, columns)
        for unique in inspector.get_unique_constraints(self.table):
            if unique["name"] == self.constraint:
                return "unique", partial(self._add_unique, columns=unique["column_names"])
        for foreign_key in inspector.get_foreign_keys(self.table):
            if foreign_key["name"] == self.constraint:
                return "foreignkey", partial(self._add_foreign_key, foreign_key=foreign_key)
        return None

    def _add_unique(self, batch: BatchOperations, *, columns: Any) -> None:
        batch.create_unique_constraint(self.new, columns)

    def _add_foreign_key(self, batch: BatchOperations, *, foreign_key: Any) -> None:
        batch.create_foreign_key(
            self.new,
            foreign_key["referred_table"],
            foreign_key["constrained_columns"],
            foreign_key["referred_columns"],
            **foreign_key.get("options", {}),
        )

    def reverse(self) -> Step:
        return RenameConstraint(self.table, self.new, self.constraint, schema=self.schema)


@dataclass(frozen=True, eq=False)
class AsideStep(TableStep):
    """Base class of the steps that put a column aside or restore it.

    Attributes:
        name: The column's name while it is aside; None for ``<column>__dropped``.
    """

    column: str
    name: str | None = field(default=None, kw_only=True)

    @property
    def aside(self) -> str:
        """The column's name while it is aside."""
        return self.name or f"{self.column}{ASIDE_SUFFIX}"


@dataclass(frozen=True, eq=False)
class PutAside(AsideStep):
    """Take a column out of use but keep its data: rename it and drop NOT NULL."""

    function = "put_aside"
    description = "put {0.table}.{0.column} aside"

    def run(self, operations: Operations) -> None:
        RenameColumn(self.table, self.column, self.aside, schema=self.schema).run(operations)
        if on_postgresql(operations):
            column = quoted(operations, self.aside)
            table = self.sql_table(operations)
            run_sql(operations, f"ALTER TABLE {table} ALTER COLUMN {column} DROP NOT NULL")
            return
        with self.batch_alter(operations) as batch:
            batch.alter_column(self.aside, nullable=True)


@dataclass(frozen=True, eq=False)
class TakeBack(AsideStep):
    """Restore a column that was put aside."""

    function = "take_back"
    description = "restore {0.table}.{0.column}"

    def run(self, operations: Operations) -> None:
        RenameColumn(self.table, self.aside, self.column, schema=self.schema).run(operations)
