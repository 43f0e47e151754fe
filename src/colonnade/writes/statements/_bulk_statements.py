"""Bulk writes: one statement on PostgreSQL, one trip to the worker thread on SQLite."""

from collections.abc import Callable, Sequence
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
    exists,
    func,
    insert,
    literal_column,
    not_,
    select,
    types,
    update,
)
from sqlalchemy.schema import ColumnCollectionConstraint
from sqlmodel import AutoString

from colonnade._sqlalchemy_compat import has_bind_expression, variants_of
from colonnade.database import Bound, Plan, StatementBatch
from colonnade.models import RANGES, SCALARS, UTCDateTime, type_name
from colonnade.query import (
    VALUE_PREFIX,
    Scopes,
    compared_type,
    key_parameter,
    key_parameters,
    value_parameter,
)
from colonnade.rows import ReturnedRow, codec_of
from colonnade.writes._changes import Change, Values
from colonnade.writes.rules._foreign_keys import Reference, missing_reference
from colonnade.writes.rules._rules import apply_scope_values, refuse_values_outside_scope
from colonnade.writes.statements._row_locks import after_locking, lock_in_order
from colonnade.writes.statements._row_statements import WriteStatements

Key = tuple[Any, ...]

ARRAY_TYPES = (
    types.String, types.Integer, types.Numeric, types.Boolean, types.Date, types.DateTime,
    types.Time, types.Interval, types.Uuid, types.LargeBinary, types.JSON,
)  # fmt: skip
"""Types whose arrays SQLAlchemy and asyncpg encode element by element, like single values."""

TEXT_TYPES = frozenset((AutoString, types.String, types.Unicode, types.VARCHAR))
"""Types of text that may have a length."""

PLAIN_TYPES = frozenset((
    AutoString, types.String, types.Text, types.Integer, types.SmallInteger, types.BigInteger,
    types.Boolean, types.Date, types.DateTime, UTCDateTime, types.Uuid, types.UUID,
))  # fmt: skip
"""Types, without subclasses, whose values Pydantic writes in JSON as PostgreSQL reads them."""

NATIVE_ARRAY_TYPES = frozenset(("INTERVAL", *SCALARS, *RANGES))
"""The names of such types that only PostgreSQL has."""


