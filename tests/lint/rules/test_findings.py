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
        """
            class TaskRead(SQLModel):
                id: int
                project: SQLModel | None

            async def session_of() -> AsyncSession:
                return AsyncSession(engine)

            @app.post("/refreshed", response_model=TaskRead)
            async def f(s: AsyncSession = Depends(session_of)):
                task = await s.get_one(Task, 1)
                await s.refresh(task, ["project"])
                return task

            @app.post("/other", response_model=TaskRead)
            async def g(s: AsyncSession = Depends(session_of)):
                task = await s.get_one(Task, 1)
                await s.refresh(task, ["title"])
                return task  # CLN207
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
        """
            class Repository:
                def __init__(self, s: Session) -> None:
                    self.s = s

                def create(self, title: str) -> Task:
                    task = Task(title=title)
                    self.s.add(task)
                    self.s.commit()
                    self.s.refresh(task)
                    return task

                def process(self, title: str) -> None:
                    task = self.create(title)
                    send(task)
                    self.s.commit()

            def f(titles: list[str], repository: Repository) -> None:
                for title in titles:
                    repository.create(title)  # CLN212
                for title in titles:
                    repository.process(title)
                for title in titles:
                    repository = Repository(Session(engine))
                    repository.create(title)
                repository.create("one")
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
    "CLN115": [
        """
            class Sale(SQLModel, table=True):
                id: int | None = Field(default=None, primary_key=True)
                price: float = 0  # CLN115
                amount: float = 0  # CLN115
                amount_ml: float = 0
                amount_of_rain: float = 0
                fee_multiplier: float = 1
        """,
        """
            class Base(sa.orm.DeclarativeBase):
                pass

            class Sale(Base):
                __tablename__ = "sale"
                id = sa.orm.mapped_column(sa.Integer, primary_key=True)
                unit_price = sa.orm.mapped_column(sa.Float(), nullable=False)  # CLN115
                list_price = sa.orm.mapped_column(sa.Numeric(10, 2), nullable=False)
        """,
    ],
    "CLN123": [
        """
            class MemberBase(SQLModel):
                needs_to_change_password: bool = True
                reset_password: datetime | None = None

            class Member(MemberBase, table=True):
                id: int | None = Field(default=None, primary_key=True)

            class MemberRead(MemberBase):
                id: int
        """,
    ],
    "CLN125": [
        """
            @app.get("/tasks/{key}", response_model_include={"id", "title"})
            def read(key: int) -> Task:
                return load(key)

            @app.get("/all/{key}")
            def read_all(key: int) -> Task:  # CLN125
                return load(key)
        """,
    ],
    "CLN209": [
        """
            import asyncio

            async def one(lock: asyncio.Lock, s: AsyncSession) -> None:
                async with lock:
                    await s.execute(text("SELECT 1"))

            async def other(s: AsyncSession) -> None:
                await s.execute(text("SELECT 1"))

            async def main(lock: asyncio.Lock, s: AsyncSession) -> None:
                await asyncio.gather(one(lock, s), one(lock, s))
                await asyncio.gather(*(one(lock, s) for _ in range(3)))
                await asyncio.gather(other(s), other(s))  # CLN209
        """,
        """
            import asyncio

            class Service:
                def __init__(self, session: AsyncSession) -> None:
                    self.session = session

                async def mark(self, key: int) -> None:
                    await self.session.execute(text("SELECT 1"))

                async def log(self, key: int) -> None:
                    print(key)

                async def mark_all(self, keys: list[int]) -> None:
                    await asyncio.gather(*(self.mark(key) for key in keys))  # CLN209
                    await asyncio.gather(*(self.log(key) for key in keys))
                    async with asyncio.TaskGroup() as group:
                        for key in keys:
                            group.create_task(self.mark(key))  # CLN209
        """,
        """
            import asyncio
            from asyncio import to_thread

            def ask(s: Session, number: int) -> int:
                return s.execute(text("SELECT 1")).scalar_one()

            async def both(s: Session) -> None:
                await asyncio.gather(to_thread(ask, s, 1), to_thread(ask, s, 2))  # CLN209
                await to_thread(ask, s, 1)
        """,
    ],
    "CLN213": [
        """
            def fresh(s: Session) -> Task | None:
                s.commit()
                return s.exec(select(Task)).first()

            def take(s: Session) -> None:
                task = fresh(s)
                task.done = True
                s.commit()
        """,
        """
            def fresh(s: Session) -> Task | None:
                s.commit()
                return s.exec(select(Task)).first()

            def take(s: Session) -> None:
                s.add(Task(title=""))
                task = fresh(s)  # CLN213
                task.done = True
                s.commit()
        """,
        """
            async def fill(s: AsyncSession) -> None:
                async with s.begin():
                    await s.execute(text("INSERT INTO a VALUES (1)"))
                async with s.begin():
                    await s.execute(text("INSERT INTO b VALUES (1)"))
        """,
        """
            def store(s: Session) -> None:
                s.add(Task(title=""))
                s.commit()

            def main() -> None:
                with Session(engine) as s:
                    store(s)
                with Session(engine) as s:
                    s.add(Task(title=""))
                    s.commit()
        """,
    ],
    "CLN311": [
        """
            from alembic import command

            class Store:
                def create(self) -> None:
                    self.metadata.create_all(self.engine)

            def start() -> None:
                SQLModel.metadata.create_all(engine)  # CLN311
                SQLModel.metadata.create_all(create_engine("sqlite://"))
        """,
    ],
    "CLN406": [
        """
            class Bus:
                def on_event(self, name: str): ...

            bus = Bus()

            @bus.on_event("startup")
            def start() -> None: ...

            @app.on_event("startup")  # CLN406
            def begin() -> None: ...
        """,
    ],
    "CLN107": [
        """
            class Note(SQLModel, table=True):
                id: int | None = Field(default=None, primary_key=True)
                tags: dict[str, str] = Field(sa_column=sa.Column(sa.JSON))  # noqa: CLN106

            def change(s: Session, key: int) -> None:
                note = s.get_one(Note, key)
                tags = note.tags
                tags["a"] = "b"  # CLN107
                s.commit()

            def assign(s: Session, key: int) -> None:
                note = s.get_one(Note, key)
                tags = note.tags
                tags["a"] = "b"
                note.tags = {**tags}
                s.commit()

            def copy(s: Session, key: int) -> None:
                note = s.get_one(Note, key)
                tags = dict(note.tags)
                tags["a"] = "b"
                s.commit()
        """,
    ],
    "CLN121": [
        """
            class Short(SQLModel, table=True):
                id: int | None = Field(default=None, primary_key=True)
                name: str = Field(min_length=2, max_length=50)
                stock: int = Field(ge=0)

            class ShortUpdate(SQLModel):
                name: str = Field(min_length=2, max_length=500)  # CLN121
                stock: int = Field(ge=-1)  # CLN121

            class ShortPatch(SQLModel):
                name: str = Field(min_length=3, max_length=40)
                stock: int = Field(ge=1)
        """,
    ],
    "CLN205": [
        """
            async def create(s: AsyncSession, body: SQLModel) -> int:
                async with AsyncSession(engine) as s:
                    task = Task.model_validate(body)
                    s.add(task)
                    await s.commit()
                    return task.id  # CLN205
        """,
    ],
    "CLN206": [
        """
            class Order(SQLModel, table=True):
                id: int | None = Field(default=None, primary_key=True)
                project_id: int | None = Field(default=None, foreign_key="project.id", index=True)
                project: Project | None = Relationship()

                @property
                def label(self) -> str:
                    return f"{self.id} for {self.project.name}"

                @property
                def number(self) -> str:
                    return f"{self.id}"

                def text(self) -> str:
                    return self.project.name

            async def f(s: AsyncSession) -> list[str]:
                order = await s.get_one(Order, 1)
                return [order.number, order.label]  # CLN206

            async def g(s: AsyncSession) -> str:
                order = await s.get_one(Order, 1, options=[selectinload(Order.project)])
                return order.label
        """,
    ],
    "CLN303": [
        """
            def paginate(statement, skip: int, limit: int):
                return statement.offset(skip).limit(limit)

            def in_order(statement):
                return statement.order_by(Task.id)

            def f(s: Session):
                s.exec(paginate(select(Task), 0, 10)).all()  # CLN303
                s.exec(paginate(select(Task).order_by(Task.id), 0, 10)).all()
                return s.exec(in_order(select(Task)).limit(10)).all()
        """,
        """
            def one(s: Session, title: str) -> Task | None:
                found = s.exec(select(Task).where(Task.title == title).limit(2)).all()
                return found[0] if len(found) == 1 else None

            def claim(s: Session) -> list[Task]:
                waiting = select(Task).limit(10).with_for_update(skip_locked=True)
                return list(s.exec(select(Task).limit(10).with_for_update(skip_locked=True)).all())

            def page(s: Session) -> list[Task]:
                return list(s.exec(select(Task).limit(10)).all())  # CLN303
        """,
    ],
    "CLN405": [
        """
            arguments = {"check_same_thread": False}
            other = create_engine("postgresql://db/tasks", connect_args=arguments)  # CLN405
            local = create_engine("sqlite:///tasks.db", connect_args=arguments)
        """,
    ],
    "CLN116": [
        """
            from datetime import timedelta, timezone

            class Token(SQLModel, table=True):
                id: int | None = Field(default=None, primary_key=True)
                until: datetime = Field(sa_type=sa.DateTime(timezone=True))
                since: datetime = Field(sa_type=sa.DateTime)

            def f(token: Token, key: str) -> list[bool]:
                return [
                    token.until < datetime.now(),  # CLN116
                    datetime.utcnow() - timedelta(days=1) >= token.until,  # CLN116
                    token.until < datetime.now(timezone.utc),
                    token.since < datetime.now(),
                    token.until is None,
                ]
        """,
    ],
    "CLN126": [
        """
            from fastapi import Request

            @app.patch("/{key}")
            async def f(key: int, request: Request, s: Session = Depends(get_session)) -> None:
                task = s.get_one(Task, key)
                body = await request.json()
                for name, value in body.items():
                    setattr(task, name, value)  # CLN126

            @app.patch("/allowed/{key}")
            def g(key: int, body: dict[str, Any], s: Session = Depends(get_session)) -> None:
                task = s.get_one(Task, key)
                for name, value in body.items():
                    if name in ("title", "done"):
                        setattr(task, name, value)

            def helper(task: Task, body: dict[str, Any]) -> None:
                for name, value in body.items():
                    setattr(task, name, value)
        """,
    ],
    "CLN127": [
        """
            from typing import Annotated
            from pydantic import BaseModel

            class TaskUpdate(BaseModel):
                title: Optional[str]  # CLN127
                note: str | None = None
                done: bool
                size: Annotated[int | None, Query()]

            class TaskRead(BaseModel):
                title: Optional[str]
        """,
    ],
    "CLN128": [
        """
            from pydantic import BaseModel, ConfigDict

            class Old(BaseModel):
                class Config:
                    allow_population_by_field_name = True  # CLN128
                    frozen = True

            class Mixed(BaseModel):
                model_config = ConfigDict(orm_mode=True, frozen=True)  # CLN128

            class New(BaseModel):
                model_config = ConfigDict(from_attributes=True)

            class Other:
                class Config:
                    orm_mode = True

            def f(other: Any, task: Task) -> None:
                other.from_orm(task)
                New.from_orm(task)  # CLN128
                New.from_orm(task)
                New.model_validate(task)
        """,
    ],
    "CLN129": [
        """
            from pydantic import BaseModel, field_validator, model_validator

            class SignUp(BaseModel):
                email: str
                name: str

                @field_validator("email")
                @classmethod
                def stripped(cls, value: str) -> str:
                    if not value:
                        raise ValueError("empty")
                    value.strip()  # CLN129

                @field_validator("name")
                @classmethod
                def refused(cls, value: str) -> str:
                    raise ValueError("no names")

                @model_validator(mode="after")
                def checked(self):
                    if self.email == self.name:
                        raise ValueError("equal")
                    return self

                def helper(self) -> None:
                    self.email.strip()
        """,
    ],
    "CLN218": [
        """
            import pytest

            @pytest.fixture
            def client(session):
                app.dependency_overrides[get_session] = lambda: session
                yield app
                app.dependency_overrides.clear()
        """,
        """
            def test_it(session):
                own = FastAPI()
                own.dependency_overrides[get_session] = lambda: session

            def helper(session):
                app.dependency_overrides[get_session] = lambda: session
        """,
        """
            def test_it(session):
                app.dependency_overrides[get_session] = lambda: session
                del app.dependency_overrides[get_session]
        """,
        """
            import pytest

            @pytest.fixture(scope="session")
            def client(session):
                app.dependency_overrides[get_session] = lambda: session
                yield app
        """,
    ],
    "CLN313": [
        """
            from sqlalchemy.orm import joinedload

            def f(s: Session):
                s.exec(select(Project).options(joinedload(Project.tasks))).unique().all()
                s.exec(select(Task).options(joinedload(Task.project))).all()
                s.exec(select(Project).options(selectinload(Project.tasks))).all()
                s.query(Project).options(joinedload(Project.tasks)).all()
                return s.exec(select(Project).options(joinedload(Project.tasks))).all()  # CLN313

            async def g(s: AsyncSession):
                statement = select(Project).options(joinedload(Project.tasks))
                await s.execute(select(Project).options(selectinload(Project.tasks)))
                return (await s.execute(statement)).scalars().all()  # CLN313
        """,
    ],
    "CLN314": [
        """
            from sqlalchemy import insert
            from sqlalchemy.dialects import postgresql

            def f(s: Session, titles: list[str]) -> None:
                for title in titles:
                    s.execute(insert(Task).values(title=title))  # CLN314
                for title in titles:
                    s.execute(insert(Task).values(title="fixed"))
                for number in range(3):
                    s.execute(insert(Task).values(id=number))
                for title in titles:
                    s.execute(postgresql.insert(Task).values(title=title).on_conflict_do_nothing())
                for title in titles:
                    with Session(engine) as s:
                        s.execute(insert(Task).values(title=title))
                s.execute(insert(Task), [{"title": title} for title in titles])
        """,
    ],
    "CLN315": [
        """
            def f(s: Session, least: int, words: list[str]):
                one = [task for task in s.exec(select(Task)) if task.id > least]  # CLN315
                two = {t.id for t in s.exec(select(Task).order_by(Task.id)) if t.id == 1}  # CLN315
                three = [t for t in s.exec(select(Task).where(Task.done == True)) if t.id > least]
                four = [task for task in s.exec(select(Task)) if task.title.lower() in words]
                five = [task for task in s.exec(select(Task).limit(3)) if task.id > least]
                return one, two, three, four, five

            async def g(s: AsyncSession):
                return [t for t in await s.scalars(select(Task)) if t.done == True]  # CLN315
        """,
    ],
    "CLN316": [
        """
            class Mail(SQLModel, table=True):
                id: int | None = Field(default=None, primary_key=True)
                address: str = Field(unique=True)
                name: str

            @app.post("/unique")
            def f(address: str, s: Session = Depends(get_session)) -> None:
                if s.exec(select(Mail).where(Mail.address == address)).first():
                    raise HTTPException(409)
                s.add(Mail(address=address))

            @app.post("/names")
            async def g(name: str, s: AsyncSession = Depends(get_session)) -> None:
                found = await s.scalar(select(Mail).where(Mail.name == name))  # CLN316
                if found is not None:
                    raise HTTPException(409)
                s.add(Mail(address="", name=name))

            @app.post("/others")
            def h(name: str, s: Session = Depends(get_session)) -> None:
                if s.exec(select(Mail).where(Mail.name == name)).first():
                    raise HTTPException(409)
                s.add(Project(name=name))

            @app.post("/two")
            def i(name: str, s: Session = Depends(get_session)) -> None:
                if s.exec(select(Mail).where(Mail.name == name, Mail.id == 3)).first():
                    raise HTTPException(409)
                s.add(Mail(address="", name=name))
        """,
        """
            class Mail(SQLModel, table=True):
                __table_args__ = (sa.UniqueConstraint("name"),)
                id: int | None = Field(default=None, primary_key=True)
                name: str

            @app.post("/names")
            def f(name: str, s: Session = Depends(get_session)) -> None:
                if s.exec(select(Mail).where(Mail.name == name)).first():
                    raise HTTPException(409)
                s.add(Mail(name=name))
        """,
    ],
    "CLN601": [
        """
            from alembic import op

            revision = "b"
            down_revision = "a"

            def upgrade() -> None:
                op.create_table("new", sa.Column("id", sa.Integer, primary_key=True))
                op.add_column("new", sa.Column("a", sa.Integer, nullable=False))
                op.add_column("old", sa.Column("b", sa.Integer, nullable=False))  # CLN601
                op.add_column("old", sa.Column("c", sa.Integer, nullable=False, server_default="0"))
                op.add_column("old", sa.Column("d", sa.Integer, sa.Identity(), nullable=False))
                op.add_column("old", sa.Column("e", sa.Integer))

            def downgrade() -> None:
                op.add_column("old", sa.Column("f", sa.Integer, nullable=False))
        """,
        """
            from alembic import op

            def upgrade() -> None:  # of no revision
                op.add_column("old", sa.Column("b", sa.Integer, nullable=False))
        """,
    ],
    "CLN602": [
        """
            from alembic import op

            revision = "b"
            down_revision = "a"

            def upgrade() -> None:
                op.drop_column("users", "name")  # CLN602
                op.add_column("users", sa.Column("full_name", sa.String(80)))

            def downgrade() -> None:
                op.drop_column("users", "full_name")
                op.add_column("users", sa.Column("name", sa.String(80)))
        """,
        """
            from alembic import op

            revision = "b"
            down_revision = "a"

            def upgrade() -> None:
                op.drop_column("users", "name")
                op.add_column("users", sa.Column("full_name", sa.String(90)))

            def downgrade() -> None:
                op.drop_column("users", "full_name")
                op.add_column("users", sa.Column("name", sa.String(80)))
        """,
        """
            from alembic import op

            revision = "b"
            down_revision = "a"

            def upgrade() -> None:
                op.drop_column("users", "name")
                op.execute("UPDATE users SET x = 1")
                op.add_column("users", sa.Column("full_name", sa.String(80)))

            def downgrade() -> None:
                op.drop_column("users", "full_name")
                op.add_column("users", sa.Column("name", sa.String(80)))
        """,
    ],
    "CLN204": [
        """
            import time

            def wait() -> str:
                time.sleep(1)
                return "ready"

            async def pause() -> None:
                time.sleep(1)

            @app.get("/wait")
            async def f() -> str:
                return wait()  # CLN204

            @app.get("/pause")
            async def g() -> None:
                await pause()

            @app.get("/thread")
            def h() -> str:
                return wait()
        """,
    ],
    "CLN219": [
        """
            def load(key: int) -> Task:
                with Session(engine) as s:
                    return s.get_one(Task, key)

            def load_with(key: int) -> Task:
                with Session(engine) as s:
                    return s.get_one(Task, key, options=[selectinload(Task.project)])

            def load_here(s: Session, key: int) -> Task:
                return s.get_one(Task, key)

            def all_tasks() -> list[Task]:
                with Session(engine) as s:
                    return list(s.exec(select(Task)).all())

            def f(s: Session) -> list[str]:
                first, second, third = load(1), load_with(1), load_here(s, 1)
                task = load(1)
                name = task.project.name  # CLN219
                title = task.title
                other = load_with(1)
                here = load_here(s, 1)
                names = [each.project.name for each in all_tasks()]  # CLN219
                return [name, title, other.project.name, here.project.name, *names]
        """,
    ],
    "CLN317": [
        """
            def f(s: Session, offset: int):
                one = select(Task).order_by(Task.title).offset(offset).limit(9)  # CLN317
                two = select(Task).order_by(col(Task.done).desc()).limit(9).offset(2)  # CLN317
                three = select(Task).order_by(Task.title, Task.id).offset(offset).limit(9)
                four = select(Task).order_by(Task.title).limit(9)
                five = select(Task).order_by(func.lower(Task.title)).offset(offset)
                six = select(Task).order_by(Task.title).order_by(Task.id).offset(offset)
                return one, two, three, four, five, six
        """,
    ],
    "CLN407": [
        """
            from contextlib import asynccontextmanager

            @asynccontextmanager
            async def lifespan(app: FastAPI):
                app.state.engine = create_async_engine("sqlite+aiosqlite://")  # CLN407
                yield

            @asynccontextmanager
            async def ending(app: FastAPI):
                engine = create_async_engine("sqlite+aiosqlite://")
                yield
                await engine.dispose()

            @asynccontextmanager
            async def other(name: str):
                yield create_async_engine("sqlite+aiosqlite://")
        """,
    ],
    "CLN111": [
        """
            from datetime import timezone

            at = datetime.utcnow().replace(tzinfo=timezone.utc)
            naive = datetime.utcnow()  # CLN111
            second = datetime.utcnow().replace(microsecond=0)  # CLN111
        """,
    ],
    "CLN310": [
        """
            def f(s: Session) -> list[int]:
                return [
                    len(s.exec(select(Task)).all()),  # CLN310
                    len(list(s.scalars(select(Task)))),  # CLN310
                    len(s.exec(select(Task).limit(100)).all()),
                    len(s.query(Task).limit(3).all()),
                    len(list(range(3))),
                ]
        """,
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
