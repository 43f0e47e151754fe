"""Hooks run in the transaction of the write."""

from types import SimpleNamespace
from typing import Annotated, Any, Optional

import pytest
from fastapi import Depends, FastAPI, Header, HTTPException, Request
from pydantic import BaseModel

from colonnade import (
    AsyncSession,
    Database,
    Field,
    Problem,
    Relationship,
    Resource,
    Session,
    SQLModel,
    col,
    select,
)
from colonnade.errors import ModelError
from tests.resources.sample_app import serving


class TestHooks:
    def test_the_problem_of_a_hook_is_the_answer(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        tasks = Resource(models.Task, db)

        @tasks.before("create")
        def refuse(values: dict[str, Any]) -> None:
            raise Problem(409, "That one is closed.", kind="foreign_key")

        with serving(tasks) as client:
            refused = client.post("/tasks", json={"title": "a"})
            assert (refused.status_code, refused.json()["detail"]) == (409, "That one is closed.")

    def test_hooks_run_in_the_transaction_of_the_write(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        tasks = Resource(models.Task, db)
        seen: list[Any] = []

        @tasks.before("create")
        def shout(session: Session, values: dict[str, Any]) -> None:
            assert isinstance(session, Session)
            values["title"] = values["title"].upper()

        @tasks.after("create")
        async def label(session: AsyncSession, task: Any) -> None:
            assert isinstance(session, AsyncSession)
            session.add(models.Label(name=task.title))
            task.description = "hooked"

        @tasks.before("update")
        async def note(session: AsyncSession, values: dict[str, Any]) -> None:
            seen.append(dict(values))

        @tasks.after("delete")
        def count(session: Session, key: tuple[int]) -> None:
            seen.append(key)
            if session.exec(select(models.Task)).first() is None:
                raise Problem(409, "The last task stays")

        with serving(tasks, Resource(models.Label, db)) as client:
            created = client.post("/tasks", json={"title": "a"})
            assert (created.status_code, created.json()["title"]) == (201, "A")
            assert created.json()["description"] == "hooked"
            assert client.get("/labels").json()[0]["name"] == "A"
            batch = client.post("/tasks:batch", json=[{"title": "b"}, {"title": "c"}])
            assert [row["title"] for row in batch.json()] == ["B", "C"]
            client.patch("/tasks/1", json={"progress": 5})
            assert seen == [{"progress": 5}]
            assert client.delete("/tasks:batch?key=2&key=3").status_code == 200
            assert client.delete("/tasks/1").status_code == 409
            assert seen[1:] == [(2,), (3,), (1,)]
            assert client.get("/tasks/1").status_code == 200

    def test_an_exception_in_a_hook_rolls_back_the_write(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        tasks = Resource(models.Task, db)

        @tasks.after("create")
        def refuse(session: Session, task: Any) -> None:
            raise HTTPException(418, "No")

        with serving(tasks) as client:
            response = client.post("/tasks", json={"title": "x"})
            assert (response.status_code, response.json()) == (418, {"detail": "No"})
            assert client.get("/tasks").json() == []

    def test_if_match_and_cycles_are_checked_with_hooks(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        tasks = Resource(models.Task, db)

        @tasks.before("update")
        def nothing(session: Session, values: Any) -> None: ...

        with serving(tasks) as client:
            tag = client.post("/tasks", json={"title": "x"}).headers["ETag"]
            headers = {"If-Match": tag}
            assert client.patch("/tasks/1", json={"title": "y"}, headers=headers).status_code == 200
            assert client.patch("/tasks/1", json={"title": "z"}, headers=headers).status_code == 412
            client.post("/tasks", json={"title": "below", "parent_id": 1})
            assert client.patch("/tasks/1", json={"parent_id": 2}).status_code == 409

    def test_hooks_exist_only_for_writes(self, db: Database, models: SimpleNamespace) -> None:
        with pytest.raises(ModelError, match="create, update or delete"):
            Resource(models.Task, db).before("list")  # type: ignore[arg-type]  # the mistake


def test_a_row_that_a_hook_adds_exists_for_the_write(db: Database) -> None:
    class Project(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)

    class Task(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        project_id: int | None = Field(default=None, foreign_key="project.id")
        project: Optional["Project"] = Relationship()

    class AddProject:
        async def __call__(self, session: AsyncSession, values: dict[str, Any]) -> None:
            session.add(Project(id=values["project_id"]))

    db.create_all()
    tasks = Resource(Task, db)
    tasks.before("create")(AddProject())
    with serving(tasks) as client:
        assert client.post("/tasks", json={"project_id": 77}).status_code == 201


def test_an_exception_in_a_hook_rolls_back_the_batch(db: Database) -> None:
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


class Account(SQLModel):
    """The fields of an account in requests; its table has a hash instead of the password."""

    name: str
    password: str = Field(min_length=8)


def current_user(x_user: str = Header("nobody")) -> str:
    return x_user


class TestArguments:
    @pytest.fixture
    def tasks(self, db: Database, models: SimpleNamespace) -> Resource:
        return Resource(models.Task, db)

    def test_a_hook_names_what_it_needs(self, tasks: Resource) -> None:
        seen: list[Any] = []

        @tasks.before("create")
        def before_create(values: dict[str, Any], body: BaseModel) -> None:
            seen.append((values["title"], type(body) is tasks.create))

        @tasks.before("update")
        async def before_update(
            row: Any, key: tuple[int], values: Any, session: AsyncSession
        ) -> None:
            seen.append((key, row.title, values["title"], type(session) is AsyncSession))

        @tasks.after("update")
        def after_update(key: tuple[int], row: Any, body: BaseModel) -> None:
            seen.append((key, row.title, body.model_fields_set))

        @tasks.before("delete")
        def before_delete(row: Any) -> None:
            seen.append(row.title)

        with serving(tasks) as client:
            client.post("/tasks", json={"title": "a"})
            client.patch("/tasks/1", json={"title": "b"})
            client.delete("/tasks/1")
        assert seen == [
            ("a", True), ((1,), "a", "b", True), ((1,), "b", {"title"}), "b",
        ]  # fmt: skip

    def test_a_hook_has_parameters_like_an_endpoint(self, tasks: Resource) -> None:
        seen: list[Any] = []

        @tasks.before("create")
        def note(
            session: Session,
            values: dict[str, Any],
            request: Request,
            user: Annotated[str, Depends(current_user)],
            verbose: bool = False,
        ) -> None:
            seen.append((values["title"], request.url.path, user, verbose))

        with serving(tasks) as client:
            headers = {"X-User": "ana"}
            client.post("/tasks", json={"title": "a"}, headers=headers)
            client.post("/tasks:batch?verbose=true", json=[{"title": "b"}], headers=headers)
            names = [
                parameter["name"]
                for parameter in client.get("/openapi.json").json()["paths"]["/tasks"]["post"][
                    "parameters"
                ]
            ]
        assert seen == [("a", "/tasks", "ana", False), ("b", "/tasks:batch", "ana", True)]
        assert {"x-user", "verbose"} <= set(names)

    def test_a_field_of_the_create_schema_alone_reaches_the_hook(self, db: Database) -> None:
        class User(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            name: str
            password_hash: str = Field(secret=True)

        db.create_all()
        users = Resource(User, db, create=Account)

        @users.before("create")
        def hash_password(values: dict[str, Any], body: Account) -> None:
            values["password_hash"] = body.password[::-1]

        with serving(users) as client:
            account = {"name": "Ana", "password": "swordfish"}
            created = client.post("/users", json=account)
            assert (created.status_code, created.json()) == (201, {"id": 1, "name": "Ana"})
        with db.session() as session:
            assert session.get_one(User, 1).password_hash == "hsifdrows"

    def test_a_required_column_that_nothing_sets_is_refused(self, db: Database) -> None:
        class User(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            name: str
            password_hash: str = Field(secret=True)

        db.create_all()
        with pytest.raises(ModelError, match="password_hash is required and has no default"):
            FastAPI().include_router(Resource(User, db, create=Account))
        forgetful = Resource(User, db, create=Account)

        @forgetful.before("create")
        def forget(values: dict[str, Any]) -> None: ...

        with serving(forgetful) as client, pytest.raises(ModelError, match="have not set"):
            client.post("/users", json={"name": "Ana", "password": "swordfish"})

    def test_a_hook_that_asks_for_what_does_not_exist_is_refused(self, tasks: Resource) -> None:
        with pytest.raises(ModelError, match=r"asks for row, .* before a create.*session, values"):

            @tasks.before("create")
            def wrong(row: Any) -> None: ...

    def test_a_hook_with_parameters_is_registered_before_the_inclusion(
        self, tasks: Resource
    ) -> None:
        with serving(tasks) as client:

            @tasks.before("create")
            def late(values: Any, request: Request) -> None: ...

            with pytest.raises(ModelError, match="before the app includes the Resource"):
                client.post("/tasks", json={"title": "a"})


class TestCommitted:
    def test_a_hook_runs_once_after_the_commit(self, db: Database, models: SimpleNamespace) -> None:
        tasks = Resource(models.Task, db)
        seen: list[Any] = []

        @tasks.committed("create")
        async def send(row: Any, request: Request) -> None:
            with db.session() as session:
                stored = session.get(models.Task, row.id)
            seen.append((stored is not None, row.title, request.method))

        @tasks.committed("delete")
        def forget(key: tuple[int]) -> None:
            seen.append(key)

        @tasks.after("create")
        def refuse(row: Any) -> None:
            if row.title == "no":
                raise HTTPException(418)

        with serving(tasks) as client:
            client.post("/tasks:batch", json=[{"title": "a"}, {"title": "b"}])
            assert client.post("/tasks", json={"title": "no"}).status_code == 418
            client.delete("/tasks/1")
        assert seen == [(True, "a", "POST"), (True, "b", "POST"), (1,)]

    def test_a_failure_is_logged_with_the_key(
        self, db: Database, models: SimpleNamespace, caplog: pytest.LogCaptureFixture
    ) -> None:
        tasks = Resource(models.Task, db)

        @tasks.committed("update")
        def send(row: Any) -> None:
            raise RuntimeError("no mail server")

        with serving(tasks) as client:
            client.post("/tasks", json={"title": "a"})
            assert client.patch("/tasks/1", json={"title": "b"}).json()["title"] == "b"
        assert "failed after the update of the row with the key (1,)" in caplog.text


class TestScopes:
    @pytest.fixture
    def projects(self, db: Database) -> Resource:
        class Project(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            name: str

        class Membership(SQLModel, table=True):
            project_id: int = Field(foreign_key="project.id", primary_key=True)
            user: str = Field(primary_key=True)

        def own_projects(user: Annotated[str, Depends(current_user)]) -> Any:
            memberships = select(Membership.project_id).where(Membership.user == user)
            return col(Project.id).in_(memberships)

        db.create_all()
        projects = Resource(Project, db, scope=own_projects)

        @projects.after("create")
        def join(
            session: Session, row: Project, user: Annotated[str, Depends(current_user)]
        ) -> None:
            if row.name != "Secret":
                assert row.id is not None
                session.add(Membership(project_id=row.id, user=user))

        return projects

    def test_a_hook_may_bring_a_new_row_into_its_scope(self, projects: Resource) -> None:
        with serving(projects) as client:
            headers = {"X-User": "ana"}
            created = client.post("/projects", json={"name": "Website"}, headers=headers)
            assert (created.status_code, created.json()["name"]) == (201, "Website")
            assert len(client.get("/projects", headers=headers).json()) == 1
            assert client.get("/projects", headers={"X-User": "ben"}).json() == []

    def test_a_row_that_is_outside_at_the_end_is_refused(
        self, db: Database, projects: Resource
    ) -> None:
        with serving(projects) as client:
            refused = client.post("/projects", json={"name": "Secret"})
            assert (refused.status_code, refused.json()["type"]) == (422, "urn:colonnade:scope")
        with db.session() as session:
            assert session.exec(select(projects.model)).all() == []
