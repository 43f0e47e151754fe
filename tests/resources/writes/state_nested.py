"""What a nested body does to the rows of the plain Python model.

All rows of a table at one level are written together, and then their relations, one after another:
disconnect, delete, connect, update, upsert and create.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.resources.writes.state_model import INVALID, NOT_FOUND, Row, Store, key_of
from tests.resources.writes.state_requests import (
    Answer,
    check_changes,
    check_new,
    require_version,
)

Kind = Literal["create", "update"]
Path = tuple[str | int, ...]
LINKING = ("connect", "disconnect", "set")
"""The verbs that change the relation of a row alone."""


@dataclass(frozen=True)
class Relation:
    """A relation that a body may write.

    Attributes:
        table: The table of the related rows.
        foreign_key: Their field that refers to the row, or that of the link.
        link: The link table.
    """

    table: str
    foreign_key: str
    link: str | None = None

    @property
    def is_part_of_key(self) -> bool:
        """Whether a related row belongs to its parent for ever."""
        return self.table == "assignment"

    def key(self, parent: str, key: str) -> str:
        """Return the whole key of a related row."""
        return f"{parent},{key}" if self.is_part_of_key else key


RELATIONS: dict[str, dict[str, Relation]] = {
    "project": {"tasks": Relation("task", "project_id")},
    "task": {
        "subtasks": Relation("task", "parent_id"),
        "labels": Relation("label", "task_id", "task_label"),
        "assignments": Relation("assignment", "task_id"),
    },
}
"""The relations by table, in the order in which they are written."""


@dataclass(eq=False)
class Node:
    """A row of a nested body, and what the body asks of its relations."""

    table: str
    kind: Kind
    values: Row
    key: str = ""
    version: Any = None
    relations: dict[str, dict[str, list[Any]]] = field(default_factory=dict)
    shown: dict[str, list["Node"]] = field(default_factory=dict)
    row: Row = field(default_factory=dict)


class Parser:
    """Turns a body into nodes; an invalid one is a 422, whatever else is wrong with it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.named: dict[Any, Path] = {}

    def node(
        self, table: str, kind: Kind, body: Row, path: Path, fixed: Iterable[str] = ()
    ) -> Node:
        relations = RELATIONS.get(table, {})
        plain = {name: value for name, value in body.items() if name not in relations}
        check = check_new if kind == "create" else check_changes
        node = Node(table, kind, check(table, plain, fixed))
        for name, relation in relations.items():
            if name in body:
                node.relations[name] = self._verbs(relation, kind, body[name], (*path, name))
        return node

    def name(self, identity: Any, path: Path) -> None:
        """Refuse a row that the body has at two places."""
        if self.named.setdefault(identity, path) != path:
            raise INVALID

    def _verbs(
        self, relation: Relation, kind: Kind, value: Any, path: Path
    ) -> dict[str, list[Any]]:
        if isinstance(value, list):
            if kind == "update":
                raise INVALID
            value = {"create": value}
        allowed = {"create", "connect"}
        if kind == "update":
            allowed |= {"disconnect", "set", "update", "upsert", "delete"}
        elif not value:
            raise INVALID
        if relation.is_part_of_key:
            allowed -= {*LINKING}
        if not value.keys() <= allowed:
            raise INVALID
        return {
            verb: [
                self._item(relation, verb, item, (*path, verb, index))
                for index, item in enumerate(items)
            ]
            for verb, items in value.items()
        }

    def _item(self, relation: Relation, verb: str, item: Any, path: Path) -> Any:
        fixed = () if relation.link else (relation.foreign_key,)
        if verb == "create":
            return self.node(relation.table, "create", item, path, fixed)
        if verb in ("update", "upsert"):
            return self._stored(relation, verb, item, path, fixed)
        self._name(relation, verb, item, path)
        return item

    def _stored(self, relation: Relation, verb: str, item: Row, path: Path, fixed: Any) -> Any:
        name = "worker_id" if relation.is_part_of_key else "id"
        if name not in item:
            raise INVALID
        body = {field: value for field, value in item.items() if field not in (name, "version")}
        update = self.node(relation.table, "update", body, path, fixed)
        update.key, update.version = item[name], item.get("version")
        self._name(relation, verb, update.key, path)
        if verb == "update":
            return update
        new = {**body, name: item[name]}
        return update, self.node(relation.table, "create", new, path, fixed)

    def _name(self, relation: Relation, verb: str, key: str, path: Path) -> None:
        parent = path[:-2]
        if relation.link or relation.is_part_of_key:
            self.name((relation.table, key, parent), path)
        if not (relation.is_part_of_key or (relation.link and verb in LINKING)):
            self.name((relation.table, key, None), path)


