"""How a Resource is described: from its schemas, its query parameters and its routes."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from colonnade._owner_caches import cached_by_owner
from colonnade.models import ColumnShape, RelationShape, Shape
from colonnade.query import PageReader, QueryableTable, public_name
from colonnade.resources._table_context import ResourceContext
from colonnade.resources.contract._contract import Contract
from colonnade.resources.descriptions._resource_description import (
    ActionDescription,
    FieldDescription,
    JSONSchema,
    RelationDescription,
    ResourceDescription,
)
from colonnade.resources.descriptions._studio_view import StudioView
from colonnade.resources.openapi._values import value_of
from colonnade.resources.routes._route import without_names
from colonnade.writes import LinkTable

RouteKeys = Collection[tuple[str, str]]
"""The paths below that of a Resource, without the names of parameters, and their methods."""

_OPERATIONS: Mapping[str, tuple[str, str]] = {
    "list": ("", "GET"),
    "create": ("", "POST"),
    "read": ("/{}", "GET"),
    "update": ("/{}", "PATCH"),
    "replace": ("/{}", "PUT"),
    "delete": ("/{}", "DELETE"),
    "create_many": (":batch", "POST"),
    "update_many": (":batch", "PATCH"),
    "delete_many": (":batch", "DELETE"),
    "aggregate": (":aggregate", "GET"),
}
"""The route of each operation."""


def describe_resource(
    context: ResourceContext,
    reader: PageReader,
    contract: Contract,
    *,
    path: str,
    routes: RouteKeys,
    refused: Collection[str],
    nested: Mapping[str, type[BaseModel] | None],
    actions: tuple[ActionDescription, ...],
    is_open: bool,
    studio: StudioView,
) -> ResourceDescription:
    """Describe a Resource with the schemas of a request.

    Args:
        context: The table with the schemas.
        reader: The reader of the query strings of its list.
        contract: How the Resource answers.
        path: The path of the Resource.
        routes: The routes of the Resource, below its path.
        refused: ``create`` and ``update``, if the request may not choose their schemas.
        nested: The relations that bodies may contain, with the schemas of their new rows; None for
            what the request may not create.
        actions: The actions.
        is_open: Whether each request may reach all rows and reads the same fields.
        studio: How Studio shows the rows.
    """
    shape = context.shape
    operations = tuple(
        name
        for name, key in _OPERATIONS.items()
        if key in routes and name.partition("_")[0] not in refused
    )
    fields = tuple(_fields(context, reader))
    names = {column.name: name for name, column in context.queryable.columns.items()}
    create, update = context.create.schema, context.update.schema
    return ResourceDescription(
        name=shape.model.__name__,
        table=shape.table.fullname,
        path=path,
        description=_description(shape.model),
        key=tuple(names.get(column.name, column.name) for column in context.keys.columns),
        operations=operations,
        fields=fields,
        relations=tuple(_relations(context, routes, nested)),
        create=body_schema(create) if {"create", "create_many"} & {*operations} else None,
        update=body_schema(update) if {"update", "update_many"} & {*operations} else None,
        actions=actions,
        max_limit=contract.max_limit,
        rows=None if contract.envelope is None else contract.envelope.rows_name,
        is_open=is_open,
        studio=studio.with_fields(context.queryable.columns, searchable_fields(reader)),
    )


@cached_by_owner
def _body_schema(schema: type[BaseModel]) -> JSONSchema:
    return schema.model_json_schema(mode="validation")


def body_schema(schema: type[BaseModel]) -> JSONSchema:
    """The JSON schema of a request body, which the caller may change."""
    cached = _body_schema(schema)
    return {**cached, "properties": dict(cached.get("properties", {}))}


def searchable_fields(reader: PageReader) -> list[str]:
    """The fields in which a text can be searched."""
    return [
        name
        for name, path in reader.queryable.paths.items()
        if path.shape.kind == "text" and "icontains" in path.operators
    ]


def relative_routes(keys: RouteKeys, path: str) -> frozenset[tuple[str, str]]:
    """The keys of the routes of a Resource, below its path."""
    base = without_names(path)
    return frozenset(
        (route.removeprefix(base), method) for route, method in keys if route.startswith(base)
    )


def _description(model: type[Any]) -> str:
    return (model.__doc__ or "").strip() if "__doc__" in vars(model) else ""


def _fields(context: ResourceContext, reader: PageReader) -> Iterator[FieldDescription]:
    queryable = context.queryable
    filters: dict[str, dict[str, str]] = {}
    for name, parameter in reader.parameters.items():
        if not parameter.relations:
            filters.setdefault(parameter.path.text, {}).setdefault(parameter.operator, name)
    for name, column in queryable.columns.items():
        path = queryable.paths[name]
        yield FieldDescription(
            name=name,
            column=column.column.name,
            body_name=column.body_name,
            kind=column.kind,
            schema=value_of(path),
            nullable=column.nullable,
            primary_key=column.primary_key,
            unique=column.unique,
            choices=column.choices,
            is_aware=column.is_aware,
            references=column.foreign_key,
            filters=filters.get(path.text, {}),
            sortable=path.is_sortable,
        )


def _relations(
    context: ResourceContext, routes: RouteKeys, nested: Mapping[str, type[BaseModel] | None]
) -> Iterator[RelationDescription]:
    queryable = context.queryable
    public = {target.relation.name: name for name, target in queryable.relations.items()}
    for relation in context.shape.relations.values():
        name = public.get(relation.name, relation.name)
        below = f"/{{}}/{name}"
        count = queryable.aggregates.get(f"{relation.name}.count")
        listed = (below, "GET") in routes
        included = relation.name in public
        if not (included or listed or count or relation.name in nested):
            continue  # the Resource does not expose it
        link, created = _link_of(context, relation), nested.get(relation.name)
        yield RelationDescription(
            name=name,
            kind=relation.kind,
            table=Shape.of(relation.target).table.fullname,
            nullable=relation.nullable,
            self_referential=relation.self_referential,
            pairs=_public_pairs(context, relation),
            inverse=relation.back_populates,
            included=included,
            count=None if count is None else count.public_name,
            listed=listed,
            tree=listed and relation.self_referential and relation.kind == "many",
            creatable=(below, "POST") in routes,
            linkable=(f"{below}/{{}}", "PUT") in routes,
            nested=relation.name in nested,
            nested_create=None if created is None else body_schema(created),
            link=None if link is None else _link_schema(link),
            link_table=None if link is None else link.target_side.table.fullname,
            link_columns=() if link is None else _link_columns(link),
        )


def _link_columns(link: LinkTable) -> tuple[str, ...]:
    """The fields of a link that refer to the row at its other end, by their names in responses."""
    names = {} if link.view is None else _names_in_responses(link.view.queryable.columns)
    return tuple(names.get(column.key, column.name) for column in link.target_side.columns)


def _public_pairs(context: ResourceContext, relation: RelationShape) -> tuple[tuple[str, str], ...]:
    """The joined columns, by their names in responses where they are known."""
    here = _names_in_responses(context.queryable.columns)
    there: Mapping[str, str] = {}
    if relation.link is None:
        target = next(
            (
                each
                for each in context.queryable.relations.values()
                if each.relation.name == relation.name
            ),
            None,
        )
        queryable = QueryableTable.of(relation.target) if target is None else target.queryable
        there = _names_in_responses(queryable.columns)
    return tuple(
        (here[a], there.get(b, b))
        for a, b in relation.pairs
        if a in here and (relation.link is not None or b in there)
    )


def _names_in_responses(columns: Mapping[str, ColumnShape]) -> Mapping[str, str]:
    return {column.column.key: name for name, column in columns.items()}


def _link_of(context: ResourceContext, relation: RelationShape) -> LinkTable | None:
    is_supported = relation.link is not None and LinkTable.is_supported(context, relation)
    return LinkTable(context, relation) if is_supported else None


def _link_schema(link: LinkTable) -> JSONSchema | None:
    """The JSON schema of the fields of a link, without those that the path has."""
    if link.schema is None:
        return None
    schema = body_schema(link.schema)
    for name, field in link.schema.model_fields.items():
        public = public_name(name, field)
        if name in link.key_fields:
            schema["properties"].pop(public, None)
        elif link.column(name).kind == "datetime" and not link.column(name).is_aware:
            # A JSON schema has no word for a datetime without a time zone.
            schema["properties"][public] = {**schema["properties"][public], "x-naive": True}
    schema["required"] = [
        name for name in schema.get("required", ()) if name in schema["properties"]
    ]
    return schema if schema["properties"] else None
