"""What Alembic's comparison misses: all that databases keep of types, defaults and constraints."""

from typing import Any
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.compare import constraints, server_defaults
from alembic.operations.ops import (
    AlterColumnOp,
    CreateCheckConstraintOp,
    CreateIndexOp,
    CreateUniqueConstraintOp,
    DropConstraintOp,
    DropIndexOp,
    ModifyTableOps,
)
from alembic.runtime.migration import MigrationContext
from alembic.runtime.plugins import Plugin
from alembic.util import PriorityDispatchResult

from colonnade.migrations.autogenerate._reflected import (
    Key,
    Stored,
    index_parts,
    is_made,
    names_in,
    normal,
    stored_models,
    stored_tables,
)
from colonnade.migrations.autogenerate._rendering import computed_of, condition_of, unbound
from colonnade.migrations.operations import ChangeComputed, ChangeKey
from colonnade.migrations.operations._types import enum_key
from colonnade.models import constraint_name

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
        stored = context.opts.get("colonnade_stored")
        models = stored_models(metadata, connection) if stored is None else stored
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
    ledger = context.opts.get("colonnade_ledger")
    noted = ledger and ledger.types.get((column.table.schema, column.table.name, column.name))
    if context.dialect.name == "sqlite" and noted is not None:
        # It has no such types, but the other database of the same history may.
        if enum_key(noted) != enum_key(column.type):
            return True
        if enum_key(noted) is not None and isinstance(inspected_type, sa.String):
            return False  # however long its longest value is
    is_wide_key = column.primary_key and isinstance(column_type, sa.BigInteger)
    if context.dialect.name == "sqlite" and is_wide_key and isinstance(inspected_type, sa.Integer):
        return False  # a BIGINT made before such keys were counted holds what an INTEGER does
    there, model = _stored(context, _key(column.table))
    if there is None or model is None:
        return None
    old, new = (_whole_type(column_type, column.name) for column_type in (there, model))
    if old is None or new is None:
        return None
    return old != new and not _is_synonym(context.dialect, old, new)


def _is_synonym(dialect: Any, old: tuple[str, Any], new: tuple[str, Any]) -> bool:
    """Whether SQLite knows two names as one type: INT, which no model can declare, is INTEGER."""
    if dialect.name != "sqlite" or old[1] != new[1] or not (old[0] and new[0]):
        return False
    meant = [
        dialect.type_compiler_instance.process(dialect._resolve_type_affinity(name))
        for name in (old[0], new[0])
    ]
    return bool(meant[0] == meant[1])


def _whole_type(stored: Stored, column: str) -> tuple[str, str | None] | None:
    kind = stored.types.get(column)
    return None if kind is None else (kind, stored.collations.get(column))


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
    alter.existing_server_default = old
    if there is None or model is None or not (_is_plain(old) and _is_plain(new)):
        return PriorityDispatchResult.CONTINUE
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
        str(constraint.name): constraint
        for constraint in model.constraints
        if isinstance(constraint, sa.CheckConstraint) and constraint.name is not None
    }
    unnamed = {normal(check) for check in stored.unnamed}
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


def _compare_indexes(
    autogen_context: AutogenContext,
    modify_ops: ModifyTableOps,
    schema: str | None,
    name: str,
    there: sa.Table | None,
    model: sa.Table | None,
) -> PriorityDispatchResult:
    """Indexes and UNIQUE constraints, by what the database keeps of them.

    Alembic's own comparison sees neither USING, operator classes and INCLUDE nor what makes a
    constraint deferrable, and on SQLite no index on an expression.
    """
    context = autogen_context.migration_context
    stored, wanted = _stored(context, (schema, name))
    stored = Stored() if there is None or stored is None else stored
    wanted = Stored() if model is None or wanted is None else wanted
    if model is not None and not wanted.types:  # a table that cannot be made to be compared
        if there is None:
            modify_ops.ops.extend(CreateIndexOp.from_index(index) for index in model.indexes)
        return PriorityDispatchResult.CONTINUE
    operations = modify_ops.ops
    elsewhere = set() if model is None else _elsewhere(context, model)
    dropped = [
        index
        for index in sorted(stored.indexes)
        if stored.indexes[index] != wanted.indexes.get(index) and index not in elsewhere
    ]
    for index in dropped:
        operations.append(_drop_index(context, schema, name, index, there, stored.indexes[index]))
    if there is not None:
        _compare_uniques(operations, stored, wanted, there, model)
    indexes = {} if model is None else {str(index.name): index for index in model.indexes}
    for index in sorted(wanted.indexes):
        if stored.indexes.get(index) == wanted.indexes[index]:
            continue
        if index in indexes:
            operations.append(CreateIndexOp.from_index(indexes[index]))
        else:  # of a database that was read: SQLAlchemy reads no index on an expression
            operations.append(CreateIndexOp(index, name, [], schema=schema))
    return PriorityDispatchResult.CONTINUE


