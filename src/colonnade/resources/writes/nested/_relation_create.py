"""``POST /projects/1/tasks``: a row created in a relation of an existing row."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from fastapi import Request, Response
from pydantic_core import from_json
from sqlalchemy import Connection

from colonnade.errors import QueryError, error_entry
from colonnade.models import Idempotency
from colonnade.query import NO_SCOPES, Scopes
from colonnade.resources._fastapi_compat import solve_dependency
from colonnade.resources._reads import path_of
from colonnade.resources.contract._contract import Contract
from colonnade.resources.responses._bodies import JSONBody
from colonnade.resources.responses._problems import Problem
from colonnade.resources.routes._request_context import context_of
from colonnade.resources.writes._execution import WriteExecution
from colonnade.resources.writes._link_operations import scopes_of_link
from colonnade.resources.writes._requests import RequestParser
from colonnade.resources.writes._resource_tables import resource_table
from colonnade.resources.writes.nested._guards import inclusion_guards
from colonnade.writes import (
    Change,
    ChangeSet,
    Key,
    NestedChanges,
    NestedRelation,
    NestedRow,
    RelationChanges,
    StoredRows,
    WritableTable,
    complete,
    render_row,
)


class RelationCreate:
    """Creates rows in one relation.

    Args:
        relation: The relation.
        idempotency: The table of stored responses; None to ignore ``Idempotency-Key``.
        contract: How the Resource of the source answers.
    """

    def __init__(
        self, relation: NestedRelation, idempotency: type[Idempotency] | None, contract: Contract
    ) -> None:
        self.relation = relation
        self._status = contract.status_of("create")
        self.source = resource_table(relation.source)
        self.target = resource_table(relation.target)
        self._parser = RequestParser(self.target, contract.max_limit)
        self._execution = WriteExecution(self.target, idempotency)
        self._source_execution = WriteExecution(self.source, idempotency)

    async def respond(self, request: Request, key: Key) -> Response:
        """Create a row in the relation of the row with a key; respond with 201.

        Raises:
            Problem: 404, no row in scope has the key; or as for a plain create.
        """
        self._require_operation()
        for guard in inclusion_guards(request, self.source, self.target):
            await solve_dependency(guard, request)
        self.target.raise_failed_choices(request, "create")
        source_scopes = self.source.table_context.scopes(request)
        changes = await self._parser.create_in(request, self.relation)
        respond = partial(self._respond, request)
        values = self._key_values(key)
        if isinstance(changes, ChangeSet) and values is not None:
            (change,) = changes.changes
            change.values |= self._storable(values)
            if change.reader and change.reader.is_validated_later and not self._has_hooks:
                complete(change, change.reader, self.target.table_context.name)
            try:
                return await self._execution.run(request, changes, respond)
            except Problem as problem:
                if problem.kind == "foreign_key":
                    await self._require_parent(request, key, source_scopes)
                raise
        link = self.relation.link
        link_scopes = NO_SCOPES
        if link is not None:
            link_scopes = scopes_of_link(self.source.table_context, link, request)
        nested = self._nested(changes, key, source_scopes, link_scopes)
        return await self._source_execution.run(request, nested, respond)

    @property
    def _has_hooks(self) -> bool:
        """Whether hooks may set columns, so that the row is validated after them."""
        return "create" in self.target.hooks.kinds

    def _require_operation(self) -> None:
        """Refuse to create or link rows that only a user endpoint of a Resource may."""
        if "create" not in self.target.operations:
            raise self._not_allowed(self.target, "create")
        if self.relation.side == "links" and self.relation.name in self.source.replaced_links:
            raise self._not_allowed(self.source, "link")

    def _not_allowed(self, table: WritableTable, operation: str) -> QueryError:
        message = f"The Resource of {table.table_context.name} does not allow {operation}"
        return QueryError([error_entry("operation", ("body",), message)])

    def _key_values(self, key: Key) -> dict[str, Any] | None:
        """The foreign key that refers to the row; None if that takes more than its key."""
        names = [column.name for column in self.source.shape.primary_key]
        values = dict(zip(names, key, strict=True))
        if self.relation.side != "children" or any(
            referenced not in values for _, referenced in self.relation.pairs
        ):
            return None
        return {field: values[referenced] for field, referenced in self.relation.pairs}

    def _storable(self, values: dict[str, Any]) -> dict[str, Any]:
        """Check that the foreign key can be stored.

        Raises:
            Problem: 404, it is out of range, so that no row has the key.
        """
        try:
            return self.target.table_context.create.checked(values)
        except QueryError:
            raise self.source.table_context.not_found() from None

    async def _require_parent(self, request: Request, key: Key, scopes: Scopes) -> None:
        context = self.source.table_context

        def find(connection: Connection) -> bool:
            return bool(StoredRows(connection, self.source, scopes).by_key([key], []))

        if not await context.run(context_of(request), find, begin=True, idempotent=True):
            raise context.not_found()

    def _nested(
        self, changes: ChangeSet | NestedChanges, key: Key, scopes: Scopes, link_scopes: Scopes
    ) -> NestedChanges:
        """The same as a nested body of a row that is not changed itself."""
        parent = NestedRow(
            self.source,
            Change("update", {}, scopes, key),
            self.source.table_context.update,
            ("body",),
            is_given=True,
        )
        related = RelationChanges(self.relation, ("body",), changes.scopes, link_scopes)
        if isinstance(changes, NestedChanges):
            related.create = changes.rows
            tables = changes.tables
        else:
            reader = self.target.reader("create", self.relation.omitted)
            related.create = [
                NestedRow(self.target, change, reader, ("body",)) for change in changes.changes
            ]
            tables = frozenset({(self.target, changes.kind)})
        parent.relations = [related]
        return NestedChanges("create", [parent], tables, scopes)

    def _respond(self, request: Request, rows: Sequence[Any]) -> Response:
        (row,) = rows
        context = self.target.table_context
        body = render_row(context.view, row.body)
        headers = {"ETag": context.etags.of(row.state, body)}
        location = self._location(request, context.keys.write(from_json(row.key)))
        if location is not None:
            headers["Location"] = location
        return JSONBody(body, self._status, headers)

    def _location(self, request: Request, key: str) -> str | None:
        """The path of the new row in its own Resource, if both are in the same place."""
        above = path_of(request).rstrip("/").rsplit("/", 2)[0]
        if not above.endswith(self.source.router.prefix) or "{" in self.target.router.prefix:
            return None
        return f"{above.removesuffix(self.source.router.prefix)}{self.target.router.prefix}/{key}"
