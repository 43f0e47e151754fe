"""``partial=True``: every inherited field may be absent, and is then unset."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from pydantic import (
    MISSING,
    AfterValidator,
    RootModel,
    ValidationError,
    field_validator,
    model_validator,
)

from colonnade import Field, SQLModel
from colonnade.errors import PartialError


class TaskBase(SQLModel):
    title: str = Field(min_length=1, max_length=200)
    description: str | None = None
    status: Literal["pending", "in_progress", "completed"] = "pending"
    progress_percent: int = Field(default=0, ge=0, le=100)
    tags: list[str] = Field(default_factory=list, max_length=2)


class TaskUpdate(TaskBase, partial=True):
    pass


def test_an_absent_field_is_unset() -> None:
    update = TaskUpdate.model_validate({})
    assert update.model_fields_set == set()
    assert update.title is MISSING  # type: ignore[comparison-overlap]  # absent, which the base's type has not
    assert update.model_dump() == {}
    assert update.model_dump(exclude_unset=True) == {}
    assert update.model_dump_json() == "{}"


def test_a_present_field_is_set() -> None:
    update = TaskUpdate.model_validate({"description": None, "progress_percent": 5})
    assert update.model_dump(exclude_unset=True) == {"description": None, "progress_percent": 5}
    assert update.model_fields_set == {"description", "progress_percent"}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"title": None}, "string_type"),
        ({"title": ""}, "string_too_short"),
        ({"title": "x" * 201}, "string_too_long"),
        ({"status": "nonsense"}, "literal_error"),
        ({"status": None}, "literal_error"),
        ({"progress_percent": 101}, "less_than_equal"),
        ({"progress_percent": None}, "int_type"),
        ({"tags": ["a", "b", "c"]}, "too_long"),
        ({"tags": None}, "list_type"),
    ],
)
def test_constraints_stay_and_null_needs_a_nullable_column(body: dict[str, Any], kind: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TaskUpdate.model_validate(body)
    assert [error["type"] for error in caught.value.errors()] == [kind]
    assert caught.value.errors()[0]["loc"] == tuple(body)


def test_nullable_overrides_the_annotation() -> None:
    class Base(SQLModel):
        kept: str | None = Field(default=None, nullable=False)
        freed: str = Field(nullable=True)

    class Update(Base, partial=True):
        pass

    with pytest.raises(ValidationError):
        Update.model_validate({"kept": None})
    assert Update.model_validate({"freed": None}).model_dump() == {"freed": None}


def test_the_openapi_document_describes_optional_fields() -> None:
    schema = TaskUpdate.model_json_schema()
    assert "required" not in schema
    assert schema["properties"]["title"] == {
        "title": "Title", "type": "string", "minLength": 1, "maxLength": 200,
    }  # fmt: skip
    assert schema["properties"]["description"]["anyOf"] == [{"type": "string"}, {"type": "null"}]
    assert schema["properties"]["status"]["enum"] == ["pending", "in_progress", "completed"]
    assert all("default" not in field_schema for field_schema in schema["properties"].values())


def test_a_patch_changes_only_the_fields_in_its_body() -> None:
    app = FastAPI()

    @app.patch("/")
    def patch(update: TaskUpdate) -> dict[str, Any]:
        return update.model_dump(exclude_unset=True)

    client = TestClient(app)
    assert client.patch("/", json={"description": None}).json() == {"description": None}
    assert client.patch("/", json={}).json() == {}
    answer = client.patch("/", json={"title": None})
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", "title"]


def test_sqlmodel_update_skips_absent_fields() -> None:
    class Task(TaskBase, table=True):
        id: int | None = Field(default=None, primary_key=True)

    task = Task(title="Old", description="kept")
    task.sqlmodel_update(TaskUpdate.model_validate({"progress_percent": 7}))
    assert (task.title, task.description, task.progress_percent) == ("Old", "kept", 7)
    task.sqlmodel_update(TaskUpdate(title="New"), update={"description": None})
    assert (task.title, task.description) == ("New", None)
    task.sqlmodel_update({"title": MISSING, "description": "x"})
    assert (task.title, task.description) == ("New", "x")


def test_a_class_can_have_several_bases_and_new_fields() -> None:
    class Named(SQLModel):
        name: str = Field(max_length=3)
        label: Any

    class Sized(SQLModel):
        size: int = Field(ge=0)
        label: Any = 3

    class Update(Named, Sized, partial=True):
        reason: str
        size: Annotated[int, Field(ge=5)] = 5

    assert Update.model_validate({"reason": "r"}).model_dump() == {"reason": "r", "size": 5}
    with pytest.raises(ValidationError) as caught:
        Update.model_validate({"name": "long", "size": 4, "label": 1})
    assert {error["loc"][0] for error in caught.value.errors()} == {"name", "size", "reason"}


def test_a_partial_schema_can_inherit_from_a_partial_one() -> None:
    class Narrower(TaskUpdate, partial=True):
        extra: int

    assert Narrower(extra=1).model_dump() == {"extra": 1}  # type: ignore[call-arg]  # a field that the checker cannot know
    with pytest.raises(ValidationError):
        Narrower.model_validate({"extra": 1, "progress_percent": 101})


def test_validators_and_constraints_of_the_base_run_on_present_fields() -> None:
    def even(value: int) -> int:
        if value % 2:
            raise ValueError("odd")
        return value

    class Base(SQLModel):
        title: str
        count: Annotated[int, AfterValidator(even)] | None = 2

        @field_validator("title")
        @classmethod
        def strip(cls, value: str) -> str:
            return value.strip()

    class Update(Base, partial=True):
        pass

    assert Update(title=" x ").model_dump() == {"title": "x"}
    assert Update.model_validate({"count": None}).model_dump() == {"count": None}
    with pytest.raises(ValidationError, match="odd"):
        Update.model_validate({"count": 3})


def test_a_rule_on_several_fields_is_skipped_if_a_field_is_absent() -> None:
    class Base(SQLModel):
        status: Literal["open", "done"] = "open"
        percent: int = 0
        note: str | None = None

        @model_validator(mode="after")
        def done_means_all(self) -> "Base":
            if self.status == "done" and self.percent < 100:
                raise ValueError("done at less than 100 percent")
            return self

    class Update(Base, partial=True):
        pass

    with pytest.raises(ValidationError, match="less than 100"):
        Update.model_validate({"status": "done", "percent": 50})
    assert Update.model_validate({"status": "done"}).model_dump() == {"status": "done"}
    assert Update.model_validate({"status": "open"}).model_dump() == {"status": "open"}
    assert Update.model_validate({"note": "x"}).note == "x"
    assert Update.model_validate({"note": "x"}).status is MISSING  # type: ignore[comparison-overlap]  # absent, which the base's type has not


def test_an_error_in_a_rule_is_not_mistaken_for_an_absent_field() -> None:
    class Base(SQLModel):
        name: str

        @model_validator(mode="after")
        def wrong(self) -> "Base":
            return self.no_such_attribute  # type: ignore[attr-defined, no-any-return]  # the mistake

    class Update(Base, partial=True):
        pass

    with pytest.raises(AttributeError, match="no_such_attribute"):
        Update.model_validate({})


def test_default_factories_are_not_called_and_aliases_stay() -> None:
    class Base(SQLModel):
        key: str = Field(alias="theKey", default_factory=lambda: pytest.fail("called"))

    class Update(Base, partial=True):
        pass

    assert Update().model_dump() == {}
    assert Update.model_validate({"theKey": "k"}).model_dump(by_alias=True) == {"theKey": "k"}


def test_validate_default_does_not_validate_absence() -> None:
    class Base(SQLModel):
        model_config = {"validate_default": True}
        name: str

        @field_validator("name")
        @classmethod
        def upper(cls, value: str) -> str:
            return value.upper()

    class Update(Base, partial=True):
        pass

    assert Update.model_validate({}).model_dump() == {}


def table_and_partial() -> None:
    class Row(TaskBase, table=True, partial=True):
        id: int | None = Field(default=None, primary_key=True)


def of_a_table() -> None:
    class Row(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)

    class Update(Row, partial=True):
        pass


def of_nothing() -> None:
    class Update(SQLModel, partial=True):
        name: str


def of_a_value() -> None:
    class Value(RootModel[int]):
        pass

    class Update(Value, SQLModel, partial=True):  # type: ignore[misc, metaclass, no-untyped-call]  # stock generic bases
        pass


def of_an_unknown_type() -> None:
    class Base(SQLModel):
        later: "Later"  # type: ignore[name-defined]  # defined later  # noqa: F821

    class Update(Base, partial=True):
        pass


@pytest.mark.parametrize(
    ("define", "message"),
    [
        (table_and_partial, "a table cannot be partial"),
        (of_a_table, r'class Update\(Row, schema="update"\)'),
        (of_nothing, "inherits none"),
        (of_a_value, "is a RootModel"),
        (of_an_unknown_type, r"Update\.later: the type"),
    ],
)
def test_a_class_that_cannot_be_partial_is_refused(
    define: Callable[[], None], message: str
) -> None:
    with pytest.raises(PartialError, match=message):
        define()


storable = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
PATCHES = st.fixed_dictionaries(
    {},
    optional={
        "title": st.text(storable, min_size=1, max_size=200),
        "description": st.none() | st.text(storable),
        "status": st.sampled_from(["pending", "in_progress", "completed"]),
        "progress_percent": st.integers(0, 100),
        "tags": st.lists(st.text(storable), max_size=2),
    },
)


@given(PATCHES)
def test_a_valid_patch_dumps_unchanged(patch: dict[str, Any]) -> None:
    assert TaskUpdate.model_validate(patch).model_dump(exclude_unset=True) == patch
    assert TaskUpdate.model_validate(patch).model_dump() == patch


@given(PATCHES)
def test_a_patch_updates_a_row(patch: dict[str, Any]) -> None:
    whole: dict[str, Any] = {
        "title": "t",
        "description": None,
        "status": "pending",
        "progress_percent": 1,
        "tags": [],
    }
    base = TaskBase.model_validate(whole)
    base.sqlmodel_update(TaskUpdate.model_validate(patch))
    assert base.model_dump() == {**whole, **patch}
