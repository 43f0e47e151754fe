"""Steps that give things other names, or put them aside."""

from dataclasses import dataclass

import sqlalchemy as sa
from alembic.operations import Operations

from colonnade.errors import MigrationError
from colonnade.migrations._step import (
    ASIDE,
    Condition,
    Step,
    TableStep,
    checkable,
    on_postgresql,
    quoted,
    run_sql,
)


@dataclass(frozen=True, eq=False)
class RenameTable(TableStep):
    """Give a table another name; what refers to it follows."""

    function = "rename_table"
    words = "rename {0.table} to {0.new}"
    new: str

    def __str__(self) -> str:
        return f"put {self.table} aside" if self.new.endswith(ASIDE) else super().__str__()

    def run(self, operations: Operations) -> None:
        new = quoted(operations, self.new)
        run_sql(operations, f"ALTER TABLE {self.sql_table(operations)} RENAME TO {new}")

    def reverse(self) -> Step:
        return RenameTable(self.new, self.table, schema=self.schema)


@dataclass(frozen=True, eq=False)
class RenameColumn(TableStep):
    """Give a column another name; indexes and constraints follow."""

    function = "rename_column"
    words = "rename {0.table}.{0.column} to {0.new}"
    column: str
    new: str

    def run(self, operations: Operations) -> None:
        old, new = quoted(operations, self.column), quoted(operations, self.new)
        table = self.sql_table(operations)
        run_sql(operations, f"ALTER TABLE {table} RENAME COLUMN {old} TO {new}")

    def reverse(self) -> Step:
        return RenameColumn(self.table, self.new, self.column, schema=self.schema)


@dataclass(frozen=True, eq=False)
class RenameIndex(TableStep):
    """Give an index another name."""

    function = "rename_index"
    words = "rename index {0.index} to {0.new}"
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
            raise MigrationError(f"There is no index {self.index} on {self.table}.")
        on = sql.upper().index(" ON ")
        unique = "UNIQUE " if sql.upper().lstrip().startswith("CREATE UNIQUE") else ""
        run_sql(
            operations,
            f"DROP INDEX {quoted(operations, self.index)}",
            f"CREATE {unique}INDEX {quoted(operations, self.new)}{sql[on:]}",
        )


@dataclass(frozen=True, eq=False)
class RenameCheck(TableStep):
    """Give a CHECK another name."""

    function = "rename_check"
    words = "rename {0.check} to {0.new}"
    check: str
    new: str
    condition: Condition

    def run(self, operations: Operations) -> None:
        if on_postgresql(operations):
            old, new = quoted(operations, self.check), quoted(operations, self.new)
            table = self.sql_table(operations)
            run_sql(operations, f"ALTER TABLE {table} RENAME CONSTRAINT {old} TO {new}")
            return
        with self.altering(operations) as batch:
            batch.drop_constraint(self.check, type_="check")
            batch.create_check_constraint(self.new, checkable(self.condition))


@dataclass(frozen=True, eq=False)
class PutAside(TableStep):
    """Take a column out of use without losing it: another name, and no value needed."""

    function = "put_aside"
    words = "put {0.table}.{0.column} aside"
    column: str

    def run(self, operations: Operations) -> None:
        aside = f"{self.column}{ASIDE}"
        RenameColumn(self.table, self.column, aside, schema=self.schema).run(operations)
        if on_postgresql(operations):
            column = quoted(operations, aside)
            table = self.sql_table(operations)
            run_sql(operations, f"ALTER TABLE {table} ALTER COLUMN {column} DROP NOT NULL")
            return
        with self.altering(operations) as batch:
            batch.alter_column(aside, nullable=True)


@dataclass(frozen=True, eq=False)
class TakeBack(TableStep):
    """Have a column in use again that was put aside."""

    function = "take_back"
    words = "take {0.table}.{0.column} back"
    column: str

    def run(self, operations: Operations) -> None:
        aside = f"{self.column}{ASIDE}"
        RenameColumn(self.table, aside, self.column, schema=self.schema).run(operations)
