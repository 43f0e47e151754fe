"""SQL functions that compile to different SQL on PostgreSQL and SQLite."""

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from pydantic_core import to_json
from sqlalchemy import (
    ARRAY,
    REAL,
    Boolean,
    ColumnElement,
    Double,
    Float,
    Integer,
    Numeric,
    String,
    Text,
    literal_column,
    types,
)
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction

NUMBERS = (Float, Double, Numeric)


def quoted(text: str) -> ColumnElement[str]:
    """A text as an SQL literal."""
    return literal_column("'" + text.replace("'", "''") + "'", Text())


class ListOf(types.TypeDecorator[Any]):
    """A list of values as one parameter: an array on PostgreSQL, JSON on SQLite.

    With one parameter per value, every length would be a different SQL text, and drivers limit
    the number of parameters.

    Args:
        item: The type of the values.
    """

    impl = Text
    cache_ok = True

    def __init__(self, item: types.TypeEngine[Any]) -> None:
        super().__init__()
        self.item = item

    def load_dialect_impl(self, dialect: Dialect) -> types.TypeEngine[Any]:
        kind = ARRAY(self.item) if dialect.name == "postgresql" else Text()
        return dialect.type_descriptor(kind)

    def process_bind_param(self, value: Iterable[Any] | None, dialect: Dialect) -> Any:
        values = list(value or ())
        if dialect.name == "postgresql":
            return values
        process: Callable[[Any], Any] = self.item.dialect_impl(dialect).bind_processor(dialect) or (
            lambda value: value
        )
        written = [process(item) for item in values]
        if isinstance(self.item, NUMBERS):
            # See ``exact_number``. SQLite stores -0.0 as 0.0.
            written = [repr(float(item) + 0.0) for item in written]
        return to_json(written).decode()


class Condition(GenericFunction[bool]):
    """A function whose SQL is a condition in parentheses.

    On SQLite, SQLAlchemy would otherwise compare it with 1, which prevents the use of an index.
    """

    type = Boolean()
    inherit_cache = True
    _register = False

    def self_group(self, against: Any = None) -> Any:
        return self


class is_among(Condition):  # noqa: N801 - the name of an SQL function
    """Whether a value is in a list, which is a parameter of type ``ListOf``."""

    inherit_cache = True


@compiles(is_among)
def _in_json(element: Any, compiler: Any, **kwargs: Any) -> str:
    value, values = (compiler.process(clause, **kwargs) for clause in element.clauses)
    return f"({value} IN (SELECT value FROM json_each({values})))"  # noqa: S608 - both compiled


@compiles(is_among, "postgresql")
def _in_array(element: Any, compiler: Any, **kwargs: Any) -> str:
    value, values = (compiler.process(clause, **kwargs) for clause in element.clauses)
    return f"({value} = ANY ({values}))"


class text_position(GenericFunction[int]):  # noqa: N801 - the name of an SQL function
    """The position of one text in another, counted from 1; 0 if it does not occur."""

    type = Integer()
    inherit_cache = True


@compiles(text_position)
def _instr(element: Any, compiler: Any, **kwargs: Any) -> str:
    return f"instr({compiler.process(element.clauses, **kwargs)})"


@compiles(text_position, "postgresql")
def _strpos(element: Any, compiler: Any, **kwargs: Any) -> str:
    return f"strpos({compiler.process(element.clauses, **kwargs)})"


class lowered_text(GenericFunction[str]):  # noqa: N801 - the name of an SQL function
    """A text in lower case by the collation of a column, its second argument."""

    type = String()
    inherit_cache = True


@compiles(lowered_text)
def _lower(element: Any, compiler: Any, **kwargs: Any) -> str:
    text, _ = element.clauses
    return f"lower({compiler.process(text, **kwargs)})"


@compiles(lowered_text, "postgresql")
def _lower_with_collation(element: Any, compiler: Any, **kwargs: Any) -> str:
    text, column = element.clauses
    collation = getattr(column.type.dialect_impl(compiler.dialect), "collation", None)
    suffix = f" COLLATE {compiler.preparer.format_collation(collation)}" if collation else ""
    return f"lower({compiler.process(text, **kwargs)}{suffix})"


class exact_number(GenericFunction[Any]):  # noqa: N801 - the name of an SQL function
    """A number to search for in a list: text on SQLite, where numbers in JSON are not exact."""

    inherit_cache = True


@compiles(exact_number)
def _number_as_text(element: Any, compiler: Any, **kwargs: Any) -> str:
    return f"colonnade_float({compiler.process(element.clauses, **kwargs)})"


@compiles(exact_number, "postgresql")
def _real_as_double(element: Any, compiler: Any, **kwargs: Any) -> str:
    number = compiler.process(element.clauses, **kwargs)
    if not is_single_precision(element.type):
        return str(number)
    return f"CAST(CAST({number} AS TEXT) AS DOUBLE PRECISION)"


