"""The commands that a newcomer reads work as printed, from the built packages."""

import zipfile
from pathlib import Path

import pytest

from tests.packaging.shell import run_in_shell, sh_commands

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
NOT_RUN = {
    "docker compose up --build": "needs Docker",
}
"""Printed commands that this test does not run, and why."""


def test_the_wheel_has_everything_that_it_needs(packages: Path) -> None:
    (wheel,) = packages.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    source = ROOT / "src"
    files = {
        str(path.relative_to(source))
        for path in source.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert files <= names
    assert "colonnade/py.typed" in names


@pytest.fixture(scope="module")
def demo_output(checkout: Path) -> str:
    """What the README's first command and a request to it print; the checkout has a .venv then."""
    command = next(
        command
        for command in sh_commands((ROOT / "README.md").read_text())
        if "colonnade demo" in command
    )
    return run_in_shell([command, "curl -fs 'localhost:8000/tasks?limit=2'"], checkout)


def test_the_readmes_first_command_serves_the_demo(demo_output: str) -> None:
    assert demo_output.count('"progress_percent":') == 2


@pytest.mark.usefixtures("demo_output")
def test_a_postgresql_url_without_the_extra_names_it(checkout: Path) -> None:
    output = run_in_shell(
        [".venv/bin/colonnade doctor postgresql://me@localhost/shop || test $? = 1"], checkout
    )
    assert "pip install 'colonnade[postgresql]'" in output


def test_the_commands_that_new_prints_work(home: Path) -> None:
    output = run_in_shell([".venv/bin/colonnade new tracker"], home)
    printed = [line.strip() for line in output.partition("Next:")[2].splitlines() if line.strip()]
    assert printed[0] == ". .venv/bin/activate"
    assert printed[-1] == "uvicorn app.main:app --reload"
    requests = [
        "curl -fs localhost:8000/items -H 'Content-Type: application/json' "
        '-d \'{"name": "First"}\'',
        "curl -fsL localhost:8000/",
    ]
    output = run_in_shell([*printed, *requests], home)
    assert '"name":"First"' in output
    assert " passed" in output
    assert "swagger-ui" in output


@pytest.mark.parametrize("options", ["--model Book", "--example tasks"])
def test_the_commands_of_a_new_projects_readme_work(
    options: str, packages: Path, home: Path, tmp_path: Path
) -> None:
    run_in_shell([f"{home}/.venv/bin/colonnade new shop {options}"], tmp_path)
    commands = sh_commands((tmp_path / "shop/README.md").read_text())
    output = run_in_shell(
        [
            f". {home}/.venv/bin/activate",
            *(command for command in commands if command not in NOT_RUN),
        ],
        tmp_path / "shop",
        PIP_FIND_LINKS=str(packages),
    )
    assert " passed" in output
    assert "Traceback" not in output
