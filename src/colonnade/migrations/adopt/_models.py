"""Write the models of a database's tables as the source of a module."""

import warnings
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import sqlalchemy as sa
from sqlalchemy import Connection, MetaData, Table
from sqlalchemy.exc import SAWarning

from colonnade.migrations._environment import INTERNAL_TABLES
from colonnade.migrations.adopt._classes import ARGUMENTS, MODULES, ClassSource
from colonnade.migrations.adopt._columns import field_of
from colonnade.migrations.adopt._constraints import (
    add_checks,
    add_foreign_keys,
    add_indexes,
    add_key_order,
    add_uniques,
    circular_keys,
)
from colonnade.migrations.adopt._database_objects import (
    DatabaseObjects,
    read_objects,
    serial_columns,
)
from colonnade.migrations.adopt._module import module_of
from colonnade.migrations.adopt._not_adopted import listed, not_adopted_notes
from colonnade.migrations.adopt._relations import add_relations, keys_of, sorted_models
from colonnade.migrations.autogenerate._reflected import (
    StoredTable,
    TableKey,
    stored_models,
    stored_tables,
)
from colonnade.models import (
    application_tables,
    read_sqlite_types,
    read_sqlite_uniques,
    table_classes,
)


@dataclass(frozen=True)
class Adoption:
    """The models of a database.

    Attributes:
        source: The source of a module with the models.
        models: The names of the model classes.
        notes: Sentences about everything that the models cannot express.
        objects: SQL of other objects that the tables need.

    Examples:
        ```python
        from colonnade import Database, text
        from colonnade.migrations import adopt_database

        db = Database("sqlite://")
        with db.session() as session:
            session.exec(text("CREATE TABLE book (id INTEGER PRIMARY KEY, title TEXT)"))
            session.exec(text("CREATE VIEW titles AS SELECT title FROM book"))
            session.commit()
        for note in adopt_database(db).notes:
            print(note)  # Views are left out: titles.
        ```
    """

    source: str
    models: tuple[str, ...]
    notes: tuple[str, ...]
    objects: DatabaseObjects


def models_source(connection: Connection, *schemas: str | None) -> Adoption:
    """Write the models of a database's tables, with relations along their foreign keys.

    Args:
        connection: The database.
        schemas: The schemas; None, and no schema at all, mean the default one.

    Returns:
        The models. ``models`` is empty if there are no tables.

    Examples:
        ```python
        from colonnade import Database
        from colonnade.migrations import models_source

        db = Database("sqlite://")
        with db.engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE book (id INTEGER PRIMARY KEY, title TEXT)")
            print(models_source(connection).models)  # ('Book',)
        ```
    """
    default = sa.inspect(connection).default_schema_name
    chosen = dict.fromkeys(None if schema == default else schema for schema in schemas or (None,))
    stored = stored_tables(connection)
    notes: list[str] = []
    tables = _read(connection, chosen, notes)
    names, circular = _classes(tables), circular_keys(tables)
    serials = serial_columns(connection, tables.values())
    classes = {key: ClassSource(table, names[key]) for key, table in sorted(tables.items())}
    for model in classes.values():
        _columns(model, connection, _stored(stored, model), serials)
    _compare_types(classes.values(), stored, connection)
    notes += _replaced_types(classes.values(), connection)
    for model in classes.values():
        add_key_order(model)
        add_uniques(model, connection)
        add_indexes(model, connection, notes)
        add_foreign_keys(model, tables, circular, notes)
    for model in classes.values():
        add_checks(model, connection, _stored(stored, model))
        _timestamps(model)
    keys = {key: keys_of(model, classes) for key, model in classes.items()}
    for model in classes.values():
        add_relations(model, keys, classes, notes)
    ordered = sorted_models(classes, keys)
    notes += not_adopted_notes(connection, tables.values())
    return Adoption(
        module_of(ordered),
        tuple(model.name for model in ordered),
        tuple(notes),
        replace(read_objects(connection, tables.values()), types=_unknown_types(classes.values())),
    )


