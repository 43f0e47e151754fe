"""Links: rows of a link table, created and deleted by the keys of both rows."""

from collections.abc import Iterator
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import model_validator
from sqlalchemy import ForeignKeyConstraint

from colonnade import (
    Database,
    Field,
    Relationship,
    Resource,
    SQLModel,
)
from colonnade.errors import ModelError
from tests.resources.sample_app import serving


@pytest.mark.usefixtures("sample_rows")
class TestLinks:
    def test_link_and_unlink_may_be_repeated(self, client: TestClient) -> None:
        for _ in range(2):
            assert client.put("/tasks/1/labels/1").json() == {"task_id": 1, "label_id": 1}
            assert [label["id"] for label in client.get("/tasks/1/labels").json()] == [1]
        for _ in range(2):
            assert client.delete("/tasks/1/labels/1").json() == {"ok": True}
            assert client.get("/tasks/1/labels").json() == []

    def test_a_link_has_the_fields_of_its_model(self, client: TestClient) -> None:
        put = client.put("/tasks/1/workers/@ana", json={"role": "reviewer"})
        assert put.status_code == 200
        link = put.json()
        assert (link["task_id"], link["worker_id"], link["role"]) == (1, "@ana", "reviewer")
        assert client.put("/tasks/1/workers/@ana").json() == link
        changed = client.put("/tasks/1/workers/@ana", json={"role": "assignee"}).json()
        assert changed == {**link, "role": "assignee"}
        assert client.get("/tasks/1/assignments").json() == [changed]

    def test_a_key_out_of_range_is_not_found(self, client: TestClient) -> None:
        out_of_range = 2**31
        for url in (
            f"/tasks/{out_of_range}/labels/1",
            f"/tasks/1/labels/{out_of_range}",
            f"/tasks/{out_of_range}/workers/@ana",
            f"/workers/@ana/assignments/{out_of_range}",
        ):
            for response in (client.put(url, json={}), client.delete(url)):
                assert response.status_code == 404, url
                assert response.json()["type"] == "urn:colonnade:not_found"
        assert client.put(f"/tasks/1/labels/{out_of_range}").json()["detail"] == "Label not found."

    def test_an_association_is_linked_by_the_key_of_its_target(self, client: TestClient) -> None:
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
    def test_invalid_fields_are_refused(self, client: TestClient, body: Any, field: str) -> None:
        response = client.put("/tasks/1/workers/@ana", json=body)
        assert response.status_code == 422
        assert field in [error["field"] for error in response.json()["errors"]]
        assert client.get("/tasks/1/workers").json() == []

    def test_missing_rows_are_not_found(self, client: TestClient) -> None:
        for method in ("PUT", "DELETE"):
            missing = client.request(method, "/tasks/1/workers/@nobody")
            assert (missing.status_code, "Worker" in missing.json()["detail"]) == (404, True)
            missing = client.request(method, "/tasks/99/workers/@ana")
            assert (missing.status_code, "Task" in missing.json()["detail"]) == (404, True)

    def test_a_link_without_fields_refuses_a_body(self, client: TestClient) -> None:
        assert client.put("/tasks/1/labels/1", json={}).status_code == 200
        assert client.put("/tasks/1/labels/1", json={"x": 1}).status_code == 422


