"""Compare Colonnade with its alternatives.

    python -m benchmarks                   all but testing; writes the tables and charts of docs/
    python -m benchmarks compare --only guide floor --database SQLite --workload "one row"
    python -m benchmarks growth
    python -m benchmarks start
    python -m benchmarks admins            pages of Studio and other admins, of 10,000,000 rows
    python -m benchmarks testing           what the fixtures of a test cost
    python -m benchmarks profile           a flame graph of a workload, by py-spy
    python -m benchmarks report            the tables and charts again, from the saved results

The ratios are what matters; the rates depend on this machine. Nothing is written if contenders
respond differently, if one of them fails, or if other processes use the machine.
"""

import argparse
import json
import os
import platform
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any

from benchmarks import admins, charts, comparison, growth, report, start, testing
from benchmarks.applications import APPLICATIONS, NotInstalledError
from benchmarks.databases import DATABASES, fill
from benchmarks.quiet import OtherLoadError
from benchmarks.serving import FailedError, Served
from benchmarks.workloads import ROW, WORKLOADS, Workload

PACKAGES = (
    "colonnade", "fastapi", "starlette", "uvicorn", "uvloop", "httptools", "pydantic", "sqlmodel",
    "sqlalchemy", "asyncpg", "aiosqlite", "django", "msgspec",
)  # fmt: skip
RAISED = (comparison.DisagreementError, FailedError, NotInstalledError, OtherLoadError)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parts = ("all", "compare", "growth", "start", "testing", "admins", "profile", "report")
    parser.add_argument("part", nargs="?", choices=parts, default="all")
    parser.add_argument("--seconds", type=int, default=1, help="the seconds of each load (1)")
    parser.add_argument("--rounds", type=int, default=3, help="the rounds of each comparison (3)")
    parser.add_argument("--only", nargs="+", choices=APPLICATIONS, default=list(APPLICATIONS))
    parser.add_argument("--database", nargs="+", choices=DATABASES, default=list(DATABASES))
    names = [workload.name for workload in WORKLOADS]
    parser.add_argument(
        "--workload", nargs="+", choices=names, default=None,
        help="the workloads to compare (all) or to profile (one row)",
    )  # fmt: skip
    arguments = parser.parse_args()
    if shutil.which("wrk") is None and arguments.part not in ("report", "testing"):
        raise SystemExit("wrk is not installed. Run apt-get install wrk.")
    try:
        run(arguments)
    except RAISED as error:
        raise SystemExit(f"{error}\nNo table is printed.") from None


def run(arguments: argparse.Namespace) -> None:
    """Run the chosen part and print its results."""
    if arguments.part == "report":
        write(json.loads(report.SAVED.read_text()))
    elif arguments.part == "compare":
        names = [name for name in APPLICATIONS if name in {*arguments.only, report.OURS}]
        results = comparison.compare(
            arguments.database, names, arguments.seconds, arguments.rounds, selected(arguments)
        )
        saved = {"comparison": comparison.as_json(results)}
        print(
            "\n\n".join(report.comparison_table(saved, database) for database in arguments.database)
        )
    elif arguments.part == "growth":
        curves_by_database = {
            database: growth.as_json(growth.curves(database, arguments.seconds))
            for database in arguments.database
        }
        for database in arguments.database:
            print(report.growth_table({"growth": curves_by_database}, database))
    elif arguments.part == "start":
        print(report.start_table(measure_start(arguments)))
    elif arguments.part == "testing":
        measure_tests(arguments)
    elif arguments.part == "admins":
        admins.run(arguments.database)
    elif arguments.part == "profile":
        profile(arguments)
    else:
        measure_all(arguments)


def measure_all(arguments: argparse.Namespace) -> None:
    """Run all parts, save the results, and write them into the documentation."""
    names = list(APPLICATIONS)
    kept = json.loads(report.SAVED.read_text()) if report.SAVED.exists() else {}
    saved: dict[str, Any] = {"machine": machine(), "testing": kept.get("testing", {})}
    results = comparison.compare(list(DATABASES), names, arguments.seconds, arguments.rounds)
    saved["comparison"] = comparison.as_json(results)
    saved["growth"] = {
        database: growth.as_json(growth.curves(database, arguments.seconds))
        for database in DATABASES
    }
    saved |= measure_start(arguments)
    report.SAVED.parent.mkdir(exist_ok=True)
    report.SAVED.write_text(json.dumps(_rounded(saved), indent=1) + "\n")
    write(json.loads(report.SAVED.read_text()))


