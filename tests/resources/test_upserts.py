"""Upserts: ``POST ?on_conflict=`` creates a row, or changes or keeps the row it conflicts with."""

from typing import Any, Literal, Optional, Self

import pytest
from fastapi import Depends, FastAPI, Header, HTTPException
from fastapi.testclient import TestClient
from pydantic import BaseModel, field_validator, model_validator

from colonnade import (
    CHAR,
    STANDARD,
    AsyncSession,
    CheckConstraint,
    Column,
    Database,
    Field,
    Idempotency,
    Index,
    Problem,
    Relationship,
    Resource,
    SQLModel,
    Timestamps,
    UniqueConstraint,
    Versioned,
    col,
    select,
    text,
)
from colonnade.errors import ModelError
from colonnade.resources import OPERATIONS, Operation
from tests.resources.sample_app import serving

UPSERT: frozenset[Operation] = STANDARD | {"upsert"}


class TestSingleRow:
    @pytest.fixture
    def client(self, db: Database) -> Any:
        class Article(Timestamps, Versioned, table=True):
            id: int | None = Field(default=None, primary_key=True)
            slug: str = Field(unique=True)
            title: str = ""
            status: Literal["draft", "published"] = "draft"
            author: str = Field(default="ana", frozen=True)
            token: str | None = Field(default=None, secret=True, unique=True)

        db.create_all()
        with serving(Resource(Article, db, operations=UPSERT)) as client:
            yield client

    def test_an_upsert_creates_a_row_that_conflicts_with_none(self, client: TestClient) -> None:
        created = client.post("/articles?on_conflict=slug", json={"slug": "a", "title": "A"})
        assert created.status_code == 201
        assert created.headers["Location"] == "/articles/1"
        assert created.json()["title"] == "A"
        read = client.get("/articles/1")
        assert (read.json(), read.headers["ETag"]) == (created.json(), created.headers["ETag"])

    def test_a_conflict_changes_what_the_body_names(self, client: TestClient) -> None:
        first = client.post("/articles", json={"slug": "a", "title": "A", "status": "published"})
        changed = client.post("/articles?on_conflict=slug", json={"slug": "a", "title": "B"})
        assert changed.status_code == 200
        assert "Location" not in changed.headers
        before, after = first.json(), changed.json()
        assert (after["id"], after["title"], after["status"]) == (1, "B", "published")
        assert after["version"] == before["version"] + 1
        assert after["updated_at"] > before["updated_at"]
        assert after["created_at"] == before["created_at"]
        read = client.get("/articles/1")
        assert (read.json(), read.headers["ETag"]) == (after, changed.headers["ETag"])

    def test_update_chooses_what_a_conflict_changes(self, client: TestClient) -> None:
        client.post("/articles", json={"slug": "a", "title": "A"})
        body = {"slug": "a", "title": "B", "status": "published"}
        changed = client.post("/articles?on_conflict=slug&update=status", json=body)
        assert (changed.status_code, changed.json()["title"]) == (200, "A")
        assert changed.json()["status"] == "published"

    def test_a_field_of_update_that_the_body_lacks_gets_its_default(
        self, client: TestClient
    ) -> None:
        client.post("/articles", json={"slug": "a", "title": "A", "status": "published"})
        url = "/articles?on_conflict=slug&update=title,status"
        changed = client.post(url, json={"slug": "a", "title": "B"})
        assert (changed.json()["title"], changed.json()["status"]) == ("B", "draft")

    def test_keep_returns_the_row_as_it_is(self, client: TestClient) -> None:
        first = client.post("/articles?on_conflict=slug&keep=true", json={"slug": "a"})
        kept = client.post("/articles?on_conflict=slug&keep=true", json={"slug": "a", "title": "B"})
        assert (first.status_code, kept.status_code) == (201, 200)
        assert (kept.json(), kept.headers["ETag"]) == (first.json(), first.headers["ETag"])

    def test_a_body_that_names_nothing_else_keeps_the_row(self, client: TestClient) -> None:
        first = client.post("/articles?on_conflict=slug", json={"slug": "a"})
        kept = client.post("/articles?on_conflict=slug", json={"slug": "a"})
        assert (kept.status_code, kept.json()) == (200, first.json())

    def test_a_conflict_never_changes_a_frozen_field(self, client: TestClient) -> None:
        client.post("/articles", json={"slug": "a"})
        changed = client.post("/articles?on_conflict=slug", json={"slug": "a", "author": "bot"})
        assert (changed.status_code, changed.json()["author"]) == (200, "ana")

    @pytest.mark.parametrize(
        ("query", "field", "words"),
        [
            ("on_conflict=slug&update=", "update", "update is empty"),
            ("on_conflict=slug&update=nope", "update", "has no field 'nope'"),
            ("on_conflict=slug&update=titel", "update", "Did you mean title?"),
            ("on_conflict=slug&update=title,", "update", "has no field ''"),
            ("on_conflict=slug&update=author", "update", "is frozen"),
            ("on_conflict=slug&update=created_at", "update", "has no field 'created_at'"),
            ("on_conflict=slug&update=title&keep=true", "update", "keeps the stored row"),
            ("on_conflict=slug&keep=yes", "keep", "true or false"),
            ("on_conflict=", "on_conflict", "must name a unique key"),
            ("on_conflict=title", "on_conflict", "must name a unique key"),
            ("on_conflict=id", "on_conflict", "must name a unique key"),
            ("on_conflict=token", "on_conflict", "must name a unique key"),
            ("on_conflict=slug&on_conflict=slug", "on_conflict", "used only once"),
            ("on_conflict=slug&upadte=title", "upadte", "Did you mean update?"),
            ("keep=true", "keep", "Unknown parameter keep"),
        ],
    )
    def test_a_bad_parameter_is_refused(
        self, client: TestClient, query: str, field: str, words: str
    ) -> None:
        response = client.post(f"/articles?{query}", json={"slug": "a"})
        assert response.status_code == 422
        (error,) = response.json()["errors"]
        assert error["loc"] == ["query", field]
        assert words in error["message"]
        assert client.get("/articles").json() == []

    def test_a_body_is_validated_as_that_of_a_create(self, client: TestClient) -> None:
        response = client.post("/articles?on_conflict=slug", json={"title": "B"})
        assert response.status_code == 422
        assert response.json()["errors"][0]["loc"] == ["body", "slug"]


