"""The SQL expression that writes a column of each type as JSON text.

Each expression is NULL for NULL. A column of SQLite may hold values of any type, so the expressions
check what they find.
"""

from collections.abc import Callable
from typing import Any

from sqlalchemy import (
    Integer,
    Interval,
    Text,
    case,
    cast,
    extract,
    func,
    literal_column,
    null,
    type_coerce,
    types,
)
from sqlalchemy.sql.elements import ColumnElement

from colonnade.backends import Backend
from colonnade.query import quoted
from colonnade.rows._json_sql import JSONText


def text_json(column: ColumnElement[Any], backend: Backend) -> JSONText:
    if backend == "sqlite":
        return func.json_quote(column, type_=Text())
    return cast(func.to_json(cast(column, Text())), Text())


def char_json(column: ColumnElement[Any], backend: Backend) -> JSONText:
    """Text of fixed width, with PostgreSQL's padding, which drivers keep and a cast removes."""
    return text_json(column, backend) if backend == "sqlite" else cast(func.to_json(column), Text())


def integer_json(column: ColumnElement[Any], backend: Backend) -> JSONText:
    # SQLite may hold text in a column of any type.
    return func.json_quote(column, type_=Text()) if backend == "sqlite" else cast(column, Text())


def wide_number_json(column: ColumnElement[Any], backend: Backend) -> JSONText:
    """A number that SQLite may hold as text, since it has more digits than SQLite's numbers."""
    return cast(column, Text())


def boolean_json(column: ColumnElement[Any], backend: Backend) -> JSONText:
    if backend == "postgresql":
        return cast(column, Text())
    return case(
        (_as_integer(column) == 0, quoted("false")),
        (_as_integer(column) == 1, quoted("true")),
        (func.typeof(column) == quoted("integer"), quoted("true")),
        *_or_unreadable(column),
    )


def _as_integer(column: ColumnElement[Any]) -> ColumnElement[int]:
    return type_coerce(column, Integer())


def double_json(column: ColumnElement[Any], backend: Backend) -> JSONText:
    """A float in a decimal column, without the trailing zeros that PostgreSQL keeps."""
    return float_json(column if backend == "sqlite" else cast(column, types.Double()), backend)


def float_json(column: ColumnElement[Any], backend: Backend) -> JSONText:
    if backend == "sqlite":
        return func.colonnade_float(column, type_=Text())
    text: JSONText = cast(column, Text())
    for word in ("NaN", "Infinity", "-Infinity"):
        text = func.nullif(text, quoted(word), type_=Text())
    return func.coalesce(text, quoted("null"), type_=Text())


def decimal_json(scale: int | None) -> Callable[[ColumnElement[Any], Backend], JSONText]:
    """A decimal with this many decimal places, as a JSON string."""

    def to_json(column: ColumnElement[Any], backend: Backend) -> JSONText:
        text: JSONText = cast(column, Text())
        if backend == "sqlite":
            formatted = func.printf(quoted(f"%.{10 if scale is None else scale}f"), column)
            stored_type = func.typeof(column)
            text = case(
                (stored_type.in_([quoted("real"), quoted("integer")]), formatted),
                *_or_unreadable(column),
            )
        return quoted('"') + text + quoted('"')

    return to_json


def enum_json(names: dict[str, str]) -> Callable[[ColumnElement[Any], Backend], JSONText]:
    """An enum column, with stored member names replaced by their values."""

    def text(column: ColumnElement[Any], backend: Backend) -> JSONText:
        plain = cast(column, Text())
        if not names:
            return text_json(plain, backend)
        changed = case(
            *((plain == quoted(name), quoted(value)) for name, value in names.items()), else_=plain
        )
        return text_json(changed, backend)

    return text


def raw_json(column: ColumnElement[Any], backend: Backend) -> JSONText:
    if backend == "sqlite":
        return func.json(cast(column, Text()), type_=Text())
    return cast(column, Text())


def uuid_json(column: ColumnElement[Any], backend: Backend) -> JSONText:
    text = cast(column, Text())
    if backend == "postgresql":
        return quoted('"') + text + quoted('"')
    parts = [func.substr(text, start, length, type_=Text()) for start, length in _UUID_PARTS]
    dashed: JSONText = parts[0]
    for part in parts[1:]:
        dashed = dashed + quoted("-") + part
    canonical = case(
        (func.length(text) == 32, dashed),
        (func.length(text) == 36, text),
        *_or_unreadable(column),
    )
    return func.json_quote(canonical, type_=Text())


_UUID_PARTS = ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))


