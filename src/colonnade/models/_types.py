"""Column types: a value goes to the database and comes back the same, on every database."""

import ipaddress
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum, Flag
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import sqlmodel
from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json
from sqlalchemy import JSON, BigInteger, Integer, Numeric, String, types
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.sql.operators import OperatorType

from colonnade.errors import StoredValueError

INT32 = range(-(2**31), 2**31)
"""What an INTEGER column of PostgreSQL holds."""

EXACT_DIGITS = 15
"""Decimal digits that every IEEE 754 double keeps (``sys.float_info.dig``): SQLite has no
decimal type, and a NUMERIC column of it stores a double."""

TEXT_TYPES: tuple[type[Any], ...] = (
    ipaddress.IPv4Address,
    ipaddress.IPv6Address,
    ipaddress.IPv4Interface,
    ipaddress.IPv6Interface,
    ipaddress.IPv4Network,
    ipaddress.IPv6Network,
    Path,
)
"""Types whose ``str()`` says all of them and whose constructor reads it back."""


class UTCDateTime(sqlmodel.UTCDateTime):
    """A moment. A naive datetime is local time; what comes back is aware, in UTC.

    sqlmodel's type of that name refuses a naive datetime.
    """

    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else as_utc(value)


class UTCTimestamp(UTCDateTime):
    """``UTCDateTime`` in a column that SQLite declares as TIMESTAMP, as other programs do."""

    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> types.TypeEngine[Any]:
        return _TIMESTAMP

    def __repr__(self) -> str:
        return "UTCTimestamp()"


_TIMESTAMP = types.TIMESTAMP(timezone=True).with_variant(
    types.DateTime(timezone=True), "postgresql"
)


def as_utc(value: datetime) -> datetime:
    """The same moment in UTC; a naive datetime is taken as local time."""
    return value.astimezone(UTC)


class EnumText(types.TypeDecorator[Enum]):
    """An ``Enum`` by value, as text.

    Rows that hold member names, as sqlmodel writes them, are still read. An enum whose values
    are neither all text nor all integers is written by name.

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
        """What the column may hold; None for flags, whose members combine."""
        if issubclass(self.enum_class, Flag):
            return None
        return tuple(self._stored(member) for member in self.enum_class)

    @cached_property
    def spellings(self) -> Mapping[Enum, tuple[str, ...]] | None:
        """The texts that stand for each member; None if each has one."""
        if not self._by_value or not all(isinstance(one.value, str) for one in self.enum_class):
            return None
        values = {member.value for member in self.enum_class}
        names = {one: [one.name] if one.name not in values else [] for one in self.enum_class}
        if not any(names.values()):
            return None
        return {member: (member.value, *names[member]) for member in self.enum_class}

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | int | None:
        return None if value is None else self._stored(self._member(value))

    def process_result_value(self, value: Any, dialect: Dialect) -> Enum | None:
        return None if value is None else self._member(value)

    def coerce_compared_value(self, op: OperatorType | None, value: Any) -> types.TypeEngine[Any]:
        # ``status == "open"`` compares with a member; ``status.startswith("o")`` with text.
        if op is None or getattr(op, "__name__", "") in _COMPARISONS:
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
            f"{value!r} is not a value of {self.enum_class.__name__}, which has {allowed}"
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.enum_class.__name__})"


_COMPARISONS = frozenset({"eq", "ne", "lt", "le", "gt", "ge", "in_op", "not_in_op"})


class EnumInteger(EnumText):
    """An ``Enum`` whose values are all integers, as an integer. See ``EnumText``."""

    impl = Integer  # type: ignore[assignment]  # mypy narrows the base's to String
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> types.TypeEngine[Any]:
        wide = any(member.value not in INT32 for member in self.enum_class)
        return dialect.type_descriptor(BigInteger() if wide else Integer())


def enum_type(enum_class: type[Enum]) -> EnumText:
    """The column type that holds an enum's values."""
    integers = all(is_integer(member.value) for member in enum_class)
    return EnumInteger(enum_class) if integers else EnumText(enum_class)


def is_integer(value: object) -> bool:
    """Whether a value is an integer and no bool."""
    return isinstance(value, int) and not isinstance(value, bool)


class ExactDecimal(types.TypeDecorator[Decimal]):
    """A decimal that comes back digit for digit, or is refused when it goes in.

    PostgreSQL would round what has more places than the column, SQLite would keep some of
    them: neither is what was asked.

    Args:
        precision: Digits in all, at most ``EXACT_DIGITS``.
        scale: Digits after the point.
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
            f"{self.scale} of them after the point"
        )

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        return None if value is None else Decimal(value).quantize(self._unit)

    def coerce_compared_value(self, op: OperatorType | None, value: Any) -> types.TypeEngine[Any]:
        # A price may be compared with, or multiplied by, a number that is no price.
        return Numeric(asdecimal=True)

    def __repr__(self) -> str:
        return f"ExactDecimal({self.precision}, {self.scale})"


class TextValue(types.TypeDecorator[Any]):
    """A value written as ``str`` writes it: IP addresses and paths."""

    impl = String
    cache_ok = True

    def __init__(self, text_type: type[Any]) -> None:
        super().__init__()
        self.text_type = text_type

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else str(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else self.text_type(value)

    def __repr__(self) -> str:
        return f"TextValue({self.text_type.__name__})"


class JSONValue(types.TypeDecorator[Any]):
    """A value of any type Pydantic can write as JSON: JSONB on PostgreSQL, JSON elsewhere.

    None is SQL's NULL, never JSON's.

    Args:
        adapter: Pydantic's adapter of the type, such as ``list[str]`` or a model.
        where: The field it is for, for messages.
    """

    impl = JSON
    cache_ok = True

    def __init__(self, adapter: TypeAdapter[Any], where: str) -> None:
        super().__init__(none_as_null=True)
        self.adapter = adapter
        self.where = where

    def load_dialect_impl(self, dialect: Dialect) -> types.TypeEngine[Any]:
        if dialect.name != "postgresql":
            return dialect.type_descriptor(JSON(none_as_null=True))
        from sqlalchemy.dialects.postgresql import JSONB  # 20 ms, for those who are on it

        return dialect.type_descriptor(JSONB(none_as_null=True))

    def coerce_compared_value(self, op: OperatorType | None, value: Any) -> types.TypeEngine[Any]:
        if op is None or getattr(op, "__name__", "") in _COMPARISONS:
            return self
        # What SQLAlchemy asks of a decorated JSON, so that ``column["key"]`` takes a plain key.
        return self.impl_instance.coerce_compared_value(op, value)

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        if value is None:
            return None
        try:
            # A row takes any value (sqlmodel does not validate it): a dict for a model, say.
            typed = self.adapter.validate_python(value)
        except ValidationError as error:
            raise ValueError(
                f"{self.where} was given what its type does not accept: {error}"
            ) from error
        return self.adapter.dump_python(typed, mode="json")

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        if value is None:
            return None
        try:
            return self.adapter.validate_python(value)
        except ValidationError:
            pass
        try:
            # Strict models take in JSON mode what they refuse as Python values: dates, say.
            return self.adapter.validate_json(to_json(value))
        except ValidationError as error:
            raise StoredValueError(
                f"{self.where} holds JSON that its type does not accept: {error}"
            ) from error

    def __repr__(self) -> str:
        return "JSONValue()"
