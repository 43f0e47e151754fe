"""Column types whose values survive a round trip unchanged on every database."""

import ipaddress
import re
from collections.abc import Mapping
from copy import copy
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum, Flag
from functools import cache, cached_property
from pathlib import Path
from typing import Any, cast

import sqlmodel
from pydantic import AnyUrl, PostgresDsn
from sqlalchemy import (
    BigInteger,
    Integer,
    Numeric,
    String,
    types,
)
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction
from sqlalchemy.sql.operators import OperatorType

from colonnade.errors import StoredValueError

INT32 = range(-(2**31), 2**31)
"""The values that fit INTEGER in PostgreSQL."""

EXACT_DIGITS = 15
"""Decimal digits that every IEEE 754 double keeps (``sys.float_info.dig``). SQLite has no decimal
type, and stores a double in a NUMERIC column."""

# Pydantic does not export the base class of URLs with several hosts.
_URLS: tuple[type[Any], ...] = (AnyUrl, PostgresDsn.__mro__[1])

TEXT_TYPES: tuple[type[Any], ...] = (
    ipaddress.IPv4Address,
    ipaddress.IPv6Address,
    ipaddress.IPv4Interface,
    ipaddress.IPv6Interface,
    ipaddress.IPv4Network,
    ipaddress.IPv6Network,
    Path,
    *_URLS,
)
"""Types whose constructor accepts their ``str()`` and returns an equal value."""


class UTCDateTime(sqlmodel.UTCDateTime):
    """The column type of datetimes: it stores them in UTC and returns them aware, in UTC.

    It takes a naive datetime as local time, where sqlmodel's type of the same name refuses it.
    Every ``datetime`` field gets this type; name it only in a ``Column`` that you write yourself.

    Examples:
        ```python
        from datetime import datetime, timedelta, timezone

        from colonnade import Column, Database, Field, SQLModel, UTCDateTime


        class Event(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            starts_at: datetime = Field(sa_column=Column(UTCDateTime(), nullable=False))


        db = Database("sqlite://")
        db.create_all()
        with db.session() as session:
            noon = datetime(2026, 7, 1, 12, tzinfo=timezone(timedelta(hours=2)))
            session.add(Event(starts_at=noon))
            session.commit()
        with db.session() as session:
            print(session.get_one(Event, 1).starts_at)  # 2026-07-01 10:00:00+00:00
        ```
    """

    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else as_utc(value)


class UTCTimestamp(UTCDateTime):
    """``UTCDateTime`` for a column that SQLite declares as TIMESTAMP, as other programs do.

    ``colonnade adopt`` uses it, so that the model of an existing table has the type of its column.

    Examples:
        ```python
        from datetime import datetime

        from colonnade import Database, Field, SQLModel, UTCTimestamp, inspect


        class Event(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            starts_at: datetime = Field(sa_type=UTCTimestamp)


        db = Database("sqlite://")
        db.create_all()
        print(inspect(db.engine).get_columns("event")[1]["type"])  # TIMESTAMP
        ```
    """

    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> types.TypeEngine[Any]:
        return _TIMESTAMP

    def __repr__(self) -> str:
        return "UTCTimestamp()"


_TIMESTAMP = types.TIMESTAMP(timezone=True).with_variant(
    types.DateTime(timezone=True), "postgresql"
)


def as_utc(value: datetime) -> datetime:
    """Convert a datetime to UTC; a naive datetime is taken as local time."""
    return value.astimezone(UTC)


class EnumText(types.TypeDecorator[Enum]):
    """An ``Enum`` stored by value, as text.

    Member names, which sqlmodel stores, can still be read. An enum whose values are neither all
    text nor all integers is stored by name.

    Args:
        enum_class: The enum.
    """

    impl = String
    cache_ok = True

    def __init__(self, enum_class: type[Enum]) -> None:
        super().__init__()
        self.enum_class = enum_class
        values = [member.value for member in enum_class]
        texts = all(isinstance(value, str) for value in values)
        self._by_value = texts or all(is_integer(value) for value in values)

    @property
    def choices(self) -> tuple[str | int, ...] | None:
        """The stored values; None for flags, whose members can be combined."""
        if issubclass(self.enum_class, Flag):
            return None
        return tuple(self._stored(member) for member in self.enum_class)

    @cached_property
    def spellings(self) -> Mapping[Enum, tuple[str, ...]] | None:
        """The stored texts of each member; None if each member has only one."""
        if not self._by_value or not all(
            isinstance(member.value, str) for member in self.enum_class
        ):
            return None
        values = {member.value for member in self.enum_class}
        names = {
            member: [member.name] if member.name not in values else [] for member in self.enum_class
        }
        if not any(names.values()):
            return None
        return {member: (member.value, *names[member]) for member in self.enum_class}

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | int | None:
        return None if value is None else self._stored(self._member(value))

    def process_result_value(self, value: Any, dialect: Dialect) -> Enum | None:
        return None if value is None else self._member(value)

    def coerce_compared_value(self, op: OperatorType | None, value: Any) -> types.TypeEngine[Any]:
        # ``status == "open"`` compares with a member; ``status.startswith("o")`` with text.
        if op is None or getattr(op, "__name__", "") in COMPARISON_OPERATORS:
            return self
        return self.impl_instance

    def _stored(self, member: Enum) -> str | int:
        return cast("str | int", member.value) if self._by_value else member.name

    def _member(self, value: Any) -> Enum:
        if isinstance(value, self.enum_class):
            return value
        if self._by_value:
            try:
                return self.enum_class(value)
            except ValueError:
                pass
        member = self.enum_class.__members__.get(value) if isinstance(value, str) else None
        if member is not None:
            return member
        allowed = ", ".join(repr(self._stored(member)) for member in self.enum_class)
        raise StoredValueError(
            f"{value!r} is not a value of {self.enum_class.__name__}. Use one of {allowed}"
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.enum_class.__name__})"


