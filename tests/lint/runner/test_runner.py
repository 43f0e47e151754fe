"""Whole runs: the files, the cache, and the effects of one file on another."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from colonnade.errors import CheckError
from colonnade.lint import Finding, Report, Settings, check
from colonnade.lint.project._modules import Module
from colonnade.lint.runner import _checking, _workers
from colonnade.lint.runner._cache import FOLDER
from tests.lint.project.test_sources import WRONG

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


def files_and_codes(report: Report) -> list[tuple[str, str]]:
    return [(Path(finding.path).name, finding.code) for finding in report.findings]


def run(project: Path, *names: str, jobs: int = 1) -> list[tuple[str, str]]:
    paths = [project / name for name in names]
    return files_and_codes(check(Settings.read(project), paths, jobs=jobs))


def test_checking_one_file_reads_the_whole_project(project: Path) -> None:
    assert run(project, "schemas.py") == [("schemas.py", "CLN121")]
    assert run(project, "models.py") == []


def test_a_change_in_one_file_affects_the_findings_of_another(project: Path) -> None:
    assert run(project) == [("schemas.py", "CLN121")]
    (project / "models.py").write_text(MODELS.replace("(max_length=200)", "()"))
    assert run(project) == []
    (project / "models.py").write_text(MODELS)
    assert run(project) == [("schemas.py", "CLN121")]


def test_a_change_in_a_scope_affects_files_that_do_not_import_it(project: Path) -> None:
    (project / "tables.py").write_text(
        """
from colonnade import Database, Field, SQLModel

db = Database()

