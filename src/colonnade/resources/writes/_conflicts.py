"""What happens to the stored row that a new row conflicts with."""

from dataclasses import dataclass
from typing import Any

from colonnade.errors import QueryError
from colonnade.resources.writes._unique_keys import UniqueKey


@dataclass(slots=True)
class Conflict:
    """What happens if a stored row has the unique key of a new row.

    Attributes:
        key: The unique key.
        keeps: Whether the stored row stays as it is.
        values: What the stored row gets, by field; hooks may change it.
        defaults: The fields of the stored row that get the default of the database.
        differs: Whether ``values`` are not those of the new row, since the update schema changed
            them.
        error: Why the update schema does not accept the values; None if it does.
    """

    key: UniqueKey
    keeps: bool
    values: dict[str, Any]
    defaults: tuple[str, ...] = ()
    differs: bool = False
    error: QueryError | None = None

    def copy(self) -> "Conflict":
        """Copy the conflict with its values, so that a retry starts from the original values."""
        values = dict(self.values)
        return Conflict(self.key, self.keeps, values, self.defaults, self.differs, self.error)

    @property
    def changes(self) -> tuple[str, ...]:
        """The fields of the stored row that change."""
        return tuple(sorted({*self.values, *self.defaults}))
