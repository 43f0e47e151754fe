"""What Alembic finds to be different, as steps that are safe on a table in use, in order.

For each table: indexes and constraints that go, then columns that come, then what columns become,
then what rows get, then constraints and indexes that come, and last the columns that go.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from alembic.operations import ops
from alembic.operations.ops import MigrateOperation

from colonnade.migrations import _operations as own
from colonnade.migrations._choices import Choices
from colonnade.migrations._describing import table_of
from colonnade.migrations._fields import Fields
from colonnade.migrations._ledger import Ledger
from colonnade.migrations._rendering import (
    condition_of,
    enum_key,
    is_array,
    literal_in,
    native_enum,
    plain_type,
    postgresql_name,
    postgresql_type,
    text_of,
)
from colonnade.migrations._stored import normal


@dataclass
class Arranger:
    """Turns Alembic's operations into ours.

    Args:
        fields: The models' fields, for what rows get that are there.
        choices: What was said, and whom to ask.
        ledger: What the history says of its columns and CHECKs.
        conditions: Each CHECK of the models as its database keeps it, by table and name.
        going_back: Whether it is a downgrade, for which nobody is asked.
    """

    fields: Fields
    choices: Choices
    ledger: Ledger
    conditions: dict[tuple[str, str], str]
    dialect: str
    going_back: bool = False

    def arrange(self, found: Iterable[MigrateOperation]) -> list[MigrateOperation]:
        """The operations in our order."""
        found = list(found)
        if self.going_back:
            for one in found:
                self.ledger.give(one)
        made = {one.table_name for one in found if isinstance(one, ops.CreateTableOp)}
        dropped = {one.table_name for one in found if isinstance(one, ops.DropTableOp)}
        arranged: list[MigrateOperation] = []
        for one in found:
            if not isinstance(one, ops.ModifyTableOps):
                arranged.append(one)
            elif one.table_name in dropped:
                continue  # what it has goes with it
            elif one.table_name in made:
                arranged += one.ops
            else:
                arranged += self._table(one)
        return arranged

    def _table(self, modified: ops.ModifyTableOps) -> Iterator[MigrateOperation]:
        table, schema = modified.table_name, modified.schema
        left = self._paired(modified.ops, table, schema)
        drops = [one for one in left if isinstance(one, ops.DropConstraintOp)]
        columns = [one for one in left if isinstance(one, ops.AddColumnOp)]
        alters = [one for one in left if isinstance(one, ops.AlterColumnOp)]
        gone = [one for one in left if isinstance(one, ops.DropColumnOp)]
        yield from (_drop_index(one) for one in left if isinstance(one, ops.DropIndexOp))
        later: list[MigrateOperation] = []
        together: list[MigrateOperation] = [*drops]
        for column in columns:
            together.append(column)
            later += self._required(column)
        for alter in alters:
            rest, steps = self._altered(alter)
            together += rest
            later += steps
        if together:
            yield ops.ModifyTableOps(table, together, schema=schema)
        yield from later
        yield from (one for one in left if isinstance(one, own.Step))
        for one in left:
            if isinstance(one, ops.AddConstraintOp):
                yield from self._constraint(one)
        yield from (_add_index(one) for one in left if isinstance(one, ops.CreateIndexOp))
        done = (ops.DropConstraintOp, ops.AddColumnOp, ops.AlterColumnOp, ops.DropColumnOp,
                ops.DropIndexOp, ops.CreateIndexOp, ops.AddConstraintOp, own.Step)  # fmt: skip
        yield from (one for one in left if not isinstance(one, done))
        if gone:
            yield ops.ModifyTableOps(table, gone, schema=schema)

    def _required(self, added: ops.AddColumnOp) -> Iterator[MigrateOperation]:
        """What follows a column that needs a value; the column itself comes without NOT NULL."""
        column = added.column
        if column.nullable or column.server_default is not None or column.computed is not None:
            return
        added.column = column = column._copy()
        column.nullable = True
        yield self._require(added.table_name, column, added.schema, "is new and NOT NULL")

    def _require(
        self, table: str, column: sa.Column[Any], schema: str | None, why: str
    ) -> own.Require:
        if self.going_back:
            kind = self.ledger.types.get((table, column.name), column.type)
            value: Any = self.ledger.zero(plain_type(kind))
        else:
            value = self.fields.fill(table, column, self.choices, why)
        return own.Require(table, column.name, value, schema=schema)

    def _altered(
        self, alter: ops.AlterColumnOp
    ) -> tuple[list[MigrateOperation], list[MigrateOperation]]:
        table, name, schema = alter.table_name, alter.column_name, alter.schema
        was = self.ledger.types.get((table, name), alter.existing_type)
        steps: list[MigrateOperation] = []
        if alter.modify_type is not None:
            kind = alter.modify_type
            if self.going_back:
                kind = self.ledger.types.get((table, name), kind)
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
        if alter.modify_nullable is False:
            column = sa.Column(name, alter.existing_type or sa.String())
            steps.append(self._require(table, column, schema, "is NOT NULL now"))
            alter.modify_nullable = None
        elif alter.modify_nullable is True:
            steps.append(own.DropNotNull(table, name, schema=schema))
            alter.modify_nullable = None
        alter.existing_type = plain_type(was) if was is not None else None
        return ([alter] if alter.has_changes() else []), steps

    def _names_again(self, step: own.ChangeType) -> Iterator[own.MapValues]:
        """Of an enum that is stored by value now, the names that its type had."""
        enum = native_enum(step.type_)
        if not self.going_back or enum is None:
            return
        check = f"ck_{step.table}_{step.column}_values"
        _, pairs = self.fields.renamed_values(step.table, check) or ("", {})
        names = {value: name for name, value in pairs.items() if name in enum.enums}
        if names:
            yield own.MapValues(step.table, step.column, names, schema=step.schema)

    def _retyped(
        self, table: str, name: str, schema: str | None, kind: Any, was: Any
    ) -> own.ChangeType:
        new, old = plain_type(kind), plain_type(was) if was is not None else plain_type(kind)
        using = self._using(f"{table}.{name}", postgresql_name(name), old, new)
        return own.ChangeType(table, name, new, old, using=using, schema=schema)

    def _using(self, full: str, column: str, old: Any, new: Any) -> str | None:
        if isinstance(old, sa.DateTime) and isinstance(new, sa.DateTime):
            if self.dialect != "postgresql":  # others store both alike
                return None
            zone = "UTC"
            if old.timezone != new.timezone:
                zone = (
                    (self.choices.zone or "UTC")
                    if self.going_back
                    else self.choices.zone_of([full])
                )
            return f"{column} AT TIME ZONE '{zone}'" if old.timezone != new.timezone else None
        said = postgresql_type(new)
        enums = enum_key(old), enum_key(new)
        if enums != (None, None):
            text = "text[]" if is_array(old) and is_array(new) else "text"
            return None if enums[0] == enums[1] else f"{column}::{text}::{said}"
        if type(old) is type(new) or (_is_text(old) and _is_text(new)):
            return None
        return f"{column}::{said}"

    def _constraint(self, added: ops.AddConstraintOp) -> Iterator[MigrateOperation]:
        match added:
            case ops.CreateCheckConstraintOp():
                yield from self._check(added)
            case ops.CreateUniqueConstraintOp() if added.constraint_name and not _special(added):
                columns = [str(one) for one in added.columns]
                name = str(added.constraint_name)
                yield own.AddUnique(name, added.table_name, columns, schema=added.schema)
            case ops.CreateForeignKeyOp() if added.constraint_name and not _special(added):
                yield own.AddForeignKey(
                    str(added.constraint_name),
                    added.source_table,
                    [str(one) for one in added.local_cols],
                    added.referent_table,
                    [str(one) for one in added.remote_cols],
                    ondelete=added.kw.get("ondelete"),
                    onupdate=added.kw.get("onupdate"),
                    schema=added.kw.get("source_schema"),
                    target_schema=added.kw.get("referent_schema"),
                )
            case _:
                table, schema = table_of(added), getattr(added, "schema", None)
                yield ops.ModifyTableOps(str(table), [added], schema=schema)

    def _check(self, added: ops.CreateCheckConstraintOp) -> Iterator[MigrateOperation]:
        name, table = str(added.constraint_name), added.table_name
        condition: own.Condition = condition_of(added.condition)
        if self.going_back:
            condition = self.ledger.checks.get((table, name), condition)
        else:
            values = self.fields.renamed_values(table, name)
            if values:
                column, mapping = values
                yield own.MapValues(table, column, mapping, schema=added.schema)
        yield own.AddCheck(name, table, condition, schema=added.schema)

    def _paired(
        self, found: Iterable[MigrateOperation], table: str, schema: str | None
    ) -> list[MigrateOperation]:
        """With one step for what is dropped and comes again, renamed or saying something else."""
        left = list(found)
        checks = [one for one in left if isinstance(one, ops.CreateCheckConstraintOp)]
        for drop in [one for one in left if isinstance(one, ops.DropConstraintOp)]:
            if drop.constraint_type != "check":
                continue
            twin = self._twin(drop, checks, table)
            if twin is not None:
                checks.remove(twin)
                left.remove(twin)
                place = left.index(drop)
                left[place : place + 1] = self._changed(drop, twin, table, schema)
        indexes = [one for one in left if isinstance(one, ops.CreateIndexOp)]
        for gone in [one for one in left if isinstance(one, ops.DropIndexOp)]:
            same = next((new for new in indexes if _signature(new) == _signature(gone)), None)
            if same is not None and str(same.index_name) != str(gone.index_name):
                indexes.remove(same)
                left.remove(same)
                names = str(gone.index_name), str(same.index_name)
                left[left.index(gone)] = own.RenameIndex(table, *names, schema=schema)
        return left

    def _twin(
        self,
        drop: ops.DropConstraintOp,
        checks: Iterable[ops.CreateCheckConstraintOp],
        table: str,
    ) -> ops.CreateCheckConstraintOp | None:
        """The CHECK that comes in place of one: of the same name, or that says the same."""
        name, condition = str(drop.constraint_name), _dropped(drop)
        same = next((one for one in checks if str(one.constraint_name) == name), None)
        if same is not None:
            return same
        return next((one for one in checks if self._says(one, table) == condition), None)

    def _says(self, added: ops.CreateCheckConstraintOp, table: str) -> str | None:
        stored = self.conditions.get((table, str(added.constraint_name)))
        if self.going_back:  # what comes is of the history, and was read from the database
            stored = str(added.condition).replace("\\:", ":")
        return None if stored is None else normal(stored.removeprefix("CHECK "))

    def _changed(
        self,
        drop: ops.DropConstraintOp,
        new: ops.CreateCheckConstraintOp,
        table: str,
        schema: str | None,
    ) -> list[own.Step]:
        old_name, new_name = str(drop.constraint_name), str(new.constraint_name)
        condition: own.Condition = condition_of(new.condition)
        if self.going_back:
            condition = self.ledger.checks.get((table, new_name), condition)
        if old_name != new_name:
            return [own.RenameCheck(table, old_name, new_name, condition, schema=schema)]
        mapped = None if self.going_back else self.fields.mapped(table, new_name, self.choices)
        if mapped is None:
            return [own.ReplaceCheck(new_name, table, condition, schema=schema)]
        return [  # neither the old nor the new values may be all there are
            own.DropCheck(new_name, table, schema=schema),
            own.MapValues(table, *mapped, schema=schema),
            own.AddCheck(new_name, table, condition, schema=schema),
        ]


def _sql_of(default: Any) -> Any:
    """A default in the database as SQL; None if there is none."""
    said = getattr(default, "arg", default)
    if isinstance(said, sa.TextClause):
        literal = literal_in(said.text)
        return said if literal is None else sa.text(literal)
    if not isinstance(said, str):
        return said
    return text_of(said)


def _is_text(kind: Any) -> bool:
    return isinstance(kind, sa.String) and not isinstance(kind, sa.Enum)


def _special(added: Any) -> bool:
    """Whether a constraint says more than our steps do."""
    plain = {"ondelete", "onupdate", "source_schema", "referent_schema"}
    return any(value is not None for key, value in added.kw.items() if key not in plain)


def _drop_index(one: ops.DropIndexOp) -> own.DropIndex:
    return own.DropIndex(str(one.index_name), str(one.table_name), schema=one.schema)


def _add_index(one: ops.CreateIndexOp) -> own.AddIndex:
    columns = [str(c.name) if isinstance(c, sa.Column) else c for c in one.to_index().expressions]
    options = {key: value for key, value in one.kw.items() if value is not None}
    return own.AddIndex(
        str(one.index_name),
        one.table_name,
        columns,
        unique=bool(one.unique),
        options=options,
        schema=one.schema,
    )


def _dropped(drop: ops.DropConstraintOp) -> str:
    reverse: Any = drop.reverse()
    return normal(str(reverse.condition).replace("\\:", ":"))


def _signature(one: Any) -> Any:
    index = one.to_index()
    columns = tuple(str(getattr(column, "name", column)) for column in index.expressions)
    return columns, bool(index.unique), tuple(sorted(map(str, index.dialect_kwargs.items())))
