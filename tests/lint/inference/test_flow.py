"""The inferred values of names, and the effects of commits on rows."""

import pytest

from tests.lint.checking import check_code, check_files, marked

HEAD = """
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, FastAPI
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import joinedload, selectinload
from sqlmodel import Field, Relationship, SQLModel, select
from sqlmodel.ext.asyncio.session import AsyncSession

engine = create_async_engine("sqlite+aiosqlite:///tasks.db")
sessions = async_sessionmaker(engine, class_=AsyncSession)
app = FastAPI()


class Project(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str
    tasks: list["Task"] = Relationship(back_populates="project")


class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    title: str
    project_id: int | None = Field(default=None, foreign_key="project.id", index=True)
    project: Project | None = Relationship(back_populates="tasks")


async def get_session() -> AsyncIterator[AsyncSession]:
    async with sessions() as session:
        yield session


SessionDep = Annotated[AsyncSession, Depends(get_session)]

"""


def assert_findings(code: str, *codes: str) -> None:
    """Check that the rules report the marked lines and no others."""
    program = HEAD + code
    assert check_code(program, *codes) == marked(program, *codes)


@pytest.mark.parametrize(
    "code",
    [
        pytest.param(
            """
async def one(session: SessionDep) -> str:
    task = Task(title="x")
    session.add(task)
    await session.commit()
    return task.title  # CLN205
""",
            id="read after the commit",
        ),
        pytest.param(
            """
async def one(session: SessionDep) -> str:
    task = Task(title="x")
    session.add(task)
    await session.commit()
    await session.refresh(task)
    return task.title
""",
            id="refreshed before the read",
        ),
        pytest.param(
            """
async def one(session: SessionDep) -> str:
    task = Task(title="x")
    await session.commit()
    return task.title
""",
            id="a row outside sessions",
        ),
        pytest.param(
            """
async def one(session: SessionDep, really: bool) -> str:
    task = await session.get_one(Task, 1)
    if really:
        await session.commit()
    return task.title  # CLN205
""",
            id="committed in one branch",
        ),
        pytest.param(
            """
async def one(session: SessionDep, really: bool) -> str:
    task = await session.get_one(Task, 1)
    if really:
        await session.commit()
        return "done"
    return task.title
""",
            id="the branch with the commit has returned",
        ),
        pytest.param(
            """
async def one(session: SessionDep) -> None:
    for task in (await session.exec(select(Task))).all():
        print(task.title)  # CLN205
        await session.commit()
""",
            id="committed in the previous iteration",
        ),
        pytest.param(
            """
async def one(session: SessionDep) -> str:
    task = await session.get_one(Task, 1)
    await session.commit()
    task = await session.get_one(Task, 1)
    return task.title
""",
            id="read again with a query",
        ),
        pytest.param(
            """
async def one(session: SessionDep) -> list[str]:
    tasks = (await session.exec(select(Task))).all()
    await session.commit()
    return [task.title for task in tasks]  # CLN205
""",
            id="rows of a list",
        ),
        pytest.param(
            """
async def one(session: SessionDep) -> list[str]:
    tasks = (await session.exec(select(Task))).all()
    await session.commit()
    for task in tasks:
        await session.refresh(task)
    return [task.title for task in tasks]
""",
            id="every row of a list refreshed",
        ),
        pytest.param(
            """
async def one(session: SessionDep) -> str:
    task = await session.get_one(Task, 1)
    try:
        await session.commit()
    except ValueError:
        return "no"
    return task.title  # CLN205
""",
            id="committed in a try",
        ),
        pytest.param(
            """
async def store(session: AsyncSession, task: Task) -> None:
    session.add(task)
    await session.commit()


async def one(session: SessionDep) -> str:
    other = await session.get_one(Task, 1)
    await store(session, Task(title="x"))
    return other.title  # CLN205
""",
            id="a function that commits",
        ),
        pytest.param(
            """
@app.post("/tasks")
async def one(session: SessionDep):
    task = Task(title="x")
    session.add(task)
    await session.commit()
    return task  # CLN205
""",
            id="returned from an endpoint",
        ),
        pytest.param(
            """
async def one() -> str:
    async with sessions.begin() as session:
        task = await session.get_one(Task, 1)
    return task.title  # CLN205
""",
            id="a context manager that commits",
        ),
        pytest.param(
            """
async def one(session: SessionDep, task: Task) -> str:
    await session.commit()
    return task.title
""",
            id="a row from another function",
        ),
        pytest.param(
            """
async def one(session: SessionDep) -> list[str]:
    tasks = (await session.exec(select(Task))).all()
    await session.commit()
    tasks = tasks[1:]
    return [task.title for task in tasks]  # CLN205
""",
            id="a row of an expired list",
        ),
        pytest.param(
            """
async def one(session: SessionDep) -> str:
    task = await session.get_one(Task, 1)
    try:
        await session.commit()
    except* ValueError:
        pass
    return task.title  # CLN205
""",
            id="committed in a try with except*",
        ),
        pytest.param(
            """
async def one(session: SessionDep) -> int | None:
    task = await session.get_one(Task, 1)
    key = task.id
    await session.commit()
    return key
""",
            id="read before the commit",
        ),
    ],
)
def test_reads_of_expired_rows_are_reported(code: str) -> None:
    assert_findings(code, "CLN205")


