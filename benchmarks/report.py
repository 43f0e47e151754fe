"""The results, as the tables of the documentation."""

from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.imports import CONTENDERS as IMPORTS
from benchmarks.imports import TARGET as IMPORT_TARGET
from benchmarks.workloads import (
    AGGREGATED,
    BATCHED,
    BY_MONTH,
    COUNTED,
    CREATE,
    FILTERED,
    LIST,
    NESTED,
    PATCH,
    ROW,
)

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
SAVED = DOCS / "benchmarks" / "results.json"
PAGES = (ROOT / "README.md", DOCS / "benchmarks.md", DOCS / "testing.md")
OURS, ON_FASTAPI = "Colonnade", "floor on FastAPI"

TARGETS: tuple[tuple[str, str, str, str, float], ...] = (
    # what, workload, database, against, at least
    ("list of 100", "list of 100", "PostgreSQL", "guide", 9),
    ("list of 100", "list of 100", "SQLite", "guide", 10),
    ("nested list", "list of 100, with project and assignments.worker", "PostgreSQL", "guide", 18),
    ("nested list", "list of 100, with project and assignments.worker", "SQLite", "guide", 18),
    ("one row", "one row", "PostgreSQL", "guide", 6),
    ("one row", "one row", "SQLite", "guide", 6),
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
        (name, name, database, "floor", least)
        for database in ("PostgreSQL", "SQLite")
        for name, least in ((CREATE.name, 0.75), (PATCH.name, 0.75), (BATCHED.name, 0.8))
    ),
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

CPU_TARGETS = {
    LIST.name: 1.2,
    FILTERED.name: 1.25,
    ROW.name: 1.25,
    CREATE.name: 1.4,
    PATCH.name: 1.4,
    BATCHED.name: 2.0,
}
"""The most processor time per request on PostgreSQL, in multiples of the floor's."""

CPU_AHEAD = {
    "Prisma": [
        LIST.name, NESTED.name, FILTERED.name, ROW.name, CREATE.name, PATCH.name, BATCHED.name
    ],
    "Drizzle": [LIST.name, NESTED.name, BATCHED.name],
}  # fmt: skip
"""The contenders on Node, and where Colonnade should need less processor time per request."""


def ratios(results: dict[str, Any], against: str, of: str = OURS) -> list[float]:
    """Colonnade's rate divided by that of another contender, for each round."""
    pairs = zip(results[of]["loads"], results[against]["loads"], strict=True)
    return [ours["rate"] / other["rate"] for ours, other in pairs]


def cpu_ratios(results: dict[str, Any], against: str, of: str = OURS) -> list[float]:
    """Colonnade's processor time per request divided by another contender's, for each round."""
    pairs = zip(results[of]["loads"], results[against]["loads"], strict=True)
    return [ours["cpu"] / other["cpu"] for ours, other in pairs]


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


def cost_table(saved: dict[str, Any], database: str) -> str:
    """What a request costs the server's process, and its latency, for each contender."""
    lines = _head(
        database, "contender", "requests per CPU second", "CPU µs", "of the floor's CPU",
        "p50 of one client, ms", "p50 and p99 of 16 clients, ms",
    )  # fmt: skip
    for workload, results in saved["comparison"][database].items():
        for name, result in results.items():
            if not result.get("alone"):
                continue
            cpu = median(load["cpu"] for load in result["loads"])
            has_floor = "floor" in results and name != "floor"
            many, alone = (result[kind] for kind in ("loads", "alone"))
            p50, p99 = (median(load[part] for load in many) for part in ("p50", "p99"))
            lines.append(
                _row(
                    workload,
                    name,
                    _rate(1000 / cpu),
                    f"{cpu * 1000:,.0f}",
                    spread(cpu_ratios(results, "floor", of=name)) if has_floor else "",
                    f"{median(load['p50'] for load in alone):.2f}",
                    "" if "one client" in workload else f"{p50:.1f}, {p99:.1f}",
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
    known = (
        "guide", "FastCRUD", "Advanced Alchemy", "Litestar", "Django Ninja", "Drizzle", "Prisma",
        "floor",
    )  # fmt: skip
    others = [name for name in known if name in saved["comparison"]["PostgreSQL"]["one row"]]
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
            " / ".join(
                f"{median(ratios(result, name)):.1f}x" if name in result else "-"
                for result in results
            )
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
        met = "yes" if median(slower) <= 1.1 else "no"
        lines.append(
            _row(
                "page 10,000 by cursor", database, "page 1", "1.1x at most", spread(slower), "", met
            )
        )
    lines += _cpu_targets(saved["comparison"]["PostgreSQL"])
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


def _cpu_targets(results: dict[str, Any]) -> list[str]:
    """The targets for processor time per request on PostgreSQL, and for the slowest requests."""
    lines = []
    for workload, most in CPU_TARGETS.items():
        measured = cpu_ratios(results[workload], "floor")
        lines.append(_at_most(f"CPU of {workload}", "floor", most, measured))
    for other, workloads in CPU_AHEAD.items():
        for workload in workloads:
            if other not in results[workload]:  # it was added after the measurement
                continue
            measured = cpu_ratios(results[workload], other)
            lines.append(_at_most(f"CPU of {workload}", other, 1.0, measured))
    for workload in (LIST.name, NESTED.name, FILTERED.name, ROW.name, CREATE.name, PATCH.name):
        loads = results[workload][OURS]["loads"]
        measured = [load["p99"] / load["p50"] for load in loads]
        lines.append(_at_most(f"p99 of {workload}", "p50", 3.0, measured))
    return lines


def _at_most(what: str, against: str, most: float, measured: list[float]) -> str:
    met = "yes" if median(measured) <= most else "no"
    return _row(what, "PostgreSQL", against, f"{most:g}x at most", spread(measured), "", met)


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


STARTS = {
    "first_answer": ("process start to first answer", "s", 1),
    "at_rest": ("memory of a worker after its first answer", "MiB", 2**20),
    "memory": ("memory of a worker after a second of lists", "MiB", 2**20),
    "largest": ("memory of a worker after a second of pages of 1,000 rows", "MiB", 2**20),
}
"""What is measured of a worker: its title, its unit, and what to divide by."""


def start_table(saved: dict[str, Any]) -> str:
    """The costs of starting."""
    lines = _head("start", "the guide's app", "Colonnade's", "ratio")
    for database, starts in saved["start"].items():
        for what, (title, unit, scale) in STARTS.items():
            if what not in starts[OURS]:  # it was added after the measurement
                continue
            guide, ours = (starts[name][what] for name in ("guide", OURS))
            times = [our_time / other for our_time, other in zip(ours, guide, strict=True)]
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
    "cost-postgresql": lambda saved: cost_table(saved, "PostgreSQL"),
    "cost-sqlite": lambda saved: cost_table(saved, "SQLite"),
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
