"""Row locks, always taken in the order of the keys, so that two batches cannot deadlock.

PostgreSQL locks rows in the order in which its plan visits them, which differs between plans and
between requests. SQLite has a single lock.
"""

from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, func, select

from colonnade.models import Shape


def lock_in_order(
    shape: Shape, rows: FromClause, chosen: ColumnElement[bool], *, key_share: bool = False
) -> Select[Any]:
    """Build the SELECT that locks rows in the order of their keys.

    Args:
        shape: The table.
        rows: The alias of the table in the SELECT.
        chosen: The condition that selects the rows.
        key_share: Whether the keys do not change, so that other transactions may refer to them.
    """
    key = [rows.c[column.column.key] for column in shape.primary_key]
    locked = select(*key).where(chosen).order_by(*key)
    return locked.with_for_update(of=rows, key_share=key_share)


def after_locking(locked: Select[Any], name: str = "colonnade_locked") -> ColumnElement[bool]:
    """Build an always-true condition that makes a statement lock all rows before it writes any.

    Args:
        locked: The SELECT that locks the rows.
        name: The name of its CTE.
    """
    first = locked.cte(name).prefix_with("MATERIALIZED")
    return select(func.count()).select_from(first).scalar_subquery() >= 0
