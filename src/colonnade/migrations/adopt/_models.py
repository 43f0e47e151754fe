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
    chosen = dict.fromkeys(None if schema == default else schema for schema in schemas or (None,))
    stored = stored_tables(connection)
    notes: list[str] = []
    tables = _read(connection, chosen, notes)
    names, late = _classes(tables), circular_keys(tables)
    serials = serial_columns(connection, tables.values())
    classes = {key: ClassSource(table, names[key]) for key, table in sorted(tables.items())}
    for source in classes.values():
        _columns(source, connection, _stored(stored, source), serials)
    _compare_types(classes.values(), stored, connection)
    notes += _replaced_types(classes.values(), connection)
    for source in classes.values():
        add_key_order(source)
        add_uniques(source, connection)
        add_indexes(source, connection, notes)
        add_foreign_keys(source, tables, late, notes)
    for source in classes.values():
        add_checks(source, connection, _stored(stored, source))
        _timestamps(source)
    keys = {key: keys_of(source, classes) for key, source in classes.items()}
    for source in classes.values():
        relate(source, keys, classes, notes)
    ordered = in_order(classes, keys)
    notes += losses(connection, tables.values())
    return Adoption(
        module_of(ordered),
        tuple(source.name for source in ordered),
        tuple(notes),
        replace(objects_of(connection, tables.values()), types=_unknown_types(classes.values())),
    )


def _stored(stored: Mapping[Key, Stored], source: ClassSource) -> Stored:
    return stored.get((source.table.schema, source.table.name), Stored())


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
    tables_with_classes = table_classes(tables)
    imported = {*MODULES, *ARGUMENTS, *dir(sa.types), "I", "O"}
    for table, name in tables_with_classes.items():
        wished = name
        while wished in imported or list(tables_with_classes.values()).count(wished) > (
            wished == name
        ):
            wished += "Row"
        tables_with_classes[table] = wished
    return tables_with_classes


def _columns(
    source: ClassSource,
    connection: Connection,
    there: Stored,
    serials: Container[tuple[str | None, str, str]],
) -> None:
    for column in source.table.columns:
        name = source.free(column.name)
        source.fields[column.name] = field_of(
            column,
            name,
            connection.dialect,
            there,
            serial=(source.table.schema, source.table.name, column.name) in serials,
        )


def _compare_types(
    classes: Iterable[ClassSource], stored: Mapping[Key, Stored], connection: Connection
) -> None:
    """Note the fields whose types PostgreSQL does not store as those that it has."""
    if connection.dialect.name != "postgresql":
        return
    metadata, fields = MetaData(), list(classes)
    for source in fields:
        columns = [
            sa.Column(field.column.name, field.kind.type) for field in source.fields.values()
        ]
        Table(source.table.name, metadata, *columns, schema=source.table.schema)
    trial_models = stored_models(metadata, connection)
    for source in fields:
        trial, there = _stored(trial_models, source).types, _stored(stored, source).types
        for name, field in source.fields.items():
            if name in trial and trial[name] != there[name]:
                field.replaced = there[name]


def _unknown_types(classes: Iterable[ClassSource]) -> dict[tuple[str, str], str]:
    """The types that PostgreSQL has and SQLAlchemy does not know, by table and column."""
    return {
        (source.table.key, field.column.name): field.replaced
        for source in classes
        for field in source.fields.values()
        if field.replaced is not None and isinstance(field.column.type, sa.types.NullType)
    }


def _replaced_types(classes: Iterable[ClassSource], connection: Connection) -> Iterator[str]:
    """Which types models have in place of those that they cannot declare."""
    replaced: dict[tuple[str, str], list[str]] = {}
    for source in classes:
        for field in source.fields.values():
            if field.replaced is not None:
                used = field.kind.type.compile(dialect=connection.dialect)
                where = f"{source.table.name}.{field.column.name}"
                replaced.setdefault((field.replaced, used), []).append(where)
    for (stored, used), columns in sorted(replaced.items()):
        yield f"Models cannot declare {stored}: {used} is used for {listed(columns)}."


def _timestamps(source: ClassSource) -> None:
    """``created_at`` and ``updated_at``, if they are what the mixin makes."""
    fields = [source.fields.get(name) for name in ("created_at", "updated_at")]
    source.stamped = all(
        two is not None and two.source() == f"{two.column.name}: datetime" for two in fields
    )
