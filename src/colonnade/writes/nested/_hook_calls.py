"""Hooks of nested rows, called from inside the transaction of the body."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.util import await_only
from sqlmodel.ext.asyncio.session import AsyncSession

from colonnade.writes._changes import Change, WriteKind
from colonnade.writes.execution._hooked_writes import Arguments, Located
from colonnade.writes.execution._hooks import Hooks, Provided, RunStatements
from colonnade.writes.nested._rows import NestedRow
from colonnade.writes.nested._tables import WritableTable

NestedCommitted = tuple[Hooks, WriteKind, Arguments]
"""The hooks to call after the commit, and their arguments."""


class HookCalls:
    """Writes rows with their hooks, for synchronous code in the greenlet of the session.

    Args:
        session: The session.
        run: Runs Core statements on it.
        provided: The values of the hooks' parameters that FastAPI provides.
        refusals: What hooks raise to refuse a row: exceptions with a status and a detail.

    Attributes:
        committed: The calls to make after the commit.
    """

    def __init__(
        self,
        session: AsyncSession,
        run: RunStatements,
        provided: Provided,
        refusals: tuple[type[Exception], ...],
    ) -> None:
        self.refusals = refusals
        self._session = session
        self._run = run
        self._provided = provided
        self.committed: list[NestedCommitted] = []

    def write_row(self, row: NestedRow) -> Any:
        """Create or update a row, and return its ``body``, ``state`` and ``key``."""
        table, change = row.table, row.change
        written, arguments = await_only(
            table.hooked.write_row(
                change,
                self._provided,
                self._session,
                self._run,
                reader=row.reader,
                checks_scope=False,
            )
        )
        self.committed.append((table.hooks, change.kind, arguments))
        return written

    def delete(self, table: WritableTable, changes: Sequence[Change], located: Located) -> None:
        """Delete rows."""
        deleted = await_only(
            table.hooked.delete(changes, self._provided, self._session, self._run, located)
        )
        self.committed += [(table.hooks, "delete", arguments) for arguments in deleted]
