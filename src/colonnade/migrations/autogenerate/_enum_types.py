"""Compare the models' enum types with those of the history or a database."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import sqlalchemy as sa
from alembic.operations import ops
from alembic.operations.ops import MigrateOperation
from sqlalchemy import Connection, MetaData, text

from colonnade.errors import MigrationError
from colonnade.migrations.autogenerate._choices import Choices
from colonnade.migrations.autogenerate._descriptions import join_reprs
from colonnade.migrations.autogenerate._phase import Phase
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


class EnumColumn(NamedTuple):
    """A column of an enum type, or of arrays of it."""

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
"""Enum types that belong to an extension are left out."""

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
    """Return the enum types that the tables of a metadata use on PostgreSQL.

    Raises:
        MigrationError: Two columns define the same type with different values.
    """
    enums: dict[EnumKey, Values] = {}
    for column, enum in _native_enum_columns(metadata):
        values = tuple(enum.enums)
        if not values:  # a column that only names the type
            continue
        known = enums.setdefault((enum.schema, str(enum.name)), values)
        if known != values:
            raise MigrationError(
                f"The enum type {enum.name} is defined twice, with the values "
                f"{join_reprs(known)}, and for {column.table.name}.{column.name} with "
                f"{join_reprs(values)}. Define it once and use it for all columns."
            )
    return enums


def enums_in(connection: Connection) -> dict[EnumKey, Values]:
    """Return the enum types of a PostgreSQL database."""
    rows = connection.execute(text(_VALUES)).all()
    return {(schema, name): tuple(values or ()) for schema, name, values in rows}


def columns_with(connection: Connection, key: EnumKey) -> list[EnumColumn]:
    """Return the columns of a PostgreSQL database that use an enum type, or an array of it."""
    schema, name = key
    rows = connection.execute(text(_COLUMNS), {"schema": schema, "name": name})
    return [EnumColumn(*row) for row in rows]


def _native_enum_columns(metadata: MetaData) -> Iterator[tuple[sa.Column[Any], sa.Enum]]:
    for table in metadata.tables.values():
        for column in table.columns:
            enum = native_enum(column.type)
            if enum is not None:
                yield column, enum


def enum_phases(
    connection: Connection,
    metadata: MetaData,
    schema_history: SchemaHistory,
    choices: Choices | None = None,
    dropped: Iterable[MigrateOperation] = (),
) -> tuple[Phase, Phase]:
    """Compare the enum types of a history with those of the models.

    SQLite has no enum types: there the history's definitions are compared.

    Args:
        connection: A database with the history replayed.
        metadata: The models' tables.
        schema_history: The history's definitions.
        choices: The replacements for removed values.
        dropped: The operations that drop columns and tables that had been put aside.

    Returns:
        The steps before the tables change, and the steps after.

    Raises:
        MigrationError: The replacement for a value is not a value of the models' type.
    """
    has_enum_types = connection.dialect.name == "postgresql"
    current = enums_in(connection) if has_enum_types else schema_history.enums
    dropped_names = {_dropped_name(operation) for operation in dropped}
    before, after = Phase(), Phase()
    for key in sorted(
        (current.keys() & schema_history.enums.keys()) - enums_of(metadata).keys(), key=str
    ):
        columns = (
            [(column.table, column.name) for column in columns_with(connection, key)]
            if has_enum_types
            else [(table, column) for _, table, column in schema_history.columns_with(key)]
        )
        if all(_loses_type(*column, dropped_names) for column in columns):
            after.add(DropEnum(key[1], current[key], schema=key[0]))
    for step in enum_steps(current, metadata, choices):
        if isinstance(step, ChangeEnum):
            for drop_default in _drop_invalid_defaults(connection, step, schema_history):
                before.add(drop_default)
        before.add(step)
    return before, after


def _drop_invalid_defaults(
    connection: Connection, step: ChangeEnum, schema_history: SchemaHistory
) -> Iterator[SetDefault]:
    """Drop the defaults that are not values of the type any more.

    The comparison that follows adds the models' new defaults.
    """
    inspector = sa.inspect(connection)
    for schema, table, name in schema_history.columns_with((step.schema, step.name)):
        for column in inspector.get_columns(table, schema):
            default = literal_in(column["default"] or "")
            if column["name"] == name and default and _unquoted_literal(default) not in step.values:
                was = text(default.replace(":", "\\:"))
                yield SetDefault(table, name, None, was=was, schema=schema)


def _unquoted_literal(literal: str) -> str:
    return literal[1:-1].replace("''", "'")


def enum_steps(
    current: Mapping[EnumKey, Values], metadata: MetaData, choices: Choices | None = None
) -> Iterator[EnumStep]:
    """Yield the steps from the current enum types to those of a metadata.

    Types that the metadata does not use are ignored.

    Args:
        current: The current types.
        metadata: The tables.
        choices: The replacements for removed values.

    Raises:
        MigrationError: A replacement is not a value of the type.
    """
    mappings = _given_mappings(metadata, choices or Choices())
    for key, values in enums_of(metadata).items():
        schema, name = key
        if key not in current:
            yield CreateEnum(name, values, schema=schema)
        elif current[key] != values:
            replacements = mappings[key]
            for old, new in ((old, new) for old, new in replacements.items() if new):
                is_known = old in current[key]
                value, allowed = (new, values) if is_known else (old, current[key])
                if value not in allowed:
                    raise MigrationError(
                        f"--map {old}={new}: the enum type {name} has no value {value!r}. Use one "
                        f"of {join_reprs(allowed)}."
                    )
            if choices is not None:
                replacements = _resolve_removed_values(
                    metadata, key, current[key], replacements, choices
                )
            step = ChangeEnum(name, values, current[key], mapping=replacements, schema=schema)
            if step.mapping or step.removed:
                step = replace(step, columns=_text_columns_with(metadata, key))
            yield step


def _resolve_removed_values(
    metadata: MetaData, key: EnumKey, was: Values, replacements: Mapping[str, str], choices: Choices
) -> dict[str, str]:
    """Return the replacement for each removed value, without those that no row has.

    Replacements that were not given in advance are prompted for.
    """
    values = enums_of(metadata)[key]
    columns = [
        f"{column.table.name}.{column.name}"
        for column, enum in _native_enum_columns(metadata)
        if (enum.schema, enum.name) == key
    ]
    given_mappings = [choices.replacements_for(column) for column in columns]
    known = {value for mapping in given_mappings for value in mapping}
    answers = {
        value: choices.ask_replacement(columns[0], value, values)
        for value in was
        if value not in values and value not in known
    }
    return {old: new for old, new in {**replacements, **answers}.items() if new}


def _text_columns_with(metadata: MetaData, key: EnumKey) -> list[str]:
    """Return the columns of an enum type that are text on SQLite."""
    return [
        f"{column.table.name}.{column.name}"
        for column, enum in _native_enum_columns(metadata)
        if (enum.schema, enum.name) == key and not is_array(column.type)
    ]


def _given_mappings(metadata: MetaData, choices: Choices) -> dict[EnumKey, dict[str, str]]:
    """Return the replacements given for the values of each type, by its columns."""
    mappings: dict[EnumKey, dict[str, str]] = {}
    for column, enum in _native_enum_columns(metadata):
        given_mapping = choices.maps.get(f"{column.table.name}.{column.name}", {})
        mapping = mappings.setdefault((enum.schema, str(enum.name)), {})
        for old, new in given_mapping.items():
            if mapping.setdefault(old, new) != new:
                raise MigrationError(
                    f"--map gives the value {old!r} of the enum type {enum.name} two "
                    f"replacements, {mapping[old]!r} and {new!r}. Columns that share an enum type "
                    "share its values: give all of them the same replacement."
                )
    return mappings


def _dropped_name(operation: MigrateOperation) -> tuple[str, str | None]:
    column = operation.column_name if isinstance(operation, ops.DropColumnOp) else None
    assert isinstance(operation, ops.DropColumnOp | ops.DropTableOp)
    return operation.table_name, column


def _loses_type(table: str, column: str, dropped: set[tuple[str, str | None]]) -> bool:
    """Return whether a column stops using an enum type that no model uses.

    Only a column that is put aside keeps the type.
    """
    if (table, None) in dropped or (table, column) in dropped:
        return True
    return not (is_aside(table) or is_aside(column))
