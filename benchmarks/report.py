"""The results, as the tables of the documentation."""

from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.imports import CONTENDERS as IMPORTS
from benchmarks.imports import TARGET as IMPORT_TARGET
from benchmarks.workloads import AGGREGATED, BY_MONTH, COUNTED

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
SAVED = DOCS / "benchmarks" / "results.json"
PAGES = (ROOT / "README.md", DOCS / "benchmarks.md", DOCS / "testing.md")
OURS, ON_FASTAPI = "Colonnade", "floor on FastAPI"

TARGETS: tuple[tuple[str, str, str, str, float], ...] = (
    # what, workload, database, against, at least
    ("list of 100", "list of 100", "PostgreSQL", "guide", 8),
    ("list of 100", "list of 100", "SQLite", "guide", 10),
    ("nested list", "list of 100, with project and assignments.worker", "PostgreSQL", "guide", 15),
    ("nested list", "list of 100, with project and assignments.worker", "SQLite", "guide", 15),
    ("one row", "one row", "PostgreSQL", "guide", 5),
    ("one row", "one row", "SQLite", "guide", 5),
    ("create", "create", "PostgreSQL", "guide", 6),
    ("create", "create", "SQLite", "guide", 6),
    ("patch", "patch", "PostgreSQL", "guide", 6),
    ("patch", "patch", "SQLite", "guide", 6),
    ("list of 100", "list of 100", "PostgreSQL", "FastCRUD", 12),
    ("list of 100", "list of 100", "SQLite", "FastCRUD", 12),
    ("one row", "one row", "PostgreSQL", "FastCRUD", 8),
    ("one row", "one row", "SQLite", "FastCRUD", 8),
    ("list of 100", "list of 100", "PostgreSQL", "floor", 0.9),
    ("list of 100", "list of 100", "SQLite", "floor", 0.9),
    ("one row", "one row", "PostgreSQL", "floor", 0.8),
    ("one row", "one row", "SQLite", "floor", 0.8),
    *(
        target
        for database in ("PostgreSQL", "SQLite")
        for target in (
            ("relation counts", COUNTED.name, database, "guide", 10.0),
            ("groups of 1,000,000 rows", AGGREGATED.name, database, "floor", 0.9),
            ("groups by month", BY_MONTH.name, database, "floor", 0.9),
        )
    ),
)
"""The targets of the design for the ratio of two contenders on a workload."""


def ratios(results: dict[str, Any], against: str, of: str = OURS) -> list[float]:
    """Colonnade's rate divided by that of another contender, for each round."""
    pairs = zip(results[of]["loads"], results[against]["loads"], strict=True)
    return [ours["rate"] / other["rate"] for ours, other in pairs]


def spread(values: list[float]) -> str:
    """The median, with the minimum and the maximum."""
    return f"{median(values):.2f}x ({min(values):.2f} to {max(values):.2f})"


def comparison_table(saved: dict[str, Any], database: str) -> str:
    """The rates, processor times and round trips, and Colonnade's ratio to each contender."""
    has_trips = database == "PostgreSQL"
    more = ("round trips", "statements") if has_trips else ()
    lines = _head(database, "contender", "requests/s", "CPU ms", *more, "Colonnade is")
    for workload, results in saved["comparison"][database].items():
        for name, result in results.items():
            loads = result["loads"]
            counted = [_count(result["trips"]), _count(result["statements"])] if has_trips else []
            lines.append(
                _row(
                    workload,
                    name,
                    _rate(median(load["rate"] for load in loads)),
                    f"{median(load['cpu'] for load in loads):.3f}",
                    *counted,
                    "" if name == OURS else spread(ratios(results, name)),
                )
            )
    return "\n".join(lines)


SUMMARY = (
    "list of 100",
    "list of 100, with project and assignments.worker",
    "one row",
    "create",
    "page 10,000 of 1,000,000 rows",
)
"""The workloads in the README."""


def summary_table(saved: dict[str, Any]) -> str:
    """Colonnade's rates and ratios, for the README."""
    others = ("guide", "FastCRUD", "Advanced Alchemy", "Django Ninja", "floor")
    lines = _head(
        "PostgreSQL / SQLite", "Colonnade, requests/s", *(f"vs {other}" for other in others)
    )
    databases = list(saved["comparison"])
    for workload in SUMMARY:
        results = [saved["comparison"][database][workload] for database in databases]
        rates = [
            _rate(median(load["rate"] for load in result[OURS]["loads"])) for result in results
        ]
        cells = [
            " / ".join(f"{median(ratios(result, name)):.1f}x" for result in results)
            if name in results[0]
            else "-"
            for name in others
        ]
        lines.append(_row(workload, " / ".join(rates), *cells))
    return "\n".join(lines)


def targets_table(saved: dict[str, Any]) -> str:
    """Each target with the measured ratio, and the ratio of the floor."""
    lines = _head("target", "database", "against", "at least", "measured", "floor", "met")
    for what, workload, database, against, least in TARGETS:
        results = saved["comparison"][database][workload]
        measured = ratios(results, against)
        floor = "" if against == "floor" or "floor" not in results else _floor(results, against)
        met = "yes" if median(measured) >= least else "no"
        lines.append(_row(what, database, against, f"{least:g}x", spread(measured), floor, met))
    for database, of_database in saved["comparison"].items():
        pages = {
            page: of_database[f"page {page} of 1,000,000 rows"][OURS] for page in ("1", "10,000")
        }
        slower = ratios(pages, "10,000", of="1")
        met = "yes" if median(slower) <= 1.2 else "no"
        lines.append(
            _row(
                "page 10,000 by cursor", database, "page 1", "1.2x at most", spread(slower), "", met
            )
        )
    trips = [
        results[OURS]["trips"]
        for workload, results in saved["comparison"]["PostgreSQL"].items()
        if results[OURS]["trips"] is not None and "batch" not in workload
    ]
    met = "yes" if set(trips) == {1.0} else "no"
    lines.append(
        _row("round trips per request", "PostgreSQL", "", "1", _count(max(trips)), "", met)
    )
    imports = saved["imports"]
    base, ours = imports["sqlmodel, fastapi"], imports["colonnade"]
    slower = [our_time / other for our_time, other in zip(ours, base, strict=True)]
    met = "yes" if median(slower) <= IMPORT_TARGET else "no"
    most = f"{IMPORT_TARGET:.2f}x at most"
    lines.append(_row("import", "", "sqlmodel, fastapi", most, spread(slower), "", met))
    return "\n".join(lines)


