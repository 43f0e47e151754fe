"""``RowSource``: the rows that paths start from, and how paths reach related rows."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, FromClause
from sqlalchemy.orm import RelationshipDirection

from colonnade.models import RelationShape, Shape
from colonnade.query._relations import RelationJoin
from colonnade.query._scopes import Scopes

Value = Callable[["RowSource"], ColumnElement[Any]]
"""Returns the SQL of a value of rows."""


class RowSource:
    """Rows, whose related values are subqueries.

    Args:
        source: The rows, with the columns of their table; the row of RETURNING has only ``c``.
        scopes: The scopes of the request.
    """

    def __init__(self, source: Any, scopes: Scopes) -> None:
        self.source = source
        self.scopes = scopes

    @property
    def c(self) -> Any:
        """The columns, by key."""
        return self.source.c

    def related(self, relation: RelationShape, value: Value) -> ColumnElement[Any]:
        """A value of the row that a relation leads to; NULL if there is none in scope.

        Args:
            relation: A relation to one row.
            value: Returns the SQL of the value of that row.
        """
        joined = RelationJoin(relation, self.source, self.scopes)
        related = RowSource(joined.target, self.scopes)
        statement = joined.select(value(related)).limit(1)
        if not _has_one_target(relation):
            key = Shape.of(relation.target).primary_key
            statement = statement.order_by(*(joined.target.c[part.column.key] for part in key))
        return statement.scalar_subquery()


class JoinedSource(RowSource):
    """Rows, joined to the related rows that paths need.

    Args:
        source: The rows.
        scopes: The scopes of the request.
    """

    source: FromClause

    def __init__(self, source: FromClause, scopes: Scopes) -> None:
        super().__init__(source, scopes)
        self.joined: FromClause = source
        self._root = self
        self._related: dict[str, JoinedSource] = {}

    def related(self, relation: RelationShape, value: Value) -> ColumnElement[Any]:
        """A value of the row that a relation leads to: see ``RowSource``."""
        if not _has_one_target(relation):
            return super().related(relation, value)
        related = self._related.get(relation.name)
        if related is None:
            related = self._related[relation.name] = self._join(relation)
        return value(related)

    def _join(self, relation: RelationShape) -> "JoinedSource":
        joined = RelationJoin(relation, self.source, self.scopes)
        related = JoinedSource(joined.target, self.scopes)
        related._root = self._root
        self._root.joined = self._root.joined.outerjoin(joined.target, joined.condition)
        return related


def _has_one_target(relation: RelationShape) -> bool:
    """Whether a join cannot repeat a row: its foreign key refers to a unique key."""
    return relation.orm.direction is RelationshipDirection.MANYTOONE
