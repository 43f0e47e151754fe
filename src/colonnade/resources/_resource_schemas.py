"""``ResourceSchemas``: the schemas of a Resource, and its table with each choice of them."""

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any

from fastapi import Depends, Request, params
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from sqlalchemy import Table
from starlette.exceptions import HTTPException

from colonnade.errors import ModelError
from colonnade.models import schemas, snake
from colonnade.query import Page
from colonnade.resources._fastapi_compat import solve_dependency
from colonnade.resources._reads import ReadOperations
from colonnade.resources._schema_choices import (
    SchemaChoice,
    SchemaKind,
    SchemaOption,
    Selection,
    schema_choices,
    selections,
)
from colonnade.resources._table_context import ResourceContext
from colonnade.resources.openapi._named_values import component_name

MakeReads = Callable[[type[BaseModel], type[BaseModel], type[BaseModel]], ReadOperations]
"""Makes the table and its read operations with schemas for create, update and read."""


class ResourceSchemas:
    """The schemas of a Resource, of which requests may choose.

    Args:
        model: The table.
        options: The arguments ``create``, ``update`` and ``read`` of the Resource, in this order.
        make: Makes the table and its read operations with three schemas.
        operation_prefix: What the operation ids of the Resource begin with.

    Attributes:
        choices: The choices, by the kind of their schemas.

    Raises:
        ModelError: An option is neither a schema nor a dependency that declares schemas.
    """

    def __init__(
        self,
        model: type[Any],
        options: Mapping[SchemaKind, SchemaOption],
        make: MakeReads,
        operation_prefix: str,
    ) -> None:
        self._model = model
        self.options: Mapping[SchemaKind, Any] = options
        self._make = make
        self._operation_prefix = operation_prefix
        self.choices = schema_choices(model.__name__, options)
        self._reads: dict[tuple[type[BaseModel], ...], ReadOperations] = {}

    def schema(self, kind: SchemaKind, selection: Selection) -> type[BaseModel]:
        """Return a schema, which a selection must have if requests choose it.

        Raises:
            ModelError: Requests choose it, and the selection does not have it.
        """
        choice = self.choices.get(kind)
        if choice is None:
            plain: type[BaseModel] = self.options[kind] or getattr(schemas(self._model), kind)
            return plain
        if choice not in selection:
            known = ", ".join(schema.__name__ for schema in choice.schemas)
            raise ModelError(
                f"The Resource of {self._model.__name__} has no single {kind} schema, since "
                f"{choice.label} chooses one for each request. Use one of its schemas: {known}."
            )
        return selection[choice]

    def reads(self, selection: Selection) -> ReadOperations:
        """Return the read operations with the schemas of a selection."""
        chosen = [self.schema(kind, selection) for kind in self.options]
        reads = self._reads.get(tuple(chosen))
        if reads is None:
            reads = self._reads[tuple(chosen)] = self._make(*chosen)
        return reads

    def contexts(self) -> Iterator[ResourceContext]:
        """Yield the table with each combination of schemas."""
        for selection in selections(self.choices.values()):
            yield self.reads(selection).table_context

    @cached_property
    def reads_by_schema(self) -> dict[type[BaseModel] | None, ReadOperations]:
        """The read operations by the chosen schema; by None if requests choose none."""
        first = {choice: choice.schemas[0] for choice in self.choices.values()}
        choice = self.choices.get("read")
        if choice is None:
            return {None: self.reads(first)}
        return {schema: self.reads({**first, choice: schema}) for schema in choice.schemas}

    async def select(self, request: Request) -> tuple[Selection, frozenset[SchemaKind]]:
        """Return the schemas that a request would choose, on a route that depends on no choice.

        Returns:
            The schemas, and the kinds whose choice refuses the request, which have their first
            schema.

        Raises:
            HTTPException: The request may not read the rows.
        """
        selection: dict[SchemaChoice, type[BaseModel]] = {}
        refused = set()
        for kind, choice in self.choices.items():
            try:
                selection[choice] = await solve_dependency(choice.marker, request)
            except (HTTPException, RequestValidationError):
                if kind == "read":
                    raise
                selection[choice] = choice.schemas[0]
                refused.add(kind)
        return selection, frozenset(refused)

    def requested_reads(self, request: Request) -> ReadOperations:
        """Return the read operations with the schema that was chosen for a request.

        Raises:
            ModelError: The route does not depend on the choice.
        """
        choice = self.choices.get("read")
        return self.reads_by_schema[None if choice is None else choice.schema_of(request)]

    def reads_of(self, page: Page) -> ReadOperations:
        """Return the read operations that made a page."""
        return self.reads_by_schema[page.queryable.read if "read" in self.choices else None]

    def read_dependencies(self) -> list[params.Depends]:
        """Return the dependency that chooses the read schema, if there is one."""
        choice = self.choices.get("read")
        return [] if choice is None else [Depends(choice.required)]

    def readable_tables(self) -> list[Table]:
        """Return the tables that requests may read with any of the schemas."""
        tables = [reads.table_context.tables() for reads in self.reads_by_schema.values()]
        return list(dict.fromkeys(table for group in tables for table in group))

    def component(self, selection: Selection) -> str:
        """Return what the names of components in the OpenAPI document begin with.

        Only schemas that are not the first of their choice make a name longer.
        """
        read = self.choices.get("read")
        own_name = component_name(snake(self._model.__name__))
        name = own_name if read is None else selection[read].__name__
        others = [
            schema.__name__
            for choice, schema in selection.items()
            if choice is not read and schema is not choice.schemas[0]
        ]
        prefix = component_name(self._operation_prefix)
        return f"{prefix}{name}{'For' if others else ''}{''.join(others)}"
