"""Which columns of PostgreSQL's types cannot be served, why, and what to do instead."""

from collections.abc import Iterator
from typing import Any, NamedTuple, get_args

from sqlalchemy import (
    ARRAY,
    JSON,
    Boolean,
    Date,
    DateTime,
    Float,
    Integer,
    Interval,
    Numeric,
    String,
    Time,
    TypeDecorator,
    Uuid,
)
from sqlalchemy import Enum as NativeEnum
from sqlalchemy.types import TypeEngine

from colonnade.models import (
    MULTIRANGES,
    RANGES,
    SCALARS,
    TEXT_FORMS,
    ColumnShape,
    element_of,
    holds_scalar,
    type_name,
    type_on,
)

# The kinds of items that an array of a type holds, from the most specific type.
_ITEM_KINDS: tuple[tuple[type[TypeEngine[Any]], tuple[str, ...]], ...] = (
    (NativeEnum, ("literal", "enum")),
    (String, ("text", "literal")),
    (Boolean, ("boolean",)),
    (Integer, ("integer", "literal")),
    (Float, ("float",)),
    (Numeric, ("decimal",)),
    (DateTime, ("datetime",)),
    (Date, ("date",)),
    (Time, ("time",)),
    (Interval, ("timedelta",)),
    (Uuid, ("uuid",)),
    (ARRAY, ("json", "other")),
    (JSON, ("json",)),
)
_JSON_ITEMS = frozenset(("text", "integer", "float", "boolean", "literal", "other"))
"""The kinds of items that SQLAlchemy's ``JSON`` writes."""


class Refusal(NamedTuple):
    """Why a column cannot be served, and what to do in the model.

    Attributes:
        why: The reason, as a sentence.
        fix: What to do, in the imperative; None if only the schemas can help.
    """

    why: str
    fix: str | None = None


def read_refusal(column: ColumnShape) -> Refusal | None:
    """Why a column cannot be read; None if it can.

    Args:
        column: The column.
    """
    if column.python_type is Any:
        return None  # read as text
    return next(_mismatches(column), None)


def write_refusal(column: ColumnShape) -> Refusal | None:
    """Why a column cannot be written; None if it can.

    Args:
        column: The column.
    """
    refusal = read_refusal(column)
    if refusal is not None:
        return refusal
    name = type_name(column.stored_type)
    is_native = name in SCALARS or name in RANGES or name in MULTIRANGES
    if name in TEXT_FORMS:
        return Refusal(f"only PostgreSQL can read the text of a value of {name.upper()}")
    if is_native and column.python_type is Any:
        return Refusal(f"Any says nothing about the values of {name}", _annotate(name))
    if type_name(column.column.type) == "DOMAIN" and isinstance(
        column.stored_type, JSON | TypeDecorator
    ):
        return Refusal("SQLAlchemy does not convert the values of a domain of this type")
    return _variant_refusal(column) if is_native or isinstance(column.stored_type, ARRAY) else None


def _mismatches(column: ColumnShape) -> Iterator[Refusal]:
    """Why the annotation does not fit the type."""
    stored = column.stored_type
    name = type_name(stored)
    wrong = Refusal(f"{name} does not hold {_annotation(column)}", _annotate(name))
    element = element_of(column)
    if name in SCALARS:
        if not holds_scalar(name, column.python_type):
            yield wrong
    elif name in RANGES or name in MULTIRANGES:
        if element is None or any(_element_mismatches(element)):
            yield wrong
    elif isinstance(stored, ARRAY):
        if element is None and column.kind not in {"json", "other"}:
            yield wrong
        elif element is not None:
            yield from _element_mismatches(element)


def _element_mismatches(element: ColumnShape) -> Iterator[Refusal]:
    stored = element.stored_type
    name = type_name(stored)
    is_open = element.kind == "other" and name not in TEXT_FORMS  # Any, or a union
    if isinstance(stored, TypeDecorator) or (is_open and name not in RANGES):
        return
    if name in SCALARS or name in RANGES or isinstance(stored, ARRAY):
        yield from _mismatches(element)
        return
    kinds: tuple[str, ...] = ("timedelta",) if name == "INTERVAL" else ()
    kinds = next((known for kind, known in _ITEM_KINDS if isinstance(stored, kind)), kinds)
    is_model = isinstance(stored, JSON) and not _is_dictionary(element.python_type)
    if element.kind not in kinds or is_model:
        held = name.upper().replace("_", " ")
        yield Refusal(f"an ARRAY of {held} does not hold {_annotation(element)}", "use JSON")


def _is_dictionary(annotation: Any) -> bool:
    return (getattr(annotation, "__origin__", None) or annotation) is dict


def _variant_refusal(column: ColumnShape) -> Refusal | None:
    """Why the variant of a native type on SQLite, if it has any, does not hold its values."""
    stored = type_on(column.column.type, "sqlite")
    if stored is column.stored_type or isinstance(stored, TypeDecorator):
        return None
    if type_name(column.stored_type) in SCALARS and column.python_type is not str:
        why = f"its variant on SQLite is text, which does not hold {_annotation(column)}"
        return Refusal(why, "annotate it as str")
    element = element_of(column)
    while element is not None and isinstance(element.stored_type, ARRAY):
        element = element_of(element)
    if isinstance(stored, JSON) and element is not None and element.kind not in _JSON_ITEMS:
        why = f"its variant on SQLite is JSON, which does not hold {_annotation(element)}"
        return Refusal(why, "use JSON on both databases")
    return None


def _annotation(column: ColumnShape) -> str:
    kind = column.python_type
    return str(kind if get_args(kind) else getattr(kind, "__name__", kind))


def _annotate(name: str) -> str:
    return f"annotate it as {_expected(name)}"


def _expected(name: str) -> str:
    """The annotations that fit a type."""
    if name in SCALARS:
        return " or ".join(kind.__name__ for kind in SCALARS[name])
    if name in RANGES:
        return f"Range[{RANGES[name][1]}] (from sqlalchemy.dialects.postgresql)"
    if name in MULTIRANGES:
        return f"list[Range[{RANGES[MULTIRANGES[name]][1]}]] (from sqlalchemy.dialects.postgresql)"
    return "list[...]"
