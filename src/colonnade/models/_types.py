"""Column types: a value goes to the database and comes back the same, on every database."""

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
from pydantic import (
    AnyUrl,
    PostgresDsn,
    Secret,
    SecretBytes,
    SecretStr,
    TypeAdapter,
    ValidationError,
)
from pydantic_core import to_json, to_jsonable_python
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    ColumnElement,
    Integer,
    Numeric,
    String,
    literal,
    types,
)
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction
from sqlalchemy.sql.operators import OperatorType

from colonnade.errors import StoredValueError

INT32 = range(-(2**31), 2**31)
"""What an INTEGER column of PostgreSQL holds."""

EXACT_DIGITS = 15
"""Decimal digits that every IEEE 754 double keeps (``sys.float_info.dig``): SQLite has no
decimal type, and a NUMERIC column of it stores a double."""

# Of the two kinds of URL in Pydantic, those of several hosts have a base that is not exported.
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
        # A price may be compared with, or multiplied by, a number that is not a price.
        return Numeric(asdecimal=True)

    def __repr__(self) -> str:
        return f"ExactDecimal({self.precision}, {self.scale})"


class TextValue(types.TypeDecorator[Any]):
    """A value written as ``str`` writes it: IP addresses, paths and URLs.

    Args:
        text_type: The type of the value.
        length: The length of the column in the database; None for any.
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


class sent_as_text(GenericFunction[Any]):  # noqa: N801 - the name of an SQL function
    """A parameter that is text, of a type that asyncpg would take in its own form."""

    inherit_cache = True


@compiles(sent_as_text)
def _as_it_is(element: Any, compiler: Any, **kwargs: Any) -> str:
    return str(compiler.process(element.clauses, **kwargs))


@compiles(sent_as_text, "postgresql")
def _cast_from_text(element: Any, compiler: Any, **kwargs: Any) -> str:
    kind = compiler.dialect.type_compiler_instance.process(element.type)
    return f"CAST(CAST({compiler.process(element.clauses, **kwargs)} AS TEXT) AS {kind})"


_NOT_TEXT = re.compile(r"(?i)(point|line|lseg|box|path|polygon|circle|\w+range|bit|varbit)\b")
"""Types of PostgreSQL that asyncpg takes as its own Python objects, and psycopg as text:
https://magicstack.github.io/asyncpg/current/usage.html#type-conversion"""


def bound_as_text(kind: Any) -> Any:
    """A type of the program's own whose values its processor makes text, for every driver."""
    type_class: Any = type(kind)
    if not isinstance(kind, types.UserDefinedType) or kind._has_bind_expression:
        return kind
    makes_text = type_class.bind_processor is not types.TypeEngine.bind_processor
    spec: Any = kind
    if not (makes_text and _NOT_TEXT.match(spec.get_col_spec())):
        return kind
    bound = copy(kind)
    bound.__dict__.pop("_has_bind_expression", None)
    bound.__class__ = _text_bound(type_class)
    return bound


@cache
def _text_bound(type_class: type[Any]) -> type[Any]:
    def bind_expression(self: Any, bindvalue: Any) -> Any:
        return sent_as_text(bindvalue, type_=self)

    names = {name: getattr(type_class, name) for name in ("__module__", "__qualname__", "__doc__")}
    space = {**names, "bind_expression": bind_expression, "cache_ok": type_class.cache_ok}
    return type(type_class.__name__, (type_class,), space)


class json_contains(GenericFunction[bool]):  # noqa: N801 - the name of an SQL function
    """Whether a JSON value contains another one, as PostgreSQL's ``@>`` tells on JSONB."""

    type = Boolean()
    inherit_cache = True


@compiles(json_contains)
def _json_contains(element: Any, compiler: Any, **kwargs: Any) -> str:
    return f"colonnade_contains({compiler.process(element.clauses, **kwargs)})"


@compiles(json_contains, "postgresql")
def _json_contains_postgresql(element: Any, compiler: Any, **kwargs: Any) -> str:
    whole, part = (compiler.process(clause, **kwargs) for clause in element.clauses)
    return f"({whole} @> {part})"


class JSONComparator(types.TypeDecorator.Comparator[Any], JSON.Comparator[Any]):
    """SQLAlchemy's comparisons of JSON, with containment."""

    def contains(self, other: Any, **kwargs: Any) -> ColumnElement[bool]:
        """Whether the value contains another: a list its items, an object its members."""
        return json_contains(self.expr, literal(to_jsonable_python(other), PlainJSON()))


class PlainJSON(types.TypeDecorator[Any]):
    """Any JSON: JSONB on PostgreSQL, JSON elsewhere."""

    impl = JSON
    cache_ok = True
    none_as_null = False

    def load_dialect_impl(self, dialect: Dialect) -> types.TypeEngine[Any]:
        if dialect.name != "postgresql":
            return dialect.type_descriptor(JSON(none_as_null=self.none_as_null))
        from sqlalchemy.dialects.postgresql import JSONB  # 20 ms, for those who are on it

        return dialect.type_descriptor(JSONB(none_as_null=self.none_as_null))


class JSONValue(PlainJSON):
    """A value of any type Pydantic can write as JSON: JSONB on PostgreSQL, JSON elsewhere.

    None is SQL's NULL, never JSON's.

    Args:
        adapter: Pydantic's adapter of the type, such as ``list[str]`` or a model.
        where: The field it is for, for messages.
    """

    cache_ok = True
    none_as_null = True
    comparator_factory = JSONComparator

    def __init__(self, adapter: TypeAdapter[Any], where: str) -> None:
        super().__init__(none_as_null=True)
        self.adapter = adapter
        self.where = where
        self._has_secrets = _has_secrets(adapter)

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
        if self._has_secrets:
            # In JSON they would be stars, and the value lost.
            return to_jsonable_python(_revealed(self.adapter.dump_python(typed)))
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


def _revealed(value: Any) -> Any:
    """The value with its secrets in the open, as they are stored."""
    if isinstance(value, Secret | SecretStr | SecretBytes):
        return _revealed(value.get_secret_value())
    if isinstance(value, dict):
        return {name: _revealed(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_revealed(item) for item in value]
    return value


def _has_secrets(adapter: TypeAdapter[Any]) -> bool:
    """Whether a type has secrets in it, which Pydantic masks in JSON."""
    return bool(_serializers(adapter.core_schema) & _masks())


@cache
def _masks() -> frozenset[Any]:
    """The functions by which Pydantic writes its secrets."""
    secrets: tuple[Any, ...] = (SecretStr, SecretBytes, Secret[str])
    return frozenset().union(*(_serializers(TypeAdapter(secret).core_schema) for secret in secrets))


def _serializers(schema: Any) -> frozenset[Any]:
    """The functions by which anything in a schema is written."""
    serializers: set[Any] = set()
    waiting: list[Any] = [schema]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            serializers.add(part.get("serialization", {}).get("function"))
            waiting += [value for key, value in part.items() if key not in _NO_SCHEMAS]
        elif isinstance(part, list | tuple):
            waiting += part
    return frozenset(serializers - {None})


_NO_SCHEMAS = frozenset(("metadata", "serialization", "default", "function"))
