"""One statement for a row and its children, on PostgreSQL.

The statements of the row and of its children are CTEs of one SELECT, so that a nested body takes
one round trip without a transaction around it. If a row of the body is missing or refused, the
statement fails, and the body is executed step by step, which finds out why.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from pydantic_core import from_json
from sqlalchemy import (
    ARRAY,
    CTE,
    ColumnElement,
    FromClause,
    Text,
    and_,
    bindparam,
    case,
    cast,
    func,
    insert,
    literal_column,
    select,
    true,
    update,
)

from colonnade.database import Bound, Plan
from colonnade.models import Shape
from colonnade.query import Scopes, compared_type, key_parameters, value_parameter
from colonnade.rows import ReturnedRow
from colonnade.writes._changes import Key, Values
from colonnade.writes.execution._row_writes import WrittenRow
from colonnade.writes.nested._response import with_relations
from colonnade.writes.nested._rows import NestedChanges, NestedRow, RelationChanges
from colonnade.writes.nested._tables import NestedRelation
from colonnade.writes.rules._rules import apply_scope_values, refuse_values_outside_scope
from colonnade.writes.statements._bulk_statements import common_names, is_row_default, unnested
from colonnade.writes.statements._row_locks import after_locking, lock_in_order

ROOT = "colonnade_root"
"""The name of the CTE that writes the row itself."""


class _Children(NamedTuple):
    """The children of one relation that one CTE writes.

    Attributes:
        relation: The relation.
        kind: ``create`` or ``update``.
        values: The written fields of each child, by name.
        keys: The keys of the children to update, without what the relation sets.
        names: The written fields that differ between the children.
        automatic: The defaults that all children share.
        checked: The fields of the foreign key, which refers to the row itself.
        prefix: The prefix of the parameters, and the name of the CTE.
    """

    relation: NestedRelation
    kind: str
    values: list[Values]
    keys: list[Key]
    names: tuple[str, ...]
    automatic: Values
    checked: frozenset[str]
    prefix: str


def single_statement(changes: NestedChanges) -> Bound[WrittenRow | None] | None:
    """Build the statement of a body; None if the body needs several.

    Its result is the row; None if the row itself is missing or refused.

    Args:
        changes: The body.
    """
    if len(changes.rows) != 1 or changes.has_hooks:
        return None
    (root,) = changes.rows
    root = replace(root, change=root.change.copy())  # the original values are kept for a retry
    scopes = _merged_scopes(root)
    if scopes is None or not _is_simple_root(root, scopes):
        return None
    _apply_rules(root)
    groups: list[_Children] = []
    for relation_changes in root.relations:
        relation_groups = _children_of(relation_changes, scopes, len(groups))
        if relation_groups is None:
            return None
        groups += relation_groups
    return _Builder(root, groups, scopes).bound()


def _apply_rules(root: NestedRow) -> None:
    """Apply the rules of a row that need no statement."""
    change, scope = root.change, root.change.scopes.written(root.table.shape.table)
    if change.kind == "create":
        apply_scope_values(change.values, scope)
        root.table.writer.rows.trees.refuse_self(change.values)
    else:
        refuse_values_outside_scope(change.values, scope)


def _merged_scopes(root: NestedRow) -> Scopes | None:
    """The scopes of all tables of a body; None if two Resources see a table differently."""
    scopes: Scopes | None = root.change.scopes
    for changes in root.relations:
        scopes = None if scopes is None else scopes.merged(changes.scopes)
    return scopes


def _is_simple_root(root: NestedRow, scopes: Scopes) -> bool:
    """Whether one statement can write the row itself."""
    change, context = root.change, root.table.table_context
    rows = root.table.writer.rows
    if root.is_given or context.backend != "postgresql" or change.expected is not None:
        return False
    if context.view.has_related or rows.needs_transaction(change) or root.reader.is_validated_later:
        return False
    automatic = _automatic_values([change.values], change.kind, root.table.shape)
    if automatic is None:
        return False
    if change.kind == "create" or change.values:
        change.values = {**automatic, **change.values}
    return bool(change.values or change.kind == "update")


def _automatic_values(rows: Sequence[Values], kind: str, shape: Shape) -> Values | None:
    """The defaults that Python computes and that some rows need: SQLAlchemy sets none in a CTE.

    Returns:
        The values by field; None if one of them depends on the row.
    """
    automatic: Values = {}
    for name, column_shape in shape.columns.items():
        column = column_shape.column
        default: Any = column.default if kind == "create" else column.onupdate
        if default is None or default.is_clause_element or default.is_sequence:
            continue
        if all(name in row for row in rows):
            continue
        if is_row_default(default):
            return None
        automatic[name] = default.arg(None) if default.is_callable else default.arg
    return automatic


def _children_of(changes: RelationChanges, scopes: Scopes, first: int) -> list[_Children] | None:
    """The children of a relation; None if one statement cannot write them."""
    relation = changes.relation
    if relation.side != "children" or not relation.relation.is_list or changes.has_other_verbs:
        return None
    groups: list[_Children] = []
    for kind, rows in (("update", changes.update), ("create", changes.create)):
        if not rows:
            continue
        group = _group(relation, kind, rows, scopes, f"n{first + len(groups)}_")
        if group is None:
            return None
        groups.append(group)
    return groups


def _group(
    relation: NestedRelation, kind: str, rows: list[NestedRow], scopes: Scopes, prefix: str
) -> _Children | None:
    table = relation.target
    context, bulk = table.table_context, table.writer.bulk_statements
    view = context.view
    scope = scopes.written(table.shape.table)
    if (
        not view.is_exact
        or view.has_related
        or view.may_fail
        or (scope is not None and scope.condition is not None)
        or any(row.relations or row.change.expected for row in rows)
        or (kind == "update" and table.writer.rows.has_row_validator)
        or (kind == "create" and rows[0].reader.is_validated_later)
    ):
        return None
    values = [row.change.values for row in rows]
    if scope is not None:
        values = [dict(row_values) for row_values in values]
        for row_values in values:
            if kind == "create":
                apply_scope_values(row_values, scope)
            else:
                refuse_values_outside_scope(row_values, scope)
    automatic = _automatic_values(values, kind, table.shape)
    if automatic is None or (kind == "update" and not all(values)):
        return None
    shared = _shared(automatic, values, table.shape)
    if len(shared) < len(automatic):
        values = [{**automatic, **row_values} for row_values in values]
        shared = {}
    names = common_names(values)
    key_names = {column.name for column in relation.key_columns}
    written = (*names, *shared)
    writable = (
        bulk.can_insert(written, relation.fields)
        if kind == "create"
        else bulk.can_update(written, relation.fields)
    )
    has_order = kind == "update" or len(key_names & set(names)) == 1 or not key_names & set(names)
    if not names or not writable or not has_order:
        return None
    if any(bulk.sets_parent(row_values, relation.fields) for row_values in values):
        return None
    keys = [row.change.key for row in rows]
    return _Children(relation, kind, values, keys, names, shared, relation.fields, prefix)


def _shared(automatic: Values, rows: Sequence[Values], shape: Shape) -> Values:
    """The automatic values that no row has, without foreign keys, which are checked."""
    return {
        name: value
        for name, value in automatic.items()
        if not shape.columns[name].column.foreign_keys and not any(name in row for row in rows)
    }


class _Builder:
    """Builds the statement of a row and its children."""

    def __init__(self, root: NestedRow, groups: list[_Children], scopes: Scopes) -> None:
        self.root = root
        self.groups = groups
        self.scopes = scopes
        self.context = root.table.table_context
        self.statements = root.table.writer.rows.statements

    def bound(self) -> Bound[WrittenRow | None]:
        change = self.root.change
        # Also what the plan depends on: the foreign keys whose rows the statement looks up.
        root_references = self.statements.references(change, self.scopes)
        references = [self._references(group) for group in self.groups]
        structure = (
            "nested",
            change.kind,
            tuple(sorted(change.values)),
            tuple(reference.names for reference in root_references),
            tuple(
                (
                    group.relation.name,
                    group.kind,
                    group.names,
                    tuple(group.automatic),
                    tuple(r.names for r in group_references),
                )
                for group, group_references in zip(self.groups, references, strict=True)
            ),
            self.scopes.structure,
        )
        plan = self.context.plans.get(
            None if self.scopes.structure is None else structure,
            lambda: Plan(self._statement(root_references, references)),
        )
        return plan.bound(self._parameters(), self._read)

    def _references(self, group: _Children) -> list[Any]:
        bulk = group.relation.target.writer.bulk_statements
        return bulk.references(
            group.values, self.scopes, group.checked, creating=group.kind == "create"
        )

    def _parameters(self) -> Values:
        change = self.root.change
        prefix = "" if change.kind == "create" else "new_"
        parameters = self.statements.parameters(change.values, self.scopes, prefix=prefix)
        if change.kind == "update":
            parameters |= key_parameters(change.key)
        for group in self.groups:
            columns = group.relation.target.shape.columns
            for name in group.names:
                parameter = value_parameter(columns[name].column, group.prefix)
                parameters[parameter] = [values[name] for values in group.values]
            for name, value in group.automatic.items():
                parameters[value_parameter(columns[name].column, group.prefix)] = value
            parameters[f"{group.prefix}count"] = len(group.values)
            if group.kind == "update":
                for index, part in enumerate(zip(*group.keys, strict=True)):
                    parameters[f"{group.prefix}key_{index}"] = list(part)
        return parameters

    def _statement(self, root_references: list[Any], references: list[list[Any]]) -> Any:
        root = self._root(root_references)
        texts = []
        for group, group_references in zip(self.groups, references, strict=True):
            build = self._created if group.kind == "create" else self._updated
            texts.append(self._text(group, build(group, root, group_references)))
        return select(root.c.body, root.c.state, root.c.key, *texts)

    def _root(self, references: list[Any]) -> CTE:
        """The CTE of the row itself, with the columns that foreign keys refer to."""
        change, table = self.root.change, self.context.shape.table
        referenced = sorted({name for g in self.groups for _, name in g.relation.pairs})
        columns = self.context.shape.columns
        if change.kind == "update" and not change.values:
            rows = table.alias()
            keys = [rows.c[columns[name].column.key].label(f"ref_{name}") for name in referenced]
            statement: Any = self.statements.select_one(rows, self.scopes, keys)
            locked: CTE = statement.with_for_update(of=rows).cte(ROOT)
            return locked.prefix_with("MATERIALIZED")
        written = self.statements.write(change, references, self.scopes)
        source = ReturnedRow(table)
        returned = self.statements.returning_columns(source, self.scopes)
        keys = [source.c[columns[name].column.key].label(f"ref_{name}") for name in referenced]
        root: CTE = written.returning(*returned, *keys).cte(ROOT)
        return root

    def _created(self, group: _Children, root: CTE, references: list[Any]) -> CTE:
        shape = group.relation.target.shape
        columns = [shape.columns[name].column for name in group.names]
        input_rows = self._input_rows(group, {})
        fields = {
            shape.columns[field].column: root.c[f"ref_{name}"]
            for field, name in group.relation.pairs
        }
        reachable = self._reachable(group, references, input_rows)
        values = [input_rows.c[value_parameter(column, group.prefix)] for column in columns]
        automatic = self._automatic(group)
        chosen = (
            select(*fields.values(), *values, *automatic.values())
            .select_from(root.join(input_rows, true()))  # each child has the same parent
            .where(*reachable)
            .order_by(input_rows.c.position)
        )
        written = insert(shape.table).from_select([*fields, *columns, *automatic], chosen)
        return written.returning(*self._returned(group)).cte(group.prefix)

    def _updated(self, group: _Children, root: CTE, references: list[Any]) -> CTE:
        shape = group.relation.target.shape
        table = shape.table
        keys = {
            f"{group.prefix}key_{index}": c for index, c in enumerate(group.relation.key_columns)
        }
        types = {name: compared_type(column) for name, column in keys.items()}
        input_rows = self._input_rows(group, types)
        key_rows = unnested(types, name=f"{group.prefix}key_rows")
        rows = table.alias()
        chosen = and_(
            *(rows.c[column.column.key] == key_rows.c[name] for name, column in keys.items()),
            *(
                rows.c[shape.columns[field].column.key] == root.c[f"ref_{name}"]
                for field, name in group.relation.pairs
            ),
            *self.scopes.clauses(table, rows),
        )
        locked = lock_in_order(shape, rows, chosen, key_share=True)
        locked = locked.select_from(rows, key_rows, root)
        written = (
            update(table)
            .where(
                *(column.column == input_rows.c[name] for name, column in keys.items()),
                *(
                    shape.columns[field].column == root.c[f"ref_{name}"]
                    for field, name in group.relation.pairs
                ),
                after_locking(locked, f"{group.prefix}locked"),
                *self.scopes.write_clauses(table, table),
                *self._reachable(group, references, input_rows, table),
            )
            .values(
                {
                    shape.columns[name].column: input_rows.c[
                        value_parameter(shape.columns[name].column, group.prefix)
                    ]
                    for name in group.names
                }
                | self._automatic(group)
            )
        )
        return written.returning(
            *self._returned(group), input_rows.c.position.label("position")
        ).cte(group.prefix)

    def _automatic(self, group: _Children) -> dict[Any, ColumnElement[Any]]:
        """The parameters of the defaults that all children share, by column."""
        shape = group.relation.target.shape
        columns = [shape.columns[name].column for name in group.automatic]
        return {
            column: bindparam(value_parameter(column, group.prefix), type_=column.type)
            for column in columns
        }

    def _input_rows(self, group: _Children, types: dict[str, Any]) -> Any:
        shape = group.relation.target.shape
        columns = [shape.columns[name].column for name in group.names]
        values = {value_parameter(column, group.prefix): column.type for column in columns}
        return unnested({**types, **values}, name=f"{group.prefix}input_rows")

    def _reachable(
        self,
        group: _Children,
        references: list[Any],
        input_rows: FromClause,
        row: FromClause | None = None,
    ) -> Sequence[ColumnElement[bool]]:
        foreign_keys = group.relation.target.writer.rows.foreign_keys
        return foreign_keys.reachable_clauses(
            references, group.values[0], self.scopes, group.prefix, row, input_rows
        )

    def _returned(self, group: _Children) -> list[Any]:
        """The columns that a CTE of children returns: ``body``, and the columns of the key."""
        table = group.relation.target
        source = ReturnedRow(table.shape.table)
        context = table.table_context
        body = context.view.text(source, self.scopes, context.backend)
        keys = [
            source.c[column.column.key].label(f"key_{index}")
            for index, column in enumerate(table.shape.primary_key)
        ]
        return [body.label("body"), *keys]

    def _text(self, group: _Children, written: CTE) -> Any:
        """The rows of a CTE as the inside of a JSON array; an error if some are missing."""
        count = func.count(written.c.body) == bindparam(f"{group.prefix}count")
        # A division by zero rolls the statement back.
        complete = 1 / case((count, 1), else_=0)
        rows = func.string_agg(cast(written.c.body, Text()), literal_column("','"))
        text = rows.aggregate_order_by(*self._order(group, written))
        return select(case((complete == 1, text))).scalar_subquery().label(f"{group.prefix}text")

    def _order(self, group: _Children, written: CTE) -> list[Any]:
        """The order of the body: by position, by generated keys, or by those of the body."""
        if group.kind == "update":
            return [written.c.position]
        key = group.relation.target.shape.primary_key
        in_body = [
            (index, column) for index, column in enumerate(key) if column.name in group.names
        ]
        if not in_body:
            return [written.c[f"key_{index}"] for index in range(len(key))]
        ((index, column),) = in_body
        array = bindparam(
            value_parameter(column.column, group.prefix), type_=ARRAY(column.column.type)
        )
        return [func.array_position(array, written.c[f"key_{index}"])]

    def _read(self, result: Any) -> WrittenRow | None:
        row = result.first()
        if row is None:
            return None
        texts: dict[str, list[str]] = {changes.relation.name: [] for changes in self.root.relations}
        for group, text in zip(self.groups, row[3:], strict=True):
            texts[group.relation.name].append(text)
        view = self.context.view
        body = row.body if view.is_exact else view.render_all([from_json(row.body)])[1:-1].decode()
        return WrittenRow(with_relations(body, texts).encode(), row.state, row.key)
