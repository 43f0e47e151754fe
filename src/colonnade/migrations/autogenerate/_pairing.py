"""Pair each dropped constraint or index with its replacement, to rename or replace it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from alembic.operations import ops
from alembic.operations.ops import MigrateOperation

from colonnade.migrations import operations as safe_ops
from colonnade.migrations.autogenerate._reflected import StoredTable, TableKey, normalized
from colonnade.migrations.autogenerate._rendering import condition_of
from colonnade.migrations.autogenerate._schema_history import SchemaHistory, index_step


@dataclass
class Pairing:
    """Merges the operation that drops a constraint or index and the one that adds its successor.

    Args:
        before: The tables before the operations, as the database stores them.
        after: The tables after the operations.
        schema_history: The history's definitions of CHECKs and indexes.
        going_back: Whether the operations are a downgrade.
        mapping: Returns a column and the replacements for its values, for a CHECK that lists
            them. Its arguments are the table, the CHECK's name, and the old and new condition.
    """

    before: Mapping[TableKey, StoredTable]
    after: Mapping[TableKey, StoredTable]
    schema_history: SchemaHistory
    going_back: bool
    mapping: Callable[[str, str, Any, Any], tuple[str, Mapping[Any, Any]] | None]

    def pair(
        self, operations: Iterable[MigrateOperation], table: str, schema: str | None
    ) -> list[MigrateOperation]:
        """Return the operations on a table, with each pair merged into one step."""
        remaining = [
            index_step(operation) if isinstance(operation, ops.CreateIndexOp) else operation
            for operation in operations
        ]
        before = self.before.get((schema, table), StoredTable())
        after = self.after.get((schema, table), StoredTable())
        self._checks(remaining, table, schema, before, after)
        self._indexes(remaining, table, schema, before, after)
        self._constraints(remaining, table, schema, "unique", partial(_same_unique, before, after))
        self._constraints(remaining, table, schema, "foreignkey", _same_foreign_key)
        return remaining

    def _constraints(
        self,
        remaining: list[Any],
        table: str,
        schema: str | None,
        kind: str,
        is_same: Callable[[Any, Any], bool],
    ) -> None:
        for drop in _dropped_constraints(remaining, kind):
            new = next(
                (
                    operation
                    for operation in remaining
                    if isinstance(operation, ops.AddConstraintOp)
                    and operation.constraint_type == kind
                    and is_same(drop, operation)
                ),
                None,
            )
            names = str(drop.constraint_name), str(getattr(new, "constraint_name", None))
            if new is None or "None" in names or names[0] == names[1]:
                continue
            remaining.remove(new)
            step = safe_ops.RenameConstraint(table, *names, schema=schema)
            remaining[remaining.index(drop)] = step

    def _indexes(
        self,
        remaining: list[Any],
        table: str,
        schema: str | None,
        before: StoredTable,
        after: StoredTable,
    ) -> None:
        for drop in [
            operation for operation in remaining if isinstance(operation, ops.DropIndexOp)
        ]:
            old = before.indexes.get(str(drop.index_name))
            same = next(
                (
                    operation
                    for operation in remaining
                    if isinstance(operation, safe_ops.AddIndex)
                    and old is not None
                    and after.indexes.get(operation.name) == old
                ),
                None,
            )
            if same is not None and same.name != str(drop.index_name):
                remaining.remove(same)
                names = str(drop.index_name), same.name
                remaining[remaining.index(drop)] = safe_ops.RenameIndex(
                    table, *names, schema=schema
                )

    def _checks(
        self,
        remaining: list[Any],
        table: str,
        schema: str | None,
        before: StoredTable,
        after: StoredTable,
    ) -> None:
        checks = [
            operation
            for operation in remaining
            if isinstance(operation, ops.CreateCheckConstraintOp)
        ]
        for drop in _dropped_constraints(remaining, "check"):
            name = str(drop.constraint_name)
            replacement = next(
                (check for check in checks if str(check.constraint_name) == name), None
            )
            if replacement is None:
                condition = _condition(before, name)
                replacement = next(
                    (
                        check
                        for check in checks
                        if condition is not None
                        and _condition(after, str(check.constraint_name)) == condition
                    ),
                    None,
                )
            if replacement is not None:
                checks.remove(replacement)
                remaining.remove(replacement)
                remaining[remaining.index(drop)] = self._replacement(
                    drop, replacement, table, schema
                )

    def _replacement(
        self,
        drop: ops.DropConstraintOp,
        new: ops.CreateCheckConstraintOp,
        table: str,
        schema: str | None,
    ) -> safe_ops.Step:
        old_name, new_name = str(drop.constraint_name), str(new.constraint_name)
        old = self.schema_history.checks.get((schema, table, old_name), _dropped_condition(drop))
        condition = self.condition_of_added(new, table, schema)
        if old_name != new_name:
            return safe_ops.RenameCheck(table, old_name, new_name, condition, schema=schema)
        older, newer = old, condition
        if self.going_back:  # the added CHECK is the older one
            older, newer = condition, _dropped_condition(drop)
        mapped = self.mapping(table, new_name, older, newer)
        if mapped is None:
            return safe_ops.ReplaceCheck(new_name, table, condition, schema=schema)
        column, values = mapped
        return safe_ops.ReplaceCheck(
            new_name, table, condition, column=column, values=values, schema=schema
        )

    def condition_of_added(
        self, added: ops.CreateCheckConstraintOp, table: str, schema: str | None
    ) -> safe_ops.Condition:
        """Return the condition of an added CHECK; in a downgrade, the history's definition."""
        condition: safe_ops.Condition = condition_of(added.condition)
        if self.going_back:
            name = str(added.constraint_name)
            condition = self.schema_history.checks.get((schema, table, name), condition)
        return condition


def _dropped_constraints(remaining: Iterable[Any], kind: str) -> list[ops.DropConstraintOp]:
    return [
        operation for operation in remaining
        if isinstance(operation, ops.DropConstraintOp) and operation.constraint_type == kind
    ]  # fmt: skip


def _condition(stored: StoredTable, name: str) -> str | None:
    condition = stored.checks.get(name)
    return None if condition is None else normalized(condition.removeprefix("CHECK "))


def _dropped_condition(drop: ops.DropConstraintOp) -> str:
    reverse: Any = drop.reverse()
    return normalized(str(reverse.condition).replace("\\:", ":"))


def _same_unique(before: StoredTable, after: StoredTable, drop: Any, new: Any) -> bool:
    old = before.uniques.get(str(drop.constraint_name))
    return old is not None and old == after.uniques.get(str(new.constraint_name))


def _same_foreign_key(drop: Any, new: Any) -> bool:
    return bool(_foreign_key(drop.reverse()) == _foreign_key(new))


def _foreign_key(operation: Any) -> Any:
    names = ("ondelete", "onupdate", "deferrable", "initially")
    rules = tuple(_rule(operation.kw.get(name)) for name in names)
    return (
        list(map(str, operation.local_cols)),
        operation.kw.get("referent_schema"),
        str(operation.referent_table),
        list(map(str, operation.remote_cols)),
        rules,
    )


def _rule(rule: Any) -> Any:
    """Normalize a foreign key's rule; NO ACTION is the default."""
    upper = rule.upper() if isinstance(rule, str) else rule
    return None if upper in ("NO ACTION", False) else upper
