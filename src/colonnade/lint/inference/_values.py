"""What a name holds, as far as reading alone can tell."""

import ast
from dataclasses import dataclass, replace
from enum import Enum, auto

from colonnade.lint.project._models import Model


class Kind(Enum):
    """What sort of thing a value is."""

    SYMBOL = auto()  # a module, class or function, by its one name
    INSTANCE = auto()  # of the class with a name
    FACTORY = auto()  # a sessionmaker; its item is the session it makes
    CONTEXT = auto()  # what `with` enters; its item is what `as` names
    AWAITABLE = auto()  # its item is what `await` gives
    COLLECTION = auto()  # a list, a set, an iterator; its item is one of them
    ROWS = auto()  # a result whose rows are the item itself
    TUPLES = auto()  # a result whose rows are tuples of the item
    STATEMENT = auto()  # a select; its item is a row of it
    QUERY = auto()  # a legacy Query, which runs itself
    ROW = auto()  # an instance of a model that came from a session, or may have
    COLUMN = auto()  # Task.title
    RELATION = auto()  # Task.project
    OPTION = auto()  # selectinload(Task.project)


ITERABLE = frozenset({Kind.COLLECTION, Kind.ROWS})
NO_RELATIONS: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Value:
    """What a name holds.

    Attributes:
        kind: What sort of thing it is.
        name: The one name of a symbol or of an instance's class; of a column or a relation, its
            own; of a row, ``async`` or ``sync`` after the session it came from.
        item: What is inside.
        model: The model, of a row, a column and a relation.
        loads: Of a row, a statement or an option, the relations that are read with it, as paths
            with dots; None if that cannot be told.
        source: The expression of the session that a row came from.
        expires: Of a session or what came from one: whether rows expire on commit, if known.
        ordered: Of a statement: whether it has an order.
        limited: Whether it has a limit other than one row.
        skips: Whether it has an offset.
        attached: Of a row: whether a session has it for sure.
        node: Where it was made.
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
        """Whether it is an instance of one of these classes."""
        return self.kind is Kind.INSTANCE and self.name in names


def collection_of(item: Value | None) -> Value:
    """Several of a value."""
    return Value(Kind.COLLECTION, item=item)


def awaitable(item: Value | None) -> Value:
    """What gives a value when it is awaited."""
    return Value(Kind.AWAITABLE, item=item)


def loop_item(value: Value | None) -> Value | None:
    """What a loop over a value gives."""
    return value.item if value is not None and value.kind in ITERABLE else None


def merge_values(left: Value | None, right: Value | None) -> Value | None:
    """What is known after either of two ways."""
    if left is None or right is None or left == right:
        return left or right  # None on one way is no other thing
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
