"""A nested body does what its parts do, one after another, through the plain endpoints.

The parts run in the order of the documentation: the row itself, then for each relation disconnect
(and what ``set`` removes), delete, connect (and what ``set`` adds), update, upsert, and create.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Optional

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert

from colonnade import Database, Field, Relationship, Resource, SQLModel
from tests.resources.sample_app import serving

pytestmark = pytest.mark.slow

State = dict[str, Any]
KEYS = "abcdefgh"
BOOKS: dict[str, str | None] = {"a": "A", "b": "A", "c": "A", "d": "B", "e": "B", "f": None}
"""The author of each book; books g and h do not exist."""
TAGS = {"a": "A", "b": "A", "c": "B", "d": None, "e": None}
"""The author who has each tag; tags f to h do not exist."""


@dataclass
class Library:
    """An app with authors, who have a city, books and tags."""

    db: Database
    client: TestClient
    models: list[Any]

    def reset(self) -> None:
        """Store the same rows as at the beginning."""
        city, author, book, tag, link = self.models
        rows: list[tuple[Any, list[dict[str, Any]]]] = [
            (city, [{"id": key, "name": ""} for key in "XY"]),
            (author, [{"id": "A", "name": "", "city_id": "X"}, {"id": "B", "name": ""}]),
            (book, [{"id": key, "title": "", "author_id": owner} for key, owner in BOOKS.items()]),
            (tag, [{"id": key, "name": ""} for key in TAGS]),
            (link, [{"author_id": v, "tag_id": key} for key, v in TAGS.items() if v is not None]),
        ]
        with self.db.session() as session:
            for model, _ in reversed(rows):
                session.execute(delete(model))
            for model, values in rows:
                for value in values:
                    session.execute(insert(model).values(value))
            session.commit()

    def state(self) -> State:
        """Return all rows."""
        paths = "/cities", "/authors?include=tags", "/books", "/tags"
        return {path: self.client.get(path).json() for path in paths}

    def succeeds(self, method: str, path: str, body: Any = None) -> bool:
        """Whether a request to a plain endpoint succeeds."""
        response = self.client.request(method, path, json=body)
        assert response.status_code < 500, response.text
        return response.status_code < 300


@pytest.fixture
def library(db: Database) -> Iterator[Library]:
    class City(SQLModel, table=True):
        id: str = Field(primary_key=True)
        name: str = ""

    class AuthorTag(SQLModel, table=True):
        author_id: str = Field(foreign_key="author.id", primary_key=True, ondelete="CASCADE")
        tag_id: str = Field(foreign_key="tag.id", primary_key=True, ondelete="CASCADE")

    class Tag(SQLModel, table=True):
        id: str = Field(primary_key=True)
        name: str = Field(default="", max_length=3)

    class Author(SQLModel, table=True):
        id: str = Field(primary_key=True)
        name: str = ""
        city_id: str | None = Field(default=None, foreign_key="city.id")
        city: City | None = Relationship()
        books: list["Book"] = Relationship(back_populates="author")
        tags: list[Tag] = Relationship(
            link_model=AuthorTag, sa_relationship_kwargs={"viewonly": True}
        )

    class Book(SQLModel, table=True):
        id: str = Field(primary_key=True)
        title: str = Field(default="", max_length=3)
        author_id: str | None = Field(default=None, foreign_key="author.id")
        author: Optional["Author"] = Relationship(back_populates="books")

    db.create_all()
    cities, books, tags = Resource(City, db), Resource(Book, db), Resource(Tag, db)
    nested = {"books": books, "tags": tags, "city": cities}
    authors = Resource(Author, db, include=["tags"], nested=nested)
    with serving(cities, authors, books, tags) as client:
        yield Library(db, client, [City, Author, Book, Tag, AuthorTag])


texts = st.sampled_from(["", "x", "yy", "zzz", "too long"])
VERBS = "disconnect", "delete", "connect", "update", "upsert", "create"


@st.composite
def relation_bodies(draw: st.DrawFn, field: str) -> dict[str, Any]:
    """The verbs of a relation; each key is named once."""
    keys = draw(st.permutations(KEYS))
    body: dict[str, Any] = {}
    for verb in VERBS:
        count = draw(st.sampled_from([0, 0, 0, 1, 2]))
        chosen, keys = keys[:count], keys[count:]
        if not chosen:
            continue
        has_fields = verb in {"update", "upsert", "create"}
        body[verb] = [{"id": key, field: draw(texts)} if has_fields else key for key in chosen]
    if "connect" in body and draw(st.booleans()):
        body = {"set": body["connect"]} | ({"create": body["create"]} if "create" in body else {})
    return body


city_bodies = st.one_of(
    st.none(),
    st.sampled_from(["X", "Y", "Z"]).map(lambda key: {"connect": key}),
    st.builds(
        lambda key, name: {"create": {"id": key, "name": name}}, st.sampled_from("XZ"), texts
    ),
    st.builds(lambda name: {"update": {"name": name}}, texts),
)


@st.composite
def bodies(draw: st.DrawFn) -> dict[str, Any]:
    """The body of a PATCH of author A."""
    body: dict[str, Any] = {}
    if draw(st.booleans()):
        body["name"] = draw(texts)
    if draw(st.booleans()):
        body["city"] = draw(city_bodies)
    if draw(st.booleans()):
        body["books"] = draw(relation_bodies("title"))
    if draw(st.booleans()):
        body["tags"] = draw(relation_bodies("name"))
    return body


def part_by_part(library: Library, body: dict[str, Any]) -> bool:
    """Do what a body asks for through the plain endpoints; return whether all of it succeeds."""
    run = library.succeeds
    changes: dict[str, Any] = {"name": body["name"]} if "name" in body else {}
    if "city" in body:
        city = body["city"] or {}
        if "create" in city and not run("POST", "/cities", city["create"]):
            return False
        if "update" in city and not run("PATCH", "/cities/X", city["update"]):
            return False
        if "update" not in city:
            changes["city_id"] = city.get("connect", city.get("create", {}).get("id"))
    return (
        run("PATCH", "/authors/A", changes)
        and all(run(*part) for part in book_parts(body.get("books", {})))
        and all(run(*part) for part in tag_parts(body.get("tags", {})))
    )


Part = tuple[str, str, Any]
IMPOSSIBLE: Part = ("GET", "/books/not-there", None)


def book_parts(body: dict[str, Any]) -> Iterator[Part]:
    """The requests that do what a body asks for its books."""
    books_of_a = [key for key, owner in BOOKS.items() if owner == "A"]
    wanted = body.get("set")
    leaving = body.get("disconnect", [])
    if wanted is not None:
        leaving = [*leaving, *(key for key in books_of_a if key not in wanted)]
    for key in leaving:
        yield ("PATCH", f"/books/{key}", {"author_id": None}) if key in books_of_a else IMPOSSIBLE
    for key in body.get("delete", []):
        yield ("DELETE", f"/books/{key}", None) if key in books_of_a else IMPOSSIBLE
    for key in wanted if wanted is not None else body.get("connect", []):
        yield "PATCH", f"/books/{key}", {"author_id": "A"}
    for row in body.get("update", []):
        is_own = row["id"] in books_of_a
        yield ("PATCH", f"/books/{row['id']}", {"title": row["title"]}) if is_own else IMPOSSIBLE
    for row in body.get("upsert", []):
        if row["id"] in books_of_a:
            yield "PATCH", f"/books/{row['id']}", {"title": row["title"]}
        else:  # that of another author is a conflict
            yield "POST", "/books", {**row, "author_id": "A"}
    for row in body.get("create", []):
        yield "POST", "/books", {**row, "author_id": "A"}


def tag_parts(body: dict[str, Any]) -> Iterator[Part]:
    """The requests that do what a body asks for its tags."""
    tags_of_a = [key for key, owner in TAGS.items() if owner == "A"]
    wanted = body.get("set")
    for key in body.get("disconnect", []):
        yield "DELETE", f"/authors/A/tags/{key}", None
    if wanted is not None:
        for key in tags_of_a:
            if key not in wanted:
                yield "DELETE", f"/authors/A/tags/{key}", None
    for key in body.get("delete", []):
        yield ("DELETE", f"/tags/{key}", None) if key in tags_of_a else IMPOSSIBLE
    for key in wanted if wanted is not None else body.get("connect", []):
        yield "PUT", f"/authors/A/tags/{key}", None
    for row in body.get("update", []):
        is_own = row["id"] in tags_of_a
        yield ("PATCH", f"/tags/{row['id']}", {"name": row["name"]}) if is_own else IMPOSSIBLE
    for row in body.get("upsert", []):
        if row["id"] in tags_of_a:
            yield "PATCH", f"/tags/{row['id']}", {"name": row["name"]}
        else:
            yield "POST", "/tags", row
            yield "PUT", f"/authors/A/tags/{row['id']}", None
    for row in body.get("create", []):
        yield "POST", "/tags", row
        yield "PUT", f"/authors/A/tags/{row['id']}", None


@settings(
    max_examples=150,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(body=bodies())
def test_a_nested_body_does_what_its_parts_do(library: Library, body: dict[str, Any]) -> None:
    library.reset()
    before = library.state()
    response = library.client.patch("/authors/A", json=body)
    event(f"status {response.status_code}")
    after = library.state()
    library.reset()
    if part_by_part(library, body):
        assert response.status_code == 200, (body, response.text)
        assert after == library.state()
    else:
        assert 400 <= response.status_code < 500, (body, response.text)
        assert response.json()["errors"][0]["loc"][:1] == ["body"]
        assert after == before
