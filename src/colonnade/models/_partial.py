"""Partial schemas: every inherited field may be absent, and is then unset.

An absent field is Pydantic's ``MISSING``: it is in no dump and in no ``model_fields_set``. None
is a value like any other, taken only where the column is nullable.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from inspect import getattr_static, signature
from typing import Annotated, Any, Optional, Union

import pydantic
from pydantic import MISSING, BaseModel, RootModel, field_validator, model_validator
from pydantic.fields import FieldInfo
from sqlmodel.main import FieldInfoMetadata

from colonnade.errors import PartialError
from colonnade.models._annotations import Annotation
from colonnade.models._fields import FieldFlags, column_options

SHOWN = (
    "alias",
    "alias_priority",
    "validation_alias",
    "serialization_alias",
    "title",
    "description",
    "examples",
    "deprecated",
    "json_schema_extra",
)
"""What a field tells of itself, beyond its type, constraints and default."""


def partial_namespace(
    name: str, bases: tuple[type[Any], ...], namespace: Mapping[str, Any], *, table: bool
) -> dict[str, Any]:
    """The body of a partial class, with what it inherits made optional.

    Args:
        name: The class's name.
        bases: Its bases.
        namespace: Its body; a field that it declares itself stays as it is.
        table: Whether it was asked to be a table as well.

    Raises:
        PartialError: It has nothing to make partial, or cannot be partial.
    """
    if table:
        raise PartialError(
            f"{name}: a table cannot be partial, since a row has every column. Leave out "
            f"table=True or partial=True."
        )
    inherited: dict[str, FieldInfo] = {}
    for base in reversed(bases):
        _refuse(name, base)
        inherited.update(getattr(base, "model_fields", {}))
    if not inherited:
        raise PartialError(
            f"{name}: partial=True makes inherited fields optional, and {name} inherits none. "
            f"Inherit from the schema that has them: class {name}(TaskBase, partial=True)."
        )
    annotated = namespace.get("__annotations__", {})
    annotations: dict[str, Any] = {}
    body: dict[str, Any] = {}
    for field_name, field in inherited.items():
        if field_name not in annotated:
            _refuse_unresolved(field, f"{name}.{field_name}")
            annotations[field_name], body[field_name] = absent(field, nullable=is_nullable(field))
    body.update(_deferred_validators(bases, namespace, frozenset(annotations)))
    return {**body, **namespace, "__annotations__": {**annotations, **annotated}}


def _refuse(name: str, base: type[Any]) -> None:
    if getattr(base, "model_config", {}).get("table"):
        raise PartialError(
            f"{name}: {base.__name__} is a table, and its rows cannot be partial. Inherit from "
            f"its base schema, or derive the class: class {name}({base.__name__}, "
            f'schema="update").'
        )
    if issubclass(base, RootModel):
        raise PartialError(f"{name}: {base.__name__} is one value and has no fields to leave out.")


def _refuse_unresolved(field: FieldInfo, where: str) -> None:
    kind = Annotation.of_field(field)
    if kind.is_unresolved:
        raise PartialError(
            f"{where}: the type {kind.type!r} is not known yet. Define it above the class."
        )


def absent(field: FieldInfo, *, nullable: bool) -> tuple[Any, FieldInfo]:
    """A field that may be left out: its annotation and its ``FieldInfo``.

    Args:
        field: The field that must be there.
        nullable: Whether it accepts None when it is there. Its other constraints are kept.
    """
    markers = [item for item in field.metadata if isinstance(item, FieldFlags | FieldInfoMetadata)]
    constraints = [item for item in field.metadata if item not in markers]
    kind: Any = field.annotation
    if not nullable:
        kind = _without_none(kind)
    elif not Annotation.of(kind).nullable:
        kind = Optional[kind]  # noqa: UP045 - ``kind`` may be a Literal or a forward reference
    if field.discriminator is not None:
        constraints.append(pydantic.Field(discriminator=field.discriminator))
    if constraints:
        kind = Annotated[kind, *constraints]
    make: Callable[..., FieldInfo] = pydantic.Field
    info = make(
        default=MISSING,
        validate_default=False,
        repr=field.repr,
        exclude=field.exclude,
        **{key: value for key in SHOWN if (value := getattr(field, key)) is not None},
    )
    info.metadata.extend(markers)
    return Union[kind, MISSING], info  # noqa: UP007 - ``kind`` may be a forward reference


def is_nullable(field: FieldInfo) -> bool:
    """Whether a field's column takes NULL, as sqlmodel decides it."""
    options = column_options(field)
    if isinstance(options.nullable, bool):
        return options.nullable
    return Annotation.of_field(field).nullable and options.primary_key is not True


