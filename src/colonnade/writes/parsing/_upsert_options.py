"""The query parameters of an upsert: ``on_conflict``, ``update`` and ``keep``."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from colonnade.errors import QueryError, error_entry
from colonnade.query import did_you_mean
from colonnade.writes._table_context import TableContext
from colonnade.writes._unique_keys import UniqueKey, unique_keys

ON_CONFLICT = "on_conflict"


@dataclass(frozen=True, slots=True)
class UpsertOptions:
    """What a request asks to happen on a conflict.

    Attributes:
        key: The unique key.
        update: The fields that a conflict changes; None for those that the body names.
        keeps: Whether the stored row stays as it is.
    """

    key: UniqueKey
    update: tuple[str, ...] | None
    keeps: bool


class UpsertOptionsReader:
    """Reads the query parameters of the upserts of one table.

    Args:
        table_context: The table.

    Attributes:
        keys: The unique keys, by name.
    """

    def __init__(self, table_context: TableContext) -> None:
        self._table_context = table_context
        shape, create, update = table_context.shape, table_context.create, table_context.update
        self.keys = unique_keys(shape, create.schema.model_fields.keys() & table_context.readable)
        self._by_fields = {frozenset(name.split(",")): key for name, key in self.keys.items()}
        self.changeable: Mapping[str, str] = {
            create.json_name(name): name
            for name in create.schema.model_fields
            if name in shape.columns
            and name in update.schema.model_fields
            and not shape.columns[name].frozen
        }
        """The fields that a conflict can change, by their names in a body."""

    def read(self, parameters: Mapping[str, str]) -> UpsertOptions:
        """Read the query parameters of a request, by name.

        Raises:
            QueryError: One of them is not valid.
        """
        update, keep = parameters.get("update"), parameters.get("keep", "false")
        if keep not in {"true", "false"}:
            raise invalid_option("keep", "keep must be true or false", keep)
        if keep == "true" and update is not None:
            message = "keep=true keeps the stored row: leave out update, or keep"
            raise invalid_option("update", message, update)
        names = None if update is None else self._fields(update)
        return UpsertOptions(self._key(parameters[ON_CONFLICT]), names, keep == "true")

    def _key(self, text: str) -> UniqueKey:
        key = self.keys.get(text) or self._by_fields.get(frozenset(text.split(",")))
        if key is None:
            message = (
                f"on_conflict must name a unique key of {self._table_context.name}: "
                f"{' or '.join(self.keys)}.{did_you_mean(text, self.keys)}"
            )
            raise invalid_option(ON_CONFLICT, message, text)
        return key

    def _fields(self, text: str) -> tuple[str, ...]:
        if not text:
            message = (
                "update is empty: name the fields that a conflict changes, leave it out to change "
                "those that the body names, or keep the row with keep=true"
            )
            raise invalid_option("update", message, text)
        names = dict.fromkeys(text.split(","))
        return tuple(self._field(name) for name in names)

    def _field(self, name: str) -> str:
        if name in self.changeable:
            return self.changeable[name]
        known = f"A conflict can change {', '.join(self.changeable) or 'no field'}."
        raise invalid_option("update", f"{self._why_not(name)}. {known}", name)

    def _why_not(self, name: str) -> str:
        """Say why a conflict cannot change a field."""
        create, update = self._table_context.create, self._table_context.update
        by_json_name = {create.json_name(field): field for field in create.schema.model_fields}
        field = by_json_name.get(name)
        if field is None:
            suggestion = did_you_mean(name, self.changeable)
            return f"{create.schema.__name__} has no field {name!r}.{suggestion}".rstrip(".")
        column: Any = self._table_context.shape.columns.get(field)
        if column is None:
            return f"{name} is not stored"
        if column.primary_key:
            return f"{name} is part of the primary key, which never changes"
        if column.frozen:
            return f"{name} is frozen: it is only set when the row is created"
        return f"{update.schema.__name__} has no field {name!r}"


def invalid_option(name: str, message: str, value: str, *, constraint: str = "") -> QueryError:
    """Build the error of a query parameter.

    Args:
        name: Its name.
        message: What is wrong with it.
        value: Its value.
        constraint: The violated constraint; its name by default.
    """
    return QueryError([error_entry(constraint or name, ("query", name), message, value)])
