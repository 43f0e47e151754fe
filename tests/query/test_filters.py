"""Filters: operators, conditions across relations, and ``where``."""

import json
from datetime import date
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import String

from colonnade import Database, Field, Resource, SQLModel
from tests.query.lists import ids
from tests.resources.sample_app import serving

OPERATORS: tuple[tuple[str, list[int]], ...] = (
    ("status=completed", [1]),
    ("status__eq=completed", [1]),
    ("status__ne=pending", [1, 4]),
    ("progress__lt=10", [6]),
    ("progress__lte=10", [2, 3, 5, 6]),
    ("progress__gt=50", [1]),
    ("progress__gte=50", [1, 4]),
    ("progress__in=0,100", [1, 6]),
    ("progress__in=[0, 100]", [1, 6]),
    ("progress__not_in=10,50", [1, 6]),
    ('title__in=["a,b","Alpha"]', [2, 6]),
    ("description__is_null=true", [1, 4, 6]),
    ("description__is_null=false", [2, 3, 5]),
    ("description=", [3]),
    ("description__ne=x_y", [1, 3, 4, 5, 6]),
    ("description__not_in=x_y", [1, 3, 4, 5, 6]),
    ("title__contains=%25", [1]),
    ("title__contains=_", [5]),
    ("description__icontains=X_Y", [2]),
    ("title__contains=alpha", []),
    ("title__icontains=alpha", [2]),
    ("title__startswith=de", [5]),
    ("title__startswith=DE", []),
    ("title__istartswith=DE", [5]),
    ("title__endswith=ta", [3]),
    ("title__endswith=TA_", []),
    ("title__iendswith=TA_", [5]),
    ("title__contains=", [1, 2, 3, 4, 5, 6]),
    ("due=2026-01-01T00:00:00Z", [2, 6]),
    ("due__lt=2026-01-01T01:00:00%2B01:00", []),
    ("due__lte=2026-01-01T01:00:00%2B01:00", [2, 6]),
    ("status=pending&progress=10", [2, 3, 5]),
    ("project__slug=web", [1, 2]),
    ("project__slug__in=web,app", [1, 2, 3]),
    ("assignments__role=reviewer", [1]),
    ("workers__type=agent", [1, 2]),
    ("workers__id=@bot", [1, 2]),
    ("labels__name=urgent", [1]),
    ("subtasks__title=delta_", [4]),
)


@pytest.mark.usefixtures("tasks")
def test_each_operator_selects_its_rows(client: TestClient) -> None:
    for query, expected in OPERATORS:
        assert ids(client, query) == expected


WHERE: tuple[tuple[Any, list[int]], ...] = (
    ({"status": "completed"}, [1]),
    ({"progress": {"gte": 10, "lt": 60}}, [2, 3, 4, 5]),
    ({"progress__gte": 50}, [1, 4]),
    ({"or": [{"status": "completed"}, {"progress": 0}]}, [1, 6]),
    ({"and": [{"progress": 10}, {"title__istartswith": "A"}]}, [2]),
    ({"not": {"description__is_null": True}}, [2, 3, 5]),
    ({"not": {"description": "x_y"}}, [1, 3, 4, 5, 6]),
    ({"project": {"slug": "web"}}, [1, 2]),
    ({"project": {}}, [1, 2, 3]),
    ({"not": {"project": {}}}, [4, 5, 6]),
    ({"assignments": {"worker": {"type": "agent"}, "role": "assignee"}}, [2]),
    ({"not": {"assignments": {"role": "assignee"}}}, [3, 4, 5, 6]),
    ({"or": []}, []),
    ({"and": []}, [1, 2, 3, 4, 5, 6]),
    ({}, [1, 2, 3, 4, 5, 6]),
    ({"title": {"in": []}}, []),
    ({"due__gt": "2025-01-01T00:00:00Z", "or": [{"id": 2}, {"id": 3}]}, [2]),
)


@pytest.mark.usefixtures("tasks")
def test_where_combines_conditions(client: TestClient) -> None:
    for where, expected in WHERE:
        assert ids(client, f"where={quote(json.dumps(where))}") == expected


@pytest.mark.usefixtures("tasks")
def test_a_filter_on_a_list_does_not_duplicate_rows(client: TestClient) -> None:
    answer = client.get("/tasks?assignments__role__in=assignee,reviewer&count=exact&limit=1")
    assert [task["id"] for task in answer.json()] == [1]
    assert answer.headers["X-Total-Count"] == "2"


@pytest.fixture
def items(db: Database) -> Any:
    class Item(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        weight: float = 0.1
        day: date | None = None
        on: bool = False

    db.create_all()
    with serving(Resource(Item, db)) as items:
        body = [{"weight": 0.1}, {"weight": 1e23, "day": "2026-01-01"}, {"on": True}]
        items.post("/items:batch", json=body)
        yield items


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("weight__in=0.1,7", [1, 3]),
        ("weight__in=1e23", [2]),
        ("weight__not_in=0.1", [2]),
        ("day__in=2026-01-01,2026-01-02", [2]),
        ("day__not_in=2026-01-01", [1, 3]),
        ("on__in=true", [3]),
        ('where={"id__in":[]}', []),
        ('where={"id__not_in":[]}', [1, 2, 3]),
    ],
)
def test_in_takes_values_of_any_type(items: TestClient, query: str, expected: list[int]) -> None:
    assert [row["id"] for row in items.get(f"/items?{query}").json()] == expected


def test_a_request_can_have_many_long_lists(items: TestClient) -> None:
    where: Any = {"or": [{"id__in": [4] * 1000}] * 32 + [{"id": 1}]}
    answer = items.get(f"/items?where={json.dumps(where, separators=(',', ':'))}")
    assert [row["id"] for row in answer.json()] == [1]


def test_a_search_folds_both_texts_by_the_collation_of_the_column(db: Database) -> None:
    class Note(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        title: str = Field(sa_type=String().with_variant(String(collation="C"), "postgresql"))

    db.create_all()
    with serving(Resource(Note, db)) as notes:
        notes.post("/notes:batch", json=[{"title": "École"}, {"title": "école"}])
        for text, expected in [("École", [1]), ("éC", [2]), ("COLE", [1, 2])]:
            answer = notes.get("/notes", params={"title__icontains": text})
            assert [row["id"] for row in answer.json()] == expected, text