def _elsewhere(context: MigrationContext, model: sa.Table) -> set[str]:
    """The indexes that a model has on another database alone (``ddl_if``)."""
    connection = context.connection
    assert connection is not None
    return {str(index.name) for index in model.indexes if not is_made(index, connection)}


OPERATORS = "postgresql_ops"
"""The option that the text of an index on PostgreSQL says as well."""


def _drop_index(
    context: MigrationContext,
    schema: str | None,
    table: str,
    index: str,
    there: sa.Table | None,
    stored: str,
) -> DropIndexOp:
    """What drops an index, and makes it again as the history did."""
    ledger = context.opts.get("colonnade_ledger")
    noted = ledger and ledger.indexes.get((schema, index))
    if noted is not None:
        creation = CreateIndexOp(
            index, table, list(noted.columns), schema=schema, unique=noted.unique, **noted.options
        )
        return DropIndexOp(index, table, schema=schema, _reverse=creation)
    known = [each for each in (there.indexes if there is not None else ()) if each.name == index]
    if known and all(isinstance(part, sa.Column) for part in known[0].expressions):
        return DropIndexOp.from_index(known[0])
    # On an expression: SQLAlchemy reads none from SQLite, and no order of one from PostgreSQL.
    parts, where = index_parts(stored)
    columns = [part if names_in(part) == {part} else sa.text(unbound(part)) for part in parts]
    options: dict[str, Any] = {"unique": stored.startswith("UNIQUE ")}
    if known:
        options |= {name: value for name, value in known[0].kwargs.items() if name != OPERATORS}
    elif where is not None:
        options |= dict.fromkeys(("postgresql_where", "sqlite_where"), sa.text(unbound(where)))
    creation = CreateIndexOp(index, table, columns, schema=schema, **options)
    return DropIndexOp.from_index(creation.to_index())


def _compare_uniques(
    operations: list[Any], stored: Stored, wanted: Stored, there: sa.Table, model: sa.Table | None
) -> None:
    if model is None:
        return
    unnamed = {f"UNIQUE ({', '.join(unique)})" for unique in stored.unnamed_uniques}
    nameless = _nameless_uniques(model)
    read = _uniques(there)
    for name in sorted(stored.uniques):
        is_kept = stored.uniques[name] in (wanted.uniques.get(name), *nameless)
        if not is_kept:
            constraint = read.get(name) or _unique_of(name, stored.uniques[name], there)
            operations.append(DropConstraintOp.from_constraint(constraint))
    objects = _uniques(model)
    for name in sorted(wanted.uniques):
        is_there = wanted.uniques[name] in (stored.uniques.get(name), *unnamed)
        if not is_there and name in objects:
            operations.append(CreateUniqueConstraintOp.from_constraint(objects[name]))
    key = [column.name for column in model.primary_key.columns]  # unique without it
    for definition, columns in nameless.items():
        if columns != key and definition not in (*stored.uniques.values(), *unnamed):
            unique_name = str(constraint_name("uq", model.name, *columns))
            operations.append(
                CreateUniqueConstraintOp(unique_name, model.name, columns, schema=model.schema)
            )


