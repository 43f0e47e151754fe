"""TLS as a real server sees it: both drivers check the same things in the same mode.

The package that carries PostgreSQL is built without TLS, so this wants an installed one.
"""

import asyncio
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme

from colonnade import Database, text
from colonnade.errors import UnreachableError

INSTALLED = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))

pytestmark = pytest.mark.skipif(
    not INSTALLED, reason="no PostgreSQL with TLS is installed (apt-get install postgresql)"
)


def run_as_server(*command: str) -> None:
    """Run a command as a user that PostgreSQL agrees to run as."""
    user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    subprocess.run([*user, *command], check=True, capture_output=True, cwd="/")


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, Path]]:
    """A server that takes TLS only; its URL without parameters, and its directory."""
    directory = Path(tempfile.mkdtemp(prefix="tls-"))  # not pytest's, which is root's alone
    authority = trustme.CA()
    authority.cert_pem.write_to_path(directory / "ca.pem")
    trustme.CA().cert_pem.write_to_path(directory / "other.pem")
    certificate = authority.issue_cert("localhost")
    certificate.private_key_and_cert_chain_pem.write_to_path(directory / "server.pem")
    (directory / "password").write_text("p@ss/w#rd")
    directory.chmod(0o755)
    if os.geteuid() == 0:
        for path in (directory, *directory.iterdir()):
            shutil.chown(path, "postgres")
    (directory / "server.pem").chmod(0o600)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    binaries, data = INSTALLED[-1].parent, directory / "data"
    run_as_server(
        str(binaries / "initdb"), "-D", str(data), "-U", "me", "-A", "scram-sha-256",
        "--pwfile", str(directory / "password"),
    )  # fmt: skip
    options = (
        f"-c ssl=on -c ssl_cert_file={directory}/server.pem -c ssl_key_file={directory}/server.pem "
        f"-c port={port} -c listen_addresses=localhost -c unix_socket_directories={directory} "
        f"-c fsync=off"
    )
    run_as_server("sh", "-c", f"echo 'hostssl all all all scram-sha-256' > {data}/pg_hba.conf")
    control = str(binaries / "pg_ctl")
    run_as_server(control, "-D", str(data), "-o", options, "-l", f"{directory}/log", "-w", "start")
    yield f"postgresql://me:p@ss/w#rd@HOST:{port}/postgres", directory
    run_as_server(control, "-D", str(data), "-m", "immediate", "stop")
    shutil.rmtree(directory)


@pytest.fixture
def connect(server: tuple[str, Path]) -> Callable[..., list[bool]]:
    """Whether each driver's connection is encrypted; raises if one cannot connect."""

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
            assert len(errors) == 2, outcomes  # one driver lets in what the other does not
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
def test_both_drivers_connect(connect: Callable[..., list[bool]], parameters: str) -> None:
    assert connect(parameters) == [True, True]


@pytest.mark.parametrize(
    ("parameters", "host", "message"),
    [
        ("sslmode=disable", "localhost", "does not let this user in"),
        ("sslmode=verify-full", "localhost", "certificate could not be verified"),
        ("sslmode=verify-full&sslrootcert=system", "localhost", "could not be verified"),
        ("sslmode=verify-ca&sslrootcert={dir}/other.pem", "localhost", "could not be verified"),
        ("sslmode=require&sslrootcert={dir}/other.pem", "localhost", "could not be verified"),
        ("sslmode=verify-full&sslrootcert={dir}/ca.pem", "127.0.0.1", "is for another host name"),
    ],
)  # fmt: skip
def test_both_drivers_refuse(
    connect: Callable[..., list[bool]], parameters: str, host: str, message: str
) -> None:
    with pytest.raises(UnreachableError, match=message):
        connect(parameters, host)


def test_verify_ca_does_not_ask_for_the_name(connect: Callable[..., list[bool]]) -> None:
    assert connect("sslmode=verify-ca&sslrootcert={dir}/ca.pem", "127.0.0.1") == [True, True]


def test_a_wrong_password_is_said(server: tuple[str, Path]) -> None:
    url = server[0].replace("HOST", "localhost").replace("p@ss/w#rd", "wrong") + "?sslmode=require"
    with pytest.raises(UnreachableError, match="the user or password is wrong"):
        Database(url).ping()
    with pytest.raises(UnreachableError, match="the user or password is wrong"):
        asyncio.run(Database(url).ping_async())
