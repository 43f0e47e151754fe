"""Forms: how a column's value is written as JSON text by the database, and read back.

A form is exact when the text, parsed, equals what Pydantic writes of the value. A form that is
not carries the value whole, and Pydantic writes it in the end: the row path.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import Any, Literal, Union, get_args, get_origin
from uuid import UUID

import sqlmodel
from sqlalchemy import (
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
    Text,
    Time,
    Uuid,
    case,
    cast,
    extract,
    func,
    literal_column,
    null,
    type_coerce,
    types,
)
from sqlalchemy import Enum as NativeEnum
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.functions import Function

from colonnade.backends import Backend
from colonnade.models import ColumnShape, from_base64

_NO_DIALECT = DefaultDialect()
"""For types that ask: what is read back came as JSON, which is not a dialect's own."""
Text_ = ColumnElement[str]

MOST_PLACES = 6
"""Places after the point up to which ``str(Decimal)`` never uses an exponent: the rule is in
https://docs.python.org/3/library/decimal.html, "to-scientific-string"."""


@dataclass(frozen=True, slots=True)
class ColumnCodec:
    """How a column is written.

    Attributes:
        text: From the column and the kind of database, to an SQL expression of JSON text, which
            is NULL for NULL.
        read: From what the text says, parsed, to the value in Python.
        why_not: Why the text is not what Pydantic writes; None when it is.
    """

    text: Callable[[ColumnElement[Any], Backend], Text_]
    read: Callable[[Any], Any]
    fallback_reason: str | None = None

    def of(self, column: ColumnShape, source: Any, backend: Backend) -> Text_:
        """The JSON text of a column of ``source``, ``null`` for NULL."""
        text = self.text(source.c[column.column.key], backend)
        return func.coalesce(text, quoted("null")) if column.nullable else text


def quoted(text: str) -> Text_:
    """A text as a literal of SQL."""
    return literal_column("'" + text.replace("'", "''") + "'", Text())


def json_argument(text: Text_) -> ColumnElement[Any]:
    """What SQLite's JSON functions take for a JSON text: the value itself where that is quoted."""
    if isinstance(text, Function):
        if text.name == "coalesce" and len(text.clauses) == 2:
            return json_argument(next(iter(text.clauses)))  # of NULL they make null themselves
        if text.name == "json_quote":
            return next(iter(text.clauses))
        if text.name == "json":
            return text
    return func.json(text, type_=Text())


@lru_cache(maxsize=4096)
def form_of(column: ColumnShape) -> ColumnCodec:
    """The form of a column."""
    form = _form_of_type(column.column.type, column)
    if form.fallback_reason is not None:
        return form
    if column.kind == "json" and not _is_plain_json(column.python_type):
        return ColumnCodec(
            form.text, form.read, f"{column.name} is {_name(column)} inside, as JSON"
        )
    kind = column.column.type
    if column.kind not in _held(kind, column.kind):
        why = f"{column.name} is {_name(column)}, in a column of type {type(kind).__name__}"
        return ColumnCodec(form.text, form.read, why)
    return form


def _held(kind: types.TypeEngine[Any], otherwise: str) -> Collection[str]:
    """What of Python the database's text of a type is exact for; ``otherwise`` if unknown."""
    if isinstance(kind, Numeric | Float):
        return ("decimal",) if kind.asdecimal else ("float",)
    if isinstance(kind, sqlmodel.AutoString):
        kind = kind.impl_instance
    return next((kinds for known, kinds in _HOLDING if isinstance(kind, known)), (otherwise,))


def _name(column: ColumnShape) -> str:
    return str(getattr(column.python_type, "__name__", column.python_type))


