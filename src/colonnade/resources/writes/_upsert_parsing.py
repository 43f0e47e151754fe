"""The first step of an upsert or a replacement: a request becomes a ``ChangeSet``."""

from collections.abc import Collection, Mapping
from functools import partial
from typing import Any

from fastapi import Request
from pydantic import BaseModel, ValidationError
from pydantic_core import to_json

from colonnade.errors import QueryError, error_entry
from colonnade.models import to_base64
from colonnade.query import Scopes
from colonnade.resources.responses._bodies import json_body, read_body
from colonnade.resources.responses._etags import expected_versions
from colonnade.resources.responses._problems import Problem
from colonnade.resources.writes._changes import Change, ChangeSet, Key
from colonnade.resources.writes._conflicts import Conflict
from colonnade.resources.writes._parsing import Parsed, RequestParser
from colonnade.resources.writes._rules import Values, refuse_values_outside_scope
from colonnade.resources.writes._unique_keys import UniqueKey
from colonnade.resources.writes._upsert_options import UpsertOptions, UpsertOptionsReader
from colonnade.resources.writes.nested._tables import WritableTable
from colonnade.rows import error_entries


class UpsertParser(RequestParser):
    """Parses the upserts and the replacements of one table.

    Args:
        table: The table.
        max_rows: The maximum number of rows in a batch.

    Attributes:
        options: Reads the query parameters.
    """

    def __init__(self, table: WritableTable, max_rows: int) -> None:
        super().__init__(table, max_rows)
        table_context = table.table_context
        self.options = UpsertOptionsReader(table_context)
        shape = table_context.shape
        self._primary_key = UniqueKey("", shape, shape.primary_key, shape.table.primary_key)

    async def upsert(self, request: Request) -> ChangeSet:
        """Parse a row that is created, or changes the row that it conflicts with."""
        scopes, scope_values = self._scopes(request, has_query=True)
        options = self.options.read(request)
        read = partial(self._read_row, scope_values=scope_values)
        parsed = await read_body(await json_body(request), read)
        return ChangeSet("create", [self._upsert(parsed, options, scopes)], scopes)

    async def upsert_many(self, request: Request) -> ChangeSet:
        """Parse rows that are created, or change the rows that they conflict with."""
        scopes, scope_values = self._scopes(request, has_query=True)
        options = self.options.read(request)
        read = partial(self._read_rows, scope_values=scope_values)
        rows = await read_body(await json_body(request), read)
        return ChangeSet("create", [self._upsert(row, options, scopes) for row in rows], scopes)

    async def replace(self, request: Request, key: Key) -> ChangeSet:
        """Parse the whole row with a key.

        ``If-Match`` makes it an update, since the row must exist; ``If-None-Match: *`` a create.

        Raises:
            Problem: 412, both headers contradict each other.
        """
        scopes, scope_values = self._scopes(request)
        expected = expected_versions(request.headers.getlist("if-match"))
        must_exist, must_not_exist = "if-match" in request.headers, _creates_only(request)
        read = partial(self._read_replacement, key=key, scope_values=scope_values)
        values, instance = await read_body(await json_body(request), read)
        scope = scopes.written(self.table_context.shape.table)
        refuse_values_outside_scope(values, scope)
        if must_exist and must_not_exist:
            detail = "If-Match requires a stored row, and If-None-Match: * forbids it. Send one."
            raise Problem(412, detail, kind="changed")
        create = Change("create", values, scopes, key, expected, instance)
        if must_not_exist:
            return ChangeSet("create", [create], scopes)
        names = self._replaced_fields(instance)
        create.conflict = self._conflict(self._primary_key, names, create, scopes)
        if must_exist:
            return ChangeSet("update", [create.as_update(key)], scopes)
        return ChangeSet("create", [create], scopes)

    def _read_row(self, body: bytes, scope_values: Mapping[str, Any]) -> Parsed:
        inputs = self.table_context.create
        instance = inputs.parse(body, scope_values=scope_values)
        return inputs.values(instance, scope_values=scope_values), instance

    def _upsert(self, parsed: Parsed, options: UpsertOptions, scopes: Scopes) -> Change:
        values, instance = parsed
        change = Change("create", values, scopes, body=instance)
        if options.keeps:
            change.conflict = Conflict(options.key, keeps=True, values={})
            return change
        names: Collection[str] = options.update or [
            name
            for name in self.options.changeable.values()
            if name in instance.model_fields_set and name not in options.key.fields
        ]
        change.conflict = self._conflict(options.key, names, change, scopes)
        return change

    def _replaced_fields(self, instance: BaseModel) -> list[str]:
        """The fields that a replacement changes: a client that has read the row lacks secrets."""
        columns = self.table_context.shape.columns
        return [
            name
            for name in self.options.changeable.values()
            if name in instance.model_fields_set or not columns[name].secret
        ]

    def _conflict(
        self, key: UniqueKey, names: Collection[str], change: Change, scopes: Scopes
    ) -> Conflict:
        """Build what happens on a conflict: the stored row gets the new values of some fields."""
        set_by_scope = scopes.values(self.table_context.shape.table)
        names = [name for name in names if name not in set_by_scope]
        values = {name: change.values[name] for name in names if name in change.values}
        defaults = tuple(name for name in names if name not in change.values)
        conflict = Conflict(key, keeps=False, values=values, defaults=defaults)
        if not self.table_context.update.is_derived:
            self._apply_update_schema(conflict, change)
        return conflict

    def _apply_update_schema(self, conflict: Conflict, change: Change) -> None:
        """Validate the new values of a stored row with the update schema of the user."""
        inputs = self.table_context.update
        not_stored = change.body.model_fields_set - self.table_context.shape.columns.keys()
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
        inputs = self.table_context.create
        names = [column.name for column in self.table_context.shape.primary_key]
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
        return {**entry, "loc": ("path", self.table_context.keys.name)} if is_in_path else entry

    def _refuse_another_key(self, values: Values, in_path: Values) -> None:
        """Refuse a body with another key than the path.

        Raises:
            QueryError: A part of the key differs.
        """
        inputs = self.table_context.create
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


def _creates_only(request: Request) -> bool:
    """Whether ``If-None-Match: *`` forbids a stored row.

    Raises:
        QueryError: The header has ETags.
    """
    lines = request.headers.getlist("if-none-match")
    if not lines:
        return False
    loc = ("header", "if-none-match")
    if [line.strip() for line in lines] != ["*"]:
        message = "A PUT accepts If-None-Match: * only, to create a row; use If-Match for ETags"
        raise QueryError([error_entry("etag", loc, message)])
    return True


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
