"""What an annotation says: of which type, whether None, whether many."""

import ast
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

MANY = frozenset(
    {"list", "List", "set", "Set", "tuple", "Tuple", "Sequence", "Iterable", "Collection",
     "frozenset", "Iterator", "Generator", "AsyncIterator", "AsyncGenerator", "AsyncIterable",
     "MutableSequence", "Page", "LimitOffsetPage"}
)  # fmt: skip
MAPPED = frozenset({"Mapped", "WriteOnlyMapped", "DynamicMapped"})
AWAITED = frozenset({"Awaitable", "Coroutine"})


@dataclass(frozen=True)
class Hint:
    """What an annotation says.

    Attributes:
        name: The one name of the type, of what a list is of, of what may be None; empty for a
            union of several or what cannot be followed.
        optional: Whether None is allowed.
        many: The name of the collection around it, if there is one.
        literals: The values of a ``Literal``.
        names: All names of a union.
        metadata: What ``Annotated`` adds, in order.
        classvar: Whether it is not a field at all.
    """

    name: str = ""
    optional: bool = False
    many: str = ""
    literals: tuple[object, ...] = ()
    names: tuple[str, ...] = ()
    metadata: tuple[ast.expr, ...] = ()
    classvar: bool = False


class Follows(Protocol):
    """Who can say what a name means, and what an alias stands for."""

    def meaning(self, node: ast.expr) -> str:
        """The one name of what an expression means."""
        ...

    def alias(self, name: str) -> "tuple[ast.expr, Follows] | None":
        """What a name of the project is assigned, and who can read that."""
        ...


def read_hint(node: ast.expr | None, follow: Follows, depth: int = 0) -> Hint:
    """What an annotation says.

    Args:
        node: The annotation.
        follow: Who knows the names in it.
        depth: How many aliases were followed to it.
    """
    if node is None or depth > 8:
        return Hint()
    match node:
        case ast.Constant(value=None):
            return Hint(optional=True)
        case ast.Constant(value=str(text)):
            inner = parsed(text)
            return read_hint(inner, follow, depth + 1) if inner else Hint()
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _union([left, right], follow, depth)
        case ast.Subscript(value=value, slice=inside):
            items = inside.elts if isinstance(inside, ast.Tuple) else [inside]
            return _subscript(follow.meaning(value), items, follow, depth)
        case ast.Name() | ast.Attribute():
            name = follow.meaning(node)
            stands_for = follow.alias(name)
            if stands_for is not None:
                return read_hint(stands_for[0], stands_for[1], depth + 1)
            last = name.rpartition(".")[2]
            if last in MANY and name != f"{last}.{last}":
                return Hint(many=last)
            return Hint(name, names=(name,))
    return Hint()


def parsed(text: str) -> ast.expr | None:
    """The expression that a text is, as a quoted annotation is."""
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError):
        return None


def _subscript(name: str, items: list[ast.expr], follow: Follows, depth: int) -> Hint:
    last = name.rpartition(".")[2]
    if not items:  # tuple[()]
        return Hint(many=last) if last in MANY else Hint(name, names=(name,))
    reading: Callable[[], Hint] = lambda: read_hint(items[0], follow, depth + 1)  # noqa: E731
    if last == "Optional":
        return replace(reading(), optional=True)
    if last == "Union":
        return _union(items, follow, depth)
    if last == "Annotated":
        hint = reading()
        return replace(hint, metadata=(*hint.metadata, *items[1:]))
    if last == "Literal":
        values = tuple(item.value for item in items if isinstance(item, ast.Constant))
        return Hint(name, literals=values, names=(name,), optional=None in values)
    if last == "ClassVar":
        return Hint(classvar=True)
    if last in MAPPED or last in ("Final", "Required", "NotRequired"):
        return reading()
    if last in AWAITED:
        return read_hint(items[-1], follow, depth + 1)
    if last in MANY:
        inner = reading()
        return Hint(inner.name, many=last, names=inner.names, literals=inner.literals)
    return Hint(name, names=(name,))


def _union(items: list[ast.expr], follow: Follows, depth: int) -> Hint:
    hints = [read_hint(item, follow, depth + 1) for item in items]
    optional = any(hint.optional for hint in hints)
    useful = [hint for hint in hints if hint.names or hint.many]
    if len(useful) == 1:
        return replace(useful[0], optional=optional)
    return Hint(optional=optional, names=tuple(name for hint in useful for name in hint.names))
