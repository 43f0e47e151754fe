"""Convert Alembic's operations to steps that are safe on a table in use, in a safe order.

For each table: drop indexes and constraints, add columns, alter columns, update rows, add
constraints and indexes, and drop columns. Foreign keys that would block a change of a column's type
or of a key are dropped before all of this, and added again afterwards.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import sqlalchemy as sa
from alembic.operations import ops
from alembic.operations.ops import MigrateOperation
from sqlalchemy import Connection

from colonnade._sqlalchemy_compat import copy_item
from colonnade.migrations import operations as safe_ops
from colonnade.migrations.autogenerate._backfill import BackfillValues
from colonnade.migrations.autogenerate._choices import Choices
from colonnade.migrations.autogenerate._descriptions import table_of
from colonnade.migrations.autogenerate._foreign_keys import foreign_key_step, name_in_operations
from colonnade.migrations.autogenerate._neutral_values import neutral_value_for
from colonnade.migrations.autogenerate._pairing import Pairing
from colonnade.migrations.autogenerate._reflected import StoredTable, TableKey
from colonnade.migrations.autogenerate._rendering import literal_in, text_of
from colonnade.migrations.autogenerate._schema_history import ColumnKey, SchemaHistory
from colonnade.migrations.autogenerate._value_mapping import mapping_of
from colonnade.migrations.operations._conversions import conversion, null_only
from colonnade.migrations.operations._time_zones import changes_time_zone
from colonnade.migrations.operations._types import (
    enum_key,
    is_array,
    native_enum,
    plain_type,
    postgresql_name,
    postgresql_type,
)
from colonnade.models import check_name


@dataclass
class StepPlanner:
    """Plans the steps of an upgrade or a downgrade.

    Args:
        connection: The throwaway database, in which the history was replayed.
        backfill: The values for existing rows.
        choices: The answers given in advance, and the prompt for the others.
        schema_history: The history's definitions of columns and CHECKs.
        before: The tables before the steps, as the database stores them.
        after: The tables after the steps.
        foreign_keys: The foreign keys before the steps.
        going_back: Whether to plan a downgrade, which does not prompt.
    """

    connection: Connection
    backfill: BackfillValues
    choices: Choices
    schema_history: SchemaHistory
    before: Mapping[TableKey, StoredTable]
    after: Mapping[TableKey, StoredTable]
    foreign_keys: Sequence[safe_ops.AddForeignKey]
    going_back: bool = False
    _deferred: list[MigrateOperation] = field(default_factory=list, init=False)

    def plan_steps(self, operations: Iterable[MigrateOperation]) -> list[MigrateOperation]:
        """Return the steps for Alembic's operations, in order."""
        operations = list(operations)
        for modified in _only(ops.ModifyTableOps, operations):
            name_in_operations(modified)
        if self.going_back:
            for operation in operations:
                self.schema_history.restore_definitions(operation)
        created = {create.table_name for create in _only(ops.CreateTableOp, operations)}
        dropped = {drop.table_name for drop in _only(ops.DropTableOp, operations)}
        steps: list[MigrateOperation] = [
            *self._drop_blocking_foreign_keys(operations),
            *self._drop_foreign_keys_of_dropped_tables(operations),
        ]
        self._defer_foreign_keys(operations)
        for operation in operations:
            if not isinstance(operation, ops.ModifyTableOps):
                steps.append(operation)
            elif operation.table_name in dropped:
                continue  # its indexes and constraints are dropped with the table
            elif operation.table_name in created:
                steps += operation.ops
            else:
                steps += self._plan_table(operation)
        return [*steps, *self._deferred]

    def _drop_blocking_foreign_keys(
        self, operations: Sequence[MigrateOperation]
    ) -> Iterator[MigrateOperation]:
        """Drop the foreign keys on columns whose type changes, or that stop being unique."""
        tables = _only(ops.ModifyTableOps, operations)
        changed = {
            column for table in tables for column in self._columns_without_foreign_keys(table)
        }
        if not changed:
            return
        blocking = {
            (key.schema, key.table, key.name): key
            for key in self.foreign_keys
            if changed & set(_columns_of(key))
        }
        for modified in tables:
            for drop in _only(ops.DropConstraintOp, modified.ops):
                name = modified.schema, modified.table_name, str(drop.constraint_name)
                if blocking.pop(name, None) is not None:
                    modified.ops.remove(drop)
                    yield safe_ops.DropForeignKey(name[2], name[1], schema=name[0])
            for create in _only(ops.CreateForeignKeyOp, modified.ops):
                step = foreign_key_step(create)
                if changed & set(_columns_of(step)):
                    modified.ops.remove(create)
                    self._deferred.append(step)
        for key in blocking.values():
            yield safe_ops.DropForeignKey(key.name, key.table, schema=key.schema)
            self._deferred.append(key)

    def _defer_foreign_keys(self, operations: Sequence[MigrateOperation]) -> None:
        """Add foreign keys to tables that are created later after all tables are created."""
        tables = _only(ops.CreateTableOp, operations)
        waiting = {(table.schema, table.table_name) for table in tables}
        for table in tables:
            waiting.discard((table.schema, table.table_name))
            for item in list(table.columns):
                if not isinstance(item, sa.ForeignKeyConstraint) or item.name is None:
                    continue
                step = foreign_key_step(ops.CreateForeignKeyOp.from_constraint(item))
                if item.use_alter or (step.target_schema, step.target) in waiting:
                    table.columns = [column for column in table.columns if column is not item]
                    self._deferred.append(step)

    def _drop_foreign_keys_of_dropped_tables(
        self, operations: Sequence[MigrateOperation]
    ) -> Iterator[safe_ops.DropForeignKey]:
        """Drop the foreign keys to tables that are dropped before the referring table."""
        dropped = [(drop.schema, drop.table_name) for drop in _only(ops.DropTableOp, operations)]
        for key in self.foreign_keys:
            source, target = (key.schema, key.table), (key.target_schema, key.target)
            if (
                source in dropped
                and target in dropped
                and dropped.index(target) < dropped.index(source)
            ):
                yield safe_ops.DropForeignKey(key.name, key.table, schema=key.schema)

    def _columns_without_foreign_keys(self, modified: ops.ModifyTableOps) -> Iterator[ColumnKey]:
        """Yield the columns that cannot have foreign keys while their table changes."""
        table, schema = modified.table_name, modified.schema
        stored = self.before.get((schema, table), StoredTable())
        for op in modified.ops:
            columns: Iterable[str] = ()
            if isinstance(op, ops.AlterColumnOp) and op.modify_type is not None:
                columns = [op.column_name]
            elif isinstance(op, safe_ops.ChangeKey):
                columns = op.was
            elif isinstance(op, ops.DropConstraintOp) and op.constraint_type == "unique":
                definition = stored.uniques.get(str(op.constraint_name), "")
                columns = definition.partition("(")[2].partition(")")[0].split(", ")
            for column in columns:
                yield schema, table, column

    def _plan_table(self, modified: ops.ModifyTableOps) -> Iterator[MigrateOperation]:
        table, schema = modified.table_name, modified.schema
        pairing = Pairing(
            self.before, self.after, self.schema_history, self.going_back, self._value_mapping
        )
        remaining = pairing.pair(modified.ops, table, schema)
        drops = _only(ops.DropConstraintOp, remaining)
        dropped_columns = _only(ops.DropColumnOp, remaining)
        yield from map(_drop_index, _only(ops.DropIndexOp, remaining))
        yield from self._restore_values(drops, table, schema)
        batch: list[MigrateOperation] = [*drops]
        after_batch: list[MigrateOperation] = []
        for column in _only(ops.AddColumnOp, remaining):
            batch.append(column)
            after_batch += self._backfill_column(column)
        for alter in _only(ops.AlterColumnOp, remaining):
            alterations, column_steps = self._alter_column(alter)
            batch += alterations
            after_batch += column_steps
        if batch:
            yield ops.ModifyTableOps(table, batch, schema=schema)
        yield from after_batch
        steps = _only(safe_ops.Step, remaining)
        yield from (step for step in steps if not isinstance(step, safe_ops.AddIndex))
        for operation in remaining:
            if isinstance(operation, ops.AddConstraintOp):
                yield from self._add_constraint(operation, pairing)
        yield from _only(safe_ops.AddIndex, steps)
        done = (ops.DropConstraintOp, ops.AddColumnOp, ops.AlterColumnOp, ops.DropColumnOp,
                ops.DropIndexOp, ops.AddConstraintOp, safe_ops.Step)  # fmt: skip
        yield from (operation for operation in remaining if not isinstance(operation, done))
        if dropped_columns:
            yield ops.ModifyTableOps(table, dropped_columns, schema=schema)

    def _backfill_column(self, added: ops.AddColumnOp) -> Iterator[MigrateOperation]:
        """Make an added column nullable, and yield the steps that fill it and set NOT NULL."""
        column = added.column
        if column.server_default is not None or column.computed is not None:
            return
        added.column = copy_item(column)
        added.column.primary_key = False
        added.column.nullable = True
        if not column.nullable:
            yield self._require(added.table_name, column, added.schema, "is new and NOT NULL")
        elif not self.going_back:
            value = self.backfill.optional(added.table_name, column, self.choices)
            if value is not None:
                yield safe_ops.Fill(added.table_name, column.name, value, schema=added.schema)

    def _require(
        self, table: str, column: sa.Column[Any], schema: str | None, why: str
    ) -> safe_ops.Require:
        if self.going_back:
            name = (schema, table, column.name)
            value = neutral_value_for(self.connection, self.schema_history, name, column.type)
        else:
            value = self.backfill.required(table, column, self.choices, why)
        return safe_ops.Require(table, column.name, value, schema=schema)

    def _alter_column(
        self, alter: ops.AlterColumnOp
    ) -> tuple[list[MigrateOperation], list[MigrateOperation]]:
        table, name, schema = alter.table_name, alter.column_name, alter.schema
        was = self.schema_history.types.get((schema, table, name), alter.existing_type)
        steps: list[MigrateOperation] = []
        if alter.modify_type is not None:
            new_type = alter.modify_type
            if self.going_back:
                new_type = self.schema_history.types.get((schema, table, name), new_type)
                was = alter.existing_type
            retyped = self._change_type(table, name, schema, new_type, was)
            default = alter.modify_server_default
            if default is False and (enum_key(retyped.type_) or enum_key(retyped.was)):
                default = alter.existing_server_default or False
            if retyped.expression and default is not False:
                # Neither default need be valid for the other type: change both in one step.
                retyped = replace(retyped, default=_default_sql(default))
                alter.modify_server_default = False
            steps += [*self._restore_enum_names(retyped), retyped]
            alter.modify_type = None
        defaults = alter.existing_server_default, alter.modify_server_default
        if defaults[1] is not False and any(
            isinstance(default, sa.Identity) for default in defaults
        ):
            was_default, default = (default or None for default in defaults)
            steps.append(safe_ops.SetDefault(table, name, default, was=was_default, schema=schema))
            alter.modify_server_default = False
        if alter.modify_nullable is False:
            column = sa.Column(name, alter.existing_type or sa.String())
            steps.append(self._require(table, column, schema, "is NOT NULL now"))
            alter.modify_nullable = None
        elif alter.modify_nullable is True:
            steps.append(safe_ops.DropNotNull(table, name, schema=schema))
            alter.modify_nullable = None
        alter.existing_type = plain_type(was) if was is not None else None
        return ([alter] if alter.has_changes() else []), steps

    def _restore_enum_names(self, step: safe_ops.ChangeType) -> Iterator[safe_ops.MapValues]:
        """Restore the names of an enum's members, which the upgrade replaced by its values."""
        enum = native_enum(step.type_)
        if not self.going_back or enum is None:
            return
        check = check_name(step.table, step.column, "values")
        _, pairs = self.backfill.enum_name_mapping(step.table, check) or ("", {})
        names = {value: name for name, value in pairs.items() if name in enum.enums}
        if names:
            yield safe_ops.MapValues(step.table, step.column, names, schema=step.schema)

    def _change_type(
        self, table: str, name: str, schema: str | None, new_type: Any, was: Any
    ) -> safe_ops.ChangeType:
        new = plain_type(new_type)
        old = new if was is None else plain_type(was)
        if changes_time_zone(old, new):
            zone = (
                (self.choices.zone or "UTC")
                if self.going_back
                else self.choices.zone_of([f"{table}.{name}"])
            )
            return safe_ops.ChangeType(table, name, new, old, zone=zone, schema=schema)
        using = self._using(postgresql_name(name), old, new)
        return safe_ops.ChangeType(table, name, new, old, using=using, schema=schema)

    def _using(self, column: str, old: Any, new: Any) -> str | None:
        type_sql = postgresql_type(new)
        enums = enum_key(old), enum_key(new)
        if enums != (None, None):
            text = "text[]" if is_array(old) and is_array(new) else "text"
            return None if enums[0] == enums[1] else f"{column}::{text}::{type_sql}"
        type_conversion = conversion(old, new)
        return (
            null_only(column, type_sql)
            if type_conversion is None
            else type_conversion.value("postgresql", column)
        )

    def _value_mapping(
        self, table: str, check: str, old: Any, new: Any
    ) -> tuple[str, Mapping[Any, Any]] | None:
        """Return the column whose values a CHECK lists, and replacements for removed values."""
        column = self.backfill.column_of_values_check(table, check)
        if column is None:
            return None
        return mapping_of(self.choices, table, column, old, new, going_back=self.going_back)

    def _restore_values(
        self, drops: Iterable[ops.DropConstraintOp], table: str, schema: str | None
    ) -> Iterator[safe_ops.Step]:
        """Restore the values that rows had before the upgrade added a CHECK and mapped them.

        Only a one-to-one mapping can be reversed.
        """
        for drop in drops if self.going_back else ():
            name = str(drop.constraint_name)
            column = self.backfill.column_of_values_check(table, name)
            mapping = column and self.choices.maps.get(f"{table}.{column}", {})
            back = {new: old for old, new in (mapping or {}).items() if new and new != old}
            if column and back and len(back) == len(mapping or {}):
                yield safe_ops.MapValues(table, column, back, schema=schema)

    def _add_constraint(self, added: ops.AddConstraintOp, pairing: Pairing) -> Iterator[Any]:
        match added:
            case ops.CreateCheckConstraintOp():
                yield from self._add_check(added, pairing)
            case ops.CreateUniqueConstraintOp() if _is_plain(added):
                columns = [str(column) for column in added.columns]
                name = str(added.constraint_name)
                yield safe_ops.AddUnique(name, added.table_name, columns, schema=added.schema)
            case ops.CreateForeignKeyOp() if _is_plain(added):
                yield foreign_key_step(added)
            case _:
                table, schema = table_of(added), getattr(added, "schema", None)
                yield ops.ModifyTableOps(str(table), [added], schema=schema)

    def _add_check(
        self, added: ops.CreateCheckConstraintOp, pairing: Pairing
    ) -> Iterator[safe_ops.Step]:
        name, table, schema = str(added.constraint_name), added.table_name, added.schema
        condition = pairing.condition_of_added(added, table, schema)
        column = self.backfill.column_of_values_check(table, name)
        replacements: Mapping[Any, Any] = {}
        if not self.going_back and column is not None:
            _, names = self.backfill.enum_name_mapping(table, name) or (column, {})
            answers = self.choices.replacements_for(f"{table}.{column}")
            replacements = {**names, **{old: new for old, new in answers.items() if new}}
        if column is not None and replacements:
            yield safe_ops.ReplaceCheck(
                name, table, condition, column=column, values=replacements, schema=schema
            )
        else:
            yield safe_ops.AddCheck(name, table, condition, schema=schema)


