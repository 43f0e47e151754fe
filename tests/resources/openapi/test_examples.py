"""Examples made from JSON schemas are valid."""

from datetime import date, datetime, time
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import AnyUrl, BaseModel, Field, TypeAdapter

from colonnade.resources.openapi._examples import NoExampleError, example_of, field_example

TYPES: list[Any] = [
    str, int, float, bool, Decimal, date, datetime, time, UUID, AnyUrl, dict[str, int], list[int],
    Literal["a", "b"], int | None, None,
    Annotated[str, Field(min_length=30)],
    Annotated[str, Field(max_length=3)],
    Annotated[str, Field(pattern=r"^@[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)],
    Annotated[str, Field(pattern=r"^\d{13}$")],
    Annotated[str, Field(pattern=r"^[A-Z]{2}$")],
    Annotated[int, Field(ge=1450, le=2100)],
    Annotated[int, Field(gt=0, lt=2)],
    Annotated[int, Field(le=-5)],
    Annotated[float, Field(gt=0, le=0.5)],
    Annotated[int, Field(multiple_of=5, ge=7)],
    Annotated[list[str], Field(min_length=2)],
    Annotated[str, Field(examples=["Write the report"])],
]  # fmt: skip


@pytest.mark.parametrize("annotation", TYPES, ids=str)
def test_an_example_is_valid(annotation: Any) -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(annotation)
    example = example_of(adapter.json_schema(), lambda schema: schema, "short_name")
    adapter.validate_python(example)


def test_a_pattern_that_no_common_text_matches_has_no_example() -> None:
    schema = TypeAdapter(Annotated[str, Field(pattern=r"^x{7}y{3}$")]).json_schema()
    with pytest.raises(NoExampleError):
        example_of(schema, lambda schema: schema)


def test_the_example_of_an_update_has_the_first_field_that_is_not_nullable() -> None:
    class TaskUpdate(BaseModel):
        id: int
        note: str | None = None
        title: str = Field(default="", examples=["Write the report"])
        status: Literal["open", "done"] = "open"

    schema = TaskUpdate.model_json_schema()
    example = field_example(schema, lambda part: part, exclude={"id"})
    assert example == {"title": "Write the report"}
    assert field_example({"type": "object"}, lambda part: part, exclude=()) == {}
