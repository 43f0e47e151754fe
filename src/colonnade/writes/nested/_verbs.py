"""The verbs of nested bodies: what each needs, and where a relation does not allow it."""

from collections.abc import Callable
from typing import Literal, NamedTuple

from colonnade.writes.nested._tables import (
    NestedOperation,
    NestedRelation,
    Verb,
    WritableTable,
)

Kind = Literal["create", "update"]

VERBS: dict[Kind, tuple[Verb, ...]] = {
    "create": ("create", "connect"),
    "update": ("create", "connect", "disconnect", "set", "update", "upsert", "delete"),
}
"""The verbs for the relations of a new row, and of an existing one."""

_OPERATIONS: dict[Verb, tuple[NestedOperation, ...]] = {
    "create": ("create",),
    "connect": ("update",),
    "disconnect": ("update",),
    "set": ("update",),
    "update": ("update",),
    "upsert": ("create", "update"),
    "delete": ("delete",),
}
"""The operations of the target's Resource; a relation with a link table links instead."""


class Impossible(NamedTuple):
    """Why a relation does not allow a verb.

    Attributes:
        kind: The type of the error.
        message: The message.
    """

    kind: str
    message: str


def known_verbs(relation: NestedRelation, kind: Kind) -> list[Verb]:
    """Return the verbs for a relation: a relation to one row has no ``set``."""
    return [verb for verb in VERBS[kind] if relation.relation.is_list or verb != "set"]


def needed_operations(
    relation: NestedRelation, verb: Verb
) -> list[tuple[WritableTable, NestedOperation]]:
    """Return the operations that a verb needs, with the table whose Resource must have them."""
    needed = [(relation.target, operation) for operation in _OPERATIONS[verb]]
    if relation.side == "links":
        by_link: list[tuple[WritableTable, NestedOperation]] = [(relation.source, "link")]
        linked = verb in {"connect", "disconnect", "set"}
        needed = by_link if linked else needed
        if verb in {"create", "upsert"}:
            needed = needed + by_link
    elif relation.side == "parent" and verb in {"connect", "disconnect"}:
        needed = []  # it changes a field of the row itself
    return needed


def why_impossible(relation: NestedRelation, kind: Kind, verb: Verb) -> Impossible | None:
    """Return why the foreign key of a relation does not allow a verb; None if it does."""
    if relation.side == "links":
        return None
    names = " and ".join(sorted(relation.fields))
    owner = relation.referring.model.__name__
    is_new = relation.side == "parent" and kind == "create"
    moves = {"connect", "disconnect", "set"}
    if relation.side == "parent":
        moves |= {"create", "delete"}
    if verb in moves and not relation.can_move and not is_new:
        return Impossible("frozen", f"{names} of {owner} cannot be changed")
    return missing_parent(relation, verb) if verb == "disconnect" else None


def missing_parent(relation: NestedRelation, verb: Verb) -> Impossible | None:
    """Return that a verb would leave a row without a required foreign key; None if it may."""
    if relation.is_nullable:
        return None
    names = " and ".join(sorted(relation.fields))
    owner = relation.referring.model.__name__
    return Impossible("required", f"{names} of {owner} is required, so {verb} is not possible")


def allowed_verbs(
    relation: NestedRelation, kind: Kind, operations: Callable[[WritableTable], frozenset[str]]
) -> list[Verb]:
    """Return the verbs that a relation and the Resources allow.

    Args:
        relation: The relation.
        kind: Whether the row that has the relation is new.
        operations: Returns the operations of the Resource of a table.
    """
    return [
        verb
        for verb in known_verbs(relation, kind)
        if why_impossible(relation, kind, verb) is None
        and all(
            operation in operations(table) for table, operation in needed_operations(relation, verb)
        )
    ]
