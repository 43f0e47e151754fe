"""Rows in responses in the OpenAPI document."""

from typing import Any

from pydantic import (
    GetJsonSchemaHandler,
)
from pydantic.json_schema import JsonSchemaValue

from colonnade.models import RelationShape
from colonnade.query import (
    QueryableTable,
)
from colonnade.resources.openapi._documented_as import DocumentedAs, Refs
from colonnade.resources.openapi._named_values import (
    component_name,
    named_options,
)
from colonnade.resources.openapi._values import value_of
from colonnade.resources.responses._problems import ProblemDetails


class Rows(DocumentedAs):
    """A row in a response, or an array of rows.

    Args:
        queryable: The table.
        many: Whether the response is an array.
        name: What the names of components for this route begin with; None if the request cannot
            select fields and relations.
    """

    def __init__(
        self, queryable: QueryableTable, *, many: bool = False, name: str | None = None
    ) -> None:
        self.queryable = queryable
        self.many = many
        self.name = name

    @property
    def identity(self) -> object:
        return Rows, self.queryable.read, self.many, self.name

    def types(self) -> list[Any]:
        if self.name is None:
            return [self.queryable.read]
        return [_row_type(self.queryable, self.name), _PartialRow.type(self.queryable, self.name)]

    def parameter_types(self) -> list[Any]:
        return [] if self.name is None else list(named_options(self.queryable, self.name).values())

    def document(self, refs: Refs, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        rows = list(refs.values())
        row = rows[0] if len(rows) == 1 else {"anyOf": rows}
        return {"type": "array", "items": row} if self.many else row


class ParameterProblem(DocumentedAs):
    """The problem of a bad query parameter, with the components that the parameters refer to.

    Args:
        rows: The rows that the parameters select.
    """

    def __init__(self, rows: Rows) -> None:
        self.rows = rows

    def types(self) -> list[Any]:
        return [ProblemDetails]

    def parameter_types(self) -> list[Any]:
        return [*self.rows.types(), *self.rows.parameter_types()]

    def document(self, refs: Refs, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return refs[ProblemDetails]


class _RowComponent(DocumentedAs):
    """A component for a row with relations."""

    suffix: str

    def __init__(self, queryable: QueryableTable, name: str) -> None:
        self.queryable = queryable
        self.reference = f"colonnade.{name}{self.suffix}:{id(queryable)}"
        self.related = {
            relation: _row_type(target.queryable, f"{name}{component_name(relation)}")
            for relation, target in queryable.relations.items()
        }

    @classmethod
    def type(cls, queryable: QueryableTable, name: str) -> Any:
        """Make the type of the component."""
        return cls(queryable, name).as_type(name)

    def types(self) -> list[Any]:
        return [self.queryable.read, *self.related.values()]

    def _related_schemas(self, refs: Refs) -> dict[str, JsonSchemaValue]:
        return {
            relation: related_schema(self.queryable.relations[relation].relation, refs[row_type])
            for relation, row_type in self.related.items()
        }


class _RowWithRelations(_RowComponent):
    """A row with the relations that a request may include."""

    suffix = "WithRelations"

    def document(self, refs: Refs, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        related = {
            relation: schema
            for relation, schema in self._related_schemas(refs).items()
            if relation not in self.queryable.always_included
        }
        related |= aggregate_schemas(self.queryable)
        return {"allOf": [refs[self.queryable.read], {"type": "object", "properties": related}]}


class _PartialRow(_RowComponent):
    """A row with ``fields=``."""

    suffix = "Partial"

    def document(self, refs: Refs, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        whole = handler.resolve_ref_schema(refs[self.queryable.read])
        properties = {
            name: schema
            for name, schema in whole["properties"].items()
            if name in self.queryable.columns
        }
        return {
            "description": "The requested fields and relations",
            "type": "object",
            "properties": {
                **properties,
                **self._related_schemas(refs),
                **aggregate_schemas(self.queryable),
            },
        }


def _row_type(queryable: QueryableTable, name: str) -> Any:
    aggregates = len(queryable.aggregates) > len(queryable.fields)
    if queryable.relations.keys() <= queryable.always_included and not aggregates:
        return queryable.read
    return _RowWithRelations.type(queryable, name)


def aggregate_schemas(queryable: QueryableTable) -> dict[str, JsonSchemaValue]:
    """Return the JSON schemas of the aggregates that a request may include, by name."""
    return {
        aggregate.public_name: value_of(aggregate) for aggregate in queryable.aggregates.values()
    }


def related_schema(relation: RelationShape, row: JsonSchemaValue) -> JsonSchemaValue:
    """Return the JSON schema of a relation of a row.

    Args:
        relation: The relation.
        row: The schema of a related row.
    """
    if relation.is_list:
        return {"type": "array", "items": row}
    return {"anyOf": [row, {"type": "null"}]}
