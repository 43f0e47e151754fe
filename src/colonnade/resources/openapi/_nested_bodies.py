"""The OpenAPI documentation of nested writes: bodies with relations, and what they return."""

from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from functools import cached_property
from typing import Any

from pydantic import BaseModel, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue

from colonnade._owner_caches import cached_by_owner
from colonnade.resources.openapi._bodies import Body, body_example
from colonnade.resources.openapi._documented_as import DocumentedAs, Refs
from colonnade.resources.openapi._examples import NoExampleError
from colonnade.resources.openapi._named_values import component_name
from colonnade.resources.openapi._nested_models import (
    body_model,
    enabled_verbs,
    related_model,
)
from colonnade.resources.openapi._rows import Rows, related_schema
from colonnade.resources.writes._resource_tables import resource_table
from colonnade.writes import MAX_DEPTH, Kind, NestedRelation, WritableTable


def row_body(
    table: WritableTable,
    kind: Kind,
    *,
    max_items: int | None = None,
    mentioned: Iterable[Any] = (),
) -> Body:
    """Return the documentation of a body that creates or updates rows.

    Args:
        table: The table of the Resource.
        kind: Whether the body creates or updates rows.
        max_items: The maximum length of the array; None if the body is a single object.
        mentioned: Types that the parameters of the route refer to.
    """
    if table.relations:
        return _NestedBody(table, kind, max_items, mentioned)
    return plain_body(table, kind, max_items=max_items, mentioned=mentioned)


def plain_body(table: WritableTable, kind: Kind, **options: Any) -> Body:
    """Return the documentation of a body without relations: it has no columns of the path.

    Args:
        table: The table of the Resource.
        kind: Whether the body creates or updates rows.
        options: The options of ``Body``.
    """
    schema, outer = getattr(table.table_context, kind).schema, table.table_context.outer_columns
    above = "And".join(component_name(name.removesuffix("_id")) for name in sorted(outer))
    name = f"{kind.capitalize()}In{above}"
    return Body(schema, exclude=outer, changed_name=name, **options)


def related_body(relation: NestedRelation) -> Body:
    """Return the documentation of a body that creates a row in a relation."""
    return _RelatedBody(relation)


def written_rows(table: WritableTable, *, many: bool = False) -> DocumentedAs:
    """Return the documentation of rows in the response to a write.

    Args:
        table: The table of the Resource.
        many: Whether the response is an array.
    """
    if table.relations:
        return _WrittenRows(table, many=many)
    return Rows(table.table_context.queryable, many=many)


def statuses_of(table: WritableTable) -> tuple[int, ...]:
    """Return the statuses of a create that only bodies with relations have."""
    return (404,) if table.relations else ()  # a row to connect does not exist


class _NestedBody(Body):
    """A body with relations."""

    def __init__(
        self, table: WritableTable, kind: Kind, max_items: int | None, mentioned: Iterable[Any]
    ) -> None:
        schema = getattr(table.table_context, kind).schema
        super().__init__(schema, max_items=max_items, mentioned=mentioned)
        self.table = table
        self.kind = kind

    @property
    def identity(self) -> object:
        kinds = {"create"} if self.kind == "create" else {"create", "update"}
        return _NestedBody, *_chosen(self.table, kinds), len(self.parameter_types())

    @cached_property
    def model(self) -> type[BaseModel]:
        return body_model(self.table, self.kind)

    def example(self) -> dict[str, Any]:
        example = super().example()
        if self.kind == "create":
            return example | _required_relations(self.table) | _children(self.table)
        changes = {name: {"create": rows} for name, rows in _children(self.table, "update").items()}
        return example | dict(list(changes.items())[:1])


class _RelatedBody(Body):
    """A body that creates a row in a relation."""

    def __init__(self, relation: NestedRelation) -> None:
        super().__init__(relation.target.table_context.create.schema)
        self.relation = relation

    @property
    def identity(self) -> object:
        return _RelatedBody, *_chosen(self.relation.target, {"create"})

    @cached_property
    def model(self) -> type[BaseModel]:
        return related_model(self.relation)

    def example(self) -> dict[str, Any]:
        return super().example() | _required_relations(self.relation.target, self.relation.omitted)


