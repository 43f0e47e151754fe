"""What Alembic finds to be different, as steps that are safe on a table in use, in order.

For each table: indexes and constraints that go, then columns that come, then what columns become,
then what rows get, then constraints and indexes that come, and last the columns that go. Foreign
keys that stand in the way of a column's type or of a key are dropped before all of it, and come
again after.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa
from alembic.operations import ops
from alembic.operations.ops import MigrateOperation
from sqlalchemy import Connection

from colonnade.migrations import operations as safe_ops
from colonnade.migrations.autogenerate._backfill import Fields
from colonnade.migrations.autogenerate._choices import Choices
from colonnade.migrations.autogenerate._descriptions import table_of
from colonnade.migrations.autogenerate._foreign_keys import foreign_key_step, name_in_operations
from colonnade.migrations.autogenerate._neutral_values import neutral_for
from colonnade.migrations.autogenerate._pairing import Pairing
from colonnade.migrations.autogenerate._reflected import Key, Stored
from colonnade.migrations.autogenerate._rendering import literal_in, text_of
from colonnade.migrations.autogenerate._schema_history import SchemaHistory
from colonnade.migrations.autogenerate._value_mapping import mapping_of
from colonnade.migrations.operations._conversions import conversion, refusing
from colonnade.migrations.operations._types import (
    enum_key,
    is_array,
    native_enum,
    plain_type,
    postgresql_name,
    postgresql_type,
)
from colonnade.models import check_name

_Column = tuple[str | None, str, str]


@dataclass
class StepPlanner:
    """Turns Alembic's operations into ours.

    Args:
        connection: The throwaway database, which has the tables of the history.
        fields: The models' fields, for what rows get that are there.
        choices: The options of the command, and whom to ask.
        ledger: What the history says of its columns and CHECKs.
        before: The tables before, as the database keeps them.
        after: The tables afterwards.
        foreign_keys: The existing foreign keys.
        going_back: Whether it is a downgrade, for which nobody is asked.
    """

    connection: Connection
    fields: Fields
    choices: Choices
    ledger: SchemaHistory
    before: Mapping[Key, Stored]
    after: Mapping[Key, Stored]
    foreign_keys: Sequence[safe_ops.AddForeignKey]
    going_back: bool = False
    _last: list[MigrateOperation] = field(default_factory=list, init=False)

    def arrange(self, operations: Iterable[MigrateOperation]) -> list[MigrateOperation]:
        """The operations in our order."""
        operations = list(operations)
        for modified in (op for op in operations if isinstance(op, ops.ModifyTableOps)):
            name_in_operations(modified)
        if self.going_back:
            for operation in operations:
                self.ledger.give(operation)
        created = {
            operation.table_name
            for operation in operations
            if isinstance(operation, ops.CreateTableOp)
        }
        dropped = {
            operation.table_name
            for operation in operations
            if isinstance(operation, ops.DropTableOp)
        }
        arranged: list[MigrateOperation] = [*self._released(operations), *self._untied(operations)]
        self._tie_later(operations)
        for operation in operations:
            if not isinstance(operation, ops.ModifyTableOps):
                arranged.append(operation)
            elif operation.table_name in dropped:
                continue  # what it has goes with it
            elif operation.table_name in created:
                arranged += operation.ops
            else:
                arranged += self._table(operation)
        return [*arranged, *self._last]

    def _released(self, operations: Sequence[MigrateOperation]) -> Iterator[MigrateOperation]:
        """Drop the foreign keys of columns that change their type or leave their key."""
        tables = [
            operation for operation in operations if isinstance(operation, ops.ModifyTableOps)
        ]
        changed = {column for table in tables for column in self._changed(table)}
        if not changed:
            return
        known = {(key.schema, key.table, key.name): key for key in self.foreign_keys}
        touched = {name: key for name, key in known.items() if changed & set(_columns_of(key))}
        for operation in tables:
            for drop in [each for each in operation.ops if isinstance(each, ops.DropConstraintOp)]:
                name = operation.schema, operation.table_name, str(drop.constraint_name)
                if touched.pop(name, None) is not None:
                    operation.ops.remove(drop)
                    yield safe_ops.DropForeignKey(name[2], name[1], schema=name[0])
            for new in [each for each in operation.ops if isinstance(each, ops.CreateForeignKeyOp)]:
                step = foreign_key_step(new)
                if changed & set(_columns_of(step)):
                    operation.ops.remove(new)
                    self._last.append(step)
        for key in touched.values():
            yield safe_ops.DropForeignKey(key.name, key.table, schema=key.schema)
            self._last.append(key)

    def _tie_later(self, operations: Sequence[MigrateOperation]) -> None:
        """Add the foreign keys of a new table last that refer to a table which comes after it."""
        tables = [operation for operation in operations if isinstance(operation, ops.CreateTableOp)]
        waiting = {(table.schema, table.table_name) for table in tables}
        for table in tables:
            waiting.discard((table.schema, table.table_name))
            for item in list(table.columns):
                if not isinstance(item, sa.ForeignKeyConstraint) or item.name is None:
                    continue
                step = foreign_key_step(ops.CreateForeignKeyOp.from_constraint(item))
                if item.use_alter or (step.target_schema, step.target) in waiting:
                    table.columns = [column for column in table.columns if column is not item]
                    self._last.append(step)

    def _untied(self, operations: Sequence[MigrateOperation]) -> Iterator[safe_ops.DropForeignKey]:
        """Drop the foreign keys of tables that go after those that they refer to."""
        gone = [
            (operation.schema, operation.table_name)
            for operation in operations
            if isinstance(operation, ops.DropTableOp)
        ]
        for key in self.foreign_keys:
            here, there = (key.schema, key.table), (key.target_schema, key.target)
            if here in gone and there in gone and gone.index(there) < gone.index(here):
                yield safe_ops.DropForeignKey(key.name, key.table, schema=key.schema)

    def _changed(self, modified: ops.ModifyTableOps) -> Iterator[_Column]:
        """The columns of a table that foreign keys cannot be on while it changes."""
        table, schema = modified.table_name, modified.schema
        stored = self.before.get((schema, table), Stored())
        for op in modified.ops:
            columns: Iterable[str] = ()
            if isinstance(op, ops.AlterColumnOp) and op.modify_type is not None:
                columns = [op.column_name]
            elif isinstance(op, safe_ops.ChangeKey):
                columns = op.was
            elif isinstance(op, ops.DropConstraintOp) and op.constraint_type == "unique":
                stored_columns = stored.uniques.get(str(op.constraint_name), "")
                columns = stored_columns.partition("(")[2].partition(")")[0].split(", ")
            for column in columns:
                yield schema, table, column

    def _table(self, modified: ops.ModifyTableOps) -> Iterator[MigrateOperation]:
        table, schema = modified.table_name, modified.schema
        pairing = Pairing(self.before, self.after, self.ledger, self.going_back, self._mapping)
        left = pairing.pair(modified.ops, table, schema)
        drops = [operation for operation in left if isinstance(operation, ops.DropConstraintOp)]
        columns = [operation for operation in left if isinstance(operation, ops.AddColumnOp)]
        alters = [operation for operation in left if isinstance(operation, ops.AlterColumnOp)]
        gone = [operation for operation in left if isinstance(operation, ops.DropColumnOp)]
        yield from (
            _drop_index(operation) for operation in left if isinstance(operation, ops.DropIndexOp)
        )
        yield from self._before_dropped(drops, table, schema)
        later: list[MigrateOperation] = []
        together: list[MigrateOperation] = [*drops]
        for column in columns:
            together.append(column)
            later += self._filled(column)
        for alter in alters:
            rest, steps = self._altered(alter)
            together += rest
            later += steps
        if together:
            yield ops.ModifyTableOps(table, together, schema=schema)
        yield from later
        yield from (
            operation
            for operation in left
            if isinstance(operation, safe_ops.Step) and not isinstance(operation, safe_ops.AddIndex)
        )
        for operation in left:
            if isinstance(operation, ops.AddConstraintOp):
                yield from self._constraint(operation, pairing)
        yield from (operation for operation in left if isinstance(operation, safe_ops.AddIndex))
        done = (ops.DropConstraintOp, ops.AddColumnOp, ops.AlterColumnOp, ops.DropColumnOp,
                ops.DropIndexOp, ops.AddConstraintOp, safe_ops.Step)  # fmt: skip
        yield from (operation for operation in left if not isinstance(operation, done))
        if gone:
            yield ops.ModifyTableOps(table, gone, schema=schema)

    def _filled(self, added: ops.AddColumnOp) -> Iterator[MigrateOperation]:
        """What follows a new column for existing rows; itself it comes without NOT NULL."""
        column = added.column
        if column.server_default is not None or column.computed is not None:
            return
        added.column = column._copy()
        added.column.primary_key = False
        added.column.nullable = True
        if not column.nullable:
            yield self._require(added.table_name, column, added.schema, "is new and NOT NULL")
        elif not self.going_back:
            value = self.fields.fills(added.table_name, column, self.choices)
            if value is not None:
                yield safe_ops.Fill(added.table_name, column.name, value, schema=added.schema)

    def _require(
        self, table: str, column: sa.Column[Any], schema: str | None, why: str
    ) -> safe_ops.Require:
        if self.going_back:
            name = (schema, table, column.name)
            value = neutral_for(self.connection, self.ledger, name, column.type)
        else:
            value = self.fields.fill(table, column, self.choices, why)
        return safe_ops.Require(table, column.name, value, schema=schema)

    def _altered(
        self, alter: ops.AlterColumnOp
    ) -> tuple[list[MigrateOperation], list[MigrateOperation]]:
        table, name, schema = alter.table_name, alter.column_name, alter.schema
        was = self.ledger.types.get((schema, table, name), alter.existing_type)
        steps: list[MigrateOperation] = []
        if alter.modify_type is not None:
            kind = alter.modify_type
            if self.going_back:
                kind = self.ledger.types.get((schema, table, name), kind)
                was = alter.existing_type
            retyped = self._retyped(table, name, schema, kind, was)
            default = alter.modify_server_default
            if default is False and (enum_key(retyped.type_) or enum_key(retyped.was)):
                default = alter.existing_server_default or False
            if retyped.using and default is not False:
                # The old default may be none of the new type, nor the new one of the old.
                retyped = replace(retyped, default=_sql_of(default))
                alter.modify_server_default = False
            steps += [*self._names_again(retyped), retyped]
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

    def _names_again(self, step: safe_ops.ChangeType) -> Iterator[safe_ops.MapValues]:
        """Of an enum that is stored by value now, the names that its type had."""
        enum = native_enum(step.type_)
        if not self.going_back or enum is None:
            return
        check = check_name(step.table, step.column, "values")
        _, pairs = self.fields.renamed_values(step.table, check) or ("", {})
        names = {value: name for name, value in pairs.items() if name in enum.enums}
        if names:
            yield safe_ops.MapValues(step.table, step.column, names, schema=step.schema)

    def _retyped(
        self, table: str, name: str, schema: str | None, kind: Any, was: Any
    ) -> safe_ops.ChangeType:
        new, old = plain_type(kind), plain_type(was) if was is not None else plain_type(kind)
        using = self._using(f"{table}.{name}", postgresql_name(name), old, new)
        return safe_ops.ChangeType(table, name, new, old, using=using, schema=schema)

    def _using(self, full: str, column: str, old: Any, new: Any) -> str | None:
        type_sql = postgresql_type(new)
        enums = enum_key(old), enum_key(new)
        if enums != (None, None):
            text = "text[]" if is_array(old) and is_array(new) else "text"
            return None if enums[0] == enums[1] else f"{column}::{text}::{type_sql}"
        zone = "UTC"
        if _gets_zone(old, new) and self.connection.dialect.name == "postgresql":
            zone = (self.choices.zone or "UTC") if self.going_back else self.choices.zone_of([full])
        converted = conversion(old, new, zone)
        return (
            refusing(column, type_sql)
            if converted is None
            else converted.value("postgresql", column)
        )

    def _mapping(
        self, table: str, check: str, old: Any, new: Any
    ) -> tuple[str, Mapping[Any, Any]] | None:
        """The column of a CHECK over values, and what those become that it does not accept now."""
        column = self.fields.values_column(table, check)
        if column is None:
            return None
        return mapping_of(self.choices, table, column, old, new, going_back=self.going_back)

    def _before_dropped(
        self, drops: Iterable[ops.DropConstraintOp], table: str, schema: str | None
    ) -> Iterator[safe_ops.Step]:
        """Going back past a CHECK over values that came, the values that rows had before."""
        for drop in drops if self.going_back else ():
            name = str(drop.constraint_name)
            column = self.fields.values_column(table, name)
            mapping = column and self.choices.maps.get(f"{table}.{column}", {})
            back = {new: old for old, new in (mapping or {}).items() if new and new != old}
            if column and back and len(back) == len(mapping or {}):
                yield safe_ops.MapValues(table, column, back, schema=schema)

    def _constraint(self, added: ops.AddConstraintOp, pairing: Pairing) -> Iterator[Any]:
        match added:
            case ops.CreateCheckConstraintOp():
                yield from self._check(added, pairing)
            case ops.CreateUniqueConstraintOp() if added.constraint_name and not _special(added):
                columns = [str(column) for column in added.columns]
                name = str(added.constraint_name)
                yield safe_ops.AddUnique(name, added.table_name, columns, schema=added.schema)
            case ops.CreateForeignKeyOp() if added.constraint_name and not _special(added):
                yield foreign_key_step(added)
            case _:
                table, schema = table_of(added), getattr(added, "schema", None)
                yield ops.ModifyTableOps(str(table), [added], schema=schema)

    def _check(
        self, added: ops.CreateCheckConstraintOp, pairing: Pairing
    ) -> Iterator[safe_ops.Step]:
        name, table, schema = str(added.constraint_name), added.table_name, added.schema
        condition = pairing.said(added, table, schema)
        column = self.fields.values_column(table, name)
        mapped: Mapping[Any, Any] = {}
        if not self.going_back and column is not None:
            _, names = self.fields.renamed_values(table, name) or (column, {})
            mapping = self.choices.mapped(f"{table}.{column}")
            mapped = {**names, **{old: new for old, new in mapping.items() if new}}
        if column is not None and mapped:
            yield safe_ops.ReplaceCheck(
                name, table, condition, column=column, values=mapped, schema=schema
            )
        else:
            yield safe_ops.AddCheck(name, table, condition, schema=schema)


def _columns_of(key: safe_ops.AddForeignKey) -> Iterator[_Column]:
    for column in key.columns:
        yield key.schema, key.table, column
    for column in key.target_columns:
        yield key.target_schema, key.target, column


def _gets_zone(old: Any, new: Any) -> bool:
    return (
        isinstance(old, sa.DateTime)
        and isinstance(new, sa.DateTime)
        and old.timezone != new.timezone
    )


def _sql_of(default: Any) -> Any:
    """A default in the database as SQL; None if there is none."""
    sql = getattr(default, "arg", default)
    if isinstance(sql, sa.TextClause):
        literal = literal_in(sql.text)
        return sql if literal is None else sa.text(literal)
    if not isinstance(sql, str):
        return sql
    return text_of(sql)


def _special(added: Any) -> bool:
    """Whether a constraint says more than our steps do."""
    plain = {"ondelete", "onupdate", "source_schema", "referent_schema", "deferrable", "initially"}
    if isinstance(added, ops.CreateUniqueConstraintOp):
        plain -= {"deferrable", "initially"}
    return any(value is not None for key, value in added.kw.items() if key not in plain)


def _drop_index(operation: ops.DropIndexOp) -> safe_ops.DropIndex:
    return safe_ops.DropIndex(
        str(operation.index_name), str(operation.table_name), schema=operation.schema
    )
