"""Request bodies in the OpenAPI document."""

from collections.abc import Collection, Iterable, Mapping
from functools import cached_property
from math import nextafter
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    GetJsonSchemaHandler,
    WithJsonSchema,
    create_model,
)
from pydantic.json_schema import JsonSchemaValue

from colonnade.models import ColumnShape
from colonnade.query import (
    value_type,
)
from colonnade.resources.openapi._documented_as import DocumentedAs, Refs
from colonnade.resources.openapi._examples import (
    NoExampleError,
    field_example,
    object_example,
)
from colonnade.resources.openapi._values import value_schema


class Body(DocumentedAs):
    """A request body.

    Args:
        schema: The schema of the body, or of each item of an array.
        exclude: Fields of the schema that the body does not have.
        extra_columns: Columns that the body has besides the fields of the schema, by name.
        max_items: The maximum length of the array; None if the body is a single object.
        changed_name: What the name of a schema without some fields ends with.
        mentioned: Types that the parameters of the route refer to.
    """

    def __init__(
        self,
        schema: type[BaseModel],
        *,
        exclude: frozenset[str] = frozenset(),
        extra_columns: Mapping[str, ColumnShape] | None = None,
        max_items: int | None = None,
        changed_name: str = "Link",
        mentioned: Iterable[Any] = (),
    ) -> None:
        self._mentioned = list(mentioned)
        self.schema = schema
        self.changed_name = changed_name
        self.exclude = exclude
        self.extra_columns = extra_columns or {}
        self.max_items = max_items

    @property
    def identity(self) -> object:
        return Body, self.schema, self.exclude, self.changed_name, len(self._mentioned)

    @cached_property
    def model(self) -> type[BaseModel]:
        """The model of the body or of an item; it is made with the document."""
        name = self.schema.__name__
        if not self.exclude and not self.extra_columns:
            return self.schema
        if self.exclude:
            name = name.removesuffix("Create").removesuffix("Update") + self.changed_name
        if self.extra_columns:
            name += "WithKey"
        return _changed(self.schema, name, self.exclude, self.extra_columns)

    def types(self) -> list[Any]:
        return [self.model]

    def parameter_types(self) -> list[Any]:
        return self._mentioned

    def document(self, refs: Refs, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        row = refs[self.model]
        if self.max_items is not None:
            row = {"type": "array", "items": row, "minItems": 1, "maxItems": self.max_items}
        try:
            example = self.example()
        except NoExampleError:
            return row
        return {**row, "examples": [example if self.max_items is None else [example]]}

    def example(self) -> dict[str, Any]:
        """Return an example of the body, or of an item.

        Raises:
            NoExampleError: No example is known for a required field.
        """
        return body_example(self.model, self.extra_columns)


def body_example(model: type[BaseModel], key: Collection[str] = ()) -> dict[str, Any]:
    """Return an example of a body.

    Args:
        model: The model of the body.
        key: The fields that name the row, and are not an example of a change.

    Raises:
        NoExampleError: No example is known for a required field.
    """
    whole = model.model_json_schema()
    definitions = whole.get("$defs", {})

    def resolve(part: Mapping[str, Any]) -> Mapping[str, Any]:
        name = part.get("$ref", "").rpartition("/")[2]
        return {**definitions[name], **part} if name else part

    schema = resolve(whole)  # that of a tree is a reference
    example = object_example(schema, resolve)
    if example.keys() <= set(key):  # nothing is required in an update
        example |= field_example(schema, resolve, key)
    return example


def _float_bounds(schema: dict[str, Any]) -> dict[str, Any]:
    """Move bounds of 64 bits to the next float inside them.

    FastAPI writes the bounds in components as floats, which readers round to integers outside.
    """
    bounds = {
        key: int(nextafter(schema[key], 0))
        for key in ("minimum", "maximum")
        if abs(schema.get(key, 0)) > 2**53
    }
    return {**schema, **bounds}


def _changed(
    schema: type[BaseModel],
    name: str,
    exclude: frozenset[str] = frozenset(),
    extra: Mapping[str, ColumnShape] | None = None,
) -> type[BaseModel]:
    """A model for the document alone: a schema without some fields, or with the key of a row."""
    fields: dict[str, Any] = {}
    for key, column in (extra or {}).items():
        fields[key] = key_field(column)
    for key, field in schema.model_fields.items():
        if key not in exclude and key not in fields:
            fields[key] = (field.annotation, field)
    return create_model(
        name, __config__=schema.model_config, __doc__=schema.__doc__, __module__=schema.__module__,
        **fields,
    )  # fmt: skip


def key_field(column: ColumnShape) -> tuple[Any, Any]:
    """Return the required field of a model for the value of a key column."""
    documented = _float_bounds(value_schema(column))
    if column.field.examples:
        documented["examples"] = column.field.examples
    return Annotated[value_type(column), WithJsonSchema(documented)], ...
