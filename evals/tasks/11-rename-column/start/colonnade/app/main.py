from typing import Annotated

from fastapi import Depends, FastAPI

from app.models import (
    Customer,
    CustomerCreate,
    CustomerRead,
    CustomerUpdate,
    Order,
    OrderCreate,
    OrderRead,
)
from colonnade import Database, Problem, Resource, Session, col, select

db = Database()
app = FastAPI(title="Customers", lifespan=db.lifespan)
SessionDep = Annotated[Session, Depends(db.get_session)]
customers = Resource(
    Customer,
    db,
    create=CustomerCreate,
    update=CustomerUpdate,
    operations={"create", "read", "update"},
)


@customers.get("", response_model=list[CustomerRead])
def list_customers(session: SessionDep, name: str | None = None) -> list[Customer]:
    query = select(Customer).order_by(Customer.name, col(Customer.id))
    if name is not None:
        query = query.where(Customer.name == name)
    return list(session.exec(query))


@app.post("/customers/{customer_id}/orders", status_code=201, response_model=OrderRead)
def create_order(customer_id: int, body: OrderCreate, session: SessionDep) -> Order:
    if session.get(Customer, customer_id) is None:
        raise Problem(404, "Customer not found.", kind="not_found")
    order = Order(article=body.article, customer_id=customer_id)
    session.add(order)
    session.commit()
    return order


@app.get("/orders")
def list_orders(session: SessionDep) -> list[dict[str, object]]:
    query = select(Order, Customer.name).join(Customer).order_by(col(Order.id))
    return [
        {"id": order.id, "article": order.article, "customer": name}
        for order, name in session.exec(query)
    ]


app.include_router(customers)
