"""The columns and relations that requests can use."""

import pytest
import sqlmodel
from fastapi.testclient import TestClient

from colonnade import Database, Field, Relationship, Resource, SQLModel, schemas
from colonnade.errors import ModelError
from colonnade.query import QueryableTable
from tests.resources.sample_app import serving


@pytest.mark.usefixtures("tasks")
def test_a_secret_field_cannot_be_read_filtered_or_sorted(client: TestClient) -> None:
    created = client.post("/workers", json={"id": "@new", "token": "s3cret"})
    assert created.status_code == 201
    for answer in (created, client.get("/workers"), client.get("/workers/@new")):
        assert "s3cret" not in answer.text
        assert "token" not in answer.text
    assert client.get("/workers?order_by=token").status_code == 422
    assert client.get("/workers?token=s3cret").status_code == 422
    assert client.get("/workers?fields=token").status_code == 422


def test_a_column_and_a_relation_of_one_name_are_refused(db: Database) -> None:
    class Owner(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)

    class Pet(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        owner_id: int | None = Field(default=None, foreign_key="owner.id", alias="owner")
        owner: Owner | None = sqlmodel.Relationship()

    with (
        pytest.raises(ModelError, match="has a column and a relation named 'owner'"),
        serving(Resource(Pet, db, include=["owner"])),
    ):
        pass


def test_a_chosen_schema_describes_the_rows_of_its_table_in_relations_too() -> None:
    class Group(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        people: list["Person"] = Relationship(back_populates="group")

    class Person(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        salary: int
        group_id: int | None = Field(default=None, foreign_key="group.id")
        group: Group | None = Relationship(back_populates="people")

    class PersonPublic(SQLModel):
        id: int

    chosen = QueryableTable.of(Person, PersonPublic, ["group.people"], is_chosen=True)
    group = chosen.relations["group"].queryable
    assert group.read is schemas(Group).read
    assert group.relations["people"].queryable.read is PersonPublic
    plain = QueryableTable.of(Person, PersonPublic, ["group.people"])
    people = plain.relations["group"].queryable.relations["people"].queryable
    assert people.read is schemas(Person).read
