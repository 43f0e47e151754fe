"""The fields of the models, for what rows that are there get in a new column."""

from collections.abc import Iterator, Mapping
from typing import Any

import sqlalchemy as sa
from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticUndefined
from sqlmodel import SQLModel

from colonnade.database import ORIGINAL
from colonnade.errors import MigrationError
from colonnade.migrations.autogenerate._choices import Choices
from colonnade.migrations.operations._literals import for_each_row, plain_value
from colonnade.models import ColumnShape, Shape, check_name


class Fields:
    """The fields behind tables.

    Args:
        metadata: The models' tables.
    """

    def __init__(self, metadata: sa.MetaData) -> None:
        self._models = {
            model.__table__.name: model
            for model in _models(SQLModel)
            if (table := getattr(model, "__table__", None)) is not None and _is_in(metadata, table)
        }

    def fill(self, table: str, column: sa.Column[Any], choices: Choices, why: str) -> Any:
        """What existing rows get in a column: ``--fill``, the field's default, or an answer.

        Raises:
            MigrationError: There is no default, and nobody to ask; or the field does not take
                the value of ``--fill``.
        """
        name = f"{table}.{column.name}"
        known = self._column(table, column.name)
        if name in choices.fills or (default := self._default(table, column.name)) is None:
            return self._read(table, column.name, choices.fill(name, why))
        return plain_value(default, (known if known is not None else column).type)

    def fills(self, table: str, column: sa.Column[Any], choices: Choices) -> Any:
        """What existing rows get in a new column that may be empty; None: nothing.

        Raises:
            MigrationError: The field does not accept the value of ``--fill``.
        """
        name = f"{table}.{column.name}"
        if name in choices.fills:
            return self._read(table, column.name, choices.fill(name, ""))
        default = self._field_default(table, column.name)
        known = self._column(table, column.name)
        return plain_value(default, (known if known is not None else column).type)

    def _column(self, table: str, name: str) -> sa.Column[Any] | None:
        model = self._models.get(table)
        column: sa.Column[Any] | None = None if model is None else model.__table__.c.get(name)
        return column

    def _shape(self, table: str, name: str) -> ColumnShape | None:
        model = self._models.get(table)
        shapes = [] if model is None else Shape.of(model).columns.values()
        return next((shape for shape in shapes if shape.column.name == name), None)

    def _default(self, table: str, name: str) -> Any:
        default = self._field_default(table, name)
        return self._column_default(table, name) if default is None else default

    def _column_default(self, table: str, name: str) -> Any:
        """The default that SQLAlchemy keeps for a column, where one is known before a row is."""
        column = self._column(table, name)
        kept: Any = getattr(column, "default", None)
        if kept is None:
            return None
        if kept.is_scalar:
            return kept.arg
        is_time = kept.is_callable and column is not None and isinstance(column.type, sa.DateTime)
        role = getattr(self._shape(table, name), "role", None)
        return sa.func.now() if is_time or role in {"created_at", "updated_at"} else None

    def _field_default(self, table: str, name: str) -> Any:
        """The default of a column's field, or SQL that makes one for each row; None: neither."""
        shape = self._shape(table, name)
        if shape is None:
            return None
        default = shape.field.default
        if default is PydanticUndefined:
            default = None if shape.field.default_factory is None else _made(shape.field)
        return default

    def _read(self, table: str, name: str, text: str) -> Any:
        shape = self._shape(table, name)
        column = self._column(table, name)
        if shape is None or column is None:
            return text
        adapter: TypeAdapter[Any] = TypeAdapter(shape.field.rebuild_annotation())
        try:
            value = adapter.validate_python(text)
        except ValidationError:
            try:
                value = adapter.validate_json(text)
            except ValidationError as error:
                raise MigrationError(
                    f"{table}.{name} does not take {text!r}: {error.errors()[0]['msg']}."
                ) from None
        return plain_value(value, column.type)

    def values_column(self, table: str, check: str) -> str | None:
        """The column that a CHECK lists the values of; None if it is not such a CHECK."""
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

    def renamed_values(self, table: str, check: str) -> tuple[str, Mapping[str, str]] | None:
        """The column of a CHECK over an enum's values, and its members' names, which rows may hold.

        sqlmodel stores an enum by name.
        """
        model = self._models.get(table)
        if model is None:
            return None
        for column in Shape.of(model).columns.values():
            if column.spellings and check == check_name(table, column.column.name, "values"):
                pairs = {
                    name: texts[0] for texts in column.spellings.values() for name in texts[1:]
                }
                return column.column.name, pairs
        return None


def _is_in(metadata: sa.MetaData, table: sa.Table) -> bool:
    """Whether a table is one of a metadata's, or one of these is a copy of it."""
    table_there = metadata.tables.get(table.key)
    return (
        table_there is not None
        and metadata.info.get(ORIGINAL, {}).get(table.key, table_there) is table
    )


def _made(field: Any) -> Any:
    """What a default factory makes: a value, or SQL for one that differs in each row."""
    if field.default_factory_takes_validated_data:
        return None
    first, second = field.default_factory(), field.default_factory()
    if first == second:
        return first
    return for_each_row(first, second)


def _models(model: Any) -> Iterator[Any]:
    for subclass in model.__subclasses__():
        yield subclass
        yield from _models(subclass)
