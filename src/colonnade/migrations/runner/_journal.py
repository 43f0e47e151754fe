"""How far an unfinished revision has come, so that it goes on from there when it is run again.

Steps that take several transactions commit what came before them. Where a revision has such
steps, a row of ``colonnade_migration`` says how many of its operations are done; it is written in
the transaction that they are committed in, and the table goes when the revision is complete.
"""

import json
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from alembic.runtime.migration import MigrationContext
from pydantic_core import to_jsonable_python
from sqlalchemy import Connection

JOURNAL = "colonnade_migration"
"""The table of an unfinished revision."""

_table = sa.Table(
    JOURNAL,
    sa.MetaData(),
    sa.Column("revision", sa.String, primary_key=True),
    sa.Column("done", sa.Integer, nullable=False),
    sa.Column("position", sa.String),
)

Report = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""


class Journal:
    """The journal of one revision.

    Args:
        connection: The database.
        revision: The revision; a downgrade has its own name.
    """

    def __init__(self, connection: Connection, revision: str) -> None:
        self.connection = connection
        self.revision = revision
        self.step = 0
        self.done, self.position = self._read()

    @property
    def resumed(self) -> Any:
        """Where the current step was interrupted; None if it begins."""
        return self.position if self.step == self.done else None

    def _read(self) -> tuple[int, Any]:
        if not sa.inspect(self.connection).has_table(JOURNAL):
            return 0, None
        query = sa.select(_table.c.done, _table.c.position).where(
            _table.c.revision == self.revision
        )
        row = self.connection.execute(query).one_or_none()
        if row is None:
            return 0, None
        return row.done, None if row.position is None else json.loads(row.position)

    def mark(self, done: int, position: Any = None) -> None:
        """Say in the current transaction how many operations are done, and where the next is."""
        if not sa.inspect(self.connection).has_table(JOURNAL):
            _table.create(self.connection)
        mine = _table.c.revision == self.revision
        self.connection.execute(_table.delete().where(mine))
        text = None if position is None else json.dumps(to_jsonable_python(position))
        self.connection.execute(
            _table.insert().values(revision=self.revision, done=done, position=text)
        )

    def clear(self) -> None:
        """The revision is complete."""
        if sa.inspect(self.connection).has_table(JOURNAL):
            self.connection.execute(_table.delete().where(_table.c.revision == self.revision))
            if not self.connection.scalar(sa.select(sa.func.count()).select_from(_table)):
                _table.drop(self.connection)


DOWN = " (downgrade)"
"""What follows the id of a revision in the journal while it is taken back."""


def journal_name(revision: str, direction: str) -> str:
    """What the journal has a revision under, as it goes one way."""
    return revision + (DOWN if direction == "downgrade" else "")


def rows_of(connection: Connection) -> list[tuple[str, int]]:
    """The revisions that are unfinished, and how many of their operations are done."""
    if not sa.inspect(connection).has_table(JOURNAL):
        return []
    query = sa.select(_table.c.revision, _table.c.done).order_by(_table.c.revision)
    return [(row.revision, row.done) for row in connection.execute(query)]


def journal_of(context: MigrationContext) -> Journal | None:
    """The journal of the revision being run, if one is kept."""
    journal: Journal | None = context.opts.get("colonnade_journal")
    return journal


def report(context: MigrationContext, what: str, done: int, total: int) -> None:
    """Tell whoever watches how far a step has come."""
    watcher: Report | None = context.opts.get("colonnade_report")
    if watcher is not None:
        watcher(what, done, total)
