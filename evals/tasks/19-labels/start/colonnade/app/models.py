from enum import StrEnum
from typing import Any

from pydantic import ConfigDict, model_validator
from sqlalchemy import Enum, String

from colonnade import Field, SQLModel

# The names that PostgreSQL gives by itself: the tables are older than this application.
SQLModel.metadata.naming_convention = {
    "pk": "%(table_name)s_pkey",
    "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
    "uq": "%(table_name)s_%(column_0_N_name)s_key",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
}


class Status(StrEnum):
    online = "online"
    offline = "offline"


class Device(SQLModel, table=True):
    __tablename__ = "devices"

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(sa_type=String(60), unique=True)
    status: Status = Field(default=Status.offline, sa_type=Enum(Status, name="status"))


class DeviceCreate(Device, schema="create"):
    model_config = ConfigDict(extra="ignore")

    name: str = Field(min_length=1, max_length=60)


class DeviceUpdate(DeviceCreate, partial=True):
    @model_validator(mode="before")
    @classmethod
    def null_changes_nothing(cls, body: Any) -> Any:
        if not isinstance(body, dict):
            return body
        return {name: value for name, value in body.items() if value is not None}
