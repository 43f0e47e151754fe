"""``QueryableTable``: the columns and relations of a table that requests can use."""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from types import MappingProxyType
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from sqlalchemy import ARRAY, JSON
from sqlalchemy.types import TypeEngine

from colonnade.errors import ModelError
from colonnade.models import Annotation, ColumnShape, RelationShape, Shape, schemas
from colonnade.query._aggregate_functions import FUNCTIONS, functions_of
from colonnade.query._computed_fields import ComputedField, SQLExpression, expression_of
from colonnade.query._paths import FieldPath, column_path
from colonnade.query._related_aggregates import RelatedAggregate
from colonnade.query.inside_json._json_paths import JSONPath

MAX_DEPTH = 8
"""The maximum depth of included relations; more is a mistake or a cycle."""

ROWS_PER_PARENT = 100
"""The maximum and default number of rows of an included list, per parent row, if its field in the
read schema has no ``max_length``."""

MAX_ROWS_PER_PARENT = 100_000
"""The maximum that a schema may set."""

MAX_NAME_LENGTH = 60
"""Suggestions are searched for names up to this length, since clients choose the names."""

Default = tuple[type[Any], type[BaseModel]] | None
"""The table whose rows in relations have another schema than the derived one, and that schema."""


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
        paths: The paths of the columns, by the same names.
        aggregates: The aggregates of related rows that can be included, and used in filters and
            orderings, by their paths; and the expressions that are fields of the schema.
        fields: Those that are fields of the schema, by the names of the fields.
    """

    shape: Shape
    read: type[BaseModel]
    columns: Mapping[str, ColumnShape]
    relations: Mapping[str, "RelationTarget"]
    always_included: frozenset[str]
    paths: Mapping[str, FieldPath]
    aggregates: Mapping[str, ComputedField]
    fields: Mapping[str, ComputedField]

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
                ``assignments.worker``, and of aggregates of their rows, such as
                ``subtasks.count`` or ``assignments.hours.sum``.
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

    @property
    def has_chosen_limits(self) -> bool:
        """Whether a list in the schema has another maximum than others."""
        return any(
            target.max_rows != ROWS_PER_PARENT or target.queryable.has_chosen_limits
            for target in self.relations.values()
        )

    def tables(self) -> Iterator[Any]:
        """The table, and all tables that its relations lead to or through."""
        yield self.shape.table
        for target in self.relations.values():
            if target.relation.link is not None:
                yield target.relation.link.table
            yield from target.queryable.tables()
        for aggregate in self.aggregates.values():
            yield from aggregate.tables()


@dataclass(frozen=True, slots=True, eq=False)
class RelationTarget:
    """A relation and the table that it leads to.

    Attributes:
        relation: The relation.
        queryable: The table.
        max_rows: The maximum and default number of included rows, per parent row: ``max_length`` of
            the field in the read schema, if it has one.
    """

    relation: RelationShape
    queryable: QueryableTable
    max_rows: int = ROWS_PER_PARENT


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
    default: Default,
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
    columns, always_included, aggregate_fields = _exposed_fields(schema, shape, default)
    relations: dict[str, RelationTarget] = {}
    for public, (name, field) in always_included.items():
        nested_paths = [
            path[1:]
            for path in include_paths
            if path[0] == name and len(path) > 1 and not _is_aggregate(path, shape)
        ]
        nested_schema = _nested_schema(field.annotation)
        target = _relation_target(shape, name, nested_paths, nested_schema, default, depth + 1)
        max_rows = Annotation.of_field(field).bounds.max_length
        if max_rows is not None and not 1 <= max_rows <= MAX_ROWS_PER_PARENT:
            raise ModelError(
                f"{schema.__name__}.{name}: the max_length of a list of rows must be from 1 to "
                f"{MAX_ROWS_PER_PARENT:,}, not {max_rows}."
            )
        relations[public] = target if max_rows is None else replace(target, max_rows=max_rows)
    aggregates: list[ComputedField] = [
        _read_aggregate(shape, path, default)
        for path in include_paths
        if _is_aggregate(path, shape)
    ]
    paths_of_relations = [path for path in include_paths if not _is_aggregate(path, shape)]
    for path in paths_of_relations:
        name = path[0]
        if any(target.relation.name == name for target in relations.values()):
            continue
        if name not in shape.relations:
            raise ModelError(
                f"include names {name!r}, which is not a relation of {shape.model.__name__}. Its "
                f"relations: {', '.join(shape.relations) or 'none'}."
                f"{did_you_mean(name, shape.relations)}"
            )
        nested_paths = [
            other[1:] for other in paths_of_relations if other[0] == name and len(other) > 1
        ]
        if len(path) > MAX_DEPTH:
            raise ModelError(
                f"include can follow at most {MAX_DEPTH} relations, not {'.'.join(path)}. Include "
                "fewer levels."
            )
        relations[name] = _relation_target(shape, name, nested_paths, None, default, depth + 1)
    by_path = {aggregate.text: aggregate for aggregate in (*aggregates, *aggregate_fields.values())}
    _refuse_shared_names(
        schema.__name__, columns, relations, [path.public_name for path in by_path.values()]
    )
    return QueryableTable(
        shape=shape,
        read=schema,
        columns=MappingProxyType(columns),
        relations=MappingProxyType(relations),
        always_included=frozenset(always_included),
        paths=MappingProxyType(
            {name: _path_of(name, column, schema) for name, column in columns.items()}
        ),
        aggregates=MappingProxyType(by_path),
        fields=MappingProxyType(aggregate_fields),
    )


def _refuse_shared_names(
    schema: str, columns: Iterable[str], relations: Iterable[str], aggregates: Iterable[str]
) -> None:
    kinds = {"column": set(columns), "relation": set(relations), "aggregate": set(aggregates)}
    for (first, names), (second, others) in combinations(kinds.items(), 2):
        shared_names = names & others
        if shared_names:
            article = "an" if second == "aggregate" else "a"
            raise ModelError(
                f"{schema} has a {first} and {article} {second} named {min(shared_names)!r}. "
                "Rename one of them."
            )


def _path_of(name: str, column: ColumnShape, schema: type[BaseModel]) -> FieldPath:
    """The path of a column; requests see into JSON only where the schema shows all of it."""
    if column.kind == "json" and _is_json_or_array(column.stored_type):
        field = next(
            field
            for field_name, field in schema.model_fields.items()
            if public_name(field_name, field) == name
        )
        if column.accepts(field):
            return JSONPath.of_column(name, column)
    return column_path(name, column)


def _is_json_or_array(kind: TypeEngine[Any]) -> bool:
    """Whether values are found inside of a column: those of a multirange are not."""
    return isinstance(getattr(kind, "impl_instance", kind), JSON | ARRAY)


def _is_aggregate(path: list[str], shape: Shape) -> bool:
    """Whether a path is an aggregate of the rows of a relation, rather than a relation."""
    relation = shape.relations.get(path[0])
    if relation is None or len(path) < 2 or path[-1] not in FUNCTIONS:
        return False
    return path[1] not in Shape.of(relation.target).relations


def _read_aggregate(
    shape: Shape, path: list[str], default: Default, public_name: str | None = None
) -> RelatedAggregate:
    """The aggregate of a path.

    Raises:
        ModelError: The relation is to one row, or the function does not apply to the field.
    """
    text, (name, *fields, function) = ".".join(path), path
    relation = shape.relations[name]
    if not relation.is_list:
        raise ModelError(
            f"{text} is an aggregate of {shape.model.__name__}.{name}, which is not a list. "
            f"Aggregate the rows of a list."
        )
    target = Shape.of(relation.target)
    field = None
    if fields:
        read = _default_schema(target, default)
        paths = {
            public: _path_of(public, column, read) for public, column in _columns(read, target)
        }
        field = paths.get(".".join(fields))
        if field is None:
            raise ModelError(
                f"{text} aggregates {'.'.join(fields)!r}, which is not a field of "
                f"{read.__name__}.{did_you_mean('.'.join(fields), paths)}"
            )
    elif function != "count":
        raise ModelError(f"{text} needs a field: {name}.<field>.{function}.")
    known = next(known for known in FUNCTIONS if known == function)
    if field is not None and known not in functions_of(field.shape):
        raise ModelError(
            f"{function} does not apply to {name}.{field.text}. Use one of "
            f"{', '.join(functions_of(field.shape))}."
        )
    return RelatedAggregate((name,), (relation,), known, field, public_name)


def _default_schema(shape: Shape, default: Default) -> type[BaseModel]:
    """The schema of the rows of a relation that names none."""
    if default is not None and default[0] is shape.model:
        return default[1]
    return schemas(shape.model).read


def _columns(schema: type[BaseModel], shape: Shape) -> Iterator[tuple[str, ColumnShape]]:
    """The columns among the fields of a schema, with their names in JSON."""
    for name, field in schema.model_fields.items():
        column = shape.columns.get(name)
        if column is not None and not column.secret and not field.exclude:
            yield public_name(name, field), column


def _aggregate_of_field(name: str, shape: Shape) -> list[str] | None:
    """The path of the aggregate that a field of a schema is named after."""
    for relation in shape.relations.values():
        prefix = f"{relation.name}_"
        if not relation.is_list or not name.startswith(prefix):
            continue
        rest = name.removeprefix(prefix)
        for function in FUNCTIONS:
            if rest == function:
                return [relation.name, function]
            field = rest.removesuffix(f"_{function}")
            if field != rest and field in Shape.of(relation.target).columns:
                return [relation.name, field, function]
    return None


def _exposed_fields(
    schema: type[BaseModel], shape: Shape, default: Default
) -> tuple[dict[str, ColumnShape], dict[str, tuple[str, FieldInfo]], dict[str, ComputedField]]:
    """The columns, relations and computed fields among the fields of a schema.

    Columns and relations are by their names in JSON, computed fields by the names of the fields.
    """
    columns = dict(_columns(schema, shape))
    computed: dict[str, ComputedField] = {}
    always_included: dict[str, tuple[str, FieldInfo]] = {}
    for name, field in schema.model_fields.items():
        if field.exclude:
            continue
        column = shape.columns.get(name)
        if column is not None and not column.secret:
            continue
        if column is None and name in shape.relations:
            always_included[public_name(name, field)] = (name, field)
        elif column is None and (path := _aggregate_of_field(name, shape)) is not None:
            computed[name] = _read_aggregate(shape, path, default, public_name(name, field))
            _require_type(schema, name, field, computed[name])
        elif column is None and (expression := expression_of(shape, name)) is not None:
            annotation = Annotation.of_field(field)
            computed[name] = SQLExpression(
                shape, name, annotation, public_name(name, field), expression
            )
        elif column is not None or field.is_required():
            raise ModelError(
                f"{schema.__name__}.{name} is "
                + ("a secret field" if column is not None else "neither a column, a relation nor")
                + ("" if column is not None else " an SQL expression")
                + f" of {shape.model.__name__}. Leave it out of the schema."
            )
    return columns, always_included, computed


def _require_type(
    schema: type[BaseModel], name: str, field: FieldInfo, aggregate: ComputedField
) -> None:
    """Refuse a field for an aggregate with another type than that of its values."""
    annotation = Annotation.of_field(field)
    expected = aggregate.shape
    if not expected.accepts(field):
        raise ModelError(
            f"{schema.__name__}.{name} is the aggregate {aggregate.text}, whose type is "
            f"{expected.python_type.__name__}. Annotate it so."
        )
    if expected.nullable and not annotation.nullable:
        raise ModelError(
            f"{schema.__name__}.{name} is None without rows. Annotate it "
            f"{expected.python_type.__name__} | None."
        )


def _relation_target(
    shape: Shape,
    name: str,
    nested_paths: list[list[str]],
    read: type[BaseModel] | None,
    default: Default,
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
