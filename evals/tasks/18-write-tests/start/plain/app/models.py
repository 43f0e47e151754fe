from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime
from sqlmodel import Field, SQLModel

Instant = Annotated[AwareDatetime, AfterValidator(lambda instant: instant.astimezone(UTC))]


class RoomCreate(SQLModel):
    name: str = Field(min_length=1, max_length=50)
    seats: int = Field(ge=1, le=500)


class Room(RoomCreate, table=True):
    __tablename__ = "rooms"

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(max_length=50, unique=True)


class BookingCreate(SQLModel):
    title: str = Field(min_length=1, max_length=100)
    note: str | None = Field(default=None, max_length=500)
    start: Instant
    end: Instant


class BookingUpdate(SQLModel):
    title: str = Field(default="", min_length=1, max_length=100)
    note: str | None = Field(default=None, max_length=500)


class Booking(SQLModel, table=True):
    __tablename__ = "bookings"

    id: int | None = Field(default=None, primary_key=True)
    room_id: int = Field(foreign_key="rooms.id", index=True)
    owner: str = Field(max_length=50)
    title: str = Field(max_length=100)
    note: str | None = Field(default=None, max_length=500)
    start: datetime
    end: datetime
