"""Groups of time buckets without rows, so that a chart has no gaps."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    and_,
    func,
    literal_column,
    select,
    union_all,
)

from colonnade.query._aggregate_functions import zero
from colonnade.query._row_sources import RowSource
from colonnade.query._scopes import NO_SCOPES
from colonnade.query.groups._grouping import GroupColumn, Grouping
from colonnade.query.groups._time_buckets import TimeBucket


def filled(groups: Any, grouping: Grouping, bounds: Sequence[Any], limit: int) -> Select[Any]:
    """Add the groups of time buckets without rows, between the first bucket and the last.

    Args:
        groups: The groups, as a CTE.
        grouping: What they are grouped by, with one time bucket.
        bounds: The parameters of the first and the last bucket, which may be NULL.
        limit: The maximum number of buckets.
    """
    return _Filling(groups, grouping, bounds, limit).statement()


class _Filling:
    def __init__(self, groups: Any, grouping: Grouping, bounds: Sequence[Any], limit: int) -> None:
        self.groups = groups
        self.grouping = grouping
        self.bounds = bounds
        self.limit = limit
        index = next(
            index for index, path in enumerate(grouping.keys) if isinstance(path, TimeBucket)
        )
        self.bucket: TimeBucket = grouping.keys[index]  # type: ignore[assignment]  # as chosen
        self.key = grouping.key_columns[index].label
        self.others = [column.label for column in grouping.key_columns if column.label != self.key]

    def statement(self) -> Select[Any]:
        """The SELECT of the groups with those of empty buckets."""
        buckets = self._buckets()
        groups = self._ranked()
        keys = (groups.c[name] for name in self.others)
        others = select(groups.c.rank_, *keys).distinct().subquery()
        matches = [groups.c[self.key] == buckets.c.start_]
        if self.others:
            matches.append(groups.c.rank_ == others.c.rank_)
        start: Any = buckets
        if self.others:
            start = buckets.join(others, literal_column("1") == literal_column("1"))
        columns = []
        for column in self.grouping.columns:
            if column.label == self.key:
                columns.append(buckets.c.start_.label(column.label))
            elif column.label in self.others:
                columns.append(others.c[column.label])
            else:
                columns.append(_value(column, groups).label(column.label))
        with_buckets = select(*columns).select_from(start.outerjoin(groups, and_(*matches)))
        without = select(*(groups.c[column.label] for column in self.grouping.columns)).where(
            groups.c[self.key].is_(None)
        )
        return select(union_all(with_buckets, without).subquery("filled_"))

    def _ranked(self) -> Any:
        """The groups, with a number for each combination of the other keys.

        Groups are joined by the number: a comparison of keys that may be NULL cannot be hashed.
        """
        others = [self.groups.c[name] for name in self.others]
        rank = func.dense_rank().over(order_by=others) if others else literal_column("1")
        return select(self.groups, rank.label("rank_")).cte("colonnade_ranked")

    def _buckets(self) -> Any:
        kind = self.bucket.shape.column.type
        key = self.groups.c[self.key]
        first = func.coalesce(self.bounds[0], select(func.min(key)).scalar_subquery(), type_=kind)
        last = func.coalesce(self.bounds[1], select(func.max(key)).scalar_subquery(), type_=kind)
        ends = select(first.label("first_"), last.label("last_")).cte("colonnade_ends")
        number = literal_column("0", Integer())
        step = literal_column("1", Integer())
        buckets = select(ends.c.first_.label("start_"), number.label("number_")).where(
            ends.c.first_ <= ends.c.last_
        )
        series = buckets.cte("colonnade_buckets", recursive=True)
        following = self.bucket.following(series.c.start_, step)
        return series.union_all(
            select(following, series.c.number_ + step)
            .select_from(series, ends)
            .where(following <= ends.c.last_, series.c.number_ < literal_column(str(self.limit)))
        )


def _value(column: GroupColumn, groups: Any) -> ColumnElement[Any]:
    """The aggregate of a group; 0 for counts and sums of an empty one."""
    value = column.stored_sql(RowSource(groups, NO_SCOPES))
    if column.shape.nullable:
        return value
    return func.coalesce(value, zero(column.shape), type_=column.shape.column.type)
