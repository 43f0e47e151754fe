"""Schemas whose rows can be validated without an instance for each row."""

from collections.abc import Mapping
from typing import Any

from pydantic import MISSING, BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import SchemaValidator, core_schema

from colonnade.models import Annotation, ColumnShape

_KINDS = frozenset(("text", "literal", "integer", "boolean", "date", "datetime", "uuid"))
"""The kinds of columns whose values Pydantic writes in JSON as PostgreSQL reads them."""


def plain_validator(schema: type[BaseModel], *, many: bool = False) -> SchemaValidator | None:
    """Return a validator of JSON that makes only the values of a row.

    It makes a tuple: a dict of all fields, extra fields, and the names that the JSON has. Making an
    instance of the schema as well takes longer than to validate.

    Args:
        schema: The schema of a row.
        many: Whether the JSON is an array of rows.

    Returns:
        The validator; None if the schema has code that needs the instance.
    """
    core: Any = schema.__pydantic_core_schema__
    is_plain = (
        core["type"] == "model"
        and core["schema"]["type"] == "model-fields"
        and not (core.get("custom_init") or core.get("root_model") or core.get("post_init"))
        and schema.model_config.get("extra") != "allow"
    )
    if not is_plain:
        return None
    fields = core_schema.list_schema(core["schema"]) if many else core["schema"]
    return SchemaValidator(fields, core.get("config"))


def stores_as_they_are(schema: type[BaseModel], columns: Mapping[str, ColumnShape]) -> bool:
    """Whether all fields of a schema are columns that store every value as JSON has it.

    Args:
        schema: The schema of a row.
        columns: The columns of the table, by field.
    """
    return all(
        name in columns and _is_stored_as_it_is(field, columns[name])
        for name, field in schema.model_fields.items()
    )


def _is_stored_as_it_is(field: FieldInfo, column: ColumnShape) -> bool:
    """Whether a column stores the values of a field, and none stands for its default."""
    return (
        column.kind in _KINDS
        # PostgreSQL ignores the offset of a text for a column without a time zone.
        and (column.kind != "datetime" or column.is_aware)
        and field.default is not MISSING
        and field.default_factory is None
        and (column.nullable or not Annotation.of_field(field).nullable)
    )
