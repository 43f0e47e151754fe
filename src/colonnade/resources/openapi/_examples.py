"""Examples of values and request bodies, for the OpenAPI document.

An example is made from a JSON schema, so that it is valid. The ``examples`` of a field come first:
``Field(examples=["Write the report"])``.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from itertools import product
from math import ceil, floor
from typing import Any

JsonSchema = Mapping[str, Any]
Resolve = Callable[[JsonSchema], JsonSchema]
"""Returns the schema that a ``$ref`` refers to, and any other schema as it is."""

_FORMATS: dict[str, str] = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "duration": "PT1H30M",
    "email": "ana@example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "time": "12:00:00",
    "uri": "https://example.com/",
    "uuid": "5f0c2c1e-6a1b-4d0e-9b0a-2f6a4d1e7c3b",
}
_PATTERN_TEXTS = (
    "example", "Example", "EXAMPLE", "example-1", "example_1", "@example", "#example", "EX-1", "A1",
    "ana@example.com", "https://example.com", "+4930123456", "#4a90d9", "1.0", "DE", "EUR", "a",
)  # fmt: skip
"""Texts that patterns for slugs, handles, codes, colours and the like often match."""
_MAX_DIGITS = 20


class NoExampleError(Exception):
    """No example is known for a schema."""


def example_of(schema: JsonSchema, resolve: Resolve, name: str = "value") -> Any:
    """Return an example of a JSON schema.

    Args:
        schema: The schema.
        resolve: Resolves references.
        name: The name of the field, from which a text is made.

    Raises:
        NoExampleError: None is known, as for a pattern that no common text matches.
    """
    schema = resolve(schema)
    for key in ("examples", "enum"):
        if schema.get(key):
            return schema[key][0]
    if "const" in schema:
        return schema["const"]
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return _first_example(schema[key], resolve, name)
    return _typed_example(schema, resolve, name)


def _first_example(schemas: list[JsonSchema], resolve: Resolve, name: str) -> Any:
    for schema in schemas:
        if resolve(schema).get("type") != "null":
            try:
                return example_of(schema, resolve, name)
            except NoExampleError:
                continue
    if any(resolve(schema).get("type") == "null" for schema in schemas):
        return None
    raise NoExampleError(name)


def _typed_example(schema: JsonSchema, resolve: Resolve, name: str) -> Any:
    match schema.get("type"):
        case "string":
            return _text(schema, name)
        case "integer" | "number":
            return _number(schema)
        case "boolean":
            return True
        case "null":
            return None
        case "array":
            items = schema.get("items", {})
            count = max(1, schema.get("minItems", 0)) if items else schema.get("minItems", 0)
            return [example_of(items, resolve, name)] * count
        case "object":
            return object_example(schema, resolve)
        case _:
            raise NoExampleError(name)


def object_example(schema: JsonSchema, resolve: Resolve) -> dict[str, Any]:
    """Return an example of an object: its required fields, and simple ones with a default.

    A field that may be null, such as the key of a row that may not exist, is left out.

    Raises:
        NoExampleError: No example is known for a required field.
    """
    required = schema.get("required", ())
    example: dict[str, Any] = {}
    for name, field in schema.get("properties", {}).items():
        resolved = resolve(field)
        if name in required:
            example[name] = example_of(field, resolve, name)
        elif resolved.get("examples"):
            example[name] = resolved["examples"][0]
        elif resolved.get("default") not in (None, [], {}):
            example[name] = resolved["default"]
    return example


def field_example(schema: JsonSchema, resolve: Resolve, exclude: Collection[str]) -> dict[str, Any]:
    """Return an example of one field of an object; empty if none is known.

    Args:
        schema: The schema of the object.
        resolve: Resolves references.
        exclude: Names of fields that are not used.
    """
    for name, field in schema.get("properties", {}).items():
        is_nullable = any(resolve(part).get("type") == "null" for part in field.get("anyOf", ()))
        if name not in exclude and not is_nullable:
            with suppress(NoExampleError):
                return {name: example_of(field, resolve, name)}
    return {}


def _text(schema: JsonSchema, name: str) -> str:
    if schema.get("format") in _FORMATS:
        return _FORMATS[schema["format"]]
    least, most = schema.get("minLength", 0), schema.get("maxLength", 10**6)
    pattern = schema.get("pattern")
    for text in _texts(name, least):
        if least <= len(text) <= most and (pattern is None or re.search(pattern, text)):
            return text
    raise NoExampleError(name)


def _texts(name: str, least: int) -> Iterator[str]:
    words = name.replace("_", " ")
    yield f"Example {words}"
    yield from _PATTERN_TEXTS
    for digits in range(1, _MAX_DIGITS + 1):
        yield ("1234567890" * 2)[:digits]
    for prefix, digits in product(("EX-", "A", "AB"), range(1, 6)):
        yield prefix + "12345"[:digits]
    yield "Example " * (least // 8 + 1)


def _number(schema: JsonSchema) -> float:
    is_integer = schema.get("type") == "integer"
    step = schema.get("multipleOf", 1)
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    least = schema.get("minimum", above)
    most = schema.get("maximum", below)
    value = step if least is None or least <= step else step * ceil(least / step)
    if least is None and most is not None:
        value = min(value, step * floor(most / step))
    if value == above:
        value += step
    if value == below:
        value -= step
    if most is not None and value > most and least is not None:
        value = (least + most) / 2  # a narrow range of fractions
    return int(value) if is_integer else value
