from datetime import datetime
from typing import Literal

from pydantic import NaiveDatetime
from sqlalchemy import String

from colonnade import Field, SQLModel

# The names that PostgreSQL gives by itself: the tables are older than this application.
SQLModel.metadata.naming_convention = {
    "pk": "%(table_name)s_pkey",
    "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
    "uq": "%(table_name)s_%(column_0_N_name)s_key",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
}


class Item(SQLModel, table=True):
    __tablename__ = "items"

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(sa_type=String(80), unique=True)
    quantity: int = 0
    price_cents: int
    note: str | None = Field(default=None, sa_type=String(500))
    created_at: NaiveDatetime = Field(default_factory=datetime.now)


class ItemUpdate(SQLModel):
    name: str | None = Field(default=None, min_length=1, max_length=80)
    price_cents: int | None = Field(default=None, ge=0, le=100_000_000)
    note: str | None = Field(default=None, max_length=500)


class MovementCreate(SQLModel):
    change: int = Field(ge=-1_000_000, le=1_000_000)
    reason: Literal["sale", "delivery", "correction"]


class Movement(SQLModel, table=True):
    __tablename__ = "movements"

    id: int | None = Field(default=None, primary_key=True)
    item_id: int = Field(foreign_key="items.id", index=True)
    change: int
    reason: str = Field(sa_type=String(20))
    quantity: int
    created_at: NaiveDatetime = Field(default_factory=datetime.now)
