"""POST with relations: rows with their related rows, created in one request."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from types import SimpleNamespace
from typing import Annotated, Any, Optional
from uuid import UUID

import pytest
from fastapi import Header
from fastapi.testclient import TestClient
from pydantic import BaseModel, StringConstraints
from sqlalchemy import ForeignKeyConstraint, Numeric

from colonnade import (
    Database,
    Field,
    Idempotency,
    Relationship,
    Resource,
    SQLModel,
    UUIDKey,
)
from tests.resources.sample_app import serving
from tests.resources.writes.nested_app import JSON, everything, refusal


class TestOneToMany:
    def test_a_list_of_objects_creates_the_children(self, nested: TestClient) -> None:
        body = {"name": "Web", "slug": "web", "tasks": [{"title": "One"}, {"title": "Two"}]}
        response = nested.post("/projects", json=body)
        assert response.status_code == 201
        assert response.headers["Location"].endswith("/projects/1")
        headers = {"If-Match": response.headers["ETag"]}
        assert nested.patch("/projects/1", json={}, headers=headers).status_code == 200
        created = response.json()
        assert [task["title"] for task in created["tasks"]] == ["One", "Two"]
        assert {task["project_id"] for task in created["tasks"]} == {1}
        assert created["tasks"] == nested.get("/tasks").json()
        del created["tasks"]
        assert created == nested.get("/projects/1").json()

    def test_an_empty_list_creates_no_children(self, nested: TestClient) -> None:
        response = nested.post("/projects", json={"name": "Web", "slug": "web", "tasks": []})
        assert response.json()["tasks"] == []
        assert nested.get("/tasks").json() == []

    @pytest.mark.usefixtures("sample_rows")
    def test_an_object_connects_and_creates_children(self, nested: TestClient) -> None:
        tasks = {"create": [{"title": "New"}], "connect": [2, {"id": 1}]}
        response = nested.post("/projects", json={"name": "App", "slug": "app", "tasks": tasks})
        assert response.status_code == 201, response.text
        project = response.json()
        assert sorted(task["title"] for task in project["tasks"]) == ["New", "One", "Two"]
        assert {task["project_id"] for task in project["tasks"]} == {project["id"]}
        stored = nested.get(f"/tasks?project_id={project['id']}").json()
        assert sorted(task["id"] for task in stored) == [1, 2, 6]

    def test_generated_keys_are_in_the_order_of_the_body(self, nested: TestClient) -> None:
        titles = [f"Task {number}" for number in range(50)]
        tasks = [
            {"title": title} | ({"description": "Long"} if index % 2 else {})
            for index, title in enumerate(titles)
        ]
        body = [
            {"name": "A", "slug": "a", "tasks": tasks[:25]},
            {"name": "B", "slug": "b", "tasks": tasks[25:]},
        ]
        response = nested.post("/projects:batch", json=body)
        assert response.status_code == 201
        written = [task for project in response.json() for task in project["tasks"]]
        assert [task["id"] for task in written] == list(range(1, 51))
        assert [task["title"] for task in nested.get("/tasks").json()] == titles

    def test_what_the_child_nests_can_be_nested_four_levels_deep(self, nested: TestClient) -> None:
        body = {
            "name": "Web",
            "slug": "web",
            "tasks": [
                {
                    "title": "Level 1",
                    "subtasks": [
                        {
                            "title": "Level 2",
                            "assignments": [
                                {"role": "reviewer", "worker": {"id": "@ana", "type": "human"}}
                            ],
                        }
                    ],
                    "labels": [{"name": "urgent"}],
                }
            ],
        }
        response = nested.post("/projects", json=body)
        assert response.status_code == 201, response.text
        (task,) = response.json()["tasks"]
        (subtask,) = task["subtasks"]
        (assignment,) = subtask["assignments"]
        assert subtask["parent_id"] == task["id"]
        assert assignment["task_id"] == subtask["id"]
        assert assignment["worker"] == nested.get("/workers/@ana").json()
        assert assignment["worker_id"] == "@ana"
        assert task["labels"] == nested.get("/labels").json()

    def test_a_row_without_relations_is_created_as_before(self, nested: TestClient) -> None:
        response = nested.post("/projects", json={"name": "tasks", "slug": "tasks"})
        assert response.status_code == 201
        assert response.json() == nested.get("/projects/1").json()


class TestToOne:
    def test_an_object_creates_the_parent(self, nested: TestClient) -> None:
        body = {"title": "One", "project": {"name": "Web", "slug": "web"}}
        task = nested.post("/tasks", json=body).json()
        assert task["project"] == nested.get("/projects/1").json()
        assert task["project_id"] == 1
        assert nested.get("/tasks/1").json()["project_id"] == 1

    @pytest.mark.usefixtures("sample_rows")
    def test_an_existing_parent_can_be_connected(self, nested: TestClient) -> None:
        task = nested.post("/tasks", json={"title": "X", "project": {"connect": 1}}).json()
        assert task["project"] == nested.get("/projects/1").json()
        assert task["project_id"] == 1

    @pytest.mark.usefixtures("sample_rows")
    def test_several_rows_can_be_connected_to_one_parent(self, nested: TestClient) -> None:
        body = [{"title": title, "project": {"connect": 1}} for title in "ABC"]
        response = nested.post("/tasks:batch", json=body)
        assert response.status_code == 201, response.text
        assert [task["project_id"] for task in response.json()] == [1, 1, 1]

    def test_each_row_of_a_batch_gets_its_own_parent(self, nested: TestClient) -> None:
        body = [{"title": name, "project": {"name": name, "slug": name}} for name in "abc"]
        tasks = nested.post("/tasks:batch", json=body).json()
        assert [task["project"]["name"] for task in tasks] == ["a", "b", "c"]
        assert [task["project_id"] for task in tasks] == [1, 2, 3]

    @pytest.mark.usefixtures("sample_rows")
    def test_an_object_cannot_create_and_connect(self, nested: TestClient) -> None:
        project = {"create": {"name": "New", "slug": "new"}, "connect": 1}
        response = nested.post("/tasks", json={"title": "X", "project": project})
        assert refusal(response) == (422, ["body", "project"])
        assert len(nested.get("/projects").json()) == 1

    def test_the_parent_of_a_tree_can_be_created_with_its_child(self, nested: TestClient) -> None:
        body = {"title": "Child", "parent": {"title": "Parent", "parent": {"title": "Root"}}}
        task = nested.post("/tasks", json=body).json()
        titles = {row["id"]: row["title"] for row in nested.get("/tasks").json()}
        assert titles[task["parent_id"]] == "Parent"
        assert titles[task["parent"]["parent_id"]] == "Root"


class TestOneToOne:
    @pytest.fixture
    def users(self, db: Database) -> Any:
        class User(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            name: str
            profile: Optional["Profile"] = Relationship(
                back_populates="user", sa_relationship_kwargs={"uselist": False}
            )

        class Profile(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            text: str
            user_id: int = Field(foreign_key="user.id", unique=True)
            user: User | None = Relationship(back_populates="profile")

        db.create_all()
        profiles = Resource(Profile, db, nested={"user": lambda: users})
        users = Resource(User, db, nested={"profile": profiles})
        with serving(users, profiles) as client:
            yield client

    def test_the_side_without_the_foreign_key_creates_the_other(self, users: TestClient) -> None:
        user = users.post("/users", json={"name": "Ana", "profile": {"text": "Hi"}}).json()
        assert user == {"id": 1, "name": "Ana", "profile": {"id": 1, "text": "Hi", "user_id": 1}}

    def test_the_side_with_the_foreign_key_creates_the_other(self, users: TestClient) -> None:
        profile = users.post("/profiles", json={"text": "Hi", "user": {"name": "Ana"}}).json()
        assert profile == {"id": 1, "text": "Hi", "user_id": 1, "user": {"id": 1, "name": "Ana"}}

    def test_a_taken_row_cannot_be_connected(self, users: TestClient) -> None:
        users.post("/users", json={"name": "Ana", "profile": {"text": "Hi"}})
        response = users.post("/profiles", json={"text": "Other", "user": {"connect": 1}})
        assert refusal(response) == (409, ["body", "user", "connect"])
        assert len(users.get("/profiles").json()) == 1


class TestColumns:
    def test_a_required_foreign_key_is_left_out_of_the_body(self, db: Database) -> None:
        digits = 15 if db.url.backend == "sqlite" else 30  # SQLite keeps 15
        make_field: Any = Field if digits == 15 else partial(Field, sa_type=Numeric(30, 6))

        class Order(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            items: list["Item"] = Relationship(back_populates="order", passive_deletes="all")

        class Item(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            price: Decimal = make_field(max_digits=digits, decimal_places=6)
            order_id: int = Field(foreign_key="order.id")
            order: Order | None = Relationship(back_populates="items")

        db.create_all()
        items = Resource(Item, db)
        with serving(Resource(Order, db, nested={"items": items}), items) as client:
            long = "1" * (digits - 6) + ".123456"
            text = f'{{"items": [{{"price": {long}}}, {{"price": "{long}"}}, {{"price": 1}}]}}'
            response = client.post("/orders", content=text, headers=JSON)
            assert response.status_code == 201, response.text
            prices = [Decimal(str(item["price"])) for item in client.get("/items").json()]
            assert prices == [Decimal(long), Decimal(long), Decimal(1)]
            response = client.post("/orders", json={"items": [{"price": 1, "order_id": 1}]})
            assert refusal(response) == (422, ["body", "items", 0, "order_id"])

    def test_children_get_the_defaults_of_their_columns(self, db: Database) -> None:
        class Order(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            items: list["Item"] = Relationship(passive_deletes="all")

        class Item(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            name: str
            unit: str = Field(default=None, sa_column_kwargs={"default": "piece"})
            order_id: int | None = Field(default=None, foreign_key="order.id")

        db.create_all()
        items = Resource(Item, db)
        with serving(Resource(Order, db, nested={"items": items}), items) as client:
            for units in ({}, {}), ({"unit": "box"}, {}), ({"unit": "box"}, {"unit": "bag"}):
                rows = [{"name": "x", **unit} for unit in units]
                response = client.post("/orders", json={"items": rows})
                assert response.status_code == 201, response.text
                shown = [item["unit"] for item in response.json()["items"]]
                assert shown == [unit.get("unit", "piece") for unit in units]

    def test_keys_that_are_not_generated_connect_the_rows(self, db: Database) -> None:
        class Folder(UUIDKey, table=True):
            name: str
            parent_id: UUID | None = Field(default=None, foreign_key="folder.id")
            folders: list["Folder"] = Relationship(passive_deletes="all")
            files: list["File"] = Relationship(back_populates="folder", passive_deletes="all")

        class File(SQLModel, table=True):
            path: str = Field(primary_key=True)
            folder_id: UUID = Field(foreign_key="folder.id")
            folder: Folder | None = Relationship(back_populates="files")

        db.create_all()
        files = Resource(File, db)
        folders: Resource = Resource(
            Folder, db, nested={"files": files, "folders": lambda: folders}
        )
        with serving(folders, files) as client:
            inner = [{"name": name, "files": [{"path": f"{name}/x"}]} for name in "ab"]
            body = {"name": "outer", "files": [{"path": "z"}, {"path": "y"}], "folders": inner}
            response = client.post("/folders", json=body)
            assert response.status_code == 201, response.text
            outer = response.json()
            assert [file["path"] for file in outer["files"]] == ["z", "y"]
            assert [folder["name"] for folder in outer["folders"]] == ["a", "b"]
            for folder in outer["folders"]:
                assert folder["parent_id"] == outer["id"]
                (file,) = folder["files"]
                assert file == {"path": f"{folder['name']}/x", "folder_id": folder["id"]}

    def test_aliases_are_the_names_in_the_body(self, db: Database) -> None:
        class Team(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True, alias="teamId")
            title: str = Field(alias="teamTitle")
            members: list["Member"] = Relationship(back_populates="team")

        class Member(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True, alias="memberId")
            name: str = Field(alias="fullName")
            team_id: int | None = Field(default=None, foreign_key="team.id", alias="teamId")
            team: Team | None = Relationship(back_populates="members")

        db.create_all()
        members = Resource(Member, db, nested={"team": lambda: teams})
        teams = Resource(Team, db, nested={"members": members})
        with serving(teams, members) as client:
            body = {"teamTitle": "A", "members": [{"fullName": "Ana"}, {"fullName": "Bea"}]}
            assert client.post("/teams", json=body).status_code == 201
            rows = client.get("/members").json()
            assert [row["teamId"] for row in rows] == [1, 1]
            connect = {"connect": [{"memberId": 1}, 2]}
            response = client.post("/teams", json={"teamTitle": "B", "members": connect})
            assert response.status_code == 201, response.text
            assert [row["teamId"] for row in client.get("/members").json()] == [2, 2]
            response = client.patch("/teams/2", json={"members": {"disconnect": [1]}})
            assert response.status_code == 200, response.text
            response = client.patch("/members/1", json={"team": {"connect": {"teamId": 1}}})
            assert response.status_code == 200, response.text
            assert [row["teamId"] for row in client.get("/members").json()] == [1, 2]
            update = [{"memberId": 2, "fullName": "Bo"}]
            response = client.patch("/teams/2", json={"members": {"update": update}})
            assert response.status_code == 200, response.text
            assert client.get("/members/2").json()["fullName"] == "Bo"

    def test_rows_with_a_composite_key_are_children(self, db: Database) -> None:
        class Tenant(SQLModel, table=True):
            id: int = Field(primary_key=True)
            rooms: list["Room"] = Relationship(back_populates="tenant", passive_deletes="all")

        class Room(SQLModel, table=True):
            tenant_id: int = Field(primary_key=True, foreign_key="tenant.id")
            number: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
            name: str = ""
            tenant: Tenant | None = Relationship(back_populates="rooms")
            beds: list["Bed"] = Relationship(
                back_populates="room",
                passive_deletes="all",
                sa_relationship_kwargs={"overlaps": "tenant"},
            )

        class Bed(SQLModel, table=True):
            __table_args__ = (
                ForeignKeyConstraint(["tenant_id", "room"], ["room.tenant_id", "room.number"]),
            )
            id: int | None = Field(default=None, primary_key=True)
            tenant_id: int | None = None
            room_number: int | None = Field(default=None, sa_column_kwargs={"name": "room"})
            room: Room | None = Relationship(back_populates="beds")

        db.create_all()
        beds = Resource(Bed, db, nested={"room": lambda: rooms})
        rooms = Resource(Room, db, nested={"beds": beds})
        tenants = Resource(Tenant, db, nested={"rooms": rooms})
        with serving(tenants, rooms, beds) as client:
            body = {
                "id": 7, "rooms": [{"number": 2, "beds": [{}, {}]}, {"number": 1, "beds": [{}]}],
            }  # fmt: skip
            response = client.post("/tenants", json=body)
            assert response.status_code == 201, response.text
            assert [room["number"] for room in response.json()["rooms"]] == [2, 1]
            assert client.get("/beds").json() == [
                {"id": 1, "tenant_id": 7, "room_number": 2},
                {"id": 2, "tenant_id": 7, "room_number": 2},
                {"id": 3, "tenant_id": 7, "room_number": 1},
            ]
            update = [{"number": 2, "name": "Blue"}, {"number": 1, "name": "Red"}]
            response = client.patch("/tenants/7", json={"rooms": {"update": update}})
            assert response.status_code == 200, response.text
            assert client.get("/rooms/7,2").json()["name"] == "Blue"
            connect = {"room": {"connect": {"tenant_id": 7, "number": 1}}}
            response = client.patch("/beds/1", json=connect)
            assert response.status_code == 200, response.text
            assert client.get("/beds/1").json()["room_number"] == 1
            response = client.patch("/beds/1", json={"room": {"connect": 1}})
            assert refusal(response) == (422, ["body", "room", "connect"])
            response = client.patch("/rooms/7,2", json={"beds": {"set": [3]}})
            assert response.status_code == 200, response.text
            assert [bed["room_number"] for bed in client.get("/beds").json()] == [1, None, 2]
            response = client.patch("/tenants/7", json={"rooms": {"delete": [2]}})
            assert refusal(response) == (409, ["body", "rooms", "delete", 0])

    def test_timestamps_are_set_on_all_rows(self, nested: TestClient) -> None:
        before = datetime.now(UTC)
        body = {"title": "One", "subtasks": [{"title": "Two"}, {"title": "Three"}]}
        task = nested.post("/tasks", json=body).json()
        for row in (task, *task["subtasks"]):
            assert datetime.fromisoformat(row["created_at"]) >= before - timedelta(seconds=5)

    def test_custom_schemas_of_the_child_apply(self, db: Database) -> None:
        class Team(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            members: list["Member"] = Relationship(back_populates="team")

        class Member(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            name: str
            admin: bool = False
            team_id: int | None = Field(default=None, foreign_key="team.id")
            team: Team | None = Relationship(back_populates="members")

        class MemberCreate(BaseModel):
            model_config = {"extra": "forbid"}
            name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=2)]

        class MemberUpdate(BaseModel):
            model_config = {"extra": "forbid"}
            name: str = Field(default="", max_length=5)

        db.create_all()
        members = Resource(Member, db, create=MemberCreate, update=MemberUpdate)
        teams = Resource(Team, db, nested={"members": members})
        with serving(teams, members) as client:
            body = {"members": [{"name": " Ana "}, {"name": "Bea"}]}
            response = client.post("/teams", json=body)
            assert response.status_code == 201, response.text
            assert client.get("/members").json() == [
                {"id": 1, "name": "Ana", "admin": False, "team_id": 1},
                {"id": 2, "name": "Bea", "admin": False, "team_id": 1},
            ]
            for member, field in ({"name": "A"}, "name"), ({"name": "Al", "admin": True}, "admin"):
                response = client.post("/teams", json={"members": [{"name": "Bo"}, member]})
                assert refusal(response) == (422, ["body", "members", 1, field])
            update = {"members": {"update": [{"id": 1, "name": "Anabel"}]}}
            response = client.patch("/teams/1", json=update)
            assert refusal(response) == (422, ["body", "members", "update", 0, "name"])
            update = {"members": {"update": [{"id": 1, "admin": True}]}}
            response = client.patch("/teams/1", json=update)
            assert refusal(response) == (422, ["body", "members", "update", 0, "admin"])
            # The schema of an update does not have the foreign key, so no update moves a row.
            for verb in "connect", "disconnect", "set":
                response = client.patch("/teams/1", json={"members": {verb: [1]}})
                assert refusal(response) == (422, ["body", "members", verb])


class TestRepeatedRequests:
    def test_an_idempotency_key_replays_the_nested_response(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        class RequestKey(Idempotency, table=True):
            pass

        db.create_all()
        tasks = Resource(models.Task, db)
        projects = Resource(models.Project, db, nested={"tasks": tasks}, idempotency=RequestKey)
        with serving(projects, tasks) as client:
            body: dict[str, Any] = {"name": "Web", "slug": "web", "tasks": [{"title": "One"}]}
            headers = {"Idempotency-Key": "a"}
            first = client.post("/projects", json=body, headers=headers)
            assert first.status_code == 201, first.text
            second = client.post("/projects", json=body, headers=headers)
            assert second.content == first.content
            assert len(client.get("/tasks").json()) == 1
            body["tasks"] = [{"title": ""}]
            assert client.post("/projects", json=body, headers=headers).status_code == 422
            body |= {"slug": "x", "tasks": [{"title": "A", "project_id": 1}]}
            assert client.post("/projects", json=body, headers={"Idempotency-Key": "b"})
            body["tasks"] = {"connect": [9]}
            refused = client.post("/projects", json=body, headers={"Idempotency-Key": "c"})
            assert refusal(refused) == (404, ["body", "tasks", "connect", 0])
            body["tasks"] = {"connect": [1]}
            response = client.post("/projects", json=body, headers={"Idempotency-Key": "d"})
            assert response.status_code == 201

    def test_a_stored_response_belongs_to_the_scope_of_the_children(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        class RequestKey(Idempotency, table=True):
            pass

        def own(user: Annotated[int, Header()]) -> dict[str, Any]:
            return {"owner_id": user}

        db.create_all()
        tasks = Resource(models.Task, db, scope=own)
        projects = Resource(models.Project, db, nested={"tasks": tasks}, idempotency=RequestKey)
        with serving(projects, tasks) as client:
            body = {"name": "Web", "slug": "web", "tasks": [{"title": "One"}]}
            first = client.post(
                "/projects", json=body, headers={"Idempotency-Key": "a", "User": "1"}
            )
            assert first.status_code == 201, first.text
            other = client.post(
                "/projects", json=body, headers={"Idempotency-Key": "a", "User": "2"}
            )
            assert other.status_code in {409, 422}, other.text
            assert "tasks" not in other.json()


class TestErrors:
    @pytest.fixture(autouse=True)
    def _stored(self, sample_rows: None) -> None: ...

    @pytest.mark.parametrize(
        ("tasks", "status", "loc"),
        [
            ([{"title": "One"}, {"title": ""}], 422, [1, "title"]),
            ([{"title": "One"}, {"tittle": "Two"}], 422, [1, "title"]),
            ([{"title": "One", "progress": 101}], 422, [0, "progress"]),
            ([{"title": "One", "progress": True}], 422, [0, "progress"]),
            ([{"title": "One", "project_id": 1}], 422, [0, "project_id"]),
            ([{"title": "One", "created_at": "2026-01-01T00:00:00Z"}], 422, [0, "created_at"]),
            ([{"title": "One"}, {"title": "Two", "parent_id": 99}], 409, [1, "parent_id"]),
            ([{"title": "One"}, 7], 422, [1]),
            ([[]], 422, [0]),
            ("tasks", 422, []),
            (None, 422, []),
            (7, 422, []),
            ({"made": []}, 422, ["made"]),
            ({"update": [{"id": 1}]}, 422, ["update"]),
            ({"connect": 1}, 422, ["connect"]),
            ({"connect": [99]}, 404, ["connect", 0]),
            ({"connect": [1, 2**40]}, 404, ["connect", 1]),
            ({"connect": [10**30]}, 422, ["connect", 0]),
            ({"connect": [1, 1]}, 422, ["connect", 1]),
            ({"connect": [1, {"id": 1}]}, 422, ["connect", 1]),
            ({"connect": ["x"]}, 422, ["connect", 0]),
            ({"connect": [None]}, 422, ["connect", 0]),
            ({"connect": [{"id": "x"}]}, 422, ["connect", 0, "id"]),
            ({"connect": [{"key": 1}]}, 422, ["connect", 0]),
            ({"connect": [{"id": 1, "title": "x"}]}, 422, ["connect", 0]),
            ([{"title": "A", "labels": [{"name": "x"}, {}]}], 422, [0, "labels", 1, "name"]),
            ([{"title": "A", "labels": {"connect": [9]}}], 404, [0, "labels", "connect", 0]),
            (
                [{"title": "A"}, {"title": "B", "assignments": [{"worker_id": "@none"}]}],
                409,
                [1, "assignments", 0, "worker_id"],
            ),
            (
                [{"title": "A", "assignments": [{"worker_id": "@ana"}, {"worker_id": "@ana"}]}],
                409,
                [0, "assignments", 1],
            ),
            (
                [{"title": "A", "workers": {"connect": ["@a\0"]}}],
                422,
                [0, "workers", "connect", 0],
            ),
            ([{"title": "A", "project": {"name": "x"}}], 422, [0, "project"]),
        ],
    )  # fmt: skip
    def test_an_error_is_located_and_nothing_is_created(
        self, nested: TestClient, tasks: Any, status: int, loc: list[Any]
    ) -> None:
        paths = "/projects", "/tasks", "/workers", "/labels", "/assignments"
        before = everything(nested, *paths)
        response = nested.post("/projects", json={"name": "App", "slug": "app", "tasks": tasks})
        assert refusal(response) == (status, ["body", "tasks", *loc])
        assert response.headers["Content-Type"] == "application/problem+json"
        assert response.json()["detail"].startswith("body.tasks")
        assert everything(nested, *paths) == before

    def test_an_error_of_the_row_itself_is_located_as_without_relations(
        self, nested: TestClient
    ) -> None:
        body = {"name": "Web", "slug": "web", "tasks": [{"title": "One"}]}
        response = nested.post("/projects", json=body)
        assert refusal(response) == (409, ["body", "slug"])
        batch = [{"name": "A", "slug": "a", "tasks": [{"title": "One"}]}, body]
        assert refusal(nested.post("/projects:batch", json=batch)) == (409, ["body", 1, "slug"])
        assert len(nested.get("/tasks").json()) == 5

    def test_all_errors_of_a_body_are_listed(self, nested: TestClient) -> None:
        tasks = [{"title": "", "labels": [{"name": 1}]}, {"title": "A", "subtasks": [{}]}]
        response = nested.post("/projects", json={"name": 1, "slug": "x", "tasks": tasks})
        assert len(response.json()["errors"]) >= 2

    def test_a_detail_has_the_path_as_text(self, nested: TestClient) -> None:
        body = {"name": "A", "slug": "a", "tasks": [{"title": "A"}, {"title": ""}]}
        detail = nested.post("/projects", json=body).json()["detail"]
        assert detail.startswith("body.tasks[1].title: String should have at least 1 character")

    def test_more_rows_than_the_maximum_are_refused(self, nested: TestClient) -> None:
        body = {"name": "A", "slug": "a", "tasks": [{"title": "A"}] * 10_000}
        response = nested.post("/projects", json=body)
        assert refusal(response) == (422, ["body", "tasks"])
        assert "at most 1,000 nested rows" in response.json()["detail"]
        assert len(nested.get("/projects").json()) == 1

    def test_the_maximum_counts_all_levels(self, nested: TestClient) -> None:
        tasks = [{"title": "A", "labels": [{"name": "x"}] * 99}] * 11
        response = nested.post("/projects", json={"name": "A", "slug": "a", "tasks": tasks})
        assert refusal(response) == (422, ["body", "tasks", 9, "labels"])

    def test_five_levels_are_refused(self, nested: TestClient) -> None:
        body: dict[str, Any] = {"title": "Level 4"}
        for level in (3, 2, 1):
            body = {"title": f"Level {level}", "subtasks": [body]}
        assert nested.post("/tasks", json={"title": "Top", "subtasks": [body]}).status_code == 201
        before = everything(nested, "/tasks")
        body = {"title": "Top", "subtasks": [{"title": "Level 0", "subtasks": [body]}]}
        response = nested.post("/tasks", json=body)
        assert refusal(response) == (422, ["body", *(["subtasks", 0] * 4), "subtasks"])
        assert "at most 4 levels deep" in response.json()["detail"]
        assert everything(nested, "/tasks") == before

    @pytest.mark.parametrize("text", ["{", "[]", "7", "", '{"tasks": NaN}', '"tasks"'])
    def test_a_body_that_is_not_an_object_is_refused(self, nested: TestClient, text: str) -> None:
        assert nested.post("/projects", content=text, headers=JSON).status_code == 422

    def test_json_that_is_nested_too_deeply_is_refused(self, nested: TestClient) -> None:
        text = '{"tasks": ' + "[" * 100_000 + "]" * 100_000 + "}"
        assert nested.post("/projects", content=text, headers=JSON).status_code == 422
