from datetime import datetime

from pydantic import AwareDatetime, ConfigDict
from sqlalchemy import String

from colonnade import Field, SQLModel

# The names that PostgreSQL gives by itself: the tables are older than this application.
SQLModel.metadata.naming_convention = {
    "pk": "%(table_name)s_pkey",
    "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
    "uq": "%(table_name)s_%(column_0_N_name)s_key",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
}


class Room(SQLModel, table=True):
    __tablename__ = "rooms"

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(sa_type=String(50), unique=True)
    seats: int


class RoomCreate(Room, schema="create"):
    model_config = ConfigDict(extra="ignore")

    name: str = Field(min_length=1, max_length=50)
    seats: int = Field(ge=1, le=500)


class RoomRead(Room, schema="read"): ...


class Booking(SQLModel, table=True):
    __tablename__ = "bookings"

    id: int | None = Field(default=None, primary_key=True)
    room_id: int = Field(foreign_key="rooms.id", index=True)
    owner: str = Field(sa_type=String(50))
    title: str = Field(sa_type=String(100))
    note: str | None = Field(default=None, sa_type=String(500))
    start: datetime
    end: datetime


class BookingBase(SQLModel):
    title: str = Field(min_length=1, max_length=100)
    note: str | None = Field(default=None, max_length=500)


class BookingCreate(BookingBase):
    start: AwareDatetime
    end: AwareDatetime


class BookingUpdate(BookingBase, partial=True): ...


class BookingRead(Booking, schema="read"): ...
