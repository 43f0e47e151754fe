"""What the values of a column become when its type changes, on each database.

SQLite would CAST them: ``2024-01-02`` in a column that becomes DATETIME is then 2024. Here each
value is converted by the form in which its type stores it, to the form in which the new one does,
and with the same result as on PostgreSQL. Where no such conversion is known, only columns without
values change their type.

The stored forms are those of SQLAlchemy's types:
https://docs.sqlalchemy.org/en/21/dialects/sqlite.html#date-and-time-types
"""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.sqltypes import _AbstractInterval
from sqlalchemy.types import TypeDecorator, TypeEngine

from colonnade.migrations.operations._types import is_array, postgresql_type

UTF8 = "colonnade_is_utf8"
"""A function of SQLite that Colonnade's connections have: whether bytes are text."""

_INTEGERS: tuple[tuple[type[sa.Integer], int], ...] = (
    (sa.BigInteger, 63), (sa.SmallInteger, 15), (sa.Integer, 31),
)  # fmt: skip
"""The bits of a value beside its sign."""


@dataclass(frozen=True)
class Conversion:
    """How values of one type become those of another.

    In each text ``{c}`` is the column, as SQL.

    Attributes:
        sqlite: The new value on SQLite.
        postgresql: The new value on PostgreSQL; None: as PostgreSQL converts it by itself.
        unfit: Which rows have a value that the new type cannot hold, on SQLite.
        unfit_postgresql: The same on PostgreSQL; None: those for which the new value is an error.
        lossy: Which rows have a value that is not kept whole; after those that are unfit.
        lossy_postgresql: The same on PostgreSQL, if it takes other words.
    """

    sqlite: str = "{c}"
    postgresql: str | None = None
    unfit: str | None = None
    unfit_postgresql: str | None = None
    lossy: str | None = None
    lossy_postgresql: str | None = None

    def value(self, dialect: str, column: str) -> str | None:
        """The new value as SQL; None if the database converts it by itself."""
        text = self.sqlite if dialect == "sqlite" else self.postgresql
        if text is None or text == "{c}":
            return text and column
        sql = text.format(c=column)
        if dialect == "sqlite":  # printf() of NULL is 0
            return f"CASE WHEN {column} IS NOT NULL THEN {sql} END"
        return sql

    def unfit_rows(self, dialect: str, column: str) -> str | None:
        """The condition of rows that cannot be converted, as SQL; None if it is not known."""
        text = self.unfit if dialect == "sqlite" else self.unfit_postgresql
        return None if text is None else f"({column} IS NOT NULL AND {text.format(c=column)})"

    def lossy_rows(self, dialect: str, column: str) -> str | None:
        """The condition of rows that lose something, as SQL; None if there are none."""
        text = self.lossy if dialect == "sqlite" else self.lossy_postgresql or self.lossy
        return None if text is None else f"({column} IS NOT NULL AND {text.format(c=column)})"


def kind_of(kind: TypeEngine[Any]) -> str:
    """What a type is to conversions: ``text``, ``date``; its class's name if it is another."""
    while isinstance(kind, TypeDecorator) and not isinstance(kind, sa.Interval | sa.Enum):
        kind = kind.impl_instance
    if is_array(kind):
        return "array"
    return next((name for base, name in _KINDS if isinstance(kind, base)), type(kind).__name__)


_KINDS: tuple[tuple[type[TypeEngine[Any]], str], ...] = (
    (sa.Boolean, "bool"), (_AbstractInterval, "interval"), (sa.Uuid, "uuid"), (sa.Integer, "int"),
    (sa.Float, "float"), (sa.Numeric, "numeric"), (sa.DateTime, "datetime"), (sa.Date, "date"),
    (sa.Time, "time"), (sa.LargeBinary, "bytes"), (sa.JSON, "json"), (sa.String, "text"),
)  # fmt: skip


_KNOWN = frozenset(("array", *(name for _, name in _KINDS)))


def conversion(old: TypeEngine[Any], new: TypeEngine[Any], zone: str = "UTC") -> Conversion | None:
    """How the values of a column of one type become those of another; None if they cannot.

    Args:
        old: The type that the column has.
        new: The type that it gets.
        zone: The time zone of datetimes that have none.
    """
    before, after = kind_of(old), kind_of(new)
    if before == after:
        return _within(before, old, new, zone)
    there = postgresql_type(new)
    if (before, after) == ("array", "json"):
        return Conversion(postgresql=f"to_jsonb({{c}})::{there}")
    if (before, after) == ("json", "array"):
        return Conversion(
            unfit="json_type({c}) <> 'array'",
            postgresql=f"{ELEMENTS}({{c}}::jsonb)::{there}",
            unfit_postgresql="jsonb_typeof({c}::jsonb) <> 'array'",
        )
    if not {before, after} <= _KNOWN:  # such as INET: PostgreSQL knows how, by way of text
        return Conversion(postgresql=f"{{c}}::text::{there}")
    make = _CONVERSIONS.get((before, after))
    return None if make is None else make(old, new, there, zone)


