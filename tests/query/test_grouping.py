"""Aggregates equal a plain Python model, on every database."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from colonnade import STANDARD, Database, Field, Resource, SQLModel
from colonnade.testing import counts
from tests.query.work import (
    Row,
    Rows,
    Visible,
    Work,
    as_json,
    in_order,
    work_rows,
    working,
)
from tests.resources.sample_app import serving

KEYS = [
    "status", "parent.day", "day.month", "parent.created_at.month", "subtasks.count",
    "is_urgent", "title", "size", "cost", "score", "created_at", "day", "owner_id",
    "project_id", "project.slug", "project.region.name", "parent.title", "parent.project.slug",
    "created_at.day", "created_at.hour", "created_at.year",
]  # fmt: skip
MEASURES = [
    "count", "size.sum", "size.avg", "size.min", "size.max", "size.count_distinct",
    "cost.sum", "cost.avg", "cost.max", "cost.count", "score.sum", "score.avg", "score.min",
    "title.min", "title.max", "title.count_distinct", "created_at.max", "day.min",
    "is_urgent.count_distinct", "status.count", "project.slug.count_distinct",
    "project.count", "project.owner_id.sum", "project.region.count", "parent.cost.sum",
    "project.tasks.count", "project.tasks.size.sum",
    "subtasks.count", "subtasks.cost.sum", "subtasks.created_at.max", "subtasks.size.avg",
    "subtasks.assignments.hours.sum", "subtasks.assignments.count",
    "assignments.count", "assignments.hours.sum", "assignments.hours.avg",
    "assignments.hours.min", "assignments.hours.count", "assignments.hours.count_distinct",
    "assignments.worker.count", "assignments.worker.rate.sum", "assignments.worker_id.max",
    "labels.count", "labels.name.min", "labels.name.count_distinct", "labels.tasks.count",
    "labels.tasks.cost.avg",
]  # fmt: skip
FILTERS: list[tuple[dict[str, str], Any]] = [
    ({}, lambda world, row: True),
    ({"status": "open"}, lambda world, row: row["status"] == "open"),
    (
        {"project__slug__in": "a,b"},
        lambda world, row: world.value("task", row, "project.slug") in ("a", "b"),
    ),
    (
        {"subtasks__count__gte": "1"},
        lambda world, row: world.aggregate([row], "subtasks.count") >= 1,
    ),
    (
        {"where": '{"not": {"labels": {"name": "x"}}}'},
        lambda world, row: (
            "x" not in [label["name"] for _, label in world.related("task", row, "labels")]
        ),
    ),
    ({"title__is_null": "true"}, lambda world, row: row["title"] is None),
]  # fmt: skip


@pytest.fixture
def work(db: Database) -> Iterator[Work]:
    with working(db) as work:
        yield work


def key_of(world: Visible, row: Row, key: str) -> Any:
    """The value of a task that a request groups by."""
    if key == "subtasks.count":
        return world.aggregate([row], key)
    outer, _, unit = key.rpartition(".")
    if not outer.endswith(("created_at", "day")):
        return world.value("task", row, key)
    moment = world.value("task", row, outer)
    if moment is None:
        return None
    if unit == "hour":
        return moment.replace(minute=0, second=0, microsecond=0)
    first = {"day": {}, "month": {"day": 1}, "year": {"month": 1, "day": 1}}[unit]
    day = moment.date() if outer.endswith("at") else moment
    return day.replace(**first)


def groups_of(world: Visible, tasks: list[Row], keys: list[str], measures: list[str]) -> list[Row]:
    """The groups of tasks, as Python values."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for task in tasks:
        groups.setdefault(tuple(key_of(world, task, key) for key in keys), []).append(task)
    if not keys:
        groups = {(): tasks}
    return [
        dict(zip(keys, values, strict=True))
        | {measure: world.aggregate(rows, measure) for measure in measures}
        for values, rows in groups.items()
    ]


@st.composite
def questions(draw: st.DrawFn) -> dict[str, Any]:
    """What to ask: groups, aggregates, filter, having, order and limit."""
    keys = draw(st.lists(st.sampled_from(KEYS), max_size=2, unique=True))
    others = [measure for measure in MEASURES if measure not in keys]
    measures = draw(st.lists(st.sampled_from(others), min_size=1, max_size=4, unique=True))
    names = draw(st.lists(st.sampled_from([*keys, *measures]), max_size=3, unique=True))
    return {
        "keys": keys,
        "measures": measures,
        "order": [draw(st.sampled_from(["", "-"])) + name for name in names],
        "filter": draw(st.integers(0, len(FILTERS) - 1)),
        "limit": draw(st.integers(1, 4)),
        "user": draw(st.integers(0, 2)),
        "at_least": draw(st.none() | st.integers(0, 2)),
    }


