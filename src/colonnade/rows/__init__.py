"""How it travels: SELECT to JSON text, on each database; the row path; input to values."""

from colonnade.rows._forms import Backend, Form, form_of
from colonnade.rows._input import MOST_ERRORS, InputError, Inputs, located, refuse_size
from colonnade.rows._statements import Returned, page_statement, row_columns, state_text
from colonnade.rows._views import View, array_of, joined_rows

__all__ = [
    "MOST_ERRORS",
    "Backend",
    "Form",
    "InputError",
    "Inputs",
    "Returned",
    "View",
    "array_of",
    "form_of",
    "joined_rows",
    "located",
    "page_statement",
    "refuse_size",
    "row_columns",
    "state_text",
]
