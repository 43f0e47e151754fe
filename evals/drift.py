"""Print in what the models of a result and its database differ, a line each.

Run by the result's own Python, in its directory: ``python drift.py URL``.
"""

import sys
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import String, create_engine
from sqlmodel import SQLModel

OF_TOOLS = ("alembic_version", "colonnade_")


def of_a_tool(difference: Any) -> bool:
    """Whether it is a table that the migrations or the library keep for themselves."""
    if not isinstance(difference, tuple) or difference[0] not in {"remove_table", "remove_index"}:
        return False
    changed: Any = difference[1]
    table: Any = changed.table if hasattr(changed, "table") else changed
    return str(table.name).startswith(OF_TOOLS)


def is_a_length(difference: Any) -> bool:
    """Whether it is the length of a text on SQLite, which ignores it."""
    changes = difference if isinstance(difference, list) else [difference]
    return all(
        change[0] == "modify_type" and all(isinstance(type_, String) for type_ in change[-2:])
        for change in changes
    )


if __name__ == "__main__":
    sys.path.insert(0, "")
    import app.main  # type: ignore[import-not-found]  # noqa: F401 # the result's

    url = sys.argv[1].replace("postgresql://", "postgresql+psycopg://")
    with create_engine(url).connect() as connection:
        context = MigrationContext.configure(connection)
        for difference in compare_metadata(context, SQLModel.metadata):
            on_sqlite = context.dialect.name == "sqlite"
            if not (of_a_tool(difference) or (on_sqlite and is_a_length(difference))):
                print(difference)
