"""Servers that the tests of a worker share: PostgreSQL, PgBouncer and a proxy before it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.reliability.proxy import Proxy, proxied
from tests.servers import PGBOUNCER, Bouncer, Server, bounced, followed, packaged, running, workshop


@pytest.fixture(scope="session")
def programs() -> Path:
    """The programs of the newest PostgreSQL there is."""
    programs_folder = packaged()
    if programs_folder is None:
        pytest.skip("the package that carries PostgreSQL is not there")
    return programs_folder


@pytest.fixture(scope="session")
def server(programs: Path) -> Iterator[Server]:
    """A server; its tests take back what they make."""
    with workshop() as directory, running(programs, directory) as server:
        yield server


@pytest.fixture(scope="session")
def bouncer(server: Server) -> Iterator[Bouncer]:
    """PgBouncer before it, with four connections."""
    if not Path(PGBOUNCER).exists():
        pytest.skip("no PgBouncer is installed (apt-get install pgbouncer)")
    with workshop() as directory, bounced(directory, server.port, pool=4) as bouncer:
        yield bouncer


@pytest.fixture(scope="module")
def servers(programs: Path) -> Iterator[list[Server]]:
    """A primary and two standbys."""
    with workshop() as directory, followed(programs, directory) as servers:
        yield servers


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    """A proxy before the server."""
    with proxied(server.port) as proxy:
        yield proxy
