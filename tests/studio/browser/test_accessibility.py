"""axe finds nothing on any page, dialog, error and empty state, light and dark, wide and narrow."""

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.studio.browser.conftest import OpenPage
from tests.studio.browser.library import Library

SCREENS: dict[str, dict[str, Any]] = {
    "wide": {},
    "narrow": {"viewport": {"width": 360, "height": 740}},
}
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


@pytest.fixture(params=SCREENS)
def screen(request: pytest.FixtureRequest) -> dict[str, Any]:
    return SCREENS[request.param]


def check(page: Page) -> None:
    """Run axe on what a page shows, in light and in dark colours."""
    violations = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme="light" if scheme == "light" else "dark")
        results = Axe().run(page, options=RULES)
        violations += [
            f"{scheme}: {each['id']}: {node['html'][:200]} {node.get('failureSummary', '')}"
            for each in results.response["violations"]
            for node in each["nodes"]
        ]
    assert violations == []
    width = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert width <= 0, "the page scrolls sideways"


def test_pages_of_tables(library: Library, open_page: OpenPage, screen: dict[str, Any]) -> None:
    library.add("Author", name="Ada")
    for number in range(3):
        library.add("Book", title=f"Book {number}", author_id=1)
    page = open_page(library.server, "tables/books?status=planned&title__icontains=b", **screen)
    expect(page.locator(".grid")).to_be_visible()
    page.get_by_label("Select Book 0").check()
    check(page)
    for name in ("Filter", "Columns", "Request", "Change…", "Delete…"):
        page.get_by_role("button", name=name, exact=True).click()
        expect(page.get_by_role("dialog")).to_be_visible()
        check(page)
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
    page.goto(f"{library.server.url}/studio/tables/sheets")
    expect(page.get_by_text("There are no sheets yet.")).to_be_visible()
    check(page)
    page.goto(f"{library.server.url}/studio/tables/books?nothing=1")
    expect(page.get_by_role("alert")).to_be_visible()
    check(page)
    page.goto(f"{library.server.url}/studio/nowhere")
    expect(page.get_by_role("heading", name="Not found")).to_be_visible()
    check(page)


def test_pages_of_rows(library: Library, open_page: OpenPage, screen: dict[str, Any]) -> None:
    library.add("Author", name="Ada")
    library.add("Reader", id="zoe", name="Zoë")
    book = library.add("Book", title="Book", author_id=1)
    library.add("Loan", book_id=book, reader_id="zoe")
    page = open_page(library.server, f"tables/books/rows/{book}", **screen)
    expect(page.get_by_role("link", name="zoe")).to_be_visible()
    check(page)
    page.get_by_role("combobox", name="Author").fill("a")
    expect(page.get_by_role("listbox").get_by_role("option")).to_have_count(1)
    check(page)
    page.keyboard.press("Escape")
    page.locator("#relation-loans").get_by_role("button", name="Link…").click()
    check(page)
    page.keyboard.press("Escape")
    page.get_by_label("Title").fill("Other")
    library.change("Book", book, title="Theirs")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("dialog", name="Changed by someone else")).to_be_visible()
    check(page)
    page.get_by_role("button", name="Save selected values").click()
    expect(page.get_by_role("button", name="Undo")).to_be_visible()
    check(page)
    page.goto(f"{library.server.url}/studio/tables/books/rows/99")
    expect(page.get_by_role("alert")).to_be_visible()
    check(page)


def test_forms(library: Library, open_page: OpenPage, screen: dict[str, Any]) -> None:
    page = open_page(library.server, "tables/sheets/new", **screen)
    page.get_by_role("button", name="Create sheet").click()
    expect(page.locator("[data-field=text] .error")).not_to_be_empty()
    check(page)
    page.goto(f"{library.server.url}/studio/tables/books/new")
    page.get_by_role("button", name="Add copy").click()
    check(page)
    library.users.clear()
    page.get_by_label("Title").fill("Title")
    page.get_by_label("Barcode").fill("AB1")
    page.get_by_role("button", name="Create book").click()
    expect(page.get_by_role("dialog", name="Sign in")).to_be_visible()
    check(page)


def test_pages_of_the_schema(library: Library, open_page: OpenPage, screen: dict[str, Any]) -> None:
    page = open_page(library.server, "schema", **screen)
    expect(page.locator("svg.diagram")).to_be_visible()
    # It would tell of a secret field.
    expect(page.get_by_role("button", name="Compare with the database")).to_have_count(0)
    check(page)
    page.goto(f"{library.server.url}/studio/schema/books")
    expect(page.get_by_role("heading", name="Indexes")).to_have_count(0)
    expect(page.get_by_role("heading", name="Constraints")).to_be_visible()
    check(page)
