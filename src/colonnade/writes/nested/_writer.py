"""Executes a nested body: each table with all its rows at once, parents before their children."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from colonnade.errors import QueryError, error_entry
from colonnade.query import NO_SCOPES, Scopes
from colonnade.writes._changes import Change, ChangeSet, Key, Values
from colonnade.writes._errors import RejectedError, path_text
from colonnade.writes.execution._hooked_writes import complete
from colonnade.writes.execution._row_writes import WrittenRow
from colonnade.writes.nested._children import ChildRows
from colonnade.writes.nested._hook_calls import HookCalls
from colonnade.writes.nested._link_rows import LinkedRows
from colonnade.writes.nested._located_errors import located, relocated
from colonnade.writes.nested._parents import ParentRows
from colonnade.writes.nested._response import body_of
from colonnade.writes.nested._rows import Loc, NestedRow, RelationChanges
from colonnade.writes.nested._stored_rows import StoredRows
from colonnade.writes.nested._tables import NestedRelation, WritableTable
from colonnade.writes.rules._rules import outside_scope

RelatedRows = ChildRows | LinkedRows | ParentRows


class NestedWriter:
    """Executes the rows of one nested body in a transaction.

    Args:
        connection: The connection of the transaction.
        hooks: Calls the hooks; None if no table of the body has one.
        one_by_one: Whether each row takes a separate statement, so that an error has its location.
    """

    def __init__(
        self, connection: Connection, hooks: HookCalls | None = None, *, one_by_one: bool = False
    ) -> None:
        self.connection = connection
        self._hooks = hooks
        self._refusals = () if hooks is None else hooks.refusals
        self.one_by_one = one_by_one
        self._written: dict[WritableTable, list[NestedRow]] = {}
        self._shown: dict[WritableTable, list[NestedRow]] = {}
        self._updated: dict[tuple[Any, Key], Loc] = {}

    def write_all(self, rows: list[NestedRow]) -> list[WrittenRow]:
        """Execute a body, and return its rows with what was written below them.

        Raises:
            RejectedError: 404, 409, 412 or 422.
            QueryError: A model does not accept a row.
        """
        self.write(rows)
        for table, written in self._written.items():
            self._finish(table, written)
        for table, shown in self._shown.items():
            self._read(table, shown)
        shown = [
            below for row in rows for below in (row.relations[0].results if row.is_given else [row])
        ]
        return [
            WrittenRow(body_of(row).encode(), row.written.state, row.written.key) for row in shown
        ]

    def write(self, rows: list[NestedRow]) -> None:
        """Create or update rows of one table, all of one kind, with what is nested in them.

        Raises:
            QueryError: A row is updated twice.
        """
        if not rows:
            return
        for row in rows:
            self._refuse_second_update(row)
        handlers: list[RelatedRows] = [
            self._handler(relation, changes)
            for relation in rows[0].table.relations.values()
            if (changes := _changes_of(rows, relation))
        ]
        for handler in handlers:
            handler.before()
        self._write_rows(rows)
        for handler in handlers:
            handler.after()

    def _refuse_second_update(self, row: NestedRow) -> None:
        """Refuse a row that the body reaches twice, as through two related rows."""
        if row.change.kind != "update":
            return
        first = self._updated.setdefault((row.table.shape.table, row.change.key), row.loc)
        if first is not row.loc:
            message = f"This row is also at {path_text(first)}"
            raise QueryError([error_entry("duplicate", row.loc, message)])

    def _handler(
        self, relation: NestedRelation, changes: list[tuple[NestedRow, RelationChanges]]
    ) -> RelatedRows:
        if relation.side == "parent":
            return ParentRows(self, relation, changes)
        if relation.side == "children":
            return ChildRows(self, relation, changes)
        return LinkedRows(self, relation, changes)

    def _write_rows(self, rows: list[NestedRow]) -> None:
        table = rows[0].table
        if rows[0].is_given:
            self._lock(rows)
            return
        self._written.setdefault(table, []).extend(rows)
        kind = rows[0].change.kind
        if self._hooks is not None and kind in table.hooks.kinds:
            for row in rows:
                with self._located(row):
                    row.written = self._hooks.write_row(row)
        elif self.one_by_one:
            for row in rows:
                with self._located(row):
                    self._complete(row)
                    (row.written,) = table.writer.write(
                        self.connection, [row.change], checks_scope=False
                    )
        else:
            for row in rows:
                self._complete(row)
            written = table.writer.write(
                self.connection,
                [row.change for row in rows],
                locked=all(row.is_locked for row in rows),
                checks_scope=False,
            )
            for row, written_row in zip(rows, written, strict=True):
                row.written = written_row

    def _lock(self, rows: list[NestedRow]) -> None:
        """Lock rows that are not written.

        Raises:
            RejectedError: 404, a row does not exist.
        """
        table = rows[0].table
        keys = [row.change.key for row in rows]
        stored_rows = self.stored(table, rows[0].change.scopes).by_key(keys, [])
        if len(stored_rows) < len(keys):
            raise table.table_context.not_found()

    def _complete(self, row: NestedRow) -> None:
        if row.change.kind == "create" and row.reader.is_validated_later:
            complete(row.change, row.reader, row.table.table_context.name)

    def _located(self, row: NestedRow) -> Any:
        table = row.table
        names = [column.name for column in table.shape.primary_key]
        values = {**dict(zip(names, row.change.key, strict=False)), **row.change.values}
        return located(
            row.loc,
            table.shape,
            fields=row.fields_of_relations,
            refusals=self._refusals,
            missing_reference=lambda: table.writer.rows.foreign_keys.first_missing(
                self.connection, [values]
            ),
        )

    def delete(self, table: WritableTable, keys: Sequence[tuple[Key, Loc]], scopes: Scopes) -> None:
        """Delete rows that are locked.

        Args:
            table: The table.
            keys: The keys of the rows, with their locations in the body.
            scopes: The scopes of the request.
        """
        if not keys:
            return
        changes = [Change("delete", {}, scopes, key) for key, _ in keys]
        if self._hooks is not None and "delete" in table.hooks.kinds:
            locs = dict(keys)

            def at(key: Key) -> Any:
                return located(locs[key], table.shape, deleting=True, refusals=self._refusals)

            self._hooks.delete(table, changes, at)
        elif self.one_by_one:
            for change, (key, loc) in zip(changes, keys, strict=True):
                if not self.stored(table, scopes).by_key([key], []):
                    continue  # an earlier one of them has deleted it by a cascade
                with located(loc, table.shape, deleting=True):
                    table.writer.delete(self.connection, ChangeSet("delete", [change], scopes))
        else:
            table.writer.delete(self.connection, ChangeSet("delete", changes, scopes))

    def stored(self, table: WritableTable, scopes: Scopes) -> StoredRows:
        """Return the reader of stored rows of a table."""
        return StoredRows(self.connection, table, scopes)

    def values_of(self, rows: Sequence[NestedRow], names: Sequence[str]) -> list[Values]:
        """Return fields of written rows."""
        table = rows[0].table
        key_names = [column.name for column in table.shape.primary_key]
        if set(names) <= set(key_names):
            return [dict(zip(key_names, row.key, strict=True)) for row in rows]
        keys = [row.key for row in rows]
        # Rows that a hook or a membership is yet to bring into the scope have values too.
        stored_rows = self.stored(table, NO_SCOPES).by_key(keys, names)
        return [stored_rows[key] for key in keys]

    def _finish(self, table: WritableTable, rows: list[NestedRow]) -> None:
        """Check the condition of the scope, and read rows that show what was written after them."""
        writer, scopes = table.writer, rows[0].change.scopes
        scope = scopes.written(table.shape.table)
        # The statements themselves keep the values of a scope; hooks may not.
        if scope is not None and (scope.condition is not None or self._hooks is not None):
            if self.one_by_one:
                for row in rows:
                    with self._located(row):
                        writer.check_scope(self.connection, [row.key], scopes)
            else:
                writer.check_scope(self.connection, [row.key for row in rows], scopes)
        if table.table_context.view.has_related:
            current = writer.current(self.connection, [row.key for row in rows], scopes)
            for row, stored_row in zip(rows, current, strict=True):
                row.written = stored_row or row.written

    def show_later(self, row: NestedRow) -> None:
        """Read a stored row for the response, after everything is written."""
        self._shown.setdefault(row.table, []).append(row)

    def _read(self, table: WritableTable, rows: list[NestedRow]) -> None:
        keys = [row.key for row in rows]
        stored_rows = table.writer.current(self.connection, keys, rows[0].change.scopes)
        for row, stored in zip(rows, stored_rows, strict=True):
            if stored is None:
                raise relocated(self._gone(table, row.key), row.loc)
            row.written = stored

    def _gone(self, table: WritableTable, key: Key) -> RejectedError:
        """Build the error of a stored row that the body itself deletes, or moves out of scope."""
        if self.stored(table, NO_SCOPES).by_key([key], []):
            return outside_scope(table.shape)
        return table.table_context.not_found()


def _changes_of(
    rows: list[NestedRow], relation: NestedRelation
) -> list[tuple[NestedRow, RelationChanges]]:
    return [
        (row, changes) for row in rows for changes in row.relations if changes.relation is relation
    ]
