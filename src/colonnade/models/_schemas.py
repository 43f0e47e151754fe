"""``schemas(Task)``: the create, update and read schemas of a table."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from inspect import getattr_static
from types import FunctionType, new_class
from typing import Annotated, Any, ClassVar, Optional, cast

import pydantic
import sqlmodel
from annotated_types import Ge, Le
from pydantic import (
    MISSING,
    AllowInfNan,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
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

from colonnade._owner_caches import cached_by_owner
from colonnade.models._fields import FieldFlags
from colonnade.models._mixins import SetWhenStored
from colonnade.models._model import ModelMetaclass, SchemaKind, SQLModel
from colonnade.models._partial import DESCRIPTIVE_ATTRIBUTES, deferred, optional_field, takes_info
from colonnade.models._shape import ColumnShape, Shape
from colonnade.models._words import with_article

_CONFIG: dict[SchemaKind, ConfigDict] = {
    "create": ConfigDict(extra="forbid"),
    "update": ConfigDict(extra="forbid"),
    "read": ConfigDict(validate_by_name=True, validate_by_alias=True),
}
_NOT_FOR_SCHEMAS = (FieldFlags, FieldInfoMetadata, SetWhenStored)
_SERIALIZERS = (PlainSerializer, WrapSerializer, SerializeAsAny)
_NOT_INHERITED = ("table", "registry", "read_from_attributes", "read_with_orm_mode", "title")

FieldDefinition = tuple[Any, FieldInfo]


@dataclass(frozen=True, slots=True)
class Schemas:
    """The schemas of a table.

    Attributes:
        create: The body of a request that creates a row: no generated keys, timestamps, versions or
            read-only fields. Unknown fields are refused.
        update: The body of a request that updates a row: the same with every field optional, and
            without the primary key and frozen fields.
        read: A row in a response, without secret fields.

    Examples:
        ```python
        from colonnade import Field, SQLModel, schemas


        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            title: str


        task_schemas = schemas(Task)
        print(list(task_schemas.create.model_fields))  # ['title']
        print(list(task_schemas.read.model_fields))  # ['id', 'title']
        ```
    """

    create: type[SQLModel]
    update: type[SQLModel]
    read: type[SQLModel]


def schemas(model: type[Any]) -> Schemas:
    """The create, update and read schemas of a table, Colonnade's or sqlmodel's, created once.

    Write ``class TaskCreate(Task, schema="create"): ...`` instead to name a schema, to extend it,
    or to use it in annotations.

    Args:
        model: The table.

    Returns:
        The schemas. A second call returns the same ones.

    Raises:
        ModelError: ``model`` is not a table.

    Examples:
        ```python
        from pydantic import ValidationError

        from colonnade import Field, SQLModel, schemas


        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            progress: int = Field(default=0, ge=0, le=100)


        TaskCreate = schemas(Task).create
        print(TaskCreate().progress)  # 0
        try:
            TaskCreate(progress=101)
        except ValidationError as error:
            print(error.errors()[0]["msg"])  # Input should be less than or equal to 100
        ```
    """
    return _schemas_of(model)


@cached_by_owner
def _schemas_of(model: type[Any]) -> Schemas:
    shape = Shape.of(model)
    return Schemas(
        create=_create_schema(shape), update=_update_schema(shape), read=_read_schema(shape)
    )


def _derive_schema(model: type[Any], kind: SchemaKind) -> type[Any]:
    schema: type[Any] = getattr(schemas(model), kind)
    return schema


ModelMetaclass.derive_schema = staticmethod(_derive_schema)


def _create_schema(shape: Shape) -> type[SQLModel]:
    columns = [column for column in shape.columns.values() if not column.readonly]
    model = shape.model
    return _build_schema(
        shape, "create", {column.name: _create_field(model, column) for column in columns}
    )


def _update_schema(shape: Shape) -> type[SQLModel]:
    columns = [
        column for column in shape.columns.values() if not (column.readonly or column.frozen)
    ]
    model = shape.model
    return _build_schema(
        shape, "update", {column.name: _update_field(model, column) for column in columns}
    )


def _read_schema(shape: Shape) -> type[SQLModel]:
    columns = [
        column for column in shape.columns.values() if not (column.secret or column.field.exclude)
    ]
    # Keys come first, managed columns last.
    columns.sort(key=lambda column: (not column.primary_key, column.role is not None))
    fields = {column.name: _read_field(shape.model, column) for column in columns}
    used_names = _names_used_by_serializers(shape.model)
    for candidate in shape.columns.values():
        if candidate.name not in fields and candidate.name in used_names:
            fields[candidate.name] = _excluded_field(shape.model, candidate)
    return _build_schema(shape, "read", fields)


def _build_schema(
    shape: Shape, kind: SchemaKind, fields: dict[str, FieldDefinition]
) -> type[SQLModel]:
    model = shape.model
    name = f"{model.__name__}{kind.capitalize()}"
    inherited = {
        key: value for key, value in model.model_config.items() if key not in _NOT_INHERITED
    }
    namespace: dict[str, Any] = {
        "__module__": model.__module__,
        "__qualname__": name,
        "__doc__": _DESCRIPTIONS[kind].format(with_article(model.__name__)),
        "model_config": {**inherited, **_CONFIG[kind]},
        "__colonnade_stored__": kind == "read",
        # Pydantic can skip its own ``__init__``, which takes a third of the time.
        "__init__": BaseModel.__init__,
        **_methods(model),
        **dict(_copied_decorators(model, kind, frozenset(fields))),
        **{field: info for field, (_, info) in fields.items()},
    }
    namespace["__annotations__"] = {
        **dict.fromkeys(model.__class_vars__ & namespace.keys(), ClassVar),
        "__colonnade_stored__": ClassVar,
        **{field: annotation for field, (annotation, _) in fields.items()},
    }
    schema: type[SQLModel] = new_class(name, (SQLModel,), {}, lambda body: body.update(namespace))
    return schema


_DESCRIPTIONS: dict[SchemaKind, str] = {
    "create": "The body of a request that creates {}.",
    "update": "The body of a request that updates {}.",
    "read": "The representation of {} in a response.",
}


def _create_field(model: type[Any], column: ColumnShape) -> FieldDefinition:
    """A field of the create schema: as restricted as the column, optional if it has a default."""
    kind: Any = AwareDatetime if column.is_aware else column.annotation.type
    constraints = [
        item for item in column.annotation.metadata if not isinstance(item, _NOT_FOR_SCHEMAS)
    ]
    constraints += _range_constraints(column)
    if column.kind in {"text", "path", "json"}:
        constraints.append(WithoutNul())
    if column.field.discriminator is not None:
        constraints.append(pydantic.Field(discriminator=column.field.discriminator))
    if column.kind == "literal":
        constraints.append(NamedValues.of(model, column.name))
    if constraints:
        kind = Annotated[kind, *constraints]
    if column.nullable:
        kind = Optional[kind]  # noqa: UP045 - ``kind`` may be a Literal or a forward reference
    default = _create_default(column)
    if default is MISSING:
        kind = kind | MISSING
    info = _field_info(column.field, default)
    if default is Undefined and column.field.default_factory is not None:
        info = _field_info(column.field, default_factory=column.field.default_factory)
    return kind, info


def _update_field(model: type[Any], column: ColumnShape) -> FieldDefinition:
    """A field of the update schema: as in the create schema, but optional without a default."""
    kind, info = _create_field(model, column)
    field = FieldInfo.from_annotated_attribute(kind, info)
    return optional_field(field, nullable=column.nullable)


def _read_field(model: type[Any], column: ColumnShape) -> FieldDefinition:
    """A field of the read schema: required, and accepting every value that the column holds."""
    kind: Any = column.python_type
    serializers = [item for item in column.annotation.metadata if isinstance(item, _SERIALIZERS)]
    serializers += [
        PlainSerializer(item.encode if isinstance(item, EncodedBytes) else item.encode_str)
        for item in column.annotation.metadata
        if isinstance(item, EncodedBytes | EncodedStr) and item.encoder is not Base64Encoder
    ]
    if column.kind == "literal":
        kind = Annotated[kind, NamedValues.of(model, column.name)]
    if serializers:
        kind = Annotated[kind, *serializers]
    if column.nullable:
        kind = Optional[kind]  # noqa: UP045 - as above
    return kind, _field_info(column.field)


def _excluded_field(model: type[Any], column: ColumnShape) -> FieldDefinition:
    """A field that no response has, for computed fields and serializers that use it."""
    kind, _ = _read_field(model, column)
    info: FieldInfo = pydantic.Field(exclude=True, repr=False)
    return kind, info


def _names_used_by_serializers(model: type[Any]) -> set[str]:
    """The names that computed fields, serializers and the methods they may call refer to."""
    decorators = model.__pydantic_decorators__
    groups: list[dict[str, Any]] = [
        decorators.computed_fields,
        decorators.field_serializers,
        decorators.model_serializers,
    ]
    objects = [_declared_member(model, item) for group in groups for item in group.values()]
    if not objects:
        return set()
    functions = (getattr(item, "wrapped", item) for item in (*objects, *_methods(model).values()))
    return {name for function in functions for name in _names_in_code(function)}


def _names_in_code(member: Any) -> tuple[str, ...]:
    function = getattr(member, "fget", None) or getattr(member, "__func__", None) or member
    code = getattr(function, "__code__", None)
    return code.co_names if code is not None else ()


class NamedValues:
    """Names the values of a ``Literal`` in JSON schemas: ``TaskStatus`` for ``Task.status``.

    Every schema refers to the same definition, as it does for an ``Enum``, so that generated
    clients have one type for it.

    Args:
        name: The name of the definition.
        reference: Tells it apart from others of that name: Pydantic names a definition by what is
            between the last dot and the colon.
    """

    def __init__(self, name: str, reference: str) -> None:
        self.name = name
        self._reference = reference

    @classmethod
    def of(cls, model: type[Any], field: str) -> "NamedValues":
        """Name the values of a field of a table."""
        name = model.__name__ + "".join(word.capitalize() for word in field.split("_"))
        return cls(name, f"{model.__module__}.{name}:{id(model)}")

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        schema = handler(source)
        if schema["type"] == "definition-ref":  # the field has a name already
            return schema
        return cast("CoreSchema", {**schema, "ref": self._reference})


class WithoutNul:
    """States in the JSON schema that text has no NUL, which PostgreSQL cannot store."""

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


def _range_constraints(column: ColumnShape) -> list[Any]:
    """Constraints for values that the field's type allows and the column's type does not."""
    if column.kind == "float":
        return [AllowInfNan(False)]
    if column.integer_bits is None:
        return []
    limit = 2 ** (column.integer_bits - 1)
    bounds = column.bounds
    lower = [] if bounds.ge is not None or bounds.gt is not None else [Ge(-limit)]
    upper = [] if bounds.le is not None or bounds.lt is not None else [Le(limit - 1)]
    return [*lower, *upper]


def _create_default(column: ColumnShape) -> Any:
    """The default in the create schema; ``MISSING`` leaves it to the column's default."""
    default = column.field.default
    if default is not Undefined and not (default is None and not column.nullable):
        is_left_to_database = default is None and column.column.server_default is not None
        return MISSING if is_left_to_database else default
    if column.field.default_factory is not None:
        return Undefined
    return MISSING if column.has_default and not column.nullable else Undefined


