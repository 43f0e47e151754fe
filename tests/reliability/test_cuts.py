"""Lost connections: the statements and transactions that run again, and the responses."""

import asyncio
import logging
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy.exc import DBAPIError

from colonnade import (
    AsyncSession,
    Database,
    Field,
    Resource,
    Session,
    SQLModel,
    problems,
    select,
    text,
)
from colonnade.database.connections import _connector as _connecting
from colonnade.errors import UncertainCommitError, UnreachableError
from tests.reliability.proxy import Mode, Proxy
from tests.servers import Server

pytestmark = pytest.mark.slow


@pytest.fixture
def db(proxy: Proxy) -> Iterator[Database]:
    url = f"postgresql://me@127.0.0.1:{proxy.port}/postgres?sslmode=disable"
    db = Database(url, pool_timeout=2, pool_size=2, max_overflow=1)
    yield db
    proxy.set("pass")
    db.dispose()


@pytest.fixture
def note(db: Database, server: Server) -> Iterator[Any]:
    class Note(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        text: str

    db.create_all()
    yield Note
    server.query("DROP TABLE note")


@pytest.fixture
def client(db: Database, note: Any) -> Iterator[TestClient]:
    app = FastAPI()
    app.include_router(Resource(note, db))
    problems(app)

    @app.get("/by-hand")
    def by_hand() -> int:
        with db.session() as session:
            return len(session.exec(select(note)).all())

    with TestClient(app) as client:
        yield client


def stored(server: Server) -> int:
    return int(str(server.query("SELECT count(*) FROM note")[0][0]))


def test_a_dead_pooled_connection_is_replaced(
    client: TestClient, proxy: Proxy, server: Server
) -> None:
    for _ in range(3):
        assert client.get("/notes").status_code == 200
        assert client.get("/by-hand").status_code == 200
        proxy.cut()
    assert client.post("/notes", json={"text": "x"}).status_code == 201
    proxy.cut()
    time.sleep(0.05)  # the connection is closed by then, which is noticed without a round trip
    assert client.post("/notes", json={"text": "x"}).status_code == 201
    assert stored(server) == 2


@pytest.mark.parametrize("mode", ["cut_requests", "cut_answers"])
def test_a_read_is_retried_after_a_lost_connection(
    client: TestClient, proxy: Proxy, mode: Mode
) -> None:
    client.get("/notes")
    proxy.set(mode, times=1)
    assert client.get("/notes").status_code == 200
    assert proxy.is_passing  # the connection was cut


def test_a_transaction_that_loses_its_connection_before_commit_runs_again(
    db: Database, note: Any, proxy: Proxy, server: Server
) -> None:
    runs: list[int] = []

    def work(session: Session) -> None:
        runs.append(1)
        session.add(note(text="once"))
        session.flush()
        if len(runs) == 1:
            proxy.cut()

    db.transaction(work)
    assert (len(runs), stored(server)) == (2, 1)

    async def work_async(session: AsyncSession) -> None:
        runs.append(1)
        session.add(note(text="once"))
        await session.flush()
        if len(runs) == 3:
            proxy.cut()

    async def main() -> None:
        await db.transaction_async(work_async)
        await db.dispose_async()

    asyncio.run(main())
    assert (len(runs), stored(server)) == (4, 2)


def test_a_transaction_that_loses_its_connection_at_commit_does_not_run_again(
    db: Database, note: Any, proxy: Proxy, server: Server
) -> None:
    runs: list[int] = []

    def work(session: Session) -> None:
        runs.append(1)
        session.add(note(text="once"))

    db.transaction(work)
    proxy.set("cut_answers", word=b"COMMIT")
    with pytest.raises(UncertainCommitError, match="is not known"):
        db.transaction(work)
    assert len(runs) == 2

    async def work_async(session: AsyncSession) -> None:
        runs.append(1)
        session.add(note(text="once"))

    async def main() -> None:
        with pytest.raises(UncertainCommitError):
            await db.transaction_async(work_async)
        await db.dispose_async()

    asyncio.run(main())
    assert len(runs) == 3
    assert stored(server) == 3  # it was committed, which the client could not know


def test_an_idempotent_transaction_runs_again_after_a_lost_commit(
    db: Database, note: Any, proxy: Proxy, server: Server
) -> None:
    runs: list[int] = []

    def work(session: Session) -> None:
        runs.append(1)
        session.merge(note(id=1, text="once"))
        if len(runs) == 2:
            proxy.set("pass")

    proxy.set("cut_answers", word=b"COMMIT")
    db.transaction(work, idempotent=True)
    assert (len(runs), stored(server)) == (2, 1)


def test_a_transaction_that_has_committed_does_not_run_again(
    db: Database, note: Any, proxy: Proxy, server: Server
) -> None:
    runs: list[int] = []

    def work(session: Session) -> None:
        runs.append(1)
        session.add(note(text="a part"))
        session.commit()
        session.add(note(text="the rest"))
        session.flush()
        proxy.cut()
        session.exec(select(note)).all()

    with pytest.raises(DBAPIError):
        db.transaction(work)
    assert (len(runs), stored(server)) == (1, 1)


def test_an_unreachable_server_is_a_503_within_the_time_limit(
    client: TestClient, proxy: Proxy, caplog: pytest.LogCaptureFixture
) -> None:
    client.get("/notes")
    proxy.set("refuse")
    proxy.cut()
    for path in ("/notes", "/by-hand"):
        started = time.monotonic()
        answer = client.get(path)
        assert time.monotonic() - started < 4
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "1"
        assert answer.json()["type"] == "urn:colonnade:unavailable"
        assert answer.headers["content-type"] == "application/problem+json"
    assert caplog.text.count("cannot be reached: it closed the connection. Retrying") == 1
    proxy.set("pass")
    assert client.get("/notes").status_code == 200
    assert "can be reached again after" in caplog.text


def test_a_request_waits_for_a_server_that_restarts(client: TestClient, proxy: Proxy) -> None:
    client.get("/notes")
    proxy.set("refuse")
    proxy.cut()
    threading.Timer(0.5, proxy.set, ["pass"]).start()
    assert client.get("/notes").status_code == 200


def test_a_write_without_a_response_is_uncertain(
    client: TestClient, proxy: Proxy, server: Server
) -> None:
    client.post("/notes", json={"text": "before"})
    proxy.set("cut_answers", times=1)
    answer = client.post("/notes", json={"text": "maybe"})
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:colonnade:uncertain")
    assert stored(server) == 2  # it was committed, which the client could not know


def test_an_exhausted_pool_is_a_503_within_the_time_limit(db: Database, client: TestClient) -> None:
    sessions = [db.session() for _ in range(3)]
    for session in sessions:
        session.__enter__().connection()
    started = time.monotonic()
    answer = client.get("/by-hand")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert 1 < time.monotonic() - started < 4
    for session in sessions:
        session.__exit__(None, None, None)
    assert client.get("/by-hand").status_code == 200


def test_a_missing_database_is_not_retried(db: Database) -> None:
    wrong = Database(str(db.url).replace("/postgres", "/absent"), pool_timeout=10)
    started = time.monotonic()
    with pytest.raises(UnreachableError, match="the database does not exist"):
        wrong.ping()
    assert time.monotonic() - started < 2


def test_a_reachable_server_logs_nothing(db: Database, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "colonnade"):
        db.ping()
    assert caplog.text == ""


@pytest.mark.parametrize(("closed", "reached"), [(4, True), (1000, False)])
def test_connections_that_are_closed_when_opened_are_retried(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch, closed: int, reached: bool
) -> None:
    """The server does this if other clients take the last connections."""
    left = [closed]

    def is_closed(connection: Any) -> bool:
        left[0] -= 1
        return left[0] >= 0

    for driver in ("psycopg", "asyncpg"):
        monkeypatch.setitem(_connecting.IS_CLOSED, driver, is_closed)
    db = Database(f"postgresql://me@127.0.0.1:{proxy.port}/postgres?sslmode=disable")

    async def ping() -> None:
        await db.ping_async()
        await db.dispose_async()

    for check in (db.ping, lambda: asyncio.run(ping())):
        left[0] = closed
        if reached:
            check()
        else:
            with pytest.raises(UnreachableError, match="as soon as it is opened"):
                check()
    db.dispose()


def test_both_drivers_use_tcp_keepalive(db: Database) -> None:
    import socket

    with db.engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        with socket.socket(fileno=socket.dup(driver.fileno())) as sock:
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 30

    async def main() -> None:
        async with db.async_engine.connect() as connection:
            raw = (await connection.get_raw_connection()).driver_connection
            assert raw is not None
            sock = raw._transport.get_extra_info("socket")
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 30
        await db.dispose_async()

    asyncio.run(main())


def test_connections_to_a_former_primary_are_dropped(server: Server, note: Any) -> None:
    """25006 (read_only_sql_transaction): nothing was changed, so the transaction runs again."""
    db = Database(server.url)
    server.query("ALTER DATABASE postgres SET default_transaction_read_only = on")
    try:
        db.ping()  # opens a connection to the former primary
        with db.session() as session:
            with pytest.raises(DBAPIError, match="read-only"):
                session.connection().execute(text("INSERT INTO note (text) VALUES ('x')"))
            session.rollback()
        threading.Timer(
            0.05, server.query, ["ALTER DATABASE postgres RESET default_transaction_read_only"]
        ).start()

        def work(session: Session) -> None:
            session.add(note(text="x"))

        db.transaction(work)
    finally:
        server.query("ALTER DATABASE postgres RESET default_transaction_read_only")
    assert stored(server) == 1
    db.dispose()


def test_a_transaction_with_a_savepoint_runs_again(
    db: Database, note: Any, proxy: Proxy, server: Server
) -> None:
    runs: list[int] = []

    def work(session: Session) -> None:
        runs.append(1)
        with session.begin_nested():
            session.add(note(text="x"))
        if len(runs) == 1:
            proxy.cut()
            session.exec(select(note)).all()

    db.transaction(work)
    assert (len(runs), stored(server)) == (2, 1)


def test_an_idempotent_transaction_that_has_committed_does_not_run_again(
    db: Database, note: Any, proxy: Proxy, server: Server
) -> None:
    def work(session: Session) -> None:
        session.add(note(text="a part"))
        session.commit()
        session.exec(select(note)).all()
        proxy.cut()
        session.exec(select(note)).all()

    with pytest.raises(DBAPIError):
        db.transaction(work, idempotent=True)
    assert stored(server) == 1


def test_health_answers_within_its_timeout(db: Database, server: Server, proxy: Proxy) -> None:
    """With an exhausted pool, and with a stalled server."""
    db.ping()
    sessions = [db.session() for _ in range(3)]
    for session in sessions:
        session.__enter__().connection()
    started = time.monotonic()
    assert not db.health(0.3).reached
    assert time.monotonic() - started < 1.5
    for session in sessions:
        session.__exit__(None, None, None)
    assert db.health().reached

    async def stalled() -> None:
        assert (await db.health_async()).reached
        proxy.set("stall")
        health = await db.health_async(0.3)
        assert not health.reached
        assert "did not answer within 0.3 s" in health.reason
        assert not (await asyncio.to_thread(db.health, 0.3)).reached
        proxy.set("pass")
        for thread in threading.enumerate():
            if thread.name == "colonnade-health":  # it still has a connection
                await asyncio.to_thread(thread.join, 5)
        await db.dispose_async()

    started = time.monotonic()
    asyncio.run(stalled())
    assert time.monotonic() - started < 5


def test_a_silent_host_does_not_use_up_the_pool_timeout(server: Server) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        hosts = f"127.0.0.1:{silent.getsockname()[1]},127.0.0.1:{server.port}"
        db = Database(f"postgresql://me@{hosts}/postgres", pool_timeout=4)
        started = time.monotonic()

        async def ping() -> None:
            await db.ping_async()
            await db.dispose_async()

        asyncio.run(ping())
        db.ping()
        assert time.monotonic() - started < 7
        db.dispose()
