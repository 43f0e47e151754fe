"""Steps on columns: their types, server defaults, expressions and NOT NULL."""

from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from alembic.operations import Operations
from sqlalchemy.types import TypeEngine

from colonnade.errors import MigrationError
from colonnade.migrations.operations._base import (
    BATCH_SIZE,
    CommitsOnPostgreSQL,
    Condition,
    Step,
    TableStep,
    literal,
    on_postgresql,
    outside_transaction,
    quoted,
    run_sql,
    undo_on_failure,
)
from colonnade.migrations.operations._conversions import (
    CREATE_JSON_TO_ARRAY,
    JSON_TO_ARRAY,
    Conversion,
    conversion,
)
from colonnade.migrations.operations._progress import journal_of
from colonnade.migrations.operations._rows import Fill
from colonnade.migrations.operations._time_zones import (
    changes_time_zone,
    check_zone,
    define_time_zone_functions,
)
from colonnade.migrations.operations._types import enum_key, plain_type, postgresql_name


@dataclass(frozen=True, eq=False)
class ChangeType(TableStep):
    """Change a column's type and convert its values.

    Attributes:
        using: The USING expression on PostgreSQL; None for PostgreSQL's default conversion.
        zone: The time zone of the times without one, if the column gets or loses its time zone.
        default: The new server default; False to keep the current one.
    """

    function = "change_type"
    description = "change the type of {0.table}.{0.column}"
    column: str
    type_: TypeEngine[Any]
    was: TypeEngine[Any]
    using: str | None = field(default=None, kw_only=True)
    zone: str | None = field(default=None, kw_only=True)
    default: Any = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        if self.zone is None:
            return
        check_zone(self.zone)
        if not changes_time_zone(plain_type(self.was), plain_type(self.type_)):
            raise MigrationError(
                f"{self.table}.{self.column}: zone applies only if a column of times gets or loses "
                f"its time zone, and {self.was!r} becomes {self.type_!r}. Remove the argument."
            )

    @property
    def expression(self) -> str | None:
        """The USING expression on PostgreSQL, also that of `zone`."""
        if self.zone is None or self.using is not None:
            return self.using
        converted = self.conversion()
        if converted is None:
            return None
        return converted.value("postgresql", postgresql_name(self.column))

    def conversion(self) -> Conversion | None:
        """How the values are converted; None if they cannot be."""
        return conversion(plain_type(self.was), plain_type(self.type_), self.zone or "UTC")

    def run(self, operations: Operations) -> None:
        if on_postgresql(operations):
            self._run_on_postgresql(operations)
            return
        self._check_values(operations)
        options = {} if self.default is False else {"server_default": self.default}
        impl: Any = operations.migration_context.impl
        impl.changed_type = self
        try:
            with self.batch_alter(operations) as batch:
                batch.alter_column(self.column, type_=self.type_, existing_type=self.was, **options)
        finally:
            impl.changed_type = None

    def _run_on_postgresql(self, operations: Operations) -> None:
        self._check_values(operations)
        if self.expression and JSON_TO_ARRAY in self.expression:
            run_sql(operations, CREATE_JSON_TO_ARRAY)
        if self.default is not False:
            run_sql(operations, self._with_default(operations))
            return
        with self.batch_alter(operations) as batch:
            batch.alter_column(
                self.column,
                type_=self.type_,
                existing_type=self.was,
                postgresql_using=self.expression,
            )

    def _check_values(self, operations: Operations) -> None:
        """Refuse to convert a value that the new type cannot represent.

        SQLite would convert any value, and PostgreSQL accepts text such as ``tomorrow`` as a date.
        A hand-written USING expression is not checked.

        Raises:
            MigrationError: A row holds such a value.
        """
        connection = operations.migration_context.connection
        if operations.migration_context.as_sql or connection is None:
            return
        column, dialect = quoted(operations, self.column), connection.dialect.name
        if dialect == "sqlite":
            define_time_zone_functions(connection)
        type_conversion = self.conversion()
        usual = None if type_conversion is None else type_conversion.value("postgresql", column)
        if dialect == "postgresql" and (type_conversion is None or self.expression != usual):
            return  # PostgreSQL itself refuses values that it cannot convert
        unconvertible = (
            f"{column} IS NOT NULL"
            if type_conversion is None
            else type_conversion.unconvertible_rows(dialect, column)
        )
        if unconvertible is None or enum_key(self.was) or enum_key(self.type_):
            return
        query = f"SELECT {column} FROM {self.sql_table(operations)} WHERE {unconvertible} LIMIT 1"  # noqa: S608
        row = connection.exec_driver_sql(query).first()
        if row is not None:
            raise MigrationError(
                f"Cannot change the type of {self.table}.{self.column}: the value {row[0]!r} "
                f"cannot be converted to {self.type_!r}. Change such values first, or add a new "
                "column of that type."
            )

    def _with_default(self, operations: Operations) -> str:
        """Change the type and the default in one statement.

        PostgreSQL could not convert the old default, and the new one does not fit the old type.
        """
        column = quoted(operations, self.column)
        type_sql = self.type_.compile(dialect=operations.migration_context.dialect)
        changes = [
            "DROP DEFAULT",
            f"TYPE {type_sql} USING {self.expression or f'{column}::{type_sql}'}",
        ]
        if self.default is not None:
            changes.append(f"SET DEFAULT {literal(operations, self.default)}")
        altered = ", ".join(f"ALTER COLUMN {column} {change}" for change in changes)
        return f"ALTER TABLE {self.sql_table(operations)} {altered}"


