"""The models of a database that has tables and no code, as a module's source."""

import warnings
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import sqlalchemy as sa
from sqlalchemy import Connection, MetaData, Table
from sqlalchemy.exc import SAWarning

from colonnade.migrations._environment import OURS
from colonnade.migrations.adopt._classes import ARGUMENTS, MODULES, ClassSource
from colonnade.migrations.adopt._columns import (
    field_of,
)
from colonnade.migrations.adopt._constraints import (
    add_checks,
    add_foreign_keys,
    add_indexes,
    add_key_order,
    add_uniques,
    circular_keys,
)
from colonnade.migrations.adopt._database_objects import Objects, objects_of, serial_columns
from colonnade.migrations.adopt._module import module_of
from colonnade.migrations.adopt._not_adopted import listed, losses
from colonnade.migrations.adopt._relations import in_order, keys_of, relate
from colonnade.migrations.autogenerate._reflected import Key, Stored, stored_models, stored_tables
from colonnade.models import application_tables, read_sqlite_types, table_classes


@dataclass(frozen=True)
class Adoption:
    """The models of a database.

    Attributes:
        source: A module that has them.
        models: The names of their classes.
        notes: What could not be said, a sentence each.
        objects: SQL of what the tables need besides.
    """

    source: str
    models: tuple[str, ...]
    notes: tuple[str, ...]
    objects: Objects


def models_source(connection: Connection, *schemas: str | None) -> Adoption:
    """Write the models of a database's tables, with relations along their foreign keys.

    Args:
        connection: The database.
        schemas: The schemas; without any, and for None: the default one.
    """
    default = sa.inspect(connection).default_schema_name
    chosen = dict.fromkeys(None if one == default else one for one in schemas or (None,))
    stored = stored_tables(connection)
    notes: list[str] = []
    tables = _read(connection, chosen, notes)
    names, late = _classes(tables), circular_keys(tables)
    serials = serial_columns(connection, tables.values())
    classes = {key: ClassSource(table, names[key]) for key, table in sorted(tables.items())}
    for one in classes.values():
        _columns(one, connection, _stored(stored, one), serials)
    _compare_types(classes.values(), stored, connection)
    notes += _replaced_types(classes.values(), connection)
    for one in classes.values():
        add_key_order(one)
        add_uniques(one, connection)
        add_indexes(one, connection, notes)
        add_foreign_keys(one, tables, late, notes)
    for one in classes.values():
        add_checks(one, connection, _stored(stored, one))
        _timestamps(one)
    keys = {key: keys_of(one, classes) for key, one in classes.items()}
    for one in classes.values():
        relate(one, keys, classes, notes)
    ordered = in_order(classes, keys)
    notes += losses(connection, tables.values())
    return Adoption(
        module_of(ordered),
        tuple(one.name for one in ordered),
        tuple(notes),
        replace(objects_of(connection, tables.values()), types=_unknown_types(classes.values())),
    )


def _stored(stored: Mapping[Key, Stored], one: ClassSource) -> Stored:
    return stored.get((one.table.schema, one.table.name), Stored())


def _read(
    connection: Connection, schemas: Iterable[str | None], notes: list[str]
) -> dict[str, Table]:
    """The tables that can have a model, by their names with the schema."""
    inspector, metadata = sa.inspect(connection), MetaData()
    for schema in schemas:
        for name in application_tables(connection, schema):
            if name in OURS:
                continue
            if not inspector.get_pk_constraint(name, schema)["constrained_columns"]:
                notes.append(f"{name} has no primary key, and no model.")
                continue
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", SAWarning)  # types it does not know are noted
                table = Table(
                    name, metadata, schema=schema, autoload_with=connection, resolve_fks=False
                )
            read_sqlite_types(connection, table)
    return dict(metadata.tables)


def _classes(tables: Mapping[str, Table]) -> dict[str, str]:
    """The classes' names, none of which is one that the module imports, or looks like 0 or 1."""
    found = table_classes(tables)
    imported = {*MODULES, *ARGUMENTS, *dir(sa.types), "I", "O"}
    for table, name in found.items():
        wished = name
        while wished in imported or list(found.values()).count(wished) > (wished == name):
            wished += "Row"
        found[table] = wished
    return found


def _columns(
    one: ClassSource,
    connection: Connection,
    there: Stored,
    serials: Container[tuple[str | None, str, str]],
) -> None:
    for column in one.table.columns:
        name = one.free(column.name)
        one.fields[column.name] = field_of(
            column,
            name,
            connection.dialect,
            there,
            serial=(one.table.schema, one.table.name, column.name) in serials,
        )


def _compare_types(
    classes: Iterable[ClassSource], stored: Mapping[Key, Stored], connection: Connection
) -> None:
    """Note the fields whose types PostgreSQL does not store as those that it has."""
    if connection.dialect.name != "postgresql":
        return
    metadata, fields = MetaData(), list(classes)
    for one in fields:
        columns = [sa.Column(field.column.name, field.kind.type) for field in one.fields.values()]
        Table(one.table.name, metadata, *columns, schema=one.table.schema)
    made = stored_models(metadata, connection)
    for one in fields:
        trial, there = _stored(made, one).types, _stored(stored, one).types
        for name, field in one.fields.items():
            if name in trial and trial[name] != there[name]:
                field.replaced = there[name]


def _unknown_types(classes: Iterable[ClassSource]) -> dict[tuple[str, str], str]:
    """The types that PostgreSQL has and SQLAlchemy does not know, by table and column."""
    return {
        (one.table.key, field.column.name): field.replaced
        for one in classes
        for field in one.fields.values()
        if field.replaced is not None and isinstance(field.column.type, sa.types.NullType)
    }


def _replaced_types(classes: Iterable[ClassSource], connection: Connection) -> Iterator[str]:
    """Which types models have in place of those that they cannot declare."""
    found: dict[tuple[str, str], list[str]] = {}
    for one in classes:
        for field in one.fields.values():
            if field.replaced is not None:
                used = field.kind.type.compile(dialect=connection.dialect)
                where = f"{one.table.name}.{field.column.name}"
                found.setdefault((field.replaced, used), []).append(where)
    for (stored, used), columns in sorted(found.items()):
        yield f"Models cannot declare {stored}: {used} is used for {listed(columns)}."


def _timestamps(one: ClassSource) -> None:
    """``created_at`` and ``updated_at``, if they are what the mixin makes."""
    found = [one.fields.get(name) for name in ("created_at", "updated_at")]
    one.stamped = all(
        two is not None and two.source() == f"{two.column.name}: datetime" for two in found
    )
