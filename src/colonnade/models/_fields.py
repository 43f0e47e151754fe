"""``Field``: sqlmodel's, extended by access flags such as ``secret`` and ``readonly``."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, cast

import sqlmodel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined as Undefined
from pydantic_core import PydanticUndefinedType as UndefinedType
from sqlalchemy import Column
from sqlalchemy.types import TypeEngine
from sqlmodel.main import FieldInfoMetadata

from colonnade.errors import ModelError
from colonnade.models._annotations import Annotation

T = TypeVar("T")
Role = Literal["created_at", "updated_at", "version"]


@dataclass(frozen=True, slots=True)
class FieldFlags:
    """Colonnade's own options of a field.

    Attributes:
        secret: The field is in no read schema, and cannot be used to filter or sort.
        readonly: The field is in neither the create nor the update schema.
        frozen: The field is in the create schema but not in the update schema.
        role: The purpose of a managed column, which the program does not set.
        message: The error message for constraints on the field.
    """

    secret: bool = False
    readonly: bool = False
    frozen: bool = False
    role: Role | None = None
    message: str | None = None


def flags_of(field: FieldInfo) -> FieldFlags:
    """The flags of a field, with those of a ``Field`` in its ``Annotated`` type."""
    flags = [item for item in _declared(field) if isinstance(item, FieldFlags)]
    if not flags:
        return FieldFlags(frozen=bool(field.frozen))
    return flags[0] if len(flags) == 1 else _merged(FieldFlags, flags, FieldFlags())


def column_options(field: FieldInfo) -> FieldInfoMetadata:
    """The column arguments of sqlmodel's ``Field``, with those in its ``Annotated`` type.

    The arguments of the field itself take precedence, as in Pydantic.
    """
    options = [item for item in _declared(field) if isinstance(item, FieldInfoMetadata)]
    if options:
        return options[0] if len(options) == 1 else _merged(FieldInfoMetadata, options, _NO_OPTIONS)
    return FieldInfoMetadata(
        **{name: getattr(field, name, Undefined) for name in FieldInfoMetadata.__dataclass_fields__}
    )


def _declared(field: FieldInfo) -> list[Any]:
    """What a field declares, and then its type: that of ``Secret | None`` does it inside."""
    if isinstance(field.annotation, type):
        return field.metadata
    return [*field.metadata, *Annotation.of(field.annotation).metadata]


_NO_OPTIONS = FieldInfoMetadata()


def _merged(kind: type[T], items: Sequence[T], default: T) -> T:
    """One item of several: each attribute is that of the first item that sets it."""
    names = [field.name for field in dataclasses.fields(cast("Any", kind))]
    return kind(
        **{
            name: next(
                (
                    value
                    for item in items
                    if (value := getattr(item, name)) != getattr(default, name)
                ),
                getattr(default, name),
            )
            for name in names
        }
    )


def Field(  # noqa: N802 - a class in all but name, as in Pydantic and sqlmodel
    default: Any = Undefined,
    *,
    secret: bool = False,
    readonly: bool = False,
    frozen: bool = False,
    message: str | None = None,
    default_factory: Callable[[], Any] | None = None,
    alias: str | None = None,
    validation_alias: str | None = None,
    serialization_alias: str | None = None,
    title: str | None = None,
    description: str | None = None,
    examples: list[Any] | None = None,
    exclude: Set[int | str] | Mapping[int | str, Any] | Any = None,
    include: Set[int | str] | Mapping[int | str, Any] | Any = None,
    const: bool | None = None,
    gt: Any = None,
    ge: Any = None,
    lt: Any = None,
    le: Any = None,
    multiple_of: float | None = None,
    max_digits: int | None = None,
    decimal_places: int | None = None,
    min_items: int | None = None,
    max_items: int | None = None,
    unique_items: bool | None = None,
    min_length: int | None = None,
    max_length: int | None = None,
    pattern: str | None = None,
    allow_mutation: bool = True,
    regex: str | None = None,
    discriminator: Any = None,
    repr: bool = True,  # noqa: A002 - Pydantic's name
    primary_key: bool | UndefinedType = Undefined,
    foreign_key: str | UndefinedType = Undefined,
    ondelete: Literal["CASCADE", "SET NULL", "RESTRICT"] | UndefinedType = Undefined,
    unique: bool | UndefinedType = Undefined,
    nullable: bool | UndefinedType = Undefined,
    index: bool | UndefinedType = Undefined,
    sa_type: TypeEngine[Any] | type[TypeEngine[Any]] | UndefinedType = Undefined,
    sa_column: Column[Any] | UndefinedType = Undefined,
    sa_column_args: Sequence[Any] | UndefinedType = Undefined,
    sa_column_kwargs: Mapping[str, Any] | UndefinedType = Undefined,
    schema_extra: dict[str, Any] | None = None,
) -> Any:
    """Define a field of a model: sqlmodel's ``Field`` with additional arguments.

    Args:
        default: The default value. Without a default, the field is required.
        secret: The field is in no read schema and not in ``repr``, and requests cannot use it to
            filter or sort.
        readonly: The field is in neither the create nor the update schema, so that only the program
            sets it.
        frozen: The field is in the create schema but not in the update schema. On a class that is
            not a table, it has Pydantic's meaning.
        message: The error message if the database refuses the value because of the field's CHECK or
            unique constraints. For a constraint in ``__table_args__``, pass
            ``info={"message": ...}``.
        default_factory: Returns the default value of each new object.
        alias: The name in request bodies and responses.
        validation_alias: The name in request bodies only.
        serialization_alias: The name in responses only.
        title: The title in the JSON schema.
        description: The description in the JSON schema.
        examples: Examples for the OpenAPI document.
        exclude: Whether to leave the field out of responses.
        include: Refused: it has no effect in Pydantic 2.
        const: Refused: it has no effect in Pydantic 2.
        gt: The value must be greater. Every schema checks this bound and the following ones, and so
            does the database, with named CHECK constraints.
        ge: The value must be greater or equal.
        lt: The value must be less.
        le: The value must be less or equal.
        multiple_of: The value must be a multiple of this number.
        max_digits: The maximum number of digits of a ``Decimal``. With ``decimal_places`` as well,
            it is exact on every database.
        decimal_places: The number of digits of a ``Decimal`` after the point.
        min_items: The deprecated name of ``min_length`` for lists.
        max_items: The deprecated name of ``max_length`` for lists.
        unique_items: Refused: it has no effect in Pydantic 2.
        min_length: The minimum length, in characters or items.
        max_length: The maximum length, in characters or items.
        pattern: A regular expression that the text must match. Only schemas check it.
        allow_mutation: False is refused: it has no effect in Pydantic 2. Use ``frozen``.
        regex: The former name of ``pattern``.
        discriminator: The field that tells the types of a union apart.
        repr: Whether the field is in the ``repr`` of an object.
        primary_key: Whether the column is in the primary key.
        foreign_key: The referenced column, as ``project.id``.
        ondelete: What the database does to the row when the referenced row is deleted.
        unique: Whether the column has a unique constraint.
        nullable: Whether the column allows NULL; by default if the type allows None.
        index: Whether the column has an index.
        sa_type: The type of the column, instead of that for the annotation.
        sa_column: The column itself, instead of one for the annotation.
        sa_column_args: Positional arguments of SQLAlchemy's ``Column``.
        sa_column_kwargs: Keyword arguments of SQLAlchemy's ``Column``.
        schema_extra: Other arguments of Pydantic's ``Field``.

    Returns:
        The definition of the field, for the class body.

    Raises:
        RuntimeError: Arguments exclude each other, as in sqlmodel.
        ModelError: An argument has no effect in Pydantic 2.

    Examples:
        ```python
        from colonnade import Field, SQLModel, schemas


        class User(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            email: str = Field(unique=True, frozen=True, message="Use another address.")
            password_hash: str = Field(secret=True)
            age: int | None = Field(default=None, ge=18)


        print(sorted(schemas(User).read.model_fields))  # ['age', 'email', 'id']
        print(sorted(schemas(User).update.model_fields))  # ['age', 'password_hash']
        ```
    """
    _refuse_ignored(const=const, unique_items=unique_items, include=include)
    if not allow_mutation:
        _refuse_ignored(allow_mutation=allow_mutation)
    if regex is not None and pattern is not None:
        raise RuntimeError("regex and pattern have the same meaning. Pass only pattern")
    pattern = regex if pattern is None else pattern
    extra = {"pattern": pattern, "examples": examples, "frozen": frozen or None}
    arguments = {name: value for name, value in extra.items() if value is not None}
    # The annotation hides sqlmodel's overloads; sqlmodel checks the arguments at run time.
    make: Callable[..., FieldInfo] = sqlmodel.Field
    field = make(
        default,
        default_factory=default_factory,
        alias=alias,
        validation_alias=validation_alias,
        serialization_alias=serialization_alias,
        title=title,
        description=description,
        exclude=exclude,
        gt=gt,
        ge=ge,
        lt=lt,
        le=le,
        multiple_of=multiple_of,
        max_digits=max_digits,
        decimal_places=decimal_places,
        min_items=min_items,
        max_items=max_items,
        min_length=min_length,
        max_length=max_length,
        discriminator=discriminator,
        repr=repr and not secret,
        primary_key=primary_key,
        foreign_key=foreign_key,
        ondelete=ondelete,
        unique=unique,
        nullable=nullable,
        index=index,
        sa_type=sa_type,
        sa_column=sa_column,
        sa_column_args=sa_column_args,
        sa_column_kwargs=sa_column_kwargs,
        schema_extra={**(schema_extra or {}), **arguments},
    )
    flags = FieldFlags(secret=secret, readonly=readonly, frozen=frozen, message=message)
    if flags != FieldFlags():
        field.metadata.append(flags)
    return field


_ALTERNATIVES = {
    "const": "Literal[...] as the type",
    "unique_items": "set[...] as the type",
    "include": "a read schema with the fields to show",
    "allow_mutation": "frozen=True",
}


def _refuse_ignored(**arguments: Any) -> None:
    for name, value in arguments.items():
        if value is not None:
            raise ModelError(
                f"Field({name}={value!r}) has no effect in Pydantic 2. Use {_ALTERNATIVES[name]}."
            )
