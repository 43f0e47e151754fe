"""``GET /tasks:aggregate`` and ``Resource.aggregate``: who may ask, what is refused, pages."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Annotated, Any, Optional

import pytest
from fastapi import Depends, Header, HTTPException, Response
from fastapi.testclient import TestClient
from pydantic import PlainSerializer, field_serializer, model_serializer
from sqlalchemy import Boolean, ColumnElement, Integer, TypeDecorator, literal_column, text
from sqlalchemy.dialects.postgresql import INT4RANGE, MACADDR, Range

from colonnade import STANDARD, Database, Field, Page, Relationship, Resource, SQLModel, col
from colonnade.errors import ModelError
from colonnade.resources.routes._route_builder import Operation
from tests.resources.sample_app import serving, statements


def define_models() -> SimpleNamespace:
    class Project(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        slug: str
        tasks: list["Task"] = Relationship(back_populates="project")

    class Task(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        status: str = "open"
        points: int = 0
        salary: Decimal = Field(default=Decimal(0), max_digits=10, decimal_places=2)
        created_at: datetime = Field(default_factory=lambda: datetime(2026, 1, 1, tzinfo=UTC))
        secret: str = Field(default="", secret=True)
        owner: str = "ana"
        project_id: int | None = Field(default=None, foreign_key="project.id")
        project: Project | None = Relationship(back_populates="tasks")

    return SimpleNamespace(Project=Project, Task=Task)


@pytest.fixture
def models(db: Database) -> SimpleNamespace:
    models = define_models()
    db.create_all()
    return models


WITH_AGGREGATE: frozenset[Operation] = STANDARD | {"aggregate"}


@pytest.fixture
def client(db: Database, models: SimpleNamespace) -> Iterator[TestClient]:
    tasks = Resource(
        models.Task,
        db,
        include=["project"],
        operations=WITH_AGGREGATE,
        aggregate_exclude=["salary"],
    )
    with serving(tasks) as client:
        yield client


def add(db: Database, *rows: Any) -> None:
    with db.session() as session:
        session.add_all(rows)
        session.commit()


def errors(client: TestClient, query: str, path: str = "/tasks:aggregate") -> dict[str, str]:
    """The messages of a refused request, by parameter."""
    answer = client.get(f"{path}?{query}")
    assert answer.status_code == 422, answer.text
    return {error["loc"][1]: error["message"] for error in answer.json()["errors"]}


def test_aggregates_are_off_until_operations_names_them(
    db: Database, models: SimpleNamespace
) -> None:
    with serving(Resource(models.Task, db)) as client:
        assert client.get("/tasks:aggregate?aggregate=count").status_code == 404
        assert "/tasks:aggregate" not in client.get("/openapi.json").json()["paths"]


def test_an_aggregate_is_one_statement(
    db: Database, client: TestClient, models: SimpleNamespace
) -> None:
    add(db, models.Task(points=3), models.Task(points=4, status="done"))
    query = "group_by=status,project.slug&aggregate=count,points.sum,project.id.count_distinct"
    client.get("/tasks:aggregate?aggregate=count")  # connect
    with statements(db, client) as seen:
        answer = client.get(f"/tasks:aggregate?{query}&having={{%22count__gt%22:0}}&limit=1")
    assert answer.status_code == 200, answer.text
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("query", "parameter", "message"),
    [
        ("group_by=secret&aggregate=count", "group_by", "'secret' is not a field"),
        ("group_by=salary&aggregate=count", "group_by", "salary can be neither grouped nor"),
        ("aggregate=salary.sum", "aggregate", "salary can be neither grouped nor aggregated"),
        ("aggregate=secret.max", "aggregate", "'secret' is not a field"),
        ("aggregate=status.sum", "aggregate", "Use one of count, count_distinct, min, max"),
        ("aggregate=points.sum&tz=Mars/Base", "tz", "Use an IANA name such as UTC"),
        ("aggregate=count&group_by=created_at.decade", "group_by", "Use one of hour, day, week"),
        ("aggregate=count&group_by=project", "group_by", "project is a relation: name a field"),
        ("aggregate=count&having={%22points__sum%22:1}", "having", "It has count"),
        ("aggregate=count&having={%22status%22:1}", "having", "status is not an aggregate"),
        ("aggregate=count&order_by=points", "order_by", "neither in group_by nor in aggregate"),
        ("aggregate=count&fill=true", "fill", "fill needs one time bucket in group_by"),
        ("aggregate=count&fill=maybe&group_by=created_at.day", "fill", "must be true or false"),
        ("aggregate=count,count", "aggregate", "count occurs twice"),
        ("aggregate=count&nope=1", "nope", "Unknown parameter nope"),
        ("aggregate=count&offset=1", "offset", "Unknown parameter offset"),
        ("aggregate=count&cursor=x", "cursor", "The cursor does not belong to this query"),
        ("aggregate=count&limit=0", "limit", "limit must be an integer from 1 to 1000"),
        ("group_by=status", "aggregate", "Name at least one aggregate"),
        ("aggregate=" + ",".join(["count"] * 21), "aggregate", "occurs twice"),
    ],
)
def test_what_cannot_be_computed_is_refused(
    client: TestClient, query: str, parameter: str, message: str
) -> None:
    assert message in errors(client, query)[parameter]


def test_a_request_with_more_than_ten_thousand_groups_is_refused(
    db: Database, client: TestClient, models: SimpleNamespace
) -> None:
    with db.session() as session:
        session.connection().execute(
            text(
                "INSERT INTO task (status, points, salary, created_at, secret, owner) "
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10001) "
                "SELECT 'open', i, 0, '2026-01-01 00:00:00', '', 'ana' FROM n"
            )
        )
        session.commit()
    assert (
        "more than 10,000 groups" in errors(client, "group_by=points&aggregate=count")["group_by"]
    )
    fewer = client.get("/tasks:aggregate?group_by=points&aggregate=count&points__lte=10000")
    assert len(fewer.json()) == 100  # the page


def test_pages_of_groups_follow_each_other_without_gaps(
    db: Database, client: TestClient, models: SimpleNamespace
) -> None:
    add(db, *(models.Task(status=f"s{index % 7}", points=index % 3) for index in range(40)))
    url: str | None = "/tasks:aggregate?group_by=status,points&aggregate=count&order_by=-count"
    whole = client.get(f"{url}&limit=100").json()
    pages, url = [], f"{url}&limit=4"
    while url is not None:
        answer = client.get(url)
        pages.append(answer.json())
        url = answer.links.get("next", {}).get("url")
    assert [group for page in pages for group in page] == whole
    back = client.get(answer.links["prev"]["url"]).json()
    assert back == pages[-2]


def test_the_scope_of_a_table_decides_which_rows_count(
    db: Database, models: SimpleNamespace
) -> None:
    def own(x_user: str = Header()) -> dict[str, str]:
        return {"owner": x_user}

    add(db, models.Task(points=1), models.Task(owner="ben", points=2))
    with serving(Resource(models.Task, db, scope=own, operations=WITH_AGGREGATE)) as client:
        answer = client.get("/tasks:aggregate?aggregate=points.sum", headers={"X-User": "ben"})
        assert answer.json() == [{"points.sum": 2}]
        assert answer.headers["Cache-Control"] == "private"


def test_the_dependencies_of_list_guard_aggregates(db: Database, models: SimpleNamespace) -> None:
    def deny() -> None:
        raise HTTPException(403)

    guards: Any = {"list": [Depends(deny)]}
    tasks = Resource(models.Task, db, operations=WITH_AGGREGATE, dependencies=guards)
    with serving(tasks) as client:
        assert client.get("/tasks:aggregate?aggregate=count").status_code == 403


def test_a_program_gets_the_groups_as_python_values(db: Database, models: SimpleNamespace) -> None:
    tasks = Resource(models.Task, db, include=["project"], aggregate_exclude=["salary"])

    @tasks.get("/totals")
    async def totals(query: Page = Depends(tasks.query)) -> list[str]:
        groups = await tasks.aggregate(
            query.where(models.Task.points > 0),
            group_by=["created_at.month", "project.slug"],
            aggregate=["count", "salary.sum", "salary.avg", "points.avg", "created_at.max"],
        )
        return [repr(list(group.items())) for group in groups]

    add(db, models.Project(id=1, slug="web"))
    for points in (0, 2, 3):
        add(db, models.Task(points=points, project_id=1, salary=Decimal("0.10")))
    with serving(tasks) as client:
        (group,) = client.get("/tasks/totals?status=open&order_by=-id&limit=1").json()
    assert group == repr(
        [
            ("created_at.month", date(2026, 1, 1)),
            ("project.slug", "web"),
            ("count", 2),
            ("salary.sum", Decimal("0.20")),
            ("salary.avg", Decimal("0.100000")),
            ("points.avg", 2.5),
            ("created_at.max", datetime(2026, 1, 1, tzinfo=UTC)),
        ]
    )


def test_a_wrong_field_in_a_program_is_a_422_of_its_endpoint(
    db: Database, models: SimpleNamespace
) -> None:
    tasks = Resource(models.Task, db)

    @tasks.get("/totals")
    async def totals(by: str, query: Page = Depends(tasks.query)) -> Any:
        return await tasks.aggregate(query, group_by=[by])

    with serving(tasks) as client:
        assert client.get("/tasks/totals?by=status").json() == []
        assert "'nope' is not a field" in errors(client, "by=nope", "/tasks/totals")["group_by"]


def test_a_sum_of_integers_does_not_overflow(db: Database, models: SimpleNamespace) -> None:
    class Account(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        cents: int = Field(ge=-(2**63), le=2**63 - 1)

    db.create_all()
    add(db, *(Account(cents=2**63 - 1) for _ in range(3)), Account(cents=5))
    with serving(Resource(Account, db, operations=WITH_AGGREGATE)) as client:
        answer = client.get("/accounts:aggregate?aggregate=cents.sum,cents.avg,cents.min")
        total = 3 * (2**63 - 1) + 5
        assert answer.json() == [
            {"cents.sum": total, "cents.avg": float(total) / 4, "cents.min": 5}
        ]
        assert answer.text.startswith(f'[{{"cents.sum":{total},')


def test_without_rows_counts_and_sums_are_zero(client: TestClient) -> None:
    query = "aggregate=count,points.count,points.count_distinct,points.sum,points.avg,points.max"
    assert client.get(f"/tasks:aggregate?{query}").json() == [
        {
            "count": 0,
            "points.count": 0,
            "points.count_distinct": 0,
            "points.sum": 0,
            "points.avg": None,
            "points.max": None,
        }
    ]
    assert client.get(f"/tasks:aggregate?group_by=status&{query}").json() == []


def test_the_document_types_the_groups(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    operation = document["paths"]["/tasks:aggregate"]["get"]
    assert operation["operationId"] == "aggregate_tasks"
    group = document["components"]["schemas"]["TaskGroup"]["properties"]
    assert group["points.sum"] == {"type": "integer"}
    assert group["points.avg"] == {"anyOf": [{"type": "number"}, {"type": "null"}]}
    assert group["created_at.month"]["anyOf"][0]["format"] == "date"
    assert {"project.slug", "count", "project.count"} <= group.keys()
    assert "project_id.sum" not in group  # it works, but makes no sense
    assert not any(name.startswith(("salary", "secret")) for name in group)
    parameters = {parameter["name"]: parameter for parameter in operation["parameters"]}
    assert {
        "group_by",
        "aggregate",
        "having",
        "tz",
        "fill",
        "filters",
        "where",
    } <= parameters.keys()
    assert parameters["group_by"]["schema"]["items"] == {"$ref": "#/components/schemas/TaskGroupBy"}
    assert "status" in document["components"]["schemas"]["TaskGroupBy"]["enum"]


def test_wrong_arguments_are_refused_when_the_resource_is_built(
    db: Database, models: SimpleNamespace
) -> None:
    wrong = Resource(models.Task, db, operations=WITH_AGGREGATE, aggregate_exclude=["salry"])
    with pytest.raises(ModelError, match=r"aggregate_exclude names 'salry'.*Did you mean salary"):
        list(wrong.routes)


def test_a_column_that_a_parameter_would_hide_is_refused(db: Database) -> None:
    class Meeting(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        tz: str = "UTC"

    with pytest.raises(ModelError, match=r"Meeting\.tz has the name of a parameter of aggregates"):
        list(Resource(Meeting, db, operations=WITH_AGGREGATE).routes)
    assert list(Resource(Meeting, db, prefix="/others").routes)


def test_a_bucket_of_an_hour_is_a_datetime(
    db: Database, client: TestClient, models: SimpleNamespace
) -> None:
    start = datetime(2026, 10, 24, 23, 30, tzinfo=UTC)  # two hours with the name 2 follow
    add(db, *(models.Task(created_at=start + timedelta(hours=hour)) for hour in range(3)))
    query = "group_by=created_at.hour&aggregate=count&tz=Europe/Berlin"
    assert [
        group["created_at.hour"] for group in client.get(f"/tasks:aggregate?{query}").json()
    ] == [
        "2026-10-24T23:00:00Z",
        "2026-10-25T00:00:00Z",
        "2026-10-25T01:00:00Z",
    ]


SLOW = {
    "sqlite": "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 99999999) "
    "SELECT count(*) FROM n) > 0",
    "postgresql": "pg_sleep(9) IS NOT NULL",
}


def test_an_aggregate_that_takes_too_long_is_cancelled(
    db: Database, models: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow() -> ColumnElement[bool]:
        return literal_column(SLOW[db.url.backend], Boolean())

    monkeypatch.setattr("colonnade.resources._aggregates.AGGREGATE_DEADLINE", 0.3)
    add(db, models.Task())
    with serving(Resource(models.Task, db, scope=slow, operations=WITH_AGGREGATE)) as client:
        answer = client.get("/tasks:aggregate?aggregate=count")
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:colonnade:busy")


class Cents(TypeDecorator[Decimal]):
    """An application's type, whose values Python converts."""

    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Any) -> int | None:
        return None if value is None else int(value * 100)

    def process_result_value(self, value: int | None, dialect: Any) -> Decimal | None:
        return None if value is None else Decimal(value) / 100


