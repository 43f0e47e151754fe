"""``codec_of(column)``: how the database writes a column's values as JSON, and Python reads them.

The database's JSON is the response where it equals what Pydantic would have written. For any other
column it still carries the complete value, from which Pydantic writes the response.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import Any, Literal, Union, get_args, get_origin
from uuid import UUID

import sqlmodel
from pydantic import TypeAdapter
from pydantic_core import to_json
from sqlalchemy import (
    ARRAY,
    CHAR,
    JSON,
    Boolean,
    Date,
    DateTime,
    Float,
    Integer,
    Interval,
    LargeBinary,
    Numeric,
    String,
    Time,
    Uuid,
    func,
    type_coerce,
    types,
)
from sqlalchemy import Enum as NativeEnum
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.sql.elements import ColumnElement

from colonnade.backends import Backend
from colonnade.models import (
    MULTIRANGES,
    RANGES,
    SCALARS,
    ColumnShape,
    element_of,
    from_base64,
    type_name,
    type_on,
)
from colonnade.query import WideDecimal, WideInteger, quoted
from colonnade.rows._column_json import (
    boolean_json,
    bytes_json,
    char_json,
    date_json,
    datetime_json,
    decimal_json,
    double_json,
    enum_json,
    float_json,
    generic_json,
    integer_json,
    raw_json,
    text_json,
    time_json,
    timedelta_json,
    uuid_json,
    wide_number_json,
)
from colonnade.rows._json_sql import JSONText
from colonnade.rows._native_json import (
    SCALAR_JSON,
    array_json,
    multirange_json,
    nested_array_json,
    plain_array_json,
    range_json,
    scalar_json,
)

_NO_DIALECT = DefaultDialect()
"""For type processors, which expect a dialect; values read from JSON have no dialect."""

MAX_DECIMAL_PLACES = 6
"""Up to this many decimal places, ``str(Decimal)`` never uses an exponent: see
https://docs.python.org/3/library/decimal.html, "to-scientific-string"."""


@dataclass(frozen=True, slots=True)
class ColumnCodec:
    """How a column is written as JSON and read back.

    Attributes:
        to_json: Returns the SQL expression of a column's JSON text, which is NULL for NULL.
        from_json: Returns the Python value of the parsed JSON.
        fallback_reason: Why Pydantic has to write the JSON; None if the database can.
    """

    to_json: Callable[[ColumnElement[Any], Backend], JSONText]
    from_json: Callable[[Any], Any]
    fallback_reason: str | None = None

    def json_text(self, column: ColumnShape, source: Any, backend: Backend) -> JSONText:
        """The JSON text of a column of ``source``, with ``null`` for NULL."""
        text = self.to_json(source.c[column.column.key], backend)
        return func.coalesce(text, quoted("null")) if column.nullable else text


@dataclass(frozen=True, slots=True)
class OutputColumn:
    """A column in a response, with its name there."""

    name: str
    column: ColumnShape
    codec: ColumnCodec


@lru_cache(maxsize=4096)
def codec_of(column: ColumnShape) -> ColumnCodec:
    """The codec of a column."""
    codec = _codec_on(column, "postgresql")
    kinds = {column.column.type, column.stored_type, type_on(column.column.type, "sqlite")}
    if len(kinds) > 1:
        codec = _by_database(codec, _codec_on(column, "sqlite"), column)
    return codec


def _codec_on(column: ColumnShape, backend: Backend) -> ColumnCodec:
    """The codec of a column on a database."""
    kind = type_on(column.column.type, backend)
    native = _native_codec(kind, column)
    if native is not None:
        return native
    codec = _codec_of_type(kind, column)
    if codec.fallback_reason is not None:
        return codec
    if column.kind == "json" and not _round_trips_as_json(column.python_type):
        return ColumnCodec(
            codec.to_json, codec.from_json, f"{column.name} is JSON of type {_type_name(column)}"
        )
    if column.kind not in _exact_kinds(kind, column.kind):
        reason = (
            f"{column.name} is a {_type_name(column)} in a column of type {type(kind).__name__}"
        )
        return ColumnCodec(codec.to_json, codec.from_json, reason)
    return codec


