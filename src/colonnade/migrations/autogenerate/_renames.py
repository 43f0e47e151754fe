"""What is gone from the models: renamed, put aside, or dropped."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from alembic.operations import ops
from alembic.operations.ops import MigrateOperation
from sqlalchemy import Connection, MetaData

from colonnade.errors import MigrationError
from colonnade.migrations._environment import OURS, is_of_others
from colonnade.migrations.autogenerate._choices import Choices, plain_name
from colonnade.migrations.autogenerate._foreign_keys import foreign_key_of
from colonnade.migrations.autogenerate._neutral_values import neutral_for
from colonnade.migrations.autogenerate._phases import Phase
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
    before_aside,
    is_aside,
)
from colonnade.migrations.operations._types import plain_type

Table = tuple[str | None, str]
"""A table: its schema, None for the default one, and its name."""
Columns = Mapping[str, Any]
"""The columns of a table, as SQLAlchemy's inspector reads them."""


@dataclass
class Gone(Phase):
    """The phase that renames, puts aside and drops what the models no longer have.

    A downgrade brings back what was dropped, without its rows.

    Attributes:
        aside: What was put aside earlier, and may be dropped.
    """

    aside: list[str] = field(default_factory=list)

    def add(self, step: Step, *undo: Step) -> None:
        """Do something first, and undo it last."""
        self.first.append(step)
        self.undo_first[:0] = undo or [step.reverse()]

    def drop(self, operation: MigrateOperation, back: MigrateOperation) -> None:
        """Drop something last."""
        self.last.append(operation)
        self.undo_last.append(back)


def find_gone(
    connection: Connection, metadata: MetaData, choices: Choices, ledger: SchemaHistory
) -> Gone:
    """Decide what becomes of tables and columns that no model has.

    Args:
        connection: A database with the history replayed.
        metadata: The models' tables.
        choices: The options of the command, and whom to ask.
        ledger: What the history says of its columns.

    Raises:
        MigrationError: An option is missing and there is nobody to ask; or an option
            cannot be done.
    """
    finder = _Finder(connection, metadata, choices, ledger)
    finder.check_choices()
    finder.tables()
    finder.columns()
    return finder.gone


