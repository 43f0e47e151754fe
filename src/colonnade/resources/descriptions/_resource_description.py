"""``ResourceDescription``: the fields, relations and operations that a request may use."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from colonnade.models import ColumnShape, RelationShape, Shape
from colonnade.query import PageReader, QueryableTable, public_name
from colonnade.resources._table_context import ResourceContext
from colonnade.resources.contract._contract import Contract
from colonnade.resources.descriptions._studio_view import StudioView
from colonnade.resources.openapi._values import value_of
from colonnade.resources.routes._route import without_names
from colonnade.writes import LinkTable

JSONSchema = dict[str, Any]

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


@dataclass(frozen=True, slots=True)
class FieldDescription:
    """A field of the rows in responses.

    Attributes:
        name: Its name in responses, filters and orderings.
        column: The name of its column.
        body_name: Its name in request bodies.
        kind: The kind of its values, such as ``text`` or ``datetime``.
        schema: The JSON schema of its values in responses.
        nullable: Whether it may be null.
        primary_key: Whether it is part of the primary key.
        unique: Whether no two rows have the same value.
        choices: The values that it may have; None for any.
        is_aware: Whether a datetime has a time zone.
        references: The table and the column that it refers to; None without a foreign key.
        filters: The names of its query parameters, by operator.
        sortable: Whether ``order_by`` may name it.

    Examples:
        ```python
        from fastapi import FastAPI, Request
        from fastapi.testclient import TestClient

        from colonnade import Database, Field, Relationship, Resource, SQLModel


        class Project(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            tasks: list["Task"] = Relationship(back_populates="project")


        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            title: str = Field(max_length=80)
            project_id: int | None = Field(default=None, foreign_key="project.id")
            project: Project | None = Relationship(back_populates="tasks")


        tasks = Resource(Task, Database("sqlite://"), include=["project"])
        app = FastAPI()
        app.include_router(tasks)


        @app.get("/fields")
        async def describe(request: Request) -> list[str]:
            description = await tasks.describe(request)
            return [field.name for field in description.fields]


        print(TestClient(app).get("/fields").json())  # ['id', 'title', 'project_id']
        ```
    """

    name: str
    column: str
    body_name: str
    kind: str
    schema: JSONSchema
    nullable: bool
    primary_key: bool
    unique: bool
    choices: tuple[str | int, ...] | None
    is_aware: bool
    references: tuple[str, str] | None
    filters: Mapping[str, str]
    sortable: bool


@dataclass(frozen=True, slots=True)
class RelationDescription:
    """A relation of a table.

    Attributes:
        name: Its name in paths and in ``include``.
        kind: ``one``, ``many``, ``many_to_many``, or ``association`` for rows of a link table with
            additional fields.
        table: The related table, with its schema unless that is the default one.
        nullable: Whether a row may have none.
        self_referential: Whether it leads to the same table.
        pairs: The joined fields, as (here, there); with a link table, those of this table and of
            the link table.
        inverse: The name of the relation in the other direction; None if there is none.
        included: Whether ``include`` may name it.
        count: The name of the number of its rows in a row that includes ``name.count``; None if
            that cannot be included.
        listed: Whether it is a list at ``/{key}/name``.
        tree: Whether that list has a ``depth``.
        creatable: Whether a POST there creates a row in the relation.
        linkable: Whether a PUT and a DELETE at ``/{key}/name/{target}`` link and unlink.
        nested: Whether request bodies may contain it.
        link: The JSON schema of the fields of a link; None if it has none.
        link_table: The table at the other end of a link; None without a link table.
        link_columns: The fields of a link that refer to a row there.

    Examples:
        ```python
        from fastapi import FastAPI, Request
        from fastapi.testclient import TestClient

        from colonnade import Database, Field, Relationship, Resource, SQLModel


        class Project(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            tasks: list["Task"] = Relationship(back_populates="project")


        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            title: str = Field(max_length=80)
            project_id: int | None = Field(default=None, foreign_key="project.id")
            project: Project | None = Relationship(back_populates="tasks")


        tasks = Resource(Task, Database("sqlite://"), include=["project"])
        app = FastAPI()
        app.include_router(tasks)


        @app.get("/fields")
        async def describe(request: Request) -> list[str]:
            description = await tasks.describe(request)
            return [f"{each.name}: {each.kind} of {each.table}" for each in description.relations]


        print(TestClient(app).get("/fields").json())  # ['project: one of project']
        ```
    """

    name: str
    kind: str
    table: str
    nullable: bool
    self_referential: bool
    pairs: tuple[tuple[str, str], ...]
    inverse: str | None
    included: bool
    count: str | None
    listed: bool
    tree: bool
    creatable: bool
    linkable: bool
    nested: bool
    link: JSONSchema | None
    link_table: str | None
    link_columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ActionDescription:
    """An action: a function of the program that is called with rows.

    Attributes:
        name: Its name in the path, ``:name``.
        title: What the button says.
        description: What it does; empty without a docstring.
        confirm: A question to ask before; None to ask nothing.
        form: The JSON schema of the request body; None if it has none.

    Examples:
        ```python
        from fastapi import FastAPI, Request
        from fastapi.testclient import TestClient

        from colonnade import Database, Field, Relationship, Resource, SQLModel


        class Project(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            tasks: list["Task"] = Relationship(back_populates="project")


        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            title: str = Field(max_length=80)
            project_id: int | None = Field(default=None, foreign_key="project.id")
            project: Project | None = Relationship(back_populates="tasks")


        tasks = Resource(Task, Database("sqlite://"), include=["project"])
        app = FastAPI()
        app.include_router(tasks)


        @tasks.action("Close")
        def close(rows: list[Task]) -> str:
            return f"Closed {len(rows)}"


        @app.get("/fields")
        async def describe(request: Request) -> list[str]:
            description = await tasks.describe(request)
            return [f"{action.title} at :{action.name}" for action in description.actions]


        print(TestClient(app).get("/fields").json())  # ['Close at :close']
        ```
    """

    name: str
    title: str
    description: str
    confirm: str | None
    form: JSONSchema | None


@dataclass(frozen=True, slots=True)
class ResourceDescription:
    """What a Resource offers to a request.

    Attributes:
        name: The name of the model.
        table: The table, with its schema unless that is the default one.
        path: The path of the Resource, without that of the router that includes it.
        description: The docstring of the model; empty without one.
        key: The fields of the primary key, in its order, by their names in responses.
        operations: The operations that have a route.
        fields: The fields of a row.
        relations: The relations.
        create: The JSON schema of a POST; None if rows cannot be created.
        update: The JSON schema of a PATCH; None if rows cannot be changed.
        actions: The actions.
        max_limit: The maximum number of rows in a page and in a batch.
        rows: The name of the rows in the envelope of a list; None for a bare array.
        is_open: Whether each request may reach all rows and reads the same fields: there is no
            scope, and no schemas by role.
        studio: How Studio shows the rows.

    Examples:
        ```python
        from fastapi import FastAPI, Request
        from fastapi.testclient import TestClient

        from colonnade import Database, Field, Relationship, Resource, SQLModel


        class Project(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            tasks: list["Task"] = Relationship(back_populates="project")


        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            title: str = Field(max_length=80)
            project_id: int | None = Field(default=None, foreign_key="project.id")
            project: Project | None = Relationship(back_populates="tasks")


        tasks = Resource(Task, Database("sqlite://"), include=["project"])
        app = FastAPI()
        app.include_router(tasks)


        @app.get("/fields")
        async def describe(request: Request) -> list[str]:
            description = await tasks.describe(request)
            return [description.path, *description.operations[:3]]


        print(TestClient(app).get("/fields").json())  # ['/tasks', 'list', 'create', 'read']
        ```
    """

    name: str
    table: str
    path: str
    description: str
    key: tuple[str, ...]
    operations: tuple[str, ...]
    fields: tuple[FieldDescription, ...]
    relations: tuple[RelationDescription, ...]
    create: JSONSchema | None
    update: JSONSchema | None
    actions: tuple[ActionDescription, ...]
    max_limit: int
    rows: str | None
    is_open: bool
    studio: StudioView


def describe_resource(
    context: ResourceContext,
    reader: PageReader,
    contract: Contract,
    *,
    path: str,
    routes: RouteKeys,
    refused: Collection[str],
    nested: Collection[str],
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
        nested: The relations that bodies may contain.
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
        key=tuple(names.get(column.name, column.name) for column in shape.primary_key),
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


def body_schema(schema: type[BaseModel]) -> JSONSchema:
    """The JSON schema of a request body."""
    return schema.model_json_schema(mode="validation")


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
    context: ResourceContext, routes: RouteKeys, nested: Collection[str]
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
        link = _link_of(context, relation)
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
            link=None if link is None else _link_schema(link),
            link_table=None if link is None else link.target_side.table.fullname,
            link_columns=()
            if link is None
            else tuple(column.name for column in link.target_side.columns),
        )


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
        if name in link.key_fields:
            schema["properties"].pop(public_name(name, field), None)
    schema["required"] = [
        name for name in schema.get("required", ()) if name in schema["properties"]
    ]
    return schema if schema["properties"] else None
