"""Trees: rows with a parent in the same table, listed without cycles."""

from typing import Optional

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import ForeignKeyConstraint

from colonnade import (
    Database,
    Field,
    Relationship,
    Resource,
    SQLModel,
)
from tests.resources.sample_app import serving


@pytest.mark.usefixtures("sample_rows")
class TestTrees:
    def ids(self, client: TestClient, url: str) -> list[int]:
        return [task["id"] for task in client.get(url).json()]

    def test_a_tree_lists_one_level_or_all_parents_first(self, client: TestClient) -> None:
        assert self.ids(client, "/tasks/1/subtasks") == [3, 5]
        assert self.ids(client, "/tasks/1/subtasks?depth=1") == [3, 5]
        assert self.ids(client, "/tasks/1/subtasks?depth=all") == [3, 5, 4]
        assert self.ids(client, "/tasks/2/subtasks?depth=all") == []

    def test_a_depth_is_given_once(self, client: TestClient) -> None:
        response = client.get("/tasks/1/subtasks?depth=1&depth=3")
        assert response.status_code == 422
        (error,) = response.json()["errors"]
        assert (error["field"], error["constraint"]) == ("depth", "repeated")
        assert error["message"] == "depth can be used only once"

    def test_a_tree_has_pages_and_a_maximum_depth(self, client: TestClient) -> None:
        response = client.get("/tasks/1/subtasks?depth=all&limit=2&fields=id")
        assert response.json() == [{"id": 3}, {"id": 5}]
        assert client.get(response.links["next"]["url"]).json() == [{"id": 4}]
        for depth in ("0", "x", "1000", "-1"):
            assert client.get(f"/tasks/1/subtasks?depth={depth}").status_code == 422

    @pytest.mark.parametrize("parent", [1, 3, 4])
    def test_a_row_cannot_be_its_own_ancestor(self, client: TestClient, parent: int) -> None:
        response = client.patch("/tasks/1", json={"parent_id": parent})
        assert (response.status_code, response.json()["type"]) == (409, "urn:colonnade:cycle")
        assert client.get("/tasks/1").json()["parent_id"] is None

    def test_a_batch_cannot_make_a_cycle(self, client: TestClient) -> None:
        changes = [{"id": 2, "parent_id": 4}, {"id": 1, "parent_id": 2}]
        assert client.patch("/tasks:batch", json=changes).status_code == 409
        assert client.get("/tasks/2").json()["parent_id"] is None

    def test_a_parent_may_change(self, client: TestClient) -> None:
        assert client.patch("/tasks/3", json={"parent_id": 2}).json()["parent_id"] == 2
        assert client.patch("/tasks/3", json={"parent_id": None}).json()["parent_id"] is None

    def test_a_new_row_cannot_refer_to_its_guessed_key(self, client: TestClient) -> None:
        last = client.post("/tasks", json={"title": "Last"}).json()["id"]
        for guess in (last + 1, last + 2):  # PostgreSQL skips a key after each failure
            response = client.post("/tasks", json={"title": "Below itself", "parent_id": guess})
            assert (response.status_code, response.json()["errors"][0]["field"]) == (
                409,
                "parent_id",
            )

    def test_a_new_row_with_a_chosen_key_cannot_refer_to_itself(self, db: Database) -> None:
        class Folder(SQLModel, table=True):
            path: str = Field(primary_key=True)
            above: str | None = Field(default=None, foreign_key="folder.path")
            parent: Optional["Folder"] = Relationship(
                back_populates="folders", sa_relationship_kwargs={"remote_side": "Folder.path"}
            )
            folders: list["Folder"] = Relationship(back_populates="parent")

        db.create_all()
        with serving(Resource(Folder, db)) as client:
            response = client.post("/folders", json={"path": "a", "above": "a"})
            assert (response.status_code, response.json()["type"]) == (409, "urn:colonnade:cycle")
            assert client.get("/folders").json() == []


class TestCycles:
    def test_a_foreign_key_without_a_relation_makes_no_cycle(self, db: Database) -> None:
        class Cat(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            parent_id: int | None = Field(default=None, foreign_key="cat.id")

        db.create_all()
        with serving(Resource(Cat, db)) as client:
            client.post("/cats", json={})
            client.post("/cats", json={"parent_id": 1})
            assert client.patch("/cats/1", json={"parent_id": 2}).json()["type"].endswith("cycle")
            assert (
                client.post("/cats", json={"parent_id": 3}).status_code == 409
            )  # the key of the new row

    def test_a_composite_key_makes_no_cycle(self, db: Database) -> None:
        class Node(SQLModel, table=True):
            __table_args__ = (
                ForeignKeyConstraint(["tenant", "parent_id"], ["node.tenant", "node.id"]),
            )
            tenant: int = Field(primary_key=True)
            id: int = Field(primary_key=True)
            parent_id: int | None = None

        db.create_all()
        with serving(Resource(Node, db)) as client:
            assert client.post("/nodes", json={"tenant": 1, "id": 1}).status_code == 201
            child = {"tenant": 1, "id": 2, "parent_id": 1}
            assert client.post("/nodes", json=child).status_code == 201
            itself = {"tenant": 1, "id": 3, "parent_id": 3}
            assert client.post("/nodes", json=itself).status_code == 409
            for parent in (1, 2):
                moved = client.patch("/nodes/1,1", json={"parent_id": parent})
                assert moved.json()["type"] == "urn:colonnade:cycle"

    def test_a_change_of_the_referenced_column_makes_no_cycle(self, db: Database) -> None:
        class Cat(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            code: str = Field(unique=True)
            parent_code: str | None = Field(default=None, foreign_key="cat.code")

        db.create_all()
        with serving(Resource(Cat, db)) as client:
            client.post("/cats", json={"code": "a"})
            both = client.patch("/cats/1", json={"code": "z", "parent_code": "z"})
            assert both.json()["type"] == "urn:colonnade:cycle"
            client.post("/cats", json={"code": "b", "parent_code": "a"})
            referred = client.patch("/cats/1", json={"code": "y"})
            assert referred.json()["type"] == "urn:colonnade:referenced"
