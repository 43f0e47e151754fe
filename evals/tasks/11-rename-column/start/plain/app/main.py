from fastapi import FastAPI, HTTPException
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from app.db import SessionDep
from app.models import Customer, CustomerCreate, CustomerUpdate, Order, OrderCreate

app = FastAPI(title="Customers")


def find(session: Session, customer_id: int) -> Customer:
    customer = session.get(Customer, customer_id)
    if customer is None:
        raise HTTPException(404, "no such customer")
    return customer


def save(session: Session, customer: Customer) -> Customer:
    session.add(customer)
    try:
        session.commit()
    except IntegrityError as error:
        raise HTTPException(409, "this city has a customer of that name") from error
    session.refresh(customer)
    return customer


@app.post("/customers", status_code=201)
def create_customer(body: CustomerCreate, session: SessionDep) -> Customer:
    return save(session, Customer.model_validate(body))


@app.get("/customers")
def list_customers(session: SessionDep, name: str | None = None) -> list[Customer]:
    query = select(Customer).order_by(Customer.name, col(Customer.id))
    if name is not None:
        query = query.where(Customer.name == name)
    return list(session.exec(query))


@app.get("/customers/{customer_id}")
def read_customer(customer_id: int, session: SessionDep) -> Customer:
    return find(session, customer_id)


@app.patch("/customers/{customer_id}")
def update_customer(customer_id: int, body: CustomerUpdate, session: SessionDep) -> Customer:
    customer = find(session, customer_id)
    customer.sqlmodel_update(body.model_dump(exclude_unset=True, exclude_none=True))
    return save(session, customer)


@app.post("/customers/{customer_id}/orders", status_code=201)
def create_order(customer_id: int, body: OrderCreate, session: SessionDep) -> Order:
    order = Order(article=body.article, customer_id=find(session, customer_id).id)
    session.add(order)
    session.commit()
    session.refresh(order)
    return order


@app.get("/orders")
def list_orders(session: SessionDep) -> list[dict[str, object]]:
    query = select(Order, Customer.name).join(Customer).order_by(col(Order.id))
    return [
        {"id": order.id, "article": order.article, "customer": name}
        for order, name in session.exec(query)
    ]
