"""What each request of the state machine does to the rows of its plain Python model."""

from collections.abc import Iterable
from typing import Any

from tests.resources.writes.state_model import (
    CHANGED,
    INVALID,
    NOT_FOUND,
    TABLES,
    Row,
    Store,
)

Answer = tuple[int, Any]
"""The status and the body of a response."""

OK = {"ok": True}


def check_fields(table: str, body: Row, names: Iterable[str]) -> None:
    """Refuse unknown fields, and values that are not valid."""
    if not body.keys() <= set(names):
        raise INVALID
    if len(body.get("title", "")) > 4 or body.get("role", "assignee") not in (
        "assignee",
        "reviewer",
    ):
        raise INVALID


def check_new(table: str, body: Row, fixed: Iterable[str] = ()) -> Row:
    """Return the values of a body that creates a row, without fields that the request sets."""
    key = [name for name in TABLES[table].key if name not in fixed]
    check_fields(table, body, {*key, *_fields(table)} - set(fixed))
    if not body.keys() >= set(key):
        raise INVALID
    return body


def check_changes(table: str, body: Row, fixed: Iterable[str] = ()) -> Row:
    """Return the values of a body that changes a row."""
    check_fields(table, body, _fields(table) - set(fixed))
    return body


def _fields(table: str) -> set[str]:
    """The fields that a body may have; another tenant is refused when the row is written."""
    return {*TABLES[table].defaults, *(["tenant"] if TABLES[table].is_scoped else [])}


def require_version(row: Row | None, expected: str | None) -> None:
    """Refuse a row that does not have the version of ``If-Match``."""
    if expected is None:
        return
    if row is None or (expected != "*" and expected != row["version"]):
        raise CHANGED


# One row


def create(store: Store, table: str, body: Row) -> Answer:
    return 201, store.insert(table, check_new(table, body))


def update(store: Store, table: str, key: str, body: Row, if_match: Any) -> Answer:
    return 200, _change(store, table, key, check_changes(table, body), if_match)


def delete(store: Store, table: str, key: str, if_match: Any) -> Answer:
    row = store.require(table, key)
    require_version(row, if_match)
    store.delete(table, key)
    return 200, OK


def create_below(store: Store, project: str, body: Row) -> Answer:
    """Create a task in a project."""
    values = check_new("task", body, ["project_id"])
    store.refuse_tenant(values)
    store.refuse_itself("task", values)
    store.require("project", project)
    return 201, store.insert("task", values | {"project_id": project})


# Batches


def create_many(store: Store, table: str, bodies: list[Row]) -> Answer:
    rows = [check_new(table, body) for body in bodies]
    return 201, [store.insert(table, row) for row in rows]


def update_many(store: Store, table: str, bodies: list[Row]) -> Answer:
    changes = []
    for body in bodies:
        if "id" not in body:
            raise INVALID
        rest = {name: value for name, value in body.items() if name != "id"}
        changes.append((body["id"], check_changes(table, rest)))
    return 200, [dict(_change(store, table, key, values)) for key, values in changes]


def _change(store: Store, table: str, key: str, values: Row, if_match: Any = None) -> Row:
    store.refuse_tenant(values)
    row = store.require(table, key)
    require_version(row, if_match)
    return store.update(table, row, values)


def delete_many(store: Store, table: str, keys: list[str]) -> Answer:
    for key in keys:
        store.require(table, key)
    for key in keys:
        store.delete(table, key)
    return 200, OK


# Upserts


def upsert(store: Store, table: str, body: Row, conflict: str, options: Row) -> Answer:
    return _upsert(store, table, check_new(table, body), conflict, options)


def upsert_many(store: Store, table: str, bodies: list[Row], conflict: str, options: Row) -> Answer:
    rows = [check_new(table, body) for body in bodies]
    statuses, written = [], []
    for values in rows:
        status, row = _upsert(store, table, values, conflict, options)
        statuses.append(status)
        written.append(dict(row))
    return min(statuses), written


def _upsert(store: Store, table: str, values: Row, conflict: str, options: Row) -> Answer:
    store.refuse_tenant(values)
    value = values.get(conflict)
    rows = [row for row in store.visible(table) if row[conflict] == value is not None]
    if not rows:
        return 201, store.insert(table, values)
    (row,) = rows
    if options.get("keep"):
        return 200, row
    chosen = options.get("update") or values.keys() - {conflict}
    names = [name for name in chosen if name in TABLES[table].defaults]
    defaults = TABLES[table].defaults
    return 200, store.update(table, row, {name: values.get(name, defaults[name]) for name in names})


def replace(store: Store, table: str, key: str, body: Row, headers: Row) -> Answer:
    """Create the row with a key, or set all its fields."""
    values = check_new(table, {"id": key} | body)
    store.refuse_tenant(values)
    if values["id"] != key:
        raise INVALID
    row = store.find(table, key)
    if "If-Match" in headers:
        require_version(row, headers["If-Match"])
    elif row is not None and "If-None-Match" in headers:
        store.refuse_itself(table, values)
        store.require_references(table, values)
        raise CHANGED
    if row is None:
        return 201, store.insert(table, values)
    return 200, store.update(
        table, row, {name: values.get(name, v) for name, v in TABLES[table].defaults.items()}
    )


# Links

LINKS = {"labels": ("label", "task_label"), "workers": ("worker", "assignment")}
"""The linked table and the link table of the relations of a task."""


def link(store: Store, task: str, relation: str, target: str, body: Row) -> Answer:
    """Link a task with a label or a worker, or change the fields of the link."""
    table, link_table = LINKS[relation]
    check_fields(link_table, body, TABLES[link_table].defaults)
    _require_both(store, task, table, target)
    stored = store.find(link_table, f"{task},{target}")
    if stored is not None:
        return 200, store.update(link_table, stored, body)
    return 200, store.insert(link_table, {"task_id": task, f"{table}_id": target, **body})


def unlink(store: Store, task: str, relation: str, target: str) -> Answer:
    table, link_table = LINKS[relation]
    _require_both(store, task, table, target)
    store.rows[link_table].pop(f"{task},{target}", None)
    return 200, OK


def _require_both(store: Store, task: str, table: str, target: str) -> None:
    if store.find("task", task) is None or store.find(table, target) is None:
        raise NOT_FOUND
