"""Safe fixes do not change what a program does, and are not offered where that is uncertain."""

import json
import subprocess
import sys
from textwrap import dedent

import pytest

from colonnade.lint import all_rules, check_sources, read
from colonnade.lint.fixes._fixing import apply
from tests.lint.checking import check_code

# Each program stores its outcome in `result`; it runs with the mistake and with the fix.
PROGRAMS = {
    "CLN101": """
        from sqlmodel import Field, Session, SQLModel, create_engine, select


        class Named(SQLModel):
            name: str


        class Task(
            Named,  # what all have
        ):
            id: int | None = Field(default=None, primary_key=True)


        def names(session: Session):
            return [task.name for task in session.exec(select(Task)).all()]


        result = Task.model_validate({"name": "a"}).model_dump()
        """,
    "CLN102": """
        from sqlmodel import Field, Relationship, Session, SQLModel, create_engine, select


        class Tagging(SQLModel, table=True):
            task_id: int = Field(foreign_key="task.id", primary_key=True)
            tag_id: int = Field(foreign_key="tag.id", primary_key=True)


        class Tag(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            main_id: int | None = Field(default=None, foreign_key="task.id")
            tasks: list["Task"] = Relationship(
                link_model=Tagging  # the other side has no comma either
            )
            main: "Task" = Relationship(
                sa_relationship_kwargs={"foreign_keys": "Tag.main_id"},
            )


        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            tags: list[Tag] = Relationship(link_model=Tagging)
            steps: list["Step"] = Relationship(
                # in their order
            )


        class Step(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            task_id: int | None = Field(default=None, foreign_key="task.id")
            task: Task = Relationship()


        engine = create_engine("sqlite://")
        SQLModel.metadata.create_all(engine)
        with Session(engine) as session:
            task = Task(tags=[Tag(), Tag()], steps=[Step(), Step()])
            session.add_all([task, Tag(main=task, tasks=[])])
            session.commit()
            links = [(one.task_id, one.tag_id) for one in session.exec(select(Tagging))]
            mains = [one.main_id for one in session.exec(select(Tag))]
            steps = [one.task_id for one in session.exec(select(Step))]
        result = [sorted(links), mains, steps]
        """,
    "CLN109": """
        from uuid import UUID, uuid4

        from sqlmodel import Field, Session, SQLModel, create_engine, select


        class Task(SQLModel, table=True):
            id: UUID = Field(
                default=uuid4(),  # its key
                primary_key=True,
            )


        engine = create_engine("sqlite://")
        SQLModel.metadata.create_all(engine)
        with Session(engine) as session:
            session.add(Task())
            session.commit()
            result = [one.id.version for one in session.exec(select(Task))]
        """,
    "CLN201": """
        import asyncio

        from sqlalchemy.ext.asyncio import create_async_engine
        from sqlalchemy.orm import Session, sessionmaker
        from sqlmodel import text

        engine = create_async_engine("sqlite+aiosqlite://")
        maker = sessionmaker(
            engine,
            expire_on_commit=False,  # since rows are read afterwards
        )


        async def answer() -> int:
            here = create_async_engine("sqlite+aiosqlite://")
            try:
                async with Session(here) as session:
                    return (await session.execute(text("SELECT 1"))).scalar_one()
            except (TypeError, AttributeError):
                async with here.connect() as connection:
                    return (await connection.execute(text("SELECT 1"))).scalar_one()
            finally:
                await here.dispose()


        result = asyncio.run(answer())
        """,
    "CLN202": """
        import asyncio

        from sqlalchemy.ext.asyncio import create_async_engine
        from sqlmodel import Field, SQLModel, select
        from sqlmodel.ext.asyncio.session import AsyncSession


        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)


        async def names() -> list[int]:
            engine = create_async_engine("sqlite+aiosqlite://")
            async with engine.begin() as connection:
                await connection.run_sync(SQLModel.metadata.create_all)
            async with AsyncSession(engine) as session:
                session.add(Task(id=1))
                session.flush()  # which the commit does as well
                await session.commit()
                found = list(await session.exec(select(Task.id)))
            await engine.dispose()
            return found


        result = asyncio.run(names())
        """,
    "CLN301": """
        from sqlmodel import Field, Session, SQLModel, create_engine, select


        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            project_id: int | None = None
            done: bool = False


        engine = create_engine("sqlite://")
        SQLModel.metadata.create_all(engine)
        with Session(engine) as session:
            session.add(Task(project_id=1, done=True))
            session.commit()
            none = session.exec(select(Task).where(Task.project_id is None)).all()
            same = session.exec(
                select(Task).where(
                    Task.project_id == 1  # this and no other
                    and Task.done == True  # noqa: E712
                )
            ).all()
            result = [none, [one.id for one in same]]
        """,
    "CLN307": """
        from sqlmodel import Field, Session, SQLModel, create_engine, select


        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            title: str


        engine = create_engine("sqlite://")
        SQLModel.metadata.create_all(engine)
        with Session(engine) as session:
            session.add_all([Task(title="a"), Task(title="b")])
            session.commit()
            tasks = (
                session.execute(select(Task).order_by(Task.title))  # by title
                .scalars()
                # all of them
                .all()
            )
            first = (session.execute(select(Task))).scalars().first()
            result = [one.title for one in [*tasks, first]]
        """,
    "CLN401": """
        from sqlalchemy.ext.asyncio import create_async_engine

        engine = create_async_engine(
            "postgresql+asyncpg://db.example.com/tasks?sslmode=require",  # over TLS
        )
        result = engine.url.database
        """,
    "CLN404": """
        from sqlmodel import Session, create_engine, text

        try:
            engine = create_engine(
                "sqlite://",  # in memory
                pool_size=5,  # as on PostgreSQL
                max_overflow=1,
                echo=False,
            )
        except TypeError:
            engine = create_engine("sqlite://")
        with Session(engine) as session:
            result = session.exec(text("SELECT 1")).scalar_one()
        """,
}
# All programs run in one process, which defines no other tables.
SCRIPT = """
import json, sys, warnings
from sqlmodel import SQLModel

warnings.simplefilter("ignore")
for name, code in json.load(sys.stdin):
    SQLModel.metadata.clear()
    SQLModel._sa_registry.dispose()
    space = {"__name__": name}
    exec(compile(code, name, "exec"), space)
    print(json.dumps(space["result"]))
"""


