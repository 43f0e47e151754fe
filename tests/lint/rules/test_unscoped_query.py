"""CLN312 reports endpoints that access a scoped table without its scope, and nothing in doubt."""

import pytest

from colonnade.lint import Source, all_rules, check_sources, read
from tests.lint.checking import check_code, marked

APP = """
from typing import Annotated, Any

from colonnade import (
    AsyncSession, Database, Field, Page, Resource, Session, SQLModel, Unscoped, col, delete, func,
    or_, select, update,
)
from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException, Request
from sqlalchemy import ColumnElement

app = FastAPI()
db = Database()
router = APIRouter(prefix="/reports")


class Project(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str


class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    owner_id: int
    title: str
    done: bool = False
    project_id: int | None = Field(default=None, foreign_key="project.id", index=True)


def current_user(user: Annotated[int | None, Header()] = None) -> int:
    if user is None:
        raise HTTPException(401)
    return user


UserDep = Annotated[int, Depends(current_user)]
SessionDep = Annotated[Session, Depends(db.get_session)]
AsyncSessionDep = Annotated[AsyncSession, Depends(db.get_async_session)]


def own_tasks(user: UserDep) -> dict[str, int]:
    return {"owner_id": user}


tasks = Resource(Task, db, scope=own_tasks)
projects = Resource(Project, db)

"""

REPORTED = {
    "a select in an endpoint of the Resource": """
        @tasks.get("/titles")
        def f(session: SessionDep):
            return session.exec(select(Task.title)).all()  # CLN312
    """,
    "a select in an endpoint of a router": """
        @router.get("/tasks")
        def f(session: SessionDep):
            return session.exec(select(Task)).all()  # CLN312
    """,
    "an endpoint that requires a user and does not look at it": """
        @app.get("/tasks", dependencies=[Depends(current_user)])
        def f(user: UserDep, session: SessionDep):
            return session.exec(select(Task)).all()  # CLN312
    """,
    "a router that is included for every user": """
        app.include_router(router, prefix="/v1", dependencies=[Depends(current_user)])

        @router.get("/tasks")
        def f(session: SessionDep):
            return session.exec(select(Task)).all()  # CLN312
    """,
    "a row by its key": """
        @tasks.get("/{key}/title")
        def f(key: int, session: SessionDep) -> str:
            return session.get_one(Task, key).title  # CLN312
    """,
    "an async session": """
        @tasks.get("/{key}/title")
        async def f(key: int, session: AsyncSessionDep):
            row = await session.get(Task, key)  # CLN312
            return row and row.title
    """,
    "a session of the Database": """
        @tasks.get("/count")
        async def f() -> int:
            async with db.session() as session:
                count = await session.exec(select(func.count()).select_from(Task))  # CLN312
                return count.one()
    """,
    "a statement in a variable": """
        @tasks.get("/titles")
        def f(session: SessionDep):
            query = select(Task).order_by(Task.id)
            query = query.where(Task.done, ~col(Task.done), or_(Task.id > 1, Task.id < 9))
            return session.scalars(query).all()  # CLN312
    """,
    "an update and a deletion": """
        @tasks.post("/finish")
        def f(keys: list[int], session: SessionDep) -> None:
            session.exec(update(Task).where(col(Task.id).in_(keys)).values(done=True))  # CLN312
            session.execute(delete(Task).where(col(Task.title).like("x%")))  # CLN312
            session.commit()
    """,
    "one of two tables, since only it has a scope": """
        @projects.get("/all")
        def f(session: SessionDep):
            session.exec(select(Project)).all()
            return session.exec(select(Project, Task)).all()  # CLN312
    """,
    "a column in a function": """
        @tasks.get("/latest")
        def f(session: SessionDep):
            return session.exec(select(func.max(Task.id))).one()  # CLN312
    """,
    "an aggregate of another class of Resource": """
        class Base(Resource): ...

        class Note(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            owner_id: int

        notes = Base(Note, db, scope=Depends(own_tasks))

        @notes.get("/all")
        def f(session: SessionDep):
            return session.exec(select(Note)).all()  # CLN312
    """,
    "an endpoint in a function that creates the app": """
        class Note(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            owner_id: int

        def create_app() -> FastAPI:
            notes = Resource(Note, db, scope=own_tasks)
            everything = Resource(Note, db, scope=Unscoped, prefix="/everything")

            @notes.get("/all")
            def f(session: SessionDep):
                return session.exec(select(Note)).all()  # CLN312

            @everything.get("/all")
            def g(session: SessionDep):
                return session.exec(select(Note)).all()

            return FastAPI()
    """,
    "a parameter of paging": """
        def page(limit: int = 10) -> int:
            return min(limit, 100)

        @tasks.get("/titles")
        def f(session: SessionDep, limit: Annotated[int, Depends(page)]):
            return session.exec(select(Task).order_by(Task.id).limit(limit)).all()  # CLN312
    """,
}

