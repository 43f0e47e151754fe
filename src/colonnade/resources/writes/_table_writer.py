"""The writes of one table, in as few statements as the checks of its rows allow."""

from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    and_,
    delete,
    func,
    select,
    tuple_,
    type_coerce,
)

from colonnade.database import Bound, StatementBatch
from colonnade.query import Scopes, compared_type
from colonnade.resources._table_context import TableContext
from colonnade.resources.writes._bulk_statements import BulkStatements
from colonnade.resources.writes._bulk_upserts import BulkUpserts
from colonnade.resources.writes._changes import ChangeSet, Key
from colonnade.resources.writes._row_locks import after_locking, lock_in_order
from colonnade.resources.writes._row_writes import RowWrites
from colonnade.resources.writes._upsert_locks import lock_keys
from colonnade.resources.writes._upsert_writes import UpsertWrites


class TableWriter:
    """Executes the changes of one table.

    Args:
        table_context: The table.

    Attributes:
        rows: The writes of single rows.
        upserts: The upserts of single rows.
    """

    def __init__(self, table_context: TableContext) -> None:
        self.table_context = table_context
        self.rows = RowWrites(table_context)
        self.upserts = UpsertWrites(self.rows)
        self._bulk = BulkStatements(self.rows.statements)
        self._bulk_upserts = BulkUpserts(self.rows.statements, self.upserts)

    def __call__(self, connection: Connection, changes: ChangeSet) -> list[Any]:
        """Execute changes, and return ``body``, ``state`` and ``key`` of each row.

        Nothing is returned for deletions.

        Raises:
            Problem: 404, 409 or 412.
        """
        if changes.is_upsert:
            return self.upserts.write_all(connection, changes.changes)
        if len(changes.changes) == 1:
            row = self.rows(connection, changes.changes[0])
            return [] if changes.kind == "delete" else [row]
        if changes.kind == "delete":
            self.delete(connection, changes)
            return []
        bulk = self.bulk(changes)
        if bulk is not None:
            return [self.rows.render_if_may_fail(row) for row in bulk(connection)]
        self.lock(connection, changes)
        return [self.rows(connection, change) for change in changes.changes]

    def bulk(self, changes: ChangeSet) -> Bound[list[Any]] | StatementBatch[Any] | None:
        """Build the statements for rows that need no individual checks; None for others."""
        if changes.is_upsert:
            return self._bulk_upserts.upsert(changes.changes, changes.scopes)
        if changes.kind == "create":
            return self._bulk.insert([change.values for change in changes.changes], changes.scopes)
        if changes.kind == "update" and not self.rows.has_row_validator:
            keyed = [(change.key, change.values) for change in changes.changes]
            return self._bulk.update(keyed, changes.scopes)
        return None

    def delete(self, connection: Connection, changes: ChangeSet) -> None:
        """Delete rows in one statement.

        Raises:
            Problem: 404, a row does not exist.
        """
        keys, scopes = changes.keys, changes.scopes
        shape, table = self.table_context.shape, self.table_context.shape.table
        columns = [column.column for column in shape.primary_key]
        is_selected = self._rows_clause(table, keys, scopes)
        count = select(func.count()).select_from(table).where(is_selected)
        parameters = dict(scopes.binds())
        # RETURNING omits a row that SQLite deletes by ON DELETE CASCADE from another of them.
        counts_first = self.table_context.backend == "sqlite"
        existing = connection.execute(count, parameters).scalar_one() if counts_first else 0
        statement = delete(table).where(is_selected).returning(*columns)
        if not counts_first and len(keys) > 1:
            rows = table.alias()
            locked = lock_in_order(shape, rows, self._rows_clause(rows, keys, scopes))
            statement = statement.where(after_locking(locked))
        deleted = connection.execute(statement, parameters).all()
        if max(existing, len(deleted)) < len(keys):
            raise self.table_context.not_found()

    def lock(self, connection: Connection, changes: ChangeSet) -> None:
        """Lock existing rows, or keys, in the order of the keys before any of them is changed."""
        if changes.is_upsert:
            lock_keys(connection, changes.changes, self.table_context.shape)
            return
        keys = changes.keys
        if changes.kind == "create" or self.table_context.backend != "postgresql" or len(keys) == 1:
            return
        shape = self.table_context.shape
        rows = shape.table.alias()
        locked = lock_in_order(shape, rows, self._rows_clause(rows, keys, changes.scopes))
        connection.execute(locked, dict(changes.scopes.binds()))

    def _rows_clause(
        self, rows: FromClause, keys: list[Key], scopes: Scopes
    ) -> ColumnElement[bool]:
        """The condition that selects the rows with these keys inside the scope."""
        shape = self.table_context.shape
        columns = [
            type_coerce(rows.c[column.column.key], compared_type(column))
            for column in shape.primary_key
        ]
        chosen: Any = (
            columns[0].in_([key[0] for key in keys])
            if len(columns) == 1
            else tuple_(*columns).in_(keys)
        )
        return and_(chosen, *scopes.clauses(shape.table, rows))
