"""How a column's values are converted when its type changes, on each database.

SQLite would CAST them, which turns ``2024-01-02`` into 2024 if the new type is DATETIME. Here each
value is converted from the storage format of its old type to that of the new type, with the same
result on both databases. A column without a known conversion can change its type only if it has no
values.

SQLAlchemy's types define the storage formats:
https://docs.sqlalchemy.org/en/21/dialects/sqlite.html#date-and-time-types
"""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.sqltypes import _AbstractInterval
from sqlalchemy.types import TypeDecorator, TypeEngine

from colonnade.migrations.operations._time_zones import FROM_UTC, TO_UTC
from colonnade.migrations.operations._types import is_array, postgresql_type

IS_UTF8 = "colonnade_is_utf8"
"""An SQL function on Colonnade's SQLite connections: whether bytes are valid UTF-8."""

_INTEGERS: tuple[tuple[type[sa.Integer], int], ...] = (
    (sa.BigInteger, 63), (sa.SmallInteger, 15), (sa.Integer, 31),
)  # fmt: skip
"""The bits of each integer type, without the sign."""


@dataclass(frozen=True)
class Conversion:
    """The SQL that converts values of one type to another.

    In each expression, ``{c}`` stands for the quoted column.

    Attributes:
        sqlite: The new value on SQLite.
        postgresql: The new value on PostgreSQL; None for PostgreSQL's default conversion.
        unconvertible: The condition for values that the new type cannot hold, on SQLite.
        unconvertible_postgresql: The same on PostgreSQL; None if the conversion itself fails.
        lossy: The condition for convertible values that lose information.
        lossy_postgresql: The same on PostgreSQL, if the SQL differs.
    """

    sqlite: str = "{c}"
    postgresql: str | None = None
    unconvertible: str | None = None
    unconvertible_postgresql: str | None = None
    lossy: str | None = None
    lossy_postgresql: str | None = None

    def value(self, dialect: str, column: str) -> str | None:
        """Return the new value as SQL; None for the database's default conversion."""
        template = self.sqlite if dialect == "sqlite" else self.postgresql
        if template is None or template == "{c}":
            return template and column
        sql = template.format(c=column)
        if dialect == "sqlite":  # printf() of NULL is 0
            return f"CASE WHEN {column} IS NOT NULL THEN {sql} END"
        return sql

    def unconvertible_rows(self, dialect: str, column: str) -> str | None:
        """Return the condition for rows that cannot be converted; None if there is none."""
        text = self.unconvertible if dialect == "sqlite" else self.unconvertible_postgresql
        return None if text is None else f"({column} IS NOT NULL AND {text.format(c=column)})"

    def lossy_rows(self, dialect: str, column: str) -> str | None:
        """Return the condition for rows that lose information; None if there is none."""
        text = self.lossy if dialect == "sqlite" else self.lossy_postgresql or self.lossy
        return None if text is None else f"({column} IS NOT NULL AND {text.format(c=column)})"


def type_family(type_: TypeEngine[Any]) -> str:
    """Return the family of a type, such as ``text`` or ``date``; else the name of its class."""
    while isinstance(type_, TypeDecorator) and not isinstance(type_, sa.Interval | sa.Enum):
        type_ = type_.impl_instance
    if is_array(type_):
        return "array"
    return next((name for base, name in _FAMILIES if isinstance(type_, base)), type(type_).__name__)


_FAMILIES: tuple[tuple[type[TypeEngine[Any]], str], ...] = (
    (sa.Boolean, "bool"), (_AbstractInterval, "interval"), (sa.Uuid, "uuid"), (sa.Integer, "int"),
    (sa.Float, "float"), (sa.Numeric, "numeric"), (sa.DateTime, "datetime"), (sa.Date, "date"),
    (sa.Time, "time"), (sa.LargeBinary, "bytes"), (sa.JSON, "json"), (sa.String, "text"),
)  # fmt: skip


