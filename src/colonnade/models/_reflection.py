"""Reflection: models of the tables in an existing database."""

import keyword
import re
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import chain, count
from types import MappingProxyType, new_class
from typing import Any, Optional, Union
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    Column,
    Connection,
    DateTime,
    Float,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    Numeric,
    Table,
    UniqueConstraint,
    and_,
    inspect,
    text,
)
from sqlalchemy import Enum as NativeEnum
from sqlalchemy.exc import (
    ArgumentError,
    NoReferencedColumnError,
    NoReferencedTableError,
    SAWarning,
    UnreflectableTableError,
)
from sqlalchemy.orm import registry, relationship
from sqlalchemy.sql.elements import quoted_name
from sqlalchemy.types import TypeEngine

from colonnade.models._fields import Field
from colonnade.models._model import SQLModel
from colonnade.models._native_types import is_range, native_python_type, type_on
from colonnade.models._relation_shapes import link_fields
from colonnade.models._stored_tables import (
    application_tables,
    read_sqlite_types,
    read_sqlite_uniques,
)
from colonnade.models._types import UTCDateTime
from colonnade.models._words import plural, singular

REFLECTED = "colonnade.reflected"
"""The key in ``MetaData.info`` that marks tables as reflected."""

RESERVED = frozenset({"metadata", "registry"})
"""Attributes that SQLAlchemy reserves on declarative classes."""

UNWRITABLE = frozenset({"cls", "__pydantic_self__"})
"""Parameters of a model's constructor, which therefore cannot be fields in a request body."""

PYTHON_TYPES = frozenset(
    (bool, int, float, Decimal, str, bytes, datetime, date, time, timedelta, UUID)
)
"""The Python types of columns, besides arrays and JSON."""


@dataclass(frozen=True, slots=True)
class Reflection:
    """The models of a database.

    Attributes:
        models: The models by table name.
        skipped: Why a table has no model, by table name.
    """

    models: Mapping[str, type[Any]]
    skipped: Mapping[str, str] = field(default_factory=dict)


def reflect_models(connection: Connection, *schemas: str | None) -> Reflection:
    """Create models for the tables of a database, with relations for its foreign keys.

    A foreign key ``task.project_id`` becomes ``Task.project`` and ``Project.tasks``. A table that
    only links two others becomes a list on either side. The models have their own registry.

    Args:
        connection: The database.
        schemas: The schemas to read; by default, and for None, the default schema.
    """
    metadata = MetaData()
    inspector: Any = inspect(connection)  # caches what it reads for all tables
    skipped: dict[str, str] = {}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Did not recognize type", SAWarning)
        for schema in schemas or (None,):
            chosen = None if schema == inspector.default_schema_name else schema
            for name in application_tables(connection, chosen):
                try:
                    # Referenced tables may not exist, so do not resolve foreign keys.
                    table = Table(
                        name, metadata, schema=chosen, autoload_with=inspector, resolve_fks=False
                    )
                    read_sqlite_types(connection, table)
                    read_sqlite_uniques(connection, table)
                except (ArgumentError, UnreflectableTableError) as error:
                    skipped[name] = f"it cannot be read: {error}"
    with_key = {key: table for key, table in metadata.tables.items() if table.primary_key.columns}
    skipped |= {key: "it has no primary key" for key in metadata.tables if key not in with_key}
    model_registry = registry()
    model_registry.metadata.info[REFLECTED] = True
    base = new_class("Base", (SQLModel,), {"registry": model_registry})
    names = table_classes(with_key)
    models = {
        name: _build_model(base, table, names[name], connection) for name, table in with_key.items()
    }
    for name, table in with_key.items():
        _add_relations(models, models[name], table)
    model_registry.configure()
    return Reflection(MappingProxyType(models), MappingProxyType(skipped))


def is_reflected(metadata: MetaData) -> bool:
    """Whether tables were read from a database, rather than declared."""
    return bool(metadata.info.get(REFLECTED))


def referred_table(constraint: ForeignKeyConstraint) -> Table | None:
    """The table that a foreign key refers to; None if it is missing or in another schema."""
    try:
        table = constraint.referred_table
        return table if all(element.column is not None for element in constraint.elements) else None
    except (NoReferencedTableError, NoReferencedColumnError):
        return None


