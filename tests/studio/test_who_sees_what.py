"""Studio shows no more than the API does: tables, fields, facts and drift."""

from collections.abc import Callable
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, Header, HTTPException, Request, Response
from fastapi.testclient import TestClient

from colonnade import (
    CheckConstraint,
    Database,
    Field,
    Page,
    Relationship,
    Resource,
    SQLModel,
    Studio,
    StudioView,
    schemas,
)
from colonnade.errors import ModelError


def anyone() -> None: ...


def refuse() -> None:
    raise HTTPException(403, "Not for you.")


def get(app: FastAPI, path: str, **headers: str) -> Any:
    return TestClient(app, headers=headers).get(f"/studio/api/{path}")


@pytest.fixture
def payroll(db: Database) -> type[Any]:
    class Payroll(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        salary: int

    db.create_all()
    return Payroll


def studio_app(db: Database, *resources: Resource, **inclusion: Any) -> FastAPI:
    app = FastAPI(lifespan=db.lifespan)
    for resource in resources:
        app.include_router(resource, **inclusion)
    Studio(app, dependencies=[Depends(anyone)])
    return app


RefusedApp = Callable[[Database, type[Any]], FastAPI]

REFUSED: dict[str, RefusedApp] = {
    "inclusion": lambda db, model: studio_app(
        db, Resource(model, db), dependencies=[Depends(refuse)]
    ),
    "router": lambda db, model: studio_app(db, Resource(model, db, dependencies=[Depends(refuse)])),
    "guard": lambda db, model: studio_app(
        db, Resource(model, db, dependencies={"list": [Depends(refuse)]})
    ),
    "scope": lambda db, model: studio_app(db, Resource(model, db, scope=refuse)),
    "empty scope": lambda db, model: studio_app(db, Resource(model, db, scope=lambda: None)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_table_that_the_api_refuses_is_nowhere(
    name: str, db: Database, payroll: type[Any]
) -> None:
    app = REFUSED[name](db, payroll)
    assert TestClient(app).get("/payrolls").status_code == 403
    assert get(app, "catalog").json()["tables"] == []
    assert "salary" not in get(app, "schema").text
    assert get(app, "schema/payrolls").status_code == 404


def test_a_table_without_a_list_has_no_number_of_rows(db: Database, payroll: type[Any]) -> None:
    app = studio_app(db, Resource(payroll, db, operations={"create"}))
    (table,) = get(app, "catalog").json()["tables"]
    assert table["is_open"] is False
    assert get(app, "schema/payrolls").json()["rows"] is None


def test_one_table_that_refuses_a_request_leaves_the_others(
    db: Database, payroll: type[Any]
) -> None:
    class Note(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)

    db.create_all()

    def by_tenant(tenant: Annotated[str, Header()]) -> type[schemas(payroll).read]:  # type: ignore[valid-type]  # made at run time
        return schemas(payroll).read

    app = studio_app(db, Resource(payroll, db, read=by_tenant), Resource(Note, db))
    assert [table["id"] for table in get(app, "catalog").json()["tables"]] == ["notes"]
    assert get(app, "schema/notes").status_code == 200
    tables = get(app, "catalog", tenant="a").json()["tables"]
    assert [table["id"] for table in tables] == ["payrolls", "notes"]


def test_secret_fields_of_links_and_keys_are_not_drawn(db: Database) -> None:
    class Agent(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)

    class Loan(SQLModel, table=True):
        client_id: int = Field(foreign_key="client.id", primary_key=True)
        book_id: int = Field(foreign_key="book.id", primary_key=True)
        fraud_score: int = Field(default=0, secret=True)

    class Book(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        clients: list["Client"] = Relationship(link_model=Loan)

    class Client(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        informant_ref: int | None = Field(default=None, foreign_key="agent.id", secret=True)

    db.create_all()
    app = studio_app(db, *(Resource(model, db) for model in (Agent, Book, Client)))
    drawn = get(app, "schema").text
    assert "book_id" in drawn
    for hidden in ("fraud_score", "informant_ref"):
        assert hidden not in drawn
        assert hidden not in get(app, "schema/clients").text
    # As in the API, a secret field may be written, such as a password.
    assert "fraud_score" not in get(app, "catalog").text


def test_foreign_keys_to_tables_that_are_not_shown_are_not_shown(db: Database) -> None:
    class Hidden(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)

    class Note(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        hidden_id: int | None = Field(default=None, foreign_key="hidden.id")

    db.create_all()
    app = studio_app(db, Resource(Note, db))
    assert "REFERENCES" not in get(app, "schema/notes").text
    assert "REFERENCES" in get(studio_app(db, Resource(Note, db), Resource(Hidden, db)),
                               "schema/notes").text  # fmt: skip


def test_a_hidden_column_is_found_in_a_check_however_it_is_written(db: Database) -> None:
    class User(SQLModel, table=True):
        __table_args__ = (CheckConstraint("length(PIN_HASH) > 3", name="ck_long"),)
        id: int | None = Field(default=None, primary_key=True)
        pin_hash: str = Field(default="abcd", secret=True)

    db.create_all()
    assert "hash" not in get(studio_app(db, Resource(User, db)), "schema/users").text.lower()


def test_drift_is_shown_only_to_those_who_may_see_every_table_and_field(
    db: Database, payroll: type[Any]
) -> None:
    app = studio_app(db, Resource(payroll, db))
    assert get(app, "drift").json() == {"compared": True, "differences": []}

    class Unserved(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)

    refused = get(app, "drift")
    assert refused.status_code == 403
    assert "nserved" not in refused.text


def test_a_view_names_only_fields_that_the_request_may_read(db: Database) -> None:
    class Employee(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        name: str
        salary_note: str = ""

    class Public(SQLModel):
        id: int
        name: str

    Full = schemas(Employee).read

    def by_role(role: str = Header("")) -> type[Public] | type[Full]:  # type: ignore[valid-type]  # made at run time
        return Full if role == "boss" else Public

    db.create_all()
    view = StudioView(columns=["salary_note"], search=["salary_note", "name"], label="salary_note")
    app = studio_app(db, Resource(Employee, db, read=by_role, studio=view))
    (boss,) = get(app, "catalog", role="boss").json()["tables"]
    (worker,) = get(app, "catalog", role="worker").json()["tables"]
    assert boss["studio"]["search"] == ["salary_note", "name"]
    assert worker["studio"] == {
        "title": None, "columns": [], "search": ["name"], "group": None, "label": None,
    }  # fmt: skip
    assert "salary_note" not in str(worker["fields"])


def test_writes_whose_schema_is_refused_are_not_offered(db: Database) -> None:
    class Employee(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        name: str
        bonus: int = 0

    def by_role(role: str = Header("")) -> type[schemas(Employee).create]:  # type: ignore[valid-type]  # made at run time
        if role != "boss":
            raise HTTPException(403)
        return schemas(Employee).create

    def update_by_role(role: str = Header("")) -> type[schemas(Employee).update]:  # type: ignore[valid-type]  # made at run time
        if role != "boss":
            raise HTTPException(403)
        return schemas(Employee).update

    db.create_all()
    employees = Resource(Employee, db, create=by_role, update=update_by_role)

    @employees.action("Reward")
    def reward(rows: list[Employee]) -> None:
        rows[0].bonus = 1

    app = studio_app(db, employees)
    client = TestClient(app)
    (guest,) = get(app, "catalog").json()["tables"]
    assert (guest["create"], guest["update"]) == (None, None)
    assert {"create", "update", "create_many", "update_many"}.isdisjoint(guest["operations"])
    (boss,) = get(app, "catalog", role="boss").json()["tables"]
    assert "bonus" in boss["create"]["properties"]
    client.post("/employees", json={"name": "a"}, headers={"role": "boss"})
    assert client.post("/employees:reward?key=1").status_code == 403
    assert client.post("/employees:reward?key=1", headers={"role": "boss"}).status_code == 200


def test_a_dependency_that_reads_the_body_leaves_it_to_the_api(
    db: Database, payroll: type[Any]
) -> None:
    async def read_body(request: Request) -> None:
        assert await request.body() is not None

    app = FastAPI(lifespan=db.lifespan)
    app.include_router(Resource(payroll, db))
    Studio(app, dependencies=[Depends(read_body)])
    client = TestClient(app)
    token = client.get("/studio/api/catalog").json()["csrf"]
    headers = {"X-Studio-CSRF": token}
    created = client.post("/studio/api/data/payrolls", json={"salary": 7}, headers=headers)
    assert (created.status_code, created.json()["salary"]) == (201, 7)


def test_a_resource_of_a_mounted_app_is_refused(db: Database, payroll: type[Any]) -> None:
    payrolls = Resource(payroll, db)
    inner = FastAPI(dependencies=[Depends(refuse)])
    inner.include_router(payrolls)
    app = FastAPI()
    app.mount("/inner", inner)
    studio = Studio(app, [payrolls], dependencies=[Depends(anyone)])
    with pytest.raises(ModelError, match="The app at /inner includes the Resource of Payroll"):
        assert studio.tables


def test_behind_a_proxy_that_changes_the_host_the_browser_says_who_asks(
    db: Database, payroll: type[Any]
) -> None:
    app = studio_app(db, Resource(payroll, db))
    headers = {"host": "backend:8000", "origin": "https://app.example.com"}
    assert get(app, "catalog", **headers, **{"sec-fetch-site": "same-origin"}).status_code == 200
    assert get(app, "catalog", **headers, **{"sec-fetch-site": "cross-site"}).status_code == 403
    assert get(app, "catalog", **headers).status_code == 403


def test_answers_with_data_of_a_user_are_kept_by_no_cache(db: Database, payroll: type[Any]) -> None:
    app = studio_app(db, Resource(payroll, db))
    for path in ("catalog", "schema/payrolls", "drift"):
        assert get(app, path).headers["cache-control"] == "no-store"


def test_the_parameters_of_a_replaced_list_guard_the_description(
    db: Database, payroll: type[Any]
) -> None:
    payrolls = Resource(payroll, db)

    @payrolls.get("")
    def list_payrolls(user: Annotated[None, Depends(refuse)]) -> list[int]:
        return []

    app = studio_app(db, payrolls)
    assert TestClient(app).get("/payrolls").status_code == 403
    assert get(app, "catalog").json()["tables"] == []
    assert get(app, "schema/payrolls").status_code == 404


def test_a_replaced_list_may_narrow_its_rows_so_that_none_are_counted(
    db: Database, payroll: type[Any]
) -> None:
    payrolls = Resource(payroll, db)

    @payrolls.get("")
    async def list_payrolls(page: Annotated[Page, Depends(payrolls.query)]) -> Any:
        return await payrolls.answer(page.where(payroll.salary < 10))

    app = studio_app(db, payrolls)
    (table,) = get(app, "catalog").json()["tables"]
    assert table["is_open"] is False
    assert get(app, "schema/payrolls").json()["rows"] is None
    assert get(app, "drift").status_code == 403


def test_an_inclusion_guards_a_table_without_a_list(db: Database, payroll: type[Any]) -> None:
    creating = Resource(payroll, db, operations={"create"})
    app = studio_app(db, creating, dependencies=[Depends(refuse)])
    assert get(app, "catalog").json()["tables"] == []
    guarded = Resource(
        payroll, db, operations={"create"}, dependencies={"create": [Depends(refuse)]}
    )
    assert get(studio_app(db, guarded), "catalog").json()["tables"] == []


def test_an_exception_of_the_application_hides_one_table(db: Database, payroll: type[Any]) -> None:
    class Note(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)

    class ForbiddenError(Exception): ...

    def forbid() -> None:
        raise ForbiddenError

    db.create_all()
    app = studio_app(db, Resource(payroll, db, dependencies=[Depends(forbid)]), Resource(Note, db))
    app.add_exception_handler(ForbiddenError, lambda *_: Response(status_code=403))
    assert [table["id"] for table in get(app, "catalog").json()["tables"]] == ["notes"]


def test_a_guard_sees_the_path_of_each_table(db: Database, payroll: type[Any]) -> None:
    class Note(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)

    seen: list[str] = []

    def only_notes(request: Request) -> None:
        seen.append(request.url.path)
        if not request.url.path.startswith("/notes"):
            raise HTTPException(403)

    db.create_all()
    guard = [Depends(only_notes)]
    app = studio_app(db, Resource(Note, db), Resource(payroll, db), dependencies=guard)
    assert [table["id"] for table in get(app, "catalog").json()["tables"]] == ["notes"]
    assert set(seen) == {"/notes", "/payrolls"}


def test_references_name_no_hidden_column_and_no_hidden_table(db: Database) -> None:
    class Badge(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        number: str = Field(unique=True, secret=True)

    class Door(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)

    class Visit(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        badge: str = Field(foreign_key="badge.number")
        door: int = Field(foreign_key="door.id")

    db.create_all()
    app = studio_app(
        db,
        Resource(Badge, db),
        Resource(Visit, db),
        Resource(Door, db, dependencies=[Depends(refuse)]),
    )
    tables = {table["id"]: table for table in get(app, "catalog").json()["tables"]}
    references = [field["references"] for field in tables["visits"]["fields"]]
    assert references == [None, None, None]
    assert "number" not in get(app, "schema/visits").text


def test_a_link_to_a_hidden_table_is_not_drawn(db: Database) -> None:
    class PersonGroup(SQLModel, table=True):
        person_id: int = Field(foreign_key="person.id", primary_key=True)
        group_id: int = Field(foreign_key="secretgroup.id", primary_key=True)

    class SecretGroup(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)

    class Person(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        groups: list[SecretGroup] = Relationship(link_model=PersonGroup)

    db.create_all()
    app = studio_app(db, Resource(Person, db))
    drawn = get(app, "schema").text
    assert "person" in drawn
    assert "group_id" not in drawn
    assert "secretgroup" not in drawn


def test_no_cache_keeps_data(db: Database, payroll: type[Any]) -> None:
    app = studio_app(db, Resource(payroll, db))
    for path in ("catalog", "schema", "schema/payrolls", "drift", "data/payrolls"):
        assert get(app, path).headers["cache-control"] == "no-store", path
