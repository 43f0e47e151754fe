"""SQLite behaves as PostgreSQL does at READ COMMITTED, also with many concurrent users."""

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from colonnade import Database, Field, Session, SQLModel, col, select, text, update
from colonnade.database.statements._sqlite import is_write


class Statements(list[str]):
    """The statements that reach SQLite, including BEGIN and COMMIT."""


def statements(db: Database) -> Statements:
    seen = Statements()

    @event.listens_for(db.engine, "connect")
    def trace(connection: sqlite3.Connection, record: object) -> None:
        connection.set_trace_callback(seen.append)

    return seen


@pytest.fixture(params=["sqlite", "memory"])
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    url = f"sqlite:///{tmp_path / 'test.db'}" if request.param == "sqlite" else "sqlite://"
    database = Database(url, pool_size=20)
    yield database
    database.dispose()


def counter(db: Database) -> Any:
    class Counter(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        value: int = 0

    db.create_all()
    with db.session() as session:
        session.add(Counter(id=1))
        session.commit()
    return Counter


def test_connections_set_their_pragmas(db: Database) -> None:
    async def pragmas() -> list[object]:
        async with db.async_engine.connect() as connection:
            return [
                (await connection.exec_driver_sql(f"PRAGMA {name}")).scalar()
                for name in ("foreign_keys", "synchronous", "busy_timeout", "journal_mode")
            ]

    with db.engine.connect() as connection:
        sync_pragmas = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("foreign_keys", "synchronous", "busy_timeout", "journal_mode")
        ]
    assert sync_pragmas == asyncio.run(pragmas())
    # An in-memory database never syncs, and setting the pragma would wait for a writer.
    assert sync_pragmas == ([1, 2, 5000, "memory"] if db.url.memory else [1, 1, 5000, "wal"])


def test_a_session_reads_outside_a_transaction_and_begins_before_its_first_write(
    db: Database,
) -> None:
    seen = statements(db)
    Counter = counter(db)
    seen.clear()
    with db.session() as session:
        row = session.get_one(Counter, 1)
        assert not any(statement.startswith("BEGIN") for statement in seen)
        row.value = 5
        session.flush()
        assert [statement.split()[0] for statement in seen] == ["SELECT", "BEGIN", "UPDATE"]
        assert "BEGIN IMMEDIATE" in seen
        session.rollback()
        assert session.get_one(Counter, 1).value == 0


@pytest.mark.parametrize(
    ("statement", "writes"),
    [
        ("SELECT 1", False),
        ("  -- insert\n SELECT 'DELETE'", False),
        ("/* x */ (SELECT 1)", False),
        ("WITH a AS (SELECT 'UPDATE') SELECT * FROM a", False),
        ('WITH a AS (SELECT 1) SELECT "insert" FROM a', False),
        ("WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a", True),
        ("with a as (select 1) update t set x = 1", True),
        ("PRAGMA foreign_keys", False),
        ("EXPLAIN DELETE FROM t", False),
        ("VACUUM", False),
        ("insert into t values (1)", True),
        ("REPLACE INTO t VALUES (1)", True),
        ("WITH a AS (SELECT replace(x, 1, 2) FROM t) SELECT * FROM a", False),
        ("WITH a AS (SELECT 1) REPLACE INTO t SELECT * FROM a", True),
        ("CREATE TABLE t (x)", True),
        ("SAVEPOINT s", True),
        ("RELEASE SAVEPOINT s", False),
        ("", False),
    ],
)
def test_writes_are_distinguished_from_reads(statement: str, writes: bool) -> None:
    assert is_write(statement) is writes


def test_select_for_update_begins_a_transaction(db: Database) -> None:
    seen = statements(db)
    Counter = counter(db)
    seen.clear()
    with db.session() as session:
        session.exec(select(Counter).with_for_update()).one()
        assert seen[0] == "BEGIN IMMEDIATE"


def test_a_savepoint_can_be_rolled_back(db: Database) -> None:
    Counter = counter(db)
    with db.session() as session:
        session.add(Counter(id=2))
        session.flush()
        with pytest.raises(ZeroDivisionError), session.begin_nested():
            session.add(Counter(id=3))
            session.flush()
            raise ZeroDivisionError
        session.commit()
        assert len(session.exec(select(Counter)).all()) == 2


def test_autocommit_does_not_begin_a_transaction(db: Database) -> None:
    seen = statements(db)
    counter(db)
    seen.clear()
    with db.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(text("UPDATE counter SET value = 3"))
    assert not any(statement.startswith("BEGIN") for statement in seen)
    with db.session() as session:
        session.execute(text("UPDATE counter SET value = 4"))
        session.rollback()
        assert session.execute(text("SELECT value FROM counter")).scalar() == 3


