"""The Python in the README and in docs/ runs, page by page, as it stands there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from colonnade.templates import lay_out

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\]\((?!https?://)([^)#]+)")


def blocks(page: Path) -> str:
    return "\n".join(re.findall(r"^```python\n(.*?)^```", page.read_text(), re.M | re.S))


def of_tests(page: Path) -> bool:
    return "\ndef test_" in blocks(page)


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if blocks(page) and not of_tests(page)],
    ids=lambda page: page.name,
)
def test_the_python_of_a_page_runs(page: Path, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", blocks(page)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
@pytest.mark.parametrize(
    "page", [page for page in PAGES if of_tests(page)], ids=lambda page: page.name
)
def test_the_tests_of_a_page_pass_in_a_new_project(
    page: Path, database: str, tmp_path: Path
) -> None:
    lay_out(tmp_path / "tracker", "tracker")
    (tmp_path / "tracker/tests/test_page.py").write_text(blocks(page))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "--database", database,
         "tests/test_page.py"],
        cwd=tmp_path / "tracker", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        assert (page.parent / target).exists(), target


def test_the_readme_names_every_page() -> None:
    linked = set(LINK.findall((ROOT / "README.md").read_text()))
    assert {f"docs/{page.name}" for page in PAGES[1:]} <= linked