_KNOWN_FAMILIES = frozenset(("array", *(name for _, name in _FAMILIES)))


def conversion(old: TypeEngine[Any], new: TypeEngine[Any], zone: str = "UTC") -> Conversion | None:
    """Return how a column's values are converted to another type; None if they cannot be.

    Args:
        old: The column's current type.
        new: The column's new type.
        zone: The time zone of naive datetimes.
    """
    before, after = type_family(old), type_family(new)
    if before == after:
        return _same_family(before, old, new, zone)
    target = postgresql_type(new)
    if (before, after) == ("array", "json"):
        return Conversion(postgresql=f"to_jsonb({{c}})::{target}")
    if (before, after) == ("json", "array"):
        return Conversion(
            unconvertible="json_type({c}) <> 'array'",
            postgresql=f"{JSON_TO_ARRAY}({{c}}::jsonb)::{target}",
            unconvertible_postgresql="jsonb_typeof({c}::jsonb) <> 'array'",
        )
    if not {before, after} <= _KNOWN_FAMILIES:  # such as INET: PostgreSQL converts through text
        return Conversion(postgresql=f"{{c}}::text::{target}")
    make = _CONVERSIONS.get((before, after))
    return None if make is None else make(old, new, target, zone)


def null_only(column: str, target: str) -> str:
    """Return an expression with which PostgreSQL converts NULL and refuses any value."""
    return f"nullif({column}::text, '')::{target}"


JSON_TO_ARRAY = "pg_temp.colonnade_elements"
"""A function that converts a JSON array; ALTER TYPE ... USING does not allow a subquery."""

CREATE_JSON_TO_ARRAY = (
    f"CREATE OR REPLACE FUNCTION {JSON_TO_ARRAY}(jsonb) RETURNS text[] "
    "LANGUAGE sql IMMUTABLE STRICT AS 'SELECT array(SELECT jsonb_array_elements_text($1))'"
)


def _same_family(
    family: str, old: TypeEngine[Any], new: TypeEngine[Any], zone: str
) -> Conversion | None:
    """Convert between types of the same family: sizes, precisions and time zones."""
    if family == "int":
        bits = _bits(new)
        if bits >= _bits(old):
            return Conversion()
        unconvertible = f"{{c}} NOT BETWEEN -{2**bits} AND {2**bits - 1}"
        return Conversion(unconvertible=unconvertible, unconvertible_postgresql=unconvertible)
    if family == "numeric":
        return _numeric(new)
    if family == "text":
        length = getattr(new, "length", None)
        if length is None or isinstance(new, sa.Enum) or isinstance(old, sa.Enum):
            return Conversion()
        return Conversion(unconvertible_postgresql=f"length({{c}}) > {length}")
    if family == "datetime" and _is_aware(old) != _is_aware(new):
        return _in_zone(zone, TO_UTC if _is_aware(new) else FROM_UTC)
    if family == "array":
        return Conversion(postgresql=f"{{c}}::text[]::{postgresql_type(new)}")
    return Conversion()


def _in_zone(zone: str, function: str) -> Conversion:
    """Convert between local times of a zone and UTC, as which both databases store aware times."""
    postgresql = f"{{c}} AT TIME ZONE '{zone}'"
    if zone == "UTC":
        return Conversion(postgresql=postgresql)
    sqlite = f"{function}({{c}}, '{zone}')"
    return Conversion(sqlite, postgresql, unconvertible=f"{sqlite} IS NULL")


def _bits(type_: TypeEngine[Any]) -> int:
    return next(bits for base, bits in _INTEGERS if isinstance(type_, base))


