"""The threads in which SQLite runs for async code."""

import asyncio
import gc
import subprocess
import sys
import threading
import time
from contextvars import ContextVar

import pytest

from colonnade.database.statements._threads import MAX_THREADS, Threads

user: ContextVar[str] = ContextVar("user")


class Started:
    """The threads started since its creation; ignores those that other tests left behind."""

    def __init__(self) -> None:
        gc.collect()
        self._existing = set(threading.enumerate())

    @property
    def number(self) -> int:
        return sum(thread.name == "colonnade-sqlite" for thread in self._since())

    def ended(self) -> bool:
        """Whether all of them end within a few seconds."""
        for thread in self._since():
            thread.join(timeout=5)
        return not self.number

    def _since(self) -> set[threading.Thread]:
        return set(threading.enumerate()) - self._existing


@pytest.fixture
def started() -> Started:
    return Started()


def test_results_and_errors_are_passed_to_the_caller() -> None:
    threads = Threads()

    def fail() -> None:
        raise LookupError("nothing there")

    async def both() -> int:
        with pytest.raises(LookupError, match="nothing there"):
            await threads.run(fail)
        return await threads.run(lambda: 7)

    assert asyncio.run(both()) == 7
    threads.stop()


def test_work_sees_the_callers_context_variables() -> None:
    threads = Threads()

    async def read_user() -> str:
        user.set("ada")
        return await threads.run(user.get)

    assert asyncio.run(read_user()) == "ada"
    threads.stop()


def test_threads_are_started_as_needed_up_to_the_maximum(started: Started) -> None:
    threads = Threads()

    async def several(number: int) -> None:
        await asyncio.gather(*(threads.run(lambda: time.sleep(0.05)) for _ in range(number)))

    asyncio.run(several(1))
    assert started.number == 1
    asyncio.run(several(3 * MAX_THREADS))
    assert started.number == MAX_THREADS
    threads.stop()
    assert started.ended()
    asyncio.run(several(1))  # they start again after stop()
    assert started.number == 1
    threads.stop()


def test_long_running_work_does_not_block_other_work(started: Started) -> None:
    threads = Threads()
    both = threading.Barrier(2, timeout=5)

    async def first_then_second() -> None:
        await threads.run(lambda: None)
        first = asyncio.ensure_future(threads.run(both.wait))
        await asyncio.sleep(0.05)  # a thread runs it, and the queue is empty
        await asyncio.gather(first, threads.run(both.wait))

    asyncio.run(first_then_second())
    assert started.number == 2
    asyncio.run(first_then_second())
    assert started.number == 2  # idle threads are reused
    threads.stop()


def test_stop_can_wait_for_running_work(started: Started) -> None:
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


def test_threads_end_when_their_owner_is_collected(started: Started) -> None:
    async def once() -> None:
        await Threads().run(lambda: None)

    asyncio.run(once())
    gc.collect()
    assert started.ended()


def test_a_cancelled_caller_does_not_stop_its_thread() -> None:
    threads = Threads()

    async def cancelled() -> int:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(threads.run(lambda: time.sleep(0.1)), 0.01)
        return await threads.run(lambda: 7)

    assert asyncio.run(cancelled()) == 7
    threads.stop()


def test_a_result_for_a_closed_loop_is_discarded() -> None:
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


def test_a_forked_process_starts_new_threads() -> None:
    command = [sys.executable, "-W", "ignore", "-c", FORKING]
    assert subprocess.run(command, timeout=30, check=False).returncode == 9