def datetime_json(suffix: str) -> Callable[[ColumnElement[Any], Backend], JSONText]:
    """A datetime with ``suffix``: a fraction has six digits, and is omitted if it is zero."""
    read = "colonnade_utc" if suffix else "colonnade_local"

    def selected(stored: JSONText) -> JSONText:
        text: JSONText = func.replace(stored, quoted(" "), quoted("T"), type_=Text())
        return text + quoted(suffix) if suffix else text

    def text(column: ColumnElement[Any], backend: Backend) -> JSONText:
        if backend == "postgresql":
            utc = func.timezone(quoted("UTC"), column) if suffix else column
            seconds = func.to_char(
                utc, quoted('"\\""YYYY-MM-DD"T"HH24:MI:SS.US"' + suffix + '\\""')
            )
            text: JSONText = func.replace(
                seconds, quoted(f'.000000{suffix}"'), quoted(f'{suffix}"'), type_=Text()
            )
            return _if_python_year(column, text)
        is_null, other = _or_unreadable(column, read)
        without = func.replace(column, quoted(".000000"), quoted(""), type_=Text())
        return func.json_quote(
            case(
                # First, since most values have a fraction and this costs half of the next branch.
                (_matches_glob(column, "????-??-?? *.??[0-9][0-9]?[1-9]"), selected(column)),
                is_null,
                (_matches_glob(column, "????-??-?? *.??[0-9][0-9]?[0-9]"), selected(without)),
                (_matches_glob(column, "????-??-?? ??:??:??"), selected(column)),
                other,
            ),
            type_=Text(),
        )

    return text


def date_json(column: ColumnElement[Any], backend: Backend) -> JSONText:
    if backend == "postgresql":
        return _if_python_year(column, cast(func.to_json(column), Text()))
    usual = (_matches_glob(column, "????-??-??"), column)
    return func.json_quote(case(usual, *_or_unreadable(column)), type_=Text())


def time_json(column: ColumnElement[Any], backend: Backend) -> JSONText:
    if backend == "sqlite":
        text: JSONText = func.replace(column, quoted(".000000"), quoted(""), type_=Text())
        usual = (_matches_glob(column, "??:??:??.??????"), text)
        return func.json_quote(case(usual, *_or_unreadable(column, "colonnade_time")), type_=Text())
    text = func.to_char(cast(column, Interval()), quoted("HH24:MI:SS.US"), type_=Text())
    return (
        quoted('"') + func.replace(text, quoted(".000000"), quoted(""), type_=Text()) + quoted('"')
    )


def timedelta_json(column: ColumnElement[Any], backend: Backend) -> JSONText:
    text: JSONText = func.colonnade_timedelta(cast(column, Text()), type_=Text())
    if backend == "postgresql":
        # Days and seconds apart, since Pydantic reads at most 2^32 of a unit. As in the drivers, a
        # month has 30 days and a year 365.
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


def bytes_json(column: ColumnElement[Any], backend: Backend) -> JSONText:
    if backend == "sqlite":
        return func.json_quote(func.colonnade_base64(column, type_=Text()), type_=Text())
    lines = func.encode(column, quoted("base64"), type_=Text())  # of 76 characters
    text: JSONText = func.replace(lines, literal_column("chr(10)"), quoted(""), type_=Text())
    return quoted('"') + text + quoted('"')


def generic_json(column: ColumnElement[Any], backend: Backend) -> JSONText:
    if backend == "sqlite":
        return func.json_quote(column, type_=Text())
    return cast(func.to_json(column), Text())


def _or_unreadable(
    column: ColumnElement[Any], read: str = "colonnade_unreadable"
) -> tuple[Any, Any]:
    """The last branches of a CASE on SQLite, for NULL and for values in another format.

    Args:
        column: The column.
        read: The SQL function that reads other formats, or aborts the statement.
    """
    unreadable: Any = getattr(func, read)(column, type_=Text())
    return (func.typeof(column) == quoted("null"), null()), (literal_column("1"), unreadable)


def _matches_glob(column: ColumnElement[Any], pattern: str) -> ColumnElement[bool]:
    return column.op("GLOB", is_comparison=True)(quoted(pattern))


def _if_python_year(column: ColumnElement[Any], text: JSONText) -> JSONText:
    """The text, if Python supports the year: PostgreSQL also has infinity and other years.

    For those, a cast that always fails aborts the statement: see ``answers/_unreadable.py``.
    """
    first, last = quoted("0001-01-01"), quoted("9999-12-31 23:59:59.999999")
    if getattr(column.type, "timezone", False):
        first, last = quoted("0001-01-01 00:00:00+00"), quoted("9999-12-31 23:59:59.999999+00")
    failing = cast(cast(cast(column, Text()), Integer()), Text())
    return case((column.between(first, last), text), else_=failing)
