"""``Idempotency-Key``: a repeated POST is executed once and gets the same response.

The response is stored in the transaction of the write, so that either both exist or neither.
https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator
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
from colonnade.resources._reads import path_of
from colonnade.resources._table_context import ResourceContext
from colonnade.resources.responses._bodies import JSONBody
from colonnade.resources.responses._problems import Problem
from colonnade.resources.routes._request_context import RequestContext
from colonnade.writes import RunStatements, upsert

HEADER = "Idempotency-Key"

MAX_KEY_LENGTH = 255
"""Maximum length of a key in characters; a UUID has 36."""

EXPIRED_PER_WRITE = 20
"""Expired responses deleted with each stored one: more than one, so that the table shrinks."""

RowsT = TypeVar("RowsT")

_in_flight: WeakKeyDictionary[Database, set[str]] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class RequestFingerprint:
    """The identity of a request.

    Attributes:
        key: A digest of the client's key, the path, the scope, and the chosen schemas, so that no
            user gets the response of another.
        request: A digest of the body.
    """

    key: str
    request: str

    @classmethod
    def of(
        cls, request: Request, body: bytes, scopes: Scopes, chosen: Iterable[str] = ()
    ) -> "RequestFingerprint | None":
        """Return the fingerprint of a request; None if it has no key.

        Args:
            request: The request.
            body: Its body.
            scopes: Its scopes.
            chosen: The schemas that were chosen for it.

        Raises:
            QueryError: The key is not valid.
        """
        keys = request.headers.getlist(HEADER)
        if not keys:
            return None
        if len(keys) > 1 or not 1 <= len(keys[0]) <= MAX_KEY_LENGTH:
            message = f"Send one key of 1 to {MAX_KEY_LENGTH} characters, such as a UUID"
            loc = ("header", HEADER)
            raise QueryError([error_entry("key", loc, message)])
        parts = (request.method, path_of(request), keys[0], *scopes.fingerprints(), *chosen)
        identity = "\0".join(f"{len(part)}:{part}" for part in parts)
        return cls(sha256(identity.encode()).hexdigest(), sha256(body).hexdigest())


class ResponseStore:
    """The stored responses of a Resource.

    Args:
        table_context: The table of the Resource.
        model: The table that stores the responses.

    Raises:
        ModelError: The model does not inherit from ``Idempotency``.
    """

    def __init__(self, table_context: ResourceContext, model: type[Idempotency]) -> None:
        if not issubclass(model, Idempotency):
            raise ModelError(
                f"idempotency={model.__name__} cannot store responses. Define a table such as "
                f"class RequestKey(Idempotency, table=True): ..."
            )
        self.table_context = table_context
        self._model = model
        self._table: Table = Shape.of(model).table

    def find(self, connection: Connection, fingerprint: RequestFingerprint) -> Response | None:
        """Return the stored response, and lock the key until the transaction ends."""
        table = self._table
        if capabilities_of(connection).advisory_locks:
            number = int(fingerprint.key[:16], 16) - 2**63
            if not connection.execute(select(func.pg_try_advisory_xact_lock(number))).scalar_one():
                raise _in_progress()
        statement = select(table).where(table.c.key == fingerprint.key, table.c.expires_at > now())
        row: Any = connection.execute(statement).mappings().first()
        if row is None:
            return None
        if row["request"] != fingerprint.request:
            detail = f"This {HEADER} was used for a request with a different body. Use a new key."
            raise Problem(422, detail, kind="idempotency_key")
        return JSONBody(row["body"].encode(), row["status"], row["headers"])

    def store(
        self, connection: Connection, fingerprint: RequestFingerprint, response: Response
    ) -> Response:
        """Store a response, and delete some expired ones."""
        table, timestamp = self._table, now()
        old = (
            select(table.c.key)
            .where(table.c.expires_at <= timestamp, table.c.key != fingerprint.key)
            .limit(EXPIRED_PER_WRITE)
            .with_for_update(skip_locked=True)
        )
        connection.execute(delete(table).where(table.c.key.in_(old)))
        skipped = (b"content-length", b"content-type")
        values = {
            "key": fingerprint.key,
            "request": fingerprint.request,
            "status": response.status_code,
            "headers": {
                name.decode(): value.decode("latin-1")
                for name, value in response.raw_headers
                if name not in skipped
            },
            "body": bytes(response.body).decode(),
            "expires_at": timestamp + self._model.keep_for,
        }
        statement = upsert(table, connection.dialect.name).values(values)
        statement = statement.on_conflict_do_update(
            index_elements=[table.c.key], set_=values, where=table.c.expires_at <= timestamp
        ).returning(table.c.key)
        if connection.execute(statement).first() is None:
            raise _AlreadyStoredError
        return response


class IdempotentRequest:
    """A request that is executed once, however often the client sends it.

    Args:
        response_store: The stored responses.
        fingerprint: The identity of the request.
    """

    def __init__(self, response_store: ResponseStore, fingerprint: RequestFingerprint) -> None:
        self._response_store = response_store
        self._fingerprint = fingerprint

    async def run(
        self,
        context: RequestContext,
        work: Callable[[Connection], RowsT],
        hooked: Callable[[AsyncSession, RunStatements], Awaitable[RowsT]] | None,
        respond: Callable[[RowsT], Response],
    ) -> Response:
        """Return the stored response, or execute the request and store its response.

        Args:
            context: The context of the request.
            work: Executes the request.
            hooked: Executes the request with its hooks; None if it has none.
            respond: Builds the response.

        Raises:
            Problem: 409, the request is in progress; 422, the key belongs to another request.
        """
        response_store, fingerprint = self._response_store, self._fingerprint

        def unit(connection: Connection) -> Response:
            return response_store.find(connection, fingerprint) or response_store.store(
                connection, fingerprint, respond(work(connection))
            )

        async def unit_hooked(session: AsyncSession, run: RunStatements) -> Response:
            assert hooked is not None
            stored: Response | None = await run(
                lambda connection: response_store.find(connection, fingerprint)
            )
            if stored is not None:
                return stored
            response = respond(await hooked(session, run))
            result: Response = await run(
                lambda connection: response_store.store(connection, fingerprint, response)
            )
            return result

        table_context = response_store.table_context
        with self._in_flight():
            while True:
                try:
                    if hooked is None:
                        return await table_context.run(context, unit, begin=True, idempotent=True)
                    return await table_context.run_hooked(context, unit_hooked, idempotent=True)
                except _AlreadyStoredError:
                    continue  # the stored response is visible now

    @contextmanager
    def _in_flight(self) -> Iterator[None]:
        """Refuse a request that this process is executing already."""
        key = self._fingerprint.key
        keys = _in_flight.setdefault(self._response_store.table_context.db, set())
        if key in keys:
            raise _in_progress()
        keys.add(key)
        try:
            yield
        finally:
            keys.discard(key)


class _AlreadyStoredError(Exception):
    """Another process stored a response to the same request after the lookup."""


def _in_progress() -> Problem:
    detail = f"A request with this {HEADER} is in progress. Try again shortly."
    return Problem(409, detail, kind="in_flight", headers={"Retry-After": "1"})
