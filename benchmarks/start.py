"""The cost of a worker: import time, time to the first response, and memory."""

import statistics
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks import quiet
from benchmarks.databases import DATABASES, fill
from benchmarks.imports import CONTENDERS, seconds
from benchmarks.serving import Served
from benchmarks.workloads import LIST, ROW, Workload

NAMES = ("guide", "Colonnade")
LARGEST = Workload("largest page", "/tasks?limit=1000")


@dataclass
class Start:
    """The measurements of an app.

    Attributes:
        first_answer: Seconds from the start of the process to its first response, for each run.
        at_rest: Bytes that a worker uses after its first response, for each run.
        memory: Bytes that it uses after a load of lists.
        largest: Bytes that it uses after a load of pages of 1,000 rows.
    """

    first_answer: list[float] = field(default_factory=list)
    at_rest: list[int] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)
    largest: list[int] = field(default_factory=list)


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
                start = starts_by_name[name]
                with Served(name, url) as served:
                    served.request(ROW)
                    start.first_answer.append(time.perf_counter() - served.began)
                    start.at_rest.append(served.memory())
                    served.load(LIST, 1)
                    start.memory.append(served.memory())
                    served.load(LARGEST, 1)
                    start.largest.append(served.memory())
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
