"""Time buckets equal those of ``zoneinfo``, over two years of zones that change their clocks."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import product
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import DateTime

from colonnade import STANDARD, Database, Field, Resource, SQLModel
from tests.query.work import as_json
from tests.resources.sample_app import serving

ZONES = ["UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kolkata"]
UNITS = ["hour", "day", "week", "month", "quarter", "year"]
CHANGES = [
    datetime(2025, 3, 30, 1, tzinfo=UTC),  # Berlin
    datetime(2025, 10, 26, 1, tzinfo=UTC),
    datetime(2026, 3, 8, 5, 30, tzinfo=UTC),  # St. John's
    datetime(2026, 11, 1, 4, 30, tzinfo=UTC),
    datetime(2026, 4, 4, 15, tzinfo=UTC),  # Lord Howe, by half an hour
    datetime(2025, 10, 4, 15, 30, tzinfo=UTC),
    datetime(2025, 12, 31, 23, 30, tzinfo=UTC),
]


@dataclass
class Events:
    """An app with events, each of which has a datetime, a naive one and a date."""

    db: Database
    client: TestClient
    model: Any

    def store(self, rows: list[dict[str, Any]]) -> None:
        """Replace all rows."""
        with self.db.engine.begin() as connection:
            connection.execute(self.model.__table__.delete())
            for key, row in enumerate(rows, 1):
                connection.execute(self.model.__table__.insert(), {"id": key, **row})

    def groups(self, query: dict[str, str]) -> Any:
        """The groups of a request, which has to succeed."""
        response = self.client.get("/events:aggregate", params={"limit": "1000", **query})
        assert response.status_code == 200, (query, response.text)
        return response.json()


@pytest.fixture
def events(db: Database) -> Iterator[Events]:
    class Event(SQLModel, table=True):
        id: int = Field(primary_key=True)
        at: datetime | None = None
        local: datetime | None = Field(default=None, sa_type=DateTime)
        day: date | None = None
        kind: str = "a"
        amount: int = 1

    db.create_all()
    with serving(Resource(Event, db, operations=STANDARD | {"aggregate"})) as client:
        yield Events(db, client, Event)


def bucket(value: Any, unit: str, zone: str) -> Any:
    """The period of a datetime or date, in plain Python."""
    if value is None:
        return None
    local = value
    if isinstance(value, datetime):
        local = value if value.tzinfo is None else value.astimezone(ZoneInfo(zone))
        if unit == "hour":
            return value - timedelta(
                minutes=local.minute, seconds=local.second, microseconds=local.microsecond
            )
        local = local.date()
    year, month = local.year, local.month
    return {
        "day": local,
        "week": local - timedelta(days=local.weekday()),
        "month": date(year, month, 1),
        "quarter": date(year, {0: 1, 1: 4, 2: 7, 3: 10}[(month - 1) // 3], 1),
        "year": date(year, 1, 1),
    }[unit]


def periods(first: Any, last: Any, unit: str, zone: str) -> list[Any]:
    """Every period from that of one value to that of another one."""
    step = timedelta(minutes=15) if unit == "hour" else timedelta(days=1)
    if unit != "hour":
        first, last = bucket(first, "day", zone), bucket(last, "day", zone)
    seen = {bucket(last, unit, zone)} if first <= last else set()
    while first <= last:
        seen.add(bucket(first, unit, zone))
        first += step
    return sorted(seen)


moments = st.one_of(
    st.datetimes(datetime(2025, 1, 1), datetime(2026, 12, 31)).map(
        lambda moment: moment.replace(tzinfo=UTC)
    ),
    st.builds(
        lambda change, minutes: change + timedelta(minutes=minutes),
        st.sampled_from(CHANGES),
        st.integers(-200, 200),
    ),
)


def row_of(moment: datetime | None, kind: str) -> dict[str, Any]:
    """An event at a time, by all three clocks."""
    naive = None if moment is None else moment.replace(tzinfo=None)
    day = None if moment is None else moment.date()
    return {"at": moment, "local": naive, "day": day, "kind": kind, "amount": 2}


rows_of_events = st.lists(
    st.builds(row_of, st.none() | moments, st.sampled_from("ab")), min_size=1, max_size=12
)


def with_none_last(values: Any) -> tuple[Any, ...]:
    """A sort key for texts and None."""
    return tuple((value is None, value or "") for value in values)


@settings(
    max_examples=15,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(rows=rows_of_events)
def test_buckets_equal_those_of_zoneinfo(events: Events, rows: list[dict[str, Any]]) -> None:
    events.store(rows)
    for column, unit in [*product(("at", "local"), UNITS), *product(("day",), UNITS[1:])]:
        for zone in ZONES if column == "at" else ZONES[3:4]:
            counted: dict[Any, int] = {}
            for row in rows:
                start = as_json(bucket(row[column], unit, zone))
                counted[start] = counted.get(start, 0) + 1
            query = {"group_by": f"{column}.{unit}", "aggregate": "count", "tz": zone}
            assert events.groups(query) == [
                {f"{column}.{unit}": start, "count": counted[start]}
                for start in sorted(counted, key=lambda start: with_none_last([start]))
            ], query


@st.composite
def fillings(draw: st.DrawFn) -> dict[str, Any]:
    """A request that fills buckets, perhaps bounded by filters."""
    column = draw(st.sampled_from(["at", "at", "local", "day"]))
    unit = draw(st.sampled_from(UNITS if column != "day" else UNITS[1:]))
    start = draw(moments)
    bounds = draw(
        st.sampled_from([("gte", "lt"), ("gt", "lte")] if unit in {"hour", "day"} else
                        [(), ("gte",), ("lt",), ("gte", "lt"), ("gt", "lte")])
    )  # fmt: skip
    length = timedelta(days=2) if unit == "hour" else timedelta(days=draw(st.integers(0, 300)))
    ends = {"gte": start, "gt": start, "lt": start + length, "lte": start + length}
    return {
        "column": column,
        "unit": unit,
        "zone": draw(st.sampled_from(ZONES)),
        "bounds": {operator: clock_of(ends[operator], column) for operator in bounds},
        "by_kind": draw(st.booleans()),
    }


def clock_of(moment: datetime, column: str) -> Any:
    """A time as a value of a column."""
    if column == "at":
        return moment
    return moment.date() if column == "day" else moment.replace(tzinfo=None)


def filled(rows: list[dict[str, Any]], filling: dict[str, Any]) -> list[dict[str, Any]]:
    """The groups, with those of empty buckets, in plain Python."""
    column, unit, zone = filling["column"], filling["unit"], filling["zone"]
    bounds = filling["bounds"]
    tests = {
        "gte": lambda value, end: value >= end,
        "gt": lambda value, end: value > end,
        "lt": lambda value, end: value < end,
        "lte": lambda value, end: value <= end,
    }
    rows = [
        row
        for row in rows
        if all(
            row[column] is not None and tests[operator](row[column], end)
            for operator, end in bounds.items()
        )
    ]
    values = [row[column] for row in rows if row[column] is not None]
    smallest = timedelta(days=1) if column == "day" else timedelta(microseconds=1)
    first = bounds.get("gte", min(values, default=None))
    if "gt" in bounds:
        first = bounds["gt"] + smallest
    last = bounds.get("lte", max(values, default=None))
    if "lt" in bounds:
        last = bounds["lt"] - smallest
    has_none = first is None or last is None or first > last
    starts = [] if has_none else periods(first, last, unit, zone)
    kinds = sorted({row["kind"] for row in rows}) if filling["by_kind"] else [None]
    groups = {(start, kind): 0 for start in starts for kind in kinds}
    for row in rows:
        key = (bucket(row[column], unit, zone), row["kind"] if filling["by_kind"] else None)
        groups[key] = groups.get(key, 0) + 1
    return sorted(
        (
            {f"{column}.{unit}": as_json(start)}
            | ({"kind": kind} if filling["by_kind"] else {})
            | {"count": count, "amount.sum": 2 * count, "amount.avg": 2.0 if count else None}
            for (start, kind), count in groups.items()
        ),
        key=lambda group: with_none_last([group[f"{column}.{unit}"], group.get("kind")]),
    )


@settings(
    max_examples=30,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(rows=rows_of_events, asks=st.lists(fillings(), min_size=1, max_size=4))
def test_filled_buckets_have_no_gaps(
    events: Events, rows: list[dict[str, Any]], asks: list[dict[str, Any]]
) -> None:
    events.store(rows)
    for filling in asks:
        column = filling["column"]
        query = {
            "group_by": f"{column}.{filling['unit']}" + (",kind" if filling["by_kind"] else ""),
            "aggregate": "count,amount.sum,amount.avg",
            "tz": filling["zone"],
            "fill": "true",
        }
        query |= {f"{column}__{name}": end.isoformat() for name, end in filling["bounds"].items()}
        assert events.groups(query) == filled(rows, filling), query


def test_hours_are_filled_across_a_change_of_the_clock_by_half_an_hour(events: Events) -> None:
    events.store([row_of(datetime(2026, 4, 4, hour, 10, tzinfo=UTC), "a") for hour in (14, 15, 17)])
    query = {"group_by": "at.hour", "aggregate": "count", "tz": "Australia/Lord_Howe"}
    assert [(group["at.hour"], group["count"]) for group in events.groups(query | FILL)] == [
        ("2026-04-04T14:00:00Z", 1),
        ("2026-04-04T14:30:00Z", 1),
        ("2026-04-04T15:30:00Z", 0),
        ("2026-04-04T16:30:00Z", 1),
    ]


FILL = {"fill": "true"}


@pytest.mark.parametrize(
    "bounds",
    [
        {"day__gte": "2025-03-26", "day__lt": "2025-03-26"},  # in the middle of a week
        {"day__gt": "2025-03-26", "day__lte": "2025-03-26"},
        {"day__gte": "2025-03-31", "day__lt": "2025-03-31"},  # a Monday
        {"day__gte": "2025-04-20", "day__lte": "2025-03-01"},
        {"at__gte": "2025-03-26T10:00:00Z", "at__lt": "2025-03-26T10:00:00Z"},
    ],
)
def test_filters_that_allow_no_time_have_no_buckets(events: Events, bounds: dict[str, str]) -> None:
    events.store([row_of(datetime(2025, 3, 26, tzinfo=UTC), "a")])
    column = next(iter(bounds)).partition("_")[0]
    for unit in UNITS[1:]:
        query = {"group_by": f"{column}.{unit}", "aggregate": "count"}
        assert events.groups(query | FILL | bounds) == []


def test_bounds_at_the_ends_of_the_calendar_are_no_errors(events: Events) -> None:
    events.store([row_of(datetime(2026, 1, 1, tzinfo=UTC), "a")])
    bounds: list[dict[str, str]] = [
        {"day__lt": "0001-01-01"},
        {"at__lt": "0001-01-01T00:00:00Z"},
        {"at__lt": "0001-01-01T00:00:00.000001Z"},
        {"at__gt": "9999-12-31T23:59:59Z"},
        {"at": "9999-12-31T23:59:59Z"},
    ]
    for zone, bound in product(["UTC", "Europe/Berlin", "America/St_Johns"], bounds):
        column = next(iter(bound)).partition("_")[0]
        query = {"group_by": f"{column}.month", "aggregate": "count", "tz": zone}
        assert all(group["count"] == 0 for group in events.groups(query | FILL | bound))


def test_more_buckets_than_a_request_may_have_are_refused(events: Events) -> None:
    events.store([row_of(datetime(year, 1, 1, tzinfo=UTC), "a") for year in (2024, 2026)])
    query = {"group_by": "at.hour", "aggregate": "count", **FILL}
    response = events.client.get("/events:aggregate", params=query)
    assert response.status_code == 422
    assert "more than 10,000 groups" in response.json()["detail"]
