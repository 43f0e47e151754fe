"""SQLite's short reads run in the event loop; those that are long or have to wait, in a thread."""

import asyncio
import math
import sqlite3
import subprocess
import sys
from pathlib import Path
from threading import Thread, current_thread
from typing import Any

import psutil
import pytest
from sqlalchemy import Select, bindparam, func, literal_column, select, text
from sqlalchemy.exc import OperationalError

from colonnade import Database, Field, SQLModel
from colonnade.database import Plan
from colonnade.database.statements import _short_reads
from colonnade.database.statements._short_reads import MAX_BYTES, THREAD_RUNS


@pytest.fixture(autouse=True)
def any_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reads may take any time, as they do on a busy machine; they are short if their steps are."""
    monkeypatch.setattr(_short_reads, "MAX_THREAD_TIME", math.inf)
    monkeypatch.setattr(_short_reads, "MAX_LOOP_TIME", math.inf)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The file of a database."""
    return tmp_path / "short.db"


@pytest.fixture
def sqlite(file: Path) -> Database:
    """A database in a file, with a table of 100 notes."""

    class Note(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        text: str

    db = Database(f"sqlite:///{file}")
    db.create_all()
    with db.session() as session:
        session.add_all(Note(text=f"note {number}") for number in range(100))
        session.commit()
    return db


def one_note() -> Plan:
    return Plan(text("SELECT text FROM note WHERE id = :id"))


def count_to() -> Plan:
    """A statement that takes a few steps for each number up to ``last``."""
    numbers = select(literal_column("1").label("n")).cte("numbers", recursive=True)
    numbers = numbers.union_all(select(numbers.c.n + 1).where(numbers.c.n < bindparam("last")))
    counted: Select[Any] = select(func.count()).select_from(numbers)
    return Plan(counted)


async def is_short(db: Database, plan: Plan, **values: Any) -> bool:
    """Whether a statement runs in the event loop."""
    loop_thread = current_thread()

    def read(rows: Any) -> bool:
        rows.one()
        return current_thread() is loop_thread

    return await db.run_async(plan.bound(values, read), read_only=True)


async def ready(db: Database, plan: Plan, **values: Any) -> Plan:
    """The statement, once it runs in the event loop: it is measured in a thread first."""
    assert not await is_short(db, plan, **values)
    assert await is_short(db, plan, **values)
    return plan


@pytest.mark.asyncio
async def test_a_short_read_runs_in_the_event_loop(sqlite: Database) -> None:
    plan = await ready(sqlite, one_note(), id=1)
    for number in range(1, 50):
        assert await is_short(sqlite, plan, id=number)


@pytest.mark.asyncio
async def test_work_that_may_write_or_needs_several_statements_runs_in_a_thread(
    sqlite: Database,
) -> None:
    plan = await ready(sqlite, one_note(), id=1)
    bound = plan.bound({"id": 1}, lambda _: current_thread())
    assert await sqlite.run_async(bound) is not current_thread()
    several = sqlite.run_async(lambda _: current_thread(), read_only=True)
    assert await several is not current_thread()


@pytest.mark.asyncio
async def test_a_long_read_is_tried_again_later(sqlite: Database) -> None:
    plan = await ready(sqlite, count_to(), last=1)
    assert not await is_short(sqlite, plan, last=100_000)
    for _ in range(THREAD_RUNS - 1):  # any time is short enough here, also that of the long read
        assert not await is_short(sqlite, plan, last=1)
    assert await is_short(sqlite, plan, last=1)
    await ready(sqlite, one_note(), id=1)


@pytest.mark.asyncio
async def test_a_statement_stays_short_however_often_it_runs(sqlite: Database) -> None:
    plan = await ready(sqlite, count_to(), last=1)
    # SQLite counts the steps of a statement over all its executions.
    assert {await is_short(sqlite, plan, last=50) for _ in range(2_000)} == {True}


@pytest.mark.asyncio
async def test_a_single_long_instruction_keeps_a_statement_in_a_thread(
    sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_short_reads, "MAX_THREAD_TIME", 0.001)
    plan = Plan(text("SELECT count(*) FROM note WHERE :text LIKE '%zz' || id"))
    assert {await is_short(sqlite, plan, text="x" * 900_000) for _ in range(3)} == {False}


@pytest.mark.asyncio
async def test_a_read_that_takes_long_in_the_event_loop_runs_in_a_thread_the_next_time(
    sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = await ready(sqlite, one_note(), id=1)
    monkeypatch.setattr(_short_reads, "MAX_LOOP_TIME", 0.0)
    assert await is_short(sqlite, plan, id=1)
    for _ in range(THREAD_RUNS):
        assert not await is_short(sqlite, plan, id=1)
    assert await is_short(sqlite, plan, id=1)


@pytest.mark.asyncio
async def test_a_large_value_is_read_in_a_thread(sqlite: Database) -> None:
    plan = Plan(text("SELECT length(text || :more), text || :more FROM note WHERE id = 1"))
    await ready(sqlite, plan, more="")
    bound = plan.bound({"more": "x" * MAX_BYTES}, lambda rows: (rows.one(), current_thread()))
    (length, value), thread = await sqlite.run_async(bound, read_only=True)
    assert length == len(value) == MAX_BYTES + len("note 0")
    assert thread is not current_thread()


@pytest.mark.asyncio
async def test_a_read_waits_for_a_lock_without_blocking_the_event_loop(
    sqlite: Database, file: Path
) -> None:
    plan = await ready(sqlite, one_note(), id=1)
    sqlite.dispose()  # no other connection may be open to take the lock
    other = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    other.execute("PRAGMA locking_mode=EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    other.execute("UPDATE note SET text = 'changed' WHERE id = 1")
    reading = asyncio.create_task(is_short(sqlite, plan, id=1))
    await asyncio.sleep(0.1)
    assert not reading.done()
    # If the event loop waited for the lock, this would be too late.
    other.execute("COMMIT")
    other.close()
    assert await reading is False


@pytest.mark.asyncio
async def test_a_read_sees_what_was_committed_before(sqlite: Database) -> None:
    plan = one_note()
    for number in range(20):
        value = f"text {number}"
        change = text("UPDATE note SET text = :text WHERE id = 1").bindparams(text=value)
        await sqlite.run_async(lambda connection: connection.execute(change), begin=True)  # noqa: B023
        read = plan.bound({"id": 1}, lambda rows: rows.scalar_one())
        assert await sqlite.run_async(read, read_only=True) == value


@pytest.mark.asyncio
async def test_the_error_of_a_short_read_is_that_of_the_database(sqlite: Database) -> None:
    await ready(sqlite, one_note(), id=1)
    plan = Plan(text("SELECT colonnade_unreadable(:value)"))
    await ready(sqlite, plan, value=None)
    for _ in range(2):
        with pytest.raises(OperationalError, match="user-defined function raised exception"):
            await is_short(sqlite, plan, value="no number")


@pytest.mark.asyncio
async def test_short_reads_leave_no_file_open(sqlite: Database, file: Path) -> None:
    for _ in range(2):
        await ready(sqlite, one_note(), id=1)
        await sqlite.dispose_async()
        opened = [entry.path for entry in psutil.Process().open_files()]
        assert str(file) not in opened


@pytest.mark.asyncio
async def test_a_read_during_which_the_database_is_disposed_of_leaves_no_file_open(
    sqlite: Database, file: Path
) -> None:
    plan = await ready(sqlite, one_note(), id=1)

    def read(rows: Any) -> Any:
        sqlite.dispose()
        return rows.scalar_one()

    assert await sqlite.run_async(plan.bound({"id": 1}, read), read_only=True) == "note 0"
    assert str(file) not in [entry.path for entry in psutil.Process().open_files()]


FORKING = """
import asyncio, os, sys
from threading import main_thread, current_thread
from sqlalchemy import text
from colonnade import Database
from colonnade.database import Plan
from colonnade.database.statements import _short_reads

_short_reads.MAX_THREAD_TIME = _short_reads.MAX_LOOP_TIME = float("inf")
db = Database("sqlite:///" + sys.argv[1])
one = Plan(text("SELECT 1")).bound({}, lambda _: current_thread() is main_thread())

def are_short():
    return [asyncio.run(db.run_async(one, read_only=True)) for _ in range(3)]

assert are_short() == [False, True, True]
child = os.fork()
if child == 0:
    # The first opens a connection, in a thread.
    os._exit(0 if are_short() == [False, True, True] else 1)
assert are_short() == [True, True, True]
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_forked_process_opens_its_connections(file: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-c", FORKING, str(file)]
    done = subprocess.run(command, timeout=30, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_each_event_loop_reads_at_once(sqlite: Database) -> None:
    plan = one_note()

    async def read_all() -> None:
        for number in range(200):
            bound = plan.bound({"id": number % 100 + 1}, lambda rows: rows.scalar_one())
            assert await sqlite.run_async(bound, read_only=True) == f"note {number % 100}"

    threads = [Thread(target=lambda: outcomes.append(asyncio.run(read_all()))) for _ in range(4)]
    outcomes: list[None] = []
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == [None] * 4
    sqlite.dispose()
