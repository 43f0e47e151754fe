"""What a hand-written endpoint takes is what databases can store, as of a Resource."""

from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import (
    AnyUrl,
    Base64Bytes,
    Base64UrlBytes,
    BaseModel,
    HttpUrl,
    PostgresDsn,
    SecretBytes,
    SecretStr,
)

from colonnade import Database, Field, Resource, SQLModel, col, schemas, select
from colonnade.errors import ColumnTypeError, ModelError
from colonnade.models import statement_time
from colonnade.models._utc_on_flush import _warned
from tests.resources.world import serving

UNSTORABLE = [r'{"title": "a\u0000"}', r'{"title": "\ud800"}', '{"title": "a", "data": "é"}']


class Draft(SQLModel):
    title: str = Field(max_length=20)
    data: bytes | None = None


@pytest.mark.parametrize("body", UNSTORABLE)
def test_what_cannot_be_stored_is_refused_whatever_the_schema(db: Database, body: str) -> None:
    class Task(Draft, table=True):
        id: int | None = Field(default=None, primary_key=True)

    class Named(Task, schema="create"):
        pass

    app = FastAPI()
    for index, schema in enumerate((Draft, Task, Named, schemas(Task).update)):

        def take(task: Any) -> str:
            return "taken"

        take.__annotations__["task"] = schema
        app.post(f"/{index}")(take)
    with TestClient(app) as client:
        for index in range(4):
            headers = {"Content-Type": "application/json"}
            answer = client.post(f"/{index}", content=body.encode(), headers=headers)
            assert answer.status_code == 422, (index, answer.text)
            assert answer.json()["detail"][0]["loc"][:2] != ["body"]
            taken = client.post(f"/{index}", json={"title": "a", "data": "/w=="})
            assert taken.status_code == 200


def test_the_schema_of_text_is_as_before() -> None:
    properties = Draft.model_json_schema()["properties"]
    assert properties["title"] == {"maxLength": 20, "title": "Title", "type": "string"}
    assert properties["data"]["anyOf"][0] == {"type": "string", "format": "base64"}
    assert Draft.model_json_schema(mode="serialization") == Draft.model_json_schema()