COMPARISON_OPERATORS = frozenset({"eq", "ne", "lt", "le", "gt", "ge", "in_op", "not_in_op"})


class EnumInteger(EnumText):
    """An ``Enum`` whose values are all integers, stored as an integer. See ``EnumText``."""

    impl = Integer  # type: ignore[assignment]  # mypy narrows the base's to String
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> types.TypeEngine[Any]:
        needs_bigint = any(member.value not in INT32 for member in self.enum_class)
        return dialect.type_descriptor(BigInteger() if needs_bigint else Integer())


def enum_type(enum_class: type[Enum]) -> EnumText:
    """The column type for an enum."""
    integers = all(is_integer(member.value) for member in enum_class)
    return EnumInteger(enum_class) if integers else EnumText(enum_class)


def is_integer(value: object) -> bool:
    """Whether a value is an integer, but not a bool."""
    return isinstance(value, int) and not isinstance(value, bool)


class ExactDecimal(types.TypeDecorator[Decimal]):
    """A decimal that is stored exactly, or refused.

    With more decimal places than the column has, PostgreSQL would round the value, and SQLite
    would keep some of them.

    Args:
        precision: The number of digits, at most ``EXACT_DIGITS``.
        scale: The number of digits after the decimal point.
    """

    impl = Numeric
    cache_ok = True

    def __init__(self, precision: int, scale: int) -> None:
        super().__init__(precision=precision, scale=scale)
        self.precision = precision
        self.scale = scale
        self._unit = Decimal(1).scaleb(-scale)
        self._limit = Decimal(1).scaleb(precision - scale)

    def process_bind_param(self, value: Any, dialect: Dialect) -> Decimal | None:
        if value is None:
            return None
        number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
        if not number.is_finite() or abs(number) >= self._limit:
            raise ValueError(self._refusal(number))
        exact = number.quantize(self._unit)
        if exact != number:
            raise ValueError(self._refusal(number))
        return exact

    def _refusal(self, number: Decimal) -> str:
        return (
            f"{number} does not fit a decimal of {self.precision} digits, "
            f"{self.scale} of them after the decimal point"
        )

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        return None if value is None else Decimal(value).quantize(self._unit)

    def coerce_compared_value(self, op: OperatorType | None, value: Any) -> types.TypeEngine[Any]:
        # The other operand may have more digits than the column.
        return Numeric(asdecimal=True)

    def __repr__(self) -> str:
        return f"ExactDecimal({self.precision}, {self.scale})"


class TextValue(types.TypeDecorator[Any]):
    """A value stored as its ``str()``: an IP address, path or URL.

    Args:
        text_type: The type of the value.
        length: The length of the column in the database; None for no limit.
    """

    impl = String
    cache_ok = True

    def __init__(self, text_type: type[Any], length: int | None = None) -> None:
        super().__init__(length)
        self.text_type = text_type

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else str(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else self.text_type(value)

    def __repr__(self) -> str:
        return f"TextValue({self.text_type.__name__})"


class cast_from_text(GenericFunction[Any]):  # noqa: N801 - the name of an SQL function
    """A text parameter of a type that asyncpg would not accept as text."""

    inherit_cache = True


@compiles(cast_from_text)
def _cast_from_text_unchanged(element: Any, compiler: Any, **kwargs: Any) -> str:
    return str(compiler.process(element.clauses, **kwargs))


@compiles(cast_from_text, "postgresql")
def _cast_from_text_postgresql(element: Any, compiler: Any, **kwargs: Any) -> str:
    kind = compiler.dialect.type_compiler_instance.process(element.type)
    return f"CAST(CAST({compiler.process(element.clauses, **kwargs)} AS TEXT) AS {kind})"


_ASYNCPG_NATIVE_TYPES = re.compile(
    r"(?i)(point|line|lseg|box|path|polygon|circle|\w+range|bit|varbit)\b"
)
"""PostgreSQL types for which asyncpg expects its own Python objects, and psycopg accepts text:
https://magicstack.github.io/asyncpg/current/usage.html#type-conversion"""


def bound_as_text(kind: Any) -> Any:
    """Make a custom type whose bind processor returns text work with every driver."""
    type_class: Any = type(kind)
    if not isinstance(kind, types.UserDefinedType) or kind._has_bind_expression:
        return kind
    makes_text = type_class.bind_processor is not types.TypeEngine.bind_processor
    spec: Any = kind
    if not (makes_text and _ASYNCPG_NATIVE_TYPES.match(spec.get_col_spec())):
        return kind
    bound = copy(kind)
    bound.__dict__.pop("_has_bind_expression", None)
    bound.__class__ = _text_bound_class(type_class)
    return bound


@cache
def _text_bound_class(type_class: type[Any]) -> type[Any]:
    def bind_expression(self: Any, bindvalue: Any) -> Any:
        return cast_from_text(bindvalue, type_=self)

    names = {name: getattr(type_class, name) for name in ("__module__", "__qualname__", "__doc__")}
    namespace = {**names, "bind_expression": bind_expression, "cache_ok": type_class.cache_ok}
    return type(type_class.__name__, (type_class,), namespace)
