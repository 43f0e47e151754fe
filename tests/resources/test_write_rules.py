"""Validators over several fields, and custom schemas of writes."""

from typing import Annotated, Any

import pytest
from pydantic import AfterValidator, ValidationInfo, field_validator, model_validator

from colonnade import (
    Database,
    Field,
    Resource,
    SQLModel,
    Versioned,
)
from colonnade.errors import ModelError
from tests.resources.sample_app import serving


class TestUpdates:
    def test_an_update_is_validated_with_the_row_and_keeps_its_other_fields(
        self, db: Database
    ) -> None:
        def exclaim(name: str) -> str:
            return f"{name}!"

        class Span(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            name: Annotated[str, AfterValidator(exclaim)] = Field(default="x", alias="Name")
            start: int = 0
            end: int = 10

            @field_validator("end")
            @classmethod
            def after_start(cls, end: int, info: ValidationInfo) -> int:
                if "start" in info.data and end < info.data["start"]:
                    raise ValueError("end before start")
                return end

        db.create_all()
        with serving(Resource(Span, db)) as client:
            created = client.post("/spans", json={"Name": "a", "start": 5, "end": 8}).json()
            assert created["Name"] == "a!"
            for wrong in ({"end": 3}, {"start": 9}, {"start": 4, "end": 3}):
                assert client.patch("/spans/1", json=wrong).status_code == 422
                assert client.patch("/spans:batch", json=[{"id": 1, **wrong}]).status_code == 422
            assert client.patch("/spans/1", json={"start": 7}).json()["Name"] == "a!"
            assert client.patch("/spans/1", json={"Name": "b"}).json()["Name"] == "b!"

    def test_custom_schemas_cannot_write_protected_fields(self, db: Database) -> None:
        class Doc(Versioned, table=True):
            id: int | None = Field(default=None, primary_key=True)
            score: int = Field(default=0, readonly=True)
            slug: str = Field(default="s", frozen=True)
            text: str = ""

        class Score(SQLModel):
            score: int

        class Slug(SQLModel):
            slug: str

        class Version(SQLModel):
            version: int

        for options in (
            {"create": Score},
            {"update": Score},
            {"update": Slug},
            {"create": Version},
        ):
            wrong: Any = options
            with (
                pytest.raises(ModelError, match="leave it out"),
                serving(Resource(Doc, db, **wrong)),
            ):
                pass

    def test_custom_schemas_refuse_unknown_fields(self, db: Database) -> None:
        class Memo(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            text: str

        class Text(SQLModel):
            text: str

        db.create_all()
        with serving(Resource(Memo, db, create=Text, update=Text)) as client:
            assert client.post("/memos", json={"text": "x", "more": 1}).status_code == 422
            assert client.post("/memos", json={"text": "x"}).status_code == 201
            assert client.patch("/memos/1", json={"text": "x", "more": 1}).status_code == 422


class TestValidation:
    @pytest.fixture
    def events(self, db: Database) -> Any:
        class Event(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            name: str
            start: int
            end: int

            @field_validator("name")
            @classmethod
            def tidy(cls, name: str) -> str:
                return name.strip()

            @model_validator(mode="after")
            def in_order(self) -> "Event":
                if self.start is not None and self.end is not None and self.start > self.end:
                    raise ValueError("ends before it starts")
                return self

        db.create_all()
        return Event

    def test_an_update_is_validated_with_the_rest_of_the_row(
        self, db: Database, events: Any
    ) -> None:
        with serving(Resource(events, db)) as client:
            created = client.post("/events", json={"name": " x ", "start": 1, "end": 5})
            assert created.json()["name"] == "x"
            assert (
                client.post("/events", json={"name": "x", "start": 9, "end": 5}).status_code == 422
            )
            assert client.patch("/events/1", json={"start": 6}).status_code == 422
            assert client.patch("/events/1", json={"start": 4, "name": " y "}).json() == {
                "id": 1, "name": "y", "start": 4, "end": 5,
            }  # fmt: skip
            assert client.patch("/events/9", json={"start": 4}).status_code == 404

    def test_custom_schemas_are_validated_by_the_model(self, db: Database, events: Any) -> None:
        class Start(SQLModel):
            name: str
            start: int
            end: int = 100

        class Rename(SQLModel):
            name: str | None = None

        class Named(SQLModel):
            name: str

        resource = Resource(events, db, create=Start, update=Rename, read=Named)
        with serving(resource) as client:
            assert client.post("/events", json={"name": " x ", "start": 1}).json() == {"name": "x"}
            assert client.post("/events", json={"name": "x", "start": 101}).status_code == 422
            assert client.patch("/events/1", json={"name": " z "}).json() == {"name": "z"}
            assert client.patch("/events/1", json={"name": None}).status_code == 422
            assert client.get("/events?start=1").status_code == 422  # not in the read schema

    def test_an_update_schema_cannot_have_the_key(self, db: Database, events: Any) -> None:
        class Change(SQLModel):
            id: int
            name: str

        wrong = Resource(events, db, update=Change)
        with pytest.raises(ModelError, match=r"Change\.id is the primary key"), serving(wrong):
            pass

    def test_why_not_exact_is_empty_for_exact_responses(self, db: Database, events: Any) -> None:
        assert Resource(events, db).why_not_exact == ()
