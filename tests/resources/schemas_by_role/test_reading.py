"""What a request may read depends on the schema that its role gets."""

import json
import re
from collections.abc import Iterator
from itertools import product
from types import SimpleNamespace
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, Response
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from colonnade import Database, Field, Page, Relationship, Resource, SQLModel, select
from colonnade.errors import ModelError
from tests.resources.schemas_by_role.company import (
    HR,
    STAFF,
    Role,
    client_of,
    define_company,
    employees_of,
)

RELATIONS = ["manager", "reports"]


@pytest.fixture
def company(db: Database) -> SimpleNamespace:
    company = define_company()
    db.create_all()
    with db.session() as session:
        session.add(company.Team(id=1, name="Web"))
        session.commit()
        for key, salary, manager in (("ana", 300, None), ("ben", 100, "ana"), ("eva", 200, "ben")):
            row = company.Employee(
                id=key, name=key.title(), salary=salary, note=key, team_id=1, manager_id=manager
            )
            session.add(row)
            session.commit()
    return company


@pytest.fixture
def client(db: Database, company: SimpleNamespace) -> Iterator[TestClient]:
    with client_of(employees_of(company, db, include=RELATIONS)) as client:
        yield client


def ids(client: TestClient, url: str, role: dict[str, str]) -> list[str]:
    response = client.get(url, headers=role)
    assert response.status_code == 200, response.text
    return [row["id"] for row in response.json()]


PUBLIC = {"id", "name", "team_id", "manager_id"}


class TestRows:
    @pytest.mark.parametrize("url", ["/employees", "/employees/ana/reports"])
    def test_a_list_has_the_fields_of_the_role(self, client: TestClient, url: str) -> None:
        assert all(row.keys() == PUBLIC for row in client.get(url, headers=STAFF).json())
        rows = client.get(url, headers=HR).json()
        assert rows
        assert all(row.keys() == PUBLIC | {"salary", "note"} for row in rows)

    def test_a_single_row_has_the_fields_of_the_role(self, client: TestClient) -> None:
        assert client.get("/employees/ana", headers=STAFF).json().keys() == PUBLIC
        assert client.get("/employees/ana", headers=HR).json()["salary"] == 300

    def test_a_tree_has_the_fields_of_the_role(self, client: TestClient) -> None:
        url = "/employees/ana/reports?depth=all"
        assert [row.keys() for row in client.get(url, headers=STAFF).json()] == [PUBLIC, PUBLIC]
        assert [row["salary"] for row in client.get(url, headers=HR).json()] == [100, 200]

    def test_included_rows_of_the_same_table_have_the_fields_of_the_role(
        self, client: TestClient
    ) -> None:
        url = "/employees/ben?include=manager,reports"
        row = client.get(url, headers=STAFF).json()
        assert (row["manager"].keys(), row["reports"][0].keys()) == (PUBLIC, PUBLIC)
        row = client.get(url, headers=HR).json()
        assert (row["manager"]["salary"], row["reports"][0]["salary"]) == (300, 200)

    def test_the_other_role_can_use_its_fields_in_every_parameter(self, client: TestClient) -> None:
        assert ids(client, "/employees?salary__gt=150", HR) == ["ana", "eva"]
        assert ids(client, "/employees?order_by=salary", HR) == ["ben", "eva", "ana"]
        assert ids(client, "/employees?manager__salary=300", HR) == ["ben"]
        assert ids(client, '/employees?where={"not":{"salary":100}}', HR) == ["ana", "eva"]
        assert client.get("/employees/ana?fields=salary", headers=HR).json() == {"salary": 300}

    def test_a_row_has_another_etag_for_another_role(self, client: TestClient) -> None:
        staff = client.get("/employees/ana", headers=STAFF).headers["ETag"]
        hr = client.get("/employees/ana", headers=HR)
        assert staff != hr.headers["ETag"]
        repeated = client.get("/employees/ana", headers={**HR, "If-None-Match": staff})
        assert (repeated.status_code, repeated.json()) == (200, hr.json())
        unchanged = client.get("/employees/ana", headers={**STAFF, "If-None-Match": staff})
        assert unchanged.status_code == 304

    def test_responses_are_private_and_vary_by_what_the_role_depends_on(
        self, client: TestClient
    ) -> None:
        for url in ("/employees", "/employees/ana"):
            headers = client.get(url, headers=STAFF).headers
            assert (headers["Cache-Control"], headers["Vary"]) == ("private", "role")

    def test_a_role_that_is_refused_reads_nothing(self, client: TestClient) -> None:
        for url in ("/employees", "/employees/ana", "/employees/ana/reports"):
            assert client.get(url, headers={"Role": "guest"}).status_code == 401


