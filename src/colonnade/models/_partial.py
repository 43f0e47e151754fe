"""Partial schemas: every inherited field may be absent, and is then unset.

An absent field has Pydantic's ``MISSING`` as its value; it is in no dump and not in
``model_fields_set``. None is an ordinary value, which is accepted only if the column is nullable.
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

DESCRIPTIVE_ATTRIBUTES = (
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
"""The attributes that describe a field, besides its type, constraints and default."""


def partial_namespace(
    name: str, bases: tuple[type[Any], ...], namespace: Mapping[str, Any], *, table: bool
) -> dict[str, Any]:
    """The class body of a partial class, with inherited fields made optional.

    Args:
        name: The name of the class.
        bases: Its bases.
        namespace: Its body; the fields in it stay unchanged.
        table: Whether the class is declared as a table as well.

    Raises:
        PartialError: The class inherits no fields, or cannot be partial.
    """
    if table:
        raise PartialError(
            f"{name}: a table cannot be partial, since a row has every column. Remove "
            f"table=True or partial=True."
        )
    inherited: dict[str, FieldInfo] = {}
    for base in reversed(bases):
        _refuse_base(name, base)
        inherited.update(getattr(base, "model_fields", {}))
    if not inherited:
        raise PartialError(
            f"{name}: partial=True makes inherited fields optional, and {name} inherits none. "
            f"Inherit from a schema with fields: class {name}(TaskBase, partial=True)."
        )
    annotated = namespace.get("__annotations__", {})
    annotations: dict[str, Any] = {}
    body: dict[str, Any] = {}
    for field_name, field in inherited.items():
        if field_name not in annotated:
            _refuse_unresolved(field, f"{name}.{field_name}")
            annotations[field_name], body[field_name] = optional_field(
                field, nullable=is_nullable(field)
            )
    body.update(_deferred_validators(bases, namespace, frozenset(annotations)))
    return {**body, **namespace, "__annotations__": {**annotations, **annotated}}


def _refuse_base(name: str, base: type[Any]) -> None:
    if getattr(base, "model_config", {}).get("table"):
        raise PartialError(
            f"{name}: {base.__name__} is a table, and its rows cannot be partial. Inherit from "
            f"its base schema, or derive the class: class {name}({base.__name__}, "
            f'schema="update").'
        )
    if issubclass(base, RootModel):
        raise PartialError(f"{name}: {base.__name__} is a RootModel, which has no fields to omit.")


def _refuse_unresolved(field: FieldInfo, field_path: str) -> None:
    kind = Annotation.of_field(field)
    if kind.is_unresolved:
        raise PartialError(
            f"{field_path}: the type {kind.type!r} is not known yet. Define it above the class."
        )


def optional_field(field: FieldInfo, *, nullable: bool) -> tuple[Any, FieldInfo]:
    """The annotation and ``FieldInfo`` of a field that may be absent.

    Args:
        field: The required field, whose constraints are kept.
        nullable: Whether the field accepts None.
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
        **{
            key: value
            for key in DESCRIPTIVE_ATTRIBUTES
            if (value := getattr(field, key)) is not None
        },
    )
    info.metadata.extend(markers)
    return Union[kind, MISSING], info  # noqa: UP007 - ``kind`` may be a forward reference


def is_nullable(field: FieldInfo) -> bool:
    """Whether a field's column is nullable, by sqlmodel's rules."""
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
    """The bases' validators of several fields, restricted to fields that are present."""
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
                validate: Any = field_validator(*decorator.info.fields, mode=decorator.info.mode)
                validators[name] = validate(_on_present_fields(validator))
    return validators


def takes_info(validator: Any, mode: str) -> bool:
    """Whether a field validator takes ``info``, with the other fields, as its last argument."""
    function = getattr(validator, "__func__", validator)
    arguments = len(signature(function).parameters) - isinstance(validator, classmethod)
    return arguments > (2 if mode == "wrap" else 1)


class _PresentInfo:
    """Pydantic's ``ValidationInfo``, without the fields that are absent."""

    def __init__(self, info: Any) -> None:
        self._info = info
        self.data = {name: value for name, value in info.data.items() if value is not MISSING}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._info, name)


def _on_present_fields(validator: Any) -> Any:
    """Wrap a field validator so that it is skipped if it reads a field that is absent."""
    function = getattr(validator, "__func__", validator)

    @wraps(function)
    def run(*args: Any) -> Any:
        *others, info = args
        present = info if isinstance(info, _PresentInfo) else _PresentInfo(info)
        try:
            return function(*others, present)
        except KeyError as error:
            if error.args[0] in present.data or error.args[0] not in info.data:
                raise
            return others[isinstance(validator, classmethod)]

    return type(validator)(run) if isinstance(validator, classmethod | staticmethod) else run


def deferred(validator: Callable[..., Any], names: frozenset[str]) -> Callable[..., Any]:
    """Wrap a model validator so that it is skipped if it reads a field that is absent.

    A rule on two fields cannot be checked with only one of them. The code that merges the changes
    into the row validates the complete row: see ``row_validator``.
    """

    @wraps(validator)
    def run(self: BaseModel, *args: Any) -> Any:
        absent_names = [name for name in names if self.__dict__.get(name) is MISSING]
        for name in absent_names:
            del self.__dict__[name]
        try:
            return validator(self, *args)
        except AttributeError as error:
            if error.obj is not self or error.name not in absent_names:
                raise
            return self
        finally:
            for name in absent_names:
                self.__dict__.setdefault(name, MISSING)

    run.__colonnade_deferred__ = True  # type: ignore[attr-defined]  # a marker
    return run