class TestKeys:
    def test_a_key_may_have_several_columns(self, db: Database) -> None:
        class Price(SQLModel, table=True):
            __table_args__ = (UniqueConstraint("shop", "item"),)
            id: int | None = Field(default=None, primary_key=True)
            shop: str
            item: str
            amount: int

        db.create_all()
        with serving(Resource(Price, db, operations=UPSERT)) as client:
            price = {"shop": "a", "item": "x", "amount": 1}
            url = "/prices?on_conflict=shop,item"
            assert client.post(url, json=price).status_code == 201
            assert client.post(url, json={**price, "amount": 2}).json()["amount"] == 2
            swapped = client.post("/prices?on_conflict=item,shop", json={**price, "amount": 3})
            assert (swapped.status_code, swapped.json()["id"]) == (200, 1)
            assert client.post(url, json={**price, "shop": "b"}).status_code == 201
            assert client.post("/prices?on_conflict=shop", json=price).status_code == 422

    def test_a_primary_key_that_the_client_makes_is_a_key(self, db: Database) -> None:
        class Seat(SQLModel, table=True):
            row: int = Field(primary_key=True)
            number: int = Field(primary_key=True)
            guest: str = ""

        db.create_all()
        with serving(Resource(Seat, db, operations=UPSERT)) as client:
            url, seat = "/seats?on_conflict=row,number", {"row": 1, "number": 2}
            created = client.post(url, json=seat)
            assert (created.status_code, created.headers["Location"]) == (201, "/seats/1,2")
            changed = client.post(url, json={**seat, "guest": "Ana"})
            assert (changed.status_code, changed.json()["guest"]) == (200, "Ana")
            refused = client.post(f"{url}&update=row", json=seat)
            assert "never changes" in refused.json()["errors"][0]["message"]

    @pytest.mark.parametrize("keep", [False, True])
    def test_a_partial_index_is_a_key_of_the_rows_that_it_contains(
        self, db: Database, keep: bool
    ) -> None:
        class Member(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            email: str
            active: bool = True
            name: str = ""

        condition = col(Member.active).is_(True)
        Index(
            "uq_member_email",
            col(Member.email),
            unique=True,
            postgresql_where=condition,
            sqlite_where=condition,
        )
        db.create_all()
        with serving(Resource(Member, db, operations=UPSERT)) as client:
            url = f"/members?on_conflict=email{'&keep=true' if keep else ''}"
            body: dict[str, Any] = {"email": "a@x.org", "active": False, "name": "Old"}
            ids = [client.post(url, json=body).json()["id"] for _ in range(2)]
            assert ids == [1, 2]  # inactive rows never conflict
            member = {"email": "a@x.org", "name": "Ana"}
            assert client.post(url, json=member).status_code == 201
            again = client.post(url, json={**member, "name": "Bea"})
            assert (again.status_code, again.json()["id"]) == (200, 3)
            assert again.json()["name"] == ("Ana" if keep else "Bea")
            assert client.post(url, json=body).status_code == 201

    def test_keys_with_the_same_fields_are_told_apart_by_the_name_of_the_index(
        self, db: Database
    ) -> None:
        class Page(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            path: str
            state: str = "draft"
            text: str = ""

        for state in ("draft", "live"):
            condition = col(Page.state) == state
            Index(
                f"uq_page_{state}",
                col(Page.path),
                unique=True,
                postgresql_where=condition,
                sqlite_where=condition,
            )
        db.create_all()
        with serving(Resource(Page, db, operations=UPSERT)) as client:
            live = {"path": "/", "state": "live"}
            url = "/pages?on_conflict=uq_page_live"
            assert client.post(url, json=live).status_code == 201
            assert client.post("/pages?on_conflict=path", json={"path": "/"}).status_code == 201
            changed = client.post(url, json={**live, "text": "Hi"})
            assert (changed.status_code, changed.json()["id"]) == (200, 1)

    def test_null_conflicts_with_nothing(self, db: Database) -> None:
        class Item(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            code: str | None = Field(default=None, unique=True)

        db.create_all()
        with serving(Resource(Item, db, operations=UPSERT)) as client:
            for query in ("", "&keep=true"):
                assert client.post(f"/items?on_conflict=code{query}", json={}).status_code == 201

    def test_a_conflict_with_another_key_changes_nothing(self, db: Database) -> None:
        class User(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            name: str = Field(unique=True)
            email: str = Field(unique=True)

        db.create_all()
        with serving(Resource(User, db, operations=UPSERT)) as client:
            rows = [{"name": "ana", "email": "ana@x.org"}, {"name": "bea", "email": "bea@x.org"}]
            client.post("/users:batch", json=rows)
            stored = client.get("/users").json()
            both = {"name": "ana", "email": "bea@x.org"}
            for name, other in (("ana", "ana"), ("new", "new")):
                body = {"name": name, "email": "bea@x.org"}
                refused = client.post("/users?on_conflict=name", json=body)
                assert refused.status_code == 409, other
                assert refused.json()["type"] == "urn:colonnade:unique"
                assert refused.json()["detail"] == "There is already a user with this email."
            assert client.get("/users").json() == stored
            kept = client.post("/users?on_conflict=name&keep=true", json=both)
            assert (kept.status_code, kept.json()) == (200, stored[0])

    def test_a_table_without_such_a_key_cannot_be_upserted(self, db: Database) -> None:
        class Note(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)

        with pytest.raises(ModelError, match="no unique key of Note"):
            list(Resource(Note, db, operations=UPSERT).routes)

    def test_an_upsert_needs_the_create(self, db: Database) -> None:
        class Tag(SQLModel, table=True):
            name: str = Field(primary_key=True)

        with pytest.raises(ModelError, match='"upsert" without "create"'):
            list(Resource(Tag, db, operations={"list", "upsert"}).routes)


class TestBatch:
    @pytest.fixture
    def client(self, db: Database) -> Any:
        class Item(Timestamps, table=True):
            id: int | None = Field(default=None, primary_key=True)
            code: str = Field(unique=True)
            name: str = ""
            count: int = 0

        db.create_all()
        with serving(Resource(Item, db, operations=UPSERT)) as client:
            client.post("/items", json={"code": "b", "name": "B"})
            yield client

    def test_a_batch_creates_and_changes_rows_in_its_order(self, client: TestClient) -> None:
        rows = [{"code": code, "count": index} for index, code in enumerate("cba")]
        response = client.post("/items:batch?on_conflict=code", json=rows)
        assert response.status_code == 200
        answer = [(row["code"], row["name"], row["count"]) for row in response.json()]
        assert answer == [("c", "", 0), ("b", "B", 1), ("a", "", 2)]
        stored = {row["code"]: row for row in client.get("/items").json()}
        assert list(map(stored.get, "cba")) == response.json()

    def test_a_batch_keeps_rows(self, client: TestClient) -> None:
        rows = [{"code": code, "name": "New"} for code in "cba"]
        response = client.post("/items:batch?on_conflict=code&keep=true", json=rows)
        assert response.status_code == 200
        assert [row["name"] for row in response.json()] == ["New", "B", "New"]

    def test_a_batch_responds_with_201_if_every_row_is_new(self, client: TestClient) -> None:
        rows = [{"code": code} for code in "xy"]
        assert client.post("/items:batch?on_conflict=code", json=rows).status_code == 201
        assert client.post("/items:batch?on_conflict=code", json=rows).status_code == 200

    def test_a_key_that_a_batch_names_twice_gets_the_rows_in_order(
        self, client: TestClient
    ) -> None:
        rows = [
            {"code": "x", "name": "First"}, {"code": "x", "count": 2}, {"code": "x", "count": 3},
        ]  # fmt: skip
        response = client.post("/items:batch?on_conflict=code", json=rows)
        answer = [(row["name"], row["count"]) for row in response.json()]
        assert answer == [("First", 0), ("First", 2), ("First", 3)]
        assert len(client.get("/items").json()) == 2

    def test_rows_of_a_batch_may_name_different_fields(self, client: TestClient) -> None:
        rows = [{"code": "b", "count": 5}, {"code": "c", "name": "C"}]
        response = client.post("/items:batch?on_conflict=code", json=rows)
        assert [(row["name"], row["count"]) for row in response.json()] == [("B", 5), ("C", 0)]

    def test_a_refused_row_of_a_batch_changes_nothing(self, client: TestClient) -> None:
        stored = client.get("/items").json()
        rows = [{"code": "b", "name": "X"}, {"code": "c", "count": "many"}]
        response = client.post("/items:batch?on_conflict=code", json=rows)
        assert response.status_code == 422
        assert response.json()["errors"][0]["loc"] == ["body", 1, "count"]
        assert client.get("/items").json() == stored

    def test_keys_that_only_the_database_holds_for_equal_are_one_row(self, db: Database) -> None:
        if db.url.backend == "sqlite":
            pytest.skip("SQLite compares CHAR like any text")

        class Tag(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            code: str = Field(sa_column=Column(CHAR(5), unique=True))
            name: str = ""

        db.create_all()
        with serving(Resource(Tag, db, operations=UPSERT)) as client:
            rows = [{"code": "x", "name": "a"}, {"code": "x ", "name": "b"}]
            response = client.post("/tags:batch?on_conflict=code", json=rows)
            assert [row["name"] for row in response.json()] == ["a", "b"]
            assert len(client.get("/tags").json()) == 1


class TestScopes:
    @pytest.fixture
    def notes(self, db: Database) -> type[SQLModel]:
        class Note(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            slug: str = Field(unique=True)
            owner: str = ""
            text: str = ""

        db.create_all()
        return Note

    @pytest.fixture(params=["values", "condition"])
    def client(self, request: Any, db: Database, notes: Any) -> Any:
        def own_values(x_user: str = Header()) -> Any:
            return {"owner": x_user}

        def own_condition(x_user: str = Header()) -> Any:
            return notes.owner == x_user

        scope = own_values if request.param == "values" else own_condition
        resource = Resource(notes, db, scope=scope, operations=UPSERT)
        with serving(resource) as client:
            yield client

    @pytest.mark.parametrize("query", ["", "&keep=true", "&update=text"])
    @pytest.mark.parametrize("path", ["/notes", "/notes:batch"])
    def test_a_conflict_with_a_row_outside_the_scope_is_that_of_a_plain_create(
        self, db: Database, notes: Any, client: TestClient, query: str, path: str
    ) -> None:
        with db.session() as session:
            session.add(notes(slug="a", owner="bea", text="secret"))
            session.commit()
        headers = {"X-User": "ana"}
        body: Any = {"slug": "a", "owner": "ana", "text": "mine"}
        body = [body, {**body, "slug": "b"}] if "batch" in path else body
        plain = client.post(path, json=body, headers=headers)
        upsert = client.post(f"{path}?on_conflict=slug{query}", json=body, headers=headers)
        assert (upsert.status_code, upsert.json()) == (409, plain.json())
        assert "secret" not in upsert.text
        assert "bea" not in upsert.text
        with db.session() as session:
            (stored,) = session.exec(select(notes)).all()
            assert (stored.owner, stored.text) == ("bea", "secret")

    def test_an_upsert_creates_and_changes_rows_inside_the_scope(self, client: TestClient) -> None:
        headers, body = {"X-User": "ana"}, {"slug": "a", "owner": "ana"}
        for status, words in ((201, "one"), (200, "two")):
            response = client.post(
                "/notes?on_conflict=slug", json={**body, "text": words}, headers=headers
            )
            assert (response.status_code, response.json()["text"]) == (status, words)
        kept = client.post("/notes?on_conflict=slug&keep=true", json=body, headers=headers)
        assert (kept.status_code, kept.json()["text"]) == (200, "two")

    @pytest.mark.parametrize("slug", ["a", "b"])
    def test_an_upsert_cannot_leave_the_scope(self, client: TestClient, slug: str) -> None:
        headers = {"X-User": "ana"}
        client.post("/notes", json={"slug": "a", "owner": "ana"}, headers=headers)
        body = {"slug": slug, "owner": "bea"}
        response = client.post("/notes?on_conflict=slug", json=body, headers=headers)
        assert (response.status_code, response.json()["type"].rpartition(":")[2]) in {
            (422, "invalid"), (422, "scope"),
        }  # fmt: skip
        (stored,) = client.get("/notes", headers=headers).json()
        assert (stored["slug"], stored["owner"]) == ("a", "ana")


def test_a_foreign_key_that_a_conflict_does_not_change_is_not_checked(db: Database) -> None:
    class Shelf(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        owner: str

    class Book(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        isbn: str = Field(unique=True)
        title: str = ""
        shelf_id: int | None = Field(default=None, foreign_key="shelf.id")

    db.create_all()

    def own(x_user: str = Header()) -> dict[str, str]:
        return {"owner": x_user}

    shelves = Resource(Shelf, db, scope=own)
    with serving(shelves, Resource(Book, db, operations=UPSERT)) as client:
        ana, bea = {"X-User": "ana"}, {"X-User": "bea"}
        client.post("/shelves", json={}, headers=bea)
        book = {"isbn": "1", "shelf_id": 1}
        url = "/books?on_conflict=isbn"
        refused = client.post(url, json=book, headers=ana)
        assert (refused.status_code, refused.json()["type"]) == (409, "urn:colonnade:foreign_key")
        client.post("/books", json={"isbn": "1"}, headers=ana)
        assert client.post(url, json=book, headers=ana).status_code == 409
        changed = client.post(f"{url}&update=title", json={**book, "title": "T"}, headers=ana)
        assert (changed.status_code, changed.json()["title"]) == (200, "T")
        assert client.post(url, json=book, headers=bea).json()["shelf_id"] == 1


class TestHooks:
    @pytest.fixture
    def resource(self, db: Database) -> Resource:
        class Item(Versioned, table=True):
            id: int | None = Field(default=None, primary_key=True)
            code: str = Field(unique=True)
            name: str = ""
            digest: str = Field(default="", readonly=True)

        db.create_all()
        return Resource(Item, db, operations=UPSERT)

    def test_the_hooks_are_those_of_what_happens_to_the_row(self, resource: Resource) -> None:
        seen: list[Any] = []

        @resource.before("create")
        def before_create(values: dict[str, Any], body: BaseModel) -> None:
            values["digest"] = "created"
            seen.append(("before create", values["name"], type(body) is resource.create))

        @resource.before("update")
        def before_update(
            key: tuple[int], row: Any, values: dict[str, Any], body: BaseModel
        ) -> None:
            values["digest"] = "updated"
            seen.append(("before update", key, row.name, type(body) is resource.create))

        @resource.after("update")
        async def after_update(session: AsyncSession, row: Any, values: dict[str, Any]) -> None:
            seen.append(("after update", row.name, sorted(values)))

        @resource.committed("create")
        def created(key: tuple[int]) -> None:
            seen.append(("created", key))

        @resource.committed("update")
        def updated(row: Any) -> None:
            seen.append(("updated", row.name))

        with serving(resource) as client:
            url = "/items?on_conflict=code"
            first = client.post(url, json={"code": "a", "name": "A"})
            assert (first.status_code, first.json()["digest"]) == (201, "created")
            assert seen == [("before create", "A", True), ("created", (1,))]
            seen.clear()
            second = client.post(url, json={"code": "a", "name": "B"})
            assert (second.status_code, second.json()["digest"]) == (200, "updated")
            assert second.json()["version"] == first.json()["version"] + 1
            assert seen == [
                ("before update", (1,), "A", True),
                ("after update", "B", ["digest", "name"]),
                ("updated", "B"),
            ]
            seen.clear()
            kept = client.post(f"{url}&keep=true", json={"code": "a", "name": "C"})
            assert (kept.status_code, kept.json()) == (200, second.json())
            assert seen == []
            rows = [{"code": "b", "name": "X"}, {"code": "a", "name": "Y"}]
            batch = client.post("/items:batch?on_conflict=code", json=rows)
            assert [row["digest"] for row in batch.json()] == ["created", "updated"]
            assert [what for what, *_ in seen] == [
                "before create", "before update", "after update", "created", "updated",
            ]  # fmt: skip

    def test_a_hook_that_raises_rolls_the_batch_back(self, resource: Resource) -> None:
        @resource.after("update")
        def refuse(row: Any) -> None:
            raise Problem(409, "No", kind="no")

        with serving(resource) as client:
            client.post("/items", json={"code": "a", "name": "A"})
            rows = [{"code": "b"}, {"code": "a", "name": "B"}]
            response = client.post("/items:batch?on_conflict=code", json=rows)
            assert (response.status_code, response.json()["type"]) == (409, "urn:colonnade:no")
            assert [row["name"] for row in client.get("/items").json()] == ["A"]

    def test_a_create_that_loses_a_race_is_repeated_as_an_update(
        self, db: Database, resource: Resource
    ) -> None:
        if db.url.backend == "sqlite":
            pytest.skip("A transaction excludes other writers")
        seen: list[str] = []

        @resource.before("create")
        def lose(values: dict[str, Any]) -> None:
            seen.append("create")
            with db.session() as other:
                other.add(resource.model(code=values["code"], name="winner"))
                other.commit()

        @resource.before("update")
        def note(row: Any) -> None:
            seen.append(f"update of {row.name}")

        with serving(resource) as client:
            response = client.post("/items?on_conflict=code", json={"code": "a", "name": "A"})
            assert (response.status_code, response.json()["name"]) == (200, "A")
            assert seen == ["create", "update of winner"]
            assert len(client.get("/items").json()) == 1


class TestRules:
    def test_the_validators_of_the_model_see_the_resulting_row(self, db: Database) -> None:
        class Span(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            code: str = Field(unique=True)
            start: int = 0
            end: int = 10

            @model_validator(mode="after")
            def ordered(self) -> Self:
                if self.start > self.end:
                    raise ValueError("start is after end")
                return self

        db.create_all()
        with serving(Resource(Span, db, operations=UPSERT)) as client:
            url = "/spans?on_conflict=code"
            client.post(url, json={"code": "a", "end": 3})
            refused = client.post(url, json={"code": "a", "start": 5})
            assert refused.status_code == 422
            assert "start is after end" in refused.json()["detail"]
            changed = client.post(url, json={"code": "a", "start": 2})
            assert (changed.status_code, changed.json()["end"]) == (200, 3)

    @pytest.mark.parametrize("path", ["/spans", "/spans:batch"])
    def test_a_check_of_the_database_sees_the_resulting_row(self, db: Database, path: str) -> None:
        class Span(SQLModel, table=True):
            __table_args__ = (CheckConstraint('"from" <= "to"', name="ck_span_order"),)
            id: int | None = Field(default=None, primary_key=True)
            code: str = Field(unique=True)
            start: int = Field(default=0, sa_column_kwargs={"name": "from"})
            end: int = Field(default=10, sa_column_kwargs={"name": "to"})

        def body(**values: Any) -> Any:
            row = {"code": "a", **values}
            return [row, {"code": "b", **values}] if "batch" in path else row

        db.create_all()
        with serving(Resource(Span, db, operations=UPSERT)) as client:
            url = f"{path}?on_conflict=code"
            assert client.post(url, json=body(start=20)).status_code == 422
            assert client.post(url, json=body(end=50)).status_code == 201
            assert client.post(url, json=body(start=20)).status_code == 200
            kept = client.post(f"{url}&keep=true", json=body(start=30))
            assert kept.status_code == 200
            assert client.post(url, json=body(start=60)).status_code == 422
            assert client.get("/spans?fields=start,end").json()[0] == {"start": 20, "end": 50}

    @pytest.mark.parametrize("hooked", [False, True])
    def test_the_update_schema_applies_to_a_conflict(self, db: Database, hooked: bool) -> None:
        class Job(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            code: str = Field(unique=True)
            state: str = "new"
            owner: str = "ana"

        class JobUpdate(SQLModel):
            state: str = "new"

            @field_validator("state")
            @classmethod
            def known(cls, state: str) -> str:
                if state == "new":
                    raise ValueError("a job is new only once")
                return state.lower()

        db.create_all()
        jobs = Resource(Job, db, update=JobUpdate, operations=UPSERT)
        if hooked:
            jobs.before("update")(lambda session, values: None)
        with serving(jobs) as client:
            url = "/jobs?on_conflict=code"
            assert client.post(url, json={"code": "a", "state": "new"}).status_code == 201
            refused = client.post(url, json={"code": "a", "state": "new"})
            assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "state")
            changed = client.post(url, json={"code": "a", "state": "DONE", "owner": "bea"})
            assert changed.json() == {"id": 1, "code": "a", "state": "done", "owner": "ana"}
            named = client.post(f"{url}&update=owner", json={"code": "a"})
            assert "JobUpdate has no field 'owner'" in named.json()["detail"]

    def test_a_conflict_cannot_make_a_cycle(self, db: Database) -> None:
        class Node(SQLModel, table=True):
            name: str = Field(primary_key=True)
            parent: str | None = Field(default=None, foreign_key="node.name")

        db.create_all()
        with serving(Resource(Node, db, operations=UPSERT)) as client:
            url = "/nodes?on_conflict=name"
            assert client.post(url, json={"name": "a"}).status_code == 201
            assert client.post(url, json={"name": "b", "parent": "a"}).status_code == 201
            refused = client.post(url, json={"name": "a", "parent": "b"})
            assert (refused.status_code, refused.json()["type"]) == (409, "urn:colonnade:cycle")
            missing = client.post(url, json={"name": "c", "parent": "x"})
            assert missing.json()["type"] == "urn:colonnade:foreign_key"
            moved = client.post(url, json={"name": "b", "parent": None})
            assert (moved.status_code, moved.json()["parent"]) == (200, None)

    def test_columns_that_every_update_sets_are_set(self, db: Database) -> None:
        class Row(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            code: str = Field(unique=True)
            name: str = ""
            writes: int = Field(
                default=0, readonly=True, sa_column_kwargs={"onupdate": text("row.writes + 1")}
            )
            mark: str = Field(
                default="", readonly=True, sa_column_kwargs={"onupdate": lambda: "updated"}
            )

        db.create_all()
        with serving(Resource(Row, db, operations=UPSERT)) as client:
            for path in ("/rows", "/rows:batch"):
                rows = [{"code": code, "name": path} for code in "ab"]
                for row in [rows] if "batch" in path else rows:
                    client.post(f"{path}?on_conflict=code", json=row)
            marks = [(row["mark"], row["writes"]) for row in client.get("/rows").json()]
            assert marks == [("updated", 1)] * 2


class TestIdempotency:
    def test_a_repeated_upsert_gets_the_same_response(self, db: Database) -> None:
        class RequestKey(Idempotency, table=True):
            pass

        class Item(Versioned, table=True):
            id: int | None = Field(default=None, primary_key=True)
            code: str = Field(unique=True)
            name: str = ""

        db.create_all()
        items = Resource(Item, db, operations=UPSERT, idempotency=RequestKey)
        with serving(items) as client:
            headers = {"Idempotency-Key": "1"}
            url, body = "/items?on_conflict=code", {"code": "a", "name": "A"}
            first = client.post(url, json=body, headers=headers)
            client.post(url, json={"code": "a", "name": "B"})
            again = client.post(url, json=body, headers=headers)
            assert (again.status_code, again.json()) == (201, first.json())
            assert client.get("/items/1").json()["name"] == "B"
            other = client.post(f"{url}&keep=true", json=body, headers=headers)
            assert (other.status_code, other.json()["type"]) == (
                422, "urn:colonnade:idempotency_key",
            )  # fmt: skip


class TestRoutes:
    @pytest.fixture
    def item(self, db: Database) -> type[SQLModel]:
        class Item(SQLModel, table=True):
            code: str = Field(primary_key=True)
            name: str = ""

        db.create_all()
        return Item

    def test_upserts_and_replacements_are_off_by_default(self, db: Database, item: Any) -> None:
        assert {"upsert", "replace", "aggregate"} == OPERATIONS - STANDARD
        with serving(Resource(item, db)) as client:
            refused = client.post("/items?on_conflict=code", json={"code": "a"})
            assert refused.status_code == 422
            assert "Unknown parameter on_conflict" in refused.json()["detail"]
            assert client.put("/items/a", json={}).status_code == 405
            document = client.get("/openapi.json").text
            assert "on_conflict" not in document

    @pytest.mark.parametrize("refusing", ["create", "update", "upsert", "batch"])
    def test_the_guards_of_create_and_update_protect_an_upsert(
        self, db: Database, item: Any, refusing: Operation
    ) -> None:
        def refuse() -> None:
            raise HTTPException(403)

        guards: dict[Operation, Any] = {refusing: [Depends(refuse)]}
        with serving(Resource(item, db, operations=UPSERT, dependencies=guards)) as client:
            for query in ("", "&keep=true"):
                single = client.post(f"/items?on_conflict=code{query}", json={"code": "a"})
                assert single.status_code == (201 if refusing == "batch" else 403)
                batch = client.post(f"/items:batch?on_conflict=code{query}", json=[{"code": "b"}])
                assert batch.status_code == 403
                client.delete("/items/a")
            plain = client.post("/items", json={"code": "c"})
            assert plain.status_code == (403 if refusing == "create" else 201)

    @pytest.mark.parametrize("late", [False, True])
    @pytest.mark.parametrize(("method", "path"), [("POST", ""), ("PATCH", "/{code}")])
    def test_an_endpoint_for_creates_or_updates_replaces_upserts_and_puts(
        self, db: Database, item: Any, method: str, path: str, late: bool
    ) -> None:
        items = Resource(item, db, operations=OPERATIONS)

        async def endpoint() -> str:
            return "mine"

        if late:
            list(items.routes)  # builds the routes
        items.add_api_route(path, endpoint, methods=[method])
        with serving(items) as client:
            response = client.post("/items?on_conflict=code", json={"code": "a"})
            assert response.json() == "mine" if method == "POST" else response.status_code == 422
            batch = client.post("/items:batch?on_conflict=code", json=[{"code": "a"}])
            assert batch.status_code in {405, 422}
            assert client.put("/items/a", json={}).status_code == 405
            if not late:
                assert "on_conflict" not in client.get("/openapi.json").text

    def test_the_parameters_are_in_the_document_of_the_create(
        self, db: Database, item: Any
    ) -> None:
        with serving(Resource(item, db, operations=UPSERT)) as client:
            document = client.get("/openapi.json").json()
            paths, components = document["paths"], document["components"]["schemas"]
            assert components["ItemUniqueKey"]["const"] == "code"
            assert components["ItemUpsertField"]["const"] == "name"
            for path in ("/items", "/items:batch"):
                create = paths[path]["post"]
                parameters = {
                    parameter["name"]: parameter["schema"] for parameter in create["parameters"]
                }
                assert parameters["on_conflict"] == {"$ref": "#/components/schemas/ItemUniqueKey"}
                items = parameters["update"]["items"]
                assert items == {"$ref": "#/components/schemas/ItemUpsertField"}
                assert parameters["keep"] == {"type": "boolean"}
                assert {"200", "201"} <= create["responses"].keys()
            assert "put" not in paths["/items/{code}"]

    def test_the_document_of_schemas_of_yours_has_the_values_in_the_parameters(
        self, db: Database, item: Any
    ) -> None:
        class Named(SQLModel):
            code: str
            name: str

        with serving(Resource(item, db, create=Named, operations=UPSERT)) as client:
            create = client.get("/openapi.json").json()["paths"]["/items"]["post"]
            schemas = [parameter["schema"] for parameter in create["parameters"]]
            assert [schema.get("enum") for schema in schemas] == [["code"], None, None]

    def test_the_session_of_an_override_upserts(self, db: Database, item: Any) -> None:
        app = FastAPI()
        app.include_router(Resource(item, db, operations=UPSERT))
        with db.session() as session, TestClient(app) as client:
            app.dependency_overrides[db.get_session] = lambda: session
            for status, name in ((201, "A"), (200, "B")):
                body = {"code": "a", "name": name}
                response = client.post("/items?on_conflict=code", json=body)
                assert response.status_code == status
            assert session.exec(select(item)).one().name == "B"
            session.rollback()
            assert session.exec(select(item)).all() == []


def test_an_upsert_whose_response_cannot_be_rendered_stores_nothing(db: Database) -> None:
    class Item(SQLModel, table=True):
        code: str = Field(primary_key=True)
        name: str = ""

    class ItemRead(SQLModel):
        code: str
        name: str

        @field_validator("name")
        @classmethod
        def short(cls, name: str) -> str:
            if len(name) > 3:
                raise ValueError("too long to show")
            return name.upper()

    db.create_all()
    items = Resource(Item, db, read=ItemRead, operations=OPERATIONS)
    with serving(items) as client:
        for name, status in (("abc", 201), ("x", 200)):
            response = client.post("/items?on_conflict=code", json={"code": "a", "name": name})
            assert (response.status_code, response.json()["name"]) == (status, name.upper())
        body = {"code": "a", "name": "long"}
        for method, path, content in (
            ("POST", "/items?on_conflict=code", body),
            ("POST", "/items:batch?on_conflict=code", [body, {"code": "b"}]),
            ("PUT", "/items/a", body),
        ):
            refused = client.request(method, path, json=content)
            assert (refused.status_code, refused.json()["type"]) == (
                409, "urn:colonnade:unreadable",
            )  # fmt: skip
        assert client.get("/items").json() == [{"code": "a", "name": "X"}]


def test_an_upsert_responds_with_relations_that_lead_back_to_the_table(db: Database) -> None:
    class Node(SQLModel, table=True):
        name: str = Field(primary_key=True)
        note: str = ""
        parent_name: str | None = Field(default=None, foreign_key="node.name")
        parent: Optional["Node"] = Relationship(
            back_populates="children", sa_relationship_kwargs={"remote_side": "Node.name"}
        )
        children: list["Node"] = Relationship(back_populates="parent")

    class NodeBrief(SQLModel):
        name: str
        note: str

    class NodeRead(NodeBrief):
        parent: NodeBrief | None

    db.create_all()
    nodes = Resource(Node, db, include=["parent"], read=NodeRead, operations=OPERATIONS)
    with serving(nodes) as client:
        node = {"name": "a", "parent_name": "a"}
        assert client.put("/nodes/a", json={"note": "old"}).status_code == 201
        assert client.put("/nodes/b", json={"parent_name": "a"}).json()["parent"]["note"] == "old"
        changed = client.post("/nodes?on_conflict=name", json={"name": "a", "note": "new"})
        assert changed.json() == {"name": "a", "note": "new", "parent": None}
        again = client.post("/nodes?on_conflict=name", json={"name": "b", "note": "b"})
        assert again.json()["parent"] == {"name": "a", "note": "new"}
        assert client.put("/nodes/a", json=node).json()["type"] == "urn:colonnade:cycle"
