"""``Page``: what a request asks for, as one value; one Page is one SELECT."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self, TypeVar

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Select,
    and_,
    bindparam,
    exists,
    func,
    literal_column,
    select,
)
from sqlalchemy import Enum as NativeEnum

from colonnade.models import RelationShape, Shape
from colonnade.query._comparisons import of_text
from colonnade.query._cursors import CursorPosition, write_cursor
from colonnade.query._filter_sql import TEXT, Clauses
from colonnade.query._filters import Filter
from colonnade.query._includes import Includes
from colonnade.query._key_parameters import key_parameter, key_parameters
from colonnade.query._ordering import Ordered, Ordering, beyond
from colonnade.query._queryable_tables import QueryableTable
from colonnade.query._relations import Joined
from colonnade.query._scopes import NO_SCOPES, Scopes, on_source
from colonnade.query._values import compared_type

Count = Literal["none", "exact", "estimated"]

MOST_COUNTED = 100_000
"""Rows that ``count=estimated`` counts under a scope: the planner would tell of the rows of others,
and to count all of them may take long."""

SelectT = TypeVar("SelectT", bound=Select[Any])


@dataclass(frozen=True, slots=True, eq=False)
class ParentRow:
    """The rows that a relation of one row leads to.

    Attributes:
        shape: The table of that row.
        relation: Its relation.
        key: The row's key.
    """

    shape: Shape
    relation: RelationShape
    key: tuple[Any, ...]

    def narrow(self, statement: Select[Any], source: FromClause, page: "Page") -> Select[Any]:
        """``statement``, of rows of ``source`` alone that the relation leads to."""
        parent = self.shape.table.alias()
        joined = Joined(self.relation, parent, page.scopes, target=source)
        links = (link for link in joined.froms if link is not source)
        return statement.select_from(parent, *links).where(
            self._is(parent, page.scopes), joined.condition
        )

    def exists(self, scopes: Scopes) -> ColumnElement[bool]:
        """Whether the row is there, and can be reached."""
        parent = self.shape.table.alias()
        return exists(
            select(literal_column("1")).select_from(parent).where(self._is(parent, scopes))
        )

    def parameters(self) -> dict[str, Any]:
        """The values of the parameters in the conditions."""
        return key_parameters(self.key)

    def _is(self, parent: FromClause, scopes: Scopes) -> ColumnElement[bool]:
        return and_(key_clause(self.shape, parent), *scopes.clauses(self.shape.table, parent))


def key_clause(shape: Shape, source: FromClause) -> ColumnElement[bool]:
    """The condition on the row whose key is ``key_parameters``."""
    return and_(
        *(
            source.c[column.column.key]
            == bindparam(key_parameter(index), type_=compared_type(column))
            for index, column in enumerate(shape.primary_key)
        )
    )


@dataclass(frozen=True, slots=True, eq=False)
class Page:
    """What a request asks for: which rows, in which order, how many, and what of each.

    Take it in your own endpoint: ``query: Page = Depends(tasks.query)``. ``apply`` puts
    it on a ``select()``; ``tasks.answer(query)`` answers with it as the generated list does.

    Attributes:
        surface: The table, and what of it may be asked.
        filter: The conditions.
        ordering: The order, the key always last.
        limit: Rows at most.
        offset: Rows left out first.
        place: The place a cursor stands for; None without a cursor.
        count: Whether to count all rows that meet the conditions.
        fields: The fields of an answer; None: all of them.
        include: The relations of an answer.
        scopes: What of each table can be reached.
        conditions: What the program itself asks of the rows: see ``where``.
        question: The filters and the order as text, which a cursor belongs to.
        within: The row whose relation is asked for; None: the rows of the table.
        url: What was asked, path and query string, for the links to other pages.
        context: What the program that answers the request keeps with it.
    """

    surface: QueryableTable
    filter: Filter = field(default_factory=Filter)
    ordering: Ordering = ()
    limit: int = 100
    offset: int = 0
    place: CursorPosition | None = None
    count: Count = "none"
    fields: tuple[str, ...] | None = None
    include: Includes = ()
    scopes: Scopes = NO_SCOPES
    conditions: tuple[ColumnElement[bool], ...] = ()
    question: str = ""
    within: "ParentRow | None" = None
    url: str = ""
    context: object = None

    def where(self, *conditions: ColumnElement[bool] | bool) -> Self:
        """The same page of fewer rows: those of which ``conditions`` hold as well.

        Args:
            conditions: Conditions on the table's columns, such as ``Task.owner_id == 3``.
        """
        added: tuple[Any, ...] = conditions
        return replace(self, conditions=(*self.conditions, *added))

    def apply(self, statement: SelectT) -> SelectT:
        """A ``select()`` of the table with this page's conditions, scope, order and limits.

        Args:
            statement: Such as ``select(Task)``, joined and narrowed further if you like.
        """
        table = self.surface.shape.table
        chosen = statement.where(self._clause(table)).params(self.parameters())
        ordered = chosen.order_by(*(ordered.on(table) for ordered in self._direction()))
        return ordered.limit(self.limit).offset(self.offset or None)

    def rows(self) -> Select[Any]:
        """The SELECT of the page's rows, all columns; reversed if the page goes backwards.

        Its parameters beside ``parameters()`` are ``limit_`` and, with an offset, ``offset_``.
        """
        source = self.surface.shape.table.alias()
        return (
            self._chosen(select(*source.c), source)
            .order_by(*(ordered.on(source) for ordered in self._direction()))
            .limit(bindparam("limit_", type_=BigInteger()))
            .offset(bindparam("offset_", type_=BigInteger()) if self.offset else None)
        )

    @property
    def is_counted(self) -> bool:
        """Whether its statement counts the rows of every page: so does an estimate in a scope."""
        return self.count == "exact" or (self.count == "estimated" and bool(self.scopes))

    def total(self) -> Select[Any]:
        """The SELECT that counts the rows of every page; of an estimate, up to ``MOST_COUNTED``."""
        if self.count == "estimated":
            some = self.all_rows().limit(literal_column(str(MOST_COUNTED))).subquery()
            return select(func.count()).select_from(some)
        source = self.surface.shape.table.alias()
        return self._chosen(select(func.count()), source, placed=False)

    def all_rows(self) -> Select[Any]:
        """The SELECT of a constant for each row of every page, for a planner to estimate."""
        source = self.surface.shape.table.alias()
        return self._chosen(select(literal_column("1")), source, placed=False)

    def _chosen(
        self, statement: Select[Any], source: FromClause, *, placed: bool = True
    ) -> Select[Any]:
        statement = statement.select_from(source).where(self._clause(source, placed=placed))
        return statement if self.within is None else self.within.narrow(statement, source, self)

    def parameters(self) -> dict[str, Any]:
        """The values of the parameters in the SELECTs."""
        parameters = {f"v{index}": value for index, value in enumerate(self.filter.values)}
        parameters.update(self.scopes.binds())
        if self.within is not None:
            parameters.update(self.within.parameters())
        if self.place is not None:
            values = enumerate(self.place.values)
            parameters.update(
                (f"after_{index}", value) for index, value in values if value is not None
            )
        return parameters

    def cursor(self, values: str, *, backwards: bool) -> str:
        """The cursor of a row of this page.

        Args:
            values: Its sort values, as ``rows.page_statement`` has them.
            backwards: Whether it is of the page that ends before the row.
        """
        return write_cursor(values, self.question, self.ordering, backwards=backwards)

    @property
    def structure(self) -> object | None:
        """What two pages of one SQL text have in common; None if that is not worth knowing."""
        scopes = self.scopes.structure
        if scopes is None or self.conditions or self.filter.is_long:
            return None
        nulls = None
        if self.place is not None:
            values, backwards = self.place
            nulls = (backwards, tuple(value is None for value in values))
        ordering = tuple((ordered.column.name, ordered.descending) for ordered in self.ordering)
        counted = self.count if self.is_counted else None
        shown = (self.fields, self.include, counted, self.offset > 0)
        within = None if self.within is None else self.within.relation.name
        return self.filter.node, ordering, nulls, shown, scopes, within

    @property
    def backwards(self) -> bool:
        """Whether its rows are selected from the last to the first."""
        return self.place is not None and self.place.backwards

    def _direction(self) -> Ordering:
        if self.backwards:
            return tuple(ordered.reversed() for ordered in self.ordering)
        return self.ordering

    def _clause(self, source: FromClause, *, placed: bool = True) -> ColumnElement[bool]:
        table = self.surface.shape.table
        clauses = [Clauses(self.scopes).clause(self.filter.node, self.surface, source)]
        clauses += self.scopes.clauses(table, source)
        clauses += [on_source(condition, table, source) for condition in self.conditions]
        if placed and self.place is not None:
            clauses.append(self._after(self.place, source))
        return and_(*clauses)

    def _after(self, place: CursorPosition, source: FromClause) -> ColumnElement[bool]:
        """The condition on rows that come after a place."""
        nulls = tuple(value is None for value in place.values)
        return beyond(self._direction(), nulls, _stored(self.ordering), source)


def _stored(columns: Sequence[Ordered]) -> list[ColumnElement[Any]]:
    """The values of a cursor, as what the columns are compared with."""
    return [
        of_text(
            bindparam(f"after_{index}", type_=TEXT),
            type_=TEXT
            if isinstance(ordered.column.column.type, NativeEnum)
            else ordered.column.column.type,
        )
        for index, ordered in enumerate(columns)
    ]
