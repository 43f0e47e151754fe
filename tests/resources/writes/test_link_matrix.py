"""Every rule holds for every way to link and to unlink rows: a matrix of links by rules.

Left out, since they do not apply:

- ``If-Match``: the response of a link has no ETag.
- Scopes, required fields and the other rules of columns for a link table without a model: its two
  keys are all it has.
- Readonly, frozen and secret fields of nested links: a nested body names linked rows only, and the
  fields of their links get their defaults.
- The guards and the operation of links for a nested delete: it deletes the related row, which the
  operation ``delete`` of its Resource allows.
- A repeated create: the key that the client makes is taken.
"""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from fastapi import Depends, FastAPI, Header, HTTPException
from fastapi.testclient import TestClient
from pydantic import model_validator
from sqlalchemy import Column, ForeignKey, Table

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
)
from colonnade.resources import STANDARD
from tests.resources.writes.nested_app import refusal
from tests.resources.writes.transactions import conflict_once, rolled_back

pytestmark = pytest.mark.slow  # every test has an app

Values = dict[str, Any]
Links = dict[tuple[str, str], Values]
"""The links of a table: their fields, by the keys of both rows."""

LINKED = ["w1", "read"]
"""The workers of task t1 that its scope shows."""


@dataclass(frozen=True)
class Write:
    """A way to link or unlink rows of a relation.

    Attributes:
        name: Its name.
        send: Sends the request for a task, a relation and a related row.
        creates: Whether the related row is new.
    """

    name: str
    send: Callable[[TestClient, str, str, str, Values], Any]
    creates: bool = False

    def __str__(self) -> str:
        return self.name


def patch(verb: str, argument: Callable[[str], Any]) -> Callable[..., Any]:
    """Build the function that sends a nested body with a verb."""

    def send(client: TestClient, task: str, relation: str, key: str, options: Values) -> Any:
        body = {relation: {verb: argument(key)}}
        return client.patch(f"/tasks/{task}", json=body, **options)

    return send


def linked_with(key: str) -> list[str]:
    return [*LINKED, *({key} - set(LINKED))]


def linked_without(key: str) -> list[str]:
    return [linked for linked in LINKED if linked != key]


PUT = Write("put", lambda c, t, r, k, o: c.put(f"/tasks/{t}/{r}/{k}", **o))
CONNECT = Write("nested connect", patch("connect", lambda key: [key]))
SET = Write("nested set", patch("set", linked_with))
CREATE = Write("nested create", patch("create", lambda key: [{"id": key}]), creates=True)
POST = Write(
    "post in a relation",
    lambda c, t, r, k, o: c.post(f"/tasks/{t}/{r}", json={"id": k}, **o),
    creates=True,
)
DELETE = Write("delete", lambda c, t, r, k, o: c.delete(f"/tasks/{t}/{r}/{k}", **o))
DISCONNECT = Write("nested disconnect", patch("disconnect", lambda key: [key]))
SET_OTHERS = Write("nested set of others", patch("set", linked_without))
NESTED_DELETE = Write("nested delete", patch("delete", lambda key: [key]))

LINKING = [PUT, CONNECT, SET, CREATE, POST]
UNLINKING = [DELETE, DISCONNECT, SET_OTHERS, NESTED_DELETE]
WRITES = [*LINKING, *UNLINKING]
REPEATABLE = [PUT, CONNECT, SET, DELETE, DISCONNECT, SET_OTHERS]
GUARDED = [write for write in WRITES if write is not NESTED_DELETE]


@dataclass
class App:
    """An app of tasks and their workers, labels and rooms, and its client."""

    app: FastAPI
    client: TestClient
    db: Database
    models: Any

    def links(self, relation: str = "workers") -> Links:
        """All stored links of a relation, by the keys of both rows."""
        table = self.models.links[relation]
        source, target = table.primary_key
        return {(row[source.name], row[target.name]): row for row in self._rows(table)}

    def everything(self) -> list[Any]:
        """All links, and all rows that they may connect."""
        return [self._rows(table) for table in self.models.tables]

    def _rows(self, table: Table) -> list[Values]:
        statement = table.select().order_by(*table.primary_key)
        with self.db.session() as session:
            return [dict(row) for row in session.connection().execute(statement).mappings()]

    def send(
        self, write: Write, key: str, *, task: str = "t1", relation: str = "workers", **options: Any
    ) -> Any:
        """Send the request of a write."""
        return write.send(self.client, task, relation, key, options)


