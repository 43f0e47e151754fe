"""The cost of starting: import time, time to the first response, and memory of a worker."""

import statistics
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks import quiet
from benchmarks.databases import DATABASES, fill
from benchmarks.imports import CONTENDERS, seconds
from benchmarks.serving import Served
from benchmarks.workloads import LIST, ROW

NAMES = ("guide", "Colonnade")


@dataclass
class Start:
    """The measurements of an app.

    Attributes:
        first_answer: Seconds from the start of the process to its first response, for each run.
        memory: Bytes that a worker uses after a load, for each run.
    """

    first_answer: list[float] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)


def starts(database: str, times: int) -> dict[str, Start]:
    """Start each app several times, in turn.

    Raises:
        FailedError: An app does not respond.
        OtherLoadError: Other processes use the machine.
    """
    quiet.check()
    starts_by_name = {name: Start() for name in NAMES}
    with DATABASES[database]() as url:
        fill(url)
        for _ in range(times):
            for name in NAMES:
                with Served(name, url) as served:
                    served.request(ROW)
                    starts_by_name[name].first_answer.append(time.perf_counter() - served.began)
                    served.load(LIST, 1)
                    starts_by_name[name].memory.append(served.memory())
    for name, start in starts_by_name.items():
        first, held = statistics.median(start.first_answer), statistics.median(start.memory)
        print(f"  {name}: {first:.2f} s, {held / 2**20:.0f} MiB", file=sys.stderr, flush=True)
    return starts_by_name


def imports(times: int) -> dict[str, list[float]]:
    """The seconds that the imports take, each in a new process, in turn."""
    durations: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    for turn in range(-1, times):  # the first turn compiles them and fills the file cache
        for name, statement in CONTENDERS.items():
            duration = seconds(statement)
            if turn >= 0:
                durations[name].append(duration)
    return durations


def as_json(starts_by_name: dict[str, Start]) -> dict[str, Any]:
    """The measurements as JSON, for the saved results."""
    return {name: asdict(start) for name, start in starts_by_name.items()}
