"""The statements that link and unlink many pairs of rows."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    Column,
    Connection,
    delete,
    select,
)

from colonnade.errors import QueryError
from colonnade.query import Scopes, value_parameter
from colonnade.writes._changes import Key, Values
from colonnade.writes._errors import RejectedError
from colonnade.writes.links._changes import link_change, refuse_conflicting_keys
from colonnade.writes.links._tables import LinkTable
from colonnade.writes.nested._located_errors import relocated
from colonnade.writes.nested._rows import Loc
from colonnade.writes.rules._rules import outside_scope
from colonnade.writes.statements._bulk_statements import has_plain_array, unnested
from colonnade.writes.statements._inserts import upsert
from colonnade.writes.statements._key_clauses import has_key

Pair = tuple[Key, Key]
"""The keys of two linked rows."""


class NewLink(NamedTuple):
    """A link to create.

    Attributes:
        source: The key of the row that has the relation.
        target: The key of the related row.
        loc: Where the body names the related row.
    """

    source: Key
    target: Key
    loc: Loc


class BulkLinkStatements:
    """Links and unlinks rows that are known to exist in scope.

    Args:
        connection: The connection of the transaction.
        link: The link table.
        scopes: The scopes of the request.
    """

    def __init__(self, connection: Connection, link: LinkTable, scopes: Scopes) -> None:
        self._connection = connection
        self._link = link
        self._scopes = scopes
        self._table = link.table
        self._backend = link.table_context.backend
        self._source: list[Any] = link.source_side.columns
        self._target: list[Any] = link.target_side.columns

    def linked(self, keys: Sequence[Key]) -> dict[Key, list[Key]]:
        """Return the keys of the rows that are linked to rows, by the key of each."""
        if not keys:
            return {}
        count = len(self._source)
        statement = (
            select(*self._source, *self._target)
            .where(
                has_key(self._source, keys, self._backend),
                *self._scopes.write_clauses(self._table, self._table),
            )
            .order_by(*self._table.primary_key)
        )
        linked: dict[Key, list[Key]] = {}
        for row in self._connection.execute(statement, dict(self._scopes.binds())):
            linked.setdefault(tuple(row[:count]), []).append(tuple(row[count:]))
        return linked

    def delete(self, pairs: Sequence[Pair]) -> None:
        """Unlink rows; rows that are not linked are left alone."""
        if not pairs:
            return
        statement = delete(self._table).where(
            has_key(
                [*self._source, *self._target],
                [(*source, *target) for source, target in pairs],
                self._backend,
            ),
            *self._scopes.write_clauses(self._table, self._table),
        )
        self._connection.execute(statement, dict(self._scopes.binds()))

    def insert(self, links: Sequence[NewLink]) -> None:
        """Link rows; rows that are linked are left alone.

        Raises:
            RejectedError: 422, a link would be outside its scope.
            QueryError: The link table has required fields, or its model refuses a link.
        """
        if not links:
            return
        rows = [self._values(link) for link in links]
        columns = [self._table.c[name] for name in rows[0]]
        if self._backend == "postgresql" and all(
            has_plain_array(column.type) for column in columns
        ):
            self._insert_arrays(columns, rows)
        else:
            insert = upsert(self._table, self._backend)
            self._connection.execute(insert.on_conflict_do_nothing(), rows)
        self._check_scope(links)

    def _values(self, new: NewLink) -> Values:
        """The values of a link, by column."""
        link, source, target = self._link, new.source, new.target
        try:
            refuse_conflicting_keys(link, source, target)
        except RejectedError as error:
            raise relocated(error, new.loc) from None
        keys = dict(zip((column.key for column in self._target), target, strict=True))
        keys |= dict(zip((column.key for column in self._source), source, strict=True))
        if link.shape is None:
            return keys
        try:
            values = link_change(link, source, target, self._scopes, b"").values
        except QueryError as error:
            entries = [{**entry, "loc": (*new.loc, *entry["loc"][1:])} for entry in error.errors]
            raise QueryError(entries) from None
        return {link.shape.columns[name].column.key: value for name, value in values.items()} | keys

    def _insert_arrays(self, columns: list[Column[Any]], rows: list[Values]) -> None:
        names = [value_parameter(column) for column in columns]
        input_rows = unnested(
            {name: column.type for name, column in zip(names, columns, strict=True)}
        )
        chosen = select(*(input_rows.c[name] for name in names)).order_by(input_rows.c.position)
        insert = upsert(self._table, "postgresql").from_select(columns, chosen)
        parameters = {
            name: [row[column.key] for row in rows]
            for name, column in zip(names, columns, strict=True)
        }
        self._connection.execute(insert.on_conflict_do_nothing(), parameters)

    def _check_scope(self, links: Sequence[NewLink]) -> None:
        """Refuse links that are outside the condition of their scope."""
        scope = self._scopes.written(self._table)
        if scope is None or self._link.shape is None:
            return
        columns = [*self._source, *self._target]
        statement = select(*columns).where(
            has_key(columns, [(*link.source, *link.target) for link in links], self._backend),
            *self._scopes.write_clauses(self._table, self._table),
        )
        reachable = self._connection.execute(statement, dict(self._scopes.binds())).all()
        keys = {tuple(row) for row in reachable}
        for link in links:
            if (*link.source, *link.target) not in keys:
                raise relocated(outside_scope(self._link.shape), link.loc)
