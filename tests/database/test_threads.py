"""The threads that SQLite runs in, for async code."""

import asyncio
import gc
import subprocess
import sys
import threading
import time
from contextvars import ContextVar

import pytest

from colonnade.database.statements._threads import MOST, Threads

asked_by: ContextVar[str] = ContextVar("asked_by")


class Started:
    """The threads started since, whatever becomes of those that other tests left behind."""

    def __init__(self) -> None:
        gc.collect()
        self.before = set(threading.enumerate())

    @property
    def number(self) -> int:
        return sum(thread.name == "colonnade-sqlite" for thread in self._since())

    def ended(self) -> bool:
        """Whether none is left, a moment later."""
        for thread in self._since():
            thread.join(timeout=5)
        return not self.number

    def _since(self) -> set[threading.Thread]:
        return set(threading.enumerate()) - self.before


@pytest.fixture
def started() -> Started:
    return Started()


def test_what_is_returned_and_raised_comes_back() -> None:
    threads = Threads()

    def fail() -> None:
        raise LookupError("nothing there")

    async def both() -> int:
        with pytest.raises(LookupError, match="nothing there"):
            await threads.run(fail)
        return await threads.run(lambda: 7)

    assert asyncio.run(both()) == 7
    threads.stop()


def test_context_variables_go_along() -> None:
    threads = Threads()

    async def tell() -> str:
        asked_by.set("who")
        return await threads.run(asked_by.get)

    assert asyncio.run(tell()) == "who"
    threads.stop()


def test_threads_are_started_as_they_are_needed_and_no_more(started: Started) -> None:
    threads = Threads()

    async def several(number: int) -> None:
        await asyncio.gather(*(threads.run(lambda: time.sleep(0.05)) for _ in range(number)))

    asyncio.run(several(1))
    assert started.number == 1
    asyncio.run(several(3 * MOST))
    assert started.number == MOST
    threads.stop()
    assert started.ended()
    asyncio.run(several(1))  # and again, after that
    assert started.number == 1
    threads.stop()


def test_what_takes_long_holds_nobody_up(started: Started) -> None:
    threads = Threads()
    both = threading.Barrier(2, timeout=5)

    async def one_after_the_other() -> None:
        await threads.run(lambda: None)
        first = asyncio.ensure_future(threads.run(both.wait))
        await asyncio.sleep(0.05)  # a thread has it, and nothing waits in line
        await asyncio.gather(first, threads.run(both.wait))

    asyncio.run(one_after_the_other())
    assert started.number == 2
    asyncio.run(one_after_the_other())
    assert started.number == 2  # which are idle, and taken first
    threads.stop()


def test_whoever_stops_them_can_wait_for_what_they_do(started: Started) -> None:
    threads = Threads()
    done: list[int] = []

    def work() -> None:
        time.sleep(0.2)
        done.append(1)

    async def leave() -> None:
        asyncio.get_running_loop().create_task(threads.run(work))
        await asyncio.sleep(0.01)

    asyncio.run(leave())
    threads.stop(wait=5)
    assert (done, started.number) == ([1], 0)


def test_they_end_with_whom_they_belong_to(started: Started) -> None:
    async def once() -> None:
        await Threads().run(lambda: None)

    asyncio.run(once())
    gc.collect()
    assert started.ended()


def test_whoever_is_cancelled_does_not_stop_a_thread() -> None:
    threads = Threads()

    async def cut_short() -> int:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(threads.run(lambda: time.sleep(0.1)), 0.01)
        return await threads.run(lambda: 7)

    assert asyncio.run(cut_short()) == 7
    threads.stop()


def test_a_loop_that_is_gone_is_not_told() -> None:
    threads = Threads()
    release = threading.Event()

    async def leave() -> None:
        asyncio.get_running_loop().create_task(threads.run(release.wait))
        await asyncio.sleep(0.01)

    asyncio.run(leave())
    release.set()
    assert asyncio.run(threads.run(lambda: 7)) == 7
    threads.stop()


FORKING = """
import asyncio, os, sys
from colonnade.database.statements._threads import Threads
threads = Threads()
assert asyncio.run(threads.run(lambda: 7)) == 7
child = os.fork()
if child == 0:
    os._exit(asyncio.run(threads.run(lambda: 9)))
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_process_that_is_forked_has_its_own() -> None:
    command = [sys.executable, "-W", "ignore", "-c", FORKING]
    assert subprocess.run(command, timeout=30, check=False).returncode == 9
