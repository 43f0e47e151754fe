"""Values that a column takes, made up."""

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
from colonnade.models import ColumnShape, Shape, schemas

TRIES = 100
"""How often a value is made anew when it is not accepted, or a unique column has it already."""

FIRST, YEARS = datetime(2000, 1, 1), 25
"""Moments are from these years, whatever time it is: the same values each time a test runs."""

REPEATED = 4
"""How often what a pattern repeats is repeated at most, so that texts stay short."""


def made_up(shape: Shape, column: ColumnShape) -> Any:
    """A value that the column takes, and no row of the test has if it is unique."""
    name = f"{shape.model.__name__}.{column.name}"
    factory = _factory(shape, column.name)
    for _ in range(TRIES):
        try:
            value = factory.build().value
        except ValidationError:  # a pattern that does not end where its length does, a validator
            continue
        if not (column.unique or column.primary_key) or value is None:
            return value
        if (name, value) not in _taken:
            _taken.add((name, value))
            return value
    raise FixtureError(f"No value was found for {name} that it takes, and no row has: give one.")


_taken: set[tuple[str, Any]] = set()
_seeded_by: str | None = None


def seed(test: str) -> None:
    """Begin anew with each test: the same values each time it runs, alone or among others."""
    global _seeded_by  # noqa: PLW0603 - one test runs at a time
    if test == _seeded_by:
        return
    _seeded_by = test
    _taken.clear()
    _Factory.seed_random(int.from_bytes(blake2b(test.encode(), digest_size=4).digest()))


class _Factory(ModelFactory[BaseModel]):
    __is_base_factory__ = True
    __check_model__ = False

    @classmethod
    def get_provider_map(cls) -> dict[Any, Callable[[], Any]]:
        """Faker's, but for those that depend on what time it is."""

        def moment() -> datetime:
            return FIRST + timedelta(seconds=cls.__random__.randrange(YEARS * 365 * 86_400))

        return {
            **super().get_provider_map(),
            datetime: moment,
            NaiveDatetime: moment,
            AwareDatetime: lambda: moment().replace(tzinfo=UTC),
            date: lambda: moment().date(),
            time: lambda: moment().time(),
            timedelta: lambda: moment() - FIRST,
        }


@lru_cache(maxsize=4096)
def _factory(shape: Shape, name: str) -> Any:
    """What makes values up for a column."""
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
        return RegexFactory(random=_Factory.__random__, limit=REPEATED)(str(pattern))

    arguments = {} if pattern is None else {"value": text}
    make_factory: Callable[..., Any] = _Factory.create_factory
    return make_factory(values, **arguments)
