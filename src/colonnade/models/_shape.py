"""``Shape``: the columns, keys and relations of a table, analyzed once."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import cached_property, lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, get_args, get_origin
from uuid import UUID

from pydantic import AwareDatetime, NaiveDatetime
from pydantic.fields import FieldInfo
from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    Column,
    SmallInteger,
    Table,
    UniqueConstraint,
    Uuid,
    inspect,
)
from sqlalchemy import Enum as NativeEnum
from sqlalchemy.types import TypeEngine
from sqlmodel import SQLModel

from colonnade._owner_caches import cached_by_owner
from colonnade.errors import ModelError
from colonnade.models._annotations import Annotation, Bounds
from colonnade.models._columns import is_json
from colonnade.models._constraints import choices_of
from colonnade.models._fields import FieldFlags, Role, flags_of
from colonnade.models._native_types import (
    MULTIRANGES,
    RANGES,
    SCALARS,
    TEXT_FORMS,
    is_range,
    range_type,
    type_name,
    type_on,
)
from colonnade.models._relation_shapes import RelationShape, link_fields, relation_shape
from colonnade.models._types import TEXT_TYPES, EnumText

ColumnKind = Literal[
    "text", "integer", "float", "boolean", "decimal", "datetime", "date", "time", "timedelta",
    "uuid", "bytes", "enum", "literal", "json", "ip", "path", "native", "range", "other",
]  # fmt: skip

_KINDS: tuple[tuple[type[Any] | tuple[type[Any], ...], ColumnKind], ...] = (
    (Enum, "enum"),
    (bool, "boolean"),
    (int, "integer"),
    (float, "float"),
    (Decimal, "decimal"),
    (datetime, "datetime"),
    (date, "date"),
    (time, "time"),
    (timedelta, "timedelta"),
    (UUID, "uuid"),
    (bytes, "bytes"),
    (str, "text"),
    (Path, "path"),
    (
        (
            ipaddress.IPv4Address, ipaddress.IPv6Address, ipaddress.IPv4Network,
            ipaddress.IPv6Network, ipaddress.IPv4Interface, ipaddress.IPv6Interface,
        ),
        "ip",
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class ColumnShape:
    """One column of a table.

    Attributes:
        name: The name of the field.
        column: SQLAlchemy's column.
        field: Pydantic's field.
        annotation: The analyzed annotation of the field.
        kind: The kind of its values.
        nullable: Whether it allows NULL.
        primary_key: Whether it is the primary key, or part of it.
        unique: Whether a constraint or index on this column alone makes its values unique.
        generated: Whether the database generates its value: a serial key, an identity or a
            computed column.
        has_default: Whether a row can be stored without a value for it: it has a default, in
            Python or in the database, or allows NULL.
        foreign_key: The referenced table and column, such as ``("project", "id")``; None if there
            is none, or it has several columns.
        choices: The stored values of a ``Literal`` or ``Enum``.
        flags: Who may see and set it.

    Examples:
        ```python
        from typing import Literal

        from colonnade import Field, Shape, SQLModel


        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            status: Literal["pending", "done"] = "pending"


        status = Shape.of(Task).columns["status"]
        print(status.kind, status.choices)  # literal ('pending', 'done')
        print(status.nullable, status.has_default)  # False True
        ```
    """

    name: str
    column: Column[Any]
    field: FieldInfo
    annotation: Annotation
    kind: ColumnKind
    nullable: bool
    primary_key: bool
    unique: bool
    generated: bool
    has_default: bool
    foreign_key: tuple[str, str] | None
    choices: tuple[str | int, ...] | None
    flags: FieldFlags

    @property
    def body_name(self) -> str:
        """The name in a request body."""
        alias = self.field.validation_alias or self.field.alias
        return alias if isinstance(alias, str) else self.name

    @property
    def bounds(self) -> Bounds:
        """The bounds of its field."""
        return self.annotation.bounds

    @property
    def integer_bits(self) -> int | None:
        """The size of an integer column on PostgreSQL: 16, 32 or 64; None for other kinds."""
        if self.kind != "integer":
            return None
        stored = self.stored_type
        if isinstance(stored, SmallInteger):
            return 16
        return 64 if isinstance(stored, BigInteger) else 32

    @property
    def stored_type(self) -> TypeEngine[Any]:
        """Its type on PostgreSQL, without the domains around it."""
        return type_on(self.column.type, "postgresql")

    @property
    def spellings(self) -> Mapping[Any, tuple[str, ...]] | None:
        """The stored texts of each member of an enum; None if each member has only one.

        sqlmodel stores names, Colonnade values.
        """
        return self.column.type.spellings if isinstance(self.column.type, EnumText) else None

    @property
    def python_type(self) -> Any:
        """The type of its values, without None and constraints."""
        return datetime if self.kind == "datetime" else self.annotation.type

    @property
    def is_aware(self) -> bool:
        """Whether it holds aware datetimes, stored in UTC."""
        return self.kind == "datetime" and bool(getattr(self.stored_type, "timezone", False))

    def accepts(self, field: FieldInfo) -> bool:
        """Whether a schema's field has this column's type, without constraints and None.

        Args:
            field: The field of the schema.

        Returns:
            Whether its values can be stored without conversion.
        """
        field_annotation = Annotation.of_field(field)
        if field_annotation.metadata and any(
            hasattr(item, "func") for item in field_annotation.metadata
        ):
            return False  # a validator, which may change the value
        if self.kind == "datetime":
            exact = AwareDatetime if self.is_aware else NaiveDatetime
            return field_annotation.type in (datetime, exact)
        return (
            field_annotation.type == self.python_type
            or _kind(field_annotation) == self.kind == "text"
        )

    @property
    def secret(self) -> bool:
        """Whether requests can neither read it nor use it to filter or sort."""
        return self.flags.secret

    @property
    def readonly(self) -> bool:
        """Whether no request can set it."""
        return self.flags.readonly or self.generated

    @property
    def frozen(self) -> bool:
        """Whether it is only set on creation."""
        return self.flags.frozen or self.primary_key

    @property
    def role(self) -> Role | None:
        """The purpose of a managed column: a timestamp or version."""
        return self.flags.role


@dataclass(frozen=True, slots=True)
class ForeignKeyShape:
    """A foreign key, of one column or several.

    Attributes:
        name: The name of the constraint.
        columns: The columns of this table.
        table: The referenced table.
        target_columns: The referenced columns, in the same order.
        ondelete: What the database does when the referenced row is deleted.

    Examples:
        ```python
        from colonnade import Field, Shape, SQLModel


        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            project_id: int = Field(foreign_key="project.id", ondelete="CASCADE")


        (key,) = Shape.of(Task).foreign_keys
        print(key.name, key.columns)  # fk_task_project_id_project ('project_id',)
        print(key.table, key.target_columns, key.ondelete)  # project ('id',) CASCADE
        ```
    """

    name: str | None
    columns: tuple[str, ...]
    table: str
    target_columns: tuple[str, ...]
    ondelete: str | None


class Shape:
    """The columns, primary key, foreign keys and relations of a table.

    Use ``Shape.of(Task)``, which analyzes a table once. Relations are analyzed on first access,
    since they need every model to be defined.

    Attributes:
        model: The model.
        table: SQLAlchemy's table.
        columns: The columns by field name, in the order of the table.

    Examples:
        ```python
        from colonnade import Field, Shape, SQLModel


        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            title: str = Field(max_length=200, unique=True)
            project_id: int | None = Field(default=None, foreign_key="project.id")


        shape = Shape.of(Task)
        print([column.name for column in shape.primary_key])  # ['id']
        print([key.table for key in shape.foreign_keys])  # ['project']
        print(shape.columns["title"].unique)  # True
        ```
    """

    def __init__(self, model: type[SQLModel]) -> None:
        self.model = model
        self.table: Table = inspect(model).local_table
        names = {column: name for name, column in inspect(model).c.items()}
        fields = model.model_fields
        self.columns: Mapping[str, ColumnShape] = MappingProxyType(
            {
                names[column]: _column_shape(names[column], column, fields[names[column]])
                for column in self.table.columns
                if names.get(column) in fields
            }
        )

    @staticmethod
    def of(model: type[Any]) -> "Shape":
        """The shape of a table, which may be a plain sqlmodel table.

        Args:
            model: The model of the table.

        Returns:
            The shape, which later calls return again.

        Raises:
            ModelError: ``model`` is not a table.
        """
        return _shape_of(model)

    @property
    def name(self) -> str:
        """The table's name in the database."""
        return self.table.name

    @cached_property
    def primary_key(self) -> tuple[ColumnShape, ...]:
        """The columns of the primary key, in the order of the key."""
        by_column = {shape.column: shape for shape in self.columns.values()}
        return tuple(by_column[column] for column in self.table.primary_key)

    @cached_property
    def foreign_keys(self) -> tuple[ForeignKeyShape, ...]:
        """The foreign keys, in the order of their first columns."""
        shapes = (
            ForeignKeyShape(
                name=None if constraint.name is None else str(constraint.name),
                columns=tuple(column.name for column in constraint.columns),
                table=constraint.elements[0].target_fullname.rsplit(".", 1)[0],
                target_columns=tuple(
                    element.target_fullname.rsplit(".", 1)[1] for element in constraint.elements
                ),
                ondelete=constraint.ondelete,
            )
            for constraint in self.table.foreign_key_constraints
        )
        order = [column.name for column in self.table.columns]
        return tuple(sorted(shapes, key=lambda key: order.index(key.columns[0])))

    @cached_property
    def version(self) -> ColumnShape | None:
        """The version column of a ``Versioned`` table."""
        return next((column for column in self.columns.values() if column.role == "version"), None)

    @cached_property
    def relations(self) -> Mapping[str, RelationShape]:
        """The relations, by name.

        Raises:
            sqlalchemy.exc.InvalidRequestError: A relation names a model that is not defined.
        """
        return MappingProxyType(
            {
                relation.key: relation_shape(relation)
                for relation in inspect(self.model).relationships
            }
        )

    @cached_property
    def link_fields(self) -> tuple[str, ...] | None:
        """The additional fields of a link table; None if this is not a link table.

        The primary key of a link table consists of two or more foreign keys.
        """
        return link_fields(self.table)

    def __repr__(self) -> str:
        return f"Shape({self.model.__name__})"


