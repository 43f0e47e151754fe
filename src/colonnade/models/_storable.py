"""What fields of schemas take and show: text and JSON that databases can store, bytes as base64.

PostgreSQL stores no NUL in text, and no driver a lone surrogate. JSON has no bytes: Pydantic
decodes them as UTF-8, which most bytes are not.
"""

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping
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

MOST_WRITTEN = 4 * 1024 * 1024
"""Digits that the exponents in a JSON value stand for: PostgreSQL writes 1e308 with 309."""

DEEPEST_JSON = 100
"""How deep a JSON value may be nested: SQLite refuses more than 1,000, Pydantic 255."""

_WRAPPERS = frozenset(("nullable", "default", "function-before", "function-after", "function-wrap"))


def require_storable(text: str) -> str:
    """The text, if databases can store it.

    Raises:
        ValueError: It contains NUL or a lone surrogate.
    """
    if "\0" in text:
        raise ValueError("Text must not contain NUL characters")
    if not text.isascii() and any("\ud800" <= sign <= "\udfff" for sign in text):
        raise ValueError("Text must not contain lone surrogates")
    return text


def require_storable_json(value: Any) -> Any:
    """The value, if it is JSON that every database can store.

    Raises:
        ValueError: A text in it contains NUL, a number is not finite, it is nested too deep, or its
            exponents stand for too many digits.
    """
    try:
        plain = from_json(to_json(value, inf_nan_mode="constants"), allow_inf_nan=True)
    except ValueError as error:
        raise ValueError(f"The value cannot be written as JSON: {error}") from None
    written = 0
    for depth, part in _parts(plain):
        if depth > DEEPEST_JSON:
            raise ValueError(f"JSON nested deeper than {DEEPEST_JSON}")
        if isinstance(part, str):
            require_storable(part)
        elif isinstance(part, float) and part - part != 0:
            raise ValueError("A number must be finite")
        elif isinstance(part, float) and part:
            written += abs(int(log10(abs(part))))
    if written > MOST_WRITTEN:
        raise ValueError(
            f"Written out, the exponents in this JSON have {written:,} digits, and at most "
            f"{MOST_WRITTEN:,} can be stored. Write such numbers as text"
        )
    return value


def _parts(value: Any) -> Iterator[tuple[int, Any]]:
    waiting: list[tuple[int, Any]] = [(0, value)]
    while waiting:
        depth, part = waiting.pop()
        yield depth, part
        if isinstance(part, Mapping):
            waiting += [(depth + 1, item) for item in (*part.keys(), *part.values())]
        elif isinstance(part, list):
            waiting += [(depth + 1, item) for item in part]


class StorableText:
    """Marks a text field: what no database can store is refused as the schema is validated."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        schema: CoreSchema = _with_checked_text(handler(source))
        return schema


def _with_checked_text(schema: Any) -> Any:
    if schema["type"] == "str":
        # Before Pydantic, whose error would repeat a text that no answer can be encoded with.
        return core_schema.no_info_before_validator_function(_storable_text, schema)
    if schema["type"] in _WRAPPERS:
        return {**schema, "schema": _with_checked_text(schema["schema"])}
    return schema


def _storable_text(value: Any) -> Any:
    if type(value) is str and ("\0" in value or not value.isascii()):
        try:
            return require_storable(value)
        except ValueError as error:
            raise ValidationError.from_exception_data("text", [_refused(value, error)]) from None
    return value


def _refused(value: str, error: ValueError, *loc: str) -> InitErrorDetails:
    kind = PydanticCustomError("value_error", "{error}", {"error": str(error)})
    shown = value.encode(errors="replace").decode()
    return {"type": kind, "loc": loc, "input": shown}


class StorableJSON:
    """Marks a field of plain containers: the texts in them are checked as those of fields."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_before_validator_function(_storable_texts, handler(source))


