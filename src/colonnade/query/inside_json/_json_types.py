"""``JSONType``: what an annotation says about the values in a JSON column."""

import dataclasses
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cached_property
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

from pydantic import BaseModel, NaiveDatetime
from pydantic_core import to_jsonable_python
from sqlalchemy import BigInteger, Boolean, DateTime, Double, Numeric, String, types
from sqlalchemy.types import TypeEngine

from colonnade.models import Annotation, ColumnShape, UTCDateTime, value_shape
from colonnade.query.inside_json._json_functions import (
    json_boolean,
    json_datetime,
    json_decimal,
    json_iso_text,
    json_number,
    json_string,
    json_text,
)

JSONForm = Literal["scalar", "list", "object", "map", "any", "opaque"]
"""``map``: an object with any names. ``any``: the annotation allows every JSON type. ``opaque``:
values that cannot be compared, such as durations."""

ScalarKind = Literal["text", "number", "boolean"]
"""The JSON type of a value whose annotation allows every type."""


class JSONText(types.TypeDecorator[Any]):
    """A value that JSON has as text, such as a date, in the form in which Pydantic writes it."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return to_jsonable_python(value)


class JSONInteger(types.TypeDecorator[Any]):
    """A value that JSON has as an integer, such as the member of an enum."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return to_jsonable_python(value)


class JSONNumber(types.TypeDecorator[Any]):
    """A number of any type, which is compared with all of its digits."""

    impl = Double
    cache_ok = True

    def load_dialect_impl(self, dialect: Any) -> TypeEngine[Any]:
        # SQLAlchemy would round the value of a Double to a float; that of an integer it passes on.
        kind = Numeric() if dialect.name == "postgresql" else BigInteger()
        return dialect.type_descriptor(kind)  # type: ignore[no-any-return]  # untyped

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return Decimal(repr(value)) if dialect.name == "postgresql" else value


@dataclasses.dataclass(frozen=True, slots=True)
class _Scalar:
    """How a kind of value is read from JSON.

    Attributes:
        function: The SQL function.
        type: The type of the function.
        is_matched: Whether a value can be found by containment: it has only one form.
    """

    function: Callable[..., Any]
    type: TypeEngine[Any]
    is_matched: bool = True


_TEXT = _Scalar(json_text, JSONText())
_ISO_TEXT = _Scalar(json_iso_text, JSONText())
_INTEGER = _Scalar(json_number, JSONInteger())
_SCALARS: Mapping[str, _Scalar] = {
    "text": _TEXT,
    "path": _TEXT,
    "ip": _TEXT,
    "uuid": _ISO_TEXT,
    "date": _ISO_TEXT,
    "time": _ISO_TEXT,
    "integer": _INTEGER,
    "float": _Scalar(json_number, Double()),
    "boolean": _Scalar(json_boolean, Boolean()),
    "decimal": _Scalar(json_decimal, Numeric(asdecimal=True), is_matched=False),
}
_AWARE = _Scalar(json_datetime, UTCDateTime(), is_matched=False)
_NAIVE = _Scalar(json_datetime, DateTime(), is_matched=False)


class JSONType:
    """The type of a value in a JSON column.

    Args:
        annotation: The analyzed annotation.
    """

    def __init__(self, annotation: Annotation) -> None:
        self.annotation = annotation

    @cached_property
    def form(self) -> JSONForm:
        """The form of the value."""
        kind = self.annotation.type
        origin = get_origin(kind) or kind
        if kind is Any or kind is object or origin is Union or origin is UnionType:
            return "any"
        if is_typeddict(origin) or dataclasses.is_dataclass(origin):
            return "object"
        if isinstance(origin, type):
            if issubclass(origin, BaseModel):
                return "object"
            if issubclass(origin, dict):
                return "map"
            if issubclass(origin, list | set | frozenset | tuple):
                return "list"
        return "opaque" if self._scalar is None else "scalar"

    @cached_property
    def shape(self) -> ColumnShape:
        """The shape of the value, as that of a column with the annotation."""
        scalar = self._scalar
        column_type = None if scalar is None else scalar.type
        return value_shape("value", self.annotation, column_type)

    @cached_property
    def function(self) -> Callable[..., Any]:
        """The SQL function that reads a scalar."""
        return json_text if self._scalar is None else self._scalar.function

    @property
    def is_matched(self) -> bool:
        """Whether a value can be found by containment."""
        return self.form == "any" or (self._scalar is not None and self._scalar.is_matched)

    @cached_property
    def _scalar(self) -> _Scalar | None:
        kind = value_shape("value", self.annotation).kind
        if kind == "datetime":
            return _NAIVE if self.annotation.type is NaiveDatetime else _AWARE
        if kind in {"literal", "enum"}:
            values = get_args(self.annotation.type) or tuple(self.annotation.type)
            texts = [isinstance(to_jsonable_python(value), str) for value in values]
            return _TEXT if all(texts) else None if any(texts) else _INTEGER
        return _SCALARS.get(kind)

    @cached_property
    def members(self) -> Mapping[str, "JSONType"]:
        """The members of an object, by name; empty for other forms."""
        if self.form != "object":
            return {}
        model = get_origin(self.annotation.type) or self.annotation.type
        if not issubclass(model, BaseModel):
            hints = get_type_hints(model, include_extras=True)
            return {name: JSONType(Annotation.of(hint)) for name, hint in hints.items()}
        by_alias = model.model_config.get("serialize_by_alias")
        return {
            (field.serialization_alias if by_alias else None) or name: JSONType(
                Annotation.of_field(field)
            )
            for name, field in model.model_fields.items()
            if not field.exclude
        }

    @cached_property
    def element(self) -> "JSONType":
        """The type of the elements of a list, or of the members of a map."""
        arguments = [part for part in get_args(self.annotation.type) if part is not Ellipsis]
        if self.form == "map":
            arguments = arguments[1:]
        types_of_elements = set(map(str, arguments))
        known = arguments[0] if len(types_of_elements) == 1 else Any
        return JSONType(Annotation.of(known))


class ScalarType(JSONType):
    """The type of a value whose annotation allows every JSON type, and that has this one.

    Args:
        kind: The JSON type.
    """

    def __init__(self, kind: ScalarKind) -> None:
        python_types: dict[ScalarKind, Any] = {"text": str, "number": float, "boolean": bool}
        super().__init__(Annotation.of(python_types[kind]))
        if kind == "text":
            self.function = json_string
        if kind == "number":
            self.shape = value_shape("value", self.annotation, JSONNumber())


SCALAR_TYPES: Mapping[ScalarKind, ScalarType] = {
    "text": ScalarType("text"),
    "number": ScalarType("number"),
    "boolean": ScalarType("boolean"),
}
LENGTH = value_shape("length", Annotation.of(int), BigInteger())
"""The shape of the length of a list."""
