"""Conditions that select rows by many keys."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, any_, bindparam, func, select, tuple_

from colonnade.writes._changes import Key
from colonnade.writes.statements._bulk_statements import has_plain_array


def has_key(columns: Sequence[Any], keys: Sequence[Key], backend: str) -> ColumnElement[bool]:
    """Build the condition that columns have one of several combinations of values.

    On PostgreSQL, the values are arrays: asyncpg refuses more than 32,767 parameters, and would
    prepare a statement for each number of them.

    Args:
        columns: The columns, with the types to compare them as.
        keys: The combinations.
        backend: The backend.
    """
    has_arrays = backend == "postgresql" and all(has_plain_array(c.type) for c in columns)
    if not has_arrays or not keys:
        is_single = len(columns) == 1
        clause: ColumnElement[bool] = (
            columns[0].in_([key[0] for key in keys])
            if is_single
            else tuple_(*columns).in_(list(keys))
        )
        return clause
    arrays = [
        bindparam(None, list(values), type_=ARRAY(column.type, dimensions=1))
        for column, values in zip(columns, zip(*keys, strict=True), strict=True)
    ]
    if len(columns) == 1:
        equal: ColumnElement[bool] = columns[0] == any_(arrays[0])
        return equal
    names = [f"key_{index}" for index in range(len(columns))]
    rows = func.unnest(*arrays).table_valued(*names).render_derived("keys")
    return tuple_(*columns).in_(select(*(rows.c[name] for name in names)))
