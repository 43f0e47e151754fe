"""``QueryableTable``: the columns and relations of a table that requests can use."""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from sqlalchemy import inspect

from colonnade.errors import ModelError
from colonnade.models import ColumnShape, RelationShape, Shape, schemas

MAX_DEPTH = 8
"""The maximum depth of included relations; more is a mistake or a cycle."""


MAX_NAME_LENGTH = 60
"""Suggestions are searched for names up to this length, since clients choose the names."""


@dataclass(frozen=True, slots=True, eq=False)
class QueryableTable:
    """The columns and relations of a table that can be read, filtered and sorted.

    Attributes:
        shape: The table.
        read: The schema of a row in a response. It has no secret fields.
        columns: The columns in the schema, by their names in JSON.
        relations: The relations that can be included and used in filters, by their names in JSON.
        always_included: The relations that are fields of the schema, so that every response has
            them.
    """

    shape: Shape
    read: type[BaseModel]
    columns: Mapping[str, ColumnShape]
    relations: Mapping[str, "RelationTarget"]
    always_included: frozenset[str]

    @classmethod
    def of(
        cls,
        model: type[Any],
        read: type[BaseModel] | None = None,
        include: Iterable[str] = (),
        *,
        is_chosen: bool = False,
    ) -> "QueryableTable":
        """Describe a table.

        Args:
            model: The table.
            read: The schema of a row in a response; None for ``schemas(model).read``.
            include: The paths of relations that can be included, such as ``project`` or
                ``assignments.worker``.
            is_chosen: Whether ``read`` also describes the rows of the table in relations that name
                no schema.

        Raises:
            ModelError: ``include`` has a path that is not a relation, or ``read`` a field that is
                neither a column nor a relation.
        """
        default = (model, read) if is_chosen and read is not None else None
        return _build(Shape.of(model), read, [path.split(".") for path in include], default)

    @property
    def key(self) -> tuple[ColumnShape, ...]:
        """The columns of the primary key, including those that are not in the schema."""
        return self.shape.primary_key

    def tables(self) -> Iterator[Any]:
        """The table, and all tables that its relations lead to or through."""
        yield self.shape.table
        for target in self.relations.values():
            if target.relation.link is not None:
                yield target.relation.link.table
            yield from target.queryable.tables()


@dataclass(frozen=True, slots=True, eq=False)
class RelationTarget:
    """A relation and the table that it leads to."""

    relation: RelationShape
    queryable: QueryableTable


def public_name(name: str, field: Any) -> str:
    """The name of a field in JSON."""
    return str(field.serialization_alias or field.alias or name)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A suggestion for the end of a message; empty if no known name is similar."""
    if len(name) > MAX_NAME_LENGTH:
        return ""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean {near[0]}?" if near else ""


def _build(
    shape: Shape,
    read: type[BaseModel] | None,
    include_paths: list[list[str]],
    default: tuple[type[Any], type[BaseModel]] | None,
    depth: int = 0,
) -> QueryableTable:
    schema = read or schemas(shape.model).read
    if read is None and default is not None and default[0] is shape.model:
        schema = default[1]
    if depth > MAX_DEPTH:
        raise ModelError(
            f"{schema.__name__} contains itself through its relations. Give the inner relation a "
            "schema without them."
        )
    columns, always_included = _exposed_fields(schema, shape)
    relations: dict[str, RelationTarget] = {}
    for public, (name, field) in always_included.items():
        nested_paths = [path[1:] for path in include_paths if path[0] == name and len(path) > 1]
        nested_schema = _nested_schema(field.annotation)
        relations[public] = _relation_target(
            shape, name, nested_paths, nested_schema, default, depth + 1
        )
    for path in include_paths:
        name = path[0]
        if any(target.relation.name == name for target in relations.values()):
            continue
        if name not in shape.relations:
            raise ModelError(
                f"include names {name!r}, which is not a relation of {shape.model.__name__}. Its "
                f"relations: {', '.join(shape.relations) or 'none'}."
                f"{did_you_mean(name, shape.relations)}"
            )
        nested_paths = [other[1:] for other in include_paths if other[0] == name and len(other) > 1]
        if len(path) > MAX_DEPTH:
            raise ModelError(
                f"include can follow at most {MAX_DEPTH} relations, not {'.'.join(path)}. Include "
                "fewer levels."
            )
        relations[name] = _relation_target(shape, name, nested_paths, None, default, depth + 1)
    shared_names = columns.keys() & relations.keys()
    if shared_names:
        raise ModelError(
            f"{schema.__name__} has a column and a relation named {min(shared_names)!r}. "
            "Rename one of them."
        )
    return QueryableTable(
        shape=shape,
        read=schema,
        columns=MappingProxyType(columns),
        relations=MappingProxyType(relations),
        always_included=frozenset(always_included),
    )


def _exposed_fields(
    schema: type[BaseModel], shape: Shape
) -> tuple[dict[str, ColumnShape], dict[str, tuple[str, FieldInfo]]]:
    """The columns and relations among the fields of a schema, by their names in JSON."""
    columns: dict[str, ColumnShape] = {}
    always_included: dict[str, tuple[str, FieldInfo]] = {}
    for name, field in schema.model_fields.items():
        if field.exclude:
            continue
        column = shape.columns.get(name)
        if column is not None and not column.secret:
            columns[public_name(name, field)] = column
        elif column is None and name in shape.relations:
            always_included[public_name(name, field)] = (name, field)
        elif name in inspect(shape.model).column_attrs and column is None:
            raise ModelError(
                f"{schema.__name__}.{name} is a column_property of {shape.model.__name__}, and "
                f"responses contain only columns and relations. Leave it out, or return it from a "
                f"hand-written endpoint."
            )
        elif column is not None or field.is_required():
            raise ModelError(
                f"{schema.__name__}.{name} is "
                + ("a secret field" if column is not None else "neither a column nor a relation")
                + f" of {shape.model.__name__}. Leave it out of the schema."
            )
    return columns, always_included


def _relation_target(
    shape: Shape,
    name: str,
    nested_paths: list[list[str]],
    read: type[BaseModel] | None,
    default: tuple[type[Any], type[BaseModel]] | None,
    depth: int,
) -> RelationTarget:
    relation = shape.relations[name]
    target = Shape.of(relation.target)
    return RelationTarget(relation, _build(target, read, nested_paths, default, depth))


def _nested_schema(annotation: Any) -> type[BaseModel] | None:
    """The schema in ``list[WorkerRead]`` or ``WorkerRead | None``; None if it is a table."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return None if annotation.model_config.get("table") else annotation
    for argument in get_args(annotation):
        nested_schema = _nested_schema(argument)
        if nested_schema is not None:
            return nested_schema
    return None
