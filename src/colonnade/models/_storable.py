"""Checks that text and JSON can be stored, and base64 for bytes in JSON.

PostgreSQL cannot store NUL in text, and no driver can encode a lone surrogate. JSON has no bytes:
Pydantic decodes them as UTF-8, which most bytes are not.
"""

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from math import log10
from typing import Any, get_args, get_origin

from pydantic import (
    BaseModel,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    Strict,
    ValidationError,
    WrapSerializer,
)
from pydantic.fields import FieldInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic.types import EncodedBytes
from pydantic_core import (
    CoreSchema,
    InitErrorDetails,
    PydanticCustomError,
    core_schema,
    from_json,
    to_json,
)

from colonnade.models._annotations import Annotation
from colonnade.models._native_types import is_range

MAX_EXPONENT_DIGITS = 4 * 1024 * 1024
"""The maximum number of digits from exponents in JSON: PostgreSQL writes 1e308 with 309 digits."""

MAX_JSON_DEPTH = 100
"""The maximum nesting depth of a JSON value. SQLite allows 1,000 levels, Pydantic 255."""

_WRAPPERS = frozenset(("nullable", "default", "function-before", "function-after", "function-wrap"))


def require_storable(text: str) -> str:
    """Return the text if databases can store it.

    Raises:
        ValueError: It contains NUL or a lone surrogate.
    """
    if "\0" in text:
        raise ValueError("Text must not contain NUL characters")
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("Text must not contain lone surrogates")
    return text


def require_storable_json(value: Any) -> Any:
    """Return the value if it is JSON that every database can store.

    Raises:
        ValueError: A text contains NUL or a lone surrogate, a number is not finite, the nesting is
            too deep, or exponents expand to too many digits.
    """
    try:
        plain = from_json(to_json(value, inf_nan_mode="constants"), allow_inf_nan=True)
    except ValueError as error:
        raise ValueError(f"The value cannot be written as JSON: {error}") from None
    exponent_digits = 0
    for depth, part in _walk(plain):
        if depth > MAX_JSON_DEPTH:
            raise ValueError(f"JSON must not be nested more than {MAX_JSON_DEPTH} levels deep")
        if isinstance(part, str):
            require_storable(part)
        elif isinstance(part, float) and part - part != 0:
            raise ValueError("A number must be finite")
        elif isinstance(part, float) and part:
            exponent_digits += abs(int(log10(abs(part))))
    if exponent_digits > MAX_EXPONENT_DIGITS:
        raise ValueError(
            f"The exponents in this JSON expand to {exponent_digits:,} digits, and at most "
            f"{MAX_EXPONENT_DIGITS:,} can be stored. Write such numbers as text"
        )
    return value


def _walk(value: Any) -> Iterator[tuple[int, Any]]:
    pending: list[tuple[int, Any]] = [(0, value)]
    while pending:
        depth, part = pending.pop()
        yield depth, part
        if isinstance(part, Mapping):
            pending += [(depth + 1, item) for item in (*part.keys(), *part.values())]
        elif isinstance(part, list):
            pending += [(depth + 1, item) for item in part]


class StorableText:
    """Marks a text field: validation refuses text that no database can store."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        schema: CoreSchema = _with_checked_text(handler(source))
        return schema


def _with_checked_text(schema: Any) -> Any:
    if schema["type"] == "str":
        # Check before Pydantic, whose error would contain text that cannot be encoded.
        return core_schema.no_info_before_validator_function(_storable_text, schema)
    if schema["type"] in _WRAPPERS:
        return {**schema, "schema": _with_checked_text(schema["schema"])}
    return schema


def _storable_text(value: Any) -> Any:
    if type(value) is str and ("\0" in value or not value.isascii()):
        try:
            return require_storable(value)
        except ValueError as error:
            raise ValidationError.from_exception_data(
                "text", [_error_details(value, error)]
            ) from None
    return value


def _error_details(value: str, error: ValueError, *loc: str) -> InitErrorDetails:
    kind = PydanticCustomError("value_error", "{error}", {"error": str(error)})
    encodable = value.encode(errors="replace").decode()
    return {"type": kind, "loc": loc, "input": encodable}


class StorableJSON:
    """Marks a field of plain containers: validation checks the texts in them."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_before_validator_function(_storable_texts, handler(source))


def _storable_texts(value: Any) -> Any:
    """The value, if all texts in its containers can be stored."""
    pending = [value]
    while pending:
        part = pending.pop()
        if isinstance(part, str):
            _storable_text(part)
        elif isinstance(part, Mapping):
            pending += [*part.keys(), *part.values()]
        elif isinstance(part, list | tuple | set | frozenset):
            pending += part
    return value


