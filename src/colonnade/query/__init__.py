"""Queries: filters, ordering, pages and includes. A ``Page`` compiles to one SELECT."""

from colonnade.query._aggregate_functions import (
    FUNCTIONS,
    WideDecimal,
    WideInteger,
    functions_of,
)
from colonnade.query._aliases import NO_ALIASES, AliasedQuery
from colonnade.query._comparisons import quoted, stored_json
from colonnade.query._computed_fields import ComputedField
from colonnade.query._cursors import CursorPosition
from colonnade.query._filter_reader import FilterReader, Parameter
from colonnade.query._filters import Filter
from colonnade.query._includes import (
    MAX_ROWS,
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
from colonnade.query._operators import MAX_LIST_VALUES, OPERATORS, Operator, operators_of
from colonnade.query._ordering import (
    Ordering,
    SortColumn,
    key_ordering,
    read_ordering,
    sortable_columns,
    sortable_paths,
)
from colonnade.query._page import Count, Page, Parent, ParentRow, key_clause
from colonnade.query._parameters import DEFAULT_LIMIT, OPTIONS, Option, PageReader
from colonnade.query._path_reader import PathError
from colonnade.query._paths import FieldPath
from colonnade.query._queryable_tables import (
    ROWS_PER_PARENT,
    QueryableTable,
    RelationTarget,
    did_you_mean,
    public_name,
)
from colonnade.query._related_aggregates import RelatedAggregate
from colonnade.query._relations import RelationJoin, correlated
from colonnade.query._row_sources import RowSource
from colonnade.query._scopes import NO_SCOPES, Scope, Scopes, adapt_to_source
from colonnade.query._values import (
    compared_type,
    range_bound,
    read_value,
    value_adapter,
    value_type,
)
from colonnade.query.inside_json._json_paths import JSONPath

__all__ = [
    "DEFAULT_LIMIT",
    "FUNCTIONS",
    "MAX_LIST_VALUES",
    "MAX_ROWS",
    "NO_ALIASES",
    "NO_SCOPES",
    "OPERATORS",
    "OPTIONS",
    "ROWS_PER_PARENT",
    "VALUE_PREFIX",
    "AliasedQuery",
    "ComputedField",
    "Count",
    "CursorPosition",
    "FieldPath",
    "Filter",
    "FilterReader",
    "Include",
    "Includes",
    "JSONPath",
    "Operator",
    "Option",
    "Ordering",
    "Page",
    "PageReader",
    "Parameter",
    "Parent",
    "ParentRow",
    "PathError",
    "QueryableTable",
    "RelatedAggregate",
    "RelationJoin",
    "RelationTarget",
    "RowSource",
    "Scope",
    "Scopes",
    "SortColumn",
    "WideDecimal",
    "WideInteger",
    "adapt_to_source",
    "compared_type",
    "correlated",
    "did_you_mean",
    "functions_of",
    "include_paths",
    "key_clause",
    "key_ordering",
    "key_parameter",
    "key_parameters",
    "named_tables",
    "operators_of",
    "public_name",
    "quoted",
    "range_bound",
    "read_includes",
    "read_ordering",
    "read_value",
    "sortable_columns",
    "sortable_paths",
    "stored_json",
    "tables_of",
    "value_adapter",
    "value_parameter",
    "value_type",
]
