"""Foreign keys in writes: which rows a written row may refer to."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    FromClause,
    Select,
    Table,
    and_,
    bindparam,
    exists,
    literal_column,
    or_,
    select,
)

from colonnade.models import ColumnShape, Shape
from colonnade.query import Scopes, value_parameter
from colonnade.writes._database_errors import missing_row
from colonnade.writes._errors import RejectedError

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """A foreign key whose target table is part of the application's metadata.

    Attributes:
        name: The name of the constraint.
        fields: The referring columns.
        target: The referenced table.
        columns: The referenced columns, in the same order as ``fields``.
    """

    name: str | None
    fields: tuple[ColumnShape, ...]
    target: Table
    columns: tuple[Column[Any], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the fields."""
        return tuple(field.name for field in self.fields)

    @property
    def body_names(self) -> tuple[str, ...]:
        """The names of the fields in request bodies."""
        return tuple(field.body_name for field in self.fields)

    def is_set(self, values: Values) -> bool:
        """Whether the values set at least one of the columns, and none of them to null."""
        written = [values[name] for name in self.names if name in values]
        return bool(written) and all(value is not None for value in written)

    def is_complete(self, values: Values) -> bool:
        """Whether the values set all columns, and none of them to null."""
        return all(values.get(name) is not None for name in self.names)

    def bind(self, field: ColumnShape, prefix: str) -> ColumnElement[Any]:
        """Build the parameter for the new value of a column."""
        return bindparam(value_parameter(field.column, prefix), type_=field.column.type)


class ForeignKeys:
    """The foreign keys of one table.

    Args:
        shape: The table.
    """

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.references = tuple(_references(shape))
        self.self_references = tuple(
            reference for reference in self.references if reference.target is shape.table
        )

    def targets(self) -> tuple[Table, ...]:
        """The referenced tables."""
        return tuple(reference.target for reference in self.references)

    def to_check(
        self,
        values: Values,
        scopes: Scopes,
        *,
        creating: bool,
        already_checked: Collection[str] = (),
    ) -> list[Reference]:
        """Return the written foreign keys that the database would not check completely.

        These are foreign keys to tables with a scope and, for a new row, those to its own
        table: a client that guesses the next key could make the row refer to itself.

        Args:
            values: The written values, by field.
            scopes: The scopes of the request.
            creating: Whether the row is new, so that omitted fields are null.
            already_checked: Fields that the statement checks already.
        """
        if not scopes and not (creating and self.self_references):
            return []
        return [
            reference
            for reference in self.references
            if (reference.is_complete(values) if creating else reference.is_set(values))
            and not set(reference.names) <= set(already_checked)
            and (
                scopes.get(reference.target) is not None
                or (creating and reference in self.self_references)
            )
        ]

    def reachable_clauses(
        self,
        references: list[Reference],
        values: Values,
        scopes: Scopes,
        prefix: str,
        row: FromClause | None = None,
        input_rows: FromClause | None = None,
    ) -> list[ColumnElement[bool]]:
        """Build the conditions that each foreign key refers to a row inside its table's scope.

        Args:
            references: The foreign keys.
            values: The written values, by field; the statement has a parameter for each.
            scopes: The scopes of the request.
            prefix: The prefix of the parameter names.
            row: The stored row, for the columns that are not written.
            input_rows: The written rows of a bulk statement, with columns named like the
                parameters; None if the values are parameters.
        """
        clauses: list[ColumnElement[bool]] = []
        for reference in references:
            target = reference.target.alias()
            matches, nulls = [], []
            for field, column in zip(reference.fields, reference.columns, strict=True):
                value: ColumnElement[Any] = reference.bind(field, prefix)
                if field.name not in values and row is not None:
                    value = row.c[field.column.key]
                    nulls.append(value.is_(None))  # a foreign key with a null refers to nothing
                elif input_rows is not None:
                    value = input_rows.c[value_parameter(field.column, prefix)]
                    nulls.append(value.is_(None))
                matches.append(target.c[column.key] == value)
            inner: Select[Any] = select(literal_column("1")).select_from(target)
            inner = inner.where(and_(*matches, *scopes.clauses(reference.target, target)))
            outer = [source for source in (row, input_rows) if source is not None]
            if outer:
                inner = inner.correlate(*outer)
            clauses.append(or_(*nulls, exists(inner)) if nulls else exists(inner))
        return clauses

    def first_missing(self, connection: Connection, rows: Sequence[Values]) -> RejectedError | None:
        """Return the rejection of the first foreign key that refers to a missing row.

        SQLite does not name the foreign key that fails, so each one is queried.

        Args:
            connection: The connection to query.
            rows: The written values of each row.
        """
        for values in rows:
            for reference in self.references:
                if (
                    reference.is_complete(values)
                    and not connection.execute(_exists(reference, values)).scalar()
                ):
                    return missing_row(reference.body_names, reference.name)
        return None


def missing_reference(references: list[Reference]) -> RejectedError:
    """Build the rejection of foreign keys that refer to rows outside the scope."""
    return missing_row((name for reference in references for name in reference.body_names), None)


def _exists(reference: Reference, values: Values) -> Select[Any]:
    pairs = zip(reference.fields, reference.columns, strict=True)
    return select(exists().where(*(column == values[field.name] for field, column in pairs)))


def _references(shape: Shape) -> Iterator[Reference]:
    fields = {field.column.name: field for field in shape.columns.values()}
    for key in shape.foreign_keys:
        target = shape.table.metadata.tables.get(key.table)
        if target is None or not set(key.columns) <= fields.keys():
            continue
        columns = {column.name: column for column in target.columns}
        yield Reference(
            key.name,
            tuple(fields[name] for name in key.columns),
            target,
            tuple(columns[name] for name in key.target_columns),
        )
