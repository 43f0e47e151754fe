"""Tests of behaviour run on SQLite and PostgreSQL; in ``.ci/run``, on SQLite in memory too.

The databases come from Colonnade's pytest plugin. Each test has an empty database to itself.
"""

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from colonnade import Database
from colonnade._owner_caches import PREFIX
from colonnade.testing import Run
from tests.forgotten_models import delete_models, forget_models
from tests.servers import installed_postgresql, running, server_directory

pytest_plugins = ["pytester"]

# Tests define thousands of classes. With the default thresholds, garbage collection takes an eighth
# of the time of a test of Resources.
gc.set_threshold(100_000, 20, 20)

# How long an example takes depends on the load of the machine.
settings.register_profile("laws", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("laws")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--linguistic",
        action="store_true",
        help="Use the installed PostgreSQL with an ICU locale, which sorts text linguistically.",
    )
    parser.addoption(
        "--write-costs",
        action="store_true",
        help="Write the figures of tests/resources/test_costs.py.",
    )


def pytest_sessionstart(session: pytest.Session) -> None:
    """Say what the whole suite runs, and for how long, since ``-q`` hides pytest's header."""
    config = session.config
    if hasattr(config, "workerinput") or config.args_source is not config.ArgsSource.TESTPATHS:
        return
    if config.option.markexpr == "not slow" and not config.option.keyword:
        config.get_terminal_writer().line(
            "The tests that are not slow, on SQLite and PostgreSQL: about ten minutes on two "
            "cores. Run .ci/run for all tests."
        )


def pytest_collection_finish() -> None:
    """Exclude what the whole run needs from garbage collection."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests that take minutes, so that no worker is alone with them at the end."""
    first = [Path(__file__).with_name(name) for name in ("packaging", "agents")]
    items.sort(key=lambda item: not any(item.path.is_relative_to(folder) for folder in first))


def pytest_itemcollected(item: pytest.Item) -> None:
    item.add_marker(pytest.mark.own_database(tables=False))


@pytest.fixture(scope="session")
def postgresql_server(request: pytest.FixtureRequest) -> Iterator[str]:
    """The plugin's server, or with ``--linguistic`` an installed one with ICU collations."""
    if not request.config.getoption("--linguistic"):
        yield request.getfixturevalue("postgresql_server")  # the one of the plugin
        return
    collated = ["--locale-provider=icu", "--icu-locale=en", "--locale=C.UTF-8", "-E", "UTF8"]
    programs = installed_postgresql()
    if programs is None:
        pytest.exit(
            "--linguistic needs an installed PostgreSQL server. Run apt-get install postgresql."
        )
    with server_directory() as directory, running(programs, directory, initdb=collated) as server:
        yield server.url


@pytest.fixture
def postgresql_database(_colonnade_run: Run) -> Iterator[str]:
    """The URL of an empty PostgreSQL database, whatever database the test itself runs on."""
    temporary = _colonnade_run.backend("postgresql").create(None)
    yield temporary.url_string
    temporary.close()


@pytest.fixture
def db(database: Database) -> Iterator[Database]:
    """The ``Database`` of the test, on each database in turn."""
    yield database
    # All tests share the object, which remembers the tables of its Resources.
    for name in [name for name in vars(database) if name.startswith(PREFIX)]:
        delattr(database, name)


@pytest.fixture(scope="module", autouse=True)
def _delete_models() -> Iterator[None]:
    """Remove the models of finished modules from memory."""
    yield
    delete_models()


@pytest.fixture(autouse=True)
def _forget_models() -> Iterator[None]:
    """Remove all models before each test, since tests define tables with the same names."""
    forget_models()
    yield
    forget_models()
