"""``notes.reachable`` and ``notes.writable``: the scope in the statements of user endpoints."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException, Response
from fastapi.responses import JSONResponse
from fastapi.testclient import TestClient
from sqlalchemy import ColumnElement
from sqlalchemy.orm import aliased

from colonnade import (
    AsyncSession,
    Database,
    Field,
    Resource,
    Session,
    SQLModel,
    Unscoped,
    col,
    delete,
    func,
    problems,
    select,
    update,
)
from colonnade.errors import ModelError
from tests.resources.sample_app import statements

User = Annotated[int | None, Header(alias="User")]


def current_user(user: User = None) -> int | None:
    """The user; user 0 has to log in."""
    if user == 0:
        raise HTTPException(401, "Log in first", {"WWW-Authenticate": "Bearer"})
    return user


def own_rows(user: Annotated[int | None, Depends(current_user)]) -> dict[str, int] | None:
    """Each user's own rows; without a user, none."""
    return None if user is None else {"owner_id": user}


class Notes(SimpleNamespace):
    """Notes 1 and 3 of user 1, note 2 of user 2, in folders 1 and 2 of the same users."""

    db: Database
    app: FastAPI
    client: TestClient
    note: Any
    folder: Any

    def get(self, path: str, user: int | None = 1) -> Any:
        headers = {} if user is None else {"User": str(user)}
        return self.client.get(path, headers=headers)

    def titles_of(self, resource: Resource, router: APIRouter | None = None) -> str:
        """Add an endpoint that selects under the scope of a Resource, and return its path."""

        def titles(
            reachable: Annotated[ColumnElement[bool], Depends(resource.reachable)],
            session: Annotated[Session, Depends(self.db.get_session)],
        ) -> list[str]:
            query = select(self.note.title).where(reachable).order_by(self.note.id)
            return list(session.exec(query))

        (router or self.app).add_api_route("/titles", titles)
        return "/titles"


