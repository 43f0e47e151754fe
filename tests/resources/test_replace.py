"""``PUT /tasks/{key}`` creates the row with a key that the client makes, or replaces it."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from fastapi import Depends, Header, HTTPException
from fastapi.testclient import TestClient
from pydantic import model_validator

from colonnade import (
    STANDARD,
    Database,
    Field,
    Idempotency,
    Relationship,
    Resource,
    SQLModel,
    Timestamps,
    UUIDKey,
    Versioned,
    col,
    select,
    text,
)
from colonnade.errors import ModelError
from colonnade.resources import Operation
from tests.resources.sample_app import serving

REPLACE: frozenset[Operation] = STANDARD | {"replace"}


class TestReplacement:
    @pytest.fixture
    def page(self, db: Database) -> Any:
        class Page(Timestamps, Versioned, table=True):
            path: str = Field(primary_key=True, max_length=10)
            title: str = Field(min_length=1)
            text: str | None = None
            views: int = Field(default=0, readonly=True)
            token: str = Field(default="hidden", secret=True)
            author: str = Field(default="ana", frozen=True)
            state: str | None = Field(
                default=None, nullable=False, sa_column_kwargs={"server_default": "draft"}
            )
            seen: datetime = Field(default_factory=lambda: datetime.now(UTC))

        db.create_all()
        return Page

    @pytest.fixture(params=["one statement", "with hooks"])
    def client(self, request: Any, db: Database, page: Any) -> Any:
        pages = Resource(page, db, operations=REPLACE)
        if request.param == "with hooks":
            pages.before("create")(lambda session, values: None)
            pages.after("update")(lambda session, row: None)
        with serving(pages) as client:
            yield client

    def test_a_put_creates_a_row(self, client: TestClient) -> None:
        created = client.put("/pages/home", json={"title": "Home"})
        assert created.status_code == 201
        assert created.headers["Location"] == "/pages/home"
        assert (created.json()["path"], created.json()["state"]) == ("home", "draft")
        read = client.get("/pages/home")
        assert (read.json(), read.headers["ETag"]) == (created.json(), created.headers["ETag"])

    def test_a_put_replaces_what_a_create_sets(
        self, db: Database, page: Any, client: TestClient
    ) -> None:
        body = {"title": "A", "text": "x", "token": "t", "author": "bea", "state": "live"}
        first = client.put("/pages/home", json=body).json()
        with db.session() as session:
            session.get_one(page, "home").views = 7
            session.commit()
        replaced = client.put("/pages/home", json={"title": "B"})
        assert (replaced.status_code, "Location" in replaced.headers) == (200, False)
        row = replaced.json()
        assert (row["title"], row["text"], row["state"]) == ("B", None, "draft")
        assert (row["views"], row["author"]) == (7, "bea")
        assert row["created_at"] == first["created_at"]
        assert row["updated_at"] > first["updated_at"]
        assert row["seen"] > first["seen"]
        assert row["version"] > first["version"]
        with db.session() as session:
            assert session.get_one(page, "home").token == "t"
        client.put("/pages/home", json={"title": "B", "token": "new"})
        with db.session() as session:
            assert session.get_one(page, "home").token == "new"
        read = client.get("/pages/home")
        assert read.json()["state"] == "draft"

    def test_the_body_may_repeat_the_key(self, client: TestClient) -> None:
        body = {"path": "home", "title": "A"}
        assert client.put("/pages/home", json=body).status_code == 201
        refused = client.put("/pages/other", json=body)
        assert refused.status_code == 422
        assert refused.json()["errors"][0]["loc"] == ["body", "path"]
        assert "differs from the key in the path" in refused.json()["detail"]
        assert len(client.get("/pages").json()) == 1

    def test_a_bad_body_or_key_is_refused(self, client: TestClient) -> None:
        missing = client.put("/pages/home", json={})
        assert missing.json()["errors"][0]["loc"] == ["body", "title"]
        too_long = client.put("/pages/aaaaaaaaaaaaaaaa", json={"title": "A"})
        assert (too_long.status_code, too_long.json()["errors"][0]["loc"]) == (
            422, ["path", "path"],
        )  # fmt: skip
        for body in (b"", b"{", b"[]", b"null", b'"x"', b"[" * 100_000):
            response = client.put(
                "/pages/home", content=body, headers={"Content-Type": "application/json"}
            )
            assert response.status_code == 422, body
        assert client.put("/pages/home", json={"title": "A", "views": 1}).status_code == 422
        assert client.put("/pages/home?keep=true", json={"title": "A"}).status_code == 422
        assert client.get("/pages").json() == []

    def test_if_match_holds(self, client: TestClient) -> None:
        for etag in ('"1-a"', "*"):
            absent = client.put("/pages/home", json={"title": "A"}, headers={"If-Match": etag})
            assert (absent.status_code, absent.json()["type"]) == (412, "urn:colonnade:changed")
        created = client.put("/pages/home", json={"title": "A", "state": "live"})
        headers = {"If-Match": created.headers["ETag"]}
        body = {"title": "B", "state": "live"}
        changed = client.put("/pages/home", json=body, headers=headers)
        assert (changed.status_code, changed.json()["title"]) == (200, "B")
        assert client.put("/pages/home", json=body, headers=headers).status_code == 412
        headers = {"If-Match": changed.headers["ETag"]}
        reset = client.put("/pages/home", json={"title": "C"}, headers=headers)
        assert (reset.status_code, reset.json()["state"]) == (200, "draft")
        assert client.put("/pages/home", json={"title": "D"}, headers=headers).status_code == 412
        any_row = client.put("/pages/home", json={"title": "E"}, headers={"If-Match": "*"})
        assert any_row.json()["title"] == "E"

    def test_if_none_match_creates_only(self, client: TestClient) -> None:
        headers = {"If-None-Match": "*"}
        created = client.put("/pages/home", json={"title": "A"}, headers=headers)
        assert (created.status_code, created.headers["Location"]) == (201, "/pages/home")
        refused = client.put("/pages/home", json={"title": "B"}, headers=headers)
        assert (refused.status_code, refused.json()["type"]) == (412, "urn:colonnade:changed")
        assert client.get("/pages/home").json() == created.json()
        both = {**headers, "If-Match": "*"}
        assert client.put("/pages/home", json={"title": "B"}, headers=both).status_code == 412
        tags = {"If-None-Match": '"1-a"'}
        assert client.put("/pages/home", json={"title": "B"}, headers=tags).status_code == 422


def test_links_of_a_replaced_row_stay(db: Database) -> None:
    class TaggedItem(SQLModel, table=True):
        item_id: str = Field(foreign_key="item.id", primary_key=True)
        tag_id: str = Field(foreign_key="tag.id", primary_key=True)

    class Tag(SQLModel, table=True):
        id: str = Field(primary_key=True)

    class Item(SQLModel, table=True):
        id: str = Field(primary_key=True)
        name: str = ""
        tags: list[Tag] = Relationship(link_model=TaggedItem)

    db.create_all()
    items = Resource(Item, db, include=["tags"], operations=REPLACE)
    with serving(items, Resource(Tag, db, operations=REPLACE)) as client:
        client.put("/items/a", json={"name": "A"})
        assert client.put("/tags/x", json={}).status_code == 201
        assert client.put("/tags/x", json={}).status_code == 200
        client.put("/items/a/tags/x")
        assert client.put("/items/a", json={}).json() == {"id": "a", "name": ""}
        assert client.get("/items/a/tags").json() == [{"id": "x"}]


class TestKeys:
    def test_the_client_may_make_a_uuid(self, db: Database) -> None:
        class Document(UUIDKey, table=True):
            title: str = ""

        db.create_all()
        key = UUID("0190a0a0-0000-7000-8000-000000000001")
        with serving(Resource(Document, db, operations=REPLACE)) as client:
            created = client.put(f"/documents/{key}", json={"title": "A"})
            assert (created.status_code, created.json()["id"]) == (201, str(key))
            assert created.headers["Location"] == f"/documents/{key}"
            same = {"id": str(key).upper(), "title": "B"}
            assert client.put(f"/documents/{key}", json=same).json()["title"] == "B"
            other = {"id": str(UUID(int=1)), "title": "B"}
            assert client.put(f"/documents/{key}", json=other).status_code == 422
            assert client.put("/documents/x", json={}).status_code == 422

    def test_a_key_may_have_several_parts(self, db: Database) -> None:
        class Price(SQLModel, table=True):
            shop: str = Field(primary_key=True)
            day: datetime = Field(primary_key=True)
            amount: int = 0

        db.create_all()
        with serving(Resource(Price, db, operations=REPLACE)) as client:
            url = "/prices/a~1b,2026-01-01T00:00:00Z"
            created = client.put(url, json={"amount": 1})
            assert (created.status_code, created.json()["shop"]) == (201, "a/b")
            again = client.put(created.headers["Location"], json={"amount": 2})
            assert (again.status_code, again.json()["amount"]) == (200, 2)
            same = {"day": "2026-01-01T01:00:00+01:00", "amount": 3}
            assert client.put(url, json=same).json()["amount"] == 3
            refused = client.put("/prices/a", json={})
            assert (refused.status_code, refused.json()["detail"]) == (
                422, "path.key: No Price can have this key",
            )  # fmt: skip

    def test_a_binary_key_is_base64(self, db: Database) -> None:
        class Blob(SQLModel, table=True):
            id: bytes = Field(primary_key=True)
            size: int = 0

        db.create_all()
        with serving(Resource(Blob, db, operations=REPLACE)) as client:
            for status in (201, 200):
                response = client.put("/blobs/AP8=", json={"size": status})
                assert (response.status_code, response.json()["id"]) == (status, "AP8=")

    def test_a_key_that_the_database_generates_cannot_be_put(self, db: Database) -> None:
        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)

        with pytest.raises(ModelError, match="the database generates it"):
            list(Resource(Task, db, operations=REPLACE).routes)

    def test_a_create_schema_without_the_key_cannot_be_put(self, db: Database) -> None:
        class Item(SQLModel, table=True):
            id: str = Field(default="x", primary_key=True)
            name: str = ""

        class ItemCreate(SQLModel):
            name: str

        with pytest.raises(ModelError, match="ItemCreate has no id"):
            list(Resource(Item, db, create=ItemCreate, operations=REPLACE).routes)


class TestRules:
    @pytest.fixture
    def note(self, db: Database) -> Any:
        class Note(SQLModel, table=True):
            id: str = Field(primary_key=True)
            owner: str
            slug: str | None = Field(default=None, unique=True)

        db.create_all()
        return Note

    @pytest.mark.parametrize("headers", [{}, {"If-None-Match": "*"}])
    def test_a_row_outside_the_scope_is_not_replaced(
        self, db: Database, note: Any, headers: dict[str, str]
    ) -> None:
        def own(x_user: str = Header()) -> dict[str, str]:
            return {"owner": x_user}

        with serving(Resource(note, db, scope=own, operations=REPLACE)) as client:
            ana, bea = {"X-User": "ana"}, {"X-User": "bea"}
            created = client.put("/notes/a", json={"slug": "mine"}, headers=ana)
            assert (created.status_code, created.json()["owner"]) == (201, "ana")
            plain = client.post("/notes", json={"id": "a"}, headers=bea)
            refused = client.put("/notes/a", json={}, headers={**headers, **bea})
            assert (refused.status_code, refused.json()) == (409, plain.json())
            assert "ana" not in refused.text
            assert "mine" not in refused.text
            match = client.put("/notes/a", json={}, headers={"If-Match": "*", **bea})
            assert match.status_code == 412
            leaving = client.put("/notes/a", json={"owner": "bea"}, headers=ana)
            assert leaving.status_code == 422
            replaced = client.put("/notes/a", json={}, headers=ana)
            assert replaced.json() == {"id": "a", "owner": "ana", "slug": None}

    def test_a_conflict_with_another_unique_key_changes_nothing(
        self, db: Database, note: Any
    ) -> None:
        with serving(Resource(note, db, operations=REPLACE)) as client:
            for key in "ab":
                client.put(f"/notes/{key}", json={"owner": "x", "slug": key})
            stored = client.get("/notes").json()
            for key in "ac":
                refused = client.put(f"/notes/{key}", json={"owner": "y", "slug": "b"})
                assert (refused.status_code, refused.json()["errors"][0]["field"]) == (409, "slug")
            only = client.put(
                "/notes/c", json={"owner": "y", "slug": "b"}, headers={"If-None-Match": "*"}
            )
            assert (only.status_code, only.json()["errors"][0]["field"]) == (409, "slug")
            assert client.get("/notes").json() == stored

    def test_the_validators_of_the_model_see_the_whole_row(self, db: Database) -> None:
        class Span(SQLModel, table=True):
            id: str = Field(primary_key=True)
            start: int = 0
            end: int | None = Field(
                default=None, nullable=False, sa_column_kwargs={"server_default": text("10")}
            )

            @model_validator(mode="after")
            def ordered(self) -> Any:
                if isinstance(self.end, int) and self.start > self.end:
                    raise ValueError("start is after end")
                return self

        db.create_all()
        with serving(Resource(Span, db, operations=REPLACE)) as client:
            client.put("/spans/a", json={"start": 20, "end": 30})
            refused = client.put("/spans/a", json={"start": 20})
            assert "start is after end" in refused.json()["detail"]
            assert client.get("/spans/a").json() == {"id": "a", "start": 20, "end": 30}
            assert client.put("/spans/a", json={}).json() == {"id": "a", "start": 0, "end": 10}

    def test_a_hook_that_raises_rolls_the_replacement_back(self, db: Database, note: Any) -> None:
        notes = Resource(note, db, operations=REPLACE)

        @notes.after("update")
        def refuse(row: Any) -> None:
            raise HTTPException(423)

        with serving(notes) as client:
            client.put("/notes/a", json={"owner": "x", "slug": "a"})
            assert client.put("/notes/a", json={"owner": "y"}).status_code == 423
            assert client.get("/notes/a").json() == {"id": "a", "owner": "x", "slug": "a"}

    @pytest.mark.parametrize("refusing", ["create", "update", "replace"])
    def test_the_guards_of_create_and_update_protect_a_put(
        self, db: Database, note: Any, refusing: Operation
    ) -> None:
        def refuse() -> None:
            raise HTTPException(403)

        guards: dict[Operation, Any] = {refusing: [Depends(refuse)]}
        with serving(Resource(note, db, operations=REPLACE, dependencies=guards)) as client:
            assert client.put("/notes/a", json={"owner": "x"}).status_code == 403

    def test_an_endpoint_for_puts_replaces_only_the_put(self, db: Database, note: Any) -> None:
        notes = Resource(note, db, operations=REPLACE | {"upsert"})

        @notes.put("/{key}")
        async def put(key: str) -> str:
            return f"mine: {key}"

        with serving(notes) as client:
            assert client.put("/notes/a").json() == "mine: a"
            upsert = client.post("/notes?on_conflict=id", json={"id": "a", "owner": "x"})
            assert upsert.status_code == 201

    def test_a_put_ignores_an_idempotency_key(self, db: Database, note: Any) -> None:
        class RequestKey(Idempotency, table=True):
            pass

        db.create_all()
        notes = Resource(note, db, operations=REPLACE, idempotency=RequestKey)
        with serving(notes) as client:
            for owner, status in (("x", 201), ("y", 200)):
                response = client.put(
                    "/notes/a", json={"owner": owner}, headers={"Idempotency-Key": "1"}
                )
                assert (response.status_code, response.json()["owner"]) == (status, owner)
            with db.session() as session:
                assert session.exec(select(col(RequestKey.key))).all() == []

    def test_a_put_is_in_the_document(self, db: Database, note: Any) -> None:
        with serving(Resource(note, db, operations=REPLACE)) as client:
            document = client.get("/openapi.json").json()
            put = document["paths"]["/notes/{id}"]["put"]
            assert put["operationId"] == "replace_note"
            assert {"200", "201", "409", "412", "422"} <= put["responses"].keys()
            names = {parameter["name"] for parameter in put["parameters"]}
            assert names == {"id", "If-Match", "If-None-Match"}
            body = document["components"]["schemas"]["NoteReplace"]
            assert list(body["properties"]) == ["owner", "slug"]
