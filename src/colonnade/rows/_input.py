"""Input to values: what a request says of a row, as what its columns are given."""

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import cached_property
from itertools import islice
from types import MappingProxyType
from typing import Annotated, Any

from annotated_types import Ge, Le
from pydantic import MISSING, AliasChoices, AliasPath, BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticKnownError, from_json, to_json
from sqlalchemy import Numeric

from colonnade.errors import QueryError
from colonnade.models import (
    ColumnShape,
    Shape,
    local_as_utc,
    require_storable,
    require_storable_json,
    schemas,
)
from colonnade.query import value_adapter

InputError = QueryError
"""What a body that cannot be taken raises: its ``errors`` are as FastAPI writes them."""

MOST_ERRORS = 20
"""Errors of one request that are made and answered: a body of 4 MiB can have two million."""

MOST_LOCATED = 20_000
"""Errors of Pydantic's of which some are answered: it makes all of them, or none."""

MOST_DIGITS = 500
"""Digits of a number that is rounded: what has more fits no column, and the database says so."""


_UNREADABLE: Any = object()
"""Instead of a body that is not JSON, or has numbers that JSON has not."""

NOTHING: Mapping[str, Any] = MappingProxyType({})

_JSON_TYPES: dict[str, tuple[tuple[type, ...], str]] = {
    "integer": ((int, float), "int_type"),
    "float": ((int, float), "float_type"),
    "decimal": ((int, float, str), "decimal_type"),
    "boolean": ((bool,), "bool_type"),
    "datetime": ((str,), "datetime_type"),
    "date": ((str,), "date_type"),
    "time": ((str,), "time_type"),
    "timedelta": ((str,), "time_delta_type"),
}


