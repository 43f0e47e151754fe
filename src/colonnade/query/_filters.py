"""Filters: what a request asks of the rows, typed by their columns.

A filter is parsed to a structure, a tree without the values, and the values in the order in
which the tree names them. Two requests of one structure are one SQL text.

Every condition is true or false of a row, never unknown: ``ne`` is true of NULL, and ``not``
turns a condition around.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, get_args

from pydantic import ValidationError
from pydantic_core import from_json
from sqlalchemy import ColumnElement, FromClause, String, and_, bindparam, exists, func, not_, or_
from sqlalchemy import false as sql_false
from sqlalchemy import true as sql_true

from colonnade.errors import QueryError
from colonnade.models import ColumnShape
from colonnade.query._comparisons import (
    NUMBERS,
    exact_number,
    full_moment,
    is_among,
    list_type,
    text_position,
)
from colonnade.query._relations import Joined
from colonnade.query._scopes import Scopes
from colonnade.query._surfaces import Surface, nearest
from colonnade.query._values import compared_type, is_text, read_value, without_nul

Operator = Literal[
    "eq", "ne", "lt", "lte", "gt", "gte", "in", "not_in", "is_null",
    "contains", "icontains", "startswith", "istartswith", "endswith", "iendswith",
]  # fmt: skip

OPERATORS: tuple[Operator, ...] = get_args(Operator)
_EQUAL: tuple[Operator, ...] = ("eq", "ne", "in", "not_in")
_LISTS: tuple[Operator, ...] = ("in", "not_in")
_ORDER: tuple[Operator, ...] = ("lt", "lte", "gt", "gte")
_SEARCH: tuple[Operator, ...] = (
    "contains", "icontains", "startswith", "istartswith", "endswith", "iendswith",
)  # fmt: skip

LONGEST_LIST = 1000
"""Values in one ``in`` or ``not_in``."""

MOST_CONDITIONS = 100
"""Conditions in one request, and objects in ``where``: a filter that is longer is built by a
program that should ask otherwise, and PostgreSQL plans each of them."""

KEPT_CONDITIONS = 20
"""Conditions of a filter whose SQL is kept: who makes up longer ones should not fill the memory."""

DEEPEST_WHERE = 16
"""How deep ``where`` may be nested."""


TEXT = String()


@dataclass(frozen=True, slots=True)
class Compare:
    """A column compared with a value, or a list of them; ``negated``: it is not null."""

    column: str
    operator: Operator
    negated: bool = False


@dataclass(frozen=True, slots=True)
class All:
    """Every one of the conditions holds."""

    all: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one of the conditions holds."""

    any: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The condition does not hold."""

    negated: Any


@dataclass(frozen=True, slots=True)
class Related:
    """The relation leads to a row of which the condition holds."""

    relation: str
    condition: Any


Node = Compare | All | AnyOf | Not | Related


EVERY_ROW: Node = All(())


@dataclass(frozen=True, slots=True)
class Filter:
    """What a request asks of the rows.

    Attributes:
        node: The structure.
        values: The values, in the order of the structure; that of a list is a tuple.
    """

    node: Node = EVERY_ROW
    values: tuple[Any, ...] = ()

    @property
    def is_long(self) -> bool:
        """Whether it has so many conditions that its SQL is not worth keeping."""
        return len(self.values) > KEPT_CONDITIONS


def operators_of(column: ColumnShape) -> tuple[Operator, ...]:
    """The operators that fit a column, by its kind."""
    null: tuple[Operator, ...] = ("is_null",)
    if column.kind in {"json", "bytes", "other"}:
        return null
    if column.kind in {"boolean", "enum", "literal", "ip"}:
        return _EQUAL + null
    return _EQUAL + _ORDER + null + (_SEARCH if is_text(column) else ())


@dataclass(slots=True)
class FilterReader:
    """Reads conditions into one structure, keeping the mistakes it finds.

    Attributes:
        errors: What was wrong, as FastAPI words it: type, loc, msg and input.
    """

    surface: Surface
    nodes: list[Node] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)
    _conditions: int = 0
    _objects: int = 0

    def finish(self) -> Filter:
        """Everything that was read.

        Raises:
            QueryError: Some of it was wrong.
        """
        if self.errors:
            raise QueryError(self.errors)
        return Filter(All(tuple(self.nodes)), tuple(self.values))

    def parameter(self, name: str, texts: list[str], found: "Parameter") -> None:
        """Read a parameter of the query string.

        Args:
            name: Its name, for messages.
            texts: What it was given, once for each time it was written.
            found: What it means.
        """
        if found.operator in {"in", "not_in"}:
            given: Any = [value for text in texts for value in split_list(text)]
        elif len(texts) > 1:
            self._wrong("query", [name], "repeated", f"{name} can be given once", texts)
            return
        else:
            given = texts[0]
        node: Node | None = self._compare(
            found.column, found.shape, found.operator, given, ("query", name)
        )
        if node is not None:
            self.nodes.append(Related(found.relation, node) if found.relation else node)

    def where(self, text: str) -> None:
        """Read the JSON of ``where``."""
        try:
            asked = from_json(text, allow_inf_nan=False)
        except ValueError as error:
            self._wrong("query", ["where"], "json_invalid", f"where is no JSON: {error}", text)
            return
        node = self._where(asked, self.surface, ("query", "where"), 0)
        if node is not None:
            self.nodes.append(node)

    def _where(self, asked: Any, surface: Surface, loc: tuple[Any, ...], depth: int) -> Node | None:
        if not isinstance(asked, dict):
            self._wrong(*_at(loc), "dict_type", "A condition is a JSON object", asked)
            return None
        if depth > DEEPEST_WHERE:
            message = f"where is nested deeper than {DEEPEST_WHERE}"
            self._wrong(*_at(loc), "too_deep", message, None)
            return None
        self._objects += 1
        if self._objects > MOST_CONDITIONS:
            self._too_many(loc, self._objects, "objects in where")
            return None
        parts = [
            self._part(name, value, surface, (*loc, name), depth) for name, value in asked.items()
        ]
        nodes = [part for part in parts if part is not None]
        return nodes[0] if len(nodes) == 1 else All(tuple(nodes))

    def _part(
        self, name: str, value: Any, surface: Surface, loc: tuple[Any, ...], depth: int
    ) -> Node | None:
        if name in {"and", "or"}:
            return self._several(name, value, surface, loc, depth)
        if name == "not":
            inner = self._where(value, surface, loc, depth + 1)
            return None if inner is None else Not(inner)
        if name in surface.relations:
            inner = self._where(value, surface.relations[name].surface, loc, depth + 1)
            return None if inner is None else Related(name, inner)
        column, operator = _column_and_operator(name, surface)
        if column is None:
            known = [*surface.columns, *surface.relations]
            message = f"{name} is no field here.{nearest(name, known)}"
            self._wrong(*_at(loc), "unknown_field", message, value)
            return None
        if operator is None and isinstance(value, dict):
            return self._operators(column, value, surface, loc)
        return self._compare(column, surface.columns[column], operator or "eq", value, loc)

    def _several(
        self, name: str, value: Any, surface: Surface, loc: tuple[Any, ...], depth: int
    ) -> Node | None:
        if not isinstance(value, list):
            self._wrong(*_at(loc), "list_type", f"{name} has a list of conditions", value)
            return None
        parts = [
            self._where(one, surface, (*loc, index), depth + 1) for index, one in enumerate(value)
        ]
        nodes = tuple(part for part in parts if part is not None)
        return All(nodes) if name == "and" else AnyOf(nodes)

    def _operators(
        self, column: str, value: dict[str, Any], surface: Surface, loc: tuple[Any, ...]
    ) -> Node | None:
        nodes = []
        for operator, operand in value.items():
            if operator not in OPERATORS:
                message = f"{operator} is no operator.{nearest(operator, OPERATORS)}"
                self._wrong(*_at((*loc, operator)), "unknown_operator", message, operand)
                continue
            shape = surface.columns[column]
            node = self._compare(column, shape, operator, operand, (*loc, operator))
            if node is not None:
                nodes.append(node)
        return nodes[0] if len(nodes) == 1 else All(tuple(nodes))

    def _compare(
        self,
        name: str,
        column: ColumnShape,
        operator: Operator,
        given: Any,
        loc: tuple[Any, ...],
    ) -> Compare | None:
        self._conditions += 1
        if self._conditions > MOST_CONDITIONS:
            self._too_many(loc, self._conditions, "conditions")
            return None
        if operator not in operators_of(column):
            fitting = ", ".join(operators_of(column))
            message = f"{operator} does not fit {name}, which takes {fitting}"
            self._wrong(*_at(loc), "unknown_operator", message, given)
            return None
        try:
            if operator == "is_null":
                return Compare(name, operator, negated=not _truth(given))
            value = _operand(column, operator, given)
        except ValidationError as error:
            for one in error.errors(include_url=False, include_context=False):
                self._wrong(*_at(loc), one["type"], one["msg"], one["input"])
            return None
        except ValueError as error:
            self._wrong(*_at(loc), "value_error", str(error), None)
            return None
        self.values.append(value)
        return Compare(name, operator)

    def _too_many(self, loc: tuple[Any, ...], count: int, what: str) -> None:
        if count == MOST_CONDITIONS + 1:
            message = f"A request can have {MOST_CONDITIONS} {what}"
            self._wrong(*_at(loc), "too_long", message, None)

    def _wrong(
        self, place: str, path: list[Any] | tuple[Any, ...], kind: str, message: str, given: Any
    ) -> None:
        if len(self.errors) < MOST_CONDITIONS:
            loc = (place, *path)
            self.errors.append({"type": kind, "loc": loc, "msg": message, "input": given})


class Parameter(NamedTuple):
    """What a filter's name in the query string means.

    Attributes:
        relation: The relation it goes across; None for a column of the table itself.
        column: The column's public name.
        operator: The comparison.
        shape: The column.
    """

    relation: str | None
    column: str
    operator: Operator
    shape: ColumnShape


def filter_parameters(
    surface: Surface, reserved: frozenset[str]
) -> Iterator[tuple[str, Parameter]]:
    """Every filter that the query string can have, with its name.

    Args:
        surface: The table.
        reserved: Names that mean something else: ``limit`` is no filter, ``limit__eq`` is one.
    """
    yield from _of_columns(surface, None, reserved)
    for name, reached in surface.relations.items():
        yield from _of_columns(reached.surface, name, frozenset())


def _of_columns(
    surface: Surface, relation: str | None, reserved: frozenset[str]
) -> Iterator[tuple[str, Parameter]]:
    prefix = f"{relation}__" if relation else ""
    for name, column in surface.columns.items():
        for operator in operators_of(column):
            found = Parameter(relation, name, operator, column)
            if operator == "eq" and name not in reserved:
                yield prefix + name, found
            yield f"{prefix}{name}__{operator}", found


def split_list(text: str) -> list[Any]:
    """The values of a list in the query string: ``a,b``, or JSON, ``["a,b", "c"]``."""
    if text.startswith("["):
        try:
            found = from_json(text)
        except ValueError:
            found = None
        if isinstance(found, list):
            return found
    return text.split(",")


def _column_and_operator(name: str, surface: Surface) -> tuple[str | None, Operator | None]:
    if name in surface.columns:
        return name, None
    column, _, operator = name.rpartition("__")
    for known in OPERATORS:
        if operator == known and column in surface.columns:
            return column, known
    return None, None


def _operand(column: ColumnShape, operator: Operator, given: Any) -> Any:
    """The value, or the tuple of values, that a column is compared with."""
    read = read_value(column)
    if operator in _LISTS:
        if not isinstance(given, list):
            raise ValueError(f"{operator} has a list")
        if len(given) > LONGEST_LIST:
            raise ValueError(f"{operator} has at most {LONGEST_LIST} values, not {len(given)}")
        return _spelled(column, tuple(read(one) for one in given))
    if operator in _SEARCH:
        if not isinstance(given, str):
            raise ValueError(f"{operator} has a text")
        return without_nul(given)
    if given is None:
        raise ValueError("To ask for null, say is_null")
    value = read(given)
    return _spelled(column, (value,)) if column.spellings else value


def _spelled(column: ColumnShape, values: tuple[Any, ...]) -> tuple[Any, ...]:
    """The values in every way that they are stored."""
    spellings = column.spellings
    if not spellings:
        return values
    return tuple(spelling for value in values for spelling in spellings[value])


def _truth(given: Any) -> bool:
    if isinstance(given, bool):
        return given
    if isinstance(given, str) and given.lower() in {"true", "1", "false", "0"}:
        return given.lower() in {"true", "1"}
    raise ValueError("is_null is true or false")


def _at(loc: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
    return loc[0], loc[1:]


class Clauses:
    """Turns a structure into SQL, numbering the values as it goes."""

    def __init__(self, scopes: Scopes) -> None:
        self._scopes = scopes
        self._next = 0

    def clause(self, node: Node, surface: Surface, source: FromClause) -> ColumnElement[bool]:
        """The condition on ``source``, which has the columns of the surface's table."""
        if isinstance(node, All):
            parts = [self.clause(one, surface, source) for one in node.all]
            return and_(*parts) if parts else sql_true()
        if isinstance(node, AnyOf):
            parts = [self.clause(one, surface, source) for one in node.any]
            return or_(*parts) if parts else sql_false()
        if isinstance(node, Not):
            return not_(self.clause(node.negated, surface, source))
        if isinstance(node, Related):
            reached = surface.relations[node.relation]
            joined = Joined(reached.relation, source, self._scopes)
            inner = self.clause(node.condition, reached.surface, joined.target)
            return exists(joined.select(sql_true()).where(inner))
        return self._compare(node, surface.columns[node.column], source)

    def _compare(
        self, node: Compare, shape: ColumnShape, source: FromClause
    ) -> ColumnElement[bool]:
        column: ColumnElement[Any] = source.c[shape.column.key]
        if node.operator == "is_null":
            return column.is_not(None) if node.negated else column.is_(None)
        bind = f"v{self._next}"
        self._next += 1
        clause = _clause(node.operator, shape, column, bind)
        if not shape.nullable:
            return clause
        if node.operator in {"ne", "not_in"}:
            return or_(column.is_(None), clause)
        return and_(column.is_not(None), clause)


