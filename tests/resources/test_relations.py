"""Relations over HTTP: their own lists, links, trees."""

from types import SimpleNamespace
from typing import Any, Optional

import pytest
from fastapi.testclient import TestClient

from colonnade import Database, Field, Relationship, Resource, SQLModel
from colonnade.errors import ModelError
from tests.resources.world import serving


@pytest.fixture(autouse=True)
def rows(models: SimpleNamespace, store: Any) -> None:
    store(models.Project(id=1, name="Web", slug="web"), models.Worker(id="@ana"))
    store(models.Worker(id="@bot", type="agent"), models.Label(id=1, name="urgent"))
    store(models.Task(id=1, title="One", project_id=1), models.Task(id=2, title="Two"))
    store(models.Task(id=3, title="Below one", parent_id=1))
    store(models.Task(id=4, title="Below three", parent_id=3))
    store(models.Task(id=5, title="Below one too", parent_id=1))


class TestLists:
    def test_the_rows_of_a_relation(self, client: TestClient) -> None:
        assert [task["title"] for task in client.get("/projects/1/tasks").json()] == ["One"]
        assert client.get("/tasks/2/labels").json() == []

    def test_of_a_row_that_is_not_there(self, client: TestClient) -> None:
        for url in ("/projects/9/tasks", "/tasks/9/workers", "/tasks/9/subtasks?depth=all"):
            answer = client.get(url)
            assert (answer.status_code, answer.json()["type"]) == (404, "urn:colonnade:not_found")

    def test_filters_pages_and_counts(self, client: TestClient) -> None:
        answer = client.get("/tasks/1/subtasks?limit=1&count=exact&order_by=-title")
        assert [task["id"] for task in answer.json()] == [5]
        assert answer.headers["X-Total-Count"] == "2"
        assert [task["id"] for task in client.get(answer.links["next"]["url"]).json()] == [3]
        assert client.get("/tasks/1/subtasks?title=Below one").json()[0]["id"] == 3
        assert client.get("/tasks/1/subtasks?nope=1").status_code == 422

    def test_a_relation_that_is_not_included_is_not_there(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        with serving(Resource(models.Task, db)) as client:
            assert client.get("/tasks/1/workers").status_code == 404
            assert client.get("/tasks/1/subtasks").status_code == 200  # of the table itself


class TestLinks:
    def test_a_link_is_put_and_taken_away_again_and_again(self, client: TestClient) -> None:
        for _ in range(2):
            assert client.put("/tasks/1/labels/1").json() == {"task_id": 1, "label_id": 1}
            assert [label["id"] for label in client.get("/tasks/1/labels").json()] == [1]
        for _ in range(2):
            assert client.delete("/tasks/1/labels/1").json() == {"ok": True}
            assert client.get("/tasks/1/labels").json() == []

    def test_a_link_models_own_fields(self, client: TestClient) -> None:
        put = client.put("/tasks/1/workers/@ana", json={"role": "reviewer"})
        assert put.status_code == 200
        link = put.json()
        assert (link["task_id"], link["worker_id"], link["role"]) == (1, "@ana", "reviewer")
        assert client.put("/tasks/1/workers/@ana").json() == link
        changed = client.put("/tasks/1/workers/@ana", json={"role": "assignee"}).json()
        assert changed == {**link, "role": "assignee"}
        assert client.get("/tasks/1/assignments").json() == [changed]

    def test_a_key_that_no_row_can_have_is_a_row_that_is_not_there(
        self, client: TestClient
    ) -> None:
        beyond = 2**31
        for url in (
            f"/tasks/{beyond}/labels/1",
            f"/tasks/1/labels/{beyond}",
            f"/tasks/{beyond}/workers/@ana",
            f"/workers/@ana/assignments/{beyond}",
        ):
            for answer in (client.put(url, json={}), client.delete(url)):
                assert answer.status_code == 404, url
                assert answer.json()["type"] == "urn:colonnade:not_found"
        assert client.put(f"/tasks/1/labels/{beyond}").json()["detail"] == "Label not found."

    def test_an_association_is_linked_by_its_far_key(self, client: TestClient) -> None:
        put = client.put("/tasks/1/assignments/@bot", json={"role": "reviewer"})
        assert put.json()["worker_id"] == "@bot"
        assert client.delete("/workers/@bot/assignments/1").json() == {"ok": True}
        assert client.get("/tasks/1/assignments").json() == []

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"role": "boss"}, "role"),
            ({"nope": 1}, "nope"),
            ({"worker_id": "@bot"}, "worker_id"),
            ({"since": "2026-01-01T00:00:00"}, "since"),
        ],
    )
    def test_wrong_fields(self, client: TestClient, body: Any, field: str) -> None:
        answer = client.put("/tasks/1/workers/@ana", json=body)
        assert answer.status_code == 422
        assert field in [error["field"] for error in answer.json()["errors"]]
        assert client.get("/tasks/1/workers").json() == []

    def test_rows_that_are_not_there(self, client: TestClient) -> None:
        for method in ("PUT", "DELETE"):
            missing = client.request(method, "/tasks/1/workers/@nobody")
            assert (missing.status_code, "Worker" in missing.json()["detail"]) == (404, True)
            missing = client.request(method, "/tasks/99/workers/@ana")
            assert (missing.status_code, "Task" in missing.json()["detail"]) == (404, True)

    def test_a_body_where_there_is_none(self, client: TestClient) -> None:
        assert client.put("/tasks/1/labels/1", json={}).status_code == 200
        assert client.put("/tasks/1/labels/1", json={"x": 1}).status_code == 422


