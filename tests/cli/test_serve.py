"""``colonnade serve``: an HTTP API for tables without an application."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient

from colonnade import Database, Field, SQLModel
from colonnade.cli._serve import app_of_models, app_of_url
from tests.cli.running import ServedApp, colonnade, free_port

TABLES = """
create table projects (id {serial} primary key, name varchar(40) not null unique);
create table tasks (
    id {serial} primary key, title varchar(40) not null, project_id integer references projects(id)
);
create table labels (id integer primary key, name varchar(40));
create table task_labels (
    task_id integer references tasks(id), label_id integer references labels(id),
    primary key (task_id, label_id)
);
create table journal (line varchar(80));
insert into projects (name) values ('Site');
insert into tasks (title, project_id) values ('Write', 1), ('Read', null);
insert into labels values (1, 'now');
insert into task_labels values (1, 1)
"""
MODULE = """
from colonnade import Field, Relationship, SQLModel

class Project(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str
    tasks: list["Task"] = Relationship(back_populates="project", passive_deletes="all")

class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    title: str
    project_id: int | None = Field(default=None, foreign_key="project.id", ondelete="CASCADE")
    project: Project | None = Relationship(back_populates="tasks")
"""

Serve = Callable[..., ServedApp]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    running: list[tuple[ServedApp, subprocess.Popen[str]]] = []

    def start(*arguments: str, path: str) -> ServedApp:
        port = free_port()
        process = subprocess.Popen(
            [sys.executable, "-m", "colonnade", "serve", *arguments, "--port", str(port)],
            cwd=tmp_path, env={**os.environ, "COLUMNS": "200"},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        served = ServedApp(port, path)
        running.append((served, process))
        served.wait(process)
        return served

    yield start
    for served, process in running:
        process.terminate()
        out, err = process.communicate(timeout=20)
        assert f"{served.url}/docs" in out
        assert "Traceback" not in err
        assert "secret" not in out + err


@pytest.fixture(params=["sqlite", "postgresql"])
def existing(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database with tables and no models."""
    if request.param == "sqlite":
        with closing(sqlite3.connect(tmp_path / "shop.db")) as connection:
            connection.executescript(TABLES.format(serial="integer"))
        return "sqlite:///shop.db"
    url: str = request.getfixturevalue("postgresql_database")
    with psycopg.connect(url) as connection:
        connection.execute(TABLES.format(serial="serial").encode())
    return url


@pytest.mark.slow
def test_a_database_is_served_read_only(serve: Serve, existing: str) -> None:
    served = serve(existing, path="/tasks")
    task = {"id": 1, "title": "Write", "project_id": 1}
    assert served.request("GET", "/tasks/1") == (200, task)
    assert served.request("GET", "/tasks?project__name=Site&include=project,labels") == (
        200,
        [{**task, "project": {"id": 1, "name": "Site"}, "labels": [{"id": 1, "name": "now"}]}],
    )
    assert served.request("GET", "/projects/1/tasks") == (200, [task])
    assert served.request("GET", "/labels/1/tasks") == (200, [task])
    for method, path, body in (
        ("POST", "/tasks", {"title": "x"}),
        ("PATCH", "/tasks/1", {"title": "x"}),
        ("DELETE", "/tasks/1", None),
        ("PUT", "/tasks/2/labels/1", None),
        ("POST", "/tasks:batch", []),
    ):
        assert served.request(method, path, body)[0] in (404, 405), path
    assert served.request("GET", "/journal")[0] == 404  # it has no primary key


@pytest.mark.slow
def test_writable_allows_writes(serve: Serve, existing: str) -> None:
    served = serve(existing, "--writable", path="/tasks")
    assert served.request("POST", "/tasks", {"title": "New", "project_id": 1})[0] == 201
    assert served.request("PATCH", "/tasks/3", {"title": "Newer"})[1]["title"] == "Newer"
    assert served.request("PUT", "/tasks/3/labels/1", None)[0] == 200
    assert [row["id"] for row in served.request("GET", "/labels/1/tasks")[1]] == [1, 3]
    assert served.request("DELETE", "/projects/1")[0] == 409  # the foreign key refuses it
    assert served.request("DELETE", "/tasks/2") == (200, {"ok": True})


@pytest.mark.slow
def test_a_read_only_file_is_not_changed(serve: Serve, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "shop.db")) as connection:
        connection.executescript(TABLES.format(serial="integer"))
    before = (tmp_path / "shop.db").read_bytes()
    served = serve("sqlite:///shop.db", path="/tasks")
    assert len(served.request("GET", "/tasks?title__contains=e&order_by=-title")[1]) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["shop.db"]
    assert (tmp_path / "shop.db").read_bytes() == before