PATHS = [
    "/employees?{}=1",
    "/employees?{}__gt=1",
    "/employees?{}__in=1,2",
    "/employees?{}__is_null=true",
    "/employees?order_by={}",
    "/employees?order_by=name,-{}",
    "/employees?fields={}",
    "/employees?fields=id,{}",
    '/employees?where={{"{}":1}}',
    '/employees?where={{"or":[{{"not":{{"{}__lt":1}}}},{{"id":"ana"}}]}}',
    '/employees?where={{"manager":{{"{}":1}}}}',
    "/employees?manager__{}=1",
    "/employees?manager__{}__gte=1",
    "/employees?reports__{}__lt=1",
    "/employees?manager__manager__{}=1",
    "/employees?include={}",
    "/employees?include=manager.{}",
    "/employees/ana?fields={}",
    "/employees/ana?include={}",
    "/employees/ana/reports?{}=1",
    "/employees/ana/reports?order_by=-{}",
    '/employees/ana/reports?where={{"{}":1}}',
    "/employees/ana/reports?fields={}",
    "/employees/ana/reports?depth=all&fields={}",
    "/employees/ana/{}",
    "/employees?count=exact&{}=1",
]
"""Every path over a field that a request can name."""


@st.composite
def conditions(draw: st.DrawFn) -> str:
    """Draw a value of ``where`` that compares the salary with VALUE, at any depth."""
    operator = draw(st.sampled_from(["", "__lt", "__gte", "__ne"]))
    condition: Any = {f"salary{operator}": "VALUE"}
    for form in draw(
        st.lists(st.sampled_from(["or", "and", "not", "manager", "reports"]), max_size=4)
    ):
        condition = {form: [condition, {"id": "ana"}] if form in {"or", "and"} else condition}
    return json.dumps(condition).replace('"VALUE"', "VALUE")


def _without_suggestions(text: str) -> str:
    """A problem without the known name that is spelled most like the unknown one."""
    return re.sub(r" Did you mean [^?]*\?", "", text)


class TestHiddenFields:
    def test_a_hidden_field_is_refused_as_an_unknown_one(self, client: TestClient) -> None:
        unknown = "zqxjkv"
        for path, hidden in product(PATHS, ("salary", "note")):
            refused = client.get(path.format(hidden), headers=STAFF)
            other = client.get(path.format(unknown), headers=STAFF)
            assert 400 <= refused.status_code < 500, path
            assert refused.status_code == other.status_code
            assert _without_suggestions(refused.text) == _without_suggestions(
                other.text.replace(unknown, hidden)
            )

    def test_a_cursor_that_holds_a_hidden_value_is_refused(self, client: TestClient) -> None:
        first = client.get("/employees?order_by=salary&limit=1", headers=HR)
        following = first.links["next"]["url"]
        assert ids(client, following, HR) == ["eva"]
        assert client.get(following, headers=STAFF).status_code == 422
        without_order = following.replace("order_by=salary&", "")
        assert client.get(without_order, headers=STAFF).status_code == 422

    def test_a_relation_that_only_another_schema_has_does_not_exist(
        self, db: Database, company: SimpleNamespace
    ) -> None:
        class TeamBrief(SQLModel):
            id: int

        def read(role: str) -> Any:
            return company.TeamPublic if role == "hr" else TeamBrief

        schemas: Any = type[TeamBrief] | type[company.TeamPublic]
        read.__annotations__["return"] = schemas
        with client_of(Resource(company.Team, db, read=read)) as client:
            assert len(client.get("/teams/1?role=hr").json()["employees"]) == 3
            assert len(client.get("/teams/1/employees?role=hr").json()) == 3
            assert client.get("/teams/1?role=staff").json() == {"id": 1}
            assert client.get("/teams?role=staff&employees__id=ben").status_code == 422
            missing = client.get("/teams/1/employees?role=staff")
            assert missing.status_code == 404
            assert missing.text == client.get("/teams/1/nothing?role=staff").text


class TestHandWrittenEndpoints:
    def test_a_query_has_the_fields_of_the_role(
        self, db: Database, company: SimpleNamespace
    ) -> None:
        employees = employees_of(company, db)
        app = FastAPI()

        @employees.get("/leaders")
        async def leaders(query: Annotated[Page, Depends(employees.query)]) -> Response:
            return await employees.answer(query.where(company.Employee.manager_id.is_(None)))

        @app.get("/outside", dependencies=employees.scopes)
        async def outside(query: Annotated[Page, Depends(employees.query)]) -> Response:
            return await employees.answer(query)

        app.include_router(employees)
        with TestClient(app) as client:
            assert [
                row.keys() for row in client.get("/employees/leaders", headers=STAFF).json()
            ] == [PUBLIC]
            assert client.get("/employees/leaders", headers=HR).json()[0]["salary"] == 300
            assert client.get("/outside?order_by=-salary", headers=STAFF).status_code == 422
            assert ids(client, "/outside?order_by=-salary", HR) == ["ana", "eva", "ben"]

    def test_a_page_filters_a_statement_of_your_own(
        self, db: Database, company: SimpleNamespace
    ) -> None:
        employees = employees_of(company, db)

        @employees.get("/names")
        def names(query: Annotated[Page, Depends(employees.query)]) -> list[str]:
            with db.session() as session:
                return list(session.exec(query.apply(select(company.Employee.name))).all())

        with client_of(employees) as client:
            assert client.get("/employees/names?salary=100", headers=HR).json() == ["Ben"]
            assert client.get("/employees/names?salary=100", headers=STAFF).status_code == 422

    def test_an_endpoint_without_the_dependency_is_refused(
        self, db: Database, company: SimpleNamespace
    ) -> None:
        employees = employees_of(company, db)
        app = FastAPI()

        @app.get("/outside")
        async def outside(query: Annotated[Page, Depends(employees.query)]) -> Response:
            return await employees.answer(query)

        with (
            TestClient(app) as client,
            pytest.raises(ModelError, match=r"does not depend on read=read of Employee.*\.scopes"),
        ):
            client.get("/outside", headers=HR)

    def test_an_override_of_the_dependency_chooses_the_schema(
        self, db: Database, company: SimpleNamespace
    ) -> None:
        app = FastAPI()
        app.include_router(employees_of(company, db))
        app.dependency_overrides[company.read] = lambda: company.EmployeeHR
        with TestClient(app) as client:
            assert client.get("/employees/ana", headers=STAFF).json()["salary"] == 300


