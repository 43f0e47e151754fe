"""Many rows at once: one statement on PostgreSQL, one hop to a thread on SQLite."""

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
from colonnade.resources._row_locks import after, lock_in_order
from colonnade.resources._write_rules import Values
from colonnade.resources._write_statements import WriteStatements
from colonnade.rows import ReturnedRow

Key = tuple[Any, ...]

PLAIN = (
    types.String, types.Integer, types.Numeric, types.Boolean, types.Date, types.DateTime,
    types.Time, types.Interval, types.Uuid, types.LargeBinary, types.JSON,
)  # fmt: skip
"""Types whose arrays both SQLAlchemy and asyncpg write item by item, as they write one value."""


class ManyRows:
    """The writing of many rows of one subject, where no row must be looked at by itself.

    Args:
        statements: Those for one row.
    """

    def __init__(self, statements: WriteStatements) -> None:
        self._statements = statements
        self._subject = statements.subject

    def insert(
        self, rows: list[Values], scopes: Scopes
    ) -> Bound[list[Any]] | StatementBatch[Any] | None:
        """What inserts rows, in their order; None where one needs more than its statement.

        Args:
            rows: The values of each, by field.
            scopes: The scopes of the request.
        """
        if self._is_looked_at(rows, scopes):
            return None
        if self._subject.backend == "sqlite":
            return self._insertion_of_each(rows, scopes)
        names = _names_of_all(rows)
        if not self._fits(names) or not self._is_counted(names) or self._makes_for_each_row(names):
            return None
        plan = self._subject.plans.get(
            ("insert many", names), lambda: self._insert_plan(names, scopes)
        )
        return plan.bound(self._arrays(names, rows), _by_key)

    def update(
        self, changes: list[tuple[Key, Values]], scopes: Scopes
    ) -> Bound[list[Any]] | StatementBatch[Any] | None:
        """What changes rows, in their order, in a transaction; None as for ``insert``.

        Args:
            changes: The key and the values of each.
            scopes: The scopes of the request.

        It raises the subject's ``not_found`` if one of the rows is not there.
        """
        rows = [values for _, values in changes]
        keys = [key for key, _ in changes]
        if self._is_looked_at(rows, scopes) or not all(rows):
            return None
        if self._subject.backend == "sqlite":
            return StatementBatch(
                [self._alteration_of_one(key, row, scopes) for key, row in changes]
            )
        names = _names_of_all(rows)
        if not self._fits(names) or self._is_unique(names) or len(set(keys)) < len(keys):
            return None
        plan = self._subject.plans.get(
            ("update many", names), lambda: self._update_plan(names, scopes)
        )
        parameters = self._arrays(names, rows)
        parameters |= {
            key_parameter(index): list(part) for index, part in enumerate(zip(*keys, strict=True))
        }
        return plan.bound(parameters, lambda result: self._whole(result.all(), len(keys)))

    def _is_looked_at(self, rows: list[Values], scopes: Scopes) -> bool:
        """Whether some row must be: for its scope, for its parent, or to be read again."""
        new_parents = self._statements.trees.new_parents
        return bool(scopes) or self._subject.rereads or any(map(new_parents, rows))

    def _insertion_of_each(self, rows: list[Values], scopes: Scopes) -> StatementBatch[Any]:
        plans: dict[frozenset[str], Plan] = {}
        inserts = []
        for row in rows:
            names = frozenset(row)
            if names not in plans:
                plans[names] = self._statements.insert(dict(row), scopes)[0].plan
            parameters = self._statements.parameters(row, scopes, prefix="")
            inserts.append(plans[names].one(parameters))
        return StatementBatch(inserts)

    def _alteration_of_one(self, key: Key, values: Values, scopes: Scopes) -> Bound[Any]:
        statement, _ = self._statements.update(key, values, scopes, None)
        return statement.plan.bound(
            statement.parameters, lambda result: self._whole(result.all(), 1)[0]
        )

    def _whole(self, rows: list[Any], count: int) -> list[Any]:
        """The rows that were found, in the order they were asked for: all of them.

        Raises:
            Problem: 404, one is missing.
        """
        if len(rows) < count:
            raise self._subject.not_found()
        return rows if count == 1 else sorted(rows, key=lambda row: row.position)

    # One statement for all, PostgreSQL

    def _columns(self, names: Sequence[str]) -> list[Column[Any]]:
        return [self._subject.shape.columns[name].column for name in names]

    def _fits(self, names: tuple[str, ...]) -> bool:
        """Whether there are values, and they and the keys can come as arrays."""
        keys = [column.column for column in self._subject.shape.primary_key]
        columns = [*keys, *self._columns(names)]
        return bool(names) and all(_is_plain(column.type) for column in columns)

    def _is_unique(self, names: tuple[str, ...]) -> bool:
        """Whether one row can be in the way of another's values, so that their order counts."""
        table = self._subject.shape.table
        apart = CheckConstraint, ForeignKeyConstraint
        kept = [
            constraint
            for constraint in table.constraints
            if isinstance(constraint, ColumnCollectionConstraint)
            and not isinstance(constraint, apart)
        ]
        groups: list[Any] = [*kept, *(index for index in table.indexes if index.unique)]
        changed = self._columns(names)
        return any(
            column is changed_column
            for group in groups
            for column in group.columns
            for changed_column in changed
        )

    def _is_counted(self, names: tuple[str, ...]) -> bool:
        """Whether the database counts the keys: RETURNING itself promises no order."""
        counted = self._subject.shape.table.autoincrement_column
        if counted is None or counted.identity is not None:
            return False
        return not any(column is counted for column in self._columns(names))

    def _makes_for_each_row(self, names: tuple[str, ...]) -> bool:
        """Whether a column is left to a default that Python makes for each row."""
        defined = {column.key for column in self._columns(names)}
        left = [column for column in self._subject.shape.table.columns if column.key not in defined]
        return any(_is_made_for_each_row(column.default) for column in left)

    def _arrays(self, names: tuple[str, ...], rows: list[Values]) -> Values:
        columns = zip(self._columns(names), names, strict=True)
        return {value_parameter(column): [row[name] for row in rows] for column, name in columns}

    def _insert_plan(self, names: tuple[str, ...], scopes: Scopes) -> Plan:
        table = self._subject.shape.table
        columns = self._columns(names)
        new_rows = _unnested({value_parameter(column): column.type for column in columns})
        chosen = select(*(new_rows.c[value_parameter(column)] for column in columns)).order_by(
            new_rows.c.position
        )
        returned = self._statements.returned(ReturnedRow(table), scopes)
        return Plan(insert(table).from_select(columns, chosen).returning(*returned))

    def _update_plan(self, names: tuple[str, ...], scopes: Scopes) -> Plan:
        shape = self._subject.shape
        columns = self._columns(names)
        keys = {
            key_parameter(index): column.column for index, column in enumerate(shape.primary_key)
        }
        types: dict[str, Any] = {
            key_parameter(index): compared_type(column)
            for index, column in enumerate(shape.primary_key)
        }
        new_rows = _unnested(
            types
            | {value_parameter(changed_column): changed_column.type for changed_column in columns}
        )
        requested = _unnested(types, name="asked")
        rows = shape.table.alias()
        chosen = and_(*(rows.c[column.key] == requested.c[name] for name, column in keys.items()))
        locked = lock_in_order(shape, rows, chosen, key_share=True).select_from(rows, requested)
        returned = self._statements.returned(ReturnedRow(shape.table), scopes)
        return Plan(
            update(shape.table)
            .where(*(column == new_rows.c[name] for name, column in keys.items()), after(locked))
            .values({column: new_rows.c[value_parameter(column)] for column in columns})
            .returning(*returned, new_rows.c.position)
        )