def test_reads_are_not_reported_if_the_session_does_not_expire_rows() -> None:
    code = (
        HEAD.replace("class_=AsyncSession", "class_=AsyncSession, expire_on_commit=False")
        + """
async def one(session: SessionDep) -> str:
    task = await session.get_one(Task, 1)
    await session.commit()
    return task.title
"""
    )
    assert check_code(code, "CLN205", "CLN208") == []


@pytest.mark.parametrize(
    "code",
    [
        """
async def one(session: SessionDep) -> str:
    task = await session.get_one(Task, 1)
    return task.project.name  # CLN206
""",
        """
async def one(session: SessionDep) -> str:
    task = await session.get_one(Task, 1, options=[joinedload(Task.project)])
    return task.project.name
""",
        """
async def one(session: SessionDep, options: list) -> str:
    task = await session.get_one(Task, 1, options=options)
    return task.project.name
""",
        """
async def one(session: SessionDep) -> list[str]:
    statement = select(Project).options(selectinload(Project.tasks).joinedload(Task.project))
    return [t.project.name for p in await session.exec(statement) for t in p.tasks]
""",
        """
async def one(session: SessionDep) -> list[str]:
    statement = select(Project).options(selectinload(Project.tasks))
    return [t.project.name for p in await session.exec(statement) for t in p.tasks]  # it has p
""",
        """
async def one(session: SessionDep) -> str:
    task = await session.get_one(Task, 1)
    project = await session.get_one(Project, task.project_id)
    return project.name + task.project.name
""",
        """
async def one(session: SessionDep) -> str:
    task = await session.get_one(Task, 1)
    await session.refresh(task, ["project"])
    return task.project.name
""",
        """
async def one(session: SessionDep, project: Project) -> str:
    task = await session.get_one(Task, 1)
    task.project = project
    return task.project.name
""",
        """
async def one(session: SessionDep) -> str:
    task = await session.get_one(Task, 1)
    return (await task.awaitable_attrs.project).name
""",
        """
async def one(session: SessionDep, eager: bool) -> str:
    statement = select(Task)
    if eager:
        statement = statement.options(selectinload(Task.project))
    task = (await session.exec(statement)).one()
    return task.project.name
""",
    ],
)
def test_reads_of_relations_that_were_not_loaded_are_reported(code: str) -> None:
    assert_findings(code, "CLN206")


@pytest.mark.parametrize(
    "code",
    [
        "async def f(s: AsyncSession) -> None:\n    s.commit()  # CLN202",
        "async def f(s: AsyncSession) -> None:\n    await s.commit()",
        "async def f(s: AsyncSession):\n    return s.get(Task, 1)",
        "async def f(s: AsyncSession) -> None:\n    one = s.get(Task, 1)\n    print(await one)",
        "async def f(s: AsyncSession):\n    one = s.get(Task, 1)  # CLN202\n    print(one.title)",
        "async def f(s: AsyncSession) -> None:\n    print(s.exec(select(Task)).all())  # CLN202",
        """
async def f() -> None:
    async with AsyncSession(engine) as s:
        task = s.get(Task, 1)  # CLN202
        if not task:
            raise LookupError
""",
        """
@app.get("/tasks/{key}")
async def f(key: int, s: AsyncSession = Depends(get_session)):
    task = s.get(Task, key)  # CLN202
    return task
""",
        """
@app.get("/tasks/{key}")
async def f(key: int, s: AsyncSession = Depends(get_session)):
    task = s.get(Task, key)  # CLN202
    if task is None:
        return None
    return task
""",
        "def f(s: AsyncSession):\n    coming = s.get(Task, 1)\n    return coming",
        "async def f(s: AsyncSession, run):\n    coming = s.get(Task, 1)\n    await run(coming)",
        "async def f(s: AsyncSession) -> None:\n    s.add(Task(title='x'))",
        "async def f(s: AsyncSession) -> None:\n    [await one for one in [s.get(Task, 1)]]",
        "async def g() -> None: ...\nasync def f() -> None:\n    g()  # CLN202",
        "async def g() -> None: ...\nasync def f(run) -> None:\n    run(g())",
    ],
)
def test_calls_that_are_not_awaited_are_reported(code: str) -> None:
    assert_findings(code + "\n", "CLN202")


