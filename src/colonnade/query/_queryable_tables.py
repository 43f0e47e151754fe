"""``QueryableTable``: what of a table a request may name, as the outside knows it."""

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

DEEPEST = 8
"""Relations that an include may follow one another: more is a mistake, or a loop."""


LONGEST_NAME = 60
"""Characters of a name that is compared with others: it takes time, and clients choose it."""


@dataclass(frozen=True, slots=True, eq=False)
class QueryableTable:
    """What of a table can be read, filtered and sorted, under the names a client knows.

    Attributes:
        shape: The table.
        read: The schema a row is shown by. Secret fields are not in it.
        columns: The columns in it, by the name they have in JSON.
        relations: The relations that may be included and filtered across, by that name.
        always: Those of the relations that the schema itself has: every answer shows them.
    """

    shape: Shape
    read: type[BaseModel]
    columns: Mapping[str, ColumnShape]
    relations: Mapping[str, "RelationTarget"]
    always: frozenset[str]

    @classmethod
    def of(
        cls, model: type[Any], read: type[BaseModel] | None = None, include: Iterable[str] = ()
    ) -> "QueryableTable":
        """The surface of a table.

        Args:
            model: The table.
            read: The schema of an answer; ``schemas(model).read`` when it is None.
            include: The relations that may be included, as ``project`` or
                ``assignments.worker``.

        Raises:
            ModelError: A path in ``include`` or a field of ``read`` leads nowhere.
        """
        return _surface(Shape.of(model), read, [path.split(".") for path in include])

    @property
    def key(self) -> tuple[ColumnShape, ...]:
        """The columns of the primary key, shown or not."""
        return self.shape.primary_key

    def tables(self) -> Iterator[Any]:
        """Every table it reaches, the link tables on the way included."""
        yield self.shape.table
        for reached in self.relations.values():
            if reached.relation.link is not None:
                yield reached.relation.link.table
            yield from reached.surface.tables()


@dataclass(frozen=True, slots=True, eq=False)
class RelationTarget:
    """A relation, and the surface it leads to."""

    relation: RelationShape
    surface: QueryableTable


def public_name(name: str, field: Any) -> str:
    """The name a field has in JSON."""
    return str(field.serialization_alias or field.alias or name)


def nearest(name: str, known: Iterable[str]) -> str:
    """What was probably meant, for the end of a message; empty if nothing is near."""
    if len(name) > LONGEST_NAME:
        return ""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean {near[0]}?" if near else ""


def _surface(
    shape: Shape, read: type[BaseModel] | None, paths: list[list[str]], depth: int = 0
) -> QueryableTable:
    schema = read or schemas(shape.model).read
    if depth > DEEPEST:
        raise ModelError(
            f"{schema.__name__} has relations that lead back to it endlessly. Give the inner "
            "one a schema "
            "without them."
        )
    columns, always = _fields(schema, shape)
    relations: dict[str, RelationTarget] = {}
    for public, (name, field) in always.items():
        below = [path[1:] for path in paths if path[0] == name and len(path) > 1]
        nested = _nested_schema(field.annotation)
        relations[public] = _reached(shape, name, below, nested, depth + 1)
    for path in paths:
        name = path[0]
        if any(reached.relation.name == name for reached in relations.values()):
            continue
        if name not in shape.relations:
            raise ModelError(
                f"include names {name!r}, which is not a relation of {shape.model.__name__}. It "
                f"has {', '.join(shape.relations) or 'none'}.{nearest(name, shape.relations)}"
            )
        below = [other[1:] for other in paths if other[0] == name and len(other) > 1]
        if len(path) > DEEPEST:
            raise ModelError(f"include goes deeper than {DEEPEST} relations: {'.'.join(path)}")
        relations[name] = _reached(shape, name, below, None, depth + 1)
    twice = columns.keys() & relations.keys()
    if twice:
        raise ModelError(
            f"{schema.__name__} has a column and a relation named {min(twice)!r}. Rename one of "
            f"them."
        )
    return QueryableTable(
        shape=shape,
        read=schema,
        columns=MappingProxyType(columns),
        relations=MappingProxyType(relations),
        always=frozenset(always),
    )


def _fields(
    schema: type[BaseModel], shape: Shape
) -> tuple[dict[str, ColumnShape], dict[str, tuple[str, FieldInfo]]]:
    """The columns and the relations that a schema has, by their names in JSON."""
    columns: dict[str, ColumnShape] = {}
    always: dict[str, tuple[str, FieldInfo]] = {}
    for name, field in schema.model_fields.items():
        if field.exclude:
            continue
        column = shape.columns.get(name)
        if column is not None and not column.secret:
            columns[public_name(name, field)] = column
        elif column is None and name in shape.relations:
            always[public_name(name, field)] = (name, field)
        elif name in inspect(shape.model).column_attrs and column is None:
            raise ModelError(
                f"{schema.__name__}.{name} is a column_property of {shape.model.__name__}, and "
                f"answers show columns and relations. Leave it out, or return it from a "
                f"hand-written endpoint."
            )
        elif column is not None or field.is_required():
            raise ModelError(
                f"{schema.__name__}.{name} is "
                + ("secret" if column is not None else "neither a column nor a relation")
                + f" of {shape.model.__name__}"
            )
    return columns, always


def _reached(
    shape: Shape, name: str, below: list[list[str]], read: type[BaseModel] | None, depth: int
) -> RelationTarget:
    relation = shape.relations[name]
    return RelationTarget(relation, _surface(Shape.of(relation.target), read, below, depth))


def _nested_schema(annotation: Any) -> type[BaseModel] | None:
    """The schema in ``list[WorkerRead]`` or ``WorkerRead | None``; None if it is the table."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return None if annotation.model_config.get("table") else annotation
    for argument in get_args(annotation):
        nested = _nested_schema(argument)
        if nested is not None:
            return nested
    return None
