"""``ResourceTable``: a table that writes reach, with the Resource that it belongs to."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

from fastapi import APIRouter, Request, params

from colonnade.resources._schema_choices import SchemaChoice, SchemaKind, Selection
from colonnade.resources._table_context import ResourceContext
from colonnade.writes import Hooks, TableWriter, WritableTable


class ResourceTable(WritableTable):
    """The table of a Resource as writes reach it, also those of Resources that nest this one.

    Args:
        table_context: The table.
        hooks: The hooks of the Resource.
        operations: Returns the operations that nested writes may do: see ``WritableTable``.
        nested: Returns the tables that its relations lead to, by relation.
        replaced_links: Returns the relations whose links a user endpoint makes or removes.
        guards: The dependencies of each operation.
        router: The Resource.
        enabled: The operations that the Resource has, also those that a user endpoint replaces.
        component: What the names of its components in the OpenAPI document begin with.
        choices: The choices of its schemas for each request.
        selection: The schemas that this table and those that it nests have of all choices.
    """

    table_context: ResourceContext

    def __init__(
        self,
        table_context: ResourceContext,
        hooks: Hooks,
        operations: Callable[[], frozenset[str]],
        nested: Callable[[], Mapping[str, WritableTable]],
        replaced_links: Callable[[], frozenset[str]],
        *,
        guards: Mapping[str, Sequence[params.Depends]],
        router: APIRouter,
        enabled: frozenset[str],
        component: str,
        choices: Mapping[SchemaKind, SchemaChoice],
        selection: Selection,
    ) -> None:
        writer = TableWriter(table_context)
        super().__init__(table_context, writer, hooks, operations, nested, replaced_links)
        self.guards = guards
        self.router = router
        self.enabled = enabled
        self.component = component
        self.choices = choices
        self.selection = selection

    @cached_property
    def fingerprints(self) -> tuple[str, ...]:
        """What tells requests apart that chose different schemas."""
        return tuple(
            f"{choice.kind}={schema.__module__}.{schema.__qualname__}"
            for choice, schema in self.selection.items()
        )

    def raise_failed_choices(self, request: Request, operation: str) -> None:
        """Raise the 401 or 403 of a choice that an operation on nested rows needs.

        Args:
            request: The request.
            operation: ``create``, ``update``, ``delete`` or ``link``.
        """
        for kind, choice in self.choices.items():
            if kind in {"read", operation}:
                choice.raise_failure(request)


def resource_table(table: WritableTable) -> ResourceTable:
    """Return a table that a relation leads to, as the table of its Resource."""
    assert isinstance(table, ResourceTable)
    return table