def _field_info(field: FieldInfo, default: Any = Undefined, **options: Any) -> FieldInfo:
    make: Callable[..., FieldInfo] = pydantic.Field
    if default is not Undefined:
        options["default"] = default
    return make(
        repr=field.repr,
        **options,
        **{
            key: value
            for key in DESCRIPTIVE_ATTRIBUTES
            if (value := getattr(field, key)) is not None
        },
    )


def _methods(model: type[Any]) -> dict[str, Any]:
    """The model's methods, properties and class variables, which its validators may use."""
    methods: dict[str, Any] = {}
    for base in reversed(model.__mro__[: model.__mro__.index(_root_model(model))]):
        for name, value in vars(base).items():
            is_method = isinstance(value, FunctionType | classmethod | staticmethod | property)
            if not name.startswith("__") and (is_method or name in model.__class_vars__):
                methods[name] = value
    return methods


def _root_model(model: type[Any]) -> type[Any]:
    return next(base for base in model.__mro__ if base in (SQLModel, sqlmodel.SQLModel))


def _copied_decorators(
    model: type[Any], kind: SchemaKind, names: frozenset[str]
) -> Iterator[tuple[str, Any]]:
    """Copies of the model's validators for a request, or of its serializers for a response."""
    decorators = model.__pydantic_decorators__
    if kind == "read":
        for name, decorator in decorators.field_serializers.items():
            if fields := _applicable(decorator.info.fields, names):
                serialize_field: Any = field_serializer(
                    *fields,
                    mode=decorator.info.mode,
                    return_type=decorator.info.return_type,
                    when_used=decorator.info.when_used,
                )
                yield name, serialize_field(_declared_member(model, decorator))
        for name, decorator in decorators.model_serializers.items():
            serialize_model: Any = model_serializer(
                mode=decorator.info.mode,
                when_used=decorator.info.when_used,
                return_type=decorator.info.return_type,
            )
            yield name, serialize_model(_declared_member(model, decorator))
        for name, decorator in decorators.computed_fields.items():
            compute: Any = computed_field(
                return_type=decorator.info.return_type,
                alias=decorator.info.alias,
                title=decorator.info.title,
                description=decorator.info.description,
            )
            yield name, compute(_declared_member(model, decorator))
        return
    for name, decorator in decorators.field_validators.items():
        # ``row_validator`` runs validators that take other fields, on the complete row.
        is_deferred = kind == "update" and takes_info(
            _declared_member(model, decorator), decorator.info.mode
        )
        if not is_deferred and (fields := _applicable(decorator.info.fields, names)):
            yield name, _copied_validator(model, decorator, fields)
    for name, decorator in decorators.model_validators.items():
        validator = _declared_member(model, decorator)
        if kind == "update" and decorator.info.mode == "after" and callable(validator):
            validator = deferred(validator, names)
        validate: Any = model_validator(mode=decorator.info.mode)
        yield name, validate(validator)


