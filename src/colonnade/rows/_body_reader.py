"""``BodyReader``: parses request bodies to the values of columns."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from functools import cached_property
from itertools import islice
from types import MappingProxyType
from typing import Any

from pydantic import MISSING, AliasChoices, AliasPath, BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticKnownError, SchemaValidator, from_json, to_json

from colonnade.errors import QueryError, error_entry
from colonnade.models import (
    Shape,
    local_as_utc,
    row_validator,
    schemas,
    with_absent_fields,
)
from colonnade.rows._column_checks import column_check
from colonnade.rows._long_numbers import LongNumber, load_json, long_number_pattern
from colonnade.rows._plain_schemas import plain_validator, stores_as_they_are

MAX_ERRORS = 20
"""The maximum number of errors in a response; a body of 4 MiB can contain two million."""

MAX_PYDANTIC_ERRORS = 20_000
"""With more errors than this, list none of them: Pydantic can only build all of them."""

_NOT_JSON: Any = object()
"""Stands for a body that is not JSON, or contains NaN or Infinity."""

NO_VALUES: Mapping[str, Any] = MappingProxyType({})

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


class BodyReader:
    """Parses the request bodies of one table.

    Args:
        shape: The table.
        schema: The schema of a body.
        complete: Whether a body describes a complete row, which the model validates as well.
        omitted: Columns that no body has because the relation it is nested in sets them.

    Attributes:
        unset_columns: Required columns that no body has: a hook or the scope must set them.
    """

    def __init__(
        self,
        shape: Shape,
        schema: type[BaseModel],
        *,
        complete: bool,
        omitted: frozenset[str] = frozenset(),
    ) -> None:
        self.shape = shape
        self.omitted = omitted & schema.model_fields.keys()
        self.schema = with_absent_fields(schema, self.omitted) if self.omitted else schema
        self._is_derived = schema in (schemas(shape.model).create, schemas(shape.model).update)
        self._is_complete = complete
        self._json_types = dict(self._documented_types())
        self._decimals = {
            name: long_number_pattern(name)
            for name, (_, kind) in self._json_types.items()
            if kind == "decimal_type"
        }
        # The fields that are columns, and whether None stands for the column's default.
        self._columns = {
            name: not shape.columns[name].nullable and shape.columns[name].has_default
            for name in schema.model_fields
            if name in shape.columns and name not in self.omitted
        }
        # Columns without a default that no body has: a hook or the scope sets them.
        self.unset_columns = (
            [
                name
                for name, column in shape.columns.items()
                if not (column.nullable or column.has_default or name in schema.model_fields)
                and name not in omitted
            ]
            if complete
            else []
        )
        self._generated_datetimes = [
            name
            for name in self._columns
            if shape.columns[name].is_aware and schema.model_fields[name].default_factory
        ]
        self._json_names = {
            name: _json_name(name, field) for name, field in schema.model_fields.items()
        }
        # Unknown fields are refused, unless the schema configures ``extra``.
        self._accepted_names = (
            None if schema.model_config.get("extra") else set(_accepted_names(schema))
        )
        self._checks = {
            name: check
            for name, column in shape.columns.items()
            # Derived schemas check text themselves.
            if not (self._is_derived and column.kind == "text")
            and (check := column_check(column)) is not None
        }

    @property
    def is_derived(self) -> bool:
        """Whether the schema is the one that ``schemas(model)`` derives from the table."""
        return self._is_derived

    def json_name(self, name: str) -> str:
        """The name of a field of the schema in a body."""
        return self._json_names[name]

    def _documented_types(self) -> Iterator[tuple[str, tuple[tuple[type, ...], str]]]:
        """The JSON types of each field, and Pydantic's error type for others, by name in JSON.

        Pydantic accepts ``true`` for 1 and a number for a datetime; the OpenAPI schema does not.
        """
        for name, field in self.schema.model_fields.items():
            column = self.shape.columns.get(name)
            if column is not None and column.kind in _JSON_TYPES and column.accepts(field):
                yield _json_name(name, field), _JSON_TYPES[column.kind]

    def read(
        self,
        body: bytes,
        loc: tuple[Any, ...] = ("body",),
        scope_values: Mapping[str, Any] = NO_VALUES,
    ) -> dict[str, Any]:
        """Parse a JSON body to values by field: see ``parse`` and ``values``.

        Raises:
            QueryError: The schema, the model or a column does not accept it.
        """
        return self.values(self.parse(body, loc, scope_values), loc, scope_values)

    def parse(
        self,
        body: bytes,
        loc: tuple[Any, ...] = ("body",),
        scope_values: Mapping[str, Any] = NO_VALUES,
    ) -> BaseModel:
        """Parse a JSON body to an instance of the schema.

        Args:
            body: The body.
            loc: Its location in the request, for messages.
            scope_values: Values by field that the scope sets, and that the body may omit.

        Raises:
            QueryError: The schema does not accept it.
        """
        instance: BaseModel = self._parse(self.schema.model_validate_json, body, loc, scope_values)
        return instance

    def parse_values(self, values: Mapping[str, Any]) -> BaseModel:
        """Parse values by field as if a body had them.

        Args:
            values: The values.

        Raises:
            QueryError: The schema does not accept them.
        """
        return self.parse(
            to_json({self._json_names[name]: value for name, value in values.items()})
        )

    def parse_list(
        self,
        body: bytes,
        max_rows: int,
        loc: tuple[Any, ...] = ("body",),
        scope_values: Mapping[str, Any] = NO_VALUES,
    ) -> list[BaseModel]:
        """Parse a body that is a JSON array to instances of the schema.

        Args:
            body: The body.
            max_rows: The maximum number of rows.
            loc: Its location in the request, for messages.
            scope_values: Values by field that the scope sets, and that the body may omit.

        Raises:
            QueryError: It has no rows or too many, or the schema does not accept one of them.
        """
        parse = self._list_adapter.validate_json
        instances: list[BaseModel] = self._parse(parse, body, loc, scope_values, max_rows=max_rows)
        return instances

    def plain_values(self, body: bytes) -> dict[str, Any] | None:
        """Parse a JSON body to values by field, without an instance of the schema.

        Args:
            body: The body.

        Returns:
            The values; None if the schema needs the instance, or does not accept the body, in which
            case ``parse`` or ``values`` raises.
        """
        if self._row_validator is None:
            return None
        try:
            raw = from_json(body, allow_inf_nan=False)
            if next(self._undocumented_values([raw]), None) is not None:
                return None
            values, _, names = self._row_validator.validate_json(body)
        except (ValueError, RecursionError):
            return None
        columns = self._columns
        if self._is_complete:
            values = {
                name: value
                for name, value in values.items()
                if value is not MISSING and not (value is None and columns[name])
            }
        else:
            values = {name: values[name] for name in names if values[name] is not MISSING}
        try:
            return self.checked(values)
        except QueryError:
            return None

    @cached_property
    def _row_validator(self) -> SchemaValidator | None:
        is_plain = (
            self._is_derived
            and not (self.omitted or self.unset_columns or self._generated_datetimes)
            and not self._decimals
            and self._columns.keys() == self.schema.model_fields.keys()
        )
        return plain_validator(self.schema) if is_plain else None

    def plain_rows(self, body: bytes, max_rows: int) -> list[dict[str, Any]] | None:
        """Parse a body that is a JSON array to values by field, with no object for each row.

        Args:
            body: The body.
            max_rows: The maximum number of rows.

        Returns:
            The values of each row, all with the same fields; None if the schema needs more, or does
            not accept a row, in which case ``parse_list`` or ``values`` raises.
        """
        if self._rows_validator is None:
            return None
        try:
            raw = from_json(body, allow_inf_nan=False)
            if type(raw) is not list or not 1 <= len(raw) <= max_rows:
                return None
            if next(self._undocumented_values(raw), None) is not None:
                return None
            rows = [values for values, _, _ in self._rows_validator.validate_json(body)]
            for name, check in self._checks.items():
                for row in rows if name in self._columns else ():
                    if row[name] is not None:
                        row[name] = check(row[name])
        except (ValueError, OverflowError, RecursionError):
            return None
        return rows

    @property
    def is_plain(self) -> bool:
        """Whether ``plain_rows`` can parse bodies."""
        return self._rows_validator is not None

    @cached_property
    def _rows_validator(self) -> SchemaValidator | None:
        is_plain = self._row_validator is not None and self._is_complete
        if not is_plain or not stores_as_they_are(self.schema, self.shape.columns):
            return None
        return plain_validator(self.schema, many=True)

    @property
    def field_names(self) -> tuple[str, ...]:
        """The fields of the schema that are columns."""
        return tuple(self._columns)

    def parse_rows(
        self, rows: list[dict[str, Any]], scope_values: Mapping[str, Any] = NO_VALUES
    ) -> list[BaseModel]:
        """Parse objects of a parsed body, with exact decimals, to instances of the schema.

        Args:
            rows: The objects. The locations of errors begin with their indexes.
            scope_values: Values by field that the scope sets, and that the rows may omit.

        Raises:
            QueryError: The schema does not accept one of them.
        """
        parse = self._list_adapter.validate_json
        instances: list[BaseModel] = self._validate(parse, to_json(rows), rows, (), scope_values)
        return instances

    @cached_property
    def _list_adapter(self) -> TypeAdapter[Any]:
        list_type: Any = list[self.schema]  # type: ignore[name-defined]  # only known at run time
        return TypeAdapter(list_type)

    def _parse(
        self,
        parse: Callable[[bytes], Any],
        body: bytes,
        loc: tuple[Any, ...],
        scope_values: Mapping[str, Any],
        *,
        max_rows: int | None = None,
    ) -> Any:
        if not body:
            raise QueryError([error_entry("missing", loc, "A JSON body is required")])
        try:
            raw = self.parse_json(body)
        except ValueError:
            raw = _NOT_JSON
        except RecursionError:
            raise QueryError([error_entry("too_deep", loc, "JSON is nested too deeply")]) from None
        if max_rows is not None and isinstance(raw, list):
            check_batch_size(len(raw), max_rows, loc)  # before validating each row
        if raw is not _NOT_JSON and self.has_long_number(body):
            body = to_json(raw)
        return self._validate(parse, body, raw, loc, scope_values)

    def _validate(
        self,
        parse: Callable[[bytes], Any],
        body: bytes,
        raw: Any,
        loc: tuple[Any, ...],
        scope_values: Mapping[str, Any],
    ) -> Any:
        """Validate a body whose JSON is parsed, with the schema and with the documented types."""
        try:
            parsed = parse(self._with_scope_values(body, raw, scope_values))
        except ValidationError as error:
            raise QueryError(error_entries(error, loc)) from None
        except RecursionError:
            raise QueryError([error_entry("too_deep", loc, "JSON is nested too deeply")]) from None
        if raw is _NOT_JSON:
            message = "JSON cannot contain NaN or Infinity"
            raise QueryError([error_entry("finite_number", loc, message)])
        is_list = isinstance(raw, list)
        undocumented = self._undocumented_values(raw if is_list else [raw])
        errors = [
            error_entry(kind, (*loc, index, name) if is_list else (*loc, name), message)
            for index, name, kind, message in islice(undocumented, MAX_ERRORS)
        ]
        if errors:
            raise QueryError(errors)
        return parsed

    def parse_json(self, body: bytes) -> Any:
        """Parse JSON, with decimals as text where they have more digits than a float keeps.

        Raises:
            ValueError: It is not JSON.
        """
        if not self.has_long_number(body):
            return from_json(body, allow_inf_nan=False)
        raw = load_json(body)
        for row in raw if isinstance(raw, list) else [raw]:
            self.with_exact_decimals(row)
        return raw

    def has_long_number(self, body: bytes) -> bool:
        """Whether a decimal may have more digits than a float keeps."""
        for pattern in self._decimals.values():  # noqa: SIM110 - half the time of any()
            if pattern.search(body) is not None:
                return True
        return False

    def _with_scope_values(self, body: bytes, raw: Any, scope_values: Mapping[str, Any]) -> bytes:
        """The body, completed with the required fields that the scope sets."""
        fields = self.schema.model_fields
        additions = {
            _json_name(name, fields[name]): value
            for name, value in scope_values.items()
            if name in fields and fields[name].is_required()
        }
        if not additions or raw is _NOT_JSON:
            return body  # the schema reports that it is not JSON
        rows = raw if isinstance(raw, list) else [raw]
        completed = [additions | row if isinstance(row, dict) else row for row in rows]
        return to_json(completed if isinstance(raw, list) else completed[0])

    def _undocumented_values(self, rows: Iterable[Any]) -> Iterator[tuple[int, str, str, str]]:
        """Types and fields that Pydantic accepts but the OpenAPI schema does not.

        Yields:
            The index of the row, the name in the row, and the kind and the message of the error.
        """
        for index, row in enumerate(rows):
            if not isinstance(row, dict):
                continue
            for name, value in row.items():
                expected = self._json_types.get(name)
                if expected is None or value is None:
                    continue
                types, kind = expected
                if (
                    not isinstance(value, types)
                    or (isinstance(value, bool) and bool not in types)
                    or (kind == "datetime_type" and str(value)[4:5] != "-")  # "1767225600"
                ):
                    message = PydanticKnownError(kind).message()  # type: ignore[arg-type]  # from _JSON_TYPES
                    yield index, name, kind, message
            for field in self.omitted:
                name = self._json_names[field]
                if name in row:
                    message = f"The relation sets {name}: leave it out of the body"
                    yield index, name, "extra_forbidden", message
            if self._accepted_names is not None and not row.keys() <= self._accepted_names:
                for name in row.keys() - self._accepted_names:
                    yield index, name, "extra_forbidden", "Extra inputs are not permitted"

    def values(
        self,
        instance: BaseModel,
        loc: tuple[Any, ...] = ("body",),
        scope_values: Mapping[str, Any] = NO_VALUES,
    ) -> dict[str, Any]:
        """The values in an instance of the schema, checked against their columns.

        Args:
            instance: The instance.
            loc: Its location in the request, for messages.
            scope_values: Values by field that the scope sets. A default does not override them; a
                value in the body does.

        Raises:
            QueryError: The model or a column does not accept a value.
        """
        fields_set = instance.model_fields_set
        names: Iterable[str] = self._columns
        if not self._is_complete:
            names = [name for name in fields_set if name in self._columns]
        elif scope_values:
            names = [
                name for name in self._columns if name in fields_set or name not in scope_values
            ]
        values = {}
        for name in names:
            value = getattr(instance, name)
            if value is MISSING or (value is None and self._is_complete and self._columns[name]):
                continue
            values[name] = value
        for name in self._generated_datetimes:
            # From a default; a datetime in the body has an offset.
            value = values.get(name)
            if isinstance(value, datetime) and value.tzinfo is None and name not in fields_set:
                values[name] = local_as_utc(value, self.shape.model, name)
        if not self._is_derived:
            values |= (
                self.validated(values, loc)
                if self._is_complete and not self.is_validated_later
                else self._validated_changes(values, loc)
            )
        return self.checked(values, loc)

    @property
    def is_complete(self) -> bool:
        """Whether a body describes a complete row."""
        return self._is_complete

    @property
    def is_validated_later(self) -> bool:
        """Whether the model validates a row only once its remaining columns are set."""
        return bool(self.unset_columns) or bool(
            self.omitted and (not self._is_derived or row_validator(self.shape.model))
        )

    @property
    def has_model_rules(self) -> bool:
        """Whether a body is validated by the model's own rules, which its schema has."""
        return self._is_derived

    def with_exact_decimals(self, row: Any) -> Any:
        """A parsed row, with decimals as text where they have more digits than a float keeps."""
        for name in self._decimals if isinstance(row, dict) else ():
            value = row.get(name)
            if isinstance(value, LongNumber):
                row[name] = value.text
        return row

    def _validated_changes(self, values: dict[str, Any], loc: tuple[Any, ...]) -> dict[str, Any]:
        """The changes of a custom schema, as the table's update schema validates them.

        Fields that the schema inherits from a base of the table bring their rules with them.
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
            raise QueryError(error_entries(error, loc)) from None
        return {name: getattr(instance, name) for name in instance.model_fields_set}

    def validated(self, values: dict[str, Any], loc: tuple[Any, ...] = ("body",)) -> dict[str, Any]:
        """The values, as validated by the model.

        Raises:
            QueryError: The model does not accept them.
        """
        fields = self.shape.model.model_fields
        body = {_json_name(name, fields[name]): value for name, value in values.items()}
        try:
            row = self.shape.model.model_validate(body)
        except ValidationError as error:
            raise QueryError(error_entries(error, loc)) from None
        return {name: getattr(row, name) for name in values}

    def checked(self, values: dict[str, Any], loc: tuple[Any, ...] = ("body",)) -> dict[str, Any]:
        """The values, checked and converted for their columns.

        Raises:
            QueryError: A column cannot store a value, such as text with a NUL character, a
                datetime without an offset or an integer that is too large.
        """
        errors: list[dict[str, Any]] = []
        for name, value in values.items():
            check = self._checks.get(name)
            if value is None:
                if not self.shape.columns[name].nullable:
                    message = "Input should not be null"
                    errors.append(error_entry("not_null", self._field_loc(loc, name), message))
                continue
            if check is None:
                continue
            try:
                values[name] = check(value)
            except ValidationError as error:
                errors += error_entries(error, self._field_loc(loc, name))
            except (ValueError, OverflowError, RecursionError) as error:
                field_loc = self._field_loc(loc, name)
                errors.append(error_entry("value_error", field_loc, str(error), None))
        if errors:
            raise QueryError(errors)
        return values

    def _field_loc(self, loc: tuple[Any, ...], name: str) -> tuple[Any, ...]:
        return (*loc, self._json_names.get(name, name))


def check_batch_size(count: int, max_rows: int, loc: tuple[Any, ...]) -> None:
    """Refuse a batch without rows, or with too many.

    Raises:
        QueryError: It does not have 1 to ``max_rows`` rows.
    """
    if not 1 <= count <= max_rows:
        message = f"A batch must have 1 to {max_rows:,} rows, not {count:,}"
        raise QueryError([error_entry("batch", loc, message)])


def error_entries(error: ValidationError, loc: tuple[Any, ...]) -> list[dict[str, Any]]:
    """Pydantic's errors as entries of a ``QueryError``, located in the request."""
    if error.error_count() > MAX_PYDANTIC_ERRORS:
        message = f"{error.error_count():,} values are not valid"
        return [error_entry("invalid", loc, message)]
    return [
        error_entry(detail["type"], (*loc, *detail["loc"]), detail["msg"], detail.get("input"))
        for detail in error.errors(include_url=False, include_context=False)[:MAX_ERRORS]
    ]


def _json_name(name: str, field: FieldInfo) -> str:
    """The name of a field in a body."""
    alias = field.validation_alias or field.alias
    return alias if isinstance(alias, str) else name


def _accepted_names(schema: type[BaseModel]) -> Iterator[str]:
    """The names and aliases under which a body may contain the fields of a schema."""
    for name, field in schema.model_fields.items():
        yield name
        for alias in (field.alias, field.validation_alias):
            for choice in alias.choices if isinstance(alias, AliasChoices) else [alias]:
                first = choice.path[0] if isinstance(choice, AliasPath) else choice
                if isinstance(first, str):
                    yield first