SILENT = {
    "the endpoint depends on what is reachable": """
        @router.get("/tasks")
        def f(
            session: SessionDep,
            reachable: Annotated[ColumnElement[bool], Depends(tasks.reachable)],
        ):
            return session.exec(select(Task).where(reachable)).all()
    """,
    "the dependency is a default": """
        @router.post("/finish")
        def f(session: SessionDep, writable: Any = Depends(tasks.writable)) -> None:
            session.exec(update(Task).where(writable).values(done=True))
    """,
    "the dependency is an alias": """
        Reachable = Annotated[ColumnElement[bool], Depends(tasks.reachable)]

        @router.get("/tasks")
        def f(session: SessionDep, reachable: Reachable):
            return session.exec(select(Task).where(reachable)).all()
    """,
    "another dependency has the condition": """
        def visible(reachable: Annotated[ColumnElement[bool], Depends(tasks.reachable)]):
            return reachable

        @router.get("/tasks")
        def f(session: SessionDep, visible: Annotated[Any, Depends(visible)]):
            return session.exec(select(Task).where(visible)).all()
    """,
    "the endpoint starts from the query of the Resource": """
        @tasks.get("/titles")
        def f(session: SessionDep, query: Annotated[Page, Depends(tasks.query)]):
            return session.exec(query.apply(select(Task))).all()
    """,
    "the endpoint depends on the scope": """
        @tasks.get("/count")
        def f(session: SessionDep, scope: Annotated[dict[str, int], Depends(own_tasks)]) -> int:
            return session.exec(select(func.count()).select_from(Task).filter_by(**scope)).one()
    """,
    "the statement names the field of the scope": """
        @tasks.get("/of/{owner}")
        def f(owner: int, session: SessionDep):
            return session.exec(select(Task).where(Task.owner_id == owner)).all()
    """,
    "the endpoint checks the row": """
        @tasks.get("/{key}/title")
        def f(key: int, session: SessionDep) -> str:
            row = session.get_one(Task, key)
            if row.owner_id != 1:
                raise HTTPException(404)
            return row.title
    """,
    "the endpoint uses the request": """
        @tasks.get("/{key}/title")
        def f(key: int, session: SessionDep, request: Request) -> str:
            row = session.get_one(Task, key)
            check(row, request.state)
            return row.title
    """,
    "the endpoint uses the user": """
        @tasks.get("/{key}/title")
        def f(key: int, session: SessionDep, user: UserDep) -> str:
            row = session.get_one(Task, key)
            check(row, user)
            return row.title
    """,
    "a condition cannot be read": """
        @tasks.get("/titles")
        def f(session: SessionDep, conditions: Annotated[Any, Header()]):
            mine = my_condition()
            return session.exec(select(Task).where(mine)).all()
    """,
    "the keys come from elsewhere": """
        @tasks.get("/titles")
        def f(session: SessionDep):
            keys = allowed()
            return session.exec(select(Task).where(col(Task.id).in_(keys))).all()
    """,
    "the statement comes from elsewhere": """
        @tasks.get("/titles")
        def f(session: SessionDep):
            return session.exec(scoped(select(Task))).all()
    """,
    "a guard may restrict the users": """
        def require_manager(user: UserDep) -> None:
            if user != 1:
                raise HTTPException(403)

        @router.get("/tasks", dependencies=[Depends(require_manager)])
        def f(session: SessionDep):
            return session.exec(select(Task)).all()
    """,
    "a guard of the router may restrict the users": """
        managers = [Depends(make_guard("manager"))]
        guarded = APIRouter(prefix="/all", dependencies=managers)

        @guarded.get("/tasks")
        def f(session: SessionDep):
            return session.exec(select(Task)).all()
    """,
    "a guard of an inclusion may restrict the users": """
        def require_manager(user: UserDep) -> None:
            if user != 1:
                raise HTTPException(403)

        outer = APIRouter()
        outer.include_router(router)
        app.include_router(outer, dependencies=[Depends(require_manager)])

        @router.get("/tasks")
        def f(session: SessionDep):
            return session.exec(select(Task)).all()
    """,
    "the router is included for administrators": """
        app.include_router(router, prefix="/admin")

        @router.get("/tasks")
        def f(session: SessionDep):
            return session.exec(select(Task)).all()
    """,
    "the Resource opted out": """
        everything = Resource(Task, db, scope=Unscoped, prefix="/everything")

        @everything.get("/titles")
        def f(session: SessionDep):
            return session.exec(select(Task)).all()
    """,
    "the path is that of an administrator": """
        @app.get("/admin/tasks")
        def f(session: SessionDep):
            return session.exec(select(Task)).all()
    """,
    "the router is not known": """
        def create_app(router) -> None:
            @router.get("/tasks")
            def f(session: SessionDep):
                return session.exec(select(Task)).all()
    """,
    "the session is not known": """
        @router.get("/tasks")
        def f(session: Annotated[Any, Depends(some_session)]):
            return session.exec(select(Task)).all()
    """,
    "the table has no scope": """
        @projects.get("/all")
        def f(session: SessionDep):
            return session.exec(select(Project)).all()
    """,
    "the table has a write scope only": """
        class Review(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            owner_id: int

        reviews = Resource(Review, db, write_scope=own_tasks)

        @reviews.get("/all")
        def f(session: SessionDep):
            return session.exec(select(Review)).all()
    """,
    "the scope cannot be read": """
        class Note(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)

        notes = Resource(Note, db, scope=make_scope(1))
        lambdas = Resource(Project, db, scope=lambda: {"id": 1})

        @notes.get("/all")
        def f(session: SessionDep):
            return session.exec(select(Note)).all(), session.exec(select(Project)).all()
    """,
    "a hook and a script are not endpoints": """
        @tasks.before("create")
        def limit(session: Session, values: dict[str, Any]) -> None:
            session.exec(select(Task)).all()

        def main() -> None:
            with db.session() as session:
                session.exec(select(Task)).all()
    """,
    "another library has a Resource": """
        from other import Resource as Other

        class Note(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            owner_id: int

        Other(Note, db, scope=own_tasks)

        @app.get("/notes")
        def f(session: SessionDep):
            return session.exec(select(Note)).all()
    """,
}