def _nameless_uniques(table: sa.Table) -> dict[str, list[str]]:
    """The columns of UNIQUE constraints without a name, by how a database has them."""
    keys = [
        [column.name for column in constraint.columns]
        for constraint in table.constraints
        if isinstance(constraint, sa.UniqueConstraint) and constraint.name is None
    ]
    return {f"UNIQUE ({', '.join(columns)})": columns for columns in sorted(keys)}


def _uniques(table: sa.Table) -> dict[str, sa.UniqueConstraint]:
    return {
        str(constraint.name): constraint
        for constraint in table.constraints
        if isinstance(constraint, sa.UniqueConstraint) and constraint.name is not None
    }


def _unique_of(name: str, definition: str, table: sa.Table) -> sa.UniqueConstraint:
    columns = definition.partition("(")[2].rstrip(")").split(", ")
    copy = sa.Table(table.name, sa.MetaData(), *(sa.Column(column) for column in columns),
                    schema=table.schema)  # fmt: skip
    constraint = sa.UniqueConstraint(*columns, name=name)
    copy.append_constraint(constraint)
    return constraint


def _compare_keys(
    autogen_context: AutogenContext,
    modify_ops: ModifyTableOps,
    schema: str | None,
    name: str,
    there: sa.Table | None,
    model: sa.Table | None,
) -> PriorityDispatchResult:
    """Whether other columns are the primary key, which Alembic does not look at."""
    stored, wanted = _stored(autogen_context.migration_context, (schema, name))
    if there is None or model is None or stored is None or wanted is None:
        return PriorityDispatchResult.CONTINUE
    if stored.key != wanted.key:
        columns, was = wanted.key, stored.key
        modify_ops.ops.append(
            ChangeKey(name, columns, was, name=wanted.key_name, was_name=stored.key_name,
                      schema=schema)
        )  # fmt: skip
    return PriorityDispatchResult.CONTINUE


def _compare_computed(
    autogen_context: AutogenContext,
    modify_ops: ModifyTableOps,
    schema: str | None,
    name: str,
    there: sa.Table | None,
    model: sa.Table | None,
) -> PriorityDispatchResult:
    """The expressions of computed columns, which Alembic sees and cannot change."""
    context = autogen_context.migration_context
    stored, wanted = _stored(context, (schema, name))
    if there is None or model is None or stored is None or wanted is None:
        return PriorityDispatchResult.CONTINUE
    ledger = context.opts.get("colonnade_ledger")
    for column in sorted(stored.computed.keys() | wanted.computed.keys()):
        old, new = stored.computed.get(column), wanted.computed.get(column)
        if old == new or column not in there.c or column not in model.c:
            continue
        noted = ledger and ledger.defaults.get((schema, name, column))
        was = there.c[column]
        modify_ops.ops.append(
            ChangeComputed(
                name,
                column,
                model.c[column].type,
                computed_of(model.c[column].server_default),
                was.type,
                computed_of(noted if noted is not None else was.server_default),
                schema=schema,
            )
        )
    return PriorityDispatchResult.CONTINUE


_plugin = Plugin(OURS)
_plugin.add_autogenerate_comparator(_compare_checks, "table", "checkconstraints")
_plugin.add_autogenerate_comparator(_compare_indexes, "table", "indexes")
_plugin.add_autogenerate_comparator(_compare_keys, "table", "keys")
_plugin.add_autogenerate_comparator(_compare_computed, "table", "computed")
_plugin.add_autogenerate_comparator(constraints._compare_foreign_keys, "table", "foreignkeys")
_plugin.add_autogenerate_comparator(constraints._compare_nullable, "column", "nullable")
_plugin.add_autogenerate_comparator(_compare_default, "column", "server_default")
# Alembic's own, without its comparison of plain defaults, which fails where one is an identity.
_plugin.add_autogenerate_comparator(
    server_defaults._compare_identity_default, "column", "server_default"
)

PLUGINS = (
    "alembic.autogenerate.*",
    "~alembic.autogenerate.defaults",
    "~alembic.autogenerate.constraints",
    OURS,
)
"""What compares, as Alembic's option ``autogenerate_plugins`` has it."""
