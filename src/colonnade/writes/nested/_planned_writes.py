"""The statements of a row and its children on SQLite, which need not look stored rows up first.

The driver executes them in one trip to the worker thread. If a row of the body is missing or
refused, nothing is written, and the body is executed row by row, which finds out why.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, update

from colonnade.database import Plan, PlannedWork
from colonnade.query import compared_type, key_parameter, key_parameters, value_parameter
from colonnade.rows import ReturnedRow
from colonnade.writes._changes import Key, Values
from colonnade.writes.execution._row_writes import WrittenRow
from colonnade.writes.nested._response import with_relations
from colonnade.writes.nested._rows import NestedChanges, NestedRow, RelationChanges
from colonnade.writes.nested._tables import NestedRelation


def planned_writes(changes: NestedChanges) -> "PlannedWrites | None":
    """Return the statements of a body; None if rows must be looked up, or need other checks.

    Args:
        changes: The body.
    """
    if len(changes.rows) != 1 or changes.has_hooks or changes.scopes:
        return None
    (root,) = changes.rows
    if root.is_given or root.table.table_context.backend != "sqlite" or not _is_plain(root):
        return None
    if not all(_are_plain_children(relation_changes) for relation_changes in root.relations):
        return None
    if _may_update_twice(root.relations):
        return None
    return PlannedWrites(root)


def _is_plain(row: NestedRow) -> bool:
    """Whether one statement writes a row, and returns what the response shows of it."""
    change, writer = row.change, row.table.writer
    return not (
        change.scopes
        or change.expected is not None
        or row.table.table_context.view.has_related
        or writer.rows.needs_transaction(change)
        or (change.kind == "create" and row.reader.is_validated_later)
    )


def _are_plain_children(changes: RelationChanges) -> bool:
    relation = changes.relation
    if relation.side != "children" or not relation.relation.is_list or changes.has_other_verbs:
        return False
    key_names = {column.name for column in relation.source.shape.primary_key}
    if not key_names.issuperset(name for _, name in relation.pairs):
        return False
    sets_parent = relation.target.writer.bulk_statements.sets_parent
    return (
        all(_is_plain(rows[0]) for rows in (changes.update, changes.create) if rows)
        and all(row.change.values and row.change.expected is None for row in changes.update)
        and not any(
            row.relations or sets_parent(row.change.values, frozenset())
            for row in (*changes.update, *changes.create)
        )
    )


def _may_update_twice(relations: Sequence[RelationChanges]) -> bool:
    """Whether two relations may update one row, which parsing cannot tell from parts of its key."""
    updating = [changes.relation for changes in relations if changes.update]
    tables = [relation.target.shape.table for relation in updating]
    return any(
        tables.count(relation.target.shape.table) > 1
        for relation in updating
        if not relation.has_whole_key
    )


class PlannedWrites(PlannedWork[list[WrittenRow]]):
    """Writes a row, and its children with the key of the row.

    Args:
        root: The row.
    """

    def __init__(self, root: NestedRow) -> None:
        self._root = root

    def __call__(self, connection: Connection) -> list[WrittenRow]:
        """Execute the statements, and return the row.

        Raises:
            RejectedError: 404, a row is missing.
        """
        root = self._root
        row = self._root_statement()(connection)
        if row is None:
            raise root.table.table_context.not_found()
        key = root.change.key or root.table.writer.rows.key_of(row)
        texts = {
            changes.relation.name: [
                child.body for child in _write_children(connection, changes, key)
            ]
            for changes in root.relations
        }
        return [WrittenRow(with_relations(row.body, texts).encode(), row.state, row.key)]

    def _root_statement(self) -> Any:
        change, table = self._root.change.copy(), self._root.table
        rows = table.writer.rows
        if change.values or change.kind == "create":
            return rows.statement(change)[0]

        def make() -> Plan:
            return Plan(rows.statements.select_one(table.shape.table.alias(), change.scopes, []))

        return table.table_context.plans.get("stored row", make).first(key_parameters(change.key))


def _write_children(connection: Connection, changes: RelationChanges, key: Key) -> Iterator[Any]:
    """Update and create the children of the row with a key, and yield what is returned of each."""
    relation = changes.relation
    parent = dict(
        zip((column.name for column in relation.source.shape.primary_key), key, strict=True)
    )
    foreign_key = {field: parent[name] for field, name in relation.pairs}
    yield from _update(connection, relation, changes.update, foreign_key)
    if changes.create:
        rows = [row.change.values | foreign_key for row in changes.create]
        scopes = changes.create[0].change.scopes
        insert = relation.target.writer.bulk_statements.insert(rows, scopes, relation.fields)
        if insert is None:
            raise relation.target.table_context.not_found()
        yield from insert(connection)


def _update(
    connection: Connection, relation: NestedRelation, rows: list[NestedRow], foreign_key: Values
) -> Iterator[Any]:
    columns = relation.target.shape.columns
    shared = {_reference_parameter(name): value for name, value in foreign_key.items()}
    plans: dict[tuple[str, ...], Plan] = {}
    for row in rows:
        values = row.change.values
        names = tuple(values)
        if names not in plans:
            plans[names] = _update_plan(relation, row)
        parameters = {value_parameter(columns[name].column): values[name] for name in names}
        parameters |= key_parameters(row.change.key) | shared
        updated = plans[names].run_as_text(connection, parameters).first()
        if updated is None:
            raise relation.target.table_context.not_found()
        yield updated


def _update_plan(relation: NestedRelation, row: NestedRow) -> Plan:
    """The UPDATE of a child, which must refer to the row around it."""
    target, source = relation.target, relation.source
    table, columns = target.shape.table, target.shape.columns
    names = sorted(row.change.values)

    def make() -> Plan:
        compared = {key_parameter(i): column for i, column in enumerate(relation.key_columns)}
        compared |= {_reference_parameter(name): columns[name] for name in relation.fields}
        statement = update(table).where(
            *(
                column.column == bindparam(name, type_=compared_type(column))
                for name, column in compared.items()
            )
        )
        changed = [columns[name].column for name in names]
        values = {
            column: bindparam(value_parameter(column), type_=column.type) for column in changed
        }
        returned = target.writer.rows.statements.returning_columns(
            ReturnedRow(table), row.change.scopes, with_state=False
        )
        return Plan(statement.values(values).returning(*returned))

    structure = ("update child", source.shape.table.fullname, relation.name, *names)
    return target.table_context.plans.get(structure, make)


def _reference_parameter(name: str) -> str:
    """The parameter for a field of the foreign key that refers to the row around a child."""
    return f"reference_{name}"
