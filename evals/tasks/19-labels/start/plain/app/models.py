from enum import StrEnum

from sqlmodel import Field, SQLModel


class Status(StrEnum):
    online = "online"
    offline = "offline"


class DeviceCreate(SQLModel):
    name: str = Field(min_length=1, max_length=60)
    status: Status = Status.offline


class DeviceUpdate(SQLModel):
    name: str | None = Field(default=None, min_length=1, max_length=60)
    status: Status | None = None


class Device(DeviceCreate, table=True):
    __tablename__ = "devices"

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(max_length=60, unique=True)
