"""A real Chromium, and an app that it opens."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, expect, sync_playwright

from colonnade import Database
from tests.studio.browser.library import Library
from tests.studio.serving import ServedStudio, served

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

TIMEOUT = 20_000
"""Milliseconds until an element that does not appear fails a test: the machine may be busy."""

OpenPage = Callable[..., Page]

expect.set_options(timeout=TIMEOUT)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, once for each module: while it runs, no test can have an event loop."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    """An app of many kinds of tables, served."""
    db = Database(f"sqlite:///{tmp_path}/library.db")
    library = Library(db)
    with served(library.app) as server:
        library.server = server
        yield library
    db.dispose()


class Watched:
    """What a page complains about: nothing but what a test expects."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.expects = ""

    @property
    def unexpected(self) -> list[str]:
        return [each for each in self.messages if not self.expects or self.expects not in each]

    def on_console(self, message: ConsoleMessage) -> None:
        # Chromium reports every response that is not a success.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.messages.append(message.text)

    def on_error(self, error: Error) -> None:
        self.messages.append(str(error))


@pytest.fixture
def watched() -> Watched:
    return Watched()


@pytest.fixture
def open_page(browser: Browser, watched: Watched) -> Iterator[OpenPage]:
    """Opens pages, each in a separate browser, in which no error may occur."""
    contexts = []

    def open_(server: ServedStudio, path: str = "", **options: Any) -> Page:
        options = {"viewport": {"width": 1280, "height": 800}, "timezone_id": "Europe/Berlin",
                   "locale": "en-GB", **options}  # fmt: skip
        context = browser.new_context(**options)
        context.set_default_timeout(TIMEOUT)
        contexts.append(context)
        context.add_cookies([{"name": "user", "value": "admin", "url": server.url}])
        page = context.new_page()
        page.on("console", watched.on_console)
        page.on("pageerror", watched.on_error)
        page.goto(f"{server.url}/studio/{path}")
        return page

    yield open_
    for context in contexts:
        for page in context.pages:
            page.unroute_all(behavior="ignoreErrors")
        context.close()
    assert watched.unexpected == []
