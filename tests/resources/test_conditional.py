"""Conditional requests: what the client has is not sent, what it has not seen is not written."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.testclient import TestClient

from colonnade import Database, Field, Resource, SQLModel, Versioned
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
        for header in ('"nonsense"', 'W/"1-2"', '"1-2", "3-4"'):
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
    created = client.post("/projects", json={"name": "A", "slug": "a"})
    version = created.json()["version"]
    assert created.headers["ETag"].split("-")[0] == f'"{version}'
    changed = client.patch("/projects/1", json={"name": "B"})
    assert changed.headers["ETag"].split("-")[0] == f'"{version + 1}'
    client.patch("/projects/1", json={})
    assert client.get("/projects/1").json()["version"] == version + 1


def test_the_tag_of_a_row_that_is_gone_is_not_that_of_the_next(db: Database) -> None:
    class Named(Versioned, table=True):
        id: str = Field(primary_key=True)
        name: str

    db.create_all()
    with serving(Resource(Named, db)) as client:
        read = client.post("/nameds", json={"id": "a", "name": "Ana's"}).headers["ETag"]
        client.delete("/nameds/a")
        client.post("/nameds", json={"id": "a", "name": "another"})
        late = client.patch("/nameds/a", json={"name": "x"}, headers={"If-Match": read})
        assert late.status_code == 412
        assert client.delete("/nameds/a", headers={"If-Match": read}).status_code == 412


@pytest.mark.parametrize("header", ["If-Match", "If-None-Match"])
@pytest.mark.parametrize("value", ["nonsense", "", '"a" "b"', '"a', "W/*", '"a",, "b"', '"\xe4"'])
def test_a_header_that_has_no_tags_is_refused(client: TestClient, header: str, value: str) -> None:
    client.post("/tasks", json={"title": "x"})
    method = "GET" if header == "If-None-Match" else "DELETE"
    refused = client.request(
        method, "/tasks/1", headers=[(header.encode(), value.encode("latin-1"))]
    )
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["loc"] == ["header", header.lower()]
    assert client.get("/tasks/1").status_code == 200


def test_secrets_cannot_be_guessed_from_tags_where_no_machine_has_a_secret(
    db: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The digests' key is then the URL, which many know."""
    (tmp_path / "machine-id").write_text("")
    monkeypatch.setattr("colonnade.database._secret.MACHINE", tmp_path / "machine-id")

    class Account(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        name: str
        pin: str = Field(secret=True)

    db.create_all()
    with serving(Resource(Account, db)) as client:
        client.post("/accounts", json={"name": "ana", "pin": "7351"})
        before = client.get("/accounts/1").headers["ETag"]
        client.patch("/accounts/1", json={"pin": "1111"})
        assert (client.get("/accounts/1").headers["ETag"] == before) is not db.has_secret


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
