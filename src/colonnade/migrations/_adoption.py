"""The models of a database that has tables and no code, as a module's source."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection, MetaData, Table
from sqlalchemy.exc import SAWarning

from colonnade.migrations._adopted_classes import ARGUMENTS, MODULES, ClassSource
from colonnade.migrations._adopted_constraints import (
    add_checks,
    add_foreign_keys,
    add_indexes,
    add_uniques,
    circular_keys,
)
from colonnade.migrations._adopted_module import module_of
from colonnade.migrations._adopted_relations import in_order, keys_of, relate
from colonnade.migrations._adoption_columns import (
    field_of,
)
from colonnade.migrations._environment import OURS
from colonnade.migrations._stored import Stored, stored_tables
from colonnade.models import class_names, name_declared_types

_EXTENSIONS = (
    "SELECT c.relname FROM pg_class c JOIN pg_depend d ON d.objid = c.oid "
    "WHERE d.deptype = 'e' AND d.classid = 'pg_class'::regclass"
)
_PARTITIONS = "SELECT relname FROM pg_class WHERE relispartition"


@dataclass(frozen=True)
class Adoption:
    """The models of a database.

    Attributes:
        source: A module that has them.
        models: The names of their classes.
        notes: What could not be said, a sentence each.
    """

    source: str
    models: tuple[str, ...]
    notes: tuple[str, ...]


def models_source(connection: Connection, schema: str | None = None) -> Adoption:
    """Write the models of a database's tables, with relations along their foreign keys.

    Args:
        connection: The database.
        schema: The schema; None: the one that is the default.
    """
    if schema == sa.inspect(connection).default_schema_name:
        schema = None
    stored = stored_tables(connection)
    notes: list[str] = []
    tables = _read(connection, schema, notes)
    names, late = _classes(tables), circular_keys(tables)
    classes = {name: ClassSource(table, names[name]) for name, table in sorted(tables.items())}
    for name, one in classes.items():
        there = stored.get((schema, name), Stored())
        _columns(one, connection, there, notes)
        add_uniques(one, connection)
        add_indexes(one, connection, notes)
        add_foreign_keys(one, tables, late, notes)
    for name, one in classes.items():
        add_checks(one, connection, stored.get((schema, name), Stored()))
        _timestamps(one)
    keys = {name: keys_of(one, classes) for name, one in classes.items()}
    for one in classes.values():
        relate(one, keys, classes, notes)
    ordered = in_order(classes, keys)
    return Adoption(module_of(ordered), tuple(one.name for one in ordered), tuple(notes))


def _read(connection: Connection, schema: str | None, notes: list[str]) -> dict[str, Table]:
    inspector = sa.inspect(connection)
    theirs: set[str] = set()
    parts: set[str] = set()
    if connection.dialect.name == "postgresql":
        theirs = set(connection.scalars(sa.text(_EXTENSIONS)))
        parts = set(connection.scalars(sa.text(_PARTITIONS)))
    metadata = MetaData()
    for name in sorted(inspector.get_table_names(schema)):
        if name in OURS or name in theirs or name.startswith("sqlite_"):
            continue
        if name in parts:
            notes.append(f"{name} is a part of another table, and has no model.")
            continue
        if not inspector.get_pk_constraint(name, schema)["constrained_columns"]:
            notes.append(f"{name} has no primary key, and no model.")
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SAWarning)  # types it does not know are noted
            table = Table(
                name, metadata, schema=schema, autoload_with=connection, resolve_fks=False
            )
            name_declared_types(table, connection)
    return {table.name: table for table in metadata.tables.values()}


def _classes(tables: Mapping[str, Table]) -> dict[str, str]:
    """The classes' names, none of which is one that the module imports, or looks like 0 or 1."""
    found = class_names(tables)
    imported = {*MODULES, *ARGUMENTS, *dir(sa.types), "I", "O"}
    for table, name in found.items():
        wished = name
        while wished in imported or list(found.values()).count(wished) > (wished == name):
            wished += "Row"
        found[table] = wished
    return found


def _columns(one: ClassSource, connection: Connection, there: Stored, notes: list[str]) -> None:
    for column in one.table.columns:
        name = one.free(column.name)
        source, note = field_of(column, name, connection.dialect, there.types.get(column.name))
        one.fields[column.name] = source
        if note is not None:
            notes.append(note)


def _timestamps(one: ClassSource) -> None:
    """``created_at`` and ``updated_at``, if they are what the mixin makes."""
    found = [one.fields.get(name) for name in ("created_at", "updated_at")]
    one.stamped = all(
        two is not None and two.source() == f"{two.column.name}: datetime" for two in found
    )
