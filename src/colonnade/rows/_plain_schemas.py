"""Schemas whose rows can be validated without an instance for each row."""

from collections.abc import Mapping
from typing import Any

from pydantic import MISSING, BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import SchemaValidator, core_schema

from colonnade.models import Annotation, ColumnShape

_KINDS = frozenset(("text", "literal", "integer", "boolean", "date", "datetime", "uuid"))
"""The kinds of columns whose values Pydantic writes in JSON as PostgreSQL reads them."""


def plain_list_validator(
    schema: type[BaseModel], columns: Mapping[str, ColumnShape]
) -> SchemaValidator | None:
    """Return a validator of a JSON array that makes only the values of each row.

    It makes a tuple for each row, which begins with a dict of all fields. Making an instance of the
    schema takes most of the time of a batch.

    Args:
        schema: The schema of a row.
        columns: The columns of the table, by field.

    Returns:
        The validator; None if the schema has code that needs the instance, fields that are no
        columns, or values that stand for the default of a column.
    """
    core: Any = schema.__pydantic_core_schema__
    is_plain = (
        core["type"] == "model"
        and core["schema"]["type"] == "model-fields"
        and not (core.get("custom_init") or core.get("root_model") or core.get("post_init"))
        and schema.model_config.get("extra") != "allow"
        and all(
            name in columns and _is_plain(field, columns[name])
            for name, field in schema.model_fields.items()
        )
    )
    if not is_plain:
        return None
    return SchemaValidator(core_schema.list_schema(core["schema"]), core.get("config"))


def _is_plain(field: FieldInfo, column: ColumnShape) -> bool:
    """Whether every value of a field is stored as it is."""
    return (
        column.kind in _KINDS
        and field.default is not MISSING
        and field.default_factory is None
        and (column.nullable or not Annotation.of_field(field).nullable)
    )