@pytest.fixture
def tree(db: Database) -> Iterator[TestClient]:
    """Nodes of a tree with values of many types; 2 and 3 are below 1."""

    class Node(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        hours: int = 0
        took: timedelta | None = None
        meta: dict[str, Any] = Field(default_factory=dict)
        amount: Decimal = Field(default=Decimal(0), sa_type=Cents)
        parent_id: int | None = Field(default=None, foreign_key="node.id")
        parent: Optional["Node"] = Relationship(
            back_populates="children", sa_relationship_kwargs={"remote_side": "Node.id"}
        )
        children: list["Node"] = Relationship(back_populates="parent")

    db.create_all()
    for row in (
        Node(hours=1, meta={"a": 1}),
        Node(hours=2, parent_id=1, took=timedelta(days=2, hours=1), meta={"a": "1"}),
        Node(hours=3, parent_id=1, took=timedelta(hours=1), meta={"a": [1, 2]}),
    ):
        add(db, row)
    nodes = Resource(
        Node,
        db,
        include=["parent.children.count", "children", "children.count", "children.took.max"],
        operations=WITH_AGGREGATE,
        aggregate_exclude=["hours"],
    )
    with serving(nodes) as client:
        yield client


@pytest.mark.parametrize(
    "query",
    [
        "aggregate=hours.sum",
        "aggregate=parent.hours.max",
        "aggregate=children.hours.sum",
        "aggregate=count&group_by=hours",
        "aggregate=count&group_by=parent.hours",
    ],
)
def test_an_excluded_field_stays_excluded_through_relations(tree: TestClient, query: str) -> None:
    (message,) = errors(tree, query, "/nodes:aggregate").values()
    assert "can be neither grouped nor aggregated" in message


def test_the_document_has_no_excluded_field(tree: TestClient) -> None:
    group = tree.get("/openapi.json").json()["components"]["schemas"]["NodeGroup"]["properties"]
    assert {"count", "children.count", "took.max"} <= group.keys()
    assert not [name for name in group if "hours" in name]


def test_values_that_python_converts_are_only_counted(tree: TestClient) -> None:
    (message,) = errors(tree, "aggregate=amount.sum", "/nodes:aggregate").values()
    assert message == "sum does not apply to amount. Use one of count, count_distinct"


def test_values_of_json_are_counted_beside_those_of_relations(tree: TestClient) -> None:
    query = "aggregate=children.meta.a.count,meta.count,children.count,parent.meta.a.count"
    assert tree.get(f"/nodes:aggregate?{query}").json() == [
        {
            "children.meta.a.count": 2,
            "meta.count": 3,
            "children.count": 2,
            "parent.meta.a.count": 1,
        }
    ]


def test_an_aggregate_is_not_aggregated_again(tree: TestClient) -> None:
    query = "aggregate=parent.children.count.sum"
    (message,) = errors(tree, query, "/nodes:aggregate").values()
    assert message == "children.count is an aggregate: it cannot be aggregated again"
    assert tree.get("/nodes:aggregate?aggregate=count&group_by=children.count").json() == [
        {"children.count": 0, "count": 2},
        {"children.count": 2, "count": 1},
    ]


def test_durations_have_one_form_in_groups_and_in_rows(tree: TestClient) -> None:
    assert tree.get("/nodes:aggregate?aggregate=took.max").json() == [{"took.max": "P2DT1H"}]
    (row,) = tree.get("/nodes?include=children.took.max&fields=id&limit=1").json()
    assert row == {"id": 1, "children_took_max": "P2DT1H"}


def test_an_element_of_untyped_json_is_found_by_each_of_its_types(tree: TestClient) -> None:
    def ids(query: str) -> list[int]:
        return [row["id"] for row in tree.get(f"/nodes?{query}").json()]

    assert ids("meta__a=1") == [1]
    assert ids('meta__a="1"') == [2]
    assert ids('meta__a__in=["1",1]') == [1, 2]
    assert ids("meta__a__contains=1") == [2, 3]
    assert ids('where={"meta":{"a":{"contains":1}}}') == [3]


@pytest.mark.parametrize("query", ["meta__a=1e400", "meta__a__in=1,1e400", "meta__a__lt=1e400"])
def test_a_number_that_is_not_finite_is_refused(tree: TestClient, query: str) -> None:
    (message,) = errors(tree, query, "/nodes").values()
    assert "A number must be finite" in message


def test_many_groups_in_one_bucket_are_filled_quickly(
    db: Database, client: TestClient, models: SimpleNamespace
) -> None:
    with db.session() as session:
        session.connection().execute(
            text(
                "INSERT INTO task (status, points, salary, created_at, secret, owner) "
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) "
                "SELECT 'open', i, 0, '2026-01-01 00:00:00', '', 'ana' FROM n"
            )
        )
        session.commit()
    query = "group_by=created_at.day,points&aggregate=count&fill=true&limit=1"
    answer = client.get(f"/tasks:aggregate?{query}")
    assert answer.json() == [{"created_at.day": "2026-01-01", "points": 1, "count": 1}]


