"""From a row to the rows a relation leads to: the condition that joins them."""

from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, Table, and_, select
from sqlalchemy.sql.visitors import replacement_traverse

from colonnade.models import RelationShape, Shape
from colonnade.query._scopes import Scopes


class Joined:
    """The rows a relation leads to from the rows of ``source``, before they are chosen from.

    Attributes:
        target: The rows it leads to.
        link: The rows of the link table between, if there is one.
    """

    def __init__(
        self,
        relation: RelationShape,
        source: FromClause,
        scopes: Scopes,
        target: FromClause | None = None,
    ) -> None:
        table = Shape.of(relation.target).table
        self.target: FromClause = table.alias() if target is None else target
        self.link: FromClause | None = None
        secondary = relation.orm.secondary
        conditions: list[ColumnElement[bool]] = []
        if isinstance(secondary, Table):
            self.link = link = secondary.alias()
            conditions.append(_adapted(relation, source, link, secondary))
            second: Any = relation.orm.secondaryjoin
            conditions.append(_replaced(second, lambda column: self._far(column, secondary)))
            conditions.extend(scopes.clauses(secondary, link))
        else:
            conditions.append(_adapted(relation, source, self.target, None))
        conditions.extend(scopes.clauses(table, self.target))
        self._source = source
        self.condition = and_(*conditions)

    def _far(self, column: Any, secondary: Table) -> Any:
        source: Any = self.link if column.table is secondary else self.target
        return source.c[column.key]

    @property
    def froms(self) -> tuple[FromClause, ...]:
        """What the rows are selected from."""
        return (self.target,) if self.link is None else (self.target, self.link)

    def select(self, *columns: Any) -> Select[Any]:
        """A SELECT of the rows, correlated to the row it comes from."""
        froms = [self.target] if self.link is None else [self.target, self.link]
        return select(*columns).select_from(*froms).where(self.condition).correlate(self._source)


def correlated(statement: Select[Any], source: Any) -> Select[Any]:
    """``statement``, about the row of ``source`` that the statement around it has.

    What an INSERT returns is no FROM clause, and has nothing to correlate to.
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
