"""A column's type on each database, whatever class the model uses."""

from collections.abc import Iterable
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.dialects.sqlite.base import SQLiteDialect
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from colonnade._sqlalchemy_compat import variants_of

SQLITE: Dialect = SQLiteDialect(paramstyle="named")
POSTGRESQL: Dialect = cast("Any", PGDialect)(paramstyle="named")
"""Dialects with named parameters: with the other styles, SQLAlchemy doubles percent signs."""


def plain_type(type_: TypeEngine[Any]) -> TypeEngine[Any]:
    """Return a type as a generic SQLAlchemy type, for use in a revision.

    A revision must not depend on the application's type classes, nor on one database.
    """
    if variants_of(type_):
        return type_
    enum = postgresql_impl(type_)
    if isinstance(enum, sa.Enum) and enum is native_enum(type_):
        return type_ if isinstance(type_, sa.Enum) else existing_enum(enum)
    if isinstance(type_, TypeDecorator) and not type(type_).__module__.startswith("sqlalchemy."):
        on_postgresql = type_.load_dialect_impl(POSTGRESQL)
        if isinstance(on_postgresql, JSONB):
            return on_postgresql
        on_sqlite = plain_type(type_.load_dialect_impl(SQLITE))
        on_postgresql = plain_type(on_postgresql)
        if postgresql_type(on_sqlite) == postgresql_type(on_postgresql):
            return on_sqlite
        return on_sqlite.with_variant(on_postgresql, "postgresql")
    if isinstance(type_, JSONB | sa.Enum | sa.ARRAY):
        return type_
    if type(type_).__name__.isupper() and type(type_).__module__.startswith("sqlalchemy."):
        try:
            generic = type_.as_generic()
        except NotImplementedError:  # a type of one database only
            return type_
        return type_ if type(generic) is type(type_) else generic
    return type_


def postgresql_impl(type_: TypeEngine[Any]) -> TypeEngine[Any]:
    """Return the SQLAlchemy type that a type uses on PostgreSQL."""
    type_ = variants_of(type_).get("postgresql", type_)
    while isinstance(type_, TypeDecorator):
        type_ = type_.load_dialect_impl(POSTGRESQL)
    return type_


def native_enum(type_: TypeEngine[Any]) -> sa.Enum | None:
    """Return the enum type that a type is, or is an array of, on PostgreSQL; else None."""
    column_type = postgresql_impl(type_)
    while isinstance(column_type, sa.ARRAY):
        column_type = postgresql_impl(column_type.item_type)
    return (
        column_type
        if isinstance(column_type, sa.Enum) and column_type.native_enum and column_type.name
        else None
    )


def enum_key(type_: TypeEngine[Any]) -> tuple[str | None, str, bool] | None:
    """Return the schema and name of an enum type and whether it is an array; else None."""
    enum = native_enum(type_)
    return None if enum is None else (enum.schema, str(enum.name), is_array(type_))


def is_array(type_: TypeEngine[Any]) -> bool:
    """Return whether a type is an array on PostgreSQL."""
    return isinstance(postgresql_impl(type_), sa.ARRAY)


def existing_enum(type_: sa.Enum, values: Iterable[str] | None = None) -> sa.Enum:
    """Return a reference to an existing enum type, for both databases.

    Args:
        type_: The type.
        values: The type's values; the default is ``type_``'s.
    """
    labels = type_.enums if values is None else tuple(values)
    return sa.Enum(
        *labels,
        name=type_.name,
        schema=type_.schema,
        create_constraint=type_.create_constraint,
        length=max(type_.length or 0, *map(len, labels)),
        create_type=False,
    )


def postgresql_type(type_: TypeEngine[Any]) -> str:
    """Return a type as PostgreSQL's SQL."""
    return str(type_.compile(dialect=POSTGRESQL))


def postgresql_name(name: str) -> str:
    """Return a name quoted for PostgreSQL."""
    return str(POSTGRESQL.identifier_preparer.quote(name))
