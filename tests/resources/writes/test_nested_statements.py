"""How many statements a nested write takes: they grow with the tables, not with the rows.

On SQLite, all statements of a request are one trip to the worker thread.
"""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.testclient import TestClient

from colonnade import Database, Resource, col
from tests.resources.sample_app import serving, statements
from tests.resources.writes.nested_app import nested_resources, refusal

FEW, MANY = 3, 300


@pytest.fixture(params=["unscoped", "mapping", "condition"])
def client(
    db: Database, models: SimpleNamespace, request: pytest.FixtureRequest
) -> Iterator[TestClient]:
    """A client of the sample app, without a scope and with each form of it."""
    resources = nested_resources(db, models, max_limit=10_000)
    if request.param != "unscoped":
        for name in "Task", "Project", "Label":
            model = getattr(models, name)
            is_mapping = request.param == "mapping"
            scope = {"owner_id": 1} if is_mapping else col(model.owner_id) == 1
            Resource(model, db, scope=_returning(scope))
    with serving(*vars(resources).values()) as client:
        client.get("/tasks")
        client.get("/projects")
        yield client


def _returning(scope: Any) -> Any:
    return lambda: scope


class Counter:
    """Counts the statements of requests; each is made twice, since the first fills caches."""

    def __init__(self, db: Database, client: TestClient) -> None:
        self._db = db
        self._client = client
        self._number = 0

    def slug(self) -> str:
        self._number += 1
        return f"s{self._number}"

    def project(self, tasks: list[Any]) -> Any:
        body = {"name": "X", "slug": self.slug(), "owner_id": 1, "tasks": tasks}
        return self.request("POST", "/projects", body)[0]

    def request(self, method: str, path: str, body: Any) -> tuple[Any, int]:
        with statements(self._db, self._client) as seen:
            response = self._client.request(method, path, json=body)
        assert response.status_code in {200, 201}, response.text[:1000]
        return response.json(), len(seen)


@pytest.fixture
def counter(db: Database, client: TestClient) -> Counter:
    if db.url.backend == "sqlite":
        pytest.skip("On SQLite, each row is a statement of the same trip to the worker thread")
    return Counter(db, client)


def task(number: int, **fields: Any) -> dict[str, Any]:
    """The body of a task; every third one has a description."""
    described = {"description": f"Number {number}"} if number % 3 == 0 else {}
    return {"title": f"Task {number}", "owner_id": 1, **described, **fields}


def tree(width: int) -> list[Any]:
    """Tasks with subtasks, which have labels and assignments with new workers: four levels."""
    return [
        task(
            number,
            subtasks=[
                task(
                    number,
                    labels=[{"name": "x", "owner_id": 1}, {"name": "y", "owner_id": 1}],
                    assignments=[
                        {"worker": {"id": f"{width}-{number}"}},
                        {"worker": {"id": f"{width}-{number}b"}, "role": "reviewer"},
                    ],
                ),
                task(number),
            ],
        )
        for number in range(width)
    ]


class TestCreate:
    @pytest.mark.parametrize("build", [lambda n: [task(i) for i in range(n)], tree])
    def test_many_rows_take_as_many_statements_as_few(self, counter: Counter, build: Any) -> None:
        counts = []
        for width in FEW, MANY:
            body = {"name": "X", "slug": counter.slug(), "owner_id": 1, "tasks": build(width)}
            _, count = counter.request("POST", "/projects", body)
            counts.append(count)
        assert counts[0] == counts[1] > 0

    def test_a_batch_of_parents_takes_as_many_statements_as_one(self, counter: Counter) -> None:
        counts = []
        for width in 2, 50:
            body = [
                {"name": "X", "slug": counter.slug(), "owner_id": 1, "tasks": [task(1), task(2)]}
                for _ in range(width)
            ]
            counts.append(counter.request("POST", "/projects:batch", body)[1])
        assert counts[0] == counts[1] > 0

    def test_many_parents_take_as_many_statements_as_few(self, counter: Counter) -> None:
        counts = []
        for width in FEW, MANY:
            body = [
                task(n, project={"name": "X", "slug": counter.slug(), "owner_id": 1})
                for n in range(width)
            ]
            counts.append(counter.request("POST", "/tasks:batch", body)[1])
        assert counts[0] == counts[1] > 0


