"""A company: teams, and employees whose salary and notes are for HR."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Annotated, Any, Optional

from fastapi import FastAPI, Header, HTTPException
from fastapi.testclient import TestClient

from colonnade import STANDARD, Database, Field, Relationship, Resource, SQLModel

Role = Annotated[str, Header()]
HR = {"Role": "hr"}
STAFF = {"Role": "staff"}
ROLES = (HR, STAFF)

OPERATIONS = STANDARD | {"upsert", "replace"}


def define_company() -> SimpleNamespace:
    """Define the models, their schemas, and the dependencies that choose these, anew."""

    class Team(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        name: str = Field(unique=True)
        employees: list["Employee"] = Relationship(back_populates="team")

    class Employee(SQLModel, table=True):
        id: str = Field(primary_key=True, max_length=20)
        name: str = Field(unique=True, max_length=50)
        salary: int = Field(default=0, ge=0)
        note: str | None = Field(default=None, unique=True)
        team_id: int | None = Field(default=None, foreign_key="team.id", index=True)
        manager_id: str | None = Field(default=None, foreign_key="employee.id", index=True)
        team: Team | None = Relationship(back_populates="employees")
        manager: Optional["Employee"] = Relationship(
            back_populates="reports", sa_relationship_kwargs={"remote_side": "Employee.id"}
        )
        reports: list["Employee"] = Relationship(back_populates="manager")

    class EmployeeFields(SQLModel):
        name: str = Field(max_length=50)
        team_id: int | None = None
        manager_id: str | None = None

    class EmployeeFieldsHR(EmployeeFields):
        salary: int = Field(default=0, ge=0)
        note: str | None = None

    class EmployeePublic(EmployeeFields):
        id: str

    class EmployeeHR(EmployeeFieldsHR):
        id: str

    class EmployeeInItself(EmployeePublic):
        manager: Employee | None

    class TeamPublic(SQLModel):
        id: int
        employees: list[EmployeePublic]

    class EmployeeForm(EmployeeFields):
        id: str = Field(max_length=20)

    class EmployeeFormHR(EmployeeFieldsHR):
        id: str = Field(max_length=20)

    class EmployeeChanges(EmployeeFields, partial=True):
        pass

    class EmployeeChangesHR(EmployeeFieldsHR, partial=True):
        pass

    def is_hr(role: str) -> bool:
        if role == "guest":
            raise HTTPException(401, "Log in first")
        return role == "hr"

    def read(role: Role = "") -> type[EmployeePublic] | type[EmployeeHR]:
        return EmployeeHR if is_hr(role) else EmployeePublic

    def create(role: Role = "") -> type[EmployeeForm] | type[EmployeeFormHR]:
        if role == "intern":
            raise HTTPException(403, "Interns hire nobody")
        return EmployeeFormHR if is_hr(role) else EmployeeForm

    async def update(role: Role = "") -> type[EmployeeChanges] | type[EmployeeChangesHR]:
        return EmployeeChangesHR if is_hr(role) else EmployeeChanges

    return SimpleNamespace(**{name: value for name, value in locals().items() if name != "is_hr"})


def employees_of(company: SimpleNamespace, db: Database, **options: Any) -> Resource:
    """Create the Resource of employees, with all schemas by role."""
    defaults = {
        "create": company.create,
        "update": company.update,
        "read": company.read,
        "operations": OPERATIONS,
    }
    return Resource(company.Employee, db, **{**defaults, **options})


@contextmanager
def client_of(*resources: Resource) -> Iterator[TestClient]:
    """Serve Resources in an app, and provide its client."""
    app = FastAPI()
    for resource in resources:
        app.include_router(resource)
    with TestClient(app) as client:
        yield client
