"""What a request may write depends on the schema that its role gets."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.testclient import TestClient

from colonnade import Database, Field, Idempotency, Resource, SQLModel
from tests.resources.schemas_by_role.company import (
    HR,
    STAFF,
    client_of,
    define_company,
    employees_of,
)

INTERN, GUEST = {"Role": "intern"}, {"Role": "guest"}
HIDDEN = {"salary", "note"}


@pytest.fixture
def company(db: Database) -> SimpleNamespace:
    company = define_company()

    class RequestKey(Idempotency, table=True):
        pass

    company.RequestKey = RequestKey
    db.create_all()
    return company


@pytest.fixture
def client(db: Database, company: SimpleNamespace) -> Iterator[TestClient]:
    with client_of(employees_of(company, db, idempotency=company.RequestKey)) as client:
        yield client


def assert_refused(response: Any, field: str = "salary") -> None:
    """Assert that the body names a field that it may not have, as an unknown one is refused."""
    assert response.status_code == 422, response.text
    (error,) = response.json()["errors"]
    assert (error["constraint"], error["field"]) == ("extra_forbidden", field)


class TestCreates:
    def test_a_new_row_has_the_fields_of_the_role(self, client: TestClient) -> None:
        created = client.post("/employees", json={"id": "a", "name": "A"}, headers=STAFF)
        assert (created.status_code, created.json().keys() & HIDDEN) == (201, set())
        body = {"id": "b", "name": "B", "salary": 5}
        assert client.post("/employees", json=body, headers=HR).json()["salary"] == 5
        assert_refused(client.post("/employees", json={**body, "id": "c"}, headers=STAFF))

    def test_a_batch_is_refused_as_a_whole(self, client: TestClient) -> None:
        rows = [{"id": "a", "name": "A"}, {"id": "b", "name": "B", "salary": 5}]
        assert_refused(client.post("/employees:batch", json=rows, headers=STAFF))
        assert client.get("/employees", headers=STAFF).json() == []
        created = client.post("/employees:batch", json=rows, headers=HR)
        assert [row["salary"] for row in created.json()] == [0, 5]

    def test_a_dependency_that_refuses_to_choose_refuses_creates_alone(
        self, client: TestClient
    ) -> None:
        body = {"id": "a", "name": "A"}
        assert client.post("/employees", json=body, headers=INTERN).status_code == 403
        client.post("/employees", json=body, headers=STAFF)
        assert client.get("/employees/a", headers=INTERN).status_code == 200
        changed = client.patch("/employees/a", json={"name": "B"}, headers=INTERN)
        assert changed.json()["name"] == "B"

    def test_a_repeated_request_of_another_role_gets_no_stored_response(
        self, client: TestClient
    ) -> None:
        body, key = {"id": "a", "name": "A"}, {"Idempotency-Key": "k"}
        first = client.post("/employees", json=body, headers=HR | key)
        assert client.post("/employees", json=body, headers=HR | key).json() == first.json()
        other = client.post("/employees", json=body, headers=STAFF | key)
        assert other.status_code == 409
        assert "salary" not in other.text


class TestUpdates:
    @pytest.fixture(autouse=True)
    def row(self, client: TestClient) -> None:
        client.post("/employees", json={"id": "a", "name": "A", "salary": 5}, headers=HR)

    def test_an_update_has_the_fields_of_the_role(self, client: TestClient) -> None:
        assert_refused(client.patch("/employees/a", json={"salary": 6}, headers=STAFF))
        changed = client.patch("/employees/a", json={"name": "B"}, headers=STAFF)
        assert (changed.status_code, changed.json().keys() & HIDDEN) == (200, set())
        changed = client.patch("/employees/a", json={"salary": 6}, headers=HR)
        assert (changed.json()["salary"], changed.json()["name"]) == (6, "B")

    def test_a_batch_of_updates_has_the_fields_of_the_role(self, client: TestClient) -> None:
        changes = [{"id": "a", "salary": 6}]
        assert_refused(client.patch("/employees:batch", json=changes, headers=STAFF))
        changed = client.patch("/employees:batch", json=changes, headers=HR)
        assert changed.json()[0]["salary"] == 6
        changed = client.patch("/employees:batch", json=[{"id": "a", "name": "B"}], headers=STAFF)
        assert changed.json()[0].keys() & HIDDEN == set()

    @pytest.mark.parametrize("role", [HR, STAFF])
    def test_the_etag_of_a_role_protects_its_writes(
        self, client: TestClient, role: dict[str, str]
    ) -> None:
        tag = {"If-Match": client.get("/employees/a", headers=role).headers["ETag"]}
        changed = client.patch("/employees/a", json={"name": "B"}, headers=role | tag)
        assert changed.status_code == 200
        late = client.patch("/employees/a", json={"name": "C"}, headers=role | tag)
        assert late.status_code == 412
        assert client.delete("/employees/a", headers=role | tag).status_code == 412
        current = {"If-Match": changed.headers["ETag"]}
        assert client.delete("/employees/a", headers=role | current).status_code == 200

    def test_an_upsert_has_the_fields_of_the_role(self, client: TestClient) -> None:
        body: dict[str, Any] = {"id": "x", "name": "A", "team_id": None}
        kept = client.post("/employees?on_conflict=name", json=body, headers=STAFF)
        assert (kept.status_code, kept.json()["id"], kept.json().keys() & HIDDEN) == (
            200,
            "a",
            set(),
        )
        assert client.get("/employees/a", headers=HR).json()["salary"] == 5
        body["salary"] = 7
        assert_refused(client.post("/employees?on_conflict=name", json=body, headers=STAFF))
        changed = client.post("/employees?on_conflict=name", json=body, headers=HR)
        assert changed.json()["salary"] == 7

    def test_an_upsert_knows_no_unique_key_and_no_field_that_the_role_does_not_write(
        self, client: TestClient
    ) -> None:
        body = {"id": "x", "name": "A", "salary": 6}
        assert client.post("/employees?on_conflict=note", json=body, headers=HR).status_code == 409
        url = "/employees?on_conflict=name&update=salary"
        assert client.post(url, json=body, headers=HR).json()["salary"] == 6
        for refused_url, hidden in (("/employees?on_conflict=note", "note"), (url, "salary")):
            refused = client.post(refused_url, json={"id": "y", "name": "A"}, headers=STAFF)
            unknown = refused_url.replace(hidden, "zqx")
            other = client.post(unknown, json={"id": "y", "name": "A"}, headers=STAFF)
            assert refused.status_code == 422
            assert refused.text == other.text.replace("zqx", hidden)

    def test_a_replacement_keeps_what_the_role_does_not_write(self, client: TestClient) -> None:
        assert_refused(client.put("/employees/a", json={"name": "B", "salary": 1}, headers=STAFF))
        replaced = client.put("/employees/a", json={"name": "B"}, headers=STAFF)
        assert (replaced.status_code, replaced.json().keys() & HIDDEN) == (200, set())
        assert client.get("/employees/a", headers=HR).json()["salary"] == 5
        replaced = client.put("/employees/a", json={"name": "B"}, headers=HR)
        assert replaced.json()["salary"] == 0

    def test_a_hook_gets_an_instance_of_the_chosen_schema(
        self, db: Database, company: SimpleNamespace
    ) -> None:
        employees = employees_of(company, db)
        seen: list[type[Any]] = []

        @employees.before("create")
        @employees.before("update")
        def record(body: Any) -> None:
            seen.append(type(body))

        with client_of(employees) as client:
            for role in (HR, STAFF):
                key = role["Role"]
                client.post("/employees", json={"id": key, "name": key}, headers=role)
                client.patch(f"/employees/{key}", json={"name": f"{key}2"}, headers=role)
        assert seen == [
            company.EmployeeFormHR,
            company.EmployeeChangesHR,
            company.EmployeeForm,
            company.EmployeeChanges,
        ]


class TestNestedWrites:
    @pytest.fixture
    def nesting(self, db: Database, company: SimpleNamespace) -> Iterator[TestClient]:
        employees: Resource = employees_of(company, db, nested={"reports": lambda: employees})
        teams = Resource(
            company.Team, db, nested={"employees": employees}, idempotency=company.RequestKey
        )
        with client_of(employees, teams) as client:
            yield client

    def test_a_nested_row_has_the_fields_of_the_role(self, nesting: TestClient) -> None:
        body = {"name": "Web", "employees": [{"id": "a", "name": "A", "salary": 5}]}
        assert_refused(nesting.post("/teams", json=body, headers=STAFF))
        created = nesting.post("/teams", json=body, headers=HR)
        assert created.json()["employees"][0]["salary"] == 5
        team = f"/teams/{created.json()['id']}"
        changes: dict[str, Any] = {"employees": {"update": [{"id": "a", "salary": 6}]}}
        assert_refused(nesting.patch(team, json=changes, headers=STAFF))
        assert nesting.patch(team, json=changes, headers=HR).json()["employees"][0]["salary"] == 6
        changes = {"employees": {"update": [{"id": "a", "name": "B"}]}}
        changed = nesting.patch(team, json=changes, headers=STAFF).json()["employees"][0]
        assert (changed["name"], changed.keys() & HIDDEN) == ("B", set())

    def test_a_row_created_in_a_relation_has_the_fields_of_the_role(
        self, nesting: TestClient
    ) -> None:
        team = nesting.post("/teams", json={"name": "Web"}, headers=STAFF).json()["id"]
        body: dict[str, Any] = {"id": "a", "name": "A"}
        created = nesting.post(f"/teams/{team}/employees", json=body, headers=STAFF)
        assert (created.status_code, created.json().keys() & HIDDEN) == (201, set())
        body = {"id": "b", "name": "B", "salary": 5}
        assert_refused(nesting.post(f"/teams/{team}/employees", json=body, headers=STAFF))
        created = nesting.post(f"/teams/{team}/employees", json=body, headers=HR)
        assert created.json()["salary"] == 5

    def test_rows_in_a_tree_have_the_fields_of_the_role(self, nesting: TestClient) -> None:
        body: dict[str, Any] = {
            "id": "a",
            "name": "A",
            "reports": [{"id": "b", "name": "B", "salary": 5}],
        }
        assert_refused(nesting.post("/employees", json=body, headers=STAFF))
        created = nesting.post("/employees", json=body, headers=HR)
        assert created.json()["reports"][0]["salary"] == 5
        body = {"id": "c", "name": "C", "salary": 5}
        assert_refused(nesting.post("/employees/a/reports", json=body, headers=STAFF))
        assert nesting.post("/employees/a/reports", json=body, headers=HR).status_code == 201

    def test_a_refused_choice_counts_only_if_the_body_needs_it(self, nesting: TestClient) -> None:
        created = nesting.post("/teams", json={"name": "Web"}, headers=INTERN)
        team = f"/teams/{created.json()['id']}"
        nesting.post(f"{team}/employees", json={"id": "a", "name": "A"}, headers=HR)
        new = {"id": "b", "name": "B"}
        for url, body in (
            ("/teams", {"name": "Shop", "employees": [new]}),
            (f"{team}/employees", new),
            ("/employees/a/reports", new),
        ):
            assert nesting.post(url, json=body, headers=INTERN).status_code == 403, url
        changes: dict[str, Any] = {"employees": {"create": [new]}}
        assert nesting.patch(team, json=changes, headers=INTERN).status_code == 403
        changes = {"reports": {"create": [new]}}
        assert nesting.patch("/employees/a", json=changes, headers=INTERN).status_code == 403
        changes = {"employees": {"update": [{"id": "a", "name": "C"}]}}
        assert nesting.patch(team, json=changes, headers=INTERN).status_code == 200
        assert nesting.patch("/employees/a", json={"name": "D"}, headers=INTERN).status_code == 200

    def test_a_refused_read_schema_refuses_rows_of_the_nested_table(
        self, nesting: TestClient
    ) -> None:
        assert nesting.post("/teams", json={"name": "Web"}, headers=GUEST).status_code == 201
        body = {"name": "Shop", "employees": [{"id": "a", "name": "A", "salary": 5}]}
        refused = nesting.post("/teams", json=body, headers=GUEST)
        assert (refused.status_code, "salary" in refused.text) == (401, False)

    def test_a_repeated_nested_request_of_another_role_gets_no_stored_response(
        self, nesting: TestClient
    ) -> None:
        body = {"name": "Web", "employees": [{"id": "a", "name": "A"}]}
        key = {"Idempotency-Key": "k"}
        assert nesting.post("/teams", json=body, headers=HR | key).status_code == 201
        other = nesting.post("/teams", json=body, headers=STAFF | key)
        assert (other.status_code, "salary" in other.text) == (409, False)

    def test_responses_of_a_parent_vary_by_the_role_of_its_nested_rows(
        self, nesting: TestClient
    ) -> None:
        created = nesting.post("/teams", json={"name": "Web"}, headers=STAFF)
        assert (created.headers["Cache-Control"], created.headers["Vary"]) == ("private", "role")
        assert "Vary" not in nesting.get("/teams").headers


class TestCompositeKeys:
    def test_rows_with_composite_keys_have_the_fields_of_the_role(self, db: Database) -> None:
        class Grade(SQLModel, table=True):
            course: str = Field(primary_key=True)
            student: str = Field(primary_key=True)
            points: int = 0

        class GradePublic(SQLModel):
            course: str
            student: str

        class GradeFull(Grade, schema="read"):
            pass

        def by_role(full: bool = False) -> Any:
            return GradeFull if full else GradePublic

        by_role.__annotations__["return"] = type[GradePublic] | type[GradeFull]
        db.create_all()
        with client_of(Resource(Grade, db, read=by_role)) as client:
            client.post("/grades?full=true", json={"course": "a", "student": "b", "points": 3})
            assert client.get("/grades/a,b").json() == {"course": "a", "student": "b"}
            assert client.get("/grades/a,b?full=true").json()["points"] == 3
            assert client.get("/grades?points=3").status_code == 422
            assert client.patch("/grades/a,b", json={"points": 4}).json() == {
                "course": "a",
                "student": "b",
            }
            assert client.delete("/grades:batch?key=a,b").status_code == 200


class TestFieldsThatARoleDoesNotRead:
    @pytest.fixture
    def client(self, db: Database) -> Iterator[TestClient]:
        """Staff may write all fields, and read some."""
        company = define_company()
        db.create_all()
        options = {"create": company.EmployeeFormHR, "update": company.EmployeeChangesHR}
        with client_of(employees_of(company, db, **options)) as client:
            body = {"id": "a", "name": "Ana", "salary": 300, "note": "only for hr"}
            assert client.post("/employees", json=body, headers=HR).status_code == 201
            yield client

    def test_a_replacement_keeps_them_unless_it_names_them(self, client: TestClient) -> None:
        body = client.get("/employees/a", headers=STAFF).json()
        assert body.keys() == {"id", "name", "team_id", "manager_id"}
        response = client.put("/employees/a", json={**body, "name": "Anna"}, headers=STAFF)
        assert response.status_code == 200
        stored = client.get("/employees/a", headers=HR).json()
        assert (stored["name"], stored["salary"], stored["note"]) == ("Anna", 300, "only for hr")
        client.put("/employees/a", json={**body, "salary": 400}, headers=STAFF)
        assert client.get("/employees/a", headers=HR).json()["salary"] == 400

    def test_a_replacement_resets_fields_that_the_role_reads(self, client: TestClient) -> None:
        client.put("/employees/a", json={"id": "a", "name": "Ana"}, headers=HR)
        stored = client.get("/employees/a", headers=HR).json()
        assert (stored["salary"], stored["note"]) == (0, None)

    def test_an_upsert_does_not_find_rows_by_them(self, client: TestClient) -> None:
        url, body = "/employees?on_conflict=note&keep=true", {"id": "z", "name": "Z"}
        body["note"] = "only for hr"
        kept = client.post(url, json=body, headers=HR)
        assert (kept.status_code, kept.json()["id"]) == (200, "a")
        refused = client.post(url, json=body, headers=STAFF)
        assert refused.status_code == 422
        assert "on_conflict must name a unique key" in refused.json()["detail"]
