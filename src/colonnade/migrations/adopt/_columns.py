"""A column that a database has, as a field of a model: annotation, arguments, column type."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.dialects.sqlite.base import SQLiteDialect
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.types import TypeEngine

from colonnade.migrations.autogenerate._reflected import Stored
from colonnade.migrations.operations._types import plain_type
from colonnade.models import LooseText, UTCTimestamp, check_name

EXACT_DIGITS = 15
"""Digits of a ``Decimal`` that models keep exactly on every database."""

INT32 = range(-(2**31), 2**31)

_BIND = re.compile(r"(?<![:\w\\]):(?=\w)(?!\w+:)")
"""A colon that SQLAlchemy's ``text()`` takes as the beginning of a parameter."""

_ORDER = (
    "default", "primary_key", "foreign_key", "ondelete", "nullable", "unique", "index",
    "ge", "gt", "le", "lt", "min_length", "max_length", "max_digits", "decimal_places",
    "sa_type", "sa_column_kwargs",
)  # fmt: skip
_JSON = "dict[str, Any] | list[Any]"
_DIALECTS: dict[str, Dialect] = {
    "sqlite": SQLiteDialect(),
    "postgresql": cast("Any", PGDialect)(),
}


@dataclass(frozen=True)
class Kind:
    """What a field is.

    Attributes:
        annotation: Its annotation, None aside.
        type: The column type that the model has then.
        sa_type: The source of that type; None where the annotation alone says it.
        options: The other arguments of ``Field``.
    """

    annotation: str
    type: TypeEngine[Any]
    sa_type: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass
class FieldSource:
    """A field as it is going to be written.

    Attributes:
        name: Its name.
        column: The column, as it was read.
        kind: What it is.
        replaced: The type that the database has and the model cannot declare; None if it can.
        optional: Whether a row can be made without it, because the database has the value.
        options: The arguments of ``Field``, as Python.
        column_options: The arguments of the column beyond those, as Python.
    """

    name: str
    column: sa.Column[Any]
    kind: Kind
    replaced: str | None = None
    optional: bool = False
    options: dict[str, str] = field(default_factory=dict)
    column_options: dict[str, str] = field(default_factory=dict)

    @property
    def nullable(self) -> bool:
        """Whether the column takes NULL; SQLite's keys do, but no row is found by it."""
        return bool(self.column.nullable) and not self.column.primary_key

    def annotation(self) -> str:
        """The annotation, with None where a row may have it."""
        none = self.nullable or (self.optional and "default" not in self.options)
        annotation = self.kind.annotation
        return f"{annotation} | None" if none and annotation != "Any" else annotation

    def source(self) -> str:
        """The line."""
        options = {**self.kind.options, **self.options}
        if self.kind.sa_type is not None:
            options["sa_type"] = self.kind.sa_type
        if self.nullable or self.optional:
            options.setdefault("default", "None")
        # The annotation says whether the column takes NULL, unless it is Any or the database's.
        none = options.get("default") == "None" and not self.nullable
        if not self.column.primary_key and (self.kind.annotation == "Any" or none):
            options["nullable"] = str(self.nullable)
        if self.column_options:
            pairs = ", ".join(f'"{key}": {value}' for key, value in self.column_options.items())
            options["sa_column_kwargs"] = f"{{{pairs}}}"
        start = f"{self.name}: {self.annotation()}"
        if list(options) == ["default"]:
            return f"{start} = {options['default']}"
        arguments = ", ".join(f"{key}={options[key]}" for key in sorted(options, key=_ORDER.index))
        return f"{start} = Field({arguments})" if arguments else start


def text_source(sql: str) -> str:
    """SQL as SQLAlchemy's ``text()``, to which a colon begins a parameter."""
    return f"text({escaped(sql)!r})"


def escaped(sql: str) -> str:
    """SQL as ``text()`` reads it."""
    return _BIND.sub(r"\\:", sql)


