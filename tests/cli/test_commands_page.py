"""docs/commands.md describes every command and every option, with examples that parse."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from colonnade.cli._app import app

PAGE = Path(__file__).parents[2].joinpath("docs", "commands.md").read_text()
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
GROUP: Any = typer.main.get_command(app)
COMMANDS: dict[str, Any] = GROUP.commands
OF_EVERY_COMMAND = {"--help", "-h"}


def names_of(command: Any) -> set[str]:
    """The options of a command, and its arguments in upper case."""
    names = set()
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            names.add(parameter.name.upper())
        else:
            names.update(parameter.opts, parameter.secondary_opts)
    return names


def described_in(section: str) -> set[str]:
    """The options and arguments in the first column of a section's tables."""
    cells = re.findall(r"^\| (`.+?`) \|", section, re.MULTILINE)
    return {name.split()[0] for cell in cells for name in re.findall(r"`(.+?)`", cell)}


def examples_in(section: str) -> list[list[str]]:
    """The arguments of the commands in a section's shell blocks, without redirections."""
    lines = "".join(re.findall(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL))
    commands = [shlex.split(re.split(r" [<>]", line)[0]) for line in lines.splitlines()]
    assert all(command[0] == "colonnade" for command in commands)
    return [command[1:] for command in commands]


def test_the_page_has_a_section_for_each_command_and_no_other() -> None:
    titles = {title.removeprefix("colonnade ") for title in SECTIONS} - {"Global options"}
    assert titles == set(COMMANDS)


def test_the_overview_lists_each_command() -> None:
    listed = re.findall(r"^\| \[`(.+?)`\]\(#colonnade-(.+?)\) \|", PAGE, re.MULTILINE)
    assert {name for name, anchor in listed if name == anchor} == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_section_describes_each_option_of_its_command_and_no_other(name: str) -> None:
    described = described_in(SECTIONS[f"colonnade {name}"])
    assert described == names_of(COMMANDS[name]) - OF_EVERY_COMMAND


@pytest.mark.parametrize("name", COMMANDS)
def test_the_examples_of_a_section_use_each_option(name: str) -> None:
    used = {word for example in examples_in(SECTIONS[f"colonnade {name}"]) for word in example}
    options = {option for option in names_of(COMMANDS[name]) if option.startswith("-")}
    assert options <= used


@pytest.mark.parametrize("name", COMMANDS)
def test_the_examples_of_a_section_are_valid(name: str) -> None:
    for example in examples_in(SECTIONS[f"colonnade {name}"]):
        assert example[0] == name
        COMMANDS[name].make_context(name, example[1:])  # raises a usage error


def test_the_global_options_are_described_and_shown() -> None:
    section = SECTIONS["Global options"]
    names = names_of(GROUP)
    assert described_in(section) == names | OF_EVERY_COMMAND
    assert names <= {word for example in examples_in(section) for word in example}
