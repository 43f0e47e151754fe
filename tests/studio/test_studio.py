"""Studio's routes: who may use them, and that they answer with what the Resources answer."""

from collections.abc import Callable
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException, Request
from fastapi.testclient import TestClient

from colonnade import Database, Field, Resource, SQLModel, Studio, StudioView, Unscoped, problems
from colonnade.errors import ModelError

CSRF = "X-Studio-CSRF"


def require_key(key: Annotated[str, Header()] = "") -> None:
    if key != "open":
        raise HTTPException(401, "Who are you?")


def make_note() -> type[Any]:
    class Note(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        text: str = Field(min_length=1)
        owner: str = "ana"
        hidden: str = Field(default="x", secret=True)

    return Note


def owner(request: Request) -> dict[str, str]:
    return {"owner": request.headers.get("user", "ana")}


class Client:
    """A client that behaves like the page: it gets the token first, and sends it."""

    def __init__(self, app: FastAPI, prefix: str = "/studio", **headers: str) -> None:
        self.http = TestClient(app, headers={"key": "open", **headers})
        self.prefix = prefix

    def catalog(self) -> Any:
        response = self.http.get(f"{self.prefix}/api/catalog")
        assert response.status_code == 200, response.text
        self.http.headers[CSRF] = response.json()["csrf"]
        return response.json()

    def send(self, method: str, path: str, **options: Any) -> Any:
        return self.http.request(method, f"{self.prefix}/api/data/{path}", **options)


@pytest.fixture
def make(db: Database) -> Callable[..., FastAPI]:
    """Builds an app with the notes, and Studio."""

    def build(**options: Any) -> FastAPI:
        note = make_note()
        db.create_all()
        app = FastAPI(title="Notes", lifespan=db.lifespan)
        app.include_router(Resource(note, db, **options))
        problems(app)
        Studio(app, dependencies=[Depends(require_key)])
        return app

    return build


def test_without_dependencies_it_is_refused() -> None:
    with pytest.raises(ModelError, match=r"Studio\(app, dependencies=\[Depends\(require_admin\)\]"):
        Studio(FastAPI())
    with pytest.raises(ModelError, match="must begin with /"):
        Studio(FastAPI(), dependencies=[Depends(require_key)], prefix="admin/")


def test_every_route_with_data_is_guarded_and_the_page_has_none(
    make: Callable[..., FastAPI],
) -> None:
    app = make()
    stranger = TestClient(app)
    for path in ("/studio", "/studio/", "/studio/tables/notes", "/studio/static/js/main.js"):
        assert stranger.get(path).status_code == 200, path
    assert "Notes" in stranger.get("/studio/").text
    for path in ("catalog", "data/notes", "data/notes/1", "schema", "schema/notes", "drift"):
        assert stranger.get(f"/studio/api/{path}").status_code == 401, path
    assert stranger.post("/studio/api/data/notes", json={"text": "x"}).status_code == 401
    assert stranger.get("/studio/api/nothing").status_code == 404


def test_the_answers_are_those_of_the_api(make: Callable[..., FastAPI]) -> None:
    client = Client(make())
    client.catalog()
    created = client.send("POST", "notes", json={"text": "a"})
    assert (created.status_code, created.headers["location"]) == (201, "/notes/1")
    direct = client.http.get("/notes/1")
    answer = client.send("GET", "notes/1")
    assert (answer.content, answer.headers["etag"]) == (direct.content, direct.headers["etag"])
    assert client.send("GET", "notes?text=b").json() == []
    refused = client.send("PATCH", "notes/1", json={"text": ""})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "text")
    assert client.send("PATCH", "notes:batch", json=[{"id": 1, "text": "b"}]).status_code == 200
    stale = client.send("PATCH", "notes/1", json={"text": "c"}, headers={"If-Match": '"0"'})
    assert stale.status_code == 412
    assert client.send("DELETE", "notes/1").status_code == 200
    assert client.send("GET", "notes/1").status_code == 404
    assert client.send("GET", "others").json()["detail"] == "Studio has no table 'others'."
    assert "server-timing" in answer.headers


