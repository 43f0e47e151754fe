"""What a page of an admin costs on a table of ten million rows: page 1, and page 100."""

import json
import sys
import time
import urllib.request
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

from tests.wire import wire

from benchmarks import quiet
from benchmarks.applications import APPLICATIONS, PythonApplication
from benchmarks.databases import DATABASES, TASKS, add_tasks, fill
from benchmarks.serving import Served

ROWS = 10_000_000
PAGE_SIZE = 50
LAST_PAGE = 100
BATCH = 1_000_000
COUNTED = 3
"""Requests whose statements are counted."""

MOST_REQUESTS = 20
LONGEST = 20.0
"""Seconds after which a page is not requested again."""

ADMINS = {
    "Studio": PythonApplication("benchmarks.contenders.studio_app"),
    "sqladmin": PythonApplication("benchmarks.contenders.sqladmin_app"),
    "starlette-admin": PythonApplication("benchmarks.contenders.starlette_admin_app"),
}
SAVED = Path(__file__).parents[1] / "docs" / "benchmarks" / "admins.json"
PAGE = Path(__file__).parents[1] / "docs" / "studio.md"
MARKER = "<!-- measured: admins -->"


@dataclass(frozen=True)
class Cost:
    """What the pages of an admin cost.

    Attributes:
        first: The median milliseconds of page 1, requested one after the other.
        last: Those of page 100.
        statements: The statements of page 1; None on SQLite, which has no server.
    """

    first: float
    last: float
    statements: float | None


def first_page(name: str) -> str:
    """The path of the first page of an admin, with fifty rows."""
    return {
        "Studio": f"/studio/api/data/tasks?limit={PAGE_SIZE}",
        "sqladmin": f"/admin/task/list?page=1&pageSize={PAGE_SIZE}",
        "starlette-admin": f"/admin/task/list?page=1&page_size={PAGE_SIZE}",
    }[name]


def last_page(name: str, served: Served) -> str:
    """The path of page 100: of Studio as its button leads there, by cursor."""
    if name != "Studio":
        return first_page(name).replace("page=1", f"page={LAST_PAGE}")
    path = first_page(name)
    for _ in range(LAST_PAGE - 1):
        with urllib.request.urlopen(served.url + path) as response:
            links = response.headers["Link"].split(", <")
        following = next(link for link in links if 'rel="next"' in link)
        query = following.strip("<").partition(">")[0].partition("?")[2]
        path = f"/studio/api/data/tasks?{query}"
    return path


def milliseconds_of(served: Served, path: str) -> float:
    """The median time of a page, after a request that fills caches and pools."""
    _get(served, path)
    times: list[float] = []
    began = time.perf_counter()
    while len(times) < MOST_REQUESTS and time.perf_counter() - began < LONGEST:
        started = time.perf_counter()
        _get(served, path)
        times.append((time.perf_counter() - started) * 1000)
    return median(times)


def statements_of(url: str, name: str) -> float:
    """The statements of the first page on PostgreSQL, after a request that prepares them."""
    with wire(url) as counted:
        # Over TCP and without parameters, since drivers support different ones.
        through = urlsplit(counted.url)._replace(query="").geturl()
        with Served(name, through) as served:
            _get(served, first_page(name))
            _get(served, first_page(name))
            before = counted.statements
            for _ in range(COUNTED):
                _get(served, first_page(name))
            return (counted.statements - before) / COUNTED


def _get(served: Served, path: str) -> None:
    with urllib.request.urlopen(served.url + path) as response:
        body = response.read()
    assert body.count(b"Task ") >= PAGE_SIZE, path


def measure(database: str) -> dict[str, Cost]:
    """The costs of each admin on a database."""
    quiet.check()
    APPLICATIONS.update(ADMINS)
    costs: dict[str, Cost] = {}
    with DATABASES[database]() as url:
        fill(url)
        print(f"{database}: storing {ROWS:,} rows", file=sys.stderr, flush=True)
        for start in range(TASKS + 1, ROWS + 1, BATCH):
            add_tasks(url, start, min(start + BATCH - 1, ROWS))
        for name in ADMINS:
            with Served(name, url) as served:
                first = milliseconds_of(served, first_page(name))
                last = milliseconds_of(served, last_page(name, served))
            statements = statements_of(url, name) if database == "PostgreSQL" else None
            costs[name] = Cost(first, last, statements)
            print(f"  {name}: {costs[name]}", file=sys.stderr, flush=True)
    return costs


def table(saved: dict[str, Any]) -> str:
    """The costs as a table."""
    lines = [
        f"| {ROWS:,} rows, {PAGE_SIZE} on a page | page 1 | page {LAST_PAGE} | statements |",
        "|---|---|---|---|",
    ]
    for database, costs in saved.items():
        for name, cost in costs.items():
            counted = "" if cost["statements"] is None else f"{cost['statements']:.0f}"
            times = f"{cost['first']:,.1f} ms | {cost['last']:,.1f} ms"
            lines.append(f"| {database}: {name} | {times} | {counted} |")
    return "\n".join(lines)


def run(databases: list[str]) -> None:
    """Measure, save the results, and write them into the page about Studio."""
    saved = {
        database: {name: asdict(cost) for name, cost in measure(database).items()}
        for database in databases
    }
    text = table(saved)
    if set(databases) == set(DATABASES):
        SAVED.write_text(json.dumps(saved, indent=1) + "\n")
        before, marker, rest = PAGE.read_text().partition(MARKER)
        after = rest.partition("<!-- end -->")[2]
        PAGE.write_text(f"{before}{marker}\n\n{text}\n\n<!-- end -->{after}")
    print(text)
