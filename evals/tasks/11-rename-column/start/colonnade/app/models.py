from typing import Any

from pydantic import ConfigDict, model_validator
from sqlalchemy import String

from colonnade import Field, SQLModel, UniqueConstraint

# The names that PostgreSQL gives by itself: the tables are older than this application.
SQLModel.metadata.naming_convention = {
    "pk": "%(table_name)s_pkey",
    "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
    "uq": "%(table_name)s_%(column_0_N_name)s_key",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
}


class Customer(SQLModel, table=True):
    __tablename__ = "customers"
    __table_args__ = (UniqueConstraint("name", "city", name="uq_customers_name_city"),)

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(sa_type=String(100), index=True)
    city: str = Field(sa_type=String(80))
    vip: bool = False


class CustomerCreate(Customer, schema="create"):
    model_config = ConfigDict(extra="ignore")

    name: str = Field(min_length=1, max_length=100)
    city: str = Field(min_length=1, max_length=80)


class CustomerUpdate(CustomerCreate, partial=True):
    @model_validator(mode="before")
    @classmethod
    def null_changes_nothing(cls, body: Any) -> Any:
        if not isinstance(body, dict):
            return body
        return {name: value for name, value in body.items() if value is not None}


class CustomerRead(Customer, schema="read"): ...


class Order(SQLModel, table=True):
    __tablename__ = "orders"

    id: int | None = Field(default=None, primary_key=True)
    article: str = Field(sa_type=String(100))
    customer_id: int = Field(foreign_key="customers.id", index=True)


class OrderCreate(SQLModel):
    article: str = Field(min_length=1, max_length=100)


class OrderRead(Order, schema="read"): ...
