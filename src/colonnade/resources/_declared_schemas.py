"""The schemas that a dependency declares by its return annotation: ``type[A] | type[B]``."""

from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Generator,
    Iterable,
    Iterator,
)
from functools import partial
from inspect import isroutine
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel

from colonnade.errors import ModelError

_ITERATORS = (Generator, Iterator, Iterable, AsyncGenerator, AsyncIterator, AsyncIterable)
"""The annotations of dependencies that yield; their first argument is what they yield."""


def declared_schemas(dependency: Callable[..., Any], label: str) -> tuple[type[BaseModel], ...]:
    """Return the schemas that a dependency declares, in order.

    Args:
        dependency: The dependency.
        label: What it is, for messages.

    Raises:
        ModelError: It has no return annotation, or one that is not a union of schema classes.
    """
    annotation = _return_annotation(dependency, label)
    if get_origin(annotation) in _ITERATORS:
        annotation = get_args(annotation)[0]
    schemas = tuple(_schemas_in(annotation, label))
    names = [schema.__name__ for schema in schemas]
    for name in names:
        if names.count(name) > 1:
            raise ModelError(
                f"{label} declares two schemas named {name}, which the OpenAPI document could not "
                f"tell apart. Rename one of them."
            )
    return schemas


def _return_annotation(dependency: Callable[..., Any], label: str) -> Any:
    function: Any = dependency.func if isinstance(dependency, partial) else dependency
    if not isroutine(function):
        function = type(function).__call__
    try:
        hints = get_type_hints(function, include_extras=True)
    except (NameError, TypeError) as error:
        raise ModelError(
            f"The annotations of {label} cannot be resolved: {error}. Define the schemas at the "
            f"top of a module, before the dependency."
        ) from error
    if "return" not in hints:
        raise ModelError(
            f"{label} has no return annotation, which declares the schemas. Write "
            f"-> type[A] | type[B]."
        )
    return hints["return"]


def _schemas_in(annotation: Any, label: str) -> Iterator[type[BaseModel]]:
    alias = getattr(annotation, "__value__", None)  # type Choice = type[A] | type[B]
    if alias is not None:
        yield from _schemas_in(alias, label)
        return
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        yield from _schemas_in(arguments[0], label)
        return
    if origin in {Union, UnionType}:
        for argument in arguments:
            yield from _schemas_in(argument, label)
        return
    if annotation is type(None):
        raise ModelError(
            f"{label} may return None, which is not a schema. Raise HTTPException(403) to deny "
            f"access, and leave None out of the annotation."
        )
    if origin is type and get_origin(arguments[0]) in {Union, UnionType}:  # type[A | B]
        for argument in get_args(arguments[0]):
            yield from _schemas_in(type[argument], label)
        return
    schema = arguments[0] if origin is type else None
    if not (isinstance(schema, type) and issubclass(schema, BaseModel) and schema.model_fields):
        raise ModelError(
            f"{label} declares {annotation!r}, which is not a schema class. Write type[A] | "
            f"type[B], where A and B are subclasses of BaseModel with fields."
        )
    yield schema
