"""Ordering: by several columns, nulls in one place on every database, the key always last."""

from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, FromClause, UnaryExpression, and_, or_, tuple_
from sqlalchemy import false as sql_false

from colonnade.errors import QueryError
from colonnade.models import ColumnShape
from colonnade.query._queryable_tables import QueryableTable, nearest
from colonnade.query._values import is_ordered, sort_value

MOST_COLUMNS = 8
"""Columns that a request may sort by, the key aside."""


class Ordered(NamedTuple):
    """A column to sort by."""

    column: ColumnShape
    descending: bool

    def reversed(self) -> "Ordered":
        """The other direction."""
        return Ordered(self.column, not self.descending)

    def on(self, source: FromClause) -> UnaryExpression[Any]:
        """The expression to sort by.

        NULL is greater than every value: last when ascending, first when descending. It is
        what PostgreSQL does by itself, so that its indexes serve both directions.
        """
        column = sort_value(self.column, source)
        if not self.column.nullable:
            return column.desc() if self.descending else column.asc()
        if self.descending:
            return column.desc().nulls_first()
        return column.asc().nulls_last()


Ordering = tuple[Ordered, ...]


def sortable(surface: QueryableTable) -> list[str]:
    """The names of the columns that can be sorted by."""
    return [name for name, column in surface.columns.items() if is_ordered(column)]


def key_ordering(surface: QueryableTable) -> Ordering:
    """By the key, ascending."""
    return tuple(Ordered(column, False) for column in surface.key)


def read_ordering(text: str | None, surface: QueryableTable) -> Ordering:
    """``-created_at,title`` as an ordering that no two rows tie in: the key comes last.

    Raises:
        QueryError: It names what cannot be sorted by, or something twice.
    """
    ordering: list[Ordered] = []
    errors: list[dict[str, Any]] = []
    names = text.split(",") if text else []
    for signed_name in names:
        name = signed_name.strip().removeprefix("-").removeprefix("+")
        column = surface.columns.get(name)
        message = None
        if column is None or not is_ordered(column):
            message = f"{name!r} cannot be used to sort.{nearest(name, sortable(surface))}"
            if any(mark in name for mark in (".", "__")):
                message += " Sort by columns of the table itself."
        elif any(ordered.column is column for ordered in ordering):
            message = f"{name} occurs twice"
        elif len(ordering) == MOST_COLUMNS:
            message = f"Sort by at most {MOST_COLUMNS} columns"
        else:
            ordering.append(Ordered(column, signed_name.strip().startswith("-")))
        if message is not None:
            loc = ("query", "order_by")
            errors.append({"type": "order_by", "loc": loc, "msg": message, "input": signed_name})
    if errors:
        raise QueryError(errors)
    # The key goes the way of the last column, so that one index serves both.
    descending = ordering[-1].descending if ordering else False
    rest = [
        column
        for column in surface.key
        if all(ordered.column is not column for ordered in ordering)
    ]
    return (*ordering, *(Ordered(column, descending) for column in rest))


def beyond(
    ordering: Ordering, nulls: tuple[bool, ...], binds: list[Any], source: FromClause
) -> ColumnElement[bool]:
    """The condition on rows that come after a place in an ordering.

    Args:
        ordering: The ordering.
        nulls: Which of the place's values are NULL.
        binds: The place's values, as parameters; those of NULL are not used.
        source: What has the columns.
    """
    columns = [sort_value(ordered.column, source) for ordered in ordering]
    directions = {ordered.descending for ordered in ordering}
    if len(directions) == 1 and not any(ordered.column.nullable for ordered in ordering):
        here: ColumnElement[Any] = tuple_(*columns)
        there: ColumnElement[Any] = tuple_(*binds)
        return here < there if directions.pop() else here > there
    result: ColumnElement[bool] = sql_false()
    for position in reversed(range(len(ordering))):
        ordered, column, bind = ordering[position], columns[position], binds[position]
        same = column.is_(None) if nulls[position] else column == bind
        after = _after(ordered, column, bind, nulls[position])
        result = or_(after, and_(same, result))
    # What an index on the first column can start from.
    first = or_(
        _after(ordering[0], columns[0], binds[0], nulls[0]),
        columns[0].is_(None) if nulls[0] else columns[0] == binds[0],
    )
    if not nulls[0] and not ordering[0].column.nullable:
        first = columns[0] <= binds[0] if ordering[0].descending else columns[0] >= binds[0]
    return and_(first, result)


def _after(
    ordered: Ordered, column: ColumnElement[Any], bind: Any, is_null: bool
) -> ColumnElement[bool]:
    if ordered.descending:
        # NULL came first, then the values downwards.
        return column.is_not(None) if is_null else column < bind
    if is_null:
        return sql_false()
    return or_(column > bind, column.is_(None)) if ordered.column.nullable else column > bind
