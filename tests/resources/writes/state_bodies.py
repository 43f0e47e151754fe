"""Random bodies for the state machine: mostly valid, but each kind of refusal is met as well."""

from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import Any

from tests.resources.writes.state_model import Row, Store, key_of
from tests.resources.writes.state_nested import LINKING, RELATIONS, Relation

KEYS = {
    "task": ("t1", "t2", "t3", "t4", "t5", "t6"),
    "project": ("p1", "p2", "p3"),
    "label": ("l1", "l2", "l3"),
    "worker": ("w1", "w2", "w3"),
}
"""The keys by table: there are few, so that requests meet the rows of earlier ones."""
SLUGS = ("s1", "s2", "s3", "s4", "s5")
UPSERTS: tuple[tuple[str, Row], ...] = (
    ("slug", {}), ("id", {}), ("slug", {"keep": True}), ("id", {"keep": True}),
    ("slug", {"update": ["title"]}), ("id", {"update": ["slug", "title"]}),
)  # fmt: skip
"""The key of an upsert, and its other query parameters."""


class Bodies:
    """Draws the parts of one request.

    Args:
        random: Makes the choices.
        store: The rows, which most requests take into account.
    """

    def __init__(self, random: Random, store: Store) -> None:
        self.random = random
        self.store = store
        self._used: set[Any] = set()
        store.tenant = self.choice("aaaaab")

    def choice(self, values: Iterable[Any]) -> Any:
        return self.random.choice(list(values))

    def some(self, values: list[str], count: int) -> list[str]:
        """Some different values."""
        chosen: list[str] = []
        for _ in range(min(count, len(values))):
            chosen.append(self.choice(value for value in values if value not in chosen))
        return chosen

    def rarely(self) -> bool:
        """Whether to do something that is probably refused."""
        return self.random.random() < 1 / 18

    def often(self) -> bool:
        return self.random.random() < 1 / 2

    def table(self) -> str:
        return str(self.choice(("task", "task", "project")))

    def key(self, table: str, *, is_new: bool = False, among: Iterable[str] | None = None) -> str:
        """A key that no row has, or that of a row; each key once."""
        stored = [key_of(table, row) for row in self.store.visible(table)]
        if among is not None:
            stored = list(among)
        free = [key for key in KEYS[table] if key not in self.store.rows[table]]
        return self._unused(free if is_new else stored, KEYS[table])

    def slug(self) -> str | None:
        rows = [*self.store.rows["task"].values(), *self.store.rows["project"].values()]
        taken = {row["slug"] for row in rows}
        if self.often():
            return None
        return self._unused([slug for slug in SLUGS if slug not in taken], SLUGS)

    def _unused(self, good: Sequence[str], every: Sequence[str]) -> str:
        rest = [value for value in good if value not in self._used]
        value: str = self.choice(every if not rest or self.rarely() else rest)
        self._used.add(value)
        return value

    def reference(self, table: str) -> str | None:
        """A foreign key, often to a row inside the scope."""
        stored = [row["id"] for row in self.store.visible(table)]
        key: str | None = self.choice(KEYS[table] if self.rarely() else [None, *stored])
        return key

    # Bodies without relations

    def changes(self, table: str, omitted: str = "") -> Row:
        """Some fields of a row."""
        body: Row = {}
        if self.often():
            body["title"] = "too long" if self.rarely() else self.choice("xyz")
        if table in ("task", "project") and self.often():
            body["slug"] = self.slug()
        for name, target in (("project_id", "project"), ("parent_id", "task")):
            if table == "task" and name != omitted and self.often():
                body[name] = self.reference(target)
        if self.rarely():
            body[self.choice(("color", "tenant"))] = "c"
        return body

    def new(self, table: str, omitted: str = "") -> Row:
        """A new row; sometimes its key is missing."""
        key = {} if self.rarely() else {"id": self.key(table, is_new=True)}
        return key | self.changes(table, omitted)

    def any_row(self, table: str) -> Row:
        """A row that may exist."""
        return self.changes(table) | {"id": self.key(table, is_new=self.often())}

    def many(self, body: Callable[[str], Row], table: str) -> list[Row]:
        return [body(table) for _ in range(self.choice((1, 2, 3)))]

    def condition(self, table: str, key: str) -> tuple[Any, dict[str, str]]:
        """The version that a request expects, and its header."""
        row = self.store.rows[table].get(key, {})
        if "version" not in row or self.often():
            return None, {}
        expected = -1 if self.rarely() else self.choice((row["version"], "*"))
        return expected, {"If-Match": "*" if expected == "*" else f'"{expected}-0"'}

    # Relations

    def tree(self, table: str, parent: str | None) -> Row:
        """The relations of a project or a task; without a parent, that of a new row."""
        if table == "project":
            return {"tasks": self.relation("project", "tasks", parent, 0)}
        return self.task_relations(parent, 0)

    def task_relations(self, parent: str | None, depth: int) -> Row:
        names = ["labels", "assignments", *(["subtasks"] if depth < 2 else [])]
        chosen = self.some(names, self.choice((0, 1, 2)))
        return {name: self.relation("task", name, parent, depth) for name in chosen}

    def relation(self, table: str, name: str, parent: str | None, depth: int) -> Any:
        """What a body asks of a relation."""
        relation = RELATIONS[table][name]
        verbs = ["connect", "create"]
        if parent is not None:
            verbs += ["update", "upsert", "disconnect", "delete", "set"]
        if relation.is_part_of_key and not self.rarely():
            verbs = [verb for verb in verbs if verb not in LINKING]
        chosen = self.some(verbs, self.choice((1, 2, 3)))
        body = {
            verb: [
                self.item(relation, verb, parent, depth + 1)
                for _ in range(self.choice((0, 1, 1, 2)))
            ]
            for verb in chosen
        }
        return body["create"] if parent is None and body.keys() == {"create"} else body

    def item(self, relation: Relation, verb: str, parent: str | None, depth: int) -> Any:
        """A row of a relation, or its key."""
        key = self.related_key(relation, verb, parent)
        if verb not in ("create", "update", "upsert"):
            return key
        if relation.is_part_of_key:
            return {"worker_id": key, "role": self.choice(("assignee", "reviewer"))}
        row = self.changes(relation.table, "" if relation.link else relation.foreign_key)
        if relation.table == "task":
            row |= self.task_relations(key if verb == "update" else None, depth)
        if verb != "create" and relation.table == "task" and self.rarely():
            row["version"] = self.choice((0, 1))
        return row if self.rarely() else row | {"id": key}

    def related_key(self, relation: Relation, verb: str, parent: str | None) -> str:
        """The key of a related row, or of one that can become related."""
        if relation.is_part_of_key:
            workers = [row["id"] for row in self.store.visible("worker")]
            linked = self._linked("assignment", parent, "worker_id")
            free = [key for key in workers if key not in linked]
            return self.key("worker", among=free if verb == "create" else linked)
        if verb == "create" or (verb == "upsert" and self.often()):
            return self.key(relation.table, is_new=True)
        if verb in ("connect", "set"):
            return self.key(relation.table)
        if relation.link:
            return self.key("label", among=self._linked(relation.link, parent, "label_id"))
        rows = self.store.visible(relation.table)
        among = [row["id"] for row in rows if parent and row[relation.foreign_key] == parent]
        return self.key(relation.table, among=among)

    def _linked(self, table: str, task: str | None, name: str) -> list[str]:
        return [row[name] for row in self.store.rows[table].values() if row["task_id"] == task]
