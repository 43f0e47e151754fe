"""The functions of aggregates, exact for integers and decimals on both databases.

Over no values, ``count``, ``count_distinct`` and ``sum`` are 0; ``avg``, ``min`` and ``max`` are
NULL. The ``avg`` of integers and floats is a float, that of decimals has four more decimal places
than the column.
"""

from dataclasses import replace
from decimal import Decimal
from functools import lru_cache
from typing import Any, Literal, get_args

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Double,
    Integer,
    Numeric,
    func,
    literal_column,
)
from sqlalchemy import distinct as sql_distinct
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction
from sqlalchemy.types import TypeDecorator, TypeEngine, UserDefinedType

from colonnade.models import SCALARS, Annotation, ColumnShape, type_name, value_shape
from colonnade.query._comparisons import is_single_precision
from colonnade.query._values import is_sortable

Function = Literal["count", "count_distinct", "sum", "avg", "min", "max"]
FUNCTIONS: tuple[Function, ...] = get_args(Function)

AVERAGE_PLACES = 4
"""The number of decimal places that the average of decimals has beyond those of the column."""

EXACT_DIGITS = 15
"""Decimal digits that every IEEE 754 double keeps (``sys.float_info.dig``)."""

DEFAULT_PLACES = 10
"""The decimal places of a column without a scale, as in SQLAlchemy's ``Numeric``."""

_NUMBERS = frozenset(("integer", "float", "decimal"))
_UNORDERED = frozenset(("range", "boolean", "enum", "literal", "uuid", "ip", "path"))


class WideInteger(TypeDecorator[int]):
    """The sum of integers: NUMERIC on PostgreSQL; on SQLite text if it has more than 64 bits."""

    impl = Integer
    cache_ok = True

    def load_dialect_impl(self, dialect: Any) -> Any:
        kind = Numeric(asdecimal=False) if dialect.name == "postgresql" else Integer()
        return dialect.type_descriptor(kind)

    def process_bind_param(self, value: int | None, dialect: Any) -> Any:
        return Decimal(value) if value is not None and dialect.name == "postgresql" else value


class WideDecimal(TypeDecorator[Decimal]):
    """The sum or average of decimals: NUMERIC on PostgreSQL, text on SQLite.

    Args:
        scale: The number of decimal places.
    """

    impl = Numeric
    cache_ok = True

    def __init__(self, scale: int) -> None:
        super().__init__(asdecimal=True)
        self.scale = scale


class exact_sum(GenericFunction[Any]):  # noqa: N801 - the name of an SQL function
    """The sum of integers, or of decimals with a number of places; 0 without values."""

    inherit_cache = True
    _register = False


class exact_average(GenericFunction[Any]):  # noqa: N801 - the name of an SQL function
    """The average of integers as a float, or that of decimals with more places."""

    inherit_cache = True
    _register = False


class float_sum(GenericFunction[float]):  # noqa: N801 - the name of an SQL function
    """The sum of floats; 0 without values."""

    type = Double()
    inherit_cache = True
    _register = False


class comparable_number(GenericFunction[Any]):  # noqa: N801 - the name of an SQL function
    """A sum or average as a number, which SQLite may hold as text."""

    inherit_cache = True
    _register = False


class double(GenericFunction[float]):  # noqa: N801 - the name of an SQL function
    """A float of single precision as the double with the same shortest text."""

    type = Double()
    inherit_cache = True
    _register = False


def _scale(element: Any) -> int | None:
    """The number of decimal places of the values; None for integers."""
    kind = element.clauses.clauses[0].type
    if not isinstance(kind, Numeric) and not isinstance(getattr(kind, "impl", None), Numeric):
        return None
    return decimal_places(kind)


def decimal_places(kind: Any) -> int:
    """The number of decimal places of a type of decimals."""
    scale: int | None = getattr(kind, "scale", None)
    return DEFAULT_PLACES if scale is None else scale


def _is_exact(element: Any) -> bool:
    """Whether SQLite, which stores doubles, keeps all digits of the values."""
    precision = getattr(element.clauses.clauses[0].type, "precision", None)
    return precision is not None and precision <= EXACT_DIGITS


def _halves(value: str, scale: int | None) -> str:
    """The sums of the upper and lower 32 bits, neither of which overflows."""
    if scale is not None:
        value = f"CAST(round({value} * {10**scale}) AS INTEGER)"
    return f"sum({value} >> 32), sum({value} & 4294967295)"


@compiles(exact_sum)
def _exact_sum(element: Any, compiler: Any, **kwargs: Any) -> str:
    value, scale = compiler.process(element.clauses, **kwargs), _scale(element)
    if scale is not None and not _is_exact(element):
        return f"printf('%.{scale}f', total({value}))"
    return f"colonnade_sum({_halves(value, scale)}, {scale or 0})"


@compiles(exact_sum, "postgresql")
def _exact_sum_postgresql(element: Any, compiler: Any, **kwargs: Any) -> str:
    value, scale = compiler.process(element.clauses, **kwargs), _scale(element)
    if scale is None:
        return f"CAST(coalesce(sum({value}), 0) AS NUMERIC)"
    return f"round(CAST(coalesce(sum({value}), 0) AS NUMERIC), {scale})"


@compiles(exact_average)
def _exact_average(element: Any, compiler: Any, **kwargs: Any) -> str:
    value, scale = compiler.process(element.clauses, **kwargs), _scale(element)
    halves = _halves(value, scale)
    if scale is None:
        return f"(CAST(CAST(colonnade_sum({halves}, 0) AS NUMERIC) AS REAL) / count({value}))"
    if not _is_exact(element):
        places = scale + AVERAGE_PLACES
        return f"CASE WHEN count({value}) THEN printf('%.{places}f', avg({value})) END"
    return f"colonnade_mean({halves}, count({value}), {scale}, {scale + AVERAGE_PLACES})"


