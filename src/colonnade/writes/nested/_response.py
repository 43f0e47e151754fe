"""The response to a nested write: each row with the related rows that were written."""

from collections.abc import Mapping, Sequence

from pydantic_core import to_json

from colonnade.writes._table_context import render_row
from colonnade.writes.nested._rows import NestedRow, RelationChanges


def body_of(row: NestedRow) -> str:
    """Return the JSON of a row, with the related rows that the request wrote.

    Args:
        row: The row.

    Raises:
        UnreadableRowError: A row cannot be rendered.
    """
    view = row.table.table_context.view
    body = row.written.body
    if not (isinstance(body, str) and view.is_exact):
        body = render_row(view, body).decode()
    if not row.relations:
        return str(body)
    always_included = row.table.table_context.queryable.always_included
    related = {
        changes.relation.name: _related(changes)
        for changes in row.relations
        if changes.relation.name not in always_included and _says_something(changes)
    }
    return _with_members(body, related)


def with_relations(body: str, texts: Mapping[str, Sequence[str]]) -> str:
    """Add relations to the JSON of a row.

    Args:
        body: The JSON of the row.
        texts: The JSON of the rows of each relation.
    """
    return _with_members(body, {name: f"[{','.join(rows)}]" for name, rows in texts.items()})


def _with_members(body: str, members: Mapping[str, str]) -> str:
    parts = [body[1:-1]] if len(body) > 2 else []
    parts += [f"{to_json(name).decode()}:{text}" for name, text in members.items()]
    return f"{{{','.join(parts)}}}"


def _says_something(changes: RelationChanges) -> bool:
    """Whether a response can show what was done: null would mean no related row."""
    is_removed = changes.disconnects_one or changes.deletes_one
    return bool(changes.relation.relation.is_list or changes.results or is_removed)


def _related(changes: RelationChanges) -> str:
    bodies = [body_of(row) for row in changes.results]
    if changes.relation.relation.is_list:
        return f"[{','.join(bodies)}]"
    return bodies[0] if bodies else "null"
