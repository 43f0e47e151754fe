"""What is dropped and comes again: under another name, or saying something else."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from alembic.operations import ops
from alembic.operations.ops import MigrateOperation

from colonnade.migrations import operations as safe_ops
from colonnade.migrations.autogenerate._reflected import Key, Stored, normal
from colonnade.migrations.autogenerate._rendering import condition_of
from colonnade.migrations.autogenerate._schema_history import SchemaHistory, index_step


@dataclass
class Pairing:
    """Makes one step of a constraint or index that is dropped and the one that comes for it.

    Args:
        before: The tables before, as the database keeps them.
        after: The tables afterwards.
        ledger: What the history says of its CHECKs and indexes.
        going_back: Whether it is a downgrade.
        mapping: What values of a column become that a CHECK lists; by the table and the CHECK.
    """

    before: Mapping[Key, Stored]
    after: Mapping[Key, Stored]
    ledger: SchemaHistory
    going_back: bool
    mapping: Callable[[str, str, Any, Any], tuple[str, Mapping[Any, Any]] | None]

    def pair(
        self, operations: Iterable[MigrateOperation], table: str, schema: str | None
    ) -> list[MigrateOperation]:
        """The operations of a table, with one step for each pair."""
        left = [
            index_step(operation) if isinstance(operation, ops.CreateIndexOp) else operation
            for operation in operations
        ]
        before = self.before.get((schema, table), Stored())
        after = self.after.get((schema, table), Stored())
        self._checks(left, table, schema, before, after)
        self._indexes(left, table, schema, before, after)
        self._constraints(left, table, schema, "unique", partial(_same_unique, before, after))
        self._constraints(left, table, schema, "foreignkey", _same_foreign_key)
        return left

    def _constraints(
        self,
        left: list[Any],
        table: str,
        schema: str | None,
        kind: str,
        is_same: Callable[[Any, Any], bool],
    ) -> None:
        for drop in _drops(left, kind):
            added = (operation for operation in left if isinstance(operation, ops.AddConstraintOp))
            same = (new for new in added if new.constraint_type == kind and is_same(drop, new))
            new = next(same, None)
            names = str(drop.constraint_name), str(getattr(new, "constraint_name", None))
            if new is None or "None" in names or names[0] == names[1]:
                continue
            left.remove(new)
            step = safe_ops.RenameConstraint(table, *names, schema=schema)
            left[left.index(drop)] = step

    def _indexes(
        self, left: list[Any], table: str, schema: str | None, before: Stored, after: Stored
    ) -> None:
        for gone in [operation for operation in left if isinstance(operation, ops.DropIndexOp)]:
            old = before.indexes.get(str(gone.index_name))
            same = next(
                (operation for operation in left if isinstance(operation, safe_ops.AddIndex)
                 and old is not None and after.indexes.get(operation.name) == old),
                None,
            )  # fmt: skip
            if same is not None and same.name != str(gone.index_name):
                left.remove(same)
                names = str(gone.index_name), same.name
                left[left.index(gone)] = safe_ops.RenameIndex(table, *names, schema=schema)

    def _checks(
        self, left: list[Any], table: str, schema: str | None, before: Stored, after: Stored
    ) -> None:
        checks = [
            operation for operation in left if isinstance(operation, ops.CreateCheckConstraintOp)
        ]
        for drop in _drops(left, "check"):
            name = str(drop.constraint_name)
            twin = next((check for check in checks if str(check.constraint_name) == name), None)
            if twin is None:
                condition = _condition(before, name)
                same = (c for c in checks if _condition(after, str(c.constraint_name)) == condition)
                twin = None if condition is None else next(same, None)
            if twin is not None:
                checks.remove(twin)
                left.remove(twin)
                left[left.index(drop)] = self._changed(drop, twin, table, schema)

    def _changed(
        self,
        drop: ops.DropConstraintOp,
        new: ops.CreateCheckConstraintOp,
        table: str,
        schema: str | None,
    ) -> safe_ops.Step:
        old_name, new_name = str(drop.constraint_name), str(new.constraint_name)
        old = self.ledger.checks.get((schema, table, old_name), _dropped(drop))
        condition = self.said(new, table, schema)
        if old_name != new_name:
            return safe_ops.RenameCheck(table, old_name, new_name, condition, schema=schema)
        was, becomes = old, condition
        if self.going_back:  # the older of the two is the one that comes back
            was, becomes = condition, _dropped(drop)
        mapped = self.mapping(table, new_name, was, becomes)
        if mapped is None:
            return safe_ops.ReplaceCheck(new_name, table, condition, schema=schema)
        column, values = mapped
        return safe_ops.ReplaceCheck(
            new_name, table, condition, column=column, values=values, schema=schema
        )

    def said(
        self, added: ops.CreateCheckConstraintOp, table: str, schema: str | None
    ) -> safe_ops.Condition:
        """The condition of a CHECK that comes; of one that comes back, as the history said it."""
        condition: safe_ops.Condition = condition_of(added.condition)
        if self.going_back:
            name = str(added.constraint_name)
            condition = self.ledger.checks.get((schema, table, name), condition)
        return condition


def _drops(left: Iterable[Any], kind: str) -> list[ops.DropConstraintOp]:
    return [
        operation for operation in left
        if isinstance(operation, ops.DropConstraintOp) and operation.constraint_type == kind
    ]  # fmt: skip


def _condition(stored: Stored, name: str) -> str | None:
    condition = stored.checks.get(name)
    return None if condition is None else normal(condition.removeprefix("CHECK "))


def _dropped(drop: ops.DropConstraintOp) -> str:
    reverse: Any = drop.reverse()
    return normal(str(reverse.condition).replace("\\:", ":"))


def _same_unique(before: Stored, after: Stored, drop: Any, new: Any) -> bool:
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


def _rule(action: Any) -> Any:
    """A rule of a foreign key; NO ACTION is what there is without one."""
    text = action.upper() if isinstance(action, str) else action
    return None if text in ("NO ACTION", False) else text
