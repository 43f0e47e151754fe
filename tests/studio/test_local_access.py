"""Only who opens the printed URL may use a Studio that a command serves."""

import pytest
from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient

from colonnade.studio import LocalAccess, require_local_access

HOST = "127.0.0.1:8000"


@pytest.fixture
def app() -> FastAPI:
    app = FastAPI()

    @app.get("/studio/data", dependencies=[Depends(require_local_access)])
    @app.post("/studio/data")
    def data() -> str:
        return "rows"

    @app.get("/api")
    def api() -> str:
        return "api"

    return app


@pytest.fixture
def access(app: FastAPI) -> LocalAccess:
    return LocalAccess(app, [HOST, "localhost:8000"], token="sesame")


def client_of(access: LocalAccess, host: str = HOST) -> TestClient:
    return TestClient(access, base_url=f"http://{host}", follow_redirects=False)


def test_the_token_becomes_a_cookie_and_leaves_the_url(access: LocalAccess) -> None:
    client = client_of(access)
    assert client.get("/studio/data").status_code == 401
    assert client.get("/studio/data?token=sesam").status_code == 401
    opened = client.get("/studio/data?x=1&token=sesame")
    assert (opened.status_code, opened.headers["location"]) == (303, "/studio/data?x=1")
    assert "HttpOnly" in opened.headers["set-cookie"]
    assert client.get("/studio/data").json() == "rows"


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1:9000", "127.0.0.1", "localhost.evil"])
def test_a_name_that_resolves_to_this_machine_is_refused(access: LocalAccess, host: str) -> None:
    client = client_of(access)
    client.get("/studio/data?token=sesame")
    answer = client.get("/studio/data", headers={"host": host})
    assert answer.status_code == 421
    assert client.get("/studio/data?token=sesame", headers={"host": host}).status_code == 421


def test_another_origin_cannot_write(access: LocalAccess) -> None:
    client = client_of(access)
    client.get("/studio/data?token=sesame")
    assert client.post("/studio/data", headers={"origin": f"http://{HOST}"}).status_code == 200
    for origin in ("http://evil.example", "http://localhost:8000", "null"):
        assert client.post("/studio/data", headers={"origin": origin}).status_code == 403


def test_all_of_the_app_is_protected_unless_a_prefix_says_otherwise(app: FastAPI) -> None:
    everywhere = client_of(LocalAccess(app, [HOST]))
    assert everywhere.get("/api").status_code == 401
    below = client_of(LocalAccess(app, [HOST], prefix="/studio"))
    assert below.get("/api").json() == "api"
    assert below.get("/studio/data").status_code == 401
    assert below.get("/studios").status_code == 404


def test_without_the_middleware_the_dependency_refuses(app: FastAPI) -> None:
    assert TestClient(app).get("/studio/data").status_code == 401


def test_the_printed_url_has_the_token(access: LocalAccess) -> None:
    url = access.url(f"http://{HOST}", "/studio/")
    assert url == f"http://{HOST}/studio/?token=sesame"
    assert len(LocalAccess(FastAPI(), [HOST]).token) >= 32
