"""Every behaviour test runs on each database: SQLite in a file and in memory, PostgreSQL.

The databases are those of Colonnade's own pytest plugin; each test has empty ones to itself.
"""

import gc
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from sqlmodel.main import default_registry

from colonnade import Database, SQLModel
from colonnade.database import metadatas
from colonnade.testing import Run
from tests.servers import installed, running, workshop

pytest_plugins = ["pytester"]

# Tests define thousands of classes, and Python would look through all of them again and again: an
# eighth of the time of a test of Resources.
gc.set_threshold(100_000, 20, 20)

# How long an example takes says how busy the machine is, not whether a law holds.
settings.register_profile("laws", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("laws")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--linguistic",
        action="store_true",
        help="Use the PostgreSQL that is installed, with text in the order of a language (ICU).",
    )


def pytest_itemcollected(item: pytest.Item) -> None:
    item.add_marker(pytest.mark.own_database(tables=False))


@pytest.fixture(scope="session")
def postgresql_server(request: pytest.FixtureRequest) -> Iterator[str]:
    """The server that the package carries, or the one that is installed."""
    if not request.config.getoption("--linguistic"):
        yield request.getfixturevalue("postgresql_server")  # the plugin's own
        return
    collated = ["--locale-provider=icu", "--icu-locale=en", "--locale=C.UTF-8", "-E", "UTF8"]
    programs = installed()
    if programs is None:
        pytest.exit("--linguistic needs a PostgreSQL of the system (apt-get install postgresql)")
    with workshop() as directory, running(programs, directory, initdb=collated) as server:
        yield server.url


@pytest.fixture
def postgresql_database(_colonnade_run: Run) -> Iterator[str]:
    """An empty database on PostgreSQL, whichever the test has otherwise; its URL."""
    place = _colonnade_run.backend("postgresql").place(None)
    yield place.text
    place.close()


@pytest.fixture
def db(database: Database) -> Database:
    """A ``Database``, on each backend in turn."""
    return database


@pytest.fixture(scope="module", autouse=True)
def _settle_memory() -> Iterator[None]:
    """What a module leaves in memory is not looked through again: that took 5 s, many times."""
    yield
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _forget_models() -> Iterator[None]:
    """Tests define tables of the same names: each starts with none."""
    _forget()
    yield
    _forget()


def _forget() -> None:
    for metadata in metadatas():
        metadata.clear()
    # An enum that PostgreSQL has by name would go on being made with the tables of later tests.
    dispatch: Any = SQLModel.metadata.dispatch
    for listeners in (dispatch.before_create, dispatch.after_drop):
        listeners.for_modify(dispatch).clear()
    for _ in range(5):
        # The registry holds its classes weakly, and stumbles over one that is collected meanwhile.
        with suppress(KeyError):
            default_registry.dispose()
            return