def _without_none(annotation: Any) -> Any:
    parts = Annotation.of(annotation)
    if not parts.nullable:
        return annotation
    return Annotated[parts.type, *parts.metadata] if parts.metadata else parts.type


def _deferred_validators(
    bases: Iterable[type[Any]], namespace: Mapping[str, Any], names: frozenset[str]
) -> dict[str, Any]:
    """The bases' validators of more than one field, judging only what is there."""
    validators: dict[str, Any] = {}
    for base in reversed(tuple(bases)):
        decorators = getattr(base, "__pydantic_decorators__", None)
        for name, decorator in getattr(decorators, "model_validators", {}).items():
            if decorator.info.mode == "after" and name not in namespace:
                validator = getattr_static(base, decorator.cls_var_name)
                if callable(validator) and not hasattr(validator, "__colonnade_deferred__"):
                    validators[name] = model_validator(mode="after")(deferred(validator, names))
        for name, decorator in getattr(decorators, "field_validators", {}).items():
            validator = getattr_static(base, decorator.cls_var_name)
            if name not in namespace and takes_info(validator, decorator.info.mode):
                again: Any = field_validator(*decorator.info.fields, mode=decorator.info.mode)
                validators[name] = again(_seeing_what_is_there(validator))
    return validators


def takes_info(validator: Any, mode: str) -> bool:
    """Whether a field's validator takes the other fields, by its last argument."""
    function = getattr(validator, "__func__", validator)
    arguments = len(signature(function).parameters) - isinstance(validator, classmethod)
    return arguments > (2 if mode == "wrap" else 1)


class _Seen:
    """A validator's information, without the fields that are absent."""

    def __init__(self, info: Any) -> None:
        self._info = info
        self.data = {name: value for name, value in info.data.items() if value is not MISSING}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._info, name)


def _seeing_what_is_there(validator: Any) -> Any:
    """A field's validator, left for the whole row when it asks for a field that is absent."""
    function = getattr(validator, "__func__", validator)

    @wraps(function)
    def run(*args: Any) -> Any:
        *others, info = args
        seen = info if isinstance(info, _Seen) else _Seen(info)
        try:
            return function(*others, seen)
        except KeyError as error:
            if error.args[0] in seen.data or error.args[0] not in info.data:
                raise
            return others[isinstance(validator, classmethod)]

    return type(validator)(run) if isinstance(validator, classmethod | staticmethod) else run


def deferred(validator: Callable[..., Any], names: frozenset[str]) -> Callable[..., Any]:
    """``validator``, left for the whole row when it reads a field that is absent.

    A rule over two fields cannot be judged on one of them; whoever puts the row together
    validates it whole.
    """

    @wraps(validator)
    def run(self: BaseModel, *args: Any) -> Any:
        gone = [name for name in names if self.__dict__.get(name) is MISSING]
        for name in gone:
            del self.__dict__[name]
        try:
            return validator(self, *args)
        except AttributeError as error:
            if error.obj is not self or error.name not in gone:
                raise
            return self
        finally:
            for name in gone:
                self.__dict__.setdefault(name, MISSING)

    run.__colonnade_deferred__ = True  # type: ignore[attr-defined]  # a mark of our own
    return run
