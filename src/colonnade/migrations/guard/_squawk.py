"""Assess SQL that a revision runs by ``op.execute()``, with the rules of Squawk.

Rules: https://squawkhq.com/docs/rules
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

Kind = Literal["locks", "loses-data", "cannot-undo", "not-judged", "fails"]

_LOCKING_RULES = (
    "adding-field-with-default", "adding-foreign-key-constraint", "adding-not-nullable-field",
    "adding-required-field", "adding-serial-primary-key-field", "changing-column-type",
    "constraint-missing-not-valid", "disallowed-unique-constraint",
    "require-concurrent-index-creation", "require-concurrent-index-deletion",
    "require-concurrent-reindex", "require-concurrent-refresh-materialized-view",
    "require-concurrent-partition-detach", "ban-vacuum-full",
)  # fmt: skip
_DATA_LOSS_RULES = (
    "ban-drop-column", "ban-drop-database", "ban-drop-table", "ban-drop-schema", "ban-truncate",
    "ban-truncate-cascade", "ban-delete-without-where",
)  # fmt: skip
_KINDS: dict[str, Kind] = {
    **dict.fromkeys(_LOCKING_RULES, "locks"),
    **dict.fromkeys(_DATA_LOSS_RULES, "loses-data"),
}
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_REMOVES_ROWS = re.compile(
    r"^\s*(?:DROP\s+(?:TABLE|SCHEMA|DATABASE)|TRUNCATE|(?:WITH\b.*\b)?DELETE\s+FROM)\b",
    re.IGNORECASE | re.DOTALL,
)
_DROPS_COLUMN = re.compile(
    r"\bDROP\s+COLUMN\b|^\s*ALTER\s+TABLE\s+(?:\S+\s+){1,4}?DROP\s+(?!CONSTRAINT\b|INDEX\b|NOT\b"
    r"|DEFAULT\b|EXPRESSION\b|IDENTITY\b|PRIMARY\b|FOREIGN\b)\w",
    re.IGNORECASE,
)
"""``COLUMN`` may be left out, unlike the names of the other things that a table can drop."""


def assess_sql(sql: str, dialect: str) -> Iterator[tuple[Kind, str]]:
    """Find the dangers of a statement: their kinds and reasons.

    Squawk checks PostgreSQL's SQL where it is installed (``pip install squawk-cli``). Statements
    that delete rows or columns are recognized without it.
    """
    kinds: set[Kind] = set()
    for rule, message in _squawk(sql) if dialect == "postgresql" else ():
        kind = _KINDS.get(rule)
        if kind is not None and kind not in kinds:
            kinds.add(kind)
            yield kind, f"{message} (squawk: {rule})"
    if "loses-data" not in kinds and any(map(_deletes, _COMMENT.sub(" ", sql).split(";"))):
        yield "loses-data", "the statement deletes rows or columns."


def _deletes(statement: str) -> bool:
    """Whether a statement deletes rows or columns."""
    return bool(_REMOVES_ROWS.search(statement) or _DROPS_COLUMN.search(statement))


def _squawk(sql: str) -> list[tuple[str, str]]:
    """Run Squawk on a statement; the rules that it breaks, with Squawk's messages."""
    beside_python = Path(sys.executable).with_name("squawk")
    command = str(beside_python) if beside_python.exists() else shutil.which("squawk")
    if command is None:
        return []
    process = subprocess.run(  # noqa: S603 - a linter, found beside this Python or on the path
        [command, "--reporter", "json", "--stdin-filepath", "revision.sql"],
        input=sql if sql.rstrip().endswith(";") else f"{sql};",
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        violations = json.loads(process.stdout or "[]")
    except json.JSONDecodeError:
        return []
    return [(violation["rule_name"], violation["message"]) for violation in violations]
