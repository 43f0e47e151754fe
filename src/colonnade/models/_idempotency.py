"""``Idempotency``: what a table is that keeps answers for requests that come twice."""

from datetime import datetime, timedelta
from typing import ClassVar

from colonnade.models._fields import Field
from colonnade.models._model import SQLModel


class Idempotency(SQLModel):
    """A table of the answers to POST requests with an ``Idempotency-Key``.

    ``class RequestKey(Idempotency, table=True): ...`` is all of it; then
    ``Resource(Task, db, idempotency=RequestKey)``. One table serves every Resource of a database.

    Attributes:
        keep_for: How long an answer is kept.
        key: A digest of the key, the path and the scope of the request.
        request: A digest of the body.
        status: The answer's.
        headers: The answer's.
        body: The answer's, JSON.
        expires_at: When it is forgotten.
    """

    keep_for: ClassVar[timedelta] = timedelta(days=1)

    key: str = Field(primary_key=True, max_length=64)
    request: str = Field(max_length=64)
    status: int = Field(ge=200, le=299)
    headers: dict[str, str]
    body: str
    expires_at: datetime = Field(index=True)
