"""Indexes serve filters inside of JSON and arrays, filters by related rows, and their counts."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Optional

import psycopg
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import BaseModel
from sqlalchemy import ARRAY, String

from colonnade import STANDARD, Database, Field, Relationship, Resource, SQLModel
from colonnade.testing import no_sequential_scans
from colonnade.testing._statements import Statement, record_statements

pytestmark = pytest.mark.slow
ROWS = 100_000


@pytest.fixture
def postgresql(postgresql_database: str) -> Iterator[Database]:
    """A database on PostgreSQL, whose planner says which indexes it scans."""
    db = Database(postgresql_database)
    yield db
    db.dispose()


def served(db: Database, *resources: Resource) -> TestClient:
    app = FastAPI(lifespan=db.lifespan)
    for resource in resources:
        app.include_router(resource)
    return TestClient(app)


def execute(db: Database, *statements: str) -> None:
    with db.engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def requested(db: Database, client: TestClient, path: str) -> tuple[Any, list[dict[str, Any]]]:
    """The response to a request that scans no table, and the nodes of its plan on PostgreSQL."""
    with no_sequential_scans(db) as statements:
        response = client.get(path)
    assert response.status_code == 200, response.text
    return response.json(), explained(db, statements[-1])


def explained(db: Database, statement: Statement) -> list[dict[str, Any]]:
    """The nodes of the plan that PostgreSQL ran for a statement."""
    with db.engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        with psycopg.RawCursor(driver) as cursor:
            cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement.sql}", statement.parameters)
            row = cursor.fetchone()
    assert row is not None
    return list(nodes(row[0][0]["Plan"]))


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A node of a plan, and all nodes below it."""
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def indexes(plan: list[dict[str, Any]]) -> list[str]:
    """The indexes that a plan scans."""
    return [node["Index Name"] for node in plan if "Index Name" in node]


