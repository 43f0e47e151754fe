"""``FilterReader``: parses the filters of a request into a tree of conditions and their values."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pydantic import ValidationError
from pydantic_core import from_json

from colonnade.errors import QueryError, error_entry
from colonnade.models import ColumnShape, require_storable
from colonnade.query._filters import All, AnyOf, Compare, Filter, Node, Not, Related
from colonnade.query._operators import LISTS, OPERATORS, SEARCH, Operator
from colonnade.query._path_reader import PathError, read_lookup
from colonnade.query._paths import FieldPath
from colonnade.query._queryable_tables import QueryableTable, did_you_mean
from colonnade.query._values import range_bound, read_value
from colonnade.query.inside_json._json_operands import (
    any_type_comparison,
    element_operand,
    require_list,
)
from colonnade.query.inside_json._json_paths import JSONPath

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
        if parameter.operator in LISTS:
            operand: Any = [value for text in texts for value in split_list(text)]
        elif len(texts) > 1:
            self._add_error(("query", name), "repeated", f"{name} can be used only once", texts)
            return
        else:
            operand = texts[0]
        path, operator = parameter.path, parameter.operator
        if isinstance(path, JSONPath) and path.takes_every_type:
            operand = _untyped_operand(operator, operand, texts)
        node: Node | None = self._compare(path, operator, operand, ("query", name))
        if isinstance(path, JSONPath) and path.takes_every_type and operator == "contains":
            element = json_operand(operand)  # an element may be a number as well
            if element != operand:
                other = self._compare(path, operator, element, ("query", name))
                node = None if node is None or other is None else AnyOf((node, other))
        for relation in reversed(parameter.relations):
            node = None if node is None else Related(relation, node)
        if node is not None:
            self.nodes.append(node)

    def parse_where(self, text: str, name: str = "where") -> None:
        """Parse the JSON of a parameter with conditions.

        Args:
            text: The JSON.
            name: The parameter.
        """
        loc = ("query", name)
        try:
            condition = from_json(text, allow_inf_nan=False)
        except ValueError as error:
            self._add_error(loc, "json_invalid", f"{name} is not valid JSON: {error}", text)
            return
        repeated = _repeated_name(text)
        if repeated is not None:
            message = f'{repeated!r} occurs twice in one object. Combine conditions with "and"'
            self._add_error(loc, "repeated", message, text)
            return
        node = self._parse_object(condition, self.queryable, loc, 0)
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
        try:
            lookup = read_lookup(name, queryable, whole=False)
        except PathError as error:
            self._add_error(loc, "unknown_field", str(error), value)
            return None
        if lookup is None:
            self._add_error(loc, "unknown_field", self.unknown_field(name, queryable), value)
            return None
        node: Node | None
        if lookup.operator is None and isinstance(value, dict):
            node = self._parse_operators(lookup.path, value, loc, depth)
        else:
            node = self._compare(lookup.path, lookup.operator or "eq", value, loc)
        for relation in reversed(lookup.relations):
            node = None if node is None else Related(relation, node)
        return node

    def unknown_field(self, name: str, queryable: QueryableTable) -> str:
        """The message for a name in ``where`` that is not a field."""
        known = [*queryable.columns, *queryable.relations]
        return f"Unknown field {name}.{did_you_mean(name, known)}"

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
        self, path: FieldPath, value: dict[str, Any], loc: tuple[Any, ...], depth: int
    ) -> Node | None:
        nodes = []
        for name, operand in value.items():
            operator = next((known for known in OPERATORS if known == name), None)
            member = path.child(name) if isinstance(path, JSONPath) else None
            node: Node | None = None
            if operator is not None and (operator in path.operators or member is None):
                node = self._compare(path, operator, operand, (*loc, name))
            elif member is not None:
                node = self._parse_json_member(member, operand, (*loc, name), depth + 1)
            else:
                known = [*OPERATORS, *(path.names if isinstance(path, JSONPath) else ())]
                message = f"Unknown operator {name}.{did_you_mean(name, known)}"
                self._add_error((*loc, name), "unknown_operator", message, operand)
            if node is not None:
                nodes.append(node)
        return nodes[0] if len(nodes) == 1 else All(tuple(nodes))

    def _parse_json_member(
        self, path: FieldPath, operand: Any, loc: tuple[Any, ...], depth: int
    ) -> Node | None:
        if depth > MAX_WHERE_DEPTH:
            message = f"where is nested more than {MAX_WHERE_DEPTH} levels deep"
            self._add_error(loc, "too_deep", message, None)
            return None
        if isinstance(operand, dict):
            return self._parse_operators(path, operand, loc, depth)
        return self._compare(path, "eq", operand, loc)

    def _compare(
        self, path: FieldPath, operator: Operator, operand: Any, loc: tuple[Any, ...]
    ) -> Node | None:
        self._conditions += 1
        if self._conditions > MAX_CONDITIONS:
            self._too_many(loc, self._conditions, "conditions")
            return None
        if operator not in path.operators:
            allowed = ", ".join(path.operators)
            message = f"{operator} does not apply to {path.text}. Use one of {allowed}"
            self._add_error(loc, "unknown_operator", message, operand)
            return None
        try:
            if operator == "is_null":
                return Compare(path, operator, negated=not _boolean(operand))
            node, values = _comparison(path, operator, operand)
        except ValidationError as error:
            for detail in error.errors(include_url=False, include_context=False):
                self._add_error(loc, detail["type"], detail["msg"], detail["input"])
            return None
        except ValueError as error:
            self._add_error(loc, "value_error", str(error), None)
            return None
        self.values += values
        return node

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
        relations: The relations that it crosses.
        path: The field.
        operator: The comparison.
    """

    relations: tuple[str, ...]
    path: FieldPath
    operator: Operator


