"""No response to a role has a value of a field that the role does not read."""

from types import SimpleNamespace
from typing import Any

from colonnade import Database, Resource
from tests.resources.schemas_by_role.company import (
    HR,
    STAFF,
    client_of,
    define_company,
    employees_of,
)

SALARIES = ("77701", "77702")
NOTE = "only for hr"

REQUESTS: tuple[tuple[str, str, Any], ...] = (
    ("GET", "/employees?include=team.employees,manager,reports.manager&count=exact", None),
    ("GET", "/employees/a?include=team.employees,reports.manager", None),
    ("GET", "/employees/a/reports?include=team.employees", None),
    ("GET", "/employees/a/reports?depth=all&include=manager", None),
    ("GET", "/teams", None),
    ("GET", "/teams/1", None),
    ("GET", "/teams/1/employees", None),
    ("PATCH", "/teams/1", {"employees": {"connect": ["b"]}}),
    ("PATCH", "/teams/1", {"employees": {"upsert": [{"id": "b", "name": "B2"}]}}),
    ("PATCH", "/teams/1", {"employees": {"set": ["a"]}}),
    ("PATCH", "/employees/a", {"reports": {"update": [{"id": "b", "name": "B3"}]}}),
    ("PATCH", "/employees/a", {"reports": {"disconnect": ["b"]}}),
    ("PATCH", "/employees:batch", [{"id": "a", "name": "A2"}, {"id": "b", "name": "B4"}]),
    ("POST", "/employees?on_conflict=name", {"id": "z", "name": "A2"}),
    ("POST", "/employees?on_conflict=name&keep=true", {"id": "z", "name": "A2"}),
    ("POST", "/employees:batch?on_conflict=id", [{"id": "a", "name": "A3"}]),
    ("PUT", "/employees/a", {"name": "A4"}),
    ("POST", "/employees", {"id": "d", "name": "A4"}),
    ("POST", "/employees", {"id": "a", "name": "New"}),
    ("POST", "/employees", {"id": "d", "name": "D", "team_id": 99}),
    ("POST", "/employees", {"id": "d", "name": "D", "note": NOTE[:4]}),
    ("DELETE", "/employees:batch?key=a&key=missing", None),
    ("DELETE", "/employees/b", None),
)


def test_no_response_reveals_a_value_of_another_role(db: Database) -> None:
    company = define_company()
    db.create_all()
    employees: Resource = employees_of(
        company,
        db,
        nested={"reports": lambda: employees},
        include=["team.employees", "manager", "reports.manager"],
    )
    teams = Resource(company.Team, db, read=company.TeamPublic, nested={"employees": employees})
    with client_of(employees, teams) as client:
        body = {"id": "b", "name": "B", "salary": int(SALARIES[1])}
        rows = [
            {"id": "a", "name": "A", "salary": int(SALARIES[0]), "note": NOTE, "reports": [body]}
        ]
        created = client.post("/teams", json={"name": "Web", "employees": rows}, headers=HR)
        assert created.status_code == 201
        assert all(salary in stored(client) for salary in SALARIES)
        for method, url, change in REQUESTS:
            answer = client.request(method, url, json=change, headers=STAFF)
            assert answer.status_code < 500, (method, url)
            hidden = [value for value in (*SALARIES, NOTE) if value in answer.text]
            assert hidden == [], (method, url, answer.text)
            if answer.status_code < 300 and method != "DELETE":
                assert '"salary"' not in answer.text
        assert SALARIES[0] in stored(client)


def stored(client: Any) -> str:
    """The rows as HR reads them."""
    text: str = client.get("/employees", headers=HR).text
    return text


def test_a_write_of_one_role_keeps_the_fields_of_another(db: Database) -> None:
    company: SimpleNamespace = define_company()
    db.create_all()
    with client_of(employees_of(company, db)) as client:
        body = {"id": "a", "name": "A", "salary": 5, "note": NOTE}
        client.post("/employees", json=body, headers=HR)
        for method, url, change in (
            ("PATCH", "/employees/a", {"name": "B"}),
            ("PUT", "/employees/a", {"name": "C"}),
            ("POST", "/employees?on_conflict=id", {"id": "a", "name": "D"}),
            ("PATCH", "/employees:batch", [{"id": "a", "name": "E"}]),
        ):
            answer = client.request(method, url, json=change, headers=STAFF)
            assert answer.status_code == 200, answer.text
            row = client.get("/employees/a", headers=HR).json()
            assert (row["salary"], row["note"]) == (5, NOTE), (method, url)
