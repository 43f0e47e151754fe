"""Relations over HTTP: their own lists, links, trees."""

from types import SimpleNamespace

import pytest
from fastapi.testclient import TestClient

from colonnade import Database, Resource
from tests.resources.sample_app import serving


@pytest.mark.usefixtures("sample_rows")
class TestLists:
    def test_a_relation_lists_its_rows(self, client: TestClient) -> None:
        assert [task["title"] for task in client.get("/projects/1/tasks").json()] == ["One"]
        assert client.get("/tasks/2/labels").json() == []

    def test_the_list_of_a_missing_row_is_not_found(self, client: TestClient) -> None:
        for url in ("/projects/9/tasks", "/tasks/9/workers", "/tasks/9/subtasks?depth=all"):
            response = client.get(url)
            assert (response.status_code, response.json()["type"]) == (
                404,
                "urn:colonnade:not_found",
            )

    def test_a_list_has_filters_pages_and_counts(self, client: TestClient) -> None:
        response = client.get("/tasks/1/subtasks?limit=1&count=exact&order_by=-title")
        assert [task["id"] for task in response.json()] == [5]
        assert response.headers["X-Total-Count"] == "2"
        assert [task["id"] for task in client.get(response.links["next"]["url"]).json()] == [3]
        assert client.get("/tasks/1/subtasks?title=Below one").json()[0]["id"] == 3
        assert client.get("/tasks/1/subtasks?nope=1").status_code == 422

    def test_a_relation_outside_include_has_no_list(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        with serving(Resource(models.Task, db)) as client:
            assert client.get("/tasks/1/workers").status_code == 404
            assert (
                client.get("/tasks/1/subtasks").status_code == 200
            )  # a relation to the table itself