def test_filters_inside_of_json_use_a_gin_index_of_the_column(postgresql: Database) -> None:
    class Hours(BaseModel):
        open: str

    class Meta(BaseModel):
        color: str
        monday: Hours

    class Note(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        tags: list[str]
        meta: Meta
        extra: dict[str, Any]

    postgresql.create_all()
    execute(
        postgresql,
        "INSERT INTO note (tags, meta, extra) SELECT "
        "jsonb_build_array('tag-' || n / 10, 'all'), jsonb_build_object('color', 'color-' || n / "
        "10, 'monday', jsonb_build_object('open', 'hour-' || n / 10)), "
        f"jsonb_build_object('size', n / 10) FROM generate_series(0, {ROWS - 1}) AS s(n)",
    )
    requests = (
        ("tags__contains=tag-77", "tags", 10),
        ("tags__overlaps=tag-77,tag-78", "tags", 20),
        ("meta__color=color-77", "meta", 10),
        ("meta__color__in=color-77,color-78", "meta", 20),
        ("meta__monday__open=hour-77", "meta", 10),
        ("extra__size=77", "extra", 10),
    )
    with served(postgresql, Resource(Note, postgresql)) as client:
        for operators in ("jsonb_ops", "jsonb_path_ops"):
            for name in ("tags", "meta", "extra"):
                execute(
                    postgresql,
                    f"DROP INDEX IF EXISTS ix_{name}",
                    f"CREATE INDEX ix_{name} ON note USING gin ({name} {operators})",
                )
            for query, name, count in requests:
                rows, plan = requested(postgresql, client, f"/notes?{query}&limit=1000")
                assert len(rows) == count, query
                assert indexes(plan) == [f"ix_{name}"], (operators, query)


def test_filters_of_an_array_use_a_gin_index_of_the_column(postgresql: Database) -> None:
    class Note(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        tags: list[str] = Field(sa_type=ARRAY(String))

    postgresql.create_all()
    execute(
        postgresql,
        "INSERT INTO note (tags) SELECT ARRAY['tag-' || n / 10, 'all'] "
        f"FROM generate_series(0, {ROWS - 1}) AS s(n)",
        "CREATE INDEX ix_tags ON note USING gin (tags)",
    )
    with served(postgresql, Resource(Note, postgresql)) as client:
        for query, count in (("tags__contains=tag-77", 10), ("tags__overlaps=tag-77,tag-78", 20)):
            rows, plan = requested(postgresql, client, f"/notes?{query}&limit=1000")
            assert len(rows) == count, query
            assert indexes(plan) == ["ix_tags"], query


@pytest.fixture
def client(postgresql: Database) -> Iterator[TestClient]:
    """A client of 5,000 projects with 20 tasks each."""

    class Project(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        slug: str = Field(unique=True)
        tasks: list["Task"] = Relationship(back_populates="project")

    class Task(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        project_id: int | None = Field(default=None, foreign_key="project.id", index=True)
        project: Optional["Project"] = Relationship(back_populates="tasks")

    Project.model_rebuild(_types_namespace={"Task": Task})
    Task.model_rebuild(_types_namespace={"Project": Project})
    postgresql.create_all()
    projects = ROWS // 20
    execute(
        postgresql,
        "INSERT INTO project (id, slug) SELECT n, 'project-' || n "
        f"FROM generate_series(0, {projects - 1}) AS s(n)",
        "INSERT INTO task (project_id) SELECT mod(n, "
        f"{projects}) FROM generate_series(0, {ROWS - 1}) AS s(n)",
    )
    resources = (
        Resource(Project, postgresql, include=["tasks.count"]),
        Resource(Task, postgresql, include=["project"]),
    )
    with served(postgresql, *resources) as running:
        yield running


def test_only_the_related_rows_of_the_rows_in_a_page_are_counted(
    postgresql: Database, client: TestClient
) -> None:
    rows, plan = requested(postgresql, client, "/projects?limit=20&include=tasks.count")
    assert [row["tasks_count"] for row in rows] == [20] * 20
    scans = [node for node in plan if node.get("Index Name") == "ix_task_project_id"]
    assert [(node["Actual Loops"], node["Actual Rows"]) for node in scans] == [(20, 20)]


def test_a_filter_by_a_field_of_a_related_row_uses_indexes(
    postgresql: Database, client: TestClient
) -> None:
    rows, plan = requested(
        postgresql, client, "/tasks?project__slug=project-77&order_by=project.slug&limit=10"
    )
    assert [row["project_id"] for row in rows] == [77] * 10
    assert {"ix_task_project_id", "uq_project_slug"} <= set(indexes(plan))


def test_a_page_ordered_by_a_related_row_reads_only_the_rows_that_match(
    postgresql: Database, client: TestClient
) -> None:
    rows, plan = requested(postgresql, client, "/tasks?project_id=77&order_by=-project.slug")
    assert [row["project_id"] for row in rows] == [77] * 20
    assert "ix_task_project_id" in indexes(plan)


def test_the_planner_expects_few_groups_of_months(postgresql: Database) -> None:
    class Event(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        kind: str = Field(index=True)
        at: datetime

    postgresql.create_all()
    execute(
        postgresql,
        "INSERT INTO event (kind, at) SELECT 'kind-' || mod(n, 3), timestamptz "
        "'2026-01-01 00:00:00+00' + n * interval '5 minutes' "
        f"FROM generate_series(0, {ROWS - 1}) AS s(n)",
        "ANALYZE event",
    )
    resource = Resource(Event, postgresql, operations=STANDARD | {"aggregate"})
    with served(postgresql, resource) as client, record_statements(postgresql) as statements:
        response = client.get("/events:aggregate?group_by=kind,at.month&aggregate=count&limit=1")
    assert response.json() == [{"kind": "kind-0", "at.month": "2026-01-01", "count": 2976}]
    plan = explained(postgresql, statements[-1])
    expected = max(node["Plan Rows"] for node in plan if node["Node Type"] == "Aggregate")
    assert expected <= ROWS / 10, "with as many groups as rows, it would sort a large table"
