"""Upserts of single rows on a connection: one statement, or a lookup and a create or an update."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection

from colonnade.database import Bound
from colonnade.writes._changes import Change
from colonnade.writes._conflicts import Conflict
from colonnade.writes.execution._row_writes import RowWrites
from colonnade.writes.statements._upsert_locks import lock_keys
from colonnade.writes.statements._upsert_statements import UpsertStatements, has_row_defaults


class UpsertedRow(NamedTuple):
    """A created, changed or kept row.

    Attributes:
        body: The row as JSON.
        state: What its version is made of.
        key: Its key as JSON.
        created: Whether the row is new.
    """

    body: Any
    state: str
    key: str
    created: bool

    @classmethod
    def of(cls, row: Any, *, created: bool) -> "UpsertedRow":
        """Add to a written row whether it is new."""
        return cls(row.body, row.state, row.key, created)


class UpsertWrites:
    """The upserts of single rows of one table.

    Args:
        rows: The writes of single rows.
    """

    def __init__(self, rows: RowWrites) -> None:
        self._rows = rows
        self._table_context = rows.table_context
        self.statements = UpsertStatements(rows.statements)

    def write_all(self, connection: Connection, changes: Sequence[Change]) -> list[UpsertedRow]:
        """Create rows, or change or keep the rows that they conflict with, one after another.

        Raises:
            RejectedError: 409 or 422.
            QueryError: The update schema or the model does not accept a change.
        """
        is_one_statement = len(changes) == 1 and self.is_statement(changes[0])
        if not is_one_statement:
            lock_keys(connection, changes, self._table_context.shape)
        return [self._write(connection, change) for change in changes]

    def _write(self, connection: Connection, change: Change) -> UpsertedRow:
        if self.is_statement(change):
            row = self.statement(change.copy())(connection)
            if row is not None:
                return self._checked(connection, row, change)
        resolved = self.resolve(connection, change)
        if isinstance(resolved, UpsertedRow):
            return resolved
        row = self._rows(connection, resolved)
        return UpsertedRow.of(row, created=resolved.kind == "create")

    def is_statement(self, change: Change) -> bool:
        """Whether one statement can do an upsert, apart from checks of the written row.

        SQLite cannot tell a created row from a changed one.
        """
        conflict, rows = _conflict_of(change), self._rows
        if self._table_context.backend != "postgresql" or conflict.needs_lookup:
            return False
        if rows.trees.new_parents(change.values):
            return False
        if conflict.keeps or not conflict.changes:
            return not has_row_defaults(self._table_context.shape, tuple(change.values))
        return not rows.has_row_validator

    def is_single_statement(self, change: Change) -> bool:
        """Whether an upsert is a single statement."""
        return self.is_statement(change) and not self._rows.needs_transaction(change)

    def statement(self, change: Change) -> Bound[Any]:
        """Build the single statement of an upsert; it returns nothing if ``resolve`` must decide.

        Args:
            change: The upsert, which gets the values of the scope.
        """
        conflict = _conflict_of(change)
        if conflict.keeps or not conflict.changes:
            return self.statements.keep(change, conflict)
        return self.statements.update(change, conflict)

    def resolve(self, connection: Connection, change: Change) -> Change | UpsertedRow:
        """Lock the row that a new row conflicts with, and return what happens instead of an upsert.

        Args:
            connection: The connection of the transaction.
            change: The upsert.

        Returns:
            The create if no row in the scope has the key; the update of that row; or the row,
            if it is kept.

        Raises:
            QueryError: The update schema does not accept the values.
        """
        conflict = _conflict_of(change)
        key_row = self.statements.find(change, conflict, lock=not conflict.keeps)(connection)
        if key_row is None:
            create = change.copy()
            create.conflict = None
            return create
        key = self._rows.key_of(key_row)
        if conflict.keeps:
            row = self._rows.current(connection, key, change.scopes)
            if row is None:  # deleted since
                return self.resolve(connection, change)
            return UpsertedRow.of(self._rows.render_if_may_fail(row), created=False)
        return change.as_update(key)

    def _checked(self, connection: Connection, row: Any, change: Change) -> UpsertedRow:
        """Check the scope of a written row, and read it again if its response may be stale."""
        rows = self._rows
        created = row.created
        rows.check_scope(connection, row, change.scopes)
        if self._table_context.reread_after_write:
            row = rows.current(connection, rows.key_of(row), change.scopes) or row
        return UpsertedRow.of(rows.render_if_may_fail(row), created=created)


def _conflict_of(change: Change) -> Conflict:
    assert change.conflict is not None
    return change.conflict
