"""What an annotation says: of which type, whether None, whether many."""

import ast
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

COLLECTION_TYPES = frozenset(
    {"list", "List", "set", "Set", "tuple", "Tuple", "Sequence", "Iterable", "Collection",
     "frozenset", "Iterator", "Generator", "AsyncIterator", "AsyncGenerator", "AsyncIterable",
     "MutableSequence", "Page", "LimitOffsetPage"}
)  # fmt: skip
MAPPED_TYPES = frozenset({"Mapped", "WriteOnlyMapped", "DynamicMapped"})
AWAITABLE_TYPES = frozenset({"Awaitable", "Coroutine"})


@dataclass(frozen=True)
class TypeHint:
    """What an annotation says.

    Attributes:
        name: The one name of the type, of what a list is of, of what may be None; empty for a
            union of several or what cannot be followed.
        optional: Whether None is allowed.
        many: The name of the collection around it, if there is one.
        literals: The values of a ``Literal``.
        names: All names of a union.
        metadata: What ``Annotated`` adds, in order.
        classvar: Whether it is no field at all.
    """

    name: str = ""
    optional: bool = False
    collection: str = ""
    literals: tuple[object, ...] = ()
    names: tuple[str, ...] = ()
    metadata: tuple[ast.expr, ...] = ()
    classvar: bool = False


class NameResolver(Protocol):
    """Who can say what a name means, and what an alias stands for."""

    def resolve(self, node: ast.expr) -> str:
        """The one name of what an expression means."""
        ...

    def alias(self, name: str) -> "tuple[ast.expr, NameResolver] | None":
        """What a name of the project is assigned, and who can read that."""
        ...


def read_annotation(node: ast.expr | None, resolver: NameResolver, depth: int = 0) -> TypeHint:
    """What an annotation says.

    Args:
        node: The annotation.
        follow: Who knows the names in it.
        depth: How many aliases were followed to it.
    """
    if node is None or depth > 8:
        return TypeHint()
    match node:
        case ast.Constant(value=None):
            return TypeHint(optional=True)
        case ast.Constant(value=str(text)):
            inner = parse_expression(text)
            return read_annotation(inner, resolver, depth + 1) if inner else TypeHint()
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _union([left, right], resolver, depth)
        case ast.Subscript(value=value, slice=inside):
            items = inside.elts if isinstance(inside, ast.Tuple) else [inside]
            return _subscript(resolver.resolve(value), items, resolver, depth)
        case ast.Name() | ast.Attribute():
            name = resolver.resolve(node)
            stands_for = resolver.alias(name)
            if stands_for is not None:
                return read_annotation(stands_for[0], stands_for[1], depth + 1)
            last = name.rpartition(".")[2]
            if last in COLLECTION_TYPES and name != f"{last}.{last}":
                return TypeHint(collection=last)
            return TypeHint(name, names=(name,))
    return TypeHint()


def parse_expression(text: str) -> ast.expr | None:
    """The expression that a text is, as a quoted annotation is."""
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError):
        return None


def _subscript(name: str, items: list[ast.expr], resolver: NameResolver, depth: int) -> TypeHint:
    last = name.rpartition(".")[2]
    if not items:  # tuple[()]
        return (
            TypeHint(collection=last) if last in COLLECTION_TYPES else TypeHint(name, names=(name,))
        )
    reading: Callable[[], TypeHint] = lambda: read_annotation(items[0], resolver, depth + 1)  # noqa: E731
    if last == "Optional":
        return replace(reading(), optional=True)
    if last == "Union":
        return _union(items, resolver, depth)
    if last == "Annotated":
        hint = reading()
        return replace(hint, metadata=(*hint.metadata, *items[1:]))
    if last == "Literal":
        values = tuple(item.value for item in items if isinstance(item, ast.Constant))
        return TypeHint(name, literals=values, names=(name,), optional=None in values)
    if last == "ClassVar":
        return TypeHint(classvar=True)
    if last in MAPPED_TYPES or last in ("Final", "Required", "NotRequired"):
        return reading()
    if last in AWAITABLE_TYPES:
        return read_annotation(items[-1], resolver, depth + 1)
    if last in COLLECTION_TYPES:
        inner = reading()
        return TypeHint(inner.name, collection=last, names=inner.names, literals=inner.literals)
    return TypeHint(name, names=(name,))


def _union(items: list[ast.expr], resolver: NameResolver, depth: int) -> TypeHint:
    hints = [read_annotation(item, resolver, depth + 1) for item in items]
    optional = any(hint.optional for hint in hints)
    typed = [hint for hint in hints if hint.names or hint.collection]
    if len(typed) == 1:
        return replace(typed[0], optional=optional)
    return TypeHint(optional=optional, names=tuple(name for hint in typed for name in hint.names))
