"""``ResourceContext``: the table of a Resource, and what its operations share."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel.ext.asyncio.session import AsyncSession

from colonnade.database import Database
from colonnade.errors import DatabaseError
from colonnade.models import Shape
from colonnade.query import QueryableTable, Scopes
from colonnade.resources import _scoping
from colonnade.resources._path_columns import PathColumns
from colonnade.resources._sessions import in_session
from colonnade.resources.responses._problems import Problem
from colonnade.resources.routes._disconnect import DEADLINE, DeadlineError, cancel_on_disconnect
from colonnade.resources.routes._request_context import RequestContext
from colonnade.resources.routes._shared_session import SharedSession
from colonnade.writes import (
    RejectedError,
    RunStatements,
    TableContext,
    deadline_exceeded,
    rejection_of,
)

T = TypeVar("T")


def refuse_without_access(scopes: Scopes, shape: Shape) -> None:
    """Raise the error of a scope that denies all access to a table.

    Args:
        scopes: The scopes of the request.
        shape: The table.

    Raises:
        Problem: 403, or the error that the scope raised.
    """
    name = shape.model.__name__
    scope = scopes.get(shape.table)
    if scope is not None and scope.refused:
        detail = f"Your scope does not allow access to {name}."
        raise scope.error or Problem(403, detail, kind="scope")
    scope = scopes.written(shape.table)
    if scope is not None and scope.refused:
        detail = f"Your scope does not allow changes to {name}."
        raise scope.error or Problem(403, detail, kind="scope")


class ResourceContext(TableContext):
    """The table of a Resource, with the scopes of requests, and the way to its database.

    Args:
        db: The database of the table.
        queryable: The fields and relations that requests may use.
        create: The schema of a create.
        update: The schema of an update.
        scoped: Whether the scope of the table applies.
        write_scoped: Whether its write scope applies.
        path_columns: The columns that are parameters in the path of the Resource.
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
        path_columns: PathColumns,
        deadline: float | None = DEADLINE,
    ) -> None:
        super().__init__(
            db,
            queryable,
            create,
            update,
            scoped=scoped,
            write_scoped=write_scoped,
            outer_columns=path_columns.columns.keys(),
        )
        self.path_columns = path_columns
        self.deadline = deadline

    def key_of(
        self, request: Request, segment: str | None = None, loc: tuple[Any, ...] = ()
    ) -> tuple[Any, ...]:
        """Parse the key of a row that a request names.

        Args:
            request: The request.
            segment: The text of the key; by default, that in the path.
            loc: Its location, for errors.

        Raises:
            Problem: 404, no row can have the key.
            QueryError: The key does not have the types of its columns.
        """
        text = request.path_params[self.keys.name] if segment is None else segment
        return self.key(text, loc, self.path_columns.values(request))

    def scopes(self, request: Request, *, writing: bool = False) -> Scopes:
        """Return the scopes of a request.

        Args:
            request: The request.
            writing: Whether the request writes rows of the table.

        Raises:
            Problem: 403, the scope of the table denies access.
        """
        written = self.written_tables if writing else ()
        scopes = _scoping.scopes_of(request, self.db, self.tables, written)
        refuse_without_access(scopes, self.shape)
        return scopes

    def not_found(self) -> Problem:
        """Build the 404 for a key that no row in scope has."""
        return Problem.of(super().not_found())

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
        deadline: float | None = None,
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
            deadline: A deadline in seconds, if it is shorter than that of this context.

        Raises:
            Problem: The database rejected the request, or did not respond in time.
        """
        try:
            if isinstance(context.session, SharedSession):
                async with context.session.limited(self.deadline):
                    return await context.session.run(work, begin=begin)
            if context.session is not None:
                return await context.session.run(work, begin=begin)
            return await cancel_on_disconnect(
                context.request,
                self.db.run_async(work, begin=begin, idempotent=idempotent, read_only=read_only),
                self.deadline if deadline is None else min(deadline, self.deadline or deadline),
            )
        except DeadlineError as error:
            wrote = not (read_only or idempotent)
            raise Problem.of(deadline_exceeded(error.seconds, wrote=wrote)) from None
        except Problem:
            raise
        except RejectedError as error:
            raise Problem.of(error) from error.__cause__
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
            if isinstance(context.session, SharedSession):
                async with context.session.limited(self.deadline):
                    return await in_session(self.db, context.session, work, idempotent=idempotent)
            return await cancel_on_disconnect(
                context.request,
                in_session(self.db, context.session, work, idempotent=idempotent),
                self.deadline,
            )
        except DeadlineError as error:
            raise Problem.of(deadline_exceeded(error.seconds, wrote=True)) from None
        except Problem:
            raise
        except RejectedError as error:
            raise Problem.of(error) from error.__cause__
        except (SQLAlchemyError, DatabaseError) as error:
            self._raise_problem(error, None, deleting)
            raise

    def _raise_problem(self, error: Exception, shape: Shape | None, deleting: bool) -> None:
        rejection = rejection_of(error, shape or self.shape, deleting=deleting)
        if rejection is not None:
            raise Problem.of(rejection) from error
