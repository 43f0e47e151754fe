"""Relations whose foreign key is in the related rows: a project's tasks."""

from dataclasses import dataclass
from typing import Any

from colonnade.writes._changes import Key, Values
from colonnade.writes._errors import RejectedError
from colonnade.writes.nested._located_errors import relocated
from colonnade.writes.nested._related_rows import RelatedRowsBase
from colonnade.writes.nested._rows import (
    KeyReference,
    Loc,
    NestedRow,
    RelationChanges,
)


@dataclass(slots=True, eq=False)
class _Parent:
    """The changes of one parent's children.

    Attributes:
        changes: The changes.
        values: The values of the foreign key that refer to the parent.
        current: The keys of its children before the changes, if they are needed.
    """

    changes: RelationChanges
    values: Values
    current: list[Key]


class ChildRows(RelatedRowsBase):
    """The changes of the children of rows."""

    def after(self) -> None:
        """Disconnect, delete, connect, update, upsert and create, in this order."""
        names = [referenced for _, referenced in self.relation.pairs]
        values = self.writer.values_of([row for row, _ in self.changes], names)
        parents = [
            _Parent(changes, {f: row[name] for f, name in self.relation.pairs}, [])
            for (_, changes), row in zip(self.changes, values, strict=True)
        ]
        stored = self._stored(parents)
        self._check(parents, stored)
        self._disconnect(parents)
        deleted = [(self._key(p, r.key), r.loc) for p in parents for r in p.changes.delete]
        deleted += [
            (key, (*p.changes.loc, "delete"))
            for p in parents
            if p.changes.deletes_one
            for key in p.current
        ]
        self.writer.delete(self.target, deleted, self.scopes)
        self._connect(parents, stored)
        self._update(parents, stored)
        self._create(parents, stored)

    def _key(self, parent: _Parent, key: Key) -> Key:
        """The whole key of a child: the values in the body, and those of its parent."""
        named = dict(zip((column.name for column in self.relation.key_columns), key, strict=True))
        named |= parent.values
        return tuple(named[column.name] for column in self.target.shape.primary_key)

    def _stored(self, parents: list[_Parent]) -> dict[Key, Values]:
        """Lock and read the children that the body names, and the current ones if needed."""
        for parent in parents:
            changes = parent.changes
            for row in [*changes.update, *(u.update for u in changes.upsert if u.update)]:
                if row.change.key or self.relation.relation.is_list:
                    row.change.key = self._key(parent, row.change.key)
        keys = [
            key
            for parent in parents
            for key in (
                *(self._key(parent, reference.key) for reference in self._named(parent)),
                *(row.change.key for row in self._updated(parent) if row.change.key),
            )
        ]
        fields = [name for name, _ in self.relation.pairs]
        version = self.target.shape.version
        if version is not None:
            fields.append(version.name)
        rows = self.writer.stored(self.target, self.scopes)
        named_rows = rows.by_key(keys, fields)
        needing = [parent for parent in parents if self._needs_current(parent.changes)]
        names = [name for name, _ in self.relation.pairs]
        current = rows.by_fields(names, [tuple(p.values.values()) for p in needing], fields)
        by_parent: dict[tuple[Any, ...], list[Key]] = {}
        for key, values in current.items():
            by_parent.setdefault(tuple(values[name] for name in names), []).append(key)
        for parent in needing:
            parent.current = by_parent.get(tuple(parent.values.values()), [])
            self._name_only_child(parent)
        return {**current, **named_rows}

    def _named(self, parent: _Parent) -> list[KeyReference]:
        changes = parent.changes
        return [*changes.connect, *changes.disconnect, *changes.delete, *(changes.set or ())]

    def _updated(self, parent: _Parent) -> list[NestedRow]:
        changes = parent.changes
        return [*changes.update, *(row.update for row in changes.upsert if row.update)]

    def _needs_current(self, changes: RelationChanges) -> bool:
        is_one = not self.relation.relation.is_list
        return (
            changes.set is not None
            or changes.disconnects_one
            or changes.deletes_one
            or (
                is_one
                and bool(changes.update or changes.upsert or changes.create or changes.connect)
            )
        )

    def _name_only_child(self, parent: _Parent) -> None:
        """Give the update of the only child its key; an upsert without a child creates it."""
        if self.relation.relation.is_list:
            return
        changes = parent.changes
        for row in changes.update:
            if not parent.current:
                raise self.not_found(row.loc)
            row.change.key = parent.current[0]
        for upserted in changes.upsert:
            if not parent.current:
                upserted.update = None
            elif upserted.update is not None:
                upserted.update.change.key = parent.current[0]

    def _check(self, parents: list[_Parent], stored: dict[Key, Values]) -> None:
        """Refuse rows that do not exist, or that are not children of their parent.

        Raises:
            RejectedError: 404 or 412.
        """
        for parent in parents:
            changes = parent.changes
            self._check_only_child(parent)
            for reference in [*changes.connect, *(changes.set or ())]:
                if self._key(parent, reference.key) not in stored:
                    raise self.not_found(reference.loc)
            for reference in [*changes.disconnect, *changes.delete]:
                self._require(parent, self._key(parent, reference.key), reference.loc, stored)
            for row in changes.update:
                self._require(parent, row.change.key, row.loc, stored)
                self._require_version(row, stored)
            for upserted in changes.upsert:
                if upserted.update is not None and upserted.update.change.key in stored:
                    self._require(parent, upserted.update.change.key, upserted.update.loc, stored)
                    self._require_version(upserted.update, stored)

    def _check_only_child(self, parent: _Parent) -> None:
        """Refuse to delete a child that does not exist, or to add a second one.

        Raises:
            RejectedError: 404 or 409.
        """
        changes = parent.changes
        if self.relation.relation.is_list:
            return
        if changes.deletes_one and not parent.current:
            raise self.not_found((*changes.loc, "delete"))
        added = [(self._key(parent, reference.key), reference.loc) for reference in changes.connect]
        added += [((), row.loc) for row in changes.create]
        is_removed = changes.disconnects_one or changes.deletes_one
        for key, loc in added:
            if parent.current and key not in parent.current and not is_removed:
                detail = (
                    f"There is another {self.relation.name}. Disconnect or delete it in the same "
                    f"request, or update it."
                )
                raise relocated(RejectedError(409, detail, kind="unique"), loc)

    def _require(self, parent: _Parent, key: Key, loc: Loc, stored: dict[Key, Values]) -> None:
        values = stored.get(key)
        if values is None:
            raise self.not_found(loc)
        if any(values[name] != value for name, value in parent.values.items()):
            raise self.not_found(loc, related=True)

    def _require_version(self, row: NestedRow, stored: dict[Key, Values]) -> None:
        version = self.target.shape.version
        if version is None or row.change.expected is None:
            return
        if str(stored[row.change.key][version.name]) not in row.change.expected:
            raise self.precondition_failed(row.loc)
        row.change.expected = None

    def _disconnect(self, parents: list[_Parent]) -> None:
        cleared = dict.fromkeys(self.relation.nullable_fields)
        rows = []
        for parent in parents:
            changes = parent.changes
            leaving = [(self._key(parent, r.key), r.loc) for r in changes.disconnect]
            if changes.set is not None:
                named = [*changes.set, *changes.connect]
                kept = {self._key(parent, reference.key) for reference in named}
                removed = [key for key in parent.current if key not in kept]
                if removed and not self.relation.is_nullable:
                    raise self._orphans(len(removed), (*changes.loc, "set"))
                leaving += [(key, (*changes.loc, "set")) for key in removed]
            if changes.disconnects_one:
                leaving += [(key, changes.loc) for key in parent.current]
            rows += [self.changed(key, dict(cleared), loc) for key, loc in leaving]
        self.writer.write(rows)

    def _orphans(self, count: int, loc: Loc) -> Exception:
        names = " and ".join(sorted(self.relation.fields))
        rows = "1 row that is" if count == 1 else f"{count:,} rows that are"
        detail = (
            f"{rows} not in the list would lose their {names}, which is required. Delete them, or "
            f"keep them in the list."
        )
        return relocated(RejectedError(409, detail, kind="required"), loc)

    def _connect(self, parents: list[_Parent], stored: dict[Key, Values]) -> None:
        moved: list[NestedRow] = []
        kept: list[tuple[RelationChanges, Key, Loc]] = []
        for parent in parents:
            changes, current = parent.changes, set(parent.current)
            for reference in [*changes.connect, *(changes.set or ())]:
                key = self._key(parent, reference.key)
                if key in current:
                    kept.append((changes, key, reference.loc))
                    continue
                self.require_fixed(stored[key], parent.values, reference.loc)
                values = {name: parent.values[name] for name in self.relation.movable_fields}
                row = self.changed(key, values, reference.loc)
                moved.append(row)
                self.show(changes, [row])
        self.writer.write(moved)
        self.show_stored(kept)

    def _update(self, parents: list[_Parent], stored: dict[Key, Values]) -> None:
        updates = []
        for parent in parents:
            changes = parent.changes
            rows = list(changes.update)
            rows += [u.update for u in changes.upsert if u.update and u.update.change.key in stored]
            for row in rows:
                row.is_locked = True
            self.show(changes, rows)
            updates += rows
        self.writer.write(updates)

    def _create(self, parents: list[_Parent], stored: dict[Key, Values]) -> None:
        created = []
        for parent in parents:
            changes = parent.changes
            rows = []
            for upserted in changes.upsert:
                if upserted.update is not None and upserted.update.change.key in stored:
                    continue
                if upserted.create is None:
                    loc = upserted.update.loc if upserted.update else changes.loc
                    raise self.not_found(loc)
                rows.append(upserted.create)
            rows += changes.create
            for row in rows:
                row.change.values |= parent.values
                row.change.checked = frozenset(parent.values)
            self.show(changes, rows)
            created += rows
        self.writer.write(created)
