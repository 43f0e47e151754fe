"""Autogenerate comparators for what Alembic does not compare.

They compare tables as the database stores them: full types, defaults, CHECKs, indexes, UNIQUE
constraints, primary keys and computed columns.
"""

from typing import Any
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from alembic.autogenerate.api import AutogenContext
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

from colonnade._sqlalchemy_compat import is_created_on, sqlite_type
from colonnade.migrations._alembic_compat import (
    compare_foreign_keys,
    compare_identity,
    compare_nullable,
)
from colonnade.migrations.autogenerate._reflected import (
    StoredTable,
    TableKey,
    column_names_in,
    index_parts,
    normalized,
    stored_models,
    stored_tables,
)
from colonnade.migrations.autogenerate._rendering import computed_of, condition_of, unbound
from colonnade.migrations.operations import ChangeComputed, ChangeKey
from colonnade.migrations.operations._time_zones import changes_time_zone
from colonnade.migrations.operations._types import enum_key, plain_type
from colonnade.models import constraint_name

PLUGIN_NAME = "colonnade.compare"
"""The name of Colonnade's Alembic plugin."""

_StoredPair = tuple[Any, Any]
_cache: WeakKeyDictionary[MigrationContext, _StoredPair] = WeakKeyDictionary()


def _stored_pair(
    context: MigrationContext, key: TableKey
) -> tuple[StoredTable | None, StoredTable | None]:
    """Return a table as the database stores it, and as it would store the model's table."""
    if context not in _cache:
        connection = context.connection
        assert connection is not None
        metadata = context.opts["target_metadata"]
        models = context.opts.get("colonnade_stored")
        if models is None:
            models = stored_models(metadata, connection)
        _cache[context] = (stored_tables(connection), models)
    stored, models = _cache[context]
    return stored.get(key), models.get(key)


def _key(table: sa.Table) -> TableKey:
    return (table.schema, table.name)


def type_differs(
    context: MigrationContext,
    inspected: sa.Column[Any],
    column: sa.Column[Any],
    inspected_type: object,
    column_type: object,
) -> bool | None:
    """Return whether a column's type has changed; None to let Alembic compare it."""
    schema_history = context.opts.get("colonnade_schema_history")
    history_type = schema_history and schema_history.types.get(
        (column.table.schema, column.table.name, column.name)
    )
    if context.dialect.name == "sqlite" and history_type is not None:
        # SQLite has no enum types, but a PostgreSQL database with the same history has.
        if enum_key(history_type) != enum_key(column.type):
            return True
        if enum_key(history_type) is not None and isinstance(inspected_type, sa.String):
            return False  # the length of the longest value does not matter
        if changes_time_zone(plain_type(history_type), plain_type(column.type)):
            return True  # SQLite's types have no time zone, but its rows are in one
    is_wide_key = column.primary_key and isinstance(column_type, sa.BigInteger)
    if context.dialect.name == "sqlite" and is_wide_key and isinstance(inspected_type, sa.Integer):
        return False  # on SQLite an INTEGER key holds 64 bits, too
    stored, expected = _stored_pair(context, _key(column.table))
    if stored is None or expected is None:
        return None
    old, new = (_type_and_collation(table, column.name) for table in (stored, expected))
    if old is None or new is None:
        return None
    return old != new and not _is_synonym(context.dialect, old, new)


def _is_synonym(dialect: Any, old: tuple[str, Any], new: tuple[str, Any]) -> bool:
    """Return whether two type names mean the same type on SQLite, such as INT and INTEGER."""
    if dialect.name != "sqlite" or old[1] != new[1] or not (old[0] and new[0]):
        return False
    resolved = [
        dialect.type_compiler_instance.process(sqlite_type(dialect, name))
        for name in (old[0], new[0])
    ]
    return bool(resolved[0] == resolved[1])


def _type_and_collation(stored: StoredTable, column: str) -> tuple[str, str | None] | None:
    type_name = stored.types.get(column)
    return None if type_name is None else (type_name, stored.collations.get(column))


def _compare_default(
    autogen_context: AutogenContext,
    alter: AlterColumnOp,
    schema: str | None,
    table: str,
    name: str,
    inspected: sa.Column[Any],
    column: sa.Column[Any],
) -> PriorityDispatchResult:
    """Compare a column's server default as the database stores it."""
    stored, expected = _stored_pair(autogen_context.migration_context, (schema, table))
    old, new = inspected.server_default, column.server_default
    alter.existing_server_default = old
    if stored is None or expected is None or not (_is_plain(old) and _is_plain(new)):
        return PriorityDispatchResult.CONTINUE
    if stored.defaults.get(name) != expected.defaults.get(column.name):
        alter.modify_server_default = new
    return PriorityDispatchResult.CONTINUE


def _is_plain(default: object) -> bool:
    """Return whether a default is neither an identity nor a computed expression."""
    return default is None or isinstance(default, sa.DefaultClause)


