"""``PageReader``: parses the query string of a list request to a ``Page``."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property, lru_cache
from typing import Any, Literal, get_args

from pydantic_core import to_json

from colonnade.errors import QueryError, error_entry
from colonnade.query._aliases import NO_ALIASES, check_aliases
from colonnade.query._cursors import read_cursor
from colonnade.query._filter_reader import (
    FilterReader,
    Parameter,
    filter_parameters,
    read_parameter,
)
from colonnade.query._filters import Filter
from colonnade.query._includes import MAX_ROWS, Includes, max_included_rows, read_includes
from colonnade.query._ordering import read_ordering
from colonnade.query._page import Count, Page
from colonnade.query._path_reader import PathError
from colonnade.query._queryable_tables import QueryableTable, did_you_mean
from colonnade.query._scopes import NO_SCOPES, Scopes

Option = Literal["limit", "offset", "cursor", "count", "order_by", "fields", "include", "where"]
OPTIONS: frozenset[str] = frozenset(get_args(Option))
"""Parameters that are not filters. A column with such a name is filtered by ``limit__eq``."""

DEFAULT_LIMIT = 100
"""The number of rows in a page if the request sets no limit."""

MAX_UNKNOWN_REPORTED = 20
"""The maximum number of unknown parameters to report; each costs a search for suggestions."""

CACHED_PAGES = 200
"""The number of parsed query strings that a reader caches."""

MAX_CACHED_PARAMETERS = 8
"""The maximum number of parameters in a cached query string."""

MAX_CACHED_CHARACTERS = 500
"""The maximum total length of the values in a cached query string, including a cursor."""

MAX_OFFSET = 2**63 - 1
"""The largest offset that both databases accept."""


class PageReader:
    """Parses query strings for one table.

    Args:
        queryable: The table, and the columns and relations that requests can use.
        max_limit: The maximum number of rows in a page.
        default_limit: The number of rows in a page if the request sets no limit.
        always_counts: Whether every response has the number of all rows.
        options: The allowed parameters besides filters.
        filters: Whether filters are allowed.
        default_order_by: The order of the rows if the request sets none.
        aliases: Other names of parameters.

    Raises:
        QueryError: ``default_order_by`` cannot be used to sort, or an alias is not a new name of a
            parameter.
    """

    def __init__(
        self,
        queryable: QueryableTable,
        *,
        max_limit: int = 1000,
        default_limit: int = DEFAULT_LIMIT,
        always_counts: bool = False,
        options: frozenset[str] = OPTIONS,
        filters: bool = True,
        default_order_by: str | None = None,
        aliases: Mapping[str, str] = NO_ALIASES,
    ) -> None:
        self.queryable = queryable
        self.default_order_by = default_order_by
        self.aliases: Mapping[str, str] = NO_ALIASES
        self.max_limit = max_limit
        self.default_limit = min(default_limit, max_limit)
        self.counts: tuple[Count, ...] = get_args(Count)
        if always_counts:
            self.counts = ("exact", "estimated")
        self.options = options
        self._filters = filters
        self._cached_page = lru_cache(maxsize=CACHED_PAGES)(self._parse_page)
        read_ordering(default_order_by, queryable)
        if aliases:
            check_aliases(aliases, self._is_parameter, [*options, *self.parameters])
            self.aliases = aliases

    @cached_property
    def parameters(self) -> Mapping[str, Parameter]:
        """The usual filter parameters, by name; ``parameter`` reads the others."""
        return dict(filter_parameters(self.queryable, OPTIONS)) if self._filters else {}

    def parameter(self, name: str) -> Parameter | None:
        """The filter that a query parameter stands for; None if it does not name a field.

        Raises:
            PathError: It goes on with something that the field does not have.
        """
        known = self.parameters.get(name)
        if known is not None or not self._filters:
            return known
        return read_parameter(name, self.queryable)

    @property
    def default_rows(self) -> int:
        """The maximum number of rows, related ones included, of a page without parameters."""
        included = read_includes(None, self.queryable)
        return self.default_limit * (1 + max_included_rows(included, self.queryable))

    def knows(self, name: str) -> bool:
        """Whether a query parameter is an option or a filter of this table."""
        if name in self.options or name in self.aliases:
            return True
        try:
            return self.parameter(name) is not None
        except PathError:
            return True

    def _is_parameter(self, name: str) -> bool:
        return name in self.options or self.parameter(name) is not None

    def read(
        self, query: Sequence[tuple[str, str]], scopes: Scopes = NO_SCOPES, url: str = ""
    ) -> Page:
        """Parse a query string.

        Args:
            query: The decoded names and values, in order.
            scopes: The scopes of the request.
            url: Path and query string of the request, for links to other pages.

        Raises:
            QueryError: Parameters are unknown or invalid; the error lists all of them.
        """
        pairs = tuple(query)
        if (
            len(pairs) > MAX_CACHED_PARAMETERS
            or sum(len(value) for _, value in pairs) > MAX_CACHED_CHARACTERS
        ):
            return replace(self._parse_page(pairs), scopes=scopes, url=url)
        # Clients repeat their query strings, except for the cursor: cache the page without it.
        rest = tuple(pair for pair in pairs if pair[0] != "cursor")
        if len(rest) == len(pairs):
            page = self._cached_page(pairs)
            return replace(page, scopes=scopes, url=url) if scopes or url else page
        if len(rest) != len(pairs) - 1 or not self._accepts_cursor(rest):
            return replace(self._parse_page(pairs), scopes=scopes, url=url)
        page = self._cached_page(rest)
        cursor = next(value for name, value in pairs if name == "cursor")
        position = read_cursor(cursor, page.fingerprint, page.ordering)
        return replace(page, scopes=scopes, url=url, position=position)

    def _accepts_cursor(self, rest: tuple[tuple[str, str], ...]) -> bool:
        """Whether a cursor is allowed with the other parameters."""
        return "cursor" in self.options and all(name != "offset" for name, _ in rest)

    def _parse_page(self, query: tuple[tuple[str, str], ...]) -> Page:
        values_by_name: dict[str, list[str]] = {}
        for name, value in query:
            values_by_name.setdefault(name, []).append(value)
        parser = QueryStringParser(self, values_by_name)
        limit = parser.integer("limit", self.default_limit, 1, self.max_limit)
        offset = parser.integer("offset", 0, 0, MAX_OFFSET)
        count = parser.count()
        fields = parser.fields()
        include: Includes = parser.collect_errors(
            lambda: read_includes(parser.comma_separated("include"), self.queryable)
        )
        ordering = parser.collect_errors(
            lambda: read_ordering(
                parser.comma_separated("order_by") or self.default_order_by, self.queryable
            )
        )
        rows = limit * (1 + max_included_rows(include, self.queryable))
        if rows > MAX_ROWS:
            message = (
                f"This request could return {rows:,} rows, and the maximum is {MAX_ROWS:,}. "
                f"Request fewer with limit=10, or with include={include[0].name}:10"
            )
            parser.add_error("include", "too_many", message, None)
        reader = FilterReader(self.queryable)
        parser.filters(reader)
        conditions: Filter = parser.collect_errors(reader.finish)
        fingerprint = ""
        position = None
        cursor = parser.single("cursor")
        if cursor is not None and "offset" in values_by_name:
            parser.add_error("cursor", "cursor", "Use cursor or offset, not both", cursor)
        parser.finish()
        if "cursor" in self.options:
            fingerprint = _fingerprint(self.queryable, values_by_name, ordering)
            if cursor is not None:
                position = read_cursor(cursor, fingerprint, ordering)
        return Page(
            queryable=self.queryable,
            filter=conditions,
            ordering=ordering,
            limit=limit,
            offset=offset,
            position=position,
            count=count,
            fields=fields,
            include=include,
            fingerprint=fingerprint,
        )


class QueryStringParser:
    """Parses one query string and collects its errors."""

    def __init__(self, reader: PageReader, values_by_name: dict[str, list[str]]) -> None:
        self._reader = reader
        self._values = values_by_name
        self._errors: list[dict[str, Any]] = []
        self._parameters: dict[str, Parameter] = {}
        unknown: dict[str, str | None] = {}
        for name in values_by_name:
            if name in reader.options:
                continue
            try:
                parameter = reader.parameter(name)
            except PathError as error:
                unknown[name] = f"Unknown parameter {name}: {error}"
                continue
            if parameter is None:
                unknown[name] = None
            else:
                self._parameters[name] = parameter
        known = [*reader.options, *reader.parameters] if unknown else []
        for name, detail in list(unknown.items())[:MAX_UNKNOWN_REPORTED]:
            message = detail or f"Unknown parameter {name}.{did_you_mean(name, known)}"
            self.add_error(name, "unknown_parameter", message, values_by_name[name][0])

    def add_error(self, name: str, kind: str, message: str, value: Any) -> None:
        self._errors.append(error_entry(kind, ("query", name), message, value))

    def collect_errors(self, read: Any) -> Any:
        """Return what ``read`` returns, or collect the errors that it raises."""
        try:
            return read()
        except QueryError as error:
            self._errors += error.errors
            return ()

    def finish(self) -> None:
        if self._errors:
            raise QueryError(self._errors)

    def single(self, name: str) -> str | None:
        values = self._values.get(name) if name in self._reader.options else None
        if not values:
            return None
        if len(values) > 1:
            self.add_error(name, "repeated", f"{name} can be used only once", values)
        return values[0]

    def comma_separated(self, name: str) -> str | None:
        """A list as text: clients separate values with commas or repeat the parameter."""
        values = self._values.get(name) if name in self._reader.options else None
        return ",".join(values) if values else None

    def integer(self, name: str, default: int, minimum: int, maximum: int) -> int:
        text = self.single(name)
        if text is None:
            return default
        digits = text.removeprefix("-")
        value = int(text) if digits.isascii() and digits.isdigit() and len(digits) < 20 else None
        if value is None or not minimum <= value <= maximum:
            self.add_error(
                name, "int_range", f"{name} must be an integer from {minimum} to {maximum}", text
            )
            return default
        return value

    def count(self) -> Count:
        text = self.single("count")
        default, *others = self._reader.counts
        for known in (default, *others):
            if text == known:
                return known
        if text is not None:
            names = f"{', '.join(self._reader.counts[:-1])} or {self._reader.counts[-1]}"
            self.add_error("count", "count", f"count must be {names}", text)
        return default

    def fields(self) -> tuple[str, ...] | None:
        text = self.comma_separated("fields")
        if text is None:
            return None
        names = dict.fromkeys(name.strip() for name in text.split(","))
        columns = self._reader.queryable.columns
        for name in [name for name in names if name not in columns][:MAX_UNKNOWN_REPORTED]:
            message = f"Unknown field {name!r}.{did_you_mean(name, columns)}"
            self.add_error("fields", "fields", message, text)
        # In the order of the table, so that the SQL is the same.
        return tuple(name for name in columns if name in names)

    def filters(self, reader: FilterReader) -> None:
        for name, parameter in self._parameters.items():
            reader.parse_parameter(name, self._values[name], parameter)
        where = self.single("where")
        if where is not None:
            reader.parse_where(where)


_NOT_FINGERPRINTED = frozenset(
    ("cursor", "limit", "offset", "count", "fields", "include", "order_by")
)


def _fingerprint(
    queryable: QueryableTable, values_by_name: dict[str, list[str]], ordering: Any
) -> str:
    """The table, ordering and filters as text: see ``Page.fingerprint``."""
    filters = sorted(
        (name, texts) for name, texts in values_by_name.items() if name not in _NOT_FINGERPRINTED
    )
    order = [(sort_column.name, sort_column.descending) for sort_column in ordering]
    return to_json([queryable.shape.name, order, filters]).decode()
