"""Write scopes: which of the rows that a request may read it may also write (DESIGN, 2)."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, Header, HTTPException
from fastapi.testclient import TestClient

from colonnade import (
    Database,
    Field,
    Idempotency,
    Resource,
    Session,
    SQLModel,
    Unscoped,
    Versioned,
    col,
    select,
)
from colonnade.errors import ModelError
from tests.resources.sample_app import define_models, serving, statements

User = Annotated[int | None, Header(alias="User")]
MAY_ONLY_READ = (403, "urn:colonnade:scope")


def written_by(user: User = None) -> dict[str, int] | None:
    """Authors change their own reviews; without a user, nobody changes anything."""
    if user == 0:
        raise HTTPException(401, "Who are you?", {"WWW-Authenticate": "Bearer"})
    return None if user is None else {"author_id": user}


def outcome(response: Any) -> tuple[int, str]:
    """The status and the type of a problem."""
    return response.status_code, response.json()["type"]


class Reviews:
    """Reviews 1 and 3 by user 1, and 2 by user 2."""

    def __init__(self, db: Database, **options: Any) -> None:
        class Review(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            author_id: int
            text: str = Field(min_length=1)
            is_public: bool = True

        self.model = Review
        db.create_all()
        with db.session() as session:
            session.add_all(Review(author_id=author, text="x") for author in (1, 2, 1))
            session.commit()
        self.resource = Resource(Review, db, **{"write_scope": written_by, **options})
        self.app = FastAPI()

    def __enter__(self) -> "Reviews":
        self.app.include_router(self.resource)
        self.client = TestClient(self.app).__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.client.__exit__()

    def request(self, method: str, path: str, json: Any = None, user: int | None = 1) -> Any:
        headers = {} if user is None else {"User": str(user)}
        return self.client.request(method, f"/reviews{path}", json=json, headers=headers)

    def texts(self) -> list[str]:
        return [row["text"] for row in self.client.get("/reviews").json()]


@pytest.fixture
def reviews(db: Database) -> Iterator[Reviews]:
    with Reviews(db) as reviews:
        yield reviews


class TestReading:
    def test_everyone_reads(self, reviews: Reviews) -> None:
        for user in (None, 0, 1, 2):
            assert len(reviews.request("GET", "", user=user).json()) == 3
            assert reviews.request("GET", "/2", user=user).status_code == 200

    def test_reading_routes_do_not_depend_on_the_write_scope(self, reviews: Reviews) -> None:
        paths = reviews.app.openapi()["paths"]
        names = {
            method: {
                parameter["name"] for parameter in paths["/reviews/{id}"][method]["parameters"]
            }
            for method in ("get", "patch", "delete")
        }
        assert "User" not in names["get"]
        assert "User" in names["patch"] & names["delete"]
        responses = {method: paths["/reviews/{id}"][method]["responses"] for method in names}
        assert "403" not in responses["get"]
        assert "403" in responses["patch"]


class TestWriting:
    def test_a_new_row_gets_the_values_of_the_write_scope(self, reviews: Reviews) -> None:
        created = reviews.request("POST", "", {"text": "New"}, user=2)
        assert (created.status_code, created.json()["author_id"]) == (201, 2)
        batch = reviews.request("POST", ":batch", [{"text": "a"}, {"text": "b"}], user=2)
        assert [row["author_id"] for row in batch.json()] == [2, 2]
        refused = reviews.request("POST", "", {"text": "New", "author_id": 1}, user=2)
        assert (refused.status_code, refused.json()["errors"][0]["constraint"]) == (422, "scope")

    def test_authors_change_their_own_rows(self, reviews: Reviews) -> None:
        assert reviews.request("PATCH", "/1", {"text": "y"}).json()["text"] == "y"
        assert reviews.request("DELETE", "/1").status_code == 200
        changes = [{"id": 3, "text": "z"}]
        assert reviews.request("PATCH", ":batch", changes).status_code == 200
        assert reviews.texts() == ["x", "z"]

    @pytest.mark.parametrize(
        ("method", "path", "body"),
        [
            ("PATCH", "/2", {"text": "y"}),
            ("PATCH", "/2", {}),
            ("DELETE", "/2", None),
            ("PATCH", ":batch", [{"id": 1, "text": "y"}, {"id": 2, "text": "y"}]),
            ("DELETE", ":batch?key=1&key=2", None),
            ("DELETE", ":batch?key=2", None),
        ],
    )
    def test_a_row_that_may_only_be_read_is_a_403_that_names_it(
        self, reviews: Reviews, method: str, path: str, body: Any
    ) -> None:
        response = reviews.request(method, path, body)
        assert outcome(response) == MAY_ONLY_READ
        assert response.json()["errors"] == [
            {
                "loc": ["row", "2"],
                "field": "id",
                "constraint": "scope",
                "message": "Review 2 is outside your write scope.",
            }
        ]
        assert reviews.texts() == ["x", "x", "x"]

    def test_a_batch_of_deletions_names_all_rows_that_may_only_be_read(
        self, reviews: Reviews
    ) -> None:
        refused = reviews.request("DELETE", ":batch?key=3&key=2&key=1", user=2).json()
        assert refused["detail"] == "You may read 2 of these rows of Review, but not change them."
        assert [error["loc"] for error in refused["errors"]] == [["row", "1"], ["row", "3"]]

    @pytest.mark.parametrize(
        ("method", "path", "body"),
        [
            ("PATCH", "/9", {"text": "y"}),
            ("DELETE", "/9", None),
            ("PATCH", ":batch", [{"id": 1, "text": "y"}, {"id": 9, "text": "y"}]),
            ("DELETE", ":batch?key=1&key=9", None),
        ],
    )
    def test_a_row_that_does_not_exist_is_a_404(
        self, reviews: Reviews, method: str, path: str, body: Any
    ) -> None:
        assert reviews.request(method, path, body).status_code == 404
        assert reviews.texts() == ["x", "x", "x"]

    @pytest.mark.parametrize("author", [2, None])
    def test_an_update_cannot_leave_the_write_scope(
        self, reviews: Reviews, author: int | None
    ) -> None:
        assert reviews.request("PATCH", "/1", {"author_id": author}).status_code == 422
        changes = [{"id": 3, "text": "y"}, {"id": 1, "author_id": author}]
        assert reviews.request("PATCH", ":batch", changes).status_code == 422
        assert reviews.texts() == ["x", "x", "x"]

    @pytest.mark.parametrize("user", [None, 0])
    def test_none_and_an_error_refuse_all_writes(self, reviews: Reviews, user: int | None) -> None:
        for method, path, body in (
            ("POST", "", {"text": "y"}),
            ("PATCH", "/1", {"text": "y"}),
            ("DELETE", "/1", None),
            ("POST", ":batch", [{"text": "y"}]),
            ("DELETE", ":batch?key=1", None),
        ):
            response = reviews.request(method, path, body, user=user)
            if user is None:
                assert outcome(response) == MAY_ONLY_READ
            else:
                assert response.status_code == 401
                assert response.headers["WWW-Authenticate"] == "Bearer"
        assert reviews.texts() == ["x", "x", "x"]

    def test_if_match_of_a_row_that_may_only_be_read_is_a_403(self, reviews: Reviews) -> None:
        headers = {"User": "1", "If-Match": '"0"'}
        for method, body in (("PATCH", {"text": "y"}), ("DELETE", None)):
            response = reviews.client.request(method, "/reviews/2", json=body, headers=headers)
            assert outcome(response) == MAY_ONLY_READ
            response = reviews.client.request(method, "/reviews/1", json=body, headers=headers)
            assert response.status_code == 412

    def test_a_response_to_a_write_is_private(self, reviews: Reviews) -> None:
        response = reviews.request("PATCH", "/1", {"text": "y"})
        assert response.headers["Cache-Control"] == "private"
        assert "user" in response.headers["Vary"].lower()
        assert "Cache-Control" not in reviews.request("GET", "/1").headers

    def test_the_dependency_can_be_overridden(self, reviews: Reviews) -> None:
        reviews.app.dependency_overrides[written_by] = lambda: {"author_id": 2}
        assert reviews.request("PATCH", "/2", {"text": "y"}).status_code == 200
        assert outcome(reviews.request("PATCH", "/1", {"text": "y"})) == MAY_ONLY_READ


class TestStatements:
    @pytest.mark.parametrize(
        ("method", "path", "body", "status", "count"),
        [
            ("POST", "", {"text": "y"}, 201, 1),
            ("PATCH", "/1", {"text": "y"}, 200, 1),
            ("DELETE", "/1", None, 200, 1),
            ("PATCH", "/2", {"text": "y"}, 403, 2),
            ("DELETE", "/2", None, 403, 2),
        ],
    )
    def test_a_write_is_one_statement_and_its_refusal_a_second_one(
        self,
        db: Database,
        reviews: Reviews,
        method: str,
        path: str,
        body: Any,
        status: int,
        count: int,
    ) -> None:
        reviews.texts()  # opens a connection, on which the statements are counted
        with statements(db, reviews.client) as seen:
            assert reviews.request(method, path, body).status_code == status
        assert len(seen) == count, seen

    def test_users_share_the_statement_of_a_mapping(self, db: Database, reviews: Reviews) -> None:
        reviews.texts()  # opens a connection, on which the statements are counted
        with statements(db, reviews.client) as seen:
            reviews.request("PATCH", "/1", {"text": "y"}, user=1)
            reviews.request("PATCH", "/2", {"text": "y"}, user=2)
        assert len(set(seen)) == 1


class TestBothScopes:
    """Public reviews, and those of the user, are read; the user writes their own."""

    @pytest.fixture
    def reviews(self, db: Database) -> Iterator[Reviews]:
        def visible(user: User = None) -> Any:
            review = app.model
            return col(review.is_public).is_(True) | (col(review.author_id) == user)

        with (app := Reviews(db, scope=visible)):
            hidden = {"text": "x", "is_public": False}
            assert app.request("POST", "", hidden, user=2).json()["id"] == 4
            yield app

    def test_a_row_outside_the_scope_is_not_found(self, reviews: Reviews) -> None:
        for method, body in (("PATCH", {"text": "y"}), ("DELETE", None)):
            assert reviews.request(method, "/4", body).status_code == 404
            assert outcome(reviews.request(method, "/2", body)) == MAY_ONLY_READ
        assert reviews.request("DELETE", ":batch?key=1&key=4").status_code == 404
        assert outcome(reviews.request("DELETE", ":batch?key=1&key=2")) == MAY_ONLY_READ
        assert reviews.request("PATCH", "/4", {"text": "y"}, user=2).status_code == 200

    def test_a_value_that_both_require_differently_refuses_all_writes(self, db: Database) -> None:
        SQLModel.metadata.clear()
        reviews = Reviews(db, scope=lambda: {"author_id": 2}, write_scope=lambda: {"author_id": 1})
        with reviews:
            assert reviews.request("GET", "/2").status_code == 200
            assert outcome(reviews.request("PATCH", "/2", {"text": "y"})) == MAY_ONLY_READ
            assert outcome(reviews.request("POST", "", {"text": "y"})) == MAY_ONLY_READ


class TestConditions:
    """A write scope that is a condition: short texts by two of the authors."""

    @pytest.fixture
    def reviews(self, db: Database) -> Iterator[Reviews]:
        def editable() -> Any:
            review = app.model
            return col(review.author_id).in_([1, 3]) & (col(review.text) != "locked")

        with (app := Reviews(db, write_scope=editable)):
            yield app

    def test_rows_outside_the_condition_may_only_be_read(self, reviews: Reviews) -> None:
        for method, body in (("PATCH", {"text": "y"}), ("DELETE", None)):
            assert outcome(reviews.request(method, "/2", body)) == MAY_ONLY_READ
            assert reviews.request(method, "/1", body).status_code == 200

    def test_a_row_that_would_be_outside_after_the_write_is_refused(self, reviews: Reviews) -> None:
        outside = (422, "urn:colonnade:scope")
        assert outcome(reviews.request("POST", "", {"text": "y", "author_id": 2})) == outside
        assert outcome(reviews.request("PATCH", "/1", {"author_id": 2})) == outside
        assert outcome(reviews.request("PATCH", "/1", {"text": "locked"})) == outside
        batch = [{"text": "y", "author_id": 1}, {"text": "y", "author_id": 2}]
        assert outcome(reviews.request("POST", ":batch", batch)) == outside
        assert reviews.texts() == ["x", "x", "x"]
        assert reviews.request("POST", "", {"text": "y", "author_id": 3}).status_code == 201
        assert reviews.request("PATCH", "/1", {"author_id": 3}).status_code == 200


class TestHooks:
    def test_a_hook_before_a_create_sets_what_the_write_scope_requires(self, db: Database) -> None:
        def editable() -> Any:
            return col(app.model.text) == "checked"

        app = Reviews(db, write_scope=editable)

        @app.resource.before("create")
        def check(values: dict[str, Any]) -> None:
            values["text"] = "checked"

        with app:
            body = {"text": "new", "author_id": 1}
            assert app.request("POST", "", body).json()["text"] == "checked"

    def test_a_hook_before_a_create_cannot_leave_the_write_scope(self, db: Database) -> None:
        reviews = Reviews(db)

        @reviews.resource.before("create")
        def give_away(values: dict[str, Any]) -> None:
            values["author_id"] = 2

        with reviews:
            assert reviews.request("POST", "", {"text": "y"}).status_code == 422
            assert len(reviews.texts()) == 3

    @pytest.mark.parametrize("kind", ["create", "update"])
    def test_a_hook_after_a_write_cannot_leave_the_write_scope(
        self, db: Database, kind: Any
    ) -> None:
        reviews = Reviews(db)

        @reviews.resource.after(kind)
        def give_away(session: Session, row: Any) -> None:
            row.author_id = 2

        with reviews:
            method, path = ("POST", "") if kind == "create" else ("PATCH", "/1")
            refused = reviews.request(method, path, {"text": "y"})
            assert outcome(refused) == (422, "urn:colonnade:scope")
            assert reviews.texts() == ["x", "x", "x"]
            assert reviews.request(method, path.replace("1", "2"), {"text": "y"}, user=2).is_success

    def test_a_hook_after_an_update_may_delete_the_row(self, db: Database) -> None:
        reviews = Reviews(db)

        @reviews.resource.after("update")
        def archive(session: Session, row: Any) -> None:
            session.delete(row)

        with reviews:
            assert reviews.request("PATCH", "/1", {"text": "y"}).status_code == 200
            assert reviews.texts() == ["x", "x"]

    def test_hooks_are_not_called_for_rows_that_may_only_be_read(self, db: Database) -> None:
        reviews = Reviews(db)
        seen: list[Any] = []

        @reviews.resource.before("update")
        @reviews.resource.before("delete")
        def record(key: tuple[int]) -> None:
            seen.append(key)

        with reviews:
            for method, path, body in (
                ("PATCH", "/2", {"text": "y"}),
                ("PATCH", ":batch", [{"id": 2, "text": "y"}]),
                ("DELETE", "/2", None),
                ("DELETE", ":batch?key=2", None),
            ):
                assert outcome(reviews.request(method, path, body)) == MAY_ONLY_READ
        assert seen == []

    def test_a_membership_brings_a_new_row_into_its_write_scope(self, db: Database) -> None:
        class Project(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            name: str

        class Membership(SQLModel, table=True):
            project_id: int = Field(foreign_key="project.id", primary_key=True)
            user_id: int | None = Field(primary_key=True, nullable=False)

        def joined(user: User = None) -> Any:
            projects = select(Membership.project_id).where(Membership.user_id == user)
            return col(Project.id).in_(projects)

        db.create_all()
        projects = Resource(Project, db, write_scope=joined)

        @projects.after("create")
        def join(session: Session, row: Any, user: User = None) -> None:
            if row.name != "Nobody's":
                session.add(Membership(project_id=row.id, user_id=user))

        with serving(projects) as client:
            ana, ben = {"User": "1"}, {"User": "2"}
            assert client.post("/projects", json={"name": "Web"}, headers=ana).status_code == 201
            outside = client.post("/projects", json={"name": "Nobody's"}, headers=ana)
            assert outcome(outside) == (422, "urn:colonnade:scope")
            assert len(client.get("/projects").json()) == 1
            assert client.patch("/projects/1", json={"name": "x"}, headers=ana).status_code == 200
            refused = client.patch("/projects/1", json={"name": "y"}, headers=ben)
            assert outcome(refused) == MAY_ONLY_READ


class TestIdempotency:
    def test_a_response_is_not_repeated_for_another_author(self, db: Database) -> None:
        class RequestKey(Idempotency, table=True): ...

        with Reviews(db, idempotency=RequestKey) as reviews:

            def post(user: int) -> Any:
                headers = {"User": str(user), "Idempotency-Key": "k"}
                return reviews.client.post("/reviews", json={"text": "y"}, headers=headers).json()

            assert post(1) == post(1)
            assert post(2)["author_id"] == 2
            assert len(reviews.texts()) == 5


class TestOtherTables:
    def test_a_foreign_key_may_refer_to_a_row_that_may_only_be_read(
        self, db: Database, models: SimpleNamespace, store: Any
    ) -> None:
        store(models.Project(id=1, name="A", slug="a", owner_id=2))
        writable = {"owner_id": 1}
        projects = Resource(models.Project, db, include=["tasks"], write_scope=lambda: writable)
        with serving(projects, Resource(models.Task, db, include=["project"])) as client:
            created = client.post("/tasks", json={"title": "x", "project_id": 1})
            assert created.status_code == 201
            assert client.get("/tasks/1?include=project").json()["project"]["id"] == 1
            assert outcome(client.delete("/projects/1")) == MAY_ONLY_READ

    def test_a_tree_grows_below_rows_that_may_only_be_read(
        self, db: Database, models: SimpleNamespace, store: Any
    ) -> None:
        store(models.Task(id=1, title="Theirs", owner_id=2))
        store(models.Task(id=2, title="Theirs below", owner_id=2, parent_id=1))
        with serving(Resource(models.Task, db, write_scope=lambda: {"owner_id": 1})) as client:
            created = client.post("/tasks", json={"title": "Mine", "parent_id": 2})
            assert (created.status_code, created.json()["id"]) == (201, 3)
            assert client.patch("/tasks/3", json={"parent_id": 1}).status_code == 200
            for change in ({"parent_id": None}, {"parent_id": 3}):
                assert outcome(client.patch("/tasks/2", json=change)) == MAY_ONLY_READ
            tree = client.get("/tasks/1/subtasks?depth=all").json()
            assert [row["id"] for row in tree] == [2, 3]

    def test_a_link_needs_the_write_scope_of_its_table_alone(
        self, db: Database, models: SimpleNamespace, store: Any
    ) -> None:
        store(models.Task(id=1, title="x", owner_id=2), models.Worker(id="@ana"))
        store(models.Worker(id="@bot"))
        store(models.Assignment(task_id=1, worker_id="@bot", role="reviewer"))
        assignments = Resource(
            models.Assignment, db, write_scope=lambda: {"role": "assignee"}, prefix="/assignments"
        )
        tasks = Resource(models.Task, db, include=["workers"], write_scope=lambda: {"owner_id": 1})
        with serving(assignments, tasks) as client:
            assert client.put("/tasks/1/workers/@ana").json()["role"] == "assignee"
            assert client.put("/tasks/1/workers/@ana", json={"role": "reviewer"}).status_code == 422
            for method in ("PUT", "DELETE"):
                response = client.request(method, "/tasks/1/workers/@bot")
                assert outcome(response) == MAY_ONLY_READ
            assert len(client.get("/tasks/1/workers").json()) == 2
            assert client.delete("/tasks/1/workers/@ana").status_code == 200
            assert client.delete("/tasks/1/workers/@ana").status_code == 200
            assert client.delete("/tasks/1/workers/@none").status_code == 404

    def test_a_link_outside_a_condition_after_the_write_is_refused(
        self, db: Database, models: SimpleNamespace, store: Any
    ) -> None:
        store(models.Task(id=1, title="x"), models.Worker(id="@ana"))

        def assigned() -> Any:
            return col(models.Assignment.role) == "assignee"

        assignments = Resource(models.Assignment, db, write_scope=assigned, prefix="/assignments")
        with serving(assignments, Resource(models.Task, db, include=["workers"])) as client:
            outside = client.put("/tasks/1/workers/@ana", json={"role": "reviewer"})
            assert outcome(outside) == (422, "urn:colonnade:scope")
            assert client.put("/tasks/1/workers/@ana").status_code == 200

    def test_an_error_of_the_dependency_is_the_answer_of_links(
        self, db: Database, models: SimpleNamespace, store: Any
    ) -> None:
        store(models.Task(id=1, title="x"), models.Worker(id="@ana"))

        def refuse() -> None:
            raise HTTPException(401, "Log in first")

        assignments = Resource(models.Assignment, db, write_scope=refuse, prefix="/assignments")
        with serving(assignments, Resource(models.Task, db, include=["workers"])) as client:
            assert client.get("/tasks/1/workers").json() == []
            for method in ("PUT", "DELETE"):
                response = client.request(method, "/tasks/1/workers/@ana")
                assert (response.status_code, response.json()) == (401, {"detail": "Log in first"})

    def test_none_refuses_links(self, db: Database, models: SimpleNamespace, store: Any) -> None:
        store(models.Task(id=1, title="x"), models.Worker(id="@ana"))
        assignments = Resource(
            models.Assignment, db, write_scope=lambda: None, prefix="/assignments"
        )
        with serving(assignments, Resource(models.Task, db, include=["workers"])) as client:
            for method in ("PUT", "DELETE"):
                assert outcome(client.request(method, "/tasks/1/workers/@ana")) == MAY_ONLY_READ


class TestDeclaration:
    def test_a_table_has_one_write_scope(self, db: Database) -> None:
        models = define_models()
        Resource(models.Task, db, write_scope=written_by)
        Resource(models.Task, db, write_scope=Depends(written_by), prefix="/again")
        with pytest.raises(ModelError, match="already has a write_scope"):
            Resource(models.Task, db, write_scope=lambda: None, prefix="/other")

    def test_all_resources_of_a_table_share_its_write_scope(
        self, db: Database, models: SimpleNamespace, store: Any
    ) -> None:
        store(models.Task(id=1, title="x", owner_id=2))
        shared = Resource(models.Task, db, prefix="/shared")
        moderated = Resource(models.Task, db, prefix="/moderated", write_scope=Unscoped)
        unscoped = Resource(models.Task, db, prefix="/unscoped", scope=Unscoped)
        tasks = Resource(models.Task, db, write_scope=lambda: {"owner_id": 1})
        with serving(shared, moderated, unscoped, tasks) as client:
            for path, status in (("shared", 403), ("moderated", 200), ("unscoped", 200)):
                response = client.patch(f"/{path}/1", json={"title": path})
                assert response.status_code == status, path

    def test_a_write_scope_unscoped_keeps_the_scope(
        self, db: Database, models: SimpleNamespace, store: Any
    ) -> None:
        store(models.Task(id=1, title="x", owner_id=2))
        tasks = Resource(models.Task, db, scope=lambda: {"owner_id": 1}, write_scope=Unscoped)
        with serving(tasks) as client:
            assert client.patch("/tasks/1", json={"title": "y"}).status_code == 404

    def test_a_write_scope_of_an_unscoped_resource_is_refused(self, db: Database) -> None:
        models = define_models()
        with pytest.raises(ModelError, match="write_scope= has no effect"):
            Resource(models.Task, db, scope=Unscoped, write_scope=written_by)

    def test_a_write_scope_must_be_declared_before_a_resource_that_writes_is_built(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        with serving(Resource(models.Task, db, include=["project", "workers"])):
            Resource(models.Project, db, write_scope=written_by)  # which tasks only read
            for model in (models.Task, models.Assignment):
                with pytest.raises(ModelError, match="after the Resource of Task was built"):
                    Resource(model, db, write_scope=written_by, prefix="/late")

    def test_a_required_column_may_be_set_by_the_write_scope(self, db: Database) -> None:
        class Note(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            author_id: int = Field(readonly=True)

        db.create_all()
        with serving(Resource(Note, db, write_scope=lambda: {"author_id": 1})) as client:
            assert client.post("/notes", json={}).json() == {"id": 1, "author_id": 1}


def test_a_versioned_row_that_may_only_be_read_is_a_403(db: Database, store: Any) -> None:
    class Page(Versioned, table=True):
        tenant: int = Field(primary_key=True)
        name: str = Field(primary_key=True)
        owner_id: int
        text: str = ""

    db.create_all()
    store(Page(tenant=1, name="a,b", owner_id=2), Page(tenant=1, name="c", owner_id=1))
    with serving(Resource(Page, db, write_scope=lambda: {"owner_id": 1})) as client:
        refused = client.patch("/pages/1,a~2b", json={"text": "x"}, headers={"If-Match": '"1"'})
        assert outcome(refused) == MAY_ONLY_READ
        batch = client.delete("/pages:batch?key=1,c&key=1,a~2b")
        assert outcome(batch) == MAY_ONLY_READ
        assert batch.json()["errors"][0]["field"] == "tenant,name"
        tag = client.get("/pages/1,c").headers["ETag"]
        changed = client.patch("/pages/1,c", json={"text": "x"}, headers={"If-Match": tag})
        assert changed.status_code == 200