class Writer:
    """Writes nodes, and refuses a row that would be changed twice."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.updated: set[tuple[str, str]] = set()

    def write(self, nodes: list[Node]) -> None:
        if not nodes:
            return
        for node in nodes:
            self._refuse_second_update(node)
        for node in nodes:
            self._write_row(node)
        for name, relation in RELATIONS.get(nodes[0].table, {}).items():
            parents = [node for node in nodes if name in node.relations]
            if parents:
                handler = Links if relation.link else Children
                handler(self, name, relation, parents).write()

    def _refuse_second_update(self, node: Node) -> None:
        if node.kind == "update":
            if (node.table, node.key) in self.updated:
                raise INVALID
            self.updated.add((node.table, node.key))

    def _write_row(self, node: Node) -> None:
        if node.kind == "create":
            node.row = dict(self.store.insert(node.table, node.values))
            node.key = key_of(node.table, node.row)
            return
        self.store.refuse_tenant(node.values)
        row = self.store.require(node.table, node.key)
        require_version(row, node.version)
        node.row = dict(self.store.update(node.table, row, node.values))


class Related:
    """The changes of one relation, of all rows that have some."""

    def __init__(self, writer: Writer, name: str, relation: Relation, parents: list[Node]) -> None:
        self.writer, self.store = writer, writer.store
        self.relation, self.table = relation, relation.table
        self.items = [(parent, parent.relations[name]) for parent in parents]
        self.name = name
        self.stored = {key_of(self.table, row) for row in self.store.visible(self.table)}
        self.current = {parent.key: self._related(parent.key) for parent in parents}
        for parent in parents:
            parent.shown[name] = []

    def write(self) -> None:
        """Check all rows that the body names, and then do what it asks for."""
        for parent, verbs in self.items:
            self.check(parent, verbs)
        self.disconnect()
        self.delete()
        self.connect()
        self.update()
        self.create()

    def check(self, parent: Node, verbs: dict[str, list[Any]]) -> None: ...

    def disconnect(self) -> None: ...

    def delete(self) -> None: ...

    def connect(self) -> None: ...

    def update(self) -> None:
        nodes = []
        for parent, verbs in self.items:
            for node in self.updates(verbs):
                parent.shown[self.name].append(node)
                nodes.append(node)
        self.writer.write(nodes)

    def create(self) -> None:
        created = []
        for parent, verbs in self.items:
            upserts = [new for old, new in verbs.get("upsert", []) if old.key not in self.stored]
            for node in [*upserts, *verbs.get("create", [])]:
                if not self.relation.link:
                    node.values = {**node.values, self.relation.foreign_key: parent.key}
                parent.shown[self.name].append(node)
                created.append((parent, node))
        self.writer.write([node for _, node in created])
        if self.relation.link:
            for parent, node in created:
                self.link(parent.key, node.key)

    def updates(self, verbs: dict[str, list[Any]]) -> list[Node]:
        """Return the updates of stored rows."""
        upserts = [old for old, _ in verbs.get("upsert", []) if old.key in self.stored]
        return [*verbs.get("update", []), *upserts]

    def removed(self, parent: Node, verbs: dict[str, list[Any]]) -> list[str]:
        """Return the rows that leave the relation."""
        removed = list(verbs.get("disconnect", []))
        if "set" in verbs:
            kept = {*verbs["set"], *verbs.get("connect", [])}
            removed += [key for key in self.current[parent.key] if key not in kept]
        return removed

    def require_stored(self, key: str) -> None:
        if key not in self.stored:
            raise NOT_FOUND

    def require_related(self, parent: Node, key: str) -> None:
        if key not in self.current[parent.key]:
            raise NOT_FOUND

    def require_expected_version(self, node: Node) -> None:
        if node.version is not None:
            require_version(self.store.require(self.table, node.key), node.version)

    def link(self, parent: str, key: str) -> None:
        """Link two rows, unless they are linked."""
        if f"{parent},{key}" not in self.store.rows["task_label"]:
            self.store.insert("task_label", {"task_id": parent, "label_id": key})

    def _related(self, parent: str) -> list[str]:
        if self.relation.link:
            links = self.store.rows[self.relation.link].values()
            return [row["label_id"] for row in links if row["task_id"] == parent]
        rows = self.store.visible(self.table)
        return [key_of(self.table, row) for row in rows if row[self.relation.foreign_key] == parent]


class Children(Related):
    """Rows that refer to their parent."""

    def check(self, parent: Node, verbs: dict[str, list[Any]]) -> None:
        for key in [*verbs.get("connect", []), *verbs.get("set", [])]:
            self.require_stored(key)
        for key in [*verbs.get("disconnect", []), *verbs.get("delete", [])]:
            self.require_related(parent, self.relation.key(parent.key, key))
        for node in [*verbs.get("update", []), *(old for old, _ in verbs.get("upsert", []))]:
            node.key = self.relation.key(parent.key, node.key)
        for node in self.updates(verbs):
            self.require_related(parent, node.key)
            self.require_expected_version(node)

    def disconnect(self) -> None:
        self.writer.write(
            [
                self._moved(key, None)
                for parent, verbs in self.items
                for key in self.removed(parent, verbs)
            ]
        )

    def delete(self) -> None:
        for parent, verbs in self.items:
            for key in verbs.get("delete", []):
                self.store.delete(self.table, self.relation.key(parent.key, key))

    def connect(self) -> None:
        moved, kept = [], []
        for parent, verbs in self.items:
            for key in [*verbs.get("connect", []), *verbs.get("set", [])]:
                if "set" in verbs and key in self.current[parent.key]:
                    row = self.store.require(self.table, key)
                    kept.append((parent, Node(self.table, "update", {}, key, row=row)))
                else:
                    moved.append((parent, self._moved(key, parent.key)))
        self.writer.write([node for _, node in moved])
        for parent, node in [*moved, *kept]:
            parent.shown[self.name].append(node)

    def _moved(self, key: str, parent: str | None) -> Node:
        return Node(self.table, "update", {self.relation.foreign_key: parent}, key)


class Links(Related):
    """Rows that a link table relates."""

    def check(self, parent: Node, verbs: dict[str, list[Any]]) -> None:
        for verb in ("connect", "disconnect", "delete", "set"):
            for key in verbs.get(verb, []):
                self.require_stored(key)
        for node in verbs.get("update", []):
            self.require_stored(node.key)

    def disconnect(self) -> None:
        for parent, verbs in self.items:
            for key in self.removed(parent, verbs):
                self.store.rows["task_label"].pop(f"{parent.key},{key}", None)

    def delete(self) -> None:
        for parent, verbs in self.items:
            for key in verbs.get("delete", []):
                self.require_related(parent, key)
        for _, verbs in self.items:
            for key in verbs.get("delete", []):
                self.store.delete("label", key)

    def connect(self) -> None:
        for parent, verbs in self.items:
            for key in [*verbs.get("connect", []), *verbs.get("set", [])]:
                self.link(parent.key, key)
                row = self.store.require("label", key)
                parent.shown[self.name].append(Node("label", "update", {}, key, row=row))

    def update(self) -> None:
        for parent, verbs in self.items:
            for node in self.updates(verbs):
                self.require_related(parent, node.key)
                if node.key in self.removed(parent, verbs):
                    raise NOT_FOUND
        super().update()


def create(store: Store, table: str, body: Row) -> Answer:
    """Create a row with its related rows."""
    node = Parser(store).node(table, "create", body, ())
    Writer(store).write([node])
    return 201, shown(store, node)


def update(store: Store, table: str, key: str, body: Row, if_match: Any) -> Answer:
    """Change a row and its related rows."""
    parser = Parser(store)
    parser.name((table, key, None), ())
    node = parser.node(table, "update", body, ())
    node.key, node.version = key, if_match
    Writer(store).write([node])
    return 200, shown(store, node)


def shown(store: Store, node: Node) -> Any:
    """Return a row as it was written, with its related rows that the body names."""
    relations = node.shown.items()
    return {**node.row, **{name: [shown(store, row) for row in rows] for name, rows in relations}}
