"""Parsing the values that PostgreSQL's scalars and ranges are compared with."""

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from ipaddress import ip_interface, ip_network
from typing import Annotated, Any

from pydantic import AfterValidator, PlainValidator, TypeAdapter, WithJsonSchema
from pydantic_core import from_json

from colonnade.models import ColumnShape, require_storable, type_name

_RANGE = re.compile(r"""\s*([\[(])\s*("[^"]*"|[^",]*?)\s*,\s*("[^"]*"|[^",]*?)\s*([\])])\s*""")
_SEPARATOR = re.compile(r"[:\-]")


def _internet_address(text: str) -> str:
    interface = ip_interface(_plain(text))
    is_single = interface.network.prefixlen == interface.max_prefixlen
    return str(interface.ip if is_single else interface)


def _network(text: str) -> str:
    return str(ip_network(_plain(text)))


def _plain(text: str) -> str:
    if "%" in text:
        raise ValueError(f"PostgreSQL stores no address with a scope id, such as {text!r}")
    return text


def _hardware_address(parts: int) -> Callable[[str], str]:
    def parse(text: str) -> str:
        octets = _SEPARATOR.split(text.lower())
        if len(octets) != parts or not all(re.fullmatch("[0-9a-f]{2}", item) for item in octets):
            example = ":".join(["08", "00", "2b", "01", "02", "03", "04", "05"][:parts])
            raise ValueError(f"Input should be a hardware address, such as {example}")
        return ":".join(octets)

    return parse


def _bits(text: str) -> str:
    if not re.fullmatch("[01]*", text):
        raise ValueError("Input should be a string of bits, such as 0101")
    return text


_PARSERS: dict[str, Callable[[str], str]] = {
    "INET": _internet_address,
    "CIDR": _network,
    "MACADDR": _hardware_address(6),
    "MACADDR8": _hardware_address(8),
    "BIT": _bits,
    "MONEY": require_storable,
}


def scalar_type(column: ColumnShape) -> Any:
    """The type of the values of a scalar that only PostgreSQL has."""
    if column.python_type is not str:
        return column.python_type
    return Annotated[str, AfterValidator(_PARSERS[type_name(column.stored_type)])]


def range_value_type(column: ColumnShape, bound_type: Any) -> Any:
    """The type of a range in a query: an object as in a body, or text such as ``[1,5)``.

    Args:
        column: The column.
        bound_type: The type of the values that its bounds are compared with.
    """
    ranges: TypeAdapter[Any] = TypeAdapter(column.python_type)
    bounds: TypeAdapter[Any] = TypeAdapter(bound_type | None)
    limit = RANGE_LIMITS.get(type_name(column.stored_type))

    def parse(value: Any) -> Any:
        parts = _range_parts(value) if isinstance(value, str) else value
        return _checked(ranges.validate_python(parts), bounds.validate_python, limit)

    schema = {"type": "string", "examples": ["[,)"]}
    return Annotated[column.python_type, PlainValidator(parse), WithJsonSchema(schema)]


RANGE_LIMITS: dict[str, Any] = {
    "INT4RANGE": 2**31 - 1,
    "INT8RANGE": 2**63 - 1,
    "DATERANGE": date.max,
}
"""The highest bounds of ranges. PostgreSQL stores [1,9] as [1,10), so no range includes them."""


def _checked(value: Any, check: Callable[[Any], Any], limit: Any) -> Any:
    """A range with checked bounds, or ValueError if PostgreSQL or Python could not read it."""
    if value.empty:
        return type(value)(empty=True)
    lower, upper = check(value.lower), check(value.upper)
    if lower is not None and upper is not None and lower > upper:
        raise ValueError("The lower bound of a range must not be greater than its upper bound")
    bounds = [bound for bound in (lower, upper) if bound is not None]
    includes_limit = (limit, "(") == (lower, value.bounds[0])
    includes_limit = includes_limit or (limit, "]") == (upper, value.bounds[1])
    if limit is not None and bounds and (max(bounds) > limit or includes_limit):
        raise ValueError(f"A range cannot include {limit}: use null for no limit")
    if isinstance(limit, int) and bounds and min(bounds) < -limit - 1:
        raise ValueError(f"A bound must be at least {-limit - 1}: use null for no limit")
    return type(value)(lower, upper, bounds=value.bounds)


def _range_parts(text: str) -> Any:
    """The object that a text in PostgreSQL's form stands for, or the JSON of an object."""
    if text.startswith("{"):
        with suppress(ValueError):
            return from_json(text)
    if text == "empty":
        return {"empty": True}
    match = _RANGE.fullmatch(text)
    if match is None:
        raise ValueError(
            "Input should be a range such as [1,5), where an empty side has no limit. Write "
            'several as a JSON array: ["[1,5)","[7,9)"]'
        )
    start, lower, upper, end = match.groups()
    sides = {"lower": lower.strip('"'), "upper": upper.strip('"')}
    return {**{name: side for name, side in sides.items() if side}, "bounds": start + end}
