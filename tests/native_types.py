"""Columns of PostgreSQL's types for tests: their annotations, their values and their order."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import cmp_to_key
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, ip_interface
from typing import Any, Literal, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from hypothesis import strategies as st
from pydantic.networks import IPvAnyAddress, IPvAnyNetwork
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import Range


class NativeKind(NamedTuple):
    """A kind of column.

    Attributes:
        annotation: The annotation of the field.
        type: The type of the column.
        values: The values of the field.
        order: The sort key of a value in PostgreSQL; None if a filter has no ``lt``.
    """

    annotation: Any
    type: Any
    values: st.SearchStrategy[Any]
    order: Callable[[Any], Any] | None = None


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
INTEGERS = st.integers(-(2**31), 2**31 - 2)
DECIMALS = st.decimals(-(10**6), 10**6, places=2)
DATES = st.dates(date(1, 1, 2), date(9999, 12, 30))
DATETIMES = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30))
MOMENTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))
SPANS = st.timedeltas(timedelta(days=-700_000), timedelta(days=2_900_000))
BOUNDS: st.SearchStrategy[Literal["()", "[)", "(]", "[]"]] = st.sampled_from(
    ["()", "[)", "(]", "[]"]
)


@st.composite
def ranges(draw: st.DrawFn, values: st.SearchStrategy[Any]) -> Range[Any]:
    """Ranges in every form that a body can have."""
    if draw(st.integers(0, 9)) == 0:
        return Range(empty=True)
    lower, upper = draw(st.none() | values), draw(st.none() | values)
    if lower is not None and upper is not None and lower > upper:
        lower, upper = upper, lower
    return Range(lower, upper, bounds=draw(BOUNDS))


def canonical(value: Any) -> Any:
    """A value as PostgreSQL stores it: ranges of integers and dates include their lower bound."""
    if isinstance(value, list):
        return [canonical(item) for item in value]
    if not isinstance(value, Range) or value.empty:
        return value
    lower, upper = value.lower, value.upper
    starts = "(" if lower is None else value.bounds[0]
    ends = ")" if upper is None else value.bounds[1]
    step: Any = timedelta(days=1) if type(lower or upper) is date else 1
    if isinstance(lower if upper is None else upper, int) or type(lower or upper) is date:
        if starts == "(" and lower is not None:
            lower, starts = lower + step, "["
        if ends == "]":
            upper, ends = upper + step, ")"
    if lower is not None and upper is not None:
        is_point = lower == upper and starts + ends == "[]"
        if lower >= upper and not is_point:
            return Range(empty=True)
    return Range(lower, upper, bounds=starts + ends)  # type: ignore[arg-type]  # two of four marks


def _compare_addresses(first: Any, second: Any) -> int:
    """Compare addresses as PostgreSQL does: the bits of the shorter network come first.

    See ``network_cmp_internal`` in src/backend/utils/adt/network.c.
    """
    left, right = ip_interface(first), ip_interface(second)
    if left.version != right.version:
        return left.version - right.version
    lengths = left.network.prefixlen, right.network.prefixlen
    unused = left.max_prefixlen - min(lengths)
    keys = [
        (int(address.ip) >> unused, length, int(address.ip))
        for address, length in zip((left, right), lengths, strict=True)
    ]
    return (keys[0] > keys[1]) - (keys[0] < keys[1])


ADDRESS_ORDER = cmp_to_key(_compare_addresses)
NETWORKS = st.integers(0, 24).flatmap(
    lambda length: st.ip_addresses(v=4).map(lambda ip: IPv4Network((ip, length), strict=False))
)
INTERFACES = st.tuples(st.ip_addresses(v=4), st.integers(0, 32)).map(IPv4Interface)
SERIAL_NUMBERS = st.lists(st.integers(0, 255), min_size=6, max_size=6).map(
    lambda octets: ":".join(f"{octet:02x}" for octet in octets)
)

NATIVE_KINDS: dict[str, NativeKind] = {
    "texts": NativeKind(list[str], sa.ARRAY(sa.String), st.lists(TEXTS, max_size=3)),
    "optional_texts": NativeKind(
        list[str | None], sa.ARRAY(sa.Text), st.lists(st.none() | TEXTS, max_size=3)
    ),
    "integers": NativeKind(
        tuple[int, ...], sa.ARRAY(sa.Integer), st.lists(INTEGERS, max_size=3).map(tuple)
    ),
    "flags": NativeKind(list[bool], sa.ARRAY(sa.Boolean), st.lists(st.booleans(), max_size=3)),
    "floats": NativeKind(
        list[float],
        sa.ARRAY(sa.Float),
        st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=3),
    ),
    "prices": NativeKind(
        list[Decimal], sa.ARRAY(sa.Numeric(12, 2)), st.lists(DECIMALS, max_size=3)
    ),
    "keys": NativeKind(list[UUID], sa.ARRAY(sa.Uuid), st.lists(st.uuids(), max_size=3)),
    "days": NativeKind(list[date], sa.ARRAY(sa.Date), st.lists(DATES, max_size=3)),
    "times": NativeKind(list[time], sa.ARRAY(sa.Time), st.lists(st.times(), max_size=3)),
    "moments": NativeKind(
        list[datetime], sa.ARRAY(sa.DateTime(timezone=True)), st.lists(MOMENTS, max_size=3)
    ),
    "spans": NativeKind(list[timedelta], sa.ARRAY(sa.Interval), st.lists(SPANS, max_size=3)),
    "words": NativeKind(
        list[Literal["a", "b"]],
        sa.ARRAY(sa.Enum("a", "b", name="word")),
        st.lists(st.sampled_from(["a", "b"]), max_size=3),
    ),
    "addresses": NativeKind(
        list[IPv4Address], sa.ARRAY(postgresql.INET), st.lists(st.ip_addresses(v=4), max_size=3)
    ),
    "matrix": NativeKind(
        list[list[int]],
        sa.ARRAY(sa.Integer, dimensions=2),
        st.lists(st.tuples(INTEGERS, INTEGERS).map(list), max_size=3),
    ),
    "int4range": NativeKind(Range[int], postgresql.INT4RANGE(), ranges(INTEGERS)),
    "int8range": NativeKind(
        Range[int], postgresql.INT8RANGE(), ranges(st.integers(-(2**63), 2**63 - 2))
    ),
    "numrange": NativeKind(Range[Decimal], postgresql.NUMRANGE(), ranges(DECIMALS)),
    "daterange": NativeKind(Range[date], postgresql.DATERANGE(), ranges(DATES)),
    "tsrange": NativeKind(Range[datetime], postgresql.TSRANGE(), ranges(DATETIMES)),
    "tstzrange": NativeKind(Range[datetime], postgresql.TSTZRANGE(), ranges(MOMENTS)),
    "address": NativeKind(IPv4Address, postgresql.INET(), st.ip_addresses(v=4), ADDRESS_ORDER),
    "address6": NativeKind(IPv6Address, postgresql.INET(), st.ip_addresses(v=6), ADDRESS_ORDER),
    "any_address": NativeKind(IPvAnyAddress, postgresql.INET(), st.ip_addresses(), ADDRESS_ORDER),
    "either_address": NativeKind(
        IPv4Address | IPv6Address, postgresql.INET(), st.ip_addresses(), ADDRESS_ORDER
    ),
    "interface": NativeKind(IPv4Interface, postgresql.INET(), INTERFACES, ADDRESS_ORDER),
    "network": NativeKind(IPv4Network, postgresql.CIDR(), NETWORKS, ADDRESS_ORDER),
    "any_network": NativeKind(IPvAnyNetwork, postgresql.CIDR(), NETWORKS, ADDRESS_ORDER),
    "hardware": NativeKind(str, postgresql.MACADDR(), SERIAL_NUMBERS, str),
    "interval": NativeKind(timedelta, postgresql.INTERVAL(), SPANS, lambda span: span),
    "domain": NativeKind(
        int, postgresql.DOMAIN("whole", sa.Integer()), INTEGERS, lambda number: number
    ),
    "moment_domain": NativeKind(
        datetime,
        postgresql.DOMAIN("moment", sa.DateTime(timezone=True)),
        MOMENTS,
        lambda moment: moment,
    ),
    "list_domain": NativeKind(
        list[str], postgresql.DOMAIN("list", sa.ARRAY(sa.Text())), st.lists(TEXTS, max_size=3)
    ),
}
"""The served kinds of columns that only PostgreSQL has."""
