"""Random values that are valid for a column."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from polyfactory.factories.pydantic_factory import ModelFactory
from polyfactory.value_generators.regex import RegexFactory
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    NaiveDatetime,
    ValidationError,
    create_model,
)
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from colonnade.errors import FixtureError
from colonnade.models import Bounds, ColumnShape, Shape, schemas

MAX_ATTEMPTS = 100
"""How many values are tried until one is valid, and new in a unique column."""

FIRST_DATE, YEARS = datetime(2000, 1, 1), 25
"""The range of dates and times. It does not depend on the clock, so that values are repeatable."""

MAX_REPEATS = 4
"""The most repetitions for ``*`` and ``+`` in a pattern, so that texts stay short."""


def random_value(shape: Shape, column: ColumnShape) -> Any:
    """A random valid value for a column. For a unique column it differs from those before it."""
    name = f"{shape.model.__name__}.{column.name}"
    factory = _factory(shape, column.name)
    for _ in range(MAX_ATTEMPTS):
        try:
            value = factory.build().value
        except ValidationError:  # polyfactory does not know validators, nor pattern with length
            continue
        if not (column.unique or column.primary_key) or value is None:
            return value
        if (name, value) not in _used:
            _used.add((name, value))
            return value
    unique = " and unused" if column.unique or column.primary_key else ""
    raise FixtureError(
        f"Could not generate a valid{unique} value for {name} in {MAX_ATTEMPTS} attempts. "
        f"Pass {column.name}=..."
    )


_used: set[tuple[str, Any]] = set()
_seeded_by: str | None = None


def seed(test: str) -> None:
    """Seed the values with the name of the test, so that it gets the same ones on each run."""
    global _seeded_by  # noqa: PLW0603 - one test runs at a time
    if test == _seeded_by:
        return
    _seeded_by = test
    _used.clear()
    _Factory.seed_random(int.from_bytes(blake2b(test.encode(), digest_size=4).digest()))


class _Factory(ModelFactory[BaseModel]):
    __is_base_factory__ = True
    __check_model__ = False

    @classmethod
    def get_provider_map(cls) -> dict[Any, Callable[[], Any]]:
        """Polyfactory's providers, with dates and times that do not depend on the clock."""

        def moment() -> datetime:
            return FIRST_DATE + timedelta(seconds=cls.__random__.randrange(YEARS * 365 * 86_400))

        return {
            **super().get_provider_map(),
            datetime: moment,
            NaiveDatetime: moment,
            AwareDatetime: lambda: moment().replace(tzinfo=UTC),
            date: lambda: moment().date(),
            time: lambda: moment().time(),
            timedelta: lambda: moment() - FIRST_DATE,
        }


@lru_cache(maxsize=4096)
def _factory(shape: Shape, name: str) -> Any:
    """The polyfactory factory for values of a column."""
    column = shape.columns[name]
    field = schemas(shape.model).create.model_fields.get(name) or column.field
    bare = FieldInfo.merge_field_infos(field, default=PydanticUndefined, default_factory=None)
    annotation: Any = field.annotation
    values = create_model(
        f"{shape.model.__name__}Value",
        __config__=ConfigDict(arbitrary_types_allowed=True),
        value=(annotation, bare),
    )
    pattern = column.bounds.pattern

    def text() -> str:
        return RegexFactory(random=_Factory.__random__, limit=MAX_REPEATS)(str(pattern))

    within = _time_within(column.bounds)
    value = within if pattern is None else text
    arguments = {} if value is None else {"value": value}
    make_factory: Callable[..., Any] = _Factory.create_factory
    return make_factory(values, **arguments)


def _time_within(bounds: Bounds) -> Callable[[], Any] | None:
    """A function for a date, a datetime or a duration in bounds, which polyfactory cannot make.

    None for other values, and without bounds.
    """
    limits = _given(bounds.ge, bounds.gt, bounds.le, bounds.lt)
    if not limits or not isinstance(limits[0], date | timedelta):
        return None
    is_date = isinstance(limits[0], date) and not isinstance(limits[0], datetime)
    unit = timedelta(days=1) if is_date else timedelta.resolution
    span = timedelta(days=YEARS * 365)
    lowest = _given(bounds.ge) + [limit + unit for limit in _given(bounds.gt)]
    highest = _given(bounds.le) + [limit - unit for limit in _given(bounds.lt)]
    low = max(lowest) if lowest else _shifted(min(highest), -span)
    high = min(highest) if highest else _shifted(low, span)
    units = max((high - low) // unit, 0)
    return lambda: low + unit * _Factory.__random__.randrange(units + 1)


def _given(*limits: Any) -> list[Any]:
    return [limit for limit in limits if limit is not None]


def _shifted(limit: Any, span: timedelta) -> Any:
    """A limit moved by a span, at most to the first or last value of its type."""
    try:
        return limit + span
    except OverflowError:
        end = type(limit).max if span > timedelta(0) else type(limit).min
        return end.replace(tzinfo=limit.tzinfo) if isinstance(limit, datetime) else end
