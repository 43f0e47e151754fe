"""The resolution of names in a project."""

import ast

import pytest

from colonnade.lint.project._module_summary import summarize_module
from colonnade.lint.project._names import Names


def names(packages: tuple[str, ...] = (), **files: str) -> Names:
    """The names of a project: `app__models` is the module `app.models`."""
    modules = {name.replace("__", "."): code for name, code in files.items()}
    summaries = {
        name: summarize_module(
            ast.parse(code), name if name in packages else name.rpartition(".")[0]
        )
        for name, code in modules.items()
    }
    return Names(summaries, packages)


@pytest.mark.parametrize(
    ("statement", "name", "meaning"),
    [
        ("import sqlmodel", "sqlmodel.Session", "sqlmodel.Session"),
        ("import sqlmodel as sm", "sm.Session", "sqlmodel.Session"),
        ("from sqlmodel import Session as S", "S", "sqlmodel.Session"),
        ("from sqlmodel.orm.session import Session", "Session", "sqlmodel.Session"),
        ("from sqlmodel import *", "Session", "sqlmodel.Session"),
        ("from sqlmodel import create_engine", "create_engine", "sqlalchemy.create_engine"),
        ("from colonnade import Session", "Session", "sqlmodel.Session"),
        ("import sqlalchemy as sa", "sa.orm.Session", "sqlalchemy.orm.Session"),
        ("from sqlalchemy.future import select", "select", "sqlalchemy.select"),
        ("from datetime import datetime", "datetime.utcnow", "datetime.datetime.utcnow"),
        ("import datetime", "datetime.datetime.utcnow", "datetime.datetime.utcnow"),
        ("import requests", "requests.get", "requests.get"),
        ("", "unknown", "unknown"),
        ("try:\n    from sqlmodel import Session\nexcept ImportError:\n    Session = None",
         "Session", "sqlmodel.Session"),
        ("if TYPE_CHECKING:\n    from sqlmodel import Session", "Session", "sqlmodel.Session"),
    ],
)  # fmt: skip
def test_names_of_libraries_have_one_canonical_spelling(
    statement: str, name: str, meaning: str
) -> None:
    assert names(app=statement).resolve(name, "app") == meaning


def test_names_are_resolved_through_aliases_packages_and_star_imports() -> None:
    project = names(
        ("backend.app", "backend.app.models"),
        backend__app="",
        backend__app__models="from .task import *\nfrom .user import User as Person\n",
        backend__app__models__task="class Task: ...\nclass _Hidden: ...\n",
        backend__app__models__user="from ..base import Base\nclass User(Base): ...\n",
        backend__app__base="class Base: ...\n",
        backend__app__api="from app import models\nfrom app.models import Task as T, Person\n",
    )
    api = "backend.app.api"
    assert project.resolve("T", api) == "backend.app.models.task.Task"
    assert project.resolve("models.Task", api) == "backend.app.models.task.Task"
    assert project.resolve("Person", api) == "backend.app.models.user.User"
    assert project.bases["backend.app.models.user.User"] == ("backend.app.base.Base",)
    assert project.subclasses["backend.app.base.Base"] == {"backend.app.models.user.User"}


def test_of_two_modules_with_one_name_the_nearest_is_imported() -> None:
    project = names(
        ("one.app", "two.app"),
        one__app="", two__app="",
        one__app__models="class Task: ...", two__app__models="class Task: ...",
        one__app__api="from app.models import Task", two__app__api="from app.models import Task",
    )  # fmt: skip
    assert project.resolve("Task", "one.app.api") == "one.app.models.Task"
    assert project.resolve("Task", "two.app.api") == "two.app.models.Task"


def test_a_module_inside_a_package_does_not_shadow_a_library() -> None:
    project = names(("app",), app="", app__requests="", app__api="import requests\n")
    assert project.resolve("requests.get", "app.api") == "requests.get"


def test_circular_imports_and_bases_end() -> None:
    project = names(
        one="from two import *\nfrom two import a", two="from one import *\nfrom one import a"
    )
    assert project.resolve("a.b", "one")
    assert project.resolve("c", "one") == "c"
    assert Names(
        {"x": summarize_module(ast.parse("class A(B): ...\nclass B(A): ..."), "")}
    ).subclasses
