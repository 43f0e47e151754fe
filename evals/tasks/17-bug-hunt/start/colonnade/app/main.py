from typing import Annotated

from fastapi import FastAPI, Query
from sqlalchemy.exc import IntegrityError

from app.db import db, session
from app.models import Item, ItemUpdate, Movement, MovementCreate
from colonnade import Problem, col, select

app = FastAPI(title="Warehouse", lifespan=db.lifespan)
Limit = Annotated[int, Query(ge=1, le=100)]
Offset = Annotated[int, Query(ge=0)]


def find(item_id: int) -> Item:
    item = session.get(Item, item_id)
    if item is None:
        raise Problem(404, "Item not found.", kind="not_found")
    return item


def save(item: Item) -> Item:
    session.add(item)
    try:
        session.commit()
    except IntegrityError as error:
        raise Problem(409, "An item of that name exists.", kind="unique") from error
    session.refresh(item)
    return item


@app.post("/items", status_code=201)
def create_item(item: Item) -> Item:
    return save(item)


@app.get("/items")
def list_items(limit: Limit = 50, offset: Offset = 0) -> list[Item]:
    return list(session.exec(select(Item).order_by(col(Item.id)).offset(offset).limit(limit)))


@app.get("/items/{item_id}")
def read_item(item_id: int) -> Item:
    return find(item_id)


@app.patch("/items/{item_id}")
def update_item(item_id: int, body: ItemUpdate) -> Item:
    item = find(item_id)
    item.sqlmodel_update(body.model_dump())
    return save(item)


@app.post("/items/{item_id}/movements", status_code=201)
def create_movement(item_id: int, body: MovementCreate) -> Movement:
    item = find(item_id)
    quantity = item.quantity + body.change
    if not 0 <= quantity <= 1_000_000:
        raise Problem(
            409, "The warehouse has not so many, or no room for so many.", kind="quantity"
        )
    item.quantity = quantity
    movement = Movement(item_id=item_id, quantity=quantity, **body.model_dump())
    session.add(movement)
    if body.reason == "correction":
        session.flush()
        return movement
    session.commit()
    session.refresh(movement)
    return movement


@app.get("/items/{item_id}/movements")
def list_movements(item_id: int, limit: Limit = 50, offset: Offset = 0) -> list[Movement]:
    query = select(Movement).where(Movement.item_id == find(item_id).id).order_by(col(Movement.id))
    return list(session.exec(query.offset(offset).limit(limit)))
