"""Aggregates and counts with schemas by role: no group, count or order reveals a hidden field."""

import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import Depends, Header
from fastapi.testclient import TestClient

from colonnade import STANDARD, Database, Page, Resource
from colonnade.errors import ModelError
from colonnade.resources.routes._route_builder import Operation
from tests.resources.schemas_by_role.company import (
    HR,
    STAFF,
    client_of,
    define_company,
    employees_of,
)

WITH_AGGREGATE: frozenset[Operation] = STANDARD | {"aggregate"}


@pytest.fixture
def company(db: Database) -> SimpleNamespace:
    company = define_company()
    db.create_all()
    return company


@pytest.fixture
def client(db: Database, company: SimpleNamespace) -> Iterator[TestClient]:
    include = ["reports.count", "reports.salary.sum", "manager"]
    employees = employees_of(
        company, db, include=include[:1] + include[2:], operations=WITH_AGGREGATE
    )

    @employees.get("/totals")
    async def totals(by: str, query: Page = Depends(employees.query)) -> Any:
        return await employees.aggregate(query, group_by=[by], aggregate=["count"])

    with client_of(employees) as client:
        for key, salary, manager in (("a", 90, None), ("b", 50, "a"), ("c", 50, "a")):
            body = {"id": key, "name": key.upper(), "salary": salary, "manager_id": manager}
            assert client.post("/employees", json=body, headers=HR).status_code == 201
        yield client


def test_each_role_aggregates_the_fields_that_it_reads(client: TestClient) -> None:
    url = "/employees:aggregate?group_by=salary&aggregate=count,salary.max&order_by=salary"
    assert client.get(url, headers=HR).json() == [
        {"salary": 50, "count": 2, "salary.max": 50},
        {"salary": 90, "count": 1, "salary.max": 90},
    ]
    url = "/employees:aggregate?group_by=manager_id&aggregate=count&order_by=count"
    assert client.get(url, headers=STAFF).json() == [
        {"manager_id": None, "count": 1},
        {"manager_id": "a", "count": 2},
    ]


@pytest.mark.parametrize(
    "query",
    [
        "aggregate=X.sum",
        "aggregate=count&group_by=X",
        "aggregate=count&X__gt=60",
        "aggregate=count&where={%22X%22:50}",
        "aggregate=count&order_by=X",
        "aggregate=count&having={%22X__max__gt%22:60}",
        "aggregate=manager.X.max",
        "aggregate=count&group_by=manager.X",
        "aggregate=reports.X.sum",
    ],
)
def test_a_hidden_field_is_refused_as_one_that_does_not_exist(
    client: TestClient, query: str
) -> None:
    answers = [
        client.get(f"/employees:aggregate?{query.replace('X', name)}", headers=STAFF)
        for name in ("salary", "selery")
    ]
    assert [answer.status_code for answer in answers] == [422, 422]
    texts = [re.sub("salary|selery", "X", answer.text) for answer in answers]
    assert texts[0] == texts[1]


def test_a_program_aggregates_with_the_schema_of_the_request(client: TestClient) -> None:
    groups = client.get("/employees/totals?by=salary", headers=HR).json()
    assert groups == [{"salary": 50, "count": 2}, {"salary": 90, "count": 1}]
    assert client.get("/employees/totals?by=salary", headers=STAFF).status_code == 422
    assert client.get("/employees/totals?by=name", headers=STAFF).status_code == 200


def test_counts_of_the_rows_of_a_relation_are_for_every_role(client: TestClient) -> None:
    for role in (HR, STAFF):
        rows = client.get("/employees?include=reports.count&order_by=-reports.count", headers=role)
        assert [row["reports_count"] for row in rows.json()] == [2, 0, 0]


def test_the_document_has_the_groups_of_each_schema(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    operation = document["paths"]["/employees:aggregate"]["get"]
    schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
    assert len(schema["oneOf"]) == 2
    parameters = {parameter["name"]: parameter for parameter in operation["parameters"]}
    assert "group_by" in parameters
    schemas = document["components"]["schemas"]
    assert any("salary.max" in schema.get("enum", ()) for schema in schemas.values())


def test_a_sum_of_a_hidden_field_of_a_relation_needs_a_role(
    db: Database, company: SimpleNamespace
) -> None:
    with pytest.raises(ModelError, match=r"an aggregate of a field of Employee"):
        list(employees_of(company, db).routes)
        teams = Resource(company.Team, db, include=["employees.salary.sum"])
        list(teams.routes)
    assert list(Resource(company.Team, db, include=["employees.count"], prefix="/counted").routes)


def test_a_sum_over_the_table_itself_is_for_those_who_read_the_field(
    db: Database, company: SimpleNamespace
) -> None:
    include = ["reports.salary.sum"]
    with pytest.raises(ModelError, match=r"aggregates 'salary'.*EmployeePublic"):
        list(employees_of(company, db, include=include).routes)


def test_a_schema_by_role_may_count_the_rows_of_its_table(
    db: Database, company: SimpleNamespace
) -> None:
    class Counted(company.EmployeePublic):  # type: ignore[misc, name-defined]  # defined in a test
        reports_count: int

    class ForHR(company.EmployeeHR):  # type: ignore[misc, name-defined]  # defined in a test
        pass

    def read(role: str = Header("")) -> type[Counted] | type[ForHR]:
        return ForHR if role == "hr" else Counted

    with client_of(employees_of(company, db, read=read)) as client:
        client.post("/employees", json={"id": "a", "name": "A"}, headers=HR)
        client.post("/employees", json={"id": "b", "name": "B", "manager_id": "a"}, headers=HR)
        counts = [row["reports_count"] for row in client.get("/employees", headers=STAFF).json()]
        assert counts == [1, 0]
        assert "reports_count" not in client.get("/employees/a", headers=HR).json()
