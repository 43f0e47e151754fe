"""A plain Python model of the tables of the state machine: dicts, and the rules of the tables."""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, Literal

Row = dict[str, Any]


class Refused(Exception):
    """The refusal of a request.

    Args:
        status: The status of the response.
        kind: The type of the problem.
    """

    def __init__(self, status: int, kind: str) -> None:
        super().__init__(status, kind)
        self.status = status
        self.kind = kind


INVALID = Refused(422, "invalid")
NOT_FOUND = Refused(404, "not_found")
CHANGED = Refused(412, "changed")
TAKEN = Refused(409, "unique")
NO_SUCH_ROW = Refused(409, "foreign_key")
CYCLE = Refused(409, "cycle")
REFERENCED = Refused(409, "referenced")


@dataclass(frozen=True)
class Reference:
    """A foreign key to the only column of a key."""

    table: str
    on_delete: Literal["CASCADE", "SET NULL", "NO ACTION"]


@dataclass(frozen=True)
class Table:
    """What is known of a table.

    Attributes:
        key: The fields of the primary key.
        defaults: The other fields of a body, with their defaults.
        references: The foreign keys by field.
        is_scoped: Whether a row belongs to a tenant.
        unique: The fields that are unique.
    """

    key: tuple[str, ...]
    defaults: Row = field(default_factory=dict)
    references: dict[str, Reference] = field(default_factory=dict)
    is_scoped: bool = False
    unique: tuple[str, ...] = ()


OF_TASK = Reference("task", "CASCADE")
TABLES = {
    "project": Table(("id",), {"slug": None, "title": ""}, {}, True, ("slug",)),
    "label": Table(("id",), {"title": ""}),
    "worker": Table(("id",), {"title": ""}),
    "task": Table(
        ("id",),
        {"slug": None, "title": "", "project_id": None, "parent_id": None},
        {"project_id": Reference("project", "SET NULL"), "parent_id": OF_TASK},
        True,
        ("slug",),
    ),
    "task_label": Table(
        ("task_id", "label_id"), {}, {"task_id": OF_TASK, "label_id": Reference("label", "CASCADE")}
    ),
    "assignment": Table(
        ("task_id", "worker_id"),
        {"role": "assignee"},
        {"task_id": OF_TASK, "worker_id": Reference("worker", "NO ACTION")},
    ),
}
"""The tables of the app, parents first."""


def key_of(table: str, row: Row) -> str:
    """Return the key of a row as a path has it."""
    return ",".join(row[name] for name in TABLES[table].key)


class Store:
    """The rows of all tables by key, and the constraints that hold for them.

    Attributes:
        rows: The rows by table and key.
        tenant: The tenant of the request.
        created: The rows that the request has created.
    """

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Row]] = {name: {} for name in TABLES}
        self.tenant = "a"
        self.created: set[tuple[str, str]] = set()

    def copy(self) -> dict[str, dict[str, Row]]:
        """Return a copy of all rows."""
        return deepcopy(self.rows)

    def find(self, table: str, key: str) -> Row | None:
        """Return a row inside the scope."""
        return next((row for row in self.visible(table) if key_of(table, row) == key), None)

    def visible(self, table: str) -> list[Row]:
        """Return the rows inside the scope."""
        rows = self.rows[table].values()
        return [row for row in rows if row.get("tenant", self.tenant) == self.tenant]

    def require(self, table: str, key: str) -> Row:
        """Return a row inside the scope, or refuse the request with 404."""
        row = self.find(table, key)
        if row is None:
            raise NOT_FOUND
        return row

    def insert(self, table: str, values: Row) -> Row:
        """Create a row."""
        self.refuse_tenant(values)
        row = {name: values[name] for name in TABLES[table].key} | TABLES[table].defaults | values
        if TABLES[table].is_scoped:
            row |= {"tenant": self.tenant, "version": 0}
        key = key_of(table, row)
        self.refuse_itself(table, row)
        self.require_references(table, row)
        if key in self.rows[table]:
            raise TAKEN
        self._require_unique(table, row, None)
        self.rows[table][key] = row
        self.created.add((table, key))
        return row

    def update(self, table: str, row: Row, values: Row) -> Row:
        """Change fields of a row; without fields, it keeps its version."""
        if not values:
            return row
        self.require_references(table, values)
        self._refuse_cycle(row, values)
        self._require_unique(table, values, row)
        row.update(values)
        if "version" in row:
            row["version"] += 1
        return row

    def delete(self, table: str, key: str) -> None:
        """Delete a row, and do what the foreign keys to it ask for."""
        for other, name, reference in list(self._references_to(table)):
            for row in [row for row in self.rows[other].values() if row[name] == key]:
                if reference.on_delete == "NO ACTION":
                    raise REFERENCED
                if reference.on_delete == "SET NULL":
                    row[name] = None
                elif key_of(other, row) in self.rows[other]:
                    self.delete(other, key_of(other, row))
        self.rows[table].pop(key, None)

    def refuse_tenant(self, values: Row) -> None:
        """Refuse a body with another tenant than that of the request."""
        if "tenant" in values:
            raise INVALID

    def refuse_itself(self, table: str, row: Row) -> None:
        """Refuse a new row that is its own parent."""
        if row.get("parent_id") == key_of(table, row):
            raise CYCLE

    def _references_to(self, table: str) -> Iterator[tuple[str, str, Reference]]:
        for other, description in TABLES.items():
            for name, reference in description.references.items():
                if reference.table == table:
                    yield other, name, reference

    def require_references(self, table: str, values: Row) -> None:
        """Refuse foreign keys to rows that do not exist, or are outside the scope."""
        for name, reference in TABLES[table].references.items():
            if values.get(name) is not None and self.find(reference.table, values[name]) is None:
                raise NO_SUCH_ROW

    def _require_unique(self, table: str, values: Row, stored: Row | None) -> None:
        for name in TABLES[table].unique:
            value = values.get(name)
            others = [row for row in self.rows[table].values() if row is not stored]
            if value is not None and any(row[name] == value for row in others):
                raise TAKEN

    def _refuse_cycle(self, row: Row, values: Row) -> None:
        above = values.get("parent_id")
        while above is not None:
            if above == row["id"]:
                raise CYCLE
            above = self.rows["task"].get(above, {}).get("parent_id")
