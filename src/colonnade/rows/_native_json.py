"""The SQL expressions that write PostgreSQL's arrays, ranges and scalars as JSON text.

Each expression is NULL for NULL. A value that the annotation of its column does not have, such as
an IPv6 address where it says ``IPv4Address``, makes the statement fail: see
``responses/_unreadable.py``.
"""

from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Any

from sqlalchemy import ARRAY, Integer, Text, case, cast, column, func, literal_column, null, select
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.types import TypeEngine

from colonnade.backends import Backend
from colonnade.query import quoted
from colonnade.rows._json_sql import JSONText

ToJSON = Callable[[ColumnElement[Any], Backend], JSONText]


def failing(value: ColumnElement[Any]) -> JSONText:
    """A cast that fails for every value of the type, unless it is NULL."""
    return cast(cast(cast(value, Text()), Integer()), Text())


def plain_array_json(*, allows_null: bool) -> ToJSON:
    """An array whose items ``to_json`` writes exactly."""

    def to_json(array: ColumnElement[Any], backend: Backend) -> JSONText:
        unexpected: list[Any] = [(_dimensions(array) > literal_column("1"), failing(array))]
        if not allows_null:
            has_null = func.array_position(array, null()).is_not(None)
            unexpected.append((has_null, failing(array)))
        return case(*unexpected, else_=cast(func.to_json(array), Text()))

    return to_json


def array_json(item_json: ToJSON, item_type: TypeEngine[Any], *, allows_null: bool) -> ToJSON:
    """An array whose items are written by an expression for each of them."""

    def to_json(array: ColumnElement[Any], backend: Backend) -> JSONText:
        nested: Any = (_dimensions(array) > literal_column("1"), failing(array))
        written = _list_json(array, item_json, item_type, backend, allows_null=allows_null)
        return case(nested, (array.is_not(None), written))

    return to_json


def multirange_json(range_json_: ToJSON, range_type: TypeEngine[Any]) -> ToJSON:
    """A multirange, as an array of its ranges."""

    def to_json(ranges: ColumnElement[Any], backend: Backend) -> JSONText:
        written = _list_json(ranges, range_json_, range_type, backend, allows_null=True)
        return case((ranges.is_not(None), written))

    return to_json


def _dimensions(array: ColumnElement[Any]) -> ColumnElement[int]:
    """The number of dimensions; NULL if the array is empty."""
    return func.array_ndims(array, type_=Integer())


def _list_json(
    values: ColumnElement[Any],
    item_json: ToJSON,
    item_type: TypeEngine[Any],
    backend: Backend,
    *,
    allows_null: bool,
) -> JSONText:
    items = func.unnest(values).table_valued(
        column("item", item_type), with_ordinality="position", joins_implicitly=True
    )
    items = items.render_derived("items")
    text = item_json(items.c.item, backend)
    text = func.coalesce(text, quoted("null") if allows_null else failing(values), type_=Text())
    texts: Any = func.string_agg(text, quoted(","))
    joined = select(texts.aggregate_order_by(items.c.position)).scalar_subquery()
    return quoted("[") + func.coalesce(joined, quoted(""), type_=Text()) + quoted("]")


def nested_array_json(array: ColumnElement[Any], backend: Backend) -> JSONText:
    """An array of arrays, with numbers as text, since a float would round them."""
    kind: Any = array.type
    is_decimal = getattr(kind.item_type, "asdecimal", False)
    return cast(func.to_json(cast(array, ARRAY(Text())) if is_decimal else array), Text())


def range_json(bound_json: ToJSON, bound_type: TypeEngine[Any]) -> ToJSON:
    """A range, as Pydantic writes SQLAlchemy's ``Range``."""

    def to_json(stored: ColumnElement[Any], backend: Backend) -> JSONText:
        def bound(name: str) -> JSONText:
            value: Any = getattr(func, name)(stored, type_=bound_type)
            return func.coalesce(bound_json(value, backend), quoted("null"), type_=Text())

        is_empty: Any = func.isempty(stored)
        starts = (case((func.lower_inc(stored), quoted("[")), else_=quoted("(")), "[")
        ends = (case((func.upper_inc(stored), quoted("]")), else_=quoted(")")), ")")
        opening, closing = (
            case((is_empty, quoted(mark)), else_=written) for written, mark in (starts, ends)
        )
        written = (
            quoted('{"lower":') + bound("lower") + quoted(',"upper":') + bound("upper")
            + quoted(',"bounds":"') + opening + closing + quoted('","empty":')
            + cast(is_empty, Text()) + quoted("}")
        )  # fmt: skip
        return case((stored.is_not(None), written))

    return to_json


def scalar_json(value: ColumnElement[Any], backend: Backend) -> JSONText:
    """A scalar as PostgreSQL writes it."""
    return cast(func.to_json(value), Text())


def _address_json(address: ColumnElement[Any], backend: Backend) -> JSONText:
    is_address = case((_is_ipv4(address), func.masklen(address) == literal_column("32")))
    return case((is_address, scalar_json(address, backend)), else_=failing(address))


def _interface_json(address: ColumnElement[Any], backend: Backend) -> JSONText:
    # Unlike to_json, a cast always writes the length of the network.
    text = quoted('"') + cast(address, Text()) + quoted('"')
    return case((_is_ipv4(address), text), else_=failing(address))


def _network_json(address: ColumnElement[Any], backend: Backend) -> JSONText:
    return case((_is_ipv4(address), scalar_json(address, backend)), else_=failing(address))


def _is_ipv4(address: ColumnElement[Any]) -> ColumnElement[bool]:
    return func.family(address) == literal_column("4")


SCALAR_JSON: dict[Any, ToJSON] = {
    str: scalar_json,
    IPv4Address: _address_json,
    IPv4Interface: _interface_json,
    IPv4Network: _network_json,
}
"""The annotations of scalars that PostgreSQL writes like Python. It shortens IPv6 differently."""
