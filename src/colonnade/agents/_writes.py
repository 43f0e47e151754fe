"""The tool ``write``: changes as requests to the Resources, in one transaction."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal
from urllib.parse import unquote

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.background import BackgroundTask
from starlette.routing import BaseRoute

from colonnade.agents._answers import DATA, ToolError
from colonnade.agents._arguments import (
    Change,
    Create,
    Delete,
    Link,
    Replace,
    Unlink,
    Update,
    Upsert,
    WriteArguments,
)
from colonnade.agents._keys import key_segment
from colonnade.agents._requests import Answer, Caller
from colonnade.database import CheckedKeySession, error_kind_of
from colonnade.errors import DatabaseError
from colonnade.models import Shape
from colonnade.resources import GeneratedRoute, ServedTable, SharedSession
from colonnade.writes import check_deferred_constraints, rejection_of, unavailable_of

logger = logging.getLogger("colonnade.agents")

_STORED = "All changes are stored."
_TRIED = "Dry run: nothing is stored. Repeat the call with dry_run=false to store the changes."
_REFUSED = "Nothing is stored, since this change was refused."
_UNKNOWN = "The change may be stored. Read the rows before you repeat the call."


@dataclass(frozen=True, slots=True)
class _WriteRequest:
    """A change as a request to a Resource."""

    table: ServedTable
    method: str
    below: str
    query: tuple[tuple[str, str], ...]
    body: Any
    headers: Mapping[str, str]


class _RolledBackError(Exception):
    """Ends a transaction without a commit.

    Args:
        answers: The responses to the changes.
    """

    def __init__(self, answers: Sequence[Answer]) -> None:
        super().__init__()
        self.answers = answers


async def write(
    arguments: WriteArguments, tables: Mapping[str, ServedTable], caller: Caller
) -> dict[str, Any]:
    """Carry out changes, or try them.

    Args:
        arguments: The changes.
        tables: The tables.
        caller: Who calls.

    Raises:
        ToolError: A change is refused, and none is stored.
    """
    requests = [
        _request_of(change, tables[change.table], _key_of(arguments, index))
        for index, change in enumerate(arguments.changes)
    ]
    refused = _REFUSED
    if len(requests) == 1 and not arguments.dry_run:
        # Exactly the request of an HTTP client, whatever answers it.
        answers: Sequence[Answer] = [await _send(requests[0], caller)]
        is_generated = isinstance(_route_of(requests[0], caller), GeneratedRoute)
        if not is_generated or answers[0].status >= 500:
            # An endpoint may have stored something before it failed, and a commit may have
            # arrived without its confirmation.
            refused = _UNKNOWN
    else:
        _refuse_unusual(requests, caller)
        answers = await _together(requests, caller, is_trial=arguments.dry_run)
    return _answer(answers, refused, is_trial=arguments.dry_run)


def _key_of(arguments: WriteArguments, index: int) -> str | None:
    """The ``Idempotency-Key`` of a change; none for a trial, which stores no answer."""
    key = arguments.idempotency_key
    if key is None or arguments.dry_run:
        return None
    # No other call has a key like those of the further changes.
    return f"{sha256(key.encode()).hexdigest()}-{index}" if index else key


async def _send(
    request: _WriteRequest, caller: Caller, session: SharedSession | None = None
) -> Answer:
    return await caller.ask(
        request.table,
        request.below,
        request.method,
        query=request.query,
        body=request.body,
        headers=request.headers,
        session=session,
    )


def _route_of(request: _WriteRequest, caller: Caller) -> BaseRoute | None:
    return caller.route(request.table, request.below, request.method)


def _refuse_unusual(requests: Sequence[_WriteRequest], caller: Caller) -> None:
    """Refuse requests that cannot share a transaction.

    Raises:
        ToolError: An endpoint of the application answers one, with another session, or the
            tables are in several databases.
    """
    for index, request in enumerate(requests):
        route = _route_of(request, caller)
        if route is not None and not isinstance(route, GeneratedRoute):
            raise ToolError(
                f"changes[{index}]: an endpoint of the application handles this change, so it "
                "cannot be tried or combined with others. Send it alone, with dry_run=false."
            )
    if len({id(request.table.resource.db) for request in requests}) > 1:
        raise ToolError(
            "The tables are in several databases. Send the changes of each in a separate call."
        )


async def _together(
    requests: Sequence[_WriteRequest], caller: Caller, *, is_trial: bool
) -> Sequence[Answer]:
    """Send requests that share a transaction, until one is refused."""
    db = requests[0].table.resource.db
    background: list[BackgroundTask] = []

    async def unit(session: AsyncSession) -> list[Answer]:
        background.clear()
        connection = await session.connection()
        answers: list[Answer] = []
        for request in requests:
            answers.append(await _send_within(connection, request))
            if answers[-1].is_error:
                raise _RolledBackError(answers)
        await connection.run_sync(check_deferred_constraints)
        if is_trial:
            raise _RolledBackError(answers)
        return answers

    async def _send_within(connection: AsyncConnection, request: _WriteRequest) -> Answer:
        # A commit or a rollback of a hook ends a savepoint, and not the transaction.
        async with AsyncSession(
            connection,
            expire_on_commit=False,
            join_transaction_mode="create_savepoint",
            sync_session_class=CheckedKeySession,
        ) as session:
            shared = SharedSession(
                session, is_new=False, db=db, is_trial=is_trial, is_combined=len(requests) > 1
            )
            answer = await _send(request, caller, shared)
            for failure in shared.failures:
                if error_kind_of(failure) is not None:
                    raise failure  # which a retry of the transaction may mend
            await session.commit()
        background.extend(shared.background)
        return answer

    # As for hooks: SQLite would lock at the first write only.
    level: Literal["SERIALIZABLE"] | None = "SERIALIZABLE" if db.url.backend == "sqlite" else None
    try:
        answers = await db.transaction_async(unit, isolation_level=level)
    except _RolledBackError as error:
        return error.answers
    except (SQLAlchemyError, DatabaseError) as error:
        problem = _problem_of(error, requests)
        is_known = is_trial or problem["status"] < 500
        raise ToolError(**problem, stored=_REFUSED if is_known else _UNKNOWN) from error
    for task in background:
        try:
            await task()
        except Exception:  # the changes are stored: the answer must not be an error
            logger.exception("A background task of a write failed")
    return answers


def _problem_of(error: Exception, requests: Sequence[_WriteRequest]) -> dict[str, Any]:
    """What an error of the transaction itself says, such as one of a deferred constraint.

    Raises:
        Exception: The error is a fault of the application.
    """
    shape = Shape.of(requests[-1].table.resource.model)
    problem = unavailable_of(error) or rejection_of(error, shape)
    if problem is None:
        raise error
    return {"message": problem.detail, "status": problem.status_code}


def _answer(answers: Sequence[Answer], refused: str, *, is_trial: bool) -> dict[str, Any]:
    last = answers[-1]
    if last.is_error:
        problem = last.problem()
        message = f"changes[{len(answers) - 1}]: {problem.pop('message')}"
        raise ToolError(message, **problem, stored=refused)
    return {
        "dry_run": is_trial,
        "stored": _TRIED if is_trial else _STORED,
        "note": DATA,
        "results": [_result(answer) for answer in answers],
    }


def _result(answer: Answer) -> dict[str, Any]:
    result: dict[str, Any] = {"status": answer.status}
    if "etag" in answer.headers:
        result["etag"] = answer.headers["etag"]
    if answer.body:
        result["row"] = answer.json_or_none()
    return result


def _request_of(change: Change, table: ServedTable, idempotency_key: str | None) -> _WriteRequest:
    """The request that carries out a change."""
    method, below, query, body = _parts_of(change, table)
    headers: dict[str, str] = {}
    if isinstance(change, Update | Replace | Delete) and change.etag is not None:
        headers["if-match"] = change.etag
    if idempotency_key is not None:
        if method != "POST" or table.resource.idempotency is None:
            raise ToolError(
                f"idempotency_key does not apply to {change.action} of {change.table}. Leave it "
                "out, and read the rows before you repeat the call."
            )
        headers["idempotency-key"] = idempotency_key
    return _WriteRequest(table, method, below, query, body, headers)


def _parts_of(
    change: Change, table: ServedTable
) -> tuple[str, str, tuple[tuple[str, str], ...], Any]:
    """The method, the path below that of the Resource, the query parameters and the body."""
    match change:
        case Create():
            return "POST", "", (), change.values
        case Upsert():
            return "POST", "", (("on_conflict", ",".join(change.on_conflict)),), change.values
        case Update():
            return "PATCH", _path(change.key, table), (), change.values
        case Replace():
            return "PUT", _path(change.key, table), (), change.values
        case Delete():
            return "DELETE", _path(change.key, table), (), None
        case Link() | Unlink():
            below = f"{_path(change.key, table)}/{change.relation}/{_target(change, table)}"
            is_link = isinstance(change, Link)
            body = (change.values or None) if isinstance(change, Link) else None
            return "PUT" if is_link else "DELETE", below, (), body


def _path(key: Any, table: ServedTable) -> str:
    return f"/{unquote(key_segment(key, table.resource.model))}"


def _target(change: Link | Unlink, table: ServedTable) -> str:
    relation = Shape.of(table.resource.model).relations.get(change.relation)
    if relation is None or relation.link is None:
        raise ToolError(f"{change.relation!r} is not a relation of {change.table} with links.")
    return unquote(key_segment(change.target, relation.target))
