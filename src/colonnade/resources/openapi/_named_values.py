"""The named values of query parameters in the OpenAPI document: ``TaskOrderBy``, ``TaskStatus``.

A name is a reference to a component, so that a generated client has one type for it however many
routes accept the values. FastAPI gives components longer names if two have the same, and a
reference from a parameter cannot follow: where a name is ambiguous, the values stand in the
parameter itself.
"""

from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from typing import Annotated, Any, Literal, get_args

import sqlalchemy as sa

from colonnade.models import NamedValues, schemas
from colonnade.query import QueryableTable, include_paths, sortable_paths

COUNTS = ("none", "exact", "estimated")


def component_name(*words: str) -> str:
    """What the names of components begin with: ``TaskAssignments`` for ``task, assignments``."""
    return "".join(word.capitalize() for part in words for word in part.split("_"))


def named_options(queryable: QueryableTable, name: str) -> Mapping[str, Any]:
    """The types of the query parameters whose values are known, by the parameter.

    Args:
        queryable: The table.
        name: What the names begin with that differ from route to route.
    """
    table = _table_name(queryable)
    if table is None:
        return {}
    types = {"count": named_values("RowCount", COUNTS, owner=COUNTS)}
    if queryable.columns:
        types["fields"] = named_values(f"{table}Field", queryable.columns, owner=queryable.read)
    if sortable_paths(queryable):
        types["order_by"] = named_values(
            f"{table}OrderBy", orderings(queryable), owner=queryable.read
        )
    if include_paths(queryable):
        types["include"] = named_values(f"{name}Include", include_paths(queryable), owner=queryable)
    return types


def named_upsert_options(
    queryable: QueryableTable, keys: Iterable[str], fields: Iterable[str]
) -> dict[str, Any]:
    """The types of the query parameters of an upsert, by the parameter.

    Args:
        queryable: The table, whose derived schemas are those of the bodies: others could give the
            same name to other values.
        keys: The names of the unique keys.
        fields: The fields that a conflict can change.
    """
    if not _is_unambiguous(queryable):
        return {}
    table, owner = queryable.shape.model.__name__, schemas(queryable.shape.model).create
    named = {"on_conflict": ("UniqueKey", list(keys)), "update": ("UpsertField", list(fields))}
    return {
        parameter: named_values(f"{table}{name}", values, owner=owner)
        for parameter, (name, values) in named.items()
        if values
    }


def orderings(queryable: QueryableTable) -> list[str]:
    """The fields to sort by, ascending and descending."""
    return [sign + column for column in sortable_paths(queryable) for sign in ("", "-")]


def name_of(annotation: Any) -> str:
    """The name of a type of ``named_options``."""
    return str(get_args(annotation)[1].name)


def name_of_values(queryable: QueryableTable, column: str) -> str | None:
    """The name of the values of a field; None if it has none, or an ambiguous one."""
    field = queryable.read.model_fields.get(column)
    if field is None:
        return None
    for item in field.metadata:
        if isinstance(item, NamedValues):
            return item.name if _is_unambiguous(queryable) else None
    for kind in (field.annotation, *get_args(field.annotation)):
        if isinstance(kind, type) and issubclass(kind, Enum):
            same = {other for other in _enums(queryable) if other.__name__ == kind.__name__}
            return kind.__name__ if same <= {kind} else None
    return None


def named_values(name: str, values: Iterable[str], owner: object) -> Any:
    """The type of values that are a component of the document.

    Args:
        name: The name of the component.
        values: The values.
        owner: What the values belong to: two owners have two components.
    """
    literal: Any = Literal[tuple(values)]
    return Annotated[literal, NamedValues(name, f"colonnade.{name}:{id(owner)}")]


def _table_name(queryable: QueryableTable) -> str | None:
    """What the names for a table begin with; None if another table or schema has them."""
    model, read = queryable.shape.model, queryable.read
    derived = schemas(model).read
    if not _is_unambiguous(queryable) or (
        read is not derived and read.__name__ == derived.__name__
    ):
        return None
    return model.__name__ if read is derived else read.__name__


def _is_unambiguous(queryable: QueryableTable) -> bool:
    name = queryable.shape.model.__name__
    return [mapper.class_.__name__ for mapper in _mappers(queryable)].count(name) == 1


def _enums(queryable: QueryableTable) -> Iterator[type[Enum]]:
    for mapper in _mappers(queryable):
        for column in mapper.columns:
            if isinstance(column.type, sa.Enum) and column.type.enum_class is not None:
                yield column.type.enum_class


def _mappers(queryable: QueryableTable) -> Iterable[Any]:
    mapper: Any = sa.inspect(queryable.shape.model)
    return list(mapper.registry.mappers)