@dataclass(frozen=True, eq=False)
class SetDefault(TableStep):
    """Change or drop a column's server default."""

    function = "set_default"
    description = "change the default of {0.table}.{0.column}"
    column: str
    default: Any
    was: Any = field(default=None, kw_only=True)

    def run(self, operations: Operations) -> None:
        if isinstance(self.default, sa.Identity) or isinstance(self.was, sa.Identity):
            self._change_identity(operations)
            return
        if not on_postgresql(operations):
            with self.batch_alter(operations) as batch:
                batch.alter_column(self.column, server_default=self.default)
            return
        column = quoted(operations, self.column)
        drops = self.default is None
        change = "DROP DEFAULT" if drops else f"SET DEFAULT {literal(operations, self.default)}"
        run_sql(operations, f"ALTER TABLE {self.sql_table(operations)} ALTER {column} {change}")

    def _change_identity(self, operations: Operations) -> None:
        """Add or drop an identity, on PostgreSQL only: SQLite numbers its keys by itself."""
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
    """Change the expression of a computed column, or turn one into a plain column or back.

    Attributes:
        type_: The new type.
        expression: The new expression; None for a plain column.
        was_type: The old type.
        was: The old expression; None for a plain column.
    """

    function = "change_computed"
    description = "change the expression of {0.table}.{0.column}"
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
        with self.batch_alter(operations) as batch:
            batch.drop_column(self.column)
        with self.batch_alter(operations) as batch:
            batch.add_column(self._new_column())

    def _new_column(self) -> sa.Column[Any]:
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
class SetNotNull(CommitsOnPostgreSQL, TableStep):
    """Set NOT NULL without blocking writes while existing rows are checked."""

    function = "set_not_null"
    description = "set NOT NULL on {0.table}.{0.column}"
    column: str

    def run(self, operations: Operations) -> None:
        if not on_postgresql(operations):
            with self.batch_alter(operations) as batch:
                batch.alter_column(self.column, nullable=False)
            return
        with (
            outside_transaction(operations),
            undo_on_failure(operations, self.drop_check_sql(operations)),
        ):
            run_sql(
                operations,
                self.require_new_rows_sql(operations),
                *self.set_not_null_sql(operations),
            )

    def require_new_rows_sql(self, operations: Operations) -> str:
        """Return the statement that refuses NULL in new rows, on PostgreSQL."""
        table, column, name = self._names(operations)
        return (
            f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}, "
            f"ADD CONSTRAINT {name} CHECK ({column} IS NOT NULL) NOT VALID"
        )

    def set_not_null_sql(self, operations: Operations) -> tuple[str, ...]:
        """Return the statements that set NOT NULL once every row has a value."""
        table, column, name = self._names(operations)
        return (
            f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}",
            f"ALTER TABLE {table} ALTER COLUMN {column} SET NOT NULL",
            f"ALTER TABLE {table} DROP CONSTRAINT {name}",
        )

    def drop_check_sql(self, operations: Operations) -> str:
        """Return the statement that undoes ``require_new_rows_sql``."""
        table, _, name = self._names(operations)
        return f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}"

    def _names(self, operations: Operations) -> tuple[str, str, str]:
        name = quoted(operations, f"nn_{self.table}_{self.column}"[:63])
        return self.sql_table(operations), quoted(operations, self.column), name