def field_of(
    column: sa.Column[Any],
    name: str,
    dialect: Dialect,
    there: Stored,
    *,
    serial: bool = False,
) -> FieldSource:
    """A column as a field, without its constraints.

    Args:
        column: The column, as it was read.
        name: The field's name.
        dialect: The database's.
        there: The column's table, as it is stored.
        serial: Whether its default is the next number of a sequence that SERIAL would make.
    """
    stored_type = there.types.get(column.name)
    kind, is_exact = kind_of(column, dialect, stored_type)
    source = FieldSource(name, column, kind, None if is_exact else stored_type or "no type")
    if column.primary_key:
        source.options["primary_key"] = "True"
    if name != column.name:
        source.column_options["name"] = repr(str(column.name))
    if isinstance(column.type, postgresql.DOMAIN) and column.name not in there.defaults:
        _domain_default(source)
    else:
        _default(source, dialect, stored_type, serial=serial)
    if column.comment:
        source.column_options["comment"] = repr(column.comment)
    return source


def _default(
    source: FieldSource, dialect: Dialect, stored_type: str | None, *, serial: bool
) -> None:
    """What a database puts where no value is given."""
    column, default = source.column, source.column.server_default
    alone = column.primary_key and len(column.table.primary_key.columns) == 1
    if alone and isinstance(column.type, sa.Integer):
        # https://sqlite.org/lang_createtable.html#rowid: INTEGER alone is numbered, INT is not.
        counted = serial or (dialect.name == "sqlite" and stored_type == "INTEGER")
        if column.foreign_keys and not serial:
            counted = False  # the other row's number
        if counted or isinstance(default, sa.Identity):
            source.optional = True
        elif default is None:
            source.column_options["autoincrement"] = "False"
        if counted:
            return
    if default is None:
        return
    source.optional = True
    if isinstance(default, sa.Identity):
        source.column_options["server_default"] = _identity(default, column)
    elif isinstance(default, sa.Computed):
        stored = "" if default.persisted is None else f", persisted={default.persisted}"
        computed = f"Computed({escaped(str(default.sqltext))!r}{stored})"
        source.column_options["server_default"] = computed
    elif isinstance(default, sa.DefaultClause):
        sql = str(default.arg)
        source.column_options["server_default"] = text_source(sql)
        plain = _literal(sql, source.kind.annotation)
        if plain is not None:
            source.options["default"] = plain


def _domain_default(source: FieldSource) -> None:
    """The default of a domain is not its columns': SQLAlchemy reads it as if it were."""
    default = source.column.server_default
    plain = default and _literal(str(getattr(default, "arg", "")), source.kind.annotation)
    if plain:
        source.options["default"] = plain


def _literal(sql: str, annotation: str) -> str | None:
    """A default of SQL's as Python's, if it is a plain value."""
    match annotation:
        case "bool" if sql.lower() in ("true", "false", "1", "0"):
            return str(sql.lower() in ("true", "1"))
        case "int" | "float" if re.fullmatch(r"-?(0|[1-9]\d*)", sql):
            return sql
        case "str":
            match = re.fullmatch(r"'((?:[^']|'')*)'(?:::[\w ]+)?", sql)
            return repr(match[1].replace("''", "'")) if match else None
    return None


def _identity(identity: sa.Identity, column: sa.Column[Any]) -> str:
    bits = 15 if isinstance(column.type, sa.SmallInteger) else 31
    highest = 2 ** (63 if isinstance(column.type, sa.BigInteger) else bits) - 1
    usual = {"always": False, "start": 1, "increment": 1, "minvalue": 1, "maxvalue": highest,
             "cycle": False, "cache": 1}  # fmt: skip
    settings = {key: getattr(identity, key, None) for key in usual}
    arguments = [
        f"{key}={value}" for key, value in settings.items() if value not in (None, usual[key])
    ]
    return f"Identity({', '.join(arguments)})"