def _compare_checks(
    autogen_context: AutogenContext,
    modify_ops: ModifyTableOps,
    schema: str | None,
    name: str,
    reflected: sa.Table | None,
    model: sa.Table | None,
) -> PriorityDispatchResult:
    context = autogen_context.migration_context
    if reflected is None or model is None:
        return PriorityDispatchResult.CONTINUE
    stored, expected = _stored_pair(context, (schema, name))
    if stored is None or expected is None:
        return PriorityDispatchResult.CONTINUE
    objects = {
        str(constraint.name): constraint
        for constraint in model.constraints
        if isinstance(constraint, sa.CheckConstraint) and constraint.name is not None
    }
    unnamed = {normalized(condition) for condition in stored.unnamed}
    for check in sorted(stored.checks.keys() - expected.checks.keys()):
        modify_ops.ops.append(_drop(check, stored.checks[check], reflected))
    for check in sorted(expected.checks):
        old, new = stored.checks.get(check), expected.checks[check]
        if old == new or (old is None and new in unnamed) or check not in objects:
            continue
        if old is not None:
            modify_ops.ops.append(_drop(check, old, reflected))
        modify_ops.ops.append(_add(objects[check], model))
    return PriorityDispatchResult.CONTINUE


def _add(check: sa.CheckConstraint, table: sa.Table) -> CreateCheckConstraintOp:
    """Create the operation with a textual condition.

    A condition on columns would attach the constraint to their table a second time.
    """
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
    reflected: sa.Table | None,
    model: sa.Table | None,
) -> PriorityDispatchResult:
    """Compare indexes and UNIQUE constraints as the database stores them.

    Alembic ignores USING, operator classes, INCLUDE and DEFERRABLE, and on SQLite expression
    indexes.
    """
    context = autogen_context.migration_context
    stored, expected = _stored_pair(context, (schema, name))
    stored = StoredTable() if reflected is None or stored is None else stored
    expected = StoredTable() if model is None or expected is None else expected
    if model is not None and not expected.types:  # the model's table could not be created
        if reflected is None:
            modify_ops.ops.extend(CreateIndexOp.from_index(index) for index in model.indexes)
        return PriorityDispatchResult.CONTINUE
    operations = modify_ops.ops
    not_applicable = set() if model is None else _not_applicable_indexes(context, model)
    dropped = [
        index
        for index in sorted(stored.indexes)
        if stored.indexes[index] != expected.indexes.get(index) and index not in not_applicable
    ]
    for index in dropped:
        operations.append(
            _drop_index(context, schema, name, index, reflected, stored.indexes[index])
        )
    if reflected is not None:
        _compare_uniques(operations, stored, expected, reflected, model)
    indexes = {} if model is None else {str(index.name): index for index in model.indexes}
    for index in sorted(expected.indexes):
        if stored.indexes.get(index) == expected.indexes[index]:
            continue
        if index in indexes:
            operations.append(CreateIndexOp.from_index(indexes[index]))
        else:  # an expression index of a reflected metadata, which SQLAlchemy does not reflect
            operations.append(CreateIndexOp(index, name, [], schema=schema))
    return PriorityDispatchResult.CONTINUE


def _not_applicable_indexes(context: MigrationContext, model: sa.Table) -> set[str]:
    """Return the names of a model's indexes that do not apply to this database (``ddl_if``)."""
    connection = context.connection
    assert connection is not None
    return {str(index.name) for index in model.indexes if not is_created_on(index, connection)}


_OPERATOR_CLASSES = "postgresql_ops"
"""The reflected option that the definition of an index on PostgreSQL contains as well."""


def _drop_index(
    context: MigrationContext,
    schema: str | None,
    table: str,
    index: str,
    reflected: sa.Table | None,
    stored: str,
) -> DropIndexOp:
    """Create the operation that drops an index, and whose reverse is the history's definition."""
    schema_history = context.opts.get("colonnade_schema_history")
    history_index = schema_history and schema_history.indexes.get((schema, index))
    if history_index is not None:
        create_index = CreateIndexOp(
            index,
            table,
            list(history_index.columns),
            schema=schema,
            unique=history_index.unique,
            **history_index.options,
        )
        return DropIndexOp(index, table, schema=schema, _reverse=create_index)
    known = [
        candidate
        for candidate in (reflected.indexes if reflected is not None else ())
        if candidate.name == index
    ]
    if known and all(isinstance(part, sa.Column) for part in known[0].expressions):
        return DropIndexOp.from_index(known[0])
    # SQLAlchemy does not reflect expression indexes on SQLite, nor their order on PostgreSQL.
    parts, where = index_parts(stored)
    columns = [
        part if column_names_in(part) == {part} else sa.text(unbound(part)) for part in parts
    ]
    options: dict[str, Any] = {"unique": stored.startswith("UNIQUE ")}
    if known:
        options |= {
            name: value for name, value in known[0].kwargs.items() if name != _OPERATOR_CLASSES
        }
    elif where is not None:
        options |= dict.fromkeys(("postgresql_where", "sqlite_where"), sa.text(unbound(where)))
    create_index = CreateIndexOp(index, table, columns, schema=schema, **options)
    return DropIndexOp.from_index(create_index.to_index())