class Inputs:
    """Reads the bodies of requests about one table.

    Args:
        shape: The table.
        schema: What a body may say.
        whole: Whether it says all of a row, so that the model validates it as well.
    """

    def __init__(self, shape: Shape, schema: type[BaseModel], *, whole: bool) -> None:
        self.shape = shape
        self.schema = schema
        self._derived = schema in (schemas(shape.model).create, schemas(shape.model).update)
        self._whole = whole
        self._types = dict(self._json_types())
        self._decimals = {
            name: _long_number(name)
            for name, (_, kind) in self._types.items()
            if kind == "decimal_type"
        }
        # The fields that are columns, and whether a value of None leaves one to its default.
        self._columns = {
            name: not shape.columns[name].nullable and shape.columns[name].has_default
            for name in schema.model_fields
            if name in shape.columns
        }
        self._moments = [
            name
            for name in self._columns
            if shape.columns[name].is_aware and schema.model_fields[name].default_factory
        ]
        self._names = {name: _json_name(name, field) for name, field in schema.model_fields.items()}
        # A schema that does not say what it does with unknown fields has them refused.
        self._known = None if schema.model_config.get("extra") else set(_known(schema))
        self._checks = {
            name: check
            for name, column in shape.columns.items()
            # Schemas of ours check text themselves.
            if not (self._derived and column.kind == "text")
            and (check := _check(column)) is not None
        }

    def _json_types(self) -> Iterator[tuple[str, tuple[tuple[type, ...], str]]]:
        """By the name in JSON, the types a value may have there, and Pydantic's name for others.

        Pydantic takes ``true`` for 1 and a number for a moment; the documented schema does not.
        """
        for name, field in self.schema.model_fields.items():
            column = self.shape.columns.get(name)
            if column is not None and column.kind in _JSON_TYPES and column.accepts(field):
                yield _json_name(name, field), _JSON_TYPES[column.kind]

    def read(
        self,
        body: bytes,
        loc: tuple[Any, ...] = ("body",),
        scope_values: Mapping[str, Any] = NOTHING,
    ) -> dict[str, Any]:
        """The values of a body that is JSON, by field: see ``parse`` and ``values``.

        Raises:
            QueryError: The schema, the model or a column does not take it.
        """
        return self.values(self.parse(body, loc, scope_values), loc, scope_values)

    def parse(
        self,
        body: bytes,
        loc: tuple[Any, ...] = ("body",),
        scope_values: Mapping[str, Any] = NOTHING,
    ) -> BaseModel:
        """A body that is JSON, as an instance of the schema.

        Args:
            body: The body.
            loc: Where it is in the request, for messages.
            scope_values: Values by field that the scope sets; a body may leave them out.

        Raises:
            QueryError: The schema does not take it.
        """
        instance: BaseModel = self._parsed(self.schema.model_validate_json, body, loc, scope_values)
        return instance

    def parse_list(
        self,
        body: bytes,
        most: int,
        loc: tuple[Any, ...] = ("body",),
        scope_values: Mapping[str, Any] = NOTHING,
    ) -> list[BaseModel]:
        """A body that is a JSON array, as instances of the schema.

        Args:
            body: The body.
            most: Rows that it may have.
            loc: Where it is in the request, for messages.
            scope_values: Values by field that the scope sets; a body may leave them out.

        Raises:
            QueryError: It has more rows, or none, or the schema does not take one of them.
        """
        parse = self._several.validate_json
        instances: list[BaseModel] = self._parsed(parse, body, loc, scope_values, most=most)
        return instances

    @cached_property
    def _several(self) -> TypeAdapter[Any]:
        # A type that is known when it runs.
        several: Any = list[self.schema]  # type: ignore[name-defined]  # made here
        return TypeAdapter(several)

    def _parsed(
        self,
        parse: Callable[[bytes], Any],
        body: bytes,
        loc: tuple[Any, ...],
        scope_values: Mapping[str, Any],
        *,
        most: int | None = None,
    ) -> Any:
        if not body:
            raise QueryError([_wrong("missing", loc, "A JSON body is required", None)])
        try:
            raw = self.parse_json(body)
        except ValueError:
            raw = _UNREADABLE
        except RecursionError:
            raise QueryError([_wrong("too_deep", loc, "JSON is nested too deeply", None)]) from None
        if most is not None and isinstance(raw, list):
            refuse_size(len(raw), most, loc)  # before each row is looked at
        if raw is not _UNREADABLE and self._has_long_number(body):
            body = to_json(raw)
        try:
            parsed = parse(self._told(body, raw, scope_values))
        except ValidationError as error:
            raise QueryError(located(error, loc)) from None
        except RecursionError:
            raise QueryError([_wrong("too_deep", loc, "JSON nested too deep", None)]) from None
        if raw is _UNREADABLE:
            message = "JSON has no NaN and no Infinity"
            raise QueryError([_wrong("finite_number", loc, message, None)])
        rows = [(loc, raw)]
        if isinstance(raw, list):
            rows = [((*loc, index), row) for index, row in enumerate(raw)]
        misfits = (
            error
            for where, row in rows
            if isinstance(row, dict)
            for error in self._misfits(row, where)
        )
        errors = list(islice(misfits, MOST_ERRORS))
        if errors:
            raise QueryError(errors)
        return parsed

    def parse_json(self, body: bytes) -> Any:
        """JSON, with decimals as text where they have more digits than a double keeps.

        Raises:
            ValueError: It is not JSON.
        """
        if not self._has_long_number(body):
            return from_json(body, allow_inf_nan=False)
        raw = json.loads(body, parse_float=_number, parse_constant=_not_finite)
        for row in raw if isinstance(raw, list) else [raw]:
            for name in self._decimals if isinstance(row, dict) else ():
                value = row.get(name)
                if isinstance(value, LongNumber):
                    row[name] = value.text
        return raw

    def _has_long_number(self, body: bytes) -> bool:
        """Whether a decimal may have more digits than a double keeps."""
        for pattern in self._decimals.values():  # noqa: SIM110 - half the time of any()
            if pattern.search(body) is not None:
                return True
        return False

    def _told(self, body: bytes, raw: Any, scope_values: Mapping[str, Any]) -> bytes:
        """The body, with what the schema asks for and somebody else says."""
        fields = self.schema.model_fields
        additions = {
            _json_name(name, fields[name]): value
            for name, value in scope_values.items()
            if name in fields and fields[name].is_required()
        }
        if not additions or raw is _UNREADABLE:
            return body  # which is what the schema is going to say
        rows = raw if isinstance(raw, list) else [raw]
        completed = [additions | row if isinstance(row, dict) else row for row in rows]
        return to_json(completed if isinstance(raw, list) else completed[0])

    def _misfits(self, row: dict[str, Any], loc: tuple[Any, ...]) -> Iterator[dict[str, Any]]:
        """What Pydantic takes though it is not documented: another type in JSON, unknown fields."""
        for name, value in row.items():
            expected = self._types.get(name)
            if expected is None or value is None:
                continue
            types, kind = expected
            if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
                # One of the names in _JSON_TYPES, which are Pydantic's.
                message = PydanticKnownError(kind).message()  # type: ignore[arg-type]  # a Literal
                yield _wrong(kind, (*loc, name), message, None)
        if self._known is not None and not row.keys() <= self._known:
            for name in row.keys() - self._known:
                message = "Extra inputs are not permitted"
                yield _wrong("extra_forbidden", (*loc, name), message, None)

    def values(
        self,
        instance: BaseModel,
        loc: tuple[Any, ...] = ("body",),
        scope_values: Mapping[str, Any] = NOTHING,
    ) -> dict[str, Any]:
        """The values that an instance of the schema gives, checked against their columns.

        Args:
            made: The instance.
            loc: Where it is in the request, for messages.
            scope_values: Values by field that the scope sets. A default does not override them; a
                value in the body does.
        """
        fields_set = instance.model_fields_set
        named: Iterable[str] = self._columns
        if not self._whole:
            named = fields_set & self._columns.keys()
        elif scope_values:
            named = [
                name for name in self._columns if name in fields_set or name not in scope_values
            ]
        values = {}
        for name in named:
            value = getattr(instance, name)
            if value is MISSING or (value is None and self._whole and self._columns[name]):
                continue
            values[name] = value
        for name in self._moments:
            # A default's: what a body gives has an offset.
            value = values.get(name)
            if isinstance(value, datetime) and value.tzinfo is None and name not in fields_set:
                values[name] = local_as_utc(value, self.shape.model, name)
        if not self._derived:
            values |= self.validated(values, loc) if self._whole else self._changes(values, loc)
        return self.checked(values, loc)

    def _changes(self, values: dict[str, Any], loc: tuple[Any, ...]) -> dict[str, Any]:
        """Changes that a schema of the program's own took, as the table's own would take them.

        Not those of a field that it has of a base of the table's: it has its rules with it.
        """
        model, update = self.shape.model, schemas(self.shape.model).update
        shared = [base for base in model.__mro__ if base in self.schema.__mro__]
        known = {name for base in shared for name in getattr(base, "model_fields", ())}
        extra = {name: value for name, value in values.items() if name not in known}
        body = {
            _json_name(name, update.model_fields[name]): value
            for name, value in extra.items()
            if name in update.model_fields
        }
        try:
            instance = update.model_validate(body)
        except ValidationError as error:
            raise QueryError(located(error, loc)) from None
        return {name: getattr(instance, name) for name in instance.model_fields_set}

    def validated(self, values: dict[str, Any], loc: tuple[Any, ...] = ("body",)) -> dict[str, Any]:
        """The values as the model itself validates them.

        Raises:
            QueryError: It does not accept them.
        """
        fields = self.shape.model.model_fields
        body = {_json_name(name, fields[name]): value for name, value in values.items()}
        try:
            row = self.shape.model.model_validate(body)
        except ValidationError as error:
            raise QueryError(located(error, loc)) from None
        return {name: getattr(row, name) for name in values}

    def checked(self, values: dict[str, Any], loc: tuple[Any, ...] = ("body",)) -> dict[str, Any]:
        """The values, each fit for its column.

        Raises:
            QueryError: One is not: a NUL in text, a moment without an offset, a number that is
                too wide.
        """
        errors: list[dict[str, Any]] = []
        for name, value in values.items():
            check = self._checks.get(name)
            where = (*loc, self._names.get(name, name))
            if value is None:
                if not self.shape.columns[name].nullable:
                    message = "Input should not be null"
                    errors.append(_wrong("not_null", where, message, None))
                continue
            if check is None:
                continue
            try:
                values[name] = check(value)
            except ValidationError as error:
                errors += located(error, where)
            except (ValueError, OverflowError, RecursionError) as error:
                errors.append(_wrong("value_error", where, str(error), None))
        if errors:
            raise QueryError(errors)
        return values


