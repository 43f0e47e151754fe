"""What rules report and what they do not: comments in each case mark the findings."""

from pathlib import Path
from textwrap import dedent

import pytest

from tests.lint.checking import check_code, check_files, marked
from tests.lint.rules.test_rules import fixed

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
        """
            class Note(SQLModel):  # CLN101
                text: str

            def f(s: Session) -> None:
                s.add(Note(text=''))
        """,
        """
            class Note(SQLModel):
                text: str
        """,
        """
            class Base(SQLModel):
                id: int = Field(primary_key=True)

            class Note(Base, table=True):
                text: str
        """,
        """
            class TaskRead(SQLModel):
                id: int = Field(primary_key=True)
        """,
        """
            class Note(SQLModel, table=False):
                id: int = Field(primary_key=True)
        """,
        """
            from typing import Generic, TypeVar
            import colonnade

            T = TypeVar("T")

            class Owned(colonnade.SQLModel, Generic[T]):
                id: T = Field(primary_key=True)
                task_id: int | None = Field(default=None, foreign_key="task.id")
                task: Task | None = Relationship()

            class Note(Owned[int], table=True):
                text: str
        """,
        """
            class Owned(SQLModel):  # CLN101
                task: Task | None = Relationship()

            class Note(Owned, table=True):
                id: int = Field(primary_key=True)
        """,
    ],
    "CLN102": [
        """
            class A(SQLModel, table=True):
                id: int = Field(primary_key=True)
                bs: list['B'] = Relationship()  # CLN102

            class B(SQLModel, table=True):
                id: int = Field(primary_key=True)
                a_id: int = Field(foreign_key='a.id')
        """,
        """
            class A(SQLModel, table=True):
                id: int = Field(primary_key=True)

            class B(SQLModel, table=True):
                id: int = Field(primary_key=True)
                a_id: int = Field(foreign_key='a.id')
                a: A = Relationship()
        """,
        """
            class A(SQLModel, table=True):
                id: int = Field(primary_key=True)
                bs: list['B'] = Relationship()  # CLN102

            class B(SQLModel, table=True):
                id: int = Field(primary_key=True)
                a_id: int = Field(foreign_key='a.id')
                a: A = Relationship(back_populates='bs')
        """,
        """
            class A(SQLModel, table=True):
                id: int = Field(primary_key=True)
                bs: list['B'] = Relationship(sa_relationship_kwargs={'viewonly': True})

            class B(SQLModel, table=True):
                id: int = Field(primary_key=True)
                a_id: int = Field(foreign_key='a.id')
                a: A = Relationship()
        """,
    ],
    "CLN104": [
        """
            class A(SQLModel, table=True):
                id: int = Field(primary_key=True)
                kind: Optional[Literal['x']] = None  # CLN104
        """,
        """
            Kind = Literal['x', 'y']

            class A(SQLModel, table=True):
                id: int = Field(primary_key=True)
                kind: Kind = 'x'  # CLN104
        """,
        """
            class A(SQLModel, table=True):
                id: int = Field(primary_key=True)
                kind: Literal['x'] = Field(default='x', sa_type=sa.String)
        """,
        """
            class Schema(SQLModel):
                kind: Literal['x'] = 'x'
        """,
    ],
    "CLN108": [
        """
            class A(SQLModel, table=True):
                id: int = Field(primary_key=True)
                at: datetime = Field(default_factory=lambda: datetime.now())  # CLN108
        """,
        """
            class A(SQLModel, table=True):
                id: int = Field(primary_key=True)
                at: datetime = Field(default_factory=lambda: datetime.now(tz))
        """,
    ],
    "CLN109": [
        """
            class A(SQLModel, table=True):
                id: int = Field(primary_key=True)
                at: datetime = datetime.now(tz)  # CLN109
        """,
        """
            class A(SQLModel, table=True):
                id: int = Field(primary_key=True)
                at: datetime = datetime(2020, 1, 1)
        """,
    ],
    "CLN112": [
        """
            class S(Enum):
                a = 'a'

            class A(SQLModel, table=True):
                id: int = Field(primary_key=True)
                s: S = S.a
        """,
    ],
    "CLN122": [
        """
            class TaskUpdate(SQLModel):
                title: Optional[str] = None  # CLN122
                project_id: int | None = None
        """,
        """
            class TaskUpdate(SQLModel):
                title: str = ''
                project_id: int | None = None
        """,
        """
            class UserUpdate(SQLModel):
                title: str | None = None
        """,
        """
            class TaskUpdate(SQLModel):
                title: str | None = None

            @app.patch("/tasks/{key}")
            def update(key: int, body: TaskUpdate, session: Session = Depends(get_session)) -> None:
                task = session.get_one(Task, key)
                task.sqlmodel_update(body.model_dump(exclude_unset=True, exclude_none=True))
        """,
        """
            class TaskUpdate(SQLModel):
                title: str | None = None

            @app.patch("/tasks/{key}")
            def update(key: int, body: TaskUpdate, session: Session = Depends(get_session)) -> None:
                task = session.get_one(Task, key)
                for name, value in body.model_dump(exclude_unset=True).items():
                    if value is not None:
                        setattr(task, name, value)
        """,
        """
            class TaskUpdate(SQLModel):
                title: str | None = None
                done: bool | None = None

            @app.patch("/tasks/{key}")
            def update(key: int, body: TaskUpdate, session: Session = Depends(get_session)) -> None:
                task = session.get_one(Task, key)
                if body.title is not None:
                    task.title = body.title
                if body.done is not None:
                    task.done = body.done
        """,
        """
            class TaskUpdate(SQLModel):
                title: str | None = None  # CLN122
                done: bool | None = None

            @app.patch("/tasks/{key}")
            def update(key: int, body: TaskUpdate, session: Session = Depends(get_session)) -> None:
                task = session.get_one(Task, key)
                if body.title is not None:
                    task.title = body.title
                task.done = body.done
        """,
        """
            class TaskUpdate(SQLModel):
                title: str | None = None  # CLN122

            def one(body: TaskUpdate) -> dict[str, Any]:
                return body.model_dump(exclude_none=True)

            def other(body: TaskUpdate) -> dict[str, Any]:
                return body.model_dump(exclude_unset=True)
        """,
    ],
    "CLN124": [
        """
            @app.put('/t')
            def f(*, task: Task, s: Session = Depends(get_session)): ...  # CLN124
        """,
        """
            def current() -> Task: ...

            @app.post('/t')
            def f(*, task: Task = Depends(current)): ...
        """,
        """
            @app.get('/t')
            def f(task: Task): ...
        """,
    ],
    "CLN201": [
        """
            aengine = create_async_engine('x')
            maker = sessionmaker(aengine)  # CLN201
        """,
        """
            aengine = create_async_engine('x')
            maker = sessionmaker(aengine, class_=AsyncSession)
        """,
        """
            aengine = create_async_engine('x')
            maker = async_sessionmaker(aengine)
        """,
        "maker = async_sessionmaker(engine)  # CLN201",
        """
            async def f():
                async with Session() as s:  # CLN201
                    pass
        """,
        """
            def f():
                with AsyncSession() as s:  # CLN201
                    pass
        """,
        """
            def f():
                with Session(engine) as s:
                    pass
        """,
        """
            aengine = create_async_engine('x')
            SQLModel.metadata.create_all(aengine)  # CLN201
        """,
    ],
    "CLN203": [
        """
            @app.get('/t')
            async def f(s: Session = Depends(get_session)):
                s.commit()  # CLN203
        """,
        """
            @app.get('/t')
            async def f():
                with engine.begin() as c:  # CLN203
                    pass
        """,
        """
            @app.get('/t')
            def f(s: Session = Depends(get_session)):
                s.commit()
        """,
        """
            async def main(s: Session):
                s.commit()
        """,
    ],
    "CLN207": [
        """
            import colonnade

            class Book(colonnade.SQLModel, table=True):
                id: int | None = Field(default=None, primary_key=True)
                task_id: int | None = Field(default=None, foreign_key="task.id")
                task: Task | None = Relationship()

            class BookRead(Book, schema="read"): ...

            async def get_async_session():
                async with AsyncSession(engine, expire_on_commit=False) as session:
                    yield session

            @app.get("/books/{key}", response_model=BookRead)
            async def book(key: int, session: AsyncSession = Depends(get_async_session)) -> Book:
                return await session.get_one(Book, key)
        """,
        """
            class TaskRead(SQLModel):
                id: int
                project: SQLModel | None

            class Titles(SQLModel):
                title: str

            async def f(s: AsyncSession) -> list[TaskRead]:
                rows = await s.scalars(select(Task))
                return [TaskRead.model_validate(row) for row in rows]  # CLN207

            async def g(s: AsyncSession) -> list[TaskRead]:
                rows = await s.scalars(select(Task).options(selectinload(Task.project)))
                return [TaskRead.model_validate(row) for row in rows]

            async def h(s: AsyncSession) -> list[Titles]:
                rows = await s.scalars(select(Task))
                return [Titles.model_validate(row) for row in rows]

            def one(s: Session) -> TaskRead:
                return TaskRead.model_validate(s.get_one(Task, 1))
        """,
    ],
    "CLN212": [
        """
            def f(s: Session) -> None:
                for n in range(9):
                    s.add(Task(title=''))
                    s.commit()  # CLN212
        """,
        """
            def f(s: Session, rows: list) -> None:
                for n, row in enumerate(rows):
                    s.add(row)
                    if n % 100 == 0:
                        s.commit()
        """,
        """
            def f(rows: list) -> None:
                for row in rows:
                    with Session(engine) as s:
                        s.add(row)
                        s.commit()
        """,
        """
            def f(s: Session) -> None:
                while True:
                    s.add(Task(title=''))
                    s.commit()
        """,
        """
            def f(s: Session) -> None:
                for attempt in range(3):
                    s.commit()
        """,
        """
            def mail(s: Session, tasks: list[Task]) -> None:
                for task in tasks:
                    send_mail(task)
                    task.done = True
                    s.commit()
        """,
    ],
    "CLN214": [
        """
            def f(s: Session) -> bool:
                try:
                    s.commit()
                except IntegrityError:  # CLN214
                    return False
                return True
        """,
        """
            def f(s: Session) -> bool:
                try:
                    s.commit()
                except IntegrityError:
                    s.rollback()
                    return False
                return True
        """,
        """
            def f(s: Session) -> None:
                try:
                    s.commit()
                except IntegrityError:
                    raise HTTPException(409)
        """,
        """
            def f(s: Session) -> None:
                try:
                    s.commit()
                except IntegrityError:
                    pass
                raise HTTPException(404)
        """,
        """
            @in_transaction
            def f(s: Session) -> None:
                try:
                    s.commit()
                except IntegrityError:
                    pass
        """,
        """
            @app.post('/t')
            def f(s: Session = Depends(get_session)):
                try:
                    s.commit()
                except IntegrityError:
                    return 'there already'
        """,
        """
            def f() -> None:
                with Session(engine) as s:
                    try:
                        s.commit()
                    except KeyError:
                        pass
                    s.commit()
        """,
        """
            def store(s: Session) -> None:
                try:
                    s.add(Task(title=""))
                    s.commit()
                except IntegrityError:
                    print("there already")

            def main() -> None:
                with Session(engine) as s:
                    store(s)
        """,
        """
            def store(s: Session) -> None:
                try:
                    s.add(Task(title=""))
                    s.commit()
                except IntegrityError:  # CLN214
                    print("there already")

            def main() -> None:
                with Session(engine) as s:
                    store(s)
                    s.add(Task(title=""))
        """,
    ],
    "CLN215": [
        """
            def f():
                s = Session(engine)  # CLN215
                s.commit()
        """,
        """
            def f():
                s = Session(engine)
                try:
                    s.commit()
                finally:
                    s.close()
        """,
        """
            def f():
                s = Session(engine)
                return s
        """,
        """
            def f():
                s = Session(engine)
                yield s
        """,
        """
            def get_db():
                db = Session(engine)  # CLN215
                yield db

            @app.get('/t')
            def f(db: Session = Depends(get_db)): ...
        """,
        """
            def f(run):
                s = Session(engine)
                run(s)
        """,
    ],
    "CLN301": [
        """
            def f():
                return select(Task).where(not Task.done)  # CLN301
        """,
        """
            def f():
                return select(Task).where(1 < Task.id < 5)  # CLN301
        """,
        """
            def f():
                return select(Task).where('a' in Task.title)  # CLN301
        """,
        """
            def f():
                return select(Task).join(Project, Task.id == 1 and Task.done)  # CLN301
        """,
        """
            def f():
                return select(Task).where(Task.done == True and Task.id == 1)  # CLN301
        """,
        """
            def f(done):
                return select(Task).where(Task.done == (done is None))
        """,
        """
            def f(done):
                return select(Task).where(Task.id == 1 if done else Task.id == 2)
        """,
        """
            def f(task: Task):
                return task.done is None and not task.done
        """,
        """
            def f(s: Session, since: int):
                conditions = [Task.title == "red" and Task.id >= since]  # CLN301
                return s.exec(select(Task).where(*conditions)).all()
        """,
        """
            def f(term: str | None):
                condition = Task.done == False
                if term:
                    condition = condition and Task.title == term  # CLN301
                return select(Task).where(condition)
        """,
        """
            def f(term: str | None):
                condition = term and Task.title == term
                return select(Task) if condition is None else select(Task).where(condition)

            def g(task: Task, term: str) -> bool:
                return task.title == term and task.done
        """,
    ],
    "CLN302": [
        """
            def f():
                return select(Task).where(Task.project.name == 'x')  # CLN302
        """,
        """
            def f():
                return select(Task).where(Task.project.has(Project.name == 'x'))
        """,
    ],
    "CLN304": [
        """
            def page(s: Session, limit: int):
                return s.exec(select(Task).limit(limit))

            @app.get('/t')
            def f(limit: int = 5, s: Session = Depends(get_session)):  # CLN304
                return page(s, limit=limit)
        """,
        """
            @app.get('/t')
            def f(limit: int = 5):
                return elsewhere(limit=limit)
        """,
        """
            @app.get('/t')
            def f(limit: int = 5, s: Session = Depends(get_session)):
                limit = min(limit, 50)
                return s.exec(select(Task).order_by(Task.id).limit(limit)).all()
        """,
        """
            @app.get('/t')
            def f(limit: int = 5, s: Session = Depends(get_session)):
                if limit > 50:
                    raise HTTPException(422)
                return s.exec(select(Task).order_by(Task.id).limit(limit)).all()
        """,
        """
            @app.get('/t')
            def f(limit: int = Query(5, le=9), s: Session = Depends(get_session)):
                return s.exec(select(Task).order_by(Task.id).limit(limit)).all()
        """,
        """
            @app.get("/")
            def f(limit: int = 10, s: Session = Depends(get_session)):
                return s.exec(select(Task).order_by(Task.id).limit(max(1, min(limit, 9)))).all()
        """,
        """
            @app.get("/")
            def f(limit: int = 10, s: Session = Depends(get_session)):  # CLN304
                return s.exec(select(Task.id).order_by(Task.id).limit(max(1, limit))).all()
        """,
    ],
    "CLN305": [
        """
            def f(q: str):
                return select(Task).where(col(Task.title).contains(q))  # CLN305
        """,
        """
            def f(q: str):
                return col(Task.title).contains(q, autoescape=True)
        """,
        """
            def f(q: str):
                return select(Task).where(col(Task.title).like(f'{q}%', escape='/'))
        """,
        """
            def f():
                return select(Task).where(col(Task.title).like('a%'))
        """,
        """
            def f(q: int):
                return select(Task).where(col(Task.title).like(f'{q}%'))
        """,
        """
            def f(q: str):
                return select(Task).where(col(Task.title).like(f'{escaped(q)}%'))
        """,
        """
            import re

            def words(text: str) -> list[str]:
                return re.sub(r"\\W", " ", text).split()

            def f(s: Session, q: str):
                terms = words(q)
                return [select(Task).where(col(Task.title).like(f"%{term}%")) for term in terms]
        """,
        """
            def f(s: Session, q: str):
                if q.isdigit():
                    return select(Task).where(col(Task.title).like(f"%{q}%"))
                return select(Task).where(col(Task.title).like(f"%{q}%"))  # CLN305
        """,
        """
            def words(text: str) -> list[str]:
                return text.split()

            def f(s: Session, q: str):
                terms = words(q)
                return [col(Task.title).like(f"%{term}%") for term in terms]  # CLN305
        """,
        """
            def contains(column, term: str):
                return column.ilike("%" + term + "%")  # CLN305

            def text_contains(column: str, term: str):
                return column.like("%" + term + "%")
        """,
    ],
    "CLN306": [
        """
            def f(s: Session, q: str):
                s.exec(text('SELECT 1 WHERE x = ' + q))  # CLN306
        """,
        """
            def f(s: Session, q: str):
                s.exec(text('SELECT 1 WHERE x = %s' % q))  # CLN306
        """,
        """
            def f(s: Session, q: str):
                s.exec(text('SELECT 1 WHERE x = {}'.format(q)))  # CLN306
        """,
        """
            def f(s: Session, q: int):
                s.exec(text(f'SELECT 1 LIMIT {q}'))
        """,
        """
            NAME = 'task'

            def f(s: Session):
                s.exec(text(f'SELECT 1 FROM {NAME}'))
        """,
        """
            def f(s: Session):
                s.exec(text(f'SELECT 1 FROM {Task.__tablename__}'))
        """,
        """
            def count(s: Session, table: str):
                s.exec(text(f'SELECT 1 FROM {table}'))
        """,
    ],
    "CLN308": [
        """
            def f(s: Session, keys: list[int]):
                for key in keys:
                    print(s.get(Task, key))  # CLN308
        """,
        """
            def f(s: Session):
                for name in ('a', 'b'):
                    print(s.exec(select(Task).where(Task.title == name)).all())
        """,
        """
            def f(s: Session, models: list[Any]):
                for model in models:
                    print(s.exec(select(model)).all())
        """,
        """
            def f(s: Session, keys: list[int]):
                for key in keys:
                    if key > 9:
                        return s.get(Task, key)
        """,
        """
            def f(s: Session):
                for task in s.exec(select(Task)):
                    print(task.title)
        """,
        """
            def f(s: Session, parts: list[list[int]]) -> list[Task]:
                rows = []
                for part in parts:
                    rows += s.exec(select(Task).where(col(Task.id).in_(part))).all()
                return rows
        """,
        """
            def f(s: Session, keys: list[int]) -> Task | None:
                for key in keys:
                    row = s.exec(select(Task).where(Task.id == key)).first()
                    if row is not None:
                        return row
                return None
        """,
        """
            def f(s: Session, keys: list[int]) -> list[Task]:
                rows = []
                for key in keys:
                    row = s.exec(select(Task).where(Task.id == key)).first()  # CLN308
                    if row is not None:
                        rows.append(row)
                return rows
        """,
        """
            class Status(Enum):
                OPEN = "open"
                DONE = "done"

            def f(s: Session) -> list[int]:
                return [s.exec(select(Task).where(Task.title == word)).all() for word in Status]

            def g(s: Session, keys: dict[str, int], kinds: dict[str, Any]) -> list[Any]:
                return [s.get(kinds[name], key) for name, key in keys.items()]
        """,
    ],
    "CLN309": [
        """
            def f(s: Session):
                for p in s.exec(select(Project)):
                    print(p.tasks)  # CLN309
        """,
        """
            def f(s: Session):
                statement = select(Project).options(selectinload(Project.tasks))
                for p in s.exec(statement):
                    print(p.tasks)
        """,
        """
            def f(s: Session):
                print(s.get_one(Project, 1).tasks)
        """,
        """
            def f(s: Session) -> list[str]:
                tasks = s.exec(select(Task)).all()
                first = [f"{task.project.name} {task.project.id}" for task in tasks]  # CLN309
                return [*first, *(task.project.name for task in tasks)]
        """,
        """
            def f(s: Session) -> list[str]:
                tasks = s.exec(select(Task)).all()
                others = s.exec(select(Task).where(Task.done == True)).all()
                first = [task.project.name for task in tasks]  # CLN309
                return [*first, *(task.project.name for task in others)]  # CLN309
        """,
        """
            class Course(SQLModel, table=True):
                id: int | None = Field(default=None, primary_key=True)
                seats: list["Seat"] = Relationship(back_populates="course")

                @property
                def taken(self) -> int:
                    return len(self.seats)

            class Seat(SQLModel, table=True):
                id: int | None = Field(default=None, primary_key=True)
                course_id: int = Field(foreign_key="course.id", index=True)
                course: Course = Relationship(back_populates="seats")

            def taken(s: Session) -> list[int]:
                courses = s.exec(select(Course)).all()
                return [course.taken for course in courses]  # CLN309
        """,
    ],
    "CLN401": [
        """
            def url(host):
                return f'postgresql+asyncpg://{host}/db?sslmode=require'  # CLN401
        """,
        """
            def url(host):
                return f'postgresql+psycopg://{host}/db?sslmode=require'
        """,
    ],
    "CLN402": [
        "URL = 'postgresql://postgres:postgres@localhost/db'",
        "URL = 'postgresql://me:${PASSWORD}@db.example.com/db'",
        "URL = 'postgresql://me:kX83mPq@10.0.0.1/db'  # CLN402",
        """
            def url(p):
                return f'postgresql://me:{p}@db.example.com/db'
        """,
        """
            url = sa.URL.create("mysql", "app", "Xk39!pPq", "db")  # CLN402
            placeholder = sa.URL.create("mysql", username="app", password="password")
            later = sa.URL.create("postgresql", username="app", password=secret, host="db")
            cache = "redis://:Xk39pPq@cache.internal/0"  # CLN402
        """,
    ],
    "CLN404": [
        """
            URL = 'sqlite://'
            other = create_engine(URL, pool_size=5)  # CLN404
        """,
        "other = create_engine('postgresql:///x', pool_size=5)",
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("code", "example"),
    [
        pytest.param(code, example, id=f"{code}-{number}")
        for code, cases in CASES.items()
        for number, example in enumerate(cases)
    ],
)
def test_a_rule_reports_exactly_the_marked_lines(code: str, example: str) -> None:
    program = f"{TABLES}{dedent(example).strip()}\n"
    assert check_code(program, code) == marked(program, code)