def _form_of_type(kind: types.TypeEngine[Any], column: ColumnShape) -> ColumnCodec:
    if isinstance(kind, sqlmodel.UTCDateTime):
        return _MOMENT
    if isinstance(kind, Interval):
        return _DURATION
    if isinstance(kind, types.TypeDecorator):
        return _decorated(kind, column)
    if isinstance(kind, NativeEnum):
        return _native_enum(kind, column)
    if isinstance(kind, DateTime):
        return _MOMENT if kind.timezone else _NAIVE
    if isinstance(kind, Numeric) and not isinstance(kind, Float):
        return _numeric(kind, column)
    if isinstance(kind, Time) and kind.timezone:
        return ColumnCodec(
            _generic, _read(time.fromisoformat), f"{column.name} is a time with an offset"
        )
    if isinstance(kind, types.UserDefinedType):
        return _user_defined(kind, column)
    for known, form in _FORMS:
        if isinstance(kind, known):
            return form
    return ColumnCodec(
        _generic, _same, f"{column.name} is of a type whose JSON is not known: {kind!r}"
    )


def _decorated(kind: types.TypeDecorator[Any], column: ColumnShape) -> ColumnCodec:
    """A type with its own Python: exact if it is one of ours that has a form."""
    inner = _form_of_type(kind.impl_instance, column)
    if type(kind).process_result_value is types.TypeDecorator.process_result_value:
        return _TEXT if isinstance(kind, sqlmodel.AutoString) else inner

    def read(value: Any) -> Any:
        return kind.process_result_value(inner.read(value), _NO_DIALECT)

    choices = getattr(kind, "choices", None)
    name = type(kind).__name__
    if name in {"EnumText", "EnumInteger"}:
        enum_class: type[Enum] = kind.enum_class
        return _enum(enum_class, inner, read, column, has_choices=choices is not None)
    if name == "ExactDecimal":
        return ColumnCodec(
            inner.text,
            lambda value: None if value is None else Decimal(value),
            inner.fallback_reason,
        )
    if name == "TextValue":
        return ColumnCodec(inner.text, read)
    if name == "JSONValue":
        return ColumnCodec(_json, read, inner.fallback_reason)
    return ColumnCodec(
        inner.text, read, f"{column.name} is stored by {name}, which Python has to read"
    )


def _user_defined(kind: types.UserDefinedType[Any], column: ColumnShape) -> ColumnCodec:
    """A type of the program's own: its text in the database, which its own processor reads."""
    process = kind.result_processor(_NO_DIALECT, None) or _same

    def text(expression: ColumnElement[Any], backend: Backend) -> Text_:
        shown = kind.column_expression(expression)
        return _text(expression if shown is None else shown, backend)

    why = f"{column.name} is stored by {type(kind).__name__}, which Python has to read"
    return ColumnCodec(text, process, why)


def _enum(
    enum_class: type[Enum],
    inner: ColumnCodec,
    read: Callable[[Any], Any],
    column: ColumnShape,
    *,
    has_choices: bool,
) -> ColumnCodec:
    values = [member.value for member in enum_class]
    if all(type(value) is int for value in values):
        return ColumnCodec(inner.text, read)
    if not all(type(value) is str for value in values) or not has_choices:
        return ColumnCodec(
            inner.text, read, f"{column.name} is an enum stored by its members' names"
        )
    names = {
        member.name: member.value
        for member in enum_class
        if member.name not in values and member.name != member.value
    }
    return ColumnCodec(_renamed(names), read)


def _native_enum(kind: NativeEnum, column: ColumnShape) -> ColumnCodec:
    enum_class = kind.enum_class
    if enum_class is None:
        return _TEXT
    named = {member.name: member.value for member in enum_class}
    if not all(type(value) is str for value in named.values()):
        return ColumnCodec(
            _text, lambda value: value and enum_class[value], f"{column.name} is an enum"
        )
    return ColumnCodec(_renamed(named), lambda value: None if value is None else enum_class(value))


