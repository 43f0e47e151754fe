"""Bulk writes: one statement on PostgreSQL, one trip to the worker thread on SQLite."""

from collections.abc import Sequence
from typing import Any

from pydantic_core import from_json
from sqlalchemy import (
    ARRAY,
    CheckConstraint,
    Column,
    Enum,
    ForeignKeyConstraint,
    TypeDecorator,
    and_,
    bindparam,
    func,
    insert,
    select,
    types,
    update,
)
from sqlalchemy.schema import ColumnCollectionConstraint

from colonnade._sqlalchemy_compat import has_bind_expression, variants_of
from colonnade.database import Bound, Plan, StatementBatch
from colonnade.query import Scopes, compared_type, key_parameter, value_parameter
from colonnade.resources.writes._row_locks import after_locking, lock_in_order
from colonnade.resources.writes._rules import Values
from colonnade.resources.writes._statements import WriteStatements
from colonnade.rows import ReturnedRow

Key = tuple[Any, ...]

ARRAY_TYPES = (
    types.String, types.Integer, types.Numeric, types.Boolean, types.Date, types.DateTime,
    types.Time, types.Interval, types.Uuid, types.LargeBinary, types.JSON,
)  # fmt: skip
"""Types whose arrays SQLAlchemy and asyncpg encode element by element, like single values."""


class BulkStatements:
    """Bulk writes to one table, for rows that need no individual checks.

    Args:
        statements: The statements for single rows.
    """

    def __init__(self, statements: WriteStatements) -> None:
        self._statements = statements
        self._table_context = statements.table_context

    def insert(
        self, rows: list[Values], scopes: Scopes
    ) -> Bound[list[Any]] | StatementBatch[Any] | None:
        """Build the bulk insert of rows; None if some row needs an individual check.

        The statement returns the rows in the given order.

        Args:
            rows: The values of each row, by field.
            scopes: The scopes of the request.
        """
        if self._needs_row_checks(rows, scopes):
            return None
        if self._table_context.backend == "sqlite":
            return self._insert_batch(rows, scopes)
        names = common_names(rows)
        if (
            not self._can_use_arrays(names)
            or not self._has_database_keys(names)
            or self._has_row_defaults(names)
        ):
            return None
        plan = self._table_context.plans.get(
            ("insert many", names), lambda: self._insert_plan(names, scopes)
        )
        return plan.bound(self._arrays(names, rows), _sorted_by_key)

    def update(
        self, changes: list[tuple[Key, Values]], scopes: Scopes
    ) -> Bound[list[Any]] | StatementBatch[Any] | None:
        """Build the bulk update of rows, to be run in a transaction; None as for ``insert``.

        Running it raises a 404 ``Problem`` if one of the rows does not exist.

        Args:
            changes: The key and the new values of each row.
            scopes: The scopes of the request.
        """
        rows = [values for _, values in changes]
        keys = [key for key, _ in changes]
        if self._needs_row_checks(rows, scopes) or not all(rows):
            return None
        if self._table_context.backend == "sqlite":
            return StatementBatch([self._update_one(key, row, scopes) for key, row in changes])
        names = common_names(rows)
        if (
            not self._can_use_arrays(names)
            or self._changes_unique_columns(names)
            or len(set(keys)) < len(keys)
        ):
            return None
        plan = self._table_context.plans.get(
            ("update many", names), lambda: self._update_plan(names, scopes)
        )
        parameters = self._arrays(names, rows)
        parameters |= {
            key_parameter(index): list(part) for index, part in enumerate(zip(*keys, strict=True))
        }
        return plan.bound(parameters, lambda result: self._require_all(result.all(), len(keys)))

    def _needs_row_checks(self, rows: list[Values], scopes: Scopes) -> bool:
        """Whether rows need a check of a scope or a parent, or must be read again."""
        new_parents = self._statements.trees.new_parents
        return bool(scopes) or self._table_context.reread_after_write or any(map(new_parents, rows))

    def _insert_batch(self, rows: list[Values], scopes: Scopes) -> StatementBatch[Any]:
        plans: dict[frozenset[str], Plan] = {}
        statements = []
        for row in rows:
            names = frozenset(row)
            if names not in plans:
                plans[names] = self._statements.insert(dict(row), scopes)[0].plan
            parameters = self._statements.parameters(row, scopes, prefix="")
            statements.append(plans[names].one(parameters))
        return StatementBatch(statements)

    def _update_one(self, key: Key, values: Values, scopes: Scopes) -> Bound[Any]:
        statement, _ = self._statements.update(key, values, scopes, None)
        return statement.plan.bound(
            statement.parameters, lambda result: self._require_all(result.all(), 1)[0]
        )

    def _require_all(self, rows: list[Any], count: int) -> list[Any]:
        """Return the updated rows in the requested order.

        Raises:
            Problem: 404, a row is missing.
        """
        if len(rows) < count:
            raise self._table_context.not_found()
        return rows if count == 1 else sorted(rows, key=lambda row: row.position)

    # PostgreSQL: one statement for all rows

    def _columns(self, names: Sequence[str]) -> list[Column[Any]]:
        return [self._table_context.shape.columns[name].column for name in names]

    def _can_use_arrays(self, names: tuple[str, ...]) -> bool:
        """Whether there are values, and they and the keys can be passed as arrays."""
        keys = [column.column for column in self._table_context.shape.primary_key]
        columns = [*keys, *self._columns(names)]
        return bool(names) and all(_has_plain_array(column.type) for column in columns)

    def _changes_unique_columns(self, names: tuple[str, ...]) -> bool:
        """Whether a unique column changes, so that rows can conflict with each other."""
        table = self._table_context.shape.table
        not_unique = CheckConstraint, ForeignKeyConstraint
        unique_constraints = [
            constraint
            for constraint in table.constraints
            if isinstance(constraint, ColumnCollectionConstraint)
            and not isinstance(constraint, not_unique)
        ]
        groups: list[Any] = [
            *unique_constraints,
            *(index for index in table.indexes if index.unique),
        ]
        changed = self._columns(names)
        return any(
            column is changed_column
            for group in groups
            for column in group.columns
            for changed_column in changed
        )

    def _has_database_keys(self, names: tuple[str, ...]) -> bool:
        """Whether the database generates the keys in sequence.

        RETURNING guarantees no order, so the rows are sorted by those keys.
        """
        generated = self._table_context.shape.table.autoincrement_column
        if generated is None or generated.identity is not None:
            return False
        return not any(column is generated for column in self._columns(names))

    def _has_row_defaults(self, names: tuple[str, ...]) -> bool:
        """Whether an omitted column has a default that Python computes for each row."""
        written = {column.key for column in self._columns(names)}
        omitted = [
            column
            for column in self._table_context.shape.table.columns
            if column.key not in written
        ]
        return any(_is_row_default(column.default) for column in omitted)

    def _arrays(self, names: tuple[str, ...], rows: list[Values]) -> Values:
        columns = zip(self._columns(names), names, strict=True)
        return {value_parameter(column): [row[name] for row in rows] for column, name in columns}

    def _insert_plan(self, names: tuple[str, ...], scopes: Scopes) -> Plan:
        table = self._table_context.shape.table
        columns = self._columns(names)
        input_rows = unnested({value_parameter(column): column.type for column in columns})
        chosen = select(*(input_rows.c[value_parameter(column)] for column in columns)).order_by(
            input_rows.c.position
        )
        returned = self._statements.returning_columns(ReturnedRow(table), scopes)
        return Plan(insert(table).from_select(columns, chosen).returning(*returned))

    def _update_plan(self, names: tuple[str, ...], scopes: Scopes) -> Plan:
        shape = self._table_context.shape
        columns = self._columns(names)
        keys = {
            key_parameter(index): column.column for index, column in enumerate(shape.primary_key)
        }
        types: dict[str, Any] = {
            key_parameter(index): compared_type(column)
            for index, column in enumerate(shape.primary_key)
        }
        input_rows = unnested(types | {value_parameter(column): column.type for column in columns})
        key_rows = unnested(types, name="key_rows")
        rows = shape.table.alias()
        chosen = and_(*(rows.c[column.key] == key_rows.c[name] for name, column in keys.items()))
        locked = lock_in_order(shape, rows, chosen, key_share=True).select_from(rows, key_rows)
        returned = self._statements.returning_columns(ReturnedRow(shape.table), scopes)
        return Plan(
            update(shape.table)
            .where(
                *(column == input_rows.c[name] for name, column in keys.items()),
                after_locking(locked),
            )
            .values({column: input_rows.c[value_parameter(column)] for column in columns})
            .returning(*returned, input_rows.c.position)
        )


