"""Steps on what columns are: their types, their defaults, and whether they need a value."""

from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from alembic.operations import Operations
from sqlalchemy.types import TypeEngine

from colonnade.errors import MigrationError
from colonnade.migrations.operations._base import (
    BATCH,
    Concurrent,
    Condition,
    Step,
    TableStep,
    literal,
    on_postgresql,
    outside_transaction,
    quoted,
    run_sql,
    undone_on_failure,
)
from colonnade.migrations.operations._conversions import ELEMENTS, MAKE_ELEMENTS, conversion
from colonnade.migrations.operations._rows import Fill
from colonnade.migrations.operations._types import enum_key, plain_type
from colonnade.migrations.runner import _journal


@dataclass(frozen=True, eq=False)
class ChangeType(TableStep):
    """Give a column another type, and its values the form in which that stores them.

    Attributes:
        using: The new value as SQL of PostgreSQL; None: as PostgreSQL converts it by itself.
        default: The column's default in the database afterwards; False: as it is.
    """

    function = "change_type"
    words = "change the type of {0.table}.{0.column}"
    column: str
    type_: TypeEngine[Any]
    was: TypeEngine[Any]
    using: str | None = field(default=None, kw_only=True)
    default: Any = field(default=False, kw_only=True)

    def run(self, operations: Operations) -> None:
        if on_postgresql(operations):
            self._run_on_postgresql(operations)
            return
        self._check_values(operations)
        options = {} if self.default is False else {"server_default": self.default}
        impl: Any = operations.migration_context.impl
        impl.retyped = (self.column, self.was)
        try:
            with self.altering(operations) as batch:
                batch.alter_column(self.column, type_=self.type_, existing_type=self.was, **options)
        finally:
            impl.retyped = (None, None)

    def _run_on_postgresql(self, operations: Operations) -> None:
        self._check_values(operations)
        if self.using and ELEMENTS in self.using:
            run_sql(operations, MAKE_ELEMENTS)
        if self.default is not False:
            run_sql(operations, self._with_default(operations))
            return
        with self.altering(operations) as batch:
            batch.alter_column(
                self.column,
                type_=self.type_,
                existing_type=self.was,
                postgresql_using=self.using,
            )

    def _check_values(self, operations: Operations) -> None:
        """Have no value destroyed: SQLite takes anything for anything, PostgreSQL ``tomorrow``.

        What a revision says itself that values become is left to it.
        """
        connection = operations.migration_context.connection
        if operations.migration_context.as_sql or connection is None:
            return
        column, dialect = quoted(operations, self.column), connection.dialect.name
        converted = conversion(plain_type(self.was), plain_type(self.type_))
        usual = None if converted is None else converted.value("postgresql", column)
        if dialect == "postgresql" and (converted is None or self.using != usual):
            return  # what it cannot convert, it refuses
        unfit = (
            f"{column} IS NOT NULL" if converted is None else converted.unfit_rows(dialect, column)
        )
        if unfit is None or enum_key(self.was) or enum_key(self.type_):
            return
        query = f"SELECT {column} FROM {self.sql_table(operations)} WHERE {unfit} LIMIT 1"  # noqa: S608
        row = connection.exec_driver_sql(query).first()
        if row is not None:
            raise MigrationError(
                f"{self.table}.{self.column} holds {row[0]!r}, which cannot become "
                f"{self.type_!r}. Change such values first, or add a column of the new type."
            )

    def _with_default(self, operations: Operations) -> str:
        """All at once: PostgreSQL takes the old default away before, and sets the new one after."""
        column = quoted(operations, self.column)
        kind = self.type_.compile(dialect=operations.migration_context.dialect)
        changes = ["DROP DEFAULT", f"TYPE {kind} USING {self.using or f'{column}::{kind}'}"]
        if self.default is not None:
            changes.append(f"SET DEFAULT {literal(operations, self.default)}")
        altered = ", ".join(f"ALTER COLUMN {column} {change}" for change in changes)
        return f"ALTER TABLE {self.sql_table(operations)} {altered}"


@dataclass(frozen=True, eq=False)
class SetDefault(TableStep):
    """Give a column another default in the database, or none."""

    function = "set_default"
    words = "change the default of {0.table}.{0.column}"
    column: str
    default: Any
    was: Any = field(default=None, kw_only=True)

    def run(self, operations: Operations) -> None:
        if isinstance(self.default, sa.Identity) or isinstance(self.was, sa.Identity):
            self._change_identity(operations)
            return
        if not on_postgresql(operations):
            with self.altering(operations) as batch:
                batch.alter_column(self.column, server_default=self.default)
            return
        column = quoted(operations, self.column)
        drops = self.default is None
        change = "DROP DEFAULT" if drops else f"SET DEFAULT {literal(operations, self.default)}"
        run_sql(operations, f"ALTER TABLE {self.sql_table(operations)} ALTER {column} {change}")

    def _change_identity(self, operations: Operations) -> None:
        """An identity is PostgreSQL's alone: SQLite numbers its keys by itself."""
        if on_postgresql(operations):
            operations.alter_column(
                self.table,
                self.column,
                server_default=self.default,
                existing_server_default=self.was,
                schema=self.schema,
            )

    def reverse(self) -> Step:
        return SetDefault(self.table, self.column, self.was, was=self.default, schema=self.schema)


