"""SQL functions for values inside of JSON columns and arrays, on PostgreSQL and SQLite.

The first argument of each is the column, the second the path in it: see ``steps_literal``. A
column of type ``ARRAY`` on PostgreSQL has no path. What is not there, has another JSON type or is
a JSON null is NULL.
"""

import json
from collections.abc import Callable, Iterable
from typing import Any

from pydantic_core import from_json, to_json
from sqlalchemy import ARRAY, Boolean, ColumnElement, Integer, String, Text, types
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction

from colonnade.query._comparisons import Condition, quoted

Steps = tuple[str, ...]
"""The names that lead from a JSON column to a value in it."""


def steps_literal(steps: Steps) -> ColumnElement[str]:
    """A path as an argument of the functions, which each dialect compiles to its own form."""
    return quoted(to_json(steps).decode())


class json_text(GenericFunction[str]):  # noqa: N801 - the name of an SQL function
    """A text, without a check of its JSON type, so that an index of the expression is used."""

    type = String()
    inherit_cache = True
    _register = False


class json_iso_text(GenericFunction[str]):  # noqa: N801 - the name of an SQL function
    """A text whose order does not depend on the collation: a date, a time or a UUID."""

    type = String()
    inherit_cache = True
    _register = False


class json_string(GenericFunction[str]):  # noqa: N801 - the name of an SQL function
    """A text; NULL for a value of another JSON type."""

    type = String()
    inherit_cache = True
    _register = False


class json_number(GenericFunction[Any]):  # noqa: N801 - the name of an SQL function
    """A number; NULL for a value of another JSON type."""

    inherit_cache = True
    _register = False


class json_decimal(GenericFunction[Any]):  # noqa: N801 - the name of an SQL function
    """A number that is stored as text, as Pydantic writes decimals."""

    inherit_cache = True
    _register = False


class json_boolean(GenericFunction[bool]):  # noqa: N801 - the name of an SQL function
    """A boolean; NULL for a value of another JSON type."""

    type = Boolean()
    inherit_cache = True
    _register = False


class json_datetime(GenericFunction[Any]):  # noqa: N801 - the name of an SQL function
    """A datetime in ISO 8601, as a value of the type of the function."""

    inherit_cache = True
    _register = False


class json_length(GenericFunction[int]):  # noqa: N801 - the name of an SQL function
    """The number of elements of a list."""

    type = Integer()
    inherit_cache = True
    _register = False


class json_matches(Condition):  # noqa: N801 - the name of an SQL function
    """Whether a value equals a parameter of type ``JSONOperand``."""

    inherit_cache = True
    _register = False


class json_matches_any(Condition):  # noqa: N801 - the name of an SQL function
    """Whether a value is among those of a parameter of type ``JSONOperands``."""

    inherit_cache = True
    _register = False


class json_has_element(Condition):  # noqa: N801 - the name of an SQL function
    """Whether a list has an element that equals a parameter of type ``JSONOperand``."""

    inherit_cache = True
    _register = False


class json_has_any(Condition):  # noqa: N801 - the name of an SQL function
    """Whether a list has an element that is among those of a parameter of type ``JSONOperands``."""

    inherit_cache = True
    _register = False


class JSONOperand(types.TypeDecorator[Any]):
    """A value to find in JSON. On PostgreSQL, it is a document with it at the path.

    With containment, PostgreSQL can use a GIN index of the column:
    https://www.postgresql.org/docs/current/datatype-json.html#JSON-INDEXING

    Args:
        steps: The path of the value, or of the list.
        in_list: Whether the value is an element of a list.
        array: The type of the column on PostgreSQL if it is an array; None for JSON.
    """

    impl = Text
    cache_ok = True

    def __init__(
        self, steps: Steps, *, in_list: bool, array: types.TypeEngine[Any] | None = None
    ) -> None:
        super().__init__()
        self.steps = steps
        self.in_list = in_list
        self.array = array

    def load_dialect_impl(self, dialect: Any) -> types.TypeEngine[Any]:
        if dialect.name == "postgresql" and self.array is not None:
            return dialect.type_descriptor(self.array)  # type: ignore[no-any-return]  # untyped
        return dialect.type_descriptor(Text())  # type: ignore[no-any-return]  # untyped

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        if dialect.name != "postgresql":
            return to_json(value).decode()
        return [value] if self.array is not None else self._document(value)

    def _document(self, value: Any) -> str:
        document: Any = [value] if self.in_list else value
        for step in reversed(self.steps):
            document = {step: document}
        return to_json(document).decode()


