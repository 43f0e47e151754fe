"""``FilterReader``: parses the filters of a request into a tree of conditions and their values."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pydantic import ValidationError
from pydantic_core import from_json

from colonnade.errors import QueryError, error_entry
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
from colonnade.query._queryable_tables import QueryableTable, did_you_mean
from colonnade.query._values import range_bound, read_value

MAX_LIST_VALUES = 1000
"""The maximum number of values of ``in`` and ``not_in``."""


MAX_CONDITIONS = 100
"""The maximum number of conditions in a request, and of objects in ``where``. PostgreSQL plans
every condition, and a program that needs more should query in another way."""


MAX_WHERE_DEPTH = 16
"""The maximum nesting depth of ``where``."""


@dataclass(slots=True)
class FilterReader:
    """Parses conditions into one tree and collects the errors.

    Attributes:
        queryable: The table.
        nodes: The conditions, all of which must hold.
        values: The values that the conditions compare with, in the same order.
        errors: Entries as FastAPI reports them: type, loc, msg and input.
    """

    queryable: QueryableTable
    nodes: list[Node] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)
    _conditions: int = 0
    _objects: int = 0

    def finish(self) -> Filter:
        """Build the filter.

        Raises:
            QueryError: There were errors.
        """
        if self.errors:
            raise QueryError(self.errors)
        return Filter(All(tuple(self.nodes)), tuple(self.values))

    def parse_parameter(self, name: str, texts: list[str], parameter: "Parameter") -> None:
        """Parse a query parameter.

        Args:
            name: Its name, for messages.
            texts: Its values: one for each time it occurs.
            parameter: The filter that it stands for.
        """
        if parameter.operator in {"in", "not_in"}:
            operand: Any = [value for text in texts for value in split_list(text)]
        elif len(texts) > 1:
            self._add_error(("query", name), "repeated", f"{name} can be used only once", texts)
            return
        else:
            operand = texts[0]
        node: Node | None = self._compare(
            parameter.column, parameter.shape, parameter.operator, operand, ("query", name)
        )
        if node is not None:
            self.nodes.append(Related(parameter.relation, node) if parameter.relation else node)

    def parse_where(self, text: str) -> None:
        """Parse the JSON of ``where``."""
        try:
            condition = from_json(text, allow_inf_nan=False)
        except ValueError as error:
            self._add_error(
                ("query", "where"), "json_invalid", f"where is not valid JSON: {error}", text
            )
            return
        repeated = _repeated_name(text)
        if repeated is not None:
            message = f'{repeated!r} occurs twice in one object. Combine conditions with "and"'
            self._add_error(("query", "where"), "repeated", message, text)
            return
        node = self._parse_object(condition, self.queryable, ("query", "where"), 0)
        if node is not None:
            self.nodes.append(node)

    def _parse_object(
        self, condition: Any, queryable: QueryableTable, loc: tuple[Any, ...], depth: int
    ) -> Node | None:
        if not isinstance(condition, dict):
            self._add_error(loc, "dict_type", "A condition must be a JSON object", condition)
            return None
        if depth > MAX_WHERE_DEPTH:
            message = f"where is nested more than {MAX_WHERE_DEPTH} levels deep"
            self._add_error(loc, "too_deep", message, None)
            return None
        self._objects += 1
        if self._objects > MAX_CONDITIONS:
            self._too_many(loc, self._objects, "objects in where")
            return None
        children = [
            self._parse_member(name, value, queryable, (*loc, name), depth)
            for name, value in condition.items()
        ]
        nodes = [child for child in children if child is not None]
        return nodes[0] if len(nodes) == 1 else All(tuple(nodes))

    def _parse_member(
        self, name: str, value: Any, queryable: QueryableTable, loc: tuple[Any, ...], depth: int
    ) -> Node | None:
        if name in {"and", "or"}:
            return self._parse_combination(name, value, queryable, loc, depth)
        if name == "not":
            inner = self._parse_object(value, queryable, loc, depth + 1)
            return None if inner is None else Not(inner)
        if name in queryable.relations:
            inner = self._parse_object(value, queryable.relations[name].queryable, loc, depth + 1)
            return None if inner is None else Related(name, inner)
        column, operator = _column_and_operator(name, queryable)
        if column is None:
            known = [*queryable.columns, *queryable.relations]
            message = f"Unknown field {name}.{did_you_mean(name, known)}"
            self._add_error(loc, "unknown_field", message, value)
            return None
        if operator is None and isinstance(value, dict):
            return self._parse_operators(column, value, queryable, loc)
        return self._compare(column, queryable.columns[column], operator or "eq", value, loc)

    def _parse_combination(
        self, name: str, value: Any, queryable: QueryableTable, loc: tuple[Any, ...], depth: int
    ) -> Node | None:
        if not isinstance(value, list):
            self._add_error(loc, "list_type", f"{name} must be a list of conditions", value)
            return None
        children = [
            self._parse_object(item, queryable, (*loc, index), depth + 1)
            for index, item in enumerate(value)
        ]
        nodes = tuple(child for child in children if child is not None)
        return All(nodes) if name == "and" else AnyOf(nodes)

    def _parse_operators(
        self, column: str, value: dict[str, Any], queryable: QueryableTable, loc: tuple[Any, ...]
    ) -> Node | None:
        nodes = []
        for operator, operand in value.items():
            if operator not in OPERATORS:
                message = f"Unknown operator {operator}.{did_you_mean(operator, OPERATORS)}"
                self._add_error((*loc, operator), "unknown_operator", message, operand)
                continue
            shape = queryable.columns[column]
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
        if self._conditions > MAX_CONDITIONS:
            self._too_many(loc, self._conditions, "conditions")
            return None
        if operator not in operators_of(column):
            allowed = ", ".join(operators_of(column))
            message = f"{operator} does not apply to {name}. Use one of {allowed}"
            self._add_error(loc, "unknown_operator", message, operand)
            return None
        try:
            if operator == "is_null":
                return Compare(name, operator, negated=not _boolean(operand))
            value = _operand(column, operator, operand)
        except ValidationError as error:
            for detail in error.errors(include_url=False, include_context=False):
                self._add_error(loc, detail["type"], detail["msg"], detail["input"])
            return None
        except ValueError as error:
            self._add_error(loc, "value_error", str(error), None)
            return None
        self.values.append(value)
        return Compare(name, operator)

    def _too_many(self, loc: tuple[Any, ...], count: int, what: str) -> None:
        if count == MAX_CONDITIONS + 1:
            message = f"A request can have at most {MAX_CONDITIONS} {what}"
            self._add_error(loc, "too_long", message, None)

    def _add_error(self, loc: tuple[Any, ...], kind: str, message: str, value: Any) -> None:
        if len(self.errors) < MAX_CONDITIONS:
            self.errors.append(error_entry(kind, loc, message, value))


class Parameter(NamedTuple):
    """The filter that a query parameter stands for.

    Attributes:
        relation: The relation that it crosses; None for a column of the table itself.
        column: The column's public name.
        operator: The comparison.
        shape: The column.
    """

    relation: str | None
    column: str
    operator: Operator
    shape: ColumnShape


def filter_parameters(
    queryable: QueryableTable, reserved: frozenset[str]
) -> Iterator[tuple[str, Parameter]]:
    """The query parameters that filter a table, by name.

    Args:
        queryable: The table.
        reserved: Names with another meaning: ``limit`` is not a filter, ``limit__eq`` is.
    """
    yield from _column_parameters(queryable, None, reserved)
    for name, target in queryable.relations.items():
        yield from _column_parameters(target.queryable, name, frozenset())


def _column_parameters(
    queryable: QueryableTable, relation: str | None, reserved: frozenset[str]
) -> Iterator[tuple[str, Parameter]]:
    prefix = f"{relation}__" if relation else ""
    for name, column in queryable.columns.items():
        for operator in operators_of(column):
            parameter = Parameter(relation, name, operator, column)
            if operator == "eq" and name not in reserved:
                yield prefix + name, parameter
            yield f"{prefix}{name}__{operator}", parameter


def split_list(text: str) -> list[Any]:
    """The values of a list in the query string: ``a,b``, or JSON such as ``["a,b", "c"]``."""
    if text.startswith("["):
        try:
            items = from_json(text)
        except ValueError:
            items = None
        if isinstance(items, list):
            return items
    return text.split(",")


def _repeated_name(text: str) -> str | None:
    """A name that occurs twice in one JSON object; parsers would keep only the last value."""
    repeated: list[str] = []

    def names(pairs: list[tuple[str, Any]]) -> None:
        seen = {name for name, _ in pairs}
        if len(seen) < len(pairs):
            repeated.extend(name for name in seen if sum(name == other for other, _ in pairs) > 1)

    try:
        json.loads(text, object_pairs_hook=names)
    except (ValueError, RecursionError):
        return None  # the caller reports it
    return repeated[0] if repeated else None


def _column_and_operator(
    name: str, queryable: QueryableTable
) -> tuple[str | None, Operator | None]:
    if name in queryable.columns:
        return name, None
    column, _, operator = name.rpartition("__")
    for known in OPERATORS:
        if operator == known and column in queryable.columns:
            return column, known
    return None, None


def _operand(column: ColumnShape, operator: Operator, operand: Any) -> Any:
    """The value, or tuple of values, to compare a column with."""
    read = read_value(column)
    if operator in LISTS:
        if not isinstance(operand, list):
            raise ValueError(f"{operator} takes a list")
        if len(operand) > MAX_LIST_VALUES:
            raise ValueError(
                f"{operator} takes at most {MAX_LIST_VALUES} values, got {len(operand)}"
            )
        return _all_spellings(column, tuple(read(item) for item in operand))
    bound = range_bound(column)
    if operator in SEARCH and bound is not None:
        return read_value(bound)(operand)
    if operator in SEARCH:
        if not isinstance(operand, str):
            raise ValueError(f"{operator} takes text")
        return require_storable(operand)
    if operand is None:
        raise ValueError("Use is_null to test for null")
    value = read(operand)
    return _all_spellings(column, (value,)) if column.spellings else value


def _all_spellings(column: ColumnShape, values: tuple[Any, ...]) -> tuple[Any, ...]:
    """The values in every form in which the database may store them."""
    spellings = column.spellings
    if not spellings:
        return values
    return tuple(spelling for value in values for spelling in spellings[value])


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in {"true", "1", "false", "0"}:
        return value.lower() in {"true", "1"}
    raise ValueError("is_null must be true or false")
