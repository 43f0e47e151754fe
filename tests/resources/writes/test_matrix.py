"""Every rule holds for every kind of write: a matrix of writes by rules."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, Optional

import pytest
from fastapi import FastAPI, Header, HTTPException
from fastapi.testclient import TestClient
from pydantic import model_validator

from colonnade import (
    Database,
    Field,
    Idempotency,
    Relationship,
    Resource,
    Session,
    SQLModel,
    Timestamps,
    Versioned,
    select,
)
from colonnade.resources import STANDARD
from tests.resources.writes.transactions import rolled_back

pytestmark = pytest.mark.slow  # hundreds of tests, which take minutes together

Kind = Literal["create", "update", "delete"]
Values = dict[str, Any]


@dataclass
class App:
    """An app of projects with tasks, its client, and the calls of its hooks."""

    app: FastAPI
    client: TestClient
    db: Database
    task: type[Any]
    calls: list[str]
    refusing: set[str]

    def tasks(self) -> dict[str, Any]:
        """All stored tasks, by key."""
        with self.db.session() as session:
            rows = session.exec(select(self.task)).all()
            return {row.id: row.model_dump() for row in rows}


@dataclass(frozen=True)
class Write:
    """A kind of write: how a request writes the task ``key`` with ``values``.

    Attributes:
        name: Its name.
        kind: What happens to the task.
        send: Sends the request.
        is_single: Whether ``If-Match`` applies to the task.
    """

    name: str
    kind: Kind
    send: Callable[[TestClient, str, Values, dict[str, str]], Any]
    is_single: bool = False

    def __str__(self) -> str:
        return self.name


def body_of(key: str, values: Values) -> Values:
    """The body of a new task."""
    return {"id": key, "slug": key, "title": "New", **values}


WRITES = [
    Write("create", "create", lambda c, k, v, h: c.post("/tasks", json=body_of(k, v), headers=h)),
    Write(
        "batch create",
        "create",
        lambda c, k, v, h: c.post("/tasks:batch", json=[body_of(k, v)], headers=h),
    ),
    Write(
        "nested create",
        "create",
        lambda c, k, v, h: c.post(
            "/projects", json={"name": "P", "tasks": [body_of(k, v)]}, headers=h
        ),
    ),
    Write(
        "nested create in an update",
        "create",
        lambda c, k, v, h: c.patch(
            "/projects/1", json={"tasks": {"create": [body_of(k, v)]}}, headers=h
        ),
    ),
    Write(
        "create in a relation",
        "create",
        lambda c, k, v, h: c.post("/projects/1/tasks", json=body_of(k, v), headers=h),
    ),
    Write(
        "upsert that creates",
        "create",
        lambda c, k, v, h: c.post("/tasks?on_conflict=slug", json=body_of(k, v), headers=h),
    ),
    Write(
        "batch upsert that creates",
        "create",
        lambda c, k, v, h: c.post("/tasks:batch?on_conflict=slug", json=[body_of(k, v)], headers=h),
    ),
    Write(
        "replace that creates",
        "create",
        lambda c, k, v, h: c.put(f"/tasks/{k}", json=body_of(k, v), headers=h),
    ),
    Write(
        "nested upsert that creates",
        "create",
        lambda c, k, v, h: c.patch(
            "/projects/1", json={"tasks": {"upsert": [body_of(k, v)]}}, headers=h
        ),
    ),
    Write(
        "update",
        "update",
        lambda c, k, v, h: c.patch(f"/tasks/{k}", json={"title": "New", **v}, headers=h),
        is_single=True,
    ),
    Write(
        "batch update",
        "update",
        lambda c, k, v, h: c.patch(
            "/tasks:batch", json=[{"id": k, "title": "New", **v}], headers=h
        ),
    ),
    Write(
        "nested update",
        "update",
        lambda c, k, v, h: c.patch(
            "/projects/1",
            json={"tasks": {"update": [{"id": k, "title": "New", **v}]}},
            headers=h,
        ),
    ),
    Write(
        "upsert that updates",
        "update",
        lambda c, k, v, h: c.post(
            "/tasks?on_conflict=slug", json={**body_of("x", v), "slug": k}, headers=h
        ),
    ),
    Write(
        "replace",
        "update",
        lambda c, k, v, h: c.put(f"/tasks/{k}", json=body_of(k, v), headers=h),
        is_single=True,
    ),
    Write("delete", "delete", lambda c, k, v, h: c.delete(f"/tasks/{k}", headers=h), True),
    Write(
        "batch delete",
        "delete",
        lambda c, k, v, h: c.delete("/tasks:batch", params={"key": k}, headers=h),
    ),
    Write(
        "nested delete",
        "delete",
        lambda c, k, v, h: c.patch("/projects/1", json={"tasks": {"delete": [k]}}, headers=h),
    ),
]
CREATES = [write for write in WRITES if write.kind == "create"]
UPDATES = [write for write in WRITES if write.kind == "update"]
CHANGES = [write for write in WRITES if write.kind != "create"]
POSTS = [
    write
    for write in WRITES
    if write.name.startswith(("create", "batch create", "upsert", "batch upsert"))
    or write.name == "nested create"
]
WITH_VALUES = [write for write in WRITES if write.kind != "delete"]


@pytest.fixture
def app(db: Database) -> Iterator[App]:
    """Tasks t1 (own), other (of another tenant), and read (of another author)."""

    class Project(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        name: str
        tenant: str
        tasks: list["Task"] = Relationship(back_populates="project", passive_deletes="all")

    class Task(Versioned, Timestamps, table=True):
        id: str = Field(primary_key=True)
        slug: str = Field(unique=True)
        title: str = Field(min_length=1)
        low: int = 0
        high: int = 10
        code: str = Field(default="", frozen=True)
        note: str = Field(default="", readonly=True)
        tenant: str
        author: str
        parent_id: str | None = Field(default=None, foreign_key="task.id")
        project_id: int | None = Field(default=None, foreign_key="project.id")
        project: Optional[Project] = Relationship(back_populates="tasks")

        @model_validator(mode="after")
        def low_is_not_above_high(self) -> "Task":
            if self.low > self.high:
                raise ValueError("low is above high")
            return self

    class RequestKey(Idempotency, table=True):
        pass

    def own(x_tenant: str = Header("ana")) -> Values:
        return {"tenant": x_tenant}

    def authored(x_author: str = Header("ana")) -> Values:
        return {"author": x_author}

    db.create_all()
    tasks = Resource(
        Task, db, scope=own, write_scope=authored, idempotency=RequestKey,
        operations=STANDARD | {"upsert", "replace"},
    )  # fmt: skip
    projects = Resource(Project, db, scope=own, idempotency=RequestKey, nested={"tasks": tasks})
    calls: list[str] = []
    refusing: set[str] = set()
    _register_hooks(tasks, calls, refusing)
    fastapi = FastAPI()
    fastapi.include_router(tasks)
    fastapi.include_router(projects)
    with TestClient(fastapi) as client:
        app = App(fastapi, client, db, Task, calls, refusing)
        with db.session() as session:
            session.add(Project(name="P", tenant="ana"))
            session.commit()
            for key, tenant, author in (
                ("t1", "ana", "ana"), ("other", "zoe", "ana"), ("read", "ana", "bo"),
            ):  # fmt: skip
                session.add(
                    Task(id=key, slug=key, title="Old", tenant=tenant, author=author, project_id=1)
                )
            session.commit()
        yield app


def _register_hooks(tasks: Resource, calls: list[str], refusing: set[str]) -> None:
    kinds: tuple[Kind, ...] = ("create", "update", "delete")
    for kind in kinds:
        _register_hooks_of(kind, tasks, calls, refusing)


def _register_hooks_of(kind: Kind, tasks: Resource, calls: list[str], refusing: set[str]) -> None:
    @tasks.before(kind)
    def before(session: Session) -> None:
        calls.append(f"before {kind}")

    @tasks.after(kind)
    def after(session: Session) -> None:
        calls.append(f"after {kind}")
        if kind in refusing:
            raise HTTPException(409, "No")

    @tasks.committed(kind)
    def committed(key: Any) -> None:
        calls.append(f"committed {kind}")


def key_of(write: Write) -> str:
    """The key of the task that a write creates or changes."""
    return "new" if write.kind == "create" else "t1"


def send(
    app: App, write: Write, key: str = "", values: Values | None = None, **headers: str
) -> Any:
    """Send the request of a write."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return write.send(app.client, key or key_of(write), values or {}, names)