SYNC = """
from sqlmodel import Field, Session, SQLModel, create_engine, select

engine = create_engine("sqlite:///tasks.db")


class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    title: str

"""


@pytest.mark.parametrize(
    "code",
    [
        "def f(s: Session):\n    return s.exec(select(Task).offset(1).limit(9)).all()  # CLN303",
        "def f(s: Session):\n    return s.exec(select(Task).limit(1)).first()",
        "def f(s: Session):\n    return s.exec(select(Task).order_by(Task.id).limit(9)).all()",
        """
def f(s: Session, by_title: bool):
    statement = select(Task).limit(9)
    if by_title:
        statement = statement.order_by(Task.title)
    return s.exec(statement).all()
""",
        """
def f(s: Session, title: str | None):
    statement = select(Task)
    if title:
        statement = statement.where(Task.title == title)
    statement = statement.limit(9)
    return s.exec(statement).all()  # CLN303
""",
        "def f(s: Session):\n    return s.query(Task).offset(9).all()  # CLN303",
        """
class Tasks:
    def __init__(self, session: Session) -> None:
        self.session = session

    def page(self, offset: int):
        return self.session.exec(select(Task).offset(offset)).all()  # CLN303
""",
    ],
)
def test_pages_without_an_order_are_reported(code: str) -> None:
    program = SYNC + code + "\n"
    assert check_code(program, "CLN303") == marked(program, "CLN303")


def test_names_are_resolved_across_the_files_of_a_project() -> None:
    findings = check_files(
        app____init__="",
        app__models____init__="from app.models.task import *\n",
        app__models__task="""
            from sqlmodel import Field, SQLModel

            class Task(SQLModel, table=True):
                id: int | None = Field(default=None, primary_key=True)
                title: str
            """,
        app__database="""
            from sqlalchemy.ext.asyncio import create_async_engine
            from sqlmodel.ext.asyncio.session import AsyncSession as Session

            engine = create_async_engine("sqlite+aiosqlite:///tasks.db")

            async def get_session():
                async with Session(engine) as session:  # noqa: CLN208
                    yield session
            """,
        app__api__tasks="""
            from fastapi import APIRouter, Depends
            from ..database import get_session
            from .. import models as m

            router = APIRouter()

            @router.get("/tasks/{key}")
            async def read(key: int, session=Depends(get_session)):
                return session.get(m.Task, key).title
            """,
    )
    assert [(finding.path, finding.line, finding.code) for finding in findings] == [
        ("app/api/tasks.py", 9, "CLN202")
    ]


@pytest.mark.parametrize(
    "code",
    [
        """
import asyncio

async def f(s: AsyncSession, keys: list[int]) -> None:
    tasks = [s.get(Task, key) for key in keys]
    await asyncio.gather(*tasks)  # CLN209
""",
        """
import asyncio

async def f(s: AsyncSession) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(s.get(Task, 1))
        group.create_task(s.get(Task, 2))  # CLN209
""",
        """
import asyncio

async def f(s: AsyncSession, other: AsyncSession) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(s.get(Task, 1))
        group.create_task(other.get(Task, 2))
""",
        """
import asyncio

async def f(s: AsyncSession, keys: list[int]) -> None:
    tasks = [own(key) for key in keys]
    await asyncio.gather(s.get(Task, 1), *tasks)
""",
    ],
)
def test_sessions_that_several_tasks_use_are_reported(code: str) -> None:
    assert_findings(code, "CLN209")