def refusing(column: str, there: str) -> str:
    """What PostgreSQL converts NULL to NULL with, and refuses every value."""
    return f"nullif({column}::text, '')::{there}"


ELEMENTS = "pg_temp.colonnade_elements"
"""A function that makes an array of JSON's; ALTER TYPE ... USING takes no subquery."""

MAKE_ELEMENTS = (
    f"CREATE OR REPLACE FUNCTION {ELEMENTS}(jsonb) RETURNS text[] LANGUAGE sql IMMUTABLE STRICT "
    "AS 'SELECT array(SELECT jsonb_array_elements_text($1))'"
)


def _within(kind: str, old: TypeEngine[Any], new: TypeEngine[Any], zone: str) -> Conversion | None:
    """Of a type that stays, but for its size or its time zone."""
    if kind == "int":
        bits = _bits(new)
        if bits >= _bits(old):
            return Conversion()
        unfit = f"{{c}} NOT BETWEEN -{2**bits} AND {2**bits - 1}"
        return Conversion(unfit=unfit, unfit_postgresql=unfit)
    if kind == "numeric":
        return _numeric(new)
    if kind == "text":
        length = getattr(new, "length", None)
        if length is None or isinstance(new, sa.Enum) or isinstance(old, sa.Enum):
            return Conversion()
        return Conversion(unfit_postgresql=f"length({{c}}) > {length}")
    if kind == "datetime" and _is_aware(old) != _is_aware(new):
        return Conversion(postgresql=f"{{c}} AT TIME ZONE '{zone}'")
    if kind == "array":
        return Conversion(postgresql=f"{{c}}::text[]::{postgresql_type(new)}")
    return Conversion()


def _bits(kind: TypeEngine[Any]) -> int:
    return next(bits for base, bits in _INTEGERS if isinstance(kind, base))


def _numeric(new: Any, value: str = "{c}") -> Conversion:
    """To a number of so many digits, which are rounded to."""
    precision, scale = new.precision, new.scale
    if scale is None:
        return Conversion()
    there = postgresql_type(new)
    rounded = f"round({value}, {scale})"
    unfit = None if precision is None else f"abs({rounded}) >= 1e{precision - scale}"
    exact = f"round({{c}}::numeric, {scale})"
    return Conversion(
        sqlite=rounded,
        postgresql=f"{exact}::{there}",
        unfit=unfit,
        unfit_postgresql=unfit and f"abs({exact}) >= 1e{precision - scale}",
        lossy=f"{rounded} <> {{c}}",
        lossy_postgresql=f"{exact} <> {{c}}::numeric",
    )


def _is_aware(kind: Any) -> bool:
    return bool(getattr(kind, "timezone", False))


def _simple(sqlite: str = "{c}", postgresql: str = "{c}::{there}", **more: str | None) -> Any:
    def make(_: Any, __: Any, there: str, ___: str) -> Conversion:
        return Conversion(sqlite, postgresql.replace("{there}", there), **more)

    return make


_WHOLE = (
    "(trim({c}) = '' OR length(trim({c})) - length(ltrim(trim({c}), '+-')) > 1 OR "
    "ltrim(trim({c}), '+-') = '' OR ltrim(trim({c}), '+-') GLOB '*[^0-9]*')"
)
_NUMBER = (
    "CASE WHEN json_valid({c}) THEN json_type({c}) NOT IN ('integer', 'real') "
    "ELSE {c} IS NOT NULL END"
)
_TRUE = "('true', 't', 'yes', 'y', 'on', '1')"
_FALSE = "('false', 'f', 'no', 'n', 'off', '0')"

_PLAIN = "replace(replace({c}, 'Z', ''), '+00:00', '')"
_FRACTION = f"substr({_PLAIN}, instr({_PLAIN}, '.') + 1)"
_IS_NO_DAY = (
    "({c} NOT GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*' "
    "OR date(substr({c}, 1, 10), '+0 days') IS NOT substr({c}, 1, 10))"
)


_IS_NO_ISO_DAY = "{c} !~ '^\\d\\d\\d\\d-\\d\\d-\\d\\d'"
"""PostgreSQL takes ``tomorrow`` and ``infinity`` for dates, too."""


def _instant(form: str, source: str) -> str:
    """A text as SQLite's date functions read it, with all of its fraction."""
    return (
        f"CASE WHEN instr({_PLAIN}, '.') THEN strftime('{form}', {_PLAIN}) || '.' || "
        f"substr({_FRACTION} || '000000', 1, 6) ELSE strftime('{form}', {source}) || '.000000' END"
    )


