"""``RelationJoin``: the SQL that joins rows to their related rows."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    Table,
    UniqueConstraint,
    and_,
    select,
)
from sqlalchemy.sql.visitors import iterate, replacement_traverse

from colonnade.models import RelationShape, Shape
from colonnade.query._scopes import Scopes


class RelationJoin:
    """The join from the rows of ``source`` to the rows that a relation leads to.

    Attributes:
        target: The related rows.
        froms: The FROM clauses: the related rows and, if there is one, the link table.
        condition: The join condition, including scopes.
    """

    def __init__(
        self,
        relation: RelationShape,
        source: FromClause,
        scopes: Scopes,
        target: FromClause | None = None,
    ) -> None:
        table = Shape.of(relation.target).table
        self._source = source
        self.target: FromClause = table.alias() if target is None else target
        self.froms: tuple[FromClause, ...] = (self.target,)
        self._renamed: dict[Table, FromClause] = {table: self.target}
        secondary = relation.orm.secondary
        if isinstance(secondary, Table):
            joined = self._join_through_link(relation, secondary, scopes)
        else:
            joined = _join_condition(relation, source, self.target, None)
        self.condition = and_(joined, *scopes.clauses(table, self.target))
        self._ordering = relation.orm.order_by or ()

    def _join_through_link(
        self, relation: RelationShape, secondary: Table, scopes: Scopes
    ) -> ColumnElement[bool]:
        """The join condition of a relation through a link table."""
        second: Any = relation.orm.secondaryjoin
        link: FromClause = secondary.alias()
        scope = list(scopes.clauses(secondary, link))
        if not _links_are_unique(relation, secondary):
            # Several links to the same row must not duplicate it.
            used = {*_columns(relation.orm.primaryjoin), *_columns(second)}
            columns = [link.c[column.key] for column in secondary.columns if column in used]
            link, scope = select(*columns).where(*scope).distinct().subquery(), []

        def far_column(column: Any) -> Any:
            return (link if column.table is secondary else self.target).c[column.key]

        self.froms = (self.target, link)
        self._renamed[secondary] = link
        near = _join_condition(relation, self._source, link, secondary)
        return and_(near, _replace_columns(second, far_column), *scope)

    def ordering(self) -> list[Any]:
        """The ``order_by`` of the relationship, on the columns of this join."""

        def renamed(element: Any, **_: Any) -> Any:
            table: Any = getattr(element, "table", None)
            rows = self._renamed.get(table)
            return None if rows is None else rows.c[element.key]

        return [replacement_traverse(expression, {}, renamed) for expression in self._ordering]

    def select(self, *columns: Any) -> Select[Any]:
        """A SELECT of the related rows, correlated to the row of ``source``."""
        statement = select(*columns).select_from(*self.froms).where(self.condition)
        return correlated(statement, self._source)


def _columns(condition: Any) -> Iterator[Any]:
    """The table columns in a join condition."""
    for part in iterate(condition):
        table = getattr(part, "table", None)
        if table is not None and hasattr(part, "key"):
            yield table.c[part.key]


def _links_are_unique(relation: RelationShape, link: Table) -> bool:
    """Whether a unique key of the foreign key columns allows one link between two rows only."""
    second = relation.orm.secondary_synchronize_pairs or ()
    referring = {column.key for _, column in (*relation.orm.synchronize_pairs, *second)}
    keys = [link.primary_key.columns, *(index.columns for index in link.indexes if index.unique)]
    keys += [
        constraint.columns
        for constraint in link.constraints
        if isinstance(constraint, UniqueConstraint)
    ]
    return any(key and {column.key for column in key} <= referring for key in keys)


def correlated(statement: Select[Any], source: Any) -> Select[Any]:
    """Correlate a subquery to the row of ``source`` in the enclosing statement.

    The row in a RETURNING clause is not a FROM clause, so there is nothing to correlate to.
    """
    return statement.correlate(source) if isinstance(source, FromClause) else statement


def _join_condition(
    relation: RelationShape, source: FromClause, remote: FromClause, secondary: Table | None
) -> ColumnElement[bool]:
    """The primary join condition of a relation, from ``source`` to ``remote``.

    In a table that refers to itself, SQLAlchemy's annotations distinguish the remote side.
    """

    def side(column: Any) -> Any:
        if secondary is not None:
            is_remote = column.table is secondary
        else:
            is_remote = "remote" in column._annotations
        return (remote if is_remote else source).c[column.key]

    return _replace_columns(relation.orm.primaryjoin, side)


def _replace_columns(condition: Any, column_of: Any) -> ColumnElement[bool]:
    def replace(element: Any, **_: Any) -> Any:
        is_column = getattr(element, "table", None) is not None and hasattr(element, "key")
        return column_of(element) if is_column else None

    adapted: ColumnElement[bool] = replacement_traverse(condition, {}, replace)
    return adapted
