"""The OpenAPI document has the schemas of all roles."""

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Annotated, Any

import jsonschema_rs
import pytest
from fastapi import Depends, FastAPI, Response
from fastapi.testclient import TestClient

from colonnade import Database, Page, Resource
from tests.resources.schemas_by_role.company import (
    HR,
    ROLES,
    STAFF,
    client_of,
    define_company,
    employees_of,
)

Validate = Callable[[Any, Any], None]


@pytest.fixture
def company(db: Database) -> SimpleNamespace:
    company = define_company()
    db.create_all()
    return company


@pytest.fixture
def client(db: Database, company: SimpleNamespace) -> Iterator[TestClient]:
    with client_of(employees_of(company, db, include=["manager", "reports"])) as client:
        yield client


@pytest.fixture
def document(client: TestClient) -> dict[str, Any]:
    document: dict[str, Any] = client.get("/openapi.json").json()
    return document


def ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def body_of(operation: dict[str, Any]) -> dict[str, Any]:
    schema: dict[str, Any] = operation["requestBody"]["content"]["application/json"]["schema"]
    return schema


def response_of(operation: dict[str, Any], status: int) -> dict[str, Any]:
    content: dict[str, Any] = operation["responses"][str(status)]["content"]
    schema: dict[str, Any] = content["application/json"]["schema"]
    return schema


def assert_valid(document: dict[str, Any], schema: dict[str, Any], value: Any) -> None:
    """Assert that a value has a schema of the document."""
    whole = {**schema, "components": document["components"]}
    jsonschema_rs.validate(whole, value)


class TestSchemas:
    def test_responses_and_bodies_are_one_of_the_schemas_in_declared_order(
        self, document: dict[str, Any]
    ) -> None:
        paths = document["paths"]
        rows = {
            "oneOf": [ref("EmployeePublic"), ref("EmployeeHR") | {"not": ref("EmployeePublic")}]
        }
        post, patch = paths["/employees"]["post"], paths["/employees/{id}"]["patch"]
        for operation, status in ((post, 201), (post, 200), (patch, 200)):
            response = response_of(operation, status)
            assert {"oneOf": response["oneOf"]} == rows
        for operation, first, second in (
            (post, "EmployeeForm", "EmployeeFormHR"),
            (patch, "EmployeeChanges", "EmployeeChangesHR"),
        ):
            assert body_of(operation)["oneOf"] == [ref(first), ref(second) | {"not": ref(first)}]
        replace = body_of(paths["/employees/{id}"]["put"])
        assert [branch["$ref"].rpartition("/")[2] for branch in replace["oneOf"]] == [
            "EmployeeFormReplace",
            "EmployeeFormHRReplace",
        ]

    def test_a_list_has_arrays_of_the_rows_of_each_schema(self, document: dict[str, Any]) -> None:
        first, second = response_of(document["paths"]["/employees"]["get"], 200)["oneOf"]
        names = [
            [row["$ref"].rpartition("/")[2] for row in branch["items"]["anyOf"]]
            for branch in (first, second)
        ]
        assert names == [
            ["EmployeePublicWithRelations", "EmployeePublicPartial"],
            ["EmployeeHRWithRelations", "EmployeeHRPartial"],
        ]

    def test_a_route_without_chosen_schemas_documents_none(self, document: dict[str, Any]) -> None:
        deleted = document["paths"]["/employees/{id}"]["delete"]
        assert response_of(deleted, 200) == ref("Deleted")

    def test_every_component_has_a_short_name(self, document: dict[str, Any]) -> None:
        assert [name for name in document["components"]["schemas"] if "__" in name] == []

    def test_references_lead_to_components(self, document: dict[str, Any]) -> None:
        def references(value: Any) -> Iterator[str]:
            if isinstance(value, dict):
                if "$ref" in value:
                    yield value["$ref"]
                for item in value.values():
                    yield from references(item)
            if isinstance(value, list):
                for item in value:
                    yield from references(item)

        known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
        assert set(references(document)) <= known


