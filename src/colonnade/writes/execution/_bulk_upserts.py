"""Upserts of many rows in one statement on PostgreSQL."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, and_, exists, literal_column, select

from colonnade.database import Bound, Plan
from colonnade.query import Scopes, value_parameter
from colonnade.writes._changes import Change, Values
from colonnade.writes._conflicts import Conflict
from colonnade.writes._unique_keys import UniqueKey
from colonnade.writes.execution._upsert_writes import UpsertWrites
from colonnade.writes.statements._bulk_statements import BulkStatements, common_names, unnested
from colonnade.writes.statements._inserts import upsert
from colonnade.writes.statements._row_statements import WriteStatements
from colonnade.writes.statements._upsert_statements import (
    default_parameters,
    default_values,
    update_parameters,
)


class RowByRowError(Exception):
    """Raised to roll back a statement that did not write each row once.

    Another transaction stored a row at the same time, or a trigger changed a key.
    """


class BulkUpserts(BulkStatements):
    """Bulk upserts of one table, for rows that need no individual checks.

    Args:
        statements: The statements for single rows.
        upserts: The upserts of single rows.
    """

    def __init__(self, statements: WriteStatements, upserts: UpsertWrites) -> None:
        super().__init__(statements)
        self._upserts = upserts

    def upsert(self, changes: Sequence[Change], scopes: Scopes) -> Bound[list[Any]] | None:
        """Build the bulk upsert of rows, to be run in a transaction.

        None if some row needs an individual check, or two rows have the same key: each row then
        has the result of those before it. The statement returns the rows in the given order.

        Args:
            changes: The upserts.
            scopes: The scopes of the request.

        Raises:
            RowByRowError: From the statement: the rows must be written one by one.
        """
        rows = [change.values for change in changes]
        conflict = changes[0].conflict
        assert conflict is not None
        names = common_names(rows)
        if (
            not all(map(self._upserts.is_statement, changes))
            or self._needs_row_checks(rows, scopes)
            or not self._can_use_arrays(names)
            or self._has_row_defaults(names)
            or not _change_the_same(changes, conflict)
            or not _have_different_keys(rows, conflict.key)
        ):
            return None
        plan = self._table_context.plans.get(
            ("upsert many", conflict.key.name, names, conflict.keeps, conflict.changes),
            lambda: self._upsert_plan(conflict, names, scopes),
        )
        parameters = self._arrays(names, rows) | default_parameters(
            self._table_context.shape, names
        )
        parameters |= update_parameters(self._table_context.shape)
        return plan.bound(parameters, lambda result: _all_rows(result.all(), len(rows)))

    def _needs_row_checks(self, rows: Sequence[Values], scopes: Scopes) -> bool:
        """Whether rows need a check of a scope or a parent, or must be read again."""
        return (
            bool(scopes)
            or self._table_context.reread_after_write
            or any(self.sets_parent(row, frozenset()) for row in rows)
        )

    def _upsert_plan(self, conflict: Conflict, names: tuple[str, ...], scopes: Scopes) -> Plan:
        columns = self._columns(names)
        written = self._write(conflict, names, scopes).cte("colonnade_written")
        input_rows = self._input_rows(columns, "returned_rows")
        key = [
            written.c[f"conflict_{index}"] == input_rows.c[value_parameter(column)]
            for index, column in enumerate(conflict.key.elements)
        ]
        answer = [written.c.body, written.c.state, written.c.key, written.c.created]
        rows: Any = select(*answer, input_rows.c.position).where(*key)
        if conflict.keeps or not conflict.changes:
            rows = rows.union_all(self._kept(conflict.key, columns, written, scopes))
        rows = rows.subquery("answer")
        return Plan(select(rows).order_by(rows.c.position))

    def _write(self, conflict: Conflict, names: tuple[str, ...], scopes: Scopes) -> Any:
        """Build the INSERT, which returns the key of each row as well.

        It visits the rows in the order of their keys, so that two batches cannot deadlock.
        """
        shape, backend = self._table_context.shape, self._table_context.backend
        columns, elements = self._columns(names), conflict.key.elements
        input_rows = self._input_rows(columns, "input_rows")
        row = {column: input_rows.c[value_parameter(column)] for column in columns}
        row |= dict(default_values(shape, names))
        chosen = select(*row.values()).order_by(*(row[column] for column in elements))
        statement = upsert(shape.table, backend).from_select(
            list(row), chosen, include_defaults=False
        )
        statement = self._upserts.statements.on_conflict(statement, conflict)
        name = shape.table.name.replace('"', '""')
        key = [
            literal_column(f'"{name}"."{column.name}"', column.type).label(f"conflict_{index}")
            for index, column in enumerate(elements)
        ]
        return statement.returning(*self._upserts.statements.returning(scopes), *key)

    def _kept(
        self, key: UniqueKey, columns: Sequence[Column[Any]], written: Any, scopes: Scopes
    ) -> Any:
        """Build the SELECT of the rows that stay as they are."""
        shape, backend = self._table_context.shape, self._table_context.backend
        source = shape.table.alias()
        input_rows = self._input_rows(columns, "kept_rows")
        values = [input_rows.c[value_parameter(column)] for column in key.elements]
        same_key = and_(
            *(written.c[f"conflict_{index}"] == value for index, value in enumerate(values))
        )
        is_written = exists(select(literal_column("1")).select_from(written).where(same_key))
        return select(
            *self._statements.returning_columns(source, scopes),
            literal_column("false").label("created"),
            input_rows.c.position,
        ).where(*key.matches(source, values), key.condition(backend, source), ~is_written)

    def _input_rows(self, columns: Sequence[Column[Any]], name: str) -> Any:
        return unnested({value_parameter(column): column.type for column in columns}, name)


def _change_the_same(changes: Sequence[Change], conflict: Conflict) -> bool:
    """Whether all rows change the same fields of the rows that they conflict with."""
    return all(
        change.conflict is not None and change.conflict.changes == conflict.changes
        for change in changes
    )


def _have_different_keys(rows: Sequence[dict[str, Any]], key: UniqueKey) -> bool:
    """Whether each row has a key, and no two rows the same."""
    names = [column.name for column in key.columns]
    keys = {tuple(row.get(name) for name in names) for row in rows}
    return len(keys) == len(rows) and not any(None in values for values in keys)


def _all_rows(rows: list[Any], count: int) -> list[Any]:
    if len(rows) != count:
        raise RowByRowError
    return rows