def _storable_texts(value: Any) -> Any:
    """The value, whose containers have no text that cannot be stored."""
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, str):
            _storable_text(part)
        elif isinstance(part, Mapping):
            waiting += [*part.keys(), *part.values()]
        elif isinstance(part, list | tuple | set | frozenset):
            waiting += part
    return value


class Base64JSON:
    """Marks a field of bytes: base64 in JSON, read and written."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_before_validator_function(
            _from_json,
            handler(source),
            serialization=core_schema.plain_serializer_function_ser_schema(
                to_base64, when_used="json-unless-none"
            ),
        )

    def __get_pydantic_json_schema__(
        self, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return _named_base64(handler(core))


def _named_base64(schema: dict[str, Any]) -> dict[str, Any]:
    if schema.get("format") == "binary":
        # Lengths are those of the bytes, which JSON Schema cannot state.
        kept = {name: value for name, value in schema.items() if name not in _LENGTHS}
        return {**kept, "format": "base64"}
    if "anyOf" in schema:
        return {**schema, "anyOf": [_named_base64(choice) for choice in schema["anyOf"]]}
    return schema


_LENGTHS = ("minLength", "maxLength")


def _from_json(value: Any) -> Any:
    return from_base64(value) if isinstance(value, str) else value


def from_base64(text: str) -> bytes:
    """The bytes of a text in base64, of either alphabet.

    Raises:
        ValueError: It is not base64.
    """
    try:
        return b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except ValueError:
        raise ValueError("Bytes are written as base64, such as aGVsbG8=") from None


def to_base64(value: bytes) -> str:
    """Bytes in base64."""
    return b64encode(value).decode()


def mark_fields(fields: Mapping[str, FieldInfo], *, stored: bool) -> None:
    """Mark the fields of a schema whose values databases cannot take as they come.

    Args:
        fields: The fields, whose metadata is added to.
        stored: Whether the values come from a database, which stored them already.
    """
    for field in fields.values():
        mark = _mark_of(field)
        known = any(type(item) is mark for item in field.metadata)
        if mark is not None and not known and not (stored and mark is not Base64JSON):
            # The list is shared with the class that the field was inherited from.
            field.metadata = [*field.metadata, mark()]


def storable_values(model: type[BaseModel], values: Any) -> Any:
    """The values of a row, as a request gives them, with bytes decoded.

    Raises:
        pydantic.ValidationError: A text cannot be stored, or is not base64.
    """
    if not isinstance(values, dict):
        return values
    read = dict(values)
    errors: list[InitErrorDetails] = []
    for name, field in model.model_fields.items():
        key = name if name in values else str(field.alias)
        check, value = _CHECKS.get(_mark_of(field)), values.get(key)
        if check is None or value is None:
            continue
        try:
            read[key] = check(value)
        except ValidationError as error:
            errors += [{**detail, "loc": (key,)} for detail in _details(error)]
        except ValueError as error:
            errors.append(_refused(value, error, key))
    if errors:
        raise ValidationError.from_exception_data(model.__name__, errors)
    return read


def _details(error: ValidationError) -> list[InitErrorDetails]:
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
    Base64JSON: _from_json,
}


def _mark_of(field: FieldInfo) -> Callable[[], Any] | None:
    kind = Annotation.of_field(field)
    if kind.type is str:
        return StorableText
    if _is_container(kind.type):
        return StorableJSON
    if kind.type is bytes and not any(isinstance(item, _OWN_FORMS) for item in kind.metadata):
        return Base64JSON
    return None


def _is_container(kind: Any) -> bool:
    """Whether a type is a list or dict, of what is not a model: a model checks itself."""
    origin = get_origin(kind) or kind
    if origin not in (list, dict, set, frozenset, tuple):
        return False
    waiting = [*get_args(kind)]
    while waiting:
        part = waiting.pop()
        waiting += get_args(part)
        if isinstance(part, type) and issubclass(part, BaseModel):
            return False
    return True


_OWN_FORMS = (EncodedBytes, PlainSerializer, WrapSerializer, Strict)
"""What says itself how bytes are read and written."""