def measure_tests(arguments: argparse.Namespace) -> None:
    """Measure what tests cost, and add it to the saved results."""
    results = {
        database: testing.overheads(database, arguments.rounds) for database in arguments.database
    }
    if set(results) == set(DATABASES):
        saved = json.loads(report.SAVED.read_text()) | {"testing": _rounded(results)}
        report.SAVED.write_text(json.dumps(saved, indent=1) + "\n")
        write(saved)
    print(report.testing_table({"testing": results}))


def measure_start(arguments: argparse.Namespace) -> dict[str, Any]:
    return {
        "imports": start.imports(5),
        "start": {
            database: start.as_json(start.starts(database, 3)) for database in arguments.database
        },
    }


def write(saved: dict[str, Any]) -> None:
    """Write the results into the documentation, and draw the charts."""
    for path in report.PAGES:
        path.write_text(report.fill(path.read_text(), saved))
        print(f"wrote {path.relative_to(report.ROOT)}", file=sys.stderr)
    for path in charts.draw(saved, report.SAVED.parent):
        print(f"drew {path.relative_to(report.ROOT)}", file=sys.stderr)
    print(report.summary_table(saved), "\n", report.targets_table(saved), sep="\n")


def profile(arguments: argparse.Namespace) -> None:
    """Record flame graphs of Colonnade and of the floor under load."""
    for database in arguments.database:
        with DATABASES[database]() as url:
            fill(url)
            for name, workload in product(("Colonnade", "floor"), selected(arguments, [ROW])):
                file = f"{name}-{database}-{workload.name}.svg".lower().replace(" ", "-")
                path = report.SAVED.parent / file
                command = [str(Path(sys.executable).with_name("py-spy")), "record", "--rate", "200",
                           "--duration", "8", "--output", str(path), "--pid"]  # fmt: skip
                with Served(name, url) as served:
                    served.load(workload, 2)
                    recording = subprocess.Popen(
                        [*command, str(served.process.pid)],
                        stdout=subprocess.DEVNULL,
                        stderr=subprocess.DEVNULL,
                    )
                    served.load(workload, 10)
                    recording.wait()
                set_title(path, f"{name}, {database}: {workload.name}")
                print(f"drew docs/benchmarks/{file}", file=sys.stderr)


def selected(
    arguments: argparse.Namespace, default: Sequence[Workload] = WORKLOADS
) -> Sequence[Workload]:
    """The workloads that the command names, in their order."""
    names = arguments.workload
    if names is None:
        return default
    return [workload for workload in WORKLOADS if workload.name in names]


def set_title(path: Path, title: str) -> None:
    """Set the title of a flame graph. By default it is the command, with paths of this machine."""
    pattern = re.compile(r'(<text id="title"[^>]*>)[^<]*')
    path.write_text(pattern.sub(lambda match: match[1] + title, path.read_text()))


def machine() -> dict[str, Any]:
    """The machine and the versions."""
    import psycopg

    lines = Path("/proc/cpuinfo").read_text().splitlines()
    processor = next((line for line in lines if line.startswith("model name")), ": unknown")
    with DATABASES["PostgreSQL"]() as url, psycopg.connect(url) as connection:
        postgresql = connection.info.parameter_status("server_version")
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": processor.partition(":")[2].strip(),
        "processors": os.cpu_count(),
        "kernel": platform.release().partition("-")[0],
        "python": platform.python_version(),
        "postgresql": postgresql,
        "sqlite": sqlite3.sqlite_version,
        "packages": {name: version(name) for name in PACKAGES}
        | {
            name: number
            for application in APPLICATIONS.values()
            for name, number in application.versions.items()
        },
    }


def _rounded(value: Any) -> Any:
    """The value with all numbers rounded to five significant digits."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, list) else value


if __name__ == "__main__":
    main()
