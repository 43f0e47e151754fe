"""Foreign keys in writes: which rows a row may refer to, and which it may not."""

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
from colonnade.resources.answers._failures import missing_row
from colonnade.resources.answers._problems import Problem

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """A foreign key of a table, whose target is a table of the program's.

    Attributes:
        name: Its constraint's name.
        fields: The columns of this table.
        target: The table referred to.
        columns: The columns referred to, in the same order.
    """

    name: str | None
    fields: tuple[ColumnShape, ...]
    target: Table
    columns: tuple[Column[Any], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The fields' names."""
        return tuple(field.name for field in self.fields)

    @property
    def body_names(self) -> tuple[str, ...]:
        """The fields' names as request bodies have them."""
        return tuple(field.body_name for field in self.fields)

    def is_given(self, values: Values) -> bool:
        """Whether values say of some column, and of none that it is null."""
        key = [values[name] for name in self.names if name in values]
        return bool(key) and all(value is not None for value in key)

    def is_whole(self, values: Values) -> bool:
        """Whether values say all of it."""
        return all(values.get(name) is not None for name in self.names)

    def bind(self, field: ColumnShape, prefix: str) -> ColumnElement[Any]:
        """The parameter with a column's new value."""
        return bindparam(value_parameter(field.column, prefix), type_=field.column.type)


class ForeignKeys:
    """The foreign keys of one table.

    Args:
        shape: The table.
    """

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.references = tuple(_references(shape))
        self.to_itself = tuple(
            reference for reference in self.references if reference.target is shape.table
        )

    def targets(self) -> tuple[Table, ...]:
        """The tables referred to."""
        return tuple(reference.target for reference in self.references)

    def to_ask(
        self, values: Values, scopes: Scopes, *, creating: bool, besides: Collection[str] = ()
    ) -> list[Reference]:
        """The foreign keys that are written, and that the database alone would let through.

        Those into tables that have a scope; and of a row that is created those into its own
        table, since a key that is guessed before the database makes it would refer to itself.

        Args:
            values: What is written, by field.
            scopes: The scopes of the request.
            creating: Whether the row is new: then what is not said is null.
            besides: Fields that are asked about already.
        """
        return [
            reference
            for reference in self.references
            if (reference.is_whole(values) if creating else reference.is_given(values))
            and not set(reference.names) <= set(besides)
            and (
                scopes.get(reference.target) is not None
                or (creating and reference in self.to_itself)
            )
        ]

    def reachable(
        self,
        references: list[Reference],
        values: Values,
        scopes: Scopes,
        prefix: str,
        row: FromClause | None = None,
    ) -> list[ColumnElement[bool]]:
        """That each foreign key names a row inside its table's scope.

        Args:
            references: The foreign keys.
            values: What is written, by field, as parameters of that name.
            scopes: The scopes of the request.
            prefix: What the names of the parameters begin with.
            row: What has the columns that are not written.
        """
        conditions: list[ColumnElement[bool]] = []
        for reference in references:
            there = reference.target.alias()
            same, unset = [], []
            for field, column in zip(reference.fields, reference.columns, strict=True):
                value = reference.bind(field, prefix)
                if field.name not in values and row is not None:
                    value = row.c[field.column.key]
                    unset.append(value.is_(None))  # a key with a null in it refers to nothing
                same.append(there.c[column.key] == value)
            inner: Select[Any] = select(literal_column("1")).select_from(there)
            inner = inner.where(and_(*same, *scopes.clauses(reference.target, there)))
            if row is not None:
                inner = inner.correlate(row)
            conditions.append(or_(*unset, exists(inner)) if unset else exists(inner))
        return conditions

    def missing(self, connection: Connection, rows: Sequence[Values]) -> Problem | None:
        """The conflict of the first foreign key that names no row, for a database that is silent.

        Args:
            connection: Where to ask.
            rows: What was written.
        """
        for values in rows:
            for reference in self.references:
                if (
                    reference.is_whole(values)
                    and not connection.execute(_is_there(reference, values)).scalar()
                ):
                    return missing_row(reference.body_names, reference.name)
        return None


def _is_there(reference: Reference, values: Values) -> Select[Any]:
    pairs = zip(reference.fields, reference.columns, strict=True)
    return select(exists().where(*(column == values[field.name] for field, column in pairs)))


def _references(shape: Shape) -> Iterator[Reference]:
    fields = {column.column.name: column for column in shape.columns.values()}
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
