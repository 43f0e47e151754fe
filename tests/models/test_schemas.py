"""``schemas``: the create, update and read schemas of a table."""

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
import sqlmodel
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import (
    PlainSerializer,
    ValidationError,
    computed_field,
    field_serializer,
    field_validator,
)

from colonnade import (
    Database,
    Field,
    SQLModel,
    Timestamps,
    schemas,
)
from colonnade.errors import ModelError
from tests.models.task_tables import tables


def test_each_schema_has_its_fields() -> None:
    Task, *_ = tables()
    model_schemas = schemas(Task)
    assert schemas(Task) is model_schemas
    assert model_schemas.create.__name__ == "TaskCreate"
    assert model_schemas.update.__name__ == "TaskUpdate"
    assert model_schemas.read.__name__ == "TaskRead"
    fields = {"title", "status", "percent", "due", "cost", "weight", "settings", "token", "slug",
             "source", "project_id", "parent_id"}  # fmt: skip
    assert set(model_schemas.create.model_fields) == fields
    assert set(model_schemas.update.model_fields) == fields - {"slug"}
    assert set(model_schemas.read.model_fields) == {
        *fields,
        "id",
        "score",
        "version",
        "created_at",
        "updated_at",
    } - {"token"}
    assert next(iter(model_schemas.read.model_fields)) == "id"


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({}, "title"),
        ({"title": "x" * 201}, "title"),
        ({"title": "t", "percent": -1}, "percent"),
        ({"title": "t", "status": "nonsense"}, "status"),
        ({"title": "t", "id": 1}, "id"),
        ({"title": "t", "created_at": "2024-01-01T00:00:00Z"}, "created_at"),
        ({"title": "t", "version": 3}, "version"),
        ({"title": "t", "score": 3}, "score"),
        ({"title": "t", "due": "2024-01-01T00:00:00"}, "due"),
        ({"title": "t", "parent_id": 2**31}, "parent_id"),
        ({"title": "t", "weight": float("nan")}, "weight"),
        ({"title": "t", "weight": float("inf")}, "weight"),
        ({"title": "t", "source": None}, "source"),
        ({"title": "t", "cost": "1.005"}, "cost"),
    ],
)
def test_a_create_schema_refuses_invalid_bodies(body: dict[str, Any], where: str) -> None:
    Task, *_ = tables()
    with pytest.raises(ValidationError) as caught:
        schemas(Task).create.model_validate(body)
    assert {error["loc"][0] for error in caught.value.errors()} == {where}


def test_the_models_validators_run_in_its_schemas() -> None:
    Task, *_ = tables()
    model_schemas: Any = schemas(Task)
    assert model_schemas.create(title="  x ").title == "x"
    assert model_schemas.update(title="  x ").model_dump() == {"title": "x"}
    with pytest.raises(ValidationError, match="less than 100"):
        model_schemas.create(title="x", status="done")
    assert model_schemas.update(status="done").model_dump() == {"status": "done"}
    with pytest.raises(ValidationError, match="less than 100"):
        model_schemas.update(status="done", percent=99)
    for refused in ({"title": None}, {"percent": 101}, {"source": None}, {"due": "2024-01-01"}):
        with pytest.raises(ValidationError):
            model_schemas.update.model_validate(refused)


def test_a_row_is_made_from_create_changed_by_update_and_shown_by_read(db: Database) -> None:
    Task, *_ = tables()
    model_schemas: Any = schemas(Task)
    db.create_all()
    with db.session() as session:
        body = model_schemas.create(title="x", due=datetime(2024, 1, 1, tzinfo=UTC), cost="1.10")
        row = Task(**body.model_dump())
        session.add(row)
        session.commit()
        session.refresh(row)
        assert row.source == "web"
        row.sqlmodel_update(model_schemas.update(percent=100, status="done"))
        session.commit()
        shown = model_schemas.read.model_validate(row).model_dump(mode="json")
    assert "token" not in shown
    assert (shown["id"], shown["percent"], shown["cost"]) == (1, 100, "1.10")
    assert shown["version"] == row.version
    assert shown["due"] == "2024-01-01T00:00:00Z"


def test_the_class_form_extends_a_derived_schema(db: Database) -> None:
    class Task(Timestamps, table=True):
        id: int | None = Field(default=None, primary_key=True)
        title: str
        due: datetime | None = None
        token: str = Field(default="", secret=True)

        @field_validator("title")
        @classmethod
        def strip(cls, value: str) -> str:
            return value.strip()

    class TaskIn(Task, schema="create"):
        """With a note."""

        note: str = ""
        title: str = Field(max_length=5)

    class TaskOut(Task, schema="read"):
        link: str = "/"

    class TaskPatch(Task, schema="update"):
        pass

    assert not hasattr(TaskIn, "__table__")
    assert issubclass(TaskIn, schemas(Task).create)
    assert TaskIn(title=" x ").note == ""
    with pytest.raises(ValidationError):
        TaskIn(title="longer")
    assert TaskPatch.model_validate({}).model_dump() == {}
    assert {"token", "note"}.isdisjoint(TaskOut.model_fields)
    app = FastAPI()

    @app.post("/", response_model=TaskOut)
    def create(task: TaskIn) -> Any:
        with db.session() as session:
            row = Task(**task.model_dump(exclude={"note"}))
            session.add(row)
            session.commit()
            session.refresh(row)
            return row

    db.create_all()
    client = TestClient(app)
    answer = client.post("/", json={"title": "x", "note": "n"})
    assert answer.json()["link"] == "/"
    names = client.get("/openapi.json").json()["components"]["schemas"]
    assert {"TaskIn", "TaskOut"} <= set(names)
    assert names["TaskIn"]["additionalProperties"] is False
    assert set(names["TaskOut"]["required"]) >= {"id", "title", "due", "created_at"}


