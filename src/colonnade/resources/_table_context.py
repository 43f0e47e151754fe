"""``TableContext``: the table of a Resource, and what its operations share."""

from collections.abc import Awaitable, Callable, Iterable
from functools import cached_property
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json
from sqlalchemy import Connection, Table
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel.ext.asyncio.session import AsyncSession

from colonnade.backends import Backend
from colonnade.database import Database
from colonnade.errors import DatabaseError, QueryError
from colonnade.models import ColumnShape, Shape
from colonnade.query import Includes, QueryableTable, Scopes, read_includes
from colonnade.resources import _scoping
from colonnade.resources._plan_cache import PlanCache
from colonnade.resources.responses._etags import ETags
from colonnade.resources.responses._failures import deadline_exceeded, problem_of
from colonnade.resources.responses._problems import Problem, field_error
from colonnade.resources.routes._disconnect import DEADLINE, DeadlineError, cancel_on_disconnect
from colonnade.resources.routes._keys import Keys
from colonnade.resources.routes._request_context import RequestContext
from colonnade.resources.writes._hooks import RunStatements, in_session
from colonnade.rows import MAX_ERRORS, BodyReader, View

T = TypeVar("T")


MAX_VIEWS = 200
"""Maximum number of cached views of a table; clients can request any number."""


class Views:
    """The views of one table, each created when it is first requested.

    Args:
        queryable: The table.
    """

    def __init__(self, queryable: QueryableTable) -> None:
        self._queryable = queryable
        self._views: dict[object, View] = {}

    def get(self, fields: tuple[str, ...] | None, include: Includes) -> View:
        """Return the view with these fields and relations."""
        view = self._views.get((fields, include))
        if view is None:
            view = View(self._queryable, fields, include)
            if len(self._views) < MAX_VIEWS:
                self._views[fields, include] = view
        return view


