"""The first step of an upsert or a replacement: a body becomes a ``ChangeSet``."""

from collections.abc import Collection, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import to_json

from colonnade.errors import QueryError, error_entry
from colonnade.models import to_base64
from colonnade.query import Scopes
from colonnade.rows import error_entries
from colonnade.writes._changes import Change, ChangeSet, Key, Values
from colonnade.writes._conflicts import Conflict
from colonnade.writes._table_context import TableContext
from colonnade.writes._unique_keys import UniqueKey
from colonnade.writes.parsing._rows import Parsed, RowParser, parse_row
from colonnade.writes.parsing._upsert_options import UpsertOptions
from colonnade.writes.rules._rules import refuse_values_outside_scope


class UpsertParser:
    """Parses the upserts and the replacements of one table.

    Args:
        table_context: The table.
        max_rows: The maximum number of rows in a batch.
        changeable: The fields that a conflict can change, by their names in a body.
    """

    def __init__(
        self, table_context: TableContext, max_rows: int, changeable: Mapping[str, str]
    ) -> None:
        self._table_context = table_context
        self._rows = RowParser(table_context, max_rows)
        self._changeable = changeable
        shape = table_context.shape
        self._primary_key = UniqueKey("", shape, shape.primary_key, shape.table.primary_key)

    def upsert(self, body: bytes, scopes: Scopes, options: UpsertOptions) -> ChangeSet:
        """Parse a row that is created, or changes the row that it conflicts with.

        Raises:
            QueryError: The create schema does not accept it.
        """
        scope_values = scopes.values(self._table_context.shape.table)
        parsed = parse_row(self._table_context.create, body, scope_values=scope_values)
        return ChangeSet("create", [self._upsert(parsed, options, scopes)], scopes)

    def upsert_many(self, body: bytes, scopes: Scopes, options: UpsertOptions) -> ChangeSet:
        """Parse rows that are created, or change the rows that they conflict with.

        Raises:
            QueryError: There are too many, or the create schema does not accept a row.
        """
        rows = self._rows.parse_rows(body, scopes)
        return ChangeSet("create", [self._upsert(row, options, scopes) for row in rows], scopes)

    def whole_row(
        self, body: bytes, scopes: Scopes, key: Key, expected: frozenset[str] | None
    ) -> Change:
        """Parse the whole row with a key.

        Args:
            body: The JSON of the row; it may leave out the key.
            scopes: The scopes of the request.
            key: The key.
            expected: The versions of a stored row that are accepted; None for any.

        Raises:
            QueryError: The create schema does not accept it, or it has another key.
        """
        table = self._table_context.shape.table
        values, instance = self._read_replacement(body, key, scopes.values(table))
        refuse_values_outside_scope(values, scopes.written(table))
        return Change("create", values, scopes, key, expected, instance)

    def replace_on_conflict(self, change: Change) -> None:
        """Make a new row replace the stored row with its primary key."""
        names = self._replaced_fields(change.body)
        change.conflict = self._conflict(self._primary_key, names, change, change.scopes)

    def _upsert(self, parsed: Parsed, options: UpsertOptions, scopes: Scopes) -> Change:
        values, instance = parsed
        change = Change("create", values, scopes, body=instance)
        if options.keeps:
            change.conflict = Conflict(options.key, keeps=True, values={})
            return change
        names: Collection[str] = options.update or [
            name
            for name in self._changeable.values()
            if name in instance.model_fields_set and name not in options.key.fields
        ]
        change.conflict = self._conflict(options.key, names, change, scopes)
        return change

    def _replaced_fields(self, instance: BaseModel) -> list[str]:
        """The fields that a replacement changes: not those that a client cannot have read."""
        readable = self._table_context.readable
        return [
            name
            for name in self._changeable.values()
            if name in instance.model_fields_set or name in readable
        ]

    def _conflict(
        self, key: UniqueKey, names: Collection[str], change: Change, scopes: Scopes
    ) -> Conflict:
        """Build what happens on a conflict: the stored row gets the new values of some fields."""
        set_by_scope = scopes.values(self._table_context.shape.table)
        names = [name for name in names if name not in set_by_scope]
        values = {name: change.values[name] for name in names if name in change.values}
        defaults = tuple(name for name in names if name not in change.values)
        conflict = Conflict(key, keeps=False, values=values, defaults=defaults)
        if not self._table_context.update.is_derived:
            self._apply_update_schema(conflict, change)
        return conflict

    def _apply_update_schema(self, conflict: Conflict, change: Change) -> None:
        """Validate the new values of a stored row with the update schema of the user."""
        inputs = self._table_context.update
        not_stored = change.body.model_fields_set - self._table_context.shape.columns.keys()
        named = [name for name in (*conflict.values, *not_stored) if _has(inputs.schema, name)]
        body = {inputs.json_name(name): getattr(change.body, name) for name in named}
        try:
            values = inputs.values(inputs.schema.model_validate(body))
        except ValidationError as error:
            conflict.error = QueryError(error_entries(error, ("body",)))
        except QueryError as error:
            conflict.error = error
        else:
            conflict.needs_lookup = values != conflict.values
            conflict.values = values
        conflict.needs_lookup = conflict.needs_lookup or conflict.error is not None

    # The key in the path

    def _read_replacement(self, body: bytes, key: Key, scope_values: Mapping[str, Any]) -> Parsed:
        inputs = self._table_context.create
        names = [column.name for column in self._table_context.shape.primary_key]
        in_path = dict(zip(names, key, strict=True))
        payload = _json_object(inputs.parse_json, body)
        added: set[str] = set()
        if payload is not None:
            added = {
                inputs.json_name(name)
                for name in names
                if not {name, inputs.json_name(name)} & payload.keys()
            }
            path_values = {inputs.json_name(name): _json(value) for name, value in in_path.items()}
            body = to_json({**payload, **{name: path_values[name] for name in added}})
        try:
            instance = inputs.parse(body, scope_values=scope_values)
            values = inputs.values(instance, scope_values=scope_values)
        except QueryError as error:
            raise QueryError([self._in_path(entry, added) for entry in error.errors]) from None
        self._refuse_another_key(values, in_path)
        return {**values, **in_path}, instance

    def _in_path(self, entry: dict[str, Any], added: set[str]) -> dict[str, Any]:
        """Locate an error of a part of the key that is only in the path."""
        is_in_path = len(entry["loc"]) > 1 and entry["loc"][1] in added
        return {**entry, "loc": ("path", self._table_context.keys.name)} if is_in_path else entry

    def _refuse_another_key(self, values: Values, in_path: Values) -> None:
        """Refuse a body with another key than the path.

        Raises:
            QueryError: A part of the key differs.
        """
        inputs = self._table_context.create
        errors = [
            error_entry(
                "key",
                ("body", inputs.json_name(name)),
                f"{inputs.json_name(name)} differs from the key in the path. Repeat it, or leave "
                f"it out of the body",
            )
            for name, value in in_path.items()
            if name in values and values[name] != value
        ]
        if errors:
            raise QueryError(errors)


def _json_object(parse: Any, body: bytes) -> dict[str, Any] | None:
    """The object in a body; None if it is something else, which the schema reports."""
    try:
        payload = parse(body) if body else None
    except (ValueError, RecursionError):
        return None
    return payload if isinstance(payload, dict) else None


def _json(value: Any) -> Any:
    """The value of a key as a body has it."""
    return to_base64(value) if isinstance(value, bytes) else value


def _has(schema: type[BaseModel], name: str) -> bool:
    return name in schema.model_fields
