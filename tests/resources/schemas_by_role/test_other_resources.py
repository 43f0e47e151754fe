"""A field that depends on the role is not served or written by another Resource by accident."""

from types import SimpleNamespace
from typing import Any

import pytest

from colonnade import STANDARD, Database, Field, Relationship, Resource, SQLModel
from colonnade.errors import ModelError
from tests.resources.schemas_by_role.company import (
    HR,
    STAFF,
    client_of,
    define_company,
    employees_of,
)


@pytest.fixture
def company(db: Database) -> SimpleNamespace:
    company = define_company()
    db.create_all()
    return company


def build(resource: Resource) -> None:
    """Build the routes, as including the Resource in an app does."""
    list(resource.routes)


RELATION = (
    r"read=read of Employee chooses the fields of each request. The Resource of Team serves the "
    r"relation employees with all fields of Employee. Name a schema .* in the read schema of Team, "
    r"such as employees: list\[EmployeePublic\], or leave the relation out of include."
)


class TestRelations:
    def test_a_relation_with_the_derived_schema_is_refused(
        self, db: Database, company: SimpleNamespace
    ) -> None:
        employees_of(company, db)
        with pytest.raises(ModelError, match=RELATION):
            build(Resource(company.Team, db, include=["employees"]))

    def test_a_choice_that_is_declared_later_is_refused(
        self, db: Database, company: SimpleNamespace
    ) -> None:
        build(Resource(company.Team, db, include=["employees"]))
        with pytest.raises(ModelError, match=RELATION):
            employees_of(company, db)

    def test_a_resource_that_is_built_later_is_refused(
        self, db: Database, company: SimpleNamespace
    ) -> None:
        teams = Resource(company.Team, db, include=["employees"])
        employees_of(company, db)
        with pytest.raises(ModelError, match=RELATION):
            build(teams)

    def test_a_relation_of_a_relation_is_refused(
        self, db: Database, company: SimpleNamespace
    ) -> None:
        employees_of(company, db)
        teams = Resource(company.Team, db, read=company.TeamPublic, include=["employees.manager"])
        with pytest.raises(
            ModelError,
            match=r"relation employees.manager .* in the read schema of Employee, such as manager: "
            r"EmployeePublic \| None",
        ):
            build(teams)

    def test_a_relation_to_the_table_itself_in_a_plain_schema_is_refused(
        self, db: Database, company: SimpleNamespace
    ) -> None:
        employees_of(company, db)
        brief = Resource(
            company.Employee,
            db,
            read=company.EmployeePublic,
            include=["manager"],
            operations={"list"},
            prefix="/brief",
        )
        with pytest.raises(
            ModelError, match="The Resource of Employee serves the relation manager"
        ):
            build(brief)

    def test_a_schema_that_the_program_names_is_served_to_every_role(
        self, db: Database, company: SimpleNamespace
    ) -> None:
        teams = Resource(company.Team, db, read=company.TeamPublic)
        with client_of(employees_of(company, db), teams) as client:
            client.post("/teams", json={"name": "Web"})
            body = {"id": "ana", "name": "Ana", "team_id": 1, "salary": 5}
            client.post("/employees", json=body, headers=HR)
            assert client.get("/teams/1", headers=HR).json()["employees"][0].keys() == {
                "id",
                "name",
                "team_id",
                "manager_id",
            }
            assert client.get("/teams/1/employees", headers=HR).json()[0]["id"] == "ana"
            assert client.get("/teams?employees__name=Ana").json()
            for query in ("employees__salary=5", "employees__salary__gt=1"):
                for role in (HR, STAFF):
                    assert client.get(f"/teams?{query}", headers=role).status_code == 422
            assert client.get("/teams/1/employees?order_by=salary", headers=HR).status_code == 422

    def test_relations_from_the_table_to_others_keep_their_schemas(
        self, db: Database, company: SimpleNamespace
    ) -> None:
        with client_of(employees_of(company, db, include=["team"])) as client:
            with db.session() as session:
                session.add(company.Team(id=1, name="Web"))
                session.commit()
            body = {"id": "ana", "name": "Ana", "team_id": 1}
            client.post("/employees", json=body, headers=STAFF)
            assert client.get("/employees?include=team&team__name=Web", headers=STAFF).json()[0][
                "team"
            ] == {"id": 1, "name": "Web"}

    def test_the_databases_of_two_apps_do_not_know_each_other(
        self, db: Database, company: SimpleNamespace
    ) -> None:
        employees_of(company, db)
        build(Resource(company.Team, Database("sqlite://"), include=["employees"]))


