"""The dependencies ``tasks.reachable`` and ``tasks.writable``, for statements in user endpoints."""

from inspect import Parameter, Signature

from fastapi import Request, Response
from sqlalchemy import ColumnElement, true

from colonnade.database import Database
from colonnade.models import Shape
from colonnade.resources import _scoping
from colonnade.resources._path_columns import PathColumns
from colonnade.resources._table_context import refuse_without_access
from colonnade.resources.routes._route import ResourceRoute


class ScopeCondition:
    """A dependency that returns which rows of a table a request may access, as a condition.

    The scopes are parameters of its signature, so that FastAPI solves them for any endpoint that
    depends on the condition. A scope that is declared later would be missing there: ``mark_used``
    makes that an error.

    Args:
        name: The name of the dependency, for errors.
        db: The database of the table.
        shape: The table.
        path_columns: The columns in the path of the Resource.
        scoped: Whether the scope of the table applies.
        write_scoped: Whether its write scope applies.
    """

    def __init__(
        self,
        name: str,
        db: Database,
        shape: Shape,
        path_columns: PathColumns,
        *,
        scoped: bool,
        write_scoped: bool,
    ) -> None:
        self._db = db
        self._shape = shape
        self._path_columns = path_columns
        self._tables = (shape.table,) if scoped else ()
        self._written = (shape.table,) if write_scoped else ()
        by = f"the dependency {name}"
        _scoping.mark_used(db, self._tables, by)
        _scoping.mark_used(db, self._written, by, "write")
        keyword = Parameter.KEYWORD_ONLY
        above = [reference.target for reference in path_columns.find_references()]
        _scoping.mark_used(db, above, by)
        scopes = [
            *_scoping.dependencies(db, (*self._tables, *above), shape.table),
            *_scoping.write_dependencies(db, self._written),
        ]
        self.__signature__ = Signature([
            Parameter("request", keyword, annotation=Request),
            Parameter("response", keyword, annotation=Response),
            *(
                Parameter(f"scope_{index}", keyword, default=scope)
                for index, scope in enumerate(scopes)
            ),
        ])  # fmt: skip

    async def __call__(
        self, request: Request, response: Response, **_: None
    ) -> ColumnElement[bool]:
        """Return the condition.

        Raises:
            Problem: 403, the scope denies access to the table.
        """
        self._path_columns.narrow(request)
        scopes = _scoping.scopes_of(request, self._db, lambda: self._tables, self._written)
        refuse_without_access(scopes, self._shape)
        scope = scopes.written(self._shape.table)
        if scope is None:
            return true()
        # A route of a Resource does this for responses of all kinds.
        is_scoped = _scoping.VARY_KEY in request.scope  # and not by its path alone
        if is_scoped and not isinstance(request.scope.get("route"), ResourceRoute):
            _scoping.mark_private(request, response)
        return scope.where()