@cached_by_owner
def _shape_of(model: type[Any]) -> Shape:
    if not getattr(model, "model_config", {}).get("table") or not hasattr(model, "__table__"):
        raise ModelError(
            f"{getattr(model, '__name__', model)!s} is not a table. To make it one, write "
            f"class {getattr(model, '__name__', 'Task')}(..., table=True)."
        )
    return Shape(model)


def _column_shape(name: str, column: Column[Any], field: FieldInfo) -> ColumnShape:
    annotation = Annotation.of_field(field)
    generated = _is_generated(column, field)
    keys = [key for key in column.foreign_keys if len(_elements(key)) == 1]
    target = keys[0].target_fullname.rsplit(".", 1) if keys else None
    return ColumnShape(
        name=name,
        column=column,
        field=field,
        annotation=annotation,
        kind=_stored_kind(_kind(annotation), column, annotation.type),
        nullable=bool(column.nullable),
        primary_key=column.primary_key,
        unique=_is_unique(column),
        generated=generated,
        has_default=(
            generated
            or bool(column.nullable)
            or column.server_default is not None
            or _has_python_default(column, field)
        ),
        foreign_key=(target[0], target[1]) if target else None,
        choices=_choices(column, annotation),
        flags=flags_of(field),
    )


@lru_cache(maxsize=4096)
def element_of(column: ColumnShape) -> ColumnShape | None:
    """What a column contains, as a column: the items of an array, or the bounds of a range.

    Args:
        column: The column.

    Returns:
        The element; None if the column has none, or its annotation does not have their type.
    """
    stored = column.stored_type
    name = type_name(stored)
    annotation = _element_annotation(column.annotation.type)
    if annotation is None:
        return None
    if isinstance(stored, ARRAY):
        return _element(column, _item_type(stored, annotation), annotation)
    if name in RANGES and is_range(column.annotation.type):
        return _element(column, RANGES[name][0], annotation)
    if name in MULTIRANGES and is_range(annotation.type):
        return _element(column, range_type(stored), annotation)
    return None


