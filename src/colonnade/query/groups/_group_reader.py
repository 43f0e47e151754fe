"""``GroupReader``: parses the query string of an aggregate request to a ``GroupedPage``."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast
from zoneinfo import ZoneInfo

from pydantic_core import to_json

from colonnade._time_buckets import Unit, bucket_start, first_day
from colonnade.errors import ModelError
from colonnade.models import RelationShape
from colonnade.query._aggregate_functions import FUNCTIONS, functions_of
from colonnade.query._computed_fields import ComputedField
from colonnade.query._cursors import read_cursor
from colonnade.query._filter_reader import FilterReader
from colonnade.query._filters import All, AnyOf, Compare, Filter, Node, Not, Related
from colonnade.query._ordering import Ordering, read_sort_columns
from colonnade.query._parameters import OPTIONS, PageReader, QueryStringParser
from colonnade.query._path_reader import PathError, read_path
from colonnade.query._paths import FieldPath
from colonnade.query._queryable_tables import QueryableTable, did_you_mean
from colonnade.query._related_aggregates import RelatedAggregate
from colonnade.query._scopes import NO_SCOPES, Scopes
from colonnade.query.groups._grouped_pages import GroupedPage
from colonnade.query.groups._grouping import GroupColumn, Grouping, Measure
from colonnade.query.groups._serialized_fields import is_serialized
from colonnade.query.groups._time_buckets import UNITS, TimeBucket, units_of
from colonnade.query.inside_json._json_paths import JSONPath

GROUP_OPTIONS = frozenset(
    ("aggregate", "cursor", "fill", "group_by", "having", "limit", "order_by", "tz", "where")
)
"""The parameters of an aggregate request that are not filters."""

MAX_KEYS = 8
"""The maximum number of fields to group by."""

MAX_MEASURES = 20
"""The maximum number of aggregates in a request."""


class GroupReader:
    """Parses the query strings of aggregate requests for one table.

    Args:
        queryable: The table, and the columns and relations that requests can use.
        max_limit: The maximum number of groups in a page.
        exclude: The public names of columns that can be neither grouped nor aggregated.
        for_requests: Whether requests name the fields, rather than a program. They get no values
            that the read schema serializes, and no column may have the name of a parameter.

    Raises:
        ModelError: A name in ``exclude`` is not a column, or a column has the name of a parameter.
    """

    def __init__(
        self,
        queryable: QueryableTable,
        *,
        max_limit: int = 1000,
        exclude: Collection[str] = (),
        for_requests: bool = True,
    ) -> None:
        self.queryable = queryable
        self.page_reader = PageReader(queryable, max_limit=max_limit, options=GROUP_OPTIONS)
        self.max_limit = max_limit
        self.fields = _Fields(queryable, frozenset(exclude), for_requests=for_requests)
        hidden = sorted(queryable.columns.keys() & (GROUP_OPTIONS - OPTIONS))
        if hidden and for_requests:
            raise ModelError(
                f"{queryable.shape.model.__name__}.{hidden[0]} has the name of a parameter of "
                f"aggregates, which would hide its filter. Rename the field, or leave aggregate "
                f"out of operations."
            )

    def knows(self, name: str) -> bool:
        """Whether a query parameter is an option or a filter of this table."""
        return self.page_reader.knows(name)

    def read(
        self, query: Sequence[tuple[str, str]], scopes: Scopes = NO_SCOPES, url: str = ""
    ) -> GroupedPage:
        """Parse a query string.

        Args:
            query: The decoded names and values, in order.
            scopes: The scopes of the request.
            url: Path and query string of the request, for links to other pages.

        Raises:
            QueryError: Parameters are unknown or invalid; the error lists all of them.
        """
        values_by_name: dict[str, list[str]] = {}
        for name, value in query:
            values_by_name.setdefault(name, []).append(value)
        parser = QueryStringParser(self.page_reader, values_by_name)
        limit = parser.integer("limit", self.page_reader.default_limit, 1, self.max_limit)
        zone = self._zone(parser)
        grouping = self._grouping(parser, zone)
        filters = FilterReader(self.queryable)
        parser.filters(filters)
        conditions: Filter = parser.collect_errors(filters.finish) or Filter()
        having: Filter = parser.collect_errors(lambda: self._having(parser, grouping)) or Filter()
        order_by = parser.comma_separated("order_by")
        ordering = parser.collect_errors(lambda: _ordering(order_by, grouping))
        cursor = parser.single("cursor")
        parser.finish()
        fingerprint = _fingerprint(self.queryable, values_by_name, ordering)
        return GroupedPage(
            queryable=self.queryable,
            filter=conditions,
            ordering=ordering,
            limit=limit,
            position=None if cursor is None else read_cursor(cursor, fingerprint, ordering),
            scopes=scopes,
            fingerprint=fingerprint,
            url=url,
            grouping=grouping,
            having=having,
            zone=zone,
            bounds=_bounds(grouping, conditions, zone) if grouping.fill else (None, None),
        )

    def regrouped(
        self, page: Any, group_by: Sequence[str], aggregate: Sequence[str], zone: str = "UTC"
    ) -> GroupedPage:
        """The groups of the rows of a page: see ``Resource.aggregate``.

        Args:
            page: The page, whose ordering, limit and position do not count.
            group_by: The fields to group by.
            aggregate: The aggregates.
            zone: The time zone of the buckets.

        Raises:
            QueryError: A field cannot be grouped or aggregated.
        """
        query = [("aggregate", ",".join(aggregate)), ("tz", zone)]
        if group_by:
            query.append(("group_by", ",".join(group_by)))
        grouped = self.read(query, page.scopes)
        return replace(
            grouped, filter=page.filter, conditions=page.conditions, limit=self.max_limit
        )

    def _zone(self, parser: QueryStringParser) -> str:
        name = parser.single("tz")
        if name is None:
            return "UTC"
        try:
            ZoneInfo(name)
        except (ValueError, OSError, LookupError):
            message = f"Unknown time zone {name!r}. Use an IANA name such as UTC or Europe/Berlin"
            parser.add_error("tz", "time_zone", message, name)
            return "UTC"
        return name

    def _grouping(self, parser: QueryStringParser, zone: str) -> Grouping:
        keys = self._paths(parser, "group_by", lambda name: self.fields.key(name, zone))
        if len(keys) > MAX_KEYS:
            message = f"A request can group by at most {MAX_KEYS} fields"
            parser.add_error("group_by", "too_long", message, None)
        measures = self._paths(parser, "aggregate", self.fields.measure)
        if parser.comma_separated("aggregate") is None:
            message = "Name at least one aggregate, such as aggregate=count"
            parser.add_error("aggregate", "missing", message, None)
        key_names = {key.text for key in keys}
        for measure in measures:
            if measure.text in key_names:
                message = f"{measure.text} is in group_by, too"
                parser.add_error("aggregate", "repeated", message, measure.text)
        if len(measures) > MAX_MEASURES:
            message = f"A request can have at most {MAX_MEASURES} aggregates"
            parser.add_error("aggregate", "too_long", message, None)
        fill = _flag(parser, "fill")
        buckets = [key for key in keys if isinstance(key, TimeBucket)]
        if fill and len(buckets) != 1:
            message = "fill needs one time bucket in group_by, such as created_at.month"
            parser.add_error("fill", "fill", message, None)
        return Grouping(
            tuple(keys[:MAX_KEYS]),
            tuple(cast(Measure, measure) for measure in measures[:MAX_MEASURES]),
            fill and len(buckets) == 1,
        )

    def _paths(self, parser: QueryStringParser, option: str, read: Any) -> list[FieldPath]:
        paths: dict[str, FieldPath] = {}
        text = parser.comma_separated(option)
        for name in [] if text is None else text.split(","):
            try:
                path = read(name.strip())
            except PathError as error:
                parser.add_error(option, option, str(error), name)
                continue
            if path.text in paths:
                parser.add_error(option, "repeated", f"{path.text} occurs twice", name)
            paths[path.text] = path
        return list(paths.values())

    def _having(self, parser: QueryStringParser, grouping: Grouping) -> Filter:
        text = parser.single("having")
        columns = {column.text.replace(".", "__"): column for column in grouping.measure_columns}
        groups = replace(
            self.queryable, columns={}, relations={}, paths=columns, aggregates={}, fields={}
        )
        reader = HavingReader(groups)
        if text is not None:
            reader.parse_where(text, "having")
        return reader.finish()


class HavingReader(FilterReader):
    """Parses conditions on the aggregates of a request."""

    def unknown_field(self, name: str, queryable: QueryableTable) -> str:
        """The message for a name that is not an aggregate of the request."""
        measures = ", ".join(queryable.paths)
        return f"{name} is not an aggregate of this request. It has {measures}"


class _Fields:
    """The fields that can be grouped and aggregated.

    Args:
        queryable: The table.
        exclude: The public names of columns that cannot.
        for_requests: Whether requests name the fields.
    """

    def __init__(
        self, queryable: QueryableTable, exclude: frozenset[str], *, for_requests: bool
    ) -> None:
        self.queryable = queryable
        self.exclude = exclude
        self._for_requests = for_requests
        # Another schema of the Resource may have a column that this one lacks.
        unknown = sorted(exclude - queryable.columns.keys() - queryable.shape.columns.keys())
        if unknown:
            raise ModelError(
                f"aggregate_exclude names {unknown[0]!r}, which is not a column of "
                f"{queryable.read.__name__}.{did_you_mean(unknown[0], queryable.columns)}"
            )

    def key(self, text: str, zone: str) -> FieldPath:
        """Read a field to group by, such as ``status`` or ``created_at.month``.

        Raises:
            PathError: Rows cannot be grouped by it.
        """
        outer, _, last = text.rpartition(".")
        try:
            path = self._value(text, self.queryable)
        except PathError as error:
            if last in UNITS and outer:
                return self._bucket(outer, last, zone)
            moment = self._moment(outer)
            if moment is None:
                raise PathError(f"Cannot group by {text!r}: {error}") from None
            units = ", ".join(units_of(moment.shape))
            raise PathError(f"{last!r} is not a time bucket. Use one of {units}") from None
        is_decimal = isinstance(path, ComputedField) and path.shape.kind == "decimal"
        if "count_distinct" not in functions_of(path.shape) or _is_container(path) or is_decimal:
            raise PathError(f"Cannot group by {text}: its values cannot be compared")
        return path

    def _moment(self, text: str) -> FieldPath | None:
        """The date or datetime of a path; None if it is another field."""
        try:
            path = self._field(text, self.queryable)
        except PathError:
            return None
        return path if units_of(path.shape) else None

    def _bucket(self, text: str, unit: Unit, zone: str) -> FieldPath:
        path = self._value(text, self.queryable)
        if unit not in units_of(path.shape):
            allowed = ", ".join(units_of(path.shape))
            hint = f" Use one of {allowed}" if allowed else " It is not a date or a datetime"
            raise PathError(f"{text} has no bucket {unit!r}.{hint}")
        return TimeBucket(path, unit, zoned=zone != "UTC")

    def measure(self, text: str) -> FieldPath:
        """Read an aggregate, such as ``count`` or ``assignments.hours.sum``.

        Raises:
            PathError: It cannot be computed.
        """
        *names, last = text.split(".")
        function = next((known for known in FUNCTIONS if known == last), None)
        if function is None:
            raise PathError(
                f"{text!r} does not end with a function. Use one of {', '.join(FUNCTIONS)}."
            )
        declared = self.queryable.aggregates.get(text)
        if isinstance(declared, RelatedAggregate):
            self._refuse_excluded(declared, text)
            return Measure(text, declared.relations, declared.function, declared.field)
        relations, queryable, rest = self._relations(names, self.queryable)
        if not rest:
            if function != "count":
                raise PathError(f"{text} needs a field: {'.'.join((*names, '<field>', function))}")
            return Measure(text, relations, function, None)
        read = self._field if function == "count" else self._value
        field = read(".".join(rest), queryable)
        if isinstance(field, RelatedAggregate):
            raise PathError(f"{field.text} is an aggregate: it cannot be aggregated again")
        if isinstance(field, ComputedField):
            raise PathError(f"{field.text} is computed for each row: it cannot be aggregated")
        if function not in functions_of(field.shape):
            known = ", ".join(functions_of(field.shape))
            raise PathError(f"{function} does not apply to {'.'.join(names)}. Use one of {known}")
        return Measure(text, relations, function, field)

    def _relations(
        self, names: list[str], queryable: QueryableTable
    ) -> tuple[tuple[RelationShape, ...], QueryableTable, list[str]]:
        """The relations that a path crosses, the last one's table, and the rest of the path."""
        relations: list[RelationShape] = []
        for index, name in enumerate(names):
            target = queryable.relations.get(name)
            if target is None:
                return tuple(relations), queryable, names[index:]
            relations.append(target.relation)
            queryable = target.queryable
        return tuple(relations), queryable, []

    def _field(self, text: str, queryable: QueryableTable) -> FieldPath:
        path = read_path(text, queryable)
        self._refuse_excluded(path, text)
        return path

    def _value(self, text: str, queryable: QueryableTable) -> FieldPath:
        """Read a field whose values the response shows, as the database has them.

        Raises:
            PathError: The read schema shows other values.
        """
        path = self._field(text, queryable)
        if self._for_requests:
            _, owner, names = self._relations(text.split("."), queryable)
            column = owner.columns.get(names[0]) if names else None
            if column is not None and is_serialized(owner.read, column.name):
                raise PathError(f"{text} has a serializer, so it can only be counted")
        return path

    def _refuse_excluded(self, path: FieldPath, text: str) -> None:
        """Refuse an excluded field, also where relations lead back to the table."""
        columns = self.queryable.shape.columns
        public = self.queryable.columns
        excluded = [public.get(name) or columns[name] for name in self.exclude]
        if not {shape.column for shape in excluded}.isdisjoint(path.columns()):
            raise PathError(f"{text} can be neither grouped nor aggregated")


