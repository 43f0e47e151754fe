"""Keeps tests off the database that the project's app is for, whatever they use of it.

A pytest plugin, which ``pytest_colonnade`` registers for projects that have something to say in
``[tool.colonnade]``.
"""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from colonnade.testing._runs import Run
from pytest_colonnade import SHARED, complain, told, wanted_databases


@pytest.fixture(autouse=True, scope="session")
def _colonnade_early(request: pytest.FixtureRequest) -> Iterator[None]:
    """For fixtures that are made before those of a test."""
    databases = request.config.stash[SHARED].project.databases()
    with ExitStack() as stack:
        if databases:
            run: Run = request.getfixturevalue("_colonnade_run")
            with told():
                run.lend(databases, wanted_databases(request.config)[0], stack)
        yield


@pytest.fixture(autouse=True)
def _colonnade_guard(request: pytest.FixtureRequest) -> Iterator[None]:
    """For tests that ask for no fixture of the plugin."""
    databases = request.config.stash[SHARED].project.databases()
    if "_colonnade_case" in request.fixturenames or not databases:
        yield
        return
    run: Run = request.getfixturevalue("_colonnade_run")
    wanted: str = request.getfixturevalue("_colonnade_wanted")
    with ExitStack() as stack:
        with told():
            run.lend(databases, wanted, stack)
        yield
        complaints = run.settle()
    complain(complaints)
