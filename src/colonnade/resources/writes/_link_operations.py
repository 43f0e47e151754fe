"""The operations of links: PUT and DELETE of ``/tasks/1/workers/@ana``."""

from functools import partial

from fastapi import Request, Response
from pydantic import ValidationError

from colonnade.errors import QueryError
from colonnade.models import RelationShape
from colonnade.query import Scopes
from colonnade.resources import _scoping
from colonnade.resources._reads import refuse_query_parameters
from colonnade.resources._table_context import ResourceContext
from colonnade.resources.responses._bodies import NO_CONTENT, JSONBody, json_body, ok_response
from colonnade.resources.responses._problems import Problem
from colonnade.resources.routes._request_context import context_of
from colonnade.resources.writes._foreign_key_names import name_foreign_key
from colonnade.writes import (
    Key,
    LinkChange,
    LinkTable,
    LinkWrites,
    RejectedError,
    link_change,
    render_row,
)


class LinkOperations:
    """The link and unlink operations of one relation.

    Args:
        table_context: The table that has the relation.
        relation: The relation.
        status: The status of a successful response; 204 for one without a body.

    Attributes:
        table: The link table.
    """

    def __init__(
        self, table_context: ResourceContext, relation: RelationShape, status: int = 200
    ) -> None:
        self.status = status
        self._table_context = table_context
        self.table = LinkTable(table_context, relation)
        self._writes = LinkWrites(self.table)

    async def put(self, request: Request, key: Key, segment: str) -> Response:
        """Link two rows; an existing link is updated with the fields in the body."""
        context, table = context_of(request), self.table
        scopes, target = self._scopes(request), self._target(segment)
        try:
            change = link_change(table, key, target, scopes, await json_body(request))
        except RejectedError as error:
            raise Problem.of(error) from None
        work = self._table_context.run(
            context,
            partial(self._writes.link, change=change),
            begin=self._writes.needs_transaction(change),
            shape=table.shape,
        )
        try:
            row = await work
        except Problem as problem:
            if table.foreign_keys is None:
                raise
            values = {**change.values, **table.key_values(key, target)}
            await name_foreign_key(
                context, self._table_context, problem, table.foreign_keys, lambda: [values]
            )
            raise
        if table.view is None or self.status == NO_CONTENT:
            return ok_response(self.status)
        return JSONBody(render_row(table.view, row.body))

    async def delete(self, request: Request, key: Key, segment: str) -> Response:
        """Unlink two rows; succeeds if they are not linked."""
        scopes = self._scopes(request)
        change = LinkChange(key, self._target(segment), scopes, {}, frozenset())
        work = partial(self._writes.unlink, change=change)
        await self._table_context.run(
            context_of(request), work, deleting=True, shape=self.table.shape
        )
        return ok_response(self.status)

    def _scopes(self, request: Request) -> Scopes:
        scopes = scopes_of_link(self._table_context, self.table, request)
        refuse_query_parameters(request)
        return scopes

    def _target(self, segment: str) -> Key:
        """Parse the key of the related row.

        Raises:
            Problem: 404, no row can have the key.
            QueryError: The key does not have the types of its columns.
        """
        keys = self.table.keys
        try:
            key = keys.read(segment)
        except ValidationError as error:
            if keys.is_out_of_range(error):
                raise Problem.of(self.table.target_not_found()) from None
            raise QueryError(keys.errors(error, ("path", "target"))) from None
        if key is None:
            raise Problem.of(self.table.target_not_found())
        return key


def scopes_of_link(table_context: ResourceContext, link: LinkTable, request: Request) -> Scopes:
    """Return the scopes of a request that links or unlinks rows.

    Raises:
        HTTPException: 401 or 403, the scope of the rows or of the links denies access.
    """
    table_context.scopes(request)
    scopes = _scoping.scopes_of(request, table_context.db, link.tables, (link.table,))
    errors = scopes.errors()
    for table in (link.table, link.target_side.table):
        if table in errors:
            raise errors[table]
    scope = scopes.get(link.table)
    if scope is not None and scope.refused:
        raise Problem(403, "Your scope does not allow access to these links.", kind="scope")
    scope = scopes.written(link.table)
    if scope is not None and scope.refused:
        raise Problem(403, "Your scope does not allow changes to these links.", kind="scope")
    return scopes