def _by_database(codec: ColumnCodec, on_sqlite: ColumnCodec, column: ColumnShape) -> ColumnCodec:
    """The codec of a column whose type has variants, or is a domain."""
    stored = column.stored_type

    def to_json(value: ColumnElement[Any], backend: Backend) -> JSONText:
        if backend == "sqlite":
            return on_sqlite.to_json(value, backend)
        return codec.to_json(type_coerce(value, stored), backend)

    return ColumnCodec(to_json, codec.from_json, codec.fallback_reason or on_sqlite.fallback_reason)


def value_json(codec: ColumnCodec, column: ColumnShape, value: Any) -> bytes:
    """A value that is not part of a schema as JSON: written by Pydantic, if the database cannot.

    Args:
        codec: The codec of the value.
        column: The shape of the value.
        value: The parsed JSON that the database wrote.
    """
    if codec.fallback_reason is None or value is None:
        return to_json(value)
    return _adapter_of(column).dump_json(codec.from_json(value))


@lru_cache(maxsize=4096)
def _adapter_of(column: ColumnShape) -> TypeAdapter[Any]:
    return TypeAdapter(column.annotation.type)


def _exact_kinds(kind: types.TypeEngine[Any], default: str) -> Collection[str]:
    """The kinds of values that the database writes exactly in a column type."""
    if isinstance(kind, WideInteger | WideDecimal):
        return (default,)
    if isinstance(kind, Numeric | Float):
        return ("decimal",) if kind.asdecimal else ("float",)
    if isinstance(kind, sqlmodel.AutoString):
        kind = kind.impl_instance
    return next((kinds for known, kinds in _EXACT_KINDS if isinstance(kind, known)), (default,))


def _type_name(column: ColumnShape) -> str:
    return str(getattr(column.python_type, "__name__", column.python_type))


def _codec_of_type(kind: types.TypeEngine[Any], column: ColumnShape) -> ColumnCodec:
    if isinstance(kind, sqlmodel.UTCDateTime):
        return _AWARE_DATETIME
    if isinstance(kind, Interval) or type_name(kind) == "INTERVAL":
        return _DURATION
    if isinstance(kind, types.TypeDecorator):
        return _type_decorator_codec(kind, column)
    if isinstance(kind, NativeEnum):
        return _native_enum_codec(kind, column)
    if isinstance(kind, DateTime):
        return _AWARE_DATETIME if kind.timezone else _NAIVE_DATETIME
    if isinstance(kind, Numeric) and not isinstance(kind, Float):
        return _numeric_codec(kind, column)
    if isinstance(kind, Time) and kind.timezone:
        return ColumnCodec(
            generic_json,
            _optional(time.fromisoformat),
            f"{column.name} is a time with a UTC offset",
        )
    if isinstance(kind, types.UserDefinedType):
        return _user_defined_codec(kind, column)
    for known, codec in _CODECS:
        if isinstance(kind, known):
            return codec
    return ColumnCodec(
        generic_json, _unchanged, f"{column.name} has a column type whose JSON is unknown: {kind!r}"
    )


def _native_codec(kind: types.TypeEngine[Any], column: ColumnShape) -> ColumnCodec | None:
    """The codec of a type that only PostgreSQL has; None for other types."""
    name = type_name(kind)
    if name in SCALARS:
        return _scalar_codec(column)
    if isinstance(kind, ARRAY):
        return _array_codec(column)
    if name not in RANGES and name not in MULTIRANGES:
        return None
    element = element_of(column)
    if element is None:
        return ColumnCodec(generic_json, _unchanged, f"{column.name} has no annotation of a range")
    codec = codec_of(element)
    write = range_json if name in RANGES else multirange_json
    to_json = write(codec.to_json, element.stored_type)
    return ColumnCodec(to_json, _read_as(column.python_type), codec.fallback_reason)


