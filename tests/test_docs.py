"""The Python blocks of the README and of docs/ run, page by page."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from colonnade.templates import lay_out
from colonnade.writes import _database_errors

ROOT = Path(__file__).parents[1]
SITE = sorted((ROOT / "docs").rglob("*.md"))
TYPED = {"get-started", "tutorial"}
"""Sections whose pages build on each other: `tests/packaging` types them in order."""
PAGES = [ROOT / "README.md", *(page for page in SITE if page.parent.name not in TYPED)]
LINK = re.compile(r"\]\((?!https?://)([^)#]*)(?:#([^)]+))?\)")


def python_blocks(page: Path) -> str:
    return "\n".join(re.findall(r"^```python\n(.*?)^```", page.read_text(), re.M | re.S))


def has_tests(page: Path) -> bool:
    return "\ndef test_" in python_blocks(page)


def headings(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub names them."""
    titles = re.findall(r"^#+ (.+)", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.slow
@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if python_blocks(page) and not has_tests(page)],
    ids=lambda page: page.name,
)
def test_the_python_of_a_page_runs(page: Path, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", python_blocks(page)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
@pytest.mark.parametrize(
    "page", [page for page in PAGES if has_tests(page)], ids=lambda page: page.name
)
def test_the_tests_of_a_page_pass_in_a_new_project(
    page: Path, database: str, tmp_path: Path
) -> None:
    lay_out(tmp_path / "tracker", "tracker", example="tasks")
    (tmp_path / "tracker/tests/test_page.py").write_text(python_blocks(page))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "--database", database,
         "tests/test_page.py"],
        cwd=tmp_path / "tracker", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("page", [PAGES[0], *SITE], ids=lambda page: str(page.relative_to(ROOT)))
def test_links_exist(page: Path) -> None:
    for target, heading in LINK.findall(page.read_text()):
        linked = page.parent / target if target else page
        assert linked.exists(), target
        if heading:
            assert heading in headings(linked), f"{target}#{heading}"


def test_the_release_notes_are_the_changelog_whose_links_work_in_both_places() -> None:
    assert '--8<-- "CHANGELOG.md' in (ROOT / "docs/release-notes.md").read_text()
    assert LINK.findall((ROOT / "CHANGELOG.md").read_text()) == []  # no relative links


def test_the_navigation_of_the_site_has_every_page() -> None:
    navigation = re.findall(r": (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    assert sorted(navigation) == sorted(str(page.relative_to(ROOT / "docs")) for page in SITE)


SEND_REQUESTS_OF_TABLES = r"""
import re, sys

page = sys.stdin.read()
errors = re.compile(r"^\| `([^`]+=[^`]*|/[^`]+)` \| `(\w+)` \| (.+) \|$", re.MULTILINE)
for query, constraint, message in errors.findall(page):
    (error,) = client.get(query if query[0] == "/" else f"/tasks?{query}").json()["errors"]
    assert (error["constraint"], error["message"]) == (constraint, message), error
filters = errors.sub("", page.partition("## Filters")[2].partition("### Filters across")[0])
for row in re.findall(r"^\|.+", filters, re.MULTILINE):
    for query in re.findall(r"`(\w+=[^`]+)`", row):
        assert client.get(f"/tasks?{query}").status_code == 200, query
for request in re.findall(r"`(/(?:tasks|projects)\?[^`]+)`", errors.sub("", page)):
    assert client.get(request).status_code == 200, request
for where in re.findall(r"^\| [^|]+ \| `({[^`|]+})` \|$", page, re.MULTILINE):
    assert client.get("/tasks", params={"where": where}).status_code == 200, where
"""
"""Appended to the program of the page about query parameters."""


def test_the_examples_and_errors_of_query_parameters_are_true(tmp_path: Path) -> None:
    page = ROOT / "docs/reference/query-parameters.md"
    done = subprocess.run(
        [sys.executable, "-c", python_blocks(page) + SEND_REQUESTS_OF_TABLES],
        cwd=tmp_path, input=page.read_text(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def problem_types() -> set[str]:
    """The last part of every problem type that the code defines."""
    names = {kind for kind, _ in _database_errors._UNAVAILABLE.values()} | {
        _database_errors.TOO_LARGE
    }
    source = ROOT / "src/colonnade"
    for module in [*(source / "writes").rglob("*.py"), *(source / "resources").rglob("*.py")]:
        for node in ast.walk(ast.parse(module.read_text())):
            match node:
                case ast.keyword(arg="kind", value=ast.Constant(str(name))):
                    names.add(name)
                case ast.Assign([ast.Name("kind")], ast.Constant(str(name))):
                    names.add(name)
                case ast.Call(ast.Name("_conflict"), [ast.Constant(str(name)), *_]):
                    names.add(name)
    return names


def test_the_reference_has_every_problem_type() -> None:
    page = (ROOT / "docs/reference/problem-types.md").read_text()
    documented = re.findall(r"^### `(\w+)`$", page, re.MULTILINE)
    assert sorted(documented) == sorted(problem_types())
    examples = re.findall(r'"type": "urn:colonnade:(\w+)"', page)
    assert set(examples) == set(documented)
    in_overview = re.findall(r"^\| \[`(\w+)`\]", page, re.MULTILINE)
    assert sorted(in_overview) == sorted(documented)


@pytest.mark.slow
def test_the_code_of_the_documentation_has_no_findings(tmp_path: Path) -> None:
    pages = [PAGES[0], *(page for page in SITE if page.name != "rules.md")]  # which shows mistakes
    done = subprocess.run(
        [sys.executable, "-m", "colonnade", "check", "--no-cache", *map(str, pages)],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
