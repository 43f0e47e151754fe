"""``Idempotency``: the base of a table that stores responses for repeated requests."""

from datetime import datetime, timedelta
from typing import ClassVar

from colonnade.models._fields import Field
from colonnade.models._model import SQLModel


class Idempotency(SQLModel):
    """A table of the responses to POST requests with an ``Idempotency-Key``.

    Define the table with ``class RequestKey(Idempotency, table=True): ...`` and pass it to
    ``Resource(Task, db, idempotency=RequestKey)``. One table serves every Resource of a database.

    Attributes:
        keep_for: How long to keep a response.
        key: A digest of the key, the path and the scope of the request.
        request: A digest of the request body.
        status: The status code of the response.
        headers: The headers of the response.
        body: The JSON body of the response.
        expires_at: When the response expires.

    Examples:
        ```python
        from fastapi import FastAPI
        from fastapi.testclient import TestClient

        from colonnade import Database, Field, Idempotency, Resource, SQLModel


        class RequestKey(Idempotency, table=True):
            pass


        class Order(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            product: str


        db = Database("sqlite://")
        db.create_all()
        app = FastAPI()
        app.include_router(Resource(Order, db, idempotency=RequestKey))
        client = TestClient(app)
        order = {"json": {"product": "Lamp"}, "headers": {"Idempotency-Key": "4f1c"}}
        print(client.post("/orders", **order).json()["id"])  # 1
        print(client.post("/orders", **order).json()["id"])  # 1
        ```
    """

    keep_for: ClassVar[timedelta] = timedelta(days=1)

    key: str = Field(primary_key=True, max_length=64)
    request: str = Field(max_length=64)
    status: int = Field(ge=200, le=299)
    headers: dict[str, str]
    body: str
    expires_at: datetime = Field(index=True)
