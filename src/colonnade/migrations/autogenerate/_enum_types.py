"""Enum types: those that models use, those that are there, and what makes one the other."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import sqlalchemy as sa
from alembic.operations import ops
from alembic.operations.ops import MigrateOperation
from sqlalchemy import Connection, MetaData, text

from colonnade.errors import MigrationError
from colonnade.migrations.autogenerate._choices import Choices
from colonnade.migrations.autogenerate._descriptions import listed
from colonnade.migrations.autogenerate._phases import Phase
from colonnade.migrations.autogenerate._rendering import literal_in
from colonnade.migrations.autogenerate._schema_history import EnumKey, SchemaHistory
from colonnade.migrations.operations import (
    ChangeEnum,
    CreateEnum,
    DropEnum,
    EnumStep,
    SetDefault,
    is_aside,
)
from colonnade.migrations.operations._types import is_array, native_enum

Values = tuple[str, ...]


class Column(NamedTuple):
    """A column that has an enum type, or arrays of it."""

    schema: str | None
    table: str
    name: str
    is_array: bool


_VALUES = """
SELECT CASE WHEN n.nspname = current_schema() THEN NULL ELSE n.nspname END, t.typname,
       (SELECT json_agg(enumlabel ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = t.oid)
FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
WHERE t.typtype = 'e' AND n.nspname !~ '^(pg_|information_schema$)'
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_type'::regclass
                  AND d.objid = t.oid AND d.deptype = 'e')
ORDER BY 1, 2
"""
"""Those of extensions are theirs."""

_COLUMNS = """
SELECT CASE WHEN n.nspname = current_schema() THEN NULL ELSE n.nspname END, c.relname, a.attname,
       a.atttypid = t.typarray
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p')
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_type t ON a.atttypid IN (t.oid, t.typarray)
JOIN pg_namespace s ON s.oid = t.typnamespace
WHERE t.typname = :name AND s.nspname = coalesce(:schema, current_schema())
  AND NOT a.attisdropped