def program(example: str) -> str:
    """The example below the app."""
    lines = example.strip("\n").splitlines()
    margin = len(lines[0]) - len(lines[0].lstrip())
    return APP + "\n".join(line[margin:] for line in lines)


@pytest.mark.parametrize("example", REPORTED.values(), ids=REPORTED)
def test_it_reports(example: str) -> None:
    code = program(example)
    assert marked(code)
    assert check_code(code, "CLN312") == marked(code)


@pytest.mark.parametrize("example", SILENT.values(), ids=SILENT)
def test_it_is_silent_if(example: str) -> None:
    assert check_code(program(example), "CLN312") == []


def files(**changed: str) -> dict[str, Source]:
    """A project in which each part has its file."""
    head, rest = APP.split("class Project", 1)
    tables, resources = rest.split("def current_user", 1)
    endpoint = """
from app.tables import *
from app.scopes import SessionDep

router = APIRouter()


@router.get("/titles")
def titles(session: SessionDep):
    return session.exec(select(Task.title)).all()
"""
    tables_import = "from app.tables import Project, Task"
    parts = {
        "app/tables.py": f"{head}class Project{tables}",
        "app/scopes.py": f"{head}{tables_import}\n\ndef current_user{resources}",
        "app/stats.py": f"{head}{endpoint}",
    }
    return {name: read(code.encode(), ".py") for name, code in {**parts, **changed}.items()}


def test_the_resource_may_be_in_another_file() -> None:
    findings = check_sources(files(), all_rules())
    finding = next(finding for finding in findings if finding.code == "CLN312")
    assert finding.path == "app/stats.py"
    assert finding.message == (
        "`titles` accesses all rows of `Task`, whose scope `own_tasks` does not apply to a session"
    )
    assert "reachable" in str(finding.advice)


def test_tests_and_migrations_are_not_checked() -> None:
    code = files()["app/stats.py"]
    sources = {**files(), "tests/test_stats.py": code}
    del sources["app/stats.py"]
    assert not [
        finding for finding in check_sources(sources, all_rules()) if finding.code == "CLN312"
    ]
