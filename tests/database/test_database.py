"""``Database``: one URL for sync and async code."""

import asyncio
import gc
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlmodel import Session
from sqlmodel.ext.asyncio.session import AsyncSession

from colonnade import Database, Field, SQLModel, Timestamps, insert, problems, select, text
from colonnade.errors import DatabaseError, MissingDriverError, UnreachableError


def table() -> Any:
    class Row(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        name: str = "x"

    return Row


def test_one_call_gives_sync_and_async_sessions(db: Database) -> None:
    Row = table()
    db.create_all()
    with db.session() as session:
        assert isinstance(session, Session)
        session.add(Row(name="sync"))
        session.commit()

    async def main() -> list[str]:
        async with db.session() as session:
            assert type(session) is AsyncSession
            session.add(Row(name="async"))
            await session.commit()
            return [row.name for row in (await session.exec(select(Row))).all()]

    assert asyncio.run(main()) == ["sync", "async"]


def test_uncommitted_changes_are_rolled_back(db: Database) -> None:
    Row = table()
    db.create_all()

    async def main() -> None:
        async with db.session() as session:
            session.add(Row())
            await session.flush()

    with db.session() as session:
        session.add(Row())
        session.flush()
    asyncio.run(main())
    with pytest.raises(ZeroDivisionError), db.session() as session:
        session.add(Row())
        session.flush()
        raise ZeroDivisionError
    with db.session() as session:
        assert session.exec(select(Row)).all() == []


def test_objects_stay_readable_after_the_commit_and_the_session(db: Database) -> None:
    Row = table()
    db.create_all()

    async def main() -> Any:
        async with db.session() as session:
            row = Row()
            session.add(row)
            await session.commit()
            assert row.name == "x"
            return row

    assert asyncio.run(main()).id == 1


def test_a_database_works_in_consecutive_event_loops(
    db: Database, recwarn: pytest.WarningsRecorder
) -> None:
    Row = table()
    db.create_all()

    async def main() -> int:
        async with db.session() as session:
            session.add(Row())
            await session.commit()
            return len((await session.exec(select(Row))).all())

    assert [asyncio.run(main()) for _ in range(3)] == [1, 2, 3]
    # A loop that is closed without the cleanup of asyncio.run.
    loop = asyncio.new_event_loop()
    assert loop.run_until_complete(main()) == 4
    if db.url.backend == "sqlite":
        loop.run_until_complete(loop.shutdown_asyncgens())
    else:
        loop.run_until_complete(db.dispose_async())
    loop.close()
    assert asyncio.run(main()) == 5
    gc.collect()
    assert [
        str(warning.message) for warning in recwarn if "aiosqlite" in str(warning.message)
    ] == []


def test_a_loops_connections_are_closed_with_it(db: Database) -> None:
    async def main() -> Any:
        async with db.async_engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
        return db.async_engine

    engine = asyncio.run(main())
    assert engine.pool.checkedin() == 0


def test_a_database_made_and_forgotten_inside_a_loop_is_closed_with_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        db = Database(f"sqlite:///{tmp_path / 'x.db'}")
        async with db.session() as session:
            await (await session.connection()).execute(text("SELECT 1"))

    asyncio.run(main())
    gc.collect()
    assert caplog.text == ""


def test_the_async_engine_needs_a_running_loop(db: Database) -> None:
    with pytest.raises(DatabaseError, match="needs a running event loop"):
        _ = db.async_engine


def test_the_url_defaults_to_the_environment_and_then_to_a_file_with_a_warning(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", "sqlite:///from_env.db")
    assert str(Database().url) == "sqlite:///from_env.db"
    for unset in ("", None):
        caplog.clear()
        if unset is None:
            monkeypatch.delenv("DATABASE_URL")
        else:
            monkeypatch.setenv("DATABASE_URL", unset)
        with caplog.at_level(logging.WARNING):
            assert str(Database().url) == "sqlite:///colonnade.db"
        assert "DATABASE_URL is not set: using sqlite:///colonnade.db" in caplog.text


def test_the_password_is_never_shown(caplog: pytest.LogCaptureFixture) -> None:
    db = Database("postgresql://me:hunter2@127.0.0.1:1/db", echo=True, pool_timeout=0.2)
    with caplog.at_level(logging.DEBUG), pytest.raises(UnreachableError) as caught:
        db.ping()
    error: BaseException | None = caught.value
    shown = [repr(db), str(db.url), repr(db.url), caplog.text]
    while error is not None:
        shown.append(f"{error} {error!r}")
        error = error.__cause__
    assert "hunter2" not in " ".join(shown)
    assert "me:***@127.0.0.1:1" in repr(db)


def app_of(db: Database) -> FastAPI:
    Row = table()

    app = FastAPI(lifespan=db.lifespan)

    @app.post("/sync")
    def sync(session: Annotated[Session, Depends(db.get_session)]) -> int | None:
        row = Row()
        session.add(row)
        session.commit()
        key: int | None = row.id
        return key

    @app.post("/async")
    async def asynchronous(
        session: Annotated[AsyncSession, Depends(db.get_async_session)],
    ) -> int | None:
        row = Row()
        session.add(row)
        await session.commit()
        key: int | None = row.id
        return key

    @app.get("/")
    async def count(session: Annotated[AsyncSession, Depends(db.get_async_session)]) -> int:
        return len((await session.exec(select(Row))).all())

    return app


def test_fastapi_dependencies_and_the_lifespan_work(db: Database) -> None:
    app = app_of(db)
    db.create_all()
    with TestClient(app) as client:
        assert client.post("/sync").json() == 1
        assert client.post("/async").json() == 2
    with TestClient(app) as client:  # started again
        assert client.get("/").json() == 2


def test_sync_endpoints_do_not_wait_for_each_other(db: Database) -> None:
    """With more clients than threads, and more threads than connections."""
    db = Database(db.url, pool_size=3, max_overflow=1, pool_timeout=5)
    Row = table()
    db.create_all()
    app = FastAPI(lifespan=db.lifespan)
    problems(app)
    SessionDep = Annotated[Session, Depends(db.get_session)]

    def number(session: SessionDep) -> int:
        return len(session.exec(select(Row)).all())

    @app.get("/")
    def count(rows: Annotated[int, Depends(number)], session: SessionDep) -> int:
        return rows + len(session.exec(select(Row)).all())

    with TestClient(app) as client, ThreadPoolExecutor(80) as pool:
        statuses = list(pool.map(lambda _: client.get("/").status_code, range(160)))
    assert set(statuses) == {200}


def test_a_dependency_can_be_overridden(db: Database) -> None:
    app = app_of(db)
    db.create_all()
    used = []

    def override() -> Iterator[Session]:
        with db.session() as session:
            used.append(session)
            yield session

    app.dependency_overrides[db.get_session] = override
    with TestClient(app) as client:
        client.post("/sync")
    assert len(used) == 1


def test_the_lifespan_says_why_it_cannot_start() -> None:
    db = Database("postgresql://me:hunter2@127.0.0.1:1/db", pool_timeout=0.2)
    with (
        pytest.raises(UnreachableError, match="nothing listens on that port"),
        TestClient(FastAPI(lifespan=db.lifespan)),
    ):
        pass


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql://u:pw@127.0.0.1:1/db", "nothing listens on that port"),
        ("postgresql://u:pw@no-such-host.invalid/db", "host name does not exist"),
        ("postgresql://u:pw@/db?host=/nowhere", "no server listens on that socket"),
        ("sqlite:////no/such/directory/x.db", "directory /no/such/directory does not exist"),
        ("sqlite:////tmp", "/tmp is a directory"),
        ("sqlite:////proc/x.db", "directory /proc is not writable"),
    ],
)
def test_an_unreachable_database_says_why_in_sync_and_async_code(url: str, message: str) -> None:
    db = Database(url, pool_timeout=0.2)
    with pytest.raises(UnreachableError, match=message) as caught:
        db.ping()
    with pytest.raises(UnreachableError, match=message) as caught_async:
        asyncio.run(db.ping_async())
    assert str(caught.value) == str(caught_async.value)
    assert isinstance(caught.value, ConnectionError)


