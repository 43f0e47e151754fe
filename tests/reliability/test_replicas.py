"""Reads on real standbys: in turn, with own writes visible, and without failed standbys."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from colonnade import (
    Database,
    Field,
    ReadYourWrites,
    Resource,
    SQLModel,
    func,
    select,
    text,
)
from colonnade.errors import DatabaseURLError, UnreachableError
from tests.servers import Server

pytestmark = pytest.mark.slow


@pytest.fixture
def note(servers: list[Server]) -> Iterator[Any]:
    """A table that is empty on all servers."""

    class Note(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        text: str

    primary, *standbys = servers
    db = Database(primary.url)
    db.create_all()
    yield Note
    for standby in standbys:
        standby.query("SELECT pg_wal_replay_resume()")
    db.dispose()
    primary.query("DROP TABLE note")
    until(lambda: all(caught_up(primary, standby) for standby in standbys))


@pytest.fixture
def db(servers: list[Server], note: Any) -> Iterator[Database]:
    primary, *standbys = servers
    until(lambda: all(caught_up(primary, standby) for standby in standbys))
    db = Database(primary.url, replicas=[standby.url for standby in standbys])
    yield db
    db.dispose()


def caught_up(primary: Server, standby: Server) -> bool:
    position = primary.query("SELECT pg_current_wal_insert_lsn()")[0][0]
    return bool(standby.query(f"SELECT pg_last_wal_replay_lsn() >= '{position}'")[0][0])


def until(condition: Callable[[], bool], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def port_of_reader(db: Database) -> int:
    with db.session(read_only=True) as session:
        return int(session.connection().execute(text("SELECT inet_server_port()")).scalar_one())


def ports(db: Database, times: int = 6) -> list[int]:
    return [port_of_reader(db) for _ in range(times)]


def count(session: Any, Note: Any) -> int:
    return int(session.exec(select(func.count()).select_from(Note)).one())


def pause(servers: list[Server]) -> None:
    """Pause replay on the standbys."""
    for standby in servers[1:]:
        standby.query("SELECT pg_wal_replay_pause()")
        until(
            lambda standby=standby: (  # type: ignore[misc]  # mypy infers no lambda with a default
                standby.query("SELECT pg_get_wal_replay_pause_state()")[0][0] == "paused"
            )
        )


def test_reads_go_to_the_replicas_in_turn(db: Database, servers: list[Server]) -> None:
    first, two = (server.port for server in servers[1:])
    assert ports(db, 4) in ([first, two, first, two], [two, first, two, first])

    async def main() -> list[int]:
        seen_ports = []
        for _ in range(4):
            async with db.session(read_only=True) as session:
                connection = await session.connection()
                query = await connection.execute(text("SELECT inet_server_port()"))
                seen_ports.append(int(query.scalar_one()))
        await db.dispose_async()
        return seen_ports

    assert set(asyncio.run(main())) == {first, two}
    with db.session() as session:
        query = session.connection().execute(text("SELECT inet_server_port()"))
        assert query.scalar_one() == servers[0].port


def test_a_session_reads_its_own_writes_if_no_replica_has_them(
    db: Database, servers: list[Server], note: Any
) -> None:
    pause(servers)
    with db.session() as session:
        session.add(note(text="mine"))
        session.commit()
    with db.session(read_only=True) as session:
        assert count(session, note) == 1
    assert ports(db, 2) == [servers[0].port] * 2
    with db.following(), db.session(read_only=True) as session:  # another client, without writes
        assert count(session, note) == 0
    for standby in servers[1:]:
        standby.query("SELECT pg_wal_replay_resume()")
    until(lambda: port_of_reader(db) != servers[0].port)


def test_an_http_client_sends_its_position(db: Database, servers: list[Server], note: Any) -> None:
    app = FastAPI(lifespan=db.lifespan)
    app.include_router(Resource(note, db))
    pause(servers)
    with TestClient(app, base_url="https://app") as client:
        answer = client.post("/notes", json={"text": "mine"})
        assert answer.status_code == 201
        position = answer.headers["Colonnade-Position"]
        assert "HttpOnly" in answer.headers["set-cookie"]
        assert "Secure" in answer.headers["set-cookie"]
        assert len(client.get("/notes").json()) == 1  # by the cookie
        client.cookies.clear()
        assert client.get("/notes").json() == []  # another client, and a replica
        with_header = client.get("/notes", headers={"Colonnade-Position": position})
        assert len(with_header.json()) == 1
        assert "Colonnade-Position" not in with_header.headers
        for nonsense in ("", "x", "FFFFFFFFF/0", "0/0; drop"):
            assert client.get("/notes", headers={"Colonnade-Position": nonsense}).json() == []


def test_a_write_is_acknowledged_if_the_primary_dies_after_the_commit(
    db: Database, servers: list[Server], note: Any
) -> None:
    """The primary dies before it reports its position, which must not make the write a failure."""
    tasks = Resource(note, db)
    app = FastAPI()
    app.include_router(tasks)
    position = db.written_position

    async def killed() -> str | None:
        servers[0].kill()
        return await position()

    with pytest.MonkeyPatch.context() as patch, TestClient(app) as client:
        patch.setattr(db, "written_position", killed)
        started = time.monotonic()
        answer = client.post("/notes", json={"text": "mine"})
        assert answer.status_code == 201
        assert time.monotonic() - started < 4
        servers[0].start()
        patch.undo()
        # A client that sends this position reads from the primary.
        assert len(client.get("/notes").json()) == 1


def test_an_invented_position_is_ignored(db: Database, servers: list[Server], note: Any) -> None:
    app = FastAPI()
    app.include_router(Resource(note, db))
    pause(servers)
    with TestClient(app) as client:
        client.post("/notes", json={"text": "mine"})
        client.cookies.clear()
        for position in ("FFFFFFFF/FFFFFFFF", "FFFFFFFF/FFFFFFFF-0123456789abcdef"):
            headers = {"Colonnade-Position": position}
            assert client.get("/notes", headers=headers).json() == []


def test_the_middleware_sends_positions_for_all_endpoints(
    db: Database, servers: list[Server], note: Any
) -> None:
    app = FastAPI(lifespan=db.lifespan)
    app.add_middleware(ReadYourWrites, db=db)
    app.include_router(Resource(note, db))

    @app.get("/count")
    def counted() -> int:
        with db.session(read_only=True) as session:
            return count(session, note)

    @app.post("/notes-by-hand")
    async def store() -> None:
        async with db.session() as session:
            session.add(note(text="x"))
            await session.commit()

    pause(servers)
    with TestClient(app) as client:
        first = client.post("/notes-by-hand")
        assert len(first.headers.get_list("Colonnade-Position")) == 1
        assert client.get("/count").json() == 1
        second = client.post("/notes", json={"text": "y"})
        assert len(second.headers.get_list("Colonnade-Position")) == 1
        assert client.get("/count").json() == 2
        client.cookies.clear()
        assert client.get("/count").json() == 0


def test_a_failed_replica_is_skipped_until_it_is_back(
    db: Database, servers: list[Server], caplog: pytest.LogCaptureFixture
) -> None:
    _, first, two = servers
    assert set(ports(db)) == {first.port, two.port}
    first.kill()
    try:
        assert set(ports(db)) == {two.port}
        two.kill()
        try:
            assert set(ports(db, 3)) == {servers[0].port}
        finally:
            two.start()
        until(lambda: two.port in ports(db, 2))
    finally:
        first.start()
    until(lambda: set(ports(db, 4)) == {first.port, two.port}, 30)
    assert "Not reading from the replica" in caplog.text
    assert "Reading from the replica" in caplog.text


def test_a_request_to_a_dead_replica_is_answered(
    db: Database, servers: list[Server], note: Any
) -> None:
    app = FastAPI(lifespan=db.lifespan)
    app.include_router(Resource(note, db))
    with TestClient(app) as client:
        for _ in range(4):
            assert client.get("/notes").status_code == 200
        servers[1].kill()
        try:
            answers = [client.get("/notes").status_code for _ in range(6)]
        finally:
            servers[1].start()
        assert answers == [200] * 6


def test_a_replica_with_too_much_lag_is_skipped(servers: list[Server], note: Any) -> None:
    db = Database(
        servers[0].url, replicas=[server.url for server in servers[1:]], max_replica_lag=0.5
    )
    until(lambda: set(ports(db, 4)) == {server.port for server in servers[1:]})
    pause(servers)
    with db.session() as session:
        session.add(note(text="x"))
        session.commit()
    until(lambda: set(ports(db, 2)) == {servers[0].port})
    db.dispose()


def test_reads_work_while_the_primary_is_down(
    db: Database, servers: list[Server], note: Any
) -> None:
    app = FastAPI()
    app.include_router(Resource(note, db))
    assert len(ports(db)) == 6
    servers[0].kill()
    try:
        with TestClient(app) as client:
            assert client.get("/notes").status_code == 200
    finally:
        servers[0].start()


def test_a_connection_waits_for_a_new_primary(servers: list[Server], note: Any) -> None:
    """Between the failure of the primary and the promotion of a standby."""
    hosts = ",".join(f"127.0.0.1:{server.port}" for server in servers)
    db = Database(f"postgresql://me@{hosts}/postgres", pool_timeout=3)

    async def ping() -> None:
        await db.ping_async()
        await db.dispose_async()

    for check in (db.ping, lambda: asyncio.run(ping())):
        servers[0].kill()
        timer = threading.Timer(0.5, servers[0].start)
        timer.start()
        check()
        timer.join()
    servers[0].kill()
    try:
        impatient = Database(f"postgresql://me@{hosts}/postgres", pool_timeout=0.3)
        for ask in (impatient.ping, lambda: asyncio.run(impatient.ping_async())):
            with pytest.raises(
                UnreachableError,
                match=r"accepts writes at the moment|nothing listens|did not answer in time",
            ):
                ask()
    finally:
        servers[0].start()
    db.dispose()


def test_sqlite_refuses_replicas() -> None:
    with pytest.raises(DatabaseURLError, match="SQLite has no replicas"):
        Database("sqlite://", replicas=["postgresql://h/db"])
    with pytest.raises(DatabaseURLError, match="is not a PostgreSQL URL"):
        Database("postgresql://h/db", replicas=["sqlite://"])
    assert Database("sqlite://").replicas == []
