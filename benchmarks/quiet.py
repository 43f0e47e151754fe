"""Checks that no other process uses the machine while something is measured."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil

MAX_OTHER_LOAD = 0.25
"""The share of a processor that other processes, kernel threads included, may use."""

SAMPLE = 1.0
"""Seconds for which the idle machine is watched before a measurement."""


class OtherLoadError(Exception):
    """Other processes use the processors."""


def check() -> None:
    """Check that the machine is idle before a measurement.

    Raises:
        OtherLoadError: The machine is busy.
    """
    with require_quiet():
        time.sleep(SAMPLE)


@contextmanager
def require_quiet() -> Iterator[None]:
    """Check at the end of the block that other processes did not use the machine.

    Raises:
        OtherLoadError: They used more than ``MAX_OTHER_LOAD``.
    """
    busy, before, began = _busy(), benchmark_cpu(), time.monotonic()
    yield
    after, seconds = benchmark_cpu(), time.monotonic() - began
    ours = sum(max(0.0, after[process] - before.get(process, 0.0)) for process in after)
    refuse_other_load(_busy() - busy - ours, seconds)


def refuse_other_load(other_seconds: float, seconds: float) -> None:
    """Refuse a measurement during which other processes used the machine.

    Args:
        other_seconds: The processor time of other processes, in seconds.
        seconds: The duration of the measurement.

    Raises:
        OtherLoadError: They used more than ``MAX_OTHER_LOAD``.
    """
    share = other_seconds / seconds
    if share > MAX_OTHER_LOAD:
        raise OtherLoadError(
            f"Other processes use {share:.0%} of a processor, which makes the results wrong. Stop "
            "them and run the benchmark again."
        )


def _busy() -> float:
    """The processor time of all processes in seconds, without interrupts."""
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system)


def benchmark_cpu() -> dict[psutil.Process, float]:
    """The processor time of the benchmark's processes and their finished children, in seconds.

    These are this process, its child processes, and every PostgreSQL server.
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