class TestScopes:
    def test_a_scope_and_the_schema_of_a_role_apply_together(
        self, db: Database, company: SimpleNamespace
    ) -> None:
        def own_reports(boss: str) -> dict[str, str]:
            return {"manager_id": boss}

        with client_of(employees_of(company, db, scope=own_reports)) as client:
            assert client.get("/employees?boss=ana", headers=STAFF).json() == [
                {"id": "ben", "name": "Ben", "team_id": 1, "manager_id": "ana"}
            ]
            assert client.get("/employees/ben?boss=ana", headers=HR).json()["salary"] == 100
            assert client.get("/employees/eva?boss=ana", headers=HR).status_code == 404
            answer = client.get("/employees?boss=ana&salary=200", headers=HR)
            assert answer.json() == []
            assert client.get("/employees?boss=ana&salary=1", headers=STAFF).status_code == 422

    def test_a_scope_may_be_a_condition_on_a_hidden_field(
        self, db: Database, company: SimpleNamespace
    ) -> None:
        def low_salaries() -> Any:
            return company.Employee.salary < 250

        with client_of(employees_of(company, db, scope=low_salaries)) as client:
            assert ids(client, "/employees", STAFF) == ["ben", "eva"]


class TestPlainSchemas:
    def test_a_resource_without_choices_has_no_dependency(self, db: Database) -> None:
        company = define_company()
        employees = Resource(company.Employee, db, read=company.EmployeePublic)
        assert employees.scopes == []
        assert employees.read is company.EmployeePublic

    def test_a_resource_with_a_choice_has_no_single_schema(
        self, db: Database, company: SimpleNamespace
    ) -> None:
        employees = employees_of(company, db)
        for kind in ("create", "update", "read"):
            with pytest.raises(ModelError, match=f"no single {kind} schema, since {kind}={kind}"):
                getattr(employees, kind)
        assert employees.why_not_exact == ()


@given(condition=conditions(), true=st.integers(0, 400), false=st.integers(500, 900))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_condition_reveals_a_hidden_value(
    client: TestClient, condition: str, true: int, false: int
) -> None:
    answers = [
        client.get(
            "/employees",
            params={"where": condition.replace("VALUE", str(value)), "count": "exact"},
            headers=STAFF,
        )
        for value in (true, false)
    ]
    assert {answer.status_code for answer in answers} == {422}
    assert answers[0].text == answers[1].text
    assert "X-Total-Count" not in answers[0].headers


class TestEndpointsOutsideOfTheResource:
    def test_their_responses_are_private_and_vary_by_the_role(self, db: Database) -> None:
        company = define_company()
        db.create_all()
        employees = employees_of(company, db)
        app = FastAPI()
        app.include_router(employees)

        @app.get("/answer", dependencies=employees.scopes)
        async def answer(query: Page = Depends(employees.query)) -> Response:
            return await employees.answer(query)

        @app.get("/total", dependencies=employees.scopes)
        async def total(query: Page = Depends(employees.query)) -> list[dict[str, Any]]:
            return await employees.aggregate(query)

        with TestClient(app) as client:
            for path in ("/employees", "/answer", "/total"):
                headers = client.get(path, headers=STAFF).headers
                assert (headers["Cache-Control"], headers["Vary"]) == ("private", "role"), path

    def test_the_404_of_a_relation_that_the_role_lacks_is_private(self, db: Database) -> None:
        class Pay(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            worker_id: int | None = Field(default=None, foreign_key="worker.id")

        class Worker(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            pays: list[Pay] = Relationship()

        class WorkerHR(SQLModel):
            id: int
            pays: list[Pay]

        class WorkerPublic(SQLModel):
            id: int

        def by_role(role: Role = "") -> type[WorkerPublic] | type[WorkerHR]:
            return WorkerHR if role == "hr" else WorkerPublic

        db.create_all()
        with client_of(Resource(Worker, db, read=by_role)) as client:
            client.post("/workers", json={})
            assert client.get("/workers/1/pays", headers=HR).json() == []
            response = client.get("/workers/1/pays", headers=STAFF)
            assert (response.status_code, response.json()) == (404, {"detail": "Not Found"})
            assert response.headers["Cache-Control"] == "private"
