"""Assertions about statements: their number, repetitions, lazy loads and query plans."""

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
    response_model: Any = list[TaskRead]  # type: ignore[valid-type]  # a class of a fixture

    @app.get("/report")
    def report() -> list[str]:
        with db.session() as session:
            names = []
            for task in session.exec(select(Task)).all():
                project = task.project
                names.append(project.name)
            return names

    @app.get("/lazy", response_model=response_model)
    def lazy() -> Any:
        session = Session(db.engine)
        try:
            return list(session.exec(select(Task)).all())
        finally:
            sessions.append(session)

    @app.get("/eager", response_model=response_model)
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


def test_statements_of_sessions_and_resources_are_counted(db: Database, client: TestClient) -> None:
    with counts(db, exactly=1) as statements:
        assert len(client.get("/tasks?include=project").json()) == 5
    assert statements[0].sql.startswith(("SELECT", "WITH"))
    with counts(db, exactly=2, at_most=2):
        assert len(client.get("/eager").json()) == 5
    with counts(db, exactly=0):
        pass


def test_too_many_statements_are_listed_with_their_lines(db: Database, client: TestClient) -> None:
    with pytest.raises(AssertionError) as caught, counts(db, at_most=1):
        client.get("/report")
    message = str(caught.value)
    assert message.startswith("6 statements, but at most 1 expected:\n1. SELECT task.")
    assert "test_assertions.py:" in message
    assert "for task in session.exec(select(Task)).all():" in message
    assert "N+1: the same statement ran 5 times" in message


def test_too_few_statements_are_an_error(db: Database) -> None:
    message = "0 statements, but exactly 1 expected"
    with pytest.raises(AssertionError, match=message), counts(db, exactly=1):
        pass


def test_statements_of_other_databases_do_not_count(db: Database, client: TestClient) -> None:
    other = Database("sqlite://")
    with counts(other, exactly=0):
        client.get("/tasks")
    other.dispose()


def test_an_n_plus_one_names_the_line_and_its_loop(db: Database, client: TestClient) -> None:
    with pytest.raises(AssertionError) as caught, no_n_plus_one(db):
        client.get("/report")
    message = str(caught.value)
    assert message.startswith("N+1: the same statement ran 5 times:\n    SELECT project")
    assert "in report: project = task.project" in message
    assert "in the loop at" in message
    assert ": for task in session.exec(select(Task)).all():" in message
    assert "selectinload" in message
    with no_n_plus_one(db, at_most=5):
        client.get("/report")
    with no_n_plus_one(db):
        client.get("/eager")


def test_an_n_plus_one_in_async_code_names_the_coroutine(db: Database, tables: Any) -> None:
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
    assert message.startswith("5 lazy loads:\n- Task.project was loaded while FastAPI serialized")
    assert "selectinload(Task.project)" in message
    with no_lazy_loads(db):
        client.get("/eager")


def test_a_lazy_load_in_an_endpoint_names_its_line(db: Database, client: TestClient) -> None:
    message = r"in report: project = task\.project"
    with pytest.raises(AssertionError, match=message), no_lazy_loads(db):
        client.get("/report")


def test_an_error_inside_the_block_is_raised(db: Database) -> None:
    for check in (counts(db, exactly=1), no_n_plus_one(db), no_sequential_scans(db)):
        with pytest.raises(ZeroDivisionError), check:
            _ = 1 / 0
    with pytest.raises(ZeroDivisionError), no_lazy_loads(db):
        _ = 1 / 0


def test_a_sequential_scan_of_a_large_table_is_found(
    db: Database, client: TestClient, tables: Any
) -> None:
    _, Task, _ = tables
    with db.session() as session:
        session.add_all(Task(title=f"Task {number}", kind=str(number)) for number in range(1200))
        session.commit()
    with pytest.raises(AssertionError) as caught, no_sequential_scans(db, over=1000):
        client.get("/tasks?title=Task 7")
    message = str(caught.value)
    assert message.startswith("reads all 1,205 rows of task")
    assert "Add an index on the columns of the condition" in message
    with no_sequential_scans(db, over=2000):
        client.get("/tasks?title=Task 7")
    with no_sequential_scans(db, over=1000):
        client.get("/tasks?kind=7")
        client.get("/tasks/7")
        client.get("/tasks?limit=10")


@pytest.mark.parametrize("is_async", [False, True])
def test_statements_of_sync_and_async_drivers_are_explained(
    db: Database, tables: Any, is_async: bool
) -> None:
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