def _is_container(path: FieldPath) -> bool:
    return isinstance(path, JSONPath) and path.type.form != "scalar"


def _flag(parser: QueryStringParser, name: str) -> bool:
    text = parser.single(name)
    if text is not None and text not in {"true", "false"}:
        parser.add_error(name, "bool_parsing", f"{name} must be true or false", text)
    return text == "true"


def _ordering(text: str | None, grouping: Grouping) -> Ordering:
    columns: Mapping[str, GroupColumn] = {column.text: column for column in grouping.columns}

    def read(name: str) -> FieldPath:
        if name not in columns:
            raise PathError(
                f"{name!r} is neither in group_by nor in aggregate.{did_you_mean(name, columns)}"
            )
        return columns[name]

    return read_sort_columns(text, read, grouping.key_columns)


def _fingerprint(
    queryable: QueryableTable, values_by_name: dict[str, list[str]], ordering: Ordering
) -> str:
    parameters = sorted(
        (name, texts) for name, texts in values_by_name.items() if name not in {"cursor", "limit"}
    )
    order = [(sort_column.name, sort_column.descending) for sort_column in ordering]
    return to_json(["aggregate", queryable.shape.name, order, parameters]).decode()


def _bounds(grouping: Grouping, conditions: Filter, zone: str) -> tuple[Any, Any]:
    """The first and the last bucket that the filters of its datetime allow.

    If they allow no value, the last one is before the first.
    """
    bucket = next(key for key in grouping.keys if isinstance(key, TimeBucket))
    first = last = None
    for compare, value in _compared(conditions.node, iter(conditions.values)):
        if compare.path != bucket.moment:
            continue
        if compare.operator in {"gt", "gte", "eq"}:
            least = _stepped(value, int(compare.operator == "gt"))
            first = least if first is None else max(first, least)
        if compare.operator in {"lt", "lte", "eq"}:
            greatest = _stepped(value, -int(compare.operator == "lt"))
            last = greatest if last is None else min(last, greatest)
    buckets = _start(first, bucket, zone), _start(last, bucket, zone)
    if first is not None and last is not None and first > last and None not in buckets:
        return max(buckets), _before(max(buckets))
    return buckets


