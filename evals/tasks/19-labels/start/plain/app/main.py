from typing import Annotated

from fastapi import FastAPI, HTTPException, Query
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from app.db import SessionDep
from app.models import Device, DeviceCreate, DeviceUpdate, Status

app = FastAPI(title="Devices")


def find(session: Session, device_id: int) -> Device:
    device = session.get(Device, device_id)
    if device is None:
        raise HTTPException(404, "no such device")
    return device


def save(session: Session, device: Device) -> Device:
    session.add(device)
    try:
        session.commit()
    except IntegrityError as error:
        raise HTTPException(409, "a device of that name exists") from error
    session.refresh(device)
    return device


@app.post("/devices", status_code=201)
def create_device(body: DeviceCreate, session: SessionDep) -> Device:
    return save(session, Device.model_validate(body))


@app.get("/devices")
def list_devices(
    session: SessionDep,
    status: Status | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    offset: Annotated[int, Query(ge=0)] = 0,
) -> list[Device]:
    query = select(Device).order_by(col(Device.id))
    if status is not None:
        query = query.where(Device.status == status)
    return list(session.exec(query.offset(offset).limit(limit)))


@app.get("/devices/{device_id}")
def read_device(device_id: int, session: SessionDep) -> Device:
    return find(session, device_id)


@app.patch("/devices/{device_id}")
def update_device(device_id: int, body: DeviceUpdate, session: SessionDep) -> Device:
    device = find(session, device_id)
    device.sqlmodel_update(body.model_dump(exclude_unset=True, exclude_none=True))
    return save(session, device)
