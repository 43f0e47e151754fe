"""A small project, whose tests run in a separate pytest process."""

from collections.abc import Callable

import pytest

MODELS = """
from colonnade import Field, Relationship, SQLModel, Timestamps

class Project(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str
    tasks: list["Task"] = Relationship(back_populates="project", passive_deletes="all")

class Task(Timestamps, table=True):
    id: int | None = Field(default=None, primary_key=True)
    title: str
    priority: str = "medium"
    project_id: int | None = Field(default=None, foreign_key="project.id")
    project: Project | None = Relationship(back_populates="tasks")
"""

DATABASE = """
from colonnade import Database

db = Database("sqlite:///development.db")
"""

MAIN = """
from fastapi import FastAPI
from colonnade import Resource
from app.database import db
from app.models import Project, Task

app = FastAPI(lifespan=db.lifespan)
app.include_router(Resource(Task, db, include=["project"]))
app.include_router(Resource(Project, db))
"""

PYPROJECT = """
[tool.colonnade]
app = "app.main:app"

[tool.pytest.ini_options]
asyncio_mode = "auto"
asyncio_default_fixture_loop_scope = "function"
addopts = "-p no:randomly -p no:schemathesis -p no:hypothesispytest -p no:cacheprovider"
"""

Run = Callable[..., pytest.RunResult]


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """The project, without tests."""
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    pytester.mkpydir("app")
    write(pytester, "app/models.py", MODELS)
    write(pytester, "app/database.py", DATABASE)
    write(pytester, "app/main.py", MAIN)
    write(pytester, "pyproject.toml", PYPROJECT)
    return pytester


@pytest.fixture
def run(project: pytest.Pytester) -> Run:
    """A function that runs test source code in the project."""

    def run(tests: str, *arguments: str) -> pytest.RunResult:
        write(project, "test_it.py", HEAD + tests)
        result = project.runpytest_subprocess(*arguments, timeout=60)
        assert not (project.path / "development.db").exists(), "the tests used the real database"
        return result

    return run


HEAD = """
import asyncio
import pytest
from app.database import db
from app.models import Project, Task
from colonnade import Database, Session, select, text
"""


def write(pytester: pytest.Pytester, name: str, text: str) -> None:
    (pytester.path / name).write_text(text.lstrip("\n"))
