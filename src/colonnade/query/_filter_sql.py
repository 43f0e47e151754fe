"""``FilterCompiler``: compiles the conditions of a filter to SQL, with values as parameters."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Double,
    String,
    and_,
    bindparam,
    cast,
    exists,
    func,
    not_,
    or_,
)
from sqlalchemy import false as sql_false
from sqlalchemy import true as sql_true

from colonnade.models import ColumnShape
from colonnade.query._comparisons import (
    NUMBERS,
    exact_number,
    is_among,
    is_single_precision,
    list_type,
    lowered_text,
    may_be_after,
    may_be_before,
    stored_datetime,
    text_position,
)
from colonnade.query._filters import All, AnyOf, Compare, Node, Not, Related
from colonnade.query._operators import LISTS, SEARCH, Operator
from colonnade.query._queryable_tables import QueryableTable
from colonnade.query._relations import RelationJoin
from colonnade.query._row_sources import RowSource
from colonnade.query._scopes import Scopes
from colonnade.query._values import compared_type, range_bound

TEXT = String()

VALUE_PREFIX = "v"
"""The prefix of the parameters for the values of a filter."""


class FilterCompiler:
    """Compiles conditions to SQL; the parameters ``v0``, ``v1``... follow the order of the tree.

    Args:
        scopes: The scopes of the request.
        prefix: The prefix of the names of the parameters.
    """

    def __init__(self, scopes: Scopes, prefix: str = VALUE_PREFIX) -> None:
        self._scopes = scopes
        self._prefix = prefix
        self._next_value = 0

    def compile(
        self, node: Node, queryable: QueryableTable, rows: RowSource
    ) -> ColumnElement[bool]:
        """Compile a condition on rows of the table."""
        if isinstance(node, All):
            parts = [self.compile(child, queryable, rows) for child in node.all]
            return and_(*parts) if parts else sql_true()
        if isinstance(node, AnyOf):
            parts = [self.compile(child, queryable, rows) for child in node.any]
            return or_(*parts) if parts else sql_false()
        if isinstance(node, Not):
            return not_(self.compile(node.negated, queryable, rows))
        if isinstance(node, Related):
            target = queryable.relations[node.relation]
            joined = RelationJoin(target.relation, rows.source, self._scopes)
            related = RowSource(joined.target, self._scopes)
            inner = self.compile(node.condition, target.queryable, related)
            return exists(joined.select(sql_true()).where(inner))
        return self._compare(node, rows)

    def _compare(self, node: Compare, rows: RowSource) -> ColumnElement[bool]:
        path, operator = node.path, node.operator
        value = path.sql(rows)
        if operator == "is_null":
            return value.is_not(None) if node.negated else value.is_(None)
        bind = f"{self._prefix}{self._next_value}"
        self._next_value += 1
        condition = path.condition(operator, rows, bind)
        if condition is None:
            condition = _condition(operator, path.shape, value, bind)
        if not path.shape.nullable:
            return condition
        if operator in {"ne", "not_in"}:
            return or_(value.is_(None), condition)
        return and_(value.is_not(None), condition)


def _condition(
    operator: Operator, shape: ColumnShape, column: ColumnElement[Any], bind: str
) -> ColumnElement[bool]:
    bound = range_bound(shape)
    if operator in SEARCH and bound is not None:
        value_in_range = bindparam(bind, type_=bound.column.type)
        return column.op("@>", is_comparison=True)(value_in_range)
    if operator in SEARCH:
        return _text_search(operator, column, bindparam(bind, type_=TEXT))
    kind = compared_type(shape)
    if shape.kind == "datetime":
        return _datetime_condition(operator, column, kind, bind)
    if operator in LISTS or shape.spellings:
        matches = _is_in_list(column, TEXT if shape.spellings else kind, bind)
        return not_(matches) if operator in {"ne", "not_in"} else matches
    value: ColumnElement[Any] = bindparam(bind, type_=kind)
    # Drivers send a double, and 9.8 as a double is not equal to 9.8 as a REAL.
    return _apply_operator(
        operator, column, cast(value, kind) if is_single_precision(kind) else value
    )


def _apply_operator(
    operator: Operator, column: ColumnElement[Any], value: ColumnElement[Any]
) -> ColumnElement[bool]:
    comparisons: Mapping[str, Any] = {
        "eq": column.__eq__, "ne": column.__ne__, "lt": column.__lt__,
        "lte": column.__le__, "gt": column.__gt__, "gte": column.__ge__,
    }  # fmt: skip
    condition: ColumnElement[bool] = comparisons[operator](value)
    return condition


def _datetime_condition(
    operator: Operator, column: ColumnElement[Any], kind: Any, bind: str
) -> ColumnElement[bool]:
    """Compare datetimes in any format that SQLite may hold, narrowed down by an index."""
    normalized = stored_datetime(column, type_=kind)
    if operator in LISTS:
        matches = _is_in_list(normalized, kind, bind)
        return not_(matches) if operator == "not_in" else matches
    value = bindparam(bind, type_=kind)
    clauses = [_apply_operator(operator, normalized, value)]
    if operator in {"eq", "gt", "gte"}:
        clauses.append(may_be_after(column, value))
    if operator in {"eq", "lt", "lte"}:
        clauses.append(may_be_before(column, value))
    return and_(*clauses)


def _is_in_list(column: ColumnElement[Any], kind: Any, bind: str) -> ColumnElement[bool]:
    if isinstance(kind, NUMBERS):
        column = exact_number(column, type_=kind)
    item = Double() if is_single_precision(kind) else kind
    return is_among(column, bindparam(bind, type_=list_type(item)))


def _text_search(operator: Operator, column: Any, value: Any) -> ColumnElement[bool]:
    """Search for literal text: ``%`` and ``_`` are not wildcards.

    LIKE would need escapes, and ignores case on SQLite but not on PostgreSQL.
    """
    if operator in {"icontains", "istartswith", "iendswith"}:
        column, value = func.lower(column), lowered_text(value, column)
    if operator.endswith("contains"):
        return text_position(column, value) > 0
    length = func.length(value)
    if operator.endswith("startswith"):
        matches: ColumnElement[bool] = func.substr(column, 1, length) == value
        return matches
    # substr counts from 1, and a text shorter than the value does not end with it.
    start = func.length(column) - length + 1
    ends: ColumnElement[bool] = and_(start >= 1, func.substr(column, start) == value)
    return ends
