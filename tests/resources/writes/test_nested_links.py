"""Nested writes through a link table: with and without fields, and between rows of one table."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Annotated, Any
from uuid import UUID

import pytest
from fastapi import Header
from fastapi.testclient import TestClient
from pydantic import model_validator

from colonnade import Database, Field, Relationship, Resource, SQLModel, UUIDKey, col
from colonnade.errors import ModelError
from tests.resources.sample_app import serving
from tests.resources.writes.nested_app import everything, nested_resources, refusal

pytestmark = pytest.mark.slow  # hundreds of apps, which take minutes together


def patched(client: TestClient, path: str, body: Any, **headers: str) -> Any:
    """Return the response to a PATCH that succeeds."""
    response = client.patch(path, json=body, headers=headers)
    assert response.status_code == 200, response.text
    return response.json()


@pytest.mark.usefixtures("sample_rows")
class TestPlainLinks:
    @pytest.fixture
    def linked(self, db: Database, models: SimpleNamespace, store: Any) -> Iterator[TestClient]:
        """Task 1 has labels 1 and 2, task 2 has label 2; label 3 has no task."""
        store(models.Label(id=2, name="two"), models.Label(id=3, name="three"))
        store(*(models.TaskLabel(task_id=t, label_id=x) for t, x in ((1, 1), (1, 2), (2, 2))))
        resources = nested_resources(db, models)
        resources.tasks = Resource(
            models.Task, db, include=["labels"], nested={"labels": resources.labels}
        )
        with serving(resources.tasks, resources.labels) as client:
            yield client

    def labels(self, client: TestClient, task: int = 1) -> list[int]:
        return sorted(row["id"] for row in client.get(f"/tasks/{task}/labels").json())

    def test_create_and_connect_link_a_new_row(self, linked: TestClient) -> None:
        labels = {"create": [{"name": "new"}, {"name": "newer"}], "connect": [1, {"id": 3}]}
        task = linked.post("/tasks", json={"title": "X", "labels": labels}).json()
        assert sorted(label["id"] for label in task["labels"]) == [1, 3, 4, 5]
        assert self.labels(linked, task["id"]) == [1, 3, 4, 5]
        assert linked.get("/labels/4").json()["name"] == "new"

    def test_several_rows_share_a_linked_row(self, linked: TestClient) -> None:
        body = [{"title": title, "labels": {"connect": [3]}} for title in "AB"]
        response = linked.post("/tasks:batch", json=body)
        assert response.status_code == 201, response.text
        assert [self.labels(linked, row["id"]) for row in response.json()] == [[3], [3]]

    @pytest.mark.parametrize(
        ("verbs", "status", "loc"),
        [
            ({"disconnect": [1], "update": [{"id": 1, "name": "x"}]}, 422, ["update", 0]),
            ({"connect": [3], "update": [{"id": 3, "name": "x"}]}, 422, ["update", 0]),
            ({"connect": [1], "delete": [1]}, 422, ["delete", 0]),
            ({"set": [1], "update": [{"id": 2, "name": "x"}]}, 404, ["update", 0]),
        ],
    )
    def test_a_linked_row_is_named_once(
        self, linked: TestClient, verbs: dict[str, Any], status: int, loc: list[str | int]
    ) -> None:
        before = everything(linked, "/tasks?include=labels", "/labels")
        response = linked.patch("/tasks/1", json={"labels": verbs})
        assert refusal(response) == (status, ["body", "labels", *loc])
        assert everything(linked, "/tasks?include=labels", "/labels") == before

    def test_set_keeps_the_rows_that_connect_names(self, linked: TestClient) -> None:
        task = patched(linked, "/tasks/1", {"labels": {"set": [3], "connect": [1]}})
        assert sorted(label["id"] for label in task["labels"]) == [1, 3]
        assert self.labels(linked) == [1, 3]

    def test_connect_of_a_linked_row_changes_nothing(self, linked: TestClient) -> None:
        task = patched(linked, "/tasks/1", {"labels": {"connect": [1, 3]}})
        assert [label["id"] for label in task["labels"]] == [1, 3]
        assert self.labels(linked) == [1, 2, 3]

    def test_disconnect_unlinks_and_keeps_the_row(self, linked: TestClient) -> None:
        assert patched(linked, "/tasks/1", {"labels": {"disconnect": [2, 3]}})["labels"] == []
        assert self.labels(linked) == [1]
        assert self.labels(linked, 2) == [2]
        assert len(linked.get("/labels").json()) == 3

    def test_set_links_exactly_the_named_rows(self, linked: TestClient) -> None:
        task = patched(linked, "/tasks/1", {"labels": {"set": [3, 2]}})
        assert [label["id"] for label in task["labels"]] == [3, 2]
        assert (self.labels(linked), self.labels(linked, 2)) == ([2, 3], [2])
        patched(linked, "/tasks/1", {"labels": {"set": []}})
        assert (self.labels(linked), self.labels(linked, 2)) == ([], [2])

    def test_update_and_upsert_change_linked_rows(self, linked: TestClient) -> None:
        labels = {
            "update": [{"id": 1, "name": "1"}],
            "upsert": [{"id": 2, "name": "2"}, {"name": "4"}],
        }
        task = patched(linked, "/tasks/1", {"labels": labels})
        assert sorted(label["name"] for label in task["labels"]) == ["1", "2", "4"]
        assert self.labels(linked) == [1, 2, 4]

    def test_delete_removes_linked_rows_and_their_links(self, linked: TestClient) -> None:
        patched(linked, "/tasks/1", {"labels": {"delete": [2]}})
        assert (self.labels(linked), self.labels(linked, 2)) == ([1], [])
        assert linked.get("/labels/2").status_code == 404

    @pytest.mark.parametrize(
        ("labels", "status", "loc"),
        [
            ({"connect": [1, 99]}, 404, ["connect", 1]),
            ({"disconnect": [99]}, 404, ["disconnect", 0]),
            ({"set": [99]}, 404, ["set", 0]),
            ({"delete": [3]}, 404, ["delete", 0]),
            ({"delete": [99]}, 404, ["delete", 0]),
            ({"update": [{"id": 3, "name": "X"}]}, 404, ["update", 0]),
            ({"update": [{"id": 99, "name": "X"}]}, 404, ["update", 0]),
            ({"upsert": [{"id": 3, "name": "X"}]}, 404, ["upsert", 0]),
            ({"upsert": [{"id": 99, "name": "X"}]}, 404, ["upsert", 0]),
            ({"connect": [3, 3]}, 422, ["connect", 1]),
            ({"connect": [3], "disconnect": [3]}, 422, ["disconnect", 0]),
            ({"update": [{"id": 1}], "delete": [1]}, 422, ["delete", 0]),
            ({"create": [{"name": 1}]}, 422, ["create", 0, "name"]),
            ({"connect": [2**31]}, 404, ["connect", 0]),
        ],
    )
    def test_an_error_is_located_and_nothing_is_changed(
        self, linked: TestClient, labels: Any, status: int, loc: list[Any]
    ) -> None:
        before = everything(linked, "/tasks?include=labels", "/labels")
        response = linked.patch("/tasks/1", json={"title": "X", "labels": labels})
        assert refusal(response) == (status, ["body", "labels", *loc])
        assert everything(linked, "/tasks?include=labels", "/labels") == before


class TestLinkModel:
    """A link model with fields, all of which have defaults, is linked by its keys."""

    @pytest.mark.usefixtures("sample_rows")
    def test_links_get_the_defaults_of_their_fields(self, nested: TestClient) -> None:
        task = patched(nested, "/tasks/1", {"workers": {"connect": ["@ana", "@bot"]}})
        assert [worker["id"] for worker in task["workers"]] == ["@ana", "@bot"]
        rows = nested.get("/assignments").json()
        assert [(row["task_id"], row["worker_id"], row["role"]) for row in rows] == [
            (1, "@ana", "assignee"),
            (1, "@bot", "assignee"),
        ]
        assert all(row["since"] for row in rows)

    @pytest.mark.usefixtures("sample_rows")
    def test_links_with_fields_are_rows_of_their_resource(self, nested: TestClient) -> None:
        body = {
            "title": "X",
            "assignments": [
                {"worker_id": "@ana", "role": "reviewer"},
                {"worker": {"id": "@new", "type": "agent"}},
                {"worker": {"connect": "@bot"}},
            ],
        }
        response = nested.post("/tasks", json=body)
        assert response.status_code == 201, response.text
        assert [row["worker_id"] for row in response.json()["assignments"]] == [
            "@ana",
            "@new",
            "@bot",
        ]
        changes = {
            "update": [{"worker_id": "@bot", "role": "reviewer"}],
            "delete": ["@new", {"worker_id": "@ana"}],
            "create": [{"worker": {"id": "@next"}}],
        }
        task = patched(nested, "/tasks/6", {"assignments": changes})
        assert [row["worker_id"] for row in task["assignments"]] == ["@bot", "@next"]
        rows = nested.get("/assignments").json()
        assert [(row["worker_id"], row["role"]) for row in rows] == [
            ("@bot", "reviewer"),
            ("@next", "assignee"),
        ]
        upsert = [{"worker_id": "@bot", "role": "assignee"}, {"worker_id": "@ana"}]
        patched(nested, "/tasks/6", {"assignments": {"upsert": upsert}})
        rows = nested.get("/assignments").json()
        assert {(row["worker_id"], row["role"]) for row in rows} == {
            ("@ana", "assignee"),
            ("@bot", "assignee"),
            ("@next", "assignee"),
        }

    @pytest.fixture
    def seats(self, db: Database) -> Iterator[TestClient]:
        class Seat(SQLModel, table=True):
            room_id: int = Field(foreign_key="room.id", primary_key=True)
            guest_id: int = Field(foreign_key="guest.id", primary_key=True)
            number: int

        class Guest(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)

        class Room(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            guests: list[Guest] = Relationship(
                link_model=Seat, sa_relationship_kwargs={"viewonly": True}
            )

        db.create_all()
        guests = Resource(Guest, db)
        rooms = Resource(Room, db, nested={"guests": guests}, include=["guests"])
        with serving(rooms, guests) as client:
            client.post("/guests", json={})
            yield client

    def test_a_link_that_needs_fields_is_refused_by_path(self, seats: TestClient) -> None:
        response = seats.post("/rooms", json={"guests": {"connect": [1]}})
        assert refusal(response) == (422, ["body", "guests", "connect", 0, "number"])
        response = seats.post("/rooms", json={"guests": [{}]})
        assert refusal(response) == (422, ["body", "guests", 0, "number"])
        assert seats.get("/rooms").json() == []
        assert len(seats.get("/guests").json()) == 1

    def test_a_link_that_conflicts_with_another_one_is_refused(self, db: Database) -> None:
        class Bed(SQLModel, table=True):
            room_id: int = Field(foreign_key="room.id", primary_key=True)
            guest_id: int = Field(foreign_key="guest.id", primary_key=True, unique=True)

        class Guest(SQLModel, table=True):
            id: int = Field(primary_key=True)

        class Room(SQLModel, table=True):
            id: int = Field(primary_key=True)
            guests: list[Guest] = Relationship(link_model=Bed)

        db.create_all()
        guests = Resource(Guest, db)
        rooms = Resource(Room, db, nested={"guests": guests}, include=["guests"])
        with serving(rooms, guests) as client:
            assert client.post("/rooms", json={"id": 1, "guests": [{"id": 1}]}).status_code == 201
            client.post("/guests:batch", json=[{"id": 2}, {"id": 3}])
            before = everything(client, "/rooms?include=guests")
            response = client.post("/rooms", json={"id": 2, "guests": {"connect": [2, 1]}})
            assert refusal(response) == (409, ["body", "guests", "connect", 1, "guest_id"])
            assert "already a bed with this guest_id" in response.json()["detail"]
            assert everything(client, "/rooms?include=guests") == before

    def test_the_model_of_the_links_validates_them(self, db: Database) -> None:
        class Follow(SQLModel, table=True):
            follower_id: int = Field(foreign_key="person.id", primary_key=True)
            followed_id: int = Field(foreign_key="person.id", primary_key=True)

            @model_validator(mode="after")
            def not_oneself(self) -> Any:
                if self.follower_id is not None and self.follower_id == self.followed_id:
                    raise ValueError("one cannot follow oneself")
                return self

        class Person(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            name: str
            follows: list["Person"] = Relationship(
                back_populates="followers",
                link_model=Follow,
                sa_relationship_kwargs={
                    "primaryjoin": "Person.id == Follow.follower_id",
                    "secondaryjoin": "Person.id == Follow.followed_id",
                },
            )
            followers: list["Person"] = Relationship(
                back_populates="follows",
                link_model=Follow,
                sa_relationship_kwargs={
                    "primaryjoin": "Person.id == Follow.followed_id",
                    "secondaryjoin": "Person.id == Follow.follower_id",
                },
            )

        db.create_all()
        people: Resource = Resource(
            Person, db, include=["follows", "followers"],
            nested={"follows": lambda: people, "followers": lambda: people},
        )  # fmt: skip
        with serving(people) as client:
            body = {
                "name": "Ana",
                "follows": [{"name": "Bea"}, {"name": "Cem", "follows": [{"name": "Dan"}]}],
                "followers": [{"name": "Eva"}],
            }
            response = client.post("/people", json=body)
            assert response.status_code == 201, response.text
            ids = {row["name"]: row["id"] for row in client.get("/people").json()}
            followed = client.get(f"/people/{ids['Ana']}/follows").json()
            assert {row["name"] for row in followed} == {"Bea", "Cem"}
            followers = client.get(f"/people/{ids['Ana']}/followers").json()
            assert [row["name"] for row in followers] == ["Eva"]
            assert client.get(f"/people/{ids['Cem']}/follows").json()[0]["name"] == "Dan"
            # A row may follow one that follows it, but not itself.
            patched(client, f"/people/{ids['Bea']}", {"follows": {"set": [ids["Ana"]]}})
            connect = {"follows": {"connect": [ids["Eva"], ids["Ana"]]}}
            response = client.patch(f"/people/{ids['Ana']}", json=connect)
            assert refusal(response) == (422, ["body", "follows", "connect", 1])
            assert len(client.get(f"/people/{ids['Ana']}/follows").json()) == 2


class TestKeys:
    def test_rows_with_uuid_keys_are_linked(self, db: Database) -> None:
        class PostTag(SQLModel, table=True):
            post_id: UUID = Field(foreign_key="post.id", primary_key=True)
            tag_id: str = Field(foreign_key="tag.name", primary_key=True)

        class Post(UUIDKey, table=True):
            title: str
            tags: list["Tag"] = Relationship(back_populates="posts", link_model=PostTag)

        class Tag(SQLModel, table=True):
            name: str = Field(primary_key=True)
            posts: list[Post] = Relationship(back_populates="tags", link_model=PostTag)

        db.create_all()
        tags = Resource(Tag, db, nested={"posts": lambda: posts}, include=["posts"])
        posts = Resource(Post, db, nested={"tags": tags}, include=["tags"])
        with serving(posts, tags) as client:
            body: dict[str, Any] = {"title": "A", "tags": [{"name": "z"}, {"name": "a"}]}
            first = client.post("/posts", json=body).json()
            assert [tag["name"] for tag in first["tags"]] == ["z", "a"]
            body = {"title": "B", "tags": {"connect": ["a"], "create": [{"name": "b"}]}}
            second = client.post("/posts", json=body).json()
            tag = patched(client, "/tags/a", {"posts": {"set": [second["id"]]}})
            assert [post["title"] for post in tag["posts"]] == ["B"]
            response = client.patch("/tags/a", json={"posts": {"connect": ["no-uuid"]}})
            assert refusal(response) == (422, ["body", "posts", "connect", 0])
            assert client.get(f"/posts/{first['id']}/tags").json() == [{"name": "z"}]

    def test_a_link_table_with_a_key_of_its_own_cannot_be_nested(self, db: Database) -> None:
        class Vote(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            poll_id: int = Field(foreign_key="poll.id")
            voter_id: int = Field(foreign_key="voter.id")

        class Voter(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)

        class Poll(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            voters: list[Voter] = Relationship(link_model=Vote)

        db.create_all()
        voters = Resource(Voter, db)
        with (
            pytest.raises(ModelError, match="key of its link table"),
            serving(Resource(Poll, db, nested={"voters": voters})) as client,
        ):
            client.post("/polls", json={"voters": []})


class TestScopes:
    """Users 1 and 2 each have labels and links."""

    @pytest.fixture(params=["mapping", "condition"])
    def scoped(self, db: Database, request: pytest.FixtureRequest) -> Iterator[TestClient]:
        class Tagging(SQLModel, table=True):
            post_id: int = Field(foreign_key="post.id", primary_key=True)
            tag_id: int = Field(foreign_key="tag.id", primary_key=True)
            user: int = 1

        class Tag(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            user: int = 1

        class Post(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            tags: list[Tag] = Relationship(
                link_model=Tagging, sa_relationship_kwargs={"viewonly": True}
            )

        def own(model: Any) -> Any:
            def scope(user: Annotated[int, Header()]) -> Any:
                if user == 0:
                    return None
                return {"user": user} if request.param == "mapping" else col(model.user) == user

            return scope

        db.create_all()
        with db.session() as session:
            session.add_all([Tag(user=user) for user in (1, 1, 2)])
            session.add_all([Post(), Post()])
            session.commit()
            session.add_all([Tagging(post_id=1, tag_id=2, user=2)])
            session.commit()
        taggings = Resource(Tagging, db, scope=own(Tagging))
        tags = Resource(Tag, db, scope=own(Tag))
        posts = Resource(Post, db, nested={"tags": tags})
        with serving(taggings, tags, posts) as client:
            yield client

    def links(self, client: TestClient, user: int) -> list[tuple[int, int]]:
        rows = client.get("/taggings", headers={"User": str(user)}).json()
        return [(row["post_id"], row["tag_id"]) for row in rows]

    def test_a_row_outside_the_scope_is_not_found(self, scoped: TestClient) -> None:
        for verb in "connect", "disconnect", "set", "delete":
            response = scoped.patch("/posts/1", json={"tags": {verb: [3]}}, headers={"User": "1"})
            assert refusal(response) == (404, ["body", "tags", verb, 0])
        update = {"tags": {"update": [{"id": 3}]}}
        response = scoped.patch("/posts/1", json=update, headers={"User": "1"})
        assert refusal(response) == (404, ["body", "tags", "update", 0])

    def test_links_are_made_and_removed_in_their_scope(self, scoped: TestClient) -> None:
        patched(scoped, "/posts/1", {"tags": {"connect": [1]}}, User="1")
        assert self.links(scoped, 1) == [(1, 1)]
        patched(scoped, "/posts/1", {"tags": {"disconnect": [1]}}, User="1")
        assert self.links(scoped, 1) == []

    def test_links_of_others_stay(self, scoped: TestClient) -> None:
        patched(scoped, "/posts/1", {"tags": {"set": [1]}}, User="1")
        patched(scoped, "/posts/1", {"tags": {"disconnect": [2]}}, User="1")
        assert (self.links(scoped, 1), self.links(scoped, 2)) == ([(1, 1)], [(1, 2)])
        response = scoped.patch("/posts/1", json={"tags": {"connect": [2]}}, headers={"User": "1"})
        assert refusal(response) == (409, ["body", "tags", "connect", 0])
        assert (self.links(scoped, 1), self.links(scoped, 2)) == ([(1, 1)], [(1, 2)])

    def test_a_row_that_is_linked_by_others_is_not_related(self, scoped: TestClient) -> None:
        update = {"tags": {"update": [{"id": 2}]}}
        response = scoped.patch("/posts/1", json=update, headers={"User": "1"})
        assert refusal(response) == (404, ["body", "tags", "update", 0])

    def test_a_scope_that_denies_access_refuses_the_body(self, scoped: TestClient) -> None:
        response = scoped.patch("/posts/1", json={"tags": {"set": []}}, headers={"User": "0"})
        assert response.status_code == 403
        assert scoped.patch("/posts/1", json={}, headers={"User": "0"}).status_code == 200