def kind_of(column: sa.Column[Any], dialect: Dialect, stored_type: str | None) -> tuple[Kind, bool]:
    """What a column is as a field: the plainest that gives the type that is stored, if one does.

    Args:
        column: The column, as it was read.
        dialect: The database's.
        stored_type: The column's type in the database's own words.

    Returns:
        What it is, and whether that gives the type that is stored.
    """
    kinds = [_kept(kind, dialect) for kind in _kinds(column.type, dialect.name)]
    text = Kind("Any", sa.Text(), "Text")
    if dialect.name != "sqlite":
        return (kinds[0], True) if kinds else (text, False)
    if stored_type == "":
        kinds = [text]
    if stored_type == "DOUBLE PRECISION":
        kinds = [Kind("float", sa.DOUBLE_PRECISION(), "DOUBLE_PRECISION")]
    for kind in kinds:
        if _same(kind.type.compile(dialect=dialect), stored_type):
            return kind, True
    return (kinds[0] if kinds else text), False


def _kept(kind: Kind, dialect: Dialect) -> Kind:
    """A kind whose type a history keeps as the model has it.

    A history says types in general terms, so that it runs on other databases; a type that has
    another one for these is left as it is.
    """
    plain = plain_type(kind.type)
    if kind.sa_type is None or plain is kind.type:
        return kind
    is_same = plain.compile(dialect=dialect) == kind.type.compile(dialect=dialect)
    if is_same and not isinstance(plain, sa.Interval):  # whose precision is not written down
        return kind
    other = "sqlite" if dialect.name == "postgresql" else "postgresql"
    start = "" if kind.sa_type.endswith(")") else "()"
    variant = f"{kind.sa_type}{start}.with_variant({plain!r}, {other!r})"
    return replace(kind, type=kind.type.with_variant(plain, other), sa_type=variant)


def _same(default: str, stored: str | None) -> bool:
    return stored is not None and default.upper().replace(" ", "") == stored.replace(" ", "")


def _kinds(kind: Any, dialect: str) -> Iterator[Kind]:
    """The ways to say a type, the plainest first."""
    if isinstance(kind, sa.types.NullType):
        return
    if isinstance(kind, LooseText):
        yield Kind("str", kind, "LooseText")
        return
    yield from _natural(kind, dialect)
    spelled = _spelled(kind, dialect)
    if spelled is not None:
        generic = next(_natural(kind, dialect), None)
        yield Kind(generic.annotation if generic else "Any", kind, spelled)


def _natural(kind: Any, dialect: str) -> Iterator[Kind]:
    match kind:
        case sa.Enum() | postgresql.DOMAIN() | sa.ARRAY():
            yield from _made(kind, dialect)
        case sa.JSON():
            plain = dialect == "postgresql" and not isinstance(kind, postgresql.JSONB)
            yield Kind(_JSON, sa.JSON(), "JSON") if plain else Kind(_JSON, kind)
        case sa.Boolean():
            yield Kind("bool", sa.Boolean())
        case sa.Date():
            yield Kind("date", sa.Date())
        case sa.Time():
            yield _time(kind, dialect)
        case sa.DateTime():
            yield from _moments(kind, dialect)
        case sa.Interval() | postgresql.INTERVAL():
            fields = getattr(kind, "fields", None)
            exact = getattr(kind, "precision", None) is not None or fields
            spelling = (_spelled(kind, dialect), kind) if exact else (None, sa.Interval())
            yield Kind("timedelta", spelling[1], spelling[0])
        case sa.Uuid():
            yield Kind("UUID", sa.Uuid())
        case sa.LargeBinary() | sa.BINARY() | sa.VARBINARY():
            yield Kind("bytes", sa.LargeBinary())
        case sa.String():
            yield from _texts(kind, dialect)
        case sa.Integer() | sa.Numeric() | sa.Float():
            yield from _numbers(kind)


