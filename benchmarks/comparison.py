"""Colonnade, and what people would pick instead: the same requests, in alternating rounds."""

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from itertools import count
from typing import Any
from urllib.parse import urlsplit

from tests.wire import Wire, wire

from benchmarks import quiet
from benchmarks.databases import DATABASES, TASKS, add_tasks, fill, remove_tasks
from benchmarks.serving import Load, Served
from benchmarks.workloads import BIG, PAGE_10000, WORKLOADS, Workload

FASTEST = 15_000
"""Requests a second that none of them reaches: so many rows there are to delete."""

TRIES = 5
"""Times a round is measured at most when something else takes the processors."""

OWN = frozenset(("id", "created_at", "updated_at"))
"""What a written row has that is not compared."""

COUNTED = 10
"""Requests over which round trips are counted."""


class DisagreementError(Exception):
    """Contenders that do not answer the same rows are not compared."""


@dataclass
class Measured:
    """What one contender came to on one workload.

    Attributes:
        loads: A load each round.
        trips: Round trips to PostgreSQL a request; None on SQLite.
        statements: Statements PostgreSQL ran for it.
    """

    loads: list[Load] = field(default_factory=list)
    trips: float | None = None
    statements: float | None = None


Found = dict[str, dict[str, Measured]]


def compare(
    databases: Sequence[str], names: Sequence[str], seconds: int, rounds: int
) -> dict[str, Found]:
    """Measure contenders on databases: by database, workload and contender.

    Raises:
        DisagreementError: They do not answer the same rows.
        FailedError: One of them answers an error.
        OtherLoadError: The machine does something else.
    """
    quiet.check()
    results_by_database: dict[str, Found] = {}
    for database in databases:
        with DATABASES[database]() as url:
            fill(url)
            results_by_database[database] = on_database(url, names, seconds, rounds)
            if database == "PostgreSQL":
                remove_tasks(url, TASKS)
                count_trips(url, names, results_by_database[database])
    return results_by_database


def on_database(
    url: str,
    names: Sequence[str],
    seconds: int,
    rounds: int,
    workloads: Sequence[Workload] = WORKLOADS,
) -> Found:
    """Measure contenders on one database."""
    results_by_workload: Found = {}
    tasks = Tasks(url)
    with ExitStack() as stack:
        servers = [stack.enter_context(Served(name, url)) for name in names]
        for workload in workloads:
            able = [server for server in servers if workload.path_of(server.name) is not None]
            tasks.prepare(workload, len(able))
            known = {}
            if workload is PAGE_10000:
                ours = next(server for server in able if server.name == "Colonnade")
                known = {"cursor": cursor_of(ours, BIG - 100)}
            agree(able, workload, first=tasks.first, **known)
            results = results_by_workload[workload.name] = {
                server.name: Measured() for server in able
            }
            if workload is workloads[0]:  # to fill the pools
                for contender in able:
                    one_round(tasks, contender, workload, 1, known)
            for _ in range(rounds):
                for contender in able:
                    load = one_round(tasks, contender, workload, seconds, known)
                    results[contender.name].loads.append(load)
            rates = ", ".join(
                f"{name} {result.loads[-1].rate:,.0f}" for name, result in results.items()
            )
            print(f"  {workload.name}: {rates}", file=sys.stderr, flush=True)
    return results_by_workload


def one_round(
    tasks: "Tasks",
    served: Served,
    workload: Workload,
    seconds: int,
    known: dict[str, str],
    clients: int = 0,
) -> Load:
    """One load, measured again if something else disturbed it."""
    for tries in range(TRIES):
        if workload.consumes:
            tasks.prepare(workload, FASTEST * seconds)
        try:
            with quiet.watched():
                return served.load(workload, seconds, clients=clients, first=tasks.first, **known)
        except quiet.OtherLoadError:
            if tries == TRIES - 1:
                raise
    raise AssertionError("not reached")


