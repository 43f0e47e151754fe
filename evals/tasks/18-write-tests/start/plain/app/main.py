from typing import Annotated

from fastapi import FastAPI, Header, HTTPException
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from app.db import SessionDep
from app.models import Booking, BookingCreate, BookingUpdate, Room, RoomCreate

app = FastAPI(title="Meeting rooms")
User = Annotated[str, Header(alias="X-User", min_length=1, max_length=50)]


def find_room(session: Session, room_id: int) -> Room:
    room = session.get(Room, room_id, with_for_update=True)
    if room is None:
        raise HTTPException(404, "no such room")
    return room


def find_booking(session: Session, booking_id: int, user: str) -> Booking:
    booking = session.get(Booking, booking_id)
    if booking is None:
        raise HTTPException(404, "no such booking")
    if booking.owner != user:
        raise HTTPException(403, "somebody else's booking")
    return booking


@app.post("/rooms", status_code=201)
def create_room(body: RoomCreate, session: SessionDep) -> Room:
    room = Room.model_validate(body)
    session.add(room)
    try:
        session.commit()
    except IntegrityError as error:
        raise HTTPException(409, "a room of that name exists") from error
    session.refresh(room)
    return room


@app.get("/rooms")
def list_rooms(session: SessionDep, min_seats: int = 0) -> list[Room]:
    query = select(Room).where(Room.seats >= min_seats)
    return list(session.exec(query.order_by(col(Room.id))))


@app.post("/rooms/{room_id}/bookings", status_code=201)
def create_booking(room_id: int, body: BookingCreate, user: User, session: SessionDep) -> Booking:
    if body.end <= body.start:
        raise HTTPException(422, "a booking ends after it starts")
    find_room(session, room_id)
    overlapping = (
        select(Booking)
        .where(Booking.room_id == room_id)
        .where(Booking.start < body.end)
        .where(Booking.end > body.start)
    )
    if session.exec(overlapping).first():
        raise HTTPException(409, "the room is taken")
    booking = Booking(room_id=room_id, owner=user, **body.model_dump())
    session.add(booking)
    session.commit()
    session.refresh(booking)
    return booking


@app.get("/rooms/{room_id}/bookings")
def list_bookings(room_id: int, session: SessionDep) -> list[Booking]:
    query = select(Booking).where(Booking.room_id == find_room(session, room_id).id)
    return list(session.exec(query.order_by(col(Booking.start))))


@app.patch("/bookings/{booking_id}")
def update_booking(
    booking_id: int, body: BookingUpdate, user: User, session: SessionDep
) -> Booking:
    booking = find_booking(session, booking_id, user)
    booking.sqlmodel_update(body.model_dump(exclude_unset=True))
    session.add(booking)
    session.commit()
    session.refresh(booking)
    return booking


@app.delete("/bookings/{booking_id}", status_code=204)
def delete_booking(booking_id: int, user: User, session: SessionDep) -> None:
    session.delete(find_booking(session, booking_id, user))
    session.commit()
