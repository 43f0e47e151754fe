"""``Shape``: a table read once. ``schemas``: what a request and a response say of a row."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, Optional
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
import sqlmodel
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import (
    BaseModel,
    PlainSerializer,
    ValidationError,
    computed_field,
    field_serializer,
    field_validator,
    model_validator,
)

from colonnade import (
    Database,
    Field,
    Relationship,
    Shape,
    SQLModel,
    Timestamps,
    Versioned,
    schemas,
)
from colonnade.errors import ModelError


class Settings(BaseModel):
    theme: str = "plain"


def tables() -> Any:
    class TaskLabel(SQLModel, table=True):
        task_id: int | None = Field(default=None, foreign_key="task.id", primary_key=True)
        label_id: int | None = Field(default=None, foreign_key="label.id", primary_key=True)

    class Label(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        tasks: list["Task"] = Relationship(back_populates="labels", link_model=TaskLabel)

    class Assignment(SQLModel, table=True):
        task_id: int | None = Field(
            default=None, foreign_key="task.id", primary_key=True, ondelete="CASCADE"
        )
        worker_id: str | None = Field(default=None, foreign_key="worker.id", primary_key=True)
        role: str = "assignee"
        task: Optional["Task"] = Relationship(back_populates="assignments")
        worker: Optional["Worker"] = Relationship(back_populates="assignments")

    class Worker(SQLModel, table=True):
        id: str = Field(primary_key=True)
        assignments: list[Assignment] = Relationship(back_populates="worker")
        tasks: list["Task"] = Relationship(
            link_model=Assignment, sa_relationship_kwargs={"viewonly": True}
        )

    class Project(SQLModel, table=True):
        id: UUID = Field(default_factory=uuid4, primary_key=True)
        slug: str = Field(unique=True)
        tasks: list["Task"] = Relationship(back_populates="project")

    class TaskBase(SQLModel):
        title: str = Field(max_length=200, index=True, description="What to do")
        status: Literal["pending", "done"] = "pending"
        percent: int = Field(default=0, ge=0, le=100)

        @field_validator("title")
        @classmethod
        def strip(cls, value: str) -> str:
            return cls.clean(value)

        @classmethod
        def clean(cls, value: str) -> str:
            return value.strip()

        @model_validator(mode="after")
        def done_means_all(self) -> "TaskBase":
            if self.status == "done" and self.percent < 100:
                raise ValueError("done at less than 100 percent")
            return self

    class Task(TaskBase, Timestamps, Versioned, table=True):
        id: int | None = Field(default=None, primary_key=True)
        due: datetime | None = None
        cost: Decimal | None = Field(default=None, max_digits=8, decimal_places=2)
        weight: float = 1.0
        settings: Settings = Field(default_factory=Settings)
        token: str = Field(default="", secret=True)
        slug: str = Field(default="s", frozen=True)
        score: int = Field(default=0, readonly=True)
        source: str | None = Field(
            default=None, nullable=False, sa_column_kwargs={"server_default": "web"}
        )
        project_id: UUID | None = Field(default=None, foreign_key="project.id")
        parent_id: int | None = Field(default=None, foreign_key="task.id")
        project: Project | None = Relationship(back_populates="tasks")
        labels: list[Label] = Relationship(back_populates="tasks", link_model=TaskLabel)
        assignments: list[Assignment] = Relationship(back_populates="task")
        parent: Optional["Task"] = Relationship(
            back_populates="subtasks", sa_relationship_kwargs={"remote_side": "Task.id"}
        )
        subtasks: list["Task"] = Relationship(back_populates="parent")

    return Task, Project, Worker, Assignment, TaskLabel


def test_a_shape_tells_the_columns() -> None:
    Task, Project, *_ = tables()
    shape = Shape.of(Task)
    assert Shape.of(Task) is shape
    assert shape.name == "task"
    columns = shape.columns
    assert {name: value.kind for name, value in columns.items()} == {
        "title": "text", "status": "literal", "percent": "integer", "id": "integer",
        "due": "datetime", "cost": "decimal", "weight": "float", "settings": "json",
        "token": "text", "slug": "text", "score": "integer", "source": "text",
        "project_id": "uuid", "parent_id": "integer", "version": "integer",
        "created_at": "datetime", "updated_at": "datetime",
    }  # fmt: skip
    assert dict(columns["percent"].bounds.items()) == {"ge": 0, "le": 100}
    assert dict(columns["cost"].bounds.items()) == {"max_digits": 8, "decimal_places": 2}
    assert columns["status"].choices == ("pending", "done")
    assert columns["due"].nullable
    assert columns["due"].is_aware
    assert columns["project_id"].foreign_key == ("project", "id")
    assert [name for name, value in columns.items() if value.secret] == ["token"]
    assert {name for name, value in columns.items() if value.readonly} == {
        "id", "score", "version", "created_at", "updated_at",
    }  # fmt: skip
    assert {name for name, value in columns.items() if value.frozen} == {"id", "slug"}
    assert [name for name, value in columns.items() if not value.has_default] == ["title"]
    assert shape.version is columns["version"]
    assert Shape.of(Project).columns["slug"].unique
    assert not Shape.of(Project).columns["id"].generated


def test_a_shape_tells_the_keys() -> None:
    Task, _, Worker, Assignment, TaskLabel = tables()
    assert [column.name for column in Shape.of(Task).primary_key] == ["id"]
    assert Shape.of(Task).primary_key[0].generated
    assert [column.name for column in Shape.of(Assignment).primary_key] == ["task_id", "worker_id"]
    assert [column.name for column in Shape.of(Worker).primary_key] == ["id"]
    first, second = Shape.of(Assignment).foreign_keys
    assert (first.table, first.columns, first.target_columns) == ("task", ("task_id",), ("id",))
    assert (first.ondelete, second.ondelete) == ("CASCADE", None)
    assert Shape.of(Assignment).link_fields == ("role",)
    assert Shape.of(TaskLabel).link_fields == ()
    assert Shape.of(Task).link_fields is None


def test_a_shape_tells_the_relations() -> None:
    Task, Project, Worker, Assignment, TaskLabel = tables()
    relations = Shape.of(Task).relations
    kinds = {
        name: (value.kind, value.is_list, value.self_referential)
        for name, value in relations.items()
    }
    assert kinds == {
        "project": ("one", False, False),
        "labels": ("many_to_many", True, False),
        "assignments": ("association", True, False),
        "parent": ("one", False, True),
        "subtasks": ("many", True, True),
    }
    assert relations["project"].target is Project
    assert relations["project"].nullable
    assert relations["project"].pairs == (("project_id", "id"),)
    assert relations["subtasks"].pairs == (("id", "parent_id"),)
    assert relations["subtasks"].back_populates == "parent"
    assert relations["labels"].link is not None
    assert (relations["labels"].link.model, relations["labels"].link.fields) == (TaskLabel, ())
    assert relations["assignments"].link is not None
    assert relations["assignments"].link.fields == ("role",)
    through = Shape.of(Worker).relations["tasks"]
    assert through.kind == "many_to_many"
    assert through.link is not None
    assert (through.link.model, through.link.fields) == (Assignment, ("role",))


def test_a_shape_of_what_is_no_table_says_so() -> None:
    class Plain(SQLModel):
        name: str

    with pytest.raises(ModelError, match=r"Plain is not a table.*table=True"):
        Shape.of(Plain)


def test_schemas_take_and_give_what_each_may() -> None:
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
def test_a_create_schema_refuses(body: dict[str, Any], where: str) -> None:
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


def test_the_class_form_is_a_schema_with_more_to_it(db: Database) -> None:
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
    # Without one, Pydantic goes past sqlmodel's, which is for tables.
    assert NoteIn.__pydantic_custom_init__
    assert not schemas(Note).create.__pydantic_custom_init__


def test_the_class_form_needs_one_table() -> None:
    class Plain(SQLModel):
        name: str

    with pytest.raises(ModelError, match="needs exactly one table as a base"):

        class PlainIn(Plain, schema="create"):
            pass


def test_what_shapes_the_output_is_in_read() -> None:
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
    )  # a row has names, no aliases
    assert shown.model_dump(by_alias=True)["fullName"] == "Ada"


def test_schemas_of_a_stock_table() -> None:
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


def test_composite_keys_are_given_and_never_changed() -> None:
    *_, Assignment, _ = tables()
    model_schemas: Any = schemas(Assignment)
    assert set(model_schemas.create.model_fields) == {"task_id", "worker_id", "role"}
    assert set(model_schemas.update.model_fields) == {"role"}
    with pytest.raises(ValidationError):
        model_schemas.create(role="x")


def test_what_the_database_makes_is_in_no_request() -> None:
    class Row(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True, sa_column_args=[sa.Identity()])
        width: int
        area: int | None = Field(default=None, sa_column_args=[sa.Computed("width * width")])

    model_schemas = schemas(Row)
    assert set(model_schemas.create.model_fields) == {"width"}
    assert set(model_schemas.update.model_fields) == {"width"}
    assert set(model_schemas.read.model_fields) == {"id", "width", "area"}


def test_secret_is_in_no_repr() -> None:
    class User(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        password_hash: str = Field(secret=True)

    assert "hunter2" not in repr(User(password_hash="hunter2"))
    assert "hunter2" not in repr(schemas(User).create.model_validate({"password_hash": "hunter2"}))
