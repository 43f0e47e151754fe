"""Writing: one statement with RETURNING where it can be, one transaction where it cannot."""

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import Request, Response
from pydantic_core import from_json, to_json
from sqlalchemy import Connection, literal_column, select
from sqlmodel.ext.asyncio.session import AsyncSession

from colonnade.database import Plan
from colonnade.models import Idempotency
from colonnade.query import Scope, Scopes, key_clause
from colonnade.resources._bodies import JSONBody, json_body
from colonnade.resources._failures import missing_row
from colonnade.resources._foreign_keys import ForeignKeys, Reference
from colonnade.resources._hooks import Hooks, Written, in_session
from colonnade.resources._idempotency import Once, Receipt, Receipts
from colonnade.resources._keeping import (
    Judge,
    Values,
    explained,
    refuse_leaving,
    stay_inside,
    stored_row,
)
from colonnade.resources._problems import Problem
from colonnade.resources._reads import path_of
from colonnade.resources._subject import Subject, rendered
from colonnade.resources._tags import expected_rows
from colonnade.resources._trees import Trees
from colonnade.resources._write_statements import WriteStatements, key_parameters
from colonnade.rows import form_of

DONE = to_json({"ok": True})


class Writes:
    """The writing operations of one subject.

    Args:
        subject: The table.
        hooks: What the program does before and after.
        idempotency: Where answers are kept for requests that come twice.
    """

    def __init__(
        self, subject: Subject, hooks: Hooks, idempotency: type[Idempotency] | None
    ) -> None:
        self.subject = subject
        self.hooks = hooks
        self.receipts = Receipts(subject, idempotency) if idempotency is not None else None
        self.foreign = ForeignKeys(subject.shape)
        self.trees = Trees(self.foreign)
        self.statements = WriteStatements(subject, self.foreign, self.trees)
        self._judge = Judge(subject.update)

    @property
    def judges(self) -> bool:
        """Whether the model has rules over several fields, which a row that is changed keeps."""
        return bool(self._judge)

    # One row

    async def create(self, request: Request) -> Response:
        """Create a row: 201."""
        subject = self.subject
        scopes = subject.scopes(request)
        said = scopes.values(subject.shape.table)
        body = await json_body(request)
        values = subject.create.read(body, said=said)
        path = path_of(request).rstrip("/")

        def respond(row: Any) -> Response:
            answer = rendered(subject.view, row.body)
            key = subject.keys.write(_json(row.key))
            headers = {"Location": f"{path}/{key}", "ETag": subject.tags.of(row.state, answer)}
            return JSONBody(answer, 201, headers)

        once = self.once(request, body, scopes)
        if once is None:
            return respond(await self._unit("create", values, scopes))

        def insert(connection: Connection) -> Any:
            return self.insert(connection, dict(values), scopes)

        async def hooked(session: AsyncSession, run: Callable[..., Awaitable[Any]]) -> Any:
            return await self.hooked(session, run, "create", dict(values), scopes, ())

        between = hooked if self.hooks.any("create") else None
        answer: Response = await self.explained(once.answer(insert, between, respond), [values])
        return answer

    def once(self, request: Request, body: bytes, scopes: Scopes) -> Once | None:
        """How a request with an ``Idempotency-Key`` is answered; None for one without."""
        if self.receipts is None:
            return None
        receipt = Receipt.of(request, body, scopes)
        return None if receipt is None else Once(self.receipts, receipt)

    async def update(self, request: Request, key: tuple[Any, ...]) -> Response:
        """Change what the body names: 200."""
        subject = self.subject
        scopes = subject.scopes(request)
        values = subject.update.read(await json_body(request))
        expected = expected_rows(request.headers.getlist("if-match"))
        row = await self._unit("update", values, scopes, key, expected)
        body = rendered(subject.view, row.body)
        return JSONBody(body, 200, {"ETag": subject.tags.of(row.state, body)})

    async def delete(self, request: Request, key: tuple[Any, ...]) -> Response:
        """Delete a row: 200."""
        scopes = self.subject.scopes(request)
        expected = expected_rows(request.headers.getlist("if-match"))
        await self._unit("delete", {}, scopes, key, expected)
        return JSONBody(DONE)

    async def _unit(
        self,
        operation: Written,
        values: Values,
        scopes: Scopes,
        key: tuple[Any, ...] = (),
        expected: frozenset[str] | None = None,
    ) -> Any:
        """Run a write: by itself, or between hooks in a session's transaction."""
        subject = self.subject
        deleting = operation == "delete"
        work: Awaitable[Any]
        if self.hooks.any(operation):

            async def unit(session: AsyncSession, run: Callable[..., Awaitable[Any]]) -> Any:
                # A unit of work may run again: each time with the values that were asked.
                given = dict(values)
                return await self.hooked(session, run, operation, given, scopes, key, expected)

            work = subject.translated(in_session(subject.db, unit), deleting=deleting)
        elif self._is_alone(operation, values, scopes, expected):
            work = self._alone(operation, dict(values), scopes, key, expected)
        else:
            work = subject.run(
                lambda connection: self._statement(
                    connection, operation, dict(values), scopes, key, expected
                ),
                begin=self._takes_several(operation, values, scopes, expected),
                deleting=deleting,
            )
        return await self.explained(work, [values])

    async def _alone(
        self,
        operation: Written,
        values: Values,
        scopes: Scopes,
        key: tuple[Any, ...],
        expected: frozenset[str] | None,
    ) -> Any:
        """A write that is one statement; why it met no row is asked after it."""
        subject = self.subject
        if operation == "create":
            statement, asked = self.statements.insertion(values, scopes)
        elif operation == "update":
            refuse_leaving(values, scopes.get(subject.shape.table))
            statement, asked = self.statements.alteration(key, values, scopes, expected)
        else:
            statement, asked = self.statements.deletion(key, scopes, expected), []
        row = await subject.run(statement, deleting=operation == "delete")
        if row is not None:
            return row
        if operation == "create":
            raise _unreachable(asked)
        raise await subject.run(
            lambda connection: self._why_not(connection, key, scopes, expected, asked),
            idempotent=True,
        )

    async def explained(self, work: Awaitable[Any], rows: list[Values]) -> Any:
        """``work``, with the foreign key named that the database did not name."""
        return await explained(self.subject, work, self.foreign, rows)

    def _statement(
        self,
        connection: Connection,
        operation: Written,
        values: Values,
        scopes: Scopes,
        key: tuple[Any, ...],
        expected: frozenset[str] | None,
    ) -> Any:
        if operation == "create":
            return self.insert(connection, values, scopes)
        if operation == "update":
            return self.change(connection, key, values, scopes, expected)
        return self.remove(connection, key, scopes, expected)

    async def hooked(
        self,
        session: AsyncSession,
        run: Callable[..., Awaitable[Any]],
        operation: Written,
        values: Values,
        scopes: Scopes,
        key: tuple[Any, ...],
        expected: frozenset[str] | None = None,
    ) -> Any:
        """A write between its hooks.

        Args:
            session: The session of the transaction.
            run: Runs Core statements on it.
            operation: What to do.
            values: The values, which the hooks may change.
            scopes: The scopes of the request.
            key: The row's key; not of a row that is created.
            expected: The versions of the row that the write is for.
        """
        if operation != "create":
            # Before a hook, which may tell of the row: it is there, and within reach.
            await run(lambda connection: self.seen(connection, key, scopes, expected))
        await self.hooks.run("before", operation, session, key if operation == "delete" else values)
        await session.flush()
        row = await run(
            lambda connection: self._statement(connection, operation, values, scopes, key, expected)
        )
        if not self.hooks.has("after", operation):
            return row
        if operation == "delete":
            await self.hooks.run("after", operation, session, key)
            return row
        identity = self._identity(row)
        instance = await session.get(self.subject.shape.model, identity, populate_existing=True)
        await self.hooks.run("after", operation, session, instance)
        await session.flush()
        return await run(lambda connection: self.current(connection, identity, scopes)) or row

    def _identity(self, row: Any) -> tuple[Any, ...]:
        forms = [form_of(one) for one in self.subject.shape.primary_key]
        return tuple(form.read(part) for form, part in zip(forms, _json(row.key), strict=True))

    # Statements

    def insert(self, connection: Connection, values: Values, scopes: Scopes) -> Any:
        """Insert a row: ``body``, ``state`` and ``key``.

        Raises:
            Problem: A foreign key names no row that can be reached, or the row itself could not
                be reached.
        """
        statement, asked = self.statements.insertion(values, scopes)
        row = statement(connection)
        if row is None:
            raise _unreachable(asked)
        return self._written(connection, row, scopes)

    def change(
        self,
        connection: Connection,
        key: tuple[Any, ...],
        values: Values,
        scopes: Scopes,
        expected: frozenset[str] | None,
    ) -> Any:
        """Update a row: ``body``, ``state`` and ``key``.

        Raises:
            Problem: 404, 409 or 412.
        """
        refuse_leaving(values, scopes.get(self.subject.shape.table))
        parents = self.trees.new_parents(values)
        self.trees.lock(connection, parents)
        judged = self.judges and bool(values)
        compared = expected is not None and not self.subject.versioned
        if parents or judged or compared or not values:
            row = self.seen(connection, key, scopes, expected)
            if not values:
                return row
        if judged:
            values = self._judged(connection, key, values)
        if parents:
            asked = self.foreign.to_ask(values, scopes, creating=False)
            self._require(connection, key, asked, values, scopes)
            self.trees.refuse_cycle(connection, key, values, parents)
        statement, asked = self.statements.alteration(key, values, scopes, expected)
        row = statement(connection)
        if row is None:
            raise self._why_not(connection, key, scopes, expected, asked)
        return self._written(connection, row, scopes)

    def remove(
        self,
        connection: Connection,
        key: tuple[Any, ...],
        scopes: Scopes,
        expected: frozenset[str] | None,
    ) -> None:
        """Delete a row.

        Raises:
            Problem: 404, 409 or 412.
        """
        if expected is not None and not self.subject.versioned:
            self.seen(connection, key, scopes, expected)
        if self.statements.deletion(key, scopes, expected)(connection) is None:
            raise self._why_not(connection, key, scopes, expected, [])

    def current(
        self, connection: Connection, key: tuple[Any, ...], scopes: Scopes, *, lock: bool = False
    ) -> Any:
        """The row as it is: ``body``, ``state`` and ``key``; None if it cannot be reached.

        Args:
            connection: Where to ask.
            key: Its key.
            scopes: The scopes of the request.
            lock: Keep others from changing it until the transaction ends.
        """
        shape = self.subject.shape
        source = shape.table.alias()
        statement = select(*self.statements.returned(source, scopes)).where(
            key_clause(shape, source), *scopes.clauses(shape.table, source)
        )
        if lock:
            statement = statement.with_for_update(of=source)
        return Plan(statement).run(connection, key_parameters(key) | dict(scopes.binds())).first()

    def seen(
        self,
        connection: Connection,
        key: tuple[Any, ...],
        scopes: Scopes,
        expected: frozenset[str] | None,
    ) -> Any:
        """The row, locked until the transaction ends.

        Raises:
            Problem: It cannot be reached, or is no longer the one the client saw.
        """
        row = self.current(connection, key, scopes, lock=True)
        if row is None:
            raise self.subject.not_found()
        if not self._is_expected(row, expected):
            raise self._changed()
        return row

    # What a write has to keep

    def _takes_several(
        self,
        operation: Written,
        values: Values,
        scopes: Scopes,
        expected: frozenset[str] | None,
    ) -> bool:
        """Whether a write is several statements, and so a transaction."""
        compared = expected is not None and not self.subject.versioned
        if operation == "delete":
            return compared
        own = scopes.get(self.subject.shape.table)
        several = self.subject.rereads or (own is not None and own.condition is not None)
        if operation == "create":
            return several
        judged = self.judges and bool(values)
        return compared or several or judged or bool(self.trees.new_parents(values))

    def _is_alone(
        self,
        operation: Written,
        values: Values,
        scopes: Scopes,
        expected: frozenset[str] | None,
    ) -> bool:
        """Whether a write is the statement that writes, and nothing else."""
        several = self._takes_several(operation, values, scopes, expected)
        return not several and (bool(values) or operation != "update")

    def _written(self, connection: Connection, row: Any, scopes: Scopes) -> Any:
        """The row that was written, once it is known to be within its scope."""
        self._stay_inside(connection, row, scopes.get(self.subject.shape.table))
        if self.subject.rereads:
            # Its relations lead to its own table, of which RETURNING sees what was before.
            return self.current(connection, self._identity(row), scopes) or row
        return row

    def _require(
        self,
        connection: Connection,
        key: tuple[Any, ...],
        asked: list[Reference],
        values: Values,
        scopes: Scopes,
    ) -> None:
        """Refuse foreign keys out of reach, before anything is said of the rows they name."""
        if not asked:
            return
        shape = self.subject.shape
        row = shape.table.alias()
        reachable = self.foreign.reachable(asked, values, scopes, "new_", row)
        statement: Any = select(literal_column("1")).where(key_clause(shape, row), *reachable)
        parameters = self.statements.parameters(values, scopes, prefix="new_") | key_parameters(key)
        if Plan(statement).run(connection, parameters).first() is None:
            raise missing_row((name for one in asked for name in one.names), None)

    def _is_expected(self, row: Any, expected: frozenset[str] | None) -> bool:
        return expected is None or self.subject.tags.row(row.state) in expected

    def _changed(self) -> Problem:
        """The row is not the one that ``If-Match`` names."""
        detail = f"This {self.subject.name} was changed since it was read: read it again."
        return Problem(412, detail, kind="changed")

    def _why_not(
        self,
        connection: Connection,
        key: tuple[Any, ...],
        scopes: Scopes,
        expected: frozenset[str] | None,
        asked: list[Reference],
    ) -> Problem:
        """Why a write met no row: asked after the fact, to answer the error."""
        row = self.current(connection, key, scopes)
        if row is None:
            return self.subject.not_found()
        if asked and self._is_expected(row, expected):
            return missing_row((name for one in asked for name in one.names), None)
        return self._changed()

    def _judged(self, connection: Connection, key: tuple[Any, ...], values: Values) -> Values:
        """The changes that the model makes of a row with these values, judged whole."""
        shape = self.subject.shape
        source = shape.table.alias()
        stored = stored_row(
            connection, shape, key_clause(shape, source), source, key_parameters(key)
        )
        if stored is None:
            raise self.subject.not_found()
        return self._judge.changes(stored, values)

    def _stay_inside(self, connection: Connection, row: Any, own: Scope | None) -> None:
        shape = self.subject.shape
        source = shape.table.alias()
        if own is not None and own.condition is not None:
            parameters = key_parameters(self._identity(row))
            where = key_clause(shape, source)
            stay_inside(connection, own, shape, where, source, parameters)


def _unreachable(asked: list[Reference]) -> Problem:
    """No row was inserted, since one that a foreign key names cannot be reached."""
    return missing_row((name for one in asked for name in one.names), None)


def _json(text: str) -> list[Any]:
    found: list[Any] = from_json(text)
    return found
