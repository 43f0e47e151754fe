"""From a field to its column: the type a field gets where sqlmodel has none, or a lesser one."""

import dataclasses
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, is_typeddict
from uuid import UUID

from pydantic import (
    AwareDatetime,
    BaseModel,
    NaiveDatetime,
    Secret,
    SecretBytes,
    SecretStr,
    TypeAdapter,
)
from pydantic.errors import PydanticUserError
from pydantic.fields import FieldInfo
from pydantic.networks import EmailStr
from pydantic_core import PydanticUndefined as Undefined
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Float,
    Integer,
    Interval,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Time,
    Uuid,
)
from sqlalchemy import Enum as NativeEnum
from sqlalchemy.types import TypeEngine, UserDefinedType
from sqlmodel import AutoString
from sqlmodel.main import FieldInfoMetadata

from colonnade.errors import ColumnTypeError, ModelError
from colonnade.models._annotations import Annotation
from colonnade.models._fields import column_options, flags_of
from colonnade.models._types import (
    EXACT_DIGITS,
    INT32,
    TEXT_TYPES,
    ExactDecimal,
    JSONValue,
    TextValue,
    UTCDateTime,
    bound_as_text,
    enum_type,
    is_integer,
)

_SCALARS: tuple[tuple[type[Any], type[TypeEngine[Any]]], ...] = (
    (str, AutoString),  # without a length: the CHECK holds it, with one error on every database
    (EmailStr, AutoString),
    (float, Float),
    (bool, Boolean),
    (int, Integer),
    (date, Date),
    (time, Time),
    (timedelta, Interval),
    (bytes, LargeBinary),
    (UUID, Uuid),
)
_JSON_CLASSES = (list, dict, set, frozenset, tuple)


def prepare_columns(model: type[BaseModel]) -> None:
    """Give each field of a table-to-be the column type that sqlmodel then builds a column of.

    Raises:
        ColumnTypeError: A field has a type that no column can hold.
        ModelError: It has no primary key.
    """
    fields = model.__pydantic_fields__
    for name in [name for name, field in fields.items() if flags_of(field).role is not None]:
        fields[name] = fields.pop(name)  # what keeps itself comes last in the table
    _choose_key(model)
    for name, field in fields.items():
        # The schemas made from the table keep to ``frozen``; a row under construction cannot.
        if field.frozen:
            flags = dataclasses.replace(flags_of(field), frozen=True)
            field.metadata = [flags, *field.metadata]
            field.frozen = None
        options = column_options(field)
        if options.sa_column is not Undefined:
            _set_option(field, options, sa_column=_own_column(options.sa_column))
            continue
        changed: dict[str, Any] = {}
        if options.sa_type is Undefined:
            changed["sa_type"] = _column_type(field, options, f"{model.__name__}.{name}")
        else:
            changed["sa_type"] = _named_type(field, options.sa_type)
        if _is_key(field):
            changed["sa_type"] = _counted_on_sqlite(changed["sa_type"])
        if options.nullable is Undefined and Annotation.of_field(field).nullable:
            changed["nullable"] = options.primary_key is not True
        _set_option(field, options, **changed)


def _choose_key(model: type[BaseModel]) -> None:
    """A table that names no primary key has ``id``, if there is a field of that name."""
    fields = model.__pydantic_fields__
    arguments = getattr(model, "__table_args__", ())
    if any(_is_key(field) for field in fields.values()) or any(
        isinstance(argument, PrimaryKeyConstraint) for argument in arguments
    ):
        return
    if "id" not in fields:
        raise ModelError(
            f"{model.__name__} is a table without a primary key. Add one, such as "
            f"id: int | None = Field(default=None, primary_key=True)."
        )
    _set_option(fields["id"], column_options(fields["id"]), primary_key=True)


def _is_key(field: FieldInfo) -> bool:
    options = column_options(field)
    return options.primary_key is True or bool(getattr(options.sa_column, "primary_key", False))


