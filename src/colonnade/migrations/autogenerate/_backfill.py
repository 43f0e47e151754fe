"""The values that existing rows get in new columns, taken from the models' fields."""

from collections.abc import Iterator, Mapping
from typing import Any

import sqlalchemy as sa
from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticUndefined
from sqlmodel import SQLModel

from colonnade.database import ORIGINAL
from colonnade.errors import MigrationError
from colonnade.migrations.autogenerate._choices import Choices
from colonnade.migrations.operations._literals import portable_value, sql_default_for
from colonnade.models import ColumnShape, Shape, check_name


class BackfillValues:
    """Looks up the values for existing rows.

    Args:
        metadata: The models' tables.
    """

    def __init__(self, metadata: sa.MetaData) -> None:
        self._models = {
            model.__table__.name: model
            for model in _subclasses(SQLModel)
            if (table := getattr(model, "__table__", None)) is not None
            and _belongs_to(metadata, table)
        }

    def required(self, table: str, column: sa.Column[Any], choices: Choices, why: str) -> Any:
        """Return the value for existing rows in a NOT NULL column.

        It is the value given with ``--fill``, else the default of the field or column, else the
        answer at the prompt.

        Args:
            table: The table.
            column: The column.
            choices: The answers given in advance, and the prompt for the others.
            why: Why a value is needed, for the prompt: ``is new and NOT NULL``.

        Raises:
            MigrationError: There is neither a default nor a prompt, or the given value is not
                valid for the field.
        """
        name = f"{table}.{column.name}"
        known = self._column(table, column.name)
        if name in choices.fills or (default := self._default(table, column.name)) is None:
            return self._parse(table, column.name, choices.fill(name, why))
        return portable_value(default, (known if known is not None else column).type)

    def optional(self, table: str, column: sa.Column[Any], choices: Choices) -> Any:
        """Return the value for existing rows in a new nullable column; None to keep NULL.

        Raises:
            MigrationError: The value given with ``--fill`` is not valid for the field.
        """
        name = f"{table}.{column.name}"
        if name in choices.fills:
            return self._parse(table, column.name, choices.fill(name, ""))
        default = _field_default(self._shape(table, column.name))
        known = self._column(table, column.name)
        return portable_value(default, (known if known is not None else column).type)

    def _column(self, table: str, name: str) -> sa.Column[Any] | None:
        model = self._models.get(table)
        column: sa.Column[Any] | None = None if model is None else model.__table__.c.get(name)
        return column

    def _shape(self, table: str, name: str) -> ColumnShape | None:
        """Return the column's shape; None if no field of a model declares the column."""
        model = self._models.get(table)
        shapes = () if model is None else Shape.of(model).columns.values()
        return next((shape for shape in shapes if shape.column.name == name), None)

    def _default(self, table: str, name: str) -> Any:
        shape = self._shape(table, name)
        default = _field_default(shape)
        return _column_default(self._column(table, name), shape) if default is None else default

    def _parse(self, table: str, name: str, text: str) -> Any:
        shape = self._shape(table, name)
        if shape is None:
            return text
        adapter: TypeAdapter[Any] = TypeAdapter(shape.field.rebuild_annotation())
        try:
            value = adapter.validate_python(text)
        except ValidationError:
            try:
                value = adapter.validate_json(text)
            except ValidationError as error:
                raise MigrationError(
                    f"The value {text!r} is not valid for {table}.{name}: "
                    f"{error.errors()[0]['msg']}. Give another value with "
                    f"--fill {table}.{name}=VALUE."
                ) from None
        return portable_value(value, shape.column.type)

    def column_of_values_check(self, table: str, check: str) -> str | None:
        """Return the column whose allowed values a CHECK lists; None for any other CHECK."""
        model = self._models.get(table)
        columns = () if model is None else model.__table__.columns
        return next(
            (
                column.name
                for column in columns
                if check == check_name(table, column.name, "values")
            ),
            None,
        )

    def enum_name_mapping(self, table: str, check: str) -> tuple[str, Mapping[str, str]] | None:
        """Map the names of an enum's members to its values, for the enum's values CHECK.

        Existing rows may hold the names: sqlmodel stores them.

        Returns:
            The column and the mapping; None if the CHECK does not list an enum's values.
        """
        model = self._models.get(table)
        if model is None:
            return None
        for shape in Shape.of(model).columns.values():
            if shape.spellings and check == check_name(table, shape.column.name, "values"):
                pairs = {name: texts[0] for texts in shape.spellings.values() for name in texts[1:]}
                return shape.column.name, pairs
        return None


def _belongs_to(metadata: sa.MetaData, table: sa.Table) -> bool:
    """Return whether a table is in the metadata, itself or as a copy."""
    metadata_table = metadata.tables.get(table.key)
    return (
        metadata_table is not None
        and metadata.info.get(ORIGINAL, {}).get(table.key, metadata_table) is table
    )


def _field_default(shape: ColumnShape | None) -> Any:
    """Return the default of a column's field, or SQL that generates it; None without a default."""
    if shape is None:
        return None
    default = shape.field.default
    if default is not PydanticUndefined:
        return default
    return None if shape.field.default_factory is None else _factory_default(shape.field)


def _factory_default(field: Any) -> Any:
    """Return what a default factory returns, or SQL if it returns another value each time."""
    if field.default_factory_takes_validated_data:
        return None
    first, second = field.default_factory(), field.default_factory()
    if first == second:
        return first
    return sql_default_for(first, second)


def _column_default(column: sa.Column[Any] | None, shape: ColumnShape | None) -> Any:
    """Return the default of the SQLAlchemy column, if it does not depend on the row."""
    if column is None or column.default is None:
        return None
    default: Any = column.default
    if default.is_scalar:
        return default.arg
    is_time = default.is_callable and isinstance(column.type, sa.DateTime)
    is_timestamp = shape is not None and shape.role in ("created_at", "updated_at")
    return sa.func.now() if is_time or is_timestamp else None


def _subclasses(model: Any) -> Iterator[Any]:
    for subclass in model.__subclasses__():
        yield subclass
        yield from _subclasses(subclass)
