"""The pytest plugin: ``database``, ``session``, ``async_session``, ``client``, ``async_client``.

pytest loads the plugin into every run on a machine with Colonnade installed, so it imports
Colonnade only when a test uses one of the fixtures. ``-p no:colonnade`` turns it off.
"""

import functools
import inspect
from collections.abc import Generator, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_colonnade._state import (
    STATE,
    PluginState,
    database_options,
    fail_on_leaks,
    report_fixture_errors,
)

if TYPE_CHECKING:
    import httpx2
    from sqlmodel import Session
    from sqlmodel.ext.asyncio.session import AsyncSession
    from starlette.testclient import TestClient

    from colonnade import Database
    from colonnade.testing import CurrentTest, Project, Run

CURRENT_TEST = pytest.StashKey["CurrentTest"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare ``--database``."""
    parser.getgroup("colonnade").addoption(
        "--database",
        action="append",
        metavar="sqlite|postgresql|URL",
        help="Run the tests on this database: sqlite (a file), postgresql (a temporary server, "
        "from colonnade[test]), sqlite:// (in memory), or the URL of a PostgreSQL server, on which "
        "databases are created. Repeat it to run each test on several databases.",
    )
    parser.addini("colonnade_database", "Default for --database.", type="args", default=[])


def pytest_configure(config: pytest.Config) -> None:
    """Declare the markers; keep an app that test modules import away from its real database."""
    config.addinivalue_line(
        "markers",
        "own_database(tables=True): give the test a separate database, for DDL, LISTEN and the "
        "like; an empty one with tables=False.",
    )
    config.addinivalue_line(
        "markers", "only_on(kind, ...): run the test only on sqlite, or only on postgresql."
    )
    state = config.stash[STATE] = PluginState(config)
    if _has_settings(config.rootpath / "pyproject.toml"):
        from colonnade.testing import environment
        from pytest_colonnade import _guard

        # Test modules import the app before any fixture is set up.
        imported = f"sqlite:///{state.directory}/imported-{state.process}.db"
        state.enter(environment(imported))
        config.pluginmanager.register(_guard, "colonnade-guard")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the server and delete the files of the run."""
    state = config.stash.get(STATE, None)
    if state is not None:
        state.close()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Pass the directory and the server of the run to a pytest-xdist worker."""
    state = node.config.stash[STATE]
    node.workerinput["colonnade_directory"] = str(state.directory)
    if "postgresql" in database_options(node.config):
        from colonnade.errors import FixtureError, ProjectError

        # A worker gets the same error, and reports it for each test.
        with suppress(FixtureError, ProjectError):
            node.workerinput["colonnade_server"] = state.server


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test that uses a database once for each ``--database``."""
    options = database_options(metafunc.config)
    marker = metafunc.definition.get_closest_marker("only_on")
    if marker is not None:
        options = [option for option in options if _kind(option) in marker.args] or options[:1]
    elif len(options) == 1:
        return
    fixture = "_colonnade_database_option"
    if fixture in metafunc.fixturenames:
        ids = [
            "memory" if option == "sqlite://" else option.partition(":")[0] for option in options
        ]
        metafunc.parametrize(fixture, options, ids=ids, indirect=True, scope="session")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Close the sessions and the app of an async test in its event loop."""
    current_test = item.stash.get(CURRENT_TEST, None)
    function = getattr(item, "obj", None)
    if current_test is None or not inspect.iscoroutinefunction(function):
        return (yield)

    @functools.wraps(function)
    async def run(*args: Any, **kwargs: Any) -> Any:
        return await current_test.run(functools.partial(function, *args, **kwargs))

    item.obj = run  # type: ignore[attr-defined] # a Function has it, as getattr has found
    try:
        return (yield)
    finally:
        item.obj = function  # type: ignore[attr-defined]  # as above


@pytest.fixture(scope="session")
def postgresql_server(request: pytest.FixtureRequest) -> str:
    """The URL of the server of ``--database postgresql``. Override it to use another server."""
    with report_fixture_errors():
        return request.config.stash[STATE].server


@pytest.fixture(scope="session")
def _colonnade_run(request: pytest.FixtureRequest) -> "Iterator[Run]":
    from colonnade.testing import Run

    state = request.config.stash[STATE]
    run = Run(
        state.project,
        state.directory,
        state.process,
        lambda: str(request.getfixturevalue("postgresql_server")),
    )
    yield run
    run.close()


@pytest.fixture(scope="session")
def _colonnade_database_option(request: pytest.FixtureRequest) -> str:
    option: str = getattr(request, "param", None) or database_options(request.config)[0]
    return option


@pytest.fixture(scope="session")
def app(request: pytest.FixtureRequest) -> Any:
    """The application that ``[tool.colonnade]`` names. Override it to build another."""
    with report_fixture_errors():
        return request.config.stash[STATE].project.load_app()


@pytest.fixture
def _colonnade_test(
    request: pytest.FixtureRequest, _colonnade_run: "Run", _colonnade_database_option: str
) -> "Iterator[CurrentTest]":
    from colonnade.testing import CurrentTest

    only = request.node.get_closest_marker("only_on")
    if only is not None and _kind(_colonnade_database_option) not in only.args:
        pytest.skip(f"only on {' and '.join(only.args)}")
    marker = request.node.get_closest_marker("own_database")
    with ExitStack() as stack:
        with report_fixture_errors():
            databases = _colonnade_run.databases(_app_or_none(request, _colonnade_run.project))
            if marker is None:
                temporary = _colonnade_run.redirect(databases, _colonnade_database_option, stack)
            else:
                temporary = _colonnade_run.redirect_to_new(
                    databases, _colonnade_database_option, stack, **marker.kwargs
                )
        current_test = CurrentTest(databases[0], temporary.url_string)
        request.node.stash[CURRENT_TEST] = current_test
        yield current_test
        del request.node.stash[CURRENT_TEST]  # pytest keeps the items of all tests
        if marker is None:
            current_test.leaks += _colonnade_run.restore()
    fail_on_leaks(current_test.leaks)


@pytest.fixture
def database(_colonnade_test: "CurrentTest") -> "Database":
    """The project's Database. Rows that a test writes are removed when it ends."""
    return _colonnade_test.database


@pytest.fixture
def database_url(_colonnade_test: "CurrentTest") -> str:
    """The URL of the test's database, for code that opens its own connections."""
    return _colonnade_test.url


@pytest.fixture
def session(_colonnade_test: "CurrentTest") -> "Iterator[Session]":
    """A session of the database."""
    with _colonnade_test.session() as session:
        yield session


@pytest.fixture
def async_session(_colonnade_test: "CurrentTest") -> "Iterator[AsyncSession]":
    """An async session of the database, for async tests and fixtures."""
    with _colonnade_test.async_session() as session:
        yield session


@pytest.fixture
def client(
    app: Any, _colonnade_test: "CurrentTest", _colonnade_run: "Run"
) -> "Iterator[TestClient]":
    """A client of the app. The app starts before the test and stops after it."""
    with report_fixture_errors(), _colonnade_test.client(app, _colonnade_run.portal) as client:
        yield client


@pytest.fixture
def async_client(app: Any, _colonnade_test: "CurrentTest") -> "Iterator[httpx2.AsyncClient]":
    """A client of the app for async tests. The app runs in the test's event loop."""
    with report_fixture_errors(), _colonnade_test.async_client(app) as client:
        yield client


def _kind(option: str) -> str:
    return "sqlite" if option.startswith("sqlite") else "postgresql"


def _has_settings(file: Path) -> bool:
    try:
        return b"[tool.colonnade" in file.read_bytes()
    except OSError:
        return False


def _app_or_none(request: pytest.FixtureRequest, project: "Project") -> Any:
    """The app, to find its Databases.

    None if the project has no app, or if the ``app`` fixture uses a fixture of the plugin and so
    cannot be set up before it.
    """
    if _uses_fixture("app", "_colonnade_test", request):
        return None
    try:
        return request.getfixturevalue("app")
    except pytest.fail.Exception as failure:
        if failure.msg != project.no_app_message:
            raise
        return None


def _uses_fixture(name: str, used: str, request: pytest.FixtureRequest) -> bool:
    """Whether a fixture uses another, directly or through other fixtures."""
    seen, waiting = {name}, [name]
    while waiting:
        definitions = request._fixturemanager.getfixturedefs(waiting.pop(), request.node)
        arguments = {
            argument for definition in definitions or () for argument in definition.argnames
        }
        waiting += arguments - seen
        seen |= arguments
    return used in seen