ORDER BY 1, 2, 3
"""


def enums_of(metadata: MetaData) -> dict[EnumKey, Values]:
    """The enum types that a metadata's tables have on PostgreSQL.

    Raises:
        MigrationError: Two columns say different things of one.
    """
    enums: dict[EnumKey, Values] = {}
    for column, kind in _native(metadata):
        values = tuple(kind.enums)
        if not values:  # a column that only names the type
            continue
        known = enums.setdefault((kind.schema, str(kind.name)), values)
        if known != values:
            raise MigrationError(
                f"The type {kind.name} has the values {listed(known)} here, and by "
                f"{column.table.name}.{column.name} to have {listed(values)}: define it once, "
                "and have each column use that."
            )
    return enums


def enums_in(connection: Connection) -> dict[EnumKey, Values]:
    """The enum types of a database on PostgreSQL."""
    rows = connection.execute(text(_VALUES)).all()
    return {(schema, name): tuple(values or ()) for schema, name, values in rows}


def columns_with(connection: Connection, key: EnumKey) -> list[Column]:
    """The columns of a database on PostgreSQL that have an enum type, or an array of it."""
    schema, name = key
    rows = connection.execute(text(_COLUMNS), {"schema": schema, "name": name})
    return [Column(*row) for row in rows]


def _native(metadata: MetaData) -> Iterator[tuple[sa.Column[Any], sa.Enum]]:
    for table in metadata.tables.values():
        for column in table.columns:
            kind = native_enum(column.type)
            if kind is not None:
                yield column, kind


def find_types(
    connection: Connection,
    metadata: MetaData,
    ledger: SchemaHistory,
    choices: Choices | None = None,
    dropped: Iterable[MigrateOperation] = (),
) -> Phase:
    """What makes the enum types of a history those of the models.

    SQLite has no such types: what the history said of them is in the ledger.

    Args:
        connection: A database with the history replayed.
        metadata: The models' tables.
        ledger: What the history said.
        choices: What becomes of removed values.
        dropped: What is dropped of columns and tables that had been put aside.

    Raises:
        MigrationError: A value is to become one that the models do not have.
    """
    is_asked = connection.dialect.name == "postgresql"
    there = enums_in(connection) if is_asked else ledger.enums
    gone = {_dropped(key) for key in dropped}
    last: list[MigrateOperation] = []
    for key in sorted((there.keys() & ledger.enums.keys()) - enums_of(metadata).keys(), key=str):
        columns = (
            [(column.table, column.name) for column in columns_with(connection, key)]
            if is_asked
            else [(table, column) for _, table, column in ledger.columns_with(key)]
        )
        if all(_goes(*column, gone) for column in columns):
            last.append(DropEnum(key[1], there[key], schema=key[0]))
    first: list[MigrateOperation] = []
    for step in changes(there, metadata, choices):
        if isinstance(step, ChangeEnum):
            first += _without_defaults(connection, step, ledger)
        first.append(step)
    return Phase(first, last, _reversed(last), _reversed(first))


def _reversed(steps: Sequence[MigrateOperation]) -> list[MigrateOperation]:
    return [step.reverse() for step in reversed(steps)]


def _without_defaults(
    connection: Connection, step: ChangeEnum, ledger: SchemaHistory
) -> Iterator[SetDefault]:
    """What drops the defaults that are not values any more; models that have others bring them."""
    inspector = sa.inspect(connection)
    for schema, table, name in ledger.columns_with((step.schema, step.name)):
        for column in inspector.get_columns(table, schema):
            default = literal_in(column["default"] or "")
            if column["name"] == name and default and _value(default) not in step.values:
                was = text(default.replace(":", "\\:"))
                yield SetDefault(table, name, None, was=was, schema=schema)


def _value(literal: str) -> str:
    return literal[1:-1].replace("''", "'")


def changes(
    there: Mapping[EnumKey, Values], metadata: MetaData, choices: Choices | None = None
) -> Iterator[EnumStep]:
    """What makes enum types those of a metadata; what it does not have is left alone.

    Args:
        there: The types that are there.
        metadata: The tables.
        choices: What becomes of removed values.

    Raises:
        MigrationError: A value is to become one that the type does not have.
    """
    mappings = _mappings(metadata, choices or Choices())
    for key, values in enums_of(metadata).items():
        schema, name = key
        if key not in there:
            yield CreateEnum(name, values, schema=schema)
        elif there[key] != values:
            goes = mappings[key]
            for old, new in ((old, new) for old, new in goes.items() if new):
                lacking = old if old not in there[key] else new
                has = there[key] if old not in there[key] else values
                if lacking not in has:
                    raise MigrationError(
                        f"--map {old}={new}: the type {name} has no value {lacking!r}, but "
                        f"{listed(has)}."
                    )
            if choices is not None:
                goes = _asked(metadata, key, there[key], goes, choices)
            step = ChangeEnum(name, values, there[key], mapping=goes, schema=schema)
            if step.mapping or step.removed:
                step = replace(step, columns=_texts_with(metadata, key))
            yield step


def _asked(
    metadata: MetaData, key: EnumKey, was: Values, goes: Mapping[str, str], choices: Choices
) -> dict[str, str]:
    """What each removed value becomes: by ``--map`` or an answer; unused values are left out."""
    values = enums_of(metadata)[key]
    columns = [f"{column.table.name}.{column.name}" for column, kind in _native(metadata)
               if (kind.schema, kind.name) == key]  # fmt: skip
    mappings = [choices.mapped(column) for column in columns]
    known = {value for mapping in mappings for value in mapping}
    becomes = {
        value: choices.becomes(columns[0], value, values)
        for value in was
        if value not in values and value not in known
    }
    return {old: new for old, new in {**goes, **becomes}.items() if new}


def _texts_with(metadata: MetaData, key: EnumKey) -> list[str]:
    """The columns that have a type and are text where there are none."""
    return [
        f"{column.table.name}.{column.name}"
        for column, kind in _native(metadata)
        if (kind.schema, kind.name) == key and not is_array(column.type)
    ]


def _mappings(metadata: MetaData, choices: Choices) -> dict[EnumKey, dict[str, str]]:
    """What values of each type become, by the ``--map`` options of its columns."""
    mappings: dict[EnumKey, dict[str, str]] = {}
    for column, kind in _native(metadata):
        chosen = choices.maps.get(f"{column.table.name}.{column.name}", {})
        mapping = mappings.setdefault((kind.schema, str(kind.name)), {})
        for old, new in chosen.items():
            if mapping.setdefault(old, new) != new:
                raise MigrationError(
                    f"--map: {old!r} of the type {kind.name} becomes {mapping[old]!r} or {new!r}: "
                    "the columns that share the type change together."
                )
    return mappings


def _dropped(operation: MigrateOperation) -> tuple[str, str | None]:
    column = operation.column_name if isinstance(operation, ops.DropColumnOp) else None
    assert isinstance(operation, ops.DropColumnOp | ops.DropTableOp)
    return operation.table_name, column


def _goes(table: str, column: str, dropped: set[tuple[str, str | None]]) -> bool:
    """Whether a column that no model has with this type goes, and so does its use of the type.

    All do but those that are put aside.
    """
    if (table, None) in dropped or (table, column) in dropped:
        return True
    return not (is_aside(table) or is_aside(column))
