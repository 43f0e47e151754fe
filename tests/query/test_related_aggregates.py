"""Counts and sums of related rows in rows, filters and orderings equal a plain Python model."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic_core import to_json

from colonnade import Database
from colonnade.testing import counts
from tests.query.test_grouping import ROWS
from tests.query.work import (
    INCLUDE,
    Row,
    Rows,
    Visible,
    Work,
    as_json,
    in_order,
    work_rows,
    working,
)

AGGREGATES = [path for path in INCLUDE if path.endswith((".count", ".sum", ".avg", ".min", ".max"))]
NUMBERS = [path for path in AGGREGATES if path.endswith((".count", ".sum"))]


@pytest.fixture
def work(db: Database) -> Iterator[Work]:
    with working(db) as work:
        yield work


def compared(operator: str, value: Any, operand: int) -> bool:
    """What a filter by a number says."""
    return bool(
        {"gt": value > operand, "lte": value <= operand, "eq": value == operand,
         "ne": value != operand, "in": value in (operand, operand + 1)}[operator]
    )  # fmt: skip


@st.composite
def questions(draw: st.DrawFn) -> dict[str, Any]:
    """Which aggregates to include, filter by and order by."""
    operator = draw(st.sampled_from(["gt", "lte", "eq", "ne", "in"]))
    return {
        "include": draw(st.lists(st.sampled_from(AGGREGATES), max_size=3, unique=True)),
        "order": [
            draw(st.sampled_from(["", "-"])) + name
            for name in draw(st.lists(st.sampled_from(AGGREGATES), max_size=2, unique=True))
        ],
        "filter": draw(st.none() | st.sampled_from(NUMBERS)),
        "operator": operator,
        "operand": draw(st.integers(0, 2)),
        "negated": draw(st.booleans()),
        "limit": draw(st.integers(1, 4)),
        "user": draw(st.integers(0, 2)),
    }


def expected(world: Visible, question: dict[str, Any]) -> list[Row]:
    """What the model answers."""
    rows = [
        {"id": task["id"], **{path: world.aggregate([task], path) for path in AGGREGATES}}
        for task in world.tables["task"]
    ]
    path = question["filter"]
    if path is not None:
        rows = [
            row
            for row in rows
            if compared(question["operator"], row[path], question["operand"])
            is not question["negated"]
        ]
    return [
        {"id": row["id"]}
        | {path.replace(".", "_"): as_json(row[path]) for path in question["include"]}
        for row in in_order(rows, question["order"], ["id"])
    ]


def asked(question: dict[str, Any]) -> dict[str, Any]:
    """The query string of a question."""
    query = {"limit": question["limit"], "fields": "id"}
    if question["include"]:
        query["include"] = ",".join(question["include"])
    if question["order"]:
        query["order_by"] = ",".join(question["order"])
    if question["filter"] is not None:
        name = question["filter"].replace(".", "__")
        operator, operand = question["operator"], question["operand"]
        if question["negated"]:
            value = [operand, operand + 1] if operator == "in" else operand
            query["where"] = to_json({"not": {name: {operator: value}}}).decode()
        else:
            value = f"{operand},{operand + 1}" if operator == "in" else operand
            query[f"{name}__{operator}"] = value
    return query


@settings(
    max_examples=12,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(rows=work_rows(), asks=st.lists(questions(), min_size=1, max_size=6))
def test_rows_have_the_counts_and_sums_of_a_plain_python_model(
    work: Work, rows: Rows, asks: list[dict[str, Any]]
) -> None:
    work.store(rows)
    for question in asks:
        answer = work.pages("/tasks", asked(question), question["user"])
        assert answer == expected(work.visible(question["user"]), question)


def test_a_page_with_counts_is_one_statement(db: Database, work: Work) -> None:
    work.store(ROWS)
    query = {
        "include": "subtasks.count,labels.count,assignments.hours.sum",
        "subtasks__count__lt": "5",
        "order_by": "-labels.count,project.slug",
        "count": "exact",
    }
    work.get("/tasks", query, user=1)
    with counts(db, exactly=1):
        response = work.get("/tasks", query, user=1)
    assert response.headers["X-Total-Count"] == "2"
    shown = [(row["id"], row["subtasks_count"], row["labels_count"]) for row in response.json()]
    assert shown == [(1, 0, 1), (2, 0, 1)]


def test_an_aggregate_that_is_not_declared_is_refused(work: Work) -> None:
    for query, message in REFUSED:
        response = work.client.get("/tasks", params=query)
        assert response.status_code == 422, query
        assert message in response.json()["detail"], query


REFUSED: list[tuple[dict[str, str], str]] = [
    ({"include": "labels.id.sum"}, "The aggregates are"),
    ({"subtasks__count__gt": "many"}, "valid integer"),
    ({"subtasks__count__contains": "1"}, "Use one of eq, ne, in, not_in"),
    ({"order_by": "subtasks"}, "Use subtasks.count"),
    ({"subtasks__size__avg": "1"}, "size has no 'avg'"),
]