ODD_TABLES = """
create table "a b" (id integer primary key, n int);
create table "a-b" (id integer primary key, n int);
create table docs (id integer primary key);
create table counted (id integer primary key, n int);
create table lost (id integer primary key, gone_id integer references nowhere(id));
create table by_hand (id int primary key, n int);
create table "größen" ("größe" integer primary key, "Order ID" int);
create table "my.table" (id integer primary key);
create table below (id integer primary key, my_id integer references "my.table"(id));
insert into counted values (3000000000, 1)
"""


def test_tables_with_unusual_names_are_served(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "odd.db")) as connection:
        connection.executescript(ODD_TABLES)
    app = app_of_url(f"sqlite:///{tmp_path}/odd.db", writable=True)
    with TestClient(app) as client:
        assert client.get("/a-b").json() == client.get("/a-b-2").json() == []
        assert client.get("/docs-2").json() == []
        assert client.get("/counted/3000000000").json()["id"] == 3000000000
        assert client.post("/counted:batch", json=[{}, {}]).json()[1]["id"] == 3000000002
        assert client.get("/counted?limit=1").links["next"]
        assert client.post("/by_hand", json={"n": 1}).status_code == 422
        assert client.post("/by_hand", json={"id": 5, "n": 1}).headers["Location"] == "/by_hand/5"
        size = client.post("/größen", json={"Order ID": 4}).json()
        assert client.patch("/größen:batch", json=[{**size, "Order ID": 5}]).status_code == 200
        assert client.get(f"/größen/{size['größe']}").json()["Order ID"] == 5
        assert client.get("/below?include=my").json() == client.get("/lost").json() == []


@pytest.mark.slow
def test_the_tables_of_a_module_are_served(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "models.py").write_text(MODULE)
    served = serve("models", "--database-url", "sqlite:///made.db", path="/tasks")
    assert served.request("POST", "/projects", {"name": "Site"})[0] == 201
    assert served.request("POST", "/tasks", {"title": "Write", "project_id": 1})[0] == 201
    (row,) = served.request("GET", "/tasks?include=project")[1]
    assert row["project"] == {"id": 1, "name": "Site"}
    assert set(served.request("GET", "/openapi.json")[1]["paths"]) >= {
        "/projects/{id}/tasks",
        "/tasks",
    }


@pytest.mark.slow
def test_a_module_is_served_read_only(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "models.py").write_text(
        MODULE
        + "\nfrom colonnade import Database\ndb = Database('sqlite:///own.db')\ndb.create_all()"
    )
    served = serve("models", "--read-only", path="/tasks")
    assert served.request("GET", "/tasks") == (200, [])
    assert served.request("POST", "/tasks", {"title": "x"})[0] == 405
    assert (tmp_path / "own.db").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "Missing argument 'TARGET'"),
        (["nowhere.models"], 1, "Cannot import nowhere.models"),
        (["json"], 1, "json has no tables"),
        (["sqlite:///nothing.db"], 1, "File not found: nothing.db"),
        (["postgresql://u:secret@127.0.0.1:1/db?pool_timeout=0.2"], 1,
         "nothing listens on that port"),
        (["sqlite://"], 1, "sqlite:// has no tables"),
        (["mysql://u:secret@h/db"], 1, "does not support mysql:// databases"),
    ],
)  # fmt: skip
def test_an_error_is_one_line_without_a_traceback(
    arguments: list[str], code: int, message: str, tmp_path: Path
) -> None:
    completed = colonnade("serve", *arguments, "--port", "0", cwd=tmp_path)
    assert (completed.returncode, completed.stdout) == (code, "")
    assert message in completed.stderr
    assert "Traceback" not in completed.stderr
    assert "secret" not in completed.stderr
    assert list(tmp_path.iterdir()) == []  # serve does not create files


@pytest.mark.slow
def test_only_this_machine_is_served_by_default(tmp_path: Path) -> None:
    help_text: Any = colonnade("serve", "--help", cwd=tmp_path).stdout
    assert "default: 127.0.0.1" in help_text


def test_the_table_of_a_module_does_not_hide_behind_the_docs(tmp_path: Path) -> None:
    class Doc(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)

    db = Database(f"sqlite:///{tmp_path}/docs.db")
    db.create_all()
    with TestClient(app_of_models("docs", db, [Doc], writable=False)) as client:
        assert client.get("/docs-2").json() == []
