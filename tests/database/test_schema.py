"""Tables that several processes create at the same time."""

import asyncio
import multiprocessing
from enum import Enum
from multiprocessing.synchronize import Barrier

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, inspect
from sqlalchemy import Enum as NativeEnum

from colonnade import Database
from tests.servers import url_of

PROCESSES, TABLES = 8, 12


class Color(Enum):
    red = "red"
    blue = "blue"


def tables() -> MetaData:
    metadata = MetaData()
    for number in range(TABLES):
        key = Column("id", Integer, primary_key=True)
        Table(f"table_{number}", metadata, key, Column("color", NativeEnum(Color)))
    return metadata


def start(url: str, asynchronous: bool, ready: Barrier) -> None:
    """Create the tables, as a worker of an application does when it starts."""
    db = Database(url)
    ready.wait(30)
    if asynchronous:
        asyncio.run(db.create_all_async(tables()))
    else:
        db.create_all(tables())


@pytest.mark.slow
def test_workers_that_start_together_create_the_tables_once(db: Database) -> None:
    if db.url.memory:
        pytest.skip("an in-memory database belongs to one process")
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["tests.database.test_schema"])
    ready = processes.Barrier(PROCESSES)
    workers = [
        processes.Process(target=start, args=(url_of(db), number % 2 == 0, ready))
        for number in range(PROCESSES)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * PROCESSES
    assert len(inspect(db.engine).get_table_names()) == TABLES
