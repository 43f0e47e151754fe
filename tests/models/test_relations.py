"""The four kinds of relation in sync and async code, and the error of a lazy load."""

import asyncio
import re
from typing import Any, Optional

import pytest
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import selectinload
from sqlmodel.ext.asyncio.session import AsyncSession as StockAsyncSession

from colonnade import Database, Field, Relationship, SQLModel, select
from colonnade.errors import LazyLoadError


def tables() -> Any:
    class TaskLabel(SQLModel, table=True):
        task_id: int | None = Field(default=None, foreign_key="task.id", primary_key=True)
        label_id: int | None = Field(default=None, foreign_key="label.id", primary_key=True)

    class Label(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        name: str
        tasks: list["Task"] = Relationship(back_populates="labels", link_model=TaskLabel)

    class Assignment(SQLModel, table=True):
        task_id: int | None = Field(default=None, foreign_key="task.id", primary_key=True)
        worker_id: str | None = Field(default=None, foreign_key="worker.id", primary_key=True)
        role: str = "assignee"
        task: Optional["Task"] = Relationship(back_populates="assignments")
        worker: Optional["Worker"] = Relationship(back_populates="assignments")

    class Worker(SQLModel, table=True):
        id: str = Field(primary_key=True)
        assignments: list[Assignment] = Relationship(back_populates="worker")

    class Project(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        name: str
        tasks: list["Task"] = Relationship(back_populates="project")

    class Task(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        title: str
        project_id: int | None = Field(default=None, foreign_key="project.id")
        parent_id: int | None = Field(default=None, foreign_key="task.id")
        project: Project | None = Relationship(back_populates="tasks")
        labels: list[Label] = Relationship(back_populates="tasks", link_model=TaskLabel)
        assignments: list[Assignment] = Relationship(back_populates="task")
        parent: Optional["Task"] = Relationship(
            back_populates="subtasks", sa_relationship_kwargs={"remote_side": "Task.id"}
        )
        subtasks: list["Task"] = Relationship(back_populates="parent")

    return Project, Task, Label, Assignment, Worker


def a_tree(models: Any) -> Any:
    Project, Task, Label, Assignment, Worker = models
    return Task(
        title="root",
        project=Project(name="web"),
        labels=[Label(name="a"), Label(name="b")],
        assignments=[Assignment(worker=Worker(id="@claude-code"), role="reviewer")],
        subtasks=[Task(title="leaf", subtasks=[Task(title="leaf of leaf")])],
    )


def what_it_is(task: Any) -> Any:
    return (
        task.project.name,
        sorted(label.name for label in task.labels),
        [(assignment.role, assignment.worker.id) for assignment in task.assignments],
        [(sub.title, sub.parent.title) for sub in task.subtasks],
    )


EXPECTED = ("web", ["a", "b"], [("reviewer", "@claude-code")], [("leaf", "root")])


def test_sync_code_can_load_every_kind_of_relation(db: Database) -> None:
    models = tables()
    Task = models[1]
    db.create_all()
    with db.session() as session:
        session.add(a_tree(models))
        session.commit()
    with db.session() as session:  # relations are loaded on access
        task = session.exec(select(Task).where(Task.title == "root")).one()
        assert what_it_is(task) == EXPECTED
        assert [label.tasks[0].title for label in task.labels] == ["root", "root"]
        session.commit()
        assert task.title == "root"


def test_async_code_can_load_every_kind_of_relation(db: Database) -> None:
    models = tables()
    Task, Assignment = models[1], models[3]

    async def main() -> None:
        await db.create_all_async()
        async with db.session() as session:
            session.add(a_tree(models))
            await session.commit()
        async with db.session() as session:
            statement = (
                select(Task)
                .where(Task.title == "root")
                .options(
                    selectinload(Task.project),
                    selectinload(Task.labels),
                    selectinload(Task.assignments).selectinload(Assignment.worker),
                    selectinload(Task.subtasks).selectinload(Task.parent),
                )
            )
            task = (await session.exec(statement)).one()
            assert what_it_is(task) == EXPECTED
            await session.commit()
            assert what_it_is(task) == EXPECTED  # rows are readable after the commit

    asyncio.run(main())


def test_the_error_of_a_lazy_load_in_async_code_names_the_alternatives(db: Database) -> None:
    models = tables()
    Task = models[1]

    async def main() -> None:
        await db.create_all_async()
        async with db.session() as session:
            session.add(a_tree(models))
            await session.commit()
        async with db.session() as session:
            task = (await session.exec(select(Task).where(Task.title == "root"))).one()
            for relation in ("project", "labels", "assignments", "subtasks"):
                with pytest.raises(LazyLoadError) as caught:
                    getattr(task, relation)
                message = str(caught.value)
                assert f"Task.{relation} is not loaded" in message
                assert f"selectinload(Task.{relation})" in message
                assert f'include=["{relation}"]' in message
            # The advice for an existing row works, and the session is still usable.
            await session.refresh(task, ["project"])
            assert task.project.name == "web"
            assert await session.run_sync(lambda _: task.labels[0].name) in "ab"

    asyncio.run(main())


def test_the_error_names_an_attribute_that_a_plain_async_session_expired(
    postgresql_database: str,
) -> None:
    models = tables()
    Task = models[1]
    url = Database(postgresql_database).url.asynchronous

    async def main() -> None:
        engine = create_async_engine(url.url, connect_args=url.connect_args)
        async with engine.begin() as connection:
            await connection.run_sync(SQLModel.metadata.create_all)
        async with StockAsyncSession(engine) as session:
            task = Task(title="t")
            session.add(task)
            await session.commit()
            with pytest.raises(LazyLoadError, match=re.escape("Task.title is not loaded")):
                _ = task.title
            await session.refresh(task)
            assert task.title == "t"
        await engine.dispose()

    asyncio.run(main())


def test_foreign_keys_are_enforced(db: Database) -> None:
    _, Task, *_ = tables()
    db.create_all()
    with db.session() as session, pytest.raises(IntegrityError):
        session.add(Task(title="t", project_id=99))
        session.commit()
