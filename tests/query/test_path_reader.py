"""No path of a request is a server error, and each refusal names a parameter."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from colonnade import Database
from tests.query.test_grouping import ROWS
from tests.query.work import Work, working

NAMES = [
    "status", "title", "size", "cost", "created_at", "day", "id", "project", "parent", "region",
    "name", "slug", "subtasks", "assignments", "hours", "worker", "labels", "tasks",
]  # fmt: skip
FUNCTIONS = ["count", "count_distinct", "sum", "avg", "min", "max"]
OTHER_NAMES = ["hour", "day", "week", "quarter", "year", "length", "eq", "in", "not", "and", ""]
STRANGE_NAMES = ["é", "'", '"', "%", "\x00", "-", "+", " ", ":", "1", "value_0", "key_0", "of_0"]

steps = st.sampled_from(NAMES) | st.sampled_from(FUNCTIONS + OTHER_NAMES + STRANGE_NAMES)
paths = st.one_of(
    st.lists(steps, min_size=1, max_size=5).map(".".join),
    st.builds("{}.{}.{}".format, st.sampled_from(NAMES), steps, st.sampled_from(FUNCTIONS)),
)
lists_of_paths = st.lists(
    st.builds("{}{}".format, st.sampled_from(["", "", "-"]), paths), min_size=1, max_size=3
).map(",".join)
values = st.sampled_from(
    ["", "0", "1", "true", "null", "a", "a,b", "[]", "{}", "1e999", "2026-01-01", "NaN",
     "2026-01-01T00:00:00Z", "\x00", "9" * 30, '{"count__gt": 1}', '{"not": {"count": null}}']
)  # fmt: skip
filters = st.tuples(st.lists(steps, min_size=1, max_size=4).map("__".join), values)
options = st.one_of(
    st.tuples(st.sampled_from(["group_by", "aggregate", "order_by", "include"]), lists_of_paths),
    st.tuples(st.sampled_from(["having", "where", "fill", "tz", "limit", "cursor"]), values),
    filters,
)


@pytest.fixture
def work(db: Database) -> Iterator[Work]:
    with working(db) as work:
        yield work


@settings(
    max_examples=150,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(query=st.lists(options, max_size=3), measures=lists_of_paths, is_list=st.booleans())
def test_no_path_is_a_server_error(
    work: Work, query: list[tuple[str, str]], measures: str, is_list: bool
) -> None:
    if not work.rows:
        work.store(ROWS)
    path = "/tasks" if is_list else "/tasks:aggregate"
    named: Any = query if is_list else [("aggregate", measures), *query]
    response = work.client.get(path, params=named, headers={"User": "1"})
    assert response.status_code in {200, 422}, (named, response.text)
    if response.status_code == 422:
        assert all(error["loc"][0] == "query" for error in response.json()["errors"])