def _numeric(new: Any, value: str = "{c}") -> Conversion:
    """Convert to a number of limited precision and scale, by rounding."""
    precision, scale = new.precision, new.scale
    if scale is None:
        return Conversion()
    target = postgresql_type(new)
    rounded = f"round({value}, {scale})"
    unconvertible = None if precision is None else f"abs({rounded}) >= 1e{precision - scale}"
    exact = f"round({{c}}::numeric, {scale})"
    return Conversion(
        sqlite=rounded,
        postgresql=f"{exact}::{target}",
        unconvertible=unconvertible,
        unconvertible_postgresql=unconvertible and f"abs({exact}) >= 1e{precision - scale}",
        lossy=f"{rounded} <> {{c}}",
        lossy_postgresql=f"{exact} <> {{c}}::numeric",
    )


def _is_aware(type_: Any) -> bool:
    return bool(getattr(type_, "timezone", False))


def _template(sqlite: str = "{c}", postgresql: str = "{c}::{target}", **more: str | None) -> Any:
    def make(_: Any, __: Any, target: str, ___: str) -> Conversion:
        return Conversion(sqlite, postgresql.replace("{target}", target), **more)

    return make


_NOT_AN_INTEGER = (
    "(trim({c}) = '' OR length(trim({c})) - length(ltrim(trim({c}), '+-')) > 1 OR "
    "ltrim(trim({c}), '+-') = '' OR ltrim(trim({c}), '+-') GLOB '*[^0-9]*')"
)
_NOT_A_NUMBER = (
    "CASE WHEN json_valid({c}) THEN json_type({c}) NOT IN ('integer', 'real') "
    "ELSE {c} IS NOT NULL END"
)
_TRUE = "('true', 't', 'yes', 'y', 'on', '1')"
_FALSE = "('false', 'f', 'no', 'n', 'off', '0')"

_WITHOUT_ZONE = "replace(replace({c}, 'Z', ''), '+00:00', '')"
_FRACTION = f"substr({_WITHOUT_ZONE}, instr({_WITHOUT_ZONE}, '.') + 1)"
_NOT_A_DATE = (
    "({c} NOT GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*' "
    "OR date(substr({c}, 1, 10), '+0 days') IS NOT substr({c}, 1, 10))"
)


_NOT_AN_ISO_DATE = "{c} !~ '^\\d\\d\\d\\d-\\d\\d-\\d\\d'"
"""PostgreSQL also accepts words such as ``tomorrow`` and ``infinity`` as dates."""


def _with_microseconds(form: str, source: str) -> str:
    """Format text with SQLite's date functions, keeping microseconds."""
    return (
        f"CASE WHEN instr({_WITHOUT_ZONE}, '.') THEN strftime('{form}', {_WITHOUT_ZONE}) || '.' || "
        f"substr({_FRACTION} || '000000', 1, 6) ELSE strftime('{form}', {source}) || '.000000' END"
    )


_NOT_A_TIME = (
    "(strftime('%s', {c}) IS NULL "
    f"OR (instr({_WITHOUT_ZONE}, '.') AND {_FRACTION} GLOB '*[^0-9]*'))"
)

_UUID_HEX = "lower(replace(replace(replace({c}, '-', ''), '{{', ''), '}}', ''))"


def _date_to_datetime(_: Any, new: Any, target: str, __: str) -> Conversion:
    utc = " AT TIME ZONE 'UTC'" if _is_aware(new) else ""
    return Conversion("{c} || ' 00:00:00.000000'", f"{{c}}::timestamp{utc}")


def _datetime_to(part: str) -> Any:
    def make(old: Any, _: Any, target: str, __: str) -> Conversion:
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


def _datetime_to_text(old: Any, _: Any, target: str, __: str) -> Conversion:
    zone = " || '+00:00'" if _is_aware(old) else ""
    naive = "({c} AT TIME ZONE 'UTC')" if _is_aware(old) else "{c}"
    return Conversion(
        f"{{c}}{zone}", f"(to_char({naive}, 'YYYY-MM-DD HH24:MI:SS.US'){zone})::{target}"
    )