def test_a_missing_database_is_named_as_the_reason(postgresql_database: str) -> None:
    missing = postgresql_database.replace("/test_", "/absent_")
    with pytest.raises(UnreachableError, match="the database does not exist"):
        Database(missing).ping()
    with pytest.raises(UnreachableError, match="the database does not exist"):
        asyncio.run(Database(missing).ping_async())


def test_a_file_of_another_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    path.write_text("This is not a database, but long enough to be taken for a header.\n" * 20)
    with pytest.raises(UnreachableError, match="is not an SQLite database"):
        Database(f"sqlite:///{path}").ping()


@pytest.mark.slow
def test_a_silent_server_times_out() -> None:
    import socket
    import time

    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        db = Database(f"postgresql://u:p@127.0.0.1:{port}/db?connect_timeout=2", pool_timeout=1)
        started = time.monotonic()
        with pytest.raises(UnreachableError, match="did not answer in time"):
            asyncio.run(db.ping_async())
        with pytest.raises(UnreachableError, match="did not answer in time"):
            db.ping()
        assert time.monotonic() - started < 6  # not the driver's minute


def test_a_missing_driver_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    from colonnade.database.connections import _engines

    monkeypatch.setattr(_engines, "find_spec", lambda name: None)
    db = Database("postgresql://u:p@h/db")
    with pytest.raises(MissingDriverError, match=r"psycopg.*pip install 'colonnade\[postgresql\]'"):
        _ = db.engine

    async def main() -> None:
        _ = db.async_engine

    with pytest.raises(MissingDriverError, match=r"asyncpg.*colonnade\[postgresql\]"):
        asyncio.run(main())


