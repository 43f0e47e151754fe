"""What happens to the stored row that a new row conflicts with."""

from dataclasses import dataclass
from typing import Any

from colonnade.errors import QueryError
from colonnade.writes._unique_keys import UniqueKey


@dataclass(slots=True)
class Conflict:
    """What happens if a stored row has the unique key of a new row.

    Attributes:
        key: The unique key.
        keeps: Whether the stored row stays as it is.
        values: What the stored row gets, by field; hooks may change it.
        defaults: The fields of the stored row that get the default of the database.
        needs_lookup: Whether the stored row must be found before it is known what to write, since
            it does not get the values of the new row.
        error: Why the update schema does not accept the values; None if it does.
    """

    key: UniqueKey
    keeps: bool
    values: dict[str, Any]
    defaults: tuple[str, ...] = ()
    needs_lookup: bool = False
    error: QueryError | None = None

    def copy(self) -> "Conflict":
        """Copy the conflict with its values, so that a retry starts from the original values."""
        values = dict(self.values)
        return Conflict(self.key, self.keeps, values, self.defaults, self.needs_lookup, self.error)

    @property
    def changes(self) -> tuple[str, ...]:
        """The fields of the stored row that change."""
        return tuple(sorted({*self.values, *self.defaults}))
