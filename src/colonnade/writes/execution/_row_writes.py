"""Writes of single rows on a connection, with the checks that a write must pass."""

from typing import Any, NamedTuple

from pydantic_core import from_json
from sqlalchemy import Connection, literal_column, select

from colonnade.database import Bound, Plan
from colonnade.query import VALUE_PREFIX, Scopes, key_clause, key_parameters
from colonnade.rows import codec_of
from colonnade.writes._changes import Change, Key, Values
from colonnade.writes._errors import RejectedError
from colonnade.writes._table_context import TableContext, render_row
from colonnade.writes.rules._foreign_keys import ForeignKeys, Reference, missing_reference
from colonnade.writes.rules._rules import (
    RowValidator,
    check_scope,
    refuse_values_outside_scope,
    stored_row,
)
from colonnade.writes.rules._trees import Trees
from colonnade.writes.statements._row_statements import WriteStatements


class WrittenRow(NamedTuple):
    """A written row with its rendered body."""

    body: bytes
    state: str
    key: str


class RowWrites:
    """The writes of single rows of one table.

    Args:
        table_context: The table.

    Attributes:
        foreign_keys: The foreign keys of the table.
        trees: Those that refer to the table itself.
        statements: The statements that write one row.
        has_row_validator: Whether the model has validators over several fields, which updates must
            run.
    """

    def __init__(self, table_context: TableContext) -> None:
        self.table_context = table_context
        self.foreign_keys = ForeignKeys(table_context.shape)
        self.trees = Trees(self.foreign_keys)
        self.statements = WriteStatements(table_context, self.foreign_keys, self.trees)
        self._row_validator = RowValidator(table_context.update)
        self.has_row_validator = bool(self._row_validator)

    @property
    def renders_before_commit(self) -> bool:
        """Whether the response must be rendered before the commit, because rendering may fail."""
        view = self.table_context.view
        return view.may_fail or (not view.is_exact and self.table_context.backend == "sqlite")

    def render_if_may_fail(self, row: Any) -> Any:
        """Render a written row if rendering may fail, so that a failure rolls the write back.

        Raises:
            UnreadableRowError: The row cannot be rendered.
        """
        if not self.renders_before_commit or row is None:
            return row
        return WrittenRow(render_row(self.table_context.view, row.body), row.state, row.key)

    def __call__(self, connection: Connection, change: Change, *, checks_scope: bool = True) -> Any:
        """Execute a write and return ``body``, ``state`` and ``key`` of the row; None for a delete.

        Args:
            connection: The connection of the transaction.
            change: The write.
            checks_scope: Whether to check the scope of the written row; if not, the caller does.

        Raises:
            RejectedError: 404, 409, 412 or 422.
        """
        if change.kind == "delete":
            return self._delete(connection, change)
        write = self._insert if change.kind == "create" else self._update
        row = write(connection, change)
        scope = change.scopes.written(self.table_context.shape.table)
        if checks_scope and scope is not None and scope.condition is not None:
            # The statement itself keeps the values of a scope.
            self.check_scope(connection, row, change.scopes)
        if self.table_context.reread_after_write:
            # The response includes rows of the same table, which RETURNING shows before the write.
            row = self.current(connection, self.key_of(row), change.scopes) or row
        return self.render_if_may_fail(row)

    def needs_transaction(self, change: Change) -> bool:
        """Whether a write takes several statements, and so needs a transaction."""
        if change.kind == "delete":
            return self._compares_state(change)
        scope = change.scopes.written(self.table_context.shape.table)
        needs_transaction = self.table_context.reread_after_write or (
            scope is not None and scope.condition is not None
        )
        needs_transaction = needs_transaction or self.renders_before_commit
        if change.kind == "create":
            return needs_transaction
        validates = self.has_row_validator and bool(change.values)
        parents = self.trees.new_parents(change.values)
        needs_transaction = needs_transaction or bool(change.defaults)
        return self._compares_state(change) or needs_transaction or validates or bool(parents)

    def is_single_statement(self, change: Change) -> bool:
        """Whether a write is a single statement."""
        return not self.needs_transaction(change) and (
            bool(change.values) or change.kind != "update"
        )

    def statement(self, change: Change) -> tuple[Bound[Any], list[Reference]]:
        """Build the statement of a write, and return it with the foreign keys that it checks."""
        if change.kind == "create":
            return self.statements.insert(change.values, change.scopes, change.checked)
        if change.kind == "update":
            refuse_values_outside_scope(
                change.values, change.scopes.written(self.table_context.shape.table)
            )
            return self.statements.update(
                change.key, change.values, change.scopes, change.expected, change.checked
            )
        return self.statements.delete(change.key, change.scopes, change.expected), []

    def key_of(self, row: Any) -> Key:
        """Return the key of a written row."""
        codecs = [codec_of(column) for column in self.table_context.shape.primary_key]
        parts: list[Any] = from_json(row.key)
        return tuple(codec.from_json(part) for codec, part in zip(codecs, parts, strict=True))

    def current(
        self, connection: Connection, key: Key, scopes: Scopes, *, lock: bool = False
    ) -> Any:
        """Return ``body``, ``state`` and ``key`` of the stored row; None if none is in scope.

        Under a write scope, a locked row also has ``writable``: whether the request may write it.

        Args:
            connection: The connection to query.
            key: The key of the row.
            scopes: The scopes of the request.
            lock: Whether to lock the row until the transaction ends.
        """
        shape = self.table_context.shape
        source = shape.table.alias()
        columns = self.statements.returning_columns(source, scopes)
        if lock and scopes.narrows_writes(shape.table):
            columns += [
                clause.label("writable") for clause in scopes.write_clauses(shape.table, source)
            ]
        statement = select(*columns).where(
            key_clause(shape, source), *scopes.clauses(shape.table, source)
        )
        if lock:
            statement = statement.with_for_update(of=source)
        return Plan(statement).run(connection, key_parameters(key) | dict(scopes.binds())).first()

    def lock_current(self, connection: Connection, change: Change) -> Any:
        """Lock and return the row of a write.

        Raises:
            RejectedError: 404, no row in scope has the key; 403, the request may not write it;
                412, the row has changed.
        """
        row = self.current(connection, change.key, change.scopes, lock=True)
        if row is None:
            raise self.table_context.not_found()
        if self._is_narrowed(change) and not row.writable:
            raise self.table_context.not_writable([row.key])
        if not self._is_expected(row, change):
            raise self._precondition_failed()
        return row

    def no_row_means_not_found(self, change: Change, references: list[Reference]) -> bool:
        """Whether a write that returns no row can only mean that the row does not exist."""
        return change.expected is None and not references and not self._is_narrowed(change)

    def retry_locked(self, connection: Connection, change: Change) -> Any:
        """Repeat a write that returned no row, with the row locked, to find out why.

        Other transactions may have changed the row since, so reading it would not be reliable.

        Raises:
            RejectedError: 404, no row in scope has the key; 403, the request may not write it;
                412, the row has changed; 409, a foreign key refers to a missing row.
        """
        self.lock_current(connection, change)
        statement, references = self.statement(change)
        row = statement(connection)
        if row is None:
            raise missing_reference(references) if references else self.table_context.not_found()
        return row

    def _execute(self, connection: Connection, change: Change) -> Any:
        """Execute the statement of a write and return its row."""
        statement, references = self.statement(change)
        row = statement(connection)
        if row is not None:
            return row
        if self.no_row_means_not_found(change, references):
            raise self.table_context.not_found()
        return self.retry_locked(connection, change)

    def _insert(self, connection: Connection, change: Change) -> Any:
        statement, references = self.statement(change)
        row = statement(connection)
        if row is None:
            raise missing_reference(references)
        return row

    def _update(self, connection: Connection, change: Change) -> Any:
        if change.defaults:
            self.lock_current(connection, change)
            change.expected = None  # compared now; the next statement changes the row
            self.statements.set_defaults(change.key, change.defaults)(connection)
        refuse_values_outside_scope(
            change.values, change.scopes.written(self.table_context.shape.table)
        )
        parents = self.trees.new_parents(change.values)
        self.trees.lock(connection, parents)
        validates = self.has_row_validator and bool(change.values)
        if parents or validates or self._compares_state(change) or not change.values:
            row = self.lock_current(connection, change)
            if not change.values:
                return row
        if validates:
            change.values = self.validated_changes(connection, change)
        if parents:
            references = self.foreign_keys.to_check(
                change.values, change.scopes, creating=False, already_checked=change.checked
            )
            self._require_references(connection, change, references)
            self.trees.refuse_cycle(connection, change.key, change.values, parents)
        return self._execute(connection, change)

    def _delete(self, connection: Connection, change: Change) -> None:
        if self._compares_state(change):
            self.lock_current(connection, change)
        self._execute(connection, change)

    # Checks

    def check_scope(self, connection: Connection, row: Any, scopes: Scopes) -> None:
        """Check that a written row is inside its scope.

        Raises:
            RejectedError: 422, the row is outside the scope.
        """
        shape = self.table_context.shape
        source = shape.table.alias()
        where, parameters = key_clause(shape, source), key_parameters(self.key_of(row))
        check_scope(connection, scopes.written(shape.table), shape, where, source, parameters)

    def _require_references(
        self, connection: Connection, change: Change, references: list[Reference]
    ) -> None:
        """Refuse foreign keys to rows outside the scope before another error reveals such a row."""
        if not references:
            return
        shape = self.table_context.shape
        row = shape.table.alias()
        reachable_clauses = self.foreign_keys.reachable_clauses(
            references, change.values, change.scopes, VALUE_PREFIX, row
        )
        statement: Any = select(literal_column("1")).where(
            key_clause(shape, row), *reachable_clauses
        )
        parameters = self.statements.parameters(change.values, change.scopes, prefix=VALUE_PREFIX)
        parameters |= key_parameters(change.key)
        if Plan(statement).run(connection, parameters).first() is None:
            raise missing_reference(references)

    def validated_changes(self, connection: Connection, change: Change) -> Values:
        """Lock and validate the whole row with its new values; return the resulting changes.

        Raises:
            QueryError: The model does not accept the row.
        """
        shape = self.table_context.shape
        source = shape.table.alias()
        stored = stored_row(
            connection, shape, key_clause(shape, source), source, key_parameters(change.key)
        )
        if stored is None:
            raise self.table_context.not_found()
        return self.validated(stored, change)

    def validated(self, stored: Values, change: Change) -> Values:
        """Validate a stored row with its new values, and return the resulting changes.

        Raises:
            QueryError: The model does not accept the row.
        """
        return self._row_validator.changes(stored, change.values) if change.values else {}

    def _is_narrowed(self, change: Change) -> bool:
        """Whether the request may read rows that it may not write."""
        return change.scopes.narrows_writes(self.table_context.shape.table)

    def _compares_state(self, change: Change) -> bool:
        """Whether ``If-Match`` must be compared with a digest of the stored row."""
        return change.expected is not None and not self.table_context.versioned

    def _is_expected(self, row: Any, change: Change) -> bool:
        return (
            change.expected is None
            or self.table_context.etags.version(row.state) in change.expected
        )

    def _precondition_failed(self) -> RejectedError:
        """Build the 412 for a row that ``If-Match`` does not accept."""
        detail = f"This {self.table_context.name} has changed since it was read. Read it again."
        return RejectedError(412, detail, kind="changed")
