"""The tables of docs/reliability.md, made from the saved results."""

import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "docs" / "reliability" / "results.json"
PAGE = ROOT / "docs" / "reliability.md"

_TITLES = (
    "fault", "times", "requests", "acknowledged", "refused or unanswered", "lost", "doubled",
    "wrong answers", "longest pause", "slowest answer",
)  # fmt: skip


def table(saved: dict[str, Any]) -> str:
    """The tables: one for each environment, with a line for each fault."""
    lines = saved["lines"]
    parts = []
    for environment in dict.fromkeys(line["database"] for line in lines):
        rows = [_row(line) for line in lines if line["database"] == environment]
        head = ["| " + " | ".join(_TITLES) + " |", "|---" * len(_TITLES) + "|"]
        parts.append("\n".join([f"**{environment}**", "", *head, *rows]))
    command = f"`python -m tests.reliability --seed {saved['seed']} --minutes {saved['minutes']:g}`"
    return f"{command}\n\n" + "\n\n".join(parts)


def _row(line: dict[str, Any]) -> str:
    cells = (
        line["fault"], line["times"], f"{line['requests']:,}", f"{line['acknowledged']:,}",
        f"{line['refused']:,}", line["lost"], line["doubled"], line["wrong"],
        f"{line['longest_pause']:.1f} s", f"{line['slowest']:.1f} s",
    )  # fmt: skip
    return "| " + " | ".join(map(str, cells)) + " |"


def fill(page: str, saved: dict[str, Any]) -> str:
    """The text of the page with the current tables."""
    block = f"<!-- counted -->\n\n{table(saved)}\n\n<!-- end -->"
    return re.sub(r"<!-- counted -->.*?<!-- end -->", lambda _: block, page, flags=re.DOTALL)


def write(saved: dict[str, Any]) -> None:
    """Save the results and write the page."""
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(saved, indent=1) + "\n")
    PAGE.write_text(fill(PAGE.read_text(), saved))