class TableContext:
    """A table with its views, keys, input schemas and cached statements.

    Args:
        db: The database of the table.
        queryable: The fields and relations that requests may use.
        create: The schema of a create.
        update: The schema of an update.
        scoped: Whether the scope of the table applies.
        write_scoped: Whether its write scope applies.
        deadline: Maximum time in seconds that a request waits for the database; None for no limit.
    """

    def __init__(
        self,
        db: Database,
        queryable: QueryableTable,
        create: type[BaseModel],
        update: type[BaseModel],
        *,
        scoped: bool = True,
        write_scoped: bool = True,
        deadline: float | None = DEADLINE,
    ) -> None:
        self.db = db
        self.deadline = deadline
        self.queryable = queryable
        self.shape: Shape = queryable.shape
        self.keys = Keys(self.shape.primary_key)
        self.create = BodyReader(self.shape, create, complete=True)
        self.update = BodyReader(self.shape, update, complete=False)
        self._plans: dict[Backend, PlanCache] = {}
        self.always_included: Includes = read_includes(None, queryable)
        self.views = Views(queryable)
        self.view = self.views.get(None, self.always_included)
        self.reread_after_write = _includes_table(self.view, self.shape.table)
        self.etags = ETags(lambda: db.secret, versioned=self.versioned)
        self._scoped = scoped
        self._write_scoped = write_scoped

    @property
    def backend(self) -> Backend:
        """The current backend; ``Database.using`` can change it."""
        return self.db.url.backend

    @property
    def plans(self) -> PlanCache:
        """The plan cache of the current backend."""
        plans = self._plans.get(self.backend)
        if plans is None:
            plans = self._plans[self.backend] = PlanCache()
        return plans

    @property
    def name(self) -> str:
        """The model's name."""
        return self.shape.model.__name__

    @cached_property
    def key_names(self) -> tuple[str, ...]:
        """The names of the key columns in JSON."""
        shown = {column.name: name for name, column in self.queryable.columns.items()}
        return tuple(shown.get(column.name, column.name) for column in self.shape.primary_key)

    @property
    def state_columns(self) -> list[ColumnShape]:
        """The columns that determine the version of a row in its ETag.

        Without a secret key for the digest, only columns in responses count: the values of
        hidden columns could be guessed from their digest.
        """
        if self.shape.version is not None:
            return [self.shape.version]
        if self.db.has_secret:
            return list(self.shape.columns.values())
        return list(self.queryable.columns.values())

    @property
    def versioned(self) -> bool:
        """Whether the table has a version column."""
        return self.shape.version is not None

    def tables(self) -> tuple[Table, ...]:
        """Return all tables that a request may access and whose scopes apply."""
        all_tables = self.shape.table.metadata.tables
        targets = [
            all_tables[key.table] for key in self.shape.foreign_keys if key.table in all_tables
        ]
        # A relation to the table itself has a list route, even if ``include`` does not name it.
        links = [
            relation.link.table
            for relation in self.shape.relations.values()
            if relation.self_referential and relation.link is not None
        ]
        tables = [*self.queryable.tables(), *targets, *links]
        own_table = self.shape.table
        return tuple(
            dict.fromkeys(table for table in tables if self._scoped or table is not own_table)
        )

    @cached_property
    def written_tables(self) -> tuple[Table, ...]:
        """The tables whose write scopes apply to a write of this table."""
        return (self.shape.table,) if self._write_scoped else ()

    def scopes(self, request: Request, *, writing: bool = False) -> Scopes:
        """Return the scopes of a request.

        Args:
            request: The request.
            writing: Whether the request writes rows of the table.

        Raises:
            Problem: 403, the scope of the table denies access.
        """
        table = self.shape.table
        written = self.written_tables if writing else ()
        scopes = _scoping.scopes_of(request, self.db, self.tables, written)
        scope = scopes.get(table)
        if scope is not None and scope.refused:
            detail = f"Your scope does not allow access to {self.name}."
            raise scope.error or Problem(403, detail, kind="scope")
        scope = scopes.written(table)
        if scope is not None and scope.refused:
            detail = f"Your scope does not allow changes to {self.name}."
            raise scope.error or Problem(403, detail, kind="scope")
        return scopes

    def key(self, segment: str, loc: tuple[Any, ...] = ()) -> tuple[Any, ...]:
        """Parse a key from the path, or from ``loc``.

        Raises:
            Problem: 404, no row can have the key.
            QueryError: The key does not have the types of its columns.
        """
        try:
            key = self.keys.read(segment)
        except ValidationError as error:
            if self.keys.is_out_of_range(error):
                raise self.not_found() from None
            raise QueryError(self.keys.errors(error, loc or ("path", self.keys.name))) from None
        if key is None:
            raise self.not_found()
        return key

    def not_found(self) -> Problem:
        """Build the 404 for a key that no row in scope has."""
        return Problem(404, f"{self.name} not found.", kind="not_found")

    def not_writable(self, keys: Iterable[Any]) -> Problem:
        """Build the 403 for rows that the request may read, but not write.

        Args:
            keys: The keys of the rows, each as a JSON array.
        """
        field = ",".join(self.key_names)
        names = [self.keys.write(from_json(key)) for key in keys]
        errors = [
            field_error(
                ("row", name), field, "scope", f"{self.name} {name} is outside your write scope."
            )
            for name in names[:MAX_ERRORS]
        ]
        detail = (
            f"You may read this {self.name}, but not change it."
            if len(names) == 1
            else f"You may read {len(names)} of these rows of {self.name}, but not change them."
        )
        return Problem(403, detail, kind="scope", errors=errors)

    async def run(
        self,
        context: RequestContext,
        work: Callable[[Connection], T],
        *,
        begin: bool = False,
        idempotent: bool = False,
        read_only: bool = False,
        deleting: bool = False,
        shape: Shape | None = None,
    ) -> T:
        """Run statements on the database, and turn its errors into problems.

        Args:
            context: The context of the request.
            work: Called with a connection.
            begin: Whether to run several statements in one transaction.
            idempotent: Whether running it twice has the same outcome as running it once.
            read_only: Whether it only reads, so that a replica can serve it.
            deleting: Whether it deletes a row.
            shape: The written table; the table of this context by default.

        Raises:
            Problem: The database rejected the request, or did not respond in time.
        """
        try:
            if context.session is not None:
                return await context.session.run(work, begin=begin)
            return await cancel_on_disconnect(
                context.request,
                self.db.run_async(work, begin=begin, idempotent=idempotent, read_only=read_only),
                self.deadline,
            )
        except DeadlineError as error:
            raise deadline_exceeded(error.seconds, wrote=not (read_only or idempotent)) from None
        except (SQLAlchemyError, DatabaseError) as error:
            self._raise_problem(error, shape, deleting)
            raise

    async def run_hooked(
        self,
        context: RequestContext,
        work: Callable[[AsyncSession, RunStatements], Awaitable[T]],
        *,
        idempotent: bool = False,
        deleting: bool = False,
    ) -> T:
        """Run a unit of work with hooks in a session, and turn database errors into problems.

        Args:
            context: The context of the request.
            work: Called with the session, and a function that runs Core statements on it.
            idempotent: Whether running it twice has the same outcome as running it once.
            deleting: Whether it deletes a row.

        Raises:
            Problem: The database rejected the request, or did not respond in time.
        """
        try:
            return await cancel_on_disconnect(
                context.request,
                in_session(self.db, context.session, work, idempotent=idempotent),
                self.deadline,
            )
        except DeadlineError as error:
            raise deadline_exceeded(error.seconds, wrote=True) from None
        except (SQLAlchemyError, DatabaseError) as error:
            self._raise_problem(error, None, deleting)
            raise

    def _raise_problem(self, error: Exception, shape: Shape | None, deleting: bool) -> None:
        problem = problem_of(error, shape or self.shape, deleting=deleting)
        if problem is not None:
            raise problem from error


def _includes_table(view: View, table: Table) -> bool:
    """Whether the relations in a view include rows of the table itself."""
    return any(
        below.queryable.shape.table is table or _includes_table(below, table)
        for _, _, below in view.relations
    )


def render_row(view: View, text: str | bytes) -> bytes:
    """Render one row as JSON; bytes are rendered already.

    Raises:
        UnreadableRowError: The row cannot be rendered.
    """
    if isinstance(text, bytes):
        return text
    return text.encode() if view.is_exact else view.render_all([from_json(text)])[1:-1]


def render_rows(view: View, text: str) -> bytes:
    """Render an array of rows as JSON.

    Raises:
        UnreadableRowError: One of the rows cannot be rendered.
    """
    return text.encode() if view.is_exact else view.render_all(from_json(text))
