"""Problems name the field as the body has it, and the constraint in the program's own words."""

from typing import Any

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from colonnade import Database, Field, Resource, SQLModel
from tests.resources.world import serving


@pytest.fixture
def client(db: Database) -> Any:
    live = sa.text("deleted = 0")

    class Booking(SQLModel, table=True):
        __table_args__ = (
            sa.CheckConstraint("first <= last", name="ck_days"),
            sa.CheckConstraint("last < 100", info={"message": "A year ends with day 99."}),
            sa.Index("uq_live", "slug", unique=True, sqlite_where=live, postgresql_where=live),
            sa.UniqueConstraint("room", "first", info={"message": "The room is taken."}),
        )
        id: int | None = Field(default=None, primary_key=True)
        first: int = 0
        last: int = 0
        slug: str | None = Field(default=None, alias="theSlug")
        deleted: int = 0
        room: int | None = None
        code: str | None = Field(default=None, unique=True, alias="theCode", message="Code taken.")
        pin: str | None = Field(default=None, unique=True, alias="thePin")

    db.create_all()
    with serving(Resource(Booking, db)) as client:
        body = {"theSlug": "a", "theCode": "c", "room": 1, "thePin": "1"}
        assert client.post("/bookings", json=body).status_code == 201
        yield client


@pytest.mark.parametrize(
    ("body", "status", "detail", "field", "constraint"),
    [
        ({"first": 2, "last": 1}, 422, "The row violates the constraint ck_days.", None, None),
        ({"last": 100}, 422, "A year ends with day 99.", None, None),
        ({"theSlug": "a"}, 409,
         "There is already a booking with this theSlug, by the constraint uq_live.",
         "theSlug", "uq_live"),
        ({"room": 1}, 409, "The room is taken.", "room", "uq_booking_room_first"),
        ({"theCode": "c"}, 409, "Code taken.", "theCode", "uq_booking_code"),
        ({"thePin": "1"}, 409, "There is already a booking with this thePin.", "thePin",
         "uq_booking_pin"),
    ],
)  # fmt: skip
def test_a_constraint_has_words(
    client: TestClient,
    body: dict[str, Any],
    status: int,
    detail: str,
    field: str | None,
    constraint: str | None,
) -> None:
    answer = client.post("/bookings", json=body)
    assert (answer.status_code, answer.json()["detail"]) == (status, detail)
    if field is not None:
        error = answer.json()["errors"][0]
        assert (error["field"], error["constraint"]) == (field, constraint)


def test_null_and_types_are_named_as_the_body_names_them(db: Database) -> None:
    class Note(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        text: str = Field(alias="theText", default="")

    class NoteUpdate(SQLModel):
        text: str | None = Field(alias="theText", default=None)

    db.create_all()
    with serving(Resource(Note, db, update=NoteUpdate)) as client:
        client.post("/notes", json={"theText": "a"})
        for body in ({"theText": None}, {"theText": "\0"}, {"theText": 5}):
            answer = client.patch("/notes/1", json=body)
            assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "theText")


@pytest.mark.only_on("postgresql")
def test_an_exhausted_sequence_is_named(db: Database) -> None:
    class Small(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)

    db.create_all()
    with db.engine.begin() as connection:
        connection.exec_driver_sql("SELECT setval('small_id_seq', 2147483647)")
    with serving(Resource(Small, db)) as client:
        answer = client.post("/smalls", json={})
        assert (answer.status_code, answer.json()["type"]) == (503, "urn:colonnade:full")
        assert "sequence" in answer.json()["detail"]


def test_a_replaced_operation_takes_its_batch_along(db: Database) -> None:
    class Note(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)

    db.create_all()
    early, late = Resource(Note, db), Resource(Note, db, prefix="/late")
    list(late.routes)  # as including it does
    for notes in (early, late):

        @notes.delete("/{key}")
        def keep(key: int) -> str:
            return f"kept {key}"

    with serving(early, late) as client:
        for prefix in ("/notes", "/late"):
            client.post(f"{prefix}:batch", json=[{}])
            assert client.delete(f"{prefix}/1").json() == "kept 1"
            assert client.delete(f"{prefix}:batch?key=1").status_code == 405
        assert len(client.get("/notes").json()) == 2
