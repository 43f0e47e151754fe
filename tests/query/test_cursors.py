"""Cursors: walking through pages, and cursors that are refused."""

from contextlib import nullcontext
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from colonnade import Database, Field, Resource, SQLModel
from colonnade.errors import QueryError
from colonnade.query import PageReader, QueryableTable
from colonnade.testing._statements import record_statements
from tests.query.lists import pages_of, walk
from tests.resources.sample_app import serving


@pytest.mark.usefixtures("tasks")
def test_next_links_lead_through_all_pages(client: TestClient) -> None:
    pages = pages_of(client, "/tasks?limit=4&order_by=-due&fields=id")
    assert pages == [[5, 4, 3, 1], [6, 2]]


@pytest.mark.usefixtures("tasks")
def test_prev_links_lead_back_to_the_first_page(client: TestClient) -> None:
    url = "/tasks?limit=2&order_by=-progress&fields=id"
    second = client.get(client.get(url).links["next"]["url"])
    third = client.get(second.links["next"]["url"]).links["prev"]["url"]
    assert pages_of(client, third, "prev") == [[5, 3], [1, 4]]


@pytest.mark.usefixtures("tasks")
def test_a_cursor_is_valid_only_for_its_query(client: TestClient) -> None:
    link = client.get("/tasks?limit=2&order_by=title").links["next"]["url"]
    cursor = link.partition("cursor=")[2]
    for other in ("order_by=progress", "order_by=title&status=pending", "order_by=-title"):
        answer = client.get(f"/tasks?limit=2&{other}&cursor={cursor}")
        assert answer.status_code == 422, other
    assert client.get(f"/tasks?limit=3&order_by=title&cursor={cursor}").status_code == 200


@pytest.mark.usefixtures("tasks")
def test_an_altered_cursor_is_refused(client: TestClient) -> None:
    link = client.get("/tasks?limit=2").links["next"]["url"]
    cursor = link.partition("cursor=")[2]
    for index in range(len(cursor)):
        other = "A" if cursor[index] != "A" else "B"
        altered = cursor[:index] + other + cursor[index + 1 :]
        assert client.get(f"/tasks?limit=2&cursor={altered}").status_code == 422


@pytest.mark.usefixtures("tasks")
def test_a_deleted_row_does_not_shift_a_cursor(client: TestClient) -> None:
    link = client.get("/tasks?limit=2").links["next"]["url"]
    client.delete("/tasks/1")
    assert client.get(link).json()[0]["id"] == 3


