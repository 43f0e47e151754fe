"""Pictures of each page: light and dark, wide and at 360 pixels.

``COLONNADE_SCREENSHOTS=docs/images/studio`` writes them to the documentation.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.cli.studio_demo import StudioDemo, running_demo

SIZES = {"wide": {"width": 1200, "height": 760}, "narrow": {"width": 360, "height": 740}}


def table(page: Page) -> None:
    expect(page.locator(".grid tbody tr").first).to_be_visible()
    page.get_by_label("Select Design the landing page").check()
    page.get_by_label("Select Build the landing page").check()


def row(page: Page) -> None:
    expect(page.locator("#relation-labels li").first).to_be_visible()
    page.get_by_label("Progress percent").fill("140")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".error", has_text="at most 100")).to_be_visible()


def new(page: Page) -> None:
    page.get_by_role("button", name="Add task").click()
    page.get_by_label("Name").fill("Spring catalogue")
    page.get_by_label("Title").fill("Choose the cover")


def schema(page: Page) -> None:
    expect(page.locator("svg.diagram")).to_be_visible()
    page.get_by_role("button", name="Compare with the database").click()
    expect(page.get_by_text("The database matches the models.")).to_be_visible()


def facts(page: Page) -> None:
    expect(page.get_by_role("heading", name="Indexes")).to_be_visible()


def filters(page: Page) -> None:
    expect(page.locator(".grid")).to_be_visible()
    page.get_by_role("button", name="Filter", exact=True).click()
    expect(page.get_by_role("dialog")).to_be_visible()


PAGES: dict[str, tuple[str, Callable[[Page], None]]] = {
    "table": ("tables/tasks?fields=title,status,priority,progress_percent,project_id", table),
    "filters": ("tables/tasks?status__in=pending,in_progress&title__icontains=page", filters),
    "row": ("tables/tasks/rows/1", row),
    "new": ("tables/projects/new", new),
    "schema": ("schema", schema),
    "facts": ("schema/tasks", facts),
}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StudioDemo]:
    with running_demo(tmp_path_factory.mktemp("demo")) as demo:
        yield demo


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_pages_have_pictures(
    size: str, scheme: str, browser: Browser, demo: StudioDemo, tmp_path: Path
) -> None:
    directory = Path(os.environ.get("COLONNADE_SCREENSHOTS") or tmp_path)
    context = browser.new_context(viewport=SIZES[size], color_scheme=scheme, locale="en-GB")  # type: ignore[arg-type]  # a parameter of the test
    page = context.new_page()
    page.goto(demo.studio_url)
    for name, (path, prepare) in PAGES.items():
        page.goto(f"{demo.url}/studio/{path}")
        prepare(page)
        page.wait_for_timeout(200)
        picture = directory / f"{name}-{size}-{scheme}.jpg"
        page.screenshot(path=picture, type="jpeg", quality=82)
        assert picture.stat().st_size > 8000
    context.close()
