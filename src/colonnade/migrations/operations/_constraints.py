"""Steps on indexes and constraints."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import sqlalchemy as sa
from alembic.operations import Operations
from sqlalchemy.sql.elements import conv

from colonnade.migrations.operations._base import (
    Concurrent,
    Condition,
    Step,
    TableStep,
    checkable,
    condition_text,
    on_postgresql,
    outside_transaction,
    quoted,
    run_sql,
    undone_on_failure,
)
from colonnade.migrations.operations._columns import DropNotNull, SetNotNull
from colonnade.migrations.operations._rows import MapValues
from colonnade.models import constraint_name


@dataclass(frozen=True, eq=False)
class AddIndex(Concurrent, Step):
    """Add an index while the table is written to."""

    function = "add_index"
    words = "add index {0.name}"
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
        with outside_transaction(operations, patient=True), undone_on_failure(operations, undo):
            if _drop_unfinished(operations, self.name, self.schema):
                operations.create_index(
                    self.name,
                    self.table,
                    list(self.columns),
                    postgresql_concurrently=True,
                    **keywords,
                )


def _drop_unfinished(operations: Operations, name: str, schema: str | None) -> bool:
    """Drop an index that an interrupted build left behind; whether it must be built."""
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
class DropIndex(Concurrent, Step):
    """Drop an index while the table is written to."""

    function = "drop_index"
    words = "drop index {0.name}"
    name: str
    table: str

    def run(self, operations: Operations) -> None:
        index = quoted(operations, self.name, self.schema)
        if not on_postgresql(operations):
            run_sql(operations, f"DROP INDEX {index}")
            return
        with outside_transaction(operations, patient=True):
            run_sql(operations, f"DROP INDEX CONCURRENTLY IF EXISTS {index}")


@dataclass(frozen=True, eq=False)
class AddCheck(Concurrent, Step):
    """Add a CHECK; rows that are there already are looked at while others are written."""

    function = "add_check"
    words = "add {0.name} to {0.table}"
    name: str
    table: str
    condition: Condition

    replaces: ClassVar[bool] = False

    def run(self, operations: Operations) -> None:
        if not on_postgresql(operations):
            with self.altering(operations) as batch:
                if self.replaces:
                    batch.drop_constraint(self.name, type_="check")
                batch.create_check_constraint(self.name, checkable(self.condition))
            return
        definition = f"CHECK ({condition_text(operations, self.condition)})"
        add_validated(
            operations, self.table, self.schema, self.name, definition, replaces=self.replaces
        )


@dataclass(frozen=True, eq=False)
class ReplaceCheck(AddCheck):
    """Have a CHECK say something else, and give values that it refuses others.

    On PostgreSQL new rows are held to it first: a client that goes on to write the old values
    could else keep this from ever coming to an end.

    Attributes:
        column: The column whose values become others.
        values: What they become.
    """

    function = "replace_check"
    words = "change {0.name}"
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
        definition = f"CHECK ({condition_text(operations, self.condition)})"
        sql_table = quoted(operations, self.table, self.schema)
        sql_name = quoted(operations, self.name)
        with outside_transaction(operations):
            run_sql(operations, _not_valid(sql_table, sql_name, definition))
            mapping.run_once(operations)
            run_sql(operations, f"ALTER TABLE {sql_table} VALIDATE CONSTRAINT {sql_name}")


@dataclass(frozen=True, eq=False)
class DropConstraint(Step):
    """Drop a constraint of one kind."""

    words = "drop {0.name} of {0.table}"
    name: str
    table: str

    kind: ClassVar[Literal["check", "foreignkey"]]

    def run(self, operations: Operations) -> None:
        with self.altering(operations) as batch:
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
    """Add a constraint to a table of PostgreSQL; of the same name, instead of the one there is."""
    sql_table, sql_name = quoted(operations, table, schema), quoted(operations, name)
    undo = f"ALTER TABLE {sql_table} DROP CONSTRAINT IF EXISTS {sql_name}"
    if replaces:
        undo = "SELECT 1"  # the one that was there is gone, and this one stays in its place
    with outside_transaction(operations), undone_on_failure(operations, undo):
        run_sql(
            operations,
            _not_valid(sql_table, sql_name, definition),
            f"ALTER TABLE {sql_table} VALIDATE CONSTRAINT {sql_name}",
        )


def _not_valid(table: str, name: str, definition: str) -> str:
    """What adds a constraint, or has one of its name say this, for rows written from now on."""
    return (
        f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}, "
        f"ADD CONSTRAINT {name} {definition} NOT VALID"
    )


@dataclass(frozen=True, eq=False)
class AddForeignKey(Concurrent, Step):
    """Add a foreign key; rows that are there already are looked at while others are written."""

    function = "add_foreign_key"
    words = "add {0.name} to {0.table}"
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
            with self.altering(operations) as batch:
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
        here = ", ".join(quoted(operations, column) for column in self.columns)
        there = ", ".join(quoted(operations, column) for column in self.target_columns)
        target = quoted(operations, self.target, self.target_schema)
        rules = "".join(
            f" ON {event} {rule}"
            for event, rule in (("DELETE", self.ondelete), ("UPDATE", self.onupdate))
            if rule
        )
        if self.deferrable is not None:
            rules += " DEFERRABLE" if self.deferrable else " NOT DEFERRABLE"
        rules += f" INITIALLY {self.initially}" if self.initially else ""
        definition = f"FOREIGN KEY ({here}) REFERENCES {target} ({there}){rules}"
        add_validated(operations, self.table, self.schema, self.name, definition)


@dataclass(frozen=True, eq=False)
class DropForeignKey(DropConstraint):
    """Drop a foreign key.

    One that a table has without a name is known by those that it would have: by the convention of
    models, and on PostgreSQL, which names every constraint.
    """

    function = "drop_foreign_key"
    kind = "foreignkey"

    def run(self, operations: Operations) -> None:
        name = self.name
        if on_postgresql(operations):
            name = self._name_there(operations)
        with operations.batch_alter_table(
            self.table,
            schema=self.schema,
            naming_convention={"fk": _POSTGRESQL_KEY if name.endswith("_fkey") else _KEY},
        ) as batch:
            batch.drop_constraint(name, type_=self.kind)

    def _name_there(self, operations: Operations) -> str:
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


_KEY = "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s"
_POSTGRESQL_KEY = "%(table_name)s_%(column_0_N_name)s_fkey"
"""What PostgreSQL calls one without a name: ``ChooseForeignKeyConstraintNameAddition`` there."""


@dataclass(frozen=True, eq=False)
class ChangeKey(Concurrent, TableStep):
    """Make other columns the primary key.

    Attributes:
        columns: The columns.
        was: Those of the key before.
        name: The key's name; None on SQLite, where it has none.
        was_name: Its name before.
    """

    function = "change_key"
    words = "change the primary key of {0.table}"
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
        for column in (column for column in self.columns if column not in self.was):
            SetNotNull(self.table, column, schema=self.schema).run(operations)
        build = AddIndex(index, self.table, self.columns, unique=True, schema=self.schema)
        build.run(operations)
        table, key = self.sql_table(operations), quoted(operations, name)
        with outside_transaction(operations):
            if self._is_there(operations, index):
                run_sql(
                    operations,
                    f"ALTER TABLE {table} {self._drop(operations)}"
                    f"ADD CONSTRAINT {key} PRIMARY KEY USING INDEX {quoted(operations, index)}",
                )
        for column in (column for column in self.was if column not in self.columns):
            DropNotNull(self.table, column, schema=self.schema).run(operations)

    def _drop(self, operations: Operations) -> str:
        name = self.was_name or f"{self.table}_pkey"
        return f"DROP CONSTRAINT IF EXISTS {quoted(operations, name)}, "

    def _is_there(self, operations: Operations, index: str) -> bool:
        """Whether the new key's index still is an index, and not the key already."""
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
        with self.altering(operations) as batch:
            if primary_key["name"]:
                batch.drop_constraint(primary_key["name"], type_="primary")
            batch.create_primary_key(name, list(self.columns))
            for column in (column for column in self.columns if column not in self.was):
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
class AddUnique(Concurrent, Step):
    """Add a UNIQUE constraint while the table is written to."""

    function = "add_unique"
    words = "add {0.name} to {0.table}"
    name: str
    table: str
    columns: Sequence[str]

    def run(self, operations: Operations) -> None:
        if not on_postgresql(operations):
            with self.altering(operations) as batch:
                batch.create_unique_constraint(self.name, list(self.columns))
            return
        AddIndex(self.name, self.table, self.columns, unique=True, schema=self.schema).run(
            operations
        )
        table, name = quoted(operations, self.table, self.schema), quoted(operations, self.name)
        with outside_transaction(operations):
            if not self._is_there(operations):
                run_sql(
                    operations,
                    f"ALTER TABLE {table} ADD CONSTRAINT {name} UNIQUE USING INDEX {name}",
                )

    def _is_there(self, operations: Operations) -> bool:
        context = operations.migration_context
        if context.as_sql or context.connection is None:
            return False
        query = sa.text(
            "SELECT count(*) FROM pg_constraint WHERE conname = :name "
            "AND conrelid = to_regclass(:table)"
        )
        table = quoted(operations, self.table, self.schema)
        return bool(context.connection.scalar(query, {"name": self.name, "table": table}))
