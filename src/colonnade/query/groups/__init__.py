"""Groups of rows and their aggregates. Only a Resource with aggregates imports this package."""

from colonnade.query.groups._group_reader import GROUP_OPTIONS, GroupReader
from colonnade.query.groups._grouped_pages import MAX_GROUPS, GroupedPage
from colonnade.query.groups._grouping import GroupColumn, Grouping, Measure
from colonnade.query.groups._time_buckets import units_of

__all__ = [
    "GROUP_OPTIONS",
    "MAX_GROUPS",
    "GroupColumn",
    "GroupReader",
    "GroupedPage",
    "Grouping",
    "Measure",
    "units_of",
]
