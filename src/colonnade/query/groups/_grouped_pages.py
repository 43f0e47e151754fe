"""``GroupedPage``: the query of an aggregate request as one value, which compiles to one SELECT."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    Select,
    bindparam,
    func,
    literal_column,
    select,
)

from colonnade.query._filter_sql import FilterCompiler
from colonnade.query._filters import Filter
from colonnade.query._page import Page
from colonnade.query._row_sources import JoinedSource, RowSource
from colonnade.query.groups._filled_buckets import filled
from colonnade.query.groups._grouping import Grouping, GroupsBuilder
from colonnade.query.groups._time_buckets import ZONE_PARAMETER, TimeBucket

MAX_GROUPS = 10_000
"""The maximum number of groups of a request, on all its pages: a database keeps them in memory."""

HAVING_PREFIX = "having_"
"""The prefix of the parameters for the values of ``having``."""

_BOUNDS = ("first_bucket_", "last_bucket_")


@dataclass(frozen=True, slots=True, eq=False)
class GroupedPage(Page):
    """The query of an aggregate request: the groups of the rows that a page has without limits.

    Filters, scopes and conditions apply to the rows; ordering, limit and cursor to the groups.

    Attributes:
        grouping: What the rows are grouped by, and what is computed.
        having: The conditions on the aggregates of a group.
        zone: The time zone of the buckets.
        bounds: The first and the last bucket that the filters ask for; None for those of the rows.
        groups: The groups, as a CTE, once the statement is built.
    """

    grouping: Grouping = field(default_factory=lambda: Grouping((), ()))
    having: Filter = field(default_factory=Filter)
    zone: str = "UTC"
    bounds: tuple[Any, Any] = (None, None)
    groups: CTE | None = None

    def with_groups(self) -> "GroupedPage":
        """A copy whose statements share one CTE of the groups."""
        builder = GroupsBuilder(
            self.grouping,
            lambda: JoinedSource(self.queryable.shape.table.alias(), self.scopes),
            self._select,
        )
        too_many: ColumnElement[int] = literal_column(str(MAX_GROUPS + 1))
        # Without a fence, PostgreSQL would sort all rows to reach the limit early.
        fence = builder.statement().cte("colonnade_all_groups")
        fence = fence.prefix_with("MATERIALIZED", dialect="postgresql")
        groups = select(fence).limit(too_many).cte("colonnade_groups")
        if self.grouping.fill:
            groups = groups.prefix_with("MATERIALIZED")
            with_empty = filled(groups, self.grouping, self._bound_parameters(), MAX_GROUPS)
            groups = with_empty.limit(too_many).cte("colonnade_filled")
        return replace(self, groups=groups.prefix_with("MATERIALIZED"))

    def rows(self, *, in_ranges: bool = False) -> Select[Any]:
        """The SELECT of the page's groups, in reverse if the page goes backwards.

        Args:
            in_ranges: Not used, since groups have no index.

        Returns:
            The statement.
        """
        groups = self._groups()
        rows = RowSource(groups, self.scopes)
        condition = FilterCompiler(self.scopes, HAVING_PREFIX).compile(
            self.having.node, self.queryable, rows
        )
        statement = select(*groups.c).where(condition)
        after = self._after_position(self.sort_values(groups))
        if after is not None:
            statement = statement.where(after)
        ordering = self._effective_ordering()
        return (
            statement.order_by(*(sort_column.expression(rows) for sort_column in ordering))
            .limit(bindparam("limit_", type_=BigInteger()))
            .offset(bindparam("offset_", type_=BigInteger()) if self.offset else None)
        )

    def sort_values(self, selected: Any) -> list[Any]:
        """The values of the ordering of each group that ``rows`` selects.

        Args:
            selected: The groups, as a subquery.
        """
        rows = RowSource(selected, self.scopes)
        return [sort_column.path.sort_sql(rows) for sort_column in self.ordering]

    def number_of_groups(self) -> Any:
        """The number of all groups, up to one more than ``MAX_GROUPS``."""
        return select(func.count()).select_from(self._groups()).scalar_subquery()

    def parameters(self) -> dict[str, Any]:
        """The values of the parameters in the SELECTs, by name.

        Returns:
            The values by name.
        """
        parameters = Page.parameters(self)
        values = enumerate(self.having.values)
        parameters.update((f"{HAVING_PREFIX}{index}", value) for index, value in values)
        if any(isinstance(path, TimeBucket) and path.zoned for path in self.grouping.keys):
            parameters[ZONE_PARAMETER] = self.zone
        if self.grouping.fill:
            parameters.update(zip(_BOUNDS, self.bounds, strict=True))
        return parameters

    @property
    def structure(self) -> object | None:
        """A key that pages with the same SQL share; None if the SQL should not be cached."""
        structure = Page.structure.fget(self)  # type: ignore[attr-defined]  # slots allow no super
        if structure is None or self.having.is_long:
            return None
        zoned = self.zone != "UTC"
        return structure, self.grouping, self.having.node, zoned

    def _groups(self) -> CTE:
        if self.groups is None:
            raise ValueError("Call with_groups() first.")
        return self.groups

    def _bound_parameters(self) -> Sequence[Any]:
        buckets = (path for path in self.grouping.keys if isinstance(path, TimeBucket))
        kind = next(buckets).shape.column.type
        return [bindparam(name, type_=kind) for name in _BOUNDS]