def _made(kind: Any, dialect: str) -> Iterator[Kind]:
    """Types that a database has been told of, and arrays."""
    spelled = _spelled(kind, dialect)
    if isinstance(kind, sa.Enum):
        yield Kind("str", kind, spelled)
        return
    inner = kind.data_type if isinstance(kind, postgresql.DOMAIN) else kind.item_type
    of = next(_kinds(inner, dialect), None)
    if of is not None and spelled is not None:
        annotation = of.annotation
        is_domain = isinstance(kind, postgresql.DOMAIN)
        yield Kind(annotation if is_domain else f"list[{annotation}]", kind, spelled)


def _time(kind: Any, dialect: str) -> Kind:
    if getattr(kind, "precision", None) is not None:
        return Kind("time", kind, _spelled(kind, dialect))
    spelled = "Time(timezone=True)" if kind.timezone else None
    return Kind("time", sa.Time(bool(kind.timezone)), spelled)


def _moments(kind: Any, dialect: str) -> Iterator[Kind]:
    if dialect == "sqlite":
        yield Kind("datetime", sa.DateTime())
        yield Kind("datetime", UTCTimestamp(), "UTCTimestamp")
        return
    aware = bool(kind.timezone)
    annotation = "datetime" if aware else "NaiveDatetime"
    if getattr(kind, "precision", None) is not None:
        yield Kind(annotation, kind, _spelled(kind, dialect))
    else:
        yield Kind(annotation, sa.DateTime(timezone=aware))


def _texts(kind: Any, dialect: str) -> Iterator[Kind]:
    if kind.collation:
        yield Kind("str", kind, _spelled(kind, dialect))
    elif isinstance(kind, sa.CHAR | sa.NCHAR | sa.NVARCHAR):
        if dialect == "sqlite" and kind.length == 32:
            yield Kind("UUID", sa.Uuid())
        yield Kind("str", kind, _spelled(kind, dialect))
    elif isinstance(kind, sa.Text):
        yield Kind("str", sa.Text(), "Text")
    elif kind.length is not None:
        yield Kind("str", sa.String(kind.length), f"String({kind.length})")
    else:
        yield Kind("str", sa.String())


def _numbers(kind: Any) -> Iterator[Kind]:
    for known in (sa.BigInteger, sa.SmallInteger):
        if isinstance(kind, known):
            yield Kind("int", known(), known.__name__)
            return
    if isinstance(kind, sa.Integer):
        yield Kind("int", sa.Integer())
    elif isinstance(kind, sa.REAL):
        yield Kind("float", sa.REAL(), "REAL")
    elif isinstance(kind, sa.Float):
        yield Kind("float", sa.Float())
    else:
        precision, scale = kind.precision, kind.scale
        exact = sa.Numeric(precision, scale)
        if precision is None:
            yield Kind("Decimal", exact, "Numeric")
        elif scale is None:
            yield Kind("Decimal", exact, f"Numeric({precision})")
        elif precision <= EXACT_DIGITS and 0 <= scale <= precision:
            digits = {"max_digits": str(precision), "decimal_places": str(scale)}
            yield Kind("Decimal", exact, None, digits)
        else:
            yield Kind("Decimal", exact, f"Numeric({precision}, {scale})")


def _spelled(kind: Any, dialect: str) -> str | None:
    """A type as Python that makes it; None if there is no such."""
    name = type(kind).__name__
    if isinstance(kind, sa.Enum):
        values = ", ".join(map(repr, kind.enums))
        schema = f", schema={kind.schema!r}" if kind.schema else ""
        return f"Enum({values}, name={kind.name!r}{schema})"
    if isinstance(kind, postgresql.DOMAIN):
        inner = _said(kind.data_type, dialect)
        schema = f", schema={kind.schema!r}" if kind.schema else ""
        return inner and f"postgresql.DOMAIN({kind.name!r}, {inner}{schema}, create_type=False)"
    if isinstance(kind, sa.ARRAY):
        inner = _said(kind.item_type, dialect)
        return inner and f"ARRAY({inner})"
    arguments = re.sub(r"^\w+\((.*)\)$", r"\1", repr(kind))
    in_general = getattr(sa, name, None) is type(kind)
    if not in_general and getattr(getattr(postgresql, name, None), "__mro__", ()) == ():
        return None
    if not in_general and dialect != "postgresql":
        return None
    start = name if in_general else f"postgresql.{name}"
    return f"{start}({arguments})" if arguments else start