def test_a_reader_sees_what_is_committed_and_a_writer_after_a_read_does_not_fail(
    db: Database,
) -> None:
    Counter = counter(db)
    with db.session() as reader, db.session() as writer:
        assert reader.get_one(Counter, 1).value == 0
        writer.exec(update(Counter).values(value=7))
        if not db.url.memory:  # in memory, a reader waits for the writer
            assert reader.execute(text("SELECT value FROM counter")).scalar() == 0
        writer.commit()
        assert reader.execute(text("SELECT value FROM counter")).scalar() == 7
        reader.exec(update(Counter).values(value=col(Counter.value) + 1))
        reader.commit()
        assert writer.execute(text("SELECT value FROM counter")).scalar() == 8


def test_serializable_locks_out_other_writers_from_the_start(db: Database) -> None:
    counter(db)
    other = Database("sqlite://")
    if not db.url.memory:
        other = Database(f"sqlite:///{db.url.sync.url.database}", busy_timeout=0.05)

        def work(session: Session) -> None:
            session.execute(text("SELECT 1"))
            with other.session() as other_session, pytest.raises(OperationalError, match="locked"):
                other_session.execute(text("UPDATE counter SET value = 1"))

        db.transaction(work, isolation_level="SERIALIZABLE")
    other.dispose()
    with db.session() as session:
        session.execute(text("UPDATE counter SET value = 2"))
        session.commit()


WORKERS, ROUNDS = 8, 15


def test_eight_writers_and_eight_readers_work_in_threads(db: Database) -> None:
    Counter = counter(db)
    barrier = threading.Barrier(2 * WORKERS)

    def write() -> None:
        barrier.wait()
        for _ in range(ROUNDS):
            with db.session() as session:
                session.get_one(Counter, 1)
                session.exec(update(Counter).values(value=Counter.value + 1))
                session.commit()

    def read() -> None:
        barrier.wait()
        last = 0
        for _ in range(ROUNDS):
            with db.session() as session:
                value = session.get_one(Counter, 1).value
                assert value >= last
                last = value

    with ThreadPoolExecutor(2 * WORKERS) as pool:
        for future in [pool.submit(work) for work in (write, read) for _ in range(WORKERS)]:
            future.result()
    with db.session() as session:
        assert session.get_one(Counter, 1).value == WORKERS * ROUNDS


def test_eight_writers_and_eight_readers_work_in_tasks_beside_sync_sessions(db: Database) -> None:
    Counter = counter(db)

    async def write() -> None:
        for _ in range(ROUNDS):
            async with db.session() as session:
                await session.get_one(Counter, 1)
                await session.exec(update(Counter).values(value=Counter.value + 1))
                await session.commit()

    async def read() -> None:
        for _ in range(ROUNDS):
            async with db.session() as session:
                await session.get_one(Counter, 1)

    def write_sync() -> None:
        for _ in range(ROUNDS):
            with db.session() as session:
                session.exec(update(Counter).values(value=Counter.value + 1))
                session.commit()

    async def main() -> None:
        tasks = [work() for work in (write, read) for _ in range(WORKERS)]
        await asyncio.gather(*tasks, asyncio.to_thread(write_sync))

    asyncio.run(main())
    with db.session() as session:
        assert session.get_one(Counter, 1).value == (WORKERS + 1) * ROUNDS


def test_two_in_memory_databases_are_separate() -> None:
    first, second = Database("sqlite://"), Database("sqlite://")
    counter(first)
    with second.session() as session, pytest.raises(OperationalError, match="no such table"):
        session.execute(text("SELECT * FROM counter"))
    first.dispose()
    second.dispose()


def test_an_in_memory_database_keeps_its_rows_after_dispose() -> None:
    db = Database("sqlite://")
    Counter = counter(db)
    db.dispose()
    with db.session() as session:
        assert session.get_one(Counter, 1).value == 0
    db.dispose()


def test_a_read_only_file_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    db = Database(f"sqlite:///{path}")
    counter(db)
    db.dispose()
    reader = Database(f"sqlite:///{path}?mode=ro")
    with reader.session() as session:
        assert session.execute(text("SELECT value FROM counter")).scalar() == 0
        with pytest.raises(OperationalError, match="readonly"):
            session.execute(text("UPDATE counter SET value = 1"))
    reader.dispose()
