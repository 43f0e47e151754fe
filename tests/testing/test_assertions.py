"""What can be said of statements: how many, which again and again, lazily loaded, by which plan."""

import asyncio
from collections.abc import Iterator
from typing import Any, Optional

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy.orm import selectinload

from colonnade import Database, Field, Relationship, Resource, Session, SQLModel, select
from colonnade.testing import (
    counts,
    make,
    no_lazy_loads,
    no_n_plus_one,
    no_sequential_scans,
)


@pytest.fixture
def tables(db: Database) -> Any:
    class Project(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        name: str
        tasks: list["Task"] = Relationship(back_populates="project", passive_deletes="all")

    class Task(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        title: str
        kind: str = Field(default="plain", index=True)
        project_id: int | None = Field(default=None, foreign_key="project.id")
        project: Optional["Project"] = Relationship(back_populates="tasks")

    class ProjectRead(SQLModel):
        name: str

    class TaskRead(SQLModel):
        title: str
        project: ProjectRead | None

    Project.model_rebuild(_types_namespace={"Task": Task})
    Task.model_rebuild(_types_namespace={"Project": Project})
    db.create_all()
    with db.session() as session:
        session.add_all(make(Task, project=make(Project)) for _ in range(5))
        session.commit()
    return Project, Task, TaskRead


@pytest.fixture
def client(db: Database, tables: Any) -> Iterator[TestClient]:
    Project, Task, TaskRead = tables
    app = FastAPI(lifespan=db.lifespan)
    shown: Any = list[TaskRead]  # type: ignore[valid-type]  # made here

    @app.get("/report")
    def report() -> list[str]:
        with db.session() as session:
            names = []
            for task in session.exec(select(Task)).all():
                project = task.project
                names.append(project.name)
            return names

    @app.get("/lazy", response_model=shown)
    def lazy() -> Any:
        session = Session(db.engine)
        try:
            return list(session.exec(select(Task)).all())
        finally:
            sessions.append(session)

    @app.get("/eager", response_model=shown)
    async def eager() -> Any:
        async with db.session() as session:
            statement = select(Task).options(selectinload(Task.project))
            return list((await session.exec(statement)).all())

    app.include_router(Resource(Task, db, include=["project"]))
    app.include_router(Resource(Project, db))
    sessions: list[Session] = []
    with TestClient(app) as client:
        yield client
    for session in sessions:
        session.close()


def test_statements_are_counted_a_resources_own_too(db: Database, client: TestClient) -> None:
    with counts(db, exactly=1) as statements:
        assert len(client.get("/tasks?include=project").json()) == 5
    assert statements[0].sql.startswith(("SELECT", "WITH"))
    with counts(db, exactly=2, at_most=2):
        assert len(client.get("/eager").json()) == 5
    with counts(db, exactly=0):
        pass


def test_too_many_are_listed_with_the_lines_they_come_from(
    db: Database, client: TestClient
) -> None:
    with pytest.raises(AssertionError) as caught, counts(db, at_most=1):
        client.get("/report")
    message = str(caught.value)
    assert message.startswith("6 statements, where at most 1 may be:\n1. SELECT task.")
    assert "test_assertions.py:" in message
    assert "for task in session.exec(select(Task)).all():" in message
    assert "N+1: one statement 5 times" in message


def test_too_few_are_told_as_well(db: Database) -> None:
    message = "0 statements, where exactly 1 may be"
    with pytest.raises(AssertionError, match=message), counts(db, exactly=1):
        pass


def test_another_databases_statements_do_not_count(db: Database, client: TestClient) -> None:
    other = Database("sqlite://")
    with counts(other, exactly=0):
        client.get("/tasks")
    other.dispose()


def test_an_n_plus_one_is_explained_with_the_loops_line(db: Database, client: TestClient) -> None:
    with pytest.raises(AssertionError) as caught, no_n_plus_one(db):
        client.get("/report")
    message = str(caught.value)
    assert message.startswith("N+1: one statement 5 times:\n    SELECT project")
    assert "in report: project = task.project" in message
    assert "in the loop at" in message
    assert ": for task in session.exec(select(Task)).all():" in message
    assert "selectinload" in message
    with no_n_plus_one(db, at_most=5):
        client.get("/report")
    with no_n_plus_one(db):
        client.get("/eager")


def test_an_n_plus_one_in_async_code_is_the_coroutines(db: Database, tables: Any) -> None:
    Project, _, _ = tables

    async def run() -> None:
        async with db.session() as session:
            for number in range(5):
                await session.get(Project, number + 1)

    with pytest.raises(AssertionError) as caught, no_n_plus_one(db):
        asyncio.run(run())
    assert "in run: await session.get(Project, number + 1)" in str(caught.value)
    assert "for number in range(5):" in str(caught.value)


def test_a_lazy_load_in_a_response_is_found(db: Database, client: TestClient) -> None:
    with pytest.raises(AssertionError) as caught, no_lazy_loads(db):
        assert len(client.get("/lazy").json()) == 5
    message = str(caught.value)
    assert message.startswith("5 lazy loads:\n- Task.project was loaded while FastAPI wrote the")
    assert "selectinload(Task.project)" in message
    with no_lazy_loads(db):
        client.get("/eager")


def test_a_lazy_load_in_a_line_is_found(db: Database, client: TestClient) -> None:
    message = r"in report: project = task\.project"
    with pytest.raises(AssertionError, match=message), no_lazy_loads(db):
        client.get("/report")


def test_an_error_inside_is_not_hidden(db: Database) -> None:
    for check in (counts(db, exactly=1), no_n_plus_one(db), no_sequential_scans(db)):
        with pytest.raises(ZeroDivisionError), check:
            _ = 1 / 0
    with pytest.raises(ZeroDivisionError), no_lazy_loads(db):
        _ = 1 / 0


def test_a_table_that_is_read_whole_is_found(db: Database, client: TestClient, tables: Any) -> None:
    _, Task, _ = tables
    with db.session() as session:
        session.add_all(Task(title=f"Task {number}", kind=str(number)) for number in range(1200))
        session.commit()
    with pytest.raises(AssertionError) as caught, no_sequential_scans(db, over=1000):
        client.get("/tasks?title=Task 7")
    message = str(caught.value)
    assert message.startswith("reads all 1,205 rows of task")
    assert "An index on the columns of the condition would serve" in message
    with no_sequential_scans(db, over=2000):
        client.get("/tasks?title=Task 7")
    with no_sequential_scans(db, over=1000):
        client.get("/tasks?kind=7")
        client.get("/tasks/7")
        client.get("/tasks?limit=10")


@pytest.mark.parametrize("is_async", [False, True])
def test_plans_of_either_drivers_statements(db: Database, tables: Any, is_async: bool) -> None:
    _, Task, _ = tables
    with db.session() as session:
        session.add_all(Task(title=f"Task {number}") for number in range(50))
        session.commit()
    statement = select(Task).where(Task.title == "Task 7")

    async def run() -> None:
        async with db.session() as session:
            await session.exec(statement)

    message = "reads all 55 rows of task"
    with pytest.raises(AssertionError, match=message), no_sequential_scans(db, over=10):
        if is_async:
            asyncio.run(run())
        else:
            with db.session() as session:
                session.exec(statement)