class _Finder:
    def __init__(
        self, connection: Connection, metadata: MetaData, choices: Choices, ledger: SchemaHistory
    ) -> None:
        self.connection = connection
        self.choices = choices
        self.ledger = ledger
        self.gone = Gone()
        self.inspector = sa.inspect(connection)
        self.wanted = {(table.schema, table.name): table for table in metadata.tables.values()}
        self.there: dict[Table, Columns] = {
            (schema, name): {
                column["name"]: column for column in self.inspector.get_columns(name, schema)
            }
            for schema in {schema for schema, _ in self.wanted} | {None}
            for name in self.inspector.get_table_names(schema)
            if name not in OURS and not name.startswith("sqlite_")
            and not is_of_others(metadata, schema, name)
        }  # fmt: skip
        self.renamed: dict[Table, Table] = {}
        """The tables that have another name, by the new one."""

    def check_choices(self) -> None:
        """Check that every option names something that exists.

        Raises:
            MigrationError: It is not: a name is misspelt, or the models still have it.
        """
        there = {name for _, name in self.there}
        there |= {
            f"{name}.{column}" for (_, name), columns in self.there.items() for column in columns
        }
        plain = {before_aside(name) for name in there if is_aside(name)}
        models = {name for _, name in self.wanted}
        models |= {
            f"{name}.{column.name}" for (_, name), t in self.wanted.items() for column in t.columns
        }
        later = {
            f"{new}.{column}"
            for old, new in self.choices.renames.items()
            for (_, name), columns in self.there.items()
            if name == old
            for column in columns
        }
        for name in self.choices.renames:
            if name not in there | later:
                raise MigrationError(_unknown("--rename", name, there))
        for option, names in (("--aside", self.choices.aside), ("--drop", self.choices.drops)):
            for name in names:
                if name in models:
                    raise MigrationError(
                        f"{option} {name}: the models still have {name}. Remove it from the models "
                        "first."
                    )
                if name not in there and (option == "--aside" or name not in plain):
                    raise MigrationError(_unknown(option, name, there))

    def tables(self) -> None:
        """Decide what becomes of each table that is gone, or has another name."""
        new = [key for key in self.wanted if key not in self.there]
        chosen = {old: plain_name(to) for old, to in self.choices.renames.items() if "." not in old}
        renames: dict[Table, Table] = {}
        for key in self.there:
            schema, name = key
            if name in chosen:
                renames[key] = schema, chosen[name]
                self._check_free(key, chosen)
        gone = [key for key in self.there if key not in self.wanted and key not in renames]
        for key in sorted(gone, key=str):
            schema, name = key
            if is_aside(name):
                self._aside_table(schema, name)
                continue
            candidates = [
                other[1]
                for other in new
                if other[0] == schema and other not in renames.values()
                and _alike(self.there[key], self.wanted[other].columns.keys())
            ]  # fmt: skip
            candidate = self.choices.renamed_to("table", name, candidates)
            if candidate is not None:
                renames[key] = schema, candidate
            elif name not in self.choices.drops:  # else Alembic sees it
                self._put_table_aside(schema, name)
        self._rename_tables(renames)

    def _check_free(self, key: Table, chosen: Mapping[str, str]) -> None:
        schema, name = key
        to = chosen[name]
        if (schema, to) not in self.wanted:
            raise MigrationError(
                f"--rename {name}:{to}: the models have no table {to}. They have "
                f"{', '.join(sorted(name for _, name in self.wanted))}."
            )
        if (schema, to) in self.there and to not in chosen:
            raise MigrationError(
                f"--rename {name}:{to}: the history has a table {to} already, which keeps its name."
            )

    def _rename_tables(self, renames: Mapping[Table, Table]) -> None:
        by_schema: dict[str | None, dict[str, str]] = {}
        for (schema, old), (_, new) in renames.items():
            by_schema.setdefault(schema, {})[old] = new
        for schema, names in by_schema.items():
            for old, new in one_by_one(names):
                self.gone.add(RenameTable(old, new, schema=schema))
        self.renamed = {new: old for old, new in renames.items()}
        self._rename_keys()

    def _rename_keys(self) -> None:
        """The names of primary keys follow the tables', so that later tables can have those."""
        names: dict[str, str] = {}
        tables: dict[str, Table] = {}
        for new, old in self.renamed.items():
            was = self.inspector.get_pk_constraint(old[1], old[0])["name"]
            name = self.wanted[new].primary_key.name
            if was and name and was != name:
                names[str(was)] = str(name)
                tables[str(was)] = new
        for was, name in one_by_one(names):
            table = tables[name] = tables.pop(was)
            self.gone.add(RenameConstraint(table[1], was, name, schema=table[0]))

    def _aside_table(self, schema: str | None, name: str) -> None:
        plain = before_aside(name)
        self.gone.aside.append(plain)
        if plain in self.choices.drops or name in self.choices.drops:
            back = _as_it_is(self.inspector, self.ledger, name, schema)
            self.gone.drop(ops.DropTableOp(name, schema=schema), back)

    def _put_table_aside(self, schema: str | None, name: str) -> None:
        # Else its rows would go with those that they refer to.
        for drop, add in _foreign_keys(self.inspector, name, schema):
            self.gone.add(drop, add)
        taken = {name for owner, name in self.there if owner == schema}
        self.gone.add(RenameTable(name, aside_name(name, taken), schema=schema))

    def columns(self) -> None:
        """Decide what becomes of each column that is gone, or has another name."""
        for key, table in self.wanted.items():
            was = self.renamed.get(key, key)
            is_taken = was == key and key in self.renamed.values()
            if was in self.there and not is_taken:
                _Columns(self, table, was, self.there[was]).decide()


