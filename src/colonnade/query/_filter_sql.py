"""A filter's structure as the database's own conditions, its values bound when it is run."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Double,
    FromClause,
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
    full_moment,
    is_among,
    is_single_precision,
    list_type,
    moments_from,
    moments_until,
    text_position,
)
from colonnade.query._filters import (
    LISTS,
    SEARCH,
    All,
    AnyOf,
    Compare,
    Node,
    Not,
    Operator,
    Related,
)
from colonnade.query._queryable_tables import QueryableTable
from colonnade.query._relations import Joined
from colonnade.query._scopes import Scopes
from colonnade.query._values import compared_type

TEXT = String()


class Clauses:
    """Turns a structure into SQL, numbering the values as it goes."""

    def __init__(self, scopes: Scopes) -> None:
        self._scopes = scopes
        self._next = 0

    def clause(
        self, node: Node, surface: QueryableTable, source: FromClause
    ) -> ColumnElement[bool]:
        """The condition on ``source``, which has the columns of the surface's table."""
        if isinstance(node, All):
            parts = [self.clause(child, surface, source) for child in node.all]
            return and_(*parts) if parts else sql_true()
        if isinstance(node, AnyOf):
            parts = [self.clause(child, surface, source) for child in node.any]
            return or_(*parts) if parts else sql_false()
        if isinstance(node, Not):
            return not_(self.clause(node.negated, surface, source))
        if isinstance(node, Related):
            reached = surface.relations[node.relation]
            joined = Joined(reached.relation, source, self._scopes)
            inner = self.clause(node.condition, reached.surface, joined.target)
            return exists(joined.select(sql_true()).where(inner))
        return self._compare(node, surface.columns[node.column], source)

    def _compare(
        self, node: Compare, shape: ColumnShape, source: FromClause
    ) -> ColumnElement[bool]:
        column: ColumnElement[Any] = source.c[shape.column.key]
        if node.operator == "is_null":
            return column.is_not(None) if node.negated else column.is_(None)
        bind = f"v{self._next}"
        self._next += 1
        clause = _clause(node.operator, shape, column, bind)
        if not shape.nullable:
            return clause
        if node.operator in {"ne", "not_in"}:
            return or_(column.is_(None), clause)
        return and_(column.is_not(None), clause)


def _clause(
    operator: Operator, shape: ColumnShape, column: ColumnElement[Any], bind: str
) -> ColumnElement[bool]:
    if operator in SEARCH:
        return _search(operator, column, bindparam(bind, type_=TEXT))
    kind = compared_type(shape)
    if shape.kind == "datetime":
        return _moment_clause(operator, column, kind, bind)
    compared = column
    if operator in LISTS or shape.spellings:
        matches = _among(compared, TEXT if shape.spellings else kind, bind)
        return not_(matches) if operator in {"ne", "not_in"} else matches
    value: ColumnElement[Any] = bindparam(bind, type_=kind)
    # A double is sent, and 9.8 is another number as a double than as a REAL.
    return _compared(operator, compared, cast(value, kind) if is_single_precision(kind) else value)


def _compared(
    operator: Operator, column: ColumnElement[Any], value: ColumnElement[Any]
) -> ColumnElement[bool]:
    comparisons: Mapping[str, Any] = {
        "eq": column.__eq__, "ne": column.__ne__, "lt": column.__lt__,
        "lte": column.__le__, "gt": column.__gt__, "gte": column.__ge__,
    }  # fmt: skip
    clause: ColumnElement[bool] = comparisons[operator](value)
    return clause


def _moment_clause(
    operator: Operator, column: ColumnElement[Any], kind: Any, bind: str
) -> ColumnElement[bool]:
    """A comparison of datetimes, in whichever form SQLite has them, which indexes narrow down."""
    moment = full_moment(column, type_=kind)
    if operator in LISTS:
        matches = _among(moment, kind, bind)
        return not_(matches) if operator == "not_in" else matches
    value = bindparam(bind, type_=kind)
    clauses = [_compared(operator, moment, value)]
    if operator in {"eq", "gt", "gte"}:
        clauses.append(moments_from(column, value))
    if operator in {"eq", "lt", "lte"}:
        clauses.append(moments_until(column, value))
    return and_(*clauses)


def _among(column: ColumnElement[Any], kind: Any, bind: str) -> ColumnElement[bool]:
    if isinstance(kind, NUMBERS):
        column = exact_number(column, type_=kind)
    item = Double() if is_single_precision(kind) else kind
    return is_among(column, bindparam(bind, type_=list_type(item)))


def _search(operator: Operator, column: Any, value: Any) -> ColumnElement[bool]:
    """A search for text as it is: ``%`` and ``_`` mean themselves, on every database.

    LIKE would fold case on SQLite and not on PostgreSQL, and needs escapes.
    """
    if operator in {"icontains", "istartswith", "iendswith"}:
        column, value = func.lower(column), func.lower(value)
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
