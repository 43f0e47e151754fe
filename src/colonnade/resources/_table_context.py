"""``TableContext``: the table a resource is about, with all that its operations share."""

from collections.abc import Awaitable, Callable
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
from colonnade.resources._hooks import RunStatements, in_session
from colonnade.resources._plan_cache import PlanCache
from colonnade.resources.answers._etags import Tags
from colonnade.resources.answers._failures import problem_of, too_late
from colonnade.resources.answers._problems import Problem
from colonnade.resources.routes._disconnect import DEADLINE, DeadlineError, cancel_on_disconnect
from colonnade.resources.routes._keys import Keys
from colonnade.resources.routes._request_context import RequestContext
from colonnade.rows import BodyReader, View

T = TypeVar("T")


MOST_VIEWS = 200
"""Views kept of a table; clients can ask for any number."""


class Views:
    """The views of one table, each made when it is first asked for.

    Args:
        surface: The table.
    """

    def __init__(self, surface: QueryableTable) -> None:
        self._surface = surface
        self._made: dict[object, View] = {}

    def get(self, fields: tuple[str, ...] | None, include: Includes) -> View:
        """The view of these fields and relations."""
        view = self._made.get((fields, include))
        if view is None:
            view = View(self._surface, fields, include)
            if len(self._made) < MOST_VIEWS:
                self._made[fields, include] = view
        return view


class TableContext:
    """A table, how it is shown and what may be said of it.

    Args:
        db: Where it is.
        surface: What of it may be asked.
        create: What a request to create says.
        update: What a request to update says.
        scoped: Whether the table's own scope applies.
        deadline: Seconds for what a request asks of the database; None for no limit.
    """

    def __init__(
        self,
        db: Database,
        surface: QueryableTable,
        create: type[BaseModel],
        update: type[BaseModel],
        *,
        scoped: bool = True,
        deadline: float | None = DEADLINE,
    ) -> None:
        self.db = db
        self.deadline = deadline
        self.surface = surface
        self.shape: Shape = surface.shape
        self.keys = Keys(self.shape.primary_key)
        self.create = BodyReader(self.shape, create, complete=True)
        self.update = BodyReader(self.shape, update, complete=False)
        self._plans: dict[Backend, PlanCache] = {}
        self.always: Includes = read_includes(None, surface)
        self.views = Views(surface)
        self.view = self.views.get(None, self.always)
        self.rereads = _leads_back(self.view, self.shape.table)
        self.tags = Tags(lambda: db.secret, versioned=self.versioned)
        self._scoped = scoped

    @property
    def backend(self) -> Backend:
        """What the database is now; tests may run one after another."""
        return self.db.url.backend

    @property
    def plans(self) -> PlanCache:
        """The statements for that."""
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
        """What the columns of the key are called in JSON."""
        shown = {column.name: name for name, column in self.surface.columns.items()}
        return tuple(shown.get(column.name, column.name) for column in self.shape.primary_key)

    @property
    def told_apart(self) -> list[ColumnShape]:
        """The columns by which a tag tells one version of a row from another.

        Where nothing keeps the key of the digests secret, those that everybody is shown: from a
        digest of others their values could be guessed.
        """
        if self.shape.version is not None:
            return [self.shape.version]
        if self.db.has_secret:
            return list(self.shape.columns.values())
        return list(self.surface.columns.values())

    @property
    def versioned(self) -> bool:
        """Whether the table keeps the version of each row."""
        return self.shape.version is not None

    def tables(self) -> tuple[Table, ...]:
        """Every table a request may reach whose scope applies."""
        targets = [
            self.shape.table.metadata.tables.get(key.table) for key in self.shape.foreign_keys
        ]
        # Relations to the table itself are lists of a row, included or not.
        links = [
            relation.link.table
            for relation in self.shape.relations.values()
            if relation.self_referential and relation.link is not None
        ]
        known = [table for table in targets if table is not None]
        reached = [*self.surface.tables(), *known, *links]
        own_table = self.shape.table
        return tuple(
            dict.fromkeys(table for table in reached if self._scoped or table is not own_table)
        )

    def scopes(self, request: Request) -> Scopes:
        """The scopes of a request.

        Raises:
            Problem: 403, the table's own scope refuses.
        """
        scopes = _scoping.scopes_of(request, self.db, self.tables)
        scope = scopes.get(self.shape.table)
        if scope is not None and scope.refused:
            raise Problem(403, f"Your scope refuses every {self.name}.", kind="scope")
        return scopes

    def key(self, segment: str, loc: tuple[Any, ...] = ()) -> tuple[Any, ...]:
        """The key in a path, or at ``loc``.

        Raises:
            Problem: 404, no row can have it.
            QueryError: It is not of its columns' types.
        """
        try:
            key = self.keys.read(segment)
        except ValidationError as error:
            if self.keys.is_beyond(error):
                raise self.not_found() from None
            raise QueryError(self.keys.errors(error, loc or ("path", self.keys.name))) from None
        if key is None:
            raise self.not_found()
        return key

    def not_found(self) -> Problem:
        """No row of that key can be reached."""
        return Problem(404, f"There is no such {self.name}.", kind="not_found")

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
        """Run statements on the database; what it refuses becomes a problem.

        Args:
            context: What the request's statements run with.
            work: Called with a connection.
            begin: Whether it is several statements, in one transaction.
            idempotent: Whether it may be carried out twice, as what only reads may.
            read_only: Whether it only reads, and may be asked of a replica.
            deleting: Whether it deletes.
            shape: The table that is written; the subject's own by default.

        Raises:
            Problem: The database refused what the request asked.
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
            raise too_late(error.seconds, wrote=not (read_only or idempotent)) from None
        except (SQLAlchemyError, DatabaseError) as error:
            self._refuse(error, shape, deleting)
            raise

    async def run_hooked(
        self,
        context: RequestContext,
        work: Callable[[AsyncSession, RunStatements], Awaitable[T]],
        *,
        idempotent: bool = False,
        deleting: bool = False,
    ) -> T:
        """Run a unit of work with hooks in a session; what the database refuses becomes a problem.

        Args:
            context: What the request's statements run with.
            work: Called with the session, and a function that runs Core statements on it.
            idempotent: Whether running it twice has the same outcome as running it once.
            deleting: Whether it deletes.

        Raises:
            Problem: The database refused what the request asked.
        """
        try:
            return await cancel_on_disconnect(
                context.request,
                in_session(self.db, context.session, work, idempotent=idempotent),
                self.deadline,
            )
        except DeadlineError as error:
            raise too_late(error.seconds, wrote=True) from None
        except (SQLAlchemyError, DatabaseError) as error:
            self._refuse(error, None, deleting)
            raise

    def _refuse(self, error: Exception, shape: Shape | None, deleting: bool) -> None:
        problem = problem_of(error, shape or self.shape, deleting=deleting)
        if problem is not None:
            raise problem from error


def _leads_back(view: View, table: Table) -> bool:
    """Whether relations that every answer has lead to the table itself."""
    return any(
        below.queryable.shape.table is table or _leads_back(below, table)
        for _, _, below in view.relations
    )


def rendered(view: View, text: str | bytes) -> bytes:
    """The body of one row, by the path its view takes; bytes are one already.

    Raises:
        UnreadableRowError: The row cannot be written.
    """
    if isinstance(text, bytes):
        return text
    return text.encode() if view.is_exact else view.render_all([from_json(text)])[1:-1]


def rendered_rows(view: View, text: str) -> bytes:
    """The body of several rows.

    Raises:
        UnreadableRowError: One of them cannot be written.
    """
    return text.encode() if view.is_exact else view.render_all(from_json(text))
