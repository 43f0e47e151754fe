"""The statements that link and unlink many pairs of rows."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    Column,
    Connection,
    delete,
    select,
)

from colonnade.errors import QueryError
from colonnade.query import VALUE_PREFIX, Scopes, value_parameter
from colonnade.writes._changes import Key, Values
from colonnade.writes._errors import RejectedError
from colonnade.writes.links._changes import link_change, refuse_conflicting_keys
from colonnade.writes.links._tables import LinkTable, hidden_link, unwritable_link
from colonnade.writes.nested._located_errors import located, relocated
from colonnade.writes.nested._rows import Loc
from colonnade.writes.rules._foreign_keys import ForeignKeys, missing_reference
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
        """Return the keys of the rows that are linked to rows, by the key of each.

        A link that may only be read counts as well: whoever removes it is refused.
        """
        if not keys:
            return {}
        statement = (
            select(*self._source, *self._target)
            .where(
                has_key(self._source, keys, self._backend),
                *self._scopes.clauses(self._table, self._table),
            )
            .order_by(*self._table.primary_key)
        )
        linked: dict[Key, list[Key]] = {}
        for row in self._connection.execute(statement, dict(self._scopes.binds())):
            source, target = self._pair(row)
            linked.setdefault(source, []).append(target)
        return linked

    def delete(self, pairs: Mapping[Pair, Loc]) -> None:
        """Unlink rows; rows that are not linked are left alone.

        Args:
            pairs: The rows, with the locations in the body that unlink them.

        Raises:
            RejectedError: 403, a link may only be read.
        """
        if not pairs:
            return
        statement = delete(self._table).where(
            self._has_keys(list(pairs)), *self._scopes.write_clauses(self._table, self._table)
        )
        self._connection.execute(statement, dict(self._scopes.binds()))
        if self._scopes.narrows_writes(self._table):
            for pair in self._readable(list(pairs)):
                raise relocated(unwritable_link(), pairs[pair])

    def insert(self, links: Sequence[NewLink], *, one_by_one: bool = False) -> None:
        """Link rows; rows that are linked are left alone.

        Args:
            links: The links.
            one_by_one: Whether each link takes a separate statement, so that an error has its
                location.

        Raises:
            RejectedError: 403 or 409, a link exists that the request may not write; 409, a link
                conflicts with another one, or refers to a row outside its scope; 422, a link would
                be outside its scope.
            QueryError: The link table has required fields, or its model refuses a link.
        """
        if not links:
            return
        rows = [self._values(link) for link in links]
        if one_by_one:
            shape = self._link.shape or self._link.table_context.shape
            inserted: set[Pair] = set()
            for link, row in zip(links, rows, strict=True):
                with located(link.loc, shape):
                    inserted |= self._insert([row])
        else:
            inserted = self._insert(rows)
        self._check_scope(links, inserted)
        self._check_references(links, inserted)

    def _insert(self, rows: list[Values]) -> set[Pair]:
        """Insert links, and return the keys of those that are new."""
        columns = [self._table.c[name] for name in rows[0]]
        key = list(self._table.primary_key)
        parameters: Any = rows
        insert = upsert(self._table, self._backend)
        if self._backend == "postgresql" and all(
            has_plain_array(column.type) for column in columns
        ):
            insert, parameters = self._array_insert(columns, rows)
        statement = insert.on_conflict_do_nothing(index_elements=key).returning(
            *self._source, *self._target
        )
        return {self._pair(row) for row in self._connection.execute(statement, parameters)}

    def _values(self, new: NewLink) -> Values:
        """The values of a link, by column.

        Raises:
            RejectedError: 409, the rows have different values of a column that both keys share.
            QueryError: The link table has required fields, or its model refuses the link.
        """
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

    def _array_insert(self, columns: list[Column[Any]], rows: list[Values]) -> tuple[Any, Values]:
        """Build the statement that inserts rows from arrays, and its parameters."""
        names = [value_parameter(column) for column in columns]
        input_rows = unnested(
            {name: column.type for name, column in zip(names, columns, strict=True)}
        )
        chosen = select(*(input_rows.c[name] for name in names)).order_by(input_rows.c.position)
        parameters = {
            name: [row[column.key] for row in rows]
            for name, column in zip(names, columns, strict=True)
        }
        return upsert(self._table, "postgresql").from_select(columns, chosen), parameters

    def _check_scope(self, links: Sequence[NewLink], inserted: set[Pair]) -> None:
        """Refuse links outside their scope: new ones, and those that exist already.

        Args:
            links: The links.
            inserted: The keys of those that are new.
        """
        scope = self._scopes.written(self._table)
        if scope is None or self._link.shape is None:
            return
        pairs = [(link.source, link.target) for link in links]
        writable = self._writable(pairs)
        outside = [link for link in links if (link.source, link.target) not in writable]
        readable = self._readable(pairs) if outside else set()
        for link in outside:
            pair = (link.source, link.target)
            if pair in inserted:
                raise relocated(outside_scope(self._link.shape), link.loc)
            raise relocated(unwritable_link() if pair in readable else hidden_link(), link.loc)

    def _check_references(self, links: Sequence[NewLink], inserted: set[Pair]) -> None:
        """Refuse new links whose other foreign keys refer to rows outside their scope.

        A body does not have these fields; their defaults or the scope of the links set them.
        """
        shape, scopes = self._link.shape, self._scopes
        if shape is None or not inserted:
            return
        foreign_keys = ForeignKeys(shape)
        references = [
            reference
            for reference in foreign_keys.references
            if not self._link.key_fields.issuperset(reference.names)
            and scopes.get(reference.target) is not None
        ]
        if not references:
            return
        reachable_clauses = foreign_keys.reachable_clauses(
            references, {}, scopes, VALUE_PREFIX, self._table
        )
        reachable = self._linked_pairs(list(inserted), *reachable_clauses)
        for link in links:
            if (link.source, link.target) in inserted - reachable:
                raise relocated(missing_reference(references), link.loc)

    def _readable(self, pairs: list[Pair]) -> set[Pair]:
        """The pairs whose link the request may read."""
        return self._linked_pairs(pairs, *self._scopes.clauses(self._table, self._table))

    def _writable(self, pairs: list[Pair]) -> set[Pair]:
        """The pairs whose link the request may write."""
        return self._linked_pairs(pairs, *self._scopes.write_clauses(self._table, self._table))

    def _linked_pairs(self, pairs: list[Pair], *clauses: Any) -> set[Pair]:
        statement = select(*self._source, *self._target).where(self._has_keys(pairs), *clauses)
        rows = self._connection.execute(statement, dict(self._scopes.binds()))
        return {self._pair(row) for row in rows}

    def _has_keys(self, pairs: list[Pair]) -> Any:
        """The condition that selects the links of pairs."""
        keys = [(*source, *target) for source, target in pairs]
        return has_key([*self._source, *self._target], keys, self._backend)

    def _pair(self, row: Sequence[Any]) -> Pair:
        count = len(self._source)
        return tuple(row[:count]), tuple(row[count:])
