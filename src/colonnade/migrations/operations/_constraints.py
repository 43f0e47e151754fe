"""Steps on indexes and constraints."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import sqlalchemy as sa
from alembic.operations import Operations
from sqlalchemy.sql.elements import conv

from colonnade.migrations.operations._base import (
    CommitsOnPostgreSQL,
    Condition,
    Step,
    TableStep,
    alembic_condition,
    condition_sql,
    on_postgresql,
    outside_transaction,
    quoted,
    run_sql,
    undo_on_failure,
)
from colonnade.migrations.operations._columns import DropNotNull, SetNotNull
from colonnade.migrations.operations._rows import MapValues
from colonnade.models import constraint_name


@dataclass(frozen=True, eq=False)
class AddIndex(CommitsOnPostgreSQL, Step):
    """Add an index without blocking writes."""

    function = "add_index"
    description = "add index {0.name}"
    name: str
    table: str
    columns: Sequence[Any]
    unique: bool = field(default=False, kw_only=True)
    options: Mapping[str, Any] = field(default_factory=dict, kw_only=True)

    def run(self, operations: Operations) -> None:
        keywords: dict[str, Any] = {"unique": self.unique, "schema": self.schema, **self.options}
        if not on_postgresql(operations):
            operations.create_index(self.name, self.table, list(self.columns), **keywords)
            return
        index = quoted(operations, self.name, self.schema)
        undo = f"DROP INDEX CONCURRENTLY IF EXISTS {index}"
        with (
            outside_transaction(operations, ignore_lock_timeout=True),
            undo_on_failure(operations, undo),
        ):
            if _drop_invalid_index(operations, self.name, self.schema):
                operations.create_index(
                    self.name,
                    self.table,
                    list(self.columns),
                    postgresql_concurrently=True,
                    **keywords,
                )


def _drop_invalid_index(operations: Operations, name: str, schema: str | None) -> bool:
    """Drop an invalid index left by an interrupted build; return whether to build the index."""
    context = operations.migration_context
    if context.as_sql or context.connection is None:
        return True
    index = quoted(operations, name, schema)
    valid = context.connection.scalar(
        sa.text("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)"),
        {"name": index},
    )
    if valid is False:
        run_sql(operations, f"DROP INDEX CONCURRENTLY {index}")
    return not valid


@dataclass(frozen=True, eq=False)
class DropIndex(CommitsOnPostgreSQL, Step):
    """Drop an index without blocking writes."""

    function = "drop_index"
    description = "drop index {0.name}"
    name: str
    table: str

    def run(self, operations: Operations) -> None:
        index = quoted(operations, self.name, self.schema)
        if not on_postgresql(operations):
            run_sql(operations, f"DROP INDEX {index}")
            return
        with outside_transaction(operations, ignore_lock_timeout=True):
            run_sql(operations, f"DROP INDEX CONCURRENTLY IF EXISTS {index}")


@dataclass(frozen=True, eq=False)
class AddCheck(CommitsOnPostgreSQL, Step):
    """Add a CHECK without blocking writes while existing rows are checked."""

    function = "add_check"
    description = "add {0.name} to {0.table}"
    name: str
    table: str
    condition: Condition

    replaces: ClassVar[bool] = False

    def run(self, operations: Operations) -> None:
        if not on_postgresql(operations):
            with self.batch_alter(operations) as batch:
                if self.replaces:
                    batch.drop_constraint(self.name, type_="check")
                batch.create_check_constraint(self.name, alembic_condition(self.condition))
            return
        definition = f"CHECK ({condition_sql(operations, self.condition)})"
        add_validated(
            operations, self.table, self.schema, self.name, definition, replaces=self.replaces
        )


@dataclass(frozen=True, eq=False)
class ReplaceCheck(AddCheck):
    """Change the condition of a CHECK, and replace the values that it no longer accepts.

    On PostgreSQL the new condition is enforced for new rows before existing rows are updated:
    otherwise a client that keeps writing the old values could keep this step from ever finishing.

    Attributes:
        column: The column whose values are replaced.
        values: The replacement for each old value.
    """

    function = "replace_check"
    description = "change {0.name}"
    replaces = True
    column: str | None = field(default=None, kw_only=True)
    values: Mapping[Any, Any] = field(default_factory=dict, kw_only=True)

    def run(self, operations: Operations) -> None:
        if self.column is None or not self.values:
            super().run(operations)
            return
        mapping = MapValues(self.table, self.column, self.values, schema=self.schema)
        if not on_postgresql(operations):
            checks = sa.inspect(operations.get_bind()).get_check_constraints(self.table)
            if self.name in {check["name"] for check in checks}:
                DropCheck(self.name, self.table, schema=self.schema).run(operations)
            mapping.run(operations)
            AddCheck(self.name, self.table, self.condition, schema=self.schema).run(operations)
            return
        definition = f"CHECK ({condition_sql(operations, self.condition)})"
        sql_table = quoted(operations, self.table, self.schema)
        sql_name = quoted(operations, self.name)
        with outside_transaction(operations):
            run_sql(operations, _add_not_valid_sql(sql_table, sql_name, definition))
            mapping.run_once(operations)
            run_sql(operations, f"ALTER TABLE {sql_table} VALIDATE CONSTRAINT {sql_name}")


@dataclass(frozen=True, eq=False)
class DropConstraint(Step):
    """Base class of the steps that drop a constraint."""

    description = "drop {0.name} from {0.table}"
    name: str
    table: str

    kind: ClassVar[Literal["check", "foreignkey"]]

    def run(self, operations: Operations) -> None:
        with self.batch_alter(operations) as batch:
            batch.drop_constraint(self.name, type_=self.kind)


@dataclass(frozen=True, eq=False)
class DropCheck(DropConstraint):
    """Drop a CHECK."""

    function = "drop_check"
    kind = "check"


def add_validated(
    operations: Operations,
    table: str,
    schema: str | None,
    name: str,
    definition: str,
    *,
    replaces: bool = False,
) -> None:
    """Add a constraint on PostgreSQL: NOT VALID first, then validated.

    Args:
        operations: Alembic's operations.
        table: The table.
        schema: The table's schema; None for the default schema.
        name: The constraint's name. A constraint that has it is dropped.
        definition: The constraint, as SQL.
        replaces: Whether the constraint replaces one of the same name, which cannot be restored
            if validation fails.
    """
    sql_table, sql_name = quoted(operations, table, schema), quoted(operations, name)
    undo = f"ALTER TABLE {sql_table} DROP CONSTRAINT IF EXISTS {sql_name}"
    if replaces:
        undo = "SELECT 1"  # the old constraint is gone, so the new one is kept
    with outside_transaction(operations), undo_on_failure(operations, undo):
        run_sql(
            operations,
            _add_not_valid_sql(sql_table, sql_name, definition),
            f"ALTER TABLE {sql_table} VALIDATE CONSTRAINT {sql_name}",
        )


def _add_not_valid_sql(table: str, name: str, definition: str) -> str:
    """Return the statement that adds or replaces a constraint and checks only new rows."""
    return (
        f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}, "
        f"ADD CONSTRAINT {name} {definition} NOT VALID"
    )


@dataclass(frozen=True, eq=False)
class AddForeignKey(CommitsOnPostgreSQL, Step):
    """Add a foreign key without blocking writes while existing rows are checked."""

    function = "add_foreign_key"
    description = "add {0.name} to {0.table}"
    name: str
    table: str
    columns: Sequence[str]
    target: str
    target_columns: Sequence[str]
    ondelete: str | None = field(default=None, kw_only=True)
    onupdate: str | None = field(default=None, kw_only=True)
    target_schema: str | None = field(default=None, kw_only=True)
    deferrable: bool | None = field(default=None, kw_only=True)
    initially: str | None = field(default=None, kw_only=True)

    def run(self, operations: Operations) -> None:
        if not on_postgresql(operations):
            with self.batch_alter(operations) as batch:
                batch.create_foreign_key(
                    self.name,
                    self.target,
                    list(self.columns),
                    list(self.target_columns),
                    ondelete=self.ondelete,
                    onupdate=self.onupdate,
                    deferrable=self.deferrable,
                    initially=self.initially,
                )
            return
        columns = ", ".join(quoted(operations, column) for column in self.columns)
        target_columns = ", ".join(quoted(operations, column) for column in self.target_columns)
        target = quoted(operations, self.target, self.target_schema)
        rules = "".join(
            f" ON {event} {rule}"
            for event, rule in (("DELETE", self.ondelete), ("UPDATE", self.onupdate))
            if rule
        )
        if self.deferrable is not None:
            rules += " DEFERRABLE" if self.deferrable else " NOT DEFERRABLE"
        rules += f" INITIALLY {self.initially}" if self.initially else ""
        definition = f"FOREIGN KEY ({columns}) REFERENCES {target} ({target_columns}){rules}"
        add_validated(operations, self.table, self.schema, self.name, definition)


@dataclass(frozen=True, eq=False)
class DropForeignKey(DropConstraint):
    """Drop a foreign key.

    An unnamed foreign key is identified by the name that the models' naming convention gives it,
    or that PostgreSQL, which names every constraint, gave it.
    """

    function = "drop_foreign_key"
    kind = "foreignkey"

    def run(self, operations: Operations) -> None:
        name = self.name
        if on_postgresql(operations):
            name = self._current_name(operations)
        with operations.batch_alter_table(
            self.table,
            schema=self.schema,
            naming_convention={
                "fk": _POSTGRESQL_FOREIGN_KEY if name.endswith("_fkey") else _FOREIGN_KEY
            },
        ) as batch:
            batch.drop_constraint(name, type_=self.kind)

    def _current_name(self, operations: Operations) -> str:
        context = operations.migration_context
        if context.as_sql or context.connection is None:
            return self.name
        keys = sa.inspect(context.connection).get_foreign_keys(self.table, self.schema)
        names = {
            constraint_name("fk", self.table, *key["constrained_columns"], key["referred_table"]):
            str(key["name"])
            for key in keys
        }  # fmt: skip
        is_there = self.name in names.values()
        return self.name if is_there else names.get(conv(self.name), self.name)


_FOREIGN_KEY = "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s"
_POSTGRESQL_FOREIGN_KEY = "%(table_name)s_%(column_0_N_name)s_fkey"
"""PostgreSQL's name for an unnamed key: see ``ChooseForeignKeyConstraintNameAddition``."""


