"""Statements executed by the driver return the same results as with SQLAlchemy."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Connection, bindparam, event, insert, literal, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from colonnade import Database, Field, Timestamps, Versioned
from colonnade.database import Plan, StatementBatch, with_database
from colonnade.database.statements._driver_execution import DirectConnection, Rows
from colonnade.errors import UnreachableError


@pytest.fixture
def notes(db: Database) -> Any:
    class Note(Timestamps, Versioned, table=True):
        id: int | None = Field(default=None, primary_key=True)
        text: str = Field(unique=True, max_length=20)
        at: datetime | None = None
        tags: list[str] = Field(default_factory=list)
        kind: str = Field(default="plain", sa_column_kwargs={"default": lambda: "made"})

    db.create_all()
    return Note


def run(db: Database, work: Callable[[Connection], Any], **options: Any) -> Any:
    async def once() -> Any:
        return await db.run_async(work, **options)

    return asyncio.run(once())


def test_values_are_converted_by_their_types_and_defaults_are_applied(
    db: Database, notes: Any
) -> None:
    table = notes.__table__
    values = {"text": "a", "at": datetime(2026, 1, 1, tzinfo=UTC), "tags": ["x"], "kind": "k"}
    statement = insert(table).returning(table.c.id)
    seen: list[type] = []

    def work(connection: Connection) -> int:
        seen.append(type(connection))
        return int(connection.execute(statement, values).scalar_one())

    assert run(db, work) == 1
    assert seen == [DirectConnection]
    with db.session() as session:
        row = session.get_one(notes, 1)
        assert (row.text, row.at, row.tags) == ("a", values["at"], ["x"])
        first = row.version
        assert row.created_at == row.updated_at
        before = row.updated_at
    change = update(table).where(table.c.id == bindparam("key")).values(text=bindparam("new"))
    run(
        db,
        lambda connection: connection.execute(change.returning(table.c.id), {"key": 1, "new": "b"}),
    )
    with db.session() as session:
        row = session.get_one(notes, 1)
        assert (row.text, row.version) == ("b", first + 1)
        assert row.updated_at > before


def test_sqlalchemy_executes_what_the_driver_cannot(db: Database, notes: Any) -> None:
    statement = insert(notes.__table__).returning(notes.__table__.c.kind)
    seen: list[bool] = []

    def work(connection: Connection) -> str:
        seen.append(isinstance(connection, DirectConnection))
        return str(connection.execute(statement, {"text": "a", "tags": []}).scalar_one())

    assert run(db, work) == "made"  # a default that is called with a context
    assert seen == [True, False]


@pytest.mark.only_on("sqlite")
def test_a_batch_is_one_transaction(db: Database, notes: Any) -> None:
    table = notes.__table__
    plan = Plan(insert(table).returning(table.c.id, table.c.created_at))

    def several(*texts: str) -> StatementBatch[Any]:
        return StatementBatch(
            [plan.one({"text": text, "tags": [], "kind": "k", "at": None}) for text in texts]
        )

    rows = run(db, several("a", "b"), begin=True)
    assert [row.id for row in rows] == [1, 2]
    assert rows[0].created_at == rows[1].created_at
    with pytest.raises(IntegrityError):
        run(db, several("c", "a"), begin=True)
    assert run(db, several("d"), begin=True)[0].id == 3
    with db.engine.connect() as connection:
        kept = connection.scalars(select(table.c.text).order_by(table.c.id)).all()
    assert kept == ["a", "b", "d"]


@pytest.mark.only_on("sqlite")
def test_the_driver_executes_a_repeated_plan_inside_a_transaction(db: Database, notes: Any) -> None:
    table = notes.__table__
    plan = Plan(insert(table).returning(table.c.id))
    seen: list[type] = []

    def work(*texts: str, fails: bool = False) -> Callable[[Connection], list[int]]:
        values = [{"text": text, "tags": ["x"], "kind": "k", "at": None} for text in texts]

        def insert_all(connection: Connection) -> list[int]:
            ids = []
            for row in values:
                rows = plan.bound(row, lambda rows: rows)(connection)
                seen.append(type(rows))
                ids.append(rows.one().id)
            # SQLAlchemy's statements see the rows.
            assert len(connection.execute(select(table.c.at).where(table.c.text.in_(texts))).all())
            if fails:
                raise ValueError("no")
            return ids

        return insert_all

    assert run(db, work("a", "b"), begin=True) == [1, 2]
    assert seen[0] is not Rows  # SQLAlchemy executes it first
    assert seen[1] is Rows
    with pytest.raises(IntegrityError) as caught:
        run(db, work("c", "a"), begin=True)
    assert caught.value.hide_parameters
    with pytest.raises(ValueError, match="no"):
        run(db, work("d", fails=True), begin=True)
    assert run(db, work("e"), begin=True) == [3]
    with db.engine.connect() as connection:
        rows = connection.execute(select(table).order_by(table.c.id)).all()
        assert [(row.text, row.tags) for row in rows] == [("a", ["x"]), ("b", ["x"]), ("e", ["x"])]


@pytest.mark.only_on("sqlite")
def test_a_listener_sees_the_repeated_plans_of_a_transaction(db: Database, notes: Any) -> None:
    table = notes.__table__
    bound = Plan(select(table.c.id)).bound({}, lambda rows: rows.all())
    seen: list[str] = []
    event.listen(db.engine, "before_cursor_execute", lambda *arguments: seen.append(arguments[2]))
    run(db, lambda connection: [bound(connection), bound(connection)], begin=True)
    assert sum("SELECT" in text for text in seen) == 2


@pytest.mark.slow
@pytest.mark.only_on("sqlite")
def test_a_batch_waits_for_the_write_lock_and_then_fails(db: Database, notes: Any) -> None:
    if db.url.memory:
        pytest.skip("an in-memory database locks differently")
    table = notes.__table__
    plan = Plan(insert(table).returning(table.c.id))
    values: dict[str, Any] = {"text": "a", "tags": [], "kind": "k", "at": None}
    short_timeout = Database(f"{db.url.sync.url.set(drivername='sqlite')}?timeout=0.1")
    with db.engine.begin() as connection:
        connection.execute(insert(table), {**values, "text": "b"})
        with pytest.raises(DBAPIError, match="locked"):
            run(short_timeout, StatementBatch([plan.one(values)]), begin=True)
    assert run(short_timeout, StatementBatch([plan.one(values)]), begin=True)
    short_timeout.dispose()


def test_listeners_and_logs_see_every_statement(
    db: Database, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[str] = []

    async def watched() -> None:
        engine = db.engine if db.url.backend == "sqlite" else db.async_engine.sync_engine

        def note(*arguments: Any) -> None:
            seen.append(arguments[2])

        event.listen(engine, "before_cursor_execute", note)
        await db.run_async(lambda connection: connection.execute(select(literal(1))).scalar())
        event.remove(engine, "before_cursor_execute", note)
        await db.run_async(lambda connection: connection.execute(select(literal(2))).scalar())

    asyncio.run(watched())
    assert len(seen) == 1
    loud = Database(database_url, echo=True)
    with caplog.at_level(logging.INFO, logger="sqlalchemy.engine"):
        run(loud, lambda connection: connection.execute(select(literal(3))).scalar())
    assert "SELECT" in caplog.text
    loud.dispose()


def test_a_database_error_is_raised_as_sqlalchemys_error(db: Database, notes: Any) -> None:
    table = notes.__table__
    statement = insert(table).returning(table.c.id)
    row = {"text": "secret-text", "tags": [], "kind": "k"}

    def work(connection: Connection) -> Any:
        return connection.execute(statement, row).first()

    run(db, work)
    with pytest.raises(IntegrityError) as caught:
        run(db, work)
    assert caught.value.hide_parameters
    with pytest.raises(DBAPIError):
        run(db, lambda connection: connection.execute(text("SELECT nothing FROM nowhere")).first())
    assert run(db, lambda connection: connection.execute(select(literal(1))).scalar()) == 1


def test_the_pool_works_after_an_interrupted_statement(db: Database) -> None:
    if db.url.backend == "sqlite":
        pytest.skip("a thread cannot be interrupted")

    async def cut() -> Any:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(
                db.run_async(lambda connection: connection.execute(text("SELECT pg_sleep(5)"))), 0.2
            )
        return await db.run_async(lambda connection: connection.execute(text("SELECT 7")).scalar())

    assert asyncio.run(cut()) == 7


def test_overflow_connections_are_closed(database_url: str) -> None:
    db = Database(database_url, pool_size=1, max_overflow=3)
    if db.url.backend == "sqlite":
        pytest.skip("SQLite uses sync connections, which the pool closes")
    name = "of_a_small_pool"
    slow = Plan(text("SELECT set_config('application_name', :name, false), pg_sleep(0.2)"))
    count = Plan(text("SELECT count(*) FROM pg_stat_activity WHERE application_name = :name"))

    async def several() -> Any:
        bound = slow.bound({"name": name}, list)
        await asyncio.gather(*(db.run_async(bound) for _ in range(4)))
        left = 4
        for _ in range(100):  # the server notices a closed connection with a delay
            left = await db.run_async(count.bound({"name": name}, lambda rows: rows.scalar_one()))
            if left == 1:
                break
            await asyncio.sleep(0.02)
        return left

    assert asyncio.run(several()) == 1
    db.dispose()


def test_a_closed_connection_is_reopened(db: Database) -> None:
    if db.url.backend == "sqlite":
        pytest.skip("SQLite uses sync connections, which open without a greenlet")
    plan = Plan(select(literal(1))).bound({}, lambda rows: rows.scalar_one())

    async def twice() -> list[Any]:
        first = await db.run_async(plan)
        async with db.async_engine.connect() as connection:
            await connection.invalidate()
        return [first, await db.run_async(plan)]

    assert asyncio.run(twice()) == [1, 1]


@pytest.fixture
def small(database_url: str) -> Iterator[Database]:
    db = Database(database_url, pool_size=2, max_overflow=3)
    if db.url.backend == "sqlite":
        pytest.skip("SQLite uses a limited number of threads")
    yield db
    db.dispose()


def opened_by(db: Database, statement: str, clients: int) -> int:
    """Count the connections opened when each client runs a statement twice, concurrently."""
    opened: list[Any] = []
    bound = Plan(text(statement)).bound({}, list)

    async def client() -> None:
        for _ in range(2):
            await db.run_async(bound)

    async def together() -> None:
        engine = db.async_engine.sync_engine
        event.listen(engine, "connect", lambda connection, record: opened.append(connection))
        await asyncio.gather(*(client() for _ in range(clients)))

    asyncio.run(together())
    return len(opened)


def test_many_clients_share_the_connections_of_the_pool(small: Database) -> None:
    assert opened_by(small, "SELECT 1", clients=40) == 2


def test_a_statement_that_waits_long_for_a_connection_gets_its_own(small: Database) -> None:
    assert opened_by(small, "SELECT pg_sleep(0.3)", clients=4) >= 4


@pytest.mark.parametrize("url", ["postgresql://me@127.0.0.1:1/none", "sqlite:////nowhere/at.db"])
def test_an_unreachable_database_does_not_raise_a_drivers_error(url: str) -> None:
    db = Database(url, pool_timeout=0.2)
    with pytest.raises((DBAPIError, UnreachableError)) as caught:
        run(db, lambda connection: connection.execute(text("SELECT 1")))
    assert not type(caught.value).__module__.startswith(("asyncpg", "sqlite3"))


def test_a_refused_connection_says_why(postgresql_database: str) -> None:
    db = Database(with_database(postgresql_database, "absent"))
    with pytest.raises(UnreachableError, match="the database does not exist"):
        run(db, lambda connection: connection.execute(text("SELECT 1")))
