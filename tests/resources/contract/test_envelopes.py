"""``Resource(envelope=...)``: lists answer with an object around the rows."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Annotated, Any, Generic, Literal, TypeVar
from urllib.parse import urlsplit

import pytest
from fastapi import Depends, FastAPI, Header, Response
from fastapi.testclient import TestClient
from pydantic import (
    AliasGenerator,
    BaseModel,
    ConfigDict,
    HttpUrl,
    PlainSerializer,
    computed_field,
    create_model,
    field_serializer,
)
from pydantic import Field as PydanticField
from pydantic.alias_generators import to_camel

from colonnade import Database, EnvelopeField, Field, Page, Resource, SQLModel, schemas
from colonnade.errors import ModelError
from tests.resources.sample_app import INCLUDE, serving, statements

T = TypeVar("T")


class Items(BaseModel):
    """Tasks, and how many there are."""

    data: list[Any]
    count: int


class Pages(BaseModel, Generic[T]):
    """A page of rows."""

    items: list[T]
    next: str | None
    previous: str | None


class Cursors(BaseModel):
    items: list[Any]
    next_cursor: str | None
    previous_cursor: str | None
    has_more: bool


@contextmanager
def serving_tasks(
    db: Database, models: SimpleNamespace, envelope: Any, **options: Any
) -> Iterator[TestClient]:
    """Serve tasks with an envelope."""
    with serving(Resource(models.Task, db, include=INCLUDE, envelope=envelope, **options)) as app:
        yield app


def ids(rows: list[dict[str, Any]]) -> list[int]:
    return [row["id"] for row in rows]


@pytest.mark.usefixtures("sample_rows")
class TestFields:
    def test_a_list_is_an_object_with_the_rows_and_their_total(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        with serving_tasks(db, models, Items) as client:
            response = client.get("/tasks?limit=2&fields=id&title__startswith=Below")
        assert response.text == '{"data":[{"id":3},{"id":4}],"count":3}'
        assert response.headers["X-Total-Count"] == "3"
        assert 'rel="next"' in response.headers["Link"]

    def test_a_list_without_rows_has_all_fields(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        with serving_tasks(db, models, Items) as client:
            assert client.get("/tasks?title=x").json() == {"data": [], "count": 0}
        with serving_tasks(db, models, Pages, prefix="/pages") as client:
            empty: dict[str, Any] = {"items": [], "next": None, "previous": None}
            assert client.get("/pages?title=x").json() == empty

    def test_a_page_and_its_total_are_one_statement(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        with serving_tasks(db, models, Items) as client:
            client.get("/tasks")  # which opens a connection
            with statements(db, client) as seen:
                client.get("/tasks")
        assert len(seen) == 1

    def test_an_envelope_without_a_total_counts_nothing(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        with (
            serving_tasks(db, models, Pages) as client,
            serving_tasks(db, models, None, prefix="/bare") as bare,
        ):
            rows = bare.get("/bare").json()
            client.get("/tasks")
            with statements(db, client) as of_envelope:
                enveloped = client.get("/tasks")
            with statements(db, bare) as of_array:
                bare.get("/bare")
        assert enveloped.json()["items"] == rows
        assert of_envelope == of_array
        assert len(of_array) == 1
        assert "X-Total-Count" not in enveloped.headers

    def test_next_and_previous_lead_through_all_pages(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        with serving_tasks(db, models, Pages) as client:
            pages = [client.get("/tasks?limit=2&order_by=-title&fields=id").json()]
            while (url := pages[-1]["next"]) is not None:
                pages.append(client.get(url).json())
            assert [ids(page["items"]) for page in pages] == [[2, 1], [4, 5], [3]]
            back = [pages[-1]]
            while (url := back[-1]["previous"]) is not None:
                back.append(client.get(url).json())
            assert [ids(page["items"]) for page in back] == [[3], [4, 5], [2, 1]]

    def test_links_use_the_offset_that_the_request_uses(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        with serving_tasks(db, models, Pages) as client:
            page = client.get("/tasks?limit=2&offset=2").json()
            assert page["next"] == "/tasks?limit=2&offset=4"
            assert page["previous"] == "/tasks?limit=2&offset=0"
            assert client.get(page["next"]).json()["next"] is None

    def test_cursors_lead_through_all_pages(self, db: Database, models: SimpleNamespace) -> None:
        with serving_tasks(db, models, Cursors) as client:
            first = client.get("/tasks", params={"limit": 3}).json()
            assert (first["previous_cursor"], first["has_more"]) == (None, True)
            parameters = {"limit": 3, "cursor": first["next_cursor"]}
            second = client.get("/tasks", params=parameters).json()
            assert (ids(second["items"]), second["has_more"]) == ([4, 5], False)
            assert second["next_cursor"] is None
            parameters["cursor"] = second["previous_cursor"]
            back = client.get("/tasks", params=parameters).json()
            assert (ids(back["items"]), back["has_more"]) == ([1, 2, 3], True)

    def test_a_page_by_offset_has_cursors(self, db: Database, models: SimpleNamespace) -> None:
        with serving_tasks(db, models, Cursors) as client:
            page = client.get("/tasks?limit=2&offset=2").json()
            for cursor, expected in ((page["next_cursor"], [5]), (page["previous_cursor"], [1, 2])):
                around = client.get("/tasks", params={"limit": 2, "cursor": cursor}).json()
                assert ids(around["items"]) == expected

    def test_limit_and_offset_are_those_of_the_page(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        class Offsets(BaseModel):
            items: list[Any]
            limit: int
            skip: int | None
            next: str | None

        with serving_tasks(db, models, Offsets, default_limit=2) as client:
            first = client.get("/tasks").json()
            assert (first["limit"], first["skip"]) == (2, 0)
            later = client.get("/tasks?limit=3&offset=1").json()
            assert (later["limit"], later["skip"]) == (3, 1)
            by_cursor = client.get(first["next"]).json()
            assert (by_cursor["limit"], by_cursor["skip"]) == (2, None)

    def test_other_names_are_marked(self, db: Database, models: SimpleNamespace) -> None:
        class Hits(BaseModel):
            matches: Annotated[int, EnvelopeField("total")]
            hits: list[Any]
            more: Annotated[bool, EnvelopeField("has_more")]

        with serving_tasks(db, models, Hits) as client:
            page = client.get("/tasks?limit=4&fields=id").json()
        assert (page["matches"], ids(page["hits"]), page["more"]) == (5, [1, 2, 3, 4], True)

    def test_a_total_can_be_estimated_but_not_left_out(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        with serving_tasks(db, models, Items) as client:
            estimated = client.get("/tasks?count=estimated")
            assert isinstance(estimated.json()["count"], int)
            assert estimated.headers["X-Total-Count"] == str(estimated.json()["count"])
            refused = client.get("/tasks?count=none")
        assert refused.status_code == 422
        assert refused.json()["detail"] == "query.count: count must be exact or estimated"

    def test_links_of_a_url_type_are_absolute(self, db: Database, models: SimpleNamespace) -> None:
        class Absolute(BaseModel):
            next: HttpUrl | None
            results: list[Any]

        app = FastAPI()
        app.include_router(Resource(models.Task, db, envelope=Absolute))
        client = TestClient(app, base_url="https://api.example.com:8443", root_path="/v1")
        response = client.get("/tasks?limit=2&title__contains=%C3%B6%22%3B")
        assert response.json()["next"] is None
        response = client.get("/tasks?limit=2&title__ne=%C3%B6%22%3B")
        url = urlsplit(response.json()["next"])
        assert (url.scheme, url.netloc, url.path) == ("https", "api.example.com:8443", "/v1/tasks")
        assert response.headers["Link"] == f'<{url.geturl()}>; rel="next"'
        following = client.get(response.json()["next"].replace("/v1", "", 1)).json()
        assert ids(following["results"]) == [3, 4]


@pytest.mark.usefixtures("sample_rows")
class TestForm:
    """An envelope has the form that FastAPI gives its class."""

    class Meta(BaseModel):
        total: int
        next: str | None

    class Camel(BaseModel):
        model_config = ConfigDict(alias_generator=AliasGenerator(serialization_alias=to_camel))

        object: Literal["list"] = "list"
        total_count: int
        result_rows: list[Any] = PydanticField(serialization_alias="résults")
        has_more: bool

        @computed_field  # type: ignore[prop-decorator]  # as Pydantic documents it
        @property
        def page_count(self) -> int:
            return -(-self.total_count // 2)

    class Nested(BaseModel):
        data: list[dict[str, Any]]
        meta: "TestForm.Meta"

    class Serialized(BaseModel):
        data: list[Any]
        total: int

        @field_serializer("total")
        def write_total(self, total: int) -> str:
            return f"{total} tasks"

    class Swapped(BaseModel):
        data: list[Any] = PydanticField(max_length=1000)
        count: int = PydanticField(alias="total")
        total: int = PydanticField(alias="count")
        has_more: Annotated[bool, PlainSerializer(str)]

    class OfSQLModel(SQLModel):
        data: list[Any]
        count: int

    def values(self, rows: list[Any]) -> dict[str, Any]:
        return {
            "total_count": 5, "total": 5, "count": 5, "has_more": False, "data": rows,
            "result_rows": rows, "meta": {"total": 5, "next": None},
        }  # fmt: skip

    @pytest.mark.parametrize("envelope", [Camel, Nested, Serialized, Swapped, OfSQLModel])
    def test_it_equals_what_fastapi_writes(
        self, db: Database, models: SimpleNamespace, envelope: type[BaseModel]
    ) -> None:
        app = FastAPI()
        app.include_router(Resource(models.Task, db, envelope=envelope))
        app.include_router(Resource(models.Task, db, prefix="/bare"))
        client = TestClient(app)
        rows = client.get("/bare").json()

        @app.get("/by-fastapi", response_model=envelope)
        def by_fastapi() -> Any:
            return self.values(rows)

        assert client.get("/tasks").content == client.get("/by-fastapi").content

    def test_a_head_has_the_headers_of_the_get(self, db: Database, models: SimpleNamespace) -> None:
        with serving_tasks(db, models, Items) as client:
            head, get = client.head("/tasks?limit=2"), client.get("/tasks?limit=2")
        assert (head.content, head.headers) == (b"", get.headers)
        assert head.headers["Content-Length"] == str(len(get.content))

    def test_rows_that_pydantic_writes_are_the_same(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        class Shouted(schemas(models.Task).read):  # type: ignore[misc]  # a derived class
            @field_serializer("title")
            def shout(self, title: str) -> str:
                return title.upper()

        tasks = Resource(models.Task, db, read=Shouted, envelope=Items)
        assert tasks.why_not_exact
        with serving(tasks) as client:
            page = client.get("/tasks?limit=1").json()
        assert (page["data"][0]["title"], page["count"]) == ("ONE", 5)


@pytest.mark.usefixtures("sample_rows")
class TestLists:
    """All lists of a Resource have its envelope: relations, trees, and those of endpoints."""

    def test_a_relation_is_listed_with_the_envelope(
        self, db: Database, models: SimpleNamespace, store: Any
    ) -> None:
        store(models.Assignment(task_id=1, worker_id="@ana"))
        store(models.Assignment(task_id=1, worker_id="@bot"))
        with serving_tasks(db, models, Items) as client:
            page = client.get("/tasks/1/workers?limit=1").json()
            assert page == {"data": [{"id": "@ana", "type": "human"}], "count": 2}
            assert client.get("/tasks/9/workers").status_code == 404
            assert client.get("/tasks/1/subtasks?fields=id").json()["count"] == 2

    def test_a_tree_is_listed_with_the_envelope(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        class Tree(BaseModel):
            items: list[Any]
            total: int
            next: str | None
            next_cursor: str | None

        with serving_tasks(db, models, Tree) as client:
            client.get("/tasks")
            with statements(db, client) as seen:
                page = client.get("/tasks/1/subtasks?depth=all&fields=id&limit=2").json()
            assert len(seen) == 1
            assert (ids(page["items"]), page["total"]) == ([3, 5], 3)
            assert page["next_cursor"] is None  # a tree has no cursors
            last = client.get(page["next"]).json()
            assert (ids(last["items"]), last["total"], last["next"]) == ([4], 3, None)
            assert client.get("/tasks/1/subtasks?depth=1").json()["total"] == 2
            assert client.get("/tasks/4/subtasks?depth=all").json()["total"] == 0
            assert client.get("/tasks/9/subtasks?depth=all").status_code == 404

    def test_a_page_of_an_endpoint_has_the_envelope(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        tasks = Resource(models.Task, db, envelope=Items)

        @tasks.get("/below")
        async def below(query: Page = Depends(tasks.query)) -> Response:
            return await tasks.answer(query.where(models.Task.parent_id.is_not(None)))

        @tasks.get("/uncounted")
        async def uncounted(query: Page = Depends(tasks.query)) -> Response:
            return await tasks.answer(replace(query, count="none"))

        with serving(tasks) as client:
            page = client.get("/tasks/below?limit=1&fields=id")
            assert client.get("/tasks/uncounted?limit=1&fields=id").json()["count"] == 5
            assert page.json() == {"data": [{"id": 3}], "count": 3}
            assert client.get("/tasks/below?count=none").status_code == 422

    def test_a_total_counts_the_rows_in_scope(
        self, db: Database, models: SimpleNamespace, store: Any
    ) -> None:
        store(models.Task(id=6, title="Hers", owner_id=7), models.Task(id=7, title="Below six"))

        def owned(x_owner: Annotated[int, Header()]) -> dict[str, int]:
            return {"owner_id": x_owner}

        with serving_tasks(db, models, Items, scope=owned) as client:
            page = client.get("/tasks?fields=id", headers={"X-Owner": "7"}).json()
            assert page == {"data": [{"id": 6}], "count": 1}
            estimated = client.get("/tasks?count=estimated", headers={"X-Owner": "8"}).json()
            assert estimated == {"data": [], "count": 0}

    def test_an_error_is_a_problem_without_an_envelope(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        with serving_tasks(db, models, Items) as client:
            refused = client.get("/tasks?colour=red")
        assert refused.status_code == 422
        assert refused.json()["type"] == "urn:colonnade:invalid"

    def test_a_session_of_a_test_is_used(self, db: Database, models: SimpleNamespace) -> None:
        app = FastAPI()
        app.include_router(Resource(models.Task, db, envelope=Items))
        with db.session() as session, TestClient(app) as client:
            app.dependency_overrides[db.get_session] = lambda: session
            session.add(models.Task(id=6, title="Not committed"))
            assert client.get("/tasks").json()["count"] == 6
            session.rollback()


class TestDocument:
    def document(self, db: Database, models: SimpleNamespace, envelope: Any) -> dict[str, Any]:
        with serving_tasks(db, models, envelope) as client:
            document: dict[str, Any] = client.get("/openapi.json").json()
        return document

    def response(self, document: dict[str, Any], path: str) -> dict[str, Any]:
        """The component that the list of a path responds with."""
        content = document["paths"][path]["get"]["responses"]["200"]["content"]
        name = content["application/json"]["schema"]["$ref"].rpartition("/")[2]
        component: dict[str, Any] = document["components"]["schemas"][name]
        return component

    def test_lists_are_typed(self, db: Database, models: SimpleNamespace) -> None:
        document = self.document(db, models, Pages)
        listed = self.response(document, "/tasks")
        assert (listed["title"], listed["description"]) == ("TaskPages", "A page of rows.")
        assert listed["required"] == ["items", "next", "previous"]
        rows = listed["properties"]["items"]["items"]["anyOf"]
        assert [row["$ref"].rpartition("/")[2] for row in rows] == [
            "TaskWithRelations", "TaskPartial",
        ]  # fmt: skip
        related = self.response(document, "/tasks/{id}/workers")
        assert related["title"] == "TaskWorkersPages"
        (row, _) = related["properties"]["items"]["items"]["anyOf"]
        assert row["$ref"].rpartition("/")[2] == "WorkerRead"

    def test_a_class_of_the_read_schema_keeps_its_name(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        read = schemas(models.Task).read
        tasks_public = create_model("TasksPublic", data=(list[read], ...), count=(int, ...))  # type: ignore[valid-type]  # a variable
        listed = self.response(self.document(db, models, tasks_public), "/tasks")
        assert listed["title"] == "TasksPublic"
        assert listed["properties"]["count"] == {"type": "integer", "title": "Count"}

    def test_every_reference_exists(self, db: Database, models: SimpleNamespace) -> None:
        document = self.document(db, models, Pages)
        schemas_of_document = document["components"]["schemas"]

        def references(part: Any) -> Iterator[str]:
            if isinstance(part, dict):
                if isinstance(part.get("$ref"), str):
                    yield part["$ref"].removeprefix("#/components/schemas/")
                part = list(part.values())
            if isinstance(part, list):
                for item in part:
                    yield from references(item)

        assert set(references(document)) <= schemas_of_document.keys()

    def test_the_count_of_a_list_with_a_total_is_exact_by_default(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        parameters = self.document(db, models, Items)["paths"]["/tasks"]["get"]["parameters"]
        (count,) = (parameter for parameter in parameters if parameter["name"] == "count")
        assert count["schema"]["enum"] == ["exact", "estimated"]
        assert count["schema"]["default"] == "exact"


class TestRefusals:
    """A class that a list could not fill is refused when the Resource is built."""

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"count": int}, "The envelope Bad has no list for the rows. Add a field such as"),
            ({"data": list[Any], "tags": list[str]}, "Bad.data has no known meaning"),
            ({"data": list[Any], "pages": int}, "Bad.pages has no known meaning"),
            ({"data": list[Any], "count": str}, "Bad.count is an integer (total)"),
            ({"data": list[Any], "count": bool}, "Annotate it as int."),
            ({"data": list[Any], "next": str}, "Bad.next is a URL, or null on the last page"),
            ({"data": list[Any], "next": int | None}, "Annotate it as str | None."),
            ({"data": list[Any], "offset": int}, "Annotate it as int | None."),
            ({"data": list[Any], "object": Literal["list"]}, "Bad.object has no known meaning"),
            (
                {"data": Annotated[int, EnvelopeField("rows")]},
                "Bad.data has the rows of a page, so that it must be a list",
            ),
            (
                {"data": list[Any], "size": Annotated[int, EnvelopeField("size")]},  # type: ignore[arg-type]  # wrong on purpose
                "Bad.size has the unknown meaning 'size'",
            ),
            (
                {
                    "data": Annotated[list[Any], EnvelopeField("rows")],
                    "more": Annotated[list[Any], EnvelopeField("rows")],
                },
                "several lists of rows",
            ),
        ],
        ids=str,
    )
    def test_a_field_that_cannot_be_filled_is_refused(
        self, db: Database, models: SimpleNamespace, fields: dict[str, Any], message: str
    ) -> None:
        definitions: Any = {name: (kind, ...) for name, kind in fields.items()}
        envelope = create_model("Bad", **definitions)
        with pytest.raises(ModelError) as caught:
            Resource(models.Task, db, envelope=envelope)
        assert message in str(caught.value)

    def test_a_constant_needs_no_meaning(self, db: Database, models: SimpleNamespace) -> None:
        class Constant(BaseModel):
            object: Literal["list"] = "list"
            data: list[Any]

        with serving_tasks(db, models, Constant) as client:
            assert client.get("/tasks").text == '{"object":"list","data":[]}'

    def test_a_class_that_reads_the_rows_is_refused(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        class Counted(BaseModel):
            data: list[Any]

            @computed_field  # type: ignore[prop-decorator]  # as Pydantic documents it
            @property
            def size(self) -> int:
                return len(self.data)

        with pytest.raises(ModelError, match="cannot be written without the rows themselves"):
            Resource(models.Task, db, envelope=Counted)

    def test_a_class_that_changes_the_rows_is_refused(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        class Joined(BaseModel):
            data: list[Any]

            @field_serializer("data")
            def join(self, data: list[Any]) -> str:
                return ""

        with pytest.raises(ModelError, match="does not write the rows as they are"):
            Resource(models.Task, db, envelope=Joined)
        annotation: Any = Annotated[list[Any], PlainSerializer(lambda rows: "")]
        annotated = create_model("Annotated", data=(annotation, ...))
        with pytest.raises(ModelError, match="does not write the rows as they are"):
            Resource(models.Task, db, envelope=annotated)

    def test_rows_of_another_type_are_refused(self, db: Database, models: SimpleNamespace) -> None:
        class Public(SQLModel):
            id: int

        envelope = create_model("Publics", data=(list[Public], ...))
        with (
            pytest.raises(ModelError, match="Pass read=Public, or annotate"),
            serving_tasks(db, models, envelope),
        ):
            pass

    def test_a_type_that_is_not_defined_is_refused(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        fields: Any = {"data": (list[Any], ...), "meta": ("Nowhere", ...)}
        envelope = create_model("Later", **fields)
        with pytest.raises(ModelError, match="'Nowhere', which is not defined"):
            Resource(models.Task, db, envelope=envelope)

    @pytest.mark.parametrize("envelope", [dict, list[Any], {"data": []}, "Items"])
    def test_something_other_than_a_model_class_is_refused(
        self, db: Database, models: SimpleNamespace, envelope: Any
    ) -> None:
        with pytest.raises(ModelError, match="must be a Pydantic model class"):
            Resource(models.Task, db, envelope=envelope)


def test_a_composite_key_makes_cursors_and_totals(db: Database) -> None:
    class Stock(SQLModel, table=True):
        shop: str = Field(primary_key=True)
        item: int = Field(primary_key=True)

    class Listed(BaseModel):
        rows: list[Any]
        total: int
        next: str | None

    db.create_all()
    with serving(Resource(Stock, db, envelope=Listed, prefix="/stock")) as client:
        client.post("/stock:batch", json=[{"shop": "a,b", "item": item} for item in range(3)])
        page = client.get("/stock?limit=2&order_by=-item").json()
        assert (page["rows"][0], page["total"]) == ({"shop": "a,b", "item": 2}, 3)
        assert client.get(page["next"]).json()["rows"] == [{"shop": "a,b", "item": 0}]
