"""Measures the precision of `colonnade check` on programs that others have written.

    python scripts/lint_field.py sample FOLDER --output sample.json   # each subfolder is a checkout
    python scripts/lint_field.py table sample.json

`sample` checks every checkout and writes findings at random, the same ones for the same seed. A
person then reads the code around each, and writes a verdict: "right", "debatable" (true, and many
would leave the code as it is) or "wrong". `table` adds them up. Nothing is fetched.
"""

import argparse
import json
import os
import random
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from colonnade.lint import Finding, Settings, check

VERDICTS = ("right", "debatable", "wrong")
LINES_AROUND = 12
"""Lines before and after a finding that are shown to the judge."""
SIZE, SEED = 300, 7

Entry = dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python scripts/lint_field.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    sampling = commands.add_parser("sample", help="check the checkouts, and choose findings")
    sampling.add_argument("folder", type=Path, help="the folder with the checkouts")
    sampling.add_argument("--size", type=int, default=SIZE, help=f"the number of them ({SIZE})")
    sampling.add_argument("--seed", type=int, default=SEED, help=f"the seed ({SEED})")
    sampling.add_argument("--output", type=Path, required=True, help="the file to write")
    table = commands.add_parser("table", help="add up the verdicts")
    table.add_argument("file", type=Path, help="the file with the verdicts")
    parsed = parser.parse_args(arguments)
    if parsed.command == "sample":
        write_sample(parsed.folder, parsed.output, parsed.size, parsed.seed)
    else:
        print(table_of(json.loads(parsed.file.read_text())["findings"]))


def write_sample(folder: Path, output: Path, size: int, seed: int) -> None:
    """Check the checkouts in a folder, and write a sample of the findings.

    Raises:
        SystemExit: The folder has no checkouts, or the file exists and may have verdicts.
    """
    checkouts = sorted(path for path in folder.iterdir() if path.is_dir())
    if not checkouts:
        raise SystemExit(f"{folder} has no folders. Put a checkout of each program into it.")
    if output.exists():
        raise SystemExit(f"{output} exists, and may have verdicts. Name another file.")
    findings: list[Entry] = []
    programs: dict[str, Entry] = {}
    for checkout in checkouts:
        os.chdir(checkout)  # paths of findings are relative to the current directory
        report = check(Settings.find(checkout), jobs=os.cpu_count() or 1, cached=False)
        programs[checkout.name] = {"lines": report.lines, "findings": len(report.findings)}
        findings += (entry(checkout, finding) for finding in report.findings)
        print(f"{checkout.name}: {len(report.findings)} in {report.lines:,} lines", file=sys.stderr)
    chosen = random.Random(seed).sample(findings, min(size, len(findings)))
    chosen.sort(key=lambda each: (each["rule"], each["program"], each["path"], each["line"]))
    output.write_text(json.dumps({"programs": programs, "findings": chosen}, indent=1) + "\n")


def entry(checkout: Path, finding: Finding) -> Entry:
    """A finding with the code around it, and room for a verdict."""
    lines = (checkout / finding.path).read_text(errors="replace").splitlines()
    first = max(finding.line - 1 - LINES_AROUND, 0)
    around = lines[first : finding.line + LINES_AROUND]
    return {
        "rule": finding.code,
        "program": checkout.name,
        "path": str(finding.path),
        "line": finding.line,
        "message": finding.message,
        "code": [f"{number}: {text}" for number, text in enumerate(around, first + 1)],
        "verdict": "",
        "reason": "",
    }


def table_of(findings: Sequence[Entry]) -> str:
    """The verdicts by rule, as a Markdown table.

    Raises:
        SystemExit: A finding has no verdict, or another word.
    """
    for each in findings:
        if each["verdict"] not in VERDICTS:
            where = f"{each['program']}/{each['path']}:{each['line']} ({each['rule']})"
            raise SystemExit(f"{where}: the verdict is {each['verdict']!r}, not one of {VERDICTS}.")
    counts: dict[str, Counter[str]] = {}
    for each in findings:
        counts.setdefault(each["rule"], Counter())[each["verdict"]] += 1
    total = Counter(each["verdict"] for each in findings)
    rows = [*_rows(counts), _row("all", total)]
    return "\n".join(
        ["| rule | findings | right | debatable | wrong |", "|---|---|---|---|---|", *rows]
    )


def _rows(counts: dict[str, Counter[str]]) -> Iterator[str]:
    for rule in sorted(counts):
        yield _row(rule, counts[rule])


def _row(name: str, verdicts: Counter[str]) -> str:
    total = verdicts.total()
    cells = [f"{verdicts[verdict]} ({verdicts[verdict] / total:.0%})" for verdict in VERDICTS]
    return f"| {name} | {total} | {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
