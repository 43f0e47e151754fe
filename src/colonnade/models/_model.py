"""``SQLModel``: sqlmodel's base class with a metaclass that extends sqlmodel's.

The steps of a class definition: quoted annotations are resolved; a partial or derived schema gets
its fields; sqlmodel builds the Pydantic class and the table's columns, whose types
``prepare_columns`` has set in a hook of Pydantic; SQLAlchemy maps the class; the table gets its
constraints.
"""

import builtins
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, cast, dataclass_transform

import sqlmodel
from pydantic import MISSING, BaseModel, ConfigDict, GetCoreSchemaHandler
from pydantic.errors import PydanticSchemaGenerationError
from pydantic_core import CoreSchema
from pydantic_core.core_schema import no_info_before_validator_function
from sqlalchemy import Column, ColumnDefault, Table
from sqlalchemy.ext.hybrid import hybrid_property
from sqlmodel._compat import SQLModelConfig, get_annotations
from sqlmodel.main import FieldInfo, RelationshipInfo, SQLModelMetaclass

from colonnade.errors import ModelError
from colonnade.models import _attributes, _constraints
from colonnade.models._annotations import Annotation, defining_namespace, evaluate
from colonnade.models._clock import next_version
from colonnade.models._columns import explain_schema_error, prepare_columns
from colonnade.models._fields import Field, flags_of
from colonnade.models._inheritance import (
    parametrized_namespace,
    refuse_table_inheritance,
    set_relations_aside,
    with_inherited_relations,
)
from colonnade.models._partial import partial_namespace
from colonnade.models._storable import mark_fields, storable_values
from colonnade.models._types import UTCDateTime
from colonnade.models._utc_on_flush import convert_to_utc_on_flush

SchemaKind = Literal["create", "update", "read"]
DeriveSchema = Callable[[type[Any], SchemaKind], type[Any]]


@dataclass_transform(kw_only_default=True, field_specifiers=(Field, sqlmodel.Field, FieldInfo))
class ModelMetaclass(SQLModelMetaclass):
    """The metaclass of ``SQLModel``.

    Attributes:
        derive_schema: Returns a schema of a table. ``_schemas`` sets it, since that module imports
            this one.
    """

    derive_schema: ClassVar[DeriveSchema]

    def __new__(
        mcs,
        name: str,
        bases: tuple[type[Any], ...],
        namespace: dict[str, Any],
        *,
        partial: bool = False,
        schema: SchemaKind | None = None,
        **kwargs: Any,
    ) -> Any:
        body = _with_annotations(namespace)
        config = {key: kwargs[key] for key in kwargs.keys() & ConfigDict.__annotations__.keys()}
        if config:  # sqlmodel ignores such a class argument
            body["model_config"] = {**body.get("model_config", {}), **config}
        table = bool(kwargs.get("table") or body.get("model_config", {}).get("table"))
        generic = kwargs.get("__pydantic_generic_metadata__")
        if generic:
            body = {**body, **parametrized_namespace(generic)}
        if schema is not None:
            bases = _derived_bases(name, bases, schema, schema_only=not (table or partial))
            body = {**_inherited_init(bases), **body}
        if partial:
            body = partial_namespace(name, bases, body, table=table)
        if table and body.get("model_config", {}).get("frozen"):
            raise ModelError(
                f"{name}: a table cannot be frozen, since its rows are filled step by step. "
                "Write Field(frozen=True) for fields that no update may change."
            )
        if table:
            refuse_table_inheritance(name, bases)
            body = with_inherited_relations(name, bases, body)
            # For Pydantic's hook: see SQLModel.__pydantic_init_subclass__.
            body["model_config"] = {**body.get("model_config", {}), "table": True}
        try:
            cls: Any = super().__new__(mcs, name, bases, body, **kwargs)
        except PydanticSchemaGenerationError as error:
            clearer = explain_schema_error(name, get_annotations(body), error) if table else None
            raise (clearer or error) from error
        if generic:
            cls.__pydantic_generic_metadata__ = generic  # sqlmodel drops it
        if not table:
            set_relations_aside(cls)
        return cls

    def __init__(
        cls,
        name: str,
        bases: tuple[type[Any], ...],
        namespace: dict[str, Any],
        *,
        partial: bool = False,
        schema: SchemaKind | None = None,
        **kwargs: Any,
    ) -> None:
        if schema is not None:
            bases = cls.__bases__
        if _is_new_table(cls, bases):
            _map_version(cls)
        super().__init__(name, bases, namespace, **kwargs)
        if _is_new_table(cls, bases):
            _finish_table(cls)


def _with_annotations(namespace: dict[str, Any]) -> dict[str, Any]:
    """The class body with quoted annotations resolved, if their names are known."""
    annotations = get_annotations(namespace)
    if not any(isinstance(annotation, str) for annotation in annotations.values()):
        return dict(namespace)
    names = defining_namespace(namespace)
    resolved = {
        name: evaluate(annotation, names, lenient=isinstance(value, RelationshipInfo))
        if isinstance(annotation, str)
        else annotation
        for name, annotation in annotations.items()
        for value in (namespace.get(name),)
    }
    return {**namespace, "__annotations__": resolved}


def _derived_bases(
    name: str, bases: tuple[type[Any], ...], kind: SchemaKind, *, schema_only: bool
) -> tuple[type[Any], ...]:
    tables = [base for base in bases if getattr(base, "model_config", {}).get("table")]
    if len(tables) != 1 or not schema_only:
        raise ModelError(
            f'{name}: schema="{kind}" needs exactly one table as a base, and cannot be combined '
            f'with table or partial. Write class {name}(Task, schema="{kind}").'
        )
    derived = ModelMetaclass.derive_schema(tables[0], kind)
    return tuple(derived if base is tables[0] else base for base in bases)


