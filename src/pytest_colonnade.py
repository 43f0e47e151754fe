"""The pytest plugin: ``database``, ``session``, ``async_session``, ``client``, ``async_client``.

It stands beside the package, and imports nothing of it before a test asks for something: pytest
loads it into every run on a machine that has Colonnade installed. ``-p no:colonnade`` leaves it
out.
"""

import functools
import inspect
import shutil
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import httpx2
    from sqlmodel import Session
    from sqlmodel.ext.asyncio.session import AsyncSession
    from starlette.testclient import TestClient

    from colonnade import Database
    from colonnade.testing import CurrentTest, Project, Run

CASE = pytest.StashKey["CurrentTest"]()
SHARED = pytest.StashKey["Shared"]()


class Shared:
    """What the processes of a run have in common: the one that starts the others has made it.

    Attributes:
        process: A name of this process among them.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._given: dict[str, Any] = getattr(config, "workerinput", {})
        self._closing = ExitStack()
        self._root = config.rootpath
        self.process: str = self._given.get("workerid", "main")

    @functools.cached_property
    def project(self) -> "Project":
        """The project under test."""
        from colonnade.testing import Project

        with fail_plainly():
            return Project.read(self._root)

    @functools.cached_property
    def directory(self) -> Path:
        """For files."""
        if "colonnade_directory" in self._given:
            return Path(self._given["colonnade_directory"])
        from colonnade.testing import fast_directory

        directory = fast_directory()
        self._closing.callback(shutil.rmtree, directory, ignore_errors=True)
        return directory

    @functools.cached_property
    def server(self) -> str:
        """The URL of a PostgreSQL server."""
        if "colonnade_server" in self._given:
            return str(self._given["colonnade_server"])
        from colonnade.testing import postgresql_server

        return self._closing.enter_context(postgresql_server())

    def enter(self, context: AbstractContextManager[None]) -> None:
        """Be in a context until the end."""
        self._closing.enter_context(context)

    def close(self) -> None:
        """Stop the server, delete the files, if this process has made them."""
        self._closing.close()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare ``--database``."""
    parser.getgroup("colonnade").addoption(
        "--database",
        action="append",
        metavar="sqlite|postgresql|URL",
        help="The database that tests use: sqlite (a file), postgresql (its own server, from "
        "colonnade[test]), or a URL: of a server on which databases are made, or sqlite:// for "
        "one in memory. Several: each test runs on each.",
    )
    parser.addini(
        "colonnade_database", "What --database is when it is not given.", type="args", default=[]
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker; keep an app that is imported early away from the database it is for."""
    config.addinivalue_line(
        "markers",
        "own_database(tables=True): a database of the test's own, for DDL, LISTEN and the like; "
        "with tables=False an empty one.",
    )
    config.addinivalue_line(
        "markers", "only_on(kind, ...): run the test on sqlite alone, or on postgresql alone."
    )
    config.stash[SHARED] = Shared(config)
    if _says_something(config.rootpath / "pyproject.toml"):
        from colonnade.testing import environment

        shared = config.stash[SHARED]
        # Test modules import the app before any fixture is asked for.
        imported = f"sqlite:///{shared.directory}/imported-{shared.process}.db"
        shared.enter(environment(imported))
        config.pluginmanager.import_plugin("colonnade.testing.guard")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop what the run has started."""
    shared = config.stash.get(SHARED, None)
    if shared is not None:
        shared.close()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist what it shares with the others."""
    shared = node.config.stash[SHARED]
    node.workerinput["colonnade_directory"] = str(shared.directory)
    if "postgresql" in wanted_databases(node.config):
        from colonnade.errors import FixtureError, ProjectError

        with suppress(
            FixtureError, ProjectError
        ):  # the workers meet it again, and each test tells it
            node.workerinput["colonnade_server"] = shared.server


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """With several databases, run each test that uses one on each."""
    wanted = wanted_databases(metafunc.config)
    marker = metafunc.definition.get_closest_marker("only_on")
    if marker is not None:
        wanted = [name for name in wanted if _kind(name) in marker.args] or wanted[:1]
    elif len(wanted) == 1:
        return
    if "_colonnade_wanted" in metafunc.fixturenames:
        ids = ["memory" if name == "sqlite://" else name.partition(":")[0] for name in wanted]
        metafunc.parametrize("_colonnade_wanted", wanted, ids=ids, indirect=True, scope="session")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Close in the event loop of an async test what the fixtures have opened in it."""
    case = item.stash.get(CASE, None)
    test = getattr(item, "obj", None)
    if case is None or not inspect.iscoroutinefunction(test):
        return (yield)

    @functools.wraps(test)
    async def around(*args: Any, **kwargs: Any) -> Any:
        return await case.around(functools.partial(test, *args, **kwargs))

    item.obj = around  # type: ignore[attr-defined] # a Function has it, as getattr has found
    try:
        return (yield)
    finally:
        item.obj = test  # type: ignore[attr-defined]  # as above


@pytest.fixture(scope="session")
def postgresql_server(request: pytest.FixtureRequest) -> str:
    """The server of ``--database postgresql``, as a URL. Override it to bring another."""
    with fail_plainly():
        return request.config.stash[SHARED].server


@pytest.fixture(scope="session")
def _colonnade_run(request: pytest.FixtureRequest) -> "Iterator[Run]":
    from colonnade.testing import Run

    shared = request.config.stash[SHARED]
    run = Run(
        request.config.stash[SHARED].project,
        shared.directory,
        shared.process,
        lambda: str(request.getfixturevalue("postgresql_server")),
    )
    yield run
    run.close()


@pytest.fixture(scope="session")
def _colonnade_wanted(request: pytest.FixtureRequest) -> str:
    wanted: str = getattr(request, "param", None) or wanted_databases(request.config)[0]
    return wanted


@pytest.fixture(scope="session")
def app(request: pytest.FixtureRequest) -> Any:
    """The application that ``[tool.colonnade]`` names. Override it to make one yourself."""
    with fail_plainly():
        return request.config.stash[SHARED].project.load_app()


@pytest.fixture
def _colonnade_case(
    request: pytest.FixtureRequest, _colonnade_run: "Run", _colonnade_wanted: str
) -> "Iterator[CurrentTest]":
    from colonnade.testing import CurrentTest

    only = request.node.get_closest_marker("only_on")
    if only is not None and _kind(_colonnade_wanted) not in only.args:
        pytest.skip(f"only on {' and '.join(only.args)}")
    marker = request.node.get_closest_marker("own_database")
    with ExitStack() as stack:
        with fail_plainly():
            databases = _colonnade_run.databases(_app_or_none(request, _colonnade_run.project))
            if marker is None:
                place = _colonnade_run.lend(databases, _colonnade_wanted, stack)
            else:
                lend = _colonnade_run.lend_own
                place = lend(databases, _colonnade_wanted, stack, **marker.kwargs)
        case = request.node.stash[CASE] = CurrentTest(databases[0], place.text)
        yield case
        if marker is None:
            case.complaints += _colonnade_run.settle()
    fail_for(case.complaints)


@pytest.fixture
def database(_colonnade_case: "CurrentTest") -> "Database":
    """The project's Database; what a test writes to it is gone when the test ends."""
    return _colonnade_case.database


@pytest.fixture
def database_url(_colonnade_case: "CurrentTest") -> str:
    """The URL of the test's database, for code that connects by itself."""
    return _colonnade_case.url


@pytest.fixture
def session(_colonnade_case: "CurrentTest") -> "Iterator[Session]":
    """A session of the database."""
    with _colonnade_case.session() as session:
        yield session


@pytest.fixture
def async_session(_colonnade_case: "CurrentTest") -> "Iterator[AsyncSession]":
    """An async session of the database, for async tests and fixtures."""
    with _colonnade_case.async_session() as session:
        yield session


@pytest.fixture
def client(
    app: Any, _colonnade_case: "CurrentTest", _colonnade_run: "Run"
) -> "Iterator[TestClient]":
    """A client of the app, which starts before the test and stops after it."""
    with fail_plainly(), _colonnade_case.client(app, _colonnade_run.portal) as client:
        yield client


@pytest.fixture
def async_client(app: Any, _colonnade_case: "CurrentTest") -> "Iterator[httpx2.AsyncClient]":
    """A client of the app for async tests; the app runs in the test's event loop."""
    with fail_plainly(), _colonnade_case.async_client(app) as client:
        yield client


def wanted_databases(config: pytest.Config) -> list[str]:
    """The databases to run on: as the command line says, else the configuration."""
    wanted: list[str] = config.getoption("--database") or config.getini("colonnade_database")
    return wanted or ["sqlite"]


def _kind(wanted: str) -> str:
    return "sqlite" if wanted.startswith("sqlite") else "postgresql"


def _says_something(file: Path) -> bool:
    try:
        return b"[tool.colonnade" in file.read_bytes()
    except OSError:
        return False


def _app_or_none(request: pytest.FixtureRequest, project: "Project") -> Any:
    """The app, whose Databases are to be found; None where there is none, or it is made of ours."""
    if _needs("app", "_colonnade_case", request):
        return None
    try:
        return request.getfixturevalue("app")
    except pytest.fail.Exception as failed:
        if failed.msg != project.without_app:
            raise
        return None


def _needs(name: str, needed: str, request: pytest.FixtureRequest) -> bool:
    """Whether a fixture asks for another, by way of others or itself."""
    seen, waiting = {name}, [name]
    while waiting:
        definitions = request._fixturemanager.getfixturedefs(waiting.pop(), request.node)
        arguments = {
            argument for definition in definitions or () for argument in definition.argnames
        }
        waiting += arguments - seen
        seen |= arguments
    return needed in seen


@contextmanager
def fail_plainly() -> Iterator[None]:
    """Fail a test with the message of Colonnade's error alone, without a traceback."""
    from colonnade.errors import FixtureError, ProjectError

    message = None
    try:
        yield
    except (FixtureError, ProjectError) as error:
        message = str(error)
    if message is not None:
        pytest.fail(message, pytrace=False)


def fail_for(complaints: list[str]) -> None:
    """Fail a test at its end for what it has left behind, if anything."""
    if complaints:
        pytest.fail("This test leaves something behind.\n" + "\n".join(complaints), pytrace=False)
