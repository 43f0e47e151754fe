"""Keys of every kind in the path."""

from typing import Any
from urllib.parse import quote, unquote
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from colonnade import Database, Field, Resource, SQLModel
from tests.resources.world import serving


@pytest.fixture
def notes(db: Database) -> Any:
    class Note(SQLModel, table=True):
        name: str = Field(primary_key=True)
        text: str = ""

    db.create_all()
    with serving(Resource(Note, db)) as client:
        yield client


@pytest.mark.parametrize(
    "name",
    ["@claude-code", "a b", "a/b", "/", "a,b", "~", "~1", ".", "..", "a.b", "", "é😀", "100%",
     "?#&=+", ":batch", '"quoted"', "'"],
)  # fmt: skip
def test_a_text_key_is_one_segment_whatever_it_holds(notes: Any, name: str) -> None:
    created = notes.post("/notes", json={"name": name})
    here = created.headers["Location"]
    assert created.status_code == 201
    assert here.count("/") == 2
    assert notes.get(here).json() == {"name": name, "text": ""}
    assert notes.patch(here, json={"text": "x"}).json()["text"] == "x"
    assert notes.delete(here).status_code == 200
    assert notes.get(here).status_code == 404


@given(name=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=9))
@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_any_text(notes: Any, name: str) -> None:
    assume(unquote(name) == name)  # Starlette's test client decodes a path twice, servers once
    here = notes.post("/notes", json={"name": name}).headers["Location"]
    assert notes.get(here).json()["name"] == name
    assert notes.delete(f"/notes:batch?key={here.rpartition('/')[2]}").status_code == 200


def test_no_such_key(notes: Any) -> None:
    for segment in ("nothing", "~9", "%00", "a,b", "~"):
        assert notes.get(f"/notes/{segment}").status_code == 404, segment


def test_a_uuid(db: Database) -> None:
    class Token(SQLModel, table=True):
        id: UUID = Field(default_factory=uuid4, primary_key=True)
        name: str

    db.create_all()
    with serving(Resource(Token, db)) as client:
        created = client.post("/tokens", json={"name": "x"})
        assert UUID(created.json()["id"])
        assert client.get(created.headers["Location"]).json() == created.json()
        key = uuid4()
        chosen = client.post("/tokens", json={"id": str(key), "name": "y"})
        assert chosen.headers["Location"] == f"/tokens/{key}"
        assert client.get("/tokens/not-a-uuid").status_code == 422
        assert client.get(f"/tokens?id={key}").json()[0]["name"] == "y"


def test_an_integer(db: Database) -> None:
    class Number(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)

    db.create_all()
    with serving(Resource(Number, db)) as client:
        for segment in ("x", "1.5", "1,2", str(2**31), "9" * 5000):
            assert client.get(f"/numbers/{segment}").status_code in (404, 422), segment
        assert client.get("/numbers/-1").status_code == 404


def test_a_composite_key_is_joined_by_commas(db: Database) -> None:
    class Seat(SQLModel, table=True):
        row: str = Field(primary_key=True)
        number: int = Field(primary_key=True)
        taken: bool = False

    db.create_all()
    with serving(Resource(Seat, db)) as client:
        created = client.post("/seats", json={"row": "A,1/x", "number": 7})
        assert created.headers["Location"] == "/seats/A~21~1x,7"
        here = created.headers["Location"]
        assert client.get(here).json() == {"row": "A,1/x", "number": 7, "taken": False}
        assert client.patch(here, json={"taken": True}).json()["taken"] is True
        client.post("/seats", json={"row": "B", "number": 1})
        page = client.get("/seats?limit=1&order_by=-taken")
        assert page.json()[0]["row"] == "A,1/x"
        assert client.get(page.links["next"]["url"]).json()[0]["row"] == "B"
        changed = client.patch("/seats:batch", json=[{"row": "B", "number": 1, "taken": True}])
        assert changed.json()[0]["taken"] is True
        assert client.delete(f"/seats:batch?key={quote('B,1')}&key={here[7:]}").status_code == 200
        assert client.get("/seats").json() == []
        assert client.get("/seats/A").status_code == 404
        assert client.get("/seats/A,x").status_code == 422
