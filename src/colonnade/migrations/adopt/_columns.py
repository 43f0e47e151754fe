"""Write a column of a database as a field of a model: annotation, arguments, column type."""

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

from colonnade.migrations.adopt._native_annotations import native_annotation
from colonnade.migrations.autogenerate._reflected import StoredTable
from colonnade.migrations.operations._types import plain_type
from colonnade.models import LooseText, UTCTimestamp, check_name

EXACT_DIGITS = 15
"""The digits of a ``Decimal`` that models store exactly on every database."""

INT32 = range(-(2**31), 2**31)

_BIND = re.compile(r"(?<![:\w\\]):(?=\w)(?!\w+:)")
"""A colon that starts a parameter in SQLAlchemy's ``text()``."""

_ORDER = (
    "default", "primary_key", "foreign_key", "ondelete", "nullable", "unique", "index",
    "ge", "gt", "le", "lt", "min_length", "max_length", "max_digits", "decimal_places",
    "readonly", "sa_type", "sa_column_kwargs",
)  # fmt: skip
_JSON = "dict[str, Any] | list[Any]"
_DIALECTS: dict[str, Dialect] = {
    "sqlite": SQLiteDialect(),
    "postgresql": cast("Any", PGDialect)(),
}


@dataclass(frozen=True)
class FieldType:
    """The type of a field.

    Attributes:
        annotation: The annotation, without ``| None``.
        type: The column type of the model.
        sa_type: The source of ``Field(sa_type=...)``; None if the annotation implies the type.
        options: The source of other arguments of ``Field``, by name.
    """

    annotation: str
    type: TypeEngine[Any]
    sa_type: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass
class FieldSource:
    """The source of a field.

    Attributes:
        name: The name of the field.
        column: The reflected column.
        kind: The type of the field.
        replaced: The stored type, if the model cannot declare it; otherwise None.
        optional: Whether the field can be left out, because the database supplies the value.
        options: The source of the arguments of ``Field``, by name.
        column_options: The source of ``sa_column_kwargs``, by name.
    """

    name: str
    column: sa.Column[Any]
    kind: FieldType
    replaced: str | None = None
    optional: bool = False
    options: dict[str, str] = field(default_factory=dict)
    column_options: dict[str, str] = field(default_factory=dict)

    @property
    def nullable(self) -> bool:
        """Whether the field accepts None. Keys do not, although SQLite allows NULL in them."""
        return bool(self.column.nullable) and not self.column.primary_key

    def annotation(self) -> str:
        """The annotation, with ``| None`` if the field accepts None."""
        none = self.nullable or (self.optional and "default" not in self.options)
        annotation = self.kind.annotation
        return f"{annotation} | None" if none and annotation != "Any" else annotation

    def source(self) -> str:
        """The line that declares the field."""
        options = {**self.kind.options, **self.options}
        if self.kind.sa_type is not None:
            options["sa_type"] = self.kind.sa_type
        if self.nullable or self.optional:
            options.setdefault("default", "None")
        # The annotation implies NOT NULL, except Any and values that the database supplies.
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
    """The source of a call of SQLAlchemy's ``text()``."""
    return f"text({escaped(sql)!r})"


def escaped(sql: str) -> str:
    """Escape SQL for ``text()``, where a colon starts a parameter."""
    return _BIND.sub(r"\\:", sql)


def field_of(
    column: sa.Column[Any],
    name: str,
    dialect: Dialect,
    stored_table: StoredTable,
    *,
    serial: bool = False,
) -> FieldSource:
    """Write a column as a field, without its constraints.

    Args:
        column: The reflected column.
        name: The name of the field.
        dialect: The dialect of the database.
        stored_table: The table as the database stores it.
        serial: Whether the default is a sequence as SERIAL creates it.
    """
    stored_type = stored_table.types.get(column.name)
    kind, is_exact = field_type_of(column, dialect, stored_type)
    source = FieldSource(name, column, kind, None if is_exact else stored_type or "no type")
    if column.primary_key:
        source.options["primary_key"] = "True"
    if name != column.name:
        source.column_options["name"] = repr(str(column.name))
    if isinstance(column.type, postgresql.DOMAIN) and column.name not in stored_table.defaults:
        _domain_default(source)
    else:
        _default(source, dialect, stored_type, serial=serial)
    if column.comment:
        source.column_options["comment"] = repr(column.comment)
    return source