class JSONOperands(JSONOperand):
    """Several values, any of which is to be found: see ``JSONOperand``."""

    cache_ok = True

    def load_dialect_impl(self, dialect: Any) -> types.TypeEngine[Any]:
        if dialect.name == "postgresql" and self.array is None:
            return dialect.type_descriptor(ARRAY(Text()))  # type: ignore[no-any-return]  # untyped
        return super().load_dialect_impl(dialect)

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        values = list(value or ())
        if dialect.name != "postgresql":
            return to_json(values).decode()
        return values if self.array is not None else [self._document(item) for item in values]


class _Arguments:
    """The compiled arguments of a function.

    Attributes:
        column: The SQL of the column.
        steps: The path.
        operand: The SQL of the parameter; empty if the function has none.
        array_type: The SQL of the column's type if it is an array on PostgreSQL.
    """

    def __init__(self, element: Any, compiler: Any, kwargs: dict[str, Any]) -> None:
        column, steps, *operands = element.clauses
        self.column = compiler.process(column, **kwargs)
        self.steps: list[str] = from_json(steps.name[1:-1].replace("''", "'"))
        self.operand = "".join(compiler.process(operand, **kwargs) for operand in operands)
        self.array_type: str | None = None
        self._compiler = compiler
        kind = column.type.dialect_impl(compiler.dialect)
        if isinstance(kind, types.TypeDecorator):
            kind = kind.load_dialect_impl(compiler.dialect)
        if compiler.dialect.name != "postgresql":
            return
        if isinstance(kind, ARRAY):
            self.array_type = compiler.dialect.type_compiler_instance.process(kind)
        elif kind.__visit_name__ != "JSONB":
            self.column = f"CAST({self.column} AS JSONB)"

    def _text(self, text: str) -> str:
        return str(self._compiler.process(quoted(text)))

    @property
    def path(self) -> str:
        """The path as SQLite's JSON functions take it."""
        path = _sqlite_path(self.steps)
        if path.isascii():
            return self._text(path)
        # Python's json writes other letters as escapes, which SQLite before 3.45 does not resolve.
        escaped = _sqlite_path(json.dumps(step)[1:-1] for step in self.steps)
        kind = f"json_type({self.column}, {self._text(path)})"
        return f"iif({kind} IS NULL, {self._text(escaped)}, {self._text(path)})"

    @property
    def value(self) -> str:
        """The value on SQLite, and its JSON type."""
        return f"json_extract({self.column}, {self.path})"

    @property
    def kind(self) -> str:
        """The JSON type of the value on SQLite."""
        return f"json_type({self.column}, {self.path})"

    @property
    def member(self) -> str:
        """The JSON value on PostgreSQL."""
        names = "".join(f" -> {self._text(step)}" for step in self.steps)
        return f"({self.column}{names})"

    @property
    def text(self) -> str:
        """The value on PostgreSQL as text, without the quotes of a string."""
        if not self.steps:
            return f"({self.column} #>> '{{}}')"
        *outer, last = (self._text(step) for step in self.steps)
        return f"({self.column}{''.join(f' -> {name}' for name in outer)} ->> {last})"


def _sqlite_path(steps: Iterable[str]) -> str:
    return "$" + "".join(f'."{step}"' for step in steps)


def _define(function: Any, sqlite: Callable[[Any], str], postgresql: Callable[[Any], str]) -> None:
    def compile_for(dialect: str | None, build: Callable[[Any], str]) -> None:
        @compiles(function, *(() if dialect is None else (dialect,)))
        def compile_function(element: Any, compiler: Any, **kwargs: Any) -> str:
            return build(_Arguments(element, compiler, kwargs))

    compile_for(None, sqlite)
    compile_for("postgresql", postgresql)


_DECIMAL = r"^[-+]?[0-9]+([.][0-9]+)?([eE][-+]?[0-9]{1,3})?$"
_LOCAL_DATETIME = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]+)?"
_OFFSET = "(Z|[-+][0-9]{2}:?[0-9]{2})"


def _typed(arguments: _Arguments, kind: str, cast: str) -> str:
    """A value of PostgreSQL cast to a type, if it has a JSON type."""
    return (
        f"CASE WHEN jsonb_typeof({arguments.member}) = '{kind}' "
        f"THEN CAST({arguments.text} AS {cast}) END"
    )


def _matching(arguments: _Arguments, pattern: str, cast: str) -> str:
    """A text of PostgreSQL cast to a type, if it matches a pattern."""
    return f"CASE WHEN {arguments.text} ~ '{pattern}' THEN CAST({arguments.text} AS {cast}) END"


def _of_kind(arguments: _Arguments, kinds: str) -> str:
    """A value of SQLite, if it has one of the JSON types."""
    return f"CASE WHEN {arguments.kind} IN ({kinds}) THEN {arguments.value} END"


