"""Tables and columns that the models no longer have: renamed, put aside, or dropped."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from alembic.operations import ops
from alembic.operations.ops import MigrateOperation
from sqlalchemy import Connection, MetaData

from colonnade.errors import MigrationError
from colonnade.migrations._environment import is_unmanaged
from colonnade.migrations.autogenerate._choices import Choices, plain_name
from colonnade.migrations.autogenerate._foreign_keys import foreign_key_of
from colonnade.migrations.autogenerate._neutral_values import neutral_value_for
from colonnade.migrations.autogenerate._phase import Phase
from colonnade.migrations.autogenerate._reflected import TableKey
from colonnade.migrations.autogenerate._schema_history import SchemaHistory
from colonnade.migrations.operations import (
    DropForeignKey,
    PutAside,
    RenameColumn,
    RenameConstraint,
    RenameTable,
    Require,
    Step,
    TakeBack,
    aside_name,
    is_aside,
    name_before_aside,
)
from colonnade.migrations.operations._types import plain_type
from colonnade.models import application_tables

Columns = Mapping[str, Any]
"""The columns of a table by name, as reflected by SQLAlchemy's inspector."""


@dataclass
class Removals:
    """What happens to tables and columns that the models no longer have.

    Attributes:
        before: The renames, which run before the tables are compared.
        after: The drops, which run after all other operations.
        aside: The names of tables and columns that an earlier revision put aside, and that may
            be dropped now.
    """

    before: Phase = field(default_factory=Phase)
    after: Phase = field(default_factory=Phase)
    aside: list[str] = field(default_factory=list)

    def drop(self, operation: MigrateOperation, restore: MigrateOperation) -> None:
        """Drop a table or column that was put aside; the downgrade restores it without its data.

        The downgrade restores columns in the order in which they are dropped, which was their
        order in the table.
        """
        self.after.upgrade = [*self.after.upgrade, operation]
        self.after.downgrade = [*self.after.downgrade, restore]


def resolve_removals(
    connection: Connection, metadata: MetaData, choices: Choices, schema_history: SchemaHistory
) -> Removals:
    """Decide whether each table and column that no model has was renamed, put aside or dropped.

    Args:
        connection: A database with the history replayed.
        metadata: The models' tables.
        choices: The answers given in advance, and the prompt for the others.
        schema_history: The history's definitions of its columns.

    Raises:
        MigrationError: An answer is missing and ``choices.asker`` is None, or an answer cannot be
            applied.
    """
    resolver = _Resolver(connection, metadata, choices, schema_history)
    resolver.check_choices()
    resolver.resolve_tables()
    resolver.resolve_columns()
    return resolver.removals


