"""Which fields a schema serializes itself, so that responses show other values than are stored."""

from pydantic import BaseModel, PlainSerializer, WrapSerializer

from colonnade.models import Annotation


def is_serialized(schema: type[BaseModel], name: str) -> bool:
    """Whether a serializer writes a field of a schema.

    Args:
        schema: The schema.
        name: The name of the field.
    """
    decorators = schema.__pydantic_decorators__
    if decorators.model_serializers:
        return True
    fields = {field for each in decorators.field_serializers.values() for field in each.info.fields}
    metadata = Annotation.of_field(schema.model_fields[name]).metadata
    return bool(fields & {name, "*"}) or any(
        isinstance(item, PlainSerializer | WrapSerializer) for item in metadata
    )
