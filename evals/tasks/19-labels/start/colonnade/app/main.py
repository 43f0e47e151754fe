from fastapi import FastAPI

from app.models import Device, DeviceCreate, DeviceUpdate
from colonnade import Database, Resource

db = Database()
app = FastAPI(title="Devices", lifespan=db.lifespan)
app.include_router(
    Resource(
        Device,
        db,
        create=DeviceCreate,
        update=DeviceUpdate,
        operations={"create", "list", "read", "update"},
        default_limit=50,
        max_limit=100,
    )
)
