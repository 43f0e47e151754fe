"""Charts of the results, as SVG files."""

from pathlib import Path
from statistics import median
from typing import Any

COLOURS = {
    "guide": "#9aa0a6",
    "FastCRUD": "#c58af9",
    "Advanced Alchemy": "#e8a33d",
    "Litestar": "#d65f5f",
    "Django Ninja": "#4aa564",
    "Drizzle": "#7a8b2f",
    "Prisma": "#4b5a9c",
    "floor": "#d0d4d9",
    "Colonnade": "#1a5fb4",
    "guide, offset": "#9aa0a6",
    "Colonnade, offset": "#8ab4e8",
    "Colonnade, cursor": "#1a5fb4",
}


def draw(saved: dict[str, Any], folder: Path) -> list[Path]:
    """Draw every chart.

    Args:
        saved: The saved results.
        folder: The folder for the charts.

    Returns:
        The paths of the charts.
    """
    import matplotlib as mpl

    mpl.use("svg")
    # Text stays text, and the same results give the same file.
    mpl.rcParams.update(
        {"svg.fonttype": "none", "svg.hashsalt": "colonnade", "font.size": 9,
         "axes.spines.top": False, "axes.spines.right": False}
    )  # fmt: skip
    drawn = [_comparison(saved, folder / "comparison.svg")]
    for database, curves in saved["growth"].items():
        drawn.append(_growth(database, curves, folder / f"growth-{database.lower()}.svg"))
    return drawn


def _comparison(saved: dict[str, Any], path: Path) -> Path:
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, len(saved["comparison"]), figsize=(11, 7.5), sharey=True)
    for panel, (database, workloads) in zip(panels, saved["comparison"].items(), strict=True):
        names = [name for name in COLOURS if name in workloads["one row"]]
        height = 0.85 / len(names)
        for index, name in enumerate(names):
            places, widths, errors = [], [], []
            for place, results in enumerate(workloads.values()):
                if name not in results:
                    continue
                pairs = zip(results[name]["loads"], results["guide"]["loads"], strict=True)
                times = [ours["rate"] / other["rate"] for ours, other in pairs]
                middle = median(times)
                places.append(place + (index - len(names) / 2) * height)
                widths.append(middle)
                errors.append((middle - min(times), max(times) - middle))
            panel.barh(
                places, widths, height, xerr=list(zip(*errors, strict=True)), label=name,
                color=COLOURS[name], error_kw={"lw": 0.7},
            )  # fmt: skip
        panel.set_xscale("log")
        panel.set_xticks([0.5, 1, 2, 5, 10, 20, 50], ["½", "1", "2", "5", "10", "20", "50"])
        panel.axvline(1, color="#5f6368", lw=0.7)
        panel.set_title(database)
        panel.set_xlabel("requests a second, by the guide's endpoint")
        panel.set_yticks(range(len(workloads)), [_wrapped(workload) for workload in workloads])
    panels[0].invert_yaxis()
    panels[0].legend(loc="lower right", frameon=False)
    return _saved(figure, path)


def _growth(database: str, curves: list[dict[str, Any]], path: Path) -> Path:
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(2, len(curves), figsize=(2.9 * len(curves), 6), squeeze=False)
    for (above, below), curve in zip(zip(*panels, strict=True), curves, strict=True):
        for name, loads in curve["lines"].items():
            points = [max(point, 0.5) for point in curve["points"]]
            rates = curve["held"].get(name) or [load["rate"] for load in loads]
            style = {"color": COLOURS[name], "marker": "o", "ms": 3, "label": name}
            above.plot(points, rates, **style)
            below.plot(points, [load["p99"] for load in loads], **style)
        for panel in (above, below):
            if curve["points"][-1] > 10:
                panel.set_xscale("log")
            else:
                panel.set_xticks(curve["points"])
            panel.set_xlabel(curve["what"])
        if not curve["held"]:
            above.set_yscale("log")
        below.set_yscale("log")
        above.set_ylabel(curve["unit"] or "requests a second")
        below.set_ylabel("99 of 100 answered within, ms")
        above.legend(frameon=False, fontsize=7)
    figure.suptitle(database)
    return _saved(figure, path)


def _wrapped(text: str) -> str:
    return text.replace(", with ", ",\nwith ").replace(" of 1,000,000", "\nof 1,000,000")


def _saved(figure: Any, path: Path) -> Path:
    from matplotlib import pyplot

    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
    # matplotlib writes trailing spaces.
    path.write_text("\n".join(line.rstrip() for line in path.read_text().splitlines()) + "\n")
    return path
