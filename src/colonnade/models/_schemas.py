"""``schemas(Task)``: what a request may say of a row, and what a response does."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from inspect import getattr_static
from types import FunctionType, new_class
from typing import Annotated, Any, ClassVar, Optional

import pydantic
from annotated_types import Ge, Le
from pydantic import (
    MISSING,
    AllowInfNan,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    GetJsonSchemaHandler,
    PlainSerializer,
    SerializeAsAny,
    WrapSerializer,
    computed_field,
    field_serializer,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic.types import Base64Encoder, EncodedBytes, EncodedStr
from pydantic_core import CoreSchema
from pydantic_core import PydanticUndefined as Undefined
from sqlmodel.main import FieldInfoMetadata

from colonnade.models._fields import FieldFlags
from colonnade.models._mixins import SetWhenStored
from colonnade.models._model import ModelMetaclass, SQLModel, View
from colonnade.models._partial import SHOWN, absent, deferred, takes_info
from colonnade.models._shape import ColumnShape, Shape

_CONFIG: dict[View, ConfigDict] = {
    "create": ConfigDict(extra="forbid"),
    "update": ConfigDict(extra="forbid"),
    "read": ConfigDict(validate_by_name=True, validate_by_alias=True),  # from a row, by name
}
_NOT_FOR_SCHEMAS = (FieldFlags, FieldInfoMetadata, SetWhenStored)
_SERIALIZERS = (PlainSerializer, WrapSerializer, SerializeAsAny)
_NOT_INHERITED = ("table", "registry", "read_from_attributes", "read_with_orm_mode", "title")

_Field = tuple[Any, FieldInfo]


@dataclass(frozen=True, slots=True)
class Schemas:
    """The schemas of a table.

    Attributes:
        create: What a request says to make a row. Without keys the database makes, timestamps,
            versions and read-only fields; unknown fields are refused.
        update: The same, each field absent or given; without the primary key and frozen fields.
        read: What a response says of a row. Without secret fields.
    """

    create: type[SQLModel]
    update: type[SQLModel]
    read: type[SQLModel]


_made: dict[type[Any], Schemas] = {}


def schemas(model: type[Any]) -> Schemas:
    """The schemas of a table, Colonnade's or sqlmodel's; made once.

    To name one, extend it, or annotate with it, write the class form:
    ``class TaskCreate(Task, schema="create"): ...``.

    Raises:
        ModelError: ``model`` is not a table.
    """
    model_schemas = _made.get(model)
    if model_schemas is None:
        shape = Shape.of(model)
        model_schemas = _made[model] = Schemas(
            create=_create(shape), update=_update(shape), read=_read(shape)
        )
    return model_schemas


def _derive_schema(model: type[Any], view: View) -> type[Any]:
    schema: type[Any] = getattr(schemas(model), view)
    return schema


ModelMetaclass.derive_schema = staticmethod(_derive_schema)


def _create(shape: Shape) -> type[SQLModel]:
    columns = [column for column in shape.columns.values() if not column.readonly]
    return _make(shape, "create", {column.name: _given(column) for column in columns})


def _update(shape: Shape) -> type[SQLModel]:
    columns = [
        column for column in shape.columns.values() if not (column.readonly or column.frozen)
    ]
    return _make(shape, "update", {column.name: _changed(column) for column in columns})


def _read(shape: Shape) -> type[SQLModel]:
    columns = [
        column for column in shape.columns.values() if not (column.secret or column.field.exclude)
    ]
    # Keys first and what keeps itself last: the order a reader looks for.
    columns.sort(key=lambda column: (not column.primary_key, column.role is not None))
    fields = {column.name: _shown(column) for column in columns}
    mentioned = _mentioned(shape.model)
    for shown_column in shape.columns.values():
        if shown_column.name not in fields and shown_column.name in mentioned:
            fields[shown_column.name] = _hidden(shown_column)
    return _make(shape, "read", fields)


def _make(shape: Shape, view: View, fields: dict[str, _Field]) -> type[SQLModel]:
    model = shape.model
    name = f"{model.__name__}{view.capitalize()}"
    inherited = {
        key: value for key, value in model.model_config.items() if key not in _NOT_INHERITED
    }
    namespace: dict[str, Any] = {
        "__module__": model.__module__,
        "__qualname__": name,
        "__doc__": f"What a {_SAYS[view]} says of a {model.__name__}.",
        "model_config": {**inherited, **_CONFIG[view]},
        "__colonnade_stored__": view == "read",
        # Pydantic's own, which it goes past: a third of the time. sqlmodel's is for tables.
        "__init__": BaseModel.__init__,
        **_methods(model),
        **dict(_decorated(model, view, frozenset(fields))),
        **{field: info for field, (_, info) in fields.items()},
    }
    namespace["__annotations__"] = {
        **dict.fromkeys(model.__class_vars__ & namespace.keys(), ClassVar),
        "__colonnade_stored__": ClassVar,
        **{field: annotation for field, (annotation, _) in fields.items()},
    }
    schema: type[SQLModel] = new_class(name, (SQLModel,), {}, lambda body: body.update(namespace))
    return schema


_SAYS: dict[View, str] = {
    "create": "request to create",
    "update": "request to update",
    "read": "response",
}


def _given(column: ColumnShape) -> _Field:
    """A field of the create schema: as narrow as the column, absent only if it has a default."""
    kind: Any = AwareDatetime if column.is_aware else column.annotation.type
    constraints = [
        item for item in column.annotation.metadata if not isinstance(item, _NOT_FOR_SCHEMAS)
    ]
    constraints += _width(column)
    if column.kind in {"text", "path", "json"}:
        constraints.append(WithoutNul())
    if column.field.discriminator is not None:
        constraints.append(pydantic.Field(discriminator=column.field.discriminator))
    if constraints:
        kind = Annotated[kind, *constraints]
    if column.nullable:
        kind = Optional[kind]  # noqa: UP045 - ``kind`` may be a Literal or a forward reference
    default = _default(column)
    if default is MISSING:
        kind = kind | MISSING
    info = _info(column.field, default)
    if default is Undefined and column.field.default_factory is not None:
        info = _info(column.field, default_factory=column.field.default_factory)
    return kind, info


def _changed(column: ColumnShape) -> _Field:
    """A field of the update schema: the same, absent or given, and never with a default."""
    kind, info = _given(column)
    field = FieldInfo.from_annotated_attribute(kind, info)
    return absent(field, nullable=column.nullable)


def _shown(column: ColumnShape) -> _Field:
    """A field of the read schema: any value the column holds, always there."""
    kind: Any = column.python_type
    serializers = [item for item in column.annotation.metadata if isinstance(item, _SERIALIZERS)]
    serializers += [
        PlainSerializer(item.encode if isinstance(item, EncodedBytes) else item.encode_str)
        for item in column.annotation.metadata
        if isinstance(item, EncodedBytes | EncodedStr) and item.encoder is not Base64Encoder
    ]
    if serializers:
        kind = Annotated[kind, *serializers]
    if column.nullable:
        kind = Optional[kind]  # noqa: UP045 - as above
    return kind, _info(column.field)


def _hidden(column: ColumnShape) -> _Field:
    """A field that no answer has, there for what is computed of it."""
    kind, _ = _shown(column)
    info: FieldInfo = pydantic.Field(exclude=True, repr=False)
    return kind, info


def _mentioned(model: type[Any]) -> set[str]:
    """The names that computed fields and serializers mention, and methods they may call."""
    decorators = model.__pydantic_decorators__
    groups: list[dict[str, Any]] = [
        decorators.computed_fields,
        decorators.field_serializers,
        decorators.model_serializers,
    ]
    objects = [_raw(model, item) for group in groups for item in group.values()]
    if not objects:
        return set()
    functions = (getattr(item, "wrapped", item) for item in (*objects, *_methods(model).values()))
    return {name for function in functions for name in _names(function)}


def _names(member: Any) -> tuple[str, ...]:
    function = getattr(member, "fget", None) or getattr(member, "__func__", None) or member
    code = getattr(function, "__code__", None)
    return code.co_names if code is not None else ()


class WithoutNul:
    """Says in the JSON schema that a text has no NUL, which PostgreSQL holds nowhere."""

    def __get_pydantic_json_schema__(
        self, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        json_schema: JsonSchemaValue = _with_pattern(handler(core))
        return json_schema


def _with_pattern(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_with_pattern(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    changed = {key: _with_pattern(value) for key, value in schema.items()}
    if schema.get("type") == "string" and not schema.keys() & {"pattern", "enum", "format"}:
        changed["pattern"] = "^[^\\u0000]*$"
    return changed


def _width(column: ColumnShape) -> list[Any]:
    """What the column's type excludes and the field's does not."""
    if column.kind == "float":
        return [AllowInfNan(False)]
    if column.integer_bits is None:
        return []
    limit = 2 ** (column.integer_bits - 1)
    bounds = column.bounds
    lower = [] if bounds.ge is not None or bounds.gt is not None else [Ge(-limit)]
    upper = [] if bounds.le is not None or bounds.lt is not None else [Le(limit - 1)]
    return [*lower, *upper]


def _default(column: ColumnShape) -> Any:
    """What an absent field of a create request is; ``MISSING``: left to the column's default."""
    default = column.field.default
    if default is not Undefined and not (default is None and not column.nullable):
        left = default is None and column.column.server_default is not None
        return MISSING if left else default
    if column.field.default_factory is not None:
        return Undefined
    return MISSING if column.has_default and not column.nullable else Undefined