def test_writes_need_the_token_of_the_page(make: Callable[..., FastAPI]) -> None:
    client = Client(make())
    body = {"json": {"text": "a"}}
    assert client.send("POST", "notes", **body).status_code == 403
    client.catalog()
    cookie = client.http.cookies["colonnade_studio_csrf"]
    assert client.send("POST", "notes", **body, headers={CSRF: "other"}).status_code == 403
    assert client.send("POST", "notes", **body, headers={CSRF: cookie}).status_code == 201
    client.http.cookies.clear()
    assert client.send("POST", "notes", **body).status_code == 403
    assert client.send("GET", "notes").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_requests_of_other_origins_are_refused(
    headers: dict[str, str], make: Callable[..., FastAPI]
) -> None:
    client = Client(make())
    client.catalog()
    assert client.send("POST", "notes", json={"text": "a"}, headers=headers).status_code == 403
    assert client.send("GET", "notes", headers=headers).status_code == 403
    same = {"origin": "http://testserver", "sec-fetch-site": "same-origin"}
    assert client.send("POST", "notes", json={"text": "a"}, headers=same).status_code == 201


def test_the_cookie_of_the_token_is_for_studio_alone(make: Callable[..., FastAPI]) -> None:
    client = TestClient(make(), headers={"key": "open"}, base_url="https://testserver")
    cookie = client.get("/studio/api/catalog").headers["set-cookie"]
    assert {part.strip().lower() for part in cookie.split(";")[1:]} == {
        "httponly", "path=/studio/", "samesite=strict", "secure",
    }  # fmt: skip


def test_nothing_can_be_embedded_or_sniffed(make: Callable[..., FastAPI]) -> None:
    client = Client(make())
    page = client.http.get("/studio/").headers
    data = client.send("GET", "notes").headers
    script = client.http.get("/studio/static/js/main.js").headers
    for headers in (page, data, script):
        assert headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "sandbox" in data["content-security-policy"]
    assert script["content-type"] == "text/javascript; charset=utf-8"


def test_a_scope_shows_the_rows_of_one_tenant_and_no_facts_of_all(
    make: Callable[..., FastAPI],
) -> None:
    app = make(scope=owner)
    ana, ben = Client(app, user="ana"), Client(app, user="ben")
    (table,) = ana.catalog()["tables"]
    assert table["is_open"] is False
    ben.catalog()
    assert ben.send("POST", "notes", json={"text": "of ben"}).json()["owner"] == "ben"
    assert ana.send("GET", "notes").json() == []
    assert ana.send("GET", "notes/1").status_code == 404
    assert ana.send("PATCH", "notes/1", json={"text": "x"}).status_code == 404
    facts = ana.http.get("/studio/api/schema/notes").json()
    assert (facts["rows"], facts["size"]) == (None, None)
    assert ana.http.get("/studio/api/drift").status_code == 403


def test_secret_columns_are_nowhere(make: Callable[..., FastAPI]) -> None:
    client = Client(make())
    text = str(client.catalog()["tables"][0]["fields"])
    text += client.http.get("/studio/api/schema").text
    text += client.http.get("/studio/api/schema/notes").text
    assert "text" in text
    assert "hidden" not in text


def test_a_resource_that_the_app_does_not_include_is_served_to_studio_alone(db: Database) -> None:
    note = make_note()
    db.create_all()
    app = FastAPI(lifespan=db.lifespan)
    public = Resource(note, db, scope=owner, prefix="/notes")
    admin = Resource(note, db, scope=Unscoped, prefix="/notes")
    app.include_router(public, prefix="/v1")
    Studio(app, [public, admin], dependencies=[Depends(require_key)], prefix="/admin")
    client = Client(app, prefix="/admin", user="ben")
    tables = {table["id"]: table for table in client.catalog()["tables"]}
    assert [(name, table["is_public"]) for name, table in tables.items()] == [
        ("notes", True),
        ("notes-2", False),
    ]
    client.send("POST", "notes", json={"text": "of ben"})
    client.http.headers["user"] = "ana"
    assert client.send("GET", "notes").json() == []
    assert [row["text"] for row in client.send("GET", "notes-2").json()] == ["of ben"]
    assert client.http.get("/v1/notes/1").status_code == 404
    assert client.http.get("/notes/1").status_code == 404
    assert client.http.get("/notes-2/notes/1").status_code == 404