@dataclass(frozen=True, eq=False)
class ChangeKey(CommitsOnPostgreSQL, TableStep):
    """Change the columns of the primary key.

    Attributes:
        columns: The columns of the new key.
        was: The columns of the old key.
        name: The name of the new key; None on SQLite if it has no name.
        was_name: The name of the old key.
    """

    function = "change_key"
    description = "change the primary key of {0.table}"
    columns: Sequence[str]
    was: Sequence[str]
    name: str | None = field(default=None, kw_only=True)
    was_name: str | None = field(default=None, kw_only=True)

    def run(self, operations: Operations) -> None:
        if not on_postgresql(operations):
            self._rebuild(operations)
            return
        name = self.name or f"{self.table}_pkey"
        index = f"{name[:57]}__new"
        for column in [column for column in self.columns if column not in self.was]:
            SetNotNull(self.table, column, schema=self.schema).run(operations)
        build = AddIndex(index, self.table, self.columns, unique=True, schema=self.schema)
        build.run(operations)
        table, key = self.sql_table(operations), quoted(operations, name)
        with outside_transaction(operations):
            if self._index_exists(operations, index):
                run_sql(
                    operations,
                    f"ALTER TABLE {table} {self._drop(operations)}"
                    f"ADD CONSTRAINT {key} PRIMARY KEY USING INDEX {quoted(operations, index)}",
                )
        for column in [column for column in self.was if column not in self.columns]:
            DropNotNull(self.table, column, schema=self.schema).run(operations)

    def _drop(self, operations: Operations) -> str:
        name = self.was_name or f"{self.table}_pkey"
        return f"DROP CONSTRAINT IF EXISTS {quoted(operations, name)}, "

    def _index_exists(self, operations: Operations, index: str) -> bool:
        """Return whether the index still exists, rather than having become the primary key."""
        context = operations.migration_context
        if context.as_sql or context.connection is None:
            return True
        parameters = {"name": quoted(operations, index, self.schema)}
        return (
            context.connection.scalar(sa.text("SELECT to_regclass(:name)"), parameters) is not None
        )

    def _rebuild(self, operations: Operations) -> None:
        name = self.name or f"pk_{self.table}"
        primary_key = sa.inspect(operations.get_bind()).get_pk_constraint(self.table)
        with self.batch_alter(operations) as batch:
            if primary_key["name"]:
                batch.drop_constraint(primary_key["name"], type_="primary")
            batch.create_primary_key(name, list(self.columns))
            for column in [column for column in self.columns if column not in self.was]:
                batch.alter_column(column, nullable=False)

    def reverse(self) -> Step:
        return ChangeKey(
            self.table,
            self.was,
            self.columns,
            name=self.was_name,
            was_name=self.name,
            schema=self.schema,
        )


