"""``colonnade diagram``: the diagram of a module, a project or a database, and its check."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from colonnade import Database
from colonnade.templates import lay_out
from tests.cli.running import ROOT, colonnade
from tests.servers import url_of

MODELS = """
from colonnade import Field, SQLModel


class Project(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    slug: str = Field(unique=True)


class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    project_id: int | None = Field(default=None, foreign_key="project.id")
"""
MERMAID = """\
erDiagram
    project {
        integer id PK
        text slug UK
    }
    task {
        integer id PK
        integer project_id FK "nullable"
    }
    project |o--o{ task : "project_id"
"""
TABLES = (
    "CREATE TABLE project (id integer PRIMARY KEY, slug varchar(40) NOT NULL UNIQUE)",
    "CREATE TABLE task (id integer PRIMARY KEY, project_id integer REFERENCES project (id))",
    "CREATE TABLE journal (line varchar(80))",
)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "models.py").write_text(MODELS)
    return tmp_path


def test_a_module_is_drawn(directory: Path) -> None:
    done = colonnade("diagram", "models", cwd=directory)
    assert (done.returncode, done.stdout, done.stderr) == (0, MERMAID, "")


def test_the_models_of_the_project_are_drawn_without_a_target(directory: Path) -> None:
    (directory / "pyproject.toml").write_text('[tool.colonnade]\nmodels = "models"\n')
    assert colonnade("diagram", cwd=directory).stdout == MERMAID


def test_a_database_is_drawn_and_what_has_no_key_is_named(db: Database, tmp_path: Path) -> None:
    if str(db.url) == "sqlite://":
        pytest.skip("no other process reads a database in memory")
    with db.engine.begin() as connection:
        for statement in TABLES:
            connection.exec_driver_sql(statement)
    done = colonnade("diagram", url_of(db), cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, MERMAID)
    assert done.stderr.startswith("left out: journal, because ")


@pytest.mark.parametrize("name", ["schema.svg", "docs/schema.mmd", "schema.dot"])
def test_a_file_is_written_and_checked(name: str, directory: Path) -> None:
    command = ("diagram", "models", "-o", name)
    done = colonnade(*command, "--check", cwd=directory)
    assert done.returncode == 1
    assert f"{name} does not exist. Run colonnade diagram models -o {name}." in done.stderr
    done = colonnade(*command, cwd=directory)
    assert (done.returncode, done.stdout) == (0, f"Wrote {name}: 2 tables and 1 relation.\n")
    done = colonnade(*command, "--check", cwd=directory)
    assert (done.returncode, done.stdout) == (0, f"{name} is up to date.\n")
    (directory / "models.py").write_text(MODELS.replace("slug", "name"))
    done = colonnade(*command, "--check", cwd=directory)
    assert done.returncode == 1
    assert f"{name} is out of date. Run colonnade diagram models -o {name}." in done.stderr


def test_an_unknown_format_is_refused(directory: Path) -> None:
    done = colonnade("diagram", "models", "-o", "schema.png", cwd=directory)
    assert done.returncode == 2
    known = "Name a file that ends with one of .svg, .mmd, .dot."
    assert f"Unknown format schema.png. {known}" in done.stderr


@pytest.mark.parametrize(
    ("target", "hint"),
    [
        ("models.py", "Name the module: models."),
        ("shop.db", "Name the database by its URL: sqlite:///shop.db."),
        ("shop", "Name a module such as app.models, or a database URL."),
    ],
)
def test_a_target_that_cannot_be_imported_is_explained(
    target: str, hint: str, directory: Path
) -> None:
    (directory / "shop.db").touch()
    done = colonnade("diagram", target, cwd=directory)
    assert done.returncode == 1
    assert hint in done.stderr


def test_a_database_of_which_no_table_can_be_drawn_says_why(directory: Path) -> None:
    with closing(sqlite3.connect(directory / "log.db")) as connection:
        connection.execute("CREATE TABLE journal (line text)")
    done = colonnade("diagram", "sqlite:///log.db", cwd=directory)
    assert done.returncode == 1
    assert "has no tables that can be used: journal, because " in done.stderr


def test_a_schema_of_a_module_is_refused(directory: Path) -> None:
    done = colonnade("diagram", "models", "--schema", "sales", cwd=directory)
    assert done.returncode == 2
    assert "Only a database URL has schemas." in done.stderr


def test_a_project_without_tables_is_explained(tmp_path: Path) -> None:
    done = colonnade("diagram", cwd=tmp_path)
    assert done.returncode == 1
    assert "has no tables. Name a module such as app.models, or a database URL" in done.stderr


def test_a_check_without_a_file_is_refused(directory: Path) -> None:
    done = colonnade("diagram", "models", "--check", cwd=directory)
    assert done.returncode == 2
    assert "--check needs the file of the diagram: -o schema.svg." in done.stderr


def test_the_diagram_in_the_docs_is_up_to_date(tmp_path: Path) -> None:
    lay_out(tmp_path / "tasks", "tasks", example="tasks")
    picture = str(ROOT / "docs/images/schema.svg")
    done = colonnade("diagram", "app.models", "-o", picture, "--check", cwd=tmp_path / "tasks")
    assert (done.returncode, done.stdout) == (0, f"{picture} is up to date.\n")
