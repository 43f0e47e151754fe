"""``Grouping``: the groups of an aggregate and what it computes of each, as one SELECT.

Each row of the table counts once, and so does each related row in each group, however many rows of
the group lead to it. To that end the rows of the table and those of each relation are put one below
the other (UNION ALL) and then grouped: a join would repeat the rows of both.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    Table,
    case,
    cast,
    func,
    literal_column,
    null,
    select,
    union_all,
)

from colonnade.models import Annotation, RelationShape, Shape, value_shape
from colonnade.query._aggregate_functions import Function, aggregate_sql, aggregated_shape
from colonnade.query._paths import ColumnPath, FieldPath, RelatedPath
from colonnade.query._related_aggregates import comparable, may_repeat, related_rows
from colonnade.query._row_sources import JoinedSource, RowSource

Relations = tuple[RelationShape, ...]


class GroupColumn(FieldPath):
    """A value of a group: one of its keys, or an aggregate.

    Args:
        label: The name of the column in SQL.
        text: The name in the response.
        path: The path that has the shape of the values.
    """

    def __init__(self, label: str, path: FieldPath) -> None:
        super().__init__(path.text, path.shape)
        self.label = label

    def stored_sql(self, rows: RowSource) -> ColumnElement[Any]:
        """The column."""
        column: ColumnElement[Any] = rows.c[self.label]
        return column

    def sql(self, rows: RowSource) -> ColumnElement[Any]:
        """The column, in a form that can be compared."""
        return comparable(self.stored_sql(rows))


class Presence(FieldPath):
    """Whether a field has a value: 1 or NULL, which any database can count.

    Args:
        field: The field.
    """

    def __init__(self, field: FieldPath) -> None:
        super().__init__(field.text, _PRESENCE)
        self.field = field

    def tables(self) -> Iterator[Table]:
        """The related tables of the field."""
        return self.field.tables()

    def sql(self, rows: RowSource) -> ColumnElement[Any]:
        """1, or NULL."""
        return case((self.field.sql(rows).is_not(None), literal_column("1", Integer())))


_PRESENCE = value_shape("presence", Annotation.of(int), Integer())


class Measure(FieldPath):
    """What an aggregate computes of each group.

    Args:
        text: The path, such as ``assignments.hours.sum``.
        relations: The relations that lead to the aggregated rows; empty for those of the table.
        function: The function.
        field: The field of the aggregated rows; None to count them.
    """

    def __init__(
        self, text: str, relations: Relations, function: Function, field: FieldPath | None
    ) -> None:
        field_shape = None if field is None else field.shape
        super().__init__(text, aggregated_shape(text, function, field_shape))
        self.relations = relations
        self.function = function
        self.field = Presence(field) if function == "count" and field is not None else field

    def tables(self) -> Iterator[Table]:
        """The tables of the relations, and of the field."""
        if self.field is not None:
            yield from self.field.tables()
        for relation in self.relations:
            if relation.link is not None:
                yield relation.link.table
            yield Shape.of(relation.target).table

    def aggregate(self, value: ColumnElement[Any]) -> ColumnElement[Any]:
        """The SQL of the aggregate of a column of values."""
        if self.field is None:
            return func.count(value)
        return aggregate_sql(self.function, value, self.field.shape)


@dataclass(frozen=True, slots=True)
class Grouping:
    """What a request groups by, and what it computes.

    Attributes:
        keys: The fields to group by.
        measures: The aggregates.
        fill: Whether time buckets without rows are groups as well.
    """

    keys: tuple[FieldPath, ...]
    measures: tuple[Measure, ...]
    fill: bool = False

    @property
    def columns(self) -> tuple[GroupColumn, ...]:
        """The values of a group."""
        return (*self.key_columns, *self.measure_columns)

    @property
    def key_columns(self) -> tuple[GroupColumn, ...]:
        """The keys of a group."""
        return tuple(GroupColumn(f"key_{index}", path) for index, path in enumerate(self.keys))

    @property
    def measure_columns(self) -> tuple[GroupColumn, ...]:
        """The aggregates of a group."""
        return tuple(GroupColumn(f"of_{index}", path) for index, path in enumerate(self.measures))

    def tables(self) -> Iterator[Table]:
        """The related tables."""
        for path in (*self.keys, *self.measures):
            yield from path.tables()


class GroupsBuilder:
    """Builds the SELECT of the groups.

    Args:
        grouping: The groups.
        rows: Makes the rows of the table, to which paths may add joins.
        select_rows: Adds the rows to a SELECT, with the conditions of the request.
    """

    def __init__(
        self,
        grouping: Grouping,
        rows: Callable[[], JoinedSource],
        select_rows: Callable[[Select[Any], JoinedSource], Select[Any]],
    ) -> None:
        self.grouping = grouping
        self._rows = rows
        self._select_rows = select_rows

    def statement(self) -> Select[Any]:
        """The SELECT of the keys and aggregates of each group, under their labels."""
        relations = dict.fromkeys(measure.relations for measure in self.grouping.measures)
        if not any(relations) and all(map(_is_estimated, self.grouping.keys)):
            statement = self._of_table()
        elif not any(relations):
            statement = self._of_computed_keys()
        else:
            branches = [self._branch(names) for names in dict.fromkeys(((), *relations))]
            statement = self._of_branches(union_all(*branches).subquery("values_"))
        numbers = range(1, len(self.grouping.keys) + 1)
        # By number: an expression with a parameter would not be the same expression again.
        return statement.group_by(*(literal_column(str(number)) for number in numbers))

    def _keys(self, rows: RowSource) -> list[ColumnElement[Any]]:
        return [
            path.canonical_sql(rows).label(column.label)
            for path, column in zip(self.grouping.keys, self.grouping.key_columns, strict=True)
        ]

    def _labelled(self) -> Iterator[tuple[Measure, str]]:
        columns = self.grouping.measure_columns
        for measure, column in zip(self.grouping.measures, columns, strict=True):
            yield measure, column.label

    def _of_table(self) -> Select[Any]:
        """Without relations, the table is grouped as it is."""
        rows = self._rows()
        columns = self._keys(rows)
        for measure, label in self._labelled():
            if measure.field is None:
                value: ColumnElement[Any] = func.count()
            else:
                value = measure.aggregate(measure.field.canonical_sql(rows))
            columns.append(value.label(label))
        return self._select_rows(select(*columns), rows)

    def _of_computed_keys(self) -> Select[Any]:
        """Without relations, but with keys such as months.

        PostgreSQL expects as many months as the datetime has values, and would sort all rows. It
        expects few values from a union, and then hashes them, in several processes.
        """
        values = self._branch(())
        nulls = ", ".join("NULL" for _ in values.selected_columns)
        nothing = f"UNION ALL SELECT {nulls} WHERE false"
        union = values.suffix_with(nothing, dialect="postgresql")
        return self._of_branches(union.subquery("values_"))

    def _of_branches(self, values: Any) -> Select[Any]:
        keys = [values.c[column.label] for column in self.grouping.key_columns]
        aggregates = [
            measure.aggregate(values.c[label]).label(label) for measure, label in self._labelled()
        ]
        return select(*keys, *aggregates).select_from(values)

    def _branch(self, relations: Relations) -> Select[Any]:
        """The keys, and the values of the measures of the rows that relations lead to."""
        rows = self._rows()
        keys = self._keys(rows)
        fields = dict.fromkeys(
            measure.field
            for measure in self.grouping.measures
            if measure.relations == relations and measure.field is not None
        )
        values = {field: f"value_{index}" for index, field in enumerate(fields)}
        if not relations:
            source = [field.canonical_sql(rows).label(name) for field, name in values.items()]
            row: ColumnElement[int] = literal_column("1").label("row_")  # SQLite requires a column
            inner = self._select_rows(select(*keys, *source, row), rows)
        else:
            inner = self._select_rows(select(*keys), rows)
            inner = related_rows(relations, rows, values, inner)
            if may_repeat(relations, grouped=True):
                inner = inner.distinct()
        table = inner.subquery()
        columns = [table.c[column.label] for column in self.grouping.key_columns]
        for measure, label in self._labelled():
            columns.append(self._value(measure, relations, table, values).label(label))
        # Without keys, a count of rows has no column of this table.
        return select(*columns).select_from(table)

    def _value(
        self, measure: Measure, relations: Relations, table: Any, values: dict[FieldPath, str]
    ) -> ColumnElement[Any]:
        """The value of a measure in a branch: NULL in the branches of other relations."""
        is_here = measure.relations == relations
        if measure.field is None:
            return cast(literal_column("1") if is_here else null(), Integer())
        if is_here:
            value: ColumnElement[Any] = table.c[values[measure.field]]
            return value
        return cast(null(), measure.field.shape.column.type)


def _is_estimated(path: FieldPath) -> bool:
    """Whether PostgreSQL has statistics of the values, as it has of columns."""
    while isinstance(path, RelatedPath):
        path = path.field
    return isinstance(path, ColumnPath)
