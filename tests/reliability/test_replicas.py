"""Reads on real standbys: in turn, never older than one's own writes, without those that fail."""

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


@pytest.fixture
def note(servers: list[Server]) -> Iterator[Any]:
    """A table, empty on all of them."""

    class Note(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        text: str

    primary, *standbys = servers
    db = Database(primary.url)
    db.create_all()
    yield Note
    for standby in standbys:
        standby.ask("SELECT pg_wal_replay_resume()")
    db.dispose()
    primary.ask("DROP TABLE note")
    until(lambda: all(caught_up(primary, standby) for standby in standbys))


@pytest.fixture
def db(servers: list[Server], note: Any) -> Iterator[Database]:
    primary, *standbys = servers
    until(lambda: all(caught_up(primary, standby) for standby in standbys))
    db = Database(primary.url, replicas=[standby.url for standby in standbys])
    yield db
    db.dispose()


def caught_up(primary: Server, standby: Server) -> bool:
    position = primary.ask("SELECT pg_current_wal_insert_lsn()")[0][0]
    return bool(standby.ask(f"SELECT pg_last_wal_replay_lsn() >= '{position}'")[0][0])


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
    """Have the standbys apply nothing more."""
    for standby in servers[1:]:
        standby.ask("SELECT pg_wal_replay_pause()")
        until(
            lambda standby=standby: (  # type: ignore[misc]  # mypy infers no lambda with a default
                standby.ask("SELECT pg_get_wal_replay_pause_state()")[0][0] == "paused"
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


def test_what_was_written_is_found_though_no_replica_has_it(
    db: Database, servers: list[Server], note: Any
) -> None:
    pause(servers)
    with db.session() as session:
        session.add(note(text="mine"))
        session.commit()
    with db.session(read_only=True) as session:
        assert count(session, note) == 1
    assert ports(db, 2) == [servers[0].port] * 2
    with db.following(), db.session(read_only=True) as session:  # somebody who wrote nothing
        assert count(session, note) == 0
    for standby in servers[1:]:
        standby.ask("SELECT pg_wal_replay_resume()")
    until(lambda: port_of_reader(db) != servers[0].port)


def test_over_http_the_client_brings_its_position(
    db: Database, servers: list[Server], note: Any
) -> None:
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


def test_an_acknowledged_write_stays_so_when_the_primary_dies(
    db: Database, servers: list[Server], note: Any
) -> None:
    """Before it could say how far it is: what was committed is not answered as a failure."""
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
        # Whoever brings this back is sent to the primary.
        assert len(client.get("/notes").json()) == 1


def test_a_position_that_a_client_makes_up_counts_for_nothing(
    db: Database, servers: list[Server], note: Any
) -> None:
    app = FastAPI()
    app.include_router(Resource(note, db))
    pause(servers)
    with TestClient(app) as client:
        client.post("/notes", json={"text": "mine"})
        client.cookies.clear()
        for made_up in ("FFFFFFFF/FFFFFFFF", "FFFFFFFF/FFFFFFFF-0123456789abcdef"):
            headers = {"Colonnade-Position": made_up}
            assert client.get("/notes", headers=headers).json() == []


def test_so_do_the_endpoints_of_an_app_with_the_middleware(
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


def test_one_that_is_down_is_left_out_and_taken_back(
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


def test_a_request_that_meets_a_dead_replica_is_answered(
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


def test_one_that_is_too_far_behind_is_left_out(servers: list[Server], note: Any) -> None:
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


def test_the_primary_may_be_down_for_those_who_only_read(
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


def test_a_primary_is_waited_for_until_there_is_one(servers: list[Server], note: Any) -> None:
    """Between the death of one and the promotion of the next, as of any server that restarts."""
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
                UnreachableError, match=r"accepts writes at the moment|nothing listens"
            ):
                ask()
    finally:
        servers[0].start()
    db.dispose()


def test_sqlite_has_none() -> None:
    with pytest.raises(DatabaseURLError, match="SQLite has no replicas"):
        Database("sqlite://", replicas=["postgresql://h/db"])
    with pytest.raises(DatabaseURLError, match="is not a PostgreSQL URL"):
        Database("postgresql://h/db", replicas=["sqlite://"])
    assert Database("sqlite://").replicas == []