class LongNumber(float):
    """A number of JSON that a double does not hold to its last digit.

    Attributes:
        text: How it was written.
    """

    text: str


def _long_number(name: str) -> re.Pattern[bytes]:
    """What finds a number of so many digits, or an exponent, under a name in JSON.

    It begins with the name, which is searched for as fast as memory is read.
    """
    return re.compile(re.escape(to_json(name)) + rb"\s*:\s*-?(?:[0-9.]{16}|[0-9.]*[eE])")


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    if Decimal(repr(number)) == Decimal(text):
        return number
    long = LongNumber(number)
    long.text = text
    return long


def _not_finite(name: str) -> float:
    raise ValueError(name)


def refuse_size(count: int, most: int, loc: tuple[Any, ...]) -> None:
    """Refuse a batch of no rows, or of too many.

    Raises:
        QueryError: It has fewer than one, or more than ``most``.
    """
    if not 1 <= count <= most:
        message = f"A batch must have 1 to {most:,} rows, not {count:,}"
        raise QueryError([_wrong("batch", loc, message, None)])


def located(error: ValidationError, loc: tuple[Any, ...]) -> list[dict[str, Any]]:
    """Pydantic's errors, each at its place in the request."""
    if error.error_count() > MOST_LOCATED:
        message = f"{error.error_count():,} values are not valid"
        return [_wrong("invalid", loc, message, None)]
    return [
        {
            "type": detail["type"],
            "loc": (*loc, *detail["loc"]),
            "msg": detail["msg"],
            "input": detail.get("input"),
        }
        for detail in error.errors(include_url=False, include_context=False)[:MOST_ERRORS]
    ]


