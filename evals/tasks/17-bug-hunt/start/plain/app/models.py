from datetime import datetime
from typing import Literal

from pydantic import NaiveDatetime
from sqlmodel import Field, SQLModel


class Item(SQLModel, table=True):
    __tablename__ = "items"

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(min_length=1, max_length=80, unique=True)
    quantity: int = Field(default=0, ge=0, le=1_000_000)
    price_cents: int = Field(ge=0, le=100_000_000)
    note: str | None = Field(default=None, max_length=500)
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
    reason: str = Field(max_length=20)
    quantity: int
    created_at: NaiveDatetime = Field(default_factory=datetime.now)
