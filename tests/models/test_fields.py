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

    def test_those_of_an_optional_type_hold_too(self) -> None:
        class User(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            token: Annotated[str, Field(secret=True)] | None = None
            slug: Annotated[str, Field(unique=True)] | None = None
            number: Annotated[int, Field(readonly=True)] | None = Field(default=None, index=True)

        class UserRead(User, schema="read"): ...

        class UserCreate(User, schema="create"): ...

        columns = Shape.of(User).table.columns
        assert (columns["slug"].unique, columns["number"].index) == (True, True)
        assert list(UserRead.model_fields) == ["id", "slug", "number"]
        assert list(UserCreate.model_fields) == ["token", "slug"]

    def test_a_secret_is_not_in_the_repr(self) -> None:
        class User(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            token: Annotated[str, Field(secret=True)] = Field(index=True)
            key: Annotated[str, Field(secret=True)] | None = None

        assert "hunter2" not in repr(User(token="hunter2", key="hunter2"))

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

    @pytest.mark.parametrize("in_body", [True, False])
    def test_a_table_cannot_be_frozen(self, in_body: bool) -> None:
        with pytest.raises(ModelError, match=r"Field\(frozen=True\)"):
            if in_body:

                class Body(SQLModel, table=True):
                    model_config = {"frozen": True}
                    id: int | None = Field(default=None, primary_key=True)
            else:

                class Argument(SQLModel, table=True, frozen=True):
                    id: int | None = Field(default=None, primary_key=True)

    def test_they_apply_to_derived_schemas_and_tables(self) -> None:
        class Task(SQLModel, table=True, title="A task"):
            id: int | None = Field(default=None, primary_key=True)
            name: str

        class TaskCreate(Task, schema="create", extra="ignore"): ...

        assert Task.model_json_schema()["title"] == "A task"
        assert TaskCreate.model_validate({"name": "a", "size": 1}).name == "a"
