"""The query parameters of an upsert: ``on_conflict``, ``update`` and ``keep``."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import Request

from colonnade.errors import QueryError, error_entry
from colonnade.query import did_you_mean
from colonnade.resources._reads import query_of
from colonnade.resources._table_context import TableContext
from colonnade.resources.writes._unique_keys import UniqueKey, unique_keys

ON_CONFLICT = "on_conflict"
PARAMETERS = (ON_CONFLICT, "update", "keep")


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
        self.keys = unique_keys(shape, create.schema.model_fields)
        self._by_fields = {frozenset(name.split(",")): key for name, key in self.keys.items()}
        self.changeable: Mapping[str, str] = {
            create.json_name(name): name
            for name in create.schema.model_fields
            if name in shape.columns
            and name in update.schema.model_fields
            and not shape.columns[name].frozen
        }
        """The fields that a conflict can change, by their names in a body."""

    def read(self, request: Request) -> UpsertOptions:
        """Read the parameters of a request.

        Raises:
            QueryError: 422, one of them is not valid.
        """
        parameters = self._parameters(request)
        update, keep = parameters.get("update"), parameters.get("keep", "false")
        if keep not in {"true", "false"}:
            raise _invalid("keep", "keep must be true or false", keep)
        if keep == "true" and update is not None:
            message = "keep=true keeps the stored row: leave out update, or keep"
            raise _invalid("update", message, update)
        names = None if update is None else self._fields(update)
        return UpsertOptions(self._key(parameters[ON_CONFLICT]), names, keep == "true")

    def _parameters(self, request: Request) -> dict[str, str]:
        pairs = query_of(request, PARAMETERS.__contains__)
        parameters: dict[str, str] = {}
        for name, value in pairs:
            if name not in PARAMETERS:
                known = ", ".join(PARAMETERS)
                message = f"Unknown parameter {name}. An upsert has the parameters {known}."
                message += did_you_mean(name, PARAMETERS)
                raise _invalid(name, message, value, constraint="unknown_parameter")
            if name in parameters:
                raise _invalid(name, f"{name} can be used only once", value, constraint="repeated")
            parameters[name] = value
        return parameters

    def _key(self, text: str) -> UniqueKey:
        key = self.keys.get(text) or self._by_fields.get(frozenset(text.split(",")))
        if key is None:
            message = (
                f"on_conflict must name a unique key of {self._table_context.name}: "
                f"{' or '.join(self.keys)}.{did_you_mean(text, self.keys)}"
            )
            raise _invalid(ON_CONFLICT, message, text)
        return key

    def _fields(self, text: str) -> tuple[str, ...]:
        if not text:
            message = (
                "update is empty: name the fields that a conflict changes, leave it out to change "
                "those that the body names, or keep the row with keep=true"
            )
            raise _invalid("update", message, text)
        names = dict.fromkeys(text.split(","))
        return tuple(self._field(name) for name in names)

    def _field(self, name: str) -> str:
        if name in self.changeable:
            return self.changeable[name]
        known = f"A conflict can change {', '.join(self.changeable) or 'no field'}."
        raise _invalid("update", f"{self._why_not(name)}. {known}", name)

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


def _invalid(name: str, message: str, value: str, *, constraint: str = "") -> QueryError:
    return QueryError([error_entry(constraint or name, ("query", name), message, value)])
