"""The definitions of columns, CHECKs, indexes and enum types, as a history's revisions wrote them.

A reflected definition is specific to the database: ``TIMESTAMP WITH TIME ZONE`` on PostgreSQL, or
a CHECK with casts. A downgrade that restores something uses the history's definition instead.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from alembic.operations import ops
from sqlalchemy.types import TypeEngine

from colonnade._sqlalchemy_compat import copy_item, set_parent
from colonnade.migrations import operations as safe_ops
from colonnade.migrations.autogenerate._reflected import (
    column_names_in,
    literals_in,
    replace_column_name,
)
from colonnade.migrations.autogenerate._rendering import condition_of, unbound
from colonnade.migrations.operations._literals import candidate_values, neutral_value
from colonnade.migrations.operations._types import existing_enum, is_array, native_enum, plain_type

ColumnKey = tuple[str | None, str, str]
"""The schema of a table, None for the default schema; the table; the column."""

CheckKey = tuple[str | None, str, str]
"""The schema of a table, None for the default schema; the table; the CHECK."""

EnumKey = tuple[str | None, str]
"""An enum type's schema, None for the default schema, and its name."""


class SchemaHistory:
    """The history's latest definition of each column, CHECK, index and enum type.

    Attributes:
        types: The type of each column.
        defaults: The server default, or computed expression, of each column that has one.
        checks: The condition of each CHECK.
        indexes: The step that adds each index, by schema and name.
        enums: The values of each enum type.
        schemas: The schemas that the history creates.
    """

    def __init__(self) -> None:
        self.types: dict[ColumnKey, TypeEngine[Any]] = {}
        self.defaults: dict[ColumnKey, Any] = {}
        self.checks: dict[CheckKey, safe_ops.Condition] = {}
        self.indexes: dict[tuple[str | None, str], safe_ops.AddIndex] = {}
        self.enums: dict[EnumKey, tuple[str, ...]] = {}
        self.schemas: set[str] = set()

    def copy(self) -> "SchemaHistory":
        """Return a copy that later operations do not change."""
        copy = SchemaHistory()
        for name, definitions in vars(self).items():
            setattr(copy, name, definitions.copy())
        return copy

    def columns_with(self, key: EnumKey) -> list[ColumnKey]:
        """Return the columns of an enum type, or of arrays of it."""
        enums = {name: native_enum(type_) for name, type_ in self.types.items()}
        return [
            name for name, type_ in enums.items() if type_ and (type_.schema, type_.name) == key
        ]

    def conditions_on(
        self, schema: str | None, table: str, column: str
    ) -> list[safe_ops.Condition]:
        """Return the conditions of a table's CHECKs that contain a column."""
        return [
            condition
            for (owner, name, _), condition in self.checks.items()
            if (owner, name) == (schema, table) and column in column_names_in(_text(condition))
        ]

    def record(self, operation: ops.MigrateOperation) -> None:
        """Record the definitions in an operation of the history."""
        schema = getattr(operation, "schema", None)
        match operation:
            case ops.CreateTableOp():
                for item in operation.columns:
                    self._record_item(schema, operation.table_name, item)
            case ops.AddColumnOp():
                self._record_item(schema, operation.table_name, operation.column)
            case ops.DropTableOp() | ops.DropColumnOp():
                self._forget(operation)
            case ops.AlterColumnOp():
                self._record_alteration(
                    operation, (schema, operation.table_name, operation.column_name)
                )
            case ops.RenameTableOp():
                self._rename_table(schema, operation.table_name, operation.new_table_name)
            case ops.CreateCheckConstraintOp():
                self._record_check(
                    schema, operation.table_name, operation.constraint_name, operation.condition
                )
            case ops.CreateIndexOp():
                self._record_index(index_step(operation))
            case ops.DropIndexOp():
                self.indexes.pop((schema, str(operation.index_name)), None)
            case safe_ops.Step():
                self._record_step(operation)

    def _record_alteration(self, alter: ops.AlterColumnOp, name: ColumnKey) -> None:
        if alter.modify_type is not None:
            self.types[name] = alter.modify_type
        if alter.modify_server_default is None:
            self.defaults.pop(name, None)
        elif alter.modify_server_default is not False:
            self.defaults[name] = alter.modify_server_default
        if alter.modify_name is not None:
            self._rename_column(name, alter.modify_name)

    def _record_step(self, step: safe_ops.Step) -> None:  # noqa: C901, PLR0912 - a case for each kind of step
        schema = step.schema
        match step:
            case safe_ops.CreateSchema():
                self.schemas.add(step.name)
            case safe_ops.DropSchema():
                self.schemas.discard(step.name)
            case safe_ops.DropEnum():
                self.enums.pop((schema, step.name), None)
            case safe_ops.EnumStep():
                self._record_enum((schema, step.name), tuple(step.values))
            case safe_ops.AddCheck():
                self.checks[schema, step.table, step.name] = step.condition
            case safe_ops.RenameCheck():
                self.checks.pop((schema, step.table, step.check), None)
                self.checks[schema, step.table, step.new] = step.condition
            case safe_ops.DropCheck():
                self.checks.pop((schema, step.table, step.name), None)
            case safe_ops.AddIndex():
                self._record_index(step)
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

    def _set_default(self, name: ColumnKey, default: Any) -> None:
        if default is None:
            self.defaults.pop(name, None)
        else:
            self.defaults[name] = default

    def _record_item(self, schema: str | None, table: str, item: Any) -> None:
        if isinstance(item, sa.Column):
            name = schema, table, item.name
            self.types[name] = item.type
            self._set_default(name, item.server_default)
            enum = native_enum(item.type)
            if enum is not None:  # Alembic creates the type with the table
                self.enums.setdefault((enum.schema, str(enum.name)), tuple(enum.enums))
        elif isinstance(item, sa.CheckConstraint):
            self._record_check(schema, table, item.name, item.sqltext)

    def _record_index(self, step: safe_ops.AddIndex) -> None:
        self.indexes[step.schema, step.name] = step

    def _record_check(self, schema: str | None, table: str, name: Any, condition: Any) -> None:
        if name is not None:
            self.checks[schema, table, str(name)] = condition_of(condition)

    def restore_definitions(self, operation: ops.MigrateOperation) -> None:
        """Replace reflected definitions in an operation of a downgrade by the history's."""
        match operation:
            case ops.ModifyTableOps():
                operation.ops = [self._with_definitions(op) for op in operation.ops]
            case _:
                self._with_definitions(operation)

    def _with_definitions(self, operation: ops.MigrateOperation) -> ops.MigrateOperation:
        schema = getattr(operation, "schema", None)
        match operation:
            case ops.AddColumnOp():
                operation.column = copy_item(operation.column)
                self._restore_column(schema, operation.table_name, operation.column)
            case ops.CreateTableOp():
                table = operation.table_name
                for item in operation.columns:
                    if isinstance(item, sa.Column):
                        self._restore_column(schema, table, item)
                operation.columns = [
                    self._check_with_definition(schema, table, column)
                    for column in operation.columns
                ]
            case ops.AlterColumnOp() if operation.modify_server_default not in (False, None):
                name = schema, operation.table_name, operation.column_name
                default = self.defaults.get(name, operation.modify_server_default)
                operation.modify_server_default = default
            case ops.CreateIndexOp():
                return self.indexes.get((schema, str(operation.index_name)), operation)
        return operation

    def _restore_column(self, schema: str | None, table: str, column: sa.Column[Any]) -> None:
        name = schema, table, column.name
        history_type = self.types.get(name)
        if history_type is not None:
            column.type = plain_type(history_type)
        default = getattr(getattr(column.server_default, "arg", None), "text", "")
        if default.startswith("nextval("):  # a serial column, which needs no default
            column.server_default = None
        elif column.server_default is not None and name in self.defaults:
            set_default(column, self.defaults[name])

    def _check_with_definition(self, schema: str | None, table: str, item: Any) -> Any:
        if not isinstance(item, sa.CheckConstraint):
            return item
        condition = self.checks.get((schema, table, str(item.name)))
        if condition is None:
            return item
        sql = sa.text(unbound(condition)) if isinstance(condition, str) else condition
        return sa.CheckConstraint(sql, name=item.name)

    def _record_enum(self, key: EnumKey, values: tuple[str, ...]) -> None:
        self.enums[key] = values
        for name in self.columns_with(key):
            type_ = self.types[name]
            if isinstance(type_, sa.Enum):
                self.types[name] = existing_enum(type_, values)

    def neutral(
        self, name: ColumnKey, type_: TypeEngine[Any], accepts: Callable[[Any], bool] | None = None
    ) -> Any:
        """Return a neutral value that a column's CHECKs accept.

        Args:
            name: The column.
            type_: The column's type.
            accepts: Returns whether the column's CHECKs accept a value.
        """
        if is_array(type_):
            return neutral_value(type_)
        enum = native_enum(type_)
        if enum is not None:
            return self.enums.get((enum.schema, str(enum.name)), tuple(enum.enums))[0]
        conditions = [_text(condition) for condition in self.conditions_on(*name)]
        if not conditions or accepts is None:
            return neutral_value(type_)
        mentioned = [literal for text in conditions for literal in literals_in(text)]
        accepted = (
            candidate for candidate in candidate_values(type_, mentioned) if accepts(candidate)
        )
        return next(accepted, neutral_value(type_))

    def _forget(self, dropped: ops.DropTableOp | ops.DropColumnOp) -> None:
        column = dropped.column_name if isinstance(dropped, ops.DropColumnOp) else None
        owner = dropped.schema, dropped.table_name
        for known in (self.types, self.defaults):
            for name in [key for key in known if key[:2] == owner and column in (None, key[2])]:
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
        def renamed(name: ColumnKey) -> ColumnKey:
            return (schema, new, name[2]) if name[:2] == (schema, old) else name

        self.types = {renamed(name): type_ for name, type_ in self.types.items()}
        self.defaults = {renamed(name): default for name, default in self.defaults.items()}
        self.checks = {renamed(name): condition for name, condition in self.checks.items()}
        for key, step in self.indexes.items():
            if (step.schema, step.table) == (schema, old):
                self.indexes[key] = replace(step, table=new)

    def _rename_column(self, name: ColumnKey, new: str) -> None:
        schema, table, old = name
        for known in (self.types, self.defaults):
            if name in known:
                known[schema, table, new] = known.pop(name)
        for check, condition in self.checks.items():
            if check[:2] == (schema, table):
                self.checks[check] = _with_renamed_column(condition, old, new)
        for key, step in self.indexes.items():
            if (step.schema, step.table) == (schema, table):
                self.indexes[key] = _index_with_renamed_column(step, old, new)

    def _rename_index(self, step: safe_ops.RenameIndex) -> None:
        index = self.indexes.pop((step.schema, step.index), None)
        if index is not None:
            self._record_index(replace(index, name=step.new))


