"""``Page``: the query of a list request as one value, which compiles to one SELECT."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, Self, TypeVar

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    FromClause,
    Select,
    and_,
    bindparam,
    exists,
    func,
    literal_column,
    select,
    union_all,
)
from sqlalchemy import Enum as NativeEnum

from colonnade.models import RelationShape, Shape
from colonnade.query._comparisons import from_stored_text
from colonnade.query._cursors import CursorPosition, write_cursor
from colonnade.query._filter_sql import TEXT, VALUE_PREFIX, FilterCompiler
from colonnade.query._filters import Filter
from colonnade.query._includes import Includes
from colonnade.query._key_parameters import key_parameter, key_parameters
from colonnade.query._ordering import Ordering, SortColumn, after_position, ranges_after
from colonnade.query._paths import ColumnPath
from colonnade.query._queryable_tables import QueryableTable
from colonnade.query._relations import RelationJoin
from colonnade.query._row_sources import JoinedSource, RowSource
from colonnade.query._scopes import NO_SCOPES, Scopes, adapt_to_source
from colonnade.query._values import compared_type

Count = Literal["none", "exact", "estimated"]

MAX_COUNTED_ROWS = 100_000
"""The number of rows at which ``count=estimated`` stops counting under a scope.

There, the planner's estimate would reveal rows of others, and an exact count may be slow."""

SelectT = TypeVar("SelectT", bound=Select[Any])


class Parent(Protocol):
    """What a page lists the rows of: without it, the page is a 404."""

    @property
    def name(self) -> str:
        """The name of the model, for the 404."""

    @property
    def structure(self) -> str:
        """A key that pages with the same SQL share."""

    def narrow(self, statement: Select[Any], source: FromClause, page: "Page") -> Select[Any]:
        """Restrict ``statement`` to the rows of ``source`` that belong to the parent."""

    def exists(self, scopes: Scopes) -> ColumnElement[bool]:
        """The condition that the parent exists and is in scope."""

    def parameters(self) -> dict[str, Any]:
        """The values of the parameters in the conditions, by name."""


@dataclass(frozen=True, slots=True, eq=False)
class ParentRow:
    """The row whose related rows a request lists.

    Attributes:
        shape: The table of the row.
        relation: The relation to list.
        key: The primary key of the row.
    """

    shape: Shape
    relation: RelationShape
    key: tuple[Any, ...]

    @property
    def name(self) -> str:
        """The name of the model."""
        return self.shape.model.__name__

    @property
    def structure(self) -> str:
        """The name of the relation."""
        return self.relation.name

    def narrow(self, statement: Select[Any], source: FromClause, page: "Page") -> Select[Any]:
        """Restrict ``statement`` to the rows of ``source`` that the relation leads to."""
        parent = self.shape.table.alias()
        joined = RelationJoin(self.relation, parent, page.scopes, target=source)
        links = (link for link in joined.froms if link is not source)
        return statement.select_from(parent, *links).where(
            self._is_parent(parent, page.scopes), joined.condition
        )

    def exists(self, scopes: Scopes) -> ColumnElement[bool]:
        """The condition that the row exists and is in scope."""
        parent = self.shape.table.alias()
        return exists(
            select(literal_column("1")).select_from(parent).where(self._is_parent(parent, scopes))
        )

    def parameters(self) -> dict[str, Any]:
        """The values of the parameters in the conditions, by name."""
        return key_parameters(self.key)

    def _is_parent(self, parent: FromClause, scopes: Scopes) -> ColumnElement[bool]:
        return and_(key_clause(self.shape, parent), *scopes.clauses(self.shape.table, parent))


def key_clause(shape: Shape, source: FromClause) -> ColumnElement[bool]:
    """The condition for the row with the key in ``key_parameters``."""
    return and_(
        *(
            source.c[column.column.key]
            == bindparam(key_parameter(index), type_=compared_type(column))
            for index, column in enumerate(shape.primary_key)
        )
    )


