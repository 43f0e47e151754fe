"""Inferred values: what is known about the object that an expression evaluates to."""

import ast
from dataclasses import dataclass, replace
from enum import Enum, auto

from colonnade.lint.project._models import Model


class Kind(Enum):
    """The kind of an inferred value."""

    SYMBOL = auto()  # a module, class or function; the name is its qualified name
    INSTANCE = auto()  # an instance; the name is its class's qualified name
    FACTORY = auto()  # a sessionmaker; the item is the session it creates
    CONTEXT = auto()  # a context manager; the item is the value after `as`
    AWAITABLE = auto()  # a coroutine; the item is its result
    COLLECTION = auto()  # a list, a set, an iterator; the item is one element
    ROWS = auto()  # a result of scalars; the item is one row
    TUPLES = auto()  # a result of tuples; the item is the row in each tuple
    STATEMENT = auto()  # a select; the item is one of its rows
    QUERY = auto()  # a legacy Query, which runs itself; the item is one of its rows
    ROW = auto()  # an instance of a table's class
    COLUMN = auto()  # Task.title
    RELATION = auto()  # Task.project
    CONDITION = auto()  # Task.title == "x"
    OPTION = auto()  # selectinload(Task.project)


ITERABLE = frozenset({Kind.COLLECTION, Kind.ROWS})
DETACHED = "detached"
"""The name of a row whose session has ended."""
NO_RELATIONS: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Value:
    """What is known about an object.

    Attributes:
        kind: The kind of object.
        name: The qualified name of a symbol or of an instance's class; the name of a column or
            relation; for a row, ``async``, ``sync`` or ``detached``, depending on its session.
        item: The value inside, depending on the kind.
        model: The model of a row, column or relation.
        loads: The relations loaded with a row, statement or option, as dotted paths; None if they
            are unknown.
        source: The expression of the session that a row came from.
        expires: Whether rows of a session expire on commit; None if that is unknown.
        has_order: Whether a statement has an ORDER BY.
        has_limit: Whether a statement has a limit of more than one row.
        has_offset: Whether a statement has an offset.
        attached: Whether a row certainly belongs to a session.
        node: The expression or statement that created the object.
    """

    kind: Kind
    name: str = ""
    item: "Value | None" = None
    model: Model | None = None
    loads: frozenset[str] | None = NO_RELATIONS
    source: str = ""
    expires: bool | None = None
    has_order: bool = False
    has_limit: bool = False
    has_offset: bool = False
    attached: bool = False
    node: ast.AST | None = None

    def is_instance(self, names: frozenset[str] | set[str]) -> bool:
        """Whether the value is an instance of one of these classes."""
        return self.kind is Kind.INSTANCE and self.name in names


def collection_of(item: Value | None) -> Value:
    """A collection of values."""
    return Value(Kind.COLLECTION, item=item)


def awaitable(item: Value | None) -> Value:
    """An awaitable with a result."""
    return Value(Kind.AWAITABLE, item=item)


def loop_item(value: Value | None) -> Value | None:
    """The value of the variable in a loop over a value."""
    return value.item if value is not None and value.kind in ITERABLE else None


def merge_values(left: Value | None, right: Value | None) -> Value | None:
    """What is known where two branches with different values meet."""
    if left is None or right is None or left == right:
        return left or right  # None means unknown, not a different value
    if left.kind is not right.kind:
        return None
    if left.kind in (Kind.STATEMENT, Kind.QUERY):
        return replace(
            left,
            item=_merge_rows(left.item, right.item),
            loads=merge_paths(left.loads, right.loads),
            has_order=left.has_order or right.has_order,
            has_limit=left.has_limit or right.has_limit,
            has_offset=left.has_offset or right.has_offset,
        )
    if left.kind is Kind.ROW:
        return _merge_rows(left, right)
    if left.kind is Kind.INSTANCE and left.name == right.name:
        same = left.expires == right.expires
        return replace(left, expires=left.expires if same else None)
    if left.kind in (Kind.COLLECTION, Kind.ROWS, Kind.TUPLES, Kind.AWAITABLE):
        return replace(left, item=merge_values(left.item, right.item))
    return None


def _merge_rows(left: Value | None, right: Value | None) -> Value | None:
    if left is None or right is None or left.model is not right.model:
        return None
    return replace(
        left,
        loads=merge_paths(left.loads, right.loads),
        attached=left.attached and right.attached,
        expires=left.expires if left.expires == right.expires else None,
    )


def merge_paths(left: frozenset[str] | None, right: frozenset[str] | None) -> frozenset[str] | None:
    return None if left is None or right is None else left | right
