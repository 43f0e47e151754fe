"""A whole run: which files, what is remembered, what one file changes in another."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from colonnade.errors import CheckError
from colonnade.lint import Finding, Report, Settings, _checking, _running, check
from colonnade.lint._cache import FOLDER
from colonnade.lint._modules import Module
from tests.lint.test_sources import WRONG

MODELS = """
from sqlmodel import Field, SQLModel

class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    title: str = Field(max_length=200)
"""
SCHEMAS = """
from models import Task
from sqlmodel import SQLModel

class TaskUpdate(SQLModel):
    title: str = ""
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "models.py").write_text(MODELS)
    (tmp_path / "schemas.py").write_text(SCHEMAS)
    return tmp_path


def found(report: Report) -> list[tuple[str, str]]:
    return [(Path(one.path).name, one.code) for one in report.findings]


def run(project: Path, *names: str, jobs: int = 1) -> list[tuple[str, str]]:
    paths = [project / name for name in names]
    return found(check(Settings.read(project), paths, jobs=jobs))


def test_the_project_is_known_when_one_file_is_checked(project: Path) -> None:
    assert run(project, "schemas.py") == [("schemas.py", "CLN121")]
    assert run(project, "models.py") == []


def test_what_one_file_says_is_checked_again_in_another(project: Path) -> None:
    assert run(project) == [("schemas.py", "CLN121")]
    (project / "models.py").write_text(MODELS.replace("(max_length=200)", "()"))
    assert run(project) == []
    (project / "models.py").write_text(MODELS)
    assert run(project) == [("schemas.py", "CLN121")]


def test_what_did_not_change_is_not_checked_again(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reviewed: list[str] = []
    real = _checking.review

    def noted(module: Module, *rest: Any) -> Iterator[Finding]:
        reviewed.append(module.name)
        return real(module, *rest)

    monkeypatch.setattr(_running, "review", noted)
    (project / "api.py").write_text("import fastapi\nfrom schemas import TaskUpdate\n")
    first = run(project)
    assert sorted(reviewed) == ["api", "models", "schemas"]
    reviewed.clear()
    assert run(project) == first
    assert reviewed == []
    (project / "api.py").write_text("import fastapi\nfrom schemas import TaskUpdate\n\n")
    assert run(project) == first
    assert reviewed == ["api"]


def test_a_cache_that_is_broken_or_anothers_is_made_anew(project: Path) -> None:
    first = run(project)
    cache = project / FOLDER / "check.json"
    assert (project / FOLDER / ".gitignore").read_text() == "*\n"
    for broken in ("", "{", "[]", '{"version": "x", "files": {}}', '{"version": 1}'):
        cache.write_text(broken)
        assert run(project) == first


def test_several_processes_find_the_same(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("colonnade.lint._running.WORTH_A_POOL", 0)
    for number in range(20):
        (project / f"engine_{number}.py").write_text(WRONG)
    alone = found(check(Settings.read(project), cached=False))
    assert len(alone) == 21
    assert found(check(Settings.read(project), jobs=2, cached=False)) == alone


def test_files_that_are_left_out(project: Path) -> None:
    for name in ("kept", ".venv", "node_modules", "ignored", "excluded"):
        (project / name).mkdir()
        (project / name / "engine.py").write_text(WRONG)
    (project / ".gitignore").write_text("ignored/\n")
    (project / "pyproject.toml").write_text('[tool.colonnade.check]\nexclude = ["excluded"]\n')
    paths = [one.path for one in check(Settings.read(project)).findings if one.code == "CLN404"]
    assert [Path(path).parent.name for path in paths] == ["kept"]
    assert run(project, "excluded/engine.py") == []  # as pre-commit names it


def test_links_that_go_round_and_files_that_cannot_be_read(project: Path) -> None:
    (project / "loop").symlink_to(project, target_is_directory=True)
    (project / "self.py").symlink_to("self.py")
    (project / "nowhere.py").symlink_to("gone.py")
    report = check(Settings.read(project))
    assert found(report) == [
        ("nowhere.py", "CLN001"), ("schemas.py", "CLN121"), ("self.py", "CLN001"),
    ]  # fmt: skip
    assert "cannot be read: No such file" in report.findings[0].message


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_permission(project: Path) -> None:
    (project / "models.py").chmod(0)
    assert ("models.py", "CLN001") in run(project)


def test_a_huge_file_is_told_and_the_others_are_checked(project: Path) -> None:
    (project / "data.py").write_text("DATA = [\n" + "    1,\n" * 200_000 + "]\n")
    report = check(Settings.read(project))
    assert found(report) == [("schemas.py", "CLN121")]
    assert [(Path(name).name, reason) for name, reason in report.skipped] == [
        ("data.py", "1.4 MB, more than max-file-size")
    ]


def test_settings_choose(project: Path) -> None:
    (project / "engine.py").write_text(WRONG)
    table = "[tool.colonnade.check]\n"
    for said, left in [
        ('select = ["CLN4"]', [("engine.py", "CLN404")]),
        ('ignore = ["CLN404"]', [("schemas.py", "CLN121")]),
        ('per-file-ignores = {"sch*.py" = ["CLN1"]}', [("engine.py", "CLN404")]),
        ("max-file-size = 10", []),
    ]:
        (project / "pyproject.toml").write_text(f"{table}{said}\n")
        assert run(project) == left


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ('selct = ["CLN4"]', r"has no 'selct'. Did you mean select\?"),
        ("nonsense = 1", "There are select, ignore"),
        ('select = "CLN4"', "has to be a list of texts"),
        ("max-file-size = 'x'", "a number of bytes"),
        ("per-file-ignores = []", "a table of patterns"),
        ("baseline = 1", "has to be text"),
        ("select = [", "cannot be read"),
        ('select = ["E501"]', "There is no rule 'E501'"),
        ('select = ["CLN599"]', "There is no rule 'CLN599'"),
        ('per-file-ignores = {"x" = ["Q"]}', "There is no rule 'Q'"),
    ],
)
def test_settings_that_mean_nothing_are_refused(project: Path, said: str, message: str) -> None:
    (project / "pyproject.toml").write_text(f"[tool.colonnade.check]\n{said}\n")
    with pytest.raises(CheckError, match=message):
        run(project)


