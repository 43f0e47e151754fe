"""``default_order_by`` and ``query_aliases``: the order and the parameters of an existing list."""

from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Annotated, Any

import pytest
from fastapi import Depends, Response
from fastapi.testclient import TestClient

from colonnade import Database, Page, Resource
from colonnade.errors import ModelError
from tests.resources.sample_app import INCLUDE, serving

ALIASES = {
    "q": "title__icontains",
    "sort": "order_by",
    "skip": "offset",
    "size": "limit",
    "page": "cursor",
    "project": "project__slug",
    "any_of": "id__in",
    "ref": "id",
    "cond": "where",
}


def ids(client: TestClient, url: str) -> list[int]:
    response = client.get(url)
    assert response.status_code == 200, response.text
    return [row["id"] for row in response.json()]


def parameters_of(client: TestClient) -> dict[str, dict[str, Any]]:
    operation = client.get("/openapi.json").json()["paths"]["/tasks"]["get"]
    return {parameter["name"]: parameter for parameter in operation["parameters"]}


@pytest.mark.usefixtures("sample_rows")
class TestDefaultOrder:
    def test_a_list_without_order_by_has_the_default(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        tasks = Resource(models.Task, db, include=INCLUDE, default_order_by="-title")
        with serving(tasks) as client:
            assert ids(client, "/tasks") == [2, 1, 4, 5, 3]
            assert ids(client, "/tasks?order_by=id") == [1, 2, 3, 4, 5]
            pages = client.get("/tasks?limit=2")
            following = client.get(pages.links["next"]["url"])
            assert [row["id"] for row in following.json()] == [4, 5]
            assert ids(client, "/tasks/1/subtasks") == [3, 5]  # the list of a relation
            description = parameters_of(client)["order_by"]["description"]
            assert description.endswith("-title by default")

    def test_a_relation_may_be_named(self, db: Database, models: SimpleNamespace) -> None:
        tasks = Resource(models.Task, db, include=INCLUDE, default_order_by="project.slug,-id")
        with serving(tasks) as client:
            assert ids(client, "/tasks") == [1, 5, 4, 3, 2]

    def test_it_is_text(self, db: Database, models: SimpleNamespace) -> None:
        order: Any = ["-title"]
        with pytest.raises(ModelError, match="default_order_by must be text"):
            Resource(models.Task, db, default_order_by=order)

    def test_a_field_that_cannot_sort_is_refused(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        with pytest.raises(ModelError, match=r"default_order_by: 'titel' .* title") as refused:
            serving(Resource(models.Task, db, default_order_by="-titel")).__enter__()
        assert "TaskRead" in str(refused.value)


@pytest.mark.usefixtures("sample_rows")
class TestAliases:
    @pytest.fixture
    def client(self, db: Database, models: SimpleNamespace) -> Iterator[TestClient]:
        tasks = Resource(models.Task, db, include=INCLUDE, query_aliases=ALIASES)
        with serving(tasks) as client:
            yield client

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("q=below", [3, 4, 5]),
            ("sort=-id&size=2", [5, 4]),
            ("skip=3", [4, 5]),
            ("project=web", [1]),
            ("any_of=1,2&any_of=4", [1, 2, 4]),
            ("q=below&title__icontains=", None),
            ("order_by=-id&limit=1", [5]),  # the names of the parameters stay
        ],
    )
    def test_an_alias_is_another_name_of_a_parameter(
        self, client: TestClient, query: str, expected: list[int] | None
    ) -> None:
        if expected is None:
            (error,) = client.get(f"/tasks?{query}").json()["errors"]
            assert error["message"] == "q can be used only once"
        else:
            assert ids(client, f"/tasks?{query}") == expected

    @pytest.mark.parametrize("size", ["size", "limit"])
    def test_links_lead_to_the_other_pages(self, client: TestClient, size: str) -> None:
        first = client.get(f"/tasks?q=below%20&{size}=2&sort=-id")
        assert [row["id"] for row in first.json()] == [5, 4]
        second = client.get(first.links["next"]["url"])
        assert [row["id"] for row in second.json()] == [3]
        cursor = second.links["prev"]["url"].partition("cursor=")[2].partition("&")[0]
        again = client.get(f"/tasks?q=below%20&size=2&sort=-id&page={cursor}")
        assert [row["id"] for row in again.json()] == [5, 4]

    def test_a_page_by_offset_links_to_its_neighbors(self, client: TestClient) -> None:
        page = client.get("/tasks?skip=2&size=2")
        assert {name: ids(client, link["url"]) for name, link in page.links.items()} == {
            "next": [5],
            "prev": [1, 2],
        }

    @pytest.mark.parametrize(
        ("query", "name", "message"),
        [
            ("size=0", "size", "size must be an integer from 1 to 1000"),
            ("sort=titel", "sort", "'titel' cannot be used to sort. Did you mean title?"),
            ("any_of=x", "any_of", None),
            ("skip=-1", "skip", None),
            ("size=1&size=2", "size", "size can be used only once"),
            ("siz=1", "siz", None),
            (
                "ref=abc",
                "ref",
                "Input should be a valid integer, unable to parse string as an integer",
            ),
            ('cond={"nope":1}', "cond", None),
        ],
    )
    def test_errors_name_the_parameter_as_the_client_does(
        self, client: TestClient, query: str, name: str, message: str | None
    ) -> None:
        (error,) = client.get(f"/tasks?{query}").json()["errors"]
        assert error["loc"][:2] == ["query", name]
        assert message is None or error["message"] == message

    def test_the_document_has_them(self, client: TestClient) -> None:
        parameters = parameters_of(client)
        assert parameters.keys() >= ALIASES.keys()
        assert parameters["size"]["schema"] == parameters["limit"]["schema"]
        assert parameters["q"]["description"] == "Another name of title__icontains"
        assert parameters["project"]["schema"]["type"] == "string"

    def test_an_option_without_use_is_not_documented(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        with serving(Resource(models.Label, db, query_aliases={"with": "include"})) as client:
            operation = client.get("/openapi.json").json()["paths"]["/labels"]["get"]
            assert "with" not in {parameter["name"] for parameter in operation["parameters"]}

    def test_a_query_of_an_endpoint_has_them(self, db: Database, models: SimpleNamespace) -> None:
        tasks = Resource(models.Task, db, query_aliases={"q": "title__icontains"})

        @tasks.get("/found")
        async def found(query: Annotated[Page, Depends(tasks.query)]) -> Response:
            return await tasks.answer(query)

        @tasks.get("/mine")
        async def mine(query: Annotated[Page, Depends(tasks.query)], me: str) -> Response:
            return await tasks.answer(query)

        with serving(tasks) as client:
            assert ids(client, "/tasks/found?q=two") == [2]
            page = client.get("/tasks/mine?me=ana&q=o&limit=1")
            assert ids(client, page.links["next"]["url"]) == [2]  # the URL still has me=ana

    @pytest.mark.parametrize(
        ("aliases", "message"),
        [
            ({"q": "titel__icontains"}, "'titel__icontains', which is not a parameter"),
            ({"limit": "offset"}, "'limit' is a parameter, and cannot be an alias of 'offset'"),
            ({"title": "title__icontains"}, "'title' is a parameter"),
            ({"a": "offset", "b": "a"}, "'b' is an alias of 'a', which is not a parameter"),
            ({"q": "title__not_like"}, "'title__not_like', which is not a parameter: "),
            ({"title__x": "offset"}, "'title__x' is a parameter"),
        ],
    )
    def test_an_alias_must_be_new_and_name_a_parameter(
        self, db: Database, models: SimpleNamespace, aliases: Mapping[str, str], message: str
    ) -> None:
        with pytest.raises(ModelError, match="query_aliases") as refused:
            serving(Resource(models.Task, db, query_aliases=aliases)).__enter__()
        assert message in str(refused.value)
