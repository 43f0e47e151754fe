"""Hooks run in the transaction of the write."""

from types import SimpleNamespace
from typing import Any, Optional

import pytest
from fastapi import HTTPException

from colonnade import (
    AsyncSession,
    Database,
    Field,
    Problem,
    Relationship,
    Resource,
    Session,
    SQLModel,
    select,
)
from colonnade.errors import ModelError
from tests.resources.sample_app import serving


class TestHooks:
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
