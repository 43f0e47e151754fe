"""What Alembic's comparison misses: types and defaults as they are stored, and every CHECK."""

from typing import Any
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.compare import server_defaults
from alembic.operations.ops import (
    AlterColumnOp,
    CreateCheckConstraintOp,
    CreateIndexOp,
    DropConstraintOp,
    DropIndexOp,
    ModifyTableOps,
)
from alembic.runtime.migration import MigrationContext
from alembic.runtime.plugins import Plugin
from alembic.util import PriorityDispatchResult

from colonnade.migrations._rendering import condition_of, enum_key
from colonnade.migrations._stored import Key, Stored, normal, stored_models, stored_tables

OURS = "colonnade.compare"
"""The name of our plugin of Alembic's."""

_Both = tuple[Any, Any]
_read: WeakKeyDictionary[MigrationContext, _Both] = WeakKeyDictionary()


def _stored(context: MigrationContext, key: Key) -> tuple[Stored | None, Stored | None]:
    """A table as the database has it, and as it would have the model's."""
    if context not in _read:
        connection = context.connection
        assert connection is not None
        metadata = context.opts["target_metadata"]
        given = context.opts.get("colonnade_stored")
        models = stored_models(metadata, connection) if given is None else given
        _read[context] = (stored_tables(connection), models)
    there, models = _read[context]
    return there.get(key), models.get(key)


def _key(table: sa.Table) -> Key:
    return (table.schema, table.name)


def type_differs(
    context: MigrationContext,
    inspected: sa.Column[Any],
    column: sa.Column[Any],
    inspected_type: object,
    column_type: object,
) -> bool | None:
    """Whether a column's type has changed; None: for Alembic to say."""
    said = context.opts.get("colonnade_types", {}).get((column.table.name, column.name))
    if context.dialect.name == "sqlite" and said is not None:
        # It has no such types, but the other database of the same history may.
        if enum_key(said) != enum_key(column.type):
            return True
        if enum_key(said) is not None and isinstance(inspected_type, sa.String):
            return False  # however long its longest value is
    is_wide_key = column.primary_key and isinstance(column_type, sa.BigInteger)
    if context.dialect.name == "sqlite" and is_wide_key and isinstance(inspected_type, sa.Integer):
        return False  # a BIGINT made before such keys were counted holds what an INTEGER does
    there, model = _stored(context, _key(column.table))
    old = there and there.types.get(inspected.name)
    new = model and model.types.get(column.name)
    return None if old is None or new is None else old != new


def _compare_default(
    autogen_context: AutogenContext,
    alter: AlterColumnOp,
    schema: str | None,
    table: str,
    name: str,
    inspected: sa.Column[Any],
    column: sa.Column[Any],
) -> PriorityDispatchResult:
    """Whether a column's default in the database has changed, as it is stored."""
    there, model = _stored(autogen_context.migration_context, (schema, table))
    old, new = inspected.server_default, column.server_default
    if there is None or model is None or not (_is_plain(old) and _is_plain(new)):
        return PriorityDispatchResult.CONTINUE
    alter.existing_server_default = old
    if there.defaults.get(name) != model.defaults.get(column.name):
        alter.modify_server_default = new
    return PriorityDispatchResult.CONTINUE


def _is_plain(default: object) -> bool:
    """Whether a default is an expression, or there is none: no identity, no computed column."""
    return default is None or isinstance(default, sa.DefaultClause)


def _compare_checks(
    autogen_context: AutogenContext,
    modify_ops: ModifyTableOps,
    schema: str | None,
    name: str,
    there: sa.Table | None,
    model: sa.Table | None,
) -> PriorityDispatchResult:
    context = autogen_context.migration_context
    if there is None or model is None:
        return PriorityDispatchResult.CONTINUE
    stored, wanted = _stored(context, (schema, name))
    if stored is None or wanted is None:
        return PriorityDispatchResult.CONTINUE
    objects = {
        str(one.name): one
        for one in model.constraints
        if isinstance(one, sa.CheckConstraint) and one.name is not None
    }
    unnamed = {normal(one) for one in stored.unnamed}
    for check in sorted(stored.checks.keys() - wanted.checks.keys()):
        modify_ops.ops.append(_drop(check, stored.checks[check], there))
    for check in sorted(wanted.checks):
        old, new = stored.checks.get(check), wanted.checks[check]
        if old == new or (old is None and new in unnamed) or check not in objects:
            continue
        if old is not None:
            modify_ops.ops.append(_drop(check, old, there))
        modify_ops.ops.append(_add(objects[check], model))
    return PriorityDispatchResult.CONTINUE


def _add(check: sa.CheckConstraint, table: sa.Table) -> CreateCheckConstraintOp:
    """The condition as text: one of columns would attach itself to their table, once more."""
    condition = condition_of(check.sqltext)
    text = sa.text(condition.replace(":", "\\:")) if isinstance(condition, str) else condition
    return CreateCheckConstraintOp(str(check.name), table.name, text, schema=table.schema)


def _drop(name: str, condition: str, table: sa.Table) -> DropConstraintOp:
    text = condition.removeprefix("CHECK ").replace(":", "\\:")
    constraint = sa.CheckConstraint(sa.text(text), name=name)
    copy = sa.Table(table.name, sa.MetaData(), schema=table.schema)
    copy.append_constraint(constraint)
    return DropConstraintOp.from_constraint(constraint)


def _compare_expression_indexes(
    autogen_context: AutogenContext,
    modify_ops: ModifyTableOps,
    schema: str | None,
    name: str,
    there: sa.Table | None,
    model: sa.Table | None,
) -> PriorityDispatchResult:
    """SQLite's indexes on expressions, which SQLAlchemy does not read."""
    context = autogen_context.migration_context
    if model is None or context.dialect.name != "sqlite":
        return PriorityDispatchResult.CONTINUE
    stored, wanted = _stored(context, (schema, name))
    if there is None:
        stored = Stored()
    if stored is None or wanted is None:
        return PriorityDispatchResult.CONTINUE
    indexes = {str(one.name): one for one in model.indexes}
    for index in sorted(stored.indexes.keys() | wanted.indexes.keys()):
        old, new = stored.indexes.get(index), wanted.indexes.get(index)
        if old == new:
            continue
        if old is not None:
            modify_ops.ops.append(DropIndexOp(index, name, schema=schema))
        if new is not None and index in indexes:
            modify_ops.ops.append(CreateIndexOp.from_index(indexes[index]))
    return PriorityDispatchResult.CONTINUE


_plugin = Plugin(OURS)
_plugin.add_autogenerate_comparator(_compare_checks, "table", "checkconstraints")
_plugin.add_autogenerate_comparator(_compare_expression_indexes, "table", "expression_indexes")
_plugin.add_autogenerate_comparator(_compare_default, "column", "server_default")
# Alembic's own, without its comparison of plain defaults, which fails where one is an identity.
for _compare in (
    server_defaults._compare_computed_default,
    server_defaults._compare_identity_default,
    server_defaults._setup_autoincrement,
):
    _plugin.add_autogenerate_comparator(_compare, "column", "server_default")

PLUGINS = ("alembic.autogenerate.*", "~alembic.autogenerate.defaults", OURS)
"""What compares, as Alembic's option ``autogenerate_plugins`` has it."""