def _default(
    source: FieldSource, dialect: Dialect, stored_type: str | None, *, serial: bool
) -> None:
    """Write the default of a column."""
    column, default = source.column, source.column.server_default
    is_sole_key = column.primary_key and len(column.table.primary_key.columns) == 1
    if is_sole_key and isinstance(column.type, sa.Integer):
        # https://sqlite.org/lang_createtable.html#rowid: INTEGER is auto-incremented, INT is not.
        is_numbered = serial or (dialect.name == "sqlite" and stored_type == "INTEGER")
        if column.foreign_keys and not serial:
            is_numbered = False  # the key of another row
        if is_numbered or isinstance(default, sa.Identity):
            source.optional = True
        elif default is None:
            source.column_options["autoincrement"] = "False"
        if is_numbered:
            return
    if default is None:
        return
    source.optional = True
    if isinstance(default, sa.Identity):
        source.column_options["server_default"] = _identity(default, column)
    elif isinstance(default, sa.Computed):
        stored = "" if default.persisted is None else f", persisted={default.persisted}"
        source_code = f"Computed({escaped(str(default.sqltext))!r}{stored})"
        source.column_options["server_default"] = source_code
    elif isinstance(default, sa.DefaultClause):
        sql = str(default.arg)
        source.column_options["server_default"] = text_source(sql)
        default_value = _literal(sql, source.kind.annotation)
        if default_value is not None:
            source.options["default"] = default_value


def _domain_default(source: FieldSource) -> None:
    """Write a domain's default, which SQLAlchemy reflects as if it were the column's."""
    default = source.column.server_default
    default_value = default and _literal(str(getattr(default, "arg", "")), source.kind.annotation)
    if default_value:
        source.options["default"] = default_value


def _literal(sql: str, annotation: str) -> str | None:
    """The source of a SQL default in Python, if it is a plain value."""
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
    defaults = {"always": False, "start": 1, "increment": 1, "minvalue": 1, "maxvalue": highest,
             "cycle": False, "cache": 1}  # fmt: skip
    options = {key: getattr(identity, key, None) for key in defaults}
    arguments = [
        f"{key}={value}" for key, value in options.items() if value not in (None, defaults[key])
    ]
    return f"Identity({', '.join(arguments)})"


def field_type_of(
    column: sa.Column[Any], dialect: Dialect, stored_type: str | None
) -> tuple[FieldType, bool]:
    """The simplest field type that a database stores as the column's type.

    Args:
        column: The reflected column.
        dialect: The dialect of the database.
        stored_type: The type of the column as the database stores it.

    Returns:
        The field type, and whether the database stores it as the same type.
    """
    kinds = [_portable(kind, dialect) for kind in _field_types(column.type, dialect.name)]
    text = FieldType("Any", sa.Text(), "Text", _readonly(dialect.name))
    if dialect.name != "sqlite":
        return (kinds[0], True) if kinds else (text, False)
    if stored_type == "":
        kinds = [text]
    if stored_type == "DOUBLE PRECISION":
        kinds = [FieldType("float", sa.DOUBLE_PRECISION(), "DOUBLE_PRECISION")]
    for kind in kinds:
        if _is_same_type(kind.type.compile(dialect=dialect), stored_type):
            return kind, True
    return (kinds[0] if kinds else text), False


def _portable(kind: FieldType, dialect: Dialect) -> FieldType:
    """Add a variant for the other database, so that a history keeps the type.

    A history contains generic types, so that it runs on other databases. Only a type with a
    variant for these is written unchanged.
    """
    generic = plain_type(kind.type)
    if kind.sa_type is None or generic is kind.type:
        return kind
    is_same = generic.compile(dialect=dialect) == kind.type.compile(dialect=dialect)
    if is_same and not isinstance(generic, sa.Interval):  # a generic type loses its precision
        return kind
    other = "sqlite" if dialect.name == "postgresql" else "postgresql"
    call = "" if kind.sa_type.endswith(")") else "()"
    variant = f"{kind.sa_type}{call}.with_variant({generic!r}, {other!r})"
    return replace(kind, type=kind.type.with_variant(generic, other), sa_type=variant)


