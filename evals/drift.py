"""Print in what the models of a result and its database differ, a line each.

Run by the result's own Python, in its directory: ``python drift.py URL``.
"""

import sys
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine
from sqlmodel import SQLModel

OF_TOOLS = ("alembic_version", "colonnade_")


def of_a_tool(difference: Any) -> bool:
    """Whether it is a table that the migrations or the library keep for themselves."""
    if not isinstance(difference, tuple) or difference[0] not in {"remove_table", "remove_index"}:
        return False
    changed: Any = difference[1]
    table: Any = changed.table if hasattr(changed, "table") else changed
    return str(table.name).startswith(OF_TOOLS)


if __name__ == "__main__":
    sys.path.insert(0, "")
    import app.main  # type: ignore[import-not-found]  # noqa: F401 # the result's

    url = sys.argv[1].replace("postgresql://", "postgresql+psycopg://")
    with create_engine(url).connect() as connection:
        context = MigrationContext.configure(connection)
        for difference in compare_metadata(context, SQLModel.metadata):
            if not of_a_tool(difference):
                print(difference)
