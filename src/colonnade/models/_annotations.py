"""What an annotation says: its one type, whether it may be None, and its constraints."""

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
    """The limits a field puts on its value, whichever way they were written.

    Of several on one field the narrowest counts, as Pydantic checks them all.
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
        """The bounds that are set, in the order of the fields above."""
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None:
                yield field.name, value

    def __bool__(self) -> bool:
        return any(True for _ in self.items())


_NARROWER = {"ge": max, "gt": max, "min_length": max}
_WIDER_IS_LESS = {"le": min, "lt": min, "max_length": min, "max_digits": min, "decimal_places": min}


@dataclass(frozen=True, slots=True)
class Annotation:
    """An annotation taken apart.

    Attributes:
        type: The type without ``Optional``, ``Annotated``, aliases and ``MISSING``; a generic
            such as ``list[str]`` or ``Literal["a"]`` stays whole.
        nullable: Whether it admits None.
        metadata: What ``Annotated`` and the field carried, innermost first.
    """

    type: Any
    nullable: bool
    metadata: tuple[Any, ...]

    @classmethod
    def of(cls, annotation: Any, metadata: Iterable[Any] = ()) -> "Annotation":
        """Take ``annotation`` apart; ``metadata`` is what its field carries outside of it."""
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
                arms = [arm for arm in get_args(annotation) if arm is not MISSING]
                rest = [arm for arm in arms if arm is not NoneType]
                nullable = nullable or len(rest) < len(arms)
                if len(rest) != 1:
                    annotation = Union[tuple(rest)]  # noqa: UP007 - of what is only known now
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
        """Take a field's annotation apart, with the constraints the field itself carries."""
        return cls.of(field.annotation, field.metadata)

    @property
    def bounds(self) -> Bounds:
        """Every bound in the metadata, the narrowest of each kind."""
        limits: dict[str, Any] = {}
        for item in self.metadata:
            for name in Bounds.__dataclass_fields__:
                value = getattr(item, name, None)
                if value is None or callable(value):
                    continue
                narrower = _NARROWER.get(name) or _WIDER_IS_LESS.get(name)
                limits[name] = (
                    narrower(limits[name], value) if narrower and name in limits else value
                )
        return Bounds(**limits)

    @property
    def is_unresolved(self) -> bool:
        """Whether the type is still a name that nothing was found for."""
        return isinstance(self.type, str | ForwardRef)


def _flatten(metadata: Iterable[Any]) -> Iterator[Any]:
    """Single constraints out of groups (``Len(1, 5)``) and of nested ``Field()``s."""
    for item in metadata:
        if isinstance(item, FieldInfo):
            yield from _flatten(item.metadata)
        elif isinstance(item, GroupedMetadata):
            yield from _flatten(item)
        else:
            yield item


class _Lenient(dict[str, Any]):
    """A namespace in which an unknown name is a forward reference."""

    def __missing__(self, name: str) -> Any:
        return ForwardRef(name)


def defining_namespace(namespace: Mapping[str, Any]) -> dict[str, Any]:
    """The names a class body could see: its module's, its enclosing function's, its own.

    Found from the stack: the innermost frame of the module that the class says it is from.
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
    """The object a quoted annotation stands for.

    Args:
        annotation: The text between the quotes.
        names: What it may refer to.
        lenient: Whether an unknown name becomes a forward reference, as a relation needs.

    Returns:
        The object, or ``annotation`` itself when a name in it is not known yet.
    """
    space = _Lenient(names) if lenient else dict(names)
    try:
        return eval(annotation, {"__builtins__": {}}, space)  # noqa: S307 - the class's own source
    except (NameError, AttributeError, TypeError, SyntaxError):
        return annotation
