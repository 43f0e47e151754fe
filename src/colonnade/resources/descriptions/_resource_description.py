"""``ResourceDescription``: the fields, relations and operations that a request may use."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from colonnade.resources.descriptions._studio_view import StudioView

JSONSchema = dict[str, Any]


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
        nested_create: The JSON schema of a new row of it in request bodies; None if they may not
            contain it.
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
    nested_create: JSONSchema | None
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
