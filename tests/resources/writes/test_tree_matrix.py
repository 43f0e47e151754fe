"""Every rule holds for every way to move a row in a tree: a matrix of moves by rules.

Left out, since they do not apply:

- ``update`` and ``upsert`` of nested children: the relation sets the parent, so that a body which
  names another one is refused.
- Moves of new rows: no row is below a new one, except those that the body connects to it.
- ``If-Match`` and idempotency: a move is an update, whose matrix is in ``test_matrix``.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Optional

import pytest
from fastapi import FastAPI, HTTPException
from fastapi.testclient import TestClient

from colonnade import (
    Database,
    Field,
    Relationship,
    Resource,
    Session,
    Timestamps,
    Versioned,
    select,
)
from colonnade.resources import STANDARD
from tests.resources.writes.transactions import conflict_once, rolled_back

pytestmark = pytest.mark.slow  # every test has an app

Values = dict[str, Any]


@dataclass(frozen=True)
class Move:
    """A way to move a row below a parent.

    Attributes:
        name: Its name.
        send: Sends the request for a row and its new parent.
        is_nested: Whether the parent is the row of the request.
        may_create: Whether a row that does not exist would be created.
    """

    name: str
    send: Callable[[TestClient, str, str], Any]
    is_nested: bool = False
    may_create: bool = False

    def __str__(self) -> str:
        return self.name


def body_of(row: str, parent: str) -> Values:
    """The body of a row that may exist."""
    return {"id": row, "slug": row, "title": "Old", "parent_id": parent}


UPDATE = Move("update", lambda c, r, p: c.patch(f"/tasks/{r}", json={"parent_id": p}))
BATCH_UPDATE = Move(
    "batch update", lambda c, r, p: c.patch("/tasks:batch", json=[{"id": r, "parent_id": p}])
)
UPSERT = Move(
    "upsert",
    lambda c, r, p: c.post("/tasks?on_conflict=slug", json={**body_of(r, p), "id": "x"}),
    may_create=True,
)
BATCH_UPSERT = Move(
    "batch upsert",
    lambda c, r, p: c.post("/tasks:batch?on_conflict=slug", json=[{**body_of(r, p), "id": "x"}]),
    may_create=True,
)
REPLACE = Move("replace", lambda c, r, p: c.put(f"/tasks/{r}", json=body_of(r, p)), may_create=True)
CONNECT_PARENT = Move(
    "nested connect of the parent",
    lambda c, r, p: c.patch(f"/tasks/{r}", json={"parent": {"connect": p}}),
)
CONNECT = Move(
    "nested connect",
    lambda c, r, p: c.patch(f"/tasks/{p}", json={"children": {"connect": [r]}}),
    is_nested=True,
)
SET = Move(
    "nested set",
    lambda c, r, p: c.patch(f"/tasks/{p}", json={"children": {"set": [r]}}),
    is_nested=True,
)
MOVES = [UPDATE, BATCH_UPDATE, UPSERT, BATCH_UPSERT, REPLACE, CONNECT_PARENT, CONNECT, SET]


@dataclass
class App:
    """An app of tasks in a tree, and its client."""

    app: FastAPI
    client: TestClient
    db: Database
    task: type[Any]

    def tasks(self) -> dict[str, Values]:
        """All stored tasks, by key."""
        with self.db.session() as session:
            rows = session.exec(select(self.task)).all()
            return {row.id: row.model_dump() for row in rows}

    def parents(self) -> dict[str, str | None]:
        """The parent of each task."""
        return {key: row["parent_id"] for key, row in self.tasks().items()}


@contextmanager
def serve(
    db: Database, configure: Callable[[Resource], None] = lambda tasks: None
) -> Iterator[App]:
    """Serve an app of two trees of tasks: c below b below a, and f below hidden below d.

    The task hidden belongs to another tenant, and read may only be read.
    """

    class Task(Versioned, Timestamps, table=True):
        id: str = Field(primary_key=True)
        slug: str = Field(unique=True)
        title: str
        tenant: str
        author: str
        parent_id: str | None = Field(default=None, foreign_key="task.id")
        parent: Optional["Task"] = Relationship(
            back_populates="children", sa_relationship_kwargs={"remote_side": "Task.id"}
        )
        children: list["Task"] = Relationship(back_populates="parent", passive_deletes="all")

    db.create_all()
    tasks: Resource = Resource(
        Task, db, scope=lambda: {"tenant": "ana"}, write_scope=lambda: {"author": "ana"},
        operations=STANDARD | {"upsert", "replace"},
        nested={"parent": lambda: tasks, "children": lambda: tasks},
    )  # fmt: skip
    configure(tasks)
    fastapi = FastAPI()
    fastapi.include_router(tasks)
    with db.session() as session:
        for key, parent in (
            ("a", None), ("b", "a"), ("c", "b"), ("d", None), ("hidden", "d"), ("f", "hidden"),
            ("read", None),
        ):  # fmt: skip
            session.add(
                Task(
                    id=key, slug=key, title="Old", parent_id=parent,
                    tenant="zoe" if key == "hidden" else "ana",
                    author="bo" if key == "read" else "ana",
                )
            )  # fmt: skip
            session.commit()
    with TestClient(fastapi) as client:
        yield App(fastapi, client, db, Task)


@pytest.fixture
def app(db: Database) -> Iterator[App]:
    with serve(db) as app:
        yield app


@contextmanager
def unchanged(app: App, subtests: pytest.Subtests, name: object) -> Iterator[None]:
    """A sub-test whose requests change nothing."""
    before = app.tasks()
    with subtests.test(str(name)):
        yield
        assert app.tasks() == before


@pytest.mark.parametrize("move", MOVES, ids=str)
def test_a_move_changes_the_parent_the_version_and_the_time(app: App, move: Move) -> None:
    before = app.tasks()

    response = move.send(app.client, "c", "d")

    assert response.status_code == 200, response.text
    after = app.tasks()
    assert {key for key in before if before[key] != after[key]} == {"c"}
    assert after["c"]["parent_id"] == "d"
    assert after["c"]["version"] == before["c"]["version"] + 1
    assert after["c"]["updated_at"] > before["c"]["updated_at"]
    assert after["c"]["created_at"] == before["c"]["created_at"]


@pytest.mark.parametrize(
    ("row", "parent"), [("a", "b"), ("a", "c"), ("d", "f")], ids=["child", "grandchild", "hidden"]
)
def test_a_row_does_not_move_below_itself(
    app: App, subtests: pytest.Subtests, row: str, parent: str
) -> None:
    for move in MOVES:
        with unchanged(app, subtests, move):
            response = move.send(app.client, row, parent)
            assert response.status_code == 409, response.text
            assert response.json()["type"] == "urn:colonnade:cycle"
            assert "hidden" not in response.text


def test_a_row_is_not_its_own_parent(app: App, subtests: pytest.Subtests) -> None:
    for move in MOVES:
        with unchanged(app, subtests, move):
            response = move.send(app.client, "a", "a")
            # A nested body names the row twice.
            status, kind = (422, "invalid") if move.is_nested else (409, "cycle")
            assert response.status_code == status, response.text
            assert response.json()["type"] == f"urn:colonnade:{kind}"


def test_a_parent_outside_its_scope_does_not_exist(app: App, subtests: pytest.Subtests) -> None:
    for move in MOVES:
        with unchanged(app, subtests, move):
            missing = move.send(app.client, "c", "none")
            outside = move.send(app.client, "c", "hidden")
            by_key = not (move.is_nested or move is CONNECT_PARENT)
            assert outside.status_code == (409 if by_key else 404), outside.text
            assert outside.json() == missing.json()


def test_a_cycle_does_not_reveal_a_parent_outside_its_scope(
    app: App, subtests: pytest.Subtests
) -> None:
    for move in MOVES:
        with unchanged(app, subtests, move):
            missing = move.send(app.client, "d", "none")
            outside = move.send(app.client, "d", "hidden")
            assert outside.json() == missing.json()


def test_a_row_outside_its_scope_does_not_move(app: App, subtests: pytest.Subtests) -> None:
    for move in MOVES:
        with unchanged(app, subtests, move):
            response = move.send(app.client, "hidden", "a")
            # An upsert and a replacement create a row, which conflicts with the one outside.
            assert response.status_code == (409 if move.may_create else 404), response.text
            assert "zoe" not in response.text


def test_a_row_that_may_only_be_read_does_not_move(app: App, subtests: pytest.Subtests) -> None:
    for move in MOVES:
        with unchanged(app, subtests, move):
            response = move.send(app.client, "read", "a")
            assert response.status_code == 403, response.text


@pytest.mark.parametrize("move", [move for move in MOVES if not move.is_nested], ids=str)
def test_a_row_moves_below_a_row_that_may_only_be_read(app: App, move: Move) -> None:
    response = move.send(app.client, "c", "read")

    assert response.status_code == 200, response.text
    assert app.parents()["c"] == "read"


def test_a_nested_body_of_a_row_that_may_only_be_read_moves_nothing(
    app: App, subtests: pytest.Subtests
) -> None:
    for move in [CONNECT, SET]:
        with unchanged(app, subtests, move):
            assert move.send(app.client, "c", "read").status_code == 403
    new = {"id": "new", "slug": "new", "title": "New"}
    created = app.client.post("/tasks/read/children", json=new)
    assert (created.status_code, created.json()["parent_id"]) == (201, "read")


@pytest.mark.parametrize("move", MOVES, ids=str)
def test_hooks_run_in_order(db: Database, move: Move) -> None:
    calls: list[Any] = []

    def record(tasks: Resource) -> None:
        @tasks.before("update")
        def before(row: Any, values: Values) -> None:
            calls.append(("before", row.id, row.parent_id, values.get("parent_id")))

        @tasks.after("update")
        def after(row: Any) -> None:
            calls.append(("after", row.id, row.parent_id))

        @tasks.committed("update")
        def committed(key: Any) -> None:
            calls.append(("committed", *key))

    with serve(db, record) as app:
        move.send(app.client, "c", "d")

    assert [call for call in calls if "c" in call[1]] == [
        ("before", "c", "b", "d"),
        ("after", "c", "d"),
        ("committed", "c"),
    ]


def test_a_hook_that_raises_halfway_undoes_the_move(
    db: Database, subtests: pytest.Subtests
) -> None:
    def refuse_late(tasks: Resource) -> None:
        @tasks.after("update")
        def refuse(session: Session, key: Any) -> None:
            if key == ("c",):
                raise HTTPException(409, "No")

    with serve(db, refuse_late) as app:
        for move in MOVES:
            with unchanged(app, subtests, move):
                response = move.send(app.client, "c", "d")
                assert (response.status_code, "No" in response.text) == (409, True)


def test_a_hook_that_sets_the_parent_makes_no_cycle(
    db: Database, subtests: pytest.Subtests
) -> None:
    def move_below(tasks: Resource) -> None:
        @tasks.before("update")
        def below_c(key: Any, values: Values) -> None:
            if key == ("a",):
                values["parent_id"] = "c"

    with serve(db, move_below) as app:
        for move in MOVES:
            with unchanged(app, subtests, move):
                response = move.send(app.client, "a", "d")
                assert response.status_code == 409, response.text
                assert response.json()["type"] == "urn:colonnade:cycle"


@pytest.mark.parametrize("move", MOVES, ids=str)
def test_a_move_that_conflicts_with_another_write_is_retried(app: App, move: Move) -> None:
    app.client.get("/tasks")

    with conflict_once(app.db, r"(UPDATE|INSERT INTO) task\b") as conflicts:
        response = move.send(app.client, "c", "d")

    assert len(conflicts) == 1
    assert (response.status_code, app.parents()["c"]) == (200, "d")


def test_an_overridden_session_has_the_move(app: App, subtests: pytest.Subtests) -> None:
    app.app.dependency_overrides[app.db.get_async_session] = rolled_back(app.db)
    for move in MOVES:
        with unchanged(app, subtests, move):
            response = move.send(app.client, "c", "d")
            assert response.status_code == 200, response.text


def test_two_moves_of_one_request_make_no_cycle(app: App, subtests: pytest.Subtests) -> None:
    moves = [("d", "c"), ("a", "d")]
    body: Any = [{"id": row, "parent_id": parent} for row, parent in moves]
    with unchanged(app, subtests, "batch update"):
        refuse_cycle(app.client.patch("/tasks:batch", json=body))
    body = [{**body_of(row, parent), "id": f"new {row}"} for row, parent in moves]
    with unchanged(app, subtests, "batch upsert"):
        refuse_cycle(app.client.post("/tasks:batch?on_conflict=slug", json=body))
    for verb in ("connect", "set"):
        with unchanged(app, subtests, f"nested {verb}"):
            body = {"children": {verb: ["d", "a"]}}
            refuse_cycle(app.client.patch("/tasks/c", json=body))
    with unchanged(app, subtests, "nested connect of the parent and of children"):
        body = {"parent": {"connect": "c"}, "children": {"connect": ["a"]}}
        refuse_cycle(app.client.patch("/tasks/d", json=body))
    with unchanged(app, subtests, "nested connect in an update of the parent"):
        body = {"parent_id": "c", "children": {"connect": ["a"]}}
        refuse_cycle(app.client.patch("/tasks/d", json=body))


def test_a_new_row_does_not_close_a_cycle(app: App, subtests: pytest.Subtests) -> None:
    new = {"id": "new", "slug": "new", "title": "New"}
    below_c = {**new, "parent_id": "c", "children": {"connect": ["a"]}}
    with unchanged(app, subtests, "create"):
        refuse_cycle(app.client.post("/tasks", json=below_c))
    with unchanged(app, subtests, "batch create"):
        refuse_cycle(app.client.post("/tasks:batch", json=[below_c]))
    body: Any = {"children": {"create": [{**new, "children": {"connect": ["a"]}}]}}
    with unchanged(app, subtests, "nested create"):
        refuse_cycle(app.client.patch("/tasks/c", json=body))
    body = {**new, "children": {"connect": ["a"]}}
    with unchanged(app, subtests, "create in a relation"):
        refuse_cycle(app.client.post("/tasks/c/children", json=body))
    body = {"parent": {"create": {**new, "parent_id": "c"}}}
    with unchanged(app, subtests, "nested create of the parent"):
        refuse_cycle(app.client.patch("/tasks/a", json=body))
    with unchanged(app, subtests, "its own parent"):
        refuse_cycle(app.client.post("/tasks", json={**new, "parent_id": "new"}))


def refuse_cycle(response: Any) -> None:
    """Check that a request is refused because of a cycle."""
    assert response.status_code == 409, response.text
    assert response.json()["type"] == "urn:colonnade:cycle"


def test_new_rows_do_not_refer_to_each_other(app: App, subtests: pytest.Subtests) -> None:
    body = [body_of("x", "y"), body_of("y", "x")]
    for path in ("/tasks:batch", "/tasks:batch?on_conflict=slug"):
        with unchanged(app, subtests, path):
            assert app.client.post(path, json=body).status_code == 409


def test_moves_of_a_batch_are_checked_in_their_order(app: App, subtests: pytest.Subtests) -> None:
    swap = [{"id": "b", "parent_id": None}, {"id": "a", "parent_id": "b"}]
    with unchanged(app, subtests, "reversed"):
        refuse_cycle(app.client.patch("/tasks:batch", json=swap[::-1]))
    assert app.client.patch("/tasks:batch", json=swap).status_code == 200
    assert (app.parents()["b"], app.parents()["a"]) == (None, "b")


def test_nested_moves_below_several_parents_are_checked_in_their_order(
    app: App, subtests: pytest.Subtests
) -> None:
    # Row a moves below c, which is below b below a until b moves.
    first = {**body_of("x", "c"), "children": {"connect": ["a"]}}
    second = {"id": "y", "slug": "y", "title": "New", "children": {"connect": ["b"]}}
    with unchanged(app, subtests, "a first"):
        refuse_cycle(app.client.post("/tasks:batch", json=[first, second]))
    response = app.client.post("/tasks:batch", json=[second, first])
    assert response.status_code == 201, response.text
    assert (app.parents()["a"], app.parents()["b"]) == ("x", "y")