@pytest.mark.parametrize(
    ("kind", "sent", "stored"),
    [
        (bytes, "//79AA==", b"\xff\xfe\xfd\x00"),
        (Base64Bytes, "//79AA==", b"\xff\xfe\xfd\x00"),
        (Base64UrlBytes, "__79AA==", b"\xff\xfe\xfd\x00"),
    ],
)
def test_bytes_are_base64_in_and_out(db: Database, kind: Any, sent: str, stored: bytes) -> None:
    class File(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        content: kind

    db.create_all()
    with serving(Resource(File, db)) as client:
        created = client.post("/files", json={"content": sent})
        assert (created.status_code, created.json()) == (201, {"id": 1, "content": sent})
        assert client.get("/files").json() == [created.json()]
        if kind is bytes:
            assert client.post("/files", json={"content": "é"}).status_code == 422
    with db.session() as session:
        assert session.exec(select(File)).one().content == stored


@pytest.mark.parametrize(
    ("kind", "sa_type"), [(HttpUrl, None), (AnyUrl, sa.String(200)), (HttpUrl, sa.Text)]
)
def test_a_url_is_text(db: Database, kind: Any, sa_type: Any) -> None:
    field: Any = Field() if sa_type is None else Field(sa_type=sa_type)

    class Link(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        url: kind = field

    db.create_all()
    with db.session() as session:
        session.add(Link(url=kind("https://example.com/a")))
        session.commit()
        assert isinstance(session.exec(select(Link)).one().url, kind)
    with serving(Resource(Link, db)) as client:
        created = client.post("/links", json={"url": "https://example.com"})
        assert created.json() == {"id": 2, "url": "https://example.com/"}
        for query in (
            "url=https://example.com",
            "url__endswith=.com/",
            "url__in=https://example.com",
        ):
            assert client.get(f"/links?{query}").json() == [created.json()]
        assert client.post("/links", json={"url": "no URL"}).status_code == 422


def test_the_url_of_a_database_is_text(db: Database) -> None:
    class Server(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        dsn: PostgresDsn

    db.create_all()
    dsn = "postgresql://one:1,two:2/db"
    with db.session() as session:
        session.add(Server(dsn=PostgresDsn(dsn)))
        session.commit()
        assert str(session.exec(select(Server)).one().dsn) == dsn


class Hook(BaseModel):
    token: SecretStr
    keys: list[SecretBytes] = []


def test_a_secret_inside_json_is_stored_and_masked(db: Database) -> None:
    class Conf(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        hook: Hook
        hooks: dict[str, Hook] = Field(default_factory=dict)

    db.create_all()
    with serving(Resource(Conf, db)) as client:
        hook = {"token": "hunter2", "keys": ["k"]}
        masked = {"token": "**********", "keys": ["**********"]}
        created = client.post("/confs", json={"hook": hook, "hooks": {"a": hook}})
        assert created.json() == {"id": 1, "hook": masked, "hooks": {"a": masked}}
    with db.session() as session:
        conf = session.exec(select(Conf)).one()
        assert conf.hook.token.get_secret_value() == "hunter2"
        assert conf.hooks["a"].keys[0].get_secret_value() == b"k"


def test_a_bare_secret_is_refused_with_what_to_do() -> None:
    with pytest.raises(ColumnTypeError, match=r"no column type for SecretStr.*secret=True"):

        class Account(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            password: SecretStr


def test_json_contains(db: Database) -> None:
    class Post(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        tags: list[str] = Field(default_factory=list)
        meta: dict[str, Any] = Field(default_factory=dict)

    db.create_all()
    with db.session() as session:
        meta = {"a": {"b": [1, 2, {"c": None}]}, "on": True}
        session.add_all([Post(tags=["x", "y"], meta=meta), Post(tags=["y"]), Post(meta={"on": 1})])
        session.commit()

        def found(condition: Any) -> list[int | None]:
            return [row.id for row in session.exec(select(Post).where(condition)).all()]

        assert found(col(Post.tags).contains(["y"])) == [1, 2]
        assert found(col(Post.tags).contains(["y", "x"])) == [1]
        assert found(col(Post.tags).contains("y")) == [1, 2]
        assert found(col(Post.tags).contains([])) == [1, 2, 3]
        assert found(~col(Post.tags).contains(["x"])) == [2, 3]
        assert found(col(Post.meta).contains({"a": {"b": [2]}})) == [1]
        assert found(col(Post.meta).contains({"a": {"b": [{"c": None}]}})) == [1]
        assert found(col(Post.meta).contains({"on": True})) == [1]
        assert found(col(Post.meta).contains({"on": 1})) == [3]


@pytest.mark.only_on("postgresql")
def test_a_change_inside_an_array_is_saved(db: Database) -> None:
    class Animal(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        names: list[str] = Field(sa_type=sa.ARRAY(sa.String))

    db.create_all()
    with db.session() as session:
        session.add(Animal(names=["rex"]))
        session.commit()
        animal = session.exec(select(Animal)).one()
        animal.names.append("max")
        session.commit()
    with db.session() as session:
        assert session.exec(select(Animal)).one().names == ["rex", "max"]


class Point(sa.types.UserDefinedType[Any]):
    """A type whose values only Python can read."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "TEXT"

    def bind_processor(self, dialect: sa.Dialect) -> Any:
        return lambda value: value and f"({value[0]},{value[1]})"

    def result_processor(self, dialect: sa.Dialect, coltype: object) -> Any:
        return lambda value: value and tuple(map(float, value.strip("()").split(",")))


def test_a_type_of_the_programs_own(db: Database) -> None:
    class Venue(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        at: tuple[float, float] | None = Field(default=None, sa_type=Point)

    db.create_all()
    with serving(Resource(Venue, db)) as client:
        assert client.post("/venues", json={"at": [3, 4]}).json() == {"id": 1, "at": [3.0, 4.0]}
        client.post("/venues:batch", json=[{"at": [1, 2]}, {}])
        assert [row["at"] for row in client.get("/venues").json()] == [[3.0, 4.0], [1.0, 2.0], None]
        assert client.patch("/venues/1", json={"at": None}).json()["at"] is None


class TestDecimals:
    """A number with more digits than its column is refused, however it is written."""

    @pytest.fixture
    def client(self, db: Database) -> Any:
        from decimal import Decimal

        class Cash(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            price: Decimal = Field(max_digits=10, decimal_places=2, alias="thePrice")
            ratio: float = 0.5
            more: dict[str, Any] = Field(default_factory=dict)

        db.create_all()
        with serving(Resource(Cash, db, prefix="/cash")) as client:
            yield client

    @pytest.mark.parametrize("number", ["1.0000000000000000001", "1e-400", "99999999.0000000001"])
    def test_refused(self, client: TestClient, number: str) -> None:
        headers = {"Content-Type": "application/json"}
        client.post("/cash", json={"thePrice": 1})
        for method, url, body in (
            ("POST", "/cash", '{"thePrice": %s}'),
            ("POST", "/cash", '{"thePrice": "%s"}'),
            ("POST", "/cash:batch", '[{"thePrice": 1}, {"thePrice": %s}]'),
            ("PATCH", "/cash/1", '{"thePrice": %s}'),
            ("PATCH", "/cash:batch", '[{"id": 1, "thePrice": %s}]'),
        ):
            answer = client.request(method, url, content=body % number, headers=headers)
            assert answer.status_code == 422, (body, answer.text)
            assert answer.json()["errors"][0]["field"] == "thePrice"

    def test_other_numbers_are_what_they_were(self, client: TestClient) -> None:
        body = '{"thePrice": 1.50, "ratio": 0.10000000000000000555, "more": {"a": 1.5e0}}'
        headers = {"Content-Type": "application/json"}
        created = client.post("/cash", content=body, headers=headers)
        assert created.status_code == 201, created.text
        row = {"id": 1, "thePrice": "1.50", "ratio": 0.1, "more": {"a": 1.5}}
        assert created.json() == row
        assert client.patch("/cash:batch", content='[{"id": 1, "ratio": 0.10000000000000000555}]',
                            headers=headers).json() == [row]  # fmt: skip


class TestField:
    def test_regex_is_a_pattern(self) -> None:
        class Code(SQLModel):
            code: str = Field(regex="^[a-z]+$")

        with pytest.raises(ValueError, match="should match pattern"):
            Code(code="A")

    @pytest.mark.parametrize(
        ("argument", "instead"),
        [
            ({"const": True}, "Literal"),
            ({"unique_items": True}, "set"),
            ({"allow_mutation": False}, "frozen=True"),
            ({"include": {"a"}}, "read schema"),
        ],
    )
    def test_an_argument_without_effect_is_refused(self, argument: Any, instead: str) -> None:
        with pytest.raises(ModelError, match=instead):
            Field(**argument)


class TestKeys:
    @pytest.mark.parametrize("named", [True, False])
    def test_a_big_integer_key_is_counted(self, db: Database, named: bool) -> None:
        key: Any = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
        if named:
            key = Field(default=None, sa_column=sa.Column(sa.BigInteger, primary_key=True))

        class Event(SQLModel, table=True):
            id: int | None = key
            name: str

        db.create_all()
        assert "id" not in schemas(Event).create.model_fields
        with serving(Resource(Event, db)) as client:
            assert client.post("/events", json={"name": "a"}).json() == {"id": 1, "name": "a"}
            created = client.post("/events:batch", json=[{"name": "b"}, {"name": "c"}])
            assert [row["id"] for row in created.json()] == [2, 3]


class TestMoments:
    def test_tools_that_call_defaults_get_the_time(self) -> None:
        assert abs((datetime.now(UTC) - statement_time(None)).total_seconds()) < 5

    def test_a_naive_time_in_utc_is_warned_of_once(self, db: Database) -> None:
        def utcnow() -> datetime:
            return datetime.now(UTC).replace(tzinfo=None)

        _warned.clear()

        class Log(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            at: datetime = Field(default_factory=utcnow)

        db.create_all()
        with db.session() as session:
            session.add(Log())
            with pytest.warns(UserWarning, match=r"Log\.at was set to the time in UTC.*hours off"):
                session.commit()
        with serving(Resource(Log, db)) as client:
            assert client.post("/logs", json={}).status_code == 201  # not a second time


@pytest.mark.parametrize("text", [r"a\u0000", r"\ud800"])
def test_text_inside_json_is_checked_as_well(text: str) -> None:
    class Wish(SQLModel):
        tags: list[str] = []
        more: dict[str, Any] = {}

    class Stored(Wish, table=True):
        id: int | None = Field(default=None, primary_key=True)
        tags: list[str] = Field(default_factory=list)
        more: dict[str, Any] = Field(default_factory=dict)

    app = FastAPI()
    for index, schema in enumerate((Wish, Stored)):

        def take(wish: Any) -> str:
            return "taken"

        take.__annotations__["wish"] = schema
        app.post(f"/{index}")(take)
    with TestClient(app) as client:
        for index in range(2):
            for body in ('{"tags": ["%s"]}', '{"more": {"a": [{"%s": 1}]}}'):
                headers = {"Content-Type": "application/json"}
                answer = client.post(f"/{index}", content=body % text, headers=headers)
                assert answer.status_code == 422, (index, answer.text)
            assert client.post(f"/{index}", json={"more": {"a": [1]}}).status_code == 200


def test_a_table_has_its_name_in_documents() -> None:
    class Hero(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)

    app = FastAPI()

    @app.post("/heroes")
    def create(hero: Hero) -> Hero:
        return hero

    body = app.openapi()["paths"]["/heroes"]["post"]["requestBody"]["content"]
    assert body["application/json"]["schema"] == {"$ref": "#/components/schemas/Hero"}
