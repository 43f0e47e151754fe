"""Values that columns are compared with in the OpenAPI document."""

from functools import lru_cache
from typing import Any

from pydantic import (
    TypeAdapter,
)
from pydantic.json_schema import JsonSchemaValue

from colonnade.models import ColumnShape
from colonnade.query import (
    FieldPath,
    value_type,
)

PLAIN_TEXT = "^[^\\u0000]*$"
"""Text that databases can store; a lone surrogate cannot be encoded in UTF-8 in the first place."""


def value_schema(column: ColumnShape) -> dict[str, Any]:
    """Return the JSON schema of a value that a column is compared with."""
    return dict(_value_schema(column))


@lru_cache(maxsize=4096)
def _value_schema(column: ColumnShape) -> dict[str, Any]:
    schema = TypeAdapter(value_type(column)).json_schema(mode="validation")
    schema.pop("title", None)
    schema.pop("description", None)
    if column.kind in {"text", "path"}:
        schema["pattern"] = PLAIN_TEXT
    if column.kind == "decimal":
        schema = {"type": "number", "minimum": -1e15, "maximum": 1e15, "multipleOf": 1e-6}
    if column.kind == "datetime" and not column.is_aware:
        schema = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$"}
    return schema


def value_of(path: FieldPath) -> JsonSchemaValue:
    """Return the JSON schema of the values of a path in a response."""
    schema: JsonSchemaValue = TypeAdapter(path.shape.annotation.type).json_schema(
        mode="serialization", ref_template="#/components/schemas/{model}"
    )
    schema.pop("title", None)
    definitions = schema.pop("$defs", {})
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rpartition("/")[2]]
        schema.pop("title", None)
    if not path.shape.nullable:
        return schema
    return {"anyOf": [schema, {"type": "null"}]}