class TestTheSameTable:
    @pytest.mark.parametrize("kind", ["create", "update", "read"])
    @pytest.mark.parametrize("is_first", [True, False])
    def test_another_resource_names_its_schemas(
        self, db: Database, company: SimpleNamespace, kind: str, *, is_first: bool
    ) -> None:
        chosen = {"create": None, "update": None, "read": None, kind: getattr(company, kind)}

        def choose() -> None:
            build(employees_of(company, db, **chosen, operations=STANDARD))

        def derive() -> None:
            build(Resource(company.Employee, db, prefix="/admin/employees"))

        first, second = (choose, derive) if is_first else (derive, choose)
        first()
        with pytest.raises(ModelError, match=rf"{kind}={kind} of Employee .* Pass .* {kind}=\."):
            second()

    def test_another_resource_with_plain_schemas_serves_them_to_everyone(
        self, db: Database, company: SimpleNamespace
    ) -> None:
        full = Resource(
            company.Employee,
            db,
            prefix="/admin/employees",
            create=company.EmployeeFormHR,
            update=company.EmployeeChangesHR,
            read=company.EmployeeHR,
        )
        with client_of(employees_of(company, db), full) as client:
            body = {"id": "ana", "name": "Ana", "salary": 5}
            assert client.post("/admin/employees", json=body).json()["salary"] == 5
            assert "salary" not in client.get("/employees/ana", headers=STAFF).json()

    def test_a_resource_that_writes_nothing_needs_no_schemas_of_bodies(
        self, db: Database, company: SimpleNamespace
    ) -> None:
        employees_of(company, db)
        build(
            Resource(
                company.Employee,
                db,
                prefix="/brief",
                read=company.EmployeePublic,
                operations={"list", "read", "delete"},
            )
        )

    def test_a_nested_resource_names_its_schemas(
        self, db: Database, company: SimpleNamespace
    ) -> None:
        employees_of(company, db)
        plain = Resource(company.Employee, db, prefix="/plain")
        with pytest.raises(ModelError, match="Another Resource of Employee"):
            build(Resource(company.Team, db, nested={"employees": plain}))


class TestLinks:
    @pytest.fixture
    def club(self, db: Database) -> SimpleNamespace:
        """People and groups, whose links have a fee that only some see."""

        class Membership(SQLModel, table=True):
            group_id: int = Field(foreign_key="group.id", primary_key=True)
            person_id: int = Field(foreign_key="person.id", primary_key=True)
            fee: int = 0

        class Group(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            people: list["Person"] = Relationship(back_populates="groups", link_model=Membership)

        class Person(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            groups: list[Group] = Relationship(back_populates="people", link_model=Membership)

        class MembershipPublic(SQLModel):
            group_id: int
            person_id: int

        class MembershipFull(MembershipPublic):
            fee: int

        def by_role(full: bool = False) -> Any:
            return MembershipFull if full else MembershipPublic

        by_role.__annotations__["return"] = type[MembershipPublic] | type[MembershipFull]
        db.create_all()
        return SimpleNamespace(Membership=Membership, Group=Group, Person=Person, by_role=by_role)

    def test_links_whose_rows_depend_on_the_role_are_refused(
        self, db: Database, club: SimpleNamespace
    ) -> None:
        Resource(club.Membership, db, read=club.by_role)
        with pytest.raises(ModelError, match=r'links in people .* Leave "link" out'):
            build(Resource(club.Group, db, include=["people"]))
        build(Resource(club.Group, db, include=["people"], operations=STANDARD - {"link"}))

    def test_nested_links_whose_rows_depend_on_the_role_are_refused(
        self, db: Database, club: SimpleNamespace
    ) -> None:
        Resource(club.Membership, db, create=club.by_role)
        people = Resource(club.Person, db)
        groups = Resource(club.Group, db, nested={"people": people}, operations=STANDARD - {"link"})
        with pytest.raises(ModelError, match=r"create=by_role of Membership .* links in people"):
            build(groups)

    def test_a_choice_after_the_links_is_refused(self, db: Database, club: SimpleNamespace) -> None:
        build(Resource(club.Group, db, include=["people"]))
        with pytest.raises(ModelError, match="links in people"):
            Resource(club.Membership, db, read=club.by_role)
