"""The first step of a write: the body of a request becomes a ``ChangeSet``."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import to_json

from colonnade.errors import QueryError, error_entry
from colonnade.query import Scopes, read_value
from colonnade.rows import MAX_ERRORS, NO_VALUES, BodyReader, check_batch_size
from colonnade.writes._changes import Change, ChangeSet, Key, Values
from colonnade.writes._table_context import TableContext

Parsed = tuple[Values, BaseModel]
"""The values of a body by field, and the validated schema."""


class RowParser:
    """Parses the rows of one table.

    Args:
        table_context: The table.
        max_rows: The maximum number of rows in a body.
    """

    def __init__(self, table_context: TableContext, max_rows: int) -> None:
        self._table_context = table_context
        self._max_rows = max_rows

    def create(
        self,
        body: bytes,
        scopes: Scopes,
        reader: BodyReader | None = None,
        *,
        with_instance: bool = True,
    ) -> ChangeSet:
        """Parse a new row.

        Args:
            body: The JSON of the row.
            scopes: The scopes of the request.
            reader: The reader of the body, if it is not that of the table.
            with_instance: Whether the change needs the validated schema, for a hook.

        Raises:
            QueryError: The create schema does not accept it.
        """
        inputs, scope_values = reader or self._table_context.create, self._scope_values(scopes)
        values = None if with_instance or scope_values else inputs.plain_values(body)
        instance: BaseModel | None = None
        if values is None:
            values, instance = parse_row(inputs, body, scope_values=scope_values)
        change = Change("create", values, scopes, body=instance, reader=reader)
        return ChangeSet("create", [change], scopes)

    def create_many(self, body: bytes, scopes: Scopes) -> ChangeSet:
        """Parse an array of new rows.

        Raises:
            QueryError: It is too long, or the create schema does not accept a row.
        """
        rows = self.parse_rows(body, scopes)
        changes = [Change("create", values, scopes, body=instance) for values, instance in rows]
        return ChangeSet("create", changes, scopes)

    def update(
        self,
        body: bytes,
        scopes: Scopes,
        key: Key,
        expected: frozenset[str] | None,
        *,
        with_instance: bool = True,
    ) -> ChangeSet:
        """Parse the changed values of a row.

        Args:
            body: The JSON of the changed fields.
            scopes: The scopes of the request.
            key: The key of the row.
            expected: The versions of the row that are accepted; None for any.
            with_instance: Whether the change needs the validated schema, for a hook.

        Raises:
            QueryError: The update schema does not accept it.
        """
        inputs = self._table_context.update
        values = None if with_instance else inputs.plain_values(body)
        instance: BaseModel | None = None
        if values is None:
            values, instance = parse_row(inputs, body)
        change = Change("update", values, scopes, key, expected, instance)
        return ChangeSet("update", [change], scopes)

    def update_many(self, body: bytes, scopes: Scopes) -> ChangeSet:
        """Parse an array of keys and changed values.

        Raises:
            QueryError: It is too long, or the update schema does not accept a row.
        """
        changes = [
            Change("update", values, scopes, key, body=instance)
            for key, values, instance in self._keyed_rows(body, scopes)
        ]
        return ChangeSet("update", changes, scopes)

    def delete(
        self, keys: Iterable[Key], scopes: Scopes, expected: frozenset[str] | None = None
    ) -> ChangeSet:
        """Build the deletion of rows; a row that is named twice is deleted once."""
        changes = [Change("delete", {}, scopes, key, expected) for key in dict.fromkeys(keys)]
        return ChangeSet("delete", changes, scopes)

    def parse_rows(self, body: bytes, scopes: Scopes) -> list[Parsed]:
        """Parse an array of new rows.

        Raises:
            QueryError: It is too long, or the create schema does not accept a row.
        """
        inputs, scope_values = self._table_context.create, self._scope_values(scopes)
        parsed = inputs.parse_list(body, self._max_rows, scope_values=scope_values)
        return [
            (inputs.values(row, ("body", index), scope_values), row)
            for index, row in enumerate(parsed)
        ]

    def _scope_values(self, scopes: Scopes) -> Mapping[str, Any]:
        """The values that the scopes give a new row."""
        return scopes.values(self._table_context.shape.table)

    def _keyed_rows(self, body: bytes, scopes: Scopes) -> list[tuple[Key, Values, BaseModel]]:
        try:
            payload = self._table_context.update.parse_json(body or b"null")
        except ValueError as error:
            raise _batch_error(("body",), f"The body is not valid JSON: {error}") from None
        if not isinstance(payload, list):
            raise _batch_error(("body",), "The body must be a JSON array of objects")
        check_batch_size(len(payload), self._max_rows, ("body",))
        columns, values = self._table_context.keys.columns, self._scope_values(scopes)
        key = self._table_context.shape.primary_key
        outer = {each.name: values[each.name] for each in key if each not in columns}
        errors: list[dict[str, Any]] = []
        rows = []
        for index, row in enumerate(payload):
            try:
                rows.append(self._keyed_row(row, ("body", index), outer))
            except QueryError as error:
                errors += error.errors
            if len(errors) >= MAX_ERRORS:
                break
        if errors:
            raise QueryError(errors)
        return rows

    def _keyed_row(
        self, row: Any, loc: tuple[Any, ...], outer: Mapping[str, Any]
    ) -> tuple[Key, Values, BaseModel]:
        """Parse a changed row with its key, of which ``outer`` has the columns in the path."""
        if not isinstance(row, dict):
            raise _batch_error(loc, "Each row must be a JSON object")
        rest = dict(row)
        key = []
        table_context = self._table_context
        columns = table_context.shape.primary_key
        for name, column in zip(table_context.key_names, columns, strict=True):
            if name not in rest and column.name in outer:
                key.append(outer[column.name])
                continue
            if name not in rest:
                raise _batch_error((*loc, name), "The key of the row is required")
            try:
                key.append(read_value(column)(rest.pop(name)))
            except ValidationError as error:
                raise _batch_error((*loc, name), error.errors()[0]["msg"]) from None
        return (tuple(key), *parse_row(table_context.update, to_json(rest), loc))


def parse_row(
    inputs: BodyReader,
    body: bytes,
    loc: tuple[Any, ...] = ("body",),
    scope_values: Mapping[str, Any] = NO_VALUES,
) -> Parsed:
    """Parse one row.

    Args:
        inputs: The reader of the row.
        body: Its JSON.
        loc: Its location.
        scope_values: The values that the scopes give a new row.

    Raises:
        QueryError: The schema does not accept it.
    """
    instance = inputs.parse(body, loc, scope_values)
    return inputs.values(instance, loc, scope_values), instance


def _batch_error(loc: tuple[Any, ...], message: str) -> QueryError:
    return QueryError([error_entry("batch", loc, message)])
