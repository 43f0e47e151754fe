"""What the plugin keeps for a test run, and how its failures are reported.

Importing this module does not import Colonnade.
"""

import functools
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from colonnade.testing import Project


class PluginState:
    """The project under test, and the directory and server that the processes of a run share.

    The main process creates the directory and the server; pytest-xdist passes them to its workers.

    Attributes:
        process: The name of this process: ``main``, or that of a pytest-xdist worker.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._worker_input: dict[str, Any] = getattr(config, "workerinput", {})
        self._exit_stack = ExitStack()
        self._root = config.rootpath
        self.process: str = self._worker_input.get("workerid", "main")

    @functools.cached_property
    def project(self) -> "Project":
        """The project under test."""
        from colonnade.testing import Project

        with report_fixture_errors():
            return Project.read(self._root)

    @functools.cached_property
    def directory(self) -> Path:
        """The directory for the run's files."""
        if "colonnade_directory" in self._worker_input:
            return Path(self._worker_input["colonnade_directory"])
        from colonnade.testing import fast_directory

        directory = fast_directory()
        self._exit_stack.callback(shutil.rmtree, directory, ignore_errors=True)
        return directory

    @functools.cached_property
    def server(self) -> str:
        """The URL of a PostgreSQL server, which starts with the first use."""
        if "colonnade_server" in self._worker_input:
            return str(self._worker_input["colonnade_server"])
        from colonnade.testing import postgresql_server

        return self._exit_stack.enter_context(postgresql_server())

    def enter(self, context: AbstractContextManager[None]) -> None:
        """Enter a context that is left at the end of the run."""
        self._exit_stack.enter_context(context)

    def close(self) -> None:
        """Stop the server and delete the files that this process created."""
        self._exit_stack.close()


STATE = pytest.StashKey[PluginState]()


def database_options(config: pytest.Config) -> list[str]:
    """The values of ``--database``, or those of the configuration; ``sqlite`` by default."""
    options: list[str] = config.getoption("--database") or config.getini("colonnade_database")
    return options or ["sqlite"]


@contextmanager
def report_fixture_errors() -> Iterator[None]:
    """Fail the test with the message of a ``FixtureError`` or ``ProjectError``, no traceback."""
    from colonnade.errors import FixtureError, ProjectError

    message = None
    try:
        yield
    except (FixtureError, ProjectError) as error:
        message = str(error)
    if message is not None:
        pytest.fail(message, pytrace=False)


def fail_on_leaks(leaks: list[str]) -> None:
    """Fail a test that left something running or open.

    Args:
        leaks: What it left, one sentence each.
    """
    if leaks:
        pytest.fail("The test did not clean up.\n" + "\n".join(leaks), pytrace=False)
