"""Why Pydantic has to write a response, instead of the database."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import annotated_types
from pydantic import AllowInfNan, AwareDatetime, BaseModel, NaiveDatetime, Strict
from pydantic.fields import FieldInfo

from colonnade.models import Base64JSON
from colonnade.rows._column_codecs import OutputColumn

_SERIALIZATION_OPTIONS = (
    "ser_json_timedelta", "ser_json_temporal", "ser_json_inf_nan",
    "json_encoders", "extra_fields_behavior", "str_to_lower", "str_to_upper",
    "str_strip_whitespace",
)  # fmt: skip
_CHECK_TYPES = (annotated_types.BaseMetadata, AllowInfNan, Strict, AwareDatetime, NaiveDatetime)
_CHECK_NAMES = frozenset(
    # Of Pydantic (which does not export them), sqlmodel and Colonnade.
    ("_PydanticGeneralMetadata", "PydanticGeneralMetadata", "StringConstraints", "FieldFlags",
     "FieldInfoMetadata", "SetWhenStored", "WithoutNul", "StorableText",
     "StorableJSON", "Base64JSON", "RangeJSON", "NamedValues")
)  # fmt: skip
_CHANGING_OPTIONS = ("strip_whitespace", "to_upper", "to_lower", "coerce_numbers_to_str")


def find_fallback_reasons(
    schema: type[BaseModel], columns: Mapping[str, OutputColumn], ignored: Collection[str]
) -> Iterator[str]:
    """Why the database cannot write rows as this schema does.

    Args:
        schema: The schema of a row.
        columns: The columns in the response, by field name.
        ignored: The other fields that are columns or relations of the table.
    """
    decorators = schema.__pydantic_decorators__
    name = schema.__name__
    for kind, decorated in (
        ("a computed field", decorators.computed_fields),
        ("a serializer", decorators.field_serializers),
        ("a serializer", decorators.model_serializers),
        ("a validator", decorators.field_validators),
        ("a validator", decorators.model_validators),
    ):
        for function_name in decorated:
            yield f"{name}.{function_name} is {kind}"
    for option in _SERIALIZATION_OPTIONS:
        if schema.model_config.get(option) not in (None, False):
            yield f"{name} has model_config[{option!r}]"
    if schema.model_config.get("extra") == "allow":
        yield f"{name} allows extra fields"
    for field_name, field in schema.model_fields.items():
        if field.exclude:
            continue
        output = columns.get(field_name)
        if output is not None:
            yield from _field_reasons(f"{name}.{field_name}", field, output)
        elif field_name not in ignored:
            yield f"{name}.{field_name} is not a column"


def _field_reasons(path: str, field: FieldInfo, output: OutputColumn) -> Iterator[str]:
    if output.codec.fallback_reason is not None:
        yield f"{path}: {output.codec.fallback_reason}"
    if field.exclude_if is not None:
        yield f"{path} has exclude_if"
    for item in field.metadata:
        if not _only_checks(item):
            yield f"{path} has {type(item).__name__}, which may change the value"
    if output.column.kind == "bytes" and not any(isinstance(i, Base64JSON) for i in field.metadata):
        yield f"{path} does not write bytes as base64, unlike Colonnade's schemas"
    if not output.column.accepts(field):
        yield f"{path} has another type than its column"


def _only_checks(item: Any) -> bool:
    """Whether an item of a field's metadata never changes the value."""
    if any(getattr(item, name, None) for name in _CHANGING_OPTIONS):
        return False
    if isinstance(item, _CHECK_TYPES) or item in (AwareDatetime, NaiveDatetime):
        return True
    return type(item).__name__ in _CHECK_NAMES
