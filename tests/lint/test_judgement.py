"""What rules find and what they leave alone: each case says, in its lines, what is found."""

from pathlib import Path

import pytest

from tests.lint.checking import check_code, check_files, marked
from tests.lint.test_rules import fixed

TABLES = """
from datetime import datetime
from enum import Enum
from typing import Any, Literal, Optional

import sqlalchemy as sa
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import selectinload, sessionmaker
from sqlmodel import Field, Relationship, Session, SQLModel, col, create_engine, func, select, text

engine = create_engine("sqlite:///tasks.db")
app = FastAPI()


class Project(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str
    tasks: list["Task"] = Relationship(back_populates="project")


class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    title: str
    done: bool = False
    project_id: int | None = Field(default=None, foreign_key="project.id", index=True)
    project: Optional[Project] = Relationship(back_populates="tasks")


def get_session():
    with Session(engine) as session:
        yield session

"""

CASES = {
    "CLN101": [
        "class Note(SQLModel):  # CLN101\n    text: str\n\n"
        "def f(s: Session) -> None:\n    s.add(Note(text=''))",
        "class Note(SQLModel):\n    text: str",
        "class Base(SQLModel):\n    id: int = Field(primary_key=True)\n\n"
        "class Note(Base, table=True):\n    text: str",
        "class TaskRead(SQLModel):\n    id: int = Field(primary_key=True)",
        "class Note(SQLModel, table=False):\n    id: int = Field(primary_key=True)",
    ],
    "CLN102": [
        "class A(SQLModel, table=True):\n    id: int = Field(primary_key=True)\n"
        "    bs: list['B'] = Relationship()  # CLN102\n\n"
        "class B(SQLModel, table=True):\n    id: int = Field(primary_key=True)\n"
        "    a_id: int = Field(foreign_key='a.id')",
        "class A(SQLModel, table=True):\n    id: int = Field(primary_key=True)\n\n"
        "class B(SQLModel, table=True):\n    id: int = Field(primary_key=True)\n"
        "    a_id: int = Field(foreign_key='a.id')\n    a: A = Relationship()",
        "class A(SQLModel, table=True):\n    id: int = Field(primary_key=True)\n"
        "    bs: list['B'] = Relationship()  # CLN102\n\n"
        "class B(SQLModel, table=True):\n    id: int = Field(primary_key=True)\n"
        "    a_id: int = Field(foreign_key='a.id')\n"
        "    a: A = Relationship(back_populates='bs')",
        "class A(SQLModel, table=True):\n    id: int = Field(primary_key=True)\n"
        "    bs: list['B'] = Relationship(sa_relationship_kwargs={'viewonly': True})\n\n"
        "class B(SQLModel, table=True):\n    id: int = Field(primary_key=True)\n"
        "    a_id: int = Field(foreign_key='a.id')\n    a: A = Relationship()",
    ],
    "CLN104": [
        "class A(SQLModel, table=True):\n    id: int = Field(primary_key=True)\n"
        "    kind: Optional[Literal['x']] = None  # CLN104",
        "Kind = Literal['x', 'y']\n\nclass A(SQLModel, table=True):\n"
        "    id: int = Field(primary_key=True)\n    kind: Kind = 'x'  # CLN104",
        "class A(SQLModel, table=True):\n    id: int = Field(primary_key=True)\n"
        "    kind: Literal['x'] = Field(default='x', sa_type=sa.String)",
        "class Schema(SQLModel):\n    kind: Literal['x'] = 'x'",
    ],
    "CLN108": [
        "class A(SQLModel, table=True):\n    id: int = Field(primary_key=True)\n"
        "    at: datetime = Field(default_factory=lambda: datetime.now())  # CLN108",
        "class A(SQLModel, table=True):\n    id: int = Field(primary_key=True)\n"
        "    at: datetime = Field(default_factory=lambda: datetime.now(tz))",
    ],
    "CLN109": [
        "class A(SQLModel, table=True):\n    id: int = Field(primary_key=True)\n"
        "    at: datetime = datetime.now(tz)  # CLN109",
        "class A(SQLModel, table=True):\n    id: int = Field(primary_key=True)\n"
        "    at: datetime = datetime(2020, 1, 1)",
    ],
    "CLN112": [
        "class S(Enum):\n    a = 'a'\n\nclass A(SQLModel, table=True):\n"
        "    id: int = Field(primary_key=True)\n    s: S = S.a",
    ],
    "CLN122": [
        "class TaskUpdate(SQLModel):\n    title: Optional[str] = None  # CLN122\n"
        "    project_id: int | None = None",
        "class TaskUpdate(SQLModel):\n    title: str = ''\n    project_id: int | None = None",
        "class UserUpdate(SQLModel):\n    title: str | None = None",
    ],
    "CLN124": [
        "@app.put('/t')\ndef f(*, task: Task, s: Session = Depends(get_session)): ...  # CLN124",
        "def current() -> Task: ...\n\n@app.post('/t')\n"
        "def f(*, task: Task = Depends(current)): ...",
        "@app.get('/t')\ndef f(task: Task): ...",
    ],
    "CLN201": [
        "aengine = create_async_engine('x')\nmaker = sessionmaker(aengine)  # CLN201",
        "aengine = create_async_engine('x')\n"
        "maker = sessionmaker(aengine, class_=AsyncSession)",
        "aengine = create_async_engine('x')\nmaker = async_sessionmaker(aengine)",
        "maker = async_sessionmaker(engine)  # CLN201",
        "async def f():\n    async with Session() as s:  # CLN201\n        pass",
        "def f():\n    with AsyncSession() as s:  # CLN201\n        pass",
        "def f():\n    with Session(engine) as s:\n        pass",
        "aengine = create_async_engine('x')\nSQLModel.metadata.create_all(aengine)  # CLN201",
    ],
    "CLN203": [
        "@app.get('/t')\nasync def f(s: Session = Depends(get_session)):\n    s.commit()  # CLN203",
        "@app.get('/t')\nasync def f():\n    with engine.begin() as c:  # CLN203\n        pass",
        "@app.get('/t')\ndef f(s: Session = Depends(get_session)):\n    s.commit()",
        "async def main(s: Session):\n    s.commit()",
    ],
    "CLN212": [
        "def f(s: Session) -> None:\n    for n in range(9):\n        s.add(Task(title=''))\n"
        "        s.commit()  # CLN212",
        "def f(s: Session, rows: list) -> None:\n    for n, row in enumerate(rows):\n"
        "        s.add(row)\n        if n % 100 == 0:\n            s.commit()",
        "def f(rows: list) -> None:\n    for row in rows:\n        with Session(engine) as s:\n"
        "            s.add(row)\n            s.commit()",
        "def f(s: Session) -> None:\n    while True:\n        s.add(Task(title=''))\n"
        "        s.commit()",
        "def f(s: Session) -> None:\n    for attempt in range(3):\n        s.commit()",
    ],
    "CLN214": [
        "def f(s: Session) -> bool:\n    try:\n        s.commit()\n"
        "    except IntegrityError:  # CLN214\n        return False\n    return True",
        "def f(s: Session) -> bool:\n    try:\n        s.commit()\n    except IntegrityError:\n"
        "        s.rollback()\n        return False\n    return True",
        "def f(s: Session) -> None:\n    try:\n        s.commit()\n    except IntegrityError:\n"
        "        raise HTTPException(409)",
        "def f(s: Session) -> None:\n    try:\n        s.commit()\n    except IntegrityError:\n"
        "        pass\n    raise HTTPException(404)",
        "@in_transaction\ndef f(s: Session) -> None:\n    try:\n        s.commit()\n"
        "    except IntegrityError:\n        pass",
        "@app.post('/t')\ndef f(s: Session = Depends(get_session)):\n    try:\n        s.commit()\n"
        "    except IntegrityError:\n        return 'there already'",
        "def f() -> None:\n    with Session(engine) as s:\n        try:\n            s.commit()\n"
        "        except KeyError:\n            pass\n        s.commit()",
    ],
    "CLN215": [
        "def f():\n    s = Session(engine)  # CLN215\n    s.commit()",
        "def f():\n    s = Session(engine)\n    try:\n        s.commit()\n    finally:\n"
        "        s.close()",
        "def f():\n    s = Session(engine)\n    return s",
        "def f():\n    s = Session(engine)\n    yield s",
        "def get_db():\n    db = Session(engine)  # CLN215\n    yield db\n\n"
        "@app.get('/t')\ndef f(db: Session = Depends(get_db)): ...",
        "def f(run):\n    s = Session(engine)\n    run(s)",
    ],
    "CLN301": [
        "def f():\n    return select(Task).where(not Task.done)  # CLN301",
        "def f():\n    return select(Task).where(1 < Task.id < 5)  # CLN301",
        "def f():\n    return select(Task).where('a' in Task.title)  # CLN301",
        "def f():\n    return select(Task).join(Project, Task.id == 1 and Task.done)  # CLN301",
        "def f():\n    return select(Task).where(Task.done == True and Task.id == 1)  # CLN301",
        "def f(done):\n    return select(Task).where(Task.done == (done is None))",
        "def f(done):\n    return select(Task).where(Task.id == 1 if done else Task.id == 2)",
        "def f(task: Task):\n    return task.done is None and not task.done",
    ],
    "CLN302": [
        "def f():\n    return select(Task).where(Task.project.name == 'x')  # CLN302",
        "def f():\n    return select(Task).where(Task.project.has(Project.name == 'x'))",
    ],
    "CLN304": [
        "def page(s: Session, limit: int):\n    return s.exec(select(Task).limit(limit))\n\n"
        "@app.get('/t')\ndef f(limit: int = 5, s: Session = Depends(get_session)):  # CLN304\n"
        "    return page(s, limit=limit)",
        "@app.get('/t')\ndef f(limit: int = 5):\n    return elsewhere(limit=limit)",
        "@app.get('/t')\ndef f(limit: int = 5, s: Session = Depends(get_session)):\n"
        "    limit = min(limit, 50)\n"
        "    return s.exec(select(Task).order_by(Task.id).limit(limit)).all()",
        "@app.get('/t')\ndef f(limit: int = 5, s: Session = Depends(get_session)):\n"
        "    if limit > 50:\n        raise HTTPException(422)\n"
        "    return s.exec(select(Task).order_by(Task.id).limit(limit)).all()",
        "@app.get('/t')\ndef f(limit: int = Query(5, le=9), s: Session = Depends(get_session)):\n"
        "    return s.exec(select(Task).order_by(Task.id).limit(limit)).all()",
    ],
    "CLN305": [
        "def f(q: str):\n    return select(Task).where(col(Task.title).contains(q))  # CLN305",
        "def f(q: str):\n    return col(Task.title).contains(q, autoescape=True)",
        "def f(q: str):\n    return select(Task).where(col(Task.title).like(f'{q}%', escape='/'))",
        "def f():\n    return select(Task).where(col(Task.title).like('a%'))",
        "def f(q: int):\n    return select(Task).where(col(Task.title).like(f'{q}%'))",
        "def f(q: str):\n    return select(Task).where(col(Task.title).like(f'{escaped(q)}%'))",
    ],
    "CLN306": [
        "def f(s: Session, q: str):\n    s.exec(text('SELECT 1 WHERE x = ' + q))  # CLN306",
        "def f(s: Session, q: str):\n    s.exec(text('SELECT 1 WHERE x = %s' % q))  # CLN306",
        "def f(s: Session, q: str):\n    s.exec(text('SELECT 1 WHERE x = {}'.format(q)))  # CLN306",
        "def f(s: Session, q: int):\n    s.exec(text(f'SELECT 1 LIMIT {q}'))",
        "NAME = 'task'\n\ndef f(s: Session):\n    s.exec(text(f'SELECT 1 FROM {NAME}'))",
        "def f(s: Session):\n    s.exec(text(f'SELECT 1 FROM {Task.__tablename__}'))",
        "def count(s: Session, table: str):\n    s.exec(text(f'SELECT 1 FROM {table}'))",
    ],
    "CLN308": [
        "def f(s: Session, keys: list[int]):\n    for key in keys:\n"
        "        print(s.get(Task, key))  # CLN308",
        "def f(s: Session):\n    for name in ('a', 'b'):\n"
        "        print(s.exec(select(Task).where(Task.title == name)).all())",
        "def f(s: Session, models: list[Any]):\n    for model in models:\n"
        "        print(s.exec(select(model)).all())",
        "def f(s: Session, keys: list[int]):\n    for key in keys:\n        if key > 9:\n"
        "            return s.get(Task, key)",
        "def f(s: Session):\n    for task in s.exec(select(Task)):\n        print(task.title)",
    ],
    "CLN309": [
        "def f(s: Session):\n    for p in s.exec(select(Project)):\n"
        "        print(p.tasks)  # CLN309",
        "def f(s: Session):\n    statement = select(Project).options(selectinload(Project.tasks))\n"
        "    for p in s.exec(statement):\n        print(p.tasks)",
        "def f(s: Session):\n    print(s.get_one(Project, 1).tasks)",
    ],
    "CLN401": [
        "def url(host):\n    return f'postgresql+asyncpg://{host}/db?sslmode=require'  # CLN401",
        "def url(host):\n    return f'postgresql+psycopg://{host}/db?sslmode=require'",
    ],
    "CLN402": [
        "URL = 'postgresql://postgres:postgres@localhost/db'",
        "URL = 'postgresql://me:${PASSWORD}@db.example.com/db'",
        "URL = 'postgresql://me:kX83mPq@10.0.0.1/db'  # CLN402",
        "def url(p):\n    return f'postgresql://me:{p}@db.example.com/db'",
    ],
    "CLN404": [
        "URL = 'sqlite://'\nother = create_engine(URL, pool_size=5)  # CLN404",
        "other = create_engine('postgresql:///x', pool_size=5)",
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("code", "case"),
    [
        pytest.param(code, case, id=f"{code}-{number}")
        for code, cases in CASES.items()
        for number, case in enumerate(cases)
    ],
)
def test_what_is_found_and_what_is_not(code: str, case: str) -> None:
    whole = f"{TABLES}{case}\n"
    assert check_code(whole, code) == marked(whole, code)


def test_what_is_stored_elsewhere_is_told_there() -> None:
    findings = check_files(
        models="""
            from sqlmodel import SQLModel

            class Note(SQLModel):
                text: str
            """,
        api="""
            from models import Note
            from sqlmodel import Session

            def add(session: Session) -> None:
                session.add(Note(text=""))
            """,
    )
    assert [(finding.path, finding.line, finding.code) for finding in findings] == [
        ("api.py", 5, "CLN101")
    ]
    assert "(models.py, line 3)" in findings[0].message


@pytest.mark.parametrize("path", ["tests/test_api", "app/conftest", "migrations/versions/one"])
def test_tests_and_migrations_are_left_out_where_it_does_not_concern_them(path: str) -> None:
    code = (
        "from alembic import op\nfrom sqlmodel import create_engine\n"
        if "one" in path
        else ("from sqlmodel import create_engine\n")
    )
    code += "from datetime import datetime\n\nnow = datetime.utcnow()\n"
    assert check_files(**{path.replace("/", "__"): code}) == []
    assert [file.code for file in check_files(app__api=code)] == ["CLN111"]


def test_a_document_of_the_guides_kind(tmp_path: Path) -> None:
    """The parts of a tutorial that stand in their own blocks are read as one program."""
    from colonnade.lint import all_rules, check_sources, read

    document = """
# Tasks

```python
from datetime import datetime
from typing import Literal, Optional
from sqlmodel import Field, SQLModel

class TaskBase(SQLModel):
    title: str = Field(max_length=200)
    status: Literal["open", "done"] = "open"

class Task(TaskBase, table=True):
    id: Optional[int] = Field(default=None, primary_key=True)
    created_at: datetime = Field(default_factory=datetime.now)

class TaskUpdate(SQLModel):
    title: Optional[str] = None
    status: Optional[str] = None
```

```python
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel.ext.asyncio.session import AsyncSession

engine = create_async_engine("sqlite+aiosqlite:///tasks.db")

async def get_session():
    async with AsyncSession(engine) as session:
        yield session
```

```python
from fastapi import Depends, FastAPI
from sqlmodel import select

app = FastAPI()

@app.on_event("startup")
async def start(): ...

@app.get("/tasks")
async def tasks(offset: int = 0, limit: int = 100, session: AsyncSession = Depends(get_session)):
    statement = select(Task).offset(offset).limit(limit)
    return (await session.exec(statement)).all()
```

```python
import pytest
from sqlmodel import Session, create_engine

@pytest.fixture
def session():
    with Session(create_engine("sqlite://")) as session:
        yield session

@pytest.fixture
def client(session):
    def override():
        return session
    app.dependency_overrides[get_session] = override
```

```python
async with Session(async_engine) as session:  # a fragment
```
"""
    findings = check_sources({"guide.md": read(document.encode(), ".md")}, all_rules())
    assert {finding.code for finding in findings} == {
        "CLN104", "CLN108", "CLN121", "CLN122", "CLN208", "CLN217", "CLN303", "CLN304", "CLN406",
    }  # fmt: skip


FIXES = {
    "where(not (Task.id == 1 or Task.done))": "where(~((Task.id == 1) | (Task.done)))",
    "where(not (Task.id == 1 and Task.id == 2))": "where(~((Task.id == 1) & (Task.id == 2)))",
    "where(not Task.id == 1)": "where(~(Task.id == 1))",
    "where(not (Task.id == 1))": "where(~(Task.id == 1))",
    "where(not Task.done)": "where(~Task.done)",
    "where(not Task.title)": "where(not Task.title)",  # text is neither true nor false
    "where(Task.id == 1 and q)": "where(Task.id == 1 and q)",  # what q is is not known
    "where(Task.id is None or not Task.done)": "where((col(Task.id).is_(None)) | (~Task.done))",
    "where(Task.id == 1 and Task.id == 2 and Task.done)": (
        "where((Task.id == 1) & (Task.id == 2) & (Task.done))"
    ),
    "where(\n        Task.id == 1  # one\n        or Task.done  # or all\n    )": (
        "where(\n        (Task.id == 1)  # one\n        | (Task.done)  # or all\n    )"
    ),
}


@pytest.mark.parametrize(("wrong", "right"), FIXES.items())
def test_conditions_become_sql_or_stay_as_they_are(wrong: str, right: str) -> None:
    before = f"{TABLES}def f(q: str):\n    return select(Task).{wrong}\n"
    assert fixed(before).split("def f(q: str):")[1] == f"\n    return select(Task).{right}\n"


ASYNC = """
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlmodel import text
from sqlmodel.ext.asyncio.session import AsyncSession

engine = create_async_engine("sqlite+aiosqlite://")
"""


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("sessions = async_sessionmaker(engine, expire_on_commit=True)",
         "sessions = async_sessionmaker(engine, expire_on_commit=False)"),
        ("async def f(s: AsyncSession):\n    return await s.execute(text('1')).scalars().all()",
         "async def f(s: AsyncSession):\n    return (await s.execute(text('1'))).scalars().all()"),
        ("async def f(s: AsyncSession):\n    return s.execute(text('1')).scalars()",
         "async def f(s: AsyncSession):\n    return (await s.execute(text('1'))).scalars()"),
    ],
)  # fmt: skip
def test_awaits_and_keywords_are_mended_where_they_are(wrong: str, right: str) -> None:
    assert fixed(f"{ASYNC}\n{wrong}\n") == f"{ASYNC}\n{right}\n"


def test_a_time_that_becomes_a_text_keeps_its_form() -> None:
    code = "from datetime import datetime\n\nat = datetime.utcnow().isoformat() + 'Z'\n"
    assert check_code(code) == [(3, "CLN111")]
    assert fixed(code) == code