def _renamed(names: dict[str, str]) -> Callable[[ColumnElement[Any], Backend], Text_]:
    """The text of a column in which some values stand for others: names of an enum's members."""

    def text(column: ColumnElement[Any], backend: Backend) -> Text_:
        plain = cast(column, Text())
        if not names:
            return _text(plain, backend)
        changed = case(
            *((plain == quoted(name), quoted(value)) for name, value in names.items()), else_=plain
        )
        return _text(changed, backend)

    return text


def _numeric(kind: Numeric[Any], column: ColumnShape) -> ColumnCodec:
    scale = kind.scale
    if not kind.asdecimal:
        return ColumnCodec(_double, _FLOAT.read)

    def text(expression: ColumnElement[Any], backend: Backend) -> Text_:
        plain: Text_ = cast(expression, Text())
        if backend == "sqlite":
            written = func.printf(quoted(f"%.{10 if scale is None else scale}f"), expression)
            kind = func.typeof(expression)
            plain = case(
                (kind.in_([quoted("real"), quoted("integer")]), written),
                *_or_unreadable(expression),
            )
        return quoted('"') + plain + quoted('"')

    def read(value: str | None) -> Decimal | None:
        return None if value is None else Decimal(value)

    if scale is None or scale > MOST_PLACES:
        return ColumnCodec(
            text, read, f"{column.name} is a decimal of more than {MOST_PLACES} places"
        )
    return ColumnCodec(text, read)


def _text(column: ColumnElement[Any], backend: Backend) -> Text_:
    if backend == "sqlite":
        return func.json_quote(column, type_=Text())
    return cast(func.to_json(cast(column, Text())), Text())


def _padded(column: ColumnElement[Any], backend: Backend) -> Text_:
    """Text of a fixed width: a cast takes PostgreSQL's padding away, which drivers leave there."""
    return _text(column, backend) if backend == "sqlite" else cast(func.to_json(column), Text())


def _plain(column: ColumnElement[Any], backend: Backend) -> Text_:
    # Whatever the type of its column, a row of SQLite may hold any text.
    return func.json_quote(column, type_=Text()) if backend == "sqlite" else cast(column, Text())


def _boolean(column: ColumnElement[Any], backend: Backend) -> Text_:
    if backend == "postgresql":
        return cast(column, Text())
    return case(
        (_plain_number(column) == 0, quoted("false")),
        (_plain_number(column) == 1, quoted("true")),
        (func.typeof(column) == quoted("integer"), quoted("true")),
        *_or_unreadable(column),
    )


def _plain_number(column: ColumnElement[Any]) -> ColumnElement[int]:
    return type_coerce(column, Integer())


def _or_unreadable(
    column: ColumnElement[Any], read: str = "colonnade_unreadable"
) -> tuple[Any, Any]:
    """The last branches of a CASE on SQLite, whose columns hold values of any type.

    Args:
        column: The column.
        read: The function that reads what is not in the usual form, or ends the statement.
    """
    other: Any = getattr(func, read)(column, type_=Text())
    return (func.typeof(column) == quoted("null"), null()), (literal_column("1"), other)


def _double(column: ColumnElement[Any], backend: Backend) -> Text_:
    """A number of a decimal column: without the zeros that PostgreSQL keeps at its end."""
    return _float(column if backend == "sqlite" else cast(column, types.Double()), backend)


def _float(column: ColumnElement[Any], backend: Backend) -> Text_:
    if backend == "sqlite":
        return func.colonnade_float(column, type_=Text())
    text: Text_ = cast(column, Text())
    for word in ("NaN", "Infinity", "-Infinity"):
        text = func.nullif(text, quoted(word), type_=Text())
    return func.coalesce(text, quoted("null"), type_=Text())


def _json(column: ColumnElement[Any], backend: Backend) -> Text_:
    if backend == "sqlite":
        return func.json(cast(column, Text()), type_=Text())
    return cast(column, Text())


