"""docs/reference/settings.md lists every setting that the code reads, with its default."""

import ast
import inspect
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

import pytest_colonnade
from colonnade import Database
from colonnade.lint.project._settings import OPTIONS
from colonnade.lint.project._settings import Settings as CheckSettings
from colonnade.project import Project

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/reference/settings.md").read_text()
NOT_SETTINGS = {"PYTEST_CURRENT_TEST"}
"""Environment variables that pytest sets, for the code to read."""


def rows_of(section: str) -> dict[str, list[str]]:
    """The rows of a section's table: the other cells by the name in the first."""
    (text,) = re.findall(rf"^## {section}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| `")]
    return {row[0].strip("`"): row[1:] for row in rows}


def environment_variables() -> Iterator[str]:
    """The names that the code reads from ``os.environ``."""
    for path in (ROOT / "src").rglob("*.py"):
        if "templates" in path.parts or "lint" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(
                    func=ast.Attribute(value=ast.Attribute(attr="environ"), attr="get"),
                    args=[ast.Constant(value=str(name)), *_],
                ) | ast.Call(
                    func=ast.Attribute(attr="getenv"), args=[ast.Constant(value=str(name)), *_]
                ) | ast.Subscript(
                    value=ast.Attribute(attr="environ"), slice=ast.Constant(value=str(name))
                ):  # fmt: skip
                    yield name


def test_every_environment_variable_is_listed() -> None:
    assert set(rows_of("Environment variables")) == set(environment_variables()) - NOT_SETTINGS


def test_every_key_of_the_project_is_listed() -> None:
    names = [field.name for field in fields(Project) if field.name != "root"]
    keys = [name.replace("_", "-") for name in names]
    assert list(rows_of("Project")) == keys


def test_every_key_of_check_is_listed_with_its_default() -> None:
    rows = rows_of("Check")
    assert set(rows) == set(OPTIONS)
    defaults = CheckSettings(ROOT)
    for name, cells in rows.items():
        value = getattr(defaults, name.replace("-", "_"))
        shown = str(list(value) if isinstance(value, tuple) else value).replace("'", '"')
        assert cells[1] == ("none" if value is None else f"`{shown}`"), name


class Recorder:
    """Records what the plugin declares to pytest."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def getgroup(self, name: str) -> "Recorder":
        return self

    def addoption(self, name: str, **_: Any) -> None:
        self.names.add(name)

    def addini(self, name: str, *_: Any, **__: Any) -> None:
        self.names.add(name)


def test_every_option_and_marker_of_the_plugin_is_listed(pytestconfig: pytest.Config) -> None:
    recorder: Any = Recorder()
    pytest_colonnade.pytest_addoption(recorder)
    declared = inspect.getsource(pytest_colonnade.pytest_configure)
    markers = set(re.findall(r'"markers",\s*"(\w+)', declared))
    assert len(markers) == declared.count('"markers"')
    assert set(rows_of("Pytest")) == recorder.names | markers


def test_every_argument_of_database_is_listed_with_its_default() -> None:
    rows = rows_of("Database")
    parameters = inspect.signature(Database).parameters
    assert list(rows) == list(parameters)
    for name in rows.keys() - {"url", "direct_url"}:  # whose defaults the environment sets
        assert rows[name][1] == f"`{parameters[name].default}`", name
