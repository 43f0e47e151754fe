"""The page of totals of the demo, in a real browser."""

import re
import shutil
import subprocess

import pytest

from tests.cli.running import ServedApp

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]


def in_browser(url: str) -> str:
    """The page after the browser has laid it out, as HTML."""
    assert CHROMIUM is not None
    done = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=2000",
         "--dump-dom", url],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    return done.stdout


def test_the_page_shows_the_tasks_of_each_project_by_status(demo: ServedApp) -> None:
    page = in_browser(f"{demo.url}/totals")
    assert page.count("<tr>") == 6  # the browser closes the tags: a head and five projects
    counts = [int(count) for count in re.findall(r'<td class="number">(\d+)</td>', page)]
    assert sum(counts) == 332
    bars = re.findall(r'<div class="bar">(.*?)</div></td>', page)
    shown = [sum(map(int, re.findall(r"flex: ?(\d+)", bar))) for bar in bars]
    assert shown == counts
    one_priority = in_browser(f"{demo.url}/totals?priority=high")
    fewer = re.findall(r'<td class="number">(\d+)</td>', one_priority)
    assert 0 < sum(map(int, fewer)) < 332
