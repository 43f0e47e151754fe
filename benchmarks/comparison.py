"""Compares Colonnade with its alternatives on the same requests, in alternating rounds."""

import re
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from itertools import count
from typing import Any
from urllib.parse import urlsplit

from tests.wire import Wire, wire

from benchmarks import quiet
from benchmarks.applications import APPLICATIONS
from benchmarks.databases import DATABASES, TASKS, add_tasks, fill, remove_tasks
from benchmarks.serving import Load, Served
from benchmarks.workloads import (
    BATCHED,
    BIG,
    CREATE,
    FILTERED,
    LIST,
    NESTED,
    PAGE_10000,
    PATCH,
    ROW,
    WORKLOADS,
    Workload,
)

MAX_RATE = 15_000
"""Requests per second that no contender reaches, for the number of rows to delete."""

MAX_ATTEMPTS = 5
"""The most attempts for a round that other processes disturb."""

DATETIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?Z")
"""A datetime in a response: its seconds, and the digits after them."""

GENERATED = frozenset(("id", "slug", "project_id", "created_at", "updated_at"))
"""Generated fields of written rows, which are not compared."""

COUNTED_REQUESTS = 10
"""The number of requests for which round trips are counted."""

ALONE = (LIST, NESTED, FILTERED, ROW, CREATE, PATCH, BATCHED)
"""The workloads whose latency is also measured with a single client."""


class DisagreementError(Exception):
    """Contenders respond with different rows."""


@dataclass
class Measurement:
    """The measurements of a contender on a workload.

    Attributes:
        loads: The load of each round.
        alone: The load of a single client in each round; empty for workloads without it.
        trips: Round trips to PostgreSQL per request; None on SQLite.
        statements: Statements that PostgreSQL ran per request; None on SQLite.
    """

    loads: list[Load] = field(default_factory=list)
    alone: list[Load] = field(default_factory=list)
    trips: float | None = None
    statements: float | None = None


Results = dict[str, dict[str, Measurement]]


def compare(
    databases: Sequence[str],
    names: Sequence[str],
    seconds: int,
    rounds: int,
    workloads: Sequence[Workload] = WORKLOADS,
) -> dict[str, Results]:
    """Measure contenders on databases; the results by database, workload and contender.

    Raises:
        DisagreementError: They respond with different rows.
        FailedError: A contender responds with an error.
        OtherLoadError: Other processes use the machine.
    """
    quiet.check()
    results_by_database: dict[str, Results] = {}
    for database in databases:
        with DATABASES[database]() as url:
            fill(url)
            able = [name for name in names if database in APPLICATIONS[name].databases]
            results_by_database[database] = compare_on(url, able, seconds, rounds, workloads)
            if database == "PostgreSQL":
                remove_tasks(url, TASKS)
                count_trips(url, able, results_by_database[database])
    return results_by_database


def compare_on(
    url: str,
    names: Sequence[str],
    seconds: int,
    rounds: int,
    workloads: Sequence[Workload] = WORKLOADS,
) -> Results:
    """Measure contenders on a database."""
    results_by_workload: Results = {}
    tasks = Tasks(url)
    with ExitStack() as stack:
        servers = [stack.enter_context(Served(name, url)) for name in names]
        for workload in workloads:
            contenders = [server for server in servers if workload.path_of(server.name) is not None]
            tasks.prepare(workload, len(contenders))
            known = {}
            if workload is PAGE_10000:
                ours = next(server for server in contenders if server.name == "Colonnade")
                known = {"cursor": cursor_of(ours, BIG - 100)}
            require_same_responses(contenders, workload, first=tasks.first, **known)
            results = results_by_workload[workload.name] = {
                server.name: Measurement() for server in contenders
            }
            if workload is workloads[0]:  # fills the pools
                for contender in contenders:
                    measure_round(tasks, contender, workload, 1, known)
            for _ in range(rounds):
                for contender in contenders:
                    measured = results[contender.name]
                    measured.loads.append(measure_round(tasks, contender, workload, seconds, known))
                    if workload in ALONE:
                        measured.alone.append(
                            measure_round(tasks, contender, workload, seconds, known, clients=1)
                        )
            rates = ", ".join(
                f"{name} {result.loads[-1].rate:,.0f}" for name, result in results.items()
            )
            print(f"  {workload.name}: {rates}", file=sys.stderr, flush=True)
    return results_by_workload