class RangeJSON:
    """Marks a range: an object in JSON, with documented names."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_before_validator_function(_known_parts, handler(source))

    def __get_pydantic_json_schema__(
        self, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        schema = handler(core)
        for choice in schema.get("anyOf", [schema]):
            # The definition of a range that occurs several times is generated, and changed, later.
            with suppress(LookupError):
                definition = handler.resolve_ref_schema(choice)
                if definition.get("type") == "object":
                    definition |= {"description": _RANGE, "additionalProperties": False}
        return schema


_RANGE = "A range of values. A bound of null means no limit; an empty range has no bounds."
_RANGE_PARTS = {"lower", "upper", "bounds", "empty"}


def _known_parts(value: Any) -> Any:
    unknown = value.keys() - _RANGE_PARTS if isinstance(value, dict) else ()
    if unknown:
        raise ValueError(f"A range has lower, upper, bounds and empty, and no {min(unknown)!r}")
    return value


class Base64JSON:
    """Marks a bytes field: base64 in JSON."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_before_validator_function(
            _decode_base64,
            handler(source),
            serialization=core_schema.plain_serializer_function_ser_schema(
                to_base64, when_used="json-unless-none"
            ),
        )

    def __get_pydantic_json_schema__(
        self, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return _with_base64_format(handler(core))


def _with_base64_format(schema: dict[str, Any]) -> dict[str, Any]:
    if schema.get("format") == "binary":
        # The lengths limit the bytes, not the base64 text.
        other_keys = {name: value for name, value in schema.items() if name not in _LENGTHS}
        return {**other_keys, "format": "base64"}
    if "anyOf" in schema:
        return {**schema, "anyOf": [_with_base64_format(choice) for choice in schema["anyOf"]]}
    return schema


_LENGTHS = ("minLength", "maxLength")


def _decode_base64(value: Any) -> Any:
    return from_base64(value) if isinstance(value, str) else value


def from_base64(text: str) -> bytes:
    """Decode base64, in the standard or the URL-safe alphabet.

    Raises:
        ValueError: It is not base64.
    """
    try:
        return b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except ValueError:
        raise ValueError("Bytes must be base64, such as aGVsbG8=") from None


def to_base64(value: bytes) -> str:
    """Encode bytes as base64."""
    return b64encode(value).decode()


def mark_fields(fields: Mapping[str, FieldInfo], *, stored: bool) -> None:
    """Mark the fields of a schema that need a check or conversion for the database.

    Args:
        fields: The fields, whose metadata is changed.
        stored: Whether the values come from the database, and need no check.
    """
    for field in fields.values():
        marker = _marker_of(field)
        is_marked = any(type(item) is marker for item in field.metadata)
        is_check = marker not in (Base64JSON, RangeJSON)
        if marker is not None and not is_marked and not (stored and is_check):
            # The list is shared with the class that the field was inherited from.
            field.metadata = [*field.metadata, marker()]


def storable_values(model: type[BaseModel], values: Any) -> Any:
    """Check the values of a row from a request, and decode bytes.

    Raises:
        pydantic.ValidationError: A text cannot be stored, or is not base64.
    """
    if not isinstance(values, dict):
        return values
    checked = dict(values)
    errors: list[InitErrorDetails] = []
    for name, field in model.model_fields.items():
        key = name if name in values else str(field.alias)
        check, value = _CHECKS.get(_marker_of(field)), values.get(key)
        if check is None or value is None:
            continue
        try:
            checked[key] = check(value)
        except ValidationError as error:
            errors += [{**detail, "loc": (key,)} for detail in _as_value_errors(error)]
        except ValueError as error:
            errors.append(_error_details(value, error, key))
    if errors:
        raise ValidationError.from_exception_data(model.__name__, errors)
    return checked


def _as_value_errors(error: ValidationError) -> list[InitErrorDetails]:
    return [
        {
            "type": PydanticCustomError("value_error", "{error}", {"error": detail["msg"]}),
            "loc": detail["loc"],
            "input": detail["input"],
        }
        for detail in error.errors(include_url=False)
    ]


_CHECKS: Mapping[Any, Callable[[Any], Any]] = {
    StorableText: _storable_text,
    StorableJSON: _storable_texts,
    Base64JSON: _decode_base64,
}


def _marker_of(field: FieldInfo) -> Callable[[], Any] | None:
    kind = Annotation.of_field(field)
    if kind.type is str:
        return StorableText
    if is_range(kind.type):
        return RangeJSON
    if _is_container(kind.type):
        return StorableJSON
    if kind.type is bytes and not any(
        isinstance(item, _CUSTOM_ENCODINGS) for item in kind.metadata
    ):
        return Base64JSON
    return None


def _is_container(kind: Any) -> bool:
    """Whether a type is a container without models, which check themselves."""
    origin = get_origin(kind) or kind
    if origin not in (list, dict, set, frozenset, tuple):
        return False
    pending = [*get_args(kind)]
    while pending:
        part = pending.pop()
        pending += get_args(part)
        if isinstance(part, type) and issubclass(part, BaseModel):
            return False
    return True


_CUSTOM_ENCODINGS = (EncodedBytes, PlainSerializer, WrapSerializer, Strict)
"""Metadata that already defines how bytes are written in JSON."""
