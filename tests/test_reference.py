"""The reference names and documents every public name, and the examples of docstrings run."""

import inspect
import json
import os
import pkgutil
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import sqlmodel

import colonnade

REFERENCE = Path(__file__).parents[1] / "docs" / "reference"
RUNNER = Path(__file__).with_name("docstring_examples.py")

PUBLIC_MODULES = (
    "colonnade.errors",
    "colonnade",
    "colonnade.health",
    "colonnade.migrations.steps",
    "colonnade.migrations",
    "colonnade.testing",
)
"""A name in several of them is documented as that of the first."""

PUBLIC_PARTS = {
    "colonnade.database": (
        "DEFAULT_URL", "DatabaseURL", "Diagnosis", "DriverCheck", "ErrorKind", "Health",
        "IsolationLevel", "Parameter", "SessionContext", "diagnose", "error_kind_of",
        "with_database",
    ),
    "colonnade.models": ("Bounds", "ColumnShape", "ForeignKeyShape", "LinkShape", "RelationShape"),
    "colonnade.resources": (
        "OPERATIONS", "ActionDescription", "FieldDescription", "Operation", "RelationDescription",
        "ResourceDescription",
    ),
}  # fmt: skip
"""Packages with an internal interface, and their names that users need beside those above."""

INTERNAL = {
    "colonnade.agents": "`mcp_server` itself is in `colonnade`",
    "colonnade.cli": "the entry point of the commands",
    "colonnade.lint": "serves `colonnade check`",
    "colonnade.lint.reports": "serves `colonnade check`",
    "colonnade.lint.schema": "serves `colonnade check`",
    "colonnade.migrations.operations": "the implementation of `colonnade.migrations.steps`",
    "colonnade.query": "serves `colonnade.resources`",
    "colonnade.query.groups": "serves `colonnade.resources`",
    "colonnade.query.inside_json": "serves `colonnade.query`",
    "colonnade.resources.openapi": "serves `colonnade.resources`",
    "colonnade.rows": "serves `colonnade.resources`",
    "colonnade.studio": "Studio itself is in `colonnade`",
    "colonnade.studio.diagram": "serves `colonnade diagram`",
    "colonnade.templates": "serves `colonnade new`",
    "colonnade.writes": "serves `colonnade.resources`",
}
"""Modules whose `__all__` is their interface to other parts of Colonnade, and whom they serve."""

NOT_RUN: dict[str, str] = {
    "colonnade.errors.UncertainCommitError": "needs a server that fails during COMMIT",
    "colonnade.errors.StatementTimeoutError": "needs a PostgreSQL server that stops responding",
    "colonnade.testing.postgresql_server": "starts a PostgreSQL server, which takes seconds",
}
"""Examples that are only compiled, and why."""


def own_names(module: ModuleType) -> list[str]:
    """The names that a module defines for users, without those of sqlmodel."""
    names = getattr(module, "__all__", None)
    if names is None:
        return [
            name
            for name, value in vars(module).items()
            if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
        ]
    return [
        name
        for name in names
        if not hasattr(sqlmodel, name) or getattr(sqlmodel, name) is not getattr(module, name)
    ]


def public_objects() -> dict[str, Any]:
    """The public names and their values; names for one value are listed once."""
    modules = {name: import_module(name) for name in (*PUBLIC_MODULES, *PUBLIC_PARTS)}
    names = {name: PUBLIC_PARTS.get(name) or own_names(module) for name, module in modules.items()}
    objects: dict[str, Any] = {}
    for module, exported in names.items():
        for name in exported:
            value = getattr(modules[module], name)
            is_known = any(value is known for known in objects.values())
            if not is_known and name != "AsyncSession":  # which sqlmodel has, in another module
                objects[f"{module}.{name}"] = value
    return objects


OBJECTS = public_objects()
CALLABLES = {
    name: value
    for name, value in OBJECTS.items()
    if inspect.isclass(value) or inspect.isfunction(value)
}


def defined_members(value: Any) -> dict[str, Any]:
    """The public functions and properties that a class adds to those of other public classes.

    Those of its internal bases are among them.
    """
    if not inspect.isclass(value):
        return {}
    public = [known for known in OBJECTS.values() if known is not value]
    internal = [
        each
        for each in value.__mro__
        if each is value or (each.__module__.startswith("colonnade.") and each not in public)
    ]
    others = [each for each in value.__mro__ if each not in internal]
    members = {}
    for name, member in [item for each in internal for item in vars(each).items()]:
        function = getattr(member, "__func__", getattr(member, "func", member))
        is_member = inspect.isfunction(function) or isinstance(function, property)
        is_inherited = any(hasattr(base, name) for base in others)
        if is_member and not is_inherited and not name.startswith("_"):
            members[name] = function
    return members


