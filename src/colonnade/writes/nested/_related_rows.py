"""What the three kinds of relations share: how they find rows, and what they return."""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from sqlalchemy import Connection

from colonnade.errors import QueryError, error_entry
from colonnade.query import Scopes
from colonnade.writes._changes import Change, Key, Values
from colonnade.writes._errors import RejectedError
from colonnade.writes.nested._located_errors import relocated
from colonnade.writes.nested._rows import Loc, NestedRow, RelationChanges
from colonnade.writes.nested._stored_rows import StoredRows
from colonnade.writes.nested._tables import NestedRelation, WritableTable


class RowWriter(Protocol):
    """What writes the related rows: see ``NestedWriter``."""

    connection: Connection
    one_by_one: bool

    def write(self, rows: list[NestedRow]) -> None: ...

    def delete(
        self, table: WritableTable, keys: Sequence[tuple[Key, Loc]], scopes: Scopes
    ) -> None: ...

    def stored(self, table: WritableTable, scopes: Scopes) -> StoredRows: ...

    def values_of(self, rows: Sequence[NestedRow], names: Sequence[str]) -> list[Values]: ...

    def show_later(self, row: NestedRow) -> None: ...


class RelatedRowsBase:
    """The changes of one relation, of all rows that have some.

    Args:
        writer: Writes the related rows.
        relation: The relation.
        changes: The changes of each row.
    """

    def __init__(
        self,
        writer: RowWriter,
        relation: NestedRelation,
        changes: list[tuple[NestedRow, RelationChanges]],
    ) -> None:
        self.writer = writer
        self.relation = relation
        self.changes = changes
        self.target = relation.target
        self.scopes = changes[0][1].scopes

    def before(self) -> None:
        """Write what must exist before the rows that have the relation."""

    def after(self) -> None:
        """Write what refers to the rows that have the relation."""

    def show(self, changes: RelationChanges, rows: Iterable[NestedRow]) -> None:
        """Add rows to the response."""
        changes.results.extend(rows)

    def show_stored(self, items: list[tuple[RelationChanges, Key, Loc]]) -> None:
        """Add stored rows to the response."""
        for changes, key, loc in items:
            change = Change("update", {}, self.scopes, key)
            shown = NestedRow(self.target, change, self.target.table_context.update, loc)
            self.writer.show_later(shown)
            self.show(changes, [shown])

    def changed(self, key: Key, values: Values, loc: Loc) -> NestedRow:
        """Build the update that changes the foreign key of a related row."""
        reader = self.target.table_context.update
        body: Any = None
        if values.keys() <= reader.schema.model_fields.keys():
            try:
                body = reader.parse_values(values)
            except QueryError as error:
                raise QueryError([{**entry, "loc": loc} for entry in error.errors]) from None
        change = Change("update", values, self.scopes, key, body=body, checked=frozenset(values))
        return NestedRow(self.target, change, reader, loc, is_locked=True)

    def require_fixed(self, stored: Values, values: Values, loc: Loc) -> None:
        """Refuse to change a field of the foreign key that no update can change.

        Args:
            stored: The fields of the row that has the foreign key.
            values: The values that refer to the other row.
            loc: Where the body connects the rows.

        Raises:
            RejectedError: 422, a field would change.
        """
        for name in sorted(self.relation.fixed_fields):
            if stored[name] != values[name]:
                raise self.frozen(name, loc)

    def frozen(self, names: str, loc: Loc) -> QueryError:
        """Build the error of a foreign key that cannot be changed."""
        message = f"{names} of {self.relation.referring.model.__name__} cannot be changed"
        return QueryError([error_entry("frozen", loc, message)])

    def not_found(self, loc: Loc, *, related: bool = False) -> Exception:
        """Build the 404 of a row that the body names.

        Args:
            loc: Where the body names it.
            related: Whether the row exists, but not in the relation.
        """
        rejection = self.target.table_context.not_found()
        if related:
            name = self.target.table_context.name
            rejection.detail = f"This {name} is not in {self.relation.name}."
        return relocated(rejection, loc)

    def precondition_failed(self, loc: Loc) -> Exception:
        """Build the 412 of a row that has another version than the body expects."""
        name = self.target.table_context.name
        detail = f"This {name} has changed since it was read. Read it again."
        return relocated(RejectedError(412, detail, kind="changed"), loc)
