"""Includes: relations in the response."""

from types import SimpleNamespace

import pytest
from fastapi.testclient import TestClient

from colonnade import Database, Field, Relationship, Resource, SQLModel
from colonnade.errors import ModelError
from tests.resources.sample_app import serving


@pytest.mark.usefixtures("tasks")
def test_relations_are_included_with_each_row(client: TestClient) -> None:
    (task, *_) = client.get("/tasks?include=project,assignments.worker,labels").json()
    assert task["project"]["slug"] == "web"
    assert [row["worker"]["id"] for row in task["assignments"]] == ["@ana", "@bot"]
    assert "token" not in task["assignments"][0]["worker"]
    assert task["labels"][0]["name"] == "urgent"
    assert "subtasks" not in task


@pytest.mark.usefixtures("tasks")
def test_relations_are_included_with_a_single_row(client: TestClient) -> None:
    task = client.get("/tasks/6?include=project,labels&fields=id").json()
    assert task == {"id": 6, "project": None, "labels": []}


def test_the_number_of_related_rows_is_limited(db: Database, models: SimpleNamespace) -> None:
    with serving(Resource(models.Project, db, include=["tasks.assignments"])) as client:
        assert client.get("/projects?include=tasks.assignments").status_code == 200
        assert client.get("/projects?include=tasks&limit=1000").status_code == 200
        response = client.get("/projects?include=tasks.assignments&limit=1000")
        assert response.status_code == 422
        assert "could return 10,101,000 rows" in response.json()["detail"]
        fewer = "/projects?include=tasks:10.assignments:50&limit=1000"
        assert client.get(fewer).status_code == 200


def test_the_field_of_a_read_schema_sets_how_many_rows_it_has(db: Database) -> None:
    class Invoice(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        lines: list["Line"] = Relationship(back_populates="invoice")

    class Line(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        invoice_id: int = Field(foreign_key="invoice.id")
        invoice: Invoice = Relationship(back_populates="lines")

    class LineRead(Line, schema="read"): ...

    class Whole(Invoice, schema="read"):
        lines: list[LineRead] = Field(max_length=500)  # type: ignore[assignment]  # narrower

    class Short(Invoice, schema="read"):
        lines: list[LineRead] = Field(max_length=2)  # type: ignore[assignment]  # narrower

    db.create_all()
    with db.session() as session:
        session.add(Invoice(id=1))
        session.flush()
        session.add_all(Line(invoice_id=1) for _ in range(120))
        session.commit()
    usual = Resource(Invoice, db, include=["lines"])
    whole = Resource(Invoice, db, prefix="/whole", read=Whole)
    short = Resource(Invoice, db, prefix="/short", read=Short)
    with serving(usual, whole, short) as client:
        for path, rows in {
            "/invoices?include=lines": 100,
            "/whole": 120,
            "/short": 2,
            "/whole?include=lines:110": 110,
            "/short?include=lines:1": 1,
        }.items():
            assert len(client.get(path).json()[0]["lines"]) == rows
        assert len(client.get("/whole/1").json()["lines"]) == 120
        (error,) = client.get("/whole?include=lines:501").json()["errors"]
        assert error["message"] == "The limit of lines must be from 1 to 500, not 501"
        components = client.get("/openapi.json").json()["components"]["schemas"]
        assert components["Whole"]["properties"]["lines"]["maxItems"] == 500


@pytest.mark.parametrize(("line_rows", "note_rows"), [(500, 100), (30_000, 1), (0, 1), (10**6, 1)])
def test_a_maximum_that_a_page_cannot_have_is_refused(
    db: Database, line_rows: int, note_rows: int
) -> None:
    class Order(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        lines: list["Line"] = Relationship()

    class Line(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        order_id: int = Field(foreign_key="order.id")
        notes: list["Note"] = Relationship()

    class Note(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        line_id: int = Field(foreign_key="line.id")

    class NoteRead(Note, schema="read"): ...

    class LineRead(Line, schema="read"):
        notes: list[NoteRead] = Field(max_length=note_rows)  # type: ignore[assignment]  # narrower

    class OrderRead(Order, schema="read"):
        lines: list[LineRead] = Field(max_length=line_rows)  # type: ignore[assignment]  # narrower

    db.create_all()
    with pytest.raises(ModelError, match="max_length"):
        serving(Resource(Order, db, read=OrderRead)).__enter__()
    if line_rows in range(1, 100_000):
        with serving(Resource(Order, db, read=OrderRead, default_limit=10)) as client:
            client.post("/orders", json={})
            assert client.get("/orders").json() == [{"id": 1, "lines": []}]
            assert client.get("/orders/1").json() == {"id": 1, "lines": []}