class TestTrees:
    def ids(self, client: TestClient, url: str) -> list[int]:
        return [task["id"] for task in client.get(url).json()]

    def test_one_level_or_all_parents_first(self, client: TestClient) -> None:
        assert self.ids(client, "/tasks/1/subtasks") == [3, 5]
        assert self.ids(client, "/tasks/1/subtasks?depth=1") == [3, 5]
        assert self.ids(client, "/tasks/1/subtasks?depth=all") == [3, 5, 4]
        assert self.ids(client, "/tasks/2/subtasks?depth=all") == []

    def test_bounded(self, client: TestClient) -> None:
        answer = client.get("/tasks/1/subtasks?depth=all&limit=2&fields=id")
        assert answer.json() == [{"id": 3}, {"id": 5}]
        assert client.get(answer.links["next"]["url"]).json() == [{"id": 4}]
        for depth in ("0", "x", "1000", "-1"):
            assert client.get(f"/tasks/1/subtasks?depth={depth}").status_code == 422

    @pytest.mark.parametrize("parent", [1, 3, 4])
    def test_a_row_cannot_be_below_itself(self, client: TestClient, parent: int) -> None:
        answer = client.patch("/tasks/1", json={"parent_id": parent})
        assert (answer.status_code, answer.json()["type"]) == (409, "urn:colonnade:cycle")
        assert client.get("/tasks/1").json()["parent_id"] is None

    def test_nor_in_a_batch(self, client: TestClient) -> None:
        changes = [{"id": 2, "parent_id": 4}, {"id": 1, "parent_id": 2}]
        assert client.patch("/tasks:batch", json=changes).status_code == 409
        assert client.get("/tasks/2").json()["parent_id"] is None

    def test_a_parent_may_change(self, client: TestClient) -> None:
        assert client.patch("/tasks/3", json={"parent_id": 2}).json()["parent_id"] == 2
        assert client.patch("/tasks/3", json={"parent_id": None}).json()["parent_id"] is None

    def test_a_new_row_that_guesses_its_key(self, client: TestClient) -> None:
        last = client.post("/tasks", json={"title": "Last"}).json()["id"]
        for guess in (last + 1, last + 2):  # PostgreSQL has counted on by then
            answer = client.post("/tasks", json={"title": "Below itself", "parent_id": guess})
            assert (answer.status_code, answer.json()["errors"][0]["field"]) == (409, "parent_id")

    def test_a_new_row_with_a_key_of_its_own(self, db: Database) -> None:
        class Folder(SQLModel, table=True):
            path: str = Field(primary_key=True)
            above: str | None = Field(default=None, foreign_key="folder.path")
            parent: Optional["Folder"] = Relationship(
                back_populates="folders", sa_relationship_kwargs={"remote_side": "Folder.path"}
            )
            folders: list["Folder"] = Relationship(back_populates="parent")

        db.create_all()
        with serving(Resource(Folder, db)) as client:
            answer = client.post("/folders", json={"path": "a", "above": "a"})
            assert (answer.status_code, answer.json()["type"]) == (409, "urn:colonnade:cycle")
            assert client.get("/folders").json() == []


@pytest.fixture
def stocked(db: Database) -> Any:
    """A table whose rows the ORM alone would delete."""

    class Order(SQLModel, table=True):
        __tablename__ = "orders"
        id: int | None = Field(default=None, primary_key=True)
        lines: list["Line"] = Relationship(back_populates="order", cascade_delete=True)

    class Line(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        order_id: int | None = Field(default=None, foreign_key="orders.id")
        order: Order | None = Relationship(back_populates="lines")

    return Order, Line


def test_a_cascade_of_the_orm_alone_is_refused_with_its_fix(db: Database, stocked: Any) -> None:
    fix = r'ondelete="CASCADE"\) on Line\.order_id'
    with pytest.raises(ModelError, match=fix), serving(Resource(stocked[0], db)):
        pass
    with serving(Resource(stocked[0], db, operations={"list", "create"})):
        pass  # nothing is deleted here