def test_dependencies_of_the_inclusion_and_own_endpoints_apply(db: Database) -> None:
    note = make_note()
    db.create_all()
    notes = Resource(note, db)

    @notes.get("/{key}")
    def read_note(key: int) -> dict[str, int]:
        return {"mine": key}

    def refuse(role: Annotated[str, Header()] = "") -> None:
        if role != "editor":
            raise HTTPException(403, "Editors only.")

    inner = APIRouter(prefix="/inner")
    inner.include_router(notes, dependencies=[Depends(refuse)])
    app = FastAPI(lifespan=db.lifespan)
    app.include_router(inner, prefix="/api")
    Studio(app, dependencies=[Depends(require_key)])
    client = Client(app)
    assert client.catalog()["tables"] == []
    assert client.send("GET", "notes").json() == {"detail": "Editors only."}
    client.http.headers["role"] = "editor"
    (table,) = client.catalog()["tables"]
    assert (table["id"], table["url"]) == ("notes", "/api/inner/notes")
    assert client.send("GET", "notes").json() == []
    assert client.send("GET", "notes/7").json() == {"mine": 7}


def test_what_middleware_adds_to_a_request_holds_in_the_api(db: Database) -> None:
    note = make_note()
    db.create_all()
    app = FastAPI(lifespan=db.lifespan)

    async def add_user(request: Request, call_next: Any) -> Any:
        request.state.user = request.headers.get("user")
        return await call_next(request)

    app.middleware("http")(add_user)

    def by_state(request: Request) -> dict[str, str]:
        return {"owner": request.state.user}

    app.include_router(Resource(note, db, scope=by_state))
    Studio(app, dependencies=[Depends(require_key)])
    client = Client(app, user="zoe")
    client.catalog()
    assert client.send("POST", "notes", json={"text": "a"}).json()["owner"] == "zoe"


def test_an_app_below_another_path_has_its_pages_there(make: Callable[..., FastAPI]) -> None:
    outer = FastAPI()
    outer.mount("/below", make())
    client = Client(outer, prefix="/below/studio")
    client.catalog()
    created = client.send("POST", "notes", json={"text": "a"})
    assert (created.status_code, created.headers["location"]) == (201, "/below/notes/1")
    assert '"/below/studio/static/js/main.js"' in client.http.get("/below/studio/").text


def test_a_path_with_parameters_is_left_out_or_refused(db: Database) -> None:
    note = make_note()
    app = FastAPI()
    notes = Resource(note, db, prefix="/teams/{owner}/notes")
    app.include_router(notes)
    Studio(app, dependencies=[Depends(require_key)])
    assert Client(app).catalog()["tables"] == []
    with pytest.raises(ModelError, match="has a parameter"):
        Studio(FastAPI(), [notes], dependencies=[Depends(require_key)])
    other, included = FastAPI(), Resource(note, db, prefix="/notes")
    other.include_router(included, prefix="/teams/{team}")
    studio = Studio(other, [included], dependencies=[Depends(require_key)])
    with pytest.raises(ModelError, match="has a parameter"):
        assert studio.tables


def test_a_title_cannot_leave_its_place_in_the_page(db: Database) -> None:
    app = FastAPI(title="</title><script>alert(1)</script>")
    Studio(app, dependencies=[Depends(require_key)])
    page = TestClient(app).get("/studio/").text
    assert "<script>alert" not in page


def test_the_openapi_document_does_not_have_studio(make: Callable[..., FastAPI]) -> None:
    paths = TestClient(make()).get("/openapi.json").json()["paths"]
    assert [path for path in paths if "studio" in path] == []


def test_a_view_with_an_unknown_field_is_refused(db: Database) -> None:
    note = make_note()
    app = FastAPI()
    view = StudioView(columns=["txt"])
    with pytest.raises(ModelError, match="Did you mean text"):
        app.include_router(Resource(note, db, studio=view))
    with pytest.raises(ModelError, match="'id', which is not a text field"):
        app.include_router(Resource(note, db, studio=StudioView(search=["id"])))
    with pytest.raises(ModelError, match="'hidden', which is not a field"):
        app.include_router(Resource(note, db, studio=StudioView(label="hidden")))