def _key_needs_value(table: Table, connection: Connection) -> bool:
    """Whether SQLite does not generate a table's key, since its type is not exactly INTEGER.

    https://sqlite.org/lang_createtable.html#rowid
    """
    if connection.dialect.name != "sqlite":
        return False
    kinds = connection.execute(
        text("SELECT upper(type) FROM pragma_table_info(:name) WHERE pk > 0"), {"name": table.name}
    )
    return kinds.scalars().all() != ["INTEGER"]


def _build_model(base: Any, table: Table, name: str, connection: Connection) -> type[Any]:
    annotations: dict[str, Any] = {}
    body: dict[str, Any] = {
        "__tablename__": quoted_name(table.name, quote=True),
        "__module__": __name__,
    }
    needs_value = _key_needs_value(table, connection)
    for column in table.columns:
        attribute = attribute_name(column.name, annotations)
        kind = _column_type(column, connection.dialect.name)
        annotation = _python_type(kind)
        # A column without a Python type can only be read, as text.
        readonly = annotation is None or column.name in UNWRITABLE
        autoincrements = table.autoincrement_column is column and not needs_value
        has_database_value = autoincrements or column.server_default is not None
        # SQLite allows NULL in a key that is not NOT NULL, but no request can name such a row.
        nullable = bool(column.nullable) and not column.primary_key
        optional = nullable or has_database_value
        annotation = Any if annotation is None else annotation
        annotations[attribute] = Optional[annotation] if optional else annotation  # noqa: UP045
        alias: dict[str, Any] = {"alias": column.name} if attribute != column.name else {}
        options: dict[str, Any] = {"default": None} if optional else {}
        body[attribute] = Field(
            **options,
            **alias,
            readonly=readonly,
            sa_column=Column(
                # Quote, since SQLAlchemy does not know all reserved words of SQLite (NOTHING).
                quoted_name(column.name, quote=True),
                kind,
                primary_key=column.primary_key,
                nullable=nullable,
                server_default=column.server_default,
                autoincrement=autoincrements
                or (column.autoincrement if not needs_value else False),
            ),
        )
    body["__table_args__"] = (*_copied_constraints(table), {"schema": table.schema})
    body["__annotations__"] = annotations
    model: type[Any] = new_class(
        name, (base,), {"table": True}, lambda namespace: namespace.update(body)
    )
    return model


def _copied_constraints(table: Table) -> Iterable[Any]:
    for constraint in table.constraints:
        columns = [column.name for column in getattr(constraint, "columns", ())]
        if isinstance(constraint, ForeignKeyConstraint):
            referred = referred_table(constraint)
            names = (
                [element.column.name for element in constraint.elements]
                if referred is not None
                else []
            )
            if referred is None or any("." in name for name in (referred.name, *names)):
                continue  # SQLAlchemy would split a name at the dot
            targets = [f"{referred.fullname}.{name}" for name in names]
            rule = constraint.ondelete
            yield ForeignKeyConstraint(columns, targets, name=constraint.name, ondelete=rule)
        elif isinstance(constraint, UniqueConstraint):
            yield UniqueConstraint(*columns, name=constraint.name)


def _column_type(column: Column[Any], dialect: str) -> TypeEngine[Any]:
    kind = column.type
    if dialect == "sqlite":
        if isinstance(kind, Integer):
            return BigInteger()
        if isinstance(kind, Numeric) and not isinstance(kind, Float) and kind.scale is None:
            return Float()
    if isinstance(kind, DateTime) and getattr(kind, "timezone", False):
        return UTCDateTime()
    return kind


def _python_type(kind: TypeEngine[Any]) -> Any:
    """The annotation for a column type; None if there is none."""
    if isinstance(kind, UTCDateTime):
        return datetime
    if isinstance(kind, NativeEnum):
        return str
    base = type_on(kind, "postgresql")
    if isinstance(base, JSON):
        return Any if base is kind else None  # SQLAlchemy does not convert a domain's values
    native = native_python_type(base)
    if native is not None:
        return native
    if isinstance(base, ARRAY):
        item: Any = _python_type(base.item_type)
        if is_range(item):
            return None
        # PostgreSQL does not enforce the dimensions of an array, so items may be arrays.
        return None if item is None else list[Union[item, list[Any], None]]  # noqa: UP007 - only known at run time
    try:
        python_type = base.python_type
    except NotImplementedError:  # the type has no Python type
        return None
    return python_type if python_type in PYTHON_TYPES else None


