"""The values that JSON is compared with, and the comparisons that their types make."""

import math
from typing import Any

from colonnade.models import require_storable
from colonnade.query._filters import AnyOf, Compare, Node, Not
from colonnade.query._operators import MAX_LIST_VALUES, SEARCH, Operator
from colonnade.query._values import read_value
from colonnade.query.inside_json._json_paths import JSONPath
from colonnade.query.inside_json._json_types import JSONType, ScalarKind

_INT64 = range(-(2**63), 2**63)


def require_list(operator: str, operand: Any) -> list[Any]:
    """The operand of ``in``, ``not_in`` or ``overlaps``.

    Raises:
        ValueError: It is not a list, or has too many values.
    """
    if not isinstance(operand, list):
        raise ValueError(f"{operator} takes a list")  # noqa: TRY004 - the value is bad, not a type
    if len(operand) > MAX_LIST_VALUES:
        raise ValueError(f"{operator} takes at most {MAX_LIST_VALUES} values, got {len(operand)}")
    return operand


def element_operand(element: JSONType, operator: Operator, operand: Any) -> Any:
    """The value, or the tuple of values, to find in a list.

    Args:
        element: The type of the elements.
        operator: ``contains`` or ``overlaps``.
        operand: The parsed JSON, or text.

    Raises:
        ValueError: A value does not have the type of the elements.
    """
    read = _scalar if element.form == "any" else read_value(element.shape)
    if operator == "overlaps":
        return tuple(read(item) for item in require_list(operator, operand))
    if isinstance(operand, list | dict):
        raise ValueError("contains takes one element. Combine several with and")  # noqa: TRY004 - the value is bad, not a type
    return read(operand)


def any_type_comparison(path: JSONPath, operator: Operator, operand: Any) -> tuple[Node, list[Any]]:
    """The comparison of a value whose annotation allows every type: the operand's type decides.

    Args:
        path: The value.
        operator: The operator.
        operand: The parsed JSON.

    Raises:
        ValueError: The operator does not take the operand.
    """
    if operator in {"in", "not_in"}:
        return _membership(path, operator, require_list(operator, operand))
    if operator == "overlaps":
        values = tuple(map(_scalar, require_list(operator, operand)))
        return Compare(path.as_list(), operator), [values]
    if operator in SEARCH and operator != "contains":
        return Compare(path.of_type("text"), operator), [_text(operator, operand)]
    value = _scalar(operand)
    if operator == "contains":
        in_list = Compare(path.as_list(), operator)
        if not isinstance(value, str):
            return in_list, [value]
        return AnyOf((in_list, Compare(path.of_type("text"), operator))), [value, value]
    kind = _kind(value)
    if kind == "boolean" and operator not in {"eq", "ne"}:
        raise ValueError(f"{operator} does not apply to true and false")
    return Compare(path.of_type(kind), operator), [value]


def _membership(path: JSONPath, operator: Operator, operand: list[Any]) -> tuple[Node, list[Any]]:
    by_kind: dict[ScalarKind, list[Any]] = {}
    for value in map(_scalar, operand):
        by_kind.setdefault(_kind(value), []).append(value)
    nodes = tuple(Compare(path.of_type(kind), "in") for kind in by_kind)
    matches: Node = nodes[0] if len(nodes) == 1 else AnyOf(nodes)
    values = [tuple(values) for values in by_kind.values()]
    return (Not(matches) if operator == "not_in" else matches), [*values]


def _kind(value: Any) -> ScalarKind:
    if isinstance(value, bool):
        return "boolean"
    return "text" if isinstance(value, str) else "number"


def _text(operator: Operator, value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{operator} takes text")  # noqa: TRY004 - the value is bad, not a type
    return require_storable(value)


def _finite(value: float) -> float:
    """A number with more than 64 bits as a float."""
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError("A number must be finite, and smaller than 1.8e308")
    return number


def _scalar(value: Any) -> str | float | bool:
    """A text, number or boolean of JSON."""
    if isinstance(value, str):
        return require_storable(value)
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and value in _INT64:
        return value
    if isinstance(value, int | float):
        return _finite(value)
    if value is None:
        raise ValueError("Use is_null to test for null")
    raise ValueError("A JSON value can be compared with a text, a number, true or false")
