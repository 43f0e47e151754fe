"""The processes that share the files of a run."""

import gc
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from types import TracebackType
from typing import Self, TypeVar

BATCHES = 20
"""Parts of a share: the progress of a run is that of its parts."""

Item = TypeVar("Item")
Result = TypeVar("Result")


class Processes:
    """Processes that each work on a share of the files.

    A process keeps what it has parsed, so that it reviews the files that it has scanned without
    parsing them again. With one process, this process does the work.

    Args:
        count: The number of processes.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._executors = [
            ProcessPoolExecutor(1, initializer=gc.disable) for _ in range(count if count > 1 else 0)
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for executor in self._executors:
            executor.shutdown(wait=False, cancel_futures=True)
        for executor in self._executors:
            executor.shutdown()

    def start(self, prepare: Callable[..., None], *arguments: object) -> None:
        """Call a function once in each process."""
        if not self._executors:
            prepare(*arguments)
        started = [executor.submit(prepare, *arguments) for executor in self._executors]
        for future in started:
            future.result()

    def map(
        self, work: Callable[[list[Item]], Result], shares: Sequence[Sequence[Item]]
    ) -> Iterator[tuple[int, Result]]:
        """Call a function with the parts of each share.

        A process that has finished its share takes parts of the others.

        Args:
            work: Called with a part of a share.
            shares: The share of each process.

        Yields:
            The number of the process that has done a part, and what the function returned.
        """
        waiting = [deque(_batches(share)) for share in shares]
        if not self._executors:
            yield from ((0, work(batch)) for batches in waiting for batch in batches)
            return
        running: dict[Future[Result], int] = {}

        def give(number: int) -> None:
            batches = waiting[number] or max(waiting, key=len)
            if batches:
                batch = batches.popleft() if batches is waiting[number] else batches.pop()
                running[self._executors[number].submit(work, batch)] = number

        for number in range(self.count):
            give(number)
        while running:
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                number = running.pop(future)
                give(number)
                yield number, future.result()


def split(items: Sequence[Item], count: int, weight: Callable[[Item], int]) -> list[list[Item]]:
    """Split items into shares of about the same weight. Neighbours stay together.

    Args:
        items: The items.
        count: The number of shares.
        weight: Returns the weight of an item.
    """
    shares: list[list[Item]] = [[] for _ in range(count)]
    total, before = sum(map(weight, items)), 0
    for item in items:
        shares[min(before * count // max(total, 1), count - 1)].append(item)
        before += weight(item)
    return shares


def _batches(share: Sequence[Item]) -> Iterator[list[Item]]:
    size = len(share) // BATCHES + 1
    yield from (list(share[start : start + size]) for start in range(0, len(share), size))
