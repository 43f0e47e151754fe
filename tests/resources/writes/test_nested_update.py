"""PATCH with relations: related rows are created, connected, changed and removed."""

from types import SimpleNamespace
from typing import Any, Optional

import pytest
from fastapi.testclient import TestClient

from colonnade import Database, Field, Relationship, Resource, SQLModel, Versioned, schemas
from tests.resources.sample_app import serving
from tests.resources.writes.nested_app import everything, refusal

pytestmark = pytest.mark.slow  # hundreds of apps, which take minutes together

PATHS = "/projects", "/tasks", "/labels", "/workers", "/assignments"


def patched(client: TestClient, path: str, body: Any) -> Any:
    """Return the response to a PATCH that succeeds."""
    response = client.patch(path, json=body)
    assert response.status_code == 200, response.text
    return response.json()


def ids(rows: list[dict[str, Any]]) -> list[Any]:
    """Return the keys of rows, sorted."""
    return sorted(row["id"] for row in rows)


@pytest.mark.usefixtures("sample_rows")
class TestOneToMany:
    """Project 1 has task 1; task 2 has no project; tasks 3 and 5 are below task 1."""

    def test_create_adds_children(self, nested: TestClient) -> None:
        body = {"name": "New", "tasks": {"create": [{"title": "A"}, {"title": "B"}]}}
        project = patched(nested, "/projects/1", body)
        assert project["name"] == "New"
        assert [task["title"] for task in project["tasks"]] == ["A", "B"]
        assert ids(nested.get("/tasks?project_id=1").json()) == [1, 6, 7]

    def test_connect_moves_existing_rows(self, nested: TestClient) -> None:
        project = patched(nested, "/projects/1", {"tasks": {"connect": [2, {"id": 3}]}})
        assert project["tasks"] == nested.get("/tasks?id__in=2,3").json()
        assert ids(nested.get("/tasks?project_id=1").json()) == [1, 2, 3]

    def test_connect_changes_nothing_for_a_row_that_is_connected(self, nested: TestClient) -> None:
        project = patched(nested, "/projects/1", {"tasks": {"connect": [1]}})
        assert ids(project["tasks"]) == [1]
        assert ids(nested.get("/tasks?project_id=1").json()) == [1]

    def test_disconnect_clears_the_foreign_key(self, nested: TestClient) -> None:
        project = patched(nested, "/projects/1", {"tasks": {"disconnect": [1]}})
        assert project["tasks"] == []
        assert nested.get("/tasks/1").json()["project_id"] is None

    def test_set_keeps_exactly_the_named_rows(self, nested: TestClient) -> None:
        project = patched(nested, "/projects/1", {"tasks": {"set": [2, 3]}})
        assert ids(project["tasks"]) == [2, 3]
        assert ids(nested.get("/tasks?project_id=1").json()) == [2, 3]
        patched(nested, "/projects/1", {"tasks": {"set": [3]}})
        assert ids(nested.get("/tasks?project_id=1").json()) == [3]
        patched(nested, "/projects/1", {"tasks": {"set": []}})
        assert nested.get("/tasks?project_id=1").json() == []

    def test_set_keeps_the_rows_that_connect_names(self, nested: TestClient) -> None:
        tasks = {"set": [2], "connect": [1]}
        project = patched(nested, "/projects/1", {"tasks": tasks})
        assert ids(project["tasks"]) == ids(nested.get("/tasks?project_id=1").json()) == [1, 2]

    def test_a_row_that_the_body_deletes_by_cascade_is_not_found(self, nested: TestClient) -> None:
        patched(nested, "/projects/1", {"tasks": {"connect": [3]}})  # task 3 is below task 1
        before = everything(nested, *PATHS)
        response = nested.patch("/projects/1", json={"tasks": {"delete": [1], "set": [3]}})
        assert refusal(response) == (404, ["body", "tasks", "set", 0])
        assert everything(nested, *PATHS) == before

    def test_update_changes_only_named_fields(self, nested: TestClient) -> None:
        update = [{"id": 5, "title": "Five", "progress": 50}, {"id": 3, "description": "Three"}]
        task = patched(nested, "/tasks/1", {"subtasks": {"update": update}})
        assert task["subtasks"] == [nested.get("/tasks/5").json(), nested.get("/tasks/3").json()]
        five, three = task["subtasks"]
        assert (five["title"], five["progress"]) == ("Five", 50)
        assert (three["title"], three["description"]) == ("Below one", "Three")

    def test_rows_that_are_written_together_have_the_same_time(self, nested: TestClient) -> None:
        children = [{"title": "A"}, {"title": "B"}]
        created = patched(nested, "/projects/1", {"tasks": {"create": children}})["tasks"]
        assert len({row["created_at"] for row in created}) == 1
        changes = [{"id": row["id"], "progress": 5} for row in reversed(created)]
        updated = patched(nested, "/projects/1", {"tasks": {"update": changes}})["tasks"]
        assert [row["id"] for row in updated] == [row["id"] for row in changes]
        assert len({row["updated_at"] for row in updated}) == 1
        assert updated[0]["updated_at"] > created[0]["updated_at"]

    def test_update_of_nothing_shows_the_row(self, nested: TestClient) -> None:
        task = patched(nested, "/tasks/1", {"subtasks": {"update": [{"id": 3}, {"id": 5}]}})
        assert task["subtasks"] == [nested.get("/tasks/3").json(), nested.get("/tasks/5").json()]

    def test_delete_removes_children(self, nested: TestClient) -> None:
        task = patched(nested, "/tasks/1", {"subtasks": {"delete": [3, {"id": 5}]}})
        assert task["subtasks"] == []
        assert ids(nested.get("/tasks").json()) == [1, 2]

    def test_upsert_updates_rows_with_a_key_and_creates_others(self, nested: TestClient) -> None:
        upsert = [{"id": 3, "title": "Three"}, {"title": "New"}]
        task = patched(nested, "/tasks/1", {"subtasks": {"upsert": upsert}})
        assert sorted(row["title"] for row in task["subtasks"]) == ["New", "Three"]
        assert nested.get("/tasks/6").json()["parent_id"] == 1

    def test_all_verbs_in_one_body(self, nested: TestClient) -> None:
        subtasks = {
            "create": [{"title": "New"}],
            "connect": [2],
            "disconnect": [5],
            "update": [{"id": 3, "title": "Three", "subtasks": {"delete": [4]}}],
        }
        task = patched(nested, "/tasks/1", {"title": "One!", "subtasks": subtasks})
        assert task["title"] == "One!"
        assert ids(task["subtasks"]) == [2, 3, 6]
        assert ids(nested.get("/tasks?parent_id=1").json()) == [2, 3, 6]
        assert ids(nested.get("/tasks").json()) == [1, 2, 3, 5, 6]

    def test_changes_can_be_three_levels_deep(self, nested: TestClient) -> None:
        leaf = {"update": [{"id": 4, "title": "Four", "labels": {"connect": [1]}}]}
        body = {
            "tasks": {
                "update": [{"id": 1, "subtasks": {"update": [{"id": 3} | {"subtasks": leaf}]}}]
            }
        }
        project = patched(nested, "/projects/1", body)
        four = project["tasks"][0]["subtasks"][0]["subtasks"][0]
        assert four["title"] == nested.get("/tasks/4").json()["title"] == "Four"
        assert four["labels"] == nested.get("/labels").json()

    def test_an_update_can_change_what_it_moves(self, nested: TestClient) -> None:
        body = {"tasks": {"update": [{"id": 1, "title": "X"}], "connect": [2]}}
        project = patched(nested, "/projects/1", body)
        assert [task["title"] for task in project["tasks"]] == ["Two", "X"]

    @pytest.mark.parametrize(
        ("subtasks", "status", "loc"),
        [
            ([{"title": "A"}], 422, []),
            ({"crate": []}, 422, ["crate"]),
            ({"connect": [99]}, 404, ["connect", 0]),
            ({"disconnect": [2]}, 404, ["disconnect", 0]),
            ({"disconnect": [99]}, 404, ["disconnect", 0]),
            ({"delete": [3, 2]}, 404, ["delete", 1]),
            ({"delete": [3, 99]}, 404, ["delete", 1]),
            ({"set": [3, 99]}, 404, ["set", 1]),
            ({"update": [{"id": 3, "title": "X"}, {"id": 2, "title": "X"}]}, 404, ["update", 1]),
            ({"update": [{"id": 99, "title": "X"}]}, 404, ["update", 0]),
            ({"update": [{"title": "X"}]}, 422, ["update", 0, "id"]),
            ({"update": [{"id": 3, "title": ""}]}, 422, ["update", 0, "title"]),
            ({"update": [{"id": 3, "title": None}]}, 422, ["update", 0, "title"]),
            ({"update": [{"id": 3, "parent_id": 2}]}, 422, ["update", 0, "parent_id"]),
            ({"update": [{"id": 3, "nope": 2}]}, 422, ["update", 0, "nope"]),
            ({"update": [{"id": 3, "project_id": 99}]}, 409, ["update", 0, "project_id"]),
            ({"update": [{"id": 3}, {"id": 3}]}, 422, ["update", 1]),
            ({"update": [{"id": 3}], "delete": [3]}, 422, ["delete", 0]),
            ({"connect": [3], "disconnect": [3]}, 422, ["disconnect", 0]),
            ({"set": [3], "update": [{"id": 5, "title": "X"}]}, 422, ["update", 0]),
            ({"upsert": [{"id": 2, "title": "X"}]}, 404, ["upsert", 0]),
            ({"upsert": [{"id": 99, "title": "X"}]}, 404, ["upsert", 0]),
            ({"upsert": [{"progress": 1}]}, 422, ["upsert", 0, "title"]),
            ({"connect": [1]}, 422, ["connect", 0]),
            ({"update": [{"id": 3, "subtasks": {"connect": [1]}}]}, 422, None),
            ({"update": [{"id": 3, "subtasks": {"create": [{"title": ""}]}}]}, 422, None),
            ({"update": [{"id": 3, "subtasks": {"delete": [5]}}]}, 404, None),
            ({"create": [{"title": "A", "labels": {"set": []}}]}, 422, None),
        ],
    )  # fmt: skip
    def test_an_error_is_located_and_nothing_is_changed(
        self, nested: TestClient, subtasks: Any, status: int, loc: list[Any] | None
    ) -> None:
        before = everything(nested, *PATHS)
        response = nested.patch("/tasks/1", json={"title": "Changed", "subtasks": subtasks})
        found_status, found_loc = refusal(response)
        assert found_status == status, response.text
        if loc is not None:
            assert found_loc == ["body", "subtasks", *loc]
        assert response.json()["detail"].startswith("body.subtasks")
        assert everything(nested, *PATHS) == before

    def test_a_row_that_is_not_there_is_the_404_without_relations(self, nested: TestClient) -> None:
        plain = nested.patch("/tasks/99", json={"title": "X"})
        for relations in (
            {"subtasks": {"create": [{"title": "A"}]}},
            {"subtasks": {"connect": [1]}},
            {"project": {"create": {"name": "X", "slug": "x"}}},
            {"project": {"update": {"name": "X"}}},
            {"labels": {"connect": [1]}},
        ):
            response = nested.patch("/tasks/99", json={"title": "X", **relations})
            assert response.status_code == 404
            assert response.json() == plain.json()
        assert len(nested.get("/projects").json()) == 1

    def test_set_does_not_orphan_rows_that_need_their_parent(self, db: Database) -> None:
        class Order(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            items: list["Item"] = Relationship(back_populates="order", passive_deletes="all")

        class Item(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            order_id: int = Field(foreign_key="order.id")
            order: Order | None = Relationship(back_populates="items")

        db.create_all()
        items = Resource(Item, db, nested={"order": lambda: orders})
        orders = Resource(Order, db, nested={"items": items})
        with serving(orders, items) as client:
            client.post("/orders", json={"items": [{}, {}]})
            client.post("/orders", json={"items": [{}]})
            before = everything(client, "/orders", "/items")
            response = client.patch("/orders/1", json={"items": {"set": [1, 3]}})
            assert refusal(response) == (409, ["body", "items", "set"])
            assert "order_id, which is required" in response.json()["detail"]
            response = client.patch("/orders/1", json={"items": {"disconnect": [1]}})
            assert refusal(response) == (422, ["body", "items", "disconnect"])
            response = client.patch("/items/1", json={"order": None})
            assert refusal(response)[0] == 422
            response = client.patch("/items/1", json={"order": {"delete": True}})
            assert refusal(response) == (422, ["body", "order", "delete"])
            assert everything(client, "/orders", "/items") == before
            patched(client, "/orders/1", {"items": {"set": [1, 2, 3]}})
            patched(
                client,
                "/orders/1",
                {
                    "items": {"delete": [1]},
                },
            )
            patched(client, "/items/2", {"order": {"connect": 2}})
            assert client.get("/items").json() == [
                {"id": 2, "order_id": 2},
                {"id": 3, "order_id": 1},
            ]
            assert client.get("/orders").json() == [{"id": 1}, {"id": 2}]


@pytest.mark.usefixtures("sample_rows")
class TestToOne:
    def test_create_makes_a_new_parent(self, nested: TestClient) -> None:
        task = patched(nested, "/tasks/2", {"project": {"create": {"name": "A", "slug": "a"}}})
        assert task["project_id"] == task["project"]["id"] == 2
        assert task["project"] == nested.get("/projects/2").json()

    def test_connect_refers_to_an_existing_parent(self, nested: TestClient) -> None:
        task = patched(nested, "/tasks/2", {"title": "2", "project": {"connect": {"id": 1}}})
        assert (task["title"], task["project_id"], task["project"]["slug"]) == ("2", 1, "web")

    @pytest.mark.parametrize("project", [None, {"disconnect": True}])
    def test_null_and_disconnect_clear_the_foreign_key(
        self, nested: TestClient, project: Any
    ) -> None:
        task = patched(nested, "/tasks/1", {"project": project})
        assert (task["project_id"], task["project"]) == (None, None)
        assert patched(nested, "/tasks/1", {"project": project})["project"] is None
        assert len(nested.get("/projects").json()) == 1

    def test_update_changes_the_parent(self, nested: TestClient) -> None:
        task = patched(nested, "/tasks/1", {"project": {"update": {"name": "New"}}})
        assert task["project"] == nested.get("/projects/1").json()
        assert task["project"]["name"] == "New"
        response = nested.patch("/tasks/2", json={"project": {"update": {"name": "New"}}})
        assert refusal(response) == (404, ["body", "project", "update"])

    def test_upsert_changes_the_parent_or_creates_it(self, nested: TestClient) -> None:
        body = {"project": {"upsert": {"name": "New", "slug": "new"}}}
        assert patched(nested, "/tasks/1", body)["project"]["id"] == 1
        body["project"]["upsert"]["slug"] = "newer"
        task = patched(nested, "/tasks/2", body)
        assert task["project_id"] == task["project"]["id"] == 2
        assert [row["slug"] for row in nested.get("/projects").json()] == ["new", "newer"]

    def test_delete_removes_the_parent(self, nested: TestClient) -> None:
        task = patched(nested, "/tasks/1", {"project": {"delete": True}})
        assert (task["project_id"], task["project"]) == (None, None)
        assert nested.get("/projects").json() == []
        response = nested.patch("/tasks/1", json={"project": {"delete": True}})
        assert refusal(response) == (404, ["body", "project", "delete"])

    def test_delete_and_create_replace_the_parent(self, nested: TestClient) -> None:
        project = {"delete": True, "create": {"name": "A", "slug": "web2"}}
        task = patched(nested, "/tasks/1", {"project": project})
        assert nested.get("/projects").json() == [task["project"]]
        assert task["project_id"] == task["project"]["id"]

    @pytest.mark.parametrize(
        ("project", "status", "loc"),
        [
            (1, 422, []),
            ([], 422, []),
            ({"name": "X"}, 422, ["name"]),
            ({"set": [1]}, 422, ["set"]),
            ({"connect": [1]}, 422, ["connect"]),
            ({"connect": 99}, 404, ["connect"]),
            ({"connect": None}, 422, ["connect"]),
            ({"disconnect": 1}, 422, ["disconnect"]),
            ({"disconnect": False}, 422, ["disconnect"]),
            ({"delete": 1}, 422, ["delete"]),
            ({"update": []}, 422, ["update"]),
            ({"update": {"slug": None}}, 422, ["update", "slug"]),
            ({"create": {"name": "X"}}, 422, ["create", "slug"]),
            ({"create": {"name": "X", "slug": "web"}}, 409, ["create", "slug"]),
            ({"create": {"name": "X", "slug": "x"}, "connect": 1}, 422, []),
            ({"disconnect": True, "delete": True}, 422, []),
            ({"disconnect": True, "update": {"name": "X"}}, 422, []),
            ({"update": {"tasks": {"update": [{"id": 1, "title": "X"}]}}}, 422, None),
        ],
    )  # fmt: skip
    def test_an_error_is_located_and_nothing_is_changed(
        self, nested: TestClient, project: Any, status: int, loc: list[Any] | None
    ) -> None:
        before = everything(nested, *PATHS)
        response = nested.patch("/tasks/1", json={"title": "Changed", "project": project})
        found_status, found_loc = refusal(response)
        assert found_status == status, response.text
        if loc is not None:
            assert found_loc == ["body", "project", *loc]
        assert everything(nested, *PATHS) == before

    def test_an_empty_object_changes_nothing(self, nested: TestClient) -> None:
        task = patched(nested, "/tasks/1", {"project": {}})
        assert task == nested.get("/tasks/1").json()

    def test_a_field_that_a_relation_sets_cannot_be_in_the_body(self, nested: TestClient) -> None:
        response = nested.patch("/tasks/1", json={"project_id": 1, "project": None})
        assert refusal(response) == (422, ["body", "project_id"])


class TestOneToOne:
    @pytest.fixture(params=[True, False], ids=["unique", "not-unique"])
    def users(self, db: Database, request: pytest.FixtureRequest) -> Any:
        class User(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            name: str
            profile: Optional["Profile"] = Relationship(
                back_populates="user", sa_relationship_kwargs={"uselist": False}
            )

        class Profile(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            text: str
            user_id: int | None = Field(default=None, foreign_key="user.id", unique=request.param)
            user: User | None = Relationship(back_populates="profile")

        db.create_all()
        profiles = Resource(Profile, db, nested={"user": lambda: users})
        users = Resource(User, db, nested={"profile": profiles})
        with serving(users, profiles) as client:
            client.post("/users", json={"name": "Ana", "profile": {"text": "Hi"}})
            client.post("/users", json={"name": "Bea"})
            client.post("/profiles", json={"text": "Free"})
            yield client

    def test_update_changes_the_child(self, users: TestClient) -> None:
        user = patched(users, "/users/1", {"profile": {"update": {"text": "Ho"}}})
        assert user["profile"] == {"id": 1, "text": "Ho", "user_id": 1}
        response = users.patch("/users/2", json={"profile": {"update": {"text": "Ho"}}})
        assert refusal(response) == (404, ["body", "profile", "update"])

    def test_upsert_changes_the_child_or_creates_it(self, users: TestClient) -> None:
        body = {"profile": {"upsert": {"text": "Ho"}}}
        assert patched(users, "/users/1", body)["profile"]["id"] == 1
        assert patched(users, "/users/2", body)["profile"]["id"] == 3
        assert [row["user_id"] for row in users.get("/profiles").json()] == [1, None, 2]

    def test_connect_takes_a_free_child(self, users: TestClient) -> None:
        user = patched(users, "/users/2", {"profile": {"connect": 2}})
        assert user["profile"] == {"id": 2, "text": "Free", "user_id": 2}

    def test_connect_takes_the_child_of_another_row(self, users: TestClient) -> None:
        patched(users, "/users/2", {"profile": {"connect": 1}})
        assert [row["user_id"] for row in users.get("/profiles").json()] == [2, None]

    def test_a_second_child_is_refused(self, users: TestClient) -> None:
        before = everything(users, "/users", "/profiles")
        response = users.patch("/users/1", json={"profile": {"connect": 2}})
        assert refusal(response) == (409, ["body", "profile", "connect"])
        response = users.patch("/users/1", json={"profile": {"create": {"text": "X"}}})
        assert refusal(response) == (409, ["body", "profile", "create"])
        assert everything(users, "/users", "/profiles") == before
        patched(users, "/users/1", {"profile": {"connect": 1}})
        assert everything(users, "/users", "/profiles") == before

    def test_a_child_can_be_replaced(self, users: TestClient) -> None:
        body = {"profile": {"disconnect": True, "create": {"text": "New"}}}
        assert patched(users, "/users/1", body)["profile"]["text"] == "New"
        assert [row["user_id"] for row in users.get("/profiles").json()] == [None, None, 1]
        user = patched(users, "/users/1", {"profile": {"delete": True, "connect": 2}})
        assert user["profile"]["id"] == 2
        assert [row["id"] for row in users.get("/profiles").json()] == [1, 2]

    def test_null_disconnects_and_delete_deletes(self, users: TestClient) -> None:
        assert patched(users, "/users/1", {"profile": None})["profile"] is None
        assert users.get("/profiles/1").json()["user_id"] is None
        response = users.patch("/users/1", json={"profile": {"delete": True}})
        assert refusal(response) == (404, ["body", "profile", "delete"])
        patched(users, "/users/1", {"profile": {"connect": 1}})
        patched(users, "/users/1", {"profile": {"delete": True}})
        assert ids(users.get("/profiles").json()) == [2]


class TestVersions:
    @pytest.fixture
    def boards(self, db: Database) -> Any:
        class Board(Versioned, table=True):
            id: str = Field(primary_key=True)
            name: str = ""
            cards: list["Card"] = Relationship(back_populates="board", passive_deletes="all")

        class Card(Versioned, table=True):
            id: str = Field(primary_key=True)
            title: str = ""
            board_id: str | None = Field(default=None, foreign_key="board.id")
            board: Board | None = Relationship(back_populates="cards")

        db.create_all()
        cards = Resource(Card, db)
        boards = Resource(Board, db, nested={"cards": cards})
        with serving(boards, cards) as client:
            client.post("/boards", json={"id": "b", "cards": [{"id": "1"}, {"id": "2"}]})
            yield client

    def test_an_update_can_expect_the_version_of_a_child(self, boards: TestClient) -> None:
        first, second = boards.get("/cards").json()
        update = [
            {"id": "1", "title": "One", "version": first["version"]},
            {"id": "2", "title": "Two", "version": second["version"]},
        ]
        board = patched(boards, "/boards/b", {"cards": {"update": update}})
        assert [card["title"] for card in board["cards"]] == ["One", "Two"]
        assert board["cards"] == boards.get("/cards").json()
        before = everything(boards, "/boards", "/cards")
        update[0]["version"] = board["cards"][0]["version"]
        response = boards.patch("/boards/b", json={"name": "X", "cards": {"update": update}})
        assert refusal(response) == (412, ["body", "cards", "update", 1])
        update[0]["version"] = "1"
        response = boards.patch("/boards/b", json={"name": "X", "cards": {"update": update}})
        assert refusal(response) == (422, ["body", "cards", "update", 0, "version"])
        assert everything(boards, "/boards", "/cards") == before

    def test_an_upsert_can_expect_the_version_of_a_child(self, boards: TestClient) -> None:
        version = boards.get("/cards/1").json()["version"]
        upsert = [{"id": "1", "title": "One", "version": version}, {"id": "3", "title": "Three"}]
        board = patched(boards, "/boards/b", {"cards": {"upsert": upsert}})
        assert sorted(card["title"] for card in board["cards"]) == ["One", "Three"]
        assert [card["board_id"] for card in boards.get("/cards").json()] == ["b", "b", "b"]
        response = boards.patch("/boards/b", json={"cards": {"upsert": upsert}})
        assert refusal(response) == (412, ["body", "cards", "upsert", 0])

    def test_if_match_guards_the_parent(self, boards: TestClient) -> None:
        tag = boards.get("/boards/b").headers["ETag"]
        body = {"name": "X", "cards": {"create": [{"id": "9"}]}}
        response = boards.patch("/boards/b", json=body, headers={"If-Match": tag})
        assert response.status_code == 200
        assert response.headers["ETag"] != tag
        body["cards"] = {"create": [{"id": "10"}]}
        for changes in body, {"cards": body["cards"]}:
            refused = boards.patch("/boards/b", json=changes, headers={"If-Match": tag})
            assert refused.status_code == 412
        assert boards.get("/cards/10").status_code == 404

    @pytest.mark.usefixtures("sample_rows")
    def test_if_match_guards_a_parent_without_a_version(self, nested: TestClient) -> None:
        tag = nested.get("/tasks/1").headers["ETag"]
        body = {"title": "X", "subtasks": {"create": [{"title": "New"}]}}
        headers = {"If-Match": tag}
        assert nested.patch("/tasks/1", json=body, headers=headers).status_code == 200
        assert nested.patch("/tasks/1", json=body, headers=headers).status_code == 412
        assert len(nested.get("/tasks").json()) == 6


@pytest.mark.usefixtures("sample_rows")
class TestTrees:
    """Tasks 3 and 5 are below task 1, and task 4 below task 3."""

    @pytest.mark.parametrize(
        ("path", "body", "loc"),
        [
            ("/tasks/4", {"subtasks": {"connect": [1]}}, ["subtasks", "connect", 0]),
            ("/tasks/4", {"subtasks": {"connect": [2, 1]}}, ["subtasks", "connect", 1]),
            ("/tasks/4", {"subtasks": {"connect": [1, 2]}}, ["subtasks", "connect", 0]),
            ("/tasks/4", {"subtasks": {"set": [2, 3]}}, ["subtasks", "set", 1]),
            ("/tasks/1", {"parent": {"connect": 4}}, ["parent", "connect"]),
            ("/tasks/1", {"parent": {"connect": 1}}, ["parent", "connect"]),
            ("/tasks/2", {"subtasks": {"connect": [2]}}, ["subtasks", "connect", 0]),
        ],
    )
    def test_a_cycle_is_refused(
        self, nested: TestClient, path: str, body: Any, loc: list[Any]
    ) -> None:
        before = everything(nested, *PATHS)
        status, loc_of_error = refusal(nested.patch(path, json=body))
        assert (status in {409, 422}, loc_of_error) == (True, ["body", *loc])
        assert everything(nested, *PATHS) == before

    def test_a_new_row_cannot_close_a_cycle(self, nested: TestClient) -> None:
        body = {"title": "X", "parent": {"connect": 4}, "subtasks": {"connect": [2, 1]}}
        response = nested.post("/tasks", json=body)
        assert refusal(response) == (409, ["body", "subtasks", "connect", 1])
        assert len(nested.get("/tasks").json()) == 5

    def test_rows_can_move_within_a_tree(self, nested: TestClient) -> None:
        patched(nested, "/tasks/2", {"subtasks": {"connect": [1, 3]}})
        patched(nested, "/tasks/5", {"parent": {"connect": 4}})
        parents = {row["id"]: row["parent_id"] for row in nested.get("/tasks").json()}
        assert parents == {1: 2, 2: None, 3: 2, 4: 3, 5: 4}


def test_a_row_that_two_rows_refer_to_cannot_be_changed_through_both(
    db: Database, models: SimpleNamespace, nested: TestClient, sample_rows: None
) -> None:
    patched(nested, "/projects/1", {"tasks": {"connect": [2]}})
    patched(nested, "/tasks/1", {"parent": {"create": {"title": "Parent of both"}}})
    patched(nested, "/tasks/2", {"parent": {"connect": 6}})
    update = [{"id": key, "parent": {"update": {"title": "Changed"}}} for key in (1, 2)]
    before = everything(nested, *PATHS)
    response = nested.patch("/projects/1", json={"tasks": {"update": update}})
    assert refusal(response) == (422, ["body", "tasks", "update", 1, "parent", "update"])
    assert everything(nested, *PATHS) == before


@pytest.mark.usefixtures("sample_rows")
def test_a_row_with_a_composite_key_cannot_be_changed_by_two_paths(nested: TestClient) -> None:
    patched(nested, "/tasks/1", {"assignments": {"create": [{"worker_id": "@ana"}]}})
    by_task = {"update": {"assignments": {"update": [{"worker_id": "@ana", "role": "reviewer"}]}}}
    by_worker = {"update": [{"task_id": 1, "role": "assignee", "task": by_task}]}
    response = nested.patch("/workers/@ana", json={"assignments": by_worker})
    path = ["assignments", "update", 0]
    assert refusal(response) == (422, ["body", *path, "task", "update", *path])
    back = {"update": [{"task_id": 1, "worker": {"update": {"type": "agent"}}}]}
    response = nested.patch("/workers/@ana", json={"assignments": back})
    assert refusal(response) == (422, ["body", *path, "worker"])
    assert nested.get("/assignments").json()[0]["role"] == "assignee"


def test_a_row_in_two_relations_cannot_be_changed_through_both(db: Database) -> None:
    class Person(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        presents: list["Gift"] = Relationship(
            sa_relationship_kwargs={"foreign_keys": "Gift.giver_id", "passive_deletes": "all"}
        )
        received: list["Gift"] = Relationship(
            sa_relationship_kwargs={"foreign_keys": "Gift.receiver_id", "passive_deletes": "all"}
        )

    class Gift(SQLModel, table=True):
        giver_id: int = Field(foreign_key="person.id", primary_key=True)
        receiver_id: int = Field(foreign_key="person.id", primary_key=True)
        note: str = ""

    db.create_all()
    gifts = Resource(Gift, db)
    people = Resource(Person, db, nested={"presents": gifts, "received": gifts})
    with serving(people, gifts) as client:
        assert client.post("/people", json={}).status_code == 201
        assert client.post("/gifts", json={"giver_id": 1, "receiver_id": 1}).status_code == 201
        body = {
            "presents": {"update": [{"receiver_id": 1, "note": "a"}]},
            "received": {"update": [{"giver_id": 1, "note": "b"}]},
        }
        response = client.patch("/people/1", json=body)
        assert refusal(response) == (422, ["body", "received", "update", 0])
        assert client.get("/gifts").json()[0]["note"] == ""


def test_relations_of_the_read_schema_show_all_that_was_written(
    db: Database, models: SimpleNamespace
) -> None:
    # The models are variables, which mypy does not accept as types.
    class ProjectRead(models.Project, schema="read"):  # type: ignore[misc, name-defined, call-arg]
        tasks: list[schemas(models.Task).read] = []  # type: ignore[valid-type]  # a variable

    tasks = Resource(models.Task, db, nested={"project": lambda: projects})
    projects = Resource(models.Project, db, read=ProjectRead, nested={"tasks": tasks})
    with serving(tasks, projects) as client:
        body: dict[str, Any] = {"name": "A", "slug": "a", "tasks": [{"title": "1"}, {"title": "2"}]}
        assert len(client.post("/projects", json=body).json()["tasks"]) == 2
        created = client.post("/tasks", json={"title": "3", "project": {"connect": 1}}).json()
        assert [task["title"] for task in created["project"]["tasks"]] == ["1", "2", "3"]
        project = patched(client, "/projects/1", {"tasks": {"delete": [1]}})
        assert [task["title"] for task in project["tasks"]] == ["2", "3"]
        body = {"title": "4", "project": {"update": {"name": "B"}}}
        changed = patched(client, "/tasks/2", body)
        assert changed["project"]["name"] == "B"
        assert [task["title"] for task in changed["project"]["tasks"]] == ["4", "3"]


def test_a_row_that_a_cascade_deletes_is_not_the_error_of_a_refused_body(db: Database) -> None:
    class Project(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        tasks: list["Task"] = Relationship(passive_deletes="all")

    class Task(SQLModel, table=True):
        id: str = Field(primary_key=True)
        project_id: int | None = Field(default=None, foreign_key="project.id")
        parent_id: str | None = Field(default=None, foreign_key="task.id", ondelete="CASCADE")

    db.create_all()
    tasks = Resource(Task, db)
    projects = Resource(Project, db, nested={"tasks": tasks})
    with serving(projects, tasks) as client:
        rows = [{"id": "a"}, {"id": "b", "parent_id": "a"}, {"id": "c"}]
        assert client.post("/projects", json={"tasks": rows}).status_code == 201
        before = client.get("/tasks").json()
        body: dict[str, Any] = {"tasks": {"delete": ["a", "b"], "create": [{"id": "c"}]}}
        status, loc = refusal(client.patch("/projects/1", json=body))
        assert (status, loc) == (409, ["body", "tasks", "create", 0, "id"])
        assert client.get("/tasks").json() == before
        body["tasks"]["create"] = [{"id": "d"}]
        patched(client, "/projects/1", body)
        assert ids(client.get("/tasks").json()) == ["c", "d"]