class BulkStatements:
    """Bulk writes to one table, for rows that need no individual checks.

    Args:
        statements: The statements for single rows.
    """

    def __init__(self, statements: WriteStatements) -> None:
        self._statements = statements
        self._table_context = statements.table_context

    def insert(
        self, rows: list[Values], scopes: Scopes, checked: frozenset[str] = frozenset()
    ) -> Bound[list[Any]] | StatementBatch[Any] | None:
        """Build the bulk insert of rows; None if some row needs an individual check.

        The statement returns the rows in the given order. The caller checks the condition of the
        scope.

        Args:
            rows: The values of each row, by field.
            scopes: The scopes of the request.
            checked: Foreign key fields that refer to rows known to exist in scope.
        """
        if any(self.sets_parent(row, checked) for row in rows):
            return None
        if self._table_context.backend == "sqlite":
            return None if scopes else self._insert_batch(rows, scopes)
        scope = scopes.written(self._table_context.shape.table)
        for row in rows:
            apply_scope_values(row, scope)
        names = common_names(rows)
        if not self.can_insert(names, checked):
            return None
        references = self.references(rows, scopes, checked, creating=True)
        plan = self._plan(
            "insert many",
            names,
            references,
            scopes,
            lambda: self._insert_plan(names, references, rows[0], scopes),
        )
        order = self._order_of(rows) if self._has_given_keys(names) else _generated_key
        parameters = self._arrays(names, rows) | dict(scopes.binds())

        def read(result: Any) -> list[Any]:
            written = result.all()
            if len(written) < len(rows):
                raise missing_reference(references)
            return sorted(written, key=order)

        return plan.bound(parameters, read)

    def insert_json(self, names: tuple[str, ...]) -> Plan | None:
        """Build the insert of rows that one parameter has as JSON, with their JSON as its result.

        The parameter ``rows`` is a JSON array of objects with these fields, whose columns JSON
        represents as PostgreSQL does. The only row of the result has ``body``, a JSON array in the
        same order, and the number of ``written`` rows. Encoding the arrays of ``insert`` takes
        longer than the statement.

        Args:
            names: The fields.

        Returns:
            The plan; None if the rows need individual checks, or the database does not generate
            their keys.
        """
        if not self.is_available or self._statements.trees or self._has_given_keys(names):
            return None
        if not self.can_insert(names, frozenset()) or not self._are_plain(names):
            return None
        # Here, since SQLAlchemy's dialect takes 30 ms to import, which SQLite does not need.
        from colonnade.writes.statements._json_insert import json_insert

        return json_insert(self._table_context, names)

    def update(
        self,
        changes: list[tuple[Key, Values]],
        scopes: Scopes,
        checked: frozenset[str] = frozenset(),
        *,
        locked: bool = False,
    ) -> Bound[list[Any]] | StatementBatch[Any] | None:
        """Build the bulk update of rows, to be run in a transaction; None as for ``insert``.

        Running it raises a 404 ``RejectedError`` if one of the rows does not exist.

        Args:
            changes: The key and the new values of each row.
            scopes: The scopes of the request.
            checked: Foreign key fields that refer to rows known to exist in scope.
            locked: Whether the rows are known to exist in scope, and are locked.
        """
        rows = [values for _, values in changes]
        keys = [key for key, _ in changes]
        if any(self.sets_parent(row, checked) for row in rows) or not all(rows):
            return None
        if self._table_context.backend == "sqlite":
            if scopes:
                return None
            return self._update_batch(changes, scopes)
        scope = scopes.written(self._table_context.shape.table)
        for row in rows:
            refuse_values_outside_scope(row, scope)
        names = common_names(rows)
        references = self.references(rows, scopes, checked, creating=False)
        if (
            not self.can_update(names, checked)
            or len(set(keys)) < len(keys)
            # It could not tell a missing row from a missing reference.
            or (references and not locked)
        ):
            return None
        plan = self._plan(
            "update many",
            names,
            references,
            scopes,
            lambda: self._update_plan(names, references, rows[0], scopes),
        )
        parameters = self._arrays(names, rows) | dict(scopes.binds())
        parameters |= {
            key_parameter(index): list(part) for index, part in enumerate(zip(*keys, strict=True))
        }

        def read(result: Any) -> list[Any]:
            written = result.all()
            if references and len(written) < len(keys):
                raise missing_reference(references)
            return self._require_all(written, len(keys))

        return plan.bound(parameters, read)

    @property
    def is_available(self) -> bool:
        """Whether one statement can write several rows."""
        return self._table_context.backend == "postgresql"

    def can_insert(self, names: tuple[str, ...], set_elsewhere: frozenset[str]) -> bool:
        """Whether one statement on PostgreSQL can insert rows with these fields.

        Args:
            names: The fields whose values are passed.
            set_elsewhere: Other fields that the statement sets.
        """
        return (
            self._can_use_arrays(names)
            and self._has_known_order((*names, *set_elsewhere))
            and not self._has_row_defaults((*names, *set_elsewhere))
        )

    def can_update(self, names: tuple[str, ...], set_elsewhere: frozenset[str]) -> bool:
        """Whether one statement on PostgreSQL can update rows with these fields."""
        return self._can_use_arrays(names) and not self._changes_unique_columns(names)

    def changes_unique_columns(self, changes: Sequence[Change]) -> bool:
        """Whether one of the changes sets a unique column."""
        return any(self._changes_unique_columns(tuple(change.values)) for change in changes)

    def sets_parent(self, row: Values, checked: frozenset[str]) -> bool:
        """Whether a row gets a parent in its own table that must be checked for cycles."""
        trees = self._statements.trees
        return bool(trees) and any(
            not checked.issuperset(reference.names) for reference in trees.new_parents(row)
        )

    def references(
        self, rows: list[Values], scopes: Scopes, checked: frozenset[str], *, creating: bool
    ) -> list[Reference]:
        """The foreign keys of any of the rows that the statement must check."""
        if not scopes:
            return []
        to_check = self._statements.foreign_keys.to_check
        references = (
            reference
            for row in rows
            for reference in to_check(row, scopes, creating=creating, already_checked=checked)
        )
        return list(dict.fromkeys(references))

    def _plan(
        self,
        kind: str,
        names: tuple[str, ...],
        references: list[Reference],
        scopes: Scopes,
        make: Callable[[], Plan],
    ) -> Plan:
        checks = tuple(reference.names for reference in references)
        structure = None if scopes.structure is None else (kind, names, checks, scopes.structure)
        return self._table_context.plans.get(structure, make)

    def _insert_batch(self, rows: list[Values], scopes: Scopes) -> StatementBatch[Any]:
        plans: dict[frozenset[str], Plan] = {}
        statements = []
        for row in rows:
            names = frozenset(row)
            if names not in plans:
                insert_one, _ = self._statements.insert(dict(row), scopes, with_state=False)
                plans[names] = insert_one.plan
            parameters = self._statements.parameters(row, scopes, prefix="")
            statements.append(plans[names].one(parameters))
        return StatementBatch(statements)

    def _update_batch(
        self, changes: list[tuple[Key, Values]], scopes: Scopes
    ) -> StatementBatch[Any]:
        plans: dict[frozenset[str], Plan] = {}
        statements = []
        for key, row in changes:
            names = frozenset(row)
            if names not in plans:
                update_one, _ = self._statements.update(key, row, scopes, None, with_state=False)
                plans[names] = update_one.plan
            parameters = self._statements.parameters(row, scopes, prefix=VALUE_PREFIX)
            statements.append(
                plans[names].bound(parameters | key_parameters(key), self._require_row)
            )
        return StatementBatch(statements)

    def _require_row(self, result: Any) -> Any:
        return self._require_all(result.all(), 1)[0]

    def _require_all(self, rows: list[Any], count: int) -> list[Any]:
        """Return the updated rows in the requested order.

        Raises:
            RejectedError: 404, a row is missing.
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
        return bool(names) and all(has_plain_array(column.type) for column in columns)

    def _are_plain(self, names: tuple[str, ...]) -> bool:
        """Whether PostgreSQL reads the same values of these columns from JSON as from a driver."""
        return all(type(column.type) in PLAIN_TYPES for column in self._columns(names))

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

    def _has_given_keys(self, names: tuple[str, ...]) -> bool:
        """Whether the rows have their keys before they are inserted."""
        return {column.name for column in self._table_context.shape.primary_key} <= set(names)

    def _has_known_order(self, names: tuple[str, ...]) -> bool:
        """Whether the order of the inserted rows is known: from generated or from supplied keys."""
        return self._has_given_keys(names) or self._has_database_keys(names)

    def _order_of(self, rows: list[Values]) -> Callable[[Any], int]:
        """Return the position of a returned row among those that have their keys."""
        key = self._table_context.shape.primary_key
        codecs = [codec_of(column) for column in key]
        positions = {
            tuple(row[column.name] for column in key): index for index, row in enumerate(rows)
        }

        def position(row: Any) -> int:
            parts = zip(codecs, from_json(row.key), strict=True)
            return positions.get(tuple(codec.from_json(part) for codec, part in parts), 0)

        return position

    def _has_row_defaults(self, names: tuple[str, ...]) -> bool:
        """Whether an omitted column has a default that Python computes for each row."""
        written = {column.key for column in self._columns(names)}
        omitted = [
            column
            for column in self._table_context.shape.table.columns
            if column.key not in written
        ]
        return any(is_row_default(column.default) for column in omitted)

    def _arrays(self, names: tuple[str, ...], rows: list[Values]) -> Values:
        columns = zip(self._columns(names), names, strict=True)
        return {value_parameter(column): [row[name] for row in rows] for column, name in columns}

    def _insert_plan(
        self, names: tuple[str, ...], references: list[Reference], values: Values, scopes: Scopes
    ) -> Plan:
        table = self._table_context.shape.table
        columns = self._columns(names)
        types = {value_parameter(column): column.type for column in columns}
        input_rows, checked_rows = unnested(types), unnested(types, name="checked_rows")
        reachable = self._statements.foreign_keys.reachable_clauses(
            references, values, scopes, VALUE_PREFIX, input_rows=checked_rows
        )
        chosen = select(*(input_rows.c[name] for name in types)).order_by(input_rows.c.position)
        if reachable:
            # All rows or none, since the statement may run outside a transaction.
            refused: Any = select(literal_column("1")).select_from(checked_rows)
            chosen = chosen.where(~exists(refused.where(not_(and_(*reachable)))))
        returned = self._statements.returning_columns(ReturnedRow(table), scopes, with_state=False)
        return Plan(insert(table).from_select(columns, chosen).returning(*returned))

    def _update_plan(
        self, names: tuple[str, ...], references: list[Reference], values: Values, scopes: Scopes
    ) -> Plan:
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
        chosen = and_(
            *(rows.c[column.key] == key_rows.c[name] for name, column in keys.items()),
            *scopes.clauses(shape.table, rows),
        )
        reachable = self._statements.foreign_keys.reachable_clauses(
            references, values, scopes, VALUE_PREFIX, shape.table, input_rows
        )
        locked = lock_in_order(shape, rows, chosen, key_share=True).select_from(rows, key_rows)
        source = ReturnedRow(shape.table)
        returned = self._statements.returning_columns(source, scopes, with_state=False)
        return Plan(
            update(shape.table)
            .where(
                *(column == input_rows.c[name] for name, column in keys.items()),
                after_locking(locked),
                *scopes.write_clauses(shape.table, shape.table),
                *reachable,
            )
            .values({column: input_rows.c[value_parameter(column)] for column in columns})
            .returning(*returned, input_rows.c.position)
        )


def unnested(columns: dict[str, Any], name: str = "input_rows") -> Any:
    """Build ``unnest()`` of array parameters: one column for each, and ``position``."""
    # SQLAlchemy casts the parameters, and a cast to VARCHAR(5) would cut off what is longer.
    kinds = [types.Text() if type(kind) in TEXT_TYPES else kind for kind in columns.values()]
    arrays = [
        bindparam(name, type_=ARRAY(kind, dimensions=1))
        for name, kind in zip(columns, kinds, strict=True)
    ]
    table = func.unnest(*arrays).table_valued(*columns, with_ordinality="position")
    return table.render_derived(name)


def common_names(rows: list[Values]) -> tuple[str, ...]:
    """The fields that every row has; empty if the rows have different fields."""
    first = rows[0].keys()
    return tuple(sorted(first)) if all(row.keys() == first for row in rows) else ()


def is_row_default(default: Any) -> bool:
    """Whether a default is a function that must be called for each row."""
    if default is None or not default.is_callable:
        return False
    return bool(getattr(default.arg, "needs_context", True))


def has_plain_array(kind: Any) -> bool:
    """Whether arrays of a type store the same values as the type itself.

    Excluded are arrays, which ``unnest()`` would flatten, types with a bind expression, and
    native enums.
    """
    if has_bind_expression(kind) or "postgresql" in variants_of(kind):
        return False
    while isinstance(kind, TypeDecorator):
        kind = kind.impl_instance
    if type_name(kind) in NATIVE_ARRAY_TYPES:
        return True
    return isinstance(kind, ARRAY_TYPES) and not (isinstance(kind, Enum) and kind.native_enum)


def _generated_key(row: Any) -> Any:
    """The generated key of a returned row, which is in the order of insertion."""
    return from_json(row.key)
