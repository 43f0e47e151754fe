"""Type hints: the type, whether it is optional, whether it is a collection."""

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
    """The meaning of an annotation.

    Attributes:
        name: The qualified name of the type: of the items for a collection, without None for an
            optional. Empty for a union of several types and for types that cannot be resolved.
        optional: Whether None is allowed.
        collection: The name of the collection type around it, if any.
        literals: The values of a ``Literal``.
        names: The qualified names of all members of a union.
        metadata: The metadata of ``Annotated``, in order.
        classvar: Whether the annotation is a ``ClassVar``, which is not a field.
    """

    name: str = ""
    optional: bool = False
    collection: str = ""
    literals: tuple[object, ...] = ()
    names: tuple[str, ...] = ()
    metadata: tuple[ast.expr, ...] = ()
    classvar: bool = False


class NameResolver(Protocol):
    """Resolves the names in annotations."""

    def resolve(self, node: ast.expr) -> str:
        """The qualified name that an expression refers to."""
        ...

    def alias(self, name: str) -> "tuple[ast.expr, NameResolver] | None":
        """The expression that a type alias stands for, and the resolver of its names."""
        ...


def read_annotation(node: ast.expr | None, resolver: NameResolver, depth: int = 0) -> TypeHint:
    """Read an annotation.

    Args:
        node: The annotation.
        resolver: Resolves the names in it.
        depth: The number of aliases followed so far.
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
            target = resolver.alias(name)
            if target is not None:
                return read_annotation(target[0], target[1], depth + 1)
            last = name.rpartition(".")[2]
            if last in COLLECTION_TYPES and name != f"{last}.{last}":
                return TypeHint(collection=last)
            return TypeHint(name, names=(name,))
    return TypeHint()


def parse_expression(text: str) -> ast.expr | None:
    """Parse text as an expression, such as a quoted annotation; None if it is not one."""
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
    read_first: Callable[[], TypeHint] = lambda: read_annotation(items[0], resolver, depth + 1)  # noqa: E731
    if last == "Optional":
        return replace(read_first(), optional=True)
    if last == "Union":
        return _union(items, resolver, depth)
    if last == "Annotated":
        hint = read_first()
        return replace(hint, metadata=(*hint.metadata, *items[1:]))
    if last == "Literal":
        values = tuple(item.value for item in items if isinstance(item, ast.Constant))
        return TypeHint(name, literals=values, names=(name,), optional=None in values)
    if last == "ClassVar":
        return TypeHint(classvar=True)
    if last in MAPPED_TYPES or last in ("Final", "Required", "NotRequired"):
        return read_first()
    if last in AWAITABLE_TYPES:
        return read_annotation(items[-1], resolver, depth + 1)
    if last in COLLECTION_TYPES:
        inner = read_first()
        return TypeHint(inner.name, collection=last, names=inner.names, literals=inner.literals)
    return TypeHint(name, names=(name,))


def _union(items: list[ast.expr], resolver: NameResolver, depth: int) -> TypeHint:
    hints = [read_annotation(item, resolver, depth + 1) for item in items]
    optional = any(hint.optional for hint in hints)
    typed = [hint for hint in hints if hint.names or hint.collection]
    if len(typed) == 1:
        return replace(typed[0], optional=optional)
    return TypeHint(optional=optional, names=tuple(name for hint in typed for name in hint.names))