def _uuid(column: ColumnElement[Any], backend: Backend) -> Text_:
    text = cast(column, Text())
    if backend == "postgresql":
        return quoted('"') + text + quoted('"')
    parts = [func.substr(text, start, length, type_=Text()) for start, length in _UUID_PARTS]
    dashed: Text_ = parts[0]
    for part in parts[1:]:
        dashed = dashed + quoted("-") + part
    whole = case(
        (func.length(text) == 32, dashed),
        (func.length(text) == 36, text),
        *_or_unreadable(column),
    )
    return func.json_quote(whole, type_=Text())


_UUID_PARTS = ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))


def _moment(suffix: str) -> Callable[[ColumnElement[Any], Backend], Text_]:
    """A datetime: a fraction of six digits, or none; ``Z`` if it is aware."""
    read = "colonnade_utc" if suffix else "colonnade_local"

    def shown(stored: Text_) -> Text_:
        text: Text_ = func.replace(stored, quoted(" "), quoted("T"), type_=Text())
        return text + quoted(suffix) if suffix else text

    def text(column: ColumnElement[Any], backend: Backend) -> Text_:
        if backend == "postgresql":
            utc = func.timezone(quoted("UTC"), column) if suffix else column
            seconds = func.to_char(
                utc, quoted('"\\""YYYY-MM-DD"T"HH24:MI:SS.US"' + suffix + '\\""')
            )
            whole: Text_ = func.replace(
                seconds, quoted(f'.000000{suffix}"'), quoted(f'{suffix}"'), type_=Text()
            )
            return _of_known_years(column, whole)
        is_null, other = _or_unreadable(column, read)
        without = func.replace(column, quoted(".000000"), quoted(""), type_=Text())
        return func.json_quote(
            case(
                # Most values have a fraction, and this branch costs half of the next one.
                (_glob(column, "????-??-?? *.??[0-9][0-9]?[1-9]"), shown(column)),
                is_null,
                (_glob(column, "????-??-?? *.??[0-9][0-9]?[0-9]"), shown(without)),
                (_glob(column, "????-??-?? ??:??:??"), shown(column)),
                other,
            ),
            type_=Text(),
        )

    return text


def _glob(column: ColumnElement[Any], pattern: str) -> ColumnElement[bool]:
    return column.op("GLOB", is_comparison=True)(quoted(pattern))


def _of_known_years(column: ColumnElement[Any], text: Text_) -> Text_:
    """The text, where Python has the year: PostgreSQL has infinity, and years before and after.

    A cast that always fails ends the statement for others: see ``resources/_unreadable.py``.
    """
    first, last = quoted("0001-01-01"), quoted("9999-12-31 23:59:59.999999")
    if getattr(column.type, "timezone", False):
        first, last = quoted("0001-01-01 00:00:00+00"), quoted("9999-12-31 23:59:59.999999+00")
    failing = cast(cast(cast(column, Text()), Integer()), Text())
    return case((column.between(first, last), text), else_=failing)


def _date(column: ColumnElement[Any], backend: Backend) -> Text_:
    if backend == "postgresql":
        return _of_known_years(column, cast(func.to_json(column), Text()))
    usual = (_glob(column, "????-??-??"), column)
    return func.json_quote(case(usual, *_or_unreadable(column)), type_=Text())


def _time(column: ColumnElement[Any], backend: Backend) -> Text_:
    if backend == "sqlite":
        text: Text_ = func.replace(column, quoted(".000000"), quoted(""), type_=Text())
        usual = (_glob(column, "??:??:??.??????"), text)
        return func.json_quote(case(usual, *_or_unreadable(column, "colonnade_time")), type_=Text())
    text = func.to_char(cast(column, Interval()), quoted("HH24:MI:SS.US"), type_=Text())
    return (
        quoted('"') + func.replace(text, quoted(".000000"), quoted(""), type_=Text()) + quoted('"')
    )