def is_single_precision(kind: types.TypeEngine[Any]) -> bool:
    """Whether a type is a 24-bit float: REAL in PostgreSQL."""
    if isinstance(kind, Double) or not isinstance(kind, Float):
        return False
    return isinstance(kind, REAL) or (kind.precision or 53) <= REAL_PRECISION


REAL_PRECISION = 24
"""The highest precision, in bits, at which PostgreSQL's FLOAT is REAL."""


class stored_datetime(GenericFunction[Any]):  # noqa: N801 - the name of an SQL function
    """A datetime as Colonnade stores it: on SQLite, other programs may use other formats."""

    inherit_cache = True


@compiles(stored_datetime)
def _normalized_datetime(element: Any, compiler: Any, **kwargs: Any) -> str:
    text = compiler.process(element.clauses, **kwargs)
    return (
        f"CASE WHEN {text} GLOB '????-??-?? *.??[0-9][0-9]?[0-9]' THEN {text} "
        f"WHEN {text} GLOB '????-??-?? ??:??:??' THEN {text} || '.000000' "
        f"ELSE colonnade_moment({text}) END"
    )


class may_be_after(Condition):  # noqa: N801 - the name of an SQL function
    """A coarse lower bound for a datetime, so that SQLite can use an index.

    A text with an offset starts with its local date, which is at most one day from the UTC date.
    """

    inherit_cache = True


@compiles(may_be_after)
def _from_the_day_before(element: Any, compiler: Any, **kwargs: Any) -> str:
    column, value = (compiler.process(clause, **kwargs) for clause in element.clauses)
    return f"({column} >= coalesce(date({value}, '-1 day'), ''))"


class may_be_before(Condition):  # noqa: N801 - the name of an SQL function
    """A coarse upper bound for a datetime: see ``may_be_after``."""

    inherit_cache = True


@compiles(may_be_before)
def _until_the_day_after(element: Any, compiler: Any, **kwargs: Any) -> str:
    column, value = (compiler.process(clause, **kwargs) for clause in element.clauses)
    return f"({column} < coalesce(date({value}, '+2 days'), ':'))"


@compiles(may_be_after, "postgresql")
@compiles(may_be_before, "postgresql")
def _always_true(element: Any, compiler: Any, **kwargs: Any) -> str:
    return "true"


class as_text(GenericFunction[str]):  # noqa: N801 - the name of an SQL function
    """A value cast to text: PostgreSQL orders enums by declaration, not by their labels."""

    type = String()
    inherit_cache = True


@compiles(as_text, "postgresql")
def _cast_to_text(element: Any, compiler: Any, **kwargs: Any) -> str:
    return f"CAST({compiler.process(element.clauses, **kwargs)} AS TEXT)"


class from_stored_text(GenericFunction[Any]):  # noqa: N801 - the name of an SQL function
    """A value that ``stored_json`` wrote, cast back to the type of the function."""

    inherit_cache = True


@compiles(from_stored_text, "postgresql")
def _cast_from_text(element: Any, compiler: Any, **kwargs: Any) -> str:
    kind = compiler.dialect.type_compiler_instance.process(element.type)
    return f"CAST({compiler.process(element.clauses, **kwargs)} AS {kind})"


class stored_json(GenericFunction[str]):  # noqa: N801 - the name of an SQL function
    """The stored value as JSON, exactly as comparisons see it, unlike the value in a response.

    On SQLite it is the stored number or text; on PostgreSQL, the value cast to text.
    """

    type = Text()
    inherit_cache = True


@compiles(stored_json)
def _stored_json(element: Any, compiler: Any, **kwargs: Any) -> str:
    value = compiler.process(element.clauses, **kwargs)
    # A Python function waits for the GIL, so call it only for the types that need it.
    return (
        f"CASE WHEN typeof({value}) IN ('real', 'blob') THEN colonnade_stored({value}) "
        f"ELSE json_quote({value}) END"
    )


@compiles(stored_json, "postgresql")
def _stored_json_postgresql(element: Any, compiler: Any, **kwargs: Any) -> str:
    value = compiler.process(element.clauses, **kwargs)
    return f"coalesce(CAST(to_json(CAST({value} AS TEXT)) AS TEXT), 'null')"


def _unchanged(element: Any, compiler: Any, **kwargs: Any) -> str:
    return str(compiler.process(element.clauses, **kwargs))


# The dialects on which these functions are their argument.
for _function, _dialect in (
    (stored_datetime, "postgresql"),
    (as_text, None),
    (from_stored_text, None),
):
    compiles(_function, *(() if _dialect is None else (_dialect,)))(_unchanged)


@cache
def list_type(item: types.TypeEngine[Any]) -> ListOf:
    """The type of a parameter that is a list of ``item``; one object per type."""
    return ListOf(item)
