"""``Resource(statuses=...)``: the statuses of successful writes, and responses without a body."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.testclient import TestClient

from colonnade import STANDARD, Database, Idempotency, Resource
from colonnade.errors import ModelError
from tests.resources.sample_app import INCLUDE, serving

STATUSES = {"create": 200, "update": 204, "delete": 204, "link": 204}


@pytest.fixture(params=["without dependencies", "with hooks"])
def client(
    request: pytest.FixtureRequest, db: Database, models: SimpleNamespace, sample_rows: None
) -> Iterator[TestClient]:
    """A client of tasks with other statuses, and of projects that nest them with the default."""
    tasks = Resource(models.Task, db, include=INCLUDE, statuses=STATUSES)
    if request.param == "with hooks":
        tasks.before("delete")(lambda session, row: None)
        tasks.after("update")(lambda session, row: None)
        tasks.after("create")(lambda session, row: None)
    projects = Resource(models.Project, db, nested={"tasks": tasks})
    with serving(tasks, projects) as client:
        yield client


def is_empty(response: Any) -> bool:
    """Whether a response has no body, nor headers of one."""
    headers = {"content-length", "content-type"} & set(response.headers)
    return response.status_code == 204 and response.content == b"" and not headers


class TestDelete:
    def test_a_deletion_has_no_body(self, client: TestClient) -> None:
        assert is_empty(client.delete("/tasks/2"))
        assert client.get("/tasks/2").status_code == 404

    def test_a_batch_of_deletions_has_no_body(self, client: TestClient) -> None:
        assert is_empty(client.delete("/tasks:batch?key=2&key=4"))
        assert [row["id"] for row in client.get("/tasks?fields=id").json()] == [1, 3, 5]

    def test_a_deletion_that_is_refused_is_a_problem(self, client: TestClient) -> None:
        assert client.delete("/tasks/9").json()["type"] == "urn:colonnade:not_found"
        assert client.delete("/tasks:batch?key=2&key=9").status_code == 404
        stale = client.delete("/tasks/2", headers={"If-Match": '"1-a"'})
        assert stale.json()["type"] == "urn:colonnade:changed"
        assert len(client.get("/tasks").json()) == 5


class TestUpdate:
    def test_an_update_has_no_body_and_the_new_etag(self, client: TestClient) -> None:
        updated = client.patch("/tasks/2", json={"title": "New"})
        assert is_empty(updated)
        read = client.get("/tasks/2")
        assert (read.json()["title"], read.headers["ETag"]) == ("New", updated.headers["ETag"])
        unchanged = client.get("/tasks/2", headers={"If-None-Match": updated.headers["ETag"]})
        assert unchanged.status_code == 304
        again = client.patch(
            "/tasks/2", json={"title": "Newer"}, headers={"If-Match": updated.headers["ETag"]}
        )
        assert is_empty(again)

    def test_a_batch_of_updates_has_no_body(self, client: TestClient) -> None:
        assert is_empty(client.patch("/tasks:batch", json=[{"id": 1, "title": "A"}]))
        assert client.get("/tasks/1").json()["title"] == "A"


class TestCreate:
    def test_a_create_has_the_status_and_the_headers_of_a_new_row(self, client: TestClient) -> None:
        created = client.post("/tasks", json={"title": "New"})
        assert (created.status_code, created.json()["title"]) == (200, "New")
        assert created.headers["Location"] == "/tasks/6"
        assert created.headers["ETag"] == client.get("/tasks/6").headers["ETag"]

    def test_a_batch_of_creates_has_the_status(self, client: TestClient) -> None:
        created = client.post("/tasks:batch", json=[{"title": "A"}, {"title": "B"}])
        assert (created.status_code, len(created.json())) == (200, 2)

    def test_a_row_in_a_relation_has_the_status_of_the_resource_in_the_path(
        self, client: TestClient
    ) -> None:
        assert client.post("/projects/1/tasks", json={"title": "New"}).status_code == 201
        body = {"name": "Shop", "slug": "shop", "tasks": [{"title": "A"}]}
        assert client.post("/projects", json=body).status_code == 201

    def test_a_repeated_request_gets_the_same_status(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        class RequestKey(Idempotency, table=True):
            pass

        db.create_all()
        with serving(Resource(models.Task, db, statuses=STATUSES, idempotency=RequestKey)) as app:
            headers = {"Idempotency-Key": "k1"}
            first = app.post("/tasks", json={"title": "New"}, headers=headers)
            second = app.post("/tasks", json={"title": "New"}, headers=headers)
            assert (first.status_code, second.status_code) == (200, 200)
            assert first.json() == second.json()
            assert len(app.get("/tasks").json()) == 1


class TestLink:
    @pytest.mark.parametrize("target", ["workers/@ana", "labels/1"])
    def test_linking_and_unlinking_have_no_body(self, client: TestClient, target: str) -> None:
        relation = target.partition("/")[0]
        assert is_empty(client.put(f"/tasks/1/{target}"))
        assert len(client.get(f"/tasks/1/{relation}").json()) == 1
        assert is_empty(client.put(f"/tasks/1/{target}"))
        assert is_empty(client.delete(f"/tasks/1/{target}"))
        assert client.get(f"/tasks/1/{relation}").json() == []
        assert is_empty(client.delete(f"/tasks/1/{target}"))

    def test_a_link_that_is_refused_is_a_problem(self, client: TestClient) -> None:
        assert client.put("/tasks/1/workers/@nobody").status_code == 404
        assert client.put("/tasks/1/workers/@ana", json={"role": "x"}).status_code == 422


def test_operations_without_a_status_have_their_default(
    db: Database, models: SimpleNamespace, sample_rows: None
) -> None:
    with serving(Resource(models.Task, db, include=INCLUDE, statuses={"delete": 204})) as client:
        assert client.post("/tasks", json={"title": "A"}).status_code == 201
        assert client.patch("/tasks/1", json={"title": "A"}).json()["title"] == "A"
        assert client.put("/tasks/1/labels/1").json() == {"task_id": 1, "label_id": 1}
        assert client.delete("/tasks/1/labels/1").json() == {"ok": True}
        assert is_empty(client.delete("/tasks/1"))


def test_the_document_has_the_statuses(db: Database, models: SimpleNamespace) -> None:
    with serving(Resource(models.Task, db, include=INCLUDE, statuses=STATUSES)) as client:
        paths = client.get("/openapi.json").json()["paths"]

    def successes(path: str, method: str) -> dict[str, Any]:
        responses = paths[path][method]["responses"]
        return {status: body for status, body in responses.items() if status < "300"}

    for path, method in (
        ("/tasks/{id}", "patch"),
        ("/tasks:batch", "patch"),
        ("/tasks/{id}", "delete"),
        ("/tasks:batch", "delete"),
        ("/tasks/{id}/workers/{target}", "put"),
        ("/tasks/{id}/workers/{target}", "delete"),
    ):
        assert [*successes(path, method)] == ["204"], (path, method)
        assert "content" not in successes(path, method)["204"]
    assert "ETag" in successes("/tasks/{id}", "patch")["204"]["headers"]
    for path in ("/tasks", "/tasks:batch"):
        assert [*successes(path, "post")] == ["200"]
        assert "content" in successes(path, "post")["200"]


@pytest.mark.parametrize(
    ("statuses", "message"),
    [
        ({"delet": 204}, "statuses names 'delet', whose status cannot be chosen. Use create, "
         "update, delete, link. Did you mean delete?"),
        ({"list": 206}, "statuses names 'list'"),
        ({"replace": 204}, "statuses names 'replace'"),
        ({"delete": 202}, "statuses has 202 for delete. Use 200 or 204."),
        ({"create": 204}, "statuses has 204 for create. Use 200 or 201."),
        ({"link": "204"}, "statuses has '204' for link"),
    ],
)  # fmt: skip
def test_other_statuses_are_refused(
    db: Database, models: SimpleNamespace, statuses: Any, message: str
) -> None:
    with pytest.raises(ModelError) as caught:
        Resource(models.Task, db, statuses=statuses)
    assert message in str(caught.value)


def test_an_upsert_needs_its_two_statuses(db: Database, models: SimpleNamespace) -> None:
    with pytest.raises(ModelError, match="whose status says whether the row was created"):
        Resource(models.Project, db, operations=STANDARD | {"upsert"}, statuses={"create": 200})
