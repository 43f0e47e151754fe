"""Relations through a link table: a task's labels."""

from collections.abc import Collection

from colonnade.writes._changes import Key
from colonnade.writes.nested._link_statements import BulkLinkStatements, NewLink, Pair
from colonnade.writes.nested._related_rows import RelatedRowsBase
from colonnade.writes.nested._rows import Loc, NestedRow, RelationChanges


class LinkedRows(RelatedRowsBase):
    """The changes of the linked rows of rows."""

    def after(self) -> None:
        """Unlink, delete, link, update, upsert and create, in this order."""
        link = self.relation.link
        assert link is not None
        scopes = self.changes[0][1].link_scopes
        self.links = BulkLinkStatements(self.writer.connection, link, scopes)
        stored = self._require_targets()
        linked = self._linked()
        unlinked = self._unlink(linked)
        self._delete(linked)
        self._link(linked)
        self._update(linked, unlinked, stored)
        self._create(stored)

    def _require_targets(self) -> set[Key]:
        """Lock the rows that the body names, and refuse those that do not exist.

        Raises:
            RejectedError: 404 or 412.
        """
        named = [
            (reference.key, reference.loc)
            for _, changes in self.changes
            for reference in (
                *changes.connect, *changes.disconnect, *changes.delete, *(changes.set or ()),
            )
        ]  # fmt: skip
        updates = [row for _, changes in self.changes for row in changes.update]
        upserts = [u.update for _, changes in self.changes for u in changes.upsert if u.update]
        named += [(row.change.key, row.loc) for row in updates]
        keys = [key for key, _ in named] + [row.change.key for row in upserts]
        version = self.target.shape.version
        fields = [] if version is None else [version.name]
        stored_rows = self.writer.stored(self.target, self.scopes).by_key(keys, fields)
        for key, loc in named:
            if key not in stored_rows:
                raise self.not_found(loc)
        for row in [*updates, *upserts]:
            if version is None or row.change.expected is None or row.change.key not in stored_rows:
                continue
            if str(stored_rows[row.change.key][version.name]) not in row.change.expected:
                raise self.precondition_failed(row.loc)
            row.change.expected = None
        return set(stored_rows)

    def _linked(self) -> dict[Key, list[Key]]:
        """The keys of the rows that are linked now, by the key of the row that has the relation."""
        needing = [
            row.key
            for row, changes in self.changes
            if changes.set is not None or changes.update or changes.upsert or changes.delete
        ]
        return self.links.linked(needing)

    def _unlink(self, linked: dict[Key, list[Key]]) -> dict[Pair, Loc]:
        """Unlink rows, and return them with the locations in the body that unlink them."""
        pairs: dict[Pair, Loc] = {}
        for row, changes in self.changes:
            key = row.key
            pairs |= {(key, reference.key): reference.loc for reference in changes.disconnect}
            if changes.set is not None:
                kept = {reference.key for reference in (*changes.set, *changes.connect)}
                others = [other for other in linked.get(key, []) if other not in kept]
                pairs |= {(key, other): (*changes.loc, "set") for other in others}
        self.links.delete(pairs)
        return pairs

    def _delete(self, linked: dict[Key, list[Key]]) -> None:
        deleted: list[tuple[Key, Loc]] = []
        pairs: dict[Pair, Loc] = {}
        for row, changes in self.changes:
            for reference in changes.delete:
                self._require_link(row, reference.key, reference.loc, linked)
                deleted.append((reference.key, reference.loc))
                pairs[row.key, reference.key] = reference.loc
        self.links.delete(pairs)
        self.writer.delete(self.target, deleted, self.scopes)

    def _require_link(
        self, row: NestedRow, key: Key, loc: Loc, linked: dict[Key, list[Key]]
    ) -> None:
        if key not in linked.get(row.key, []):
            raise self.not_found(loc, related=True)

    def _link(self, linked: dict[Key, list[Key]]) -> None:
        new_links: list[NewLink] = []
        shown: list[tuple[RelationChanges, Key, Loc]] = []
        for row, changes in self.changes:
            present = linked.get(row.key, [])
            for reference in [*changes.connect, *(changes.set or ())]:
                shown.append((changes, reference.key, reference.loc))
                if reference.key not in present:
                    new_links.append(NewLink(row.key, reference.key, reference.loc))
        self.links.insert(new_links, one_by_one=self.writer.one_by_one)
        self.show_stored(shown)

    def _update(
        self, linked: dict[Key, list[Key]], unlinked: Collection[Pair], stored: set[Key]
    ) -> None:
        updates = []
        for row, changes in self.changes:
            rows = list(changes.update)
            rows += [u.update for u in changes.upsert if u.update and u.update.change.key in stored]
            for updated in rows:
                self._require_link(row, updated.change.key, updated.loc, linked)
                if (row.key, updated.change.key) in unlinked:  # by ``set``
                    raise self.not_found(updated.loc, related=True)
                updated.is_locked = True
            self.show(changes, rows)
            updates += rows
        self.writer.write(updates)

    def _create(self, stored: set[Key]) -> None:
        created: list[NestedRow] = []
        owners: list[NestedRow] = []
        for row, changes in self.changes:
            rows = []
            for upserted in changes.upsert:
                if upserted.update is not None and upserted.update.change.key in stored:
                    continue
                if upserted.create is None:
                    raise self.not_found(upserted.update.loc if upserted.update else changes.loc)
                rows.append(upserted.create)
            rows += changes.create
            self.show(changes, rows)
            created += rows
            owners += [row] * len(rows)
        self.writer.write(created)
        self.links.insert(
            [
                NewLink(owner.key, row.key, row.loc)
                for owner, row in zip(owners, created, strict=True)
            ],
            one_by_one=self.writer.one_by_one,
        )