class Tasks:
    """The tasks beside those that are always there.

    Args:
        url: The database.

    Attributes:
        first: The id before the first of those that are there to be deleted. It never comes
            twice: what a client that is gone had asked may be done late.
    """

    def __init__(self, url: str) -> None:
        self.first = TASKS
        self._url = url
        self._last = TASKS

    def prepare(self, workload: Workload, wanted: int) -> None:
        """Have as many as a workload needs.

        Args:
            workload: The workload.
            wanted: How many it deletes.
        """
        if workload.consumes:
            remove_tasks(self._url, TASKS)
            self.first, self._last = self._last, self._last + wanted
            add_tasks(self._url, self.first + 1, self._last)
        elif workload.rows not in {TASKS, self._last}:
            remove_tasks(self._url, TASKS)
            add_tasks(self._url, TASKS + 1, workload.rows)
            self._last = workload.rows


def cursor_of(served: Served, offset: int) -> str:
    """The cursor that comes after so many tasks, by following the links of Colonnade.

    Args:
        served: Colonnade.
        offset: How many tasks come before.
    """
    first = offset % 1000 or 1000
    path = f"/tasks?limit={first}&fields=id"
    for _ in range(first, offset + 1, 1000):
        served.get(path)
        path = next_path(served.links).replace(f"limit={first}", "limit=1000")
    return path.partition("cursor=")[2].partition("&")[0]


def next_path(links: str) -> str:
    """The path of the next page, from a Link header."""
    return links.partition('>; rel="next"')[0].rpartition("<")[2]


def agree(servers: Sequence[Served], workload: Workload, *, first: int = 0, **known: str) -> None:
    """Have each contender answer once, and compare the rows.

    Raises:
        DisagreementError: They differ.
    """
    known_rows: tuple[str, Any] | None = None
    for number, served in enumerate(servers, first + 1):
        rows = told(served.ask(workload, id=number, **known), workload)
        if served.name in workload.answers:
            continue
        if known_rows is None:
            known_rows = served.name, rows
        elif rows != known_rows[1]:
            raise DisagreementError(
                f"{served.name} and {known_rows[0]} do not answer the same on {workload.name}, so "
                f"that nothing is measured:\n{str(rows)[:500]}\n{str(known_rows[1])[:500]}"
            )


def told(answer: Any, workload: Workload) -> Any:
    """What an answer says, in one form."""
    rows = answer.get("data", answer) if isinstance(answer, dict) else answer
    if "assignments" in workload.name:
        for row in rows:  # a relation without an order has its rows in any
            row["assignments"].sort(key=lambda assignment: assignment["worker_id"])
    if workload.method == "GET" or rows is None:
        return rows
    written = rows if isinstance(rows, list) else [rows]
    return [{name: value for name, value in row.items() if name not in OWN} for row in written]


def count_trips(url: str, names: Sequence[str], results_by_workload: Found) -> None:
    """Count round trips and statements a request, once each contender has warmed up."""
    tasks = Tasks(url)
    with wire(url) as counted:
        # By TCP, and without parameters: not every driver knows the same.
        through = urlsplit(counted.url)._replace(query="").geturl()
        for name in names:
            with Served(name, through) as served:
                for workload in WORKLOADS:
                    if workload.rows == TASKS and name in results_by_workload.get(
                        workload.name, {}
                    ):
                        _count(
                            tasks,
                            served,
                            workload,
                            counted,
                            results_by_workload[workload.name][name],
                        )


def _count(tasks: Tasks, served: Served, workload: Workload, counted: Wire, into: Measured) -> None:
    tasks.prepare(workload, 4 * COUNTED)
    numbers = count(tasks.first + 1)
    for _ in range(2 * COUNTED):
        served.ask(workload, id=next(numbers))
    before = counted.trips, counted.statements
    for _ in range(COUNTED):
        served.ask(workload, id=next(numbers))
    into.trips = (counted.trips - before[0]) / COUNTED
    into.statements = (counted.statements - before[1]) / COUNTED


def as_json(results_by_database: dict[str, Found]) -> dict[str, Any]:
    """What is saved."""
    return {
        database: {
            workload: {name: asdict(result) for name, result in results.items()}
            for workload, results in of_database.items()
        }
        for database, of_database in results_by_database.items()
    }
