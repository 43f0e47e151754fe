"""The statements that create a row, or change or keep the stored row that it conflicts with."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Select,
    bindparam,
    exists,
    literal_column,
    select,
)

from colonnade.database import Bound, Plan
from colonnade.models import Shape
from colonnade.query import VALUE_PREFIX, Scopes, value_parameter
from colonnade.rows import ReturnedRow
from colonnade.writes._changes import Change, Values
from colonnade.writes._conflicts import Conflict
from colonnade.writes._unique_keys import UniqueKey
from colonnade.writes.rules._foreign_keys import Reference
from colonnade.writes.rules._rules import apply_scope_values
from colonnade.writes.statements._inserts import upsert
from colonnade.writes.statements._new_rows import new_row, new_value
from colonnade.writes.statements._row_statements import WriteStatements

UPDATE_PREFIX = "onupdate_"
"""The prefix for parameters of the columns that every update sets."""

DEFAULT_PREFIX = "default_"
"""The prefix for parameters of the columns with a default of the program."""


class UpsertStatements:
    """The upserts of one table.

    Args:
        statements: The statements that write one row.
    """

    def __init__(self, statements: WriteStatements) -> None:
        self._statements = statements
        self._table_context = statements.table_context
        self._shape = statements.table_context.shape

    def update(self, change: Change, conflict: Conflict) -> Bound[Any]:
        """Build the INSERT that updates the row in the scope that it conflicts with.

        It returns ``body``, ``state``, ``key`` and ``created``; nothing if a foreign key refers to
        a row outside the scope, or the stored row is outside of it.
        """
        values, scopes = change.values, change.scopes
        references = self._references(values, scopes)
        names = tuple(sorted(values))
        plan = self._plan(
            ("upsert", conflict.key.name, names, conflict.changes, _names(references)),
            scopes,
            lambda: self._update_plan(conflict, names, references, values, scopes),
        )
        parameters = self._statements.parameters(values, scopes, prefix="")
        return plan.first(parameters | update_parameters(self._shape))

    def keep(self, change: Change, conflict: Conflict) -> Bound[Any]:
        """Build the INSERT that does nothing on a conflict, and the SELECT of the stored row.

        It returns the same as ``update``; nothing also if another transaction stores the row at
        the same time.
        """
        values, scopes = change.values, change.scopes
        references = self._references(values, scopes)
        names = tuple(sorted(values))
        plan = self._plan(
            ("keep", conflict.key.name, names, _names(references)),
            scopes,
            lambda: self._keep_plan(conflict, names, references, values, scopes),
        )
        parameters = self._statements.parameters(values, scopes, prefix=VALUE_PREFIX)
        return plan.first(parameters | default_parameters(self._shape, names))

    def find(self, change: Change, conflict: Conflict, *, lock: bool) -> Bound[Any]:
        """Build the SELECT of the key of the row in the scope that a new row conflicts with."""
        values, scopes = dict(change.values), change.scopes
        apply_scope_values(values, scopes.written(self._shape.table))
        names = tuple(sorted(values))
        plan = self._plan(
            ("find", conflict.key.name, names, lock),
            scopes,
            lambda: self._find_plan(conflict.key, names, scopes, lock=lock),
        )
        return plan.first(self._statements.parameters(values, scopes, prefix=VALUE_PREFIX))

    def _plan(self, structure: tuple[Any, ...], scopes: Scopes, make: Any) -> Plan:
        cached = None if scopes.structure is None else (*structure, scopes.structure)
        return self._table_context.plans.get(cached, make)

    def _references(self, values: Values, scopes: Scopes) -> list[Reference]:
        """Set the values of the scope, and return the foreign keys to check."""
        apply_scope_values(values, scopes.written(self._shape.table))
        return self._statements.foreign_keys.to_check(values, scopes, creating=True)

    def _update_plan(
        self,
        conflict: Conflict,
        names: tuple[str, ...],
        references: list[Reference],
        values: Values,
        scopes: Scopes,
    ) -> Plan:
        table = self._shape.table
        statement = upsert(table, self._table_context.backend)
        if references:
            columns = self._columns(names)
            binds = [bindparam(column.key, type_=column.type) for column in columns]
            chosen = self._reachable(select(*binds), references, values, scopes, "")
            statement = statement.from_select(columns, chosen)
        in_scope = next(scopes.write_clauses(table, table), None)
        statement = self.on_conflict(statement, conflict, in_scope)
        return Plan(statement.returning(*self.returning(scopes)))

    def _keep_plan(
        self,
        conflict: Conflict,
        names: tuple[str, ...],
        references: list[Reference],
        values: Values,
        scopes: Scopes,
    ) -> Plan:
        shape, backend = self._shape, self._table_context.backend
        key, columns = conflict.key, self._columns(names)
        row = {
            column: bindparam(value_parameter(column), type_=column.type) for column in columns
        } | dict(default_values(shape, names))
        chosen = self._reachable(select(*row.values()), references, values, scopes, VALUE_PREFIX)
        statement = upsert(shape.table, backend).from_select(
            list(row), chosen, include_defaults=False
        )
        statement = self.on_conflict(statement, conflict)
        written = statement.returning(*self.returning(scopes)).cte("colonnade_written")
        source = shape.table.alias()
        values_of_key = [new_value(shape, column, names, backend) for column in key.elements]
        stored = select(
            *self._statements.returning_columns(source, scopes),
            literal_column("false").label("created"),
        ).where(
            *key.matches(source, values_of_key),
            key.condition(backend, source),
            *scopes.clauses(shape.table, source),
            ~exists(select(literal_column("1")).select_from(written)),
        )
        return Plan(select(written).union_all(stored))

    def _find_plan(
        self, key: UniqueKey, names: tuple[str, ...], scopes: Scopes, *, lock: bool
    ) -> Plan:
        shape, backend = self._shape, self._table_context.backend
        source = shape.table
        values = [new_value(shape, column, names, backend) for column in key.elements]
        statement: Select[Any] = select(self._statements.key_column(source)).where(
            *key.matches(source, values),
            key.condition(backend, source),
            *scopes.clauses(shape.table, source),
        )
        if key.is_partial(backend):
            row = new_row(shape, names, backend)
            has_key: Select[Any] = select(literal_column("1")).select_from(row)
            statement = statement.where(
                exists(has_key.where(key.condition(backend, row)).correlate(None))
            )
        return Plan(statement.with_for_update(of=source) if lock else statement)

    def _reachable(
        self,
        chosen: Select[Any],
        references: list[Reference],
        values: Values,
        scopes: Scopes,
        prefix: str,
    ) -> Select[Any]:
        foreign_keys = self._statements.foreign_keys
        return chosen.where(*foreign_keys.reachable_clauses(references, values, scopes, prefix))

    def _columns(self, names: tuple[str, ...]) -> list[Column[Any]]:
        return [self._shape.columns[name].column for name in names]

    def on_conflict(
        self, statement: Any, conflict: Conflict, in_scope: ColumnElement[bool] | None = None
    ) -> Any:
        """Add to an INSERT what happens to the row that it conflicts with.

        The stored row gets the values of the new one, defaults of the database included.

        Args:
            statement: The INSERT.
            conflict: What happens.
            in_scope: The condition that a changed row meets.
        """
        target = {
            "index_elements": conflict.key.elements,
            "index_where": conflict.key.index_where(self._table_context.backend),
        }
        if conflict.keeps or not conflict.changes:
            return statement.on_conflict_do_nothing(**target)
        columns = self._columns(conflict.changes)
        changes = dict(automatic_updates(self._shape, statement))
        changes |= {column.key: statement.excluded[column.key] for column in columns}
        return statement.on_conflict_do_update(**target, set_=changes, where=in_scope)

    def returning(self, scopes: Scopes) -> list[Any]:
        """Build the columns that an upsert on PostgreSQL returns."""
        row = ReturnedRow(self._shape.table)
        name = self._shape.table.name.replace('"', '""')
        # The transaction that locked the row to update it; none has locked a new row.
        created: Any = literal_column(f'("{name}".xmax = 0)').label("created")
        return [*self._statements.returning_columns(row, scopes), created]


def automatic_updates(shape: Shape, statement: Any) -> Iterator[tuple[str, Any]]:
    """Yield what SQLAlchemy sets in an UPDATE, but not in ON CONFLICT DO UPDATE, by column.

    Args:
        shape: The table.
        statement: The INSERT, whose new row has the current time.
    """
    for column in shape.columns.values():
        key = column.column.key
        onupdate: Any = column.column.onupdate
        if column.role == "version":
            yield key, column.column + 1
        elif column.role == "updated_at":
            yield key, statement.excluded[key]  # the time of the statement
        elif onupdate is not None and onupdate.is_clause_element:
            yield key, onupdate.arg
        elif onupdate is not None:
            yield key, bindparam(f"{UPDATE_PREFIX}{key}", type_=column.column.type)


def update_parameters(shape: Shape) -> Values:
    """The values of the parameters in ``automatic_updates``."""
    return {
        f"{UPDATE_PREFIX}{column.column.key}": _python_value(column.column.onupdate, None)
        for column in shape.columns.values()
        if column.role is None and _is_python(column.column.onupdate)
    }


def default_values(shape: Shape, names: tuple[str, ...]) -> Iterator[tuple[Column[Any], Any]]:
    """Yield the defaults that SQLAlchemy adds to an INSERT, but not to one inside of a SELECT.

    Args:
        shape: The table.
        names: The fields that have a value.
    """
    for column in _omitted(shape, names):
        default: Any = column.default
        if _is_python(default):
            yield column, bindparam(f"{DEFAULT_PREFIX}{column.key}", type_=column.type)
        elif default is not None:
            yield column, default.next_value() if default.is_sequence else default.arg


def default_parameters(shape: Shape, names: tuple[str, ...]) -> Values:
    """The values of the parameters in ``default_values``."""
    statement = _Statement()
    return {
        f"{DEFAULT_PREFIX}{column.key}": _python_value(column.default, statement)
        for column in _omitted(shape, names)
        if _is_python(column.default)
    }


def has_row_defaults(shape: Shape, names: tuple[str, ...]) -> bool:
    """Whether an omitted column has a default that needs SQLAlchemy's execution context."""
    defaults: list[Any] = [column.default for column in _omitted(shape, names)]
    return any(
        default is not None and default.is_callable and getattr(default.arg, "needs_context", True)
        for default in defaults
    )


class _Statement:
    """Stands for SQLAlchemy's execution context: timestamps of the same one are equal."""


def _omitted(shape: Shape, names: tuple[str, ...]) -> list[Column[Any]]:
    written = {shape.columns[name].column for name in names}
    return [column for column in shape.table.columns if column not in written]


def _is_python(default: Any) -> bool:
    """Whether a default or an ``onupdate`` is a value, or a function of Python."""
    return default is not None and (default.is_scalar or default.is_callable)


def _python_value(default: Any, statement: _Statement | None) -> Any:
    return default.arg(statement) if default.is_callable else default.arg


def _names(references: list[Reference]) -> tuple[tuple[str, ...], ...]:
    return tuple(reference.names for reference in references)
