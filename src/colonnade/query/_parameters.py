"""``PageReader``: the query string of a list, read into a ``Page``."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property, lru_cache
from typing import Any, Literal, get_args

from pydantic_core import to_json

from colonnade.errors import QueryError
from colonnade.query._cursors import read_cursor
from colonnade.query._filter_reader import FilterReader, Parameter, filter_parameters
from colonnade.query._filters import Filter
from colonnade.query._includes import MOST_ROWS, Includes, read_includes, rows_with_each
from colonnade.query._ordering import read_ordering
from colonnade.query._page import Count, Page
from colonnade.query._queryable_tables import QueryableTable, nearest
from colonnade.query._scopes import NO_SCOPES, Scopes

Option = Literal["limit", "offset", "cursor", "count", "order_by", "fields", "include", "where"]
OPTIONS: frozenset[str] = frozenset(get_args(Option))
"""Parameters that are not filters; a column of such a name is filtered by ``limit__eq``."""

DEFAULT_LIMIT = 100
"""Rows in a page when the request does not say."""

MOST_UNKNOWN = 20
"""Unknown parameters that are reported, each with a suggestion."""

PAGES_KEPT = 200
"""Query strings that a reader knows again."""

MOST_KEPT = 8
"""Parameters of such a query string."""

LONGEST_KEPT = 500
"""Characters of the values in it, a cursor's included."""

FURTHEST_OFFSET = 2**63 - 1
"""What both databases take."""


class PageReader:
    """Reads query strings about one table.

    Args:
        surface: The table, and what may be asked of it.
        max_limit: Rows in a page at most.
        options: The parameters beside filters that may be given.
        filters: Whether filters may be given.
    """

    def __init__(
        self,
        surface: QueryableTable,
        *,
        max_limit: int = 1000,
        options: frozenset[str] = OPTIONS,
        filters: bool = True,
    ) -> None:
        self.surface = surface
        self.max_limit = max_limit
        self.default_limit = min(DEFAULT_LIMIT, max_limit)
        self.options = options
        self._filters = filters
        self._kept = lru_cache(maxsize=PAGES_KEPT)(self._page)

    @cached_property
    def parameters(self) -> Mapping[str, Parameter]:
        """The filters, by name."""
        return dict(filter_parameters(self.surface, OPTIONS)) if self._filters else {}

    def read(
        self, query: Sequence[tuple[str, str]], scopes: Scopes = NO_SCOPES, url: str = ""
    ) -> Page:
        """The page that a query string asks for.

        Args:
            query: Names and values, decoded, in their order.
            scopes: What of each table may be reached.
            url: What was asked, path and query string, for the links to other pages.

        Raises:
            QueryError: Something in it is unknown or wrong; all of it is named.
        """
        pairs = tuple(query)
        if len(pairs) > MOST_KEPT or sum(len(value) for _, value in pairs) > LONGEST_KEPT:
            return replace(self._page(pairs), scopes=scopes, url=url)
        # Clients ask the same again and again; but for a cursor, which comes once.
        rest = tuple(pair for pair in pairs if pair[0] != "cursor")
        if len(rest) == len(pairs):
            page = self._kept(pairs)
            return replace(page, scopes=scopes, url=url) if scopes or url else page
        if len(rest) != len(pairs) - 1 or not self._takes_cursor(rest):
            return replace(self._page(pairs), scopes=scopes, url=url)
        page = self._kept(rest)
        cursor = next(value for name, value in pairs if name == "cursor")
        place = read_cursor(cursor, page.question, page.ordering)
        return replace(page, scopes=scopes, url=url, place=place)

    def _takes_cursor(self, rest: tuple[tuple[str, str], ...]) -> bool:
        """Whether a cursor may come with the other parameters."""
        return "cursor" in self.options and all(name != "offset" for name, _ in rest)

    def _page(self, query: tuple[tuple[str, str], ...]) -> Page:
        values_by_name: dict[str, list[str]] = {}
        for name, value in query:
            values_by_name.setdefault(name, []).append(value)
        reading = _Reading(self, values_by_name)
        limit = reading.integer("limit", self.default_limit, 1, self.max_limit)
        offset = reading.integer("offset", 0, 0, FURTHEST_OFFSET)
        count = reading.count()
        fields = reading.fields()
        include: Includes = reading.part(
            lambda: read_includes(reading.listed("include"), self.surface)
        )
        ordering = reading.part(lambda: read_ordering(reading.listed("order_by"), self.surface))
        rows = limit * (1 + rows_with_each(include, self.surface))
        if rows > MOST_ROWS:
            message = (
                f"This could return {rows:,} rows, more than the maximum of {MOST_ROWS:,}: ask "
                "for fewer with "
                f"limit=10, or with include={include[0].name}:10"
            )
            reading.wrong("include", "too_many", message, None)
        reader = FilterReader(self.surface)
        reading.filters(reader)
        conditions: Filter = reading.part(reader.finish)
        question = ""
        place = None
        cursor = reading.one("cursor")
        if cursor is not None and "offset" in values_by_name:
            reading.wrong("cursor", "cursor", "Use cursor or offset, not both", cursor)
        reading.finish()
        if "cursor" in self.options:
            question = _question(self.surface, values_by_name, ordering)
            if cursor is not None:
                place = read_cursor(cursor, question, ordering)
        return Page(
            surface=self.surface,
            filter=conditions,
            ordering=ordering,
            limit=limit,
            offset=offset,
            place=place,
            count=count,
            fields=fields,
            include=include,
            question=question,
        )


