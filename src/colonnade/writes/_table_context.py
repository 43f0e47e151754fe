"""``TableContext``: a table, and what all writes of it share."""

from collections.abc import Collection, Iterable, Mapping
from functools import cached_property
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json
from sqlalchemy import Table

from colonnade.backends import Backend
from colonnade.database import Database
from colonnade.errors import QueryError
from colonnade.models import ColumnShape, Shape
from colonnade.query import Includes, QueryableTable, read_includes
from colonnade.rows import MAX_ERRORS, BodyReader, View
from colonnade.writes._errors import RejectedError, field_error
from colonnade.writes._etags import ETags
from colonnade.writes._keys import NO_VALUES, Keys
from colonnade.writes._plan_cache import PlanCache

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
        outer_columns: Collection[str] = frozenset(),
    ) -> None:
        self.db = db
        self.queryable = queryable
        self.shape: Shape = queryable.shape
        self.outer_columns = frozenset(outer_columns)
        self.keys = Keys(self.shape.primary_key, outer_columns)
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

    @cached_property
    def readable(self) -> frozenset[str]:
        """The names of the fields that a client may have read: no secrets, nor those of others."""
        columns = self.queryable.columns.values()
        return frozenset(column.name for column in columns if not column.secret)

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

    def key(
        self, segment: str, loc: tuple[Any, ...] = (), outer: Mapping[str, Any] = NO_VALUES
    ) -> tuple[Any, ...]:
        """Parse a key from the path, or from ``loc``.

        Args:
            segment: The text of the key.
            loc: Its location; by default, the path.
            outer: The values of the outer columns, by field.

        Raises:
            RejectedError: 404, no row can have the key.
            QueryError: The key does not have the types of its columns.
        """
        try:
            key = self.keys.read(segment, outer)
        except ValidationError as error:
            if self.keys.is_out_of_range(error):
                raise self.not_found() from None
            raise QueryError(self.keys.errors(error, loc or ("path", self.keys.name))) from None
        if key is None:
            raise self.not_found()
        return key

    def not_found(self) -> RejectedError:
        """Build the 404 for a key that no row in scope has."""
        return RejectedError(404, f"{self.name} not found.", kind="not_found")

    def not_writable(self, keys: Iterable[Any]) -> RejectedError:
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
        return RejectedError(403, detail, kind="scope", errors=errors)


def _includes_table(view: View, table: Table) -> bool:
    """Whether the relations in a view include or count rows of the table itself."""
    counted = {target for aggregate in view.aggregates for target in aggregate.tables()}
    return table in counted or any(
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