def read_parameter(name: str, queryable: QueryableTable) -> Parameter | None:
    """The filter that a query parameter stands for; None if it does not name a field.

    Raises:
        PathError: It names a field, but goes on with something that the field does not have.
    """
    lookup = read_lookup(name, queryable)
    if lookup is None:
        return None
    return Parameter(lookup.relations, lookup.path, lookup.operator or "eq")


def filter_parameters(
    queryable: QueryableTable, reserved: frozenset[str]
) -> Iterator[tuple[str, Parameter]]:
    """The usual filter parameters of a table: of its fields, and those of its relations.

    Others are read by ``read_parameter``.

    Args:
        queryable: The table.
        reserved: Names with another meaning: ``limit`` is not a filter, ``limit__eq`` is.
    """
    yield from _field_parameters(queryable, (), reserved)
    for name, target in queryable.relations.items():
        yield from _field_parameters(target.queryable, (name,), frozenset())


def _field_parameters(
    queryable: QueryableTable, relations: tuple[str, ...], reserved: frozenset[str]
) -> Iterator[tuple[str, Parameter]]:
    paths = [*queryable.paths.values(), *queryable.aggregates.values()]
    lengths = (
        path.child("length")
        for path in paths
        if isinstance(path, JSONPath) and path.type.form == "list"
    )
    for path in (*paths, *(length for length in lengths if length is not None)):
        name = "__".join((*relations, *path.text.split(".")))
        for operator in path.operators:
            parameter = Parameter(relations, path, operator)
            if operator == "eq" and name not in reserved:
                yield name, parameter
            yield f"{name}__{operator}", parameter


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


def _untyped_operand(operator: Operator, operand: Any, texts: list[str]) -> Any:
    """The operand of a value whose annotation allows every JSON type."""
    if isinstance(operand, list):
        is_json = any(text.startswith("[") for text in texts)
        return operand if is_json else [json_operand(value) for value in operand]
    return operand if operator in SEARCH else json_operand(operand)


def json_operand(text: Any) -> Any:
    """The JSON value of a text in a query string: a number, true or false, or the text itself."""
    if not isinstance(text, str):
        return text
    try:
        value = from_json(text, allow_inf_nan=False)
    except ValueError:
        return text
    return value if isinstance(value, str | int | float) else text


def _comparison(path: FieldPath, operator: Operator, operand: Any) -> tuple[Node, list[Any]]:
    """The node of a comparison, and the values that it compares with."""
    if isinstance(path, JSONPath):
        if path.takes_every_type:
            return any_type_comparison(path, operator, operand)
        if path.type.form == "list":
            return Compare(path, operator), [element_operand(path.type.element, operator, operand)]
    return Compare(path, operator), [_operand(path.shape, operator, operand)]


def _operand(column: ColumnShape, operator: Operator, operand: Any) -> Any:
    """The value, or tuple of values, to compare a column with."""
    read = read_value(column)
    if operator in LISTS:
        operand = require_list(operator, operand)
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
