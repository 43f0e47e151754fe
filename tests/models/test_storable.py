"""Endpoints without a Resource also refuse what databases cannot store."""

from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import (
    Base64Bytes,
    Base64UrlBytes,
)

from colonnade import Database, Field, Resource, SQLModel, schemas, select
from tests.resources.sample_app import serving

UNSTORABLE = [r'{"title": "a\u0000"}', r'{"title": "\ud800"}', '{"title": "a", "data": "é"}']


class Draft(SQLModel):
    title: str = Field(max_length=20)
    data: bytes | None = None


@pytest.mark.parametrize("body", UNSTORABLE)
def test_every_schema_refuses_text_that_cannot_be_stored(db: Database, body: str) -> None:
    class Task(Draft, table=True):
        id: int | None = Field(default=None, primary_key=True)

    class Named(Task, schema="create"):
        pass

    app = FastAPI()
    for index, schema in enumerate((Draft, Task, Named, schemas(Task).update)):

        def take(task: Any) -> str:
            return "taken"

        take.__annotations__["task"] = schema
        app.post(f"/{index}")(take)
    with TestClient(app) as client:
        for index in range(4):
            headers = {"Content-Type": "application/json"}
            answer = client.post(f"/{index}", content=body.encode(), headers=headers)
            assert answer.status_code == 422, (index, answer.text)
            assert answer.json()["detail"][0]["loc"][:2] != ["body"]
            taken = client.post(f"/{index}", json={"title": "a", "data": "/w=="})
            assert taken.status_code == 200


def test_the_json_schema_of_text_is_unchanged() -> None:
    properties = Draft.model_json_schema()["properties"]
    assert properties["title"] == {"maxLength": 20, "title": "Title", "type": "string"}
    assert properties["data"]["anyOf"][0] == {"type": "string", "format": "base64"}
    assert Draft.model_json_schema(mode="serialization") == Draft.model_json_schema()


@pytest.mark.parametrize(
    ("kind", "sent", "stored"),
    [
        (bytes, "//79AA==", b"\xff\xfe\xfd\x00"),
        (Base64Bytes, "//79AA==", b"\xff\xfe\xfd\x00"),
        (Base64UrlBytes, "__79AA==", b"\xff\xfe\xfd\x00"),
    ],
)
def test_bytes_are_base64_in_requests_and_responses(
    db: Database, kind: Any, sent: str, stored: bytes
) -> None:
    class File(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        content: kind

    db.create_all()
    with serving(Resource(File, db)) as client:
        created = client.post("/files", json={"content": sent})
        assert (created.status_code, created.json()) == (201, {"id": 1, "content": sent})
        assert client.get("/files").json() == [created.json()]
        if kind is bytes:
            assert client.post("/files", json={"content": "é"}).status_code == 422
    with db.session() as session:
        assert session.exec(select(File)).one().content == stored


@pytest.mark.parametrize("text", [r"a\u0000", r"\ud800"])
def test_text_inside_json_is_checked(text: str) -> None:
    class Wish(SQLModel):
        tags: list[str] = []
        more: dict[str, Any] = {}

    class Stored(Wish, table=True):
        id: int | None = Field(default=None, primary_key=True)
        tags: list[str] = Field(default_factory=list)
        more: dict[str, Any] = Field(default_factory=dict)

    app = FastAPI()
    for index, schema in enumerate((Wish, Stored)):

        def take(wish: Any) -> str:
            return "taken"

        take.__annotations__["wish"] = schema
        app.post(f"/{index}")(take)
    with TestClient(app) as client:
        for index in range(2):
            for body in ('{"tags": ["%s"]}', '{"more": {"a": [{"%s": 1}]}}'):
                headers = {"Content-Type": "application/json"}
                answer = client.post(f"/{index}", content=body % text, headers=headers)
                assert answer.status_code == 422, (index, answer.text)
            assert client.post(f"/{index}", json={"more": {"a": [1]}}).status_code == 200


def test_a_table_has_its_name_in_openapi() -> None:
    class Hero(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)

    app = FastAPI()

    @app.post("/heroes")
    def create(hero: Hero) -> Hero:
        return hero

    body = app.openapi()["paths"]["/heroes"]["post"]["requestBody"]["content"]
    assert body["application/json"]["schema"] == {"$ref": "#/components/schemas/Hero"}