def _text_to_datetime(_: Any, new: Any, target: str, __: str) -> Conversion:
    aware = (
        "CASE WHEN {c} ~ '(Z|[+-]\\d\\d(:?\\d\\d)?)$' AND length({c}) > 10 "
        "THEN {c}::timestamptz ELSE {c}::timestamp AT TIME ZONE 'UTC' END"
    )
    return Conversion(
        _with_microseconds("%Y-%m-%d %H:%M:%S", "{c}"),
        aware if _is_aware(new) else f"({aware}) AT TIME ZONE 'UTC'",
        unconvertible=f"({_NOT_A_DATE} OR {_NOT_A_TIME})",
        unconvertible_postgresql=_NOT_AN_ISO_DATE,
    )


def _to_numeric(_: Any, new: Any, target: str, __: str) -> Conversion:
    return _numeric(new)


def _numeric_to_text(old: Any, _: Any, target: str, __: str) -> Conversion:
    digits = getattr(old, "scale", None)
    text = "CAST({c} AS TEXT)" if digits is None else f"printf('%.{digits}f', {{c}})"
    return Conversion(text, f"{{c}}::{target}")


def _text_to_numeric(_: Any, new: Any, target: str, __: str) -> Conversion:
    to_numeric = _numeric(new, "CAST({c} AS NUMERIC)")
    return Conversion(
        sqlite="CAST({c} AS NUMERIC)" if to_numeric.postgresql is None else to_numeric.sqlite,
        postgresql=f"{{c}}::numeric::{target}",
        unconvertible=_NOT_A_NUMBER if to_numeric.unconvertible is None
        else f"({_NOT_A_NUMBER} OR {to_numeric.unconvertible})",
        lossy=None if new.scale is None else f"{to_numeric.sqlite} <> CAST({{c}} AS NUMERIC)",
        lossy_postgresql=None if new.scale is None
        else f"round({{c}}::numeric, {new.scale}) <> {{c}}::numeric",
    )  # fmt: skip


