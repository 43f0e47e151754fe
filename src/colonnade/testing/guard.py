"""Keeps tests off the database that the project's app is for, whatever they use of it.

A pytest plugin, which ``pytest_colonnade`` registers by its name for projects that configure
``[tool.colonnade]``.
"""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from colonnade.testing._runs import Run
from pytest_colonnade import SHARED, fail_for, fail_plainly, wanted_databases


@pytest.fixture(autouse=True, scope="session")
def _colonnade_early(request: pytest.FixtureRequest) -> Iterator[None]:
    """Redirect the project's databases for fixtures that are set up before those of a test."""
    databases = request.config.stash[SHARED].project.databases()
    with ExitStack() as stack:
        if databases:
            run: Run = request.getfixturevalue("_colonnade_run")
            with fail_plainly():
                run.lend(databases, wanted_databases(request.config)[0], stack)
        yield


@pytest.fixture(autouse=True)
def _colonnade_guard(request: pytest.FixtureRequest) -> Iterator[None]:
    """Redirect the project's databases for tests that use no fixture of the plugin."""
    databases = request.config.stash[SHARED].project.databases()
    if "_colonnade_case" in request.fixturenames or not databases:
        yield
        return
    run: Run = request.getfixturevalue("_colonnade_run")
    wanted: str = request.getfixturevalue("_colonnade_wanted")
    with ExitStack() as stack:
        with fail_plainly():
            run.lend(databases, wanted, stack)
        yield
        complaints = run.settle()
    fail_for(complaints)
