"""What the revisions of a history said of columns, CHECKs and enum types, in their own words.

A database says what it holds in its own: ``TIMESTAMP WITH TIME ZONE`` of PostgreSQL, or a CHECK
with casts. Where a later revision has to undo something, it repeats the earlier revision's words.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from alembic.operations import ops
from sqlalchemy.types import TypeEngine

from colonnade.migrations import operations as safe_ops
from colonnade.migrations.autogenerate._reflected import literals_in, names_in, with_name
from colonnade.migrations.autogenerate._rendering import condition_of, unbound
from colonnade.migrations.operations._literals import candidates, neutral_value
from colonnade.migrations.operations._types import enum_of, is_array, native_enum, plain_type

Name = tuple[str | None, str, str]
"""The schema of a table, None for the default one; the table; something in it."""

EnumKey = tuple[str | None, str]
"""An enum type's schema, None for the default one, and its name."""


class SchemaHistory:
    """The last definition of each column, CHECK, index and enum type.

    Attributes:
        types: The type of a column.
        defaults: The default of a column in the database, a computed column's expression too;
            columns that have none are not in it.
        checks: The condition of a CHECK.
        indexes: How an index is made, by its schema and name.
        enums: The values of an enum type.
        schemas: The schemas that the history has made.
    """

    def __init__(self) -> None:
        self.types: dict[Name, TypeEngine[Any]] = {}
        self.defaults: dict[Name, Any] = {}
        self.checks: dict[Name, safe_ops.Condition] = {}
        self.indexes: dict[tuple[str | None, str], safe_ops.AddIndex] = {}
        self.enums: dict[EnumKey, tuple[str, ...]] = {}
        self.schemas: set[str] = set()

    def copy(self) -> "SchemaHistory":
        """A copy that later notes do not change."""
        copy = SchemaHistory()
        for name, noted in vars(self).items():
            setattr(copy, name, noted.copy())
        return copy

    def columns_with(self, key: EnumKey) -> list[Name]:
        """The columns whose type is an enum type, or an array of it."""
        kinds = {name: native_enum(kind) for name, kind in self.types.items()}
        return [name for name, kind in kinds.items() if kind and (kind.schema, kind.name) == key]

    def conditions_on(
        self, schema: str | None, table: str, column: str
    ) -> list[safe_ops.Condition]:
        """The CHECKs of a table that name a column."""
        return [
            condition
            for (owner, name, _), condition in self.checks.items()
            if (owner, name) == (schema, table) and column in names_in(_text(condition))
        ]

    def note(self, operation: ops.MigrateOperation) -> None:
        """Take note of an operation."""
        schema = getattr(operation, "schema", None)
        match operation:
            case ops.CreateTableOp():
                for item in operation.columns:
                    self._item(schema, operation.table_name, item)
            case ops.AddColumnOp():
                self._item(schema, operation.table_name, operation.column)
            case ops.DropTableOp() | ops.DropColumnOp():
                self._forget(operation)
            case ops.AlterColumnOp():
                self._alter(operation, (schema, operation.table_name, operation.column_name))
            case ops.RenameTableOp():
                self._rename_table(schema, operation.table_name, operation.new_table_name)
            case ops.CreateCheckConstraintOp():
                self._check(
                    schema, operation.table_name, operation.constraint_name, operation.condition
                )
            case ops.CreateIndexOp():
                self._index(index_step(operation))
            case ops.DropIndexOp():
                self.indexes.pop((schema, str(operation.index_name)), None)
            case safe_ops.Step():
                self._step(operation)

    def _alter(self, alter: ops.AlterColumnOp, name: Name) -> None:
        if alter.modify_type is not None:
            self.types[name] = alter.modify_type
        if alter.modify_server_default is None:
            self.defaults.pop(name, None)
        elif alter.modify_server_default is not False:
            self.defaults[name] = alter.modify_server_default
        if alter.modify_name is not None:
            self._rename_column(name, alter.modify_name)

    def _step(self, step: safe_ops.Step) -> None:  # noqa: C901, PLR0912 - a case for each kind of step
        schema = step.schema
        match step:
            case safe_ops.CreateSchema():
                self.schemas.add(step.name)
            case safe_ops.DropSchema():
                self.schemas.discard(step.name)
            case safe_ops.DropEnum():
                self.enums.pop((schema, step.name), None)
            case safe_ops.EnumStep():
                self._enum((schema, step.name), tuple(step.values))
            case safe_ops.AddCheck():
                self.checks[schema, step.table, step.name] = step.condition
            case safe_ops.RenameCheck():
                self.checks.pop((schema, step.table, step.check), None)
                self.checks[schema, step.table, step.new] = step.condition
            case safe_ops.DropCheck():
                self.checks.pop((schema, step.table, step.name), None)
            case safe_ops.AddIndex():
                self._index(step)
            case safe_ops.DropIndex():
                self.indexes.pop((schema, step.name), None)
            case safe_ops.RenameIndex():
                self._rename_index(step)
            case safe_ops.ChangeType():
                self.types[schema, step.table, step.column] = step.type_
                if step.default is not False:
                    self._set_default((schema, step.table, step.column), step.default)
            case safe_ops.SetDefault():
                self._set_default((schema, step.table, step.column), step.default)
            case safe_ops.RenameTable():
                self._rename_table(schema, step.table, step.new)
            case safe_ops.RenameColumn():
                self._rename_column((schema, step.table, step.column), step.new)
            case safe_ops.PutAside():
                self._rename_column((schema, step.table, step.column), step.aside)
            case safe_ops.TakeBack():
                self._rename_column((schema, step.table, step.aside), step.column)

    def _set_default(self, name: Name, default: Any) -> None:
        if default is None:
            self.defaults.pop(name, None)
        else:
            self.defaults[name] = default

    def _item(self, schema: str | None, table: str, item: Any) -> None:
        if isinstance(item, sa.Column):
            name = schema, table, item.name
            self.types[name] = item.type
            self._set_default(name, item.server_default)
            enum = native_enum(item.type)
            if enum is not None:  # by the table, as Alembic has it, or by hand
                self.enums.setdefault((enum.schema, str(enum.name)), tuple(enum.enums))
        elif isinstance(item, sa.CheckConstraint):
            self._check(schema, table, item.name, item.sqltext)

    def _index(self, step: safe_ops.AddIndex) -> None:
        self.indexes[step.schema, step.name] = step

    def _check(self, schema: str | None, table: str, name: Any, condition: Any) -> None:
        if name is not None:
            self.checks[schema, table, str(name)] = condition_of(condition)

    def give(self, operation: ops.MigrateOperation) -> None:
        """Have what comes back say what the history said, rather than what one database does."""
        match operation:
            case ops.ModifyTableOps():
                operation.ops = [self._given(op) for op in operation.ops]
            case _:
                self._given(operation)

    def _given(self, operation: ops.MigrateOperation) -> ops.MigrateOperation:
        schema = getattr(operation, "schema", None)
        match operation:
            case ops.AddColumnOp():
                operation.column = operation.column._copy()
                self._give_column(schema, operation.table_name, operation.column)
            case ops.CreateTableOp():
                table = operation.table_name
                for item in operation.columns:
                    if isinstance(item, sa.Column):
                        self._give_column(schema, table, item)
                operation.columns = [
                    self._given_check(schema, table, column) for column in operation.columns
                ]
            case ops.AlterColumnOp() if operation.modify_server_default not in (False, None):
                name = schema, operation.table_name, operation.column_name
                default = self.defaults.get(name, operation.modify_server_default)
                operation.modify_server_default = default
            case ops.CreateIndexOp():
                return self.indexes.get((schema, str(operation.index_name)), operation)
        return operation

    def _give_column(self, schema: str | None, table: str, column: sa.Column[Any]) -> None:
        name = schema, table, column.name
        column_type = self.types.get(name)
        if column_type is not None:
            column.type = plain_type(column_type)
        default = getattr(getattr(column.server_default, "arg", None), "text", "")
        if default.startswith("nextval("):  # a serial column, which is one on both databases
            column.server_default = None
        elif column.server_default is not None and name in self.defaults:
            set_default(column, self.defaults[name])

    def _given_check(self, schema: str | None, table: str, item: Any) -> Any:
        noted = isinstance(item, sa.CheckConstraint) and self.checks.get(
            (schema, table, str(item.name))
        )
        if not noted:
            return item
        condition = sa.text(unbound(noted)) if isinstance(noted, str) else noted
        return sa.CheckConstraint(condition, name=item.name)

    def _enum(self, key: EnumKey, values: tuple[str, ...]) -> None:
        self.enums[key] = values
        for name in self.columns_with(key):
            kind = self.types[name]
            if isinstance(kind, sa.Enum):
                self.types[name] = enum_of(kind, values)

    def neutral(
        self, name: Name, kind: TypeEngine[Any], accepts: Callable[[Any], bool] | None = None
    ) -> Any:
        """A value for rows that have none: what stands for nothing, and the CHECKs accept.

        Args:
            name: The column.
            kind: Its type.
            accepts: Whether its CHECKs accept a value.
        """
        if is_array(kind):
            return neutral_value(kind)
        enum = native_enum(kind)
        if enum is not None:
            return self.enums.get((enum.schema, str(enum.name)), tuple(enum.enums))[0]
        conditions = [_text(condition) for condition in self.conditions_on(*name)]
        if not conditions or accepts is None:
            return neutral_value(kind)
        mentioned = [literal for text in conditions for literal in literals_in(text)]
        accepted = (candidate for candidate in candidates(kind, mentioned) if accepts(candidate))
        return next(accepted, neutral_value(kind))

    def _forget(self, dropped: ops.DropTableOp | ops.DropColumnOp) -> None:
        column = dropped.column_name if isinstance(dropped, ops.DropColumnOp) else None
        owner = dropped.schema, dropped.table_name
        for known in (self.types, self.defaults):
            for name in [name for name in known if name[:2] == owner and column in (None, name[2])]:
                del known[name]
        if column is None:
            for name in [check for check in self.checks if check[:2] == owner]:
                del self.checks[name]
            self.indexes = {
                key: step
                for key, step in self.indexes.items()
                if (step.schema, step.table) != owner
            }

    def _rename_table(self, schema: str | None, old: str, new: str) -> None:
        def moved(name: Name) -> Name:
            return (schema, new, name[2]) if name[:2] == (schema, old) else name

        self.types = {moved(name): kind for name, kind in self.types.items()}
        self.defaults = {moved(name): default for name, default in self.defaults.items()}
        self.checks = {moved(name): checks for name, checks in self.checks.items()}
        for key, step in self.indexes.items():
            if (step.schema, step.table) == (schema, old):
                self.indexes[key] = replace(step, table=new)

    def _rename_column(self, name: Name, new: str) -> None:
        schema, table, old = name
        for known in (self.types, self.defaults):
            if name in known:
                known[schema, table, new] = known.pop(name)
        for check, condition in self.checks.items():
            if check[:2] == (schema, table):
                self.checks[check] = _renamed(condition, old, new)
        for key, step in self.indexes.items():
            if (step.schema, step.table) == (schema, table):
                self.indexes[key] = _index_renamed(step, old, new)

    def _rename_index(self, step: safe_ops.RenameIndex) -> None:
        index = self.indexes.pop((step.schema, step.index), None)
        if index is not None:
            self._index(replace(index, name=step.new))