def index_step(operation: ops.CreateIndexOp) -> safe_ops.AddIndex:
    """Convert Alembic's operation to a step."""
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
    """Set a column's server default, identity or computed expression."""
    column.server_default = column.computed = column.identity = None
    if default is None:
        return
    copy = copy_item(default) if hasattr(default, "_copy") else default
    if isinstance(copy, sa.DefaultClause):
        copy = sa.DefaultClause(copy.arg)
    elif not isinstance(copy, sa.FetchedValue | sa.Identity):
        copy = sa.DefaultClause(copy)
    set_parent(copy, column)


def _text(condition: safe_ops.Condition) -> str:
    if isinstance(condition, safe_ops.by_dialect):
        return condition.texts["postgresql"]
    return condition if isinstance(condition, str) else str(condition)


def _with_renamed_column(condition: safe_ops.Condition, old: str, new: str) -> safe_ops.Condition:
    """Rename a column in a condition, as databases do in the conditions that they store."""
    if isinstance(condition, safe_ops.by_dialect):
        texts = {
            name: replace_column_name(text, old, new) for name, text in condition.texts.items()
        }
        return safe_ops.by_dialect(sqlite=texts["sqlite"], postgresql=texts["postgresql"])
    return replace_column_name(condition, old, new) if isinstance(condition, str) else condition


def _index_with_renamed_column(step: safe_ops.AddIndex, old: str, new: str) -> safe_ops.AddIndex:
    def renamed(argument: Any) -> Any:
        if isinstance(argument, str):
            return new if argument == old else argument
        if isinstance(argument, list | tuple):
            return [renamed(element) for element in argument]
        if isinstance(argument, dict):
            return {renamed(key): value for key, value in argument.items()}
        if isinstance(argument, sa.ClauseElement):
            text = str(argument.compile(compile_kwargs={"literal_binds": True}))
            return sa.text(unbound(replace_column_name(text, old, new)))
        return argument

    columns = [renamed(column) for column in step.columns]
    options = {
        key: renamed(value) if key.endswith(("_where", "_include", "_ops")) else value
        for key, value in step.options.items()
    }
    return replace(step, columns=columns, options=options)
