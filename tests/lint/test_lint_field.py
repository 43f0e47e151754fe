"""The script that measures precision: the same sample for the same seed, and sums of verdicts."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "lint_field.py"
PROGRAM = """
from datetime import datetime

from sqlmodel import create_engine

engine = create_engine("sqlite://", echo=True)
first = datetime.utcnow()
second = datetime.utcnow()
"""


def run(*arguments: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def checkouts(tmp_path: Path) -> Path:
    folder = tmp_path / "checkouts"
    for name in ("one", "two"):
        (folder / name).mkdir(parents=True)
        (folder / name / "pyproject.toml").write_text("")
        (folder / name / "app.py").write_text(PROGRAM)
    return folder


def test_a_seed_chooses_the_same_findings_again(checkouts: Path, tmp_path: Path) -> None:
    samples = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        output = tmp_path / f"{name}.json"
        done = run("sample", checkouts, "--output", output, "--size", 3, "--seed", seed)
        assert done.returncode == 0, done.stderr
        samples.append(json.loads(output.read_text()))
    assert samples[0] == samples[1] != samples[2]
    assert samples[0]["programs"] == {
        "one": {"lines": 8, "findings": 3},
        "two": {"lines": 8, "findings": 3},
    }
    for finding in samples[0]["findings"]:
        assert finding["path"] == "app.py"
        assert f"{finding['line']}: {PROGRAM.splitlines()[finding['line'] - 1]}" in finding["code"]
        assert finding["verdict"] == ""


def test_verdicts_are_added_up_by_rule(checkouts: Path, tmp_path: Path) -> None:
    output = tmp_path / "sample.json"
    run("sample", checkouts, "--output", output)
    sample = json.loads(output.read_text())
    for number, finding in enumerate(sample["findings"]):
        finding["verdict"] = ("right", "right", "wrong", "debatable", "right", "right")[number]
    output.write_text(json.dumps(sample))
    assert run("table", output).stdout.splitlines() == [
        "| rule | findings | right | debatable | wrong |",
        "|---|---|---|---|---|",
        "| CLN111 | 4 | 2 (50%) | 1 (25%) | 1 (25%) |",
        "| CLN403 | 2 | 2 (100%) | 0 (0%) | 0 (0%) |",
        "| all | 6 | 4 (67%) | 1 (17%) | 1 (17%) |",
    ]


def test_a_missing_verdict_and_a_sample_with_verdicts_are_named(
    checkouts: Path, tmp_path: Path
) -> None:
    output = tmp_path / "sample.json"
    run("sample", checkouts, "--output", output)
    done = run("table", output)
    assert done.returncode == 1
    assert "one/app.py:7 (CLN111): the verdict is ''" in done.stderr
    again = run("sample", checkouts, "--output", output)
    assert again.returncode == 1
    assert "may have verdicts" in again.stderr
    (tmp_path / "empty").mkdir()
    assert "has no folders" in run("sample", tmp_path / "empty", "--output", "x").stderr
