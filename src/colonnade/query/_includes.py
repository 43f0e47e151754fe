"""Includes: the relations that a response contains with each row."""

import re
from typing import Any, NamedTuple

from colonnade.errors import QueryError, error_entry
from colonnade.query._aggregate_functions import FUNCTIONS
from colonnade.query._queryable_tables import QueryableTable, did_you_mean

MAX_ROWS = 2_000_000
"""The maximum number of rows in a response, including related rows: nested lists multiply."""

_PATH_STEP = re.compile(r"([^.:,]+)(?::(\d{1,6}))?")


class Include(NamedTuple):
    """A relation to include, or an aggregate of its rows.

    Attributes:
        name: Its public name, or the path of the aggregate.
        limit: The maximum number of rows per parent; 0 for an aggregate, and not used for a
            relation to one row.
        nested: The relations to include with each of its rows.
    """

    name: str
    limit: int
    nested: "tuple[Include, ...]"


Includes = tuple[Include, ...]


def read_includes(text: str | None, queryable: QueryableTable) -> Includes:
    """Parse ``project,assignments:20.worker,subtasks.count``.

    Args:
        text: Paths of relations, each step optionally with a limit of rows per parent, and of
            aggregates.
        queryable: The table. What its schema has as fields is always included.

    Raises:
        QueryError: A path names a relation that cannot be included.
    """
    tree: dict[str, Any] = {}
    errors: list[dict[str, Any]] = []
    for path in text.split(",") if text else []:
        message = _add_path(path.strip(), tree, queryable)
        if message is not None:
            errors.append(error_entry("include", ("query", "include"), message, path))
    if errors:
        raise QueryError(errors)
    return _build_includes(tree, queryable)


def include_paths(queryable: QueryableTable, prefix: str = "") -> list[str]:
    """Every path that can be included."""
    names = []
    for name, target in queryable.relations.items():
        names.append(prefix + name)
        names += include_paths(target.queryable, f"{prefix}{name}.")
    return names + [prefix + name for name in queryable.aggregates]


def max_included_rows(include: Includes, queryable: QueryableTable) -> int:
    """The maximum number of related rows that a row brings with it."""
    total = 0
    for included in include:
        if included.name in queryable.aggregates:
            continue
        target = queryable.relations[included.name]
        count = included.limit if target.relation.is_list else 1
        total += count * (1 + max_included_rows(included.nested, target.queryable))
    return total


def _add_path(path: str, tree: dict[str, Any], queryable: QueryableTable) -> str | None:
    parts, root = path.split("."), queryable
    for index, part in enumerate(parts):
        aggregate = ".".join(parts[index:])
        if aggregate in queryable.aggregates:
            tree.setdefault(aggregate, {"limit": None, "nested": {}})
            return None
        match = _PATH_STEP.fullmatch(part)
        if match is None or match[1] not in queryable.relations:
            if parts[-1] not in FUNCTIONS:
                return _refusal(match[1] if match else part, queryable)
            return _refusal(aggregate, queryable) if queryable.aggregates else _refusal(path, root)
        name, limit = match[1], match[2]
        node = tree.setdefault(name, {"limit": None, "nested": {}})
        max_rows = queryable.relations[name].max_rows
        if limit is not None:
            if not 1 <= int(limit) <= max_rows:
                return f"The limit of {name} must be from 1 to {max_rows}, not {limit}"
            node["limit"] = int(limit)
        tree, queryable = node["nested"], queryable.relations[name].queryable
    return None


def _refusal(name: str, queryable: QueryableTable) -> str:
    known = [*queryable.relations, *queryable.aggregates]
    message = f"{name!r} cannot be included.{did_you_mean(name, known)}"
    if "." in name and queryable.aggregates:
        message += f" The aggregates are {', '.join(queryable.aggregates)}."
    return message


def _build_includes(tree: dict[str, Any], queryable: QueryableTable) -> Includes:
    chosen = [
        name for name in queryable.relations if name in tree or name in queryable.always_included
    ]
    always = {aggregate.text for aggregate in queryable.fields.values()}
    aggregates = [name for name in queryable.aggregates if name in tree or name in always]
    relations = tuple(
        Include(
            name=name,
            limit=tree.get(name, {}).get("limit") or queryable.relations[name].max_rows,
            nested=_build_includes(
                tree.get(name, {}).get("nested", {}), queryable.relations[name].queryable
            ),
        )
        for name in chosen
    )
    return (*relations, *(Include(name, 0, ()) for name in aggregates))