def _is_same_type(compiled: str, stored: str | None) -> bool:
    return stored is not None and compiled.upper().replace(" ", "") == stored.replace(" ", "")


def _field_types(column_type: Any, dialect: str) -> Iterator[FieldType]:
    """The field types for a column type, the simplest first."""
    if isinstance(column_type, sa.types.NullType):
        return
    if isinstance(column_type, LooseText):
        yield FieldType("str", column_type, "LooseText")
        return
    native = native_annotation(column_type)
    if native is not None:
        yield FieldType(native, column_type, _type_source(column_type, dialect))
        return
    yield from _plain_types(column_type, dialect)
    type_source = _type_source(column_type, dialect)
    if type_source is not None:
        generic = next(_plain_types(column_type, dialect), None)
        if generic is not None:
            yield FieldType(generic.annotation, column_type, type_source)
        else:
            yield FieldType("Any", column_type, type_source, _readonly(dialect))


def _readonly(dialect: str) -> dict[str, str]:
    """The options of a field of a type that requests can only read, in PostgreSQL's text form."""
    return {"readonly": "True"} if dialect == "postgresql" else {}


def _plain_types(column_type: Any, dialect: str) -> Iterator[FieldType]:
    match column_type:
        case sa.Enum() | postgresql.DOMAIN() | sa.ARRAY():
            yield from _user_defined_types(column_type, dialect)
        case sa.JSON():
            is_jsonb = isinstance(column_type, postgresql.JSONB)
            is_json = dialect == "postgresql" and not is_jsonb
            yield FieldType(_JSON, sa.JSON(), "JSON") if is_json else FieldType(_JSON, column_type)
        case sa.Boolean():
            yield FieldType("bool", sa.Boolean())
        case sa.Date():
            yield FieldType("date", sa.Date())
        case sa.Time():
            yield _time(column_type, dialect)
        case sa.DateTime():
            yield from _datetimes(column_type, dialect)
        case sa.Interval() | postgresql.INTERVAL():
            fields = getattr(column_type, "fields", None)
            has_options = getattr(column_type, "precision", None) is not None or fields
            source_and_type = (
                (_type_source(column_type, dialect), column_type)
                if has_options
                else (None, sa.Interval())
            )
            yield FieldType("timedelta", source_and_type[1], source_and_type[0])
        case sa.Uuid():
            yield FieldType("UUID", sa.Uuid())
        case sa.LargeBinary() | sa.BINARY() | sa.VARBINARY():
            yield FieldType("bytes", sa.LargeBinary())
        case sa.String():
            yield from _texts(column_type, dialect)
        case sa.Integer() | sa.Numeric() | sa.Float():
            yield from _numbers(column_type)


def _user_defined_types(column_type: Any, dialect: str) -> Iterator[FieldType]:
    """The field types for enum types, domains and arrays."""
    type_source = _type_source(column_type, dialect)
    if isinstance(column_type, sa.Enum):
        yield FieldType("str", column_type, type_source)
        return
    inner_column_type = (
        column_type.data_type
        if isinstance(column_type, postgresql.DOMAIN)
        else column_type.item_type
    )
    inner_type = next(_field_types(inner_column_type, dialect), None)
    if inner_type is not None and type_source is not None:
        annotation = inner_type.annotation
        if isinstance(column_type, sa.ARRAY):
            annotation = f"list[{annotation}]"
        options = {}
        if annotation in ("list[Any]", "list[bytes]"):
            annotation, options = "Any", _readonly(dialect)
        yield FieldType(annotation, column_type, type_source, options)


