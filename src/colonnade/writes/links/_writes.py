"""Linking and unlinking two rows on a connection, with all checks."""

from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, select

from colonnade.writes._database_errors import missing_row
from colonnade.writes._errors import RejectedError
from colonnade.writes.links._changes import LinkChange
from colonnade.writes.links._statements import LinkStatements
from colonnade.writes.links._tables import LinkTable, hidden_link, unwritable_link
from colonnade.writes.rules._rules import check_scope, stored_row


class LinkWrites:
    """The links of one relation.

    Args:
        link: The link table.
    """

    def __init__(self, link: LinkTable) -> None:
        self._link_table = link
        self._statements = LinkStatements(link)

    def needs_transaction(self, change: LinkChange) -> bool:
        """Whether linking takes several statements."""
        return self._validates(change) or self._has_condition(change)

    def link(self, connection: Connection, change: LinkChange) -> Any:
        """Link two rows, or update their link, and return it as ``body``.

        Raises:
            QueryError: The model does not accept the link.
            RejectedError: 403, 404, 409 or 422.
        """
        if self._validates(change):
            change = self._validated(connection, change)
        row = self._statements.link(change)(connection)
        if row is None:
            raise self._cause(connection, change)
        if self._has_condition(change):
            self._check_scope(connection, change)
        return row

    def unlink(self, connection: Connection, change: LinkChange) -> None:
        """Unlink two rows; succeed if they are not linked.

        Raises:
            RejectedError: 404, a row does not exist; 403, the link may only be read.
        """
        if self._statements.unlink(change)(connection) is None:
            self._require_both(connection, change)
            if self._may_only_be_read(connection, change):
                raise unwritable_link()

    def _validates(self, change: LinkChange) -> bool:
        """Whether the validators of the model must see the whole link."""
        return bool(self._link_table.row_validator) and bool(change.updated)

    def _has_condition(self, change: LinkChange) -> bool:
        scope = change.scopes.written(self._link_table.table)
        return scope is not None and scope.condition is not None

    def _validated(self, connection: Connection, change: LinkChange) -> LinkChange:
        """Lock and validate an existing link with its new values."""
        link = self._link_table
        if link.shape is None or link.row_validator is None:
            return change
        # What its validators say of a link outside the scope would reveal it.
        writable = self._statements.writable(change.scopes)
        parameters = self._statements.parameters(change)
        stored = stored_row(connection, link.shape, writable, link.table, parameters)
        if stored is None:
            return change
        updates = {name: change.values[name] for name in change.updated if name in change.values}
        updates = link.row_validator.changes(stored, updates)
        return replace(
            change,
            values={**change.values, **updates},
            updated=change.updated | updates.keys(),
        )

    def _check_scope(self, connection: Connection, change: LinkChange) -> None:
        link = self._link_table
        if link.shape is not None:
            scope = change.scopes.written(link.table)
            keys = link.parameters(change.source, change.target)
            check_scope(connection, scope, link.shape, link.clause(), link.table, keys)

    def _cause(self, connection: Connection, change: LinkChange) -> RejectedError:
        """Find out why linking returned no link."""
        self._require_both(connection, change)
        parameters = self._statements.parameters(change)
        for reference in self._statements.references(change):
            is_reachable = select(*self._statements.reachable(change, [reference]))
            if not connection.execute(is_reachable, parameters).scalar_one():
                return missing_row(reference.body_names, None)
        if self._may_only_be_read(connection, change):
            return unwritable_link()
        return hidden_link()

    def _may_only_be_read(self, connection: Connection, change: LinkChange) -> bool:
        """Whether a link that a write did not find exists inside its scope."""
        if not change.scopes.narrows_writes(self._link_table.table):
            return False
        stored = self._statements.stored(change.scopes)
        return connection.execute(stored, self._statements.parameters(change)).first() is not None

    def _require_both(self, connection: Connection, change: LinkChange) -> None:
        """Require that both rows exist.

        Raises:
            RejectedError: 404, one of them does not exist inside its scope.
        """
        existing = connection.execute(
            self._statements.existing(change.scopes), self._statements.parameters(change)
        ).one()
        if not existing.source:
            raise self._link_table.table_context.not_found()
        if not existing.target:
            raise self._link_table.target_not_found()
