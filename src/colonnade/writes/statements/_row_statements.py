"""The statements that write one row, cached for all requests of the same structure."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    bindparam,
    delete,
    insert,
    literal_column,
    select,
    update,
)

from colonnade.database import Bound, Plan
from colonnade.query import VALUE_PREFIX, Scopes, key_clause, key_parameters, value_parameter
from colonnade.rows import ReturnedRow, codec_of, json_array, row_columns
from colonnade.writes._changes import Change, Values
from colonnade.writes._table_context import TableContext
from colonnade.writes.rules._foreign_keys import ForeignKeys, Reference
from colonnade.writes.rules._rules import apply_scope_values
from colonnade.writes.rules._trees import Trees
from colonnade.writes.statements._new_rows import new_value


class WriteStatements:
    """The statements of one table.

    Args:
        table_context: The table.
        foreign_keys: Its foreign keys.
        trees: Its self-referential foreign keys.
    """

    def __init__(
        self, table_context: TableContext, foreign_keys: ForeignKeys, trees: Trees
    ) -> None:
        self.table_context = table_context
        self.foreign_keys = foreign_keys
        self.trees = trees
        self._parameter_names: dict[str, dict[str, str]] = {}

    def insert(
        self,
        values: Values,
        scopes: Scopes,
        checked: frozenset[str] = frozenset(),
        *,
        with_state: bool = True,
    ) -> tuple[Bound[Any], list[Reference]]:
        """Build the INSERT of a row, and return it with the foreign keys that it checks.

        Args:
            values: The values of the row, by field.
            scopes: The scopes of the request.
            checked: Foreign key fields that refer to rows known to exist in scope.
            with_state: Whether to return the state of the row, from which its ETag is made.
        """
        table_context = self.table_context
        apply_scope_values(values, scopes.written(table_context.shape.table))
        self.trees.refuse_self(values)
        references = self.foreign_keys.to_check(
            values, scopes, creating=True, already_checked=checked
        )
        names = tuple(sorted(values))
        structure = (
            "insert",
            names,
            tuple(reference.names for reference in references),
            scopes.structure,
            with_state,
        )
        plan = table_context.plans.get(
            None if scopes.structure is None else structure,
            lambda: self._insert_plan(names, references, values, scopes, with_state=with_state),
        )
        return plan.first(self.parameters(values, scopes, prefix="")), references

    def _insert_plan(
        self,
        names: tuple[str, ...],
        references: list[Reference],
        values: Values,
        scopes: Scopes,
        *,
        with_state: bool,
    ) -> Plan:
        statement: Any = insert(self.table_context.shape.table)
        if references:
            statement = self._insert(names, references, values, scopes)
        source = ReturnedRow(self.table_context.shape.table)
        returned = self.returning_columns(source, scopes, with_state=with_state)
        return Plan(statement.returning(*returned))

    def _insert(
        self, names: tuple[str, ...], references: list[Reference], values: Values, scopes: Scopes
    ) -> Any:
        shape = self.table_context.shape
        table = shape.table
        columns = [shape.columns[name].column for name in names]
        binds = [bindparam(column.key, type_=column.type) for column in columns]
        chosen = select(*binds).where(
            *self.foreign_keys.reachable_clauses(references, values, scopes, "")
        )
        return insert(table).from_select(columns, chosen)

    def update(
        self,
        key: tuple[Any, ...],
        values: Values,
        scopes: Scopes,
        expected: frozenset[str] | None,
        checked: frozenset[str] = frozenset(),
        *,
        with_state: bool = True,
    ) -> tuple[Bound[Any], list[Reference]]:
        """Build the UPDATE of a row, and return it with the foreign keys that it checks.

        Args:
            key: The key of the row.
            values: The new values, by field.
            scopes: The scopes of the request.
            expected: The versions that the row may have; None for any.
            checked: Foreign key fields that refer to rows known to exist in scope.
            with_state: Whether to return the state of the row, from which its ETag is made.
        """
        table_context = self.table_context
        references = self.foreign_keys.to_check(
            values, scopes, creating=False, already_checked=checked
        )
        match = expected if table_context.versioned else None
        names = tuple(sorted(values))
        structure = (
            "update",
            names,
            tuple(reference.names for reference in references),
            match is None,
            with_state,
        )
        plan = table_context.plans.get(
            None
            if scopes.structure is None or _skips_plan_cache(match)
            else (structure, scopes.structure),
            lambda: self._update_plan(
                names, references, values, scopes, match, with_state=with_state
            ),
        )
        parameters = (
            self.parameters(values, scopes, prefix=VALUE_PREFIX)
            | key_parameters(key)
            | _versions(match)
        )
        return plan.first(parameters), references

    def _update_plan(
        self,
        names: tuple[str, ...],
        references: list[Reference],
        values: Values,
        scopes: Scopes,
        match: frozenset[str] | None,
        *,
        with_state: bool,
    ) -> Plan:
        statement = self._update(names, references, values, scopes, match)
        source = ReturnedRow(self.table_context.shape.table)
        returned = self.returning_columns(source, scopes, with_state=with_state)
        return Plan(statement.returning(*returned))

    def _update(
        self,
        names: tuple[str, ...],
        references: list[Reference],
        values: Values,
        scopes: Scopes,
        match: frozenset[str] | None,
    ) -> Any:
        shape = self.table_context.shape
        table = shape.table
        columns = [shape.columns[name].column for name in names]
        changes = {
            column: bindparam(value_parameter(column), type_=column.type) for column in columns
        }
        return (
            update(table)
            .where(
                key_clause(shape, table),
                *scopes.write_clauses(table, table),
                *self._versions_clause(match),
                *self.foreign_keys.reachable_clauses(
                    references, values, scopes, VALUE_PREFIX, table
                ),
            )
            .values(changes)
        )

    def set_defaults(self, key: tuple[Any, ...], names: tuple[str, ...]) -> Bound[Any]:
        """Build the UPDATE that gives fields of a row the defaults of the database."""
        shape, backend = self.table_context.shape, self.table_context.backend

        def make() -> Plan:
            columns = [shape.columns[name].column for name in names]
            defaults = {column: new_value(shape, column, (), backend) for column in columns}
            statement = update(shape.table).where(key_clause(shape, shape.table)).values(defaults)
            return Plan(statement.returning(literal_column("1")))

        return self.table_context.plans.get(("set defaults", names), make).first(
            key_parameters(key)
        )

    def delete(
        self, key: tuple[Any, ...], scopes: Scopes, expected: frozenset[str] | None
    ) -> Bound[Any]:
        """Build the DELETE of a row."""
        table_context = self.table_context
        shape = table_context.shape
        match = expected if table_context.versioned else None
        table = shape.table
        structure = ("delete", match is None, scopes.structure)
        plan = table_context.plans.get(
            None if scopes.structure is None or _skips_plan_cache(match) else structure,
            lambda: Plan(
                delete(table)
                .where(
                    key_clause(shape, table),
                    *scopes.write_clauses(table, table),
                    *self._versions_clause(match),
                )
                .returning(literal_column("1"))
            ),
        )
        parameters = {**key_parameters(key), **dict(scopes.binds()), **_versions(match)}
        return plan.first(parameters)

    def references(self, change: Change, scopes: Scopes) -> list[Reference]:
        """Return the foreign keys that the statement of a create or an update checks."""
        creating = change.kind == "create"
        return self.foreign_keys.to_check(
            change.values, scopes, creating=creating, already_checked=change.checked
        )

    def write(self, change: Change, references: list[Reference], scopes: Scopes) -> Any:
        """Build the INSERT or UPDATE of a row without RETURNING, for a CTE."""
        names = tuple(sorted(change.values))
        if change.kind == "create":
            return self._insert(names, references, change.values, scopes)
        return self._update(names, references, change.values, scopes, None)

    def select_one(self, rows: FromClause, scopes: Scopes, columns: Sequence[Any]) -> Select[Any]:
        """Build the SELECT of a stored row: what a write returns, and other columns."""
        shape = self.table_context.shape
        return select(*self.returning_columns(rows, scopes), *columns).where(
            key_clause(shape, rows), *scopes.clauses(shape.table, rows)
        )

    def returning_columns(
        self, source: Any, scopes: Scopes, *, with_state: bool = True
    ) -> list[Any]:
        """Build the columns that a write returns: ``body``, ``state`` and ``key``.

        Args:
            source: The row.
            scopes: The scopes of the request.
            with_state: Whether to return the state. The rows of a batch have no ETags, and their
                states take as long to build as their bodies.
        """
        table_context = self.table_context
        view, backend = table_context.view, table_context.backend
        state_columns = table_context.state_columns if with_state else []
        columns = row_columns(view, source, scopes, backend, state_columns)
        return [*columns, self.key_column(source)]

    def key_column(self, source: Any) -> ColumnElement[Any]:
        """Build the column ``key``: the key of a row as a JSON array."""
        backend = self.table_context.backend
        key = [
            codec_of(column).json_text(column, source, backend)
            for column in self.table_context.shape.primary_key
        ]
        return json_array(key, backend).label("key")

    def parameters(self, values: Values, scopes: Scopes, *, prefix: str) -> Values:
        """Return the parameter values of a statement, those of the scopes included.

        Args:
            values: The written values, by field.
            scopes: The scopes of the request.
            prefix: The prefix of the parameters for ``values``.
        """
        names = self._parameter_names.get(prefix)
        if names is None:
            columns = self.table_context.shape.columns.items()
            names = {name: value_parameter(each.column, prefix) for name, each in columns}
            self._parameter_names[prefix] = names
        parameters = {names[name]: value for name, value in values.items()}
        if scopes:
            parameters.update(scopes.binds())
        return parameters

    def _versions_clause(self, match: frozenset[str] | None) -> list[Any]:
        version = self.table_context.shape.version
        if match is None or version is None:
            return []
        binds = [bindparam(name, type_=version.column.type) for name in _versions(match)]
        return [version.column.in_(binds)]


def _skips_plan_cache(match: frozenset[str] | None) -> bool:
    return match is not None and len(match) != 1


def _versions(match: frozenset[str] | None) -> Values:
    """The versions in ``If-Match``, as parameters; a tag that is not a version matches no row."""
    versions = [int(text) if text.isdecimal() and len(text) < 11 else -1 for text in match or ()]
    versions = [version if version < 2**31 else -1 for version in versions]
    return {f"match_{index}": value for index, value in enumerate(versions)}