def _info(field: FieldInfo, default: Any = Undefined, **options: Any) -> FieldInfo:
    make: Callable[..., FieldInfo] = pydantic.Field
    if default is not Undefined:
        options["default"] = default
    return make(
        repr=field.repr,
        **options,
        **{key: value for key in SHOWN if (value := getattr(field, key)) is not None},
    )


def _methods(model: type[Any]) -> dict[str, Any]:
    """The model's methods, properties and constants: its validators may call them."""
    methods: dict[str, Any] = {}
    for base in reversed(model.__mro__[: model.__mro__.index(_root(model))]):
        for name, value in vars(base).items():
            is_method = isinstance(value, FunctionType | classmethod | staticmethod | property)
            if not name.startswith("__") and (is_method or name in model.__class_vars__):
                methods[name] = value
    return methods


def _root(model: type[Any]) -> type[Any]:
    import sqlmodel

    return next(base for base in model.__mro__ if base in (SQLModel, sqlmodel.SQLModel))


def _decorated(model: type[Any], view: View, names: frozenset[str]) -> Iterator[tuple[str, Any]]:
    """The model's validators for a request, its serializers for a response, made anew."""
    decorators = model.__pydantic_decorators__
    if view == "read":
        for name, decorator in decorators.field_serializers.items():
            if fields := _applicable(decorator.info.fields, names):
                wrap: Any = field_serializer(
                    *fields,
                    mode=decorator.info.mode,
                    return_type=decorator.info.return_type,
                    when_used=decorator.info.when_used,
                )
                yield name, wrap(_raw(model, decorator))
        for name, decorator in decorators.model_serializers.items():
            serializer: Any = model_serializer(
                mode=decorator.info.mode,
                when_used=decorator.info.when_used,
                return_type=decorator.info.return_type,
            )
            yield name, serializer(_raw(model, decorator))
        for name, decorator in decorators.computed_fields.items():
            compute: Any = computed_field(
                return_type=decorator.info.return_type,
                alias=decorator.info.alias,
                title=decorator.info.title,
                description=decorator.info.description,
            )
            yield name, compute(_raw(model, decorator))
        return
    for name, decorator in decorators.field_validators.items():
        # A validator that takes other fields waits for the whole row: see ``row_validator``.
        waits = view == "update" and takes_info(_raw(model, decorator), decorator.info.mode)
        if not waits and (fields := _applicable(decorator.info.fields, names)):
            yield name, _again(model, decorator, fields)
    for name, decorator in decorators.model_validators.items():
        validator = _raw(model, decorator)
        if view == "update" and decorator.info.mode == "after" and callable(validator):
            validator = deferred(validator, names)
        whole: Any = model_validator(mode=decorator.info.mode)
        yield name, whole(validator)


