"""What it costs to start: imports, the first answer of a new process, memory of a worker."""

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
    """What one app came to.

    Attributes:
        first_answer: Seconds from the start of the process to its first answer, each time.
        memory: Bytes that a worker holds after some load.
    """

    first_answer: list[float] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)


def starts(database: str, times: int) -> dict[str, Start]:
    """Start each app several times, in turn.

    Raises:
        FailedError: One of them does not answer.
        OtherLoadError: The machine does something else.
    """
    quiet.check()
    starts_by_name = {name: Start() for name in NAMES}
    with DATABASES[database]() as url:
        fill(url)
        for _ in range(times):
            for name in NAMES:
                with Served(name, url) as served:
                    served.ask(ROW)
                    starts_by_name[name].first_answer.append(time.perf_counter() - served.began)
                    served.load(LIST, 1)
                    starts_by_name[name].memory.append(served.memory())
    for name, start in starts_by_name.items():
        first, held = statistics.median(start.first_answer), statistics.median(start.memory)
        print(f"  {name}: {first:.2f} s, {held / 2**20:.0f} MiB", file=sys.stderr, flush=True)
    return starts_by_name


def imports(times: int) -> dict[str, list[float]]:
    """Seconds that imports take, each in its own process, in turn."""
    durations: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    for turn in range(-1, times):  # the first is to have them compiled, and in the file cache
        for name, statement in CONTENDERS.items():
            taken = seconds(statement)
            if turn >= 0:
                durations[name].append(taken)
    return durations


def as_json(starts_by_name: dict[str, Start]) -> dict[str, Any]:
    """What is saved."""
    return {name: asdict(start) for name, start in starts_by_name.items()}