@dataclass(frozen=True)
class Models:
    """The models of the app, and its link table without a model."""

    task: Any
    worker: Any
    label: Any
    room: Any
    badge: Any
    assignment: Any
    seat: Any
    tagging: Table

    @property
    def links(self) -> dict[str, Table]:
        """The link tables, by relation."""
        return {
            "workers": self.assignment.__table__,
            "labels": self.tagging,
            "rooms": self.seat.__table__,
        }

    @property
    def tables(self) -> list[Table]:
        """The tables that a link may change."""
        models = (self.task, self.worker, self.label, self.room)
        return [*(model.__table__ for model in models), *self.links.values()]


def define_models() -> Models:
    """Tasks with workers by a link model, labels by a plain table, and rooms by required fields."""

    class Badge(SQLModel, table=True):
        id: str = Field(primary_key=True)
        tenant: str

    class Assignment(Versioned, Timestamps, table=True):
        task_id: str = Field(foreign_key="task.id", primary_key=True, ondelete="CASCADE")
        worker_id: str = Field(foreign_key="worker.id", primary_key=True, ondelete="CASCADE")
        tenant: str
        author: str
        low: int = 0
        high: int = 10
        code: str = Field(default="", frozen=True)
        note: str = Field(default="", readonly=True)
        pin: str = Field(default="", secret=True)
        badge_id: str | None = Field(default="b1", foreign_key="badge.id")

        @model_validator(mode="after")
        def low_is_not_above_high(self) -> "Assignment":
            if self.low > self.high:
                raise ValueError("low is above high")
            if str(self.worker_id).startswith("banned"):
                raise ValueError("this worker is banned")
            return self

    class Worker(SQLModel, table=True):
        id: str = Field(primary_key=True)
        tenant: str

    tagging = Table(
        "tagging",
        SQLModel.metadata,
        Column("task_id", ForeignKey("task.id", ondelete="CASCADE"), primary_key=True),
        Column("label_id", ForeignKey("label.id", ondelete="CASCADE"), primary_key=True),
    )

    class Label(SQLModel, table=True):
        id: str = Field(primary_key=True)
        tenant: str

    class Seat(SQLModel, table=True):
        task_id: str = Field(foreign_key="task.id", primary_key=True)
        room_id: str = Field(foreign_key="room.id", primary_key=True)
        number: int

    class Room(SQLModel, table=True):
        id: str = Field(primary_key=True)

    class Task(SQLModel, table=True):
        id: str = Field(primary_key=True)
        tenant: str
        workers: list[Worker] = Relationship(
            link_model=Assignment, sa_relationship_kwargs={"viewonly": True}
        )
        labels: list[Label] = Relationship(sa_relationship_kwargs={"secondary": tagging})
        rooms: list[Room] = Relationship(link_model=Seat, sa_relationship_kwargs={"viewonly": True})

    return Models(Task, Worker, Label, Room, Badge, Assignment, Seat, tagging)


def store_rows(db: Database, models: Models) -> None:
    """Rows of two tenants; task t1 has the links of ``LINKED``, and one of another tenant."""
    with db.session() as session:
        session.add_all([models.task(id="t1", tenant="ana"), models.task(id="zt", tenant="zoe")])
        workers = ["w1", "w2", "read", "hidden", "banned"]
        session.add_all([models.worker(id=key, tenant="ana") for key in workers])
        session.add_all([models.label(id=key, tenant="ana") for key in ("w1", "w2", "read")])
        for model in (models.worker, models.label, models.badge):
            session.add(model(id="zx", tenant="zoe"))
        session.add_all([models.room(id=key) for key in ("w1", "w2", "read")])
        session.add(models.badge(id="b1", tenant="ana"))  # the default of links
        session.commit()
        for key, tenant, author in (
            ("w1", "ana", "ana"), ("read", "ana", "bo"), ("hidden", "zoe", "ana"),
        ):  # fmt: skip
            session.add(
                models.assignment(task_id="t1", worker_id=key, tenant=tenant, author=author, high=3)
            )
        for key in LINKED:
            session.connection().execute(models.tagging.insert().values(task_id="t1", label_id=key))
        session.commit()