def _stored(stored: Mapping[TableKey, StoredTable], model: ClassSource) -> StoredTable:
    return stored.get((model.table.schema, model.table.name), StoredTable())


def _read(
    connection: Connection, schemas: Iterable[str | None], notes: list[str]
) -> dict[str, Table]:
    """The tables that can have a model, by their names qualified with the schema."""
    inspector, metadata = sa.inspect(connection), MetaData()
    for schema in schemas:
        for name in application_tables(connection, schema):
            if name in INTERNAL_TABLES:
                continue
            if not inspector.get_pk_constraint(name, schema)["constrained_columns"]:
                notes.append(f"The table {name} is left out, because it has no primary key.")
                continue
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", SAWarning)  # the notes name unknown types
                table = Table(
                    name, metadata, schema=schema, autoload_with=connection, resolve_fks=False
                )
            read_sqlite_types(connection, table)
            read_sqlite_uniques(connection, table)
    return dict(metadata.tables)


def _classes(tables: Mapping[str, Table]) -> dict[str, str]:
    """The names of the classes; not those of imports, and not I and O, which look like digits."""
    names = table_classes(tables)
    imported = {*MODULES, *ARGUMENTS, *dir(sa.types), "I", "O"}
    for table, name in names.items():
        unique_name = name
        while unique_name in imported or list(names.values()).count(unique_name) > (
            unique_name == name
        ):
            unique_name += "Row"
        names[table] = unique_name
    return names


def _columns(
    model: ClassSource,
    connection: Connection,
    stored_table: StoredTable,
    serials: Container[tuple[str | None, str, str]],
) -> None:
    for column in model.table.columns:
        name = model.free(column.name)
        model.fields[column.name] = field_of(
            column,
            name,
            connection.dialect,
            stored_table,
            serial=(model.table.schema, model.table.name, column.name) in serials,
        )


def _compare_types(
    classes: Iterable[ClassSource], stored: Mapping[TableKey, StoredTable], connection: Connection
) -> None:
    """Mark the fields whose types PostgreSQL would store as other types than the current ones."""
    if connection.dialect.name != "postgresql":
        return
    metadata, models = MetaData(), list(classes)
    for model in models:
        columns = [sa.Column(field.column.name, field.kind.type) for field in model.fields.values()]
        Table(model.table.name, metadata, *columns, schema=model.table.schema)
    trial = stored_models(metadata, connection)
    for model in models:
        trial_types, stored_types = _stored(trial, model).types, _stored(stored, model).types
        for name, field in model.fields.items():
            if name in trial_types and trial_types[name] != stored_types[name]:
                field.replaced = stored_types[name]


def _unknown_types(classes: Iterable[ClassSource]) -> dict[tuple[str, str], str]:
    """The types of PostgreSQL that SQLAlchemy does not know, by table and column."""
    return {
        (model.table.key, field.column.name): field.replaced
        for model in classes
        for field in model.fields.values()
        if field.replaced is not None and isinstance(field.column.type, sa.types.NullType)
    }


def _replaced_types(classes: Iterable[ClassSource], connection: Connection) -> Iterator[str]:
    """Sentences about the types that models replace because they cannot declare them."""
    columns_by_types: dict[tuple[str, str], list[str]] = {}
    for model in classes:
        for field in model.fields.values():
            if field.replaced is not None:
                used = field.kind.type.compile(dialect=connection.dialect)
                where = f"{model.table.name}.{field.column.name}"
                columns_by_types.setdefault((field.replaced, used), []).append(where)
    for (stored, used), columns in sorted(columns_by_types.items()):
        yield f"Models cannot declare {stored}: {used} is used for {listed(columns)}."


def _timestamps(model: ClassSource) -> None:
    """Use the mixin ``Timestamps`` if the model has the same two columns."""
    fields = [model.fields.get(name) for name in ("created_at", "updated_at")]
    model.has_timestamps = all(
        field is not None and field.source() == f"{field.column.name}: datetime" for field in fields
    )
