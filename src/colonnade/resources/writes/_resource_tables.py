"""``ResourceTable``: a table that writes reach, with the Resource that it belongs to."""

from collections.abc import Callable, Mapping, Sequence

from fastapi import APIRouter, params

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
    ) -> None:
        writer = TableWriter(table_context)
        super().__init__(table_context, writer, hooks, operations, nested, replaced_links)
        self.guards = guards
        self.router = router
        self.enabled = enabled
        self.component = component


def resource_table(table: WritableTable) -> ResourceTable:
    """Return a table that a relation leads to, as the table of its Resource."""
    assert isinstance(table, ResourceTable)
    return table
