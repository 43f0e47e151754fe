"""How it travels: SELECT to JSON text, on each database; the row path; input to values."""

from colonnade.rows._forms import Backend, Form, form_of
from colonnade.rows._input import InputError, Inputs, located
from colonnade.rows._statements import Returned, page_statement, row_columns, state_text
from colonnade.rows._views import UnreadableRowError, View, array_of, joined_rows

__all__ = [
    "Backend",
    "Form",
    "InputError",
    "Inputs",
    "Returned",
    "UnreadableRowError",
    "View",
    "array_of",
    "form_of",
    "joined_rows",
    "located",
    "page_statement",
    "row_columns",
    "state_text",
]