def test_types_of_postgresql_without_a_minimum_are_only_counted(db: Database) -> None:
    if db.url.backend == "sqlite":
        pytest.skip("ranges are types of PostgreSQL")

    class Stay(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        nights: Range[int] = Field(sa_type=INT4RANGE)
        device: str = Field(sa_type=MACADDR)

    db.create_all()
    with serving(Resource(Stay, db, operations=WITH_AGGREGATE)) as client:
        for field in ("nights", "device"):
            query = f"group_by={field}&aggregate={field}.count,{field}.count_distinct"
            assert client.get(f"/stays:aggregate?{query}").json() == []
            (message,) = errors(client, f"aggregate={field}.min", "/stays:aggregate").values()
            assert "Use one of count, count_distinct" in message


class TestFieldsThatRequestsDoNotSee:
    """Groups show values as the database has them, which a read schema may not."""

    @pytest.fixture
    def account(self, db: Database) -> type[Any]:
        class Account(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            iban: str
            opened: date

        db.create_all()
        with db.session() as session:
            for number in (1, 2):
                session.add(Account(iban=f"DE{number}", opened=date(2026, 1, number)))
            session.commit()
        return Account

    @pytest.mark.parametrize("how", ["annotation", "field", "model"])
    def test_a_field_with_a_serializer_can_only_be_counted(
        self, how: str, db: Database, account: type[Any]
    ) -> None:
        class Annotation(SQLModel):
            id: int
            iban: Annotated[str, PlainSerializer(lambda iban: "****")]

        class FieldSerializer(SQLModel):
            id: int
            iban: str

            @field_serializer("iban")
            def mask(self, iban: str) -> str:
                return "****"

        class ModelSerializer(SQLModel):
            id: int
            iban: str

            @model_serializer
            def mask(self) -> dict[str, Any]:
                return {"id": self.id, "iban": "****"}

        schemas = {"annotation": Annotation, "field": FieldSerializer, "model": ModelSerializer}
        resource = Resource(account, db, read=schemas[how], operations=WITH_AGGREGATE)

        @resource.get("/last")
        async def last(query: Page = Depends(resource.query)) -> list[dict[str, Any]]:
            return await resource.aggregate(query, aggregate=["iban.max"])

        with serving(resource) as client:
            assert [row["iban"] for row in client.get("/accounts").json()] == ["****", "****"]
            for query in ("aggregate=iban.max", "aggregate=count&group_by=iban"):
                response = client.get(f"/accounts:aggregate?{query}")
                assert response.status_code == 422
                message = response.json()["errors"][0]["message"]
                assert message.endswith("iban has a serializer, so it can only be counted")
            counted = client.get("/accounts:aggregate?aggregate=iban.count")
            assert counted.json() == [{"iban.count": 2}]
            assert client.get("/accounts/last").json() == [{"iban.max": "DE2"}]

    def test_an_endpoint_that_replaces_the_list_replaces_the_groups(
        self, db: Database, account: type[Any]
    ) -> None:
        for is_first in (True, False):
            accounts = Resource(account, db, operations=WITH_AGGREGATE)

            async def recent(query: Page = Depends(accounts.query)) -> Response:
                return await accounts.answer(query.where(col(account.id) > 1))  # noqa: B023

            if not is_first:
                list(accounts.routes)
            accounts.get("")(recent)
            with serving(accounts) as client:
                assert len(client.get("/accounts").json()) == 1
                assert client.get("/accounts:aggregate?aggregate=count").status_code == 404

    def test_empty_periods_begin_after_a_filter_of_later_dates(
        self, db: Database, account: type[Any]
    ) -> None:
        with serving(Resource(account, db, operations=WITH_AGGREGATE)) as client:
            response = client.get(
                "/accounts:aggregate?group_by=opened.month&aggregate=count&fill=true"
                "&opened__gt=2025-12-31&opened__lt=2026-03-01"
            )
            assert response.json() == [
                {"opened.month": "2026-01-01", "count": 2},
                {"opened.month": "2026-02-01", "count": 0},
            ]


class TestColumnsWithNamesOfParameters:
    @pytest.fixture
    def event(self, db: Database) -> type[Any]:
        class Event(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            count: int
            fill: int = 0

        db.create_all()
        with db.session() as session:
            session.add_all([Event(count=4), Event(count=9)])
            session.commit()
        return Event

    def test_a_group_and_an_aggregate_of_one_name_are_refused(
        self, db: Database, event: type[Any]
    ) -> None:
        class EventRead(SQLModel):
            id: int
            count: int

        resource = Resource(event, db, read=EventRead, operations=WITH_AGGREGATE)
        with serving(resource) as client:
            response = client.get("/events:aggregate?group_by=count&aggregate=count")
            assert response.status_code == 422
            (error,) = response.json()["errors"]
            assert (error["field"], error["constraint"]) == ("aggregate", "repeated")
            assert error["message"] == "count is in group_by, too"

    def test_a_program_may_aggregate_them(self, db: Database, event: type[Any]) -> None:
        resource = Resource(event, db)

        @resource.get("/total")
        async def total(query: Page = Depends(resource.query)) -> list[dict[str, Any]]:
            return await resource.aggregate(query, aggregate=["count", "count.sum", "fill.max"])

        with serving(resource) as client:
            expected = {"count": 2, "count.sum": 13, "fill.max": 0}
            assert client.get("/events/total").json() == [expected]

    def test_requests_may_not(self, db: Database, event: type[Any]) -> None:
        with pytest.raises(ModelError, match="fill has the name of a parameter of aggregates"):
            list(Resource(event, db, operations=WITH_AGGREGATE).routes)
