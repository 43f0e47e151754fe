"""Analysis of annotations: the type, whether it may be None, and the constraints."""

import sys
import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any, ForwardRef, Literal, NewType, Union, get_args, get_origin

from annotated_types import GroupedMetadata
from pydantic import MISSING
from pydantic.fields import FieldInfo
from typing_extensions import TypeAliasType

NoneType = type(None)


@dataclass(frozen=True, slots=True)
class Bounds:
    """The bounds of a field's value, however they were written.

    If a field has several bounds of one kind, the narrowest one counts, since Pydantic checks all.

    Examples:
        ```python
        from colonnade import Field, Shape, SQLModel


        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            progress: int = Field(default=0, ge=0, le=100)


        bounds = Shape.of(Task).columns["progress"].bounds
        print(dict(bounds.items()))  # {'ge': 0, 'le': 100}
        ```
    """

    ge: Any = None
    gt: Any = None
    le: Any = None
    lt: Any = None
    multiple_of: Any = None
    min_length: int | None = None
    max_length: int | None = None
    max_digits: int | None = None
    decimal_places: int | None = None
    pattern: str | None = None

    def items(self) -> Iterator[tuple[str, Any]]:
        """The names and values of the bounds that are set.

        Yields:
            The name and the value of each bound.
        """
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None:
                yield field.name, value

    def __bool__(self) -> bool:
        return any(True for _ in self.items())


_LOWER_LIMITS = {"ge": max, "gt": max, "min_length": max}
_UPPER_LIMITS = {"le": min, "lt": min, "max_length": min, "max_digits": min, "decimal_places": min}


@dataclass(frozen=True, slots=True)
class Annotation:
    """An analyzed annotation.

    Attributes:
        type: The type without ``Optional``, ``Annotated``, aliases and ``MISSING``. Generics such
            as ``list[str]`` or ``Literal["a"]`` are kept.
        nullable: Whether None is allowed.
        metadata: The metadata of ``Annotated`` and of the field, innermost first.
    """

    type: Any
    nullable: bool
    metadata: tuple[Any, ...]

    @classmethod
    def of(cls, annotation: Any, metadata: Iterable[Any] = ()) -> "Annotation":
        """Analyze ``annotation``; ``metadata`` is the metadata of its field."""
        nullable = False
        layers: list[tuple[Any, ...]] = [tuple(metadata)]
        while True:
            origin = get_origin(annotation)
            if (
                isinstance(annotation, TypeAliasType)
                or type(annotation).__name__ == "TypeAliasType"
            ):
                annotation = annotation.__value__
            elif isinstance(annotation, NewType):
                annotation = annotation.__supertype__
            elif origin is Annotated:
                annotation, *inner = get_args(annotation)
                layers.append(tuple(inner))
            elif origin is Union or origin is types.UnionType:
                members = [member for member in get_args(annotation) if member is not MISSING]
                rest = [member for member in members if member is not NoneType]
                nullable = nullable or len(rest) < len(members)
                if len(rest) != 1:
                    annotation = Union[tuple(rest)]  # noqa: UP007 - the members are only known at run time
                    break
                annotation = rest[0]
            elif origin is Literal and None in get_args(annotation):
                nullable = True
                annotation = Literal[tuple(arg for arg in get_args(annotation) if arg is not None)]
            else:
                break
        flat = tuple(item for layer in reversed(layers) for item in _flatten(layer))
        return cls(annotation, nullable, flat)

    @classmethod
    def of_field(cls, field: FieldInfo) -> "Annotation":
        """Analyze the annotation of a field, including the metadata of the field."""
        return cls.of(field.annotation, field.metadata)

    @property
    def bounds(self) -> Bounds:
        """The narrowest bound of each kind in the metadata."""
        limits: dict[str, Any] = {}
        for item in self.metadata:
            for name in Bounds.__dataclass_fields__:
                value = getattr(item, name, None)
                if value is None or callable(value):
                    continue
                narrower = _LOWER_LIMITS.get(name) or _UPPER_LIMITS.get(name)
                limits[name] = (
                    narrower(limits[name], value) if narrower and name in limits else value
                )
        return Bounds(**limits)

    @property
    def is_unresolved(self) -> bool:
        """Whether the type is still a name, which could not be resolved."""
        return isinstance(self.type, str | ForwardRef)


def _flatten(metadata: Iterable[Any]) -> Iterator[Any]:
    """The single constraints in groups such as ``Len(1, 5)`` and in nested ``Field()`` calls."""
    for item in metadata:
        if isinstance(item, FieldInfo):
            yield from _flatten(item.metadata)
        elif isinstance(item, GroupedMetadata):
            yield from _flatten(item)
        else:
            yield item


class _LenientNamespace(dict[str, Any]):
    """A namespace that resolves unknown names to forward references."""

    def __missing__(self, name: str) -> Any:
        return ForwardRef(name)


def defining_namespace(namespace: Mapping[str, Any]) -> dict[str, Any]:
    """The names visible in a class body: of its module, its enclosing function and its own.

    The enclosing function is the innermost frame on the stack that belongs to the class's module.
    """
    module = namespace.get("__module__", "")
    names: dict[str, Any] = dict(vars(sys.modules[module])) if module in sys.modules else {}
    frame: types.FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_globals.get("__name__") != module:
        frame = frame.f_back
    if frame is not None:
        names = {**frame.f_globals, **frame.f_locals}
    return {**vars(__import__("builtins")), **names, **namespace}


def evaluate(annotation: str, names: Mapping[str, Any], *, lenient: bool = False) -> Any:
    """Evaluate a quoted annotation.

    Args:
        annotation: The text between the quotes.
        names: The names that it may refer to.
        lenient: Whether unknown names become forward references, as relations need.

    Returns:
        The object, or ``annotation`` itself if it contains a name that is not known yet.
    """
    namespace = _LenientNamespace(names) if lenient else dict(names)
    try:
        return eval(annotation, {"__builtins__": {}}, namespace)  # noqa: S307 - the class's own source
    except (NameError, AttributeError, TypeError, SyntaxError):
        return annotation