@dataclass(frozen=True, eq=False)
class AddUnique(CommitsOnPostgreSQL, Step):
    """Add a UNIQUE constraint without blocking writes."""

    function = "add_unique"
    description = "add {0.name} to {0.table}"
    name: str
    table: str
    columns: Sequence[str]

    def run(self, operations: Operations) -> None:
        if not on_postgresql(operations):
            with self.batch_alter(operations) as batch:
                batch.create_unique_constraint(self.name, list(self.columns))
            return
        AddIndex(self.name, self.table, self.columns, unique=True, schema=self.schema).run(
            operations
        )
        table, name = quoted(operations, self.table, self.schema), quoted(operations, self.name)
        with outside_transaction(operations):
            if not self._exists(operations):
                run_sql(
                    operations,
                    f"ALTER TABLE {table} ADD CONSTRAINT {name} UNIQUE USING INDEX {name}",
                )

    def _exists(self, operations: Operations) -> bool:
        context = operations.migration_context
        if context.as_sql or context.connection is None:
            return False
        query = sa.text(
            "SELECT count(*) FROM pg_constraint WHERE conname = :name "
            "AND conrelid = to_regclass(:table)"
        )
        table = quoted(operations, self.table, self.schema)
        return bool(context.connection.scalar(query, {"name": self.name, "table": table}))
