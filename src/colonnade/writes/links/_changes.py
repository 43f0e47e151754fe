"""The first step of a link: the keys of two rows and a body become a ``LinkChange``."""

from dataclasses import dataclass
from typing import Any

from pydantic_core import to_json

from colonnade.errors import QueryError, error_entry
from colonnade.query import Scopes
from colonnade.rows import BodyReader
from colonnade.writes._changes import Key, Values
from colonnade.writes._errors import RejectedError
from colonnade.writes._keys import OUT_OF_RANGE
from colonnade.writes.links._tables import LinkTable
from colonnade.writes.rules._rules import refuse_values_outside_scope


@dataclass(frozen=True, slots=True)
class LinkChange:
    """A link to create, to update or to delete.

    Attributes:
        source: The key of the row that has the relation.
        target: The key of the related row.
        scopes: The scopes of the request.
        values: The values of the link besides the two keys, by field.
        updated: The fields that an existing link gets: those that the body names.
    """

    source: Key
    target: Key
    scopes: Scopes
    values: Values
    updated: frozenset[str]


def link_change(
    link: LinkTable, source: Key, target: Key, scopes: Scopes, body: bytes
) -> LinkChange:
    """Read the body of a link.

    Args:
        link: The link table.
        source: The key of the row that has the relation.
        target: The key of the related row.
        scopes: The scopes of the request.
        body: The JSON of the link's fields.

    Raises:
        QueryError: The body is not valid, or outside the scope.
        RejectedError: 404, a key is out of range for its column; 409, both rows cannot be linked.
    """
    refuse_conflicting_keys(link, source, target)
    inputs = link.inputs
    if inputs is None:
        if body.strip() not in (b"", b"{}"):
            raise _invalid(("body",), "This link has no fields: leave the body empty")
        return LinkChange(source, target, scopes, {}, frozenset())
    payload = _json_object(inputs, body or b"{}")
    in_path = link.key_fields & payload.keys()
    if in_path:
        message = "{} is in the path: leave it out of the body"
        raise QueryError(
            [error_entry("link", ("body", name), message.format(name)) for name in in_path]
        )
    scope = scopes.written(link.table)
    key_values = link.key_values(source, target)
    refuse_values_outside_scope(key_values, scope)
    scope_values = {} if scope is None else {**scope.values}
    try:
        instance = inputs.parse(to_json({**payload, **key_values}), scope_values=scope_values)
    except QueryError as error:
        _refuse_out_of_range(link, error, key_values)
        raise
    values = inputs.values(instance, scope_values=scope_values)
    refuse_values_outside_scope(values, scope)
    values = {**values, **scope_values}
    return LinkChange(
        source,
        target,
        scopes,
        {name: value for name, value in values.items() if name not in key_values},
        frozenset(instance.model_fields_set) - key_values.keys() - scope_values.keys(),
    )


def refuse_conflicting_keys(link: LinkTable, source: Key, target: Key) -> None:
    """Refuse two rows with different values of a column that both keys share, such as a tenant.

    Args:
        link: The link table.
        source: The key of the row that has the relation.
        target: The key of the related row.

    Raises:
        RejectedError: 409, the values differ.
    """
    left = dict(zip((column.key for column in link.source_side.columns), source, strict=True))
    right = dict(zip((column.key for column in link.target_side.columns), target, strict=True))
    conflicting = [name for name in left.keys() & right.keys() if left[name] != right[name]]
    if conflicting:
        names = " and ".join(sorted(conflicting))
        detail = (
            f"This {link.table_context.name} and this {link.target_name} cannot be linked: "
            f"linked rows must have the same {names}."
        )
        raise RejectedError(409, detail, kind="foreign_key")


def _refuse_out_of_range(link: LinkTable, error: QueryError, key_values: Values) -> None:
    """Refuse a number in the path that is out of range for its column.

    Raises:
        RejectedError: 404, no row can have the key.
    """
    source_length = len(link.source_side.columns)
    for index, name in enumerate(key_values):
        if any(
            entry["loc"][-1] == name and entry["type"] in OUT_OF_RANGE for entry in error.errors
        ):
            if index < source_length:
                raise link.table_context.not_found()
            raise link.target_not_found()


def _json_object(inputs: BodyReader, body: bytes) -> dict[str, Any]:
    try:
        payload = inputs.parse_json(body)
    except (ValueError, RecursionError) as error:
        raise _invalid(("body",), f"The body is not valid JSON: {error}") from None
    if not isinstance(payload, dict):
        raise _invalid(("body",), "The body must be a JSON object")
    return payload


def _invalid(loc: tuple[str, ...], message: str) -> QueryError:
    return QueryError([error_entry("link", loc, message)])
