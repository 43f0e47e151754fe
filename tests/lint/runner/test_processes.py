"""The processes of a run share the files; one that is done early takes from the others."""

import os
import time

from hypothesis import given
from hypothesis import strategies as st

from colonnade.lint.runner._processes import Processes, split

prepared: list[str] = []


def prepare(text: str) -> None:
    prepared[:] = [text]


def work(numbers: list[int]) -> tuple[int, list[str]]:
    """Work for a moment; return the process, and the numbers with what it was prepared with."""
    time.sleep(0.01)
    return os.getpid(), [f"{prepared[0]} {number}" for number in numbers]


def test_a_process_that_is_done_takes_from_the_others() -> None:
    with Processes(2) as processes:
        processes.start(prepare, "number")
        results = list(processes.map(work, [list(range(60)), []]))
    assert sorted(text for _, (_, texts) in results for text in texts) == sorted(
        f"number {number}" for number in range(60)
    )
    workers = {process: pid for process, (pid, _) in results}
    assert len(set(workers.values())) == 2
    assert os.getpid() not in workers.values()
    assert all(workers[process] == pid for process, (pid, _) in results)


def test_one_process_is_this_one() -> None:
    with Processes(1) as processes:
        processes.start(prepare, "here")
        results = list(processes.map(work, [[1, 2]]))
    assert results == [(0, (os.getpid(), ["here 1"])), (0, (os.getpid(), ["here 2"]))]


@given(st.lists(st.integers(min_value=0, max_value=50)), st.integers(min_value=1, max_value=4))
def test_shares_have_all_items_in_their_order_and_about_the_same_weight(
    items: list[int], count: int
) -> None:
    shares = split(items, count, lambda item: item)
    assert len(shares) == count
    assert [item for share in shares for item in share] == items
    even = sum(items) / count
    assert all(sum(share) <= even + max(items, default=0) for share in shares)