class TestLinkModels:
    """Tasks and workers, link_models by a table with a scope, a foreign key and validators."""

    @pytest.fixture
    def link_models(self, db: Database, store: Any) -> Any:
        class Badge(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            owner_id: int

        class Assignment(SQLModel, table=True):
            task_id: int = Field(foreign_key="task.id", primary_key=True)
            worker_id: str = Field(foreign_key="worker.id", primary_key=True)
            owner_id: int | None = None
            role: str = "assignee"
            note: str | None = None
            seat: int | None = Field(default=None, unique=True)
            code: str = Field(default="c", frozen=True)
            badge_id: int | None = Field(default=None, foreign_key="badge.id")

            @model_validator(mode="after")
            def boss_needs_note(self) -> Any:
                if self.role == "boss" and self.note is None:
                    raise ValueError("a boss needs a note")
                return self

        class Worker(SQLModel, table=True):
            id: str = Field(primary_key=True)

        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            workers: list[Worker] = Relationship(
                link_model=Assignment, sa_relationship_kwargs={"viewonly": True}
            )
            bosses: list[Worker] = Relationship(
                link_model=Assignment,
                sa_relationship_kwargs={
                    "viewonly": True,
                    "primaryjoin": "and_(Task.id == Assignment.task_id, Assignment.role == 'boss')",
                },
            )

        db.create_all()
        store(Task(id=1), Worker(id="a"), Worker(id="b"))
        store(Badge(id=1, owner_id=1), Badge(id=2, owner_id=2))
        store(Assignment(task_id=1, worker_id="b", owner_id=2))
        return SimpleNamespace(Task=Task, Assignment=Assignment, Badge=Badge, Worker=Worker)

    @pytest.fixture
    def unscoped_client(self, db: Database, link_models: Any) -> Iterator[TestClient]:
        badges = Resource(link_models.Badge, db, scope=lambda: {"owner_id": 1})
        tasks = Resource(link_models.Task, db, include=["workers", "bosses"])
        with serving(badges, tasks) as client:
            yield client

    def scoped_client(self, db: Database, link_models: Any, scope_value: Any) -> Any:
        links = Resource(link_models.Assignment, db, scope=lambda: scope_value)
        return serving(links, Resource(link_models.Task, db, include=["workers"]))

    def test_a_foreign_key_of_the_link_is_scoped(self, unscoped_client: TestClient) -> None:
        url = "/tasks/1/workers/a"
        for badge in (2, 99):
            refused = unscoped_client.put(url, json={"badge_id": badge})
            assert (refused.status_code, refused.json()["errors"][0]["field"]) == (409, "badge_id")
        assert unscoped_client.put(url, json={"badge_id": 1}).status_code == 200

    def test_validators_run_on_the_whole_link(self, unscoped_client: TestClient) -> None:
        url = "/tasks/1/workers/a"
        assert unscoped_client.put(url, json={"role": "boss"}).status_code == 422
        assert unscoped_client.put(url, json={"role": "boss", "note": "n"}).status_code == 200
        assert unscoped_client.put(url, json={"note": None}).status_code == 422
        changed = unscoped_client.put(url, json={"seat": 4}).json()
        assert (changed["role"], changed["note"], changed["seat"]) == ("boss", "n", 4)

    def test_a_frozen_field_is_set_only_once(self, unscoped_client: TestClient) -> None:
        url = "/tasks/1/workers/a"
        assert unscoped_client.put(url, json={"code": "x"}).json()["code"] == "x"
        assert unscoped_client.put(url, json={"code": "y"}).json()["code"] == "x"

    def test_a_conflict_names_the_link_model(self, unscoped_client: TestClient) -> None:
        assert unscoped_client.put("/tasks/1/workers/a", json={"seat": 1}).status_code == 200
        taken = unscoped_client.put("/tasks/1/workers/b", json={"seat": 1}).json()
        assert taken["detail"] == "There is already an assignment with this seat."

    def test_a_relation_with_a_condition_cannot_be_linked(
        self, unscoped_client: TestClient
    ) -> None:
        unscoped_client.put("/tasks/1/workers/a", json={"role": "boss", "note": "n"})
        assert [row["id"] for row in unscoped_client.get("/tasks/1/bosses").json()] == ["a"]
        for method in ("PUT", "DELETE"):
            assert unscoped_client.request(method, "/tasks/1/bosses/b").status_code == 404
        assert len(unscoped_client.get("/tasks/1/workers").json()) == 2

    def test_a_link_gets_the_values_of_its_scope(self, db: Database, link_models: Any) -> None:
        with self.scoped_client(db, link_models, {"owner_id": 1}) as client:
            put = client.put("/tasks/1/workers/a", json={})
            assert (put.status_code, put.json()["owner_id"]) == (200, 1)
            assert client.put("/tasks/1/workers/a", json={"owner_id": 2}).status_code == 422
            other_users_link = client.put("/tasks/1/workers/b", json={"role": "x"})
            assert (other_users_link.status_code, other_users_link.json()["type"]) == (
                409,
                "urn:colonnade:scope",
            )
            assert client.delete("/tasks/1/workers/b").status_code == 200
        with db.session() as session:
            other_users_link = session.get_one(link_models.Assignment, (1, "b"))
            assert other_users_link.role == "assignee"

    def test_a_scope_may_fix_a_key_of_the_link(self, db: Database, link_models: Any) -> None:
        with self.scoped_client(db, link_models, {"worker_id": "a"}) as client:
            assert client.put("/tasks/1/workers/a", json={}).status_code == 200
            assert client.put("/tasks/1/workers/b", json={}).status_code == 422

    def test_a_scope_of_none_denies_access(self, db: Database, link_models: Any) -> None:
        with self.scoped_client(db, link_models, None) as client:
            assert client.put("/tasks/1/workers/a", json={}).status_code == 403
            assert client.delete("/tasks/1/workers/b").status_code == 403

    def test_a_scope_may_be_a_condition(self, db: Database, link_models: Any) -> None:
        with self.scoped_client(
            db, link_models, link_models.Assignment.role == "assignee"
        ) as client:
            assert client.put("/tasks/1/workers/a", json={"role": "x"}).status_code == 422
            assert client.put("/tasks/1/workers/a", json={}).status_code == 200
            assert client.put("/tasks/1/workers/a", json={"role": "x"}).status_code == 422
            assert len(client.get("/tasks/1/workers").json()) == 2

    def test_the_scope_of_a_referenced_table_must_be_declared_first(
        self, db: Database, link_models: Any
    ) -> None:
        app = FastAPI()
        app.include_router(Resource(link_models.Task, db, include=["workers"]))
        with pytest.raises(ModelError, match="after the Resource of Task was built"):
            Resource(link_models.Badge, db, scope=lambda: {"owner_id": 1})


@pytest.mark.parametrize("number", ["1.0000000000000000001", "1e-400", "99999999.0000000001"])
def test_a_number_with_more_digits_than_its_field_is_refused(db: Database, number: str) -> None:
    class Share(SQLModel, table=True):
        task_id: int = Field(foreign_key="task.id", primary_key=True)
        worker_id: int = Field(foreign_key="worker.id", primary_key=True)
        hours: Decimal = Field(default=Decimal(0), max_digits=10, decimal_places=2)

    class Worker(SQLModel, table=True):
        id: int = Field(primary_key=True)

    class Task(SQLModel, table=True):
        id: int = Field(primary_key=True)
        workers: list[Worker] = Relationship(
            link_model=Share, sa_relationship_kwargs={"viewonly": True}
        )

    db.create_all()
    with serving(Resource(Task, db, include=["workers"]), Resource(Worker, db)) as client:
        client.post("/tasks", json={"id": 1})
        client.post("/workers", json={"id": 1})
        for body in ('{"hours": "%s"}', '{"hours": %s}'):
            headers = {"Content-Type": "application/json"}
            response = client.put("/tasks/1/workers/1", content=body % number, headers=headers)
            assert response.status_code == 422, (body, response.text)
            assert response.json()["errors"][0]["field"] == "hours"


def test_a_link_table_with_three_keys_cannot_be_linked(db: Database) -> None:
    class A(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        triples: list["Triple"] = Relationship(sa_relationship_kwargs={"passive_deletes": "all"})

    class B(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)

    class Triple(SQLModel, table=True):
        a_id: int = Field(foreign_key="a.id", primary_key=True)
        b_id: int = Field(foreign_key="b.id", primary_key=True)
        again_id: int = Field(foreign_key="b.id", primary_key=True)
        n: int = 0

    db.create_all()
    with serving(Resource(A, db, include=["triples"])) as client:
        paths = client.get("/openapi.json").json()["paths"]
        assert "/as/{id}/triples" in paths
        assert "/as/{id}/triples/{target}" not in paths


def test_a_link_table_with_a_surrogate_key_lists_each_row_once(db: Database, store: Any) -> None:
    class Link(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        task_id: int = Field(foreign_key="task.id")
        tag_id: int = Field(foreign_key="tag.id")

    class Tag(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)

    class Task(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        tags: list[Tag] = Relationship(link_model=Link)

    db.create_all()
    store(Task(id=1), Tag(id=1), Tag(id=2))
    store(Link(task_id=1, tag_id=1), Link(task_id=1, tag_id=1), Link(task_id=1, tag_id=2))
    with serving(Resource(Task, db, include=["tags"])) as client:
        rows = [{"id": 1}, {"id": 2}]
        assert client.get("/tasks/1?include=tags").json()["tags"] == rows
        listed = client.get("/tasks/1/tags?count=exact")
        assert (listed.json(), listed.headers["X-Total-Count"]) == (rows, "2")
        assert "/tasks/{id}/tags/{target}" not in client.get("/openapi.json").json()["paths"]


def test_a_link_that_does_not_change_evaluates_no_onupdate(db: Database) -> None:
    calls: list[str] = []

    def touched() -> str:
        calls.append("called")
        return "touched"

    class Tag(SQLModel, table=True):
        id: int = Field(primary_key=True)

    class PostTag(SQLModel, table=True):
        post_id: int = Field(foreign_key="post.id", primary_key=True)
        tag_id: int = Field(foreign_key="tag.id", primary_key=True)
        note: str = ""
        state: str = Field(default="new", sa_column_kwargs={"onupdate": touched})

    class Post(SQLModel, table=True):
        id: int = Field(primary_key=True)
        tags: list[Tag] = Relationship(link_model=PostTag)

    db.create_all()
    with serving(Resource(Post, db, include=["tags"]), Resource(Tag, db)) as client:
        client.post("/posts", json={"id": 1})
        client.post("/tags", json={"id": 1})
        client.put("/posts/1/tags/1", json={"note": "a"})
        calls.clear()
        assert client.put("/posts/1/tags/1").json()["state"] == "new"
        assert client.put("/posts/1/tags/2", json={"note": "b"}).status_code == 404
        client.delete("/posts/1/tags/2")
        assert len(calls) <= 1  # the PUT with a note did not know that tag 2 does not exist
        assert client.put("/posts/1/tags/1", json={"note": "b"}).json()["state"] == "touched"


def test_a_foreign_key_of_a_link_shares_a_column_with_its_key(db: Database) -> None:
    class Cat(SQLModel, table=True):
        tenant: int = Field(primary_key=True)
        id: int = Field(primary_key=True)

    class Member(SQLModel, table=True):
        tenant: int = Field(primary_key=True)
        id: int = Field(primary_key=True)

    class Membership(SQLModel, table=True):
        __table_args__ = (
            ForeignKeyConstraint(["tenant", "team_id"], ["team.tenant", "team.id"]),
            ForeignKeyConstraint(["tenant", "member_id"], ["member.tenant", "member.id"]),
            ForeignKeyConstraint(["tenant", "cat_id"], ["cat.tenant", "cat.id"]),
        )
        tenant: int = Field(primary_key=True)
        team_id: int = Field(primary_key=True)
        member_id: int = Field(primary_key=True)
        cat_id: int | None = None

    class Team(SQLModel, table=True):
        tenant: int = Field(primary_key=True)
        id: int = Field(primary_key=True)
        members: list[Member] = Relationship(link_model=Membership)

    db.create_all()
    cats = Resource(Cat, db, scope=lambda: {"tenant": 1})
    with serving(Resource(Team, db, include=["members"]), Resource(Member, db), cats) as client:
        for path in ("/teams", "/members"):
            client.post(path, json={"tenant": 1, "id": 1})
        assert client.post("/cats", json={"id": 1}).status_code == 201
        linked = client.put("/teams/1,1/members/1,1", json={"cat_id": 1})
        assert linked.json() == {"tenant": 1, "team_id": 1, "member_id": 1, "cat_id": 1}
        assert client.put("/teams/1,1/members/1,1", json={"cat_id": 2}).status_code == 409
