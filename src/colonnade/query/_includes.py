"""Includes: the relations that an answer has with each row."""

import re
from typing import Any, NamedTuple

from colonnade.errors import QueryError
from colonnade.query._queryable_tables import QueryableTable, nearest

PER_PARENT = 100
"""Rows of an included list with each row it belongs to, unless the request asks for fewer."""

MOST_ROWS = 2_000_000
"""Rows that an answer may have at most, those of relations included: lists in lists multiply."""

_PART = re.compile(r"([^.:,]+)(?::(\d{1,4}))?")


class Include(NamedTuple):
    """A relation to include.

    Attributes:
        name: Its public name.
        limit: Rows of it with each parent; it says nothing of a relation to one row.
        below: The relations to include with each of its rows.
    """

    name: str
    limit: int
    below: "tuple[Include, ...]"


Includes = tuple[Include, ...]


def read_includes(text: str | None, surface: QueryableTable, most: int = PER_PARENT) -> Includes:
    """``project,assignments:20.worker`` as what to include.

    Args:
        text: Paths of relations, each with how many rows of it a parent may have.
        surface: What may be included. What its schema always has comes without asking.
        most: Rows with each parent at most.

    Raises:
        QueryError: A path leads to what may not be included.
    """
    tree: dict[str, Any] = {}
    errors: list[dict[str, Any]] = []
    for path in text.split(",") if text else []:
        message = _add(path.strip(), tree, surface, most)
        if message is not None:
            loc = ("query", "include")
            errors.append({"type": "include", "loc": loc, "msg": message, "input": path})
    if errors:
        raise QueryError(errors)
    return _includes(tree, surface, most)


def paths(surface: QueryableTable, prefix: str = "") -> list[str]:
    """Every path that can be included."""
    names = []
    for name, reached in surface.relations.items():
        names.append(prefix + name)
        names += paths(reached.surface, f"{prefix}{name}.")
    return names


def rows_with_each(include: Includes, surface: QueryableTable) -> int:
    """How many rows of relations may come with a row at most."""
    total = 0
    for included in include:
        reached = surface.relations[included.name]
        count = included.limit if reached.relation.is_list else 1
        total += count * (1 + rows_with_each(included.below, reached.surface))
    return total


def _add(path: str, tree: dict[str, Any], surface: QueryableTable, most: int) -> str | None:
    for part in path.split("."):
        match = _PART.fullmatch(part)
        if match is None or match[1] not in surface.relations:
            name = match[1] if match else part
            return f"{name!r} cannot be included.{nearest(name, surface.relations)}"
        name, limit = match[1], match[2]
        node = tree.setdefault(name, {"limit": None, "below": {}})
        if limit is not None:
            if not 1 <= int(limit) <= most:
                return f"{name} can be included with 1 to {most} rows at a time"
            node["limit"] = int(limit)
        tree, surface = node["below"], surface.relations[name].surface
    return None


def _includes(tree: dict[str, Any], surface: QueryableTable, most: int) -> Includes:
    chosen = [name for name in surface.relations if name in tree or name in surface.always]
    return tuple(
        Include(
            name=name,
            limit=tree.get(name, {}).get("limit") or most,
            below=_includes(
                tree.get(name, {}).get("below", {}), surface.relations[name].surface, most
            ),
        )
        for name in chosen
    )
