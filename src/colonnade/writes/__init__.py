"""Writes: what changes, its rules, its statements, and how they are carried out."""

from colonnade.writes._changes import Change, ChangeSet, Key, Values, WriteKind
from colonnade.writes._database_errors import (
    TOO_LARGE,
    DriverError,
    client_rejection_of,
    deadline_exceeded,
    referenced,
    rejection_of,
    too_large,
    unavailable_of,
)
from colonnade.writes._deferred_constraints import check_deferred_constraints
from colonnade.writes._errors import RejectedError, field_error, path_text
from colonnade.writes._etags import ETAG_PATTERN, expected_versions, is_unchanged
from colonnade.writes._keys import Keys
from colonnade.writes._table_context import TableContext, Views, render_row, render_rows
from colonnade.writes.execution._bulk_upserts import RowByRowError
from colonnade.writes.execution._hooked_writes import Committed, complete
from colonnade.writes.execution._hooks import (
    Hook,
    Hooks,
    Moment,
    Provided,
    RunStatements,
)
from colonnade.writes.execution._row_writes import WrittenRow
from colonnade.writes.execution._table_writer import TableWriter
from colonnade.writes.links._changes import LinkChange, link_change
from colonnade.writes.links._tables import LinkTable
from colonnade.writes.links._writes import LinkWrites
from colonnade.writes.nested._hook_calls import HookCalls, NestedCommitted
from colonnade.writes.nested._located_errors import relocated
from colonnade.writes.nested._parsing import NestedBody
from colonnade.writes.nested._planned_writes import planned_writes
from colonnade.writes.nested._rows import NestedChanges, NestedRow, RelationChanges
from colonnade.writes.nested._single_statement import single_statement
from colonnade.writes.nested._stored_rows import StoredRows
from colonnade.writes.nested._tables import MAX_DEPTH, NestedRelation, Verb, WritableTable
from colonnade.writes.nested._verbs import Kind, allowed_verbs
from colonnade.writes.nested._writer import NestedWriter
from colonnade.writes.parsing._rows import RowParser
from colonnade.writes.parsing._upsert_options import (
    ON_CONFLICT,
    UpsertOptions,
    UpsertOptionsReader,
    invalid_option,
)
from colonnade.writes.parsing._upserts import UpsertParser
from colonnade.writes.rules._foreign_keys import ForeignKeys, Reference, missing_reference
from colonnade.writes.statements._inserts import upsert

__all__ = [
    "ETAG_PATTERN",
    "MAX_DEPTH",
    "ON_CONFLICT",
    "TOO_LARGE",
    "Change",
    "ChangeSet",
    "Committed",
    "DriverError",
    "ForeignKeys",
    "Hook",
    "HookCalls",
    "Hooks",
    "Key",
    "Keys",
    "Kind",
    "LinkChange",
    "LinkTable",
    "LinkWrites",
    "Moment",
    "NestedBody",
    "NestedChanges",
    "NestedCommitted",
    "NestedRelation",
    "NestedRow",
    "NestedWriter",
    "Provided",
    "Reference",
    "RejectedError",
    "RelationChanges",
    "RowByRowError",
    "RowParser",
    "RunStatements",
    "StoredRows",
    "TableContext",
    "TableWriter",
    "UpsertOptions",
    "UpsertOptionsReader",
    "UpsertParser",
    "Values",
    "Verb",
    "Views",
    "WritableTable",
    "WriteKind",
    "WrittenRow",
    "allowed_verbs",
    "check_deferred_constraints",
    "client_rejection_of",
    "complete",
    "deadline_exceeded",
    "expected_versions",
    "field_error",
    "invalid_option",
    "is_unchanged",
    "link_change",
    "missing_reference",
    "path_text",
    "planned_writes",
    "referenced",
    "rejection_of",
    "relocated",
    "render_row",
    "render_rows",
    "single_statement",
    "too_large",
    "unavailable_of",
    "upsert",
]
