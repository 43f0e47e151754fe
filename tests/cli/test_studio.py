"""``colonnade studio``: pages for a project, a module or a database, on this machine only."""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import HTTPCookieProcessor, OpenerDirector, Request, build_opener

import pytest

from colonnade.templates import lay_out
from tests.cli.running import colonnade, free_port, run_module
from tests.cli.studio_demo import STUDIO, printed_until_end

pytestmark = pytest.mark.slow

SCOPED = """
from fastapi import Header, HTTPException

from colonnade import Database, Field, Resource, SQLModel, schemas


class Item(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str


def refuse() -> None:
    raise HTTPException(401)


def by_role(role: str = Header()) -> type[schemas(Item).read]:
    return schemas(Item).read


db = Database("sqlite:///scoped.db")
db.create_all()
with db.session() as session:
    session.add(Item(name="of ana"))
    session.commit()
items = Resource(Item, db, scope=refuse, read=by_role)
"""

Start = Callable[..., "Opened"]


class Opened:
    """A Studio that was opened with the printed URL.

    Attributes:
        output: What the command printed.
    """

    def __init__(self, url: str, output: str) -> None:
        self.root, _, self.token = url.partition("/studio/?token=")
        self.output = output
        self._opener: OpenerDirector = build_opener(HTTPCookieProcessor(CookieJar()))
        self._opener.open(url, timeout=20).close()
        self.csrf = ""

    def get(self, path: str) -> Any:
        with self._opener.open(f"{self.root}{path}", timeout=20) as response:
            return json.loads(response.read())

    def status(self, method: str, path: str, body: bytes | None = None, **headers: str) -> int:
        request = Request(f"{self.root}{path}", body, headers, method=method)
        try:
            with self._opener.open(request, timeout=20) as response:
                return int(response.status)
        except HTTPError as error:
            return error.code


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    processes = []

    def run(*arguments: str, cwd: Path = tmp_path) -> Opened:
        port = free_port()
        process = subprocess.Popen(
            [sys.executable, "-m", "colonnade", "studio", *arguments, "--no-browser",
             "--port", str(port)],
            cwd=cwd, env={**os.environ, "COLUMNS": "200", "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        processes.append(process)
        output = printed_until_end(process)
        url = STUDIO.search(output)
        assert url is not None
        return Opened(url[0], output)

    yield run
    for process in processes:
        process.terminate()
        _, err = process.communicate(timeout=20)
        assert "Traceback" not in err


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    with closing(sqlite3.connect(tmp_path / "shop.db")) as connection:
        connection.executescript(
            "CREATE TABLE item (id integer PRIMARY KEY, name text NOT NULL);"
            "INSERT INTO item (name) VALUES ('pen'), ('ink');"
            "CREATE TABLE journal (line text)"
        )
    return tmp_path


def write(studio: Opened) -> int:
    csrf = studio.get("/studio/api/catalog")["csrf"]
    headers = {"X-Studio-CSRF": csrf, "Content-Type": "application/json"}
    return studio.status("POST", "/studio/api/data/item", b'{"name": "nib"}', **headers)


def test_a_database_is_shown_without_code_and_cannot_be_written(start: Start, shop: Path) -> None:
    studio = start("sqlite:///shop.db")
    assert "left out: journal, because it has no primary key" in studio.output
    assert "read-only (--writable allows writes)" in studio.output
    catalog = studio.get("/studio/api/catalog")
    assert [table["id"] for table in catalog["tables"]] == ["item"]
    assert catalog["left_out"] == ["journal, because it has no primary key"]
    assert [row["name"] for row in studio.get("/studio/api/data/item")] == ["pen", "ink"]
    assert write(studio) in {404, 405}
    assert sorted(path.name for path in shop.iterdir()) == ["shop.db"]  # it was left unchanged


def test_writable_allows_writes(start: Start, shop: Path) -> None:
    studio = start("sqlite:///shop.db", "--writable")
    assert write(studio) == 201
    assert [row["name"] for row in studio.get("/studio/api/data/item")] == ["pen", "ink", "nib"]
    assert studio.get("/studio/api/catalog")["features"]["sql"] is False


def test_nothing_is_served_without_the_token(start: Start, shop: Path) -> None:
    studio = start("sqlite:///shop.db", "--writable")
    opener = build_opener()
    for path in ("/studio/", "/studio/api/catalog", "/item", "/docs", "/openapi.json"):
        with pytest.raises(HTTPError, match="401"):
            opener.open(f"{studio.root}{path}", timeout=20)
    assert studio.status("GET", "/studio/api/catalog", Host="evil.example") == 421
    assert studio.status("POST", "/item", b"{}", Origin="http://evil.example") == 403


def test_a_project_is_opened_with_its_database(start: Start, tmp_path: Path) -> None:
    project = tmp_path / "tasks"
    lay_out(project, "tasks", example="tasks")
    done = run_module("colonnade", "upgrade", cwd=project)
    assert done.returncode == 0, done.stderr
    studio = start("--show-sql", cwd=project)
    catalog = studio.get("/studio/api/catalog")
    assert {"tasks", "projects", "workers"} <= {table["id"] for table in catalog["tables"]}
    assert "FROM task" in studio.get("/studio/api/explain/tasks?status=pending")["sql"]
    facts = studio.get("/studio/api/schema/tasks")
    assert facts["migration"] == "a9b7af9fe8b1 (first)"
    assert studio.get("/studio/api/drift") == {"compared": True, "differences": []}


def test_a_module_is_opened(start: Start, tmp_path: Path) -> None:
    (tmp_path / "models.py").write_text(
        "from colonnade import Field, SQLModel\n\n\n"
        "class Item(SQLModel, table=True):\n"
        "    id: int | None = Field(default=None, primary_key=True)\n"
        "    name: str\n"
    )
    studio = start("models", "--writable", "--database-url", "sqlite:///items.db")
    assert studio.get("/studio/api/data/items") == []


def test_the_owner_sees_all_rows_whatever_the_scopes_of_the_program(
    start: Start, tmp_path: Path
) -> None:
    (tmp_path / "models.py").write_text(SCOPED)
    studio = start("models")
    assert [row["name"] for row in studio.get("/studio/api/data/items")] == ["of ana"]


def test_what_cannot_be_opened_is_explained(tmp_path: Path) -> None:
    done = colonnade("studio", "sqlite:///nothing.db", "--no-browser", cwd=tmp_path)
    assert (done.returncode, "File not found" in done.stderr) == (1, True)
    done = colonnade("studio", "--no-browser", cwd=tmp_path)
    assert (done.returncode, "has no tables" in done.stderr) == (1, True)


def test_missing_tables_are_named_and_no_file_is_created(tmp_path: Path) -> None:
    lay_out(tmp_path / "tracker", "tracker")
    project = tmp_path / "tracker"
    refused = colonnade("studio", "--no-browser", cwd=project)
    assert refused.returncode == 1
    assert "File not found: tracker.db. Run `colonnade upgrade`" in refused.stderr
    assert not (project / "tracker.db").exists()
    (project / "tracker.db").touch()
    refused = colonnade("studio", "--no-browser", cwd=project)
    assert "sqlite:///tracker.db lacks the tables item. Run `colonnade upgrade`" in refused.stderr