def with_absent_fields(schema: type[BaseModel], names: frozenset[str]) -> type[BaseModel]:
    """The schema of a body that does not have some of the fields.

    Rules that read one of them are skipped: see ``row_validator``.

    Args:
        schema: The schema.
        names: The names of the fields.
    """
    validate: Any = model_validator
    rules: dict[str, Any] = {
        decorator.cls_var_name: validate(mode="after")(deferred(validator, names))
        for decorator in schema.__pydantic_decorators__.model_validators.values()
        if decorator.info.mode == "after"
        and callable(validator := _declared_member(schema, decorator))
    }
    namespace: dict[str, Any] = {
        "__module__": schema.__module__,
        "__annotations__": dict.fromkeys(names, Any),
        **dict.fromkeys(names, MISSING),
        **rules,
    }
    return new_class(schema.__name__, (schema,), {}, lambda body: body.update(namespace))


@cached_by_owner
def row_validator(model: type[Any]) -> type[BaseModel] | None:
    """The schema that validates a partially updated row: the rules on several fields.

    Its fields accept any value, since the request was validated already. A validator that changes
    a value, such as one that hashes a password, must not run again.

    Returns:
        The schema; None if the model has no such rule.
    """
    shape, decorators = Shape.of(model), model.__pydantic_decorators__
    rules: dict[str, Any] = {}
    names = frozenset(shape.columns)
    for name, decorator in decorators.field_validators.items():
        fields = _applicable(decorator.info.fields, names)
        if fields and takes_info(_declared_member(model, decorator), decorator.info.mode):
            rules[name] = _copied_validator(model, decorator, fields)
    validate: Any = model_validator
    for name, rule in decorators.model_validators.items():
        rules[name] = validate(mode=rule.info.mode)(_declared_member(model, rule))
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


def _copied_validator(model: type[Any], decorator: Any, fields: list[str]) -> Any:
    """A copy of a field validator for another class."""
    validate: Any = field_validator(*fields, mode=decorator.info.mode)
    return validate(_declared_member(model, decorator))


def _applicable(fields: tuple[str, ...], names: frozenset[str]) -> list[str]:
    return [field for field in fields if field == "*" or field in names]


def _declared_member(model: type[Any], decorator: Any) -> Any:
    """A decorated method as written in the class body, not bound to a class."""
    return getattr_static(model, decorator.cls_var_name)
