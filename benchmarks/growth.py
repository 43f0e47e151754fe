"""Rates and latencies over growing pages, tables, depths, relations, clients and workers."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import quiet
from benchmarks.comparison import Tasks, cursor_of, measure_round
from benchmarks.databases import DATABASES, TASKS, add_tasks, fill, remove_tasks
from benchmarks.serving import Load, Served
from benchmarks.workloads import BIG, LIST, ROW, Workload

LINES = ("guide", "floor", "Colonnade")


@dataclass
class Curve:
    """The loads of several contenders over one growing quantity.

    Attributes:
        what: The quantity.
        points: Its values.
        lines: The loads of each contender, in the order of the points.
        unit: The unit of ``held``.
        held: Another measurement instead of the rate, by contender.
    """

    what: str
    points: list[int]
    lines: dict[str, list[Load]] = field(default_factory=dict)
    unit: str = ""
    held: dict[str, list[float]] = field(default_factory=dict)


def curves(database: str, seconds: int) -> list[Curve]:
    """Measure every curve on a database.

    Raises:
        FailedError: A contender responds with an error.
        OtherLoadError: Other processes use the machine.
    """
    quiet.check()
    with DATABASES[database]() as url:
        fill(url)
        kinds = [
            rows_a_page,
            relations,
            clients,
            table_size,
            depth,
        ]  # the last two need a large table
        if database == "PostgreSQL":  # these do not depend on the database
            kinds[3:3] = [workers, memory]
        return [kind(url, seconds) for kind in kinds]


@contextmanager
def serving(url: str, names: Sequence[str] = LINES) -> Iterator[Callable[..., None]]:
    """Start servers; the function that loads each of them for a point of a curve."""
    with ExitStack() as stack:
        servers = [stack.enter_context(Served(name, url)) for name in names]
        tasks = Tasks(url)
        for running in servers:
            running.load(ROW, 1)  # fills the pools

        def load(curve: Curve, workload: Workload, seconds: int, **options: Any) -> None:
            for server in servers:
                if workload.path_of(server.name) is not None:
                    round_load = measure_round(tasks, server, workload, seconds, {}, **options)
                    curve.lines.setdefault(server.name, []).append(round_load)

        yield load


def rows_a_page(url: str, seconds: int) -> Curve:
    """A page of more and more rows."""
    curve = Curve("rows in a page", [1, 10, 100, 1000])
    with serving(url) as load:
        for limit in curve.points:
            load(curve, Workload("", f"/tasks?limit={limit}"), seconds)
    return _report(curve)


def relations(url: str, seconds: int) -> Curve:
    """Ten projects, then with their tasks, their assignments and their workers."""
    curve = Curve("levels of relations", [0, 1, 2, 3])
    deeper = ("", "&include=tasks", "&include=tasks.assignments",
              "&include=tasks.assignments.worker")  # fmt: skip
    with serving(url, ("guide", "Colonnade")) as load:
        for levels, include in zip(curve.points, deeper, strict=True):
            ours = {"Colonnade": f"/projects?limit=10{include}"}
            load(curve, Workload("", f"/projects/{levels}", ours), seconds)
    return _report(curve)


def clients(url: str, seconds: int) -> Curve:
    """A single row, for more and more clients."""
    curve = Curve("clients at once", [1, 4, 16, 64, 256])
    with serving(url) as load:
        for number in curve.points:
            load(curve, ROW, seconds, clients=number)
    return _report(curve)


def workers(url: str, seconds: int) -> Curve:
    """A single row, from one and from two worker processes."""
    curve = Curve("workers", [1, 2])
    for number in curve.points:
        for name in LINES:
            with Served(name, url, workers=number) as served:
                served.load(ROW, 1, clients=16)
                curve.lines.setdefault(name, []).append(served.load(ROW, seconds, clients=16))
    return _report(curve)


def memory(url: str, seconds: int) -> Curve:
    """The peak memory of a process that serves pages of more and more rows."""
    curve = Curve("rows in the page, memory", [1, 10, 100, 1000], unit="MiB at most")
    for name in LINES:
        with Served(name, url) as served:
            for limit in curve.points:
                page = Workload("", f"/tasks?limit={limit}")
                Path(f"/proc/{served.process.pid}/clear_refs").write_text("5")  # resets the peak
                curve.lines.setdefault(name, []).append(served.load(page, seconds))
                status = Path(f"/proc/{served.process.pid}/status").read_text()
                peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
                curve.held.setdefault(name, []).append(int(peak.split()[1]) / 1024)
    return _report(curve)


def table_size(url: str, seconds: int) -> Curve:
    """The first page of a growing table."""
    curve = Curve("rows in the table", [1_000, 10_000, 100_000, BIG])
    last = TASKS
    with serving(url) as load:
        for size in curve.points:
            if size < last:
                remove_tasks(url, size)
            else:
                add_tasks(url, last + 1, size)
            last = size
            load(curve, LIST, seconds)
    return _report(curve)


def depth(url: str, seconds: int) -> Curve:
    """Deeper and deeper pages of a million rows, by offset and by cursor."""
    curve = Curve("page of a million rows", [1, 10, 100, 1_000, 10_000])
    with Served("Colonnade", url) as ours, Served("guide", url) as guide:
        tasks = Tasks(url)
        for page in curve.points:
            offset = (page - 1) * 100
            by_offset = Workload("", f"/tasks?limit=100&offset={offset}")
            cursor = f"&cursor={cursor_of(ours, offset)}" if offset else ""
            by_cursor = Workload("", f"/tasks?limit=100{cursor}")
            for line, served, workload in (
                ("guide, offset", guide, by_offset),
                ("Colonnade, offset", ours, by_offset),
                ("Colonnade, cursor", ours, by_cursor),
            ):
                load = measure_round(tasks, served, workload, seconds, {})
                curve.lines.setdefault(line, []).append(load)
    return _report(curve)


def _report(curve: Curve) -> Curve:
    rates = ", ".join(
        f"{name} {' '.join(f'{load.rate:,.0f}' for load in loads)}"
        for name, loads in curve.lines.items()
    )
    print(f"  {curve.what}: {rates}", file=sys.stderr, flush=True)
    return curve


def as_json(measured: list[Curve]) -> list[dict[str, Any]]:
    """The curves as JSON, for the saved results."""
    return [asdict(curve) for curve in measured]