@dataclass(frozen=True, eq=False)
class Require(CommitsOnPostgreSQL, TableStep):
    """Fill a column's NULLs and set NOT NULL.

    On PostgreSQL the value is also the column's default until the step is done, for rows inserted
    by application code that does not know the column yet.
    """

    function = "require"
    description = "make {0.table}.{0.column} required"
    column: str
    value: Any
    batch: int = field(default=BATCH_SIZE, kw_only=True)

    def run(self, operations: Operations) -> None:
        fill = Fill(self.table, self.column, self.value, schema=self.schema, batch=self.batch)
        strict = SetNotNull(self.table, self.column, schema=self.schema)
        if not on_postgresql(operations):
            fill.run(operations)
            strict.run(operations)
            return
        table, column = self.sql_table(operations), quoted(operations, self.column)
        alter = f"ALTER TABLE {table} ALTER COLUMN {column}"
        undo = [strict.drop_check_sql(operations)]
        before = [strict.require_new_rows_sql(operations)]
        if not self._has_default(operations):
            undo.append(f"{alter} DROP DEFAULT")
            before.insert(0, f"{alter} SET DEFAULT {literal(operations, self.value)}")
        # New rows are checked before existing ones are filled: otherwise a client that keeps
        # inserting NULLs could keep this step from ever finishing.
        remains = "the values already filled in"
        with outside_transaction(operations), undo_on_failure(operations, *undo, remains=remains):
            run_sql(operations, *before)
            fill.run(operations)
            run_sql(operations, *strict.set_not_null_sql(operations), *undo[1:])

    def _has_default(self, operations: Operations) -> bool:
        """Return whether the column has a default to keep.

        A default set by an interrupted run of this step does not count.
        """
        context = operations.migration_context
        if context.as_sql or context.connection is None:
            return False
        journal = journal_of(context)
        if journal is not None and journal.resume_position is not None:
            return bool(journal.resume_position == "own")
        query = sa.text(
            "SELECT count(*) FROM pg_attrdef d JOIN pg_attribute a "
            "ON a.attrelid = d.adrelid AND a.attnum = d.adnum "
            "WHERE a.attrelid = to_regclass(:table) AND a.attname = :column"
        )
        parameters = {"table": self.sql_table(operations), "column": self.column}
        has_default = bool(context.connection.scalar(query, parameters))
        if journal is not None:
            journal.save(journal.step, "own" if has_default else "set")
        return has_default


@dataclass(frozen=True, eq=False)
class DropNotNull(TableStep):
    """Drop NOT NULL."""

    function = "drop_not_null"
    description = "drop NOT NULL on {0.table}.{0.column}"
    column: str

    def run(self, operations: Operations) -> None:
        with self.batch_alter(operations) as batch:
            batch.alter_column(self.column, nullable=True)