def _elements(arguments: _Arguments, condition: str) -> str:
    """Whether a list of SQLite has an element for which a condition holds."""
    return (
        f"({arguments.kind} = 'array' AND EXISTS (SELECT 1 FROM "  # noqa: S608 - all compiled
        f"json_each({arguments.column}, {arguments.path}) AS element WHERE {condition}))"
    )


def _same_type(first: str, second: str) -> str:
    """Whether both or neither are booleans, which SQLite extracts as 1 and 0."""
    return f"({first} IN ('true', 'false')) = ({second} IN ('true', 'false'))"


def _equals(arguments: _Arguments) -> str:
    operand = arguments.operand
    same_type = _same_type(arguments.kind, f"json_type({operand})")
    return f"({arguments.value} = json_extract({operand}, '$') AND {same_type})"


def _is_operand(arguments: _Arguments, value: str, kind: str) -> str:
    """Whether a value of SQLite is among those of the parameter."""
    return (
        f"EXISTS (SELECT 1 FROM json_each({arguments.operand}) AS operand "  # noqa: S608 - compiled
        f"WHERE operand.value = {value} AND {_same_type('operand.type', kind)})"
    )


def _equals_any(arguments: _Arguments) -> str:
    return _is_operand(arguments, arguments.value, arguments.kind)


def _has_any(arguments: _Arguments) -> str:
    return _elements(arguments, _is_operand(arguments, "element.value", "element.type"))


def _has_element(arguments: _Arguments) -> str:
    operand = arguments.operand
    same_type = _same_type("element.type", f"json_type({operand})")
    return _elements(arguments, f"element.value = json_extract({operand}, '$') AND {same_type}")


def _contains(arguments: _Arguments) -> str:
    if arguments.array_type is not None:
        return f"({arguments.column} @> CAST({arguments.operand} AS {arguments.array_type}))"
    return f"({arguments.column} @> CAST({arguments.operand} AS JSONB))"


def _contains_any(arguments: _Arguments) -> str:
    if arguments.array_type is not None:
        return f"({arguments.column} && CAST({arguments.operand} AS {arguments.array_type}))"
    return f"({arguments.column} @> ANY (CAST({arguments.operand} AS JSONB[])))"


def _array_length(arguments: _Arguments) -> str:
    if arguments.array_type is not None:
        length = f"coalesce(array_length({arguments.column}, 1), 0)"
        return f"CASE WHEN {arguments.column} IS NOT NULL THEN {length} END"
    return (
        f"CASE WHEN jsonb_typeof({arguments.member}) = 'array' "
        f"THEN jsonb_array_length({arguments.member}) END"
    )


def _moment(arguments: _Arguments) -> str:
    return f"colonnade_moment({arguments.value})"


_define(json_text, lambda at: at.value, lambda at: at.text)
_define(json_iso_text, lambda at: at.value, lambda at: f'({at.text} COLLATE "C")')
_define(json_string, lambda at: _of_kind(at, "'text'"), lambda at: _typed(at, "string", "TEXT"))
_define(
    json_number,
    lambda at: _of_kind(at, "'integer', 'real'"),
    lambda at: _typed(at, "number", "NUMERIC"),
)
_define(
    json_decimal,
    lambda at: f"CAST({_of_kind(at, repr('text'))} AS NUMERIC)",
    lambda at: _matching(at, _DECIMAL, "NUMERIC"),
)
_define(
    json_boolean,
    lambda at: _of_kind(at, "'true', 'false'"),
    lambda at: _typed(at, "boolean", "BOOLEAN"),
)
_define(
    json_length,
    lambda at: f"CASE {at.kind} WHEN 'array' THEN json_array_length({at.column}, {at.path}) END",
    _array_length,
)
_define(json_matches, _equals, _contains)
_define(json_matches_any, _equals_any, _contains_any)
_define(json_has_element, _has_element, _contains)
_define(json_has_any, _has_any, _contains_any)


@compiles(json_datetime)
def _json_datetime(element: Any, compiler: Any, **kwargs: Any) -> str:
    return _moment(_Arguments(element, compiler, kwargs))


@compiles(json_datetime, "postgresql")
def _json_datetime_postgresql(element: Any, compiler: Any, **kwargs: Any) -> str:
    kind = compiler.dialect.type_compiler_instance.process(element.type)
    text = _Arguments(element, compiler, kwargs).text
    # Without an offset it is in UTC, and not in the time zone of the session.
    return (
        f"CASE WHEN {text} ~ '{_LOCAL_DATETIME}{_OFFSET}$' THEN CAST({text} AS {kind}) "
        f"WHEN {text} ~ '{_LOCAL_DATETIME}$' THEN CAST({text} || 'Z' AS {kind}) END"
    )
