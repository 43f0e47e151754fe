"""Reading paths: with dots in values (``project.slug``), with ``__`` in parameter names."""

from collections.abc import Iterable
from dataclasses import dataclass

from colonnade.query._operators import OPERATORS, Operator
from colonnade.query._paths import FieldPath, RelatedPath
from colonnade.query._queryable_tables import QueryableTable, did_you_mean
from colonnade.query.inside_json._json_paths import JSONPath

MAX_PATH_STEPS = 20
"""The maximum number of names in a path."""


MAX_LISTED_NAMES = 12
"""A message lists the members of an object if it has no more than these."""


class PathError(ValueError):
    """A path does not lead to a field; the message says why."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """The field and the operator that the name of a parameter stands for.

    Attributes:
        relations: The public names of the relations that it crosses.
        path: The field of the last relation's table, or of the table itself.
        operator: The operator; None if the name has none.
    """

    relations: tuple[str, ...]
    path: FieldPath
    operator: Operator | None


def read_path(text: str, queryable: QueryableTable) -> FieldPath:
    """Read a path with dots that leads to one value for each row.

    Args:
        text: The path, such as ``project.slug`` or ``subtasks.count``.
        queryable: The table that it starts from.

    Raises:
        PathError: It does not lead to a field, or crosses a list.
    """
    names = text.split(".")
    if text in queryable.paths:
        return queryable.paths[text]
    if text in queryable.aggregates:
        return queryable.aggregates[text]
    if len(names) > MAX_PATH_STEPS:
        raise PathError(f"A path can have at most {MAX_PATH_STEPS} names")
    target = queryable.relations.get(names[0])
    if target is not None:
        if target.relation.is_list:
            counts = [name for name in queryable.aggregates if name.startswith(f"{names[0]}.")]
            raise PathError(
                f"{names[0]} is a list, which has no single value for a row."
                + (f" Use {' or '.join(counts)}." if counts else "")
            )
        if len(names) == 1:
            raise PathError(f"{text} is a relation: name a field of it, such as {text}.id")
        field = read_path(".".join(names[1:]), target.queryable)
        return RelatedPath(names[0], target.relation, field)
    path = queryable.paths.get(names[0])
    if path is None or len(names) == 1:
        known = [*queryable.paths, *queryable.relations, *queryable.aggregates]
        raise PathError(f"{names[0]!r} is not a field.{did_you_mean(text, known)}")
    return _json_value(path, names[1:], text)


def _json_value(path: FieldPath, names: list[str], text: str) -> FieldPath:
    for name in names:
        path = _member(path, name, text)
    return path


def _member(path: FieldPath, name: str, text: str) -> FieldPath:
    child = path.child(name) if isinstance(path, JSONPath) else None
    if child is not None:
        return child
    if not isinstance(path, JSONPath):
        raise PathError(f"{path.text} has no {name!r}: it is not JSON")
    known = path.names
    hint = f" It has {', '.join(known)}." if known else ""
    if len(known) > MAX_LISTED_NAMES:
        hint = did_you_mean(name, known)
    raise PathError(f"{path.text} has no {name!r}.{hint}")


def read_lookup(name: str, queryable: QueryableTable, *, whole: bool = True) -> Lookup | None:
    """Read the name of a filter, such as ``project__slug__in`` or ``hours__monday__open__lt``.

    Args:
        name: The name.
        queryable: The table that it starts from.
        whole: Whether a name without an operator compares the field as a whole.

    Returns:
        The field and the operator; None if the name does not start with a field or a relation.

    Raises:
        PathError: What follows the field or the relation is not there.
    """
    parts = name.split("__")
    if len(parts) > MAX_PATH_STEPS:
        return None
    for end in range(len(parts), 0, -1):
        path = queryable.aggregates.get(".".join(parts[:end])) or queryable.paths.get(
            "__".join(parts[:end])
        )
        if path is not None:
            return _with_operator(path, parts[end:], whole=whole)
    for end in range(len(parts) - 1, 0, -1):
        relation = "__".join(parts[:end])
        target = queryable.relations.get(relation)
        if target is None:
            continue
        inner = read_lookup("__".join(parts[end:]), target.queryable, whole=whole)
        if inner is None:
            known = [*target.queryable.paths, *target.queryable.relations]
            raise PathError(f"{relation} has no {parts[end]!r}.{did_you_mean(parts[end], known)}")
        return Lookup((relation, *inner.relations), inner.path, inner.operator)
    return None


def _with_operator(path: FieldPath, rest: list[str], *, whole: bool) -> Lookup:
    operator = next((known for known in OPERATORS if rest and rest[-1] == known), None)
    names = rest if operator is None else rest[:-1]
    for name in names:
        path = _member(path, name, path.text)
    if operator is not None and operator not in path.operators:
        _refuse_operator(path, operator)
    if whole and operator is None and "eq" not in path.operators:
        _refuse_equality(path)
    return Lookup((), path, operator)


def _refuse_operator(path: FieldPath, operator: Operator) -> None:
    message = f"{operator} does not apply to {path.text}. Use one of {', '.join(path.operators)}"
    if isinstance(path, JSONPath) and path.child(operator) is not None:
        name = "__".join((*path.text.split("."), operator))
        message += f", or {name}__eq for its member {operator!r}"
    raise PathError(message)


def _refuse_equality(path: FieldPath) -> None:
    raise PathError(
        f"{path.text} cannot be compared as a whole. Use one of {', '.join(path.operators)}"
        + _suggested_members(path)
    )


def _suggested_members(path: FieldPath) -> str:
    names: Iterable[str] = path.names if isinstance(path, JSONPath) else ()
    return "".join(f", or its {name}" for name in list(names)[:1])