class Note(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    owner_id: int
    team_id: int
"""
    )
    (project / "stats.py").write_text(
        """
from colonnade import select
from fastapi import APIRouter
from tables import Note, db

router = APIRouter()

@router.get("/notes")
def notes(team: int) -> list[int | None]:
    with db.session() as session:
        return list(session.exec(select(Note.id).where(Note.team_id == team)))
"""
    )
    resources = """
from colonnade import Resource
from tables import Note, db

def own_notes() -> dict[str, int]:
    return {"owner_id": 1}

notes = Resource(Note, db, scope=own_notes)
"""
    (project / "resources.py").write_text(resources)
    assert run(project, "stats.py") == [("stats.py", "CLN312")]
    (project / "resources.py").write_text(resources.replace("owner_id", "team_id"))
    assert run(project, "stats.py") == []
    (project / "resources.py").write_text(resources.replace("scope=own_notes", "scope=None"))
    assert run(project, "stats.py") == []
    (project / "resources.py").write_text(resources)
    assert run(project, "stats.py") == [("stats.py", "CLN312")]


def test_unchanged_files_are_not_checked_again(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reviewed: list[str] = []
    original = _checking.review

    def record(module: Module, *arguments: Any) -> Iterator[Finding]:
        reviewed.append(module.name)
        return original(module, *arguments)

    monkeypatch.setattr(_workers, "review", record)
    (project / "api.py").write_text("import fastapi\nfrom schemas import TaskUpdate\n")
    first = run(project)
    assert sorted(reviewed) == ["api", "models", "schemas"]
    reviewed.clear()
    assert run(project) == first
    assert reviewed == []
    (project / "api.py").write_text("import fastapi\nfrom schemas import TaskUpdate\n\n")
    assert run(project) == first
    assert reviewed == ["api"]


def test_a_damaged_or_outdated_cache_is_replaced(project: Path) -> None:
    first = run(project)
    cache = project / FOLDER / "check.json"
    assert (project / FOLDER / ".gitignore").read_text() == "*\n"
    for broken in ("", "{", "[]", '{"version": "x", "files": {}}', '{"version": 1}'):
        cache.write_text(broken)
        assert run(project) == first


def test_several_processes_have_the_same_findings_as_one(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("colonnade.lint.runner._runner.MIN_POOL_BYTES", 0)
    for number in range(20):
        (project / f"engine_{number}.py").write_text(WRONG)
    in_one_process = files_and_codes(check(Settings.read(project), cached=False))
    assert len(in_one_process) == 21
    assert files_and_codes(check(Settings.read(project), jobs=2, cached=False)) == in_one_process


JSON_COLUMN = """
from sqlalchemy import JSON
from sqlmodel import Column, Field, SQLModel

class Event(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    payload: dict[str, str] = Field(sa_column=Column(JSON))
"""


@pytest.mark.parametrize(
    ("select", "codes"),
    [
        ('"CLN"', []),
        ('"CLN1"', []),
        ('"CLN106"', ["CLN106"]),
        ('"CLN", "CLN106"', ["CLN106"]),
    ],
)
def test_a_rule_outside_of_the_default_set_is_selected_by_its_whole_code(
    project: Path, select: str, codes: list[str]
) -> None:
    (project / "schemas.py").write_text(JSON_COLUMN)
    assert run(project) == []
    (project / "pyproject.toml").write_text(f"[tool.colonnade.check]\nselect = [{select}]\n")
    assert [code for _, code in run(project)] == codes


COMMITS = """
from fastapi import Depends, FastAPI
from sqlmodel import Session, create_engine

engine = create_engine("sqlite:///tasks.db")
app = FastAPI()

def get_session():
    with Session(engine) as session:
        yield session
        session.commit()

@app.post("/tasks")
def create(session: Session = Depends(get_session)) -> None:
    store(session)
"""


def test_a_change_of_the_required_versions_changes_the_findings(project: Path) -> None:
    (project / "schemas.py").write_text(COMMITS)
    for versions, codes in [("", ["CLN216"]), ("<0.118", []), ("==0.105", ["CLN216"])]:
        (project / "pyproject.toml").write_text(
            f'[project]\ndependencies = ["fastapi{versions}"]\n'
        )
        assert [code for _, code in run(project)] == codes


def test_garbage_is_collected_again_after_a_check(project: Path) -> None:
    assert gc.isenabled()
    check(Settings(project))
    assert gc.isenabled()
    with pytest.raises(CheckError):
        check(Settings(project), [project / "missing.py"])
    assert gc.isenabled()


def test_ignored_and_excluded_files_have_no_findings(project: Path) -> None:
    for name in ("kept", ".venv", "node_modules", "ignored", "excluded", "env311"):
        (project / name).mkdir()
        (project / name / "engine.py").write_text(WRONG)
    (project / "env311" / "pyvenv.cfg").write_text("")
    (project / ".gitignore").write_text("ignored/\n")
    (project / "pyproject.toml").write_text('[tool.colonnade.check]\nexclude = ["excluded"]\n')
    paths = [
        finding.path
        for finding in check(Settings.read(project)).findings
        if finding.code == "CLN404"
    ]
    assert [Path(path).parent.name for path in paths] == ["kept"]
    assert run(project, "excluded/engine.py") == []  # as pre-commit names it


def test_excluded_files_are_still_read_for_their_names(project: Path) -> None:
    (project / "pyproject.toml").write_text(
        '[tool.colonnade.check]\nexclude = ["models.py", "old"]\n'
    )
    (project / "old").mkdir()
    (project / "old" / "engine.py").write_text(WRONG)
    assert run(project) == [("schemas.py", "CLN121")]
    assert run(project, "old") == []


def test_an_invalid_line_of_gitignore_is_skipped(project: Path) -> None:
    (project / "engine.py").write_text(WRONG)
    (project / ".gitignore").write_text("!\nengine.py\n")
    assert run(project) == [("schemas.py", "CLN121")]


@pytest.mark.parametrize(
    "names",
    [
        ("queries.py", "queries.pyi"),
        ("queries.py", "queries/__init__.py"),
        ("queries.py", "queries/__init__.py", "queries/__init__.pyi"),
        ("a.b.py", "a_b.py", "a#b.py", "a~b.py"),
        ("a.b.md", "a_b.md"),
    ],
    ids=" ".join,
)
def test_files_that_share_a_module_name_are_all_checked(
    project: Path, names: tuple[str, ...]
) -> None:
    for name in names:
        (project / name).parent.mkdir(exist_ok=True)
        code = f"```python\n{WRONG}\n```\n" if name.endswith(".md") else WRONG
        (project / name).write_text(code)
    everything = run(project)
    engines = [name for name, code in everything if code == "CLN404"]
    assert sorted(engines) == sorted(Path(name).name for name in names)
    assert everything == run(project), "the cache distinguishes them"
    assert run(project, names[0]) == [(Path(names[0]).name, "CLN404")]
    (project / names[0]).unlink()
    assert len(run(project)) == len(everything) - 1


def test_an_import_prefers_the_package_then_the_module_then_the_stub(project: Path) -> None:
    (project / "schemas.py").write_text(SCHEMAS.replace("from models", "from things"))
    for name, code in {
        "things.pyi": MODELS.replace("max_length=200", "max_length=300"),
        "things.py": "class Task: ...\n",
        "things/__init__.py": "from .tasks import Task\n",
        "things/tasks.py": MODELS,
    }.items():
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text(code)
    (project / "models.py").unlink()
    assert run(project) == [("schemas.py", "CLN121")]
    (project / "things" / "__init__.py").unlink()
    (project / "things" / "tasks.py").unlink()
    assert run(project) == []
    (project / "things.py").unlink()
    assert run(project) == [("schemas.py", "CLN121")]


@pytest.mark.parametrize("step", ["read", "parse", "Project.module"])
def test_a_file_that_cannot_be_checked_is_one_finding_and_the_others_are_checked(
    project: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    (project / "engine.py").write_text(WRONG)
    owner: Any = _workers
    *owners, name = step.split(".")
    for attribute in owners:
        owner = getattr(owner, attribute)
    original = getattr(owner, name)

    def fail(*arguments: Any, **options: Any) -> Any:
        if arguments[0] == WRONG.encode() or "engine" in arguments[:2]:
            raise KeyError("x")
        return original(*arguments, **options)

    monkeypatch.setattr(owner, name, fail)
    report = check(Settings.read(project), cached=False)
    assert files_and_codes(report) == [("engine.py", "CLN001"), ("schemas.py", "CLN121")]
    assert "failed here (KeyError: 'x'); please report this" in report.findings[0].message


def test_circular_star_imports_are_followed_once(project: Path) -> None:
    for name in "abcdefgh":
        stars = "".join(f"from {module} import *\n" for module in "abcdefgh" if module != name)
        (project / f"{name}.py").write_text(f"{stars}class {name.upper()}(Unknown): ...\n")
    (project / "h.py").write_text("from a import *\nfrom models import *\n")
    (project / "schemas.py").write_text(SCHEMAS.replace("from models", "from a"))
    assert run(project) == [("schemas.py", "CLN121")]


class TestWithoutPyproject:
    """A project without pyproject.toml is read as a whole too."""

    @pytest.fixture
    def project(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        (tmp_path / "app").mkdir()
        (tmp_path / "app" / "models.py").write_text(MODELS)
        (tmp_path / "app" / "api").mkdir()
        (tmp_path / "app" / "api" / "schemas.py").write_text(
            SCHEMAS.replace("from models", "from app.models")
        )
        monkeypatch.chdir(tmp_path)
        return tmp_path

    @pytest.fixture
    def elsewhere(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return tmp_path_factory.mktemp("elsewhere")

    def found_in(self, file: Path) -> list[tuple[str, str]]:
        return files_and_codes(check(Settings.find(file.parent), [file], cached=False))

    def test_the_current_directory_is_the_project(self, project: Path) -> None:
        assert self.found_in(Path("app/api/schemas.py")) == [("schemas.py", "CLN121")]

    @pytest.mark.parametrize("mark", ["requirements.txt", "setup.py", "Pipfile", ".git"])
    def test_a_marker_file_determines_the_project(
        self, project: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch, mark: str
    ) -> None:
        (project / mark).write_text("")
        monkeypatch.chdir(elsewhere)
        assert self.found_in(project / "app/api/schemas.py") == [("schemas.py", "CLN121")]
        monkeypatch.chdir(project / "app" / "api")
        assert self.found_in(Path("schemas.py")) == [("schemas.py", "CLN121")]

    def test_a_home_directory_is_not_read_as_a_project(
        self, project: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HOME", str(project))
        file = project / "schemas.py"
        file.write_text(SCHEMAS.replace("from models", "from app.models"))
        assert self.found_in(file) == []
        (project / "requirements.txt").write_text("")
        assert self.found_in(file) == [("schemas.py", "CLN121")]

    def test_a_user_without_a_home_directory_is_supported(
        self, project: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HOME", "~")  # which then expands to itself
        assert self.found_in(Path("app/api/schemas.py")) == [("schemas.py", "CLN121")]


def test_circular_links_and_broken_links_are_reported(project: Path) -> None:
    (project / "loop").symlink_to(project, target_is_directory=True)
    (project / "self.py").symlink_to("self.py")
    (project / "nowhere.py").symlink_to("gone.py")
    report = check(Settings.read(project))
    assert files_and_codes(report) == [
        ("nowhere.py", "CLN001"), ("schemas.py", "CLN121"), ("self.py", "CLN001"),
    ]  # fmt: skip
    assert "cannot be read: No such file" in report.findings[0].message


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_read_permission_is_reported(project: Path) -> None:
    (project / "models.py").chmod(0)
    assert ("models.py", "CLN001") in run(project)


def test_a_huge_file_is_skipped_with_a_reason_and_the_others_are_checked(project: Path) -> None:
    (project / "data.py").write_text("DATA = [\n" + "    1,\n" * 200_000 + "]\n")
    report = check(Settings.read(project))
    assert files_and_codes(report) == [("schemas.py", "CLN121")]
    assert [(Path(name).name, reason) for name, reason in report.skipped] == [
        ("data.py", "1.4 MB, more than max-file-size")
    ]


def test_settings_select_files_and_rules(project: Path) -> None:
    (project / "engine.py").write_text(WRONG)
    table = "[tool.colonnade.check]\n"
    for setting, expected in [
        ('select = ["CLN4"]', [("engine.py", "CLN404")]),
        ('ignore = ["CLN404"]', [("schemas.py", "CLN121")]),
        ('per-file-ignores = {"sch*.py" = ["CLN1"]}', [("engine.py", "CLN404")]),
        ("max-file-size = 10", []),
    ]:
        (project / "pyproject.toml").write_text(f"{table}{setting}\n")
        assert run(project) == expected


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ('selct = ["CLN4"]', r"has no option 'selct'. Did you mean select\?"),
        ("nonsense = 1", "The options are select, ignore"),
        ('select = "CLN4"', "must be a list of strings"),
        ("max-file-size = 'x'", "a positive number of bytes"),
        ("per-file-ignores = []", "must be a table that maps path patterns"),
        ("baseline = 1", "must be a string"),
        ("select = [", "Could not read"),
        ('select = ["E501"]', "Unknown rule 'E501'"),
        ('select = ["CLN599"]', "Unknown rule 'CLN599'"),
        ('per-file-ignores = {"x" = ["Q"]}', "Unknown rule 'Q'"),
    ],
)
def test_invalid_settings_are_refused(project: Path, setting: str, message: str) -> None:
    (project / "pyproject.toml").write_text(f"[tool.colonnade.check]\n{setting}\n")
    with pytest.raises(CheckError, match=message):
        run(project)


def test_missing_paths_and_other_file_types_are_refused(project: Path) -> None:
    with pytest.raises(CheckError, match=r"The path .*gone\.py does not exist"):
        run(project, "gone.py")
    (project / "notes.txt").write_text("")
    with pytest.raises(CheckError, match="is not a Python file, Markdown file or notebook"):
        run(project, "notes.txt")


def test_a_rule_that_raises_is_reported_and_the_others_continue(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from colonnade.lint.rules.configuration.pool_on_sqlite import PoolOnSQLite

    def fail(self: object, at: object) -> None:
        raise KeyError("x")

    monkeypatch.setattr(PoolOnSQLite, "check", fail)
    report = check(Settings.read(project), cached=False)
    assert ("schemas.py", "CLN121") in files_and_codes(report)
    assert "CLN404 failed here (KeyError: 'x'); please report this" in report.findings[0].message


@pytest.mark.slow
@pytest.mark.parametrize("library", ["sqlmodel", "fastapi", "sqlalchemy/orm", "alembic"])
def test_no_rule_raises_on_the_code_of_libraries(library: str) -> None:
    import sqlalchemy

    folder = Path(sqlalchemy.__file__).parents[1] / library
    assert check(Settings(folder, select=("CLN001",)), cached=False).findings == []


@pytest.mark.slow
def test_unusual_annotations_are_read(project: Path) -> None:
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
    assert not [finding for finding in run(project) if finding[1] == "CLN001"]
