"""Query parameters: what is refused, repeated, cached or named like a column."""

import pytest
from fastapi.testclient import TestClient

from colonnade import Database, Field, Resource, SQLModel
from colonnade.query import PageReader, QueryableTable
from tests.query.lists import ids
from tests.resources.sample_app import serving

WRONG = (
    ("unknown=1", "unknown"),
    ("progress=ten", "progress"),
    ("progress=9999999999999999999", "progress"),
    ("progress__in=1,x", "progress__in"),
    ("progress__contains=1", "progress__contains"),
    ("status=nonsense", "status"),
    ("due=2026-01-01T00:00:00", "due"),
    ("due__gt=yesterday", "due__gt"),
    ("tags=a", "tags"),
    ("title=%00", "title"),
    ("status=pending&status=completed", "status"),
    ("project__slug__nope=1", "project__slug__nope"),
    ("workers__token=hidden", "workers__token"),
    ("parent__title=x", "parent__title"),
    ("limit=0", "limit"),
    ("limit=100000000", "limit"),
    ("limit=-1", "limit"),
    ("limit=x", "limit"),
    ("offset=-1", "offset"),
    ("offset=99999999999999999999", "offset"),
    ("order_by=nope", "order_by"),
    ("order_by=tags", "order_by"),
    ("order_by=title,-title", "order_by"),
    ("order_by=metadata", "order_by"),
    ("fields=nope", "fields"),
    ("fields=", "fields"),
    ("include=parent", "include"),
    ("include=project.tasks", "include"),
    ("include=assignments:101", "include"),
    ("count=some", "count"),
    ("cursor=nonsense", "cursor"),
    ("cursor=", "cursor"),
    ("where={", "where"),
    ("where=[]", "where"),
    ('where={"nope":1}', "nope"),
    ('where={"progress":"x"}', "progress"),
    ('where={"progress":true}', "progress"),
    ('where={"progress":null}', "progress"),
    ('where={"progress":{"like":1}}', "like"),
    ('where={"workers":{"token":"hidden"}}', "token"),
    ('where={"or":{}}', "or"),
    ('where={"title":"\\u0000"}', "title"),
    ("where=" + '{"not":' * 40 + "{}" + "}" * 40, "not"),
    ("where=" + "[" * 3000 + "]" * 3000, "where"),
    ("_sa_instance_state=1", "_sa_instance_state"),
    ("__class__=1", "__class__"),
    ("_connector=OR", "_connector"),
)


@pytest.mark.usefixtures("tasks")
def test_an_invalid_parameter_is_refused_by_name(client: TestClient) -> None:
    for query, field in WRONG:
        answer = client.get(f"/tasks?{query}")
        assert answer.status_code == 422, answer.text
        assert field in [error.get("field") for error in answer.json()["errors"]]


@pytest.mark.usefixtures("tasks")
def test_an_unknown_parameter_gets_a_suggestion(client: TestClient) -> None:
    assert "status" in client.get("/tasks?statsu=pending").json()["detail"]


def test_a_column_named_like_a_parameter_is_filtered_with_an_operator(db: Database) -> None:
    class Quota(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        limit: int
        where: str = ""

    db.create_all()
    with serving(Resource(Quota, db)) as client:
        for limit in (5, 10):
            client.post("/quotas", json={"limit": limit})
        assert [row["limit"] for row in client.get("/quotas?limit__eq=5&limit=1").json()] == [5]
        assert len(client.get("/quotas?limit=1").json()) == 1


@pytest.mark.usefixtures("tasks")
def test_names_are_separated_by_commas_or_the_parameter_is_repeated(client: TestClient) -> None:
    assert ids(client, "order_by=status&order_by=-progress") == [1, 4, 5, 3, 2, 6]
    (row, *_) = client.get("/tasks?fields=id&fields=title&include=labels&include=project").json()
    assert set(row) == {"id", "title", "labels", "project"}


@pytest.mark.usefixtures("tasks")
def test_fields_chooses_columns(client: TestClient) -> None:
    assert client.get("/tasks?fields=title,id&limit=1").json() == [{"title": "100% done", "id": 1}]
    assert client.get("/tasks/2?fields=title").json() == {"title": "Alpha"}


def test_long_query_strings_are_not_cached(db: Database) -> None:
    class Note(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        text: str = ""

    reader = PageReader(QueryableTable.of(Note))
    for n in range(100):
        reader.read([("text", f"{n}" * 5_000)])
    assert reader._cached_page.cache_info().currsize == 0
    reader.read([("text", "x")])
    assert reader._cached_page.cache_info().currsize == 1