def test_a_model_without_a_table_is_reported_where_another_file_stores_it() -> None:
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
def test_some_rules_skip_tests_and_migrations(path: str) -> None:
    code = (
        "from alembic import op\nfrom sqlmodel import create_engine\n"
        if "one" in path
        else ("from sqlmodel import create_engine\n")
    )
    code += "from datetime import datetime\n\nnow = datetime.utcnow()\n"
    assert check_files(**{path.replace("/", "__"): code}) == []
    assert [finding.code for finding in check_files(app__api=code)] == ["CLN111"]


def test_the_blocks_of_a_tutorial_are_checked_as_one_program(tmp_path: Path) -> None:
    """A tutorial spreads its program over several blocks."""
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
        "CLN104", "CLN108", "CLN121", "CLN122", "CLN208", "CLN217", "CLN218", "CLN303", "CLN304",
        "CLN406",
    }  # fmt: skip


FIXES = {
    "where(not (Task.id == 1 or Task.done))": "where(~((Task.id == 1) | (Task.done)))",
    "where(not (Task.id == 1 and Task.id == 2))": "where(~((Task.id == 1) & (Task.id == 2)))",
    "where(not Task.id == 1)": "where(~(Task.id == 1))",
    "where(not (Task.id == 1))": "where(~(Task.id == 1))",
    "where(not Task.done)": "where(~Task.done)",
    "where(not Task.title)": "where(not Task.title)",  # text is not boolean
    "where(Task.id == 1 and q)": "where(Task.id == 1 and q)",  # the type of q is unknown
    "where(Task.id is None or not Task.done)": "where((col(Task.id).is_(None)) | (~Task.done))",
    "where(Task.id == 1 and Task.id == 2 and Task.done)": (
        "where((Task.id == 1) & (Task.id == 2) & (Task.done))"
    ),
    "where(\n        Task.id == 1  # one\n        or Task.done  # or all\n    )": (
        "where(\n        (Task.id == 1)  # one\n        | (Task.done)  # or all\n    )"
    ),
}


