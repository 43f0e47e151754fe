"""What a column's type is to each database, whatever class the model names."""

from collections.abc import Iterable
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.dialects.sqlite.base import SQLiteDialect
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

SQLITE: Dialect = SQLiteDialect(paramstyle="named")
POSTGRESQL: Dialect = cast("Any", PGDialect)(paramstyle="named")
"""With named parameters: the other styles double percent signs."""


def plain_type(kind: TypeEngine[Any]) -> TypeEngine[Any]:
    """What a column's type is to a database, as SQLAlchemy's general types say it.

    A revision must not change when the model's own type does, nor name one database.
    """
    if kind._variant_mapping:
        return kind
    enum = on_postgresql(kind)
    if isinstance(enum, sa.Enum) and enum is native_enum(kind):
        return kind if isinstance(kind, sa.Enum) else enum_of(enum)
    if isinstance(kind, TypeDecorator) and not type(kind).__module__.startswith("sqlalchemy."):
        there = kind.load_dialect_impl(POSTGRESQL)
        if isinstance(there, JSONB):
            return there
        here = plain_type(kind.load_dialect_impl(SQLITE))
        there = plain_type(there)
        if postgresql_type(here) == postgresql_type(there):
            return here
        return here.with_variant(there, "postgresql")
    if isinstance(kind, JSONB | sa.Enum | sa.ARRAY):
        return kind
    if type(kind).__name__.isupper() and type(kind).__module__.startswith("sqlalchemy."):
        try:
            generic = kind.as_generic()
        except NotImplementedError:  # a type that only one database has
            return kind
        return kind if type(generic) is type(kind) else generic
    return kind


def on_postgresql(kind: TypeEngine[Any]) -> TypeEngine[Any]:
    """What a column's type is there, as SQLAlchemy's own types say it."""
    kind = kind._variant_mapping.get("postgresql", kind)
    while isinstance(kind, TypeDecorator):
        kind = kind.load_dialect_impl(POSTGRESQL)
    return kind


def native_enum(kind: TypeEngine[Any]) -> sa.Enum | None:
    """The enum type that a column's type is on PostgreSQL, or is an array of; None if neither."""
    enum = on_postgresql(kind)
    while isinstance(enum, sa.ARRAY):
        enum = on_postgresql(enum.item_type)
    return enum if isinstance(enum, sa.Enum) and enum.native_enum and enum.name else None


def enum_key(kind: TypeEngine[Any]) -> tuple[str | None, str, bool] | None:
    """What tells an enum type from others: schema, name, whether it is an array; None if none."""
    enum = native_enum(kind)
    return None if enum is None else (enum.schema, str(enum.name), is_array(kind))


def is_array(kind: TypeEngine[Any]) -> bool:
    """Whether a column's type is an array on PostgreSQL."""
    return isinstance(on_postgresql(kind), sa.ARRAY)


def enum_of(kind: sa.Enum, values: Iterable[str] | None = None) -> sa.Enum:
    """An enum type that is there already, as both databases understand it.

    Args:
        kind: The type.
        values: Its values, if they are others.
    """
    names = kind.enums if values is None else tuple(values)
    return sa.Enum(
        *names,
        name=kind.name,
        schema=kind.schema,
        create_constraint=kind.create_constraint,
        length=max(kind.length or 0, *map(len, names)),
        create_type=False,
    )


def postgresql_type(kind: TypeEngine[Any]) -> str:
    """A type as PostgreSQL says it."""
    return str(kind.compile(dialect=POSTGRESQL))


def postgresql_name(name: str) -> str:
    """A name as PostgreSQL says it."""
    return str(POSTGRESQL.identifier_preparer.quote(name))
