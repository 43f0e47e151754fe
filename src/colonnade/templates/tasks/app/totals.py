"""A page of totals: how many tasks of each project have each status, from one aggregate."""

from collections import defaultdict
from html import escape

from fastapi import APIRouter, Depends
from fastapi.responses import HTMLResponse

from app.models import Status
from app.resources import tasks
from colonnade import Page

COLORS: dict[Status, str] = {
    "completed": "#2e7d32",
    "in_progress": "#1565c0",
    "pending": "#9e9e9e",
    "cancelled": "#c62828",
}
STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { margin: 2rem auto; max-width: 48rem; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { padding: .4rem .6rem; text-align: left; vertical-align: middle; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
.bar { display: flex; height: 1.25rem; border-radius: .25rem; overflow: hidden; }
.key { display: inline-block; width: .8rem; height: .8rem; border-radius: .2rem; }
.keys span + span { margin-left: .25rem; } .keys { margin: 1rem 0; }
"""

totals_page = APIRouter()


@totals_page.get("/totals", response_class=HTMLResponse, include_in_schema=False)
async def totals(query: Page = Depends(tasks.query)) -> str:
    """The totals as HTML; the filters of the list narrow them: ``?priority=high``."""
    groups = await tasks.aggregate(query, group_by=["project.name", "status"])
    counts: dict[str, dict[str, int]] = defaultdict(dict)
    for group in groups:
        counts[group["project.name"] or "No project"][group["status"]] = group["count"]
    rows = "".join(_row(project, by_status) for project, by_status in counts.items())
    keys = " ".join(
        f'<span class="key" style="background:{COLORS[status]}"></span> {_words(status)}'
        for status in COLORS
    )
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>Totals</title>"
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style>'
        f'<h1>Totals</h1><p class="keys">{keys}</p><table><thead><tr><th>Project<th>Status'
        f'<th class="number">Tasks</thead><tbody>{rows}</tbody></table></html>'
    )


def _row(project: str, by_status: dict[str, int]) -> str:
    total = sum(by_status.values())
    parts = "".join(
        f'<div style="flex:{by_status[status]};background:{COLORS[status]}" '
        f'title="{by_status[status]} {_words(status)}"></div>'
        for status in COLORS
        if status in by_status
    )
    return (
        f'<tr><td>{escape(project)}<td style="width:60%"><div class="bar">{parts}</div>'
        f'<td class="number">{total}'
    )


def _words(status: str) -> str:
    return status.replace("_", " ")
