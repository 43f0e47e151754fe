"""``colonnade inspect``: what a project has."""

import re
from pathlib import Path

import pytest

from tests.cli.running import ROOT, colonnade

APP = """
from fastapi import Depends, FastAPI, Header

from colonnade import Database, Field, Relationship, Resource, SQLModel, Unscoped

db = Database("sqlite:///notes.db")


class Person(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    notes: list["Note"] = Relationship(back_populates="owner")


class Note(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    owner_id: int = Field(foreign_key="person.id")
    owner: Person = Relationship(back_populates="notes")


def my_notes(x_user: int = Header()) -> dict[str, int]:
    return {"owner_id": x_user}


def nothing() -> None:
    return None


app = FastAPI()
notes = Resource(Note, db, include=["owner"], scope=my_notes, write_scope=nothing)
app.include_router(notes, prefix="/api")
app.include_router(Resource(Note, db, scope=Unscoped, prefix="/all-notes", operations={"list"}))


@app.get("/about")
def about() -> str:
    return "notes"
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text('[tool.colonnade]\napp = "main:app"\n')
    (tmp_path / "main.py").write_text(APP)
    return tmp_path


def test_tables_resources_scopes_and_other_routes_are_shown(project: Path) -> None:
    shown = colonnade("inspect", cwd=project)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert (
        shown.stdout
        == """\
main:app, sqlite:///notes.db

Tables (2)
  note: id integer PK, owner_id integer -> person.id
    owner: one of person
  person: id integer PK
    notes: many of note

Resources (2)
  /api/notes: note, batch create delete link list read update
    scope: my_notes
    write scope: nothing
  /all-notes: note, list

Other routes (1 of 10)
  GET /about: About

Migrations (0)
  The state of the database is not known: notes.db does not exist
"""
    )
    assert not (project / "notes.db").exists()


def test_a_project_without_an_app_shows_its_tables(project: Path) -> None:
    (project / "pyproject.toml").write_text('[tool.colonnade]\nmodels = "main"\n')
    shown = colonnade("inspect", cwd=project, DATABASE_URL="sqlite:///notes.db")
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.startswith("main, sqlite:///notes.db\n\nTables (2)\n")
    assert "Resources (0)" in shown.stdout


def test_a_database_that_cannot_be_used_is_explained(project: Path) -> None:
    (project / "notes.db").write_text("not a database")
    shown = colonnade("inspect", cwd=project)
    assert shown.returncode == 0, shown.stderr
    assert "The state of the database is not known: " in shown.stdout
    assert "the file is not an SQLite database" in shown.stdout


def test_a_project_without_tables_is_explained(tmp_path: Path) -> None:
    shown = colonnade("inspect", cwd=tmp_path)
    assert shown.returncode == 1
    assert "has no tables" in shown.stderr


def test_the_output_in_the_docs_is_real(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "commands.md").read_text().partition("## colonnade inspect")[2]
    block = re.search(r"```text\n(.*?)```", page, re.DOTALL)
    assert block is not None
    assert colonnade("new", "library", "--model", "Book", cwd=tmp_path).returncode == 0
    project = tmp_path / "library"
    assert colonnade("upgrade", cwd=project).returncode == 0
    assert colonnade("inspect", cwd=project).stdout == block[1]