@dataclass(frozen=True, slots=True, eq=False)
class Page:
    """The query of a list request: which rows, in which order, how many, with which fields.

    Use it in your own endpoint: ``query: Page = Depends(tasks.query)``. ``apply`` adds it to a
    ``select()``; ``tasks.answer(query)`` returns the same response as the generated list.

    Attributes:
        queryable: The table, and the columns and relations that requests can use.
        filter: The conditions of the request.
        ordering: The ordering, which ends with the primary key.
        limit: The maximum number of rows.
        offset: The number of rows to skip.
        position: The position that the cursor encodes; None without a cursor.
        count: Whether to count all matching rows.
        fields: The fields in the response; None for all of them.
        include: The relations in the response.
        scopes: The scopes of the request.
        conditions: Conditions of the program: see ``where``.
        fingerprint: The filters and the ordering as text. A cursor is valid for one fingerprint.
        parent: The row whose related rows are listed, or those in the path of the Resource; None
            for all rows of the table.
        url: Path and query string of the request, for links to other pages.
        context: Data that the code which answers the request keeps with the page.

    Examples:
        ```python
        from fastapi import Depends, FastAPI, Response
        from fastapi.testclient import TestClient

        from colonnade import Database, Field, Page, Resource, SQLModel


        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            is_done: bool = False


        db = Database("sqlite://")
        db.create_all()
        tasks = Resource(Task, db)


        @tasks.get("/open")
        async def open_tasks(query: Page = Depends(tasks.query)) -> Response:
            return await tasks.answer(query.where(Task.is_done == False))  # noqa: E712


        app = FastAPI()
        app.include_router(tasks)
        client = TestClient(app)
        client.post("/tasks:batch", json=[{}, {}, {"is_done": True}])
        print(client.get("/tasks/open?fields=id&offset=1").json())  # [{'id': 2}]
        ```
    """

    queryable: QueryableTable
    filter: Filter = field(default_factory=Filter)
    ordering: Ordering = ()
    limit: int = 100
    offset: int = 0
    position: CursorPosition | None = None
    count: Count = "none"
    fields: tuple[str, ...] | None = None
    include: Includes = ()
    scopes: Scopes = NO_SCOPES
    conditions: tuple[ColumnElement[bool], ...] = ()
    fingerprint: str = ""
    parent: Parent | None = None
    url: str = ""
    context: object = None

    def where(self, *conditions: ColumnElement[bool] | bool) -> Self:
        """A copy of this page with more conditions, all of which must hold.

        Args:
            conditions: Conditions on the table's columns, such as ``Task.owner_id == 3``.

        Returns:
            The copy.
        """
        added: tuple[Any, ...] = conditions
        return replace(self, conditions=(*self.conditions, *added))

    def apply(self, statement: SelectT) -> SelectT:
        """Add this page's conditions, scope, ordering and limits to a ``select()``.

        Args:
            statement: A statement such as ``select(Task)``, with your own joins and conditions.

        Returns:
            The extended statement.
        """
        table = self.queryable.shape.table
        rows = RowSource(table, self.scopes)
        values = [sort_column.path.sort_sql(rows) for sort_column in self.ordering]
        condition = self._condition(rows, self._after_position(values))
        filtered = statement.where(condition).params(self.parameters())
        ordered = filtered.order_by(
            *(sort_column.expression(rows) for sort_column in self._effective_ordering())
        )
        return ordered.limit(self.limit).offset(self.offset or None)

    def rows(self, *, in_ranges: bool = False) -> Select[Any]:
        """The SELECT of the page's rows with all columns, in reverse if the page goes backwards.

        Besides ``parameters()`` it has the parameters ``limit_`` and, with an offset, ``offset_``.

        Args:
            in_ranges: Whether to select rows after a cursor as two ranges, if an index of the sort
                column has both: those with the same value, and those after it. For a comparison
                with the key, SQLite would read all rows with the same value.

        Returns:
            The statement.
        """
        source = self.queryable.shape.table.alias()
        rows = JoinedSource(source, self.scopes)
        values = [sort_column.path.sort_sql(rows) for sort_column in self.ordering]
        computed = {
            index: values[index].label(_sort_label(index))
            for index, sort_column in enumerate(self.ordering)
            if _is_computed(sort_column)
        }
        if in_ranges and not computed and self._has_ranges(values):
            ranges = ranges_after(*self._position_values(values))
            selects = (self._select(select(*source.c), rows, after) for after in ranges)
            both = union_all(*selects).subquery()
            values = self.sort_values(both)
            selected = select(both)
        else:
            after = self._after_position(values)
            selected = self._select(select(*source.c, *computed.values()), rows, after)
        return (
            selected.order_by(
                *(
                    sort_column.ordered(computed.get(index, values[index]))
                    for index, sort_column in enumerate(self._effective_ordering())
                )
            )
            .limit(bindparam("limit_", type_=BigInteger()))
            .offset(bindparam("offset_", type_=BigInteger()) if self.offset else None)
        )

    def _has_ranges(self, values: Sequence[ColumnElement[Any]]) -> bool:
        """Whether an index has the rows after the cursor as two ranges, in the order of the page.

        Without it, SQLite would read and sort both.

        Args:
            values: The values to sort by.
        """
        first, *rest = self.ordering
        if self.position is None or first.nullable:
            return False
        shape = self.queryable.shape
        columns = [value for value in values if isinstance(value, Column)]
        return (
            len(columns) == len(values)
            and tuple(sort_column.path.shape for sort_column in rest) == shape.primary_key
            and any(
                index.columns[0] is first.path.shape.column
                for index in shape.table.indexes
                if index.columns and not index.unique
            )
        )

    def sort_values(self, selected: FromClause) -> list[ColumnElement[Any]]:
        """The values of the ordering of each row that ``rows`` selects.

        Args:
            selected: The rows, as a subquery.
        """
        rows = RowSource(selected, self.scopes)
        return [
            selected.c[_sort_label(index)]
            if _is_computed(sort_column)
            else sort_column.path.sort_sql(rows)
            for index, sort_column in enumerate(self.ordering)
        ]

    @property
    def is_counted(self) -> bool:
        """Whether the statement counts all rows, as it does for an estimate under a scope."""
        return self.count == "exact" or (self.count == "estimated" and bool(self.scopes))

    def total(self) -> Select[Any]:
        """The SELECT that counts all rows; for an estimate, up to ``MAX_COUNTED_ROWS``.

        Returns:
            The statement.
        """
        if self.count == "estimated":
            counted_rows = self.all_rows().limit(literal_column(str(MAX_COUNTED_ROWS))).subquery()
            return select(func.count()).select_from(counted_rows)
        source = self.queryable.shape.table.alias()
        rows = JoinedSource(source, self.scopes)
        return self._select(select(func.count()), rows)

    def all_rows(self) -> Select[Any]:
        """The SELECT of a constant for each row of all pages, which a planner can estimate.

        Returns:
            The statement.
        """
        source = self.queryable.shape.table.alias()
        rows = JoinedSource(source, self.scopes)
        return self._select(select(literal_column("1")), rows)

    def _select(
        self, statement: Select[Any], rows: JoinedSource, after: ColumnElement[bool] | None = None
    ) -> Select[Any]:
        """Select the rows of all pages, or those that come after a position."""
        condition = self._condition(rows, after)  # it may need joins
        statement = statement.select_from(rows.joined).where(condition)
        if self.parent is None:
            return statement
        return self.parent.narrow(statement, rows.source, self)

    def parameters(self) -> dict[str, Any]:
        """The values of the parameters in the SELECTs, by name.

        Returns:
            The values by name.
        """
        parameters = {
            f"{VALUE_PREFIX}{index}": value for index, value in enumerate(self.filter.values)
        }
        parameters.update(self.scopes.binds())
        if self.parent is not None:
            parameters.update(self.parent.parameters())
        if self.position is not None:
            position = enumerate(self.position.values)
            parameters.update(
                (f"after_{index}", value) for index, value in position if value is not None
            )
        return parameters

    def cursor(self, values: str, *, backwards: bool) -> str:
        """Encode the cursor of a row of this page.

        Args:
            values: The row's sort values, as ``rows.page_statement`` selects them.
            backwards: Whether the cursor's page ends before the row instead of starting after it.

        Returns:
            The cursor, as text for a URL.
        """
        return write_cursor(values, self.fingerprint, self.ordering, backwards=backwards)

    @property
    def structure(self) -> object | None:
        """A key that pages with the same SQL share; None if the SQL should not be cached."""
        scopes = self.scopes.structure
        if scopes is None or self.conditions or self.filter.is_long:
            return None
        nulls = None
        if self.position is not None:
            values, backwards = self.position
            nulls = (backwards, tuple(value is None for value in values))
        ordering = tuple(
            (sort_column.name, sort_column.descending) for sort_column in self.ordering
        )
        counted = self.count if self.is_counted else None
        shown = (self.fields, self.include, counted, self.offset > 0)
        parent = None if self.parent is None else self.parent.structure
        return self.filter.node, ordering, nulls, shown, scopes, parent

    @property
    def backwards(self) -> bool:
        """Whether rows are selected in reverse order."""
        return self.position is not None and self.position.backwards

    def _effective_ordering(self) -> Ordering:
        if self.backwards:
            return tuple(sort_column.reversed() for sort_column in self.ordering)
        return self.ordering

    def _condition(
        self, rows: RowSource, after: ColumnElement[bool] | None = None
    ) -> ColumnElement[bool]:
        table = self.queryable.shape.table
        clauses = [FilterCompiler(self.scopes).compile(self.filter.node, self.queryable, rows)]
        clauses += self.scopes.clauses(table, rows.source)
        clauses += [adapt_to_source(condition, table, rows.source) for condition in self.conditions]
        if after is not None:
            clauses.append(after)
        return and_(*clauses)

    def _after_position(self, values: Sequence[ColumnElement[Any]]) -> ColumnElement[bool] | None:
        """The condition for rows after the cursor; None without a cursor."""
        if self.position is None:
            return None
        return after_position(*self._position_values(values))

    def _position_values(self, values: Sequence[ColumnElement[Any]]) -> tuple[Any, ...]:
        """The ordering, which of the cursor's values are NULL, its parameters, and sort values."""
        assert self.position is not None
        nulls = tuple(value is None for value in self.position.values)
        return self._effective_ordering(), nulls, _cursor_parameters(self.ordering), values


def _is_computed(sort_column: SortColumn) -> bool:
    """Whether the values are not those of a column of the rows."""
    return not isinstance(sort_column.path, ColumnPath)


def _sort_label(index: int) -> str:
    return f"sort_{index}_"


def _cursor_parameters(columns: Sequence[SortColumn]) -> list[ColumnElement[Any]]:
    """The parameters for the values of a cursor, with the types of their columns."""
    return [
        from_stored_text(
            bindparam(f"after_{index}", type_=TEXT),
            type_=TEXT
            if isinstance(sort_column.path.shape.stored_type, NativeEnum)
            else sort_column.path.shape.stored_type,
        )
        for index, sort_column in enumerate(columns)
    ]