class TestTruth:
    @pytest.fixture(autouse=True)
    def rows(self, client: TestClient) -> None:
        for key, manager in (("ana", None), ("ben", "ana")):
            body = {"id": key, "name": key, "manager_id": manager, "salary": 5}
            assert client.post("/employees", json=body, headers=HR).status_code == 201

    def test_the_responses_to_each_role_are_documented(
        self, client: TestClient, document: dict[str, Any]
    ) -> None:
        paths = document["paths"]
        for role in ROLES:
            for url, path in (
                ("/employees", "/employees"),
                ("/employees?fields=name", "/employees"),
                ("/employees?include=manager,reports", "/employees"),
                ("/employees?name=nobody", "/employees"),
                ("/employees/ana", "/employees/{id}"),
                ("/employees/ben?include=manager", "/employees/{id}"),
                ("/employees/ana/reports", "/employees/{id}/reports"),
            ):
                answer = client.get(url, headers=role)
                assert_valid(document, response_of(paths[path]["get"], 200), answer.json())
            answer = client.patch("/employees/ana", json={"name": "Ana"}, headers=role)
            schema = response_of(paths["/employees/{id}"]["patch"], 200)
            assert_valid(document, schema, answer.json())

    def test_the_bodies_of_each_role_are_documented(self, document: dict[str, Any]) -> None:
        schema = body_of(document["paths"]["/employees"]["post"])
        for body in ({"id": "a", "name": "A"}, {"id": "a", "name": "A", "salary": 5}):
            assert_valid(document, schema, body)
        with pytest.raises(jsonschema_rs.ValidationError):
            assert_valid(document, schema, {"id": "a", "salary": 5})

    def test_every_example_of_a_body_is_a_valid_one(self, document: dict[str, Any]) -> None:
        count = 0
        for path in document["paths"].values():
            for operation in path.values():
                if "requestBody" in operation:
                    for example in body_of(operation).get("examples", ()):
                        assert_valid(document, body_of(operation), example)
                        count += 1
        assert count > 6

    def test_the_examples_of_a_body_are_accepted_from_the_role_that_has_the_fields(
        self, client: TestClient, document: dict[str, Any]
    ) -> None:
        post = body_of(document["paths"]["/employees"]["post"])
        for example in post["examples"]:
            body = {**example, "team_id": None, "manager_id": None}
            body |= {"id": f"id {len(body)}", "name": f"name {len(body)}"}
            answer = client.post("/employees", json=body, headers=HR)
            assert answer.status_code == 201, answer.text


class TestParameters:
    def parameters(
        self, document: dict[str, Any], path: str, method: str = "get"
    ) -> dict[str, Any]:
        listed = [
            parameter
            for parameter in document["paths"][path][method]["parameters"]
            if parameter["in"] == "query"
        ]
        by_name = {parameter["name"]: parameter for parameter in listed}
        assert len(by_name) == len(listed)
        return by_name

    def test_the_parameters_are_those_of_all_schemas(self, document: dict[str, Any]) -> None:
        for path in ("/employees", "/employees/{id}/reports"):
            parameters = self.parameters(document, path)
            assert parameters["salary__gt"]["description"] == "Only with EmployeeHR"
            assert "description" not in parameters["name"]
            orders = parameters["order_by"]["schema"]["anyOf"]
            assert [order["items"] for order in orders] == [
                ref("EmployeePublicOrderBy"),
                ref("EmployeeHROrderBy"),
            ]

    def test_the_parameters_of_an_upsert_are_those_of_all_schemas(
        self, document: dict[str, Any]
    ) -> None:
        parameters = self.parameters(document, "/employees", "post")
        assert "Employee" not in parameters["update"]["description"]
        keys = parameters["on_conflict"]["schema"]["anyOf"]
        assert [key["enum"] for key in keys] == [["id", "name"], ["id", "name", "note"]]

    def test_a_hand_written_list_has_the_parameters_of_all_schemas(
        self, db: Database, company: SimpleNamespace
    ) -> None:
        employees = employees_of(company, db)

        @employees.get("/leaders")
        async def leaders(query: Annotated[Page, Depends(employees.query)]) -> Response:
            return await employees.answer(query)

        with client_of(employees) as client:
            document = client.get("/openapi.json").json()
        parameters = self.parameters(document, "/employees/leaders")
        assert parameters["salary"]["description"] == "Only with EmployeeHR"
        problem = document["paths"]["/employees/leaders"]["get"]["responses"]["422"]
        assert problem["content"]["application/json"]["schema"] == ref("ProblemDetails")


class TestNestedWrites:
    def test_nested_bodies_have_the_schemas_of_the_nested_resource(
        self, db: Database, company: SimpleNamespace
    ) -> None:
        employees = employees_of(company, db)
        teams = Resource(company.Team, db, nested={"employees": employees})
        with client_of(employees, teams) as client:
            document = client.get("/openapi.json").json()
            schema = body_of(document["paths"]["/teams"]["post"])
            row = {"id": "a", "name": "A"}
            for nested in (row, row | {"salary": 5}):
                assert_valid(document, schema, {"name": "Web", "employees": [nested]})
            with pytest.raises(jsonschema_rs.ValidationError):
                assert_valid(document, schema, {"name": "Web", "employees": [{"id": "a"}]})
            for role in (STAFF, HR):
                body = {
                    "name": role["Role"],
                    "employees": [{"id": role["Role"], "name": role["Role"]}],
                }
                answer = client.post("/teams", json=body, headers=role)
                response = response_of(document["paths"]["/teams"]["post"], 201)
                assert_valid(document, response, answer.json())
            related = document["paths"]["/teams/{id}/employees"]["post"]
            assert len(body_of(related)["oneOf"]) == 2

    def test_the_document_is_made_in_any_order(
        self, db: Database, company: SimpleNamespace
    ) -> None:
        employees = employees_of(company, db)
        teams = Resource(company.Team, db, read=company.TeamPublic)
        documents = []
        for resources in ((employees, teams), (teams, employees)):
            app = FastAPI()
            for resource in resources:
                app.include_router(resource)
            documents.append(app.openapi()["components"]["schemas"])
        assert documents[0].keys() == documents[1].keys()
