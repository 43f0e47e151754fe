"""``Security(...)`` in the arguments of a Resource keeps its scopes of OAuth2."""

from typing import Annotated, Any

import pytest
from fastapi import Header, HTTPException, Security
from fastapi.security import SecurityScopes
from sqlalchemy import ColumnElement, true

from colonnade import Database, Field, Resource, SQLModel
from colonnade.errors import ModelError
from tests.resources.sample_app import serving


def require(scopes: SecurityScopes, granted: Annotated[str, Header()] = "") -> None:
    if not set(scopes.scopes) <= set(granted.split()):
        raise HTTPException(403)


def everything(_: Annotated[None, Security(require)]) -> ColumnElement[bool]:
    return true()


@pytest.fixture
def plan(db: Database) -> type[Any]:
    class Plan(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)

    db.create_all()
    return Plan


def statuses(resource: Resource) -> list[int]:
    with serving(resource) as client:
        return [
            client.get("/plans", headers={"Granted": granted}).status_code for granted in ("", "hr")
        ]


@pytest.mark.parametrize("argument", ["scope", "read"])
def test_a_request_without_the_scopes_is_refused(
    argument: str, db: Database, plan: type[Any]
) -> None:
    class PlanRead(SQLModel):
        id: int

    def read(_: Annotated[None, Security(require)]) -> type[PlanRead]:
        return PlanRead

    dependency = everything if argument == "scope" else read
    options: dict[str, Any] = {argument: Security(dependency, scopes=["hr"])}
    assert statuses(Resource(plan, db, **options)) == [403, 200]


def test_a_write_without_the_scopes_is_refused(db: Database, plan: type[Any]) -> None:
    writable = Security(everything, scopes=["hr"])
    with serving(Resource(plan, db, write_scope=writable)) as client:
        assert client.get("/plans").status_code == 200
        assert client.post("/plans", json={}).status_code == 403
        assert client.post("/plans", json={}, headers={"Granted": "hr"}).status_code == 201


def test_a_table_has_one_scope_with_the_same_scopes_of_oauth2(
    db: Database, plan: type[Any]
) -> None:
    Resource(plan, db, scope=Security(everything, scopes=["hr"]))
    Resource(plan, db, scope=Security(everything, scopes=["hr"]), prefix="/same")
    with pytest.raises(ModelError, match="Plan already has a scope"):
        Resource(plan, db, scope=everything, prefix="/other")