def index_step(operation: ops.CreateIndexOp) -> safe_ops.AddIndex:
    """Alembic's operation on an index as our step."""
    columns = [
        str(expression.name) if isinstance(expression, sa.Column) else expression
        for expression in operation.to_index().expressions
    ]
    options = {key: value for key, value in operation.kw.items() if value is not None}
    return safe_ops.AddIndex(
        str(operation.index_name),
        operation.table_name,
        columns,
        unique=bool(operation.unique),
        options=options,
        schema=operation.schema,
    )


def set_default(column: sa.Column[Any], default: Any) -> None:
    """Give a column a default in the database, or make it a computed one."""
    column.server_default = column.computed = column.identity = None
    if default is None:
        return
    copy = default._copy() if hasattr(default, "_copy") else default
    if isinstance(copy, sa.DefaultClause):
        copy = sa.DefaultClause(copy.arg)
    elif not isinstance(copy, sa.FetchedValue | sa.Identity):
        copy = sa.DefaultClause(copy)
    copy._set_parent(column)


def _text(condition: safe_ops.Condition) -> str:
    if isinstance(condition, safe_ops.by_dialect):
        return condition.texts["postgresql"]
    return condition if isinstance(condition, str) else str(condition)


def _renamed(condition: safe_ops.Condition, old: str, new: str) -> safe_ops.Condition:
    """A condition after a column has another name: databases do the same to what they hold."""
    if isinstance(condition, safe_ops.by_dialect):
        texts = {name: with_name(text, old, new) for name, text in condition.texts.items()}
        return safe_ops.by_dialect(sqlite=texts["sqlite"], postgresql=texts["postgresql"])
    return with_name(condition, old, new) if isinstance(condition, str) else condition


def _index_renamed(step: safe_ops.AddIndex, old: str, new: str) -> safe_ops.AddIndex:
    def renamed(thing: Any) -> Any:
        if isinstance(thing, str):
            return new if thing == old else thing
        if isinstance(thing, list | tuple):
            return [renamed(item) for item in thing]
        if isinstance(thing, dict):
            return {renamed(key): value for key, value in thing.items()}
        if isinstance(thing, sa.ClauseElement):
            text = str(thing.compile(compile_kwargs={"literal_binds": True}))
            return sa.text(unbound(with_name(text, old, new)))
        return thing

    columns = [renamed(column) for column in step.columns]
    options = {
        key: renamed(value) if key.endswith(("_where", "_include", "_ops")) else value
        for key, value in step.options.items()
    }
    return replace(step, columns=columns, options=options)
