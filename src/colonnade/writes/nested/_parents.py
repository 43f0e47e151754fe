"""Relations whose foreign key is in the row itself: a task's project."""

from collections.abc import Sequence
from typing import Any

from colonnade.writes._changes import Key, Values
from colonnade.writes.nested._located_errors import relocated
from colonnade.writes.nested._related_rows import RelatedRowsBase
from colonnade.writes.nested._rows import Loc, NestedRow, RelationChanges


class ParentRows(RelatedRowsBase):
    """The changes of the rows that rows refer to."""

    _deleted: Sequence[tuple[Key, Loc]] = ()

    def before(self) -> None:
        """Write the parents, and set the foreign keys that refer to them."""
        current = self._current()
        self._fixed = self._fixed_values()
        self._disconnect(current)
        self._connect()
        self._update(current)
        self._create(current)

    def after(self) -> None:
        """Delete the parents that the rows no longer refer to."""
        self.writer.delete(self.target, self._deleted, self.scopes)

    def _current(self) -> dict[NestedRow, Key]:
        """The keys of the parents before the changes, of rows that need them."""
        needing = [
            row
            for row, changes in self.changes
            if changes.update or changes.upsert or changes.deletes_one
        ]
        existing = [row for row in needing if row.change.kind == "update"]
        if not existing:
            return {}
        table = existing[0].table
        scopes = existing[0].change.scopes
        fields = [field for field, _ in self.relation.pairs]
        referenced = [name for _, name in self.relation.pairs]
        stored = self.writer.stored(table, scopes)
        rows = stored.by_key([row.change.key for row in existing], fields)
        for row in existing:
            if row.change.key not in rows:
                raise relocated(row.table.table_context.not_found(), row.loc)
        values = {row: tuple(rows[row.change.key][field] for field in fields) for row in existing}
        wanted = [value for value in values.values() if None not in value]
        parents = self.writer.stored(self.target, self.scopes)
        by_value = {
            tuple(stored_row[name] for name in referenced): key
            for key, stored_row in parents.by_fields(referenced, wanted, referenced).items()
        }
        return {row: by_value[value] for row, value in values.items() if value in by_value}

    def _disconnect(self, current: dict[NestedRow, Key]) -> None:
        deleted = []
        for row, changes in self.changes:
            if not (changes.disconnects_one or changes.deletes_one):
                continue
            if changes.deletes_one:
                loc = (*changes.loc, "delete")
                if row not in current:
                    raise self.not_found(loc)
                deleted.append((current[row], loc))
            if changes.disconnects_one or self.relation.is_nullable:
                row.change.values |= dict.fromkeys(self.relation.nullable_fields)
        self._deleted = deleted

    def _connect(self) -> None:
        connecting = [(row, c) for row, c in self.changes if c.connect]
        names = [name for _, name in self.relation.pairs]
        keys = [changes.connect[0].key for _, changes in connecting]
        stored_row = self.writer.stored(self.target, self.scopes).by_key(keys, names)
        shown: list[tuple[RelationChanges, Key, Loc]] = []
        for row, changes in connecting:
            (reference,) = changes.connect
            if reference.key not in stored_row:
                raise self.not_found(reference.loc)
            self._refer(row, stored_row[reference.key], reference.loc)
            shown.append((changes, reference.key, reference.loc))
        self.show_stored(shown)

    def _update(self, current: dict[NestedRow, Key]) -> None:
        updates = []
        for row, changes in self.changes:
            upserted = [u.update for u in changes.upsert if u.update is not None]
            for parent in [*changes.update, *upserted]:
                if row not in current:
                    if parent in changes.update:
                        raise self.not_found(parent.loc)
                    continue
                parent.change.key, parent.is_locked = current[row], True
                self.show(changes, [parent])
                updates.append(parent)
        self.writer.write(updates)

    def _create(self, current: dict[NestedRow, Key]) -> None:
        created: list[NestedRow] = []
        owners: list[NestedRow] = []
        for row, changes in self.changes:
            rows = list(changes.create)
            if row not in current:
                rows += [u.create for u in changes.upsert if u.create is not None]
            if rows and row.change.kind == "update" and not self.relation.can_move:
                raise self.frozen(" and ".join(sorted(self.relation.fields)), changes.loc)
            self.show(changes, rows)
            created += rows
            owners += [row] * len(rows)
        if not created:
            return
        self.writer.write(created)
        names = [name for _, name in self.relation.pairs]
        parents = self.writer.values_of(created, names)
        for row, parent, values in zip(owners, created, parents, strict=True):
            self._refer(row, values, parent.loc)

    def _fixed_values(self) -> dict[NestedRow, Values]:
        """The fields of the foreign keys that the update of a row cannot change."""
        updated = [row for row, _ in self.changes if row.change.kind == "update"]
        fixed = self.relation.fixed_fields
        if not fixed or not updated:
            return {}
        rows = self.writer.stored(updated[0].table, updated[0].change.scopes)
        stored_row = rows.by_key([row.change.key for row in updated], fixed)
        return {row: stored_row[row.change.key] for row in updated if row.change.key in stored_row}

    def _refer(self, row: NestedRow, parent: Values, loc: Loc) -> None:
        values: dict[str, Any] = {field: parent[name] for field, name in self.relation.pairs}
        if row in self._fixed:
            self.require_fixed(self._fixed[row], values, loc)
            values = {name: values[name] for name in self.relation.movable_fields}
        row.change.values |= values
        row.change.checked |= frozenset(values)