_UNREADABLE = (
    f"(strftime('%s', {{c}}) IS NULL OR (instr({_PLAIN}, '.') AND {_FRACTION} GLOB '*[^0-9]*'))"
)

_HEX = "lower(replace(replace(replace({c}, '-', ''), '{{', ''), '}}', ''))"


def _date_to_datetime(_: Any, new: Any, there: str, __: str) -> Conversion:
    utc = " AT TIME ZONE 'UTC'" if _is_aware(new) else ""
    return Conversion("{c} || ' 00:00:00.000000'", f"{{c}}::timestamp{utc}")


def _datetime_to(part: str) -> Any:
    def make(old: Any, _: Any, there: str, __: str) -> Conversion:
        naive = "({c} AT TIME ZONE 'UTC')" if _is_aware(old) else "{c}"
        if part == "date":
            return Conversion(
                "substr({c}, 1, 10)",
                f"{naive}::date",
                lossy="substr({c}, 11) NOT IN ('', ' 00:00:00.000000', ' 00:00:00')",
                lossy_postgresql=f"{naive}::date <> {naive}",
            )
        return Conversion(
            "substr({c}, 12)",
            f"{naive}::time",
            lossy="{c} IS NOT NULL",
            lossy_postgresql="{c} IS NOT NULL",
        )

    return make


def _datetime_to_text(old: Any, _: Any, there: str, __: str) -> Conversion:
    zone = " || '+00:00'" if _is_aware(old) else ""
    naive = "({c} AT TIME ZONE 'UTC')" if _is_aware(old) else "{c}"
    return Conversion(
        f"{{c}}{zone}", f"(to_char({naive}, 'YYYY-MM-DD HH24:MI:SS.US'){zone})::{there}"
    )


def _text_to_datetime(_: Any, new: Any, there: str, __: str) -> Conversion:
    aware = (
        "CASE WHEN {c} ~ '(Z|[+-]\\d\\d(:?\\d\\d)?)$' AND length({c}) > 10 "
        "THEN {c}::timestamptz ELSE {c}::timestamp AT TIME ZONE 'UTC' END"
    )
    return Conversion(
        _instant("%Y-%m-%d %H:%M:%S", "{c}"),
        aware if _is_aware(new) else f"({aware}) AT TIME ZONE 'UTC'",
        unfit=f"({_IS_NO_DAY} OR {_UNREADABLE})",
        unfit_postgresql=_IS_NO_ISO_DAY,
    )


def _to_numeric(_: Any, new: Any, there: str, __: str) -> Conversion:
    return _numeric(new)


def _numeric_to_text(old: Any, _: Any, there: str, __: str) -> Conversion:
    digits = getattr(old, "scale", None)
    text = "CAST({c} AS TEXT)" if digits is None else f"printf('%.{digits}f', {{c}})"
    return Conversion(text, f"{{c}}::{there}")


def _text_to_numeric(_: Any, new: Any, there: str, __: str) -> Conversion:
    numeric = _numeric(new, "CAST({c} AS NUMERIC)")
    return Conversion(
        sqlite="CAST({c} AS NUMERIC)" if numeric.postgresql is None else numeric.sqlite,
        postgresql=f"{{c}}::numeric::{there}",
        unfit=_NUMBER if numeric.unfit is None else f"({_NUMBER} OR {numeric.unfit})",
        lossy=None if new.scale is None else f"{numeric.sqlite} <> CAST({{c}} AS NUMERIC)",
        lossy_postgresql=None if new.scale is None
        else f"round({{c}}::numeric, {new.scale}) <> {{c}}::numeric",
    )  # fmt: skip


