"""What scope, keys and rules close stays closed, whichever way a request comes."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from hashlib import blake2b
from types import SimpleNamespace
from typing import Annotated, Any, Optional

import pytest
from fastapi import Depends, FastAPI, HTTPException
from fastapi.testclient import TestClient
from pydantic import AfterValidator, ValidationInfo, field_validator, model_validator
from sqlalchemy import ForeignKeyConstraint

from colonnade import (
    AsyncSession,
    Database,
    Field,
    Page,
    Relationship,
    Resource,
    Session,
    SQLModel,
    Versioned,
    col,
)
from colonnade.errors import ModelError
from tests.resources.world import serving

Serving = Callable[..., AbstractContextManager[TestClient]]


class TestScope:
    def test_of_two_tables_whose_names_meet(self, db: Database, store: Any) -> None:
        class Team(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            member_id: int

        class TeamMember(SQLModel, table=True):
            __tablename__ = "team_member"
            id: int | None = Field(default=None, primary_key=True)
            team_id: int | None = Field(default=None, foreign_key="team.id")
            team: Team | None = Relationship()

        db.create_all()
        store(Team(id=1, member_id=7), Team(id=2, member_id=8))
        store(TeamMember(id=3, team_id=2), TeamMember(id=7, team_id=1))
        teams = Resource(Team, db, scope=lambda: {"member_id": 7})
        members = Resource(TeamMember, db, include=["team"], scope=lambda: {"id": 3})
        with serving(teams, members) as client:
            assert [row["id"] for row in client.get("/team-members").json()] == [3]
            assert client.get("/team-members?include=team").json()[0]["team"] is None
            assert client.patch("/team-members/3", json={"team_id": 2}).status_code == 409
            assert client.patch("/team-members/3", json={"team_id": 1}).status_code == 200

    def test_a_column_that_is_a_condition(self, db: Database, store: Any) -> None:
        class Post(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            public: bool

        db.create_all()
        store(Post(public=True), Post(public=False))
        with serving(Resource(Post, db, scope=lambda: Post.public)) as client:
            assert client.get("/posts").json() == [{"id": 1, "public": True}]

    def test_a_field_that_it_says_need_not_be_said(self, db: Database) -> None:
        class Note(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            owner_id: int
            text: str

        db.create_all()
        with serving(Resource(Note, db, scope=lambda: {"owner_id": 1})) as client:
            created = client.post("/notes", json={"text": "x"})
            assert (created.status_code, created.json()["owner_id"]) == (201, 1)
            assert client.post("/notes:batch", json=[{"text": "y"}]).status_code == 201
            assert client.post("/notes", json={"text": "x", "owner_id": 2}).status_code == 422

    def test_part_of_a_foreign_key(self, db: Database, store: Any) -> None:
        class Doc(SQLModel, table=True):
            tenant: int = Field(primary_key=True)
            id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
            owner_id: int

        class Mark(SQLModel, table=True):
            __table_args__ = (ForeignKeyConstraint(["tenant", "doc_id"], ["doc.tenant", "doc.id"]),)
            id: int | None = Field(default=None, primary_key=True)
            tenant: int | None = None
            doc_id: int | None = None

        db.create_all()
        with db.session() as session:
            session.add_all([Doc(tenant=1, id=1, owner_id=1), Doc(tenant=1, id=2, owner_id=2)])
            session.commit()
        store(Mark(id=1, tenant=1, doc_id=1), Mark(id=2))
        docs = Resource(Doc, db, scope=lambda: {"owner_id": 1})
        with serving(docs, Resource(Mark, db)) as client:
            for change in ({"tenant": 1, "doc_id": 2}, {"doc_id": 2}):
                assert client.patch("/marks/1", json=change).status_code == 409
                assert client.patch("/marks:batch", json=[{"id": 1, **change}]).status_code == 409
            assert client.patch("/marks/1", json={"doc_id": 1}).status_code == 200
            assert client.patch("/marks/1", json={"doc_id": None}).status_code == 200
            assert client.patch("/marks/2", json={"doc_id": 2}).status_code == 200  # refers to none

    def test_a_tree_tells_nothing_of_rows_out_of_reach(self, db: Database, store: Any) -> None:
        class Cat(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            owner_id: int
            parent_id: int | None = Field(default=None, foreign_key="cat.id")

        db.create_all()
        store(Cat(id=1, owner_id=2), Cat(id=10, owner_id=1))
        store(Cat(id=2, owner_id=2, parent_id=1), Cat(id=4, owner_id=2, parent_id=10))
        with serving(Resource(Cat, db, scope=lambda: {"owner_id": 1})) as client:
            assert client.patch("/cats/1", json={"parent_id": 2}).status_code == 404
            for parent in (1, 4, 99):
                answer = client.patch("/cats/10", json={"parent_id": parent})
                assert answer.json()["type"] == "urn:colonnade:foreign_key"

    def test_hooks_see_no_row_out_of_reach(self, db: Database, store: Any) -> None:
        class Row(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            owner_id: int = 1

        db.create_all()
        store(Row(id=1, owner_id=2))
        rows = Resource(Row, db, scope=lambda: {"owner_id": 1})
        seen: list[Any] = []

        @rows.before("delete")
        def before_delete(session: Session, key: Any) -> None:
            seen.append(key)

        @rows.before("update")
        def before_update(session: Session, values: Any) -> None:
            seen.append(values)

        with serving(rows) as client:
            for key in (1, 99):
                assert client.delete(f"/rows/{key}").status_code == 404
                assert client.delete(f"/rows:batch?key={key}").status_code == 404
                assert client.patch(f"/rows/{key}", json={}).status_code == 404
        assert seen == []

    def test_an_endpoint_that_came_late_has_it(self, db: Database, store: Any) -> None:
        class Row(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            owner_id: int = 1

        db.create_all()
        store(Row(id=1), Row(id=2, owner_id=2))
        rows = Resource(Row, db, scope=lambda: {"owner_id": 1})
        app = FastAPI()
        app.include_router(rows)

        @rows.get("/late")
        async def late(query: Annotated[Page, Depends(rows.query)]) -> Any:
            return await rows.answer(query)

        with TestClient(app) as client:
            assert [row["id"] for row in client.get("/rows/late").json()] == [1]


class TestLinks:
    """Tasks and workers, linked by a table that has a scope, a foreign key and rules of its own."""

    @pytest.fixture
    def linked(self, db: Database, store: Any) -> Any:
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
            def noted(self) -> Any:
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
    def open_link(self, db: Database, linked: Any) -> Iterator[TestClient]:
        badges = Resource(linked.Badge, db, scope=lambda: {"owner_id": 1})
        tasks = Resource(linked.Task, db, include=["workers", "bosses"])
        with serving(badges, tasks) as client:
            yield client

    def scoped(self, db: Database, linked: Any, answer: Any) -> Any:
        links = Resource(linked.Assignment, db, scope=lambda: answer)
        return serving(links, Resource(linked.Task, db, include=["workers"]))

    def test_a_foreign_key_of_the_link(self, open_link: TestClient) -> None:
        url = "/tasks/1/workers/a"
        for badge in (2, 99):
            refused = open_link.put(url, json={"badge_id": badge})
            assert (refused.status_code, refused.json()["errors"][0]["field"]) == (409, "badge_id")
        assert open_link.put(url, json={"badge_id": 1}).status_code == 200

    def test_rules_are_of_the_whole_link(self, open_link: TestClient) -> None:
        url = "/tasks/1/workers/a"
        assert open_link.put(url, json={"role": "boss"}).status_code == 422
        assert open_link.put(url, json={"role": "boss", "note": "n"}).status_code == 200
        assert open_link.put(url, json={"note": None}).status_code == 422
        changed = open_link.put(url, json={"seat": 4}).json()
        assert (changed["role"], changed["note"], changed["seat"]) == ("boss", "n", 4)

    def test_what_is_set_once_stays(self, open_link: TestClient) -> None:
        url = "/tasks/1/workers/a"
        assert open_link.put(url, json={"code": "x"}).json()["code"] == "x"
        assert open_link.put(url, json={"code": "y"}).json()["code"] == "x"

    def test_a_conflict_names_the_link(self, open_link: TestClient) -> None:
        assert open_link.put("/tasks/1/workers/a", json={"seat": 1}).status_code == 200
        taken = open_link.put("/tasks/1/workers/b", json={"seat": 1}).json()
        assert taken["detail"] == "Another Assignment with this seat already exists."

    def test_a_relation_on_a_condition_cannot_be_linked(self, open_link: TestClient) -> None:
        open_link.put("/tasks/1/workers/a", json={"role": "boss", "note": "n"})
        assert [worker["id"] for worker in open_link.get("/tasks/1/bosses").json()] == ["a"]
        for method in ("PUT", "DELETE"):
            assert open_link.request(method, "/tasks/1/bosses/b").status_code == 404
        assert len(open_link.get("/tasks/1/workers").json()) == 2

    def test_values_of_its_scope(self, db: Database, linked: Any) -> None:
        with self.scoped(db, linked, {"owner_id": 1}) as client:
            put = client.put("/tasks/1/workers/a", json={})
            assert (put.status_code, put.json()["owner_id"]) == (200, 1)
            assert client.put("/tasks/1/workers/a", json={"owner_id": 2}).status_code == 422
            theirs = client.put("/tasks/1/workers/b", json={"role": "x"})
            assert (theirs.status_code, theirs.json()["type"]) == (409, "urn:colonnade:scope")
            assert client.delete("/tasks/1/workers/b").status_code == 200
        with db.session() as session:
            theirs = session.get_one(linked.Assignment, (1, "b"))
            assert theirs.role == "assignee"

    def test_a_key_that_is_its_scope(self, db: Database, linked: Any) -> None:
        with self.scoped(db, linked, {"worker_id": "a"}) as client:
            assert client.put("/tasks/1/workers/a", json={}).status_code == 200
            assert client.put("/tasks/1/workers/b", json={}).status_code == 422

    def test_none_refuses(self, db: Database, linked: Any) -> None:
        with self.scoped(db, linked, None) as client:
            assert client.put("/tasks/1/workers/a", json={}).status_code == 403
            assert client.delete("/tasks/1/workers/b").status_code == 403

    def test_a_condition(self, db: Database, linked: Any) -> None:
        with self.scoped(db, linked, linked.Assignment.role == "assignee") as client:
            assert client.put("/tasks/1/workers/a", json={"role": "x"}).status_code == 422
            assert client.put("/tasks/1/workers/a", json={}).status_code == 200
            assert client.put("/tasks/1/workers/a", json={"role": "x"}).status_code == 422
            assert len(client.get("/tasks/1/workers").json()) == 2

    def test_a_scope_that_comes_too_late(self, db: Database, linked: Any) -> None:
        app = FastAPI()
        app.include_router(Resource(linked.Task, db, include=["workers"]))
        with pytest.raises(ModelError, match="after the Resource of Task was built"):
            Resource(linked.Badge, db, scope=lambda: {"owner_id": 1})


def test_a_link_of_three_is_no_link_of_two(db: Database) -> None:
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


def test_a_link_table_with_a_key_of_its_own_lists_a_row_once(db: Database, store: Any) -> None:
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


class TestRules:
    def test_a_change_is_judged_with_the_row_and_nothing_is_changed_twice(
        self, db: Database
    ) -> None:
        def loud(name: str) -> str:
            return f"{name}!"

        class Span(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            name: Annotated[str, AfterValidator(loud)] = Field(default="x", alias="Name")
            start: int = 0
            end: int = 10

            @field_validator("end")
            @classmethod
            def after_start(cls, end: int, info: ValidationInfo) -> int:
                if "start" in info.data and end < info.data["start"]:
                    raise ValueError("end before start")
                return end

        db.create_all()
        with serving(Resource(Span, db)) as client:
            created = client.post("/spans", json={"Name": "a", "start": 5, "end": 8}).json()
            assert created["Name"] == "a!"
            for wrong in ({"end": 3}, {"start": 9}, {"start": 4, "end": 3}):
                assert client.patch("/spans/1", json=wrong).status_code == 422
                assert client.patch("/spans:batch", json=[{"id": 1, **wrong}]).status_code == 422
            assert client.patch("/spans/1", json={"start": 7}).json()["Name"] == "a!"
            assert client.patch("/spans/1", json={"Name": "b"}).json()["Name"] == "b!"

    def test_schemas_of_ones_own_open_no_door(self, db: Database) -> None:
        class Doc(Versioned, table=True):
            id: int | None = Field(default=None, primary_key=True)
            score: int = Field(default=0, readonly=True)
            slug: str = Field(default="s", frozen=True)
            text: str = ""

        class Score(SQLModel):
            score: int

        class Slug(SQLModel):
            slug: str

        class Version(SQLModel):
            version: int

        for options in (
            {"create": Score},
            {"update": Score},
            {"update": Slug},
            {"create": Version},
        ):
            wrong: Any = options
            with (
                pytest.raises(ModelError, match="leave it out"),
                serving(Resource(Doc, db, **wrong)),
            ):
                pass

    def test_unknown_fields_of_a_schema_of_ones_own(self, db: Database) -> None:
        class Memo(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            text: str

        class Text(SQLModel):
            text: str

        db.create_all()
        with serving(Resource(Memo, db, create=Text, update=Text)) as client:
            assert client.post("/memos", json={"text": "x", "more": 1}).status_code == 422
            assert client.post("/memos", json={"text": "x"}).status_code == 201
            assert client.patch("/memos/1", json={"text": "x", "more": 1}).status_code == 422


class TestTrees:
    def test_without_a_relation_to_the_parent(self, db: Database) -> None:
        class Cat(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            parent_id: int | None = Field(default=None, foreign_key="cat.id")

        db.create_all()
        with serving(Resource(Cat, db)) as client:
            client.post("/cats", json={})
            client.post("/cats", json={"parent_id": 1})
            assert client.patch("/cats/1", json={"parent_id": 2}).json()["type"].endswith("cycle")
            assert client.post("/cats", json={"parent_id": 3}).status_code == 409  # its own key

    def test_with_a_key_of_two_columns(self, db: Database) -> None:
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

    def test_by_a_column_that_changes_as_well(self, db: Database) -> None:
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


class TestAnswers:
    def test_a_tag_is_no_way_to_guess(self, db: Database) -> None:
        class Card(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            pin: str = Field(secret=True)

        db.create_all()
        with serving(Resource(Card, db)) as client:
            tag = client.post("/cards", json={"pin": "4831"}).headers["ETag"]
            guess = blake2b(b'[1,"4831"]', digest_size=8).hexdigest()
            assert tag.strip('"').partition("-")[0] != guess

    def test_a_write_answers_as_a_read_does(self, db: Database) -> None:
        class Team(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            money: float | None = None
            data: bytes | None = None
            players: list["Player"] = Relationship(
                sa_relationship_kwargs={"passive_deletes": "all"}
            )

        class Player(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            name: str = "x"
            team_id: int | None = Field(default=None, foreign_key="team.id")
            team: Team | None = Relationship(back_populates="players")

        class Mate(SQLModel):
            id: int
            name: str

        class TeamShown(SQLModel):
            id: int
            data: bytes | None
            players: list[Mate]

        class PlayerShown(SQLModel):
            id: int
            name: str
            team: TeamShown | None

        db.create_all()
        players = Resource(Player, db, read=PlayerShown)
        with serving(Resource(Team, db, read=TeamShown), players) as client:
            created = client.post("/teams", json={})
            assert created.json() == {"id": 1, "data": None, "players": []}
            assert client.get("/teams/1").headers["ETag"] == created.headers["ETag"]
            client.post("/teams", json={})
            for team in (1, 1, 2):
                player = client.post("/players", json={"team_id": team})
                assert player.json() == client.get(player.headers["Location"]).json()
            batch = client.post("/players:batch", json=[{"team_id": 2}, {}]).json()
            assert [
                len(player["team"]["players"]) if player["team"] else 0 for player in batch
            ] == [2, 0]
            moved = client.patch("/players/1", json={"team_id": 2, "name": "y"})
            assert moved.json() == client.get("/players/1").json()
            renamed = client.patch("/teams/2", json={"money": 1.5})
            assert [player["id"] for player in renamed.json()["players"]] == [1, 3, 4]

    def test_any_of_several_tags(self, db: Database) -> None:
        class Doc(Versioned, table=True):
            id: int | None = Field(default=None, primary_key=True)
            text: str = ""

        db.create_all()
        with serving(Resource(Doc, db, prefix="/papers")) as client:
            version = client.post("/papers", json={}).json()["version"]
            headers: Any = [("If-Match", f'"7-x", "{version}-y"'), ("If-Match", '"8-z"')]
            assert client.patch("/papers/1", json={"text": "a"}, headers=headers).status_code == 200
            assert client.patch("/papers/1", json={"text": "b"}, headers=headers).status_code == 412

    def test_links_under_a_root_path_and_any_prefix(self, db: Database) -> None:
        class Row(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)

        db.create_all()
        app = FastAPI()
        app.include_router(Resource(Row, db, prefix="/größe x"))
        with TestClient(app, root_path="/api") as client:
            created = [client.post("/größe x", json={}) for _ in range(2)]
            here = "/api/gr%C3%B6%C3%9Fe%20x"
            assert created[0].headers["Location"] == f"{here}/1"
            link = client.get("/größe x?limit=1").links["next"]["url"]
            assert link.startswith(f"{here}?limit=1&cursor=")

    def test_keys_of_any_name_and_of_bytes(self, db: Database) -> None:
        class Odd(SQLModel, table=True):
            target: int | None = Field(default=None, primary_key=True)
            key_0: int = 0

        class Blob(SQLModel, table=True):
            digest: bytes = Field(primary_key=True)

        db.create_all()
        with serving(Resource(Odd, db), Resource(Blob, db)) as client:
            odd = client.post("/odds", json={}).headers["Location"]
            assert client.patch(odd, json={"key_0": 5}).json() == {"target": 1, "key_0": 5}
            blob = client.post("/blobs", json={"digest": "/w=="}).headers["Location"]
            assert client.get(blob).json() == {"digest": "/w=="}
            assert client.get("/blobs/eHl6").status_code == 404
            assert client.get("/blobs/xyz").status_code == 404  # not base64


class TestHooks:
    def test_what_a_hook_adds_is_there_for_the_write(self, db: Database) -> None:
        class Project(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)

        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            project_id: int | None = Field(default=None, foreign_key="project.id")
            project: Optional["Project"] = Relationship()

        class Adds:
            async def __call__(self, session: AsyncSession, values: dict[str, Any]) -> None:
                session.add(Project(id=values["project_id"]))

        db.create_all()
        tasks = Resource(Task, db)
        tasks.before("create")(Adds())
        with serving(tasks) as client:
            assert client.post("/tasks", json={"project_id": 77}).status_code == 201

    def test_what_it_raises_of_a_batch(self, db: Database) -> None:
        class Row(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)

        db.create_all()
        rows = Resource(Row, db)

        @rows.after("delete")
        def refuse(session: Session, key: tuple[int]) -> None:
            if key == (2,):
                raise HTTPException(423, "Locked")

        with serving(rows) as client:
            client.post("/rows:batch", json=[{}, {}])
            assert client.delete("/rows:batch?key=1&key=2").status_code == 423
            assert len(client.get("/rows").json()) == 2


def test_a_batch_of_as_many_keys_as_rows(db: Database) -> None:
    class Row(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)

    db.create_all()
    with serving(Resource(Row, db)) as client:
        created = client.post("/rows:batch", json=[{}] * 800).json()
        query = "&".join(f"key={row['id']}" for row in created)
        assert client.delete(f"/rows:batch?{query}").json() == {"ok": True}
        assert client.get("/rows").json() == []


def test_an_order_that_a_relationship_has_is_kept(db: Database, store: Any) -> None:
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
