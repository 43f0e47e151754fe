"""Problems name fields as the body does, and have the custom messages of constraints."""

from typing import Any

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from colonnade import Database, Field, Resource, SQLModel
from tests.resources.sample_app import serving


@pytest.fixture
def client(db: Database) -> Any:
    not_deleted = sa.text("deleted = 0")

    class Booking(SQLModel, table=True):
        __table_args__ = (
            sa.CheckConstraint("first <= last", name="ck_days"),
            sa.CheckConstraint("last < 100", info={"message": "A year ends with day 99."}),
            sa.Index(
                "uq_live",
                "slug",
                unique=True,
                sqlite_where=not_deleted,
                postgresql_where=not_deleted,
            ),
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
         "There is already a booking with this theSlug (constraint uq_live).",
         "theSlug", "uq_live"),
        ({"room": 1}, 409, "The room is taken.", "room", "uq_booking_room_first"),
        ({"theCode": "c"}, 409, "Code taken.", "theCode", "uq_booking_code"),
        ({"thePin": "1"}, 409, "There is already a booking with this thePin.", "thePin",
         "uq_booking_pin"),
    ],
)  # fmt: skip
def test_a_violated_constraint_has_a_message(
    client: TestClient,
    body: dict[str, Any],
    status: int,
    detail: str,
    field: str | None,
    constraint: str | None,
) -> None:
    response = client.post("/bookings", json=body)
    assert (response.status_code, response.json()["detail"]) == (status, detail)
    if field is not None:
        error = response.json()["errors"][0]
        assert (error["field"], error["constraint"]) == (field, constraint)


def test_problems_use_the_aliases_of_the_body(db: Database) -> None:
    class Note(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        text: str = Field(alias="theText", default="")

    class NoteUpdate(SQLModel):
        text: str | None = Field(alias="theText", default=None)

    db.create_all()
    with serving(Resource(Note, db, update=NoteUpdate)) as client:
        client.post("/notes", json={"theText": "a"})
        for body in ({"theText": None}, {"theText": "\0"}, {"theText": 5}):
            response = client.patch("/notes/1", json=body)
            assert (response.status_code, response.json()["errors"][0]["field"]) == (422, "theText")


@pytest.mark.only_on("postgresql")
def test_an_exhausted_sequence_is_named(db: Database) -> None:
    class Small(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)

    db.create_all()
    with db.engine.begin() as connection:
        connection.exec_driver_sql("SELECT setval('small_id_seq', 2147483647)")
    with serving(Resource(Small, db)) as client:
        response = client.post("/smalls", json={})
        assert (response.status_code, response.json()["type"]) == (503, "urn:colonnade:full")
        assert "sequence" in response.json()["detail"]