def _timedelta(column: ColumnElement[Any], backend: Backend) -> Text_:
    text: Text_ = func.colonnade_timedelta(cast(column, Text()), type_=Text())
    if backend == "postgresql":
        # Days apart from seconds: Pydantic reads no more than 2^32 of a unit. A month has thirty
        # days and a year 365, as the drivers have it.
        days: Any = sum((extract(unit, column) * size for unit, size in _DAYS), literal_column("0"))
        rest: Any = sum(
            (extract(unit, column) * size for unit, size in _SECONDS), literal_column("0")
        )
        seconds = func.abs(days * literal_column("86400") + rest)
        sign = case((days * literal_column("86400") + rest < 0, quoted("-P")), else_=quoted("P"))
        days = func.trunc(seconds / literal_column("86400"))
        rest = seconds - days * literal_column("86400")
        text = sign + cast(days, Text()) + quoted("DT") + cast(rest, Text()) + quoted("S")
    return quoted('"') + text + quoted('"')


_DAYS: tuple[tuple[str, Any], ...] = tuple(
    (unit, literal_column(size)) for unit, size in (("year", "365"), ("month", "30"), ("day", "1"))
)
_SECONDS: tuple[tuple[str, Any], ...] = tuple(
    (unit, literal_column(size))
    for unit, size in (("hour", "3600"), ("minute", "60"), ("second", "1"))
)


def _bytes(column: ColumnElement[Any], backend: Backend) -> Text_:
    if backend == "sqlite":
        return func.json_quote(func.colonnade_base64(column, type_=Text()), type_=Text())
    text = func.encode(column, quoted("base64"), type_=Text())  # in lines of 76
    whole: Text_ = func.replace(text, literal_column("chr(10)"), quoted(""), type_=Text())
    return quoted('"') + whole + quoted('"')


def _generic(column: ColumnElement[Any], backend: Backend) -> Text_:
    if backend == "sqlite":
        return func.json_quote(column, type_=Text())
    return cast(func.to_json(column), Text())


def _same(value: Any) -> Any:
    return value


def _read(parse: Callable[[str], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else parse(value)


def _read_moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


_TEXT = ColumnCodec(_text, _same)
_FLOAT = ColumnCodec(_float, lambda value: None if value is None else float(value))
_MOMENT = ColumnCodec(_moment("Z"), _read(_read_moment))
_NAIVE = ColumnCodec(_moment(""), _read(datetime.fromisoformat))

_DURATION = ColumnCodec(
    _timedelta, _same, "a duration: PostgreSQL and Pydantic write it differently"
)

_FORMS: tuple[tuple[type[Any], ColumnCodec], ...] = (
    (Boolean, ColumnCodec(_boolean, _same)),
    (Integer, ColumnCodec(_plain, _same)),
    (Float, _FLOAT),
    (CHAR, ColumnCodec(_padded, _same)),
    (String, _TEXT),
    (Date, ColumnCodec(_date, _read(date.fromisoformat))),
    (Time, ColumnCodec(_time, _read(time.fromisoformat))),
    (Uuid, ColumnCodec(_uuid, _read(UUID))),
    (JSON, ColumnCodec(_json, _same)),
    (LargeBinary, ColumnCodec(_bytes, _read(from_base64))),
)

# What of Python each type of column holds, as the database writes it.
_HOLDING: tuple[tuple[type[Any], tuple[str, ...]], ...] = (
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

_PLAIN = (str, int, bool, type(None), object)


def _is_plain_json(annotation: Any) -> bool:
    """Whether JSON of this type is the same after Pydantic has read and written it.

    Not floats, of which ``1e23`` is another number than JSONB's 100000000000000000000000; not
    models, which have defaults, aliases and serializers.
    """
    origin = get_origin(annotation)
    if annotation is Any or annotation in _PLAIN or annotation in (list, dict):
        return True
    if origin is Literal:
        return True
    if origin in (list, dict, tuple, Union) or str(origin) == "<class 'types.UnionType'>":
        return all(arg is Ellipsis or _is_plain_json(arg) for arg in get_args(annotation))
    return False
