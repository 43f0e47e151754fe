"""Conditional requests: what the client has is not sent, what it has not seen is not written."""

from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.testclient import TestClient

from colonnade import Database, Resource
from tests.resources.world import serving

# With a version kept in the row, and without one.
TABLES = pytest.mark.parametrize(
    ("url", "body", "change"),
    [
        ("/projects", {"name": "A", "slug": "a"}, {"name": "B"}),
        ("/tasks", {"title": "A"}, {"title": "B"}),
    ],
)


@TABLES
class TestRows:
    def test_a_row_that_the_client_has_is_not_sent_again(
        self, client: TestClient, url: str, body: Any, change: Any
    ) -> None:
        row = client.post(url, json=body)
        here = row.headers["Location"]
        tag = row.headers["ETag"]
        for header in (tag, f"W/{tag}", f'"x", {tag}', "*"):
            answer = client.get(here, headers={"If-None-Match": header})
            assert (answer.status_code, answer.content) == (304, b"")
            assert answer.headers["ETag"] == tag
        client.patch(here, json=change)
        assert client.get(here, headers={"If-None-Match": tag}).status_code == 200

    def test_a_row_that_changed_is_not_written_over(
        self, client: TestClient, url: str, body: Any, change: Any
    ) -> None:
        row = client.post(url, json=body)
        here, tag = row.headers["Location"], row.headers["ETag"]
        first = client.patch(here, json=change, headers={"If-Match": tag})
        assert first.status_code == 200
        for method, json in (("PATCH", change), ("DELETE", None)):
            late = client.request(method, here, json=json, headers={"If-Match": tag})
            assert (late.status_code, late.json()["type"]) == (412, "urn:colonnade:changed")
        assert client.get(here).json() == first.json()
        tag = first.headers["ETag"]
        assert client.delete(here, headers={"If-Match": tag}).status_code == 200

    def test_the_tag_of_any_view_of_a_row_will_do(
        self, client: TestClient, url: str, body: Any, change: Any
    ) -> None:
        here = client.post(url, json=body).headers["Location"]
        view = client.get(f"{here}?fields=id")
        assert view.headers["ETag"] != client.get(here).headers["ETag"]
        headers = {"If-Match": view.headers["ETag"]}
        assert client.patch(here, json=change, headers=headers).status_code == 200

    def test_any_row_and_none(self, client: TestClient, url: str, body: Any, change: Any) -> None:
        here = client.post(url, json=body).headers["Location"]
        assert client.patch(here, json=change, headers={"If-Match": "*"}).status_code == 200
        for header in ('"nonsense"', "nonsense", "", 'W/"1-2"'):
            answer = client.patch(here, json=change, headers={"If-Match": header})
            assert answer.status_code == 412, header
        gone = client.patch(f"{url}/999", json=change, headers={"If-Match": '"1-2"'})
        assert gone.status_code == 404

    def test_a_change_of_nothing_keeps_the_condition(
        self, client: TestClient, url: str, body: Any, change: Any
    ) -> None:
        here = client.post(url, json=body).headers["Location"]
        answer = client.patch(here, json={}, headers={"If-Match": '"0-0"'})
        assert answer.status_code == 412


def test_a_change_of_what_nobody_sees_is_a_change(client: TestClient) -> None:
    tag = client.post("/workers", json={"id": "@ana"}).headers["ETag"]
    assert client.patch("/workers/@ana", json={"token": "new"}).status_code == 200
    late = client.patch("/workers/@ana", json={"type": "agent"}, headers={"If-Match": tag})
    assert late.status_code == 412


def test_a_version_is_counted_by_every_write(client: TestClient) -> None:
    made = client.post("/projects", json={"name": "A", "slug": "a"})
    assert (made.json()["version"], made.headers["ETag"].split("-")[0]) == (1, '"1')
    changed = client.patch("/projects/1", json={"name": "B"})
    assert (changed.json()["version"], changed.headers["ETag"].split("-")[0]) == (2, '"2')
    client.patch("/projects/1", json={})
    assert client.get("/projects/1").json()["version"] == 2


def test_the_view_of_a_tag_tells_its_includes_apart(
    db: Database, models: SimpleNamespace, store: Any
) -> None:
    store(models.Project(id=1, name="A", slug="a"), models.Task(title="x", project_id=1))
    task = Resource(models.Task, db, include=["project"])
    with serving(task, Resource(models.Project, db)) as client:
        tag = client.get("/tasks/1?include=project").headers["ETag"]
        client.patch("/projects/1", json={"name": "B"})
        answer = client.get("/tasks/1?include=project", headers={"If-None-Match": tag})
        assert answer.status_code == 200
