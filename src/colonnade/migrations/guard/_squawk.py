"""Squawk's rules, for the SQL that a revision runs itself: https://squawkhq.com/docs/rules."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

Kind = Literal["locks", "loses-data", "cannot-undo", "not-judged", "fails"]

_LOCKS = frozenset((
    "adding-field-with-default", "adding-foreign-key-constraint", "adding-not-nullable-field",
    "adding-required-field", "adding-serial-primary-key-field", "changing-column-type",
    "constraint-missing-not-valid", "disallowed-unique-constraint",
    "require-concurrent-index-creation", "require-concurrent-index-deletion",
    "require-concurrent-reindex", "require-concurrent-refresh-materialized-view",
    "require-concurrent-partition-detach", "ban-vacuum-full",
))  # fmt: skip
_LOSES = frozenset((
    "ban-drop-column", "ban-drop-database", "ban-drop-table", "ban-drop-schema", "ban-truncate",
    "ban-truncate-cascade", "ban-delete-without-where",
))  # fmt: skip
_LOST = re.compile(
    r"^\s*(?:DROP\s+(?:TABLE|SCHEMA|DATABASE)|TRUNCATE|DELETE\s+FROM)\b", re.IGNORECASE
)
_LOST_COLUMN = re.compile(r"\bDROP\s+COLUMN\b", re.IGNORECASE)


def judge_sql(sql: str, dialect: str) -> Iterator[tuple[Kind, str]]:
    """What is dangerous in a statement, and why.

    By Squawk on PostgreSQL, where it is installed (``pip install squawk-cli``); what loses data is
    seen without it, too.
    """
    seen: set[Kind] = set()
    for rule, message in _squawk(sql) if dialect == "postgresql" else ():
        kind: Kind | None = "locks" if rule in _LOCKS else "loses-data" if rule in _LOSES else None
        if kind is not None and kind not in seen:
            seen.add(kind)
            yield kind, f"{message} (squawk: {rule})"
    if "loses-data" not in seen and (_LOST.search(sql) or _LOST_COLUMN.search(sql)):
        yield "loses-data", "It removes rows or columns with their data."


def _squawk(sql: str) -> list[tuple[str, str]]:
    beside = Path(sys.executable).with_name("squawk")
    command = str(beside) if beside.exists() else shutil.which("squawk")
    if command is None:
        return []
    done = subprocess.run(  # noqa: S603 - a linter, found beside this Python or on the path
        [command, "--reporter", "json", "--stdin-filepath", "revision.sql"],
        input=sql if sql.rstrip().endswith(";") else f"{sql};",
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        reports = json.loads(done.stdout or "[]")
    except json.JSONDecodeError:
        return []
    return [(report["rule_name"], report["message"]) for report in reports]