def _scalar_codec(column: ColumnShape) -> ColumnCodec:
    kind = column.python_type
    if kind in SCALAR_JSON:
        read = _unchanged if kind is str else _optional(kind)
        return ColumnCodec(SCALAR_JSON[kind], read)
    reason = f"{column.name} may be an IPv6 address, which PostgreSQL shortens differently"
    return ColumnCodec(scalar_json, _read_as(kind), reason)


def _array_codec(column: ColumnShape) -> ColumnCodec:
    item = element_of(column)
    if item is None or item.kind == "other" or isinstance(item.stored_type, ARRAY):
        nested = f"{column.name} is an array of type {_type_name(column)}"
        return ColumnCodec(nested_array_json, _unchanged, nested)
    codec = codec_of(item)
    reason = codec.fallback_reason
    if get_origin(column.python_type) not in (list, tuple):
        reason = f"{column.name} is a set, which PostgreSQL stores as an array"
    if reason is None and isinstance(item.stored_type, _PLAIN_ITEMS):
        to_json = plain_array_json(allows_null=item.nullable)
    else:
        to_json = array_json(codec.to_json, item.stored_type, allows_null=item.nullable)
    return ColumnCodec(to_json, _optional(lambda items: list(map(codec.from_json, items))), reason)


def _read_as(annotation: Any) -> Callable[[Any], Any]:
    return _optional(TypeAdapter(annotation).validate_python)


def _type_decorator_codec(kind: types.TypeDecorator[Any], column: ColumnShape) -> ColumnCodec:
    """The codec of a type with Python processing; exact for Colonnade's own types."""
    if isinstance(kind, WideInteger):
        return _WIDE_INTEGER
    if isinstance(kind, WideDecimal):
        return _WIDE_DECIMAL
    inner = _codec_of_type(kind.impl_instance, column)
    if type(kind).process_result_value is types.TypeDecorator.process_result_value:
        return _TEXT if isinstance(kind, sqlmodel.AutoString) else inner

    def read(value: Any) -> Any:
        return kind.process_result_value(inner.from_json(value), _NO_DIALECT)

    choices = getattr(kind, "choices", None)
    name = type(kind).__name__
    if name in {"EnumText", "EnumInteger"}:
        enum_class: type[Enum] = kind.enum_class
        return _enum_codec(enum_class, inner, read, column, has_choices=choices is not None)
    if name == "ExactDecimal":
        return ColumnCodec(
            inner.to_json,
            lambda value: None if value is None else Decimal(value),
            inner.fallback_reason,
        )
    if name == "TextValue":
        return ColumnCodec(inner.to_json, read)
    if name == "JSONValue":
        return ColumnCodec(raw_json, read, inner.fallback_reason)
    return ColumnCodec(
        inner.to_json, read, f"{column.name} is stored by {name}, whose values only Python can read"
    )


def _user_defined_codec(kind: types.UserDefinedType[Any], column: ColumnShape) -> ColumnCodec:
    """The codec of an application's type, whose result processor reads the database's text."""
    process = kind.result_processor(_NO_DIALECT, None) or _unchanged

    def text(expression: ColumnElement[Any], backend: Backend) -> JSONText:
        selected = kind.column_expression(expression)
        return text_json(expression if selected is None else selected, backend)

    reason = f"{column.name} is stored by {type(kind).__name__}, whose values only Python can read"
    return ColumnCodec(text, process, reason)


def _enum_codec(
    enum_class: type[Enum],
    inner: ColumnCodec,
    read: Callable[[Any], Any],
    column: ColumnShape,
    *,
    has_choices: bool,
) -> ColumnCodec:
    values = [member.value for member in enum_class]
    if all(type(value) is int for value in values):
        return ColumnCodec(inner.to_json, read)
    if not all(type(value) is str for value in values) or not has_choices:
        return ColumnCodec(inner.to_json, read, f"{column.name} is an enum stored by member name")
    names = {
        member.name: member.value
        for member in enum_class
        if member.name not in values and member.name != member.value
    }
    return ColumnCodec(enum_json(names), read)


