"""Lists over HTTP: filters, order, pages, counts, fields and includes."""

import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from colonnade import (
    Database,
    Field,
    Relationship,
    Resource,
    SQLModel,
    col,
)
from tests.resources.sample_app import serving, statements


@pytest.fixture
def tasks(models: SimpleNamespace, store: Any) -> None:
    """Two projects and six tasks; tasks 1 to 3 have a project."""
    web, app = (
        models.Project(id=1, name="Web", slug="web"),
        models.Project(id=2, name="App", slug="app"),
    )
    ana, bot = models.Worker(id="@ana"), models.Worker(id="@bot", type="agent")
    urgent = models.Label(id=1, name="urgent")
    store(web, app, ana, bot, urgent)
    day = datetime(2026, 1, 1, tzinfo=UTC)
    store(
        models.Task(id=1, title="100% done", status="completed", progress=100, project_id=1),
        models.Task(id=2, title="Alpha", description="x_y", progress=10, project_id=1, due=day),
        models.Task(id=3, title="beta", description="", progress=10, project_id=2),
        models.Task(id=4, title="Gamma", status="in_progress", progress=50, parent_id=2),
        models.Task(id=5, title="delta_", description="XxY", progress=10, parent_id=4),
        models.Task(id=6, title="a,b", progress=0, due=day),
    )
    store(
        models.Assignment(task_id=1, worker_id="@ana"),
        models.Assignment(task_id=1, worker_id="@bot", role="reviewer"),
        models.Assignment(task_id=2, worker_id="@bot"),
        models.TaskLabel(task_id=1, label_id=1),
    )


def ids(client: TestClient, query: str) -> list[int]:
    response = client.get(f"/tasks?{query}")
    assert response.status_code == 200, response.text
    return [task["id"] for task in response.json()]


