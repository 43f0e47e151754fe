"""What a nested body asks for: rows, and the changes of their relations."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from colonnade.query import Scopes
from colonnade.rows import BodyReader
from colonnade.writes._changes import Change, Key, WriteKind
from colonnade.writes.nested._tables import NestedRelation, WritableTable

Loc = tuple[str | int, ...]
"""The path of a value in the request."""


class KeyReference(NamedTuple):
    """A row that a body names by its key.

    Attributes:
        key: The values of ``NestedRelation.key_columns``.
        loc: Where the body names it.
    """

    key: Key
    loc: Loc


@dataclass(slots=True, eq=False)
class NestedRow:
    """A row to create or update, with the changes of its relations.

    Attributes:
        table: The table.
        change: The write of the row itself.
        reader: The reader of its body.
        loc: Where the body has it.
        relations: The changes of its relations.
        is_locked: Whether the row is known to exist in scope, and is locked.
        is_given: Whether the row is only the parent of new rows, and is not written itself; the
            response then consists of its related rows.
        written: ``body``, ``state`` and ``key`` of the row, once it is written.
    """

    table: WritableTable
    change: Change
    reader: BodyReader
    loc: Loc
    relations: Sequence["RelationChanges"] = ()
    is_locked: bool = False
    is_given: bool = False
    written: Any = None

    @property
    def fields_of_relations(self) -> dict[str, Loc]:
        """Where the body has the fields that relations set, by their names in a body."""
        columns = self.table.shape.columns
        locations = {columns[name].body_name: self.loc for name in self.change.checked}
        for changes in self.relations:
            if changes.relation.side == "parent":
                loc = changes.connect[0].loc if changes.connect else changes.loc
                locations |= {columns[name].body_name: loc for name in changes.relation.fields}
        return locations

    def copy(self) -> "NestedRow":
        """Copy the row with all nested rows, so that a retry starts from the original values."""
        relations = [changes.copy() for changes in self.relations] if self.relations else ()
        return NestedRow(
            self.table,
            self.change.copy(),
            self.reader,
            self.loc,
            relations,
            self.is_locked,
            self.is_given,
        )

    @property
    def key(self) -> Key:
        """The key of the row; that of a new row exists once it is written."""
        if not self.change.key:
            self.change.key = self.table.writer.rows.key_of(self.written)
        return self.change.key


@dataclass(slots=True, eq=False)
class UpsertedRow:
    """A row that is updated if it exists, and created if not.

    Attributes:
        update: The update; None if the body has no key.
        create: The row to create; None if a missing row cannot be created.
    """

    update: NestedRow | None
    create: NestedRow | None

    def copy(self) -> "UpsertedRow":
        """Copy both forms."""
        return UpsertedRow(
            None if self.update is None else self.update.copy(),
            None if self.create is None else self.create.copy(),
        )


@dataclass(frozen=True, slots=True, eq=False)
class NestedChanges:
    """The rows of a body, with everything nested in them, all of them or none.

    Attributes:
        kind: What happens to the rows of the Resource.
        rows: These rows.
        tables: The tables that the body writes, with what it does to them.
        scopes: The scopes of the request, for all tables that nested writes reach.
    """

    kind: WriteKind
    rows: list[NestedRow]
    tables: frozenset[tuple[WritableTable, WriteKind]]
    scopes: Scopes

    @property
    def has_hooks(self) -> bool:
        """Whether one of the writes has hooks."""
        return any(kind in table.hooks.kinds for table, kind in self.tables)

    def copy(self) -> "NestedChanges":
        """Copy the rows, so that a retry starts from the original values."""
        return replace(self, rows=[row.copy() for row in self.rows])


@dataclass(slots=True, eq=False)
class RelationChanges:
    """The changes of one relation of one row.

    Attributes:
        relation: The relation.
        loc: Where the body has them.
        scopes: The scopes of the request, for the related table.
        link_scopes: The scopes of the request, for the link table.
        create: The rows to create.
        connect: The existing rows to connect.
        disconnect: The rows to disconnect.
        set: The rows that alone are connected afterwards; None to keep others.
        update: The connected rows to update.
        upsert: The rows to update or create.
        delete: The connected rows to delete.
        disconnects_one: Whether to disconnect the row of a relation to one row.
        deletes_one: Whether to delete the row of a relation to one row.
        results: The related rows that were written, for the response.
    """

    relation: NestedRelation
    loc: Loc
    scopes: Scopes
    link_scopes: Scopes
    create: list[NestedRow] = field(default_factory=list)
    connect: list[KeyReference] = field(default_factory=list)
    disconnect: list[KeyReference] = field(default_factory=list)
    set: list[KeyReference] | None = None
    update: list[NestedRow] = field(default_factory=list)
    upsert: list[UpsertedRow] = field(default_factory=list)
    delete: list[KeyReference] = field(default_factory=list)
    disconnects_one: bool = False
    deletes_one: bool = False
    results: list[NestedRow] = field(default_factory=list)

    @property
    def has_other_verbs(self) -> bool:
        """Whether the relation has other changes than new and updated rows."""
        return (
            bool(self.connect or self.disconnect or self.upsert or self.delete)
            or self.set is not None
            or self.disconnects_one
            or self.deletes_one
        )

    def copy(self) -> "RelationChanges":
        """Copy the changes with their rows."""
        return replace(
            self,
            create=[row.copy() for row in self.create],
            update=[row.copy() for row in self.update],
            upsert=[row.copy() for row in self.upsert],
            results=[],
        )
