"""What is gone from the models: renamed, put aside, or dropped."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from alembic.operations import ops
from alembic.operations.ops import MigrateOperation
from sqlalchemy import Connection, MetaData

from colonnade.errors import MigrationError
from colonnade.migrations._choices import Choices
from colonnade.migrations._environment import OURS
from colonnade.migrations._ledger import Ledger
from colonnade.migrations._operations import (
    ASIDE,
    AddForeignKey,
    DropForeignKey,
    PutAside,
    RenameColumn,
    RenameTable,
    Require,
    Step,
    TakeBack,
)
from colonnade.migrations._rendering import plain_type
from colonnade.migrations._stored import names_in


@dataclass
class Gone:
    """What becomes of what is gone.

    Attributes:
        first: What is done before all else.
        last: What is done after it.
        undo_last: What undoes ``last``, without what was held, and comes first in a downgrade.
        undo: What undoes ``first``, and comes last in a downgrade.
        aside: What is aside already, and may be dropped.
    """

    first: list[Step] = field(default_factory=list)
    last: list[MigrateOperation] = field(default_factory=list)
    undo_last: list[MigrateOperation] = field(default_factory=list)
    undo: list[Step] = field(default_factory=list)
    aside: list[str] = field(default_factory=list)


def find_gone(connection: Connection, metadata: MetaData, choices: Choices, ledger: Ledger) -> Gone:
    """Decide what becomes of tables and columns that no model has.

    Args:
        connection: A database with the history replayed.
        metadata: The models' tables.
        choices: What was said, and whom to ask.
        ledger: What the history says of its columns.

    Raises:
        MigrationError: Something was not said, and there is nobody to ask.
    """
    gone = Gone()
    inspector = sa.inspect(connection)
    wanted = {(table.schema, table.name): table for table in metadata.tables.values()}
    there = {
        (schema, name): {column["name"]: column for column in inspector.get_columns(name, schema)}
        for schema in {schema for schema, _ in wanted} | {None}
        for name in inspector.get_table_names(schema)
        if name not in OURS and not name.startswith("sqlite_")
    }
    _check_choices(choices, there)
    new = [key for key in wanted if key not in there]
    for key in sorted((one for one in there if one not in wanted), key=str):
        _table(gone, key, {n: set(there[n]) if n in there else set(wanted[n].columns.keys())
                           for n in [key, *new]}, choices, ledger, inspector)  # fmt: skip
    moved = {(one.schema, one.new): (one.schema, one.table) for one in gone.first
             if isinstance(one, RenameTable)}  # fmt: skip
    for key, table in wanted.items():
        columns = there.get(moved.get(key, key))
        if columns is not None:
            _columns(gone, table, columns, choices, ledger)
    return gone


def _check_choices(choices: Choices, there: dict[tuple[str | None, str], dict[str, Any]]) -> None:
    names = {name for _, name in there}
    names |= {f"{name}.{column}" for (_, name), columns in there.items() for column in columns}
    for said in (*choices.renames, *choices.aside, *choices.drops):
        if said not in names and f"{said}{ASIDE}" not in names:
            raise MigrationError(
                f"There is no {said} in the history: name a column as table.column, or a table."
            )


def _table(
    gone: Gone,
    key: tuple[str | None, str],
    columns: dict[tuple[str | None, str], set[str]],
    choices: Choices,
    ledger: Ledger,
    inspector: sa.Inspector,
) -> None:
    schema, name = key
    if name.endswith(ASIDE):
        gone.aside.append(name.removesuffix(ASIDE))
        if name.removesuffix(ASIDE) in choices.drops or name in choices.drops:
            gone.last.append(ops.DropTableOp(name, schema=schema))
            gone.undo_last.append(_as_it_is(inspector, ledger, name, schema))
        return
    taken = {one.new for one in gone.first if isinstance(one, RenameTable)}
    said = choices.renames.get(name)
    candidates = [
        other
        for other_schema, other in columns
        if other_schema == schema
        and other not in (name, *taken)
        and (other == said or _alike(columns[key], columns[other_schema, other]))
    ]
    new = choices.renamed_to("table", name, candidates)
    if new is None and name in choices.drops:
        return  # Alembic sees it
    step = RenameTable(name, new or f"{name}{ASIDE}", schema=schema)
    if new is None:  # else its rows would go with those that they refer to
        for drop, add in _foreign_keys(inspector, name, schema):
            _add(gone, drop, [add])
    _add(gone, step, [step.reverse()])


def _as_it_is(
    inspector: sa.Inspector, ledger: Ledger, table: str, schema: str | None
) -> MigrateOperation:
    """What makes a table as a database has it, without its rows."""
    found = sa.Table(table, sa.MetaData(), schema=schema)
    inspector.reflect_table(found, None, resolve_fks=False)
    made = ops.CreateTableOp.from_table(found)
    ledger.give(made)
    return made


def _foreign_keys(
    inspector: sa.Inspector, table: str, schema: str | None
) -> Iterator[tuple[Step, Step]]:
    """What drops each foreign key of a table that has a name, and what adds it again."""
    for key in inspector.get_foreign_keys(table, schema):
        if key["name"] is None:
            continue
        options = key.get("options", {})
        yield (
            DropForeignKey(key["name"], table, schema=schema),
            AddForeignKey(
                key["name"],
                table,
                key["constrained_columns"],
                key["referred_table"],
                key["referred_columns"],
                ondelete=options.get("ondelete"),
                onupdate=options.get("onupdate"),
                schema=schema,
                target_schema=key["referred_schema"],
            ),
        )


def _alike(one: set[str], other: set[str]) -> bool:
    """Whether two tables may be the same one: at least half of either's columns are the other's."""
    return 2 * len(one & other) >= max(len(one), len(other))


def _columns(
    gone: Gone, table: sa.Table, there: dict[str, Any], choices: Choices, ledger: Ledger
) -> None:
    wanted = {column.name for column in table.columns}
    new = [column.name for column in table.columns if column.name not in there]
    for name in [name for name in there if name not in wanted]:
        full = f"{table.name}.{name}"
        if name.endswith(ASIDE):
            plain = full.removesuffix(ASIDE)
            gone.aside.append(plain)
            if plain in choices.drops or full in choices.drops:
                gone.last.append(ops.DropColumnOp(table.name, name, schema=table.schema))
                kind = plain_type(ledger.types.get((table.name, name), there[name]["type"]))
                back = ops.AddColumnOp(table.name, sa.Column(name, kind), schema=table.schema)
                gone.undo_last.append(back)
            elif full in choices.renames:
                to = choices.renamed_to("column", full, new) or name
                step = RenameColumn(table.name, name, to, schema=table.schema)
                _add(gone, step, [step.reverse()])
                new.remove(to)
            continue
        chosen = choices.renamed_to("column", full, new)
        if chosen is not None:
            new.remove(chosen)
            step = RenameColumn(table.name, name, chosen, schema=table.schema)
            _add(gone, step, [step.reverse()])
        elif full not in choices.drops:
            aside = PutAside(table.name, name, schema=table.schema)
            _add(gone, aside, _taking_back(aside, there[name], ledger))


def _add(gone: Gone, step: Step, undo: list[Step]) -> None:
    gone.first.append(step)
    gone.undo[:0] = undo


def _taking_back(step: PutAside, column: Any, ledger: Ledger) -> list[Step]:
    """What undoes putting a column aside: rows written since have no value in it."""
    required = not column["nullable"]
    kind = ledger.types.get((step.table, step.column), column["type"])
    back: list[Step] = []
    if required:
        aside = f"{step.column}{ASIDE}"
        value = _choice(step, ledger) or ledger.zero(kind)
        back.append(Require(step.table, aside, value, schema=step.schema))
    return [*back, TakeBack(step.table, step.column, schema=step.schema)]


def _choice(step: PutAside, ledger: Ledger) -> str | None:
    """The first text that a column's CHECK lets it hold."""
    for (table, _), condition in ledger.checks.items():
        text = condition if isinstance(condition, str) else ""
        if table == step.table and step.column in names_in(text):
            found = re.search(r"\bIN \('((?:[^']|'')*)'", text)
            if found:
                return found[1].replace("''", "'")
    return None
