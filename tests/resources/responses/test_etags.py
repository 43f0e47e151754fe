"""Conditional requests: ``If-None-Match`` on reads, ``If-Match`` on writes."""

from hashlib import blake2b
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.testclient import TestClient

from colonnade import Database, Field, Resource, SQLModel, Versioned
from tests.resources.sample_app import serving

# With and without a version column.
TABLES = pytest.mark.parametrize(
    ("url", "body", "change"),
    [
        ("/projects", {"name": "A", "slug": "a"}, {"name": "B"}),
        ("/tasks", {"title": "A"}, {"title": "B"}),
    ],
)


@TABLES
class TestConditionalRequests:
    def test_a_current_etag_gets_a_304(
        self, client: TestClient, url: str, body: Any, change: Any
    ) -> None:
        row = client.post(url, json=body)
        location = row.headers["Location"]
        tag = row.headers["ETag"]
        for header in (tag, f"W/{tag}", f'"x", {tag}', "*"):
            response = client.get(location, headers={"If-None-Match": header})
            assert (response.status_code, response.content) == (304, b"")
            assert response.headers["ETag"] == tag
        client.patch(location, json=change)
        assert client.get(location, headers={"If-None-Match": tag}).status_code == 200

    def test_a_stale_etag_prevents_a_write(
        self, client: TestClient, url: str, body: Any, change: Any
    ) -> None:
        row = client.post(url, json=body)
        location, tag = row.headers["Location"], row.headers["ETag"]
        first = client.patch(location, json=change, headers={"If-Match": tag})
        assert first.status_code == 200
        for method, json in (("PATCH", change), ("DELETE", None)):
            late = client.request(method, location, json=json, headers={"If-Match": tag})
            assert (late.status_code, late.json()["type"]) == (412, "urn:colonnade:changed")
        assert client.get(location).json() == first.json()
        tag = first.headers["ETag"]
        assert client.delete(location, headers={"If-Match": tag}).status_code == 200

    def test_the_etag_of_any_view_allows_a_write(
        self, client: TestClient, url: str, body: Any, change: Any
    ) -> None:
        location = client.post(url, json=body).headers["Location"]
        view = client.get(f"{location}?fields=id")
        assert view.headers["ETag"] != client.get(location).headers["ETag"]
        headers = {"If-Match": view.headers["ETag"]}
        assert client.patch(location, json=change, headers=headers).status_code == 200

    def test_a_star_matches_any_row_and_other_etags_match_none(
        self, client: TestClient, url: str, body: Any, change: Any
    ) -> None:
        location = client.post(url, json=body).headers["Location"]
        assert client.patch(location, json=change, headers={"If-Match": "*"}).status_code == 200
        for header in ('"nonsense"', 'W/"1-2"', '"1-2", "3-4"'):
            response = client.patch(location, json=change, headers={"If-Match": header})
            assert response.status_code == 412, header
        missing = client.patch(f"{url}/999", json=change, headers={"If-Match": '"1-2"'})
        assert missing.status_code == 404

    def test_an_empty_update_still_checks_if_match(
        self, client: TestClient, url: str, body: Any, change: Any
    ) -> None:
        location = client.post(url, json=body).headers["Location"]
        response = client.patch(location, json={}, headers={"If-Match": '"0-0"'})
        assert response.status_code == 412


def test_an_update_of_a_hidden_column_changes_the_etag(client: TestClient) -> None:
    tag = client.post("/workers", json={"id": "@ana"}).headers["ETag"]
    assert client.patch("/workers/@ana", json={"token": "new"}).status_code == 200
    late = client.patch("/workers/@ana", json={"type": "agent"}, headers={"If-Match": tag})
    assert late.status_code == 412


def test_every_change_increments_the_version(client: TestClient) -> None:
    created = client.post("/projects", json={"name": "A", "slug": "a"})
    version = created.json()["version"]
    assert created.headers["ETag"].split("-")[0] == f'"{version}'
    changed = client.patch("/projects/1", json={"name": "B"})
    assert changed.headers["ETag"].split("-")[0] == f'"{version + 1}'
    client.patch("/projects/1", json={})
    assert client.get("/projects/1").json()["version"] == version + 1


def test_a_new_row_with_the_same_key_has_another_etag(db: Database) -> None:
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
def test_a_header_without_etags_is_refused(client: TestClient, header: str, value: str) -> None:
    client.post("/tasks", json={"title": "x"})
    method = "GET" if header == "If-None-Match" else "DELETE"
    refused = client.request(
        method, "/tasks/1", headers=[(header.encode(), value.encode("latin-1"))]
    )
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["loc"] == ["header", header.lower()]
    assert client.get("/tasks/1").status_code == 200


def test_etags_do_not_reveal_hidden_columns_if_the_machine_has_no_secret(
    db: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The key of the digests is then the URL, which others may know."""
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


def test_a_change_of_an_included_row_changes_the_etag(
    db: Database, models: SimpleNamespace, store: Any
) -> None:
    store(models.Project(id=1, name="A", slug="a"), models.Task(title="x", project_id=1))
    task = Resource(models.Task, db, include=["project"])
    with serving(task, Resource(models.Project, db)) as client:
        tag = client.get("/tasks/1?include=project").headers["ETag"]
        client.patch("/projects/1", json={"name": "B"})
        response = client.get("/tasks/1?include=project", headers={"If-None-Match": tag})
        assert response.status_code == 200


def test_an_etag_is_not_an_unkeyed_digest(db: Database) -> None:
    class Card(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        pin: str = Field(secret=True)

    db.create_all()
    with serving(Resource(Card, db)) as client:
        tag = client.post("/cards", json={"pin": "4831"}).headers["ETag"]
        guess = blake2b(b'[1,"4831"]', digest_size=8).hexdigest()
        assert tag.strip('"').partition("-")[0] != guess


@pytest.mark.slow
def test_if_match_accepts_any_of_several_etags(db: Database) -> None:
    class Doc(Versioned, table=True):
        id: int | None = Field(default=None, primary_key=True)
        text: str = ""

    db.create_all()
    with serving(Resource(Doc, db, prefix="/papers")) as client:
        version = client.post("/papers", json={}).json()["version"]
        headers: Any = [("If-Match", f'"7-x", "{version}-y"'), ("If-Match", '"8-z"')]
        assert client.patch("/papers/1", json={"text": "a"}, headers=headers).status_code == 200
        assert client.patch("/papers/1", json={"text": "b"}, headers=headers).status_code == 412
