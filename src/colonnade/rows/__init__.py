"""How it travels: SELECT to JSON text, on each database; the row path; input to values."""

from colonnade.rows._column_codecs import ColumnCodec, form_of
from colonnade.rows._input import MOST_ERRORS, InputError, Inputs, located, refuse_size
from colonnade.rows._statements import (
    LARGEST_ANSWER,
    Returned,
    bounded,
    page_statement,
    row_columns,
    size_statement,
    state_text,
)
from colonnade.rows._views import UnreadableRowError, View, array_of, joined_rows

__all__ = [
    "LARGEST_ANSWER",
    "MOST_ERRORS",
    "ColumnCodec",
    "InputError",
    "Inputs",
    "Returned",
    "UnreadableRowError",
    "View",
    "array_of",
    "bounded",
    "form_of",
    "joined_rows",
    "located",
    "page_statement",
    "refuse_size",
    "row_columns",
    "size_statement",
    "state_text",
]
