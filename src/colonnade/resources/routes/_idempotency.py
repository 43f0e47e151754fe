"""``Idempotency-Key``: a POST that comes twice is carried out once, and answered the same.

The answer is stored in the transaction of the write, so that both exist or neither does.
https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from fastapi import Request, Response
from sqlalchemy import Connection, Table, delete, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from colonnade.database import Database, capabilities_of
from colonnade.errors import ModelError, QueryError, error_entry
from colonnade.models import Idempotency, Shape, now
from colonnade.query import Scopes
from colonnade.resources._hooks import RunStatements
from colonnade.resources._reads import path_of
from colonnade.resources._table_context import TableContext
from colonnade.resources._upserts import upsert
from colonnade.resources.answers._bodies import JSONBody
from colonnade.resources.answers._problems import Problem
from colonnade.resources.routes._request_context import RequestContext

HEADER = "Idempotency-Key"

LONGEST_KEY = 255
"""Characters in a key; a UUID has 36."""

FORGOTTEN = 20
"""Answers whose time is over that are deleted with each that is stored: more than come in."""

RowsT = TypeVar("RowsT")

_in_flight: WeakKeyDictionary[Database, set[str]] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class RequestFingerprint:
    """What tells a request from others.

    Attributes:
        key: A digest of the client's key, of the path, and of the scope: what one user is
            answered, no other is.
        request: A digest of the body.
    """

    key: str
    request: str

    @classmethod
    def of(cls, request: Request, body: bytes, scopes: Scopes) -> "RequestFingerprint | None":
        """That of a request; None if it has no key.

        Raises:
            QueryError: The key is none.
        """
        keys = request.headers.getlist(HEADER)
        if not keys:
            return None
        if len(keys) > 1 or not 1 <= len(keys[0]) <= LONGEST_KEY:
            message = f"Send one key of 1 to {LONGEST_KEY} characters, such as a UUID"
            loc = ("header", HEADER)
            raise QueryError([error_entry("key", loc, message)])
        parts = (request.method, path_of(request), keys[0], *scopes.fingerprints())
        identity = "\0".join(f"{len(part)}:{part}" for part in parts)
        return cls(sha256(identity.encode()).hexdigest(), sha256(body).hexdigest())


class Receipts:
    """The answers that are kept for a Resource.

    Args:
        subject: What the Resource is about.
        model: The table they are kept in.

    Raises:
        ModelError: The model is not such a table.
    """

    def __init__(self, subject: TableContext, model: type[Idempotency]) -> None:
        if not issubclass(model, Idempotency):
            raise ModelError(
                f"idempotency={model.__name__} cannot store responses. Define one: "
                f"class RequestKey(Idempotency, table=True): ..."
            )
        self.subject = subject
        self._model = model
        self._table: Table = Shape.of(model).table

    def find(self, connection: Connection, receipt: RequestFingerprint) -> Response | None:
        """The answer that is kept; until the transaction ends nobody else carries it out."""
        table = self._table
        if capabilities_of(connection).advisory_locks:
            number = int(receipt.key[:16], 16) - 2**63
            if not connection.execute(select(func.pg_try_advisory_xact_lock(number))).scalar_one():
                raise _being_carried_out()
        statement = select(table).where(table.c.key == receipt.key, table.c.expires_at > now())
        row: Any = connection.execute(statement).mappings().first()
        if row is None:
            return None
        if row["request"] != receipt.request:
            detail = f"This {HEADER} was used for a request with another body."
            raise Problem(422, detail, kind="idempotency_key")
        return JSONBody(row["body"].encode(), row["status"], row["headers"])

    def keep(
        self, connection: Connection, receipt: RequestFingerprint, answer: Response
    ) -> Response:
        """Store an answer, and delete some whose time is over."""
        table, moment = self._table, now()
        old = (
            select(table.c.key)
            .where(table.c.expires_at <= moment, table.c.key != receipt.key)
            .limit(FORGOTTEN)
            .with_for_update(skip_locked=True)
        )
        connection.execute(delete(table).where(table.c.key.in_(old)))
        skipped = (b"content-length", b"content-type")
        values = {
            "key": receipt.key,
            "request": receipt.request,
            "status": answer.status_code,
            "headers": {
                name.decode(): value.decode("latin-1")
                for name, value in answer.raw_headers
                if name not in skipped
            },
            "body": bytes(answer.body).decode(),
            "expires_at": moment + self._model.keep_for,
        }
        statement = upsert(table, connection.dialect.name).values(values)
        statement = statement.on_conflict_do_update(
            index_elements=[table.c.key], set_=values, where=table.c.expires_at <= moment
        ).returning(table.c.key)
        if connection.execute(statement).first() is None:
            raise _MeanwhileError
        return answer


class IdempotentRequest:
    """A request that is carried out once, however often it comes.

    Args:
        receipts: Where answers are kept.
        receipt: What tells it from others.
    """

    def __init__(self, receipts: Receipts, receipt: RequestFingerprint) -> None:
        self._receipts = receipts
        self._receipt = receipt

    async def answer(
        self,
        context: RequestContext,
        work: Callable[[Connection], RowsT],
        hooked: Callable[[AsyncSession, RunStatements], Awaitable[RowsT]] | None,
        respond: Callable[[RowsT], Response],
    ) -> Response:
        """The answer: by what it was answered before, or by what is carried out now.

        Args:
            context: What the request's statements run with.
            work: What it asks for.
            hooked: The same between hooks; None where there are none.
            respond: Makes the answer.

        Raises:
            Problem: 409, it is being carried out; 422, the key was another request's.
        """
        receipts, receipt = self._receipts, self._receipt

        def unit(connection: Connection) -> Response:
            return receipts.find(connection, receipt) or receipts.keep(
                connection, receipt, respond(work(connection))
            )

        async def unit_hooked(session: AsyncSession, run: RunStatements) -> Response:
            assert hooked is not None
            stored: Response | None = await run(
                lambda connection: receipts.find(connection, receipt)
            )
            if stored is not None:
                return stored
            answer = respond(await hooked(session, run))
            kept: Response = await run(
                lambda connection: receipts.keep(connection, receipt, answer)
            )
            return kept

        subject = receipts.subject
        with self._in_flight():
            while True:
                try:
                    if hooked is None:
                        return await subject.run(context, unit, begin=True, idempotent=True)
                    return await subject.run_hooked(context, unit_hooked, idempotent=True)
                except _MeanwhileError:
                    continue  # by now, the answer can be seen

    @contextmanager
    def _in_flight(self) -> Iterator[None]:
        """Refuse a request that this process is carrying out."""
        key = self._receipt.key
        keys = _in_flight.setdefault(self._receipts.subject.db, set())
        if key in keys:
            raise _being_carried_out()
        keys.add(key)
        try:
            yield
        finally:
            keys.discard(key)


class _MeanwhileError(Exception):
    """Another process has stored an answer to the same request since it was looked for."""


def _being_carried_out() -> Problem:
    detail = f"A request with this {HEADER} is in progress. Retry shortly."
    return Problem(409, detail, kind="in_flight", headers={"Retry-After": "1"})
