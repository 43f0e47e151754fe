"""An INSERT that may meet a row which is there: each database has its own."""

from importlib import import_module
from typing import Any

from sqlalchemy import Table


def upsert(table: Table, backend: str) -> Any:
    """An INSERT with SQLAlchemy's ``on_conflict_do_update``.

    Args:
        table: Where to.
        backend: ``postgresql`` or ``sqlite``.
    """
    # The one that is in use is loaded already; the other would cost an import 20 ms.
    return import_module(f"sqlalchemy.dialects.{backend}").insert(table)
