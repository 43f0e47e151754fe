"""Orderings by fields of related rows equal a plain Python model, on all pages, both ways."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from colonnade import Database
from colonnade.testing import counts
from tests.query.test_grouping import ROWS
from tests.query.work import Row, Rows, Visible, Work, in_order, work_rows, working

PATHS = [
    "id", "title", "size", "created_at", "is_urgent", "project.slug", "project.owner_id",
    "project.region.name", "project.region.id", "parent.title", "parent.created_at",
    "parent.project.slug", "parent.score", "parent.cost", "parent.size",
]  # fmt: skip


@pytest.fixture
def work(db: Database) -> Iterator[Work]:
    with working(db) as work:
        yield work


def in_path_order(world: Visible, order: list[str]) -> list[int]:
    """The keys of all tasks in the order of paths."""
    rows: list[Row] = [
        {path: world.value("task", task, path) for path in PATHS} for task in world.tables["task"]
    ]
    return [row["id"] for row in in_order(rows, order, ["id"])]


orders = st.lists(
    st.tuples(st.sampled_from(["", "-"]), st.sampled_from(PATHS)).map("".join),
    min_size=1,
    max_size=3,
    unique_by=lambda path: path.removeprefix("-"),
)


@settings(
    max_examples=12,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(
    rows=work_rows(max_tasks=10),
    asks=st.lists(st.tuples(orders, st.integers(1, 4), st.integers(0, 2)), min_size=1, max_size=6),
)
def test_pages_follow_the_order_of_a_plain_python_model(
    work: Work, rows: Rows, asks: list[tuple[list[str], int, int]]
) -> None:
    work.store(rows)
    for order, limit, user in asks:
        query = {"order_by": ",".join(order), "limit": limit, "fields": "id"}
        keys = [row["id"] for row in work.pages("/tasks", query, user)]
        assert keys == in_path_order(work.visible(user), order)


def test_an_order_by_relations_is_one_statement(db: Database, work: Work) -> None:
    work.store(ROWS)
    query = {"order_by": "project.region.name,-parent.project.slug", "limit": 1, "fields": "id"}
    following = work.get("/tasks", query).links["next"]["url"]
    with counts(db, exactly=1):
        assert len(work.get("/tasks", query).json()) == 1
    work.get(following, {})
    with counts(db, exactly=1):
        assert len(work.get(following, {}).json()) == 1


def test_rows_whose_related_row_is_out_of_scope_sort_like_those_without(work: Work) -> None:
    work.store(ROWS)
    query = {"order_by": "project.slug,-id", "fields": "id"}
    assert [row["id"] for row in work.get("/tasks", query).json()] == [3, 2, 1]
    assert [row["id"] for row in work.get("/tasks", query, user=1).json()] == [2, 1]


def test_an_order_by_something_without_an_order_is_refused(work: Work) -> None:
    for path, message in REFUSED:
        response = work.client.get("/tasks", params={"order_by": path})
        assert response.status_code == 422, path
        assert message in response.json()["detail"], path


REFUSED = [
    ("labels.name", "labels is a list, which has no single value for a row"),
    ("project", "name a field of it, such as project.id"),
    ("project.sluk", "'sluk' is not a field. Did you mean slug?"),
    ("project.slug,project.slug", "occurs twice"),
    ("parent.parent.id", "'parent' is not a field"),
    ("title.x", "Did you mean title?"),
]