def row_validator(model: type[Any]) -> type[BaseModel] | None:
    """What validates a row that was changed in part: the rules over more than one field.

    Its fields take anything, since each was validated when it came: a validator that changes a
    value, such as one that hashes a password, must not see it again.

    Returns:
        None if the model has no such rule.
    """
    if model not in _wholes:
        _wholes[model] = _whole(Shape.of(model))
    return _wholes[model]


_wholes: dict[type[Any], type[BaseModel] | None] = {}


def _whole(shape: Shape) -> type[BaseModel] | None:
    model, decorators = shape.model, shape.model.__pydantic_decorators__
    rules: dict[str, Any] = {}
    names = frozenset(shape.columns)
    for name, decorator in decorators.field_validators.items():
        fields = _applicable(decorator.info.fields, names)
        if fields and takes_info(_raw(model, decorator), decorator.info.mode):
            rules[name] = _again(model, decorator, fields)
    validate: Any = model_validator
    for name, rule in decorators.model_validators.items():
        rules[name] = validate(mode=rule.info.mode)(_raw(model, rule))
    if not rules:
        return None
    namespace = {
        "__module__": model.__module__,
        **_methods(model),
        **rules,
        "__annotations__": {
            **dict.fromkeys(model.__class_vars__, ClassVar),
            **dict.fromkeys(shape.columns, Any),
        },
    }
    name = f"{model.__name__}Whole"
    schema: type[SQLModel] = new_class(name, (SQLModel,), {}, lambda body: body.update(namespace))
    return schema


def _again(model: type[Any], decorator: Any, fields: list[str]) -> Any:
    """A field's validator for another class."""
    validate: Any = field_validator(*fields, mode=decorator.info.mode)
    return validate(_raw(model, decorator))


def _applicable(fields: tuple[str, ...], names: frozenset[str]) -> list[str]:
    return [field for field in fields if field == "*" or field in names]


def _raw(model: type[Any], decorator: Any) -> Any:
    """A decorated method as it was written, not yet bound to a class."""
    return getattr_static(model, decorator.cls_var_name)
