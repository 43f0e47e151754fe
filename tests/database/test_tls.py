"""Both drivers verify the same things in each TLS mode, on a real server.

The packaged PostgreSQL of the tests is built without TLS, so this needs an installed one.
"""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from colonnade import Database, text
from colonnade.errors import UnreachableError
from tests.servers import installed_postgresql, running, server_directory, write_certificates


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, Path]]:
    """A server that accepts only TLS: its URL without parameters, and its directory."""
    programs = installed_postgresql()
    if programs is None:
        pytest.skip("no PostgreSQL with TLS is installed (apt-get install postgresql)")
    with (
        server_directory() as directory,
        running(programs, directory, write_certificates(directory)) as server,
    ):
        server.query("ALTER USER me PASSWORD 'p@ss/w#rd'")
        (server.data / "pg_hba.conf").write_text("hostssl all all all scram-sha-256\n")
        server.stop()
        server.start()
        yield f"postgresql://me:p@ss/w#rd@HOST:{server.port}/postgres", directory


@pytest.fixture
def connect(server: tuple[str, Path]) -> Callable[..., list[bool]]:
    """A function that connects with both drivers and returns whether TLS is on for each."""

    def connect(parameters: str, host: str = "localhost") -> list[bool]:
        url, directory = server
        database = Database(url.replace("HOST", host) + "?" + parameters.format(dir=directory))
        encrypted = text("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")

        async def ask() -> bool:
            await database.ping_async()
            async with database.async_engine.connect() as connection:
                return bool((await connection.execute(encrypted)).scalar_one())

        outcomes: list[bool | UnreachableError] = []
        try:
            database.ping()
            with database.engine.connect() as connection:
                outcomes.append(bool(connection.execute(encrypted).scalar_one()))
        except UnreachableError as error:
            outcomes.append(error)
        try:
            outcomes.append(asyncio.run(ask()))
        except UnreachableError as error:
            outcomes.append(error)
        database.dispose()
        errors = [outcome for outcome in outcomes if isinstance(outcome, UnreachableError)]
        if errors:
            assert len(errors) == 2, outcomes  # both drivers must fail in the same way
            assert str(errors[0]) == str(errors[1])
            raise errors[0]
        return [bool(outcome) for outcome in outcomes]

    return connect


@pytest.mark.parametrize(
    "parameters",
    [
        "sslmode=prefer",
        "sslmode=require",
        "ssl=require",
        "sslmode=require&channel_binding=require",
        "sslmode=require&sslrootcert={dir}/ca.pem",
        "sslmode=verify-ca&sslrootcert={dir}/ca.pem",
        "sslmode=verify-full&sslrootcert={dir}/ca.pem",
        "sslmode=verify-full&sslrootcert={dir}/ca.pem&ssl_min_protocol_version=TLSv1.3",
    ],
)
def test_both_drivers_connect_in_each_mode(
    connect: Callable[..., list[bool]], parameters: str
) -> None:
    assert connect(parameters) == [True, True]


@pytest.mark.parametrize(
    ("parameters", "host", "message"),
    [
        ("sslmode=disable", "localhost", "does not allow this user to connect"),
        ("sslmode=verify-full", "localhost", "certificate could not be verified"),
        ("sslmode=verify-full&sslrootcert=system", "localhost", "could not be verified"),
        ("sslmode=verify-ca&sslrootcert={dir}/other.pem", "localhost", "could not be verified"),
        ("sslmode=require&sslrootcert={dir}/other.pem", "localhost", "could not be verified"),
        ("sslmode=verify-full&sslrootcert={dir}/ca.pem", "127.0.0.1", "is for another host name"),
    ],
)  # fmt: skip
def test_both_drivers_refuse_for_the_same_reason(
    connect: Callable[..., list[bool]], parameters: str, host: str, message: str
) -> None:
    with pytest.raises(UnreachableError, match=message):
        connect(parameters, host)


def test_verify_ca_does_not_check_the_host_name(connect: Callable[..., list[bool]]) -> None:
    assert connect("sslmode=verify-ca&sslrootcert={dir}/ca.pem", "127.0.0.1") == [True, True]


@pytest.mark.slow
def test_a_wrong_password_is_named_as_the_reason(server: tuple[str, Path]) -> None:
    url = server[0].replace("HOST", "localhost").replace("p@ss/w#rd", "wrong") + "?sslmode=require"
    with pytest.raises(UnreachableError, match="the user or password is wrong"):
        Database(url).ping()
    with pytest.raises(UnreachableError, match="the user or password is wrong"):
        asyncio.run(Database(url).ping_async())
