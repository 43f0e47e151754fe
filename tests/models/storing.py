"""Storing a row and reading it back."""

import enum
from datetime import date
from typing import Any

import sqlalchemy as sa
from pydantic import BaseModel

from colonnade import (
    Database,
    SQLModel,
)


class Priority(enum.Enum):
    LOW = "low"
    HIGH = "high"


class Theme(BaseModel):
    name: str = "plain"
    since: date = date(2020, 1, 1)
    colours: list[str] = []


def store_and_read(db: Database, row: SQLModel) -> Any:
    """Store a row, and return it as a new session reads it."""
    model = type(row)
    db.create_all()
    with db.session() as session:
        session.add(row)
        session.commit()
        key = sa.inspect(row).identity
    with db.session() as session:
        return session.get(model, key)