@contextmanager
def serve(
    db: Database,
    configure: Callable[[Resource, Resource], None] = lambda tasks, workers: None,
    **options: Any,
) -> Iterator[App]:
    """Serve the app.

    Args:
        db: The database.
        configure: Adds endpoints and hooks to the Resources of tasks and of workers.
        options: Options of the Resource of tasks.
    """
    models = define_models()

    class RequestKey(Idempotency, table=True):
        pass

    def own(x_tenant: str = Header("ana")) -> Values:
        return {"tenant": x_tenant}

    def authored(x_author: str = Header("ana")) -> Values:
        return {"author": x_author}

    db.create_all()
    resources = [
        Resource(models.assignment, db, scope=own, write_scope=authored),
        Resource(models.badge, db, scope=own),
        workers := Resource(models.worker, db, scope=own),
        labels := Resource(models.label, db, scope=own),
        rooms := Resource(models.room, db),
    ]
    tasks = Resource(
        models.task, db, scope=own, idempotency=RequestKey,
        nested={"workers": workers, "labels": labels, "rooms": rooms}, **options,
    )  # fmt: skip
    configure(tasks, workers)
    fastapi = FastAPI()
    for resource in (tasks, *resources):
        fastapi.include_router(resource)
    store_rows(db, models)
    with TestClient(fastapi) as client:
        yield App(fastapi, client, db, models)


@pytest.fixture
def app(db: Database) -> Iterator[App]:
    with serve(db) as app:
        yield app


def key_of(write: Write) -> str:
    """The key of a related row that a write links or unlinks."""
    if write.creates:
        return "new"
    return "w2" if write in LINKING else "w1"


@contextmanager
def unchanged(app: App, subtests: pytest.Subtests, name: object) -> Iterator[None]:
    """A sub-test whose requests change nothing."""
    before = app.everything()
    with subtests.test(str(name)):
        yield
        assert app.everything() == before


@pytest.mark.parametrize("relation", ["workers", "labels"])
@pytest.mark.parametrize("write", WRITES, ids=str)
def test_a_write_does_what_it_says(app: App, write: Write, relation: str) -> None:
    before = app.links(relation)

    response = app.send(write, key_of(write), relation=relation)

    assert response.status_code in (200, 201), response.text
    after = app.links(relation)
    assert after.keys() ^ before.keys() == {("t1", key_of(write))}
    assert all(after[key] == before[key] for key in before.keys() & after.keys())


@pytest.mark.parametrize("write", REPEATABLE, ids=str)
def test_a_write_may_be_repeated(app: App, write: Write) -> None:
    first = app.send(write, key_of(write))
    stored = app.everything()

    second = app.send(write, key_of(write))

    assert (second.status_code, second.json()) == (200, first.json())
    assert app.everything() == stored


@pytest.mark.parametrize("relation", ["workers", "labels"])
def test_a_row_outside_its_scope_has_no_links(
    app: App, subtests: pytest.Subtests, relation: str
) -> None:
    for write in WRITES:
        with unchanged(app, subtests, write):
            missing = app.send(write, key_of(write), task="none", relation=relation)
            outside = app.send(write, key_of(write), task="zt", relation=relation)
            assert (outside.status_code, outside.json()) == (404, missing.json())


@pytest.mark.parametrize("relation", ["workers", "labels"])
def test_a_row_outside_its_scope_is_not_linked(
    app: App, subtests: pytest.Subtests, relation: str
) -> None:
    for write in [PUT, CONNECT, SET, DELETE, DISCONNECT, NESTED_DELETE]:
        with unchanged(app, subtests, write):
            missing = app.send(write, "none", relation=relation)
            outside = app.send(write, "zx", relation=relation)
            assert (outside.status_code, outside.json()) == (404, missing.json())
    for write in [CREATE, POST]:
        with unchanged(app, subtests, write):
            taken = app.send(write, "zx", relation=relation)
            assert (taken.status_code, "zoe" in taken.text) == (409, False)


def test_a_link_outside_its_scope_is_not_changed(app: App, subtests: pytest.Subtests) -> None:
    for write in [PUT, CONNECT, SET]:
        with unchanged(app, subtests, write):
            response = app.send(write, "hidden")
            assert (response.status_code, response.json()["type"]) == (409, "urn:colonnade:scope")
            assert response.json()["detail"].endswith("The link exists but is outside your scope.")
            assert "zoe" not in response.text