def safely_fixed(code: str) -> str:
    """Code after all safe fixes, applied until nothing changes."""
    for _ in range(10):
        source = read(code.encode(), ".py")
        findings = check_sources({"code.py": source}, all_rules())
        code, count = apply(
            source, [finding for finding in findings if finding.fix and finding.fix.safe]
        )
        if not count:
            return code
    raise AssertionError(f"the fixes never end:\n{code}")


BEFORE = {code: dedent(program).strip() + "\n" for code, program in PROGRAMS.items()}
AFTER = {code: safely_fixed(program) for code, program in BEFORE.items()}


@pytest.fixture(scope="module")
def results() -> dict[str, list[object]]:
    """The results of each program, before and after its fixes."""
    programs = [(code, text) for code in BEFORE for text in (BEFORE[code], AFTER[code])]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        input=json.dumps(programs), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    outputs = [json.loads(line) for line in done.stdout.splitlines()]
    return {code: outputs[2 * index : 2 * index + 2] for index, code in enumerate(BEFORE)}


def test_every_rule_with_a_safe_fix_has_a_program() -> None:
    assert set(PROGRAMS) == {rule.code for rule in all_rules() if rule.fixes == "safe"}


@pytest.mark.parametrize("code", PROGRAMS)
def test_a_program_has_the_same_result_before_and_after_its_fixes(
    code: str, results: dict[str, list[object]]
) -> None:
    before, after = results[code]
    assert before == after
    assert code in {finding for _, finding in check_code(BEFORE[code])}
    assert AFTER[code] != BEFORE[code]
    assert code not in {finding for _, finding in check_code(AFTER[code])}


@pytest.mark.parametrize("code", PROGRAMS)
def test_fixes_keep_comments(code: str) -> None:
    def comments(text: str) -> list[str]:
        return [line.partition("#")[2] for line in text.splitlines() if "#" in line]

    assert comments(AFTER[code]) == comments(BEFORE[code])