def _native_enum_codec(kind: NativeEnum, column: ColumnShape) -> ColumnCodec:
    enum_class = kind.enum_class
    if enum_class is None:
        return _TEXT
    named = {member.name: member.value for member in enum_class}
    if not all(type(value) is str for value in named.values()):
        return ColumnCodec(
            text_json,
            lambda value: value and enum_class[value],
            f"{column.name} is an enum whose values are not text",
        )
    return ColumnCodec(enum_json(named), lambda value: None if value is None else enum_class(value))


def _numeric_codec(kind: Numeric[Any], column: ColumnShape) -> ColumnCodec:
    if not kind.asdecimal:
        return ColumnCodec(double_json, _FLOAT.from_json)
    reason = None
    if kind.scale is None or kind.scale > MAX_DECIMAL_PLACES:
        reason = f"{column.name} is a decimal with more than {MAX_DECIMAL_PLACES} places"
    return ColumnCodec(decimal_json(kind.scale), _optional(Decimal), reason)


def _unchanged(value: Any) -> Any:
    return value


def _optional(parse: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else parse(value)


def _parse_utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


_TEXT = ColumnCodec(text_json, _unchanged)
_FLOAT = ColumnCodec(float_json, lambda value: None if value is None else float(value))
_AWARE_DATETIME = ColumnCodec(datetime_json("Z"), _optional(_parse_utc))
_NAIVE_DATETIME = ColumnCodec(datetime_json(""), _optional(datetime.fromisoformat))
_DURATION = ColumnCodec(
    timedelta_json,
    _optional(TypeAdapter(timedelta).validate_python),
    "PostgreSQL and Pydantic write durations differently",
)

_WIDE_INTEGER = ColumnCodec(wide_number_json, _unchanged)
_WIDE_DECIMAL = ColumnCodec(
    lambda column, backend: quoted('"') + wide_number_json(column, backend) + quoted('"'),
    _optional(Decimal),
)
_PLAIN_ITEMS = (String, Integer, Boolean, Uuid)
"""Types of items that PostgreSQL's ``to_json`` writes like Pydantic."""

_CODECS: tuple[tuple[type[Any], ColumnCodec], ...] = (
    (Boolean, ColumnCodec(boolean_json, _unchanged)),
    (Integer, ColumnCodec(integer_json, _unchanged)),
    (Float, _FLOAT),
    (CHAR, ColumnCodec(char_json, _unchanged)),
    (String, _TEXT),
    (Date, ColumnCodec(date_json, _optional(date.fromisoformat))),
    (Time, ColumnCodec(time_json, _optional(time.fromisoformat))),
    (Uuid, ColumnCodec(uuid_json, _optional(UUID))),
    (JSON, ColumnCodec(raw_json, _unchanged)),
    (LargeBinary, ColumnCodec(bytes_json, _optional(from_base64))),
)

# The kinds of values that the database writes exactly, by column type.
_EXACT_KINDS: tuple[tuple[type[Any], tuple[str, ...]], ...] = (
    (Boolean, ("boolean",)),
    (Integer, ("integer", "literal")),
    (NativeEnum, ("enum", "literal")),
    (String, ("text", "literal")),
    (DateTime, ("datetime",)),
    (Date, ("date",)),
    (Time, ("time",)),
    (Uuid, ("uuid",)),
    (LargeBinary, ("bytes",)),
    (JSON, ("json", "other", "text", "integer", "boolean")),
)

_PLAIN_JSON_TYPES = (str, int, bool, type(None), object)


def _round_trips_as_json(annotation: Any) -> bool:
    """Whether JSON of this type is unchanged after Pydantic has read and written it.

    Floats may change (Pydantic writes ``1e23``, JSONB 100000000000000000000000), and so may models,
    which have defaults, aliases and serializers.
    """
    origin = get_origin(annotation)
    if annotation is Any or annotation in _PLAIN_JSON_TYPES or annotation in (list, dict):
        return True
    if origin is Literal:
        return True
    if origin in (list, dict, tuple, Union) or str(origin) == "<class 'types.UnionType'>":
        return all(arg is Ellipsis or _round_trips_as_json(arg) for arg in get_args(annotation))
    return False
