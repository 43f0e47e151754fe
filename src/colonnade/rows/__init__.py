"""Rows as JSON: what the database writes, what Pydantic writes, and request bodies as values."""

from colonnade.rows._body_reader import (
    MAX_ERRORS,
    NO_VALUES,
    BodyReader,
    check_batch_size,
    error_entries,
)
from colonnade.rows._column_codecs import ColumnCodec, codec_of
from colonnade.rows._group_views import GroupView
from colonnade.rows._json_sql import json_array, json_array_agg
from colonnade.rows._long_numbers import load_json
from colonnade.rows._statements import (
    MAX_ANSWER_BYTES,
    ReturnedRow,
    page_statement,
    row_columns,
    size_statement,
    state_text,
    within_size_limit,
)
from colonnade.rows._unserved_columns import Refusal, read_refusal, write_refusal
from colonnade.rows._views import UnreadableRowError, View

__all__ = [
    "MAX_ANSWER_BYTES",
    "MAX_ERRORS",
    "NO_VALUES",
    "BodyReader",
    "ColumnCodec",
    "GroupView",
    "Refusal",
    "ReturnedRow",
    "UnreadableRowError",
    "View",
    "check_batch_size",
    "codec_of",
    "error_entries",
    "json_array",
    "json_array_agg",
    "load_json",
    "page_statement",
    "read_refusal",
    "row_columns",
    "size_statement",
    "state_text",
    "within_size_limit",
    "write_refusal",
]