@dataclass
class _Columns:
    """The columns of one table."""

    finder: _Finder
    table: sa.Table
    was: Table
    there: Columns

    def decide(self) -> None:
        choices, gone = self.finder.choices, self.finder.gone
        wanted = {column.name for column in self.table.columns}
        renames = self._said()
        new = [column.name for column in self.table.columns
               if (column.name not in self.there or column.name in renames)
               and column.name not in renames.values()]  # fmt: skip
        for name in [
            column for column in self.there if column not in wanted and column not in renames
        ]:
            full = f"{self.was[1]}.{name}"
            if is_aside(name):
                self._aside(name, full)
                continue
            candidate = choices.renamed_to("column", full, new)
            if candidate is not None:
                new.remove(candidate)
                renames[name] = candidate
            elif full not in choices.drops:
                aside = aside_name(name, self.there)
                step = PutAside(self.table.name, name, schema=self.table.schema,
                                name=None if aside == f"{name}__dropped" else aside)  # fmt: skip
                gone.add(step, *self._taking_back(step))
        for old, to in one_by_one(renames):
            gone.add(RenameColumn(self.table.name, old, to, schema=self.table.schema))

    def _said(self) -> dict[str, str]:
        """The new names of the table's columns, by ``--rename``."""
        owners = {self.was[1], self.table.name}
        chosen = {}
        for full, to in self.finder.choices.renames.items():
            owner, dot, column = full.rpartition(".")
            if dot and owner in owners and column in self.there:
                chosen[column] = plain_name(to)
        for old, new in chosen.items():
            self._check(old, new, chosen)
        return chosen

    def _check(self, old: str, new: str, chosen: Mapping[str, str]) -> None:
        table = self.table.name
        option = f"--rename {self.was[1]}.{old}:{new}"
        if new not in {column.name for column in self.table.columns}:
            names = ", ".join(sorted(column.name for column in self.table.columns))
            raise MigrationError(
                f"{option}: the model of {table} has no column {new}, but {names}."
            )
        if new in self.there and new not in chosen:
            raise MigrationError(
                f"{option}: {table} has a column {new} already, which keeps its name. Rename that "
                f"too, or leave {old} as it is."
            )
        if list(chosen.values()).count(new) > 1:
            raise MigrationError(f"{option}: two columns cannot both become {table}.{new}.")

    def _aside(self, name: str, full: str) -> None:
        """A column that was put aside earlier: it stays, unless it is to be dropped."""
        choices, gone, table = self.finder.choices, self.finder.gone, self.table
        plain = f"{self.was[1]}.{before_aside(name)}"
        gone.aside.append(plain)
        if plain in choices.drops or full in choices.drops:
            known = self.finder.ledger.types.get((*self.was, name), self.there[name]["type"])
            back = ops.AddColumnOp(
                table.name, sa.Column(name, plain_type(known)), schema=table.schema
            )
            gone.drop(ops.DropColumnOp(table.name, name, schema=table.schema), back)

    def _taking_back(self, step: PutAside) -> Iterator[Step]:
        """What undoes putting a column aside: rows written since have no value in it."""
        column = self.there[step.column]
        if not column["nullable"]:
            name = (*self.was, step.column)
            value = neutral_for(self.finder.connection, self.finder.ledger, name, column["type"])
            yield Require(step.table, step.aside, value, schema=step.schema)
        yield TakeBack(step.table, step.column, schema=step.schema, name=step.name)


def one_by_one(names: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Renames in an order in which each new name is free: chains from their end.

    Where names change places, one of them has another in between.
    """
    pending = dict(names)
    while pending:
        free = next((old for old, new in pending.items() if new not in pending), None)
        if free is not None:
            yield free, pending.pop(free)
            continue
        old = next(iter(pending))
        between = f"{old}__renamed"
        yield old, between
        pending[between] = pending.pop(old)


def _unknown(option: str, value: str, there: Iterable[str]) -> str:
    owner = value.rpartition(".")[0]
    near = sorted(name for name in there if name.rpartition(".")[0] == owner)
    known = f" The history has {', '.join(near)}." if near else ""
    return (
        f"{option} {value}: the history has no {value}. Name a table, or a column as table.column."
        f"{known}"
    )


def _as_it_is(
    inspector: sa.Inspector, ledger: SchemaHistory, table: str, schema: str | None
) -> MigrateOperation:
    """What makes a table as a database has it, without its rows."""
    reflected = sa.Table(table, sa.MetaData(), schema=schema)
    inspector.reflect_table(reflected, None, resolve_fks=False)
    creation = ops.CreateTableOp.from_table(reflected)
    ledger.give(creation)
    return creation


def _foreign_keys(
    inspector: sa.Inspector, table: str, schema: str | None
) -> Iterator[tuple[Step, Step]]:
    """What drops each foreign key of a table that has a name, and what adds it again."""
    for key in inspector.get_foreign_keys(table, schema):
        if key["name"] is None:
            continue
        yield DropForeignKey(key["name"], table, schema=schema), foreign_key_of(key, table, schema)


def _alike(left: Iterable[str], other: Iterable[str]) -> bool:
    """Whether two tables may be the same one: at least half of either's columns are the other's."""
    first, second = set(left), set(other)
    return 2 * len(first & second) >= max(len(first), len(second))