def _json_name(name: str, field: FieldInfo) -> str:
    """What a field is called in a body."""
    alias = field.validation_alias or field.alias
    return alias if isinstance(alias, str) else name


def _known(schema: type[BaseModel]) -> Iterator[str]:
    """Every name that a field of a schema may be given under."""
    for name, field in schema.model_fields.items():
        yield name
        for alias in (field.alias, field.validation_alias):
            for choice in alias.choices if isinstance(alias, AliasChoices) else [alias]:
                first = choice.path[0] if isinstance(choice, AliasPath) else choice
                if isinstance(first, str):
                    yield first


def _wrong(kind: str, loc: tuple[Any, ...], message: str, value: Any) -> dict[str, Any]:
    return {"type": kind, "loc": loc, "msg": message, "input": value}


def _check(column: ColumnShape) -> Callable[[Any], Any] | None:
    """What a value has to pass to be stored in a column; None: whatever its type lets through."""
    if column.kind == "json":
        return require_storable_json
    if column.kind == "text":
        return _text
    if column.kind in {"path", "other"}:
        return lambda value: require_storable(str(value)) and value
    if column.kind == "datetime":
        return _moment if column.is_aware else None
    if column.kind == "decimal":
        return _rounding(column)
    if column.integer_bits is not None:
        limit = 2 ** (column.integer_bits - 1)
        integer: TypeAdapter[Any] = TypeAdapter(Annotated[int, Ge(-limit), Le(limit - 1)])
        return integer.validator.validate_python
    is_narrower = column.kind in {"literal", "uuid"} and column.python_type is str
    if is_narrower or column.kind in {"time", "timedelta", "float"}:
        adapter = value_adapter(column)
        return adapter.validator.validate_python
    return None


def _text(value: Any) -> Any:
    return require_storable(value) if isinstance(value, str) else value


def _rounding(column: ColumnShape) -> Callable[[Any], Any] | None:
    """A decimal as PostgreSQL would store it: SQLite would keep more places than it shows."""
    kind = column.column.type
    if not isinstance(kind, Numeric) or kind.scale is None:
        return None  # ours refuse what they cannot keep
    unit = Decimal(1).scaleb(-kind.scale)
    context = Context(prec=1000, rounding=ROUND_HALF_UP)

    def rounded(value: Any) -> Any:
        if not isinstance(value, Decimal) or abs(value.adjusted()) > MOST_DIGITS:
            return value
        return value.quantize(unit, context=context)

    return rounded


def _moment(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("Input should have timezone info: 2026-01-31T12:00:00Z")
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("In UTC this is outside of the years 1 to 9999") from None
