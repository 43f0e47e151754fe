"""Errors about missing tables and columns name the commands that create them."""

import re

from sqlalchemy import Engine, event
from sqlalchemy.engine import ExceptionContext

from colonnade.database.statements._error_kinds import sqlstate_of

NOTE = (
    "The database lacks this table or column. If a model defines it, apply the migrations "
    "(colonnade upgrade), or create the tables with db.create_all()."
)
_SQLSTATES = frozenset(("42P01", "42703"))  # undefined_table, undefined_column
_SQLITE_MESSAGE = re.compile(r"no such (table|column)|has no column named")


def add_note(error: BaseException, cause: BaseException) -> None:
    """Add a note to an error if its cause is a missing table or column.

    Args:
        error: The error to raise.
        cause: The driver's error.
    """
    state = sqlstate_of(cause)
    if state in _SQLSTATES or (state is None and _SQLITE_MESSAGE.match(str(cause))):
        error.add_note(NOTE)


def note_missing_tables(engine: Engine) -> None:
    """Add the note to the errors of an engine."""

    @event.listens_for(engine, "handle_error")
    def note(context: ExceptionContext) -> None:
        if context.sqlalchemy_exception is not None:
            add_note(context.sqlalchemy_exception, context.original_exception)