HEAD = """
from typing import TYPE_CHECKING, Literal, Optional, overload
from sqlalchemy import Column, DateTime, ForeignKey, Table
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from sqlalchemy.pool import QueuePool
from sqlmodel import Field, Relationship, Session, SQLModel, create_engine, select
from sqlmodel.ext.asyncio.session import AsyncSession

class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    title: str
    done: bool = False
"""
CLIENTS = """
class SyncClient:
    def __enter__(self) -> "SyncClient": ...
    def __exit__(self, *error: object) -> None: ...
    def delete(self, key: str) -> None: ...

class AsyncClient:
    async def __aenter__(self) -> "AsyncClient": ...
    async def __aexit__(self, *error: object) -> None: ...
    def __enter__(self) -> SyncClient: ...
    def __exit__(self, *error: object) -> None: ...
    async def delete(self, key: str) -> None: ...
"""
LINKED = """
class Base(DeclarativeBase):
    pass

favourites = Table("favourites", Base.metadata,
                   Column("club_id", ForeignKey("clubs.id"), primary_key=True),
                   Column("song_id", ForeignKey("songs.id"), primary_key=True))

class Club(Base):
    __tablename__ = "clubs"
    id: Mapped[int] = mapped_column(primary_key=True)
    favourites: Mapped[list["Song"]] = relationship(secondary=favourites)

class Song(Base):
    __tablename__ = "songs"
    id: Mapped[int] = mapped_column(primary_key=True)
    club_id: Mapped[int] = mapped_column(ForeignKey("clubs.id"), index=True)
    club: Mapped[Club] = relationship({options})
"""
TWO_KEYS = """
class User(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    written: list["Note"] = Relationship(
        sa_relationship_kwargs={{"foreign_keys": "Note.{written}"}})

class Note(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    writer_id: int | None = Field(default=None, foreign_key="user.id")
    reader_id: int | None = Field(default=None, foreign_key="user.id")
    reader: User | None = Relationship(
        sa_relationship_kwargs={{"foreign_keys": "[Note.reader_id]"}})
"""
UNCERTAIN = {
    "a link table and a foreign key": LINKED.format(options=""),
    "a link table and an explicit foreign key": LINKED.format(options="foreign_keys=[club_id]"),
    "two foreign keys": TWO_KEYS.format(written="writer_id"),
    "two lists over one foreign key": """
class Owner(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    pets: list["Pet"] = Relationship()
    cats: list["Pet"] = Relationship()

class Pet(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    owner_id: int | None = Field(default=None, foreign_key="owner.id")
    owner: Owner | None = Relationship()
""",
    "a sync overload": f"""{CLIENTS}
@overload
def client(sync: Literal[False] = False) -> AsyncClient: ...
@overload
def client(sync: Literal[True] = ...) -> SyncClient: ...
def client(sync: bool = False) -> "AsyncClient | SyncClient":
    return SyncClient() if sync else AsyncClient()

async def forget(key: str) -> None:
    with client(sync=True) as c:
        c.delete(key)
    client(sync=True).delete(key)
""",
    "a context manager that returns another client": f"""{CLIENTS}
async def forget(key: str) -> None:
    with AsyncClient() as c:
        c.delete(key)
""",
    "one of two clients": f"""{CLIENTS}
async def forget(key: str, make) -> None:
    c = AsyncClient() if key else make()
    c.delete(key)
    if key:
        d = AsyncClient()
    else:
        d = make()
    d.delete(key)
""",
    "a client that a function may return": f"""{CLIENTS}
def client(sync: bool, make):
    if sync:
        return make()
    return AsyncClient()

async def forget(key: str, make) -> None:
    client(True, make).delete(key)
    c = client(True, make)
    c.delete(key)
    with client(True, make) as d:
        d.delete(key)
""",
    "a client that an object may have": f"""{CLIENTS}
class Cache:
    def __init__(self, sync: bool, make) -> None:
        self.client = AsyncClient()
        if sync:
            self.client = make()

    async def forget(self, key: str) -> None:
        self.client.delete(key)
""",
    "one of two global clients": f"""{CLIENTS}
if TYPE_CHECKING:
    client = AsyncClient()
else:
    client = make()

async def forget(key: str) -> None:
    client.delete(key)
""",
    "a method that the class redefines": """
class Client:
    async def delete(self, key: str) -> None: ...
    delete = in_thread(delete)

async def forget(c: Client, key: str) -> None:
    c.delete(key)
""",
    "a method that a subclass overrides": f"""{CLIENTS}
class Recorder(AsyncClient):
    def delete(self, key: str) -> None: ...

async def forget(c: AsyncClient, key: str) -> None:
    c.delete(key)
""",
    "a function with a fallback for a missing import": """
try:
    from fast import send
except ImportError:
    async def send(key: str) -> None: ...

async def forget(key: str) -> None:
    send(key)
""",
    "a function that is wrapped later": """
async def send(key: str) -> None: ...

send = run_in_thread(send)

async def forget(key: str) -> None:
    send(key)
""",
    "a URL that the module may use for something else": """
URL = "postgresql+asyncpg://db.example.com/tasks?sslmode=require"
engine = create_async_engine(URL)
sync_engine = create_engine(URL.replace("+asyncpg", "+psycopg"))
""",
    "a URL that is passed to another function": """
def told(url: str) -> str:
    return url.partition("?")[2]

assert told("postgresql+asyncpg://db/x?sslmode=require") == "sslmode=require"
""",
    "a class that could not be a table": """
class Note(SQLModel):
    id: int | None = Field(default=None, primary_key=True)
    tags: list[str]

def notes(session: Session):
    return session.exec(select(Note)).all()
""",
    "a class without a primary key": """
class Note(SQLModel):
    text: str

def notes(session: Session):
    return session.exec(select(Note)).all()
""",
    "values that may not be a list": """
def tasks(session: Session, titles):
    return session.exec(select(Task).where(Task.title in titles)).all()
""",
    "a comparison with an unknown value": """
def tasks(session: Session, title: str):
    return session.exec(select(Task).where(Task.title is title)).all()
""",
    "a comment inside a condition": """
def tasks(session: Session):
    return session.exec(select(Task).where(
        Task.title  # what it is called
        is None
    )).all()
""",
    "a statement that may not be a select": """
def tasks(session: Session, other):
    statement = select(Task)
    if other:
        statement = other()
    return session.execute(statement).scalars().all()
""",
    "a text statement": """
def tasks(session: Session, text):
    return session.execute(select(Task).from_statement(text)).scalars().all()
""",
    "a number of in-memory databases": """
engine = create_engine("sqlite://", pool_size=20)
""",
    "an explicit pool class": """
engine = create_engine("sqlite://", poolclass=QueuePool, pool_size=20)
""",
}


