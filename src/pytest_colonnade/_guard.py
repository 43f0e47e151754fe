"""Keeps tests away from the real database of the project, even if they use none of the fixtures.

A plugin that ``pytest_colonnade`` registers for projects with a ``[tool.colonnade]`` table.
"""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from colonnade.testing import Run
from pytest_colonnade._state import (
    STATE,
    database_options,
    fail_on_leaks,
    report_fixture_errors,
)


@pytest.fixture(autouse=True, scope="session")
def _colonnade_session_guard(request: pytest.FixtureRequest) -> Iterator[None]:
    """Redirect the project's databases for fixtures that outlive a test."""
    databases = request.config.stash[STATE].project.databases()
    with ExitStack() as stack:
        if databases:
            run: Run = request.getfixturevalue("_colonnade_run")
            with report_fixture_errors():
                run.redirect(databases, database_options(request.config)[0], stack)
        yield


@pytest.fixture(autouse=True)
def _colonnade_guard(request: pytest.FixtureRequest) -> Iterator[None]:
    """Redirect the project's databases for tests that use no fixture of the plugin."""
    databases = request.config.stash[STATE].project.databases()
    if "_colonnade_test" in request.fixturenames or not databases:
        yield
        return
    run: Run = request.getfixturevalue("_colonnade_run")
    option: str = request.getfixturevalue("_colonnade_database_option")
    with ExitStack() as stack:
        with report_fixture_errors():
            run.redirect(databases, option, stack)
        yield
        leaks = run.restore()
    fail_on_leaks(leaks)