def test_paths_that_are_not_there_are_refused(project: Path) -> None:
    with pytest.raises(CheckError, match=r"There is no file or folder .*gone\.py"):
        run(project, "gone.py")
    (project / "notes.txt").write_text("")
    with pytest.raises(CheckError, match="is no Python, Markdown or notebook"):
        run(project, "notes.txt")


def test_a_rule_that_fails_is_told_and_the_others_go_on(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from colonnade.lint.rules.pool_on_sqlite import PoolOnSQLite

    def fail(self: object, at: object) -> None:
        raise KeyError("x")

    monkeypatch.setattr(PoolOnSQLite, "check", fail)
    report = check(Settings.read(project), cached=False)
    assert ("schemas.py", "CLN121") in found(report)
    assert "CLN404 failed here (KeyError: 'x'); please report it" in report.findings[0].message


@pytest.mark.parametrize("library", ["sqlmodel", "fastapi", "sqlalchemy/orm", "alembic"])
def test_no_rule_fails_on_code_that_was_not_written_for_it(library: str) -> None:
    import sqlalchemy

    packages = Path(sqlalchemy.__file__).parents[1]
    settings = Settings(packages, select=("CLN001",))
    assert check(settings, [packages / library], cached=False).findings == []


def test_odd_annotations_are_read(project: Path) -> None:
    (project / "odd.py").write_text(
        "from typing import Tuple, Optional, Literal\n"
        "from sqlmodel import Field, SQLModel\n"
        "class Odd(SQLModel, table=True):\n"
        "    id: int = Field(primary_key=True)\n"
        "    a: Tuple[()] = ()\n"
        "    b: 'Optional[' = None\n"
        "    c: Literal[()] = 1\n"
        "    d: lambda: 1 = 1\n"
        "    e: [int][0] = 1\n"
        "    f: 'f' = 1\n"
        "    g, h = 1, 2\n"
        "    (i): int = 1\n"
    )
    assert not [one for one in run(project) if one[1] == "CLN001"]