@dataclass(frozen=True, eq=False)
class ChangeComputed(TableStep):
    """Have a computed column say something else, or make one a plain column and back.

    Attributes:
        type_: The column's type.
        expression: What it is computed from; None: it is a plain column.
        was_type: Its type before.
        was: What it was computed from; None: it was a plain column.
    """

    function = "change_computed"
    words = "change what {0.table}.{0.column} is computed from"
    column: str
    type_: TypeEngine[Any]
    expression: Condition | None
    was_type: TypeEngine[Any]
    was: Condition | None

    def run(self, operations: Operations) -> None:
        if self.expression is None and on_postgresql(operations):
            column = quoted(operations, self.column)
            altered = f"ALTER TABLE {self.sql_table(operations)} ALTER {column} DROP EXPRESSION"
            run_sql(operations, altered)
            return
        with self.altering(operations) as batch:
            batch.drop_column(self.column)
        with self.altering(operations) as batch:
            batch.add_column(self._made())

    def _made(self) -> sa.Column[Any]:
        if self.expression is None:
            return sa.Column(self.column, self.type_)
        expression = self.expression
        text = (
            sa.text(expression.replace(":", "\\:")) if isinstance(expression, str) else expression
        )
        return sa.Column(self.column, self.type_, sa.Computed(text, persisted=True))

    def reverse(self) -> Step:
        return ChangeComputed(
            self.table,
            self.column,
            self.was_type,
            self.was,
            self.type_,
            self.expression,
            schema=self.schema,
        )


@dataclass(frozen=True, eq=False)
class SetNotNull(Concurrent, TableStep):
    """Have a column need a value; no write waits while its rows are looked at."""

    function = "set_not_null"
    words = "set NOT NULL of {0.table}.{0.column}"
    column: str

    def run(self, operations: Operations) -> None:
        if not on_postgresql(operations):
            with self.altering(operations) as batch:
                batch.alter_column(self.column, nullable=False)
            return
        with outside_transaction(operations), undone_on_failure(operations, self.undo(operations)):
            run_sql(operations, self.demand(operations), *self.settle(operations))

    def demand(self, operations: Operations) -> str:
        """What has every row that is written from now on need a value, on PostgreSQL."""
        table, column, name = self._names(operations)
        return (
            f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}, "
            f"ADD CONSTRAINT {name} CHECK ({column} IS NOT NULL) NOT VALID"
        )

    def settle(self, operations: Operations) -> tuple[str, ...]:
        """What makes the column NOT NULL, once each row has a value."""
        table, column, name = self._names(operations)
        return (
            f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}",
            f"ALTER TABLE {table} ALTER COLUMN {column} SET NOT NULL",
            f"ALTER TABLE {table} DROP CONSTRAINT {name}",
        )

    def undo(self, operations: Operations) -> str:
        """What takes ``demand`` back."""
        table, _, name = self._names(operations)
        return f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}"

    def _names(self, operations: Operations) -> tuple[str, str, str]:
        name = quoted(operations, f"nn_{self.table}_{self.column}"[:63])
        return self.sql_table(operations), quoted(operations, self.column), name


@dataclass(frozen=True, eq=False)
class Require(Concurrent, TableStep):
    """Have a column need a value, and give those that have none one.

    On PostgreSQL the value is the column's default meanwhile, for rows that are written by code
    that does not know the column yet.
    """

    function = "require"
    words = "require {0.table}.{0.column}"
    column: str
    value: Any
    batch: int = field(default=BATCH, kw_only=True)

    def run(self, operations: Operations) -> None:
        fill = Fill(self.table, self.column, self.value, schema=self.schema, batch=self.batch)
        strict = SetNotNull(self.table, self.column, schema=self.schema)
        if not on_postgresql(operations):
            fill.run(operations)
            strict.run(operations)
            return
        table, column = self.sql_table(operations), quoted(operations, self.column)
        alter = f"ALTER TABLE {table} ALTER COLUMN {column}"
        undo = [strict.undo(operations)]
        before = [strict.demand(operations)]
        if not self._has_default(operations):
            undo.append(f"{alter} DROP DEFAULT")
            before.insert(0, f"{alter} SET DEFAULT {literal(operations, self.value)}")
        # Rows written meanwhile need a value before the others are filled: else a client that
        # writes NULL could keep this from ever coming to an end.
        but = "the values that rows have been given"
        with outside_transaction(operations), undone_on_failure(operations, *undo, but=but):
            run_sql(operations, *before)
            fill.run(operations)
            run_sql(operations, *strict.settle(operations), *undo[1:])

    def _has_default(self, operations: Operations) -> bool:
        """Whether the column has a default to keep: not one that an interrupted run has set."""
        context = operations.migration_context
        if context.as_sql or context.connection is None:
            return False
        journal = _journal.journal_of(context)
        if journal is not None and journal.resumed is not None:
            return bool(journal.resumed == "own")
        query = sa.text(
            "SELECT count(*) FROM pg_attrdef d JOIN pg_attribute a "
            "ON a.attrelid = d.adrelid AND a.attnum = d.adnum "
            "WHERE a.attrelid = to_regclass(:table) AND a.attname = :column"
        )
        there = {"table": self.sql_table(operations), "column": self.column}
        has_default = bool(context.connection.scalar(query, there))
        if journal is not None:
            journal.mark(journal.step, "own" if has_default else "set")
        return has_default


@dataclass(frozen=True, eq=False)
class DropNotNull(TableStep):
    """Have a column need no value."""

    function = "drop_not_null"
    words = "drop NOT NULL of {0.table}.{0.column}"
    column: str

    def run(self, operations: Operations) -> None:
        with self.altering(operations) as batch:
            batch.alter_column(self.column, nullable=True)
