"""Rows, bodies and parameters of several schemas become one in the OpenAPI document."""

from typing import Annotated, Any

from pydantic import BaseModel, TypeAdapter

from colonnade import Field, SQLModel
from colonnade.query import QueryableTable
from colonnade.resources import openapi


class Brief(BaseModel):
    id: int


class Full(Brief):
    size: int


def schema_of(*annotations: Any) -> dict[str, Any]:
    adapter: TypeAdapter[Any] = TypeAdapter(openapi.one_of_annotations(annotations))
    return adapter.json_schema()


def ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/$defs/{name}"}


def test_the_same_annotation_stays_as_it_is() -> None:
    annotation = Annotated[Any, openapi.Body(Brief)]
    assert openapi.one_of_annotations([annotation, annotation]) is annotation
    assert openapi.one_of_annotations([openapi.Deleted]) is openapi.Deleted


def test_each_schema_excludes_what_an_earlier_one_accepts() -> None:
    class Other(BaseModel):
        name: str

    bodies = [Annotated[Any, openapi.Body(model)] for model in (Brief, Full, Other)]
    assert schema_of(*bodies)["oneOf"] == [
        ref("Brief"),
        ref("Full") | {"not": ref("Brief")},
        ref("Other") | {"not": {"anyOf": [ref("Brief"), ref("Full")]}},
    ]


def test_bodies_with_the_same_schema_are_one_branch_with_its_example() -> None:
    first, second = (Annotated[Any, openapi.Body(Brief)] for _ in range(2))
    schema = schema_of(first, second)
    assert "oneOf" not in schema
    assert schema["examples"] == [{"id": 1}]


def test_models_and_documented_rows_can_be_mixed() -> None:
    class Box(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        size: int

    rows = openapi.Rows(QueryableTable.of(Box, Full), many=True)
    assert schema_of(Brief, Annotated[Any, rows])["oneOf"] == [
        ref("Brief"),
        {"type": "array", "items": ref("Full"), "not": ref("Brief")},
    ]


def parameter(name: str, schema: dict[str, Any], **more: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": schema, **more}


def test_parameters_are_the_union_in_their_order() -> None:
    number, text = {"type": "integer"}, {"type": "string"}
    merged = openapi.merged_parameters([
        (("Brief",), [parameter("limit", number), parameter("id", number, description="The key")]),
        (("Full",), [parameter("limit", text), parameter("size", number)]),
        (("Huge",), [parameter("limit", number), parameter("size", number)]),
    ])  # fmt: skip
    assert merged == [
        parameter("limit", {"anyOf": [number, text]}),
        parameter("id", number, description="The key. Only with Brief"),
        parameter("size", number, description="Only with Full or Huge"),
    ]


def test_a_parameter_names_the_schemas_that_decide_whether_a_request_has_it() -> None:
    by_form, by_row, by_both = (parameter(name, {}) for name in ("form", "row", "both"))
    merged = openapi.merged_parameters([
        (("Form", "Brief"), []),
        (("Form", "Full"), [by_row]),
        (("FormHR", "Brief"), [by_form]),
        (("FormHR", "Full"), [by_row, by_form, by_both]),
    ])  # fmt: skip
    assert [each["description"] for each in merged] == [
        "Only with Full",
        "Only with FormHR",
        "Only with FormHR and Full",
    ]


def test_a_header_and_a_query_parameter_of_the_same_name_stay_apart() -> None:
    query = parameter("id", {"type": "integer"})
    both = [{**query, "in": "path"}, query]
    assert openapi.merged_parameters([(("A",), both), (("B",), both)]) == both