_Operation = TypeVar("_Operation")


def _only(type_: type[_Operation], operations: Iterable[Any]) -> list[_Operation]:
    """Return the operations of one type."""
    return [operation for operation in operations if isinstance(operation, type_)]


def _columns_of(key: safe_ops.AddForeignKey) -> Iterator[ColumnKey]:
    for column in key.columns:
        yield key.schema, key.table, column
    for column in key.target_columns:
        yield key.target_schema, key.target, column


def _default_sql(default: Any) -> Any:
    """Return a server default as SQL; None without a default."""
    expression = getattr(default, "arg", default)
    if isinstance(expression, sa.TextClause):
        literal = literal_in(expression.text)
        return expression if literal is None else sa.text(literal)
    if not isinstance(expression, str):
        return expression
    return text_of(expression)


def _is_plain(added: Any) -> bool:
    """Return whether a constraint has a name, and only options that the steps support."""
    supported = {
        "ondelete", "onupdate", "source_schema", "referent_schema", "deferrable", "initially"
    }  # fmt: skip
    if isinstance(added, ops.CreateUniqueConstraintOp):
        supported -= {"deferrable", "initially"}
    has_others = any(value is not None for key, value in added.kw.items() if key not in supported)
    return bool(added.constraint_name) and not has_others


def _drop_index(drop: ops.DropIndexOp) -> safe_ops.DropIndex:
    return safe_ops.DropIndex(str(drop.index_name), str(drop.table_name), schema=drop.schema)
