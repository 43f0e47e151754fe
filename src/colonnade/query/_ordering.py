"""Ordering by several columns: NULLs sort alike on every database, and the key comes last."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, UnaryExpression, and_, or_, tuple_
from sqlalchemy import false as sql_false

from colonnade.errors import QueryError, error_entry
from colonnade.models import Shape
from colonnade.query._path_reader import PathError, read_path
from colonnade.query._paths import ColumnPath, FieldPath, column_path
from colonnade.query._queryable_tables import QueryableTable, did_you_mean
from colonnade.query._row_sources import RowSource
from colonnade.query._values import is_sortable

MAX_SORT_COLUMNS = 8
"""The maximum number of columns to sort by, not counting the key."""

MAX_DOCUMENTED_DEPTH = 2
"""The OpenAPI document lists the fields of related rows over up to this many relations."""


class SortColumn(NamedTuple):
    """A field to sort by."""

    path: FieldPath
    descending: bool

    @property
    def name(self) -> str:
        """The name of the field, for messages and cursors."""
        return self.path.text

    @property
    def nullable(self) -> bool:
        """Whether a row may have no value."""
        return self.path.shape.nullable

    def reversed(self) -> "SortColumn":
        """The same field in the opposite direction."""
        return SortColumn(self.path, not self.descending)

    def expression(self, rows: RowSource) -> UnaryExpression[Any]:
        """The ORDER BY expression for rows."""
        return self.ordered(self.path.sort_sql(rows))

    def ordered(self, value: ColumnElement[Any]) -> UnaryExpression[Any]:
        """The ORDER BY expression for the SQL of the value.

        NULL sorts as greater than every value: last when ascending, first when descending. This
        is PostgreSQL's default, so its indexes serve both directions.
        """
        if not self.nullable:
            return value.desc() if self.descending else value.asc()
        if self.descending:
            return value.desc().nulls_first()
        return value.asc().nulls_last()


Ordering = tuple[SortColumn, ...]


def sortable_columns(queryable: QueryableTable) -> list[str]:
    """The public names of the columns that can be used to sort."""
    return [name for name, column in queryable.columns.items() if is_sortable(column)]


def sortable_paths(queryable: QueryableTable, depth: int = 0) -> list[str]:
    """The usual paths to sort by: columns, aggregates, and columns of to-one relations."""
    names = sortable_columns(queryable)
    names += [name for name, path in queryable.aggregates.items() if path.is_sortable]
    if depth < MAX_DOCUMENTED_DEPTH:
        for relation, target in queryable.relations.items():
            if not target.relation.is_list:
                related = sortable_paths(target.queryable, depth + 1)
                names += [f"{relation}.{name}" for name in related]
    return names


def key_ordering(shape: Shape) -> Ordering:
    """The ordering by the primary key, ascending."""
    return tuple(
        SortColumn(column_path(column.name, column), False) for column in shape.primary_key
    )


def read_ordering(text: str | None, queryable: QueryableTable) -> Ordering:
    """Parse ``-created_at,project.slug``, and append the primary key so that no two rows tie.

    Raises:
        QueryError: A path cannot be used to sort, or occurs twice.
    """
    return read_sort_columns(
        text,
        lambda name: _sortable_path(name, queryable),
        [sort_column.path for sort_column in key_ordering(queryable.shape)],
    )


def read_sort_columns(
    text: str | None, read: Callable[[str], FieldPath], ties: Sequence[FieldPath]
) -> Ordering:
    """Parse fields to sort by, and append those that break ties.

    Args:
        text: The paths, separated by commas; those with ``-`` descend.
        read: Reads a path, or raises a PathError.
        ties: The fields that no two rows have in common.

    Raises:
        QueryError: A path cannot be used to sort, or occurs twice.
    """
    ordering: list[SortColumn] = []
    errors: list[dict[str, Any]] = []
    for signed_name in text.split(",") if text else []:
        name = signed_name.strip().removeprefix("-").removeprefix("+")
        try:
            path = read(name)
            _check_repetition(path, ordering)
        except PathError as error:
            errors.append(error_entry("order_by", ("query", "order_by"), str(error), signed_name))
        else:
            ordering.append(SortColumn(path, signed_name.strip().startswith("-")))
    if errors:
        raise QueryError(errors)
    # The last columns have the direction of the last one, so that one index serves both.
    descending = ordering[-1].descending if ordering else False
    rest = [
        path
        for path in ties
        if all(not _same_values(sort_column.path, path) for sort_column in ordering)
    ]
    return (*ordering, *(SortColumn(path, descending) for path in rest))


def _check_repetition(path: FieldPath, ordering: Sequence[SortColumn]) -> None:
    """Refuse a path that is in the ordering already, or one too many."""
    if any(_same_values(sort_column.path, path) for sort_column in ordering):
        raise PathError(f"{path.text} occurs twice")
    if len(ordering) == MAX_SORT_COLUMNS:
        raise PathError(f"A request can sort by at most {MAX_SORT_COLUMNS} columns")


def _same_values(first: FieldPath, second: FieldPath) -> bool:
    """Whether two paths have the same values, which a column has under each of its names."""
    return first == second or (
        type(first) is type(second) is ColumnPath and first.shape is second.shape
    )


def _sortable_path(name: str, queryable: QueryableTable) -> FieldPath:
    detail = did_you_mean(name, sortable_paths(queryable))
    try:
        path = read_path(name, queryable)
        if path.is_sortable:
            return path
    except PathError as error:
        if name.split(".", maxsplit=1)[0] in queryable.relations:
            detail = f" {error}"
    raise PathError(f"{name!r} cannot be used to sort.{detail}")


def after_position(
    ordering: Ordering,
    nulls: tuple[bool, ...],
    binds: Sequence[Any],
    values: Sequence[ColumnElement[Any]],
) -> ColumnElement[bool]:
    """The condition for rows that come after a position in an ordering.

    Args:
        ordering: The ordering.
        nulls: Which of the position's values are NULL.
        binds: The position's values as parameters; those of NULL values are not used.
        values: The values of a row to sort by.
    """
    directions = {sort_column.descending for sort_column in ordering}
    if len(directions) == 1 and not any(sort_column.nullable for sort_column in ordering):
        row_values: ColumnElement[Any] = tuple_(*values)
        bound_values: ColumnElement[Any] = tuple_(*binds)
        return row_values < bound_values if directions.pop() else row_values > bound_values
    result: ColumnElement[bool] = sql_false()
    for index in reversed(range(len(ordering))):
        sort_column, value, bind = ordering[index], values[index], binds[index]
        same = value.is_(None) if nulls[index] else value == bind
        after = _is_after(sort_column, value, bind, nulls[index])
        result = or_(after, and_(same, result))
    # An index on the first column can start from this condition.
    first = or_(
        _is_after(ordering[0], values[0], binds[0], nulls[0]),
        values[0].is_(None) if nulls[0] else values[0] == binds[0],
    )
    if not nulls[0] and not ordering[0].nullable:
        first = values[0] <= binds[0] if ordering[0].descending else values[0] >= binds[0]
    return and_(first, result)


def ranges_after(
    ordering: Ordering,
    nulls: tuple[bool, ...],
    binds: Sequence[Any],
    values: Sequence[ColumnElement[Any]],
) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """The same rows as ``after_position``, as two ranges of the first value, which is not NULL.

    Returns:
        The conditions for rows with the same first value, and for rows with a later one.
    """
    rest = after_position(ordering[1:], nulls[1:], binds[1:], values[1:])
    return (
        and_(values[0] == binds[0], rest),
        _is_after(ordering[0], values[0], binds[0], is_null=False),
    )


def _is_after(
    sort_column: SortColumn, column: ColumnElement[Any], bind: Any, is_null: bool
) -> ColumnElement[bool]:
    if sort_column.descending:
        # NULLs come first, then the values in descending order.
        return column.is_not(None) if is_null else column < bind
    if is_null:
        return sql_false()
    return or_(column > bind, column.is_(None)) if sort_column.nullable else column > bind