def test_the_class_form_keeps_the_init_of_a_class_beside_it() -> None:
    calls: list[dict[str, Any]] = []

    class Note(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        text: str

    class Noted(SQLModel):
        def __init__(self, /, **data: Any) -> None:
            calls.append(data)
            super().__init__(**data)

    class NoteIn(Note, Noted, schema="create"): ...

    assert NoteIn(text="a").text == "a"
    assert NoteIn.model_validate_json('{"text": "b"}').text == "b"
    assert calls == [{"text": "a"}, {"text": "b"}]
    # Without a custom ``__init__``, Pydantic skips sqlmodel's, which is only for tables.
    assert NoteIn.__pydantic_custom_init__
    assert not schemas(Note).create.__pydantic_custom_init__


def test_the_class_form_needs_one_table() -> None:
    class Plain(SQLModel):
        name: str

    with pytest.raises(ModelError, match="needs exactly one table as a base"):

        class PlainIn(Plain, schema="create"):
            pass


def test_the_read_schema_has_serializers_and_computed_fields() -> None:
    class Row(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        name: str
        size: Annotated[int, PlainSerializer(lambda value: f"{value}px")] = 1

        @field_serializer("name")
        def upper(self, value: str) -> str:
            return value.upper()

        @computed_field  # type: ignore[prop-decorator]  # mypy has no stacked property decorators
        @property
        def shout(self) -> str:
            return self.name + "!"

    shown = schemas(Row).read.model_validate({"id": 1, "name": "a", "size": 3})
    assert shown.model_dump() == {"id": 1, "name": "A", "size": "3px", "shout": "a!"}


def test_aliases_defaults_and_docs_are_in_the_schemas() -> None:
    class Row(SQLModel, table=True):
        model_config = {"validate_by_name": True}
        id: int | None = Field(default=None, primary_key=True)
        full_name: str = Field(alias="fullName", description="Both", examples=["Ada L"])
        key: UUID = Field(default_factory=uuid4)

    model_schemas: Any = schemas(Row)
    schema = model_schemas.create.model_json_schema()
    assert schema["required"] == ["fullName"]
    assert schema["properties"]["fullName"]["description"] == "Both"
    assert schema["properties"]["fullName"]["examples"] == ["Ada L"]
    assert isinstance(model_schemas.create(fullName="x").key, UUID)
    shown = model_schemas.read.model_validate(
        Row(id=1, fullName="Ada")
    )  # a row has attributes by name, not by alias
    assert shown.model_dump(by_alias=True)["fullName"] == "Ada"


def test_a_plain_sqlmodel_table_has_schemas() -> None:
    class Hero(sqlmodel.SQLModel, table=True):
        id: int | None = sqlmodel.Field(default=None, primary_key=True)
        name: str = sqlmodel.Field(max_length=5, index=True)
        born: datetime
        age: int | None = None

    model_schemas: Any = schemas(Hero)
    assert set(model_schemas.create.model_fields) == {"name", "born", "age"}
    assert list(model_schemas.read.model_fields) == ["id", "name", "born", "age"]
    with pytest.raises(ValidationError):
        model_schemas.create(name="toolong", born=datetime(2024, 1, 1, tzinfo=UTC))
    with pytest.raises(ValidationError, match="timezone"):
        model_schemas.create(name="x", born="2024-01-01T00:00:00")
    assert model_schemas.update(age=None).model_dump() == {"age": None}

    class HeroIn(Hero, SQLModel, schema="create"):
        note: str = ""

    assert issubclass(HeroIn, model_schemas.create)
    assert set(HeroIn.model_fields) == {"name", "born", "age", "note"}


def test_composite_keys_are_created_and_never_updated() -> None:
    *_, Assignment, _ = tables()
    model_schemas: Any = schemas(Assignment)
    assert set(model_schemas.create.model_fields) == {"task_id", "worker_id", "role"}
    assert set(model_schemas.update.model_fields) == {"role"}
    with pytest.raises(ValidationError):
        model_schemas.create(role="x")


def test_generated_columns_are_in_no_request_schema() -> None:
    class Row(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True, sa_column_args=[sa.Identity()])
        width: int
        area: int | None = Field(default=None, sa_column_args=[sa.Computed("width * width")])

    model_schemas = schemas(Row)
    assert set(model_schemas.create.model_fields) == {"width"}
    assert set(model_schemas.update.model_fields) == {"width"}
    assert set(model_schemas.read.model_fields) == {"id", "width", "area"}


def test_a_secret_field_is_in_no_repr() -> None:
    class User(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        password_hash: str = Field(secret=True)

    assert "hunter2" not in repr(User(password_hash="hunter2"))
    assert "hunter2" not in repr(schemas(User).create.model_validate({"password_hash": "hunter2"}))
