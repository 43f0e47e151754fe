"""Models of a database that has none: its tables, read from the database itself."""

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
from colonnade.models._relation_shapes import link_fields
from colonnade.models._stored_tables import application_tables, read_sqlite_types
from colonnade.models._types import UTCDateTime
from colonnade.models._words import plural, singular

REFLECTED = "colonnade.reflected"
"""Under which the ``info`` of a metadata says that its tables were read from a database."""

RESERVED = frozenset({"metadata", "registry"})
"""What SQLAlchemy keeps for itself on a declarative class."""

UNWRITABLE = frozenset({"cls", "__pydantic_self__"})
"""Names that the constructor of a model has for itself, so that no body can say them."""

KNOWN = frozenset((bool, int, float, Decimal, str, bytes, datetime, date, time, timedelta, UUID))
"""What a column that is neither an array nor JSON may be in Python."""


@dataclass(frozen=True, slots=True)
class Reflection:
    """The models of a database.

    Attributes:
        models: A model of each table, by the table's name.
        skipped: The tables that have none, and why.
    """

    models: Mapping[str, type[Any]]
    skipped: Mapping[str, str] = field(default_factory=dict)


def reflect_models(connection: Connection, *schemas: str | None) -> Reflection:
    """Models of every table of a database, with relations along its foreign keys.

    A foreign key ``task.project_id`` is ``Task.project`` and ``Project.tasks``; a table that
    only links two others is a list on either side. The models are in their own registry.

    Args:
        connection: Where to read from.
        schemas: The schemas; without any, and for None: the default one.
    """
    stored = MetaData()
    inspector: Any = inspect(connection)  # it asks for what all tables have once
    skipped: dict[str, str] = {}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Did not recognize type", SAWarning)
        for schema in schemas or (None,):
            chosen = None if schema == inspector.default_schema_name else schema
            for name in application_tables(connection, chosen):
                try:
                    # Without what foreign keys lead to, which may not be there.
                    table = Table(
                        name, stored, schema=chosen, autoload_with=inspector, resolve_fks=False
                    )
                    read_sqlite_types(connection, table)
                except (ArgumentError, UnreflectableTableError) as error:
                    skipped[name] = f"it cannot be read: {error}"
    kept = {key: table for key, table in stored.tables.items() if table.primary_key.columns}
    skipped |= {key: "it has no primary key" for key in stored.tables if key not in kept}
    model_registry = registry()
    model_registry.metadata.info[REFLECTED] = (
        True  # its tables are the database's, not the program's
    )
    base = new_class("Base", (SQLModel,), {"registry": model_registry})
    names = table_classes(kept)
    models = {name: _model(base, table, names[name], connection) for name, table in kept.items()}
    for name, table in kept.items():
        _relate(models, models[name], table)
    model_registry.configure()
    return Reflection(MappingProxyType(models), MappingProxyType(skipped))


def referred_table(constraint: ForeignKeyConstraint) -> Table | None:
    """What a foreign key refers to; None if it is not there, or in another schema."""
    try:
        table = constraint.referred_table
        return table if all(element.column is not None for element in constraint.elements) else None
    except (NoReferencedTableError, NoReferencedColumnError):
        return None


def _numbered_by_hand(table: Table, connection: Connection) -> bool:
    """Whether SQLite makes no value of a table's integer key: it does for INTEGER alone, not INT.

    https://sqlite.org/lang_createtable.html#rowid
    """
    if connection.dialect.name != "sqlite":
        return False
    kinds = connection.execute(
        text("SELECT upper(type) FROM pragma_table_info(:name) WHERE pk > 0"), {"name": table.name}
    )
    return kinds.scalars().all() != ["INTEGER"]


def _model(base: Any, table: Table, name: str, connection: Connection) -> type[Any]:
    annotations: dict[str, Any] = {}
    body: dict[str, Any] = {
        "__tablename__": quoted_name(table.name, quote=True),
        "__module__": __name__,
    }
    by_hand = _numbered_by_hand(table, connection)
    for column in table.columns:
        attribute = attribute_name(column.name, annotations)
        kind = _column_type(column, connection.dialect.name)
        annotation = _python_type(kind)
        # What has no type in Python is text to read, and nothing to write.
        readonly = annotation is None or column.name in UNWRITABLE
        counted = table.autoincrement_column is column and not by_hand
        serial = counted or column.server_default is not None
        # SQLite takes NULL in a key that does not say NOT NULL; no row can be asked for by it.
        nullable = bool(column.nullable) and not column.primary_key
        optional = nullable or serial
        annotation = Any if annotation is None else annotation
        annotations[attribute] = Optional[annotation] if optional else annotation  # noqa: UP045
        alias: dict[str, Any] = {"alias": column.name} if attribute != column.name else {}
        options: dict[str, Any] = {"default": None} if optional else {}
        body[attribute] = Field(
            **options,
            **alias,
            readonly=readonly,
            sa_column=Column(
                # Not every word that SQLite reserves is known to SQLAlchemy: NOTHING is not.
                quoted_name(column.name, quote=True),
                kind,
                primary_key=column.primary_key,
                nullable=nullable,
                server_default=column.server_default,
                autoincrement=counted or (column.autoincrement if not by_hand else False),
            ),
        )
    body["__table_args__"] = (*_constraints(table), {"schema": table.schema})
    body["__annotations__"] = annotations
    model: type[Any] = new_class(name, (base,), {"table": True}, lambda space: space.update(body))
    return model