def _unnested(columns: dict[str, Any], name: str = "given") -> Any:
    """Arrays of these types, given as parameters, as columns of one table; and ``position``."""
    arrays = [bindparam(name, type_=ARRAY(kind, dimensions=1)) for name, kind in columns.items()]
    table = func.unnest(*arrays).table_valued(*columns, with_ordinality="position")
    return table.render_derived(name)


def _names_of_all(rows: list[Values]) -> tuple[str, ...]:
    """The fields of every row; none where they differ."""
    first = rows[0].keys()
    return tuple(sorted(first)) if all(row.keys() == first for row in rows) else ()


def _is_made_for_each_row(default: Any) -> bool:
    """Whether a default is a function; one that asks for the statement alone is as good once."""
    if default is None or not default.is_callable:
        return False
    return bool(getattr(default.arg, "needs_context", True))


def _is_plain(kind: Any) -> bool:
    """Whether an array of a type is known to hold what the type does.

    Not one of arrays, which would be taken apart; nor of types that SQL is wrapped around, or that
    the database has by name.
    """
    if has_bind_expression(kind) or "postgresql" in variants_of(kind):
        return False
    while isinstance(kind, TypeDecorator):
        kind = kind.impl_instance
    return isinstance(kind, PLAIN) and not (isinstance(kind, Enum) and kind.native_enum)


def _by_key(rows: Any) -> list[Any]:
    """The rows in the order of their keys, which is that of their insertion."""
    return sorted(rows.all(), key=lambda row: from_json(row.key))