def _clause(
    operator: Operator, shape: ColumnShape, column: ColumnElement[Any], bind: str
) -> ColumnElement[bool]:
    if operator in _SEARCH:
        return _search(operator, column, bindparam(bind, type_=TEXT))
    kind = compared_type(shape)
    compared = column
    if shape.kind == "datetime" and shape.column.server_default is not None:
        compared = full_moment(column, type_=kind)
    if operator in _LISTS or shape.spellings:
        found = _among(compared, TEXT if shape.spellings else kind, bind)
        return not_(found) if operator in {"ne", "not_in"} else found
    value: Any = bindparam(bind, type_=kind)
    comparisons: Mapping[str, Any] = {
        "eq": compared.__eq__, "ne": compared.__ne__, "lt": compared.__lt__,
        "lte": compared.__le__, "gt": compared.__gt__, "gte": compared.__ge__,
    }  # fmt: skip
    clause: ColumnElement[bool] = comparisons[operator](value)
    return clause


def _among(column: ColumnElement[Any], kind: Any, bind: str) -> ColumnElement[bool]:
    if isinstance(kind, NUMBERS):
        column = exact_number(column, type_=kind)
    return is_among(column, bindparam(bind, type_=list_type(kind)))


def _search(operator: Operator, column: Any, value: Any) -> ColumnElement[bool]:
    """A search for text as it is: ``%`` and ``_`` mean themselves, on every database.

    LIKE would fold case on SQLite and not on PostgreSQL, and needs escapes.
    """
    if operator in {"icontains", "istartswith", "iendswith"}:
        column, value = func.lower(column), func.lower(value)
    if operator.endswith("contains"):
        return text_position(column, value) > 0
    length = func.length(value)
    if operator.endswith("startswith"):
        found: ColumnElement[bool] = func.substr(column, 1, length) == value
        return found
    # substr counts from 1, and a text shorter than the value does not end with it.
    start = func.length(column) - length + 1
    ends: ColumnElement[bool] = and_(start >= 1, func.substr(column, start) == value)
    return ends
