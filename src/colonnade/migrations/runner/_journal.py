"""Record how many steps of a revision are done, so that an interrupted revision can resume.

A step that needs several transactions commits the steps before it. A revision with such steps has
a row in ``colonnade_migration`` with the number of completed steps, written in the transaction
that commits them. The table is dropped when no revision is unfinished.
"""

import json
from typing import Any

import sqlalchemy as sa
from pydantic_core import to_jsonable_python
from sqlalchemy import Connection

JOURNAL_TABLE = "colonnade_migration"
"""The table of unfinished revisions."""

_journal_table = sa.Table(
    JOURNAL_TABLE,
    sa.MetaData(),
    sa.Column("revision", sa.String, primary_key=True),
    sa.Column("done", sa.Integer, nullable=False),
    sa.Column("position", sa.String),
)


class Journal:
    """The record of one revision's completed steps.

    Args:
        connection: The database.
        revision: The name from ``journal_name``, which differs for upgrade and downgrade.

    Attributes:
        step: The number of the current step.
        done: The number of steps that earlier runs completed.
        position: How far the step after these came; None if it had not begun.
    """

    def __init__(self, connection: Connection, revision: str) -> None:
        self.connection = connection
        self.revision = revision
        self.step = 0
        self.done, self.position = self._read()

    @property
    def resume_position(self) -> Any:
        """How far the current step came before an interruption; None if it starts now."""
        return self.position if self.step == self.done else None

    def _read(self) -> tuple[int, Any]:
        if not sa.inspect(self.connection).has_table(JOURNAL_TABLE):
            return 0, None
        query = sa.select(_journal_table.c.done, _journal_table.c.position).where(
            _journal_table.c.revision == self.revision
        )
        row = self.connection.execute(query).one_or_none()
        if row is None:
            return 0, None
        return row.done, None if row.position is None else json.loads(row.position)

    def save(self, done: int, position: Any = None) -> None:
        """Write the progress in the current transaction.

        Args:
            done: The number of completed steps.
            position: How far the next step has come; any value that JSON can hold.
        """
        if not sa.inspect(self.connection).has_table(JOURNAL_TABLE):
            _journal_table.create(self.connection)
        is_revision = _journal_table.c.revision == self.revision
        self.connection.execute(_journal_table.delete().where(is_revision))
        document = None if position is None else json.dumps(to_jsonable_python(position))
        self.connection.execute(
            _journal_table.insert().values(revision=self.revision, done=done, position=document)
        )

    def clear(self) -> None:
        """Delete the record, and the table if no other revision is unfinished."""
        if sa.inspect(self.connection).has_table(JOURNAL_TABLE):
            self.connection.execute(
                _journal_table.delete().where(_journal_table.c.revision == self.revision)
            )
            if not self.connection.scalar(sa.select(sa.func.count()).select_from(_journal_table)):
                _journal_table.drop(self.connection)


DOWNGRADE_SUFFIX = " (downgrade)"
"""Follows the id of a revision in the journal during its downgrade."""


def journal_name(revision: str, direction: str) -> str:
    """The name under which the journal records a revision in one direction."""
    return revision + (DOWNGRADE_SUFFIX if direction == "downgrade" else "")


def completed_steps(connection: Connection) -> list[tuple[str, int]]:
    """The unfinished revisions as the journal names them, with their completed steps."""
    if not sa.inspect(connection).has_table(JOURNAL_TABLE):
        return []
    query = sa.select(_journal_table.c.revision, _journal_table.c.done)
    rows = connection.execute(query.order_by(_journal_table.c.revision))
    return [(row.revision, row.done) for row in rows]
