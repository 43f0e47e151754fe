"""What is asked: filters, ordering, pages and includes; one ``Page`` is one SELECT."""

from colonnade.query._comparisons import place_text
from colonnade.query._cursors import CursorPosition
from colonnade.query._filter_reader import LONGEST_LIST, FilterReader, Parameter
from colonnade.query._filters import OPERATORS, Filter, Operator, operators_of
from colonnade.query._includes import PER_PARENT, Include, Includes, paths, read_includes
from colonnade.query._key_parameters import NEW, key_parameter, key_parameters, value_parameter
from colonnade.query._ordering import Ordered, Ordering, key_ordering, read_ordering, sortable
from colonnade.query._page import Count, Page, ParentRow, key_clause
from colonnade.query._parameters import OPTIONS, Option, PageReader
from colonnade.query._queryable_tables import QueryableTable, RelationTarget, nearest, public_name
from colonnade.query._relations import Joined, correlated
from colonnade.query._scopes import NO_SCOPES, Scope, Scopes, on_source
from colonnade.query._values import (
    compared_type,
    read_value,
    sort_value,
    value_adapter,
    value_type,
)

__all__ = [
    "LONGEST_LIST",
    "NEW",
    "NO_SCOPES",
    "OPERATORS",
    "OPTIONS",
    "PER_PARENT",
    "Count",
    "CursorPosition",
    "Filter",
    "FilterReader",
    "Include",
    "Includes",
    "Joined",
    "Operator",
    "Option",
    "Ordered",
    "Ordering",
    "Page",
    "PageReader",
    "Parameter",
    "ParentRow",
    "QueryableTable",
    "RelationTarget",
    "Scope",
    "Scopes",
    "compared_type",
    "correlated",
    "key_clause",
    "key_ordering",
    "key_parameter",
    "key_parameters",
    "nearest",
    "on_source",
    "operators_of",
    "paths",
    "place_text",
    "public_name",
    "read_includes",
    "read_ordering",
    "read_value",
    "sort_value",
    "sortable",
    "value_adapter",
    "value_parameter",
    "value_type",
]
