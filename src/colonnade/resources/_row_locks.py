"""Locks on several rows, taken in one order by everybody: else two batches wait for each other.

PostgreSQL locks rows as its plan comes upon them, which for the same rows is another order with
another plan, or with the rows of a request in another order. SQLite has one lock.
"""

from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, func, select

from colonnade.models import Shape


def lock_in_order(
    shape: Shape, rows: FromClause, chosen: ColumnElement[bool], *, key_share: bool = False
) -> Select[Any]:
    """The SELECT that locks rows in the order of their keys.

    Args:
        shape: The table.
        rows: It, in the SELECT.
        chosen: Which of its rows.
        key_share: Whether their keys stay, so that others may refer to them meanwhile.
    """
    key = [rows.c[column.column.key] for column in shape.primary_key]
    locked = select(*key).where(chosen).order_by(*key)
    return locked.with_for_update(of=rows, key_share=key_share)


def after(locked: Select[Any]) -> ColumnElement[bool]:
    """A condition of a statement that touches rows no sooner than they are all locked."""
    first = locked.cte("colonnade_locked").prefix_with("MATERIALIZED")
    return select(func.count()).select_from(first).scalar_subquery() >= 0