@pytest.fixture
def notes(db: Database) -> Iterator[Notes]:
    class Folder(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        owner_id: int
        name: str

    class Note(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        owner_id: int
        folder_id: int = Field(foreign_key="folder.id")
        title: str
        is_public: bool = False

    db.create_all()
    with db.session() as session:
        session.add_all(Folder(owner_id=owner, name=f"F{owner}") for owner in (1, 2))
        session.flush()
        session.add_all(
            Note(owner_id=owner, folder_id=folder, title=title, is_public=title == "Two")
            for owner, folder, title in [(1, 1, "One"), (2, 2, "Two"), (1, 2, "Three")]
        )
        session.commit()
    app = FastAPI()
    problems(app)
    with TestClient(app) as client:
        yield Notes(db=db, app=app, client=client, note=Note, folder=Folder)


class TestReaching:
    def test_an_endpoint_of_the_resource_selects_the_rows_in_scope(self, notes: Notes) -> None:
        resource = Resource(notes.note, notes.db, scope=own_rows)

        @resource.get("/titles")
        async def titles(
            reachable: Annotated[ColumnElement[bool], Depends(resource.reachable)],
            session: Annotated[AsyncSession, Depends(notes.db.get_async_session)],
        ) -> list[str]:
            query = select(notes.note.title).where(reachable).order_by(notes.note.id)
            return list(await session.exec(query))

        notes.app.include_router(resource)
        assert notes.get("/notes/titles").json() == ["One", "Three"]
        assert notes.get("/notes/titles", user=2).json() == ["Two"]
        assert [row["id"] for row in notes.get("/notes").json()] == [1, 3]

    def test_an_endpoint_outside_of_the_resource_needs_no_other_dependency(
        self, notes: Notes
    ) -> None:
        router = APIRouter(prefix="/reports")
        notes.titles_of(Resource(notes.note, notes.db, scope=own_rows), router)
        notes.app.include_router(router)
        assert notes.get("/reports/titles").json() == ["One", "Three"]
        assert notes.get("/reports/titles", user=2).json() == ["Two"]

    def test_the_scope_is_solved_once(self, notes: Notes) -> None:
        calls: list[int] = []

        def counted(user: User = None) -> dict[str, int | None]:
            calls.append(1)
            return {"owner_id": user}

        resource = Resource(notes.note, notes.db, scope=counted, write_scope=counted)

        @resource.get("/count")
        def count(
            reachable: Annotated[ColumnElement[bool], Depends(resource.reachable)],
            writable: Annotated[ColumnElement[bool], Depends(resource.writable)],
        ) -> int:
            with notes.db.session() as session:
                both = select(func.count()).select_from(notes.note).where(reachable, writable)
                return session.exec(both).one()

        notes.app.include_router(resource)
        with statements(notes.db, notes.client) as executed:
            assert notes.get("/notes/count").json() == 2
        assert len(executed) == 1
        assert len(calls) == 1

    def test_a_condition_is_a_scope_too(self, notes: Notes) -> None:
        def visible(user: User = None) -> Any:
            return col(notes.note.is_public).is_(True) | (col(notes.note.owner_id) == user)

        path = notes.titles_of(Resource(notes.note, notes.db, scope=visible))
        assert notes.get(path).json() == ["One", "Two", "Three"]
        assert notes.get(path, user=3).json() == ["Two"]

    def test_a_column_is_a_scope_too(self, notes: Notes) -> None:
        path = notes.titles_of(Resource(notes.note, notes.db, scope=lambda: notes.note.is_public))
        assert notes.get(path).json() == ["Two"]

    def test_all_values_of_a_mapping_apply(self, notes: Notes) -> None:
        def own_drafts(user: User = None) -> dict[str, Any]:
            return {"owner_id": user, "folder_id": 2, "is_public": False}

        path = notes.titles_of(Resource(notes.note, notes.db, scope=own_drafts))
        assert notes.get(path).json() == ["Three"]
        assert notes.get(path, user=2).json() == []

    def test_every_row_is_reachable_in_a_table_without_a_scope(self, notes: Notes) -> None:
        path = notes.titles_of(Resource(notes.note, notes.db))
        response = notes.get(path, user=None)
        assert response.json() == ["One", "Two", "Three"]
        assert not {"Cache-Control", "Vary"} & set(response.headers)

    def test_every_row_is_reachable_for_a_resource_that_opted_out(self, notes: Notes) -> None:
        Resource(notes.note, notes.db, scope=own_rows)
        path = notes.titles_of(Resource(notes.note, notes.db, scope=Unscoped, prefix="/all"))
        assert notes.get(path, user=None).json() == ["One", "Two", "Three"]

    def test_the_scope_that_another_resource_of_the_table_declared_applies(
        self, notes: Notes
    ) -> None:
        Resource(notes.note, notes.db, scope=own_rows)
        path = notes.titles_of(Resource(notes.note, notes.db, prefix="/archive"))
        assert notes.get(path).json() == ["One", "Three"]

    @pytest.mark.parametrize("argument", ["scope", "write_scope"])
    def test_a_scope_that_is_declared_afterwards_is_an_error(
        self, notes: Notes, argument: str
    ) -> None:
        early = Resource(notes.note, notes.db)
        name = "reachable" if argument == "scope" else "writable"
        assert getattr(early, name) is getattr(early, name)
        message = (
            f"Note got its {argument} after the dependency {name} of a Resource of Note was built "
            f"without it. Create the Resource with the {argument} first."
        )
        with pytest.raises(ModelError, match=message):
            Resource(notes.note, notes.db, prefix="/late", **{argument: own_rows})  # type: ignore[arg-type]  # scope


class TestStatements:
    """The kinds of statements that take the condition."""

    @pytest.fixture
    def reachable(self, notes: Notes) -> Any:
        """A dependency on the scope, and the way to run a function with it as user 1."""
        resource = Resource(notes.note, notes.db, scope=own_rows)
        folders = Resource(notes.folder, notes.db, scope=own_rows)

        def run(work: Any) -> Any:
            @notes.app.get("/run")
            def endpoint(
                reachable: Annotated[ColumnElement[bool], Depends(resource.reachable)],
                in_folders: Annotated[ColumnElement[bool], Depends(folders.reachable)],
            ) -> Any:
                with notes.db.session() as session:
                    result = work(session, reachable, in_folders)
                    session.commit()
                    return result

            return notes.get("/run").json()

        return run

    def test_a_row_by_its_key(self, notes: Notes, reachable: Any) -> None:
        def find(session: Session, scope: Any, _: Any) -> list[str | None]:
            rows = [
                session.exec(select(notes.note).where(notes.note.id == key, scope)).first()
                for key in (1, 2)
            ]
            return [row and row.title for row in rows]

        assert reachable(find) == ["One", None]

    def test_a_count(self, notes: Notes, reachable: Any) -> None:
        count = select(func.count()).select_from(notes.note)
        assert reachable(lambda session, scope, _: session.exec(count.where(scope)).one()) == 2

    def test_a_join_of_tables_that_each_have_a_scope(self, notes: Notes, reachable: Any) -> None:
        query = select(notes.note.title, notes.folder.name).join(notes.folder)

        def joined(session: Session, *scopes: Any) -> list[list[str]]:
            return [list(row) for row in session.exec(query.where(*scopes))]

        assert reachable(joined) == [["One", "F1"]]

    def test_an_alias_of_the_rows_in_scope(self, notes: Notes, reachable: Any) -> None:
        def pairs(session: Session, scope: Any, _: Any) -> list[list[str]]:
            other = aliased(notes.note, select(notes.note).where(scope).subquery())
            query = select(notes.note.title, other.title).where(scope, notes.note.id < other.id)
            return [list(row) for row in session.exec(query)]

        assert reachable(pairs) == [["One", "Three"]]

    def test_an_update_and_a_deletion(self, notes: Notes, reachable: Any) -> None:
        def change(session: Session, scope: Any, _: Any) -> list[str]:
            loaded = session.exec(select(notes.note)).all()
            session.exec(update(notes.note).where(scope).values(title="Mine"))
            session.exec(delete(notes.note).where(scope, notes.note.id == 3))
            kept = session.exec(select(notes.note.title).order_by(notes.note.id)).all()
            return [*kept, *(row.title for row in loaded[:2])]

        assert reachable(change) == ["Mine", "Two", "Mine", "Two"]

    def test_a_core_statement_on_a_connection(self, notes: Notes, reachable: Any) -> None:
        def core(session: Session, scope: Any, _: Any) -> list[int]:
            table = notes.note.__table__
            rows = session.connection().execute(select(table.c.id).where(scope))
            return sorted(rows.scalars())

        assert reachable(core) == [1, 3]

    def test_values_are_parameters(self, notes: Notes, reachable: Any) -> None:
        def compiled(session: Session, scope: Any, _: Any) -> dict[str, Any]:
            query = select(notes.note.id).where(scope, notes.note.owner_id != 7)
            compiled = query.compile(session.connection().engine)
            return {"values": sorted(compiled.params.values()), "sql": str(compiled)}

        result = reachable(compiled)
        assert result["values"] == [1, 7]
        assert " 1" not in result["sql"].partition("WHERE")[2]


class TestRefusals:
    def test_a_scope_of_none_is_a_403_problem(self, notes: Notes) -> None:
        path = notes.titles_of(Resource(notes.note, notes.db, scope=own_rows))
        response = notes.get(path, user=None)
        assert response.status_code == 403
        assert response.json()["type"] == "urn:colonnade:scope"
        assert response.json()["detail"] == "Your scope does not allow access to Note."

    def test_an_error_of_the_scope_is_the_response(self, notes: Notes) -> None:
        path = notes.titles_of(Resource(notes.note, notes.db, scope=own_rows))
        response = notes.get(path, user=0)
        assert (response.status_code, response.headers["WWW-Authenticate"]) == (401, "Bearer")

    def test_a_resource_refuses_in_the_same_way(self, notes: Notes) -> None:
        resource = Resource(notes.note, notes.db, scope=own_rows)
        notes.titles_of(resource, resource)
        notes.app.include_router(resource)
        for user in (None, 0):
            generated = notes.get("/notes", user=user)
            custom = notes.get("/notes/titles", user=user)
            assert custom.status_code == generated.status_code
            assert custom.json() == generated.json()

    def test_a_value_that_is_not_valid_is_a_422(self, notes: Notes) -> None:
        path = notes.titles_of(Resource(notes.note, notes.db, scope=own_rows))
        response = notes.client.get(path, headers={"User": "ana"})
        assert response.status_code == 422
        assert response.json()["errors"][0]["loc"] == ["header", "User"]


class TestOverrides:
    def test_an_override_replaces_the_scope(self, notes: Notes) -> None:
        path = notes.titles_of(Resource(notes.note, notes.db, scope=own_rows))
        notes.app.dependency_overrides[own_rows] = lambda: {"owner_id": 2}
        assert notes.get(path).json() == ["Two"]

    def test_an_override_replaces_a_dependency_of_the_scope(self, notes: Notes) -> None:
        path = notes.titles_of(Resource(notes.note, notes.db, scope=own_rows))
        notes.app.dependency_overrides[current_user] = lambda: 2
        assert notes.get(path).json() == ["Two"]

    def test_an_override_replaces_the_condition(self, notes: Notes) -> None:
        resource = Resource(notes.note, notes.db, scope=own_rows)
        path = notes.titles_of(resource)
        notes.app.dependency_overrides[resource.reachable] = lambda: notes.note.id > 1
        assert notes.get(path, user=None).json() == ["Two", "Three"]


class TestWriting:
    @pytest.mark.parametrize(
        ("options", "user", "titles"),
        [
            ({"scope": own_rows}, 1, ["One", "Three"]),
            ({"write_scope": own_rows}, 1, ["One", "Three"]),
            ({"write_scope": lambda: {"folder_id": 2}}, 1, ["Two", "Three"]),
            ({"scope": own_rows, "write_scope": lambda: {"folder_id": 2}}, 1, ["Three"]),
            ({"scope": own_rows, "write_scope": lambda: {"owner_id": 2}}, 1, None),
            ({"scope": own_rows, "write_scope": lambda: None}, 1, None),
            ({"write_scope": own_rows}, None, None),
            ({"scope": own_rows, "write_scope": Unscoped}, 1, ["One", "Three"]),
            ({"scope": Unscoped}, None, ["One", "Two", "Three"]),
            ({}, None, ["One", "Two", "Three"]),
        ],
    )
    def test_a_row_is_writable_inside_the_scope_and_the_write_scope(
        self, notes: Notes, options: dict[str, Any], user: int | None, titles: list[str] | None
    ) -> None:
        resource = Resource(notes.note, notes.db, **options)

        @notes.app.get("/writable")
        def writable_titles(
            writable: Annotated[ColumnElement[bool], Depends(resource.writable)],
        ) -> list[str]:
            with notes.db.session() as session:
                query = select(notes.note.title).where(writable).order_by(notes.note.id)
                return list(session.exec(query))

        response = notes.get("/writable", user)
        if titles is None:
            assert response.json()["type"] == "urn:colonnade:scope"
        else:
            assert response.json() == titles

    def test_what_is_reachable_does_not_depend_on_the_write_scope(self, notes: Notes) -> None:
        path = notes.titles_of(Resource(notes.note, notes.db, write_scope=own_rows))
        assert notes.get(path, user=0).json() == ["One", "Two", "Three"]


class TestResponses:
    @pytest.mark.parametrize("is_inside", [True, False])
    def test_a_response_is_private_and_varies_once(self, notes: Notes, *, is_inside: bool) -> None:
        resource = Resource(notes.note, notes.db, scope=own_rows)
        router = resource if is_inside else APIRouter(prefix="/notes")
        notes.titles_of(resource, router)
        notes.app.include_router(router)
        response = notes.get("/notes/titles")
        assert response.headers.get_list("Cache-Control") == ["private"]
        assert response.headers.get_list("Vary") == ["user"]

    def test_an_endpoint_may_choose_its_cache_control(self, notes: Notes) -> None:
        resource = Resource(notes.note, notes.db, scope=own_rows)

        @notes.app.get("/cached")
        def cached(
            response: Response,
            reachable: Annotated[ColumnElement[bool], Depends(resource.reachable)],
        ) -> None:
            response.headers["Cache-Control"] = "no-store"

        assert notes.get("/cached").headers.get_list("Cache-Control") == ["no-store"]

    def test_an_endpoint_of_the_resource_may_return_a_response(self, notes: Notes) -> None:
        resource = Resource(notes.note, notes.db, scope=own_rows)

        @resource.get("/raw")
        def raw(reachable: Annotated[ColumnElement[bool], Depends(resource.reachable)]) -> Response:
            return JSONResponse([])

        notes.app.include_router(resource)
        assert notes.get("/notes/raw").headers["Cache-Control"] == "private"

    def test_the_openapi_document_has_the_parameters_of_the_scope(self, notes: Notes) -> None:
        path = notes.titles_of(Resource(notes.note, notes.db, scope=own_rows))
        operation = notes.app.openapi()["paths"][path]["get"]
        assert [parameter["name"] for parameter in operation["parameters"]] == ["User"]
        assert "requestBody" not in operation