def _own_column(column: Any) -> Any:
    """A column of the table's own: one object given in a shared base can have one table only."""
    if not isinstance(column, Column):
        return column
    copied = column._copy()
    if copied.primary_key:
        copied.type = _counted_on_sqlite(copied.type)
    return copied


def _named_type(field: FieldInfo, sa_type: Any) -> Any:
    """The type that a field names, or where that is text, one that reads the field's type of it."""
    kind = Annotation.of_field(field).type
    text = sa_type() if isinstance(sa_type, type) else sa_type
    is_text = isinstance(text, AutoString | String) and not isinstance(text, NativeEnum)
    if is_text and isinstance(kind, type) and issubclass(kind, TEXT_TYPES):
        return TextValue(kind, getattr(text, "length", None))
    return bound_as_text(text) if isinstance(text, UserDefinedType) else sa_type


def _counted_on_sqlite(sa_type: Any) -> Any:
    """The type of a key: SQLite counts up an INTEGER PRIMARY KEY, of 64 bits, but not a BIGINT.

    https://sqlite.org/lang_createtable.html#rowid
    """
    kind = sa_type() if isinstance(sa_type, type) else sa_type
    return kind.with_variant(Integer(), "sqlite") if type(kind) is BigInteger else sa_type


def _set_option(field: FieldInfo, options: FieldInfoMetadata, **changed: Any) -> None:
    # The metadata is shared with the class the field was inherited from: replace, never change.
    new = dataclasses.replace(options, **changed)
    field.metadata = [item for item in field.metadata if item is not options] + [new]


def _column_type(field: FieldInfo, options: FieldInfoMetadata, where: str) -> TypeEngine[Any]:
    annotation = Annotation.of_field(field)
    kind = annotation.type
    _refuse_open_type(annotation, where)
    if get_origin(kind) is Literal:
        return _literal_type(kind, where)
    if is_json(kind):
        return _json_type(kind, where)
    if not isinstance(kind, type):
        raise ColumnTypeError(
            f"{where}: no column holds {_name(kind)}. Use one type, None aside, or name a column "
            f"type with Field(sa_type=...)."
        )
    if issubclass(kind, Enum):
        return enum_type(kind)
    if issubclass(kind, Decimal):
        return _decimal_type(annotation, where)
    if issubclass(kind, TEXT_TYPES):
        return TextValue(kind)
    if issubclass(kind, (datetime, AwareDatetime, NaiveDatetime)):
        return DateTime() if _is_naive(annotation) else UTCDateTime()
    if issubclass(kind, int) and options.primary_key is not True and _is_wide(annotation):
        return BigInteger()
    for python_type, column_type in _SCALARS:
        if issubclass(kind, python_type):
            return column_type()
    advice = "Name a column type with Field(sa_type=...), or make it a Pydantic model, which is "
    advice += "stored as JSON."
    if issubclass(kind, Secret | SecretStr | SecretBytes):
        advice = "Use text that no response shows: str = Field(secret=True)."
    raise ColumnTypeError(f"{where}: no column holds {_name(kind)}. {advice}")


def _refuse_open_type(annotation: Annotation, where: str) -> None:
    """Refuse a type that is only a name, or a parameter of a generic class."""
    kind = annotation.type
    if annotation.is_unresolved:
        raise ColumnTypeError(
            f"{where}: the type {_name(kind)} is not known where the table is defined. Define or "
            f"import it above the class (an import under TYPE_CHECKING does not count); "
            f"if it is another table, make the field a Relationship()."
        )
    if isinstance(kind, TypeVar):
        model = where.partition(".")[0]
        raise ColumnTypeError(
            f"{where}: {kind} is a type variable, and a column has one type. Name it where the "
            f"table is defined: class {model}(Base[int], table=True)."
        )