def _element_annotation(container: Any) -> Annotation | None:
    arguments = get_args(container)
    is_list = get_origin(container) in (list, set, frozenset) or is_range(container)
    if is_list or (get_origin(container) is tuple and arguments[1:] == (Ellipsis,)):
        return Annotation.of(arguments[0]) if arguments else None
    return None


def _item_type(stored: ARRAY[Any], annotation: Annotation) -> TypeEngine[Any]:
    """The type of the items of an array, which may be arrays as well."""
    is_nested = _element_annotation(annotation.type) is not None and not is_range(annotation.type)
    if not is_nested or isinstance(stored.item_type, JSON):
        return stored.item_type
    dimensions = stored.dimensions
    return ARRAY(stored.item_type, dimensions=dimensions - 1 if dimensions else None)


def _element(column: ColumnShape, kind: TypeEngine[Any], annotation: Annotation) -> ColumnShape:
    element: Column[Any] = Column(column.column.name, kind)
    return replace(
        column,
        column=element,
        annotation=annotation,
        kind=_stored_kind(_kind(annotation), element, annotation.type),
        nullable=annotation.nullable,
        choices=_choices(element, annotation),
    )


def _elements(key: Any) -> Any:
    return key.constraint.elements if key.constraint is not None else [key]


def _stored_kind(kind: ColumnKind, column: Column[Any], annotation: Any) -> ColumnKind:
    """The kind of the stored values: a text field may be an enum or a UUID in the database."""
    stored = type_on(column.type, "postgresql")
    name = type_name(stored)
    if name in SCALARS:
        return "other" if annotation is Any else "native"
    if name in RANGES:
        return "range" if is_range(annotation) else "other"
    if name in TEXT_FORMS or (name in MULTIRANGES and kind != "json"):
        return "other"
    if kind == "text" and isinstance(stored, NativeEnum):
        return "literal"
    return "uuid" if kind == "text" and isinstance(stored, Uuid) else kind


