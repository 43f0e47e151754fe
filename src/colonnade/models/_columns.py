"""Column types of fields, where sqlmodel has none or a less exact one."""

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
from colonnade.models._json_types import JSONValue
from colonnade.models._native_types import declare_operators
from colonnade.models._types import (
    EXACT_DIGITS,
    INT32,
    TEXT_TYPES,
    ExactDecimal,
    TextValue,
    UTCDateTime,
    bound_as_text,
    enum_type,
    is_integer,
)

_SCALARS: tuple[tuple[type[Any], type[TypeEngine[Any]]], ...] = (
    (str, AutoString),  # no length: a CHECK limits it, with the same error on every database
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
    """Set the column type of each field, before sqlmodel builds the columns of the table.

    Raises:
        ColumnTypeError: A field has a type that no column can hold.
        ModelError: The table has no primary key.
    """
    fields = model.__pydantic_fields__
    for name in [name for name, field in fields.items() if flags_of(field).role is not None]:
        fields[name] = fields.pop(name)  # managed columns come last in the table
    _ensure_primary_key(model)
    for name, field in fields.items():
        # Derived schemas enforce ``frozen``; the table cannot, since rows are filled step by step.
        if field.frozen:
            flags = dataclasses.replace(flags_of(field), frozen=True)
            field.metadata = [flags, *field.metadata]
            field.frozen = None
        options = column_options(field)
        if options.sa_column is not Undefined:
            _set_options(field, options, sa_column=_copied_column(options.sa_column))
            continue
        changed: dict[str, Any] = {}
        if options.sa_type is Undefined:
            changed["sa_type"] = _column_type(field, options, f"{model.__name__}.{name}")
        else:
            changed["sa_type"] = _explicit_type(field, options.sa_type)
        if _is_primary_key(field):
            changed["sa_type"] = _autoincrement_on_sqlite(changed["sa_type"])
        if options.nullable is Undefined and Annotation.of_field(field).nullable:
            changed["nullable"] = options.primary_key is not True
        _set_options(field, options, **changed)


def _ensure_primary_key(model: type[BaseModel]) -> None:
    """Use ``id`` as the primary key of a table that declares none."""
    fields = model.__pydantic_fields__
    arguments = getattr(model, "__table_args__", ())
    if any(_is_primary_key(field) for field in fields.values()) or any(
        isinstance(argument, PrimaryKeyConstraint) for argument in arguments
    ):
        return
    if "id" not in fields:
        raise ModelError(
            f"{model.__name__} is a table without a primary key. Add one, such as "
            f"id: int | None = Field(default=None, primary_key=True)."
        )
    _set_options(fields["id"], column_options(fields["id"]), primary_key=True)


def _is_primary_key(field: FieldInfo) -> bool:
    options = column_options(field)
    return options.primary_key is True or bool(getattr(options.sa_column, "primary_key", False))


def _copied_column(column: Any) -> Any:
    """A copy of the column: a Column object in a shared base can only belong to one table."""
    if not isinstance(column, Column):
        return column
    copied = column._copy()
    declare_operators(copied.type)
    if copied.primary_key:
        copied.type = _autoincrement_on_sqlite(copied.type)
    return copied


def _explicit_type(field: FieldInfo, sa_type: Any) -> Any:
    """The ``sa_type`` of a field; for text, a type that also converts to the field's type."""
    kind = Annotation.of_field(field).type
    text = sa_type() if isinstance(sa_type, type) else sa_type
    declare_operators(text)
    is_text = isinstance(text, AutoString | String) and not isinstance(text, NativeEnum)
    if is_text and isinstance(kind, type) and issubclass(kind, TEXT_TYPES):
        return TextValue(kind, getattr(text, "length", None))
    return bound_as_text(text) if isinstance(text, UserDefinedType) else sa_type


def _autoincrement_on_sqlite(sa_type: Any) -> Any:
    """The type of a primary key, which SQLite generates only for INTEGER, not for BIGINT.

    SQLite's INTEGER has 64 bits: https://sqlite.org/lang_createtable.html#rowid
    """
    kind = sa_type() if isinstance(sa_type, type) else sa_type
    return kind.with_variant(Integer(), "sqlite") if type(kind) is BigInteger else sa_type


def _set_options(field: FieldInfo, options: FieldInfoMetadata, **changed: Any) -> None:
    # The list is shared with the class that the field was inherited from, so replace it.
    new = dataclasses.replace(options, **changed)
    others = [item for item in field.metadata if not isinstance(item, FieldInfoMetadata)]
    field.metadata = [*others, new]


def column_type_of(annotation: Annotation, field_path: str) -> TypeEngine[Any]:
    """The column type of a value with an annotation.

    Args:
        annotation: The analyzed annotation.
        field_path: What has it, for messages: ``Task.total``.

    Raises:
        ColumnTypeError: No column can hold such values.
    """
    field = FieldInfo(annotation=annotation.type)
    field.metadata = [*annotation.metadata]
    return _column_type(field, FieldInfoMetadata(), field_path)


def _column_type(field: FieldInfo, options: FieldInfoMetadata, field_path: str) -> TypeEngine[Any]:
    annotation = Annotation.of_field(field)
    kind = annotation.type
    _refuse_unresolved_type(annotation, field_path)
    if get_origin(kind) is Literal:
        return _literal_type(kind, field_path)
    if is_json(kind):
        return _json_type(kind, field_path)
    if not isinstance(kind, type):
        raise ColumnTypeError(
            f"{field_path}: no column type for {_type_name(kind)}. Use a single type (and None), "
            f"or set the column type with Field(sa_type=...)."
        )
    if issubclass(kind, Enum):
        return enum_type(kind)
    if issubclass(kind, Decimal):
        return _decimal_type(annotation, field_path)
    if issubclass(kind, TEXT_TYPES):
        return TextValue(kind)
    if issubclass(kind, (datetime, AwareDatetime, NaiveDatetime)):
        return DateTime() if _is_naive(annotation) else UTCDateTime()
    if issubclass(kind, int) and options.primary_key is not True and _is_wide(annotation):
        return BigInteger()
    for python_type, column_type in _SCALARS:
        if issubclass(kind, python_type):
            return column_type()
    advice = "Set the column type with Field(sa_type=...), or use a Pydantic model, which is "
    advice += "stored as JSON."
    if issubclass(kind, Secret | SecretStr | SecretBytes):
        advice = "For text that no response contains, use str = Field(secret=True)."
    raise ColumnTypeError(f"{field_path}: no column type for {_type_name(kind)}. {advice}")


def _refuse_unresolved_type(annotation: Annotation, field_path: str) -> None:
    """Refuse a type that is an unresolved name or a type variable."""
    kind = annotation.type
    if annotation.is_unresolved:
        raise ColumnTypeError(
            f"{field_path}: the type {_type_name(kind)} is not known where the table is defined. "
            f"Define or import it above the class (an import under TYPE_CHECKING does not count). "
            f"If it is another table, make the field a Relationship()."
        )
    if isinstance(kind, TypeVar):
        model = field_path.partition(".")[0]
        raise ColumnTypeError(
            f"{field_path}: {kind} is a type variable, and a column needs a concrete type. Set it "
            f"where the table is defined: class {model}(Base[int], table=True)."
        )


def explain_schema_error(
    name: str, annotations: Mapping[str, Any], error: PydanticUserError
) -> ColumnTypeError | None:
    """The error that names the field for which Pydantic cannot build a schema, if it is a field."""
    for field, annotation in annotations.items():
        try:
            TypeAdapter(annotation)
        except PydanticUserError as cause:
            if cause.code == error.code:
                return ColumnTypeError(
                    f"{name}.{field}: {_type_name(annotation)} cannot be stored, not even as JSON: "
                    f"{error.message.splitlines()[0]}"
                )
        except NameError:
            continue
    return None


def _type_name(kind: Any) -> str:
    text = getattr(kind, "__forward_arg__", None) or getattr(kind, "__name__", None)
    return str(kind if text is None or get_args(kind) else text)


def _literal_type(kind: Any, field_path: str) -> TypeEngine[Any]:
    values = get_args(kind)
    if all(isinstance(value, str) and not isinstance(value, Enum) for value in values):
        return AutoString()
    if all(is_integer(value) and not isinstance(value, Enum) for value in values):
        return BigInteger() if any(value not in INT32 for value in values) else Integer()
    enums = {type(value) for value in values}
    if len(enums) == 1 and issubclass(enum_class := enums.pop(), Enum):
        return enum_type(enum_class)
    raise ColumnTypeError(
        f"{field_path}: the values of a Literal column must be all strings or all integers, not "
        f"{', '.join(map(repr, values))}."
    )


def _is_wide(annotation: Annotation) -> bool:
    """Whether the bounds exceed the range of INTEGER in PostgreSQL."""
    bounds = annotation.bounds
    limits = (bounds.ge, bounds.gt, bounds.le, bounds.lt)
    return any(is_integer(limit) and limit not in INT32 for limit in limits)


def _is_naive(annotation: Annotation) -> bool:
    """Whether the last of Pydantic's time-zone constraints requires naive datetimes."""
    naive = annotation.type is NaiveDatetime
    for item in annotation.metadata:
        if item is AwareDatetime or isinstance(item, AwareDatetime):
            naive = False
        elif item is NaiveDatetime or isinstance(item, NaiveDatetime):
            naive = True
    return naive


def _decimal_type(annotation: Annotation, field_path: str) -> TypeEngine[Any]:
    bounds = annotation.bounds
    precision, scale = bounds.max_digits, bounds.decimal_places
    if precision is None or scale is None:
        raise ColumnTypeError(
            f"{field_path}: a Decimal needs max_digits and decimal_places to be exact on every "
            "database: Field(max_digits=12, decimal_places=2). To let the database round it, use "
            "Field(sa_type=Numeric)."
        )
    if precision > EXACT_DIGITS:
        raise ColumnTypeError(
            f"{field_path}: a Decimal of {precision} digits is not exact on SQLite, which keeps "
            f"{EXACT_DIGITS} digits. Use max_digits={EXACT_DIGITS} or less, or, for PostgreSQL "
            f"only, Field(sa_type=Numeric({precision}, {scale}))."
        )
    return ExactDecimal(precision, scale)


def is_json(kind: Any) -> bool:
    """Whether a type is stored as JSON: a container, model, dataclass, or a union of these."""
    origin = get_origin(kind) or kind
    if origin is Union or origin is UnionType:
        return all(is_json(Annotation.of(member).type) for member in get_args(kind))
    if is_typeddict(origin):
        return True
    if not isinstance(origin, type):
        return False
    if getattr(origin, "_fields", None) is not None and issubclass(origin, tuple):
        return True
    return issubclass(origin, (*_JSON_CLASSES, BaseModel)) or dataclasses.is_dataclass(origin)


def _json_type(kind: Any, field_path: str) -> TypeEngine[Any]:
    model = get_origin(kind) or kind
    if isinstance(model, type) and getattr(model, "model_config", {}).get("table"):
        raise ColumnTypeError(
            f"{field_path}: {_type_name(kind)} is a table. Make the field a Relationship(), or use "
            f"a schema of the table to store a copy as JSON."
        )
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(kind)
        adapter.json_schema(mode="serialization")
    except PydanticUserError as error:
        raise ColumnTypeError(
            f"{field_path}: {_type_name(kind)} cannot be written as JSON: "
            f"{error.message.splitlines()[0]}"
        ) from error
    return JSONValue(adapter, field_path)
