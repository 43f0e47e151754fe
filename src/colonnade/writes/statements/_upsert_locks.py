"""Locks of unique keys, for upserts that look a row up before they write it.

A row that does not exist yet cannot be locked. Without the lock of its key, racing upserts would
create it, fail, and begin again; and two batches could deadlock, since their rows are written in
the order of the request, which hooks see.
"""

from collections.abc import Sequence
from hashlib import blake2b

from sqlalchemy import ARRAY, BigInteger, Connection, bindparam, func, select

from colonnade.database import capabilities_of
from colonnade.models import Shape
from colonnade.writes._changes import Change

MAX_LOCKS = 64
"""Maximum number of locks of a table: PostgreSQL has room for some thousands altogether. Several
keys share one, so that upserts of different keys may wait for each other."""


def lock_keys(connection: Connection, changes: Sequence[Change], shape: Shape) -> None:
    """Lock the unique keys of upserts until the transaction ends, in the same order everywhere.

    On SQLite, the transaction holds the only write lock already.
    """
    if not capabilities_of(connection).advisory_locks:
        return
    numbers = sorted({_number(change, shape) for change in changes})
    keys = func.unnest(bindparam("numbers", type_=ARRAY(BigInteger))).column_valued("number")
    connection.execute(select(func.pg_advisory_xact_lock(keys)), {"numbers": numbers})


def _number(change: Change, shape: Shape) -> int:
    """The number of the lock of a row's key, the same in every process."""
    assert change.conflict is not None
    key = change.conflict.key
    values = {**change.values, **change.scopes.values(shape.table)}
    parts = [values.get(column.name) for column in key.columns]
    return _hash(f"{shape.table.fullname}.{key.name}") + _hash(repr(parts)) % MAX_LOCKS


def _hash(text: str) -> int:
    digest = blake2b(text.encode(errors="surrogatepass"), digest_size=7).digest()
    return int.from_bytes(digest)
