"""The writes of one table, in as few statements as the checks of its rows allow."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    and_,
    delete,
    func,
    not_,
    select,
    true,
    type_coerce,
)

from colonnade.database import Bound, StatementBatch
from colonnade.query import Scopes, compared_type
from colonnade.writes._changes import Change, ChangeSet, Key
from colonnade.writes._table_context import TableContext
from colonnade.writes.execution._bulk_upserts import BulkUpserts
from colonnade.writes.execution._row_writes import RowWrites
from colonnade.writes.execution._upsert_writes import UpsertWrites
from colonnade.writes.rules._foreign_keys import Reference
from colonnade.writes.rules._rules import outside_scope
from colonnade.writes.statements._bulk_statements import BulkStatements
from colonnade.writes.statements._key_clauses import has_key
from colonnade.writes.statements._row_locks import after_locking, lock_in_order
from colonnade.writes.statements._upsert_locks import lock_keys


class TableWriter:
    """Executes the changes of one table.

    Args:
        table_context: The table.

    Attributes:
        rows: The writes of single rows.
        bulk_statements: The statements for many rows.
        upserts: The upserts of single rows.
    """

    def __init__(self, table_context: TableContext) -> None:
        self.table_context = table_context
        self.rows = RowWrites(table_context)
        self.bulk_statements = BulkStatements(self.rows.statements)
        self.upserts = UpsertWrites(self.rows)
        self._bulk_upserts = BulkUpserts(self.rows.statements, self.upserts)

    def __call__(self, connection: Connection, changes: ChangeSet) -> list[Any]:
        """Execute changes, and return ``body``, ``state`` and ``key`` of each row.

        Nothing is returned for deletions.

        Raises:
            RejectedError: 404, 409 or 412.
        """
        if changes.is_upsert:
            return self.upserts.write_all(connection, changes.changes)
        if len(changes.changes) == 1:
            row = self.rows(connection, changes.changes[0])
            return [] if changes.kind == "delete" else [row]
        if changes.kind == "delete":
            self.delete(connection, changes)
            return []
        self.lock(connection, changes)
        return self.write(connection, changes.changes)

    def write_one_by_one(self, connection: Connection, changes: ChangeSet) -> list[Any]:
        """Create or update rows in their order, so that the error is that of the first refused one.

        Raises:
            RejectedError: 404, 409 or 422.
        """
        self.lock(connection, changes)
        return [self.rows(connection, change) for change in changes.changes]

    def write(
        self,
        connection: Connection,
        changes: Sequence[Change],
        *,
        locked: bool = False,
        checks_scope: bool = True,
    ) -> list[Any]:
        """Create or update rows, and return ``body``, ``state`` and ``key`` of each.

        Args:
            connection: The connection of the transaction.
            changes: The rows, all of one kind.
            locked: Whether the rows of an update are known to exist in scope, and are locked.
            checks_scope: Whether to check the condition of the scope; if not, the caller does.

        Raises:
            RejectedError: 404, 409, 412 or 422.
        """
        scopes = changes[0].scopes
        if len(changes) == 1 or not self.bulk_statements.is_available:
            rows = [self.rows(connection, change, checks_scope=checks_scope) for change in changes]
            if len(changes) == 1 or not self.table_context.reread_after_write:
                return rows
            # A later change may have changed what an earlier row shows of its table.
            rows = self.current(connection, [self.rows.key_of(row) for row in rows], scopes)
            return [self.rows.render_if_may_fail(row) for row in rows]
        written: list[Any] = [None] * len(changes)
        for indexes in self._groups(changes):
            rows = self._write_group(connection, [changes[index] for index in indexes], locked)
            for index, row in zip(indexes, rows, strict=True):
                written[index] = row
        scope = scopes.written(self.table_context.shape.table)
        if checks_scope and scope is not None and scope.condition is not None:
            self.check_scope(connection, [self.rows.key_of(row) for row in written], scopes)
        if self.table_context.reread_after_write:
            keys = [self.rows.key_of(row) for row in written]
            written = self.current(connection, keys, scopes)
        return [self.rows.render_if_may_fail(row) for row in written]

    def bulk(self, changes: ChangeSet) -> Bound[list[Any]] | StatementBatch[Any] | None:
        """Build the statements for rows that need no other checks; None for others."""
        if changes.is_upsert:
            return self._bulk_upserts.upsert(changes.changes, changes.scopes)
        if changes.kind == "delete" or self.table_context.reread_after_write:
            return None
        scope = changes.scopes.written(self.table_context.shape.table)
        if scope is not None and scope.condition is not None:
            return None
        if changes.kind == "update" and self.rows.has_row_validator:
            return None
        return self._statement(changes.changes)

    def _statement(
        self, changes: Sequence[Change], *, locked: bool = False
    ) -> Bound[list[Any]] | StatementBatch[Any] | None:
        scopes, checked = changes[0].scopes, changes[0].checked
        if changes[0].kind == "create":
            return self.bulk_statements.insert(
                [change.values for change in changes], scopes, checked
            )
        if any(change.expected is not None for change in changes):
            return None
        if self._may_be_unwritable(changes, locked):
            return None
        keyed = [(change.key, change.values) for change in changes]
        return self.bulk_statements.update(keyed, scopes, checked, locked=locked)

    def _groups(self, changes: Sequence[Change]) -> list[list[int]]:
        """The indexes of the rows that one statement can write: those with the same fields.

        Only neighbours are created together, in the order of their keys.
        """
        is_update = changes[0].kind == "update"
        if is_update and len({change.key for change in changes}) < len(changes):
            return [[index] for index in range(len(changes))]
        groups: dict[Any, list[int]] = {}
        run = 0
        for index, change in enumerate(changes):
            names = frozenset(change.values)
            if change.kind == "create" and index and names != frozenset(changes[index - 1].values):
                run += 1
            groups.setdefault((run, names), []).append(index)
        if is_update and len(groups) > 1 and self.bulk_statements.changes_unique_columns(changes):
            return [[index] for index in range(len(changes))]
        return list(groups.values())

    def _write_group(
        self, connection: Connection, changes: list[Change], locked: bool
    ) -> list[Any]:
        """Write rows with the same fields, in one statement if they need no individual checks."""
        prepared = changes
        if self._may_be_unwritable(changes, locked):
            return [self.rows(connection, change, checks_scope=False) for change in changes]
        if locked and not changes[0].values:
            keys = [change.key for change in changes]
            return self.current(connection, keys, changes[0].scopes)
        if changes[0].kind == "update" and self.rows.has_row_validator:
            prepared = self._validated(connection, changes)
            locked = True
        bulk = None
        if len(changes) > 1 and not self._have_several_parents(prepared):
            bulk = self._statement(prepared, locked=locked)
        if bulk is not None:
            return self._write_bulk(connection, prepared, bulk)
        return [self.rows(connection, change, checks_scope=False) for change in changes]

    def _have_several_parents(self, changes: Sequence[Change]) -> bool:
        """Whether updates move rows of a tree below several parents.

        They are checked in their order: a move may be a cycle until another one ends it.
        """
        if changes[0].kind != "update":
            return False
        parents: dict[Reference, set[Key]] = {}
        for change in changes:
            for reference in self.rows.trees.new_parents(change.values):
                parent = tuple(change.values.get(name) for name in reference.names)
                parents.setdefault(reference, set()).add(parent)
        return any(len(several) > 1 for several in parents.values())

    def _may_be_unwritable(self, changes: Sequence[Change], locked: bool) -> bool:
        """Whether an update must tell rows that may only be read from missing ones."""
        table = self.table_context.shape.table
        return (
            changes[0].kind == "update" and not locked and changes[0].scopes.narrows_writes(table)
        )

    def _write_bulk(
        self,
        connection: Connection,
        changes: Sequence[Change],
        bulk: Bound[list[Any]] | StatementBatch[Any],
    ) -> list[Any]:
        trees = self.rows.trees
        moved = [reference for change in changes for reference in trees.new_parents(change.values)]
        if not moved or changes[0].kind == "create":
            return bulk(connection)
        # The parents are known to exist, but not whether one of them is below the row.
        references = list(dict.fromkeys(moved))
        trees.lock(connection, references)
        written = bulk(connection)
        keys = [change.key for change in changes]
        chosen = partial(has_key, keys=keys, backend=self.table_context.backend)
        trees.refuse_cycles(connection, chosen, references)
        return written

    def _validated(self, connection: Connection, changes: list[Change]) -> list[Change]:
        """Lock and validate the whole rows with their new values; return the resulting changes.

        Raises:
            RejectedError: 404, a row does not exist.
            QueryError: The model does not accept a row.
        """
        shape = self.table_context.shape
        rows = shape.table.alias()
        scopes = changes[0].scopes
        columns = [rows.c[column.column.key] for column in shape.columns.values()]
        keys = [rows.c[column.column.key] for column in shape.primary_key]
        chosen = self._rows_clause(rows, [change.key for change in changes], scopes)
        statement = select(*columns).where(chosen).order_by(*keys).with_for_update(of=rows)
        stored = {}
        for row in connection.execute(statement, dict(scopes.binds())):
            values = dict(zip(shape.columns, row, strict=True))
            stored[tuple(values[column.name] for column in shape.primary_key)] = values
        if len(stored) < len(changes):
            raise self.table_context.not_found()
        return [
            replace(change, values=self.rows.validated(stored[change.key], change))
            for change in changes
        ]

    def check_scope(self, connection: Connection, keys: Sequence[Key], scopes: Scopes) -> None:
        """Check that written rows are inside their scope.

        Raises:
            RejectedError: 422, a row is outside the scope.
        """
        shape = self.table_context.shape
        if scopes.written(shape.table) is None or not keys:
            return
        rows = shape.table.alias()
        in_scope = and_(*scopes.write_clauses(shape.table, rows))
        outside = (
            select(func.count())
            .select_from(rows)
            .where(
                self._keys_clause(rows, list(dict.fromkeys(keys))),
                func.coalesce(not_(in_scope), true()),
            )
        )
        if connection.execute(outside, dict(scopes.binds())).scalar_one():
            raise outside_scope(shape)

    def current(self, connection: Connection, keys: Sequence[Key], scopes: Scopes) -> list[Any]:
        """Return ``body``, ``state`` and ``key`` of stored rows; None for a row out of scope."""
        rows = self.table_context.shape.table.alias()
        statement = select(*self.rows.statements.returning_columns(rows, scopes)).where(
            self._rows_clause(rows, list(dict.fromkeys(keys)), scopes)
        )
        selected = connection.execute(statement, dict(scopes.binds())).all()
        by_key = {self.rows.key_of(row): row for row in selected}
        return [by_key.get(key) for key in keys]

    def delete(self, connection: Connection, changes: ChangeSet) -> None:
        """Delete rows in one statement.

        Raises:
            RejectedError: 404, a row does not exist; 403, the request may not delete it.
        """
        keys, scopes = changes.keys, changes.scopes
        shape, table = self.table_context.shape, self.table_context.shape.table
        if scopes.narrows_writes(table):
            self._refuse_unwritable(connection, changes)
        columns = [column.column for column in shape.primary_key]
        is_selected = and_(self._keys_clause(table, keys), *scopes.write_clauses(table, table))
        count = select(func.count()).select_from(table).where(is_selected)
        parameters = dict(scopes.binds())
        # RETURNING omits a row that SQLite deletes by ON DELETE CASCADE from another of them.
        counts_first = self.table_context.backend == "sqlite"
        existing = connection.execute(count, parameters).scalar_one() if counts_first else 0
        statement = delete(table).where(is_selected).returning(*columns)
        if not counts_first and len(keys) > 1:
            rows = table.alias()
            chosen = and_(self._keys_clause(rows, keys), *scopes.write_clauses(table, rows))
            locked = lock_in_order(shape, rows, chosen)
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

    def _refuse_unwritable(self, connection: Connection, changes: ChangeSet) -> None:
        """Lock the rows in the order of their keys, and refuse those that may only be read.

        Raises:
            RejectedError: 403, the request may not write a row.
        """
        self.lock(connection, changes)
        scopes, table = changes.scopes, self.table_context.shape.table
        rows = table.alias()
        writable = and_(*scopes.write_clauses(table, rows))
        order = [rows.c[column.column.key] for column in self.table_context.shape.primary_key]
        unwritable = (
            select(self.rows.statements.key_column(rows))
            .where(
                self._rows_clause(rows, changes.keys, scopes),
                func.coalesce(not_(writable), true()),
            )
            .order_by(*order)
        )
        keys = connection.execute(unwritable, dict(scopes.binds())).scalars().all()
        if keys:
            raise self.table_context.not_writable(keys)

    def _rows_clause(
        self, rows: FromClause, keys: list[Key], scopes: Scopes
    ) -> ColumnElement[bool]:
        """The condition that selects the rows with these keys that the request may read."""
        table = self.table_context.shape.table
        return and_(self._keys_clause(rows, keys), *scopes.clauses(table, rows))

    def _keys_clause(self, rows: FromClause, keys: list[Key]) -> ColumnElement[bool]:
        """The condition that selects the rows with these keys."""
        shape = self.table_context.shape
        columns = [
            type_coerce(rows.c[column.column.key], compared_type(column))
            for column in shape.primary_key
        ]
        return has_key(columns, keys, self.table_context.backend)
