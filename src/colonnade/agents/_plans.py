"""Query plans in the words of the API: which tables are read by an index, and which as a whole."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

_POSTGRESQL = re.compile(r"\b(Seq|Index|Index Only|Bitmap Heap|Tid) Scan(?: Backward)?.*? on (\S+)")
"""https://www.postgresql.org/docs/current/using-explain.html"""

_SQLITE = re.compile(r"^(SCAN|SEARCH) (\S+)(.*)")
"""https://sqlite.org/eqp.html"""

_SORTS = re.compile(r"\bSort\b|USE TEMP B-TREE FOR .*ORDER BY")


def accesses(
    plan: Iterable[str], tables: Mapping[str, str], all_tables: Collection[str]
) -> dict[str, Any]:
    """How a plan reads the tables that the caller may read, without the names of anything else.

    Args:
        plan: The lines of the database's plan.
        tables: The names of the tools' tables, by those of the database.
        all_tables: The names of all tables, to tell them from subqueries.
    """
    lines = list(plan)
    reads = [
        {"table": tables.get(table, "another table"), "access": access}
        for table, access in _accesses(lines, all_tables)
    ]
    return {"reads": reads, "sorts_rows": any(map(_SORTS.search, lines))}


def _accesses(plan: Iterable[str], tables: Collection[str]) -> Iterator[tuple[str, str]]:
    for line in plan:
        if match := _POSTGRESQL.search(line):
            whole, name = match[1] == "Seq", match[2].strip('"')
        elif match := _SQLITE.search(line.strip()):
            whole, name = match[1] == "SCAN" and "INDEX" not in match[3], match[2]
        else:
            continue
        # SQLAlchemy numbers the aliases of a table: task_1.
        table = name if name in tables else re.sub(r"_\d+$", "", name)
        if table in tables:
            yield table, "whole table" if whole else "index"