def examples_of(docstring: str) -> str:
    """The Python blocks in the Examples section of a docstring, as one program."""
    _, _, section = inspect.cleandoc(docstring).partition("\nExamples:\n")
    blocks = re.findall(r"^```python\n(.*?)^```", textwrap.dedent(section), re.M | re.S)
    return "\n".join(blocks)


RunExample = Callable[[str, str], str | None]
"""Runs the source code of a name; the error, if it has one."""


@pytest.fixture(scope="module")
def run_example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunExample]:
    """A process that has imported Colonnade runs the examples in forks."""
    directory = tmp_path_factory.mktemp("examples")
    with subprocess.Popen(
        [sys.executable, "-W", "error", RUNNER, directory],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        requests, answers = process.stdin, process.stdout

        def run(name: str, source: str) -> str | None:
            requests.write(json.dumps([name, source]) + "\n")
            requests.flush()
            error: str | None = json.loads(answers.readline())
            return error

        yield run


def test_every_module_with_public_names_is_in_the_reference_or_internal() -> None:
    modules = {
        module.name
        for module in pkgutil.walk_packages(colonnade.__path__, "colonnade.")
        if not any(part.startswith("_") for part in module.name.split("."))
        and not {"templates", "environment"} & set(module.name.split(".")[:-1])
        and hasattr(import_module(module.name), "__all__")
    }
    assert modules - {*PUBLIC_MODULES, *PUBLIC_PARTS} == INTERNAL.keys()


def test_the_reference_renders_exactly_the_public_names() -> None:
    pages = "".join(page.read_text() for page in sorted(REFERENCE.glob("*.md")))
    rendered = re.findall(r"^::: (\S+)$", pages, re.MULTILINE)
    assert sorted(rendered) == sorted(OBJECTS)


def test_the_reference_renders_the_members_of_a_resource() -> None:
    page = (REFERENCE / "http.md").read_text()
    listed = re.search(r"^::: colonnade.Resource\n.*?members: \[(.*?)\]", page, re.M | re.S)
    assert listed is not None
    internal = {"table_context"}
    assert set(listed[1].split(", ")) == defined_members(colonnade.Resource).keys() - internal


def test_the_reference_lists_the_names_of_sqlmodel() -> None:
    page = (REFERENCE / "api.md").read_text()
    own_values = {id(value) for value in OBJECTS.values()}
    names = {name for name in colonnade.__all__ if id(getattr(colonnade, name)) not in own_values}
    assert names == {name for name in names if f"`{name}`" in page}


@pytest.mark.parametrize("name", OBJECTS)
def test_a_public_name_is_documented(name: str) -> None:
    documented = {name: OBJECTS[name]} if name in CALLABLES else {}
    documented |= {f"{name}.{key}": value for key, value in defined_members(OBJECTS[name]).items()}
    for path, value in documented.items():
        first_line = (value.__doc__ or "").strip().partition("\n\n")[0]
        assert re.search(r"[.:]$", first_line), f"{path} has no docstring with a first sentence"


@pytest.mark.parametrize("name", CALLABLES)
def test_a_public_name_has_annotations(name: str) -> None:
    functions = {**defined_members(OBJECTS[name]), "": OBJECTS[name]}
    for key, function in functions.items():
        getter = function.fget if isinstance(function, property) else function
        if not inspect.isfunction(getter):
            continue
        signature = inspect.signature(getter)
        parameters = list(signature.parameters.values())[1 if key else 0 :]
        unannotated = [p.name for p in parameters if p.annotation is inspect.Parameter.empty]
        assert not unannotated, f"{name}.{key}"
        assert signature.return_annotation is not inspect.Signature.empty, f"{name}.{key}"


@pytest.mark.parametrize("name", sorted(CALLABLES.keys() - NOT_RUN.keys()))
@pytest.mark.skipif(not hasattr(os, "fork"), reason="runs each example in a fork")
def test_the_example_of_a_public_name_runs(name: str, run_example: RunExample) -> None:
    source = examples_of(OBJECTS[name].__doc__ or "")
    assert source, f"The docstring of {name} has no Examples section with a Python block"
    error = run_example(name, source)
    if error is not None:
        pytest.fail(f"{source}\n{error}", pytrace=False)


@pytest.mark.parametrize("name", NOT_RUN)
def test_an_example_that_needs_another_machine_compiles(name: str) -> None:
    source = examples_of(OBJECTS[name].__doc__ or "")
    assert source
    compile(source, name, "exec")