class TestUpdate:
    """A project with few children, and one with many, are changed by the same statements."""

    def changed(
        self, counter: Counter, verb: str, argument: Any, *, is_child: bool = True
    ) -> list[int]:
        counts = []
        for width in FEW, MANY:
            project = counter.project([task(n) for n in range(width)])
            keys = [row["id"] for row in project["tasks"]]
            if not is_child:
                project = counter.project([])
            body = {"name": "Y", "tasks": {verb: argument(keys)}}
            path = f"/projects/{project['id']}"
            counts.append(counter.request("PATCH", path, body)[1])
        return counts

    def test_update(self, counter: Counter) -> None:
        few, many = self.changed(
            counter, "update", lambda keys: [{"id": k, "title": str(k)} for k in keys]
        )
        assert few == many

    def test_update_of_several_levels(self, counter: Counter) -> None:
        counts = []
        for width in FEW, MANY:
            project = counter.project([task(n, subtasks=[task(n), task(n)]) for n in range(width)])
            update = [
                {
                    "id": row["id"],
                    "subtasks": {
                        "update": [{"id": below["id"], "progress": 5} for below in row["subtasks"]],
                        "create": [task(1)],
                    },
                }
                for row in project["tasks"]
            ]
            path = f"/projects/{project['id']}"
            counts.append(counter.request("PATCH", path, {"tasks": {"update": update}})[1])
        assert counts[0] == counts[1] > 0

    def test_set(self, counter: Counter) -> None:
        few, many = self.changed(counter, "set", lambda keys: keys[:1])
        assert few == many
        few, many = self.changed(counter, "set", lambda keys: keys, is_child=False)
        assert few == many

    def test_connect(self, counter: Counter) -> None:
        few, many = self.changed(counter, "connect", lambda keys: keys, is_child=False)
        assert few == many

    def test_disconnect(self, counter: Counter) -> None:
        few, many = self.changed(counter, "disconnect", lambda keys: keys)
        assert few == many

    def test_delete(self, counter: Counter) -> None:
        few, many = self.changed(counter, "delete", lambda keys: keys)
        assert few == many

    def test_upsert(self, counter: Counter) -> None:
        few, many = self.changed(
            counter,
            "upsert",
            lambda keys: [*(task(n) for n in keys), *({"id": k, "title": "X"} for k in keys)],
        )
        assert few == many

    def test_moves_within_a_tree(self, counter: Counter) -> None:
        counts = []
        for width in FEW, MANY:
            project = counter.project([task(n) for n in range(width)])
            root, *keys = [row["id"] for row in project["tasks"]]
            body = {"subtasks": {"connect": keys}}
            counts.append(counter.request("PATCH", f"/tasks/{root}", body)[1])
        assert counts[0] == counts[1] > 0

    @pytest.mark.parametrize("verb", ["connect", "disconnect", "set", "update", "delete"])
    def test_links(self, counter: Counter, verb: str) -> None:
        counts = []
        for width in FEW, MANY:
            labels = [{"name": "x", "owner_id": 1} for _ in range(width)]
            (row,) = counter.project([task(1, labels=labels)])["tasks"]
            keys = [label["id"] for label in row["labels"]]
            if verb in {"connect", "set"}:
                (row,) = counter.project([task(1)])["tasks"]
            argument = [{"id": k, "name": "y"} for k in keys] if verb == "update" else keys
            body = {"labels": {verb: argument}}
            counts.append(counter.request("PATCH", f"/tasks/{row['id']}", body)[1])
        assert counts[0] == counts[1] > 0


def test_a_nested_write_is_one_trip_to_the_worker_thread_of_sqlite(
    db: Database, models: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    if db.url.backend != "sqlite":
        pytest.skip("PostgreSQL has no worker thread")
    trips: list[Any] = []
    run = Database.run_async

    async def counted(self: Database, *arguments: Any, **options: Any) -> Any:
        trips.append(arguments)
        return await run(self, *arguments, **options)

    monkeypatch.setattr(Database, "run_async", counted)
    with serving(*vars(nested_resources(db, models)).values()) as client:
        body = {"name": "X", "slug": "x", "tasks": tree(5)}
        assert client.post("/projects", json=body).status_code == 201
        assert len(trips) == 1


@pytest.mark.only_on("sqlite")
def test_each_row_is_one_statement_on_sqlite(db: Database, models: SimpleNamespace) -> None:
    with serving(*vars(nested_resources(db, models)).values()) as client:
        tasks = [{"title": "A"}, {"title": "B"}]
        with statements(db, client) as seen:
            project = client.post("/projects", json={"name": "X", "slug": "x", "tasks": tasks})
        assert [text.split()[0] for text in seen] == ["INSERT", "INSERT", "INSERT"]
        updates = [{"id": row["id"], "title": "C"} for row in project.json()["tasks"]]
        for fields, verb in ({"name": "Y"}, "UPDATE"), ({}, "SELECT"):
            body = {**fields, "tasks": {"update": updates, "create": [{"title": "D"}]}}
            with statements(db, client) as seen:
                assert client.patch("/projects/1", json=body).status_code == 200
            assert [text.split()[0] for text in seen] == [verb, "UPDATE", "UPDATE", "INSERT"]


def test_a_plain_body_takes_one_statement_as_without_nested(
    db: Database, models: SimpleNamespace
) -> None:
    with serving(*vars(nested_resources(db, models)).values()) as client:
        client.post("/projects", json={"name": "X", "slug": "x"})
        for method, path, body in (
            ("POST", "/projects", {"name": "Y", "slug": "y"}),
            ("PATCH", "/projects/1", {"name": "Z"}),
        ):
            with statements(db, client) as seen:
                assert client.request(method, path, json=body).status_code in {200, 201}
            assert len(seen) == 1, seen


def test_a_body_can_name_more_keys_than_a_statement_has_parameters(
    db: Database, models: SimpleNamespace
) -> None:
    resources = nested_resources(db, models, max_limit=100_000)
    with serving(resources.projects, resources.tasks) as client:
        tasks = {"connect": list(range(1, 40_000))}
        response = client.post("/projects", json={"name": "X", "slug": "x", "tasks": tasks})
        assert refusal(response) == (404, ["body", "tasks", "connect", 0])