@pytest.mark.parametrize("write", WRITES, ids=str)
def test_a_write_does_what_it_says(app: App, write: Write) -> None:
    before = app.tasks()

    response = send(app, write)

    assert response.status_code in (200, 201), response.text
    after = app.tasks()
    changed = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    assert changed == {key_of(write)}
    if write.kind != "delete":
        assert after[key_of(write)]["title"] == "New"


@pytest.mark.parametrize("write", WRITES, ids=str)
def test_hooks_run_in_order(app: App, write: Write) -> None:
    send(app, write)

    assert app.calls == [f"{moment} {write.kind}" for moment in ("before", "after", "committed")]


@pytest.mark.parametrize("write", WRITES, ids=str)
def test_a_hook_that_raises_halfway_undoes_the_write(app: App, write: Write) -> None:
    before = app.tasks()
    app.refusing.add(write.kind)

    response = send(app, write)

    assert response.status_code == 409
    assert app.tasks() == before
    assert f"committed {write.kind}" not in app.calls


@pytest.mark.parametrize("write", CHANGES, ids=str)
def test_a_row_outside_the_scope_is_not_found(app: App, write: Write) -> None:
    before = app.tasks()

    response = send(app, write, "other")

    # An upsert and a replacement create a row, which conflicts with the one outside.
    expected = 409 if write.name in {"upsert that updates", "replace"} else 404
    assert response.status_code == expected, response.text
    assert app.tasks() == before
    assert "zoe" not in response.text