def unnested(columns: dict[str, Any], name: str = "input_rows") -> Any:
    """Build ``unnest()`` of array parameters: one column for each, and ``position``."""
    arrays = [bindparam(name, type_=ARRAY(kind, dimensions=1)) for name, kind in columns.items()]
    table = func.unnest(*arrays).table_valued(*columns, with_ordinality="position")
    return table.render_derived(name)


def common_names(rows: list[Values]) -> tuple[str, ...]:
    """The fields that every row has; empty if the rows have different fields."""
    first = rows[0].keys()
    return tuple(sorted(first)) if all(row.keys() == first for row in rows) else ()


def _is_row_default(default: Any) -> bool:
    """Whether a default is a function that must be called for each row."""
    if default is None or not default.is_callable:
        return False
    return bool(getattr(default.arg, "needs_context", True))


def _has_plain_array(kind: Any) -> bool:
    """Whether arrays of a type store the same values as the type itself.

    Excluded are arrays, which ``unnest()`` would flatten, types with a bind expression, and
    native enums.
    """
    if has_bind_expression(kind) or "postgresql" in variants_of(kind):
        return False
    while isinstance(kind, TypeDecorator):
        kind = kind.impl_instance
    return isinstance(kind, ARRAY_TYPES) and not (isinstance(kind, Enum) and kind.native_enum)


def _sorted_by_key(rows: Any) -> list[Any]:
    """The rows in the order of their keys, which is the order of insertion."""
    return sorted(rows.all(), key=lambda row: from_json(row.key))
