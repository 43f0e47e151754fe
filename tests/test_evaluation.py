"""The published evaluation: the table in the documentation is that of the reports."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
REPORTS = sorted(map(str, (ROOT / "evals/results").glob("*.json")))


def test_the_documented_table_is_that_of_the_reports() -> None:
    command = [sys.executable, "-m", "evals", "table", *REPORTS]
    printed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    page = (ROOT / "docs/agents.md").read_text()
    table, *sums = printed.strip().split("\n\n")
    assert table in page
    assert "\n".join(sums) in page
