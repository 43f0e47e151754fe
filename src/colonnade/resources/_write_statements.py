"""The statements that write one row, each made once for all requests of its shape."""

from typing import Any

from sqlalchemy import bindparam, delete, insert, literal_column, select, update

from colonnade.database import Bound, Plan
from colonnade.query import VALUE_PREFIX, Scopes, key_clause, key_parameters, value_parameter
from colonnade.resources._foreign_keys import ForeignKeys, Reference
from colonnade.resources._table_context import TableContext
from colonnade.resources._trees import Trees
from colonnade.resources._write_rules import Values, set_scope
from colonnade.rows import ReturnedRow, codec_of, json_array, row_columns


class WriteStatements:
    """The statements of one subject.

    Args:
        subject: The table.
        foreign: Its foreign keys.
        trees: Its relations to itself.
    """

    def __init__(self, subject: TableContext, foreign: ForeignKeys, trees: Trees) -> None:
        self.subject = subject
        self.foreign = foreign
        self.trees = trees

    def insert(self, values: Values, scopes: Scopes) -> tuple[Bound[Any], list[Reference]]:
        """The statement that inserts a row, with the foreign keys it asks about."""
        subject = self.subject
        set_scope(values, scopes.get(subject.shape.table))
        self.trees.refuse_self(values)
        references = self.foreign.to_ask(values, scopes, creating=True)
        names = tuple(sorted(values))
        structure = (
            "insert",
            names,
            tuple(reference.names for reference in references),
            scopes.structure,
        )
        plan = subject.plans.get(
            None if scopes.structure is None else structure,
            lambda: self._insert_plan(names, references, values, scopes),
        )
        return plan.first(self.parameters(values, scopes, prefix="")), references

    def _insert_plan(
        self, names: tuple[str, ...], references: list[Reference], values: Values, scopes: Scopes
    ) -> Plan:
        shape = self.subject.shape
        table = shape.table
        columns = [shape.columns[name].column for name in names]
        statement: Any = insert(table)
        if references:
            binds = [bindparam(column.key, type_=column.type) for column in columns]
            chosen = select(*binds).where(*self.foreign.reachable(references, values, scopes, ""))
            statement = statement.from_select(columns, chosen)
        return Plan(statement.returning(*self.returned(ReturnedRow(table), scopes)))

    def update(
        self,
        key: tuple[Any, ...],
        values: Values,
        scopes: Scopes,
        expected: frozenset[str] | None,
    ) -> tuple[Bound[Any], list[Reference]]:
        """The statement that updates a row, with the foreign keys it asks about."""
        subject = self.subject
        references = self.foreign.to_ask(values, scopes, creating=False)
        match = expected if subject.versioned else None
        names = tuple(sorted(values))
        structure = (
            "update",
            names,
            tuple(reference.names for reference in references),
            match is None,
        )
        plan = subject.plans.get(
            None if scopes.structure is None or _many(match) else (structure, scopes.structure),
            lambda: self._update_plan(names, references, values, scopes, match),
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
    ) -> Plan:
        shape = self.subject.shape
        table = shape.table
        columns = [shape.columns[name].column for name in names]
        changes = {
            column: bindparam(value_parameter(column), type_=column.type) for column in columns
        }
        statement = (
            update(table)
            .where(
                key_clause(shape, table),
                *scopes.clauses(table, table),
                *self._versions_clause(match),
                *self.foreign.reachable(references, values, scopes, VALUE_PREFIX, table),
            )
            .values(changes)
            .returning(*self.returned(ReturnedRow(table), scopes))
        )
        return Plan(statement)

    def delete(
        self, key: tuple[Any, ...], scopes: Scopes, expected: frozenset[str] | None
    ) -> Bound[Any]:
        """The statement that deletes a row."""
        subject = self.subject
        shape = subject.shape
        match = expected if subject.versioned else None
        table = shape.table
        structure = ("delete", match is None, scopes.structure)
        plan = subject.plans.get(
            None if scopes.structure is None or _many(match) else structure,
            lambda: Plan(
                delete(table)
                .where(
                    key_clause(shape, table),
                    *scopes.clauses(table, table),
                    *self._versions_clause(match),
                )
                .returning(literal_column("1"))
            ),
        )
        parameters = {**key_parameters(key), **dict(scopes.binds()), **_versions(match)}
        return plan.first(parameters)

    def returned(self, source: Any, scopes: Scopes) -> list[Any]:
        """What a write returns of its row: ``body``, ``state`` and ``key``."""
        subject = self.subject
        columns = row_columns(subject.view, source, scopes, subject.backend, subject.told_apart)
        key = [
            codec_of(column).json_text(column, source, subject.backend)
            for column in subject.shape.primary_key
        ]
        return [*columns, json_array(key, subject.backend).label("key")]

    def parameters(self, values: Values, scopes: Scopes, *, prefix: str) -> Values:
        """The values of a statement's parameters, those of the scopes included.

        Args:
            values: What is written, by field.
            scopes: The scopes of the request.
            prefix: What the names of the values' parameters begin with.
        """
        columns = self.subject.shape.columns
        parameters = {
            value_parameter(columns[name].column, prefix): value for name, value in values.items()
        }
        parameters.update(scopes.binds())
        return parameters

    def _versions_clause(self, match: frozenset[str] | None) -> list[Any]:
        version = self.subject.shape.version
        if match is None or version is None:
            return []
        binds = [bindparam(name, type_=version.column.type) for name in _versions(match)]
        return [version.column.in_(binds)]


def _many(match: frozenset[str] | None) -> bool:
    return match is not None and len(match) != 1


def _versions(match: frozenset[str] | None) -> Values:
    """The versions in an ``If-Match``, as parameters; a tag that is none matches no row."""
    versions = [int(text) if text.isdecimal() and len(text) < 11 else -1 for text in match or ()]
    versions = [version if version < 2**31 else -1 for version in versions]
    return {f"match_{index}": value for index, value in enumerate(versions)}