_SMALLEST: Mapping[type[Any], timedelta] = {
    datetime: timedelta(microseconds=1),
    date: timedelta(days=1),
}


def _stepped(value: Any, step: int) -> Any:
    """The next value (1), the one before (-1) or the value itself (0); itself at the ends too."""
    with suppress(OverflowError):
        return value + step * _SMALLEST[type(value)]
    return value


def _start(value: Any, bucket: TimeBucket, zone: str) -> Any:
    """The bucket of a value; None without one, and outside of the years 1 to 9999."""
    if value is None:
        return None
    try:
        if not isinstance(value, datetime):
            return first_day(value, bucket.unit)
        moment = value.astimezone(UTC) if value.tzinfo is not None else value
        return bucket_start(moment, bucket.unit, zone if bucket.zoned else None)
    except OverflowError:
        return None


def _before(start: Any) -> Any:
    """A time before a bucket; the bucket itself at the beginning of the calendar."""
    with suppress(OverflowError):
        return start - (timedelta(hours=1) if isinstance(start, datetime) else timedelta(days=1))
    return start


def _compared(
    node: Node, values: Iterator[Any], *, applies: bool = True
) -> Iterator[tuple[Compare, Any]]:
    """The comparisons that hold for every row, with their values."""
    if isinstance(node, Compare):
        value = None if node.operator == "is_null" else next(values)
        if applies:
            yield node, value
    elif isinstance(node, All):
        for child in node.all:
            yield from _compared(child, values, applies=applies)
    elif isinstance(node, AnyOf):
        for child in node.any:
            yield from _compared(child, values, applies=False)
    elif isinstance(node, Not):
        yield from _compared(node.negated, values, applies=False)
    elif isinstance(node, Related):
        yield from _compared(node.condition, values, applies=False)
