"""PostgreSQL's types that SQLite lacks: addresses, ranges, arrays, domains and others.

Types are recognized by their names, since importing SQLAlchemy's dialect takes 20 ms.
"""

import ipaddress
from collections.abc import Mapping
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic.networks import IPvAnyAddress, IPvAnyInterface, IPvAnyNetwork
from sqlalchemy import BigInteger, Date, DateTime, Integer, Numeric
from sqlalchemy.types import TypeEngine

from colonnade._sqlalchemy_compat import variants_of
from colonnade.backends import Backend

SCALARS: Mapping[str, tuple[Any, ...]] = {
    "INET": (
        str, ipaddress.IPv4Address, ipaddress.IPv6Address, ipaddress.IPv4Interface,
        ipaddress.IPv6Interface, IPvAnyAddress, IPvAnyInterface,
    ),
    "CIDR": (str, ipaddress.IPv4Network, ipaddress.IPv6Network, IPvAnyNetwork),
    "MACADDR": (str,),
    "MACADDR8": (str,),
    "BIT": (str,),
    "MONEY": (str,),
}  # fmt: skip
"""Types with an order whose values are text, or addresses, and the annotations that they hold."""

RANGES: Mapping[str, tuple[TypeEngine[Any], str]] = {
    "INT4RANGE": (Integer(), "int"),
    "INT8RANGE": (BigInteger(), "int"),
    "NUMRANGE": (Numeric(), "Decimal"),
    "DATERANGE": (Date(), "date"),
    "TSRANGE": (DateTime(), "datetime"),
    "TSTZRANGE": (DateTime(timezone=True), "datetime"),
}
"""The types of ranges, each with the type of its bounds, and the name of their annotation."""

MULTIRANGES: Mapping[str, str] = {name.replace("RANGE", "MULTIRANGE"): name for name in RANGES}
"""The types of lists of ranges, each with the type of its ranges."""

TEXT_FORMS = frozenset(
    ("HSTORE", "JSONPATH", "REGCLASS", "REGCONFIG", "TSQUERY", "TSVECTOR", "null")
)
"""Types that are read in PostgreSQL's text form, whose errors it does not report as bad values."""


def type_name(kind: TypeEngine[Any]) -> str:
    """The name of a type, such as ``INET``; for generic types a name in lower case."""
    return str(getattr(kind, "__visit_name__", ""))


def type_on(kind: TypeEngine[Any], backend: Backend) -> TypeEngine[Any]:
    """The type that a column has on a database: its variant, without the domains around it."""
    stored: Any = variants_of(kind).get(backend, kind)
    while type_name(stored) == "DOMAIN":
        stored = stored.data_type
    return stored  # type: ignore[no-any-return]  # a domain does not declare its type


def declare_operators(kind: Any) -> None:
    """Give a domain the operators of its type; SQLAlchemy 2.1 warns of a domain without any."""
    if type_name(kind) == "DOMAIN":
        kind.operator_classes = type_on(kind, "postgresql").operator_classes


def is_range(annotation: Any) -> bool:
    """Whether an annotation is SQLAlchemy's ``Range``, with or without the type of its bounds."""
    kind = get_origin(annotation) or annotation
    module = getattr(kind, "__module__", "")
    return module == "sqlalchemy.dialects.postgresql.ranges" and kind.__name__ == "Range"


def range_type(kind: TypeEngine[Any]) -> TypeEngine[Any]:
    """The type of the ranges in a multirange."""
    from sqlalchemy.dialects import postgresql  # 20 ms, and needed only here

    ranges: TypeEngine[Any] = getattr(postgresql, MULTIRANGES[type_name(kind)])()
    return ranges


def holds_scalar(name: str, annotation: Any) -> bool:
    """Whether a type of ``SCALARS`` holds the values of an annotation, which may be a union."""
    is_union = get_origin(annotation) in (Union, UnionType)
    members = get_args(annotation) if is_union else (annotation,)
    return all(member in SCALARS[name] for member in members)


def native_python_type(kind: TypeEngine[Any]) -> Any:
    """The annotation of a type of PostgreSQL that drivers return; None for other types."""
    name = type_name(kind)
    if name in ("INET", "CIDR"):
        return Union[tuple(item for item in SCALARS[name] if item.__module__ == "ipaddress")]  # noqa: UP007 - only known at run time
    if name in SCALARS:
        return str
    if name not in RANGES and name not in MULTIRANGES:
        return None
    from sqlalchemy.dialects.postgresql import Range  # loaded with the type

    bound: Any = RANGES[MULTIRANGES.get(name, name)][0].python_type
    ranges: Any = Range[bound]
    return ranges if name in RANGES else list[ranges]
