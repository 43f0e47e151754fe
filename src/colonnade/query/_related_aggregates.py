"""``RelatedAggregate``: an aggregate of the related rows of a row, such as ``subtasks.count``."""

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Column, ColumnElement, Select, Table, select

from colonnade.models import RelationShape, Shape
from colonnade.query._aggregate_functions import (
    Function,
    WideDecimal,
    WideInteger,
    aggregate_sql,
    aggregated_shape,
    comparable_number,
)
from colonnade.query._computed_fields import ComputedField
from colonnade.query._paths import FieldPath
from colonnade.query._relations import RelationJoin, correlated
from colonnade.query._row_sources import RowSource


class RelatedAggregate(ComputedField):
    """An aggregate of the rows that relations lead to, each of which counts once.

    Args:
        names: The public names of the relations.
        relations: The relations, of which the first leads from the row.
        function: The function.
        field: The field of the last relation's rows; None to count the rows.
        public_name: The name in a row; None for the path with underscores.
    """

    def __init__(
        self,
        names: tuple[str, ...],
        relations: tuple[RelationShape, ...],
        function: Function,
        field: FieldPath | None,
        public_name: str | None = None,
    ) -> None:
        parts = (*names, function) if field is None else (*names, field.text, function)
        text = ".".join(parts)
        shape = None if field is None else field.shape
        super().__init__(text, aggregated_shape(text, function, shape), public_name)
        self.relations = relations
        self.function = function
        self.field = field

    def tables(self) -> Iterator[Table]:
        """The tables that the relations lead to or through."""
        for relation in self.relations:
            if relation.link is not None:
                yield relation.link.table
            yield Shape.of(relation.target).table

    def columns(self) -> Iterator[Column[Any]]:
        """The columns of its field."""
        if self.field is not None:
            yield from self.field.columns()

    def stored_sql(self, rows: RowSource) -> ColumnElement[Any]:
        """A subquery that is computed for each row of the result."""
        fields = {} if self.field is None else {self.field: "value_"}
        targets = related_rows(self.relations, rows, fields, select())
        shape = None if self.field is None else self.field.shape
        value = None if self.field is None else targets.selected_columns["value_"].element
        if may_repeat(self.relations):
            distinct = targets.distinct().subquery()
            value = None if self.field is None else distinct.c["value_"]
            result = select(aggregate_sql(self.function, value, shape)).select_from(distinct)
        else:
            result = targets.with_only_columns(aggregate_sql(self.function, value, shape))
        return correlated(result, rows.source).scalar_subquery()

    def sql(self, rows: RowSource) -> ColumnElement[Any]:
        """The value as a number, date or text that can be compared."""
        value = self.stored_sql(rows)
        return comparable(value)


def comparable(value: ColumnElement[Any]) -> ColumnElement[Any]:
    """The result of an aggregate in a form that can be compared."""
    if not isinstance(value.type, WideInteger | WideDecimal):
        return value
    number: ColumnElement[Any] = comparable_number(value, type_=value.type)
    return number


def may_repeat(relations: tuple[RelationShape, ...], *, grouped: bool = False) -> bool:
    """Whether relations may lead to one row in several ways.

    Args:
        relations: The relations.
        grouped: Whether they start from several rows.
    """
    is_forked = [relation.kind == "many_to_many" or not relation.is_list for relation in relations]
    return any(is_forked) if grouped or len(relations) > 1 else False


def related_rows(
    relations: tuple[RelationShape, ...],
    rows: RowSource,
    fields: Mapping[FieldPath, str],
    statement: Select[Any],
) -> Select[Any]:
    """Add the rows that relations lead to: their keys, and the values of fields.

    Args:
        relations: The relations, of which the first leads from ``rows``.
        rows: The rows.
        fields: The fields of the last relation's rows, with the labels of their values.
        statement: The SELECT to add them to.
    """
    source = rows.source
    for relation in relations:
        joined = RelationJoin(relation, source, rows.scopes)
        statement = statement.select_from(*joined.froms).where(joined.condition)
        source = joined.target
    target = RowSource(source, rows.scopes)
    key = Shape.of(relations[-1].target).primary_key
    keys = [
        source.c[part.column.key].label(f"related_key_{index}") for index, part in enumerate(key)
    ]
    values = [field.canonical_sql(target).label(label) for field, label in fields.items()]
    return statement.add_columns(*keys, *values)