@pytest.mark.usefixtures("tasks")
class TestFilters:
    OPERATORS: tuple[tuple[str, list[int]], ...] = (
        ("status=completed", [1]),
        ("status__eq=completed", [1]),
        ("status__ne=pending", [1, 4]),
        ("progress__lt=10", [6]),
        ("progress__lte=10", [2, 3, 5, 6]),
        ("progress__gt=50", [1]),
        ("progress__gte=50", [1, 4]),
        ("progress__in=0,100", [1, 6]),
        ("progress__in=[0, 100]", [1, 6]),
        ("progress__not_in=10,50", [1, 6]),
        ('title__in=["a,b","Alpha"]', [2, 6]),
        ("description__is_null=true", [1, 4, 6]),
        ("description__is_null=false", [2, 3, 5]),
        ("description=", [3]),
        ("description__ne=x_y", [1, 3, 4, 5, 6]),
        ("description__not_in=x_y", [1, 3, 4, 5, 6]),
        ("title__contains=%25", [1]),
        ("title__contains=_", [5]),
        ("description__icontains=X_Y", [2]),
        ("title__contains=alpha", []),
        ("title__icontains=alpha", [2]),
        ("title__startswith=de", [5]),
        ("title__startswith=DE", []),
        ("title__istartswith=DE", [5]),
        ("title__endswith=ta", [3]),
        ("title__endswith=TA_", []),
        ("title__iendswith=TA_", [5]),
        ("title__contains=", [1, 2, 3, 4, 5, 6]),
        ("due=2026-01-01T00:00:00Z", [2, 6]),
        ("due__lt=2026-01-01T01:00:00%2B01:00", []),
        ("due__lte=2026-01-01T01:00:00%2B01:00", [2, 6]),
        ("status=pending&progress=10", [2, 3, 5]),
        ("project__slug=web", [1, 2]),
        ("project__slug__in=web,app", [1, 2, 3]),
        ("assignments__role=reviewer", [1]),
        ("workers__type=agent", [1, 2]),
        ("workers__id=@bot", [1, 2]),
        ("labels__name=urgent", [1]),
        ("subtasks__title=delta_", [4]),
    )

    def test_each_operator_selects_its_rows(self, client: TestClient) -> None:
        for query, expected in self.OPERATORS:
            assert ids(client, query) == expected

    WHERE: tuple[tuple[Any, list[int]], ...] = (
        ({"status": "completed"}, [1]),
        ({"progress": {"gte": 10, "lt": 60}}, [2, 3, 4, 5]),
        ({"progress__gte": 50}, [1, 4]),
        ({"or": [{"status": "completed"}, {"progress": 0}]}, [1, 6]),
        ({"and": [{"progress": 10}, {"title__istartswith": "A"}]}, [2]),
        ({"not": {"description__is_null": True}}, [2, 3, 5]),
        ({"not": {"description": "x_y"}}, [1, 3, 4, 5, 6]),
        ({"project": {"slug": "web"}}, [1, 2]),
        ({"project": {}}, [1, 2, 3]),
        ({"not": {"project": {}}}, [4, 5, 6]),
        ({"assignments": {"worker": {"type": "agent"}, "role": "assignee"}}, [2]),
        ({"not": {"assignments": {"role": "assignee"}}}, [3, 4, 5, 6]),
        ({"or": []}, []),
        ({"and": []}, [1, 2, 3, 4, 5, 6]),
        ({}, [1, 2, 3, 4, 5, 6]),
        ({"title": {"in": []}}, []),
        ({"due__gt": "2025-01-01T00:00:00Z", "or": [{"id": 2}, {"id": 3}]}, [2]),
    )

    def test_where_selects_its_rows(self, client: TestClient) -> None:
        for where, expected in self.WHERE:
            assert ids(client, f"where={quote(json.dumps(where))}") == expected

    def test_a_filter_across_a_to_many_relation_returns_each_row_once(
        self, client: TestClient
    ) -> None:
        response = client.get("/tasks?assignments__role__in=assignee,reviewer&count=exact&limit=1")
        assert [task["id"] for task in response.json()] == [1]
        assert response.headers["X-Total-Count"] == "2"

    INVALID = (
        ("unknown=1", "unknown"),
        ("progress=ten", "progress"),
        ("progress=9999999999999999999", "progress"),
        ("progress__in=1,x", "progress__in"),
        ("progress__contains=1", "progress__contains"),
        ("status=nonsense", "status"),
        ("due=2026-01-01T00:00:00", "due"),
        ("due__gt=yesterday", "due__gt"),
        ("tags=a", "tags"),
        ("title=%00", "title"),
        ("status=pending&status=completed", "status"),
        ("project__slug__nope=1", "project__slug__nope"),
        ("workers__token=hidden", "workers__token"),
        ("parent__title=x", "parent__title"),
        ("limit=0", "limit"),
        ("limit=100000000", "limit"),
        ("limit=-1", "limit"),
        ("limit=x", "limit"),
        ("offset=-1", "offset"),
        ("offset=99999999999999999999", "offset"),
        ("order_by=nope", "order_by"),
        ("order_by=tags", "order_by"),
        ("order_by=title,-title", "order_by"),
        ("order_by=metadata", "order_by"),
        ("fields=nope", "fields"),
        ("fields=", "fields"),
        ("include=parent", "include"),
        ("include=project.tasks", "include"),
        ("include=assignments:101", "include"),
        ("count=some", "count"),
        ("cursor=nonsense", "cursor"),
        ("cursor=", "cursor"),
        ("where={", "where"),
        ("where=[]", "where"),
        ('where={"nope":1}', "nope"),
        ('where={"progress":"x"}', "progress"),
        ('where={"progress":true}', "progress"),
        ('where={"progress":null}', "progress"),
        ('where={"progress":{"like":1}}', "like"),
        ('where={"workers":{"token":"hidden"}}', "token"),
        ('where={"or":{}}', "or"),
        ('where={"title":"\\u0000"}', "title"),
        ("where=" + '{"not":' * 40 + "{}" + "}" * 40, "not"),
        ("where=" + "[" * 3000 + "]" * 3000, "where"),
        ("_sa_instance_state=1", "_sa_instance_state"),
        ("__class__=1", "__class__"),
        ("_connector=OR", "_connector"),
    )

    def test_an_invalid_parameter_is_a_problem_that_names_it(self, client: TestClient) -> None:
        for query, field in self.INVALID:
            response = client.get(f"/tasks?{query}")
            assert response.status_code == 422, response.text
            assert field in [error.get("field") for error in response.json()["errors"]]

    def test_too_many_values_or_conditions_are_refused(self, client: TestClient) -> None:
        many = ",".join(map(str, range(5_000)))
        assert client.get(f"/tasks?id__in={many}").status_code == 422
        where = json.dumps({"or": [{"id": number} for number in range(101)]})
        assert client.get("/tasks", params={"where": where}).status_code == 422

    def test_a_misspelled_parameter_gets_a_suggestion(self, client: TestClient) -> None:
        assert "status" in client.get("/tasks?statsu=pending").json()["detail"]


