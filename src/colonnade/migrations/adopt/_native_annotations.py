"""The annotations of PostgreSQL's own types: those of the values that the drivers return."""

from sqlalchemy.types import TypeEngine

from colonnade.models import MULTIRANGES, RANGES, SCALARS, type_name

_ADDRESSES = {
    "INET": "IPv4Address | IPv6Address | IPv4Interface | IPv6Interface",
    "CIDR": "IPv4Network | IPv6Network",
}


def native_annotation(column_type: TypeEngine[object]) -> str | None:
    """The annotation of a type that only PostgreSQL has; None for other types.

    Args:
        column_type: The type.
    """
    name = type_name(column_type)
    if name in SCALARS:
        return _ADDRESSES.get(name, "str")
    if name in RANGES:
        return f"Range[{RANGES[name][1]}]"
    if name in MULTIRANGES:
        return f"list[Range[{RANGES[MULTIRANGES[name]][1]}]]"
    return "int" if name == "OID" else None