def _chosen(table: WritableTable, kinds: Collection[str]) -> Iterator[type[BaseModel]]:
    """The chosen schemas of some kinds, of a table and of those that it nests."""
    for choice, schema in resource_table(table).selection.items():
        if choice.kind in kinds:
            yield schema


def _children(table: WritableTable, kind: Kind = "create") -> dict[str, list[dict[str, Any]]]:
    """Examples of rows in relations whose foreign key is in the related rows."""
    examples = {}
    for relation in table.relations.values():
        is_shown = relation.side == "children" and relation.relation.is_list
        if is_shown and "create" in enabled_verbs(relation, kind):
            with suppress(NoExampleError):
                examples[relation.name] = [_related_example(relation)]
    return examples


def _required_relations(
    table: WritableTable, omitted: frozenset[str] = frozenset(), depth: int = 0
) -> dict[str, dict[str, Any]]:
    """Examples of the rows without which a row cannot be created.

    Raises:
        NoExampleError: They are nested too deeply, as in a table that requires a row of itself.
    """
    if depth > MAX_DEPTH:
        raise NoExampleError(resource_table(table).component)
    fields = table.table_context.create.schema.model_fields
    examples = {}
    for relation in table.relations.values():
        is_required = any(name in fields and fields[name].is_required() for name in relation.fields)
        if relation.side != "parent" or not is_required or relation.fields & omitted:
            continue
        if "create" in enabled_verbs(relation, "create"):
            examples[relation.name] = _related_example(relation, depth + 1)
    return examples


def _related_example(relation: NestedRelation, depth: int = 1) -> dict[str, Any]:
    """An example of a row in a relation that can be created without any other row.

    Raises:
        NoExampleError: It refers to other rows.
    """
    target, model = relation.target, related_model(relation)
    for name, field in model.model_fields.items():
        column = target.shape.columns.get(name)
        if column is not None and column.foreign_key is not None and field.is_required():
            raise NoExampleError(name)
    return body_example(model) | _required_relations(target, relation.omitted, depth)


class _WrittenRows(DocumentedAs):
    """Written rows with the rows of their relations that the request wrote."""

    def __init__(self, table: WritableTable, *, many: bool) -> None:
        self.many = many
        self.row = _written_type(table)
        self._chosen = tuple(_chosen(table, {"read"}))

    @property
    def identity(self) -> object:
        return _WrittenRows, self.many, *self._chosen

    def types(self) -> list[Any]:
        return [self.row]

    def document(self, refs: Refs, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        row = refs[self.row]
        return {"type": "array", "items": row} if self.many else row


class _WrittenRow(DocumentedAs):
    """A component for a written row: ``ProjectWritten``."""

    def __init__(self, table: WritableTable) -> None:
        self.table = table
        component = resource_table(table).component
        self.reference: str = f"colonnade.{component}Written:{id(table)}"

    @cached_property
    def related(self) -> dict[str, Any]:
        """The types of the rows in its relations."""
        shown = self.table.table_context.queryable.always_included
        return {
            name: _written_type(relation.target)
            for name, relation in self.table.relations.items()
            if name not in shown
        }

    def types(self) -> list[Any]:
        return [self.table.table_context.queryable.read, *self.related.values()]

    def document(self, refs: Refs, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        properties = {
            name: {
                "description": f"The {name} that the request wrote",
                **related_schema(self.table.relations[name].relation, refs[row_type]),
            }
            for name, row_type in self.related.items()
        }
        read = refs[self.table.table_context.queryable.read]
        return {"allOf": [read, {"type": "object", "properties": properties}]}


@cached_by_owner
def _written_type(table: WritableTable) -> Any:
    """The type of a written row, of which a table has one, so that trees end."""
    if not table.relations:
        return table.table_context.queryable.read
    return _WrittenRow(table).as_type(f"{resource_table(table).component}Written")