def _time(column_type: Any, dialect: str) -> FieldType:
    if getattr(column_type, "precision", None) is not None:
        return FieldType("time", column_type, _type_source(column_type, dialect))
    type_source = "Time(timezone=True)" if column_type.timezone else None
    return FieldType("time", sa.Time(bool(column_type.timezone)), type_source)


def _datetimes(column_type: Any, dialect: str) -> Iterator[FieldType]:
    if dialect == "sqlite":
        yield FieldType("datetime", sa.DateTime())
        yield FieldType("datetime", UTCTimestamp(), "UTCTimestamp")
        return
    aware = bool(column_type.timezone)
    annotation = "datetime" if aware else "NaiveDatetime"
    if getattr(column_type, "precision", None) is not None:
        yield FieldType(annotation, column_type, _type_source(column_type, dialect))
    else:
        yield FieldType(annotation, sa.DateTime(timezone=aware))


def _texts(column_type: Any, dialect: str) -> Iterator[FieldType]:
    if column_type.collation:
        yield FieldType("str", column_type, _type_source(column_type, dialect))
    elif isinstance(column_type, sa.CHAR | sa.NCHAR | sa.NVARCHAR):
        if dialect == "sqlite" and column_type.length == 32:
            yield FieldType("UUID", sa.Uuid())
        yield FieldType("str", column_type, _type_source(column_type, dialect))
    elif isinstance(column_type, sa.Text):
        yield FieldType("str", sa.Text(), "Text")
    elif column_type.length is not None:
        yield FieldType("str", sa.String(column_type.length), f"String({column_type.length})")
    else:
        yield FieldType("str", sa.String())


def _numbers(column_type: Any) -> Iterator[FieldType]:
    for integer_type in (sa.BigInteger, sa.SmallInteger):
        if isinstance(column_type, integer_type):
            yield FieldType("int", integer_type(), integer_type.__name__)
            return
    if isinstance(column_type, sa.Integer):
        yield FieldType("int", sa.Integer())
    elif isinstance(column_type, sa.REAL):
        yield FieldType("float", sa.REAL(), "REAL")
    elif isinstance(column_type, sa.Float):
        yield FieldType("float", sa.Float())
    else:
        precision, scale = column_type.precision, column_type.scale
        numeric = sa.Numeric(precision, scale)
        if precision is None:
            yield FieldType("Decimal", numeric, "Numeric")
        elif scale is None:
            yield FieldType("Decimal", numeric, f"Numeric({precision})")
        elif precision <= EXACT_DIGITS and 0 <= scale <= precision:
            digits = {"max_digits": str(precision), "decimal_places": str(scale)}
            yield FieldType("Decimal", numeric, None, digits)
        else:
            yield FieldType("Decimal", numeric, f"Numeric({precision}, {scale})")


def _type_source(column_type: Any, dialect: str) -> str | None:
    """The source of a column type; None if Python has no class for it."""
    name = type(column_type).__name__
    if isinstance(column_type, sa.Enum):
        values = ", ".join(map(repr, column_type.enums))
        schema = f", schema={column_type.schema!r}" if column_type.schema else ""
        return f"Enum({values}, name={column_type.name!r}{schema})"
    if isinstance(column_type, postgresql.DOMAIN):
        inner_source = _inner_type_source(column_type.data_type, dialect)
        if inner_source is None:
            return None
        schema = f", schema={column_type.schema!r}" if column_type.schema else ""
        arguments = f"{column_type.name!r}, {inner_source}{schema}, create_type=False"
        return f"postgresql.DOMAIN({arguments})"
    if isinstance(column_type, sa.ARRAY):
        inner_source = _inner_type_source(column_type.item_type, dialect)
        return inner_source and f"ARRAY({inner_source})"
    arguments = re.sub(r"^\w+\((.*)\)$", r"\1", repr(column_type))
    is_generic = getattr(sa, name, None) is type(column_type)
    if not is_generic and getattr(getattr(postgresql, name, None), "__mro__", ()) == ():
        return None
    if not is_generic and dialect != "postgresql":
        return None
    class_name = name if is_generic else f"postgresql.{name}"
    return f"{class_name}({arguments})" if arguments else class_name