def _compare_uniques(
    operations: list[Any],
    stored: StoredTable,
    expected: StoredTable,
    reflected: sa.Table,
    model: sa.Table | None,
) -> None:
    if model is None:
        return
    unnamed = {f"UNIQUE ({', '.join(unique)})" for unique in stored.unnamed_uniques}
    unnamed_in_model = _unnamed_uniques(model)
    reflected_uniques = _uniques(reflected)
    for name in sorted(stored.uniques):
        is_kept = stored.uniques[name] in (expected.uniques.get(name), *unnamed_in_model)
        if not is_kept:
            constraint = reflected_uniques.get(name) or _unique_of(
                name, stored.uniques[name], reflected
            )
            operations.append(DropConstraintOp.from_constraint(constraint))
    objects = _uniques(model)
    for name in sorted(expected.uniques):
        exists = expected.uniques[name] in (stored.uniques.get(name), *unnamed)
        if not exists and name in objects:
            operations.append(CreateUniqueConstraintOp.from_constraint(objects[name]))
    key = [column.name for column in model.primary_key.columns]  # already unique
    for definition, columns in unnamed_in_model.items():
        if columns != key and definition not in (*stored.uniques.values(), *unnamed):
            unique_name = str(constraint_name("uq", model.name, *columns))
            operations.append(
                CreateUniqueConstraintOp(unique_name, model.name, columns, schema=model.schema)
            )


def _unnamed_uniques(table: sa.Table) -> dict[str, list[str]]:
    """Return the columns of unnamed UNIQUE constraints, by their definition in a database."""
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
    reflected: sa.Table | None,
    model: sa.Table | None,
) -> PriorityDispatchResult:
    """Compare the columns of the primary key, which Alembic does not compare."""
    stored, expected = _stored_pair(autogen_context.migration_context, (schema, name))
    if reflected is None or model is None or stored is None or expected is None:
        return PriorityDispatchResult.CONTINUE
    if stored.key != expected.key:
        columns, was = expected.key, stored.key
        modify_ops.ops.append(
            ChangeKey(name, columns, was, name=expected.key_name, was_name=stored.key_name,
                      schema=schema)
        )  # fmt: skip
    return PriorityDispatchResult.CONTINUE


def _compare_computed(
    autogen_context: AutogenContext,
    modify_ops: ModifyTableOps,
    schema: str | None,
    name: str,
    reflected: sa.Table | None,
    model: sa.Table | None,
) -> PriorityDispatchResult:
    """Compare the expressions of computed columns; Alembic detects changes but rejects them."""
    context = autogen_context.migration_context
    stored, expected = _stored_pair(context, (schema, name))
    if reflected is None or model is None or stored is None or expected is None:
        return PriorityDispatchResult.CONTINUE
    schema_history = context.opts.get("colonnade_schema_history")
    for column in sorted(stored.computed.keys() | expected.computed.keys()):
        old, new = stored.computed.get(column), expected.computed.get(column)
        if old == new or column not in reflected.c or column not in model.c:
            continue
        history_default = schema_history and schema_history.defaults.get((schema, name, column))
        was = reflected.c[column]
        modify_ops.ops.append(
            ChangeComputed(
                name,
                column,
                model.c[column].type,
                computed_of(model.c[column].server_default),
                was.type,
                computed_of(history_default if history_default is not None else was.server_default),
                schema=schema,
            )
        )
    return PriorityDispatchResult.CONTINUE


_plugin = Plugin(PLUGIN_NAME)
_plugin.add_autogenerate_comparator(_compare_checks, "table", "checkconstraints")
_plugin.add_autogenerate_comparator(_compare_indexes, "table", "indexes")
_plugin.add_autogenerate_comparator(_compare_keys, "table", "keys")
_plugin.add_autogenerate_comparator(_compare_computed, "table", "computed")
_plugin.add_autogenerate_comparator(compare_foreign_keys, "table", "foreignkeys")
_plugin.add_autogenerate_comparator(compare_nullable, "column", "nullable")
_plugin.add_autogenerate_comparator(_compare_default, "column", "server_default")
# Only Alembic's comparison of identities: its comparison of defaults fails if one is an identity.
_plugin.add_autogenerate_comparator(compare_identity, "column", "server_default")

PLUGINS = (
    "alembic.autogenerate.*",
    "~alembic.autogenerate.defaults",
    "~alembic.autogenerate.constraints",
    PLUGIN_NAME,
)
"""The value of Alembic's option ``autogenerate_plugins``."""
