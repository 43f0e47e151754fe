"""Queries: filters, ordering, pages and includes. A ``Page`` compiles to one SELECT."""

from colonnade.query._comparisons import stored_json
from colonnade.query._cursors import CursorPosition
from colonnade.query._filter_reader import MAX_LIST_VALUES, FilterReader, Parameter
from colonnade.query._filters import OPERATORS, Filter, Operator, operators_of
from colonnade.query._includes import (
    MAX_ROWS,
    ROWS_PER_PARENT,
    Include,
    Includes,
    include_paths,
    read_includes,
)
from colonnade.query._key_parameters import (
    VALUE_PREFIX,
    key_parameter,
    key_parameters,
    value_parameter,
)
from colonnade.query._named_tables import named_tables, tables_of
from colonnade.query._ordering import (
    Ordering,
    SortColumn,
    key_ordering,
    read_ordering,
    sortable_columns,
)
from colonnade.query._page import Count, Page, ParentRow, key_clause
from colonnade.query._parameters import DEFAULT_LIMIT, OPTIONS, Option, PageReader
from colonnade.query._queryable_tables import (
    QueryableTable,
    RelationTarget,
    did_you_mean,
    public_name,
)
from colonnade.query._relations import RelationJoin, correlated
from colonnade.query._scopes import NO_SCOPES, Scope, Scopes, adapt_to_source
from colonnade.query._values import (
    compared_type,
    read_value,
    sort_value,
    value_adapter,
    value_type,
)

__all__ = [
    "DEFAULT_LIMIT",
    "MAX_LIST_VALUES",
    "MAX_ROWS",
    "NO_SCOPES",
    "OPERATORS",
    "OPTIONS",
    "ROWS_PER_PARENT",
    "VALUE_PREFIX",
    "Count",
    "CursorPosition",
    "Filter",
    "FilterReader",
    "Include",
    "Includes",
    "Operator",
    "Option",
    "Ordering",
    "Page",
    "PageReader",
    "Parameter",
    "ParentRow",
    "QueryableTable",
    "RelationJoin",
    "RelationTarget",
    "Scope",
    "Scopes",
    "SortColumn",
    "adapt_to_source",
    "compared_type",
    "correlated",
    "did_you_mean",
    "include_paths",
    "key_clause",
    "key_ordering",
    "key_parameter",
    "key_parameters",
    "named_tables",
    "operators_of",
    "public_name",
    "read_includes",
    "read_ordering",
    "read_value",
    "sort_value",
    "sortable_columns",
    "stored_json",
    "tables_of",
    "value_adapter",
    "value_parameter",
    "value_type",
]