def _add_relations(models: Mapping[str, type[Any]], model: type[Any], table: Table) -> None:
    """Add relations for a table's foreign keys, on both sides."""
    if link_fields(table) == () and _add_link_relations(models, model, table):
        return
    for constraint in sorted(table.foreign_key_constraints, key=lambda key: list(key.column_keys)):
        referred = referred_table(constraint)
        target = None if referred is None else models.get(referred.key)
        if target is None:
            continue
        here, there = model.__table__.c, target.__table__.c
        pairs = [
            (here[element.parent.name], there[element.column.name])
            for element in constraint.elements
        ]
        foreign, remote = [column for column, _ in pairs], [column for _, column in pairs]
        join = and_(*(here_column == there_column for here_column, there_column in pairs))
        options: dict[str, Any] = {"primaryjoin": join, "foreign_keys": foreign, "viewonly": True}
        single, many = relation_names(table, constraint)
        # Columns keep their names; a relation gets another name if it is taken.
        setattr(
            model,
            _unused_name(single, model),
            relationship(target, remote_side=remote, uselist=False, **options),
        )
        setattr(
            target,
            _unused_name(many, target),
            relationship(model, remote_side=foreign, uselist=True, **options),
        )


def relation_names(table: Table, constraint: ForeignKeyConstraint) -> tuple[str, str]:
    """The names of the relations on both sides of a foreign key.

    ``task.project_id`` gives ``project`` and ``tasks``. Two keys to one table are named by their
    columns: ``owner_id`` and ``reviewer_id`` give ``owner_tasks`` and ``reviewer_tasks``.
    """
    referred = constraint.referred_table
    keys = [key for key in table.foreign_key_constraints if referred_table(key) is referred]
    column = "_".join(constraint.column_keys)
    stem = column.removesuffix("_id")
    is_only_key = len(keys) == 1
    if stem != column and len(constraint.column_keys) == 1:
        single = stem
    else:
        single = singular(referred.name) if is_only_key else f"{column}_{singular(referred.name)}"
    if referred is table and stem == "parent":
        return single, "children"
    return single, plural(table.name) if is_only_key and referred is not table else (
        f"{stem}_{plural(table.name)}"
    )


def _add_link_relations(models: Mapping[str, type[Any]], model: type[Any], table: Table) -> bool:
    """Add many-to-many relations for a link table; False if it does not link two other tables."""
    constraints = list(table.foreign_key_constraints)
    tables = [referred_table(constraint) for constraint in constraints]
    linked_models = [None if table is None else models.get(table.key) for table in tables]
    if len(constraints) != 2 or None in linked_models or linked_models[0] is linked_models[1]:
        return False
    first: Any = linked_models[0]
    second: Any = linked_models[1]
    for side, target in ((first, second), (second, first)):
        name = _unused_name(plural(target.__tablename__), side)
        setattr(side, name, relationship(target, secondary=model.__table__, viewonly=True))
    return True


def _unused_name(name: str, model: Any) -> str:
    name = _identifier(name)
    while hasattr(model, name):
        name += "_"
    return name


def table_classes(tables: Mapping[str, Table]) -> dict[str, str]:
    """The class name of each table, with the schema if several tables share a name.

    Args:
        tables: The tables, by their names including the schema.
    """
    table_names = [table.name for table in tables.values()]
    preferred = {
        key: table.name if table_names.count(table.name) == 1 else key.replace(".", "_")
        for key, table in tables.items()
    }
    names = class_names(preferred.values())
    return {key: names[preferred_name] for key, preferred_name in preferred.items()}


def class_names(tables: Iterable[str]) -> dict[str, str]:
    """The class name of each table: ``Task`` for ``tasks``, unless ``task`` exists as well."""
    names: dict[str, str] = {}
    for table in sorted(tables, key=lambda table: table != singular(table)):
        numbered = (f"{_class_name(table)}{number}" for number in count(2))
        preferred = chain((_class_name(singular(table)), _class_name(table)), numbered)
        names[table] = next(name for name in preferred if name not in names.values())
    return names


def _class_name(table: str) -> str:
    words = re.split(r"[^0-9A-Za-z]+", table)
    return _identifier("".join(word[:1].upper() + word[1:] for word in words if word) or "Table")


def attribute_name(column: str, used_names: Mapping[str, Any]) -> str:
    name = _identifier(column)
    while name in used_names or name in RESERVED or hasattr(SQLModel, name):
        name += "_"
    return name


def _identifier(name: str) -> str:
    identifier = re.sub(r"\W+", "_", name).lstrip("_") or "column"
    if identifier[0].isdigit():
        identifier = f"n{identifier}"
    return f"{identifier}_" if keyword.iskeyword(identifier) else identifier