def test_a_link_outside_its_scope_stays(app: App, subtests: pytest.Subtests) -> None:
    for write in [DELETE, DISCONNECT, NESTED_DELETE]:
        with unchanged(app, subtests, write):
            response = app.send(write, "hidden")
            # A nested delete reaches the rows of the relation only.
            assert response.status_code == (404 if write is NESTED_DELETE else 200), response.text
    app.client.patch("/tasks/t1", json={"workers": {"set": ["read"]}})
    assert ("t1", "hidden") in app.links()


def test_a_link_outside_its_scope_is_not_validated(app: App, subtests: pytest.Subtests) -> None:
    with app.db.session() as session:
        session.add(app.models.worker(id="zy", tenant="zoe"))
        session.commit()
        link = app.models.assignment(task_id="zt", worker_id="zy", tenant="zoe", author="", high=3)
        session.add(link)
        session.commit()
    for task, key, status in [("t1", "hidden", 409), ("zt", "zy", 404)]:
        with unchanged(app, subtests, key):
            # The model refuses a low above the stored high, which the error would reveal.
            response = app.client.put(f"/tasks/{task}/workers/{key}", json={"low": 5})
            assert response.status_code == status, response.text


def test_a_link_that_may_only_be_read_is_a_403(app: App, subtests: pytest.Subtests) -> None:
    for write in [PUT, CONNECT, *UNLINKING]:
        with unchanged(app, subtests, write):
            response = app.send(write, "read")
            assert response.status_code == 403, response.text
            assert response.json()["detail"].endswith("You may read this link, but not change it.")


def test_a_nested_set_keeps_links_that_may_only_be_read(app: App) -> None:
    before = app.everything()

    response = app.client.patch("/tasks/t1", json={"workers": {"set": LINKED}})

    assert (response.status_code, response.json()["workers"]) == (
        200,
        [{"id": "w1", "tenant": "ana"}, {"id": "read", "tenant": "ana"}],
    )
    assert app.everything() == before


def test_a_resource_without_the_operation_refuses(db: Database, subtests: pytest.Subtests) -> None:
    with serve(db, operations=STANDARD - {"link"}) as app:
        for write in GUARDED:
            with unchanged(app, subtests, write):
                response = app.send(write, key_of(write))
                has_route = write not in (PUT, POST, DELETE)
                assert response.status_code == (422 if has_route else 404), response.text


def test_a_guard_refuses(db: Database, subtests: pytest.Subtests) -> None:
    def guard() -> None:
        raise HTTPException(403, "No links")

    with serve(db, dependencies={"link": [Depends(guard)]}) as app:
        for write in GUARDED:
            with unchanged(app, subtests, write):
                response = app.send(write, key_of(write))
                assert (response.status_code, "No links" in response.text) == (403, True)


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_an_endpoint_that_replaces_a_link_is_not_bypassed(
    db: Database, subtests: pytest.Subtests, method: str
) -> None:
    def replace(tasks: Resource, workers: Resource) -> None:
        @tasks.api_route("/{task}/workers/{worker}", methods=[method])
        def link(task: str, worker: str) -> str:
            return "mine"

    with serve(db, replace) as app:
        for write in [CONNECT, SET, CREATE, POST, DISCONNECT, SET_OTHERS]:
            with unchanged(app, subtests, write):
                response = app.send(write, key_of(write))
                assert response.status_code == 422, response.text
                assert "does not allow link" in response.text
        assert app.client.request(method, "/tasks/t1/workers/w2").json() == "mine"


def test_the_validators_of_the_link_model_run(app: App, subtests: pytest.Subtests) -> None:
    for write in LINKING:
        with unchanged(app, subtests, write):
            response = app.send(write, "banned-new" if write.creates else "banned")
            assert response.status_code == 422, response.text
            assert "this worker is banned" in response.text


def test_the_validators_of_the_link_model_see_the_whole_link(app: App) -> None:
    before = app.everything()

    response = app.client.put("/tasks/t1/workers/w1", json={"low": 4})

    assert (response.status_code, "low is above high" in response.text) == (422, True)
    assert app.everything() == before
    assert app.client.put("/tasks/t1/workers/w1", json={"low": 3}).json()["low"] == 3


