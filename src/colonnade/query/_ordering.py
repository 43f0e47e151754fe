"""Ordering by several columns: NULLs sort alike on every database, and the key comes last."""

from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, FromClause, UnaryExpression, and_, or_, tuple_
from sqlalchemy import false as sql_false

from colonnade.errors import QueryError, error_entry
from colonnade.models import ColumnShape
from colonnade.query._queryable_tables import QueryableTable, did_you_mean
from colonnade.query._values import is_sortable, sort_value

MAX_SORT_COLUMNS = 8
"""The maximum number of columns to sort by, not counting the key."""


class SortColumn(NamedTuple):
    """A column to sort by."""

    column: ColumnShape
    descending: bool

    def reversed(self) -> "SortColumn":
        """The same column in the opposite direction."""
        return SortColumn(self.column, not self.descending)

    def expression(self, source: FromClause) -> UnaryExpression[Any]:
        """The ORDER BY expression.

        NULL sorts as greater than every value: last when ascending, first when descending. This
        is PostgreSQL's default, so its indexes serve both directions.
        """
        column = sort_value(self.column, source)
        if not self.column.nullable:
            return column.desc() if self.descending else column.asc()
        if self.descending:
            return column.desc().nulls_first()
        return column.asc().nulls_last()


Ordering = tuple[SortColumn, ...]


def sortable_columns(queryable: QueryableTable) -> list[str]:
    """The public names of the columns that can be used to sort."""
    return [name for name, column in queryable.columns.items() if is_sortable(column)]


def key_ordering(queryable: QueryableTable) -> Ordering:
    """The ordering by the primary key, ascending."""
    return tuple(SortColumn(column, False) for column in queryable.key)


def read_ordering(text: str | None, queryable: QueryableTable) -> Ordering:
    """Parse ``-created_at,title``, and append the primary key so that no two rows tie.

    Raises:
        QueryError: A name cannot be used to sort, or occurs twice.
    """
    ordering: list[SortColumn] = []
    errors: list[dict[str, Any]] = []
    names = text.split(",") if text else []
    for signed_name in names:
        name = signed_name.strip().removeprefix("-").removeprefix("+")
        column = queryable.columns.get(name)
        message = None
        if column is None or not is_sortable(column):
            message = (
                f"{name!r} cannot be used to sort.{did_you_mean(name, sortable_columns(queryable))}"
            )
            if any(mark in name for mark in (".", "__")):
                message += " Sort by columns of the table itself."
        elif any(sort_column.column is column for sort_column in ordering):
            message = f"{name} occurs twice"
        elif len(ordering) == MAX_SORT_COLUMNS:
            message = f"A request can sort by at most {MAX_SORT_COLUMNS} columns"
        else:
            ordering.append(SortColumn(column, signed_name.strip().startswith("-")))
        if message is not None:
            errors.append(error_entry("order_by", ("query", "order_by"), message, signed_name))
    if errors:
        raise QueryError(errors)
    # The key has the direction of the last column, so that one index serves both.
    descending = ordering[-1].descending if ordering else False
    rest = [
        column
        for column in queryable.key
        if all(sort_column.column is not column for sort_column in ordering)
    ]
    return (*ordering, *(SortColumn(column, descending) for column in rest))


def after_position(
    ordering: Ordering, nulls: tuple[bool, ...], binds: list[Any], source: FromClause
) -> ColumnElement[bool]:
    """The condition for rows that come after a position in an ordering.

    Args:
        ordering: The ordering.
        nulls: Which of the position's values are NULL.
        binds: The position's values as parameters; those of NULL values are not used.
        source: The rows.
    """
    columns = [sort_value(sort_column.column, source) for sort_column in ordering]
    directions = {sort_column.descending for sort_column in ordering}
    if len(directions) == 1 and not any(sort_column.column.nullable for sort_column in ordering):
        row_values: ColumnElement[Any] = tuple_(*columns)
        bound_values: ColumnElement[Any] = tuple_(*binds)
        return row_values < bound_values if directions.pop() else row_values > bound_values
    result: ColumnElement[bool] = sql_false()
    for index in reversed(range(len(ordering))):
        sort_column, column, bind = ordering[index], columns[index], binds[index]
        same = column.is_(None) if nulls[index] else column == bind
        after = _is_after(sort_column, column, bind, nulls[index])
        result = or_(after, and_(same, result))
    # An index on the first column can start from this condition.
    first = or_(
        _is_after(ordering[0], columns[0], binds[0], nulls[0]),
        columns[0].is_(None) if nulls[0] else columns[0] == binds[0],
    )
    if not nulls[0] and not ordering[0].column.nullable:
        first = columns[0] <= binds[0] if ordering[0].descending else columns[0] >= binds[0]
    return and_(first, result)


def _is_after(
    sort_column: SortColumn, column: ColumnElement[Any], bind: Any, is_null: bool
) -> ColumnElement[bool]:
    if sort_column.descending:
        # NULLs come first, then the values in descending order.
        return column.is_not(None) if is_null else column < bind
    if is_null:
        return sql_false()
    return or_(column > bind, column.is_(None)) if sort_column.column.nullable else column > bind
