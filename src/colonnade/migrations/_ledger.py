"""What the revisions of a history said of columns, CHECKs and enum types, in their own words.

A database says what it holds in its own: ``TIMESTAMP WITH TIME ZONE`` of PostgreSQL, or a CHECK
with casts. Where a later revision has to undo something, it says it as it was said.
"""

from typing import Any

import sqlalchemy as sa
from alembic.operations import ops
from sqlalchemy.types import TypeEngine

from colonnade.migrations import _operations as own
from colonnade.migrations._rendering import (
    condition_of,
    enum_of,
    is_array,
    native_enum,
    plain_type,
    unbound,
)
from colonnade.migrations._stored import with_name

Name = tuple[str, str]
"""A table's, and that of something in it."""

EnumKey = tuple[str | None, str]
"""An enum type's schema, None for the default one, and its name."""


class Ledger:
    """What was said last of each column, CHECK and enum type.

    Attributes:
        types: The type of a column.
        checks: The condition of a CHECK.
        enums: The values of an enum type.
    """

    def __init__(self) -> None:
        self.types: dict[Name, TypeEngine[Any]] = {}
        self.checks: dict[Name, own.Condition] = {}
        self.enums: dict[EnumKey, tuple[str, ...]] = {}

    def columns_with(self, key: EnumKey) -> list[Name]:
        """The columns whose type is an enum type, or an array of it."""
        kinds = {name: native_enum(kind) for name, kind in self.types.items()}
        return [name for name, kind in kinds.items() if kind and (kind.schema, kind.name) == key]

    def note(self, operation: ops.MigrateOperation) -> None:
        """Take note of an operation."""
        match operation:
            case ops.CreateTableOp():
                for item in operation.columns:
                    self._item(operation.table_name, item)
            case ops.AddColumnOp():
                self._item(operation.table_name, operation.column)
            case ops.DropTableOp() | ops.DropColumnOp():
                self._forget(operation)
            case ops.AlterColumnOp():
                name = (operation.table_name, operation.column_name)
                if operation.modify_type is not None:
                    self.types[name] = operation.modify_type
                if operation.modify_name is not None and name in self.types:
                    self.types[operation.table_name, operation.modify_name] = self.types.pop(name)
            case ops.RenameTableOp():
                self._rename_table(operation.table_name, operation.new_table_name)
            case ops.CreateCheckConstraintOp():
                condition = operation.condition
                self._check(operation.table_name, operation.constraint_name, condition)
            case own.Step():
                self._step(operation)

    def _step(self, step: own.Step) -> None:
        match step:
            case own.DropEnum():
                self.enums.pop((step.schema, step.name), None)
            case own.EnumStep():
                self._enum((step.schema, step.name), tuple(step.values))
            case own.AddCheck():
                self.checks[step.table, step.name] = step.condition
            case own.RenameCheck():
                self.checks[step.table, step.new] = step.condition
            case own.ChangeType():
                self.types[step.table, step.column] = step.type_
            case own.RenameTable():
                self._rename_table(step.table, step.new)
            case own.RenameColumn():
                self._rename_column(step.table, step.column, step.new)
            case own.PutAside():
                self._rename_column(step.table, step.column, step.column + own.ASIDE)
            case own.TakeBack():
                self._rename_column(step.table, step.column + own.ASIDE, step.column)

    def _item(self, table: str, item: Any) -> None:
        if isinstance(item, sa.Column):
            self.types[table, item.name] = item.type
            made = native_enum(item.type)
            if made is not None:  # by the table, as Alembic has it, or by hand
                self.enums.setdefault((made.schema, str(made.name)), tuple(made.enums))
        elif isinstance(item, sa.CheckConstraint):
            self._check(table, item.name, item.sqltext)

    def _check(self, table: str, name: Any, condition: Any) -> None:
        if name is not None:
            self.checks[table, str(name)] = condition_of(condition)

    def give(self, operation: ops.MigrateOperation) -> None:
        """Have what comes back say what the history said, rather than what one database does."""
        match operation:
            case ops.ModifyTableOps():
                for one in operation.ops:
                    self.give(one)
            case ops.AddColumnOp():
                operation.column = operation.column._copy()
                self._give_column(operation.table_name, operation.column)
            case ops.CreateTableOp():
                table = operation.table_name
                for item in operation.columns:
                    if isinstance(item, sa.Column):
                        self._give_column(table, item)
                operation.columns = [self._given_check(table, one) for one in operation.columns]

    def _give_column(self, table: str, column: sa.Column[Any]) -> None:
        said = self.types.get((table, column.name))
        if said is not None:
            column.type = plain_type(said)
        default = getattr(getattr(column.server_default, "arg", None), "text", "")
        if default.startswith("nextval("):  # a serial column, which is one on both databases
            column.server_default = None

    def _given_check(self, table: str, item: Any) -> Any:
        said = isinstance(item, sa.CheckConstraint) and self.checks.get((table, str(item.name)))
        if not said:
            return item
        condition = sa.text(unbound(said)) if isinstance(said, str) else said
        return sa.CheckConstraint(condition, name=item.name)

    def _enum(self, key: EnumKey, values: tuple[str, ...]) -> None:
        self.enums[key] = values
        for name in self.columns_with(key):
            kind = self.types[name]
            if isinstance(kind, sa.Enum):
                self.types[name] = enum_of(kind, values)

    def zero(self, kind: TypeEngine[Any]) -> object:
        """A value for rows that have none, of a type: what stands for nothing in it."""
        if is_array(kind):
            return sa.text("'{}'")
        enum = native_enum(kind)
        if enum is not None:
            return self.enums.get((enum.schema, str(enum.name)), tuple(enum.enums))[0]
        return next((zero for base, zero in _ZEROS if isinstance(kind, base)), "")

    def _forget(self, dropped: ops.DropTableOp | ops.DropColumnOp) -> None:
        column = dropped.column_name if isinstance(dropped, ops.DropColumnOp) else None
        for table, name in list(self.types):
            if table == dropped.table_name and column in (None, name):
                del self.types[table, name]

    def _rename_table(self, old: str, new: str) -> None:
        self.types = {(new if t == old else t, n): kind for (t, n), kind in self.types.items()}
        self.checks = {(new if t == old else t, n): one for (t, n), one in self.checks.items()}

    def _rename_column(self, table: str, old: str, new: str) -> None:
        if (table, old) in self.types:
            self.types[table, new] = self.types.pop((table, old))
        for (owner, name), condition in self.checks.items():
            if owner == table:
                self.checks[owner, name] = _renamed(condition, old, new)


def _renamed(condition: own.Condition, old: str, new: str) -> own.Condition:
    """A condition after a column has another name: databases do the same to what they hold."""
    if isinstance(condition, own.by_dialect):
        texts = {name: with_name(text, old, new) for name, text in condition.texts.items()}
        return own.by_dialect(sqlite=texts["sqlite"], postgresql=texts["postgresql"])
    return with_name(condition, old, new) if isinstance(condition, str) else condition


_ZEROS: tuple[tuple[type[TypeEngine[Any]], object], ...] = (
    (sa.Boolean, False),
    (sa.Integer, 0),
    (sa.Numeric, 0),
    (sa.JSON, sa.text("'[]'")),
    (sa.DateTime, sa.func.now()),
    (sa.Date, sa.text("CURRENT_DATE")),
)
