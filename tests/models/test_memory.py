"""What is derived from a model is collected with it: tests define thousands of models."""

import weakref
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import model_validator

from colonnade import Database, Field, Resource, SQLModel, schemas
from colonnade.models import Shape
from tests.forgotten_models import delete_models


def define_task() -> type[Any]:
    class Task(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        title: str
        tags: list[str] = Field(default_factory=list)

        @model_validator(mode="after")
        def check_title(self) -> "Task":
            assert self.title
            return self

    return Task


def use_shape(model: type[Any]) -> None:
    Shape.of(model)


def use_schemas(model: type[Any]) -> None:
    schemas(model).create.model_validate({"title": "Write"})


def use_rows(model: type[Any]) -> None:
    model(title="Write").tags.append("new")


def build_resource(model: type[Any]) -> None:
    list(Resource(model, Database("sqlite://")).routes)


@pytest.mark.parametrize("use", [use_shape, use_schemas, use_rows, build_resource])
def test_a_model_is_collected_with_what_was_derived_from_it(
    use: Callable[[type[Any]], None],
) -> None:
    model = define_task()
    use(model)
    reference = weakref.ref(model)
    del model
    delete_models()
    assert reference() is None