@pytest.mark.parametrize(("wrong", "right"), FIXES.items())
def test_a_condition_is_rewritten_as_sql_or_not_at_all(wrong: str, right: str) -> None:
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
def test_awaits_and_keywords_are_fixed_in_place(wrong: str, right: str) -> None:
    assert fixed(f"{ASYNC}\n{wrong}\n") == f"{ASYNC}\n{right}\n"


NOQA = """
def f(s: Session, q: str):
    return s.exec(  # FIRST
        select(Task)
        .where(col(Task.title).like(f"%{q}%"))
        .order_by(Task.id)
    ).all()  # LAST


def g(s: Session, q: str):  # HEAD
    return s.exec(select(Task).where(col(Task.title).like(f"%{q}%"))).all()
"""


@pytest.mark.parametrize(
    ("place", "lines"), [("FIRST", {11}), ("LAST", {11}), ("HEAD", {5, 11}), ("none", {5, 11})]
)
def test_noqa_on_the_first_or_last_line_is_about_the_whole_statement(
    place: str, lines: set[int]
) -> None:
    program = f"{TABLES}{NOQA}".replace(place, "noqa: CLN305")
    before = TABLES.count("\n") - 1  # the first line is empty
    assert {line - before for line, _ in check_code(program, "CLN305")} == lines


def test_a_time_that_is_formatted_as_text_is_not_fixed() -> None:
    code = "from datetime import datetime\n\nat = datetime.utcnow().isoformat() + 'Z'\n"
    assert check_code(code) == [(3, "CLN111")]
    assert fixed(code) == code