def test_a_column_named_like_an_option_is_filtered_with_eq(db: Database) -> None:
    class Quota(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        limit: int
        where: str = ""

    db.create_all()
    with serving(Resource(Quota, db)) as client:
        for limit in (5, 10):
            client.post("/quotas", json={"limit": limit})
        assert [row["limit"] for row in client.get("/quotas?limit__eq=5&limit=1").json()] == [5]
        assert len(client.get("/quotas?limit=1").json()) == 1


@pytest.mark.usefixtures("tasks")
class TestOrder:
    ORDERS = (
        ("progress", [6, 2, 3, 5, 4, 1]),
        ("-progress", [1, 4, 5, 3, 2, 6]),
        ("-progress,id", [1, 4, 2, 3, 5, 6]),
        ("due", [2, 6, 1, 3, 4, 5]),
        ("-due", [5, 4, 3, 1, 6, 2]),
        ("status,-progress", [1, 4, 5, 3, 2, 6]),
        ("-id", [6, 5, 4, 3, 2, 1]),
    )

    def test_nulls_are_greatest_and_the_key_breaks_ties(self, client: TestClient) -> None:
        for order, expected in self.ORDERS:
            assert ids(client, f"order_by={order}") == expected

    def test_names_are_separated_by_commas_or_repeated(self, client: TestClient) -> None:
        assert ids(client, "order_by=status&order_by=-progress") == [1, 4, 5, 3, 2, 6]
        (row, *_) = client.get(
            "/tasks?fields=id&fields=title&include=labels&include=project"
        ).json()
        assert set(row) == {"id", "title", "labels", "project"}


@pytest.mark.usefixtures("tasks")
class TestPages:
    def walk(self, client: TestClient, url: str | None, rel: str = "next") -> list[list[int]]:
        pages = []
        while url is not None:
            response = client.get(url)
            pages.append([task["id"] for task in response.json()])
            url = response.links.get(rel, {}).get("url")
        return pages

    def test_cursors_lead_through_all_pages(self, client: TestClient) -> None:
        pages = self.walk(client, "/tasks?limit=4&order_by=-due&fields=id")
        assert pages == [[5, 4, 3, 1], [6, 2]]

    def test_cursors_lead_back(self, client: TestClient) -> None:
        url = "/tasks?limit=2&order_by=-progress&fields=id"
        second = client.get(client.get(url).links["next"]["url"])
        third = client.get(second.links["next"]["url"]).links["prev"]["url"]
        assert self.walk(client, third, "prev") == [[5, 3], [1, 4]]

    def test_a_full_last_page_has_no_next_link(self, client: TestClient) -> None:
        assert "Link" not in client.get("/tasks?limit=6").headers

    def test_offsets_lead_to_the_next_and_previous_page(self, client: TestClient) -> None:
        response = client.get("/tasks?limit=2&offset=2")
        assert [task["id"] for task in response.json()] == [3, 4]
        assert set(response.links) == {"next", "prev"}
        assert client.get(response.links["next"]["url"]).json()[0]["id"] == 5

    def test_a_page_past_the_end_is_empty_and_counted(self, client: TestClient) -> None:
        response = client.get("/tasks?offset=50&count=exact")
        assert (response.json(), response.headers["X-Total-Count"]) == ([], "6")

    def test_the_total_is_counted_on_request(self, client: TestClient) -> None:
        assert "X-Total-Count" not in client.get("/tasks").headers
        exact = client.get("/tasks?count=exact&status=pending&limit=1")
        assert exact.headers["X-Total-Count"] == "4"
        assert int(client.get("/tasks?count=estimated").headers["X-Total-Count"]) >= 1

    def test_a_cursor_belongs_to_its_query(self, client: TestClient) -> None:
        link = client.get("/tasks?limit=2&order_by=title").links["next"]["url"]
        cursor = link.partition("cursor=")[2]
        for other in ("order_by=progress", "order_by=title&status=pending", "order_by=-title"):
            response = client.get(f"/tasks?limit=2&{other}&cursor={cursor}")
            assert response.status_code == 422, other
        assert client.get(f"/tasks?limit=3&order_by=title&cursor={cursor}").status_code == 200

    def test_an_altered_cursor_is_refused(self, client: TestClient) -> None:
        link = client.get("/tasks?limit=2").links["next"]["url"]
        cursor = link.partition("cursor=")[2]
        for index in range(len(cursor)):
            other = "A" if cursor[index] != "A" else "B"
            altered = cursor[:index] + other + cursor[index + 1 :]
            assert client.get(f"/tasks?limit=2&cursor={altered}").status_code == 422

    def test_a_deleted_row_does_not_shift_the_next_page(self, client: TestClient) -> None:
        link = client.get("/tasks?limit=2").links["next"]["url"]
        client.delete("/tasks/1")
        assert client.get(link).json()[0]["id"] == 3


@pytest.mark.usefixtures("tasks")
class TestShape:
    def test_fields_limits_the_columns(self, client: TestClient) -> None:
        assert client.get("/tasks?fields=title,id&limit=1").json() == [
            {"title": "100% done", "id": 1}
        ]
        assert client.get("/tasks/2?fields=title").json() == {"title": "Alpha"}

    def test_include_adds_relations(self, client: TestClient) -> None:
        (task, *_) = client.get("/tasks?include=project,assignments.worker,labels").json()
        assert task["project"]["slug"] == "web"
        assert [row["worker"]["id"] for row in task["assignments"]] == ["@ana", "@bot"]
        assert "token" not in task["assignments"][0]["worker"]
        assert task["labels"][0]["name"] == "urgent"
        assert "subtasks" not in task

    def test_include_adds_relations_to_a_single_row(self, client: TestClient) -> None:
        task = client.get("/tasks/6?include=project,labels&fields=id").json()
        assert task == {"id": 6, "project": None, "labels": []}

    def test_a_secret_is_neither_returned_nor_queried(self, client: TestClient) -> None:
        created = client.post("/workers", json={"id": "@new", "token": "s3cret"})
        assert created.status_code == 201
        for response in (created, client.get("/workers"), client.get("/workers/@new")):
            assert "s3cret" not in response.text
            assert "token" not in response.text
        assert client.get("/workers?order_by=token").status_code == 422
        assert client.get("/workers?token=s3cret").status_code == 422
        assert client.get("/workers?fields=token").status_code == 422


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
def test_pages_contain_each_row_once_forwards_and_backwards(
    pages: SimpleNamespace, rows: list[Any], order: list[str], limit: int
) -> None:
    client = pages.client
    pages.fill(rows)
    url: str | None = (
        f"/rows?limit={limit}&order_by={','.join(order)}" if order else f"/rows?limit={limit}"
    )
    all_rows = client.get(f"/rows?limit=1000&{str(url).partition('&')[2]}").json()
    assert len(all_rows) == len(rows)
    seen: list[Any] = []
    last = None
    while url is not None:
        last = client.get(url)
        seen += last.json()
        url = last.links.get("next", {}).get("url")
    assert seen == all_rows
    back: list[Any] = [] if last is None else last.json()
    url = None if last is None else last.links.get("prev", {}).get("url")
    while url is not None:
        before = client.get(url)
        back = before.json() + back
        url = before.links.get("prev", {}).get("url")
    assert back == all_rows


def test_an_estimated_count_asks_the_planner(db: Database, client: TestClient) -> None:
    client.get("/tasks")
    with statements(db, client) as seen:
        client.get("/tasks?count=estimated")
    assert len(seen) == (2 if db.url.backend == "postgresql" else 1)


@pytest.mark.only_on("sqlite")
def test_cursors_of_text_and_integers_need_no_python_function(
    db: Database, client: TestClient
) -> None:
    """A Python function waits for the interpreter lock, which other threads may hold."""
    client.post("/tasks:batch", json=[{"title": title} for title in ("zz", "zy", "zx")])
    called: list[object] = []

    def count_calls(connection: Any, *_: object) -> None:
        connection.create_function("colonnade_stored", 1, called.append)

    event.listen(db.engine, "checkout", count_calls)
    page = client.get("/tasks?order_by=-title&limit=2")
    assert [row["title"] for row in page.json()] == ["zz", "zy"]
    assert client.get(page.links["next"]["url"]).json()[0]["title"] == "zx"
    assert called == []


def test_the_order_by_of_a_relationship_is_kept(db: Database, store: Any) -> None:
    class Step(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        rank: int
        plan_id: int = Field(foreign_key="plan.id")

    class Plan(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        steps: list[Step] = Relationship(
            sa_relationship_kwargs={"order_by": lambda: col(Step.rank).desc()}
        )

    db.create_all()
    store(Plan(id=1))
    store(*(Step(id=key, rank=rank, plan_id=1) for key, rank in ((1, 5), (2, 9), (3, 5))))
    with serving(Resource(Plan, db, include=["steps"], operations={"list"})) as client:
        (plan,) = client.get("/plans?include=steps:2").json()
        assert [step["id"] for step in plan["steps"]] == [2, 1]