def measure_round(
    tasks: "Tasks",
    served: Served,
    workload: Workload,
    seconds: int,
    known: dict[str, str],
    clients: int = 0,
) -> Load:
    """Measure a load, again if other processes disturbed it."""
    for attempt in range(MAX_ATTEMPTS):
        if workload.consumes:
            tasks.prepare(workload, MAX_RATE * seconds)
        try:
            with quiet.require_quiet():
                return served.load(
                    workload,
                    seconds * workload.duration,
                    clients=clients,
                    first=tasks.first,
                    **known,
                )
        except quiet.OtherLoadError:
            if attempt == MAX_ATTEMPTS - 1:
                raise
    raise AssertionError("not reached")


class Tasks:
    """Adds tasks to the table for workloads that delete them or need a large table.

    Args:
        url: The URL of the database.

    Attributes:
        first: The id before the first task to delete. Ids are not used again, because requests
            of disconnected clients may finish late.
    """

    def __init__(self, url: str) -> None:
        self.first = TASKS
        self._url = url
        self._last = TASKS

    def prepare(self, workload: Workload, wanted: int) -> None:
        """Add or remove tasks for a workload.

        Args:
            workload: The workload.
            wanted: The number of tasks that it deletes.
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
    """The cursor after a number of tasks, found by following Colonnade's links.

    Args:
        served: The Colonnade server.
        offset: The number of tasks before the cursor.
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


def require_same_responses(
    servers: Sequence[Served], workload: Workload, *, first: int = 0, **known: Any
) -> None:
    """Send a request to each contender, and compare the rows of the responses.

    Raises:
        DisagreementError: The rows differ.
    """
    known_rows: tuple[str, Any] | None = None
    rough = any(APPLICATIONS[served.name].whole_milliseconds for served in servers)
    for number, served in enumerate(servers, first + 1):
        rows = normalized(served.request(workload, id=number, **known), workload)
        if rough:
            rows = in_milliseconds(rows)
        if served.name in workload.answers:
            continue
        if known_rows is None:
            known_rows = served.name, rows
        elif rows != known_rows[1]:
            raise DisagreementError(
                f"{served.name} and {known_rows[0]} respond differently to {workload.name}, so "
                f"they cannot be compared:\n{str(rows)[:500]}\n{str(known_rows[1])[:500]}"
            )


def normalized(response: Any, workload: Workload) -> Any:
    """The rows of a response in a form that can be compared."""
    rows = response.get("data", response) if isinstance(response, dict) else response
    if workload is NESTED:
        for row in rows:  # a relation without an order returns its rows in any order
            row["assignments"].sort(key=lambda assignment: assignment["worker_id"])
    if workload.method == "GET" or rows is None:
        return rows
    written = rows if isinstance(rows, list) else [rows]
    return [_without_generated(row) for row in written]


def in_milliseconds(value: Any) -> Any:
    """A response whose datetimes have exactly three digits of the second."""
    if isinstance(value, dict):
        return {name: in_milliseconds(item) for name, item in value.items()}
    if isinstance(value, list):
        return [in_milliseconds(item) for item in value]
    parts = DATETIME.fullmatch(value) if isinstance(value, str) else None
    return value if parts is None else f"{parts[1]}.{(parts[2] or '')[:3]:0<3}Z"


def _without_generated(row: dict[str, Any]) -> dict[str, Any]:
    """A written row without generated fields, and its related rows without them."""
    return {
        name: [_without_generated(related) for related in value]
        if isinstance(value, list) and name == "tasks"
        else value
        for name, value in row.items()
        if name not in GENERATED
    }


def count_trips(url: str, names: Sequence[str], results_by_workload: Results) -> None:
    """Count round trips and statements per request, after a warm-up."""
    tasks = Tasks(url)
    with wire(url) as counted:
        # Over TCP and without parameters, since drivers support different ones.
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


def _count(
    tasks: Tasks, served: Served, workload: Workload, counted: Wire, measurement: Measurement
) -> None:
    tasks.prepare(workload, 4 * COUNTED_REQUESTS)
    numbers = count(tasks.first + 1)
    for percent in range(2 * COUNTED_REQUESTS):
        served.request(workload, id=next(numbers), percent=percent)
    before = counted.trips, counted.statements
    for percent in range(COUNTED_REQUESTS):
        served.request(workload, id=next(numbers), percent=percent)
    measurement.trips = (counted.trips - before[0]) / COUNTED_REQUESTS
    measurement.statements = (counted.statements - before[1]) / COUNTED_REQUESTS


def as_json(results_by_database: dict[str, Results]) -> dict[str, Any]:
    """The results as JSON, for the saved results."""
    return {
        database: {
            workload: {name: asdict(result) for name, result in results.items()}
            for workload, results in of_database.items()
        }
        for database, of_database in results_by_database.items()
    }
