"""Arguments of ``Field``."""

from typing import Annotated, Any

import pytest
from pydantic import ValidationError

from colonnade import Field, SQLModel
from colonnade.errors import ModelError
from colonnade.models import Shape


def test_regex_is_an_alias_of_pattern() -> None:
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
def test_an_argument_without_effect_is_refused(argument: Any, instead: str) -> None:
    with pytest.raises(ModelError, match=instead):
        Field(**argument)


class TestFieldsInAnnotations:
    def test_column_arguments_of_both_hold(self) -> None:
        class Tag(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            name: Annotated[str, Field(min_length=2, index=True)] = Field(unique=True)
            code: Annotated[str, Field(unique=True)] = Field(max_length=5, index=True)
            text: Annotated[str, Field(index=True, unique=True)] = Field(index=False)

        columns = Shape.of(Tag).table.columns
        assert {(c.name, bool(c.unique), bool(c.index)) for c in columns} == {
            ("id", False, False),
            ("name", True, True),
            ("code", True, True),
            ("text", True, False),  # the field itself takes precedence
        }
        with pytest.raises(ValidationError, match="at least 2 characters"):
            Tag.model_validate({"name": "a", "code": "b", "text": "c"})

    def test_flags_of_both_hold(self) -> None:
        class User(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            token: Annotated[str, Field(secret=True)] = Field(readonly=True)
            name: Annotated[str, Field(frozen=True)] = Field(unique=True)

        class UserRead(User, schema="read"): ...

        class UserCreate(User, schema="create"): ...

        class UserUpdate(User, schema="update"): ...

        assert list(UserRead.model_fields) == ["id", "name"]
        assert list(UserCreate.model_fields) == ["name"]
        assert list(UserUpdate.model_fields) == []


class TestClassArguments:
    """sqlmodel ignores the configuration in the arguments of a class; Pydantic does not."""

    def test_configuration_applies(self) -> None:
        class Item(SQLModel, extra="forbid", str_strip_whitespace=True):
            name: str

        assert Item.model_validate({"name": " a "}).name == "a"
        with pytest.raises(ValidationError, match="Extra inputs"):
            Item.model_validate({"name": "a", "size": 1})

    def test_they_take_precedence_over_the_body_of_the_class(self) -> None:
        class Item(SQLModel, extra="ignore"):
            model_config = {"extra": "forbid", "title": "Thing"}

        assert Item.model_validate({"size": 1}) == Item()
        assert Item.model_json_schema()["title"] == "Thing"

    def test_they_apply_to_derived_schemas_and_tables(self) -> None:
        class Task(SQLModel, table=True, title="A task"):
            id: int | None = Field(default=None, primary_key=True)
            name: str

        class TaskCreate(Task, schema="create", extra="ignore"): ...

        assert Task.model_json_schema()["title"] == "A task"
        assert TaskCreate.model_validate({"name": "a", "size": 1}).name == "a"