_CONVERSIONS: dict[tuple[str, str], Any] = {
    ("int", "float"): _simple(),
    ("int", "numeric"): _to_numeric,
    ("int", "text"): _simple("CAST({c} AS TEXT)"),
    ("int", "bool"): _simple(
        "({c} <> 0)", lossy="{c} NOT IN (0, 1)", unfit_postgresql="false"
    ),
    ("int", "json"): _simple(postgresql="to_jsonb({c})::{there}"),
    ("bool", "int"): _simple(postgresql="{c}::integer::{there}"),
    ("bool", "float"): _simple(postgresql="{c}::integer::{there}"),
    ("bool", "numeric"): _simple(postgresql="{c}::integer::{there}"),
    ("bool", "text"): _simple("CASE WHEN {c} THEN 'true' WHEN NOT {c} THEN 'false' END"),
    ("bool", "json"): _simple(
        "CASE WHEN {c} THEN 'true' WHEN NOT {c} THEN 'false' END", "to_jsonb({c})::{there}"
    ),
    ("float", "int"): _simple(
        "CAST(round({c}) AS INTEGER)", "round({c}::numeric)::{there}", lossy="{c} <> round({c})",
        lossy_postgresql="{c} <> round({c}::numeric)",
    ),
    ("float", "numeric"): _to_numeric,
    ("float", "text"): _simple(
        "CASE WHEN {c} = CAST({c} AS INTEGER) THEN CAST(CAST({c} AS INTEGER) AS TEXT) "
        "ELSE CAST({c} AS TEXT) END"
    ),
    ("float", "bool"): _simple(
        "({c} <> 0)", "({c} <> 0)", lossy="{c} NOT IN (0, 1)"
    ),
    ("float", "json"): _simple(postgresql="to_jsonb({c})::{there}"),
    ("numeric", "int"): _simple(
        "CAST(round({c}) AS INTEGER)", "round({c})::{there}", lossy="{c} <> round({c})"
    ),
    ("numeric", "float"): _simple(),
    ("numeric", "text"): _numeric_to_text,
    ("numeric", "bool"): _simple("({c} <> 0)", "({c} <> 0)", lossy="{c} NOT IN (0, 1)"),
    ("numeric", "json"): _simple(postgresql="to_jsonb({c})::{there}"),
    ("text", "int"): _simple(
        "CAST(trim({c}) AS INTEGER)", "trim({c})::{there}", unfit=_WHOLE,
        lossy="CAST(CAST(trim({c}) AS INTEGER) AS TEXT) <> {c}",
        lossy_postgresql="(trim({c})::numeric)::text <> {c}",
    ),
    ("text", "float"): _simple("CAST({c} AS REAL)", unfit=_NUMBER),
    ("text", "numeric"): _text_to_numeric,
    ("text", "bool"): _simple(
        f"(lower(trim({{c}})) IN {_TRUE})", "trim({c})::boolean",
        unfit=f"lower(trim({{c}})) NOT IN {_TRUE} AND lower(trim({{c}})) NOT IN {_FALSE}",
    ),
    ("text", "date"): _simple(
        unfit=f"({_IS_NO_DAY} OR length({{c}}) <> 10)",
        unfit_postgresql=_IS_NO_ISO_DAY,
        lossy_postgresql="{c} ~ '\\d:\\d' AND {c}::timestamp <> {c}::date",
    ),
    ("text", "datetime"): _text_to_datetime,
    ("text", "time"): _simple(
        _instant("%H:%M:%S", "{c}"),
        unfit=f"({{c}} NOT GLOB '[0-9][0-9]:[0-9][0-9]*' OR {_UNREADABLE})",
        unfit_postgresql="{c} !~ '^\\d\\d:\\d\\d'",
    ),
    ("text", "uuid"): _simple(
        _HEX, unfit=f"(length({_HEX}) <> 32 OR {_HEX} GLOB '*[^0-9a-f]*')"
    ),
    ("text", "bytes"): _simple("CAST({c} AS BLOB)", "convert_to({c}, 'UTF8')"),
    ("text", "json"): _simple(unfit="json_valid({c}) = 0"),
    ("date", "datetime"): _date_to_datetime,
    ("date", "text"): _simple(postgresql="to_char({c}, 'YYYY-MM-DD')::{there}"),
    ("datetime", "date"): _datetime_to("date"),
    ("datetime", "time"): _datetime_to("time"),
    ("datetime", "text"): _datetime_to_text,
    ("time", "text"): _simple(postgresql="to_char({c}, 'HH24:MI:SS.US')::{there}"),
    ("uuid", "text"): _simple(
        "substr({c}, 1, 8) || '-' || substr({c}, 9, 4) || '-' || substr({c}, 13, 4) || '-' || "
        "substr({c}, 17, 4) || '-' || substr({c}, 21)"
    ),
    ("bytes", "text"): _simple(
        "CAST({c} AS TEXT)", "convert_from({c}, 'UTF8')", unfit=f"NOT {UTF8}({{c}})"
    ),
    ("json", "text"): _simple("CAST({c} AS TEXT)"),
    ("json", "int"): _simple(
        "CAST({c} AS INTEGER)", "({c}::text)::{there}", unfit="json_type({c}) <> 'integer'"
    ),
    ("json", "float"): _simple(
        "CAST({c} AS REAL)", "({c}::text)::{there}",
        unfit="json_type({c}) NOT IN ('integer', 'real')",
    ),
    ("json", "numeric"): _simple(
        "CAST({c} AS NUMERIC)", "({c}::text)::{there}",
        unfit="json_type({c}) NOT IN ('integer', 'real')",
    ),
    ("json", "bool"): _simple(
        "json_extract({c}, '$')", "({c}::text)::{there}",
        unfit="json_type({c}) NOT IN ('true', 'false')",
    ),
}  # fmt: skip
