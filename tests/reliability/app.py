"""The application under test: entries that are written once, and counters that only grow."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import ClassVar
from uuid import UUID

from fastapi import FastAPI

from colonnade import Database, Field, Idempotency, Resource, SQLModel, Timestamps, problems
from tests.reliability.load import DEADLINE, SLOTS_DEADLINE


class Entry(Timestamps, table=True):
    """A row of a client. Its token is unique to the request, without a unique constraint."""

    id: int | None = Field(default=None, primary_key=True)
    token: UUID = Field(index=True)
    worker: int


class Counter(SQLModel, table=True):
    id: int = Field(primary_key=True)
    value: int = 0


class Slot(SQLModel, table=True):
    """A row that the faults change and lock."""

    id: int | None = Field(default=None, primary_key=True)
    first: int = 0
    second: int = 0


class RequestKey(Idempotency, table=True):
    keep_for: ClassVar[timedelta] = timedelta(hours=1)


db = Database(
    pool_timeout=float(os.environ.get("POOL_TIMEOUT", DEADLINE / 2)),
    pool_size=int(os.environ.get("POOL_SIZE", "5")),
    max_overflow=int(os.environ.get("MAX_OVERFLOW", "5")),
    statement_timeout=float(os.environ.get("STATEMENT_TIMEOUT", "2")),
    busy_timeout=2,
    replicas=os.environ.get("REPLICAS", "").split(),
)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with db.lifespan(app):
        yield


app = FastAPI(lifespan=lifespan)
app.include_router(Resource(Entry, db, idempotency=RequestKey))
app.include_router(Resource(Counter, db))
app.include_router(Resource(Slot, db, deadline=SLOTS_DEADLINE))
problems(app)
