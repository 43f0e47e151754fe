"""The settings of a project, and the modules that they name."""

import re
import sys
from pathlib import Path

import pytest

from colonnade.errors import ProjectError
from colonnade.project import Project


@pytest.mark.parametrize("layout", ["", "src"])
def test_the_projects_package_wins_over_an_installed_one_of_the_same_name(
    layout: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place, title in (("installed", "other"), (f"project/{layout}", "ours")):
        package = tmp_path / place / "same_name"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("")
        (package / "main.py").write_text(f"app = {title!r}\n")
    (tmp_path / "project/pyproject.toml").write_text(
        '[tool.colonnade]\napp = "same_name.main:app"\n'
    )
    monkeypatch.setattr(sys, "path", [str(tmp_path / "installed"), *sys.path])
    try:
        assert Project.find(tmp_path / "project").load_app() == "ours"
    finally:
        for name in ("same_name", "same_name.main"):
            sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("entry", "hint"),
    [('databse = "app:db"', "Did you mean database?"), ("colour = 1", "The entries are app, ")],
)
def test_an_unknown_entry_is_refused(entry: str, hint: str, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(f"[tool.colonnade]\n{entry}\n")
    with pytest.raises(ProjectError, match=re.escape(hint)):
        Project.read(tmp_path)