def _inherited_init(bases: tuple[type[Any], ...]) -> dict[str, Any]:
    """The custom ``__init__`` of a base, over which a derived schema would take precedence."""
    standard = (object.__init__, BaseModel.__init__, sqlmodel.SQLModel.__init__)
    custom = [base.__init__ for base in bases if base.__init__ not in standard]
    return {"__init__": custom[0]} if custom else {}


def _is_new_table(cls: type[Any], bases: tuple[type[Any], ...]) -> bool:
    def is_table(model: type[Any]) -> bool:
        return bool(getattr(model, "model_config", {}).get("table"))

    return is_table(cls) and not any(is_table(base) for base in bases)


def _map_version(cls: Any) -> None:
    """Make the ORM check the version column of a ``Versioned`` table."""
    for name, field in cls.model_fields.items():
        if flags_of(field).role == "version":
            arguments = dict(getattr(cls, "__mapper_args__", {}))
            managed = {
                "version_id_col": cls.__dict__[name],
                "version_id_generator": next_version,
            }
            cls.__mapper_args__ = managed | arguments


def _finish_table(cls: Any) -> None:
    table: Table = cls.__table__
    if table.info.get("is_view"):
        raise ModelError(
            f"{cls.__name__} is marked as a view, and models of views are not supported, since a "
            f"migration would create a table. Use sqlalchemy.Table and select() to read the view."
        )
    datetimes = set()
    managed = set()
    for name, field in cls.model_fields.items():
        column: Column[Any] | None = cls.__mapper__.c.get(name)
        if column is None:
            continue
        flags = flags_of(field)
        if flags.secret:
            field.repr = False
        _constraints.add_checks(table, column, Annotation.of_field(field))
        if flags.message is not None:
            _constraints.set_message(table, column, flags.message)
        if isinstance(column.type, UTCDateTime):
            datetimes.add(name)
        if flags.role is not None:
            managed.add(name)
        if flags.role == "version":
            column.onupdate = ColumnDefault(column + 1, for_update=True)
    _constraints.name_constraints(table)
    convert_to_utc_on_flush(cls, frozenset(datetimes))
    cls.__colonnade_managed__ = frozenset(managed)


class SQLModel(sqlmodel.SQLModel, metaclass=ModelMetaclass):
    """The base of tables (``table=True``) and schemas: sqlmodel's, with more column types.

    A class definition takes three arguments beside the base:

    - ``table=True``: the class is a table.
    - ``partial=True``: every inherited field may be absent, and is then unset. Constraints stay;
      None is accepted only if the column is nullable.
    - ``schema="create"``, ``"update"`` or ``"read"``: the class is this schema of its base, which
      must be a table, as derived by ``schemas(Table)``, plus the fields in its body. An editor sees
      the fields of the table; at run time it is not a subclass of it.

    Raises:
        ModelError: The class is not a valid model. The subclasses of the error say more.
        ColumnTypeError: A field of a table has a type that no column can hold.
        PartialError: The class cannot be partial.

    Examples:
        ```python
        from colonnade import Field, SQLModel


        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            title: str = Field(max_length=200)
            tags: list[str] = Field(default_factory=list)  # a JSON column


        class TaskUpdate(Task, schema="update"):
            notify: bool = False


        task = Task(title="Write")
        task.sqlmodel_update(TaskUpdate(title="Read").model_dump(exclude={"notify"}))
        print(task.title, task.tags)  # Read []
        ```
    """

    # Pydantic would take a hybrid property for a field without an annotation.
    model_config = SQLModelConfig(from_attributes=True, ignored_types=(hybrid_property,))
    __colonnade_managed__: ClassVar[frozenset[str]] = frozenset()
    __colonnade_stored__: ClassVar[bool] = False
    if TYPE_CHECKING:
        __table__: ClassVar[Table]

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if cls.model_config.get("table") and not hasattr(cls, "__table__"):
            prepare_columns(cls)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        if "__pydantic_fields__" in cls.__dict__:
            mark_fields(cls.__pydantic_fields__, stored=cls.__colonnade_stored__)
        schema = handler(source)
        if not cls.model_config.get("table"):
            return schema
        # For a table used as a body, sqlmodel's ``__init__`` does not validate: check it before.
        inner = dict(schema)
        ref: Any = inner.pop("ref", None)  # on the outer schema, or OpenAPI has no name for it
        check = partial(storable_values, cls)
        return no_info_before_validator_function(check, cast("CoreSchema", inner), ref=ref)

    def __setattr__(self, name: str, value: Any) -> None:
        if value is None and name in self.__colonnade_managed__ and self.__dict__.get(name) is None:
            # Leave a managed column unset instead of None, which a merge would copy.
            self.__dict__.pop(name, None)
            return
        super().__setattr__(name, value)

    def sqlmodel_update(
        self,
        obj: builtins.dict[str, Any] | BaseModel,
        *,
        update: builtins.dict[str, Any] | None = None,
    ) -> Self:
        """Set the values of another object on this one, and return this one.

        Args:
            obj: A dict or a model. Fields that are absent from a partial model stay unchanged.
            update: Values that override those of ``obj``.

        Raises:
            ValueError: ``obj`` is neither a dict nor a model.
        """
        if isinstance(obj, BaseModel):
            values = {name: getattr(obj, name) for name in type(obj).model_fields}
            present = {name: value for name, value in values.items() if value is not MISSING}
            if len(present) < len(values):
                obj = present
        elif isinstance(obj, dict):
            obj = {name: value for name, value in obj.items() if value is not MISSING}
        return super().sqlmodel_update(obj, update=update)


_attributes.install(SQLModel)