def _said(kind: Any, dialect: str) -> str | None:
    """A type inside another."""
    chosen = next(_kinds(kind, dialect), None)
    if chosen is None:
        return None
    chosen = _kept(chosen, _DIALECTS[dialect])
    if chosen.sa_type is not None:
        return chosen.sa_type
    if isinstance(chosen.type, sa.Numeric) and not isinstance(chosen.type, sa.Float):
        return f"Numeric({chosen.type.precision}, {chosen.type.scale})"
    if isinstance(chosen.type, sa.DateTime) and chosen.type.timezone:
        return "DateTime(timezone=True)"
    if isinstance(chosen.type, postgresql.JSONB):
        return "postgresql.JSONB"
    return type(chosen.type).__name__


_LIMIT = re.compile(
    r"(?P<op>>=|<=|>|<)\s*\(?'?(?P<limit>-?\d+(?:\.\d+)?)'?\)?(?:::[\w ()]+)?[\s)]*$"
)
_OPERATORS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<", "min_length": ">=", "max_length": "<="}


@dataclass(frozen=True)
class FieldCheck:
    """What a CHECK may say of a field.

    Attributes:
        check: Its name.
        kind: ``values``, or the bound.
        values: What the column may hold, or the one limit.
    """

    check: str
    kind: str
    values: tuple[Any, ...]

    def condition(self, column: sa.Column[Any]) -> sa.ColumnElement[bool]:
        """The condition that a model with this makes, to be compared with what is stored."""
        if self.kind == "values":
            literal: Any = sa.Integer() if isinstance(self.values[0], int) else sa.Text()
            return column.in_([sa.literal(value, literal) for value in self.values])
        limit: Any = sa.literal_column(self.values[0])
        left: Any = sa.func.length(column) if "length" in self.kind else column
        compared: sa.ColumnElement[bool] = left.bool_op(_OPERATORS[self.kind])(limit)
        return compared


def meaning_of(source: FieldSource, check: str, condition: str) -> FieldCheck | None:
    """What a CHECK of a name that models give says, as far as one can see."""
    column, kind = source.column, source.kind
    table, bounds = column.table.name, ("values", *_OPERATORS)
    rest = next((bound for bound in bounds if check == check_name(table, column.name, bound)), None)
    if rest is None:
        return None
    plain = kind.annotation in ("int", "str", "float", "Decimal", "bytes")
    if rest == "values" and kind.annotation in ("int", "str") and not _is_made(kind):
        values = _values(condition, kind.annotation)
        return FieldCheck(check, rest, values) if values else None
    if rest not in _OPERATORS or not plain or _is_made(kind):
        return None
    if ("length" in rest) != (kind.annotation in ("str", "bytes")):
        return None
    match = _LIMIT.search(condition)
    whole = match is not None and "." not in match["limit"]
    if match is None or (kind.annotation in ("int", "str", "bytes") and not whole):
        return None
    if kind.annotation == "float" and repr(float(match["limit"])) != match["limit"] and not whole:
        return None
    if kind.annotation == "int" and kind.sa_type is None and int(match["limit"]) not in INT32:
        return None  # the bound would make it a BIGINT
    return FieldCheck(check, rest, (match["limit"],))


def _is_made(kind: Kind) -> bool:
    """Whether a column's type is one that models put no CHECK on."""
    return isinstance(kind.type, sa.Enum | postgresql.DOMAIN)


def _values(condition: str, annotation: str) -> tuple[Any, ...]:
    if annotation == "str":
        return tuple(
            literal.replace("''", "'") for literal in re.findall(r"'((?:[^']|'')*)'", condition)
        )
    match = re.search(r"(?:\bIN\b|ARRAY|=)(.*)$", condition, re.DOTALL)
    return tuple(map(int, re.findall(r"-?\d+", match[1]))) if match else ()
