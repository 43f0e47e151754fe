from typing import Annotated

from fastapi import Depends, FastAPI, Header

from app.models import (
    Booking,
    BookingCreate,
    BookingRead,
    BookingUpdate,
    Room,
    RoomCreate,
    RoomRead,
)
from colonnade import Database, Problem, Resource, Session, col, select

db = Database()
app = FastAPI(title="Meeting rooms", lifespan=db.lifespan)
SessionDep = Annotated[Session, Depends(db.get_session)]
User = Annotated[str, Header(alias="X-User", min_length=1, max_length=50)]
rooms = Resource(Room, db, create=RoomCreate, operations={"create"})


def find_room(session: Session, room_id: int, *, lock: bool = False) -> Room:
    room = session.get(Room, room_id, with_for_update=lock)
    if room is None:
        raise Problem(404, "Room not found.", kind="not_found")
    return room


def find_booking(session: Session, booking_id: int, user: str) -> Booking:
    booking = session.get(Booking, booking_id)
    if booking is None:
        raise Problem(404, "Booking not found.", kind="not_found")
    if booking.owner != user:
        raise Problem(403, "This is somebody else's booking.", kind="forbidden")
    return booking


@rooms.get("", response_model=list[RoomRead])
def list_rooms(session: SessionDep, min_seats: int = 0) -> list[Room]:
    query = select(Room).where(Room.seats >= min_seats)
    return list(session.exec(query.order_by(col(Room.id))))


@rooms.post("/{room_id}/bookings", status_code=201, response_model=BookingRead)
def create_booking(room_id: int, body: BookingCreate, user: User, session: SessionDep) -> Booking:
    if body.end <= body.start:
        raise Problem(422, "A booking ends after it starts.", kind="invalid")
    find_room(session, room_id, lock=True)  # bookings of a room wait for each other
    overlapping = (
        select(Booking)
        .where(Booking.room_id == room_id)
        .where(Booking.start < body.end)
        .where(Booking.end > body.start)
    )
    if session.exec(overlapping).first():
        raise Problem(409, "The room is taken.", kind="taken")
    booking = Booking(room_id=room_id, owner=user, **body.model_dump())
    session.add(booking)
    session.commit()
    session.refresh(booking)  # times in UTC
    return booking


@rooms.get("/{room_id}/bookings", response_model=list[BookingRead])
def list_bookings(room_id: int, session: SessionDep) -> list[Booking]:
    query = select(Booking).where(Booking.room_id == find_room(session, room_id).id)
    return list(session.exec(query.order_by(col(Booking.start))))


@app.patch("/bookings/{booking_id}", response_model=BookingRead)
def update_booking(
    booking_id: int, body: BookingUpdate, user: User, session: SessionDep
) -> Booking:
    booking = find_booking(session, booking_id, user)
    booking.sqlmodel_update(body.model_dump())
    session.commit()
    return booking


@app.delete("/bookings/{booking_id}", status_code=204)
def delete_booking(booking_id: int, user: User, session: SessionDep) -> None:
    session.delete(find_booking(session, booking_id, user))
    session.commit()


app.include_router(rooms)
