"""From a row to the rows a relation leads to: the condition that joins them."""

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


class Joined:
    """The rows a relation leads to from the rows of ``source``, before they are chosen from.

    Attributes:
        target: The rows it leads to.
        froms: What they are selected from: with them the rows of the link table between.
        condition: What joins them.
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
            joined = self._through(relation, secondary, scopes)
        else:
            joined = _adapted(relation, source, self.target, None)
        self.condition = and_(joined, *scopes.clauses(table, self.target))
        self._ordering = relation.orm.order_by or ()

    def _through(
        self, relation: RelationShape, secondary: Table, scopes: Scopes
    ) -> ColumnElement[bool]:
        """The condition that leads through a link table."""
        second: Any = relation.orm.secondaryjoin
        link: FromClause = secondary.alias()
        scope = list(scopes.clauses(secondary, link))
        if not _links_once(relation, secondary):
            # Two links between the same rows do not make the row two.
            used = {*_columns(relation.orm.primaryjoin), *_columns(second)}
            columns = [link.c[column.key] for column in secondary.columns if column in used]
            link, scope = select(*columns).where(*scope).distinct().subquery(), []

        def far(column: Any) -> Any:
            return (link if column.table is secondary else self.target).c[column.key]

        self.froms = (self.target, link)
        self._renamed[secondary] = link
        near = _adapted(relation, self._source, link, secondary)
        return and_(near, _replaced(second, far), *scope)

    def ordering(self) -> list[Any]:
        """The relationship's own ``order_by``, as far as it is one of the rows' columns."""

        def renamed(element: Any, **_: Any) -> Any:
            table: Any = getattr(element, "table", None)
            rows = self._renamed.get(table)
            return None if rows is None else rows.c[element.key]

        return [replacement_traverse(expression, {}, renamed) for expression in self._ordering]

    def select(self, *columns: Any) -> Select[Any]:
        """A SELECT of the rows, correlated to the row it comes from."""
        statement = select(*columns).select_from(*self.froms).where(self.condition)
        return correlated(statement, self._source)


def _columns(condition: Any) -> Iterator[Any]:
    """The columns in a relation's condition, as their tables have them."""
    for part in iterate(condition):
        table = getattr(part, "table", None)
        if table is not None and hasattr(part, "key"):
            yield table.c[part.key]


def _links_once(relation: RelationShape, link: Table) -> bool:
    """Whether a link table has a key over what it refers to both sides with."""
    second = relation.orm.secondary_synchronize_pairs or ()
    referring = {there.key for _, there in (*relation.orm.synchronize_pairs, *second)}
    keys = [link.primary_key.columns, *(index.columns for index in link.indexes if index.unique)]
    keys += [
        constraint.columns
        for constraint in link.constraints
        if isinstance(constraint, UniqueConstraint)
    ]
    return any(key and {column.key for column in key} <= referring for key in keys)


def correlated(statement: Select[Any], source: Any) -> Select[Any]:
    """``statement``, about the row of ``source`` that the statement around it has.

    What an INSERT returns is not a FROM clause, and has nothing to correlate to.
    """
    return statement.correlate(source) if isinstance(source, FromClause) else statement


def _adapted(
    relation: RelationShape, source: FromClause, remote: FromClause, secondary: Table | None
) -> ColumnElement[bool]:
    """The relation's first join, from ``source`` to ``remote``.

    SQLAlchemy marks the remote side in the condition, which tells the two sides of a table
    that refers to itself apart.
    """

    def side(column: Any) -> Any:
        if secondary is not None:
            is_remote = column.table is secondary
        else:
            is_remote = "remote" in column._annotations
        return (remote if is_remote else source).c[column.key]

    return _replaced(relation.orm.primaryjoin, side)


def _replaced(condition: Any, column_of: Any) -> ColumnElement[bool]:
    def replace(element: Any, **_: Any) -> Any:
        is_column = getattr(element, "table", None) is not None and hasattr(element, "key")
        return column_of(element) if is_column else None

    adapted: ColumnElement[bool] = replacement_traverse(condition, {}, replace)
    return adapted