class _Reading:
    """One query string being read: what it gave, and what was wrong with it."""

    def __init__(self, reader: PageReader, values_by_name: dict[str, list[str]]) -> None:
        self._reader = reader
        self._given = values_by_name
        self._errors: list[dict[str, Any]] = []
        options, filters = reader.options, reader.parameters
        unknown = [name for name in values_by_name if name not in options and name not in filters]
        known = [*options, *filters] if unknown else []
        for name in unknown[:MOST_UNKNOWN]:
            message = f"Unknown parameter {name}.{nearest(name, known)}"
            self.wrong(name, "unknown_parameter", message, values_by_name[name][0])

    def wrong(self, name: str, kind: str, message: str, value: Any) -> None:
        loc = ("query", name)
        self._errors.append({"type": kind, "loc": loc, "msg": message, "input": value})

    def part(self, read: Any) -> Any:
        """What ``read`` returns; its mistakes are kept with the others."""
        try:
            return read()
        except QueryError as error:
            self._errors += error.errors
            return ()

    def finish(self) -> None:
        if self._errors:
            raise QueryError(self._errors)

    def one(self, name: str) -> str | None:
        values = self._given.get(name) if name in self._reader.options else None
        if not values:
            return None
        if len(values) > 1:
            self.wrong(name, "repeated", f"{name} can be used only once", values)
        return values[0]

    def listed(self, name: str) -> str | None:
        """A list, written with commas or as the parameter repeated, as clients differ."""
        values = self._given.get(name) if name in self._reader.options else None
        return ",".join(values) if values else None

    def integer(self, name: str, default: int, least: int, most: int) -> int:
        text = self.one(name)
        if text is None:
            return default
        digits = text.removeprefix("-")
        value = int(text) if digits.isascii() and digits.isdigit() and len(digits) < 20 else None
        if value is None or not least <= value <= most:
            self.wrong(name, "int_range", f"{name} must be an integer from {least} to {most}", text)
            return default
        return value

    def count(self) -> Count:
        text = self.one("count")
        for known in get_args(Count):
            if text == known:
                exactness: Count = known
                return exactness
        if text is not None:
            self.wrong("count", "count", "count must be none, exact or estimated", text)
        return "none"

    def fields(self) -> tuple[str, ...] | None:
        text = self.listed("fields")
        if text is None:
            return None
        names = dict.fromkeys(name.strip() for name in text.split(","))
        columns = self._reader.surface.columns
        for name in [name for name in names if name not in columns][:MOST_UNKNOWN]:
            message = f"Unknown field {name!r}.{nearest(name, columns)}"
            self.wrong("fields", "fields", message, text)
        return tuple(name for name in columns if name in names)  # in one order: one SQL text

    def filters(self, reader: FilterReader) -> None:
        for name, texts in self._given.items():
            parameter = self._reader.parameters.get(name)
            if parameter is not None:
                reader.parameter(name, texts, parameter)
        where = self.one("where")
        if where is not None:
            reader.where(where)


_PLACES = frozenset(("cursor", "limit", "offset", "count", "fields", "include", "order_by"))


def _question(surface: QueryableTable, values_by_name: dict[str, list[str]], ordering: Any) -> str:
    """The part of a query string that a cursor belongs to, as one text."""
    filters = sorted((name, texts) for name, texts in values_by_name.items() if name not in _PLACES)
    order = [(ordered.column.name, ordered.descending) for ordered in ordering]
    return to_json([surface.shape.name, order, filters]).decode()
