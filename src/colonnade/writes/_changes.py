"""What a request asks to write, before any rule or statement."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from colonnade.query import Scopes
from colonnade.rows import BodyReader
from colonnade.writes._conflicts import Conflict

Key = tuple[Any, ...]
Values = dict[str, Any]
"""Values, by field."""
WriteKind = Literal["create", "update", "delete"]


@dataclass(slots=True)
class Change:
    """The requested write of one row.

    Attributes:
        kind: What happens to the row.
        values: The values, by field; hooks may change them.
        scopes: The scopes of the request.
        key: The key of the row; empty for a create.
        expected: The versions that ``If-Match`` accepts; None for any.
        body: The validated create or update schema; None for a delete.
        checked: Foreign key fields that refer to rows known to exist in scope.
        reader: The reader of the body, if it is not that of the Resource.
        conflict: What happens to a stored row with the same unique key, if a create is an upsert.
        defaults: Fields that an update gives the defaults of the database.
    """

    kind: WriteKind
    values: Values
    scopes: Scopes
    key: Key = ()
    expected: frozenset[str] | None = None
    body: Any = None
    checked: frozenset[str] = frozenset()
    reader: BodyReader | None = None
    conflict: Conflict | None = None
    defaults: tuple[str, ...] = ()

    def copy(self) -> "Change":
        """Copy the change with its values, so that a retry starts from the original values."""
        # Not by ``replace``, which takes a millisecond for three hundred rows.
        return Change(
            self.kind,
            dict(self.values),
            self.scopes,
            self.key,
            self.expected,
            self.body,
            self.checked,
            self.reader,
            None if self.conflict is None else self.conflict.copy(),
            self.defaults,
        )

    def as_update(self, key: Key) -> "Change":
        """Return what an upsert does to the stored row that it conflicts with.

        Args:
            key: The key of the row.

        Raises:
            QueryError: The update schema does not accept the values.
        """
        conflict = self.conflict
        assert conflict is not None
        if conflict.error is not None:
            raise conflict.error
        return Change(
            "update",
            conflict.values,
            self.scopes,
            key,
            self.expected,
            self.body,
            defaults=conflict.defaults,
        )


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """The requested writes of rows of one table, all of them or none.

    Attributes:
        kind: What happens to each row.
        changes: The rows, in the order of the request.
        scopes: The scopes of the request.
    """

    kind: WriteKind
    changes: Sequence[Change]
    scopes: Scopes

    def copy(self) -> "ChangeSet":
        """Copy the changes, so that a retry starts from the original values."""
        return ChangeSet(self.kind, [change.copy() for change in self.changes], self.scopes)

    @property
    def is_upsert(self) -> bool:
        """Whether the rows are created, or update the stored rows that they conflict with."""
        return self.changes[0].conflict is not None

    @property
    def keys(self) -> list[Key]:
        """The keys of the rows."""
        return [change.key for change in self.changes]