def test_a_transaction_commits_when_its_function_returns(db: Database) -> None:
    Row = table()
    db.create_all()

    def work(session: Session) -> int:
        session.add(Row())
        session.flush()
        return len(session.exec(select(Row)).all())

    async def work_async(session: AsyncSession) -> int:
        session.add(Row())
        return len((await session.exec(select(Row))).all())

    async def main() -> int:
        return await db.transaction_async(work_async)

    assert db.transaction(work) == 1
    assert asyncio.run(main()) == 2
    with pytest.raises(ZeroDivisionError):
        db.transaction(lambda session: session.add(Row()) or 1 / 0)  # type: ignore[func-returns-value]  # add() returns None
    with db.session() as session:
        assert len(session.exec(select(Row)).all()) == 2


def test_a_transaction_is_not_retried_for_an_error_of_its_work(db: Database) -> None:
    Row = table()
    db.create_all()
    calls = []

    def work(session: Session) -> None:
        calls.append(1)
        for _ in range(2):
            session.exec(insert(Row).values(id=1))

    with pytest.raises(IntegrityError):
        db.transaction(work)
    assert len(calls) == 1


def test_a_serialization_failure_is_retried(postgresql_database: str) -> None:
    db = Database(postgresql_database)
    Row = table()
    db.create_all()
    with db.session() as session:
        session.add(Row(id=1, name=""))
        session.commit()

    async def append(letter: str) -> None:
        async def work(session: AsyncSession) -> None:
            row = await session.get_one(Row, 1)
            await asyncio.sleep(0.01)
            row.name += letter

        await db.transaction_async(work, isolation_level="SERIALIZABLE")

    async def main() -> None:
        await asyncio.gather(*map(append, "abc"))

    asyncio.run(main())
    with db.session() as session:
        assert sorted(session.get_one(Row, 1).name) == ["a", "b", "c"]
    db.dispose()


def test_a_persistent_conflict_is_raised_after_the_last_attempt(postgresql_database: str) -> None:
    db = Database(postgresql_database)
    calls = []

    def work(session: Session) -> None:
        calls.append(1)
        session.connection().execute(
            text("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40001'; END $$")
        )

    with pytest.raises(DBAPIError):
        db.transaction(work)
    assert len(calls) == 6
    db.dispose()


def test_create_all_takes_other_metadata(db: Database) -> None:
    from sqlalchemy import Column, Integer, MetaData, Table, inspect

    metadata = MetaData()
    Table("other", metadata, Column("id", Integer, primary_key=True))
    table()
    db.create_all(metadata)
    asyncio.run(db.create_all_async(metadata))
    assert inspect(db.engine).get_table_names() == ["other"]


def test_a_create_sends_one_insert(db: Database) -> None:
    class Row(Timestamps, table=True):
        id: int | None = Field(default=None, primary_key=True)

    db.create_all()
    seen = []
    event.listen(db.engine, "before_cursor_execute", lambda *args: seen.append(args[2].split()[0]))
    with db.session() as session:
        row = Row()
        session.add(row)
        session.commit()
        assert (row.id, row.created_at is not None) == (1, True)
    assert seen == ["INSERT"]


def test_create_all_sends_one_statement_when_all_tables_exist(db: Database) -> None:
    from sqlalchemy import Column, Integer, MetaData, Table

    metadata = MetaData()  # without types, for which there would be a further statement
    for name in ("one", "Two", "three"):
        Table(name, metadata, Column("id", Integer, primary_key=True))
    db.create_all(metadata)
    statements: list[str] = []
    event.listen(db.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    db.create_all(metadata)
    assert len(statements) == 1, statements


def test_a_read_only_session_refuses_writes(db: Database) -> None:
    Row = table()
    db.create_all()
    with db.session() as session:
        session.add(Row())
        session.commit()
    for _ in range(2):
        with db.session(read_only=True) as session:
            assert len(session.exec(select(Row)).all()) == 1
            session.add(Row())
            with pytest.raises(DBAPIError, match=r"read-?only"):
                session.commit()

    async def main() -> None:
        async with db.session(read_only=True) as session:
            assert len((await session.exec(select(Row))).all()) == 1
            session.add(Row())
            with pytest.raises(DBAPIError, match=r"read-?only"):
                await session.commit()
        async with db.session() as session:  # the connection is writable again in the pool
            session.add(Row())
            await session.commit()

    asyncio.run(main())