@pytest.mark.parametrize("code", UNCERTAIN.values(), ids=UNCERTAIN)
def test_uncertain_code_is_not_fixed(code: str) -> None:
    assert safely_fixed(HEAD + code) == HEAD + code


CERTAIN = {
    "a parameter": """
        async def f(c: AsyncClient):
            c.delete('a')
    """,
    "a variable": """
        async def f():
            c = AsyncClient()
            c.delete('a')
    """,
    "a context manager": """
        async def f():
            async with AsyncClient() as c:
                c.delete('a')
    """,
    "a call": """
        def make(): return AsyncClient()

        async def f():
            make().delete('a')
    """,
    "an attribute": """
        class A:
            def __init__(self, c: AsyncClient):
                self.c = c

            async def f(self):
                self.c.delete('a')
    """,
    "a global variable": """
        c = AsyncClient()

        async def f():
            c.delete('a')
    """,
    "a function": """
        async def delete(key): ...

        async def f():
            delete('a')
    """,
    "a session": """
        async def f(session: AsyncSession):
            session.delete('a')
    """,
}


@pytest.mark.parametrize("code", CERTAIN.values(), ids=CERTAIN)
def test_a_call_that_is_certainly_async_gets_an_await(code: str) -> None:
    code = dedent(code).strip()
    start = code.rindex("        ") if "        " in code else code.rindex("    ")
    call = code[start:].strip()
    fixed = safely_fixed(HEAD + CLIENTS + code)
    assert fixed == HEAD + CLIENTS + code[:start] + code[start:].replace(call, f"await {call}")


def test_a_fix_does_not_use_a_name_with_another_meaning() -> None:
    code = """
def tasks(session: Session, col: str):
    return session.exec(select(Task).where(Task.title is None)).all()
"""
    assert "where(Task.title.is_(None))" in safely_fixed(HEAD + code)


def test_the_fix_of_two_relations_in_different_files_is_unsafe() -> None:
    sources = {
        "a.py": HEAD + "\nclass Owner(SQLModel, table=True):\n"
        "    id: int = Field(primary_key=True)\n    pets: list['Pet'] = Relationship()\n",
        "b.py": "from a import *\n\nclass Pet(SQLModel, table=True):\n"
        "    id: int = Field(primary_key=True)\n"
        "    owner_id: int = Field(foreign_key='owner.id')\n"
        "    owner: Owner = Relationship()\n",
    }
    findings = check_sources({n: read(c.encode(), ".py") for n, c in sources.items()}, all_rules())
    assert [(each.path, each.code, each.fix and each.fix.safe) for each in findings] == [
        ("a.py", "CLN102", False), ("b.py", "CLN102", False),
    ]  # fmt: skip


def test_a_fix_imports_a_name_that_only_type_checkers_import() -> None:
    code = dedent("""
        from typing import TYPE_CHECKING
        from sqlalchemy.ext.asyncio import create_async_engine
        from sqlalchemy.orm import Session, sessionmaker

        if TYPE_CHECKING:
            from sqlalchemy.ext.asyncio import AsyncSession

        engine = create_async_engine("sqlite+aiosqlite://")
        maker = sessionmaker(engine)
        """)
    fixed = safely_fixed(code)
    assert "from sqlalchemy.ext.asyncio import create_async_engine, AsyncSession\n" in fixed
    assert "sessionmaker(engine, class_=AsyncSession)" in fixed


def test_names_that_are_assigned_to_each_other_end() -> None:
    code = f"""{HEAD}{CLIENTS}
async def forget(key: str) -> None:
    c = AsyncClient()
    while key:
        d = c
        c = d or c
    c.delete(key)
"""
    assert {code for _, code in check_code(code)} == {"CLN202"}
