"""The response to a nested write: each row with the related rows that were written."""

from pydantic_core import to_json

from colonnade.resources.writes.nested._rows import NestedRow, RelationChanges


def body_of(row: NestedRow) -> bytes:
    """Return the JSON of a row, with the related rows that the request wrote.

    Args:
        row: The row, whose ``written`` is rendered.
    """
    body: bytes = row.written.body
    always_included = row.table.table_context.queryable.always_included
    parts = [body[1:-1]] if len(body) > 2 else []
    parts += [
        to_json(changes.relation.name) + b":" + _related(changes)
        for changes in row.relations
        if changes.relation.name not in always_included and _says_something(changes)
    ]
    return b"{" + b",".join(parts) + b"}"


def _says_something(changes: RelationChanges) -> bool:
    """Whether a response can show what was done: null would say that there is no related row."""
    is_removed = changes.disconnects_one or changes.deletes_one
    return bool(changes.relation.relation.is_list or changes.results or is_removed)


def _related(changes: RelationChanges) -> bytes:
    bodies = [body_of(row) for row in changes.results]
    if changes.relation.relation.is_list:
        return b"[" + b",".join(bodies) + b"]"
    return bodies[0] if bodies else b"null"