@compiles(exact_average, "postgresql")
def _exact_average_postgresql(element: Any, compiler: Any, **kwargs: Any) -> str:
    value, scale = compiler.process(element.clauses, **kwargs), _scale(element)
    if scale is None:
        return f"(CAST(sum({value}) AS DOUBLE PRECISION) / count({value}))"
    # PostgreSQL keeps as many places in a quotion as the dividend has.
    more_places = f"1.{'0' * 20}"
    quotient = f"CAST(sum({value}) AS NUMERIC) * {more_places} / count({value})"
    return f"round({quotient}, {scale + AVERAGE_PLACES})"


@compiles(float_sum)
def _float_sum(element: Any, compiler: Any, **kwargs: Any) -> str:
    return f"total({compiler.process(element.clauses, **kwargs)})"


@compiles(float_sum, "postgresql")
def _float_sum_postgresql(element: Any, compiler: Any, **kwargs: Any) -> str:
    return f"coalesce(sum({compiler.process(element.clauses, **kwargs)}), 0)"


@compiles(double, "postgresql")
def _double_postgresql(element: Any, compiler: Any, **kwargs: Any) -> str:
    return f"CAST(CAST({compiler.process(element.clauses, **kwargs)} AS TEXT) AS DOUBLE PRECISION)"


@compiles(comparable_number)
def _as_number(element: Any, compiler: Any, **kwargs: Any) -> str:
    return f"CAST({compiler.process(element.clauses, **kwargs)} AS NUMERIC)"


@compiles(double)
@compiles(comparable_number, "postgresql")
def _unchanged(element: Any, compiler: Any, **kwargs: Any) -> str:
    return str(compiler.process(element.clauses, **kwargs))


def functions_of(shape: ColumnShape) -> tuple[Function, ...]:
    """The functions that apply to the values of a shape."""
    if not is_sortable(shape) and shape.kind not in _UNORDERED:
        return ("count",)
    counts: tuple[Function, ...] = ("count", "count_distinct")
    if shape.kind in _UNORDERED or not _is_computed(shape.stored_type):
        return counts
    return (*counts, *(("sum", "avg") if shape.kind in _NUMBERS else ()), "min", "max")


def _is_computed(kind: TypeEngine[Any]) -> bool:
    """Whether the database computes with values of a type as Python does.

    It does not with types whose values an application converts, and PostgreSQL has no ``min`` and
    ``max`` for some types that only it has.
    """
    if type_name(kind) in SCALARS or isinstance(kind, UserDefinedType):
        return False
    if not isinstance(kind, TypeDecorator):
        return True
    converts = type(kind).process_result_value is not TypeDecorator.process_result_value
    return not converts or type(kind).__module__.partition(".")[0] in {"colonnade", "sqlmodel"}


@lru_cache(maxsize=4096)
def aggregated_shape(name: str, function: Function, shape: ColumnShape | None) -> ColumnShape:
    """The shape of the result of a function.

    Args:
        name: The name of the result.
        function: The function.
        shape: The shape of the values; None for ``count`` of rows.
    """
    if function in {"count", "count_distinct"} or shape is None:
        return value_shape(name, Annotation.of(int), BigInteger(), nullable=False)
    if function in {"min", "max"}:
        column: Column[Any] = Column(name, shape.column.type)
        return replace(
            shape, column=column, name=name, nullable=True, primary_key=False, unique=False
        )
    if shape.kind == "decimal":
        scale = decimal_places(shape.column.type)
        if function == "avg":
            return value_shape(name, Annotation.of(Decimal), WideDecimal(scale + AVERAGE_PLACES))
        return value_shape(name, Annotation.of(Decimal), WideDecimal(scale), nullable=False)
    if function == "avg":
        return value_shape(name, Annotation.of(float), Double())
    if shape.kind == "integer":
        return value_shape(name, Annotation.of(int), WideInteger(), nullable=False)
    return value_shape(name, Annotation.of(float), Double(), nullable=False)


def aggregate_sql(
    function: Function, value: ColumnElement[Any] | None, shape: ColumnShape | None
) -> ColumnElement[Any]:
    """The SQL of a function over the rows of a SELECT.

    Args:
        function: The function.
        value: The SQL of the values, in one form; None for ``count`` of rows.
        shape: The shape of the values.
    """
    if value is None or shape is None:
        return func.count()
    if function == "count":
        return func.count(value)
    if function == "count_distinct":
        return func.count(sql_distinct(value))
    if function == "min":
        return func.min(value, type_=value.type)
    if function == "max":
        return func.max(value, type_=value.type)
    result = aggregated_shape("", function, shape).column.type
    if shape.kind != "float":
        exact = exact_sum if function == "sum" else exact_average
        exact_value: ColumnElement[Any] = exact(value, type_=result)
        return exact_value
    if is_single_precision(value.type):
        value = double(value)
    floats: ColumnElement[Any] = float_sum(value) if function == "sum" else func.avg(value)
    return floats


def zero(shape: ColumnShape) -> ColumnElement[Any]:
    """The count or the sum of no values, in the form in which sums are stored."""
    kind = shape.column.type
    if isinstance(kind, WideDecimal) and kind.scale:
        # PostgreSQL reads the literal as a number, SQLite as text, as it holds other sums.
        return literal_column(f"'0.{'0' * kind.scale}'", kind)
    return literal_column("0", kind)