@pytest.mark.parametrize("write", CREATES, ids=str)
def test_a_new_row_gets_the_values_of_the_scopes(app: App, write: Write) -> None:
    send(app, write)

    assert app.tasks()["new"]["tenant"] == "ana"
    assert app.tasks()["new"]["author"] == "ana"


@pytest.mark.parametrize("name", ["tenant", "author"])
@pytest.mark.parametrize("write", WITH_VALUES, ids=str)
def test_no_write_leaves_its_scope(app: App, write: Write, name: str) -> None:
    before = app.tasks()

    response = send(app, write, values={name: "bo"})

    assert response.status_code == 422, response.text
    assert app.tasks() == before


@pytest.mark.parametrize("write", CHANGES, ids=str)
def test_a_row_that_may_only_be_read_is_a_403(app: App, write: Write) -> None:
    before = app.tasks()

    response = send(app, write, "read")

    assert response.status_code == 403, response.text
    assert app.tasks() == before


@pytest.mark.parametrize("write", WITH_VALUES, ids=str)
def test_a_foreign_key_refers_to_a_row_inside_its_scope(app: App, write: Write) -> None:
    before = app.tasks()

    missing = send(app, write, values={"parent_id": "none"})
    outside = send(app, write, values={"parent_id": "other"})

    assert missing.status_code == outside.status_code == 409
    assert missing.json()["detail"] == outside.json()["detail"]
    assert app.tasks() == before


@pytest.mark.parametrize("write", WITH_VALUES, ids=str)
def test_the_validators_of_the_model_see_the_whole_row(app: App, write: Write) -> None:
    before = app.tasks()

    response = send(app, write, values={"low": 11})

    assert response.status_code == 422, response.text
    assert "low is above high" in response.text
    assert app.tasks() == before


@pytest.mark.parametrize("write", WITH_VALUES, ids=str)
def test_a_readonly_field_is_refused(app: App, write: Write) -> None:
    response = send(app, write, values={"note": "x"})

    assert response.status_code == 422
    assert response.json()["errors"][0]["loc"][-1] == "note"


@pytest.mark.parametrize("write", UPDATES, ids=str)
def test_a_frozen_field_does_not_change(app: App, write: Write) -> None:
    send(app, write, values={"code": "x"})

    assert app.tasks()["t1"]["code"] == ""


@pytest.mark.parametrize("write", UPDATES, ids=str)
def test_an_update_has_a_new_version_and_time(app: App, write: Write) -> None:
    before = app.tasks()["t1"]

    send(app, write)

    after = app.tasks()["t1"]
    assert after["version"] == before["version"] + 1
    assert after["updated_at"] > before["updated_at"]
    assert after["created_at"] == before["created_at"]


@pytest.mark.parametrize("write", [write for write in CHANGES if write.is_single], ids=str)
def test_if_match_refuses_another_version(app: App, write: Write) -> None:
    before = app.tasks()
    tag = app.client.get("/tasks/t1").headers["etag"]

    refused = send(app, write, if_match='"1-1"')

    assert refused.status_code == 412
    assert app.tasks() == before
    assert send(app, write, if_match=tag).status_code == 200


@pytest.mark.parametrize("write", POSTS, ids=str)
def test_a_repeated_post_is_done_once(app: App, write: Write) -> None:
    first = send(app, write, idempotency_key="k")
    calls = list(app.calls)
    second = send(app, write, idempotency_key="k")

    assert second.content == first.content
    assert app.calls == calls


@pytest.mark.parametrize("write", WRITES, ids=str)
def test_an_overridden_session_has_the_write(app: App, write: Write) -> None:
    before = app.tasks()

    app.app.dependency_overrides[app.db.get_async_session] = rolled_back(app.db)
    response = send(app, write)

    assert response.status_code in (200, 201), response.text
    assert app.calls
    assert app.tasks() == before