def test_required_fields_are_required(app: App, subtests: pytest.Subtests) -> None:
    for write in LINKING:
        with unchanged(app, subtests, write):
            response = app.send(write, key_of(write), relation="rooms")
            assert response.status_code == 422, response.text
            assert response.json()["errors"][0]["loc"][-1] == "number"
    put = app.client.put("/tasks/t1/rooms/w2", json={"number": 3})
    assert (put.status_code, put.json()["number"]) == (200, 3)


def test_a_field_that_requests_cannot_write_is_refused(app: App, subtests: pytest.Subtests) -> None:
    for name in ["note", "version", "created_at", "updated_at"]:
        with unchanged(app, subtests, name):
            body = {name: "2026-01-01T00:00:00Z"}
            response = app.client.put("/tasks/t1/workers/w2", json=body)
            assert (response.status_code, response.json()["errors"][0]["loc"][-1]) == (422, name)


def test_a_frozen_field_is_set_only_once(app: App) -> None:
    url = "/tasks/t1/workers/w2"
    assert app.client.put(url, json={"code": "x"}).json()["code"] == "x"

    changed = app.client.put(url, json={"code": "y", "low": 2})

    assert (changed.status_code, changed.json()["code"], changed.json()["low"]) == (200, "x", 2)
    assert app.links()["t1", "w2"]["code"] == "x"


def test_a_secret_field_is_stored_and_not_in_the_response(app: App) -> None:
    response = app.client.put("/tasks/t1/workers/w2", json={"pin": "1234"})

    assert (response.status_code, "pin" in response.json()) == (200, False)
    assert app.links()["t1", "w2"]["pin"] == "1234"


def test_a_link_does_not_leave_its_scope(app: App, subtests: pytest.Subtests) -> None:
    for name, key in itertools.product(["tenant", "author"], ["w1", "w2"]):
        with unchanged(app, subtests, f"{name} of {key}"):
            response = app.client.put(f"/tasks/t1/workers/{key}", json={name: "zoe"})
            assert (response.status_code, response.json()["errors"][0]["loc"][-1]) == (422, name)


@pytest.mark.parametrize("write", LINKING, ids=str)
def test_a_new_link_has_the_values_of_its_scope_and_its_mixins(app: App, write: Write) -> None:
    app.send(write, key_of(write))

    link = app.links()["t1", key_of(write)]
    assert (link["tenant"], link["author"]) == ("ana", "ana")
    assert link["version"] > 0
    assert link["created_at"] == link["updated_at"]


def test_a_put_that_changes_a_link_has_a_new_version_and_time(app: App) -> None:
    before = app.links()["t1", "w1"]

    response = app.client.put("/tasks/t1/workers/w1", json={"low": 1})

    after = app.links()["t1", "w1"]
    assert after["version"] == response.json()["version"] == before["version"] + 1
    assert after["updated_at"] > before["updated_at"]
    assert after["created_at"] == before["created_at"]


def test_a_put_that_changes_nothing_keeps_the_version(app: App, subtests: pytest.Subtests) -> None:
    for body in [None, {}, {"code": "x"}]:
        with unchanged(app, subtests, str(body)):
            assert app.client.put("/tasks/t1/workers/w1", json=body).status_code == 200


def test_a_foreign_key_of_the_link_refers_to_a_row_inside_its_scope(
    app: App, subtests: pytest.Subtests
) -> None:
    for key in ("w1", "w2"):
        with unchanged(app, subtests, key):
            url = f"/tasks/t1/workers/{key}"
            missing = app.client.put(url, json={"badge_id": "none"})
            outside = app.client.put(url, json={"badge_id": "zx"})
            assert missing.status_code == outside.status_code == 409
            assert missing.json()["detail"] == outside.json()["detail"]
    assert app.client.put("/tasks/t1/workers/w2", json={"badge_id": "b1"}).status_code == 200


def test_a_foreign_key_with_a_default_refers_to_a_row_inside_its_scope(
    app: App, subtests: pytest.Subtests
) -> None:
    for write in [PUT, CONNECT, CREATE, POST]:
        with unchanged(app, subtests, write):
            key = "new" if write.creates else "zx"
            response = app.send(write, key, task="zt", headers={"X-Tenant": "zoe"})
            assert response.status_code == 409, response.text
            assert "badge_id refers to a row that does not exist" in response.json()["detail"]


