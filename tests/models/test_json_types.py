"""JSON columns: validation, containment and secrets."""

from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import (
    BaseModel,
    SecretBytes,
    SecretStr,
)

from colonnade import (
    Database,
    Field,
    Resource,
    SQLModel,
    col,
    select,
    text,
)
from colonnade.errors import StoredValueError
from tests.models.storing import Theme, store_and_read
from tests.resources.sample_app import serving


def test_stored_json_that_the_type_does_not_accept_raises_an_error(db: Database) -> None:
    class Row(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        theme: Theme

    store_and_read(db, Row(theme=Theme()))
    with db.session() as session:
        session.connection().execute(text("""UPDATE row SET theme = '{"name": []}'"""))
        session.commit()
    with db.session() as session, pytest.raises(StoredValueError, match=r"Row\.theme holds JSON"):
        session.get(Row, 1)


def test_json_is_jsonb_on_postgresql_and_can_be_queried(db: Database) -> None:
    class Row(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        data: dict[str, Any]

    store_and_read(db, Row(data={"a": {"b": 1}, "c": "x"}))
    column = sa.inspect(Row).c.data
    kind = sa.inspect(db.engine).get_columns("row")[1]["type"]
    assert str(kind) == ("JSONB" if db.url.backend == "postgresql" else "JSON")
    with db.session() as session:
        assert session.exec(select(Row).where(column["a"]["b"].as_integer() == 1)).all()
        assert not session.exec(select(Row).where(column["c"].as_string() == "y")).all()
        assert session.exec(select(Row).where(column == {"a": {"b": 1}, "c": "x"})).all()


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


def test_rows_are_found_by_items_and_members_of_json(db: Database) -> None:
    class Post(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        tags: list[str] = Field(default_factory=list)
        meta: dict[str, Any] = Field(default_factory=dict)

    db.create_all()
    with db.session() as session:
        meta = {"a": {"b": [1, 2, {"c": None}]}, "on": True}
        session.add_all([Post(tags=["x", "y"], meta=meta), Post(tags=["y"]), Post(meta={"on": 1})])
        session.commit()

        def ids_where(condition: Any) -> list[int | None]:
            return [row.id for row in session.exec(select(Post).where(condition)).all()]

        assert ids_where(col(Post.tags).contains(["y"])) == [1, 2]
        assert ids_where(col(Post.tags).contains(["y", "x"])) == [1]
        assert ids_where(col(Post.tags).contains("y")) == [1, 2]
        assert ids_where(col(Post.tags).contains([])) == [1, 2, 3]
        assert ids_where(~col(Post.tags).contains(["x"])) == [2, 3]
        assert ids_where(col(Post.meta).contains({"a": {"b": [2]}})) == [1]
        assert ids_where(col(Post.meta).contains({"a": {"b": [{"c": None}]}})) == [1]
        assert ids_where(col(Post.meta).contains({"on": True})) == [1]
        assert ids_where(col(Post.meta).contains({"on": 1})) == [3]