def fastapi_table(saved: dict[str, Any]) -> str:
    """The rate of the floor on FastAPI relative to the floor, and Colonnade's relative to that."""
    lines = _head("", "database", "floor on FastAPI vs floor", "Colonnade vs floor on FastAPI")
    for database, workloads in saved["comparison"].items():
        for workload, results in workloads.items():
            if ON_FASTAPI in results:
                left = spread(ratios(results, "floor", of=ON_FASTAPI))
                lines.append(_row(workload, database, left, spread(ratios(results, ON_FASTAPI))))
    return "\n".join(lines)


def growth_table(saved: dict[str, Any], database: str) -> str:
    """The curves as numbers."""
    lines = _head(database, "", "requests/s, and p99 in ms, at each point")
    for curve in saved["growth"][database]:
        points = ", ".join(f"{point:,}" for point in curve["points"])
        lines.append(_row(f"**{curve['what']}**", "", points))
        for name, loads in curve["lines"].items():
            loads_text = ", ".join(f"{load['rate']:,.0f} ({load['p99']:.1f})" for load in loads)
            if curve["held"]:
                loads_text = ", ".join(
                    f"{held:,.0f} {curve['unit']}" for held in curve["held"][name]
                )
            lines.append(_row("", name, loads_text))
    return "\n".join(lines)


def start_table(saved: dict[str, Any]) -> str:
    """The costs of starting."""
    lines = _head("start", "the guide's app", "Colonnade's", "ratio")
    for database, starts in saved["start"].items():
        for what, unit, scale in (("first_answer", "s", 1), ("memory", "MiB", 2**20)):
            guide, ours = (starts[name][what] for name in ("guide", OURS))
            times = [our_time / other for our_time, other in zip(ours, guide, strict=True)]
            title = {
                "first_answer": "process start to first answer",
                "memory": "memory of a worker after a second of lists",
            }[what]
            digits = 2 if unit == "s" else 0
            cells = (f"{median(times) / scale:.{digits}f} {unit}" for times in (guide, ours))
            lines.append(_row(f"{title}, {database}", *cells, spread(times)))
    base, *others = saved["imports"].items()
    for name, durations in others:
        times = [our_time / other for our_time, other in zip(durations, base[1], strict=True)]
        cells = (f"{median(values):.2f} s" for values in (base[1], durations))
        lines.append(_row(f"`{IMPORTS[base[0]]}` / `{IMPORTS[name]}`", *cells, spread(times)))
    return "\n".join(lines)


def testing_table(saved: dict[str, Any]) -> str:
    """What each kind of test costs more than an empty test."""
    databases = list(saved["testing"])
    lines = _head("a test with", *databases)
    for name in saved["testing"][databases[0]]:
        costs = [saved["testing"][database][name] for database in databases]
        more = "" if name.startswith("nothing") else "+"
        cells = (
            f"{more}{median(cost):.1f} ms ({min(cost):.1f} to {max(cost):.1f})" for cost in costs
        )
        lines.append(_row(name, *cells))
    return "\n".join(lines)


def machine_text(saved: dict[str, Any]) -> str:
    """The machine and the versions of the measurement."""
    machine = saved["machine"]
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    return (
        f"Measured on {machine['date']}: {machine['processor']}, {machine['processors']} "
        f"processors, Linux {machine['kernel']}, Python {machine['python']}, PostgreSQL "
        f"{machine['postgresql']}, SQLite {machine['sqlite']}; {packages}."
    )


PARTS: dict[str, Callable[[dict[str, Any]], str]] = {
    "machine": machine_text,
    "summary": summary_table,
    "targets": targets_table,
    "fastapi": fastapi_table,
    "postgresql": lambda saved: comparison_table(saved, "PostgreSQL"),
    "sqlite": lambda saved: comparison_table(saved, "SQLite"),
    "growth-postgresql": lambda saved: growth_table(saved, "PostgreSQL"),
    "growth-sqlite": lambda saved: growth_table(saved, "SQLite"),
    "start": start_table,
    "testing": testing_table,
}
"""The tables that a document may have between ``<!-- measured: NAME -->`` and ``<!-- end -->``."""


def fill(text: str, saved: dict[str, Any]) -> str:
    """The text of a document with the current tables."""
    for name, make in PARTS.items():
        opening = f"<!-- measured: {name} -->\n"
        before, marker, rest = text.partition(opening)
        if marker:
            _, end, after = rest.partition("<!-- end -->")
            text = f"{before}{opening}\n{make(saved)}\n\n{end}{after}"
    return text


def _floor(results: dict[str, Any], against: str) -> str:
    return f"{median(ratios(results, against, of='floor')):.2f}x"


def _rate(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:,.1f}"


def _count(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def _head(*titles: str) -> list[str]:
    return [_row(*titles), "|" + "---|" * len(titles)]


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"
