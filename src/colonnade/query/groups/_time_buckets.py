"""``TimeBucket``: the hour, day or longer period of a datetime, in a time zone."""

from datetime import date, datetime
from functools import lru_cache
from typing import Any, get_args

from sqlalchemy import ColumnElement, Date, DateTime, String, bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction

from colonnade._time_buckets import Unit
from colonnade.models import Annotation, ColumnShape, UTCDateTime, value_shape
from colonnade.query._comparisons import quoted
from colonnade.query._paths import FieldPath
from colonnade.query._row_sources import RowSource

UNITS: tuple[Unit, ...] = get_args(Unit)
ZONE_PARAMETER = "zone_"
"""The name of the parameter for the time zone."""

_STEPS = {"hour": "1 hour", "day": "1 day", "week": "7 days", "month": "1 month",
          "quarter": "3 months", "year": "1 year"}  # fmt: skip


class bucket_of(GenericFunction[Any]):  # noqa: N801 - the name of an SQL function
    """The start of a period: the arguments are the value, the unit, and the zone if it matters."""

    inherit_cache = True
    _register = False


class bucket_after(GenericFunction[Any]):  # noqa: N801 - the name of an SQL function
    """The start of a period that is a number of units after another one."""

    inherit_cache = True
    _register = False


@compiles(bucket_of)
def _bucket(element: Any, compiler: Any, **kwargs: Any) -> str:
    value, unit, *zone = (compiler.process(part, **kwargs) for part in element.clauses)
    if zone:
        return f"colonnade_bucket({value}, {unit}, {zone[0]})"
    return {
        "'hour'": f"(substr({value}, 1, 13) || ':00:00.000000')",
        "'day'": f"substr({value}, 1, 10)",
        "'week'": f"date(substr({value}, 1, 10), 'weekday 0', '-6 days')",
        "'month'": f"(substr({value}, 1, 7) || '-01')",
        "'quarter'": f"(substr({value}, 1, 5) || "
        f"printf('%02d-01', (substr({value}, 6, 2) - 1) / 3 * 3 + 1))",
        "'year'": f"(substr({value}, 1, 4) || '-01-01')",
    }[str(unit)]


@compiles(bucket_of, "postgresql")
def _bucket_postgresql(element: Any, compiler: Any, **kwargs: Any) -> str:
    value, unit, *zone = (compiler.process(part, **kwargs) for part in element.clauses)
    has_zone = getattr(element.clauses.clauses[0].type, "timezone", None)
    if has_zone is None:  # a date, which JSON has as text
        return f"CAST(date_trunc({unit}, CAST({value} AS TIMESTAMP)) AS DATE)"
    if has_zone:
        local = f"({value} AT TIME ZONE {f'CAST({zone[0]} AS TEXT)' if zone else repr('UTC')})"
    else:
        local = value
    if unit == "'hour'":
        return f"({value} - ({local} - date_trunc('hour', {local})))"
    return f"CAST(date_trunc({unit}, {local}) AS DATE)"


@compiles(bucket_after)
def _after(element: Any, compiler: Any, **kwargs: Any) -> str:
    start, unit, count = (compiler.process(part, **kwargs) for part in element.clauses)
    number, word = _STEPS[unit.strip("'")].split()
    step = f"(({count}) * {number}) || ' {word}'"
    if word == "hour":
        return f"(strftime('%Y-%m-%d %H:%M:%S', {start}, {step}) || '.000000')"
    return f"date({start}, {step})"


@compiles(bucket_after, "postgresql")
def _after_postgresql(element: Any, compiler: Any, **kwargs: Any) -> str:
    start, unit, count = (compiler.process(part, **kwargs) for part in element.clauses)
    kind = compiler.dialect.type_compiler_instance.process(element.type)
    return f"CAST({start} + ({count}) * INTERVAL '{_STEPS[unit.strip(chr(39))]}' AS {kind})"


class TimeBucket(FieldPath):
    """The period in which a datetime or a date is.

    Args:
        moment: The datetime or date.
        unit: The period.
        zoned: Whether the request names another time zone than UTC.
    """

    def __init__(self, moment: FieldPath, unit: Unit, *, zoned: bool) -> None:
        kind = moment.shape.column.type
        self.zoned = zoned and moment.shape.is_aware
        super().__init__(
            f"{moment.text}.{unit}",
            _bucket_shape(unit, aware=bool(getattr(kind, "timezone", False))),
        )
        self.moment = moment
        self.unit = unit

    def tables(self) -> Any:
        """The related tables of the datetime."""
        return self.moment.tables()

    def sql(self, rows: RowSource) -> ColumnElement[Any]:
        """The start of the period."""
        return self._start(self.moment.canonical_sql(rows))

    def following(self, start: ColumnElement[Any], count: ColumnElement[int]) -> Any:
        """The start of the period that is a number of periods after another one."""
        later: ColumnElement[Any] = bucket_after(
            start, quoted(self.unit), count, type_=self.shape.column.type
        )
        # A change of the clock by half an hour moves the starts of the hours after it.
        return self._start(later) if self.zoned and self.unit == "hour" else later

    def _start(self, value: ColumnElement[Any]) -> ColumnElement[Any]:
        zone: list[ColumnElement[str]] = (
            [bindparam(ZONE_PARAMETER, type_=String())] if self.zoned else []
        )
        start: ColumnElement[Any] = bucket_of(
            value, quoted(self.unit), *zone, type_=self.shape.column.type
        )
        return start

    def canonical_sql(self, rows: RowSource) -> ColumnElement[Any]:
        """The start of the period, which has one form only."""
        return self.sql(rows)


@lru_cache
def _bucket_shape(unit: Unit, *, aware: bool) -> ColumnShape:
    if unit != "hour":
        return value_shape("day", Annotation.of(date), Date())
    return value_shape("hour", Annotation.of(datetime), UTCDateTime() if aware else DateTime())


def units_of(shape: ColumnShape) -> tuple[Unit, ...]:
    """The periods of the values of a shape; none if they are not dates or datetimes."""
    if shape.kind == "datetime":
        return UNITS
    return UNITS[1:] if shape.kind == "date" else ()
