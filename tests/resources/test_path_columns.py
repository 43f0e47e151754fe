"""Columns in the path of a Resource: ``/books/{book_id}/reviews`` (DESIGN, 3: keys in paths)."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, Header, Request, Response
from fastapi.testclient import TestClient
from sqlalchemy import ColumnElement

from colonnade import (
    STANDARD,
    Database,
    Field,
    Idempotency,
    Page,
    Relationship,
    Resource,
    Session,
    SQLModel,
    Unscoped,
    col,
    select,
)
from colonnade.errors import ModelError
from tests.resources.sample_app import serving, statements

PREFIX = "/books/{book_id}/reviews"
MISSING_BOOK = (404, "Book not found.")
MISSING_CHAPTER = (404, "Chapter not found.")
MISSING_REVIEW = (404, "Review not found.")
User = Annotated[str | None, Header(alias="User")]


def outcome(response: Any) -> tuple[int, str]:
    return response.status_code, response.json()["detail"]


def owned(user: User = None) -> dict[str, str] | None:
    return None if user is None else {"owner": user}


def written(user: User = None) -> dict[str, str]:
    return {"author": user or ""}


@pytest.fixture
def models(db: Database) -> SimpleNamespace:
    """Books 1 and 2; the users 7 and 8 have reviewed both, and each has two chapters."""

    class Book(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        owner: str = ""

    class Review(SQLModel, table=True):
        book_id: int = Field(foreign_key="book.id", primary_key=True)
        user_id: int = Field(primary_key=True)
        text: str = ""
        author: str = ""
        book: Book | None = Relationship()

    class Chapter(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        book_id: int = Field(foreign_key="book.id")
        number: int
        notes: list["Note"] = Relationship(back_populates="chapter")

    class Note(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        chapter_id: int = Field(foreign_key="chapter.id")
        text: str
        chapter: Chapter | None = Relationship(back_populates="notes")

    class Repeat(Idempotency, table=True):
        pass

    db.create_all()
    with db.session() as session:
        for owner in ("ana", "ben"):
            book = Book(owner=owner)
            session.add(book)
            session.flush()
            assert book.id is not None
            session.add_all(Review(book_id=book.id, user_id=user, author=owner) for user in (7, 8))
            session.add_all(Chapter(book_id=book.id, number=number) for number in (1, 2))
            session.flush()
        session.commit()
    return SimpleNamespace(Book=Book, Review=Review, Chapter=Chapter, Note=Note, Repeat=Repeat)


@pytest.fixture
def client(db: Database, models: SimpleNamespace) -> Iterator[TestClient]:
    """The reviews and the chapters of a book, with all operations."""
    reviews = Resource(
        models.Review,
        db,
        prefix=PREFIX,
        include=["book"],
        operations=STANDARD | {"upsert", "replace", "aggregate"},
        idempotency=models.Repeat,
    )

    @reviews.action("Shout")
    def shout(rows: list[Any]) -> None:
        for row in rows:
            row.text = row.text.upper()

    notes = Resource(models.Note, db)
    chapters = Resource(
        models.Chapter,
        db,
        prefix="/books/{book_id}/chapters",
        include=["notes"],
        nested={"notes": notes},
    )
    with serving(Resource(models.Book, db), reviews, chapters) as client:
        yield client


class TestReads:
    def test_a_list_has_the_rows_below_its_path(self, client: TestClient) -> None:
        rows = client.get("/books/2/reviews?include=book&fields=book_id,user_id").json()
        assert [(row["book_id"], row["user_id"], row["book"]["id"]) for row in rows] == [
            (2, 7, 2),
            (2, 8, 2),
        ]

    def test_links_lead_to_the_pages_below_the_path(self, client: TestClient) -> None:
        first = client.get("/books/1/reviews?limit=1&count=exact")
        assert first.headers["X-Total-Count"] == "2"
        following = client.get(first.links["next"]["url"])
        assert [row["user_id"] for row in following.json()] == [8]

    def test_a_row_has_the_rest_of_its_key_below_the_path(self, client: TestClient) -> None:
        assert client.get("/books/2/reviews/7").json()["book_id"] == 2
        assert outcome(client.get("/books/1/reviews/9")) == MISSING_REVIEW
        assert client.get("/books/1/chapters/1").json()["number"] == 1
        assert outcome(client.get("/books/1/chapters/3")) == (
            404,
            "Chapter not found.",
        )  # of book 2

    @pytest.mark.parametrize("path", ["reviews", "reviews:aggregate?aggregate=count", "chapters"])
    def test_an_unknown_row_in_the_path_is_a_404(self, client: TestClient, path: str) -> None:
        assert outcome(client.get(f"/books/9/{path}")) == MISSING_BOOK
        assert outcome(client.get(f"/books/{2**70}/{path}")) == MISSING_BOOK

    def test_a_list_without_rows_is_empty(self, client: TestClient) -> None:
        client.post("/books", json={})
        assert client.get("/books/3/reviews").json() == []
        assert client.get("/books/3/reviews:aggregate?aggregate=count").json() == [{"count": 0}]

    def test_a_value_of_another_type_is_a_422_that_names_the_parameter(
        self, client: TestClient
    ) -> None:
        response = client.get("/books/one/reviews/7")
        assert response.status_code == 422
        assert response.json()["errors"][0]["loc"] == ["path", "book_id"]

    def test_groups_are_those_of_the_rows_below_the_path(self, client: TestClient) -> None:
        groups = client.get("/books/1/reviews:aggregate?group_by=book_id&aggregate=count").json()
        assert groups == [{"book_id": 1, "count": 2}]

    def test_each_request_is_one_statement(self, db: Database, client: TestClient) -> None:
        client.get("/books/1/reviews")
        paths = ["/books/1/reviews", "/books/9/reviews", "/books/1/reviews/7"]
        for path in (*paths, "/books/1/reviews:aggregate?aggregate=count"):
            with statements(db, client) as seen:
                client.get(path)
            assert len(seen) == 1, path


class TestWrites:
    def test_a_new_row_gets_the_values_of_the_path(self, client: TestClient) -> None:
        created = client.post("/books/2/reviews", json={"user_id": 9, "text": "Good"})
        assert (created.status_code, created.json()["book_id"]) == (201, 2)
        assert created.headers["Location"] == "/books/2/reviews/9"
        assert client.get(created.headers["Location"]).json()["text"] == "Good"

    def test_a_body_may_repeat_the_path_but_not_contradict_it(self, client: TestClient) -> None:
        same = client.post("/books/2/reviews", json={"book_id": 2, "user_id": 9})
        assert same.status_code == 201
        other = client.post("/books/2/reviews", json={"book_id": 1, "user_id": 10})
        assert (other.status_code, other.json()["errors"][0]["field"]) == (422, "book_id")
        moved = client.patch("/books/1/chapters/1", json={"book_id": 2})
        assert moved.status_code == 422
        assert client.get("/books/1/chapters/1").status_code == 200

    def test_a_new_row_below_an_unknown_one_is_a_404(self, client: TestClient) -> None:
        for path, body in [
            ("/books/9/reviews", {"user_id": 9}),
            ("/books/9/reviews?on_conflict=book_id,user_id", {"user_id": 9}),
            ("/books/9/chapters", {"number": 1, "notes": [{"text": "Note"}]}),
        ]:
            assert outcome(client.post(path, json=body)) == MISSING_BOOK, path
        batch = client.post("/books/9/reviews:batch", json=[{"user_id": 9}, {"user_id": 10}])
        assert outcome(batch) == MISSING_BOOK
        assert outcome(client.put("/books/9/reviews/9", json={})) == MISSING_BOOK

    def test_writes_of_one_row_reach_only_those_below_the_path(self, client: TestClient) -> None:
        assert client.patch("/books/1/reviews/7", json={"text": "New"}).json()["text"] == "New"
        assert client.put("/books/1/reviews/9", json={"text": "New"}).status_code == 201
        assert client.put("/books/1/reviews/9", json={"text": "Newer"}).status_code == 200
        assert client.delete("/books/1/reviews/8").status_code == 200
        assert outcome(client.patch("/books/1/chapters/3", json={"number": 5}))[0] == 404
        assert outcome(client.delete("/books/1/chapters/3"))[0] == 404
        rows = client.get("/books/2/reviews").json()
        assert [(row["user_id"], row["text"]) for row in rows] == [(7, ""), (8, "")]

    def test_batches_name_rows_by_the_rest_of_the_key(self, client: TestClient) -> None:
        changed = client.patch(
            "/books/1/reviews:batch",
            json=[{"user_id": 7, "text": "A"}, {"book_id": 1, "user_id": 8, "text": "B"}],
        )
        assert [row["text"] for row in changed.json()] == ["A", "B"]
        elsewhere = [{"book_id": 2, "user_id": 7, "text": "C"}]
        assert client.patch("/books/1/reviews:batch", json=elsewhere).status_code == 404
        assert client.delete("/books/1/reviews:batch?key=7&key=8").status_code == 200
        assert client.get("/books/1/reviews").json() == []
        assert len(client.get("/books/2/reviews").json()) == 2

    def test_an_action_gets_the_rows_below_the_path(self, client: TestClient) -> None:
        client.patch("/books/1/reviews/7", json={"text": "a"})
        assert client.post("/books/1/reviews:shout?key=7").status_code == 200
        assert client.get("/books/1/reviews/7").json()["text"] == "A"
        assert client.post("/books/1/reviews:shout?key=9").status_code == 404

    def test_relations_and_nested_rows_are_below_the_path(self, client: TestClient) -> None:
        created = client.post("/books/1/chapters", json={"number": 3, "notes": [{"text": "N"}]})
        assert created.headers["Location"] == "/books/1/chapters/5"
        assert client.post("/books/1/chapters/5/notes", json={"text": "M"}).status_code == 201
        notes = client.get("/books/1/chapters/5/notes").json()
        assert [note["text"] for note in notes] == ["N", "M"]
        assert client.get("/books/2/chapters/5/notes").status_code == 404
        assert client.post("/books/2/chapters/5/notes", json={"text": "X"}).status_code == 404

    def test_a_repeated_key_counts_below_its_path(self, client: TestClient) -> None:
        headers, body = {"Idempotency-Key": "k"}, {"user_id": 9}
        first = client.post("/books/1/reviews", json=body, headers=headers)
        again = client.post("/books/1/reviews", json=body, headers=headers)
        other = client.post("/books/2/reviews", json=body, headers=headers)
        assert first.json() == again.json()
        assert (other.status_code, other.json()["book_id"]) == (201, 2)

    def test_hooks_get_the_values_of_the_path(self, db: Database, models: SimpleNamespace) -> None:
        reviews, seen = Resource(models.Review, db, prefix=PREFIX), []

        @reviews.before("create")
        def record(values: dict[str, Any]) -> None:
            seen.append(values["book_id"])

        with serving(reviews) as client:
            assert client.post("/books/2/reviews", json={"user_id": 9}).status_code == 201
            assert outcome(client.post("/books/9/reviews", json={"user_id": 9})) == MISSING_BOOK
        assert seen[0] == 2


class TestScopes:
    ANA, BEN = {"User": "ana"}, {"User": "ben"}

    def test_a_row_out_of_scope_in_the_path_is_a_404_everywhere(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        books = Resource(models.Book, db, scope=owned)
        reviews = Resource(
            models.Review, db, prefix=PREFIX, operations=STANDARD | {"aggregate", "replace"}
        )
        with serving(books, reviews) as client:
            for path in (
                "/books/2/reviews",
                "/books/2/reviews:aggregate?aggregate=count",
                "/books/2/reviews/7",
            ):
                assert client.get(path, headers=self.BEN).status_code == 200, path
                assert client.get(path, headers=self.ANA).status_code == 404, path
            body, ana = {"user_id": 9}, self.ANA
            for refused in (
                client.post("/books/2/reviews", json=body, headers=ana),
                client.post("/books/2/reviews:batch", json=[body], headers=ana),
                client.put("/books/2/reviews/9", json={}, headers=ana),
                client.patch("/books/2/reviews/7", json={"text": "x"}, headers=ana),
                client.delete("/books/2/reviews/7", headers=ana),
            ):
                assert refused.status_code == 404, refused.text
            created = client.post("/books/2/reviews", json=body, headers=self.BEN)
            assert created.status_code == 201

    def test_a_dependency_that_narrows_early_does_not_lift_the_scope_above(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        books = Resource(models.Book, db, scope=owned)
        reviews = Resource(models.Review, db, prefix=PREFIX)
        guard = Depends(reviews.writable)
        app = FastAPI()
        app.include_router(books)
        app.include_router(reviews, dependencies=[guard])
        with TestClient(app) as client:
            for method, body in (("GET", None), ("PATCH", {"text": "x"}), ("DELETE", None)):
                answer = client.request(method, "/books/2/reviews/7", json=body, headers=self.ANA)
                assert answer.status_code == 404, method
            assert client.get("/books/2/reviews/7", headers=self.BEN).status_code == 200

    def test_an_action_keeps_to_the_scope_above(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        books = Resource(models.Book, db, scope=owned)
        reviews = Resource(models.Review, db, prefix=PREFIX)

        @reviews.action("Shout")
        def shout(rows: list[Any]) -> None:
            for row in rows:
                row.text = "!"

        with serving(books, reviews) as client:
            url = "/books/2/reviews:shout?key=7"
            assert client.post(url, headers=self.ANA).status_code == 404
            assert client.post(url, headers=self.BEN).status_code == 200

    def test_an_endpoint_elsewhere_keeps_to_the_scope_above(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        Resource(models.Book, db, scope=owned)
        reviews = Resource(models.Review, db, prefix=PREFIX)
        app = FastAPI()

        @app.get("/of/{book_id}")
        def of_book(
            below: Annotated[Any, Depends(reviews.reachable)],
            session: Annotated[Session, Depends(db.get_session)],
        ) -> int:
            joined = select(models.Review).join(models.Book).where(below)
            return len(session.exec(joined).all())

        with TestClient(app) as client:
            assert client.get("/of/2", headers=self.BEN).json() == 2
            assert client.get("/of/2", headers=self.ANA).json() == 0
            assert client.get("/of/x", headers=self.ANA).status_code == 422
            assert client.get(f"/of/{2**70}", headers=self.ANA).status_code == 404

    def test_the_scope_and_the_write_scope_of_the_table_apply_as_well(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        def with_text(user: User = None) -> ColumnElement[bool]:
            return col(models.Review.text) != "hidden"

        reviews = Resource(models.Review, db, prefix=PREFIX, scope=with_text, write_scope=written)
        with serving(reviews) as client:
            changed = {"text": "x"}
            mine = client.patch("/books/1/reviews/7", json=changed, headers=self.ANA)
            assert mine.status_code == 200
            theirs = client.patch("/books/1/reviews/7", json=changed, headers=self.BEN)
            assert theirs.status_code == 403
            hidden = client.patch("/books/1/reviews/7", json={"text": "hidden"}, headers=self.ANA)
            assert hidden.status_code == 422
            assert len(client.get("/books/1/reviews").json()) == 2

    def test_a_path_outside_of_the_scope_of_the_table_is_a_404(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        def first_book() -> dict[str, int]:
            return {"book_id": 1}

        with serving(Resource(models.Review, db, prefix=PREFIX, scope=first_book)) as client:
            assert len(client.get("/books/1/reviews").json()) == 2
            assert outcome(client.get("/books/2/reviews")) == MISSING_BOOK
            refused = client.post("/books/2/reviews", json={"user_id": 9})
            assert outcome(refused) == MISSING_BOOK

    def test_a_scope_that_refuses_answers_first(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        with serving(Resource(models.Review, db, prefix=PREFIX, scope=lambda: None)) as client:
            assert client.get("/books/1/reviews").status_code == 403

    def test_an_unscoped_resource_keeps_its_path(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        plain = Resource(models.Review, db, scope=lambda: None)
        below = Resource(models.Review, db, prefix=PREFIX, scope=Unscoped)
        with serving(plain, below) as client:
            assert client.get("/reviews").status_code == 403
            assert [row["book_id"] for row in client.get("/books/2/reviews").json()] == [2, 2]
            assert client.get("/books/2/reviews/7").json()["book_id"] == 2

    def test_two_resources_of_a_table_do_not_share_a_path(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        everything = Resource(models.Review, db)
        with serving(everything, Resource(models.Review, db, prefix=PREFIX)) as client:
            assert len(client.get("/reviews").json()) == 4
            assert len(client.get("/books/1/reviews").json()) == 2
            assert client.get("/reviews/2,7").status_code == 200


class TestEndpointsOfTheUser:
    def test_they_get_the_rows_below_the_path(self, db: Database, models: SimpleNamespace) -> None:
        reviews = Resource(models.Review, db, prefix=PREFIX)

        @reviews.get("/latest")
        async def latest(query: Annotated[Page, Depends(reviews.query)]) -> Response:
            return await reviews.answer(query)

        @reviews.get("/number")
        def number(
            book_id: int,
            below: Annotated[Any, Depends(reviews.reachable)],
            session: Annotated[Session, Depends(db.get_session)],
        ) -> tuple[int, int]:
            return book_id, len(session.exec(select(models.Review).where(below)).all())

        with serving(reviews) as client:
            rows = client.get("/books/2/reviews/latest").json()
            assert [row["book_id"] for row in rows] == [2, 2]
            assert client.get("/books/9/reviews/latest").status_code == 404
            assert client.get("/books/2/reviews/number").json() == [2, 2]
            assert client.get("/books/x/reviews/number").status_code == 422
            operation = client.get("/openapi.json").json()["paths"][f"{PREFIX}/latest"]["get"]
            (parameter,) = [each for each in operation["parameters"] if each["in"] == "path"]
            assert (parameter["name"], parameter["schema"]["type"]) == ("book_id", "integer")

    def test_an_endpoint_elsewhere_needs_the_parameter_too(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        reviews = Resource(models.Review, db, prefix=PREFIX)
        app = FastAPI()

        @app.get("/reviews")
        async def everything(query: Annotated[Page, Depends(reviews.query)]) -> Response:
            return await reviews.answer(query)

        @app.get("/of/{book_id}")
        async def of_book(query: Annotated[Page, Depends(reviews.query)]) -> Response:
            return await reviews.answer(query)

        app.include_router(reviews)
        with TestClient(app) as client:
            assert len(client.get("/of/1").json()) == 2
            with pytest.raises(ModelError, match=r"needs the path parameter \{book_id\}"):
                client.get("/reviews")

    def test_a_condition_elsewhere_needs_no_scope(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        reviews = Resource(models.Review, db, prefix=PREFIX)
        app = FastAPI()

        @app.get("/of/{book_id}")
        def of_book(
            below: Annotated[Any, Depends(reviews.reachable)],
            session: Annotated[Session, Depends(db.get_session)],
        ) -> int:
            return len(session.exec(select(models.Review).where(below)).all())

        with TestClient(app) as client:
            assert client.get("/of/1").json() == 2

    def test_an_aggregate_of_an_endpoint_knows_the_missing_row(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        reviews = Resource(models.Review, db, prefix=PREFIX)

        @reviews.get("/number")
        async def number(
            query: Annotated[Page, Depends(reviews.query)],
        ) -> list[dict[str, Any]]:
            return await reviews.aggregate(query)

        with serving(reviews) as client:
            assert client.get("/books/1/reviews/number").json() == [{"count": 2}]
            assert outcome(client.get("/books/9/reviews/number")) == MISSING_BOOK


class TestDeclarations:
    def test_a_create_schema_needs_no_column_of_the_path(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        class Opinion(SQLModel):
            user_id: int
            text: str

        with serving(Resource(models.Review, db, prefix=PREFIX, create=Opinion)) as client:
            created = client.post("/books/2/reviews", json={"user_id": 9, "text": "x"})
            assert (created.status_code, created.json()["book_id"]) == (201, 2)

    def test_a_nullable_foreign_key_in_the_path_is_a_404_too(self, db: Database) -> None:
        class Shop(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)

        class Sale(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            shop_id: int | None = Field(default=None, foreign_key="shop.id")

        db.create_all()
        with serving(Resource(Sale, db, prefix="/shops/{shop_id}/sales")) as client:
            for answer in (
                client.post("/shops/7/sales", json={}),
                client.post("/shops/7/sales:batch", json=[{}, {}]),
            ):
                assert outcome(answer) == (404, "Shop not found.")

    def test_a_path_that_ends_with_a_parameter_keeps_its_batch(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        with serving(Resource(models.Review, db, prefix="/by/{author}")) as client:
            body = [{"book_id": 1, "user_id": 9}]
            assert client.post("/by/cat:batch", json=body).json()[0]["author"] == "cat"
            assert len(client.get("/by/cat").json()) == 1

    def test_the_description_has_the_key_of_the_path(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        reviews = Resource(models.Review, db, prefix=PREFIX)

        @reviews.get("/description")
        async def describe(request: Request) -> tuple[str, ...]:
            return (await reviews.describe(request)).key

        with serving(reviews) as client:
            assert client.get("/books/1/reviews/description").json() == ["user_id"]

    def test_a_parameter_of_the_paths_below_is_refused(self, db: Database) -> None:
        class Setting(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            target: str

        with pytest.raises(ModelError, match="has a parameter 'target'"):
            Resource(Setting, db, prefix="/{target}/settings")

    def test_a_column_may_have_the_name_of_an_argument(self, db: Database) -> None:
        class Entry(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            request: str

        db.create_all()
        entries = Resource(Entry, db, prefix="/{request}/entries")

        @entries.get("/all")
        async def everything(query: Annotated[Page, Depends(entries.query)]) -> Response:
            return await entries.answer(query)

        with serving(entries) as client:
            assert client.post("/a/entries", json={}).json()["request"] == "a"
            assert len(client.get("/a/entries/all").json()) == 1

    def test_the_document_has_the_parameters_and_the_404(self, client: TestClient) -> None:
        paths = client.get("/openapi.json").json()["paths"]
        for path in (PREFIX, f"{PREFIX}:batch", f"{PREFIX}/{{user_id}}", f"{PREFIX}:aggregate"):
            for operation in paths[path].values():
                names = [each["name"] for each in operation["parameters"] if each["in"] == "path"]
                assert names == (["book_id", "user_id"] if "user_id" in path else ["book_id"])
                assert "404" in operation["responses"]
                assert operation["tags"] == ["reviews"]

    def test_the_documented_body_leaves_the_path_out(self, client: TestClient) -> None:
        document = client.get("/openapi.json").json()
        body = document["paths"][PREFIX]["post"]["requestBody"]["content"]["application/json"]
        model = document["components"]["schemas"][body["schema"]["$ref"].rpartition("/")[2]]
        assert "book_id" not in model["properties"]
        assert "user_id" in model["properties"]

    def test_the_whole_key_cannot_be_in_the_path(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        with pytest.raises(ModelError, match="has the whole key of Book"):
            Resource(models.Book, db, prefix="/shelves/{id}/books")

    def test_a_parameter_that_nothing_reads_is_refused(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        reviews = Resource(models.Review, db, prefix="/books/{book}/reviews")
        with pytest.raises(ModelError, match=r"\{book\}, which is not a field of Review"):
            serving(reviews).__enter__()

    def test_a_dependency_may_read_other_parameters(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        def of_owner(owner: str) -> dict[str, str]:
            return {"author": owner}

        with serving(Resource(models.Review, db, prefix="/of/{owner}", scope=of_owner)) as client:
            assert [row["author"] for row in client.get("/of/ben").json()] == ["ben", "ben"]

    def test_a_column_that_is_no_foreign_key_filters(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        with serving(Resource(models.Review, db, prefix="/by/{author}/reviews")) as client:
            assert len(client.get("/by/ana/reviews").json()) == 2
            assert client.get("/by/nobody/reviews").json() == []
            assert client.get("/by/ana/reviews/2,7").status_code == 404

    def test_a_table_below_itself_is_refused(self, db: Database) -> None:
        class Folder(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            parent_id: int | None = Field(default=None, foreign_key="folder.id")

        db.create_all()
        folders = Resource(Folder, db, prefix="/folders/{parent_id}/folders")
        with pytest.raises(ModelError, match="foreign key to Folder itself"):
            serving(folders).__enter__()