_CONVERSIONS: dict[tuple[str, str], Any] = {
    ("int", "float"): _template(),
    ("int", "numeric"): _to_numeric,
    ("int", "text"): _template("CAST({c} AS TEXT)"),
    ("int", "bool"): _template(
        "({c} <> 0)", lossy="{c} NOT IN (0, 1)", unconvertible_postgresql="false"
    ),
    ("int", "json"): _template(postgresql="to_jsonb({c})::{target}"),
    ("bool", "int"): _template(postgresql="{c}::integer::{target}"),
    ("bool", "float"): _template(postgresql="{c}::integer::{target}"),
    ("bool", "numeric"): _template(postgresql="{c}::integer::{target}"),
    ("bool", "text"): _template("CASE WHEN {c} THEN 'true' WHEN NOT {c} THEN 'false' END"),
    ("bool", "json"): _template(
        "CASE WHEN {c} THEN 'true' WHEN NOT {c} THEN 'false' END", "to_jsonb({c})::{target}"
    ),
    ("float", "int"): _template(
        "CAST(round({c}) AS INTEGER)", "round({c}::numeric)::{target}", lossy="{c} <> round({c})",
        lossy_postgresql="{c} <> round({c}::numeric)",
    ),
    ("float", "numeric"): _to_numeric,
    ("float", "text"): _template(
        "CASE WHEN {c} = CAST({c} AS INTEGER) THEN CAST(CAST({c} AS INTEGER) AS TEXT) "
        "ELSE CAST({c} AS TEXT) END"
    ),
    ("float", "bool"): _template(
        "({c} <> 0)", "({c} <> 0)", lossy="{c} NOT IN (0, 1)"
    ),
    ("float", "json"): _template(postgresql="to_jsonb({c})::{target}"),
    ("numeric", "int"): _template(
        "CAST(round({c}) AS INTEGER)", "round({c})::{target}", lossy="{c} <> round({c})"
    ),
    ("numeric", "float"): _template(),
    ("numeric", "text"): _numeric_to_text,
    ("numeric", "bool"): _template("({c} <> 0)", "({c} <> 0)", lossy="{c} NOT IN (0, 1)"),
    ("numeric", "json"): _template(postgresql="to_jsonb({c})::{target}"),
    ("text", "int"): _template(
        "CAST(trim({c}) AS INTEGER)", "trim({c})::{target}", unconvertible=_NOT_AN_INTEGER,
        lossy="CAST(CAST(trim({c}) AS INTEGER) AS TEXT) <> {c}",
        lossy_postgresql="(trim({c})::numeric)::text <> {c}",
    ),
    ("text", "float"): _template("CAST({c} AS REAL)", unconvertible=_NOT_A_NUMBER),
    ("text", "numeric"): _text_to_numeric,
    ("text", "bool"): _template(
        f"(lower(trim({{c}})) IN {_TRUE})", "trim({c})::boolean",
        unconvertible=f"lower(trim({{c}})) NOT IN {_TRUE} AND lower(trim({{c}})) NOT IN {_FALSE}",
    ),
    ("text", "date"): _template(
        unconvertible=f"({_NOT_A_DATE} OR length({{c}}) <> 10)",
        unconvertible_postgresql=_NOT_AN_ISO_DATE,
        lossy_postgresql="{c} ~ '\\d:\\d' AND {c}::timestamp <> {c}::date",
    ),
    ("text", "datetime"): _text_to_datetime,
    ("text", "time"): _template(
        _with_microseconds("%H:%M:%S", "{c}"),
        unconvertible=f"({{c}} NOT GLOB '[0-9][0-9]:[0-9][0-9]*' OR {_NOT_A_TIME})",
        unconvertible_postgresql="{c} !~ '^\\d\\d:\\d\\d'",
    ),
    ("text", "uuid"): _template(
        _UUID_HEX, unconvertible=f"(length({_UUID_HEX}) <> 32 OR {_UUID_HEX} GLOB '*[^0-9a-f]*')"
    ),
    ("text", "bytes"): _template("CAST({c} AS BLOB)", "convert_to({c}, 'UTF8')"),
    ("text", "json"): _template(unconvertible="json_valid({c}) = 0"),
    ("date", "datetime"): _date_to_datetime,
    ("date", "text"): _template(postgresql="to_char({c}, 'YYYY-MM-DD')::{target}"),
    ("datetime", "date"): _datetime_to("date"),
    ("datetime", "time"): _datetime_to("time"),
    ("datetime", "text"): _datetime_to_text,
    ("time", "text"): _template(postgresql="to_char({c}, 'HH24:MI:SS.US')::{target}"),
    ("uuid", "text"): _template(
        "substr({c}, 1, 8) || '-' || substr({c}, 9, 4) || '-' || substr({c}, 13, 4) || '-' || "
        "substr({c}, 17, 4) || '-' || substr({c}, 21)"
    ),
    ("bytes", "text"): _template(
        "CAST({c} AS TEXT)", "convert_from({c}, 'UTF8')", unconvertible=f"NOT {IS_UTF8}({{c}})"
    ),
    ("json", "text"): _template("CAST({c} AS TEXT)"),
    ("json", "int"): _template(
        "CAST({c} AS INTEGER)", "({c}::text)::{target}", unconvertible="json_type({c}) <> 'integer'"
    ),
    ("json", "float"): _template(
        "CAST({c} AS REAL)", "({c}::text)::{target}",
        unconvertible="json_type({c}) NOT IN ('integer', 'real')",
    ),
    ("json", "numeric"): _template(
        "CAST({c} AS NUMERIC)", "({c}::text)::{target}",
        unconvertible="json_type({c}) NOT IN ('integer', 'real')",
    ),
    ("json", "bool"): _template(
        "json_extract({c}, '$')", "({c}::text)::{target}",
        unconvertible="json_type({c}) NOT IN ('true', 'false')",
    ),
}  # fmt: skip
