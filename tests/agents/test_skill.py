"""The skill: every block of it runs, it is short enough to be read whole, and installs."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from colonnade.agents import install_skill, skill_directory
from colonnade.cli._skill import show_skill
from colonnade.errors import CommandError

SKILL = skill_directory()
REFERENCES = sorted((SKILL / "references").glob("*.md"))
BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
OF_THE_PROJECT = ("SKILL.md", "references/tests.md", "references/migrations.md")
"""Pages whose files and commands are those of one project, in this order."""


def blocks(page: Path) -> Iterator[tuple[str, str, str]]:
    """The language, the title and the text of each block."""
    yield from BLOCK.findall(page.read_text())


def program_of(page: Path) -> str:
    """The Python of a page that is not a file of the project."""
    python = (text for language, title, text in blocks(page) if (language, title) == ("python", ""))
    return "\n".join(python)


def run(directory: Path, *command: str) -> None:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    environment.pop("DATABASE_URL", None)
    done = subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


def test_the_skill_is_short_and_has_front_matter() -> None:
    lines = (SKILL / "SKILL.md").read_text().splitlines()
    assert len(lines) < 500
    assert lines[0] == lines[3] == "---"
    assert lines[1] == "name: colonnade"
    assert lines[2].startswith("description: ")
    assert len(lines[2]) < 1024


def test_every_language_of_a_block_is_tested() -> None:
    languages = {language for page in SKILL.rglob("*.md") for language, _, _ in blocks(page)}
    assert languages == {"python", "sh", "toml"}


def test_its_links_exist() -> None:
    for page in SKILL.rglob("*.md"):
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).is_file(), f"{page.name}: {target}"


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [page for page in REFERENCES if program_of(page)], ids=lambda page: page.name
)
def test_the_program_of_a_reference_runs(page: Path, tmp_path: Path) -> None:
    run(tmp_path, sys.executable, "-W", "error", "-c", program_of(page))


@pytest.mark.slow
def test_the_project_of_the_skill_works_command_by_command(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app/__init__.py").touch()
    for name in OF_THE_PROJECT:
        for language, title, content in blocks(SKILL / name):
            if title == "complete the revision":
                complete_revision(tmp_path, content)
            elif title:
                path = tmp_path / title
                path.parent.mkdir(exist_ok=True)
                path.write_text(content)
            elif language == "sh":
                script = f"export DATABASE_URL=sqlite:///tracker.db\n{content}"
                run(tmp_path, "bash", "-euc", script)
        if program := program_of(SKILL / name):
            run(tmp_path, sys.executable, "-c", f"import os\n{program}")
    for command in ("upgrade", "drift", "check --no-cache"):
        run(tmp_path, "bash", "-c", f"DATABASE_URL=sqlite:///other.db colonnade {command}")


def complete_revision(project: Path, content: str) -> None:
    """Put the code of the page into the newest revision."""
    revisions = (project / "migrations/versions").glob("*.py")
    newest = max(revisions, key=lambda path: path.stat().st_mtime)
    written = newest.read_text()
    for name in ("revision", "down_revision"):
        match = re.search(rf"^{name}.*= (.+)$", written, re.MULTILINE)
        assert match is not None
        content = content.replace(f"{name} = {name.upper()}", f"{name} = {match[1]}")
    newest.write_text(content)


def test_it_is_installed_and_updated(tmp_path: Path) -> None:
    (target,) = install_skill(tmp_path)
    assert target == tmp_path / ".agents/skills/colonnade"
    assert (target / "SKILL.md").read_text() == (SKILL / "SKILL.md").read_text()
    (target / "references/old.md").write_text("of an older version")
    (tmp_path / ".claude").mkdir()
    for target in install_skill(tmp_path):
        names = {path.name for path in (target / "references").iterdir()}
        assert names == {page.name for page in REFERENCES}
    assert target == tmp_path / ".claude/skills/colonnade"


def test_the_command_prints_it_and_says_where_the_references_are(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    show_skill(None)
    printed = capsys.readouterr()
    assert printed.out == (SKILL / "SKILL.md").read_text()
    assert "The references are in" in printed.err
    show_skill(tmp_path)
    assert "Installed" in capsys.readouterr().out
    with pytest.raises(CommandError, match="Directory not found: nowhere"):
        show_skill(Path("nowhere"))
