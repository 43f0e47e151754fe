"""Primary keys of every kind in the path."""

from typing import Any
from urllib.parse import quote, unquote
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from colonnade import (
    Database,
    Field,
    Resource,
    SQLModel,
)
from tests.resources.sample_app import serving


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
def test_a_text_key_is_one_path_segment(notes: Any, name: str) -> None:
    created = notes.post("/notes", json={"name": name})
    location = created.headers["Location"]
    assert created.status_code == 201
    assert location.count("/") == 2
    assert notes.get(location).json() == {"name": name, "text": ""}
    assert notes.patch(location, json={"text": "x"}).json()["text"] == "x"
    assert notes.delete(location).status_code == 200
    assert notes.get(location).status_code == 404


@given(name=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=9))
@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_any_text_can_be_a_key(notes: Any, name: str) -> None:
    assume(unquote(name) == name)  # Starlette's test client decodes a path twice, servers once
    location = notes.post("/notes", json={"name": name}).headers["Location"]
    assert notes.get(location).json()["name"] == name
    assert notes.delete(f"/notes:batch?key={location.rpartition('/')[2]}").status_code == 200


def test_an_unknown_or_malformed_key_is_not_found(notes: Any) -> None:
    for segment in ("nothing", "~9", "%00", "a,b", "~"):
        assert notes.get(f"/notes/{segment}").status_code == 404, segment


def test_a_key_may_be_a_uuid(db: Database) -> None:
    class Token(SQLModel, table=True):
        id: UUID = Field(default_factory=uuid4, primary_key=True)
        name: str

    db.create_all()
    with serving(Resource(Token, db)) as client:
        created = client.post("/tokens", json={"name": "x"})
        assert UUID(created.json()["id"])
        assert client.get(created.headers["Location"]).json() == created.json()
        identifier = uuid4()
        chosen = client.post("/tokens", json={"id": str(identifier), "name": "y"})
        assert chosen.headers["Location"] == f"/tokens/{identifier}"
        assert client.get("/tokens/not-a-uuid").status_code == 422
        assert client.get(f"/tokens?id={identifier}").json()[0]["name"] == "y"


def test_a_key_may_be_an_integer(db: Database) -> None:
    class Number(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)

    db.create_all()
    with serving(Resource(Number, db)) as client:
        for segment in ("x", "1.5", "1,2", str(2**31), "9" * 5000):
            assert client.get(f"/numbers/{segment}").status_code in (404, 422), segment
        assert client.get("/numbers/-1").status_code == 404


@pytest.mark.slow
def test_a_composite_key_is_joined_by_commas(db: Database) -> None:
    class Seat(SQLModel, table=True):
        row: str = Field(primary_key=True)
        number: int = Field(primary_key=True)
        taken: bool = False

    db.create_all()
    with serving(Resource(Seat, db)) as client:
        created = client.post("/seats", json={"row": "A,1/x", "number": 7})
        assert created.headers["Location"] == "/seats/A~21~1x,7"
        location = created.headers["Location"]
        assert client.get(location).json() == {"row": "A,1/x", "number": 7, "taken": False}
        assert client.patch(location, json={"taken": True}).json()["taken"] is True
        client.post("/seats", json={"row": "B", "number": 1})
        page = client.get("/seats?limit=1&order_by=-taken")
        assert page.json()[0]["row"] == "A,1/x"
        assert client.get(page.links["next"]["url"]).json()[0]["row"] == "B"
        changed = client.patch("/seats:batch", json=[{"row": "B", "number": 1, "taken": True}])
        assert changed.json()[0]["taken"] is True
        assert (
            client.delete(f"/seats:batch?key={quote('B,1')}&key={location[7:]}").status_code == 200
        )
        assert client.get("/seats").json() == []
        assert client.get("/seats/A").status_code == 404
        assert client.get("/seats/A,x").status_code == 422


def test_a_key_may_have_any_name_and_be_bytes(db: Database) -> None:
    class Odd(SQLModel, table=True):
        target: int | None = Field(default=None, primary_key=True)
        key_0: int = 0

    class Blob(SQLModel, table=True):
        digest: bytes = Field(primary_key=True)

    db.create_all()
    with serving(Resource(Odd, db), Resource(Blob, db)) as client:
        odd = client.post("/odds", json={}).headers["Location"]
        assert client.patch(odd, json={"key_0": 5}).json() == {"target": 1, "key_0": 5}
        blob = client.post("/blobs", json={"digest": "/w=="}).headers["Location"]
        assert client.get(blob).json() == {"digest": "/w=="}
        assert client.get("/blobs/eHl6").status_code == 404
        assert client.get("/blobs/xyz").status_code == 404  # not base64
