"""PgBouncer in transaction mode, with and without support for prepared statements."""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from colonnade import Database, Field, Resource, SQLModel, insert, select, text
from colonnade.database import Plan
from colonnade.errors import DatabaseError, UnreachableError
from tests.database.test_limits import RUNNERS
from tests.servers import PREPARED_STATEMENTS_SINCE, Bouncer, Server, bouncer_version

pytestmark = pytest.mark.slow

SAID = ["", "?pool_mode=transaction", "?pool_mode=transaction&prepared_statements=true"]


@pytest.fixture(params=SAID, ids=["asked", "said", "prepares"])
def db(request: pytest.FixtureRequest, server: Server, bouncer: Bouncer) -> Iterator[Database]:
    if "prepared" in request.param and bouncer_version() < PREPARED_STATEMENTS_SINCE:
        pytest.skip("this PgBouncer keeps no prepared statements: it takes 1.21 or newer")
    db = Database(bouncer.url + request.param)
    yield db
    db.dispose()


@pytest.fixture
def note(db: Database, server: Server, bouncer: Bouncer) -> Iterator[Any]:
    class Note(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        text: str

    db.create_all()
    yield Note
    server.query("DROP TABLE note")


def test_statements_work_on_alternating_server_connections(db: Database, note: Any) -> None:
    """Plain SQLAlchemy with asyncpg failed in 81 of 250 transactions."""
    plan = Plan(select(note.__table__.c.text).where(note.__table__.c.id == 1))

    async def transaction(index: int) -> None:
        async with db.session() as session:
            session.add(note(text=str(index)))
            await session.flush()
            assert (await session.exec(select(note).where(note.text == str(index)))).one()
            await session.commit()

    async def statement(index: int) -> None:
        await db.run_async(plan.first({}))
        await db.run_async(
            lambda connection: connection.execute(insert(note), {"text": f"alone {index}"}),
            begin=bool(index % 2),
        )

    async def main() -> None:
        works = [work(index) for index in range(125) for work in (transaction, statement)]
        await asyncio.gather(*works)
        await db.dispose_async()

    asyncio.run(main())

    def in_threads() -> None:
        for index in range(20):
            with db.session() as session:
                session.add(note(text=f"sync {index}"))
                session.commit()
                assert session.exec(select(note).where(note.text == f"sync {index}")).first()

    failed: list[BaseException] = []

    def run() -> None:
        try:
            in_threads()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    with db.session() as session:
        assert len(session.exec(select(note)).all()) == 125 + 125 + 120


@pytest.mark.parametrize("way", RUNNERS)
def test_a_statement_ends_at_its_timeout(
    db: Database, server: Server, bouncer: Bouncer, way: Callable[[Database], None]
) -> None:
    limited = Database(db.url, statement_timeout=0.3)
    with pytest.raises((DBAPIError, DatabaseError)):
        way(limited)
    limited.dispose()
    query = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%(20)'"
    for _ in range(40):
        if server.query(query) == [(0,)]:
            return
        threading.Event().wait(0.05)
    raise AssertionError("it still runs on the server")


def test_a_statement_timeout_does_not_leak_to_the_next_client(db: Database) -> None:
    """SET would apply to the next client; SET LOCAL ends with the transaction."""
    limited = Database(db.url, statement_timeout=0.3)
    with limited.session() as session:
        shown = session.connection().execute(text("SHOW statement_timeout")).scalar_one()
        assert shown == "300ms"
    for _ in range(8):
        with db.session() as session:
            shown = session.connection().execute(text("SHOW statement_timeout")).scalar_one()
            assert shown == "0"
    limited.dispose()


def test_a_detected_pooler_is_logged(
    server: Server, bouncer: Bouncer, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "colonnade.database"):
        direct = Database(server.url)
        direct.ping()
        assert "pooler" not in caplog.text
        behind = Database(bouncer.url)
        behind.ping()
        assert "is behind a connection pooler" in caplog.text
    direct.dispose()
    behind.dispose()


def test_a_direct_connection_keeps_its_prepared_statements(
    server: Server, bouncer: Bouncer
) -> None:
    db = Database(server.url)
    # A PgBouncer with support for prepared statements renames them.
    query = text("SELECT count(*) FROM pg_prepared_statements WHERE name LIKE '\\_\\_asyncpg%'")

    async def main() -> int:
        def work(connection: Connection) -> int:
            return int(connection.execute(query).scalar_one())

        pids = [await db.run_async(work) for _ in range(3)]
        await db.dispose_async()
        return pids[-1]

    assert asyncio.run(main()) > 0
    behind = Database(bouncer.url)

    async def unprepared() -> int:
        def work(connection: Connection) -> int:
            return int(connection.execute(query).scalar_one())

        pids = [await behind.run_async(work) for _ in range(3)]
        await behind.dispose_async()
        return pids[-1]

    assert asyncio.run(unprepared()) == 0


def test_a_setting_that_pgbouncer_refuses_is_an_error(server: Server, bouncer: Bouncer) -> None:
    db = Database(f"{bouncer.url}?pool_mode=transaction&statement_timeout=5000")
    with pytest.raises(UnreachableError, match="pooler rejects a setting"):
        db.ping()


def test_idempotency_keys_work_behind_pgbouncer(db: Database, note: Any) -> None:
    """Idempotency-Key takes a transaction lock, since a session lock would outlast the request."""
    from fastapi import FastAPI
    from fastapi.testclient import TestClient

    from colonnade import Idempotency

    class BouncedKey(Idempotency, table=True):
        pass

    db.create_all()
    app = FastAPI(lifespan=db.lifespan)
    app.include_router(Resource(note, db, idempotency=BouncedKey))
    with TestClient(app) as client:
        for _ in range(8):
            answer = client.post("/notes", json={"text": "once"}, headers={"Idempotency-Key": "k"})
            assert answer.status_code == 201
        assert len(client.get("/notes").json()) == 1
    with db.session() as session:
        session.connection().execute(text("DROP TABLE bouncedkey"))
        session.commit()