def _inner_type_source(column_type: Any, dialect: str) -> str | None:
    """The source of the element type of an array or the base type of a domain."""
    field_type = next(_field_types(column_type, dialect), None)
    if field_type is None:
        return None
    field_type = _portable(field_type, _DIALECTS[dialect])
    if field_type.sa_type is not None:
        return field_type.sa_type
    if isinstance(field_type.type, sa.Numeric) and not isinstance(field_type.type, sa.Float):
        return f"Numeric({field_type.type.precision}, {field_type.type.scale})"
    if isinstance(field_type.type, sa.DateTime) and field_type.type.timezone:
        return "DateTime(timezone=True)"
    if isinstance(field_type.type, postgresql.JSONB):
        return "postgresql.JSONB"
    return type(field_type.type).__name__


_BOUND_PATTERN = re.compile(
    r"(?P<op>>=|<=|>|<)\s*\(?'?(?P<limit>-?\d+(?:\.\d+)?)'?\)?(?:::[\w ()]+)?[\s)]*$"
)
_OPERATORS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<", "min_length": ">=", "max_length": "<="}


@dataclass(frozen=True)
class FieldRule:
    """A CHECK constraint that a field can express.

    Attributes:
        check: The name of the constraint.
        kind: ``values``, or the argument of ``Field``, such as ``ge``.
        values: The allowed values, or the bound.
    """

    check: str
    kind: str
    values: tuple[Any, ...]

    def condition(self, column: sa.Column[Any]) -> sa.ColumnElement[bool]:
        """The condition that a model with this rule creates."""
        if self.kind == "values":
            literal: Any = sa.Integer() if isinstance(self.values[0], int) else sa.Text()
            return column.in_([sa.literal(value, literal) for value in self.values])
        limit: Any = sa.literal_column(self.values[0])
        left: Any = sa.func.length(column) if "length" in self.kind else column
        compared: sa.ColumnElement[bool] = left.bool_op(_OPERATORS[self.kind])(limit)
        return compared


def field_rule_of(source: FieldSource, check: str, condition: str) -> FieldRule | None:
    """Parse a CHECK with a name as models give it; None if a field cannot express it."""
    column, kind = source.column, source.kind
    table, rules = column.table.name, ("values", *_OPERATORS)
    rule = next((rule for rule in rules if check == check_name(table, column.name, rule)), None)
    if rule is None:
        return None
    has_plain_type = kind.annotation in ("int", "str", "float", "Decimal", "bytes")
    if rule == "values" and kind.annotation in ("int", "str") and not _is_user_defined(kind):
        values = _values(condition, kind.annotation)
        return FieldRule(check, rule, values) if values else None
    if rule not in _OPERATORS or not has_plain_type or _is_user_defined(kind):
        return None
    if ("length" in rule) != (kind.annotation in ("str", "bytes")):
        return None
    bound = _BOUND_PATTERN.search(condition)
    is_whole = bound is not None and "." not in bound["limit"]
    if bound is None or (kind.annotation in ("int", "str", "bytes") and not is_whole):
        return None
    if (
        kind.annotation == "float"
        and repr(float(bound["limit"])) != bound["limit"]
        and not is_whole
    ):
        return None
    if kind.annotation == "int" and kind.sa_type is None and int(bound["limit"]) not in INT32:
        return None  # such a bound would make the column a BIGINT
    return FieldRule(check, rule, (bound["limit"],))


def _is_user_defined(kind: FieldType) -> bool:
    """Whether the type is an enum type or a domain, for which models create no CHECK."""
    return isinstance(kind.type, sa.Enum | postgresql.DOMAIN)


def _values(condition: str, annotation: str) -> tuple[Any, ...]:
    if annotation == "str":
        return tuple(
            value.replace("''", "'") for value in re.findall(r"'((?:[^']|'')*)'", condition)
        )
    numbers = re.search(r"(?:\bIN\b|ARRAY|=)(.*)$", condition, re.DOTALL)
    return tuple(map(int, re.findall(r"-?\d+", numbers[1]))) if numbers else ()