def test_a_hook_that_raises_halfway_undoes_the_links(
    db: Database, subtests: pytest.Subtests
) -> None:
    def refuse_late(tasks: Resource, workers: Resource) -> None:
        @tasks.after("update")
        @workers.after("create")
        @workers.after("delete")
        def refuse(session: Session) -> None:
            raise HTTPException(409, "No")

    with serve(db, refuse_late) as app:
        for write in [CONNECT, SET, CREATE, POST, DISCONNECT, SET_OTHERS, NESTED_DELETE]:
            with unchanged(app, subtests, write):
                assert app.send(write, key_of(write)).status_code == 409


@pytest.mark.parametrize("write", WRITES, ids=str)
def test_a_write_that_conflicts_with_another_is_retried(app: App, write: Write) -> None:
    before = app.links().keys()

    app.client.get("/tasks")
    with conflict_once(app.db, r"(INSERT INTO|DELETE FROM) assignment\b") as conflicts:
        response = app.send(write, key_of(write))

    assert len(conflicts) == 1
    assert response.status_code in (200, 201), response.text
    assert app.links().keys() ^ before == {("t1", key_of(write))}


def test_an_overridden_session_has_the_write(app: App, subtests: pytest.Subtests) -> None:
    app.app.dependency_overrides[app.db.get_async_session] = rolled_back(app.db)
    for write in WRITES:
        with unchanged(app, subtests, write):
            response = app.send(write, key_of(write))
            assert response.status_code in (200, 201), response.text


def test_a_repeated_post_in_a_relation_is_done_once(app: App) -> None:
    first = app.send(POST, "new", headers={"Idempotency-Key": "k"})
    stored = app.everything()

    second = app.send(POST, "new", headers={"Idempotency-Key": "k"})

    assert (second.status_code, second.content) == (201, first.content)
    assert app.everything() == stored


def test_unknown_query_parameters_are_refused(app: App, subtests: pytest.Subtests) -> None:
    for write in WRITES:
        with unchanged(app, subtests, write):
            response = app.send(write, key_of(write), params={"nope": "1"})
            assert response.status_code == 422
            assert response.json()["errors"][0]["loc"] == ["query", "nope"]


@pytest.mark.parametrize("relation", ["workers", "labels"])
def test_a_malformed_key_is_refused(app: App, subtests: pytest.Subtests, relation: str) -> None:
    keys = ["w1,w2", "~9", "%00", "%ED%A0%80", "x" * 2000]
    for write, key in itertools.product([PUT, DELETE], keys):
        with unchanged(app, subtests, f"{write} {key[:9]}"):
            response = app.send(write, key, relation=relation)
            assert response.status_code in (404, 422), response.text


@pytest.mark.parametrize("relation", ["workers", "labels"])
def test_a_malformed_body_of_a_link_is_refused(
    app: App, subtests: pytest.Subtests, relation: str
) -> None:
    for body in [
        "{", "[]", "1", "null", '"x"', "\xff", "[" * 9999, '{"worker_id": "w2"}', '{"nope": 1}',
        '{"low": 1.5}', '{"low": NaN}', '{"low": 1e400}', '{"low": 99999999999999999999}',
        '{"code": "\\ud800"}', '{"code": "\\u0000"}', '{"badge_id": {}}',
    ]:  # fmt: skip
        with unchanged(app, subtests, body[:9]):
            url = f"/tasks/t1/{relation}/w2"
            response = app.client.put(url, content=body.encode("latin-1"))
            assert response.status_code == 422, response.text


@pytest.mark.parametrize("relation", ["workers", "labels"])
def test_malformed_nested_links_are_refused(
    app: App, subtests: pytest.Subtests, relation: str
) -> None:
    malformed: list[Any] = [
        1, [], "w2", {"link": ["w2"]}, {"connect": "w2"}, {"connect": [None]}, {"connect": [1]},
        {"connect": [["w2"]]}, {"connect": [{"nope": "w2"}]}, {"connect": [{"id": "w2", "low": 1}]},
        {"connect": {"id": "w2"}}, {"connect": ["w2", "w2"]}, {"connect": ["w2"], "set": ["w2"]},
        {"disconnect": True}, {"set": None}, {"create": {"id": "new"}}, {"create": ["new"]},
        {"delete": [{}]},
    ]  # fmt: skip
    for changes in malformed:
        with unchanged(app, subtests, str(changes)):
            status, loc = refusal(app.client.patch("/tasks/t1", json={relation: changes}))
            assert (status, loc[:2]) == (422, ["body", relation])
