"""Comparisons that databases write differently: what each of them makes of one expression."""

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from pydantic_core import to_json
from sqlalchemy import ARRAY, REAL, Boolean, Double, Float, Integer, Numeric, String, Text, types
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction

NUMBERS = (Float, Double, Numeric)


class ListOf(types.TypeDecorator[Any]):
    """Any number of values as one parameter: an array on PostgreSQL, JSON on SQLite.

    One parameter each would be another SQL text for each length, and drivers have a limit of
    them.

    Args:
        item: The type of a value.
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

    SQLAlchemy would compare it with 1 on SQLite, and no index be used.
    """

    type = Boolean()
    inherit_cache = True
    _register = False

    def self_group(self, against: Any = None) -> Any:
        return self


class is_among(Condition):  # noqa: N801 - the name of an SQL function
    """Whether a value is one of a list, which is a parameter of type ``ListOf``."""

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
    """Where a text begins in another, counted from 1; 0 if it does not."""

    type = Integer()
    inherit_cache = True


@compiles(text_position)
def _instr(element: Any, compiler: Any, **kwargs: Any) -> str:
    return f"instr({compiler.process(element.clauses, **kwargs)})"


@compiles(text_position, "postgresql")
def _strpos(element: Any, compiler: Any, **kwargs: Any) -> str:
    return f"strpos({compiler.process(element.clauses, **kwargs)})"


class exact_number(GenericFunction[Any]):  # noqa: N801 - the name of an SQL function
    """A number, to be looked for in a list: as text on SQLite, whose JSON is not exact."""

    inherit_cache = True


@compiles(exact_number)
def _number_as_text(element: Any, compiler: Any, **kwargs: Any) -> str:
    return f"colonnade_float({compiler.process(element.clauses, **kwargs)})"


@compiles(exact_number, "postgresql")
def _number_as_shown(element: Any, compiler: Any, **kwargs: Any) -> str:
    number = compiler.process(element.clauses, **kwargs)
    if not is_single_precision(element.type):
        return str(number)
    return f"CAST(CAST({number} AS TEXT) AS DOUBLE PRECISION)"


def is_single_precision(kind: types.TypeEngine[Any]) -> bool:
    """Whether a type is PostgreSQL's REAL: a float of 24 bits."""
    if isinstance(kind, Double) or not isinstance(kind, Float):
        return False
    return isinstance(kind, REAL) or (kind.precision or 53) <= SINGLE


SINGLE = 24
"""Bits of precision up to which FLOAT is REAL in PostgreSQL."""


class full_moment(GenericFunction[Any]):  # noqa: N801 - the name of an SQL function
    """A datetime as Colonnade stores it: other programs store other texts on SQLite."""

    inherit_cache = True


@compiles(full_moment)
def _as_stored(element: Any, compiler: Any, **kwargs: Any) -> str:
    text = compiler.process(element.clauses, **kwargs)
    return (
        f"CASE WHEN {text} GLOB '????-??-?? *.??[0-9][0-9]?[0-9]' THEN {text} "
        f"WHEN {text} GLOB '????-??-?? ??:??:??' THEN {text} || '.000000' "
        f"ELSE colonnade_moment({text}) END"
    )


class moments_from(Condition):  # noqa: N801 - the name of an SQL function
    """Whether a datetime may be after a value; on SQLite, where an index can tell.

    A text with an offset begins with its local date, which is no more than a day from that in UTC.
    """

    inherit_cache = True


@compiles(moments_from)
def _from_the_day_before(element: Any, compiler: Any, **kwargs: Any) -> str:
    column, value = (compiler.process(clause, **kwargs) for clause in element.clauses)
    return f"({column} >= coalesce(date({value}, '-1 day'), ''))"


class moments_until(Condition):  # noqa: N801 - the name of an SQL function
    """Whether a datetime may be before a value: see ``moments_from``."""

    inherit_cache = True


@compiles(moments_until)
def _until_the_day_after(element: Any, compiler: Any, **kwargs: Any) -> str:
    column, value = (compiler.process(clause, **kwargs) for clause in element.clauses)
    return f"({column} < coalesce(date({value}, '+2 days'), ':'))"


@compiles(moments_from, "postgresql")
@compiles(moments_until, "postgresql")
def _anyhow(element: Any, compiler: Any, **kwargs: Any) -> str:
    return "true"


class as_text(GenericFunction[str]):  # noqa: N801 - the name of an SQL function
    """A value as text, where it is none: PostgreSQL's enums are in the order of their names."""

    type = String()
    inherit_cache = True


@compiles(as_text, "postgresql")
def _cast_to_text(element: Any, compiler: Any, **kwargs: Any) -> str:
    return f"CAST({compiler.process(element.clauses, **kwargs)} AS TEXT)"


class of_text(GenericFunction[Any]):  # noqa: N801 - the name of an SQL function
    """A value of the function's type that ``place_text`` wrote."""

    inherit_cache = True


@compiles(of_text, "postgresql")
def _cast_from_text(element: Any, compiler: Any, **kwargs: Any) -> str:
    kind = compiler.dialect.type_compiler_instance.process(element.type)
    return f"CAST({compiler.process(element.clauses, **kwargs)} AS {kind})"


class place_text(GenericFunction[str]):  # noqa: N801 - the name of an SQL function
    """A value as it is stored, as JSON: exactly what it is compared with, unlike what is shown.

    On SQLite a number or a text, whichever it is; on PostgreSQL what a cast makes of it.
    """

    type = Text()
    inherit_cache = True


@compiles(place_text)
def _stored(element: Any, compiler: Any, **kwargs: Any) -> str:
    value = compiler.process(element.clauses, **kwargs)
    # A function of Python's waits for the interpreter, which other threads have: seldom, therefore.
    return (
        f"CASE WHEN typeof({value}) IN ('real', 'blob') THEN colonnade_stored({value}) "
        f"ELSE json_quote({value}) END"
    )


@compiles(place_text, "postgresql")
def _written(element: Any, compiler: Any, **kwargs: Any) -> str:
    value = compiler.process(element.clauses, **kwargs)
    return f"coalesce(CAST(to_json(CAST({value} AS TEXT)) AS TEXT), 'null')"


def _as_it_is(element: Any, compiler: Any, **kwargs: Any) -> str:
    return str(compiler.process(element.clauses, **kwargs))


# Where a database needs nothing said.
for _function, _dialect in (
    (full_moment, "postgresql"),
    (as_text, None),
    (of_text, None),
):
    compiles(_function, *(() if _dialect is None else (_dialect,)))(_as_it_is)


@cache
def list_type(item: types.TypeEngine[Any]) -> ListOf:
    """The type of a list's parameter."""
    return ListOf(item)
