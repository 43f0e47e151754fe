"""Columns that keep themselves: ``Timestamps`` and ``Versioned``; keys that need no sequence."""

from datetime import datetime
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from colonnade.models._clock import first_version, now
from colonnade.models._fields import Field, FieldFlags, Role
from colonnade.models._model import SQLModel
from colonnade.models._uuids import uuid7


class SetWhenStored:
    """A value the row has once it is stored: None until then, and no None in any schema."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.nullable_schema(handler(source))

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> Any:
        return handler(schema["schema"])


_times: WeakKeyDictionary[Any, datetime] = WeakKeyDictionary()


def statement_time(context: Any) -> datetime:
    """The time of a statement, the same for each of its rows and columns: aware, in UTC.

    Args:
        context: SQLAlchemy's execution context, which asks for a column's default. Where it is
            None (a tool asks, for a form) it is the time now.
    """
    return now() if context is None else _times.setdefault(context, now())


statement_time.needs_context = False  # type: ignore[attr-defined]  # any object of the statement's


def _kept(role: Role, **column: Any) -> Any:
    """A field that the program never sets, and that every statement keeps."""
    field = Field(default=None, nullable=False, sa_column_kwargs=column)
    field.metadata += [FieldFlags(readonly=True, role=role), SetWhenStored()]
    return field


class Timestamps(SQLModel):
    """Adds ``created_at`` and ``updated_at``: aware, in UTC.

    Every INSERT sets both, to the same time; every UPDATE sets ``updated_at``; through the ORM
    or Core, one row or many. Both are None on a row that is not stored yet. A value given
    explicitly is kept (to import old rows). A statement written as text sets neither.
    """

    created_at: datetime = _kept("created_at", default=statement_time)
    updated_at: datetime = _kept("updated_at", default=statement_time, onupdate=statement_time)


class Versioned(SQLModel):
    """Adds ``version``: a number from the clock on insert, one more on every update.

    The ORM updates and deletes a row only at the version it was read at, and raises
    SQLAlchemy's ``StaleDataError`` when somebody was faster. An UPDATE written with Core counts
    up as well.
    """

    version: int = _kept("version", default=first_version)


class UUIDKey(SQLModel):
    """Adds ``id``: a UUID of version 7, made by the program.

    No sequence has to hand it out, so that many servers can insert at once, and a client of the
    database knows it before the row is stored. Those made later sort later, which keeps an index
    compact.
    """

    id: UUID = Field(default_factory=uuid7, primary_key=True)
