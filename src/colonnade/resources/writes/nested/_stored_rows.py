"""Stored rows that a nested body names, or that are related to a row of it."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, FromClause, select, type_coerce

from colonnade.query import Scopes, compared_type
from colonnade.resources.writes._changes import Key
from colonnade.resources.writes._key_clauses import has_key
from colonnade.resources.writes._rules import Values
from colonnade.resources.writes.nested._tables import WritableTable


class StoredRows:
    """Reads and locks rows of one table, in the order of their keys.

    Args:
        connection: The connection of the transaction.
        table: The table.
        scopes: The scopes of the request.
    """

    def __init__(self, connection: Connection, table: WritableTable, scopes: Scopes) -> None:
        self._connection = connection
        self._shape = table.shape
        self._backend = table.table_context.backend
        self._scopes = scopes

    def by_key(self, keys: Iterable[Key], fields: Iterable[str]) -> dict[Key, Values]:
        """Return fields of the rows with these keys; rows out of scope are missing.

        Args:
            keys: The keys.
            fields: The names of the fields.
        """
        names = [column.name for column in self._shape.primary_key]
        return self.by_fields(names, list(dict.fromkeys(keys)), fields)

    def by_fields(
        self, names: Sequence[str], values: Sequence[tuple[Any, ...]], fields: Iterable[str]
    ) -> dict[Key, Values]:
        """Return fields of the rows that have one of several combinations of values.

        Args:
            names: The fields of a combination.
            values: The combinations.
            fields: The names of the fields to return.
        """
        if not values:
            return {}
        rows = self._shape.table.alias()
        key_names = [column.name for column in self._shape.primary_key]
        returned = list(dict.fromkeys([*key_names, *fields]))
        columns = [self._column(rows, name) for name in returned]
        statement = (
            select(*columns)
            .where(
                has_key([self._compared(rows, name) for name in names], values, self._backend),
                *self._scopes.clauses(self._shape.table, rows),
            )
            .order_by(*(self._column(rows, name) for name in key_names))
            .with_for_update(of=rows)
        )
        found: dict[Key, Values] = {}
        for row in self._connection.execute(statement, dict(self._scopes.binds())):
            row_values = dict(zip(returned, row, strict=True))
            found[tuple(row_values[name] for name in key_names)] = row_values
        return found

    def _column(self, rows: FromClause, name: str) -> Any:
        return rows.c[self._shape.columns[name].column.key]

    def _compared(self, rows: FromClause, name: str) -> Any:
        return type_coerce(self._column(rows, name), compared_type(self._shape.columns[name]))