def _constraints(table: Table) -> Iterable[Any]:
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
                continue  # SQLAlchemy would take a name with a dot apart
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
    """The annotation of a type; None if there is none."""
    if isinstance(kind, UTCDateTime):
        return datetime
    if isinstance(kind, NativeEnum):
        return str
    if isinstance(kind, JSON):
        return Any
    if isinstance(kind, ARRAY):
        item: Any = _python_type(kind.item_type)
        # PostgreSQL declares no dimensions: an array of an array's type may be one of arrays.
        return None if item is None else list[Union[item, list[Any], None]]  # noqa: UP007 - made here
    try:
        python_type = kind.python_type
    except NotImplementedError:  # a type that says nothing of Python
        return None
    return python_type if python_type in KNOWN else None


def _relate(models: Mapping[str, type[Any]], model: type[Any], table: Table) -> None:
    """Add the relations along a table's foreign keys, to it and to what it refers to."""
    if link_fields(table) == () and _link(models, model, table):
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
        foreign, remote = [column for column, _ in pairs], [two for _, two in pairs]
        join = and_(*(column == two for column, two in pairs))
        options: dict[str, Any] = {"primaryjoin": join, "foreign_keys": foreign, "viewonly": True}
        single, many = relation_names(table, constraint)
        # The tables' own names for what they hold come first; a relation makes way.
        setattr(
            model,
            _free(single, model),
            relationship(target, remote_side=remote, uselist=False, **options),
        )
        setattr(
            target,
            _free(many, target),
            relationship(model, remote_side=foreign, uselist=True, **options),
        )


def relation_names(table: Table, constraint: ForeignKeyConstraint) -> tuple[str, str]:
    """What a foreign key's row is called, and what the rows that refer to it are.

    ``task.project_id`` is ``project`` and ``tasks``. Two keys to one table are named by
    their columns: ``owner_id`` and ``reviewer_id`` are ``owner_tasks`` and ``reviewer_tasks``.
    """
    referred = constraint.referred_table
    keys = [key for key in table.foreign_key_constraints if referred_table(key) is referred]
    column = "_".join(constraint.column_keys)
    stem = column.removesuffix("_id")
    alone = len(keys) == 1
    if stem != column and len(constraint.column_keys) == 1:
        single = stem
    else:
        single = singular(referred.name) if alone else f"{column}_{singular(referred.name)}"
    if referred is table and stem == "parent":
        return single, "children"
    return single, plural(table.name) if alone and referred is not table else (
        f"{stem}_{plural(table.name)}"
    )


def _link(models: Mapping[str, type[Any]], model: type[Any], table: Table) -> bool:
    """Relate two tables through one that only links them."""
    constraints = list(table.foreign_key_constraints)
    tables = [referred_table(constraint) for constraint in constraints]
    ends = [None if table is None else models.get(table.key) for table in tables]
    if len(constraints) != 2 or None in ends or ends[0] is ends[1]:
        return False
    first: Any = ends[0]
    second: Any = ends[1]
    for side, two in ((first, second), (second, first)):
        name = _free(plural(two.__tablename__), side)
        setattr(side, name, relationship(two, secondary=model.__table__, viewonly=True))
    return True


def _free(name: str, model: Any) -> str:
    name = _identifier(name)
    while hasattr(model, name):
        name += "_"
    return name


def table_classes(tables: Mapping[str, Table]) -> dict[str, str]:
    """A name for the class of each table, with the schema where several have one of the name.

    Args:
        tables: The tables, by their names with the schema.
    """
    bare = [table.name for table in tables.values()]
    wished = {
        key: table.name if bare.count(table.name) == 1 else key.replace(".", "_")
        for key, table in tables.items()
    }
    names = class_names(wished.values())
    return {key: names[wish] for key, wish in wished.items()}


def class_names(tables: Iterable[str]) -> dict[str, str]:
    """A name for the class of each table: ``Task`` for ``tasks``, unless ``task`` is there too."""
    names: dict[str, str] = {}
    for table in sorted(tables, key=lambda table: table != singular(table)):
        numbered = (f"{_class_name(table)}{number}" for number in count(2))
        wished = chain((_class_name(singular(table)), _class_name(table)), numbered)
        names[table] = next(name for name in wished if name not in names.values())
    return names


def _class_name(table: str) -> str:
    words = re.split(r"[^0-9A-Za-z]+", table)
    return _identifier("".join(word[:1].upper() + word[1:] for word in words if word) or "Table")


def attribute_name(column: str, taken: Mapping[str, Any]) -> str:
    name = _identifier(column)
    while name in taken or name in RESERVED or hasattr(SQLModel, name):
        name += "_"
    return name


def _identifier(name: str) -> str:
    identifier = re.sub(r"\W+", "_", name).lstrip("_") or "column"
    if identifier[0].isdigit():
        identifier = f"n{identifier}"
    return f"{identifier}_" if keyword.iskeyword(identifier) else identifier