@pytest.mark.parametrize("order_by", ["status", "-status"])
def test_sqlite_seeks_the_row_of_a_cursor_among_equal_values(order_by: str) -> None:
    class Task(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        status: str = Field(index=True)
        priority: int | None = None

    db = Database("sqlite://")
    db.create_all()
    with serving(Resource(Task, db)) as client:
        bodies = [{"status": "ab"[n % 2], "priority": n % 3 or None} for n in range(20)]
        client.post("/tasks:batch", json=bodies)
        first_page = f"/tasks?limit=3&order_by={order_by}"
        assert walk(client, first_page) == [
            row["id"] for row in client.get(f"/tasks?order_by={order_by}").json()
        ]
        next_page = client.get(first_page).links["next"]["url"]
        for url in (next_page, client.get(next_page).links["prev"]["url"]):
            with record_statements(db) as statements:
                client.get(url)
            (statement,) = statements
            with db.engine.connect() as connection:
                explained = f"EXPLAIN QUERY PLAN {statement.sql}"
                rows = connection.exec_driver_sql(explained, statement.parameters)
                plan = [row.detail for row in rows]
            comparison = "<" if order_by.startswith("-") else ">"
            if url != next_page:
                comparison = {"<": ">", ">": "<"}[comparison]
            searches = [detail for detail in plan if detail.startswith("SEARCH")]
            assert len(searches) == 2
            assert "ix_task_status (status=?" in searches[0]
            assert f"ix_task_status (status{comparison}?)" in searches[1]
            if url == next_page:
                assert not any("TEMP B-TREE" in detail for detail in plan)


@pytest.mark.parametrize("order_by", ["status,-priority", "priority", "title", "status,title"])
def test_sqlite_sorts_once_where_no_index_has_the_order(order_by: str) -> None:
    class Task(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        status: str = Field(index=True)
        priority: int
        title: str = Field(unique=True)

    db = Database("sqlite://")
    db.create_all()
    with serving(Resource(Task, db)) as client:
        bodies = [
            {"status": "ab"[n % 2], "priority": n % 3, "title": f"Task {n}"} for n in range(20)
        ]
        client.post("/tasks:batch", json=bodies)
        next_page = client.get(f"/tasks?limit=3&order_by={order_by}").links["next"]["url"]
        with record_statements(db) as statements:
            client.get(next_page)
    assert "UNION ALL" not in statements[0].sql


@pytest.mark.parametrize("size", [5, 20_000])
def test_a_cursor_outlives_its_row(db: Database, size: int) -> None:
    class Note(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        text: str

    db.create_all()
    with serving(Resource(Note, db)) as client:
        client.post("/notes:batch", json=[{"text": "x" * size + str(n)} for n in range(6)])
        first = client.get("/notes?order_by=text&limit=2&fields=id")
        client.delete("/notes/2")
        second = client.get(first.links["next"]["url"])
        assert second.json() == [{"id": 3}, {"id": 4}]
        client.patch("/notes/4", json={"text": "zzz"})
        assert client.get(second.links["next"]["url"]).json() == [{"id": 5}, {"id": 6}]


def test_pages_are_sorted_by_long_texts(db: Database) -> None:
    class Page(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        text: str | None = None

    db.create_all()
    with serving(Resource(Page, db)) as client:
        texts = [{"text": letter * 20_000} for letter in "bbac"]
        client.post("/pages:batch", json=[*texts, {"text": None}, {"text": "b"}])
        assert walk(client, "/pages?limit=1&order_by=text&fields=id") == [3, 6, 1, 2, 4, 5]
        assert walk(client, "/pages?limit=2&order_by=-text&fields=id") == [5, 4, 2, 1, 6, 3]
        first = client.get("/pages?limit=1&order_by=text&fields=id").links["next"]["url"]
        second = client.get(first)
        third = client.get(second.links["next"]["url"])
        assert len(third.links["next"]["url"]) < 300
        assert client.get(third.links["prev"]["url"]).json() == second.json()


def test_sort_values_that_do_not_fit_into_a_cursor_are_refused(db: Database) -> None:
    class Note(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        text: str

    db.create_all()
    with serving(Resource(Note, db)) as client:
        noise = Random(1).randbytes(4000)
        client.post("/notes:batch", json=[{"text": f"{n}{noise.hex()}"} for n in range(3)])
        refused = client.get("/notes?order_by=text&limit=1&fields=id")
        assert refused.status_code == 422
        assert "text, id that do not fit into a cursor" in refused.json()["detail"]
        assert walk(client, "/notes?limit=1&fields=id") == [1, 2, 3]


def test_a_forged_cursor_causes_no_server_error(db: Database) -> None:
    class Item(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)

    db.create_all()
    page = PageReader(QueryableTable.of(Item)).read([])
    with serving(Resource(Item, db)) as client:
        for values in ("[7]", '["x"]', '["x\\u0000"]', "[1e400]", "[[]]", '[["zz"]]', "[{}]", "7",
                       "[true]", "[null]", f"[{10**30}]", "[1,2]"):  # fmt: skip
            cursor = page.cursor(values, backwards=False)
            assert client.get(f"/items?cursor={cursor}").status_code in (200, 422), values
        for values in ("9" * 300, "[" + " " * (5 * 2**20) + "7]"):
            with pytest.raises(QueryError) if len(values) > 2**20 else nullcontext():
                cursor = page.cursor(values, backwards=False)
                assert client.get(f"/items?cursor={cursor}").status_code == 422


@pytest.fixture
def pages(db: Database) -> Any:
    class Row(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        a: int | None
        b: str | None
        c: float

    db.create_all()

    def fill(rows: list[Any]) -> None:
        with db.engine.begin() as connection:
            connection.execute(Row.__table__.delete())
            for a, b, c in rows:
                connection.execute(Row.__table__.insert(), {"a": a, "b": b, "c": c})

    with serving(Resource(Row, db)) as client:
        yield SimpleNamespace(client=client, fill=fill)


@given(
    rows=st.lists(
        st.tuples(
            st.none() | st.integers(0, 2),
            st.none() | st.sampled_from(["", "a", "b'", "é"]),
            st.sampled_from([0.1, -0.0, 1e300, 2.5]),
        ),
        max_size=12,
    ),
    order=st.lists(
        st.sampled_from(["a", "b", "c"]).flatmap(lambda name: st.sampled_from([name, "-" + name])),
        max_size=3,
        unique_by=lambda name: name.removeprefix("-"),
    ),
    limit=st.integers(1, 5),
)
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_a_walk_visits_each_row_once_there_and_back(
    pages: SimpleNamespace, rows: list[Any], order: list[str], limit: int
) -> None:
    client = pages.client
    pages.fill(rows)
    url: str | None = (
        f"/rows?limit={limit}&order_by={','.join(order)}" if order else f"/rows?limit={limit}"
    )
    whole = client.get(f"/rows?limit=1000&{str(url).partition('&')[2]}").json()
    assert len(whole) == len(rows)
    seen: list[Any] = []
    last = None
    while url is not None:
        last = client.get(url)
        seen += last.json()
        url = last.links.get("next", {}).get("url")
    assert seen == whole
    back: list[Any] = [] if last is None else last.json()
    url = None if last is None else last.links.get("prev", {}).get("url")
    while url is not None:
        before = client.get(url)
        back = before.json() + back
        url = before.links.get("prev", {}).get("url")
    assert back == whole


@pytest.mark.only_on("sqlite")
def test_cursors_of_text_and_integers_need_no_python_function(
    db: Database, client: TestClient
) -> None:
    """A Python function would wait for the GIL."""
    client.post("/tasks:batch", json=[{"title": title} for title in ("zz", "zy", "zx")])
    called: list[object] = []

    def replace(connection: Any, *_: object) -> None:
        connection.create_function("colonnade_stored", 1, called.append)

    event.listen(db.engine, "checkout", replace)
    page = client.get("/tasks?order_by=-title&limit=2")
    assert [row["title"] for row in page.json()] == ["zz", "zy"]
    assert client.get(page.links["next"]["url"]).json()[0]["title"] == "zx"
    assert called == []
