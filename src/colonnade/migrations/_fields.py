"""The fields of the models, for what rows that are there get in a new column."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from decimal import Decimal
from enum import Enum
from typing import Any

import sqlalchemy as sa
from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticUndefined, to_json
from sqlalchemy.dialects.sqlite.base import SQLiteDialect
from sqlalchemy.types import TypeDecorator
from sqlmodel import SQLModel

from colonnade.errors import MigrationError
from colonnade.migrations._choices import Choices
from colonnade.migrations._rendering import native_enum, text_of
from colonnade.models import Shape


class Fields:
    """The fields behind tables.

    Args:
        metadata: The models' tables.
    """

    def __init__(self, metadata: sa.MetaData) -> None:
        self._models = {
            model.__table__.name: model
            for model in _models(SQLModel)
            if (table := getattr(model, "__table__", None)) is not None
            and metadata.tables.get(table.key) is table
        }

    def fill(self, table: str, column: sa.Column[Any], choices: Choices, why: str) -> Any:
        """What rows that are there get in a column: what was said, the field's default, an answer.

        Raises:
            MigrationError: There is no default, and nobody to ask; or the field does not take
                what was said.
        """
        name = f"{table}.{column.name}"
        known = self._column(table, column.name)
        if name in choices.fills or (default := self._default(table, column.name)) is None:
            return self._read(table, column.name, choices.fill(name, why))
        return plain_value(default, known if known is not None else column)

    def _column(self, table: str, name: str) -> sa.Column[Any] | None:
        model = self._models.get(table)
        found: sa.Column[Any] | None = None if model is None else model.__table__.c.get(name)
        return found

    def _field(self, table: str, name: str) -> tuple[str, Any] | None:
        model = self._models.get(table)
        if model is None:
            return None
        shape = Shape.of(model)
        return next(
            ((one.name, one.field) for one in shape.columns.values() if one.column.name == name),
            None,
        )

    def _default(self, table: str, name: str) -> Any:
        found = self._field(table, name)
        column = self._column(table, name)
        default: Any = None
        if found is not None:
            default = found[1].default
            if default is PydanticUndefined and found[1].default_factory in (list, dict, set):
                default = found[1].default_factory()
        if default is PydanticUndefined or default is None:
            kept = getattr(column, "default", None)
            if kept is None:
                return None
            if kept.is_scalar:
                return kept.arg
            if kept.is_callable and column is not None and isinstance(column.type, sa.DateTime):
                return sa.func.now()
            return sa.func.now() if "statement_time" in repr(kept.arg) else None
        return default

    def _read(self, table: str, name: str, text: str) -> Any:
        found = self._field(table, name)
        column = self._column(table, name)
        if found is None or column is None:
            return text
        adapter: TypeAdapter[Any] = TypeAdapter(found[1].rebuild_annotation())
        try:
            value = adapter.validate_python(text)
        except ValidationError:
            try:
                value = adapter.validate_json(text)
            except ValidationError as error:
                raise MigrationError(
                    f"{table}.{name} does not take {text!r}: {error.errors()[0]['msg']}."
                ) from None
        return plain_value(value, column)

    def mapped(
        self, table: str, check: str, choices: Choices
    ) -> tuple[str, Mapping[Any, Any]] | None:
        """The column of a CHECK over its values, and what was said that some of them become."""
        for name, values in choices.maps.items():
            owner, _, column = name.rpartition(".")
            if owner == table and check == f"ck_{table}_{column}_values":
                known = self._column(table, column)
                if known is not None and isinstance(known.type, sa.Integer):
                    return column, {int(old): int(new) for old, new in values.items()}
                return column, values
        return None

    def renamed_values(self, table: str, check: str) -> tuple[str, Mapping[str, str]] | None:
        """The column of a CHECK over an enum's values, and its members' names, which rows may hold.

        sqlmodel stores an enum by name.
        """
        model = self._models.get(table)
        if model is None or not check.endswith("_values"):
            return None
        for one in Shape.of(model).columns.values():
            if check == f"ck_{table}_{one.column.name}_values" and one.spellings:
                pairs = {name: texts[0] for texts in one.spellings.values() for name in texts[1:]}
                return one.column.name, pairs
        return None


def _models(model: Any) -> Iterator[Any]:
    for one in model.__subclasses__():
        yield one
        yield from _models(one)


def plain_value(value: Any, column: sa.Column[Any]) -> Any:
    """A value as a revision says it: a plain one, or SQL that every database understands."""
    if isinstance(value, sa.ClauseElement):
        return value
    kind = column.type
    enum = kind if isinstance(kind, sa.Enum) else native_enum(kind)
    if enum is not None and isinstance(value, Enum):
        stored: Any = enum
        return str(stored._db_value_for_elem(value))
    if isinstance(kind, TypeDecorator):
        with suppress(NotImplementedError):  # one that leaves values as they are
            value = kind.process_bind_param(value, SQLiteDialect())
    if value is None or type(value) in PLAIN:
        return value
    if isinstance(value, Decimal):
        return sa.text(str(value))
    text = to_json(value).decode() if isinstance(value, list | dict) else str(value)
    return text_of(text)


PLAIN = frozenset((str, int, float, bool))
