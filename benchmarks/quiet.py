"""Whether the machine does anything else: what is measured beside other load is not told."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil

MOST = 0.25
"""Of one processor, that anything but the benchmark may take; kernel threads are in it."""

SAMPLE = 1.0
"""Seconds of looking before anything is measured."""


class OtherLoadError(Exception):
    """Something else takes the processors."""


def check() -> None:
    """Look at the machine while nothing is measured.

    Raises:
        OtherLoadError: It is busy.
    """
    with watched():
        time.sleep(SAMPLE)


@contextmanager
def watched() -> Iterator[None]:
    """Compare what all processes took with what the benchmark's took, at the end.

    Raises:
        OtherLoadError: Others took more than they may.
    """
    busy, before, began = _busy(), own(), time.monotonic()
    yield
    after, seconds = own(), time.monotonic() - began
    ours = sum(max(0.0, after[process] - before.get(process, 0.0)) for process in after)
    judge(_busy() - busy - ours, seconds)


def judge(others: float, seconds: float) -> None:
    """Refuse what was measured beside other load.

    Args:
        others: Seconds of processors that others took.
        seconds: In how many.

    Raises:
        OtherLoadError: It was more than they may.
    """
    share = others / seconds
    if share > MOST:
        raise OtherLoadError(
            f"Other load: {share:.0%} of a processor goes to something else. Nothing is "
            "reported of "
            f"what was measured beside it: stop it, and run again."
        )


def _busy() -> float:
    """Seconds that processes have taken of all processors; interrupts belong to nobody."""
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system)


def own() -> dict[psutil.Process, float]:
    """Seconds that the benchmark's processes have taken, with those they have waited for.

    They are this one, what it has started, and every PostgreSQL.
    """
    this = psutil.Process()
    servers = [
        process for process in psutil.process_iter(["name"]) if process.info["name"] == "postgres"
    ]
    seconds_by_process = {}
    for process in {this, *this.children(recursive=True), *servers}:
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            seconds_by_process[process] = (
                times.user + times.system + times.children_user + times.children_system
            )
    return seconds_by_process
