"""``colonnade doctor`` with healthy and broken servers."""

import asyncio
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from colonnade import Database
from colonnade.database import capabilities_of, recognise
from colonnade.errors import MigrationError, UnreachableError
from colonnade.migrations import upgrade
from tests.cli.running import colonnade
from tests.servers import (
    Bouncer,
    Server,
    installed_postgresql,
    running,
    server_directory,
    write_certificates,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def secured() -> Iterator[tuple[Server, Path]]:
    """A server that requires TLS and a password, with its own CA."""
    programs = installed_postgresql()
    if programs is None:
        pytest.skip("no PostgreSQL with TLS is installed (apt-get install postgresql)")
    with (
        server_directory() as directory,
        running(programs, directory, write_certificates(directory)) as server,
    ):
        server.query("ALTER USER me PASSWORD 'right'")
        (server.data / "pg_hba.conf").write_text("hostssl all all all scram-sha-256\n")
        server.stop()
        server.start()
        yield server, directory


def test_doctor_reports_a_healthy_server(server: Server, tmp_path: Path) -> None:
    done = colonnade("doctor", server.url, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PostgreSQL, direct" in done.stdout
    assert done.stdout.count("✓") == 2
    assert "TLS none" in done.stdout


def test_doctor_reports_a_pooler(
    bouncer: Bouncer, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = colonnade("doctor", bouncer.url, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "through a pooler in transaction mode (detected)" in done.stdout
    assert "pool_mode=transaction" in done.stdout
    assert "DATABASE_URL_UNPOOLED" in done.stdout
    done = colonnade("doctor", f"{bouncer.url}?pool_mode=transaction", cwd=tmp_path)
    assert done.returncode == 0
    assert "(detected)" not in done.stdout


def test_migrations_connect_directly_and_not_to_the_pooler(
    bouncer: Bouncer, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.colonnade]\n")
    versions = tmp_path / "migrations" / "versions"
    versions.mkdir(parents=True)
    (versions / "0001_first.py").write_text(
        '"""First."""\nrevision = "0001"\ndown_revision = None\n'
        "def upgrade() -> None: ...\ndef downgrade() -> None: ...\n"
    )
    pooled = Database(bouncer.url)
    with pytest.raises(MigrationError, match="DATABASE_URL_UNPOOLED"):
        upgrade(pooled, tmp_path)
    pooled.dispose()
    with_direct_url = Database(bouncer.url, direct_url=server.url)
    upgrade(with_direct_url, tmp_path)
    with_direct_url.dispose()
    monkeypatch.setenv("DATABASE_URL", bouncer.url)
    monkeypatch.setenv("DATABASE_URL_UNPOOLED", server.url)
    configured = Database()
    assert (str(configured.direct), str(configured.url)) == (server.url, bouncer.url)
    upgrade(configured, tmp_path)
    configured.dispose()
    assert server.query("SELECT version_num FROM alembic_version") == [("0001",)]
    # DATABASE_URL_UNPOOLED belongs to the database of DATABASE_URL only.
    assert str(Database("sqlite://").direct) == "sqlite://"


def test_doctor_waits_for_a_suspended_server(programs: Path, tmp_path: Path) -> None:
    with server_directory() as directory:
        server = Server(programs, directory / "data")
        server.make()
        timer = threading.Timer(4.0, server.start)
        timer.start()
        try:
            done = colonnade("doctor", server.url, cwd=tmp_path)
        finally:
            timer.join()
            server.kill()
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("✓") == 2
    assert "Retrying" in done.stderr
    assert "can be reached again" in done.stderr


def test_doctor_reports_a_wrong_password(secured: tuple[Server, Path], tmp_path: Path) -> None:
    url = f"postgresql://me:wr0ng@localhost:{secured[0].port}/postgres?sslmode=require"
    done = colonnade("doctor", url, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout.count("the user or password is wrong") == 2
    assert "wr0ng" not in done.stdout + done.stderr


def test_doctor_verifies_the_ca(secured: tuple[Server, Path], tmp_path: Path) -> None:
    server, directory = secured
    url = f"postgresql://me:right@localhost:{server.port}/postgres?sslmode=verify-full&sslrootcert="
    wrong = colonnade("doctor", f"{url}{directory}/other.pem", cwd=tmp_path)
    assert wrong.returncode == 1
    assert wrong.stdout.count("its TLS certificate could not be verified") == 2
    right = colonnade("doctor", f"{url}{directory}/ca.pem", cwd=tmp_path)
    assert right.returncode == 0, right.stdout + right.stderr
    assert right.stdout.count("certificate and host name verified") == 2
    bound = colonnade("doctor", f"{url}{directory}/ca.pem&channel_binding=require", cwd=tmp_path)
    assert "channel binding on" in bound.stdout
    assert "no channel binding in asyncpg" in bound.stdout


def test_an_expired_certificate_is_refused(secured: tuple[Server, Path]) -> None:
    server, directory = secured
    certificate = directory / "server.pem"
    before = certificate.read_bytes()
    yesterday = datetime.now(UTC) - timedelta(days=1)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(directory / "old-ca.pem")
    expired = authority.issue_cert("localhost", not_after=yesterday)
    certificate.write_bytes(expired.private_key_and_cert_chain_pem.bytes())
    server.stop()
    server.start(wait=False)
    db = Database(
        f"postgresql://me:right@localhost:{server.port}/postgres"
        f"?sslmode=verify-full&sslrootcert={directory}/old-ca.pem"
    )
    expected_message = "certificate (has expired|could not be verified)"
    try:
        with pytest.raises(UnreachableError, match=expected_message):
            db.ping()
        with pytest.raises(UnreachableError, match="certificate has expired"):
            asyncio.run(db.ping_async())
    finally:
        certificate.write_bytes(before)
        server.stop()
        server.start(wait=False)


def test_distributed_engines_are_recognised(server: Server) -> None:
    cockroach = "CockroachDB CCL v25.1.0 (x86_64-pc-linux-gnu, built 2025/02/10, go1.22.8)"
    yugabyte = "PostgreSQL 15.2-YB-2.25.1.0-b0 on x86_64-pc-linux-gnu, compiled by clang, 64-bit"
    assert recognise(cockroach).name == "CockroachDB"
    assert not recognise(cockroach).advisory_locks
    assert recognise(yugabyte).name == "YugabyteDB"
    assert recognise("PostgreSQL 18.4 on x86_64-pc-linux-gnu").name == "PostgreSQL"
    db = Database(server.url)
    with db.engine.connect() as connection:
        assert capabilities_of(connection).transactional_ddl
        assert capabilities_of(connection) is capabilities_of(connection)
    db.dispose()
    memory = Database("sqlite://")
    with memory.engine.connect() as connection:
        assert not capabilities_of(connection).listen
    memory.dispose()