class _Resolver:
    def __init__(
        self,
        connection: Connection,
        metadata: MetaData,
        choices: Choices,
        schema_history: SchemaHistory,
    ) -> None:
        self.connection = connection
        self.choices = choices
        self.schema_history = schema_history
        self.removals = Removals()
        self.inspector = sa.inspect(connection)
        self.expected = {(table.schema, table.name): table for table in metadata.tables.values()}
        self.existing: dict[TableKey, Columns] = {
            (schema, name): {
                column["name"]: column for column in self.inspector.get_columns(name, schema)
            }
            for schema in {schema for schema, _ in self.expected} | {None}
            for name in application_tables(connection, schema)
            if not is_unmanaged(metadata, schema, name)
        }  # fmt: skip
        self.renamed: dict[TableKey, TableKey] = {}
        """The old name of each renamed table, by its new name."""

    def check_choices(self) -> None:
        """Refuse answers about names that do not exist.

        Raises:
            MigrationError: The history has no such table or column, or the models still have it.
        """
        existing = {name for _, name in self.existing}
        existing |= {
            f"{name}.{column}" for (_, name), columns in self.existing.items() for column in columns
        }
        originals = {name_before_aside(name) for name in existing if is_aside(name)}
        models = {name for _, name in self.expected}
        models |= {
            f"{name}.{column.name}"
            for (_, name), table in self.expected.items()
            for column in table.columns
        }
        renamed_columns = {
            f"{new}.{column}"
            for old, new in self.choices.renames.items()
            for (_, name), columns in self.existing.items()
            if name == old
            for column in columns
        }
        for name in self.choices.renames:
            if name not in existing | renamed_columns:
                raise MigrationError(_unknown_name_message("--rename", name, existing))
        for option, names in (("--aside", self.choices.aside), ("--drop", self.choices.drops)):
            for name in names:
                if name in models:
                    raise MigrationError(
                        f"{option} {name}: the models still have {name}. Remove it from the models "
                        "first."
                    )
                if name not in existing and (option == "--aside" or name not in originals):
                    raise MigrationError(_unknown_name_message(option, name, existing))

    def resolve_tables(self) -> None:
        """Decide what happens to each table that was renamed or that no model has."""
        new = [key for key in self.expected if key not in self.existing]
        table_renames = {
            old: plain_name(to) for old, to in self.choices.renames.items() if "." not in old
        }
        renames: dict[TableKey, TableKey] = {}
        for key in self.existing:
            schema, name = key
            if name in table_renames:
                renames[key] = schema, table_renames[name]
                self._check_free(key, table_renames)
        missing = [key for key in self.existing if key not in self.expected and key not in renames]
        for key in sorted(missing, key=str):
            schema, name = key
            if is_aside(name):
                self._resolve_aside_table(schema, name)
                continue
            candidates = [
                other[1]
                for other in new
                if other[0] == schema and other not in renames.values()
                and _have_similar_columns(self.existing[key], self.expected[other].columns.keys())
            ]  # fmt: skip
            new_name = self.choices.renamed_to("table", name, candidates)
            if new_name is not None:
                renames[key] = schema, new_name
            elif name not in self.choices.drops:  # otherwise Alembic's comparison drops it
                self._put_table_aside(schema, name)
        self._rename_tables(renames)

    def _check_free(self, key: TableKey, table_renames: Mapping[str, str]) -> None:
        schema, name = key
        to = table_renames[name]
        if (schema, to) not in self.expected:
            raise MigrationError(
                f"--rename {name}:{to}: the models have no table {to}. Use one of "
                f"{', '.join(sorted(table for _, table in self.expected))}."
            )
        if (schema, to) in self.existing and to not in table_renames:
            raise MigrationError(
                f"--rename {name}:{to}: the history already has a table {to}, which keeps its "
                "name. Rename that table too, or leave this option out."
            )

    def _rename_tables(self, renames: Mapping[TableKey, TableKey]) -> None:
        by_schema: dict[str | None, dict[str, str]] = {}
        for (schema, old), (_, new) in renames.items():
            by_schema.setdefault(schema, {})[old] = new
        for schema, names in by_schema.items():
            for old, new in order_renames(names):
                self.removals.before.add(RenameTable(old, new, schema=schema))
        self.renamed = {new: old for old, new in renames.items()}
        self._rename_keys()

    def _rename_keys(self) -> None:
        """Rename primary keys with their tables, so that new tables can use the old names."""
        names: dict[str, str] = {}
        tables: dict[str, TableKey] = {}
        for new, old in self.renamed.items():
            old_name = self.inspector.get_pk_constraint(old[1], old[0])["name"]
            new_name = self.expected[new].primary_key.name
            if old_name and new_name and old_name != new_name:
                names[str(old_name)] = str(new_name)
                tables[str(old_name)] = new
        for old_name, new_name in order_renames(names):
            schema, table = tables[new_name] = tables.pop(old_name)
            self.removals.before.add(RenameConstraint(table, old_name, new_name, schema=schema))

    def _resolve_aside_table(self, schema: str | None, name: str) -> None:
        plain = name_before_aside(name)
        self.removals.aside.append(plain)
        if plain in self.choices.drops or name in self.choices.drops:
            restore = _create_table_op(self.inspector, self.schema_history, name, schema)
            self.removals.drop(ops.DropTableOp(name, schema=schema), restore)

    def _put_table_aside(self, schema: str | None, name: str) -> None:
        # Its foreign keys could delete its rows together with the rows that they refer to.
        for drop, add in _foreign_keys(self.inspector, name, schema):
            self.removals.before.add(drop, add)
        taken = {table for owner, table in self.existing if owner == schema}
        self.removals.before.add(RenameTable(name, aside_name(name, taken), schema=schema))

    def resolve_columns(self) -> None:
        """Decide what happens to each column that was renamed or that no model has."""
        for key, table in self.expected.items():
            old_key = self.renamed.get(key, key)
            is_taken = old_key == key and key in self.renamed.values()
            if old_key in self.existing and not is_taken:
                _ColumnResolver(self, table, old_key, self.existing[old_key]).resolve()