def _kind(annotation: Annotation) -> ColumnKind:
    origin = get_origin(annotation.type)
    if origin is Literal:
        is_enum = isinstance(get_args(annotation.type)[0], Enum)
        return "enum" if is_enum else "literal"
    if isinstance(annotation.type, type) and origin is None:
        for types, kind in _KINDS:
            if issubclass(annotation.type, types):
                return kind
        if annotation.type.__name__ in {"AwareDatetime", "NaiveDatetime"}:
            return "datetime"
        if annotation.type.__name__ == "EmailStr" or issubclass(annotation.type, TEXT_TYPES):
            return "text"
    return "json" if is_json(annotation.type) else "other"


def _choices(column: Column[Any], annotation: Annotation) -> tuple[str | int, ...] | None:
    stored = type_on(column.type, "postgresql")
    if isinstance(stored, NativeEnum):
        return tuple(stored.enums)
    return choices_of(column, annotation)


def _is_generated(column: Column[Any], field: FieldInfo) -> bool:
    if column.computed is not None or column.identity is not None:
        return True
    if not column.primary_key:
        return False
    if column.server_default is not None:
        return True
    is_serial = column.table is not None and column.table.autoincrement_column is column
    # With ``id: int = Field(primary_key=True)`` the program has to provide the key.
    return is_serial and not field.is_required()


def _has_python_default(column: Column[Any], field: FieldInfo) -> bool:
    if field.default_factory is not None:
        return True
    default = column.default
    return default is not None and getattr(default, "arg", None) is not None


def _is_unique(column: Column[Any]) -> bool:
    table = column.table
    sets = [set(index.columns) for index in table.indexes if index.unique]
    sets += [set(c.columns) for c in table.constraints if isinstance(c, UniqueConstraint)]
    return {column} in [*sets, set(table.primary_key.columns)]


def value_shape(
    name: str,
    annotation: Annotation,
    column_type: TypeEngine[Any] | None = None,
    *,
    nullable: bool = True,
) -> ColumnShape:
    """The shape of a value that is computed, or is part of a JSON column.

    Args:
        name: The name of the value.
        annotation: The analyzed annotation of the value.
        column_type: The type of the SQL expression; None for a value that is not compared.
        nullable: Whether the value may be NULL.
    """
    choices = get_args(annotation.type) if get_origin(annotation.type) is Literal else None
    return ColumnShape(
        name=name,
        column=Column(name, column_type, nullable=nullable),
        field=FieldInfo(annotation=annotation.type),
        annotation=annotation,
        kind=_kind(annotation),
        nullable=nullable,
        primary_key=False,
        unique=False,
        generated=False,
        has_default=True,
        foreign_key=None,
        choices=choices,
        flags=FieldFlags(),
    )
