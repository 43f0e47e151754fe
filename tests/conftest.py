"""Tests of behaviour run on SQLite and PostgreSQL; in ``.ci/run``, on SQLite in memory too.

The databases come from Colonnade's pytest plugin. Each test has an empty database to itself.
"""

import gc
import sys
import typing
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import _lru_cache_wrapper
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from sqlmodel.main import default_registry

from colonnade import Database, SQLModel
from colonnade._owner_caches import forget
from colonnade.database import metadatas
from colonnade.testing import Run
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


def pytest_sessionstart(session: pytest.Session) -> None:
    """Say what the whole suite runs, and for how long, since ``-q`` hides pytest's header."""
    config = session.config
    if hasattr(config, "workerinput") or config.args_source is not config.ArgsSource.TESTPATHS:
        return
    if config.option.markexpr == "not slow" and not config.option.keyword:
        config.get_terminal_writer().line(
            "The tests that are not slow, on SQLite and PostgreSQL: about seven minutes on two "
            "cores. Run .ci/run for all tests."
        )


def pytest_collection_finish() -> None:
    """Exclude what the whole run needs from garbage collection."""
    gc.collect()
    gc.freeze()


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
    forget(database)  # all tests share the object, which remembers the tables of its Resources


@pytest.fixture(scope="module", autouse=True)
def _delete_models() -> Iterator[None]:
    """Delete the models of finished modules.

    Caches with a limited size keep some, whose many subclasses make everything slower that looks
    for all models.
    """
    yield
    _forget()
    for clear in _cache_clears():
        clear()
    gc.collect()


def _cache_clears() -> Iterator[Callable[[], object]]:
    """The functions that empty the caches of Colonnade, FastAPI and ``typing``."""
    yield from vars(typing)["_cleanups"]
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in {"colonnade", "fastapi"}:
            for value in vars(module).values():
                if isinstance(value, _lru_cache_wrapper):
                    yield value.cache_clear


@pytest.fixture(autouse=True)
def _forget_models() -> Iterator[None]:
    """Remove all models before each test, since tests define tables with the same names."""
    _forget()
    yield
    _forget()


def _forget() -> None:
    for metadata in metadatas():
        metadata.clear()
    # Otherwise the native enums of earlier tests would be created with the tables of later ones.
    dispatch: Any = SQLModel.metadata.dispatch
    for listeners in (dispatch.before_create, dispatch.after_drop):
        listeners.for_modify(dispatch).clear()
    for _ in range(5):
        # The registry has weak references to its classes, and fails if one is collected meanwhile.
        with suppress(KeyError):
            default_registry.dispose()
            return