def explain_schema_error(
    name: str, annotations: Mapping[str, Any], error: PydanticUserError
) -> ColumnTypeError | None:
    """Which field of a table Pydantic could not make a schema of, if it is one of them."""
    for field, annotation in annotations.items():
        try:
            TypeAdapter(annotation)
        except PydanticUserError as cause:
            if cause.code == error.code:
                return ColumnTypeError(
                    f"{name}.{field}: {_name(annotation)} cannot be stored, as JSON or otherwise: "
                    f"{error.message.splitlines()[0]}"
                )
        except NameError:
            continue
    return None


def _name(kind: Any) -> str:
    text = getattr(kind, "__forward_arg__", None) or getattr(kind, "__name__", None)
    return str(kind if text is None or get_args(kind) else text)


def _literal_type(kind: Any, where: str) -> TypeEngine[Any]:
    values = get_args(kind)
    if all(isinstance(value, str) and not isinstance(value, Enum) for value in values):
        return AutoString()
    if all(is_integer(value) and not isinstance(value, Enum) for value in values):
        return BigInteger() if any(value not in INT32 for value in values) else Integer()
    enums = {type(value) for value in values}
    if len(enums) == 1 and issubclass(only := enums.pop(), Enum):
        return enum_type(only)
    raise ColumnTypeError(
        f"{where}: a column holds text or integers, and this Literal has mixed or other values: "
        f"{', '.join(map(repr, values))}. Make its values all text or all integers."
    )


def _is_wide(annotation: Annotation) -> bool:
    """Whether the bounds admit more than an INTEGER column of PostgreSQL does."""
    bounds = annotation.bounds
    limits = (bounds.ge, bounds.gt, bounds.le, bounds.lt)
    return any(is_integer(limit) and limit not in INT32 for limit in limits)


def _is_naive(annotation: Annotation) -> bool:
    """Whether the last of Pydantic's time-zone constraints asks for naive datetimes."""
    naive = annotation.type is NaiveDatetime
    for item in annotation.metadata:
        if item is AwareDatetime or isinstance(item, AwareDatetime):
            naive = False
        elif item is NaiveDatetime or isinstance(item, NaiveDatetime):
            naive = True
    return naive


def _decimal_type(annotation: Annotation, where: str) -> TypeEngine[Any]:
    bounds = annotation.bounds
    precision, scale = bounds.max_digits, bounds.decimal_places
    if precision is None or scale is None:
        raise ColumnTypeError(
            f"{where}: a Decimal needs its number of digits to be exact on every database: "
            "Field(max_digits=12, decimal_places=2). To let the database round it, use "
            "Field(sa_type=Numeric)."
        )
    if precision > EXACT_DIGITS:
        raise ColumnTypeError(
            f"{where}: a Decimal of {precision} digits is not exact on SQLite, which keeps "
            f"{EXACT_DIGITS}. Use max_digits={EXACT_DIGITS} or less, or, for "
            f"PostgreSQL alone, Field(sa_type=Numeric({precision}, {scale}))."
        )
    return ExactDecimal(precision, scale)


def is_json(kind: Any) -> bool:
    """Whether a type is stored as JSON: containers, models, dataclasses, unions of such."""
    origin = get_origin(kind) or kind
    if origin is Union or origin is UnionType:
        return all(is_json(Annotation.of(arm).type) for arm in get_args(kind))
    if is_typeddict(origin):
        return True
    if not isinstance(origin, type):
        return False
    if getattr(origin, "_fields", None) is not None and issubclass(origin, tuple):
        return True
    return issubclass(origin, (*_JSON_CLASSES, BaseModel)) or dataclasses.is_dataclass(origin)


def _json_type(kind: Any, where: str) -> TypeEngine[Any]:
    model = get_origin(kind) or kind
    if isinstance(model, type) and getattr(model, "model_config", {}).get("table"):
        raise ColumnTypeError(
            f"{where}: {_name(kind)} is a table. Make the field a Relationship(), or store a copy "
            f"by its schema."
        )
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(kind)
        adapter.json_schema(mode="serialization")
    except PydanticUserError as error:
        raise ColumnTypeError(
            f"{where}: {_name(kind)} cannot be written as JSON: {error.message.splitlines()[0]}"
        ) from error
    return JSONValue(adapter, where)
