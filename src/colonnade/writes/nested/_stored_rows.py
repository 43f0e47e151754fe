"""Stored rows that a nested body names, or that are related to a row of it."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    and_,
    select,
    type_coerce,
)

from colonnade.database import Plan
from colonnade.query import Scopes, compared_type
from colonnade.writes._changes import Key, Values
from colonnade.writes.nested._tables import WritableTable
from colonnade.writes.statements._bulk_statements import has_plain_array, unnested
from colonnade.writes.statements._key_clauses import has_key


class StoredRows:
    """Reads and locks rows of one table, in the order of their keys.

    Args:
        connection: The connection of the transaction.
        table: The table.
        scopes: The scopes of the request.
    """

    def __init__(self, connection: Connection, table: WritableTable, scopes: Scopes) -> None:
        self._connection = connection
        self._context = table.table_context
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
        key_names = [column.name for column in self._shape.primary_key]
        returned = tuple(dict.fromkeys([*key_names, *fields]))
        structure = ("stored", tuple(names), returned, self._scopes.structure)
        parameters = dict(self._scopes.binds())
        if self._has_arrays(names):
            plan = self._context.plans.get(
                None if self._scopes.structure is None else structure,
                lambda: Plan(self._statement_of_arrays(names, returned, key_names)),
            )
            parts = zip(*values, strict=True)
            parameters |= {f"any_{index}": list(part) for index, part in enumerate(parts)}
            result = plan.run(self._connection, parameters)
        else:
            rows = self._shape.table.alias()
            chosen = has_key([self._compared(rows, name) for name in names], values, self._backend)
            statement = self._statement(rows, chosen, returned, key_names)
            result = self._connection.execute(statement, parameters)
        values_by_key: dict[Key, Values] = {}
        for row in result.all():
            row_values = dict(zip(returned, row, strict=True))
            values_by_key[tuple(row[: len(key_names)])] = row_values
        return values_by_key

    def _has_arrays(self, names: Sequence[str]) -> bool:
        """Whether the values can be passed as arrays, in a statement that is built once."""
        columns = (self._shape.columns[name].column for name in names)
        return self._context.backend == "postgresql" and all(
            has_plain_array(column.type) for column in columns
        )

    def _statement_of_arrays(
        self, names: Sequence[str], returned: Sequence[str], key_names: Sequence[str]
    ) -> Select[Any]:
        rows = self._shape.table.alias()
        types = {
            f"any_{index}": compared_type(self._shape.columns[name])
            for index, name in enumerate(names)
        }
        input_rows = unnested(types)
        chosen = and_(
            *(
                self._column(rows, name) == input_rows.c[f"any_{index}"]
                for index, name in enumerate(names)
            )
        )
        return self._statement(rows, chosen, returned, key_names).select_from(rows, input_rows)

    def _statement(
        self,
        rows: FromClause,
        chosen: ColumnElement[bool],
        returned: Sequence[str],
        key_names: Sequence[str],
    ) -> Select[Any]:
        return (
            select(*(self._column(rows, name) for name in returned))
            .where(chosen, *self._scopes.clauses(self._shape.table, rows))
            .order_by(*(self._column(rows, name) for name in key_names))
            .with_for_update(of=rows)
        )

    def _column(self, rows: FromClause, name: str) -> Any:
        return rows.c[self._shape.columns[name].column.key]

    def _compared(self, rows: FromClause, name: str) -> Any:
        return type_coerce(self._column(rows, name), compared_type(self._shape.columns[name]))