def expected(work: Work, question: dict[str, Any]) -> list[Row]:
    """What the model answers."""
    world = work.visible(question["user"])
    _, applies = FILTERS[question["filter"]]
    tasks = [task for task in world.tables["task"] if applies(world, task)]
    groups = groups_of(world, tasks, question["keys"], question["measures"])
    measure = question["measures"][0]
    if question["at_least"] is not None and measure.endswith((".count", "sum", "distinct")):
        groups = [group for group in groups if group[measure] >= question["at_least"]]
    groups = in_order(groups, question["order"], question["keys"])
    return [{name: as_json(value) for name, value in group.items()} for group in groups]


def asked(question: dict[str, Any]) -> dict[str, Any]:
    """The query string of a question."""
    query = {"aggregate": ",".join(question["measures"]), "limit": question["limit"]}
    query |= FILTERS[question["filter"]][0]
    if question["keys"]:
        query["group_by"] = ",".join(question["keys"])
    if question["order"]:
        query["order_by"] = ",".join(question["order"])
    measure = question["measures"][0]
    if question["at_least"] is not None and measure.endswith((".count", "sum", "distinct")):
        name = measure.replace(".", "__")
        query["having"] = f'{{"{name}__gte": {question["at_least"]}}}'
    return query


@settings(
    max_examples=12,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(rows=work_rows(), asks=st.lists(questions(), min_size=1, max_size=6))
def test_groups_equal_those_of_a_plain_python_model(
    work: Work, rows: Rows, asks: list[dict[str, Any]]
) -> None:
    work.store(rows)
    for question in asks:
        query = asked(question)
        assert work.pages("/tasks:aggregate", query, question["user"]) == expected(work, question)


def test_each_request_is_one_statement(db: Database, work: Work) -> None:
    work.store(ROWS)
    for query in (
        {"aggregate": "count"},
        {"group_by": "status", "aggregate": "count,assignments.hours.sum,labels.tasks.count"},
        {"group_by": "created_at.day", "fill": "true", "aggregate": "count", "tz": "Asia/Kolkata"},
        {"group_by": "project.region.name", "aggregate": "size.sum", "having": '{"size__sum": 3}'},
    ):
        work.get("/tasks:aggregate", query, user=1)
        with counts(db, exactly=1):
            work.get("/tasks:aggregate", query, user=1)


def task(key: int, **values: Any) -> Row:
    """A task with values."""
    empty = dict.fromkeys(
        ("title", "size", "cost", "score", "created_at", "day", "project_id", "parent_id")
    )
    return {"id": key, "status": "open", "is_urgent": False, "owner_id": 1, **empty, **values}


ROWS: Rows = {
    "project": [{"id": 1, "slug": "web", "owner_id": 2, "region_id": None}],
    "worker": [{"id": "@ana", "rate": 3}, {"id": "@bot", "rate": 2}],
    "label": [{"id": 1, "name": "x", "owner_id": 1}, {"id": 2, "name": "y", "owner_id": 2}],
    "task": [
        task(1, size=1, created_at=datetime(2026, 1, 1, tzinfo=UTC)),
        task(2, size=2, project_id=1, created_at=datetime(2026, 1, 3, tzinfo=UTC)),
        task(3, size=4, owner_id=2, project_id=1, parent_id=1),
    ],
    "tagging": [
        {"task_id": 1, "label_id": 1, "owner_id": 1},
        {"task_id": 2, "label_id": 1, "owner_id": 1},
        {"task_id": 1, "label_id": 2, "owner_id": 1},
    ],
    "assignment": [
        {"task_id": 1, "worker_id": "@ana", "hours": Decimal("1.50"), "owner_id": 1},
        {"task_id": 2, "worker_id": "@ana", "hours": Decimal("2.25"), "owner_id": 2},
    ],
}


def test_all_rows_together_count_their_related_rows_once(work: Work) -> None:
    work.store(ROWS)
    query = {"aggregate": "count,labels.count,assignments.count,assignments.worker.count"}
    assert work.get("/tasks:aggregate", query).json() == [
        {"count": 3, "labels.count": 2, "assignments.count": 2, "assignments.worker.count": 1}
    ]


def test_small_averages_of_decimals_have_no_exponent(work: Work) -> None:
    tasks = [task(key, cost=Decimal("0.000")) for key in range(1, 100)]
    query = {"aggregate": "cost.avg,cost.sum"}
    work.store({"task": tasks})
    assert work.get("/tasks:aggregate", query).json() == [
        {"cost.avg": "0.0000000", "cost.sum": "0.000"}
    ]
    work.store({"task": [*tasks, task(100, cost=Decimal("0.001"))]})
    assert work.get("/tasks:aggregate", query).json() == [
        {"cost.avg": "0.0000100", "cost.sum": "0.001"}
    ]


def test_durations_are_grouped_and_compared_in_the_form_of_pydantic(db: Database) -> None:
    class Lap(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        took: timedelta | None = None

    db.create_all()
    laps = Resource(Lap, db, operations=STANDARD | {"aggregate"})
    with serving(laps) as client:
        client.post("/laps:batch", json=[{"took": "PT1H"}, {"took": "PT90S"}, {"took": "PT1H"}, {}])
        query = {"group_by": "took", "aggregate": "count,took.max"}
        assert client.get("/laps:aggregate", params=query).json() == [
            {"took": "PT1M30S", "count": 1, "took.max": "PT1M30S"},
            {"took": "PT1H", "count": 2, "took.max": "PT1H"},
            {"took": None, "count": 1, "took.max": None},
        ]


def test_rows_out_of_scope_are_in_no_group(work: Work) -> None:
    work.store(ROWS)
    query = {"group_by": "project.slug", "aggregate": "count,labels.name.max,assignments.hours.sum"}
    assert work.get("/tasks:aggregate", query, user=1).json() == [
        {
            "project.slug": None,
            "count": 2,
            "labels.name.max": "x",
            "assignments.hours.sum": "1.50",
        }
    ]


def test_a_group_by_a_related_field_named_like_a_period_is_that_field(work: Work) -> None:
    rows = {"task": [task(1, day=date(2026, 2, 3)), task(2, parent_id=1)]}
    work.store(rows)
    query = {"group_by": "parent.day", "aggregate": "count"}
    assert work.get("/tasks:aggregate", query).json() == [
        {"parent.day": "2026-02-03", "count": 1},
        {"parent.day": None, "count": 1},
    ]
    assert work.client.get("/openapi.json").status_code == 200


def test_a_wrong_parameter_is_refused_with_what_is_right(work: Work) -> None:
    for query, message in REFUSED:
        response = work.client.get("/tasks:aggregate", params=query)
        assert response.status_code == 422, query
        assert message in response.json()["detail"], query


REFUSED: list[tuple[dict[str, str], str]] = [
    ({}, "Name at least one aggregate"),
    ({"aggregate": "title.avg"}, "avg does not apply to title. Use one of count, count_dist"),
    ({"aggregate": "secret.sum"}, "'secret' is not a field"),
    ({"aggregate": "sum"}, "sum needs a field"),
    ({"aggregate": "count", "group_by": "created_at.minute"}, "Use one of hour, day, week"),
    ({"aggregate": "count", "group_by": "day.hour"}, "day has no bucket 'hour'"),
    ({"aggregate": "count", "group_by": "labels.name"}, "labels is a list"),
    ({"aggregate": "count", "group_by": "project"}, "such as project.id"),
    ({"aggregate": "count", "order_by": "title"}, "neither in group_by nor in aggregate"),
    (
        {"aggregate": "count", "having": '{"size__sum__gt": 1}'},
        "is not an aggregate of this request. It has count",
    ),
    ({"aggregate": "count", "having": "[]"}, "must be a JSON object"),
    ({"aggregate": "count", "fill": "true"}, "fill needs one time bucket"),
    ({"aggregate": "count", "tz": "Mars/Olympus"}, "Use an IANA name such as UTC"),
    ({"aggregate": "count", "tz": "../UTC"}, "Use an IANA name such as UTC"),
    ({"aggregate": "count", "offset": "1"}, "Unknown parameter offset"),
    ({"aggregate": "count", "cursor": "x"}, "The cursor does not belong to this query"),
]
