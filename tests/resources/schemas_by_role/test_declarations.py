"""A dependency declares the schemas that it may return by its annotation."""

from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from types import SimpleNamespace
from typing import Annotated, Any, Union

import pytest
from fastapi import Depends
from pydantic import BaseModel, create_model

from colonnade import Database, Field, Resource, SQLModel
from colonnade.errors import ModelError
from tests.resources.schemas_by_role.company import (
    HR,
    client_of,
    define_company,
    employees_of,
)


class Brief(BaseModel):
    id: int
    title: str


class Full(Brief):
    secret_plan: str


@pytest.fixture
def plan() -> type[SQLModel]:
    class Plan(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        title: str
        secret_plan: str = ""

    return Plan


def returning(annotation: Any, result: Any = Brief) -> Callable[[], Any]:
    """Define a dependency with a return annotation."""

    def choose() -> Any:
        return result

    choose.__annotations__["return"] = annotation
    return choose


class Chooser:
    """A dependency that is an instance."""

    def __call__(self) -> type[Brief] | type[Full]:
        return Full


def yields() -> Iterator[type[Brief] | type[Full]]:
    yield Full


async def yields_async() -> AsyncIterator[type[Brief] | type[Full]]:
    yield Full


def with_an_argument(schema: type[BaseModel], title: str = "") -> type[Brief] | type[Full]:
    return schema  # type: ignore[return-value]  # one of both


class TestAnnotations:
    @pytest.mark.parametrize(
        "annotation",
        [
            type[Brief] | type[Full],
            type[Brief | Full],
            Union[type[Brief], type[Full]],  # noqa: UP007 - programs have both forms
            Annotated[type[Brief] | type[Full], "by role"],
            "type[Brief] | type[Full]",
        ],
    )
    def test_a_union_of_classes_declares_them_in_order(
        self, db: Database, plan: Any, annotation: Any
    ) -> None:
        resource = Resource(plan, db, read=returning(annotation))
        assert resource._schemas.choices["read"].schemas == (Brief, Full)

    def test_a_type_alias_declares_the_schemas_of_its_union(self, db: Database, plan: Any) -> None:
        alias = SimpleNamespace(__value__=type[Brief] | type[Full])  # as `type Plan = ...` is
        assert Resource(plan, db, read=returning(alias))._schemas.choices["read"].schemas == (
            Brief,
            Full,
        )

    @pytest.mark.parametrize(
        "dependency",
        [Chooser(), yields, yields_async, partial(with_an_argument, Full), Depends(Chooser())],
        ids=["an instance", "yield", "async yield", "partial", "Depends"],
    )
    def test_every_form_of_dependency_chooses_a_schema(
        self, db: Database, plan: Any, dependency: Any
    ) -> None:
        db.create_all()
        with client_of(Resource(plan, db, read=dependency)) as client:
            client.post("/plans", json={"title": "A", "secret_plan": "B"})
            assert client.get("/plans/1").json()["secret_plan"] == "B"

    def test_a_single_schema_is_a_choice_too(self, db: Database, plan: Any) -> None:
        db.create_all()
        with client_of(Resource(plan, db, read=returning(type[Brief]))) as client:
            assert client.post("/plans", json={"title": "A"}).json() == {"id": 1, "title": "A"}


class TestBadAnnotations:
    @pytest.mark.parametrize(
        ("annotation", "problem"),
        [
            (type[Brief] | None, "may return None, which is not a schema.*HTTPException"),
            (Brief, r"declares .*Brief.*, which is not a schema class. Write type\[A\]"),
            (Brief | Full, "is not a schema class"),
            (type[Brief] | type[int], "is not a schema class"),
            (type, "is not a schema class"),
            (Any, "is not a schema class"),
            (type[BaseModel], "is not a schema class"),
            (type[SQLModel], "is not a schema class"),
            ("type[Missing] | type[Brief]", "cannot be resolved: name 'Missing' is not defined"),
            (
                type[Brief] | type[create_model("Brief", id=(int, ...))],
                "two schemas named Brief",
            ),
        ],
    )
    def test_what_is_not_a_union_of_schemas_is_refused(
        self, db: Database, plan: Any, annotation: Any, problem: str
    ) -> None:
        with pytest.raises(ModelError, match=f"read=choose of Plan .*{problem}"):
            Resource(plan, db, read=returning(annotation))

    def test_a_dependency_without_annotation_is_refused(self, db: Database, plan: Any) -> None:
        with pytest.raises(ModelError, match=r"update=<lambda> of Plan has no return annotation"):
            Resource(plan, db, update=lambda: Brief)

    @pytest.mark.parametrize("argument", [3, "Brief", int, Chooser, (Brief, Full)])
    def test_what_is_neither_a_schema_nor_a_function_is_refused(
        self, db: Database, plan: Any, argument: Any
    ) -> None:
        with pytest.raises(ModelError, match=r"create=.* of Plan is neither a schema nor"):
            Resource(plan, db, create=argument)

    def test_a_schema_that_is_not_declared_is_an_error_of_the_program(
        self, db: Database, plan: Any
    ) -> None:
        db.create_all()
        dependency = returning(type[Brief], result=Full)
        with (
            client_of(Resource(plan, db, read=dependency)) as client,
            pytest.raises(ModelError, match=r"returned .*Full.*does not declare. Return Brief"),
        ):
            client.get("/plans")


class TestBadSchemas:
    def test_each_declared_schema_is_checked(self, db: Database, plan: Any) -> None:
        class Other(BaseModel):
            id: int
            size: int

        class Keyed(BaseModel):
            id: int

        class Untitled(BaseModel):
            secret_plan: str

        for kind, schema, problem in (
            (
                "read",
                Other,
                "Other.size is neither a column, a relation nor an SQL expression",
            ),
            ("update", Keyed, "Keyed.id is the primary key, which an update cannot change"),
            ("create", Untitled, "title is required and has no default, and Untitled does not"),
        ):
            options: Any = {kind: returning(type[Brief] | type[schema])}
            if kind != "read":
                good = create_model("Good", title=(str, ...))
                options = {kind: returning(type[good] | type[schema])}
            with pytest.raises(ModelError, match=problem):
                list(Resource(plan, Database("sqlite://"), **options).routes)

    def test_an_upsert_needs_a_unique_key_in_each_create_schema(self, db: Database) -> None:
        company = define_company()

        class Nameless(SQLModel):
            note: int | None = None
            id: str

        create = returning(type[company.EmployeeForm] | type[Nameless], company.EmployeeForm)
        with pytest.raises(ModelError, match="name is required"):
            list(employees_of(company, db, create=create).routes)

    def test_too_many_combinations_are_refused(self, db: Database) -> None:
        company = define_company()
        schemas = [
            create_model(f"Employee{number}", __base__=company.EmployeePublic)
            for number in range(65)
        ]
        annotation: Any = Union[tuple(type[schema] for schema in schemas)]  # noqa: UP007 - computed
        resource = employees_of(company, db, create=None, update=None, read=returning(annotation))
        with pytest.raises(ModelError, match="have 65 combinations of schemas, and the maximum"):
            list(resource.routes)

    def test_a_relation_of_a_chosen_schema_that_contains_itself_is_refused(
        self, db: Database
    ) -> None:
        company = define_company()

        read = returning(type[company.EmployeeInItself])
        with pytest.raises(ModelError, match="EmployeeInItself contains itself through its"):
            list(employees_of(company, db, read=read).routes)


def test_the_choices_of_a_request_share_what_they_depend_on(db: Database) -> None:
    company = define_company()
    db.create_all()
    calls: list[str] = []

    def current_role(role: str = "staff") -> str:
        calls.append(role)
        return role

    def read(role: Annotated[str, Depends(current_role)]) -> Any:
        return company.EmployeeHR if role == "hr" else company.EmployeePublic

    def create(role: Annotated[str, Depends(current_role)]) -> Any:
        return company.EmployeeFormHR if role == "hr" else company.EmployeeForm

    read.__annotations__["return"] = type[company.EmployeePublic] | type[company.EmployeeHR]
    create.__annotations__["return"] = type[company.EmployeeForm] | type[company.EmployeeFormHR]
    with client_of(employees_of(company, db, read=read, create=create)) as client:
        body = {"id": "a", "name": "A", "salary": 1}
        assert client.post("/employees?role=hr", json=body, headers=HR).json()["salary"] == 1
    assert calls == ["hr"]
