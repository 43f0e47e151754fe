"""INSERT ... ON CONFLICT, which SQLAlchemy has once for each dialect."""

from importlib import import_module
from typing import Any

from sqlalchemy import Table


def upsert(table: Table, backend: str) -> Any:
    """Build an INSERT that has SQLAlchemy's ``on_conflict_do_update``.

    Args:
        table: The table.
        backend: ``postgresql`` or ``sqlite``.
    """
    # The dialect in use is loaded already; importing the other one would take 20 ms.
    return import_module(f"sqlalchemy.dialects.{backend}").insert(table)
