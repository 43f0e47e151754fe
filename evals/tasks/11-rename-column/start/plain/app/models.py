from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field, SQLModel


class CustomerCreate(SQLModel):
    name: str = Field(min_length=1, max_length=100)
    city: str = Field(min_length=1, max_length=80)
    vip: bool = False


class CustomerUpdate(SQLModel):
    name: str | None = Field(default=None, min_length=1, max_length=100)
    city: str | None = Field(default=None, min_length=1, max_length=80)
    vip: bool | None = None


class Customer(CustomerCreate, table=True):
    __tablename__ = "customers"
    __table_args__ = (
        UniqueConstraint("name", "city", name="uq_customers_name_city"),
        Index("ix_customers_name", "name"),
    )

    id: int | None = Field(default=None, primary_key=True)


class OrderCreate(SQLModel):
    article: str = Field(min_length=1, max_length=100)


class Order(OrderCreate, table=True):
    __tablename__ = "orders"

    id: int | None = Field(default=None, primary_key=True)
    customer_id: int = Field(foreign_key="customers.id", index=True)
