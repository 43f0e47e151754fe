"""The versions that a project requires."""

from pathlib import Path

import pytest

from colonnade.lint.project._requirements import is_below, read_requirements


@pytest.mark.parametrize(
    ("versions", "is_older"),
    [
        ("==0.115.0", True),
        ("==0.117.9", True),
        ("==0.118.0", False),
        ("<0.118", True),
        (">=0.110,<0.118.1", False),
        (">=0.110,<0.116", True),
        ("<=0.117", True),
        ("<=0.118", False),
        ("~=0.115.2", True),
        ("~=0.115", False),  # all versions before 1.0
        ("^0.115.2", True),
        ("^0.118", False),
        ("~0.117.3", True),
        ("^1.2", False),
        (">=0.115", False),
        ("!=0.115", False),
        ("", False),
    ],
)
def test_a_requirement_may_allow_older_versions_only(versions: str, is_older: bool) -> None:
    assert is_below(versions, (0, 118)) is is_older


def test_requirements_are_read_from_the_files_of_a_project(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        "[project]\ndependencies = [\"FastAPI[all]>=0.115, <0.118 ; extra == 'x'\", 1]\n"
        '[tool.poetry.dependencies]\npython = "^3.11"\nsqlmodel = { version = "0.0.22" }\n'
    )
    (tmp_path / "requirements.txt").write_text(
        "fastapi==0.1\npydantic_settings==2.0  # a comment\n-r other.txt\n\n"
    )
    assert read_requirements(tmp_path) == {
        "fastapi": ">=0.115, <0.118",
        "python": "^3.11",
        "sqlmodel": "==0.0.22",
        "pydantic-settings": "==2.0",
    }


@pytest.mark.parametrize("text", ["", "[", "[project]\ndependencies = 3\n", "tool = 1\n"])
def test_files_that_say_nothing_require_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    assert read_requirements(tmp_path) == {}