@dataclass
class _ColumnResolver:
    """Decides what happens to the columns of one table.

    Attributes:
        resolver: The resolver of all tables.
        table: The model's table.
        old_key: The table's name in the history.
        existing: The table's columns in the history.
    """

    resolver: _Resolver
    table: sa.Table
    old_key: TableKey
    existing: Columns

    def resolve(self) -> None:
        choices, renames_phase = self.resolver.choices, self.resolver.removals.before
        expected = {column.name for column in self.table.columns}
        renames = self._given_renames()
        new = [column.name for column in self.table.columns
               if (column.name not in self.existing or column.name in renames)
               and column.name not in renames.values()]  # fmt: skip
        for name in [
            column for column in self.existing if column not in expected and column not in renames
        ]:
            qualified_name = f"{self.old_key[1]}.{name}"
            if is_aside(name):
                self._resolve_aside_column(name, qualified_name)
                continue
            new_name = choices.renamed_to("column", qualified_name, new)
            if new_name is not None:
                new.remove(new_name)
                renames[name] = new_name
            elif qualified_name not in choices.drops:
                aside = aside_name(name, self.existing)
                step = PutAside(self.table.name, name, schema=self.table.schema,
                                name=None if aside == f"{name}__dropped" else aside)  # fmt: skip
                renames_phase.add(step, *self._undo_put_aside(step))
        for old, to in order_renames(renames):
            renames_phase.add(RenameColumn(self.table.name, old, to, schema=self.table.schema))

    def _given_renames(self) -> dict[str, str]:
        """Return the new names given for the table's columns."""
        owners = {self.old_key[1], self.table.name}
        renames = {}
        for qualified_name, to in self.resolver.choices.renames.items():
            owner, dot, column = qualified_name.rpartition(".")
            if dot and owner in owners and column in self.existing:
                renames[column] = plain_name(to)
        for old, new in renames.items():
            self._check(old, new, renames)
        return renames

    def _check(self, old: str, new: str, renames: Mapping[str, str]) -> None:
        table = self.table.name
        option = f"--rename {self.old_key[1]}.{old}:{new}"
        if new not in {column.name for column in self.table.columns}:
            names = ", ".join(sorted(column.name for column in self.table.columns))
            raise MigrationError(
                f"{option}: the model of {table} has no column {new}. Use one of {names}."
            )
        if new in self.existing and new not in renames:
            raise MigrationError(
                f"{option}: {table} already has a column {new}, which keeps its name. Rename that "
                f"column too, or do not rename {old}."
            )
        if list(renames.values()).count(new) > 1:
            raise MigrationError(
                f"{option}: another column is renamed to {table}.{new}, too. Rename only one."
            )

    def _resolve_aside_column(self, name: str, qualified_name: str) -> None:
        """Keep a column that an earlier revision put aside, unless it is to be dropped."""
        choices, removals, table = self.resolver.choices, self.resolver.removals, self.table
        plain = f"{self.old_key[1]}.{name_before_aside(name)}"
        removals.aside.append(plain)
        if plain in choices.drops or qualified_name in choices.drops:
            type_ = self.resolver.schema_history.types.get(
                (*self.old_key, name), self.existing[name]["type"]
            )
            restore = ops.AddColumnOp(
                table.name, sa.Column(name, plain_type(type_)), schema=table.schema
            )
            removals.drop(ops.DropColumnOp(table.name, name, schema=table.schema), restore)

    def _undo_put_aside(self, step: PutAside) -> Iterator[Step]:
        """Yield the steps that take a column back; rows written since have no value in it."""
        column = self.existing[step.column]
        if not column["nullable"]:
            name = (*self.old_key, step.column)
            value = neutral_value_for(
                self.resolver.connection, self.resolver.schema_history, name, column["type"]
            )
            yield Require(step.table, step.aside, value, schema=step.schema)
        yield TakeBack(step.table, step.column, schema=step.schema, name=step.name)


def order_renames(names: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Order renames so that each new name is free: the last rename of a chain comes first.

    When names are swapped, one of them gets a temporary name.
    """
    pending = dict(names)
    while pending:
        free = next((old for old, new in pending.items() if new not in pending), None)
        if free is not None:
            yield free, pending.pop(free)
            continue
        old = next(iter(pending))
        temporary = f"{old}__renamed"
        yield old, temporary
        pending[temporary] = pending.pop(old)


def _unknown_name_message(option: str, name: str, existing: Iterable[str]) -> str:
    owner = name.rpartition(".")[0]
    near = sorted(candidate for candidate in existing if candidate.rpartition(".")[0] == owner)
    known = f" The history has {', '.join(near)}." if near else ""
    return (
        f"{option} {name}: the history has no {name}. Give the name of a table, or of a column as "
        f"table.column.{known}"
    )


def _create_table_op(
    inspector: sa.Inspector, schema_history: SchemaHistory, table: str, schema: str | None
) -> MigrateOperation:
    """Return the operation that recreates a table of a database, without its rows."""
    reflected = sa.Table(table, sa.MetaData(), schema=schema)
    inspector.reflect_table(reflected, None, resolve_fks=False)
    create_table = ops.CreateTableOp.from_table(reflected)
    schema_history.restore_definitions(create_table)
    return create_table


def _foreign_keys(
    inspector: sa.Inspector, table: str, schema: str | None
) -> Iterator[tuple[Step, Step]]:
    """Yield the steps that drop and add each named foreign key of a table."""
    for key in inspector.get_foreign_keys(table, schema):
        if key["name"] is None:
            continue
        yield DropForeignKey(key["name"], table, schema=schema), foreign_key_of(key, table, schema)


def _have_similar_columns(columns: Iterable[str], other_columns: Iterable[str]) -> bool:
    """Return whether at least half of each table's columns are in the other table."""
    first, second = set(columns), set(other_columns)
    return 2 * len(first & second) >= max(len(first), len(second))
