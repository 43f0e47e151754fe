"""Filters as a request spells them, read into a structure and its values."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pydantic import ValidationError
from pydantic_core import from_json

from colonnade.errors import QueryError
from colonnade.models import ColumnShape, require_storable
from colonnade.query._filters import (
    LISTS,
    OPERATORS,
    SEARCH,
    All,
    AnyOf,
    Compare,
    Filter,
    Node,
    Not,
    Operator,
    Related,
    operators_of,
)
from colonnade.query._queryable_tables import QueryableTable, nearest
from colonnade.query._values import read_value

LONGEST_LIST = 1000
"""Values in one ``in`` or ``not_in``."""


MOST_CONDITIONS = 100
"""Conditions in one request, and objects in ``where``: a filter that is longer is built by a
program that should ask otherwise, and PostgreSQL plans each of them."""


DEEPEST_WHERE = 16
"""How deep ``where`` may be nested."""


@dataclass(slots=True)
class FilterReader:
    """Reads conditions into one structure, keeping the mistakes it finds.

    Attributes:
        errors: What was wrong, as FastAPI words it: type, loc, msg and input.
    """

    surface: QueryableTable
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

    def parameter(self, name: str, texts: list[str], parameter: "Parameter") -> None:
        """Read a parameter of the query string.

        Args:
            name: Its name, for messages.
            texts: What it was given, once for each time it was written.
            found: What it means.
        """
        if parameter.operator in {"in", "not_in"}:
            operand: Any = [value for text in texts for value in split_list(text)]
        elif len(texts) > 1:
            self._wrong("query", [name], "repeated", f"{name} can be used only once", texts)
            return
        else:
            operand = texts[0]
        node: Node | None = self._compare(
            parameter.column, parameter.shape, parameter.operator, operand, ("query", name)
        )
        if node is not None:
            self.nodes.append(Related(parameter.relation, node) if parameter.relation else node)

    def where(self, text: str) -> None:
        """Read the JSON of ``where``."""
        try:
            condition = from_json(text, allow_inf_nan=False)
        except ValueError as error:
            self._wrong(
                "query", ["where"], "json_invalid", f"where is not valid JSON: {error}", text
            )
            return
        repeated = _repeated(text)
        if repeated is not None:
            message = f'{repeated!r} occurs twice in one object: combine conditions with "and"'
            self._wrong("query", ["where"], "repeated", message, text)
            return
        node = self._where(condition, self.surface, ("query", "where"), 0)
        if node is not None:
            self.nodes.append(node)

    def _where(
        self, condition: Any, surface: QueryableTable, loc: tuple[Any, ...], depth: int
    ) -> Node | None:
        if not isinstance(condition, dict):
            self._wrong(*_at(loc), "dict_type", "A condition must be a JSON object", condition)
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
            self._part(name, value, surface, (*loc, name), depth)
            for name, value in condition.items()
        ]
        nodes = [part for part in parts if part is not None]
        return nodes[0] if len(nodes) == 1 else All(tuple(nodes))

    def _part(
        self, name: str, value: Any, surface: QueryableTable, loc: tuple[Any, ...], depth: int
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
            message = f"Unknown field {name}.{nearest(name, known)}"
            self._wrong(*_at(loc), "unknown_field", message, value)
            return None
        if operator is None and isinstance(value, dict):
            return self._operators(column, value, surface, loc)
        return self._compare(column, surface.columns[column], operator or "eq", value, loc)

    def _several(
        self, name: str, value: Any, surface: QueryableTable, loc: tuple[Any, ...], depth: int
    ) -> Node | None:
        if not isinstance(value, list):
            self._wrong(*_at(loc), "list_type", f"{name} must be a list of conditions", value)
            return None
        parts = [
            self._where(item, surface, (*loc, index), depth + 1) for index, item in enumerate(value)
        ]
        nodes = tuple(part for part in parts if part is not None)
        return All(nodes) if name == "and" else AnyOf(nodes)

    def _operators(
        self, column: str, value: dict[str, Any], surface: QueryableTable, loc: tuple[Any, ...]
    ) -> Node | None:
        nodes = []
        for operator, operand in value.items():
            if operator not in OPERATORS:
                message = f"Unknown operator {operator}.{nearest(operator, OPERATORS)}"
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
        operand: Any,
        loc: tuple[Any, ...],
    ) -> Compare | None:
        self._conditions += 1
        if self._conditions > MOST_CONDITIONS:
            self._too_many(loc, self._conditions, "conditions")
            return None
        if operator not in operators_of(column):
            fitting = ", ".join(operators_of(column))
            message = f"{operator} does not apply to {name}: use {fitting}"
            self._wrong(*_at(loc), "unknown_operator", message, operand)
            return None
        try:
            if operator == "is_null":
                return Compare(name, operator, negated=not _truth(operand))
            value = _operand(column, operator, operand)
        except ValidationError as error:
            for detail in error.errors(include_url=False, include_context=False):
                self._wrong(*_at(loc), detail["type"], detail["msg"], detail["input"])
            return None
        except ValueError as error:
            self._wrong(*_at(loc), "value_error", str(error), None)
            return None
        self.values.append(value)
        return Compare(name, operator)

    def _too_many(self, loc: tuple[Any, ...], count: int, what: str) -> None:
        if count == MOST_CONDITIONS + 1:
            message = f"A request can have at most {MOST_CONDITIONS} {what}"
            self._wrong(*_at(loc), "too_long", message, None)

    def _wrong(
        self, place: str, path: list[Any] | tuple[Any, ...], kind: str, message: str, value: Any
    ) -> None:
        if len(self.errors) < MOST_CONDITIONS:
            loc = (place, *path)
            self.errors.append({"type": kind, "loc": loc, "msg": message, "input": value})


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
    surface: QueryableTable, reserved: frozenset[str]
) -> Iterator[tuple[str, Parameter]]:
    """Every filter that the query string can have, with its name.

    Args:
        surface: The table.
        reserved: Names that mean something else: ``limit`` is not a filter, ``limit__eq`` is one.
    """
    yield from _of_columns(surface, None, reserved)
    for name, reached in surface.relations.items():
        yield from _of_columns(reached.surface, name, frozenset())


def _of_columns(
    surface: QueryableTable, relation: str | None, reserved: frozenset[str]
) -> Iterator[tuple[str, Parameter]]:
    prefix = f"{relation}__" if relation else ""
    for name, column in surface.columns.items():
        for operator in operators_of(column):
            parameter = Parameter(relation, name, operator, column)
            if operator == "eq" and name not in reserved:
                yield prefix + name, parameter
            yield f"{prefix}{name}__{operator}", parameter


def split_list(text: str) -> list[Any]:
    """The values of a list in the query string: ``a,b``, or JSON, ``["a,b", "c"]``."""
    if text.startswith("["):
        try:
            items = from_json(text)
        except ValueError:
            items = None
        if isinstance(items, list):
            return items
    return text.split(",")


def _repeated(text: str) -> str | None:
    """A name that one object of a JSON text has twice, of which parsers keep the last."""
    repeated: list[str] = []

    def names(pairs: list[tuple[str, Any]]) -> None:
        seen = {name for name, _ in pairs}
        if len(seen) < len(pairs):
            repeated.extend(name for name in seen if sum(name == other for other, _ in pairs) > 1)

    try:
        json.loads(text, object_pairs_hook=names)
    except (ValueError, RecursionError):
        return None  # for whoever reads it to say
    return repeated[0] if repeated else None


def _column_and_operator(name: str, surface: QueryableTable) -> tuple[str | None, Operator | None]:
    if name in surface.columns:
        return name, None
    column, _, operator = name.rpartition("__")
    for known in OPERATORS:
        if operator == known and column in surface.columns:
            return column, known
    return None, None


def _operand(column: ColumnShape, operator: Operator, operand: Any) -> Any:
    """The value, or the tuple of values, that a column is compared with."""
    read = read_value(column)
    if operator in LISTS:
        if not isinstance(operand, list):
            raise ValueError(f"{operator} takes a list")
        if len(operand) > LONGEST_LIST:
            raise ValueError(f"{operator} takes at most {LONGEST_LIST} values, not {len(operand)}")
        return _spelled(column, tuple(read(item) for item in operand))
    if operator in SEARCH:
        if not isinstance(operand, str):
            raise ValueError(f"{operator} takes text")
        return require_storable(operand)
    if operand is None:
        raise ValueError("Use is_null to test for null")
    value = read(operand)
    return _spelled(column, (value,)) if column.spellings else value


def _spelled(column: ColumnShape, values: tuple[Any, ...]) -> tuple[Any, ...]:
    """The values in every way that they are stored."""
    spellings = column.spellings
    if not spellings:
        return values
    return tuple(spelling for value in values for spelling in spellings[value])


def _truth(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in {"true", "1", "false", "0"}:
        return value.lower() in {"true", "1"}
    raise ValueError("is_null must be true or false")


def _at(loc: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
    return loc[0], loc[1:]
