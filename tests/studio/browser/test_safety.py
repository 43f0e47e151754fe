"""Nothing in a row or a name is executed, and no other page can use Studio."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import Depends, FastAPI
from fastapi.responses import HTMLResponse
from playwright.sync_api import Browser, expect

from colonnade import Database
from colonnade.cli._serve import app_of_url
from colonnade.studio import LocalAccess, Studio, require_local_access
from tests.studio.browser.conftest import OpenPage, Watched
from tests.studio.browser.library import Library
from tests.studio.serving import served

SCRIPTS = (
    "<script>window.hacked = 1</script>",
    "<img src=x onerror='window.hacked = 1'>",
    "javascript:window.hacked=1",
    "\"'><svg onload=window.hacked=1>",
    "{{constructor.constructor('window.hacked=1')()}}",
)


def test_strings_of_script_in_every_field_execute_nothing(
    library: Library, open_page: OpenPage
) -> None:
    for number, script in enumerate(SCRIPTS):
        author = library.add("Author", name=script)
        library.add("Reader", id=script, name=script)
        library.add("Tag", name=script[:40])
        book = library.add("Book", title=script, author_id=author)
        library.add("Loan", book_id=book, reader_id=script)
        library.add("Shelf", room=script, number=number, label=script)
        library.add("Sheet", text=script, note=script, tags=[script], settings={script: script})
    page = open_page(library.server)
    for path in (
        "tables/books",
        *(f"tables/books/rows/{number}" for number in range(1, len(SCRIPTS) + 1)),
        "tables/authors/rows/2",
        "tables/readers",
        "tables/shelves",
        "tables/sheets/rows/1",
        "tables/sheets",
        f"tables/books?title={SCRIPTS[1]}",
        f"tables/{SCRIPTS[1]}",
    ):
        page.goto(f"{library.server.url}/studio/{path}")
        expect(page.locator("main h1")).to_be_visible()
        page.wait_for_timeout(150)
        assert page.evaluate("window.hacked") is None, path
        assert page.locator("main script, main img, main svg").count() == 0


def test_strings_of_script_in_names_execute_nothing(
    tmp_path: Path, browser: Browser, open_page: OpenPage
) -> None:
    url = f"sqlite:///{tmp_path}/names.db"
    table, column = "<img src=x onerror='window.hacked=1'>", "<svg onload=window.hacked=1>"
    with sqlite3.connect(tmp_path / "names.db") as connection:
        connection.execute(f'CREATE TABLE "{table}" (id integer PRIMARY KEY, "{column}" text)')
        connection.execute(f'INSERT INTO "{table}" VALUES (1, \'"><script>alert(1)</script>\')')
        connection.execute(f'CREATE TABLE "{column}" ("{table}" text)')
    connection.close()
    app = app_of_url(url, writable=True)
    Studio(app, dependencies=[Depends(lambda: None)], left_out=app.state.skipped, title=table)
    with served(app) as server:
        page = open_page(server)
        expect(page.get_by_role("heading", name="Img src")).to_be_visible()
        name = page.url.rpartition("/")[2]
        for path in (f"tables/{name}", f"tables/{name}/new", f"tables/{name}/rows/1", "schema",
                     f"schema/{name}"):  # fmt: skip
            page.goto(f"{server.url}/studio/{path}")
            expect(page.locator("main h1")).to_be_visible()
            page.wait_for_timeout(150)
            assert page.evaluate("window.hacked") is None, path
            assert page.locator("main script, main img").count() == 0


def test_control_characters_are_shown_and_do_not_turn_the_text_around(
    library: Library, open_page: OpenPage
) -> None:
    library.add("Author", name="a\x01b\x7f\u202ec")
    page = open_page(library.server, "tables/authors")
    expect(page.locator(".grid tbody")).to_contain_text("a␁b␡⟨U+202E⟩c")


def test_the_page_executes_no_inline_script_and_loads_nothing_from_elsewhere(
    library: Library, open_page: OpenPage, watched: Watched
) -> None:
    watched.expects = "violates the following Content Security Policy"
    page = open_page(library.server, "tables/books")
    response = page.request.get(f"{library.server.url}/studio/")
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    loaded = page.evaluate("performance.getEntriesByType('resource').map(entry => entry.name)")
    assert loaded
    assert all(url.startswith(library.server.url) for url in loaded)
    blocked = page.evaluate(
        """() => new Promise(resolve => {
            document.addEventListener('securitypolicyviolation', event =>
                resolve(event.violatedDirective));
            const script = document.createElement('script');
            script.textContent = 'window.hacked = 1';
            document.body.append(script);
        })"""
    )
    assert blocked.startswith("script-src")
    assert page.evaluate("window.hacked") is None


ATTACK = """<!doctype html><title>Attack</title>
<form id="form" method="post" action="{url}/studio/api/data/authors" enctype="text/plain">
  <input name='{{"name": "' value='hacked"}}'></form>
<script>
  window.results = Promise.allSettled([
    fetch("{url}/studio/api/data/authors", {{method: "POST", credentials: "include",
      headers: {{"Content-Type": "text/plain"}}, body: '{{"name": "hacked"}}'}})
      .then(r => r.status),
    fetch("{url}/studio/api/data/authors", {{method: "POST", credentials: "include",
      headers: {{"X-Studio-CSRF": "x"}}, body: '{{"name": "hacked"}}'}})
      .then(r => r.status),
    fetch("{url}/studio/api/data/authors/1", {{method: "DELETE", credentials: "include"}})
      .then(r => r.status),
    fetch("{url}/studio/api/catalog", {{credentials: "include"}}).then(r => r.text()),
  ]);
</script>"""


@pytest.fixture
def attacker(library: Library) -> Iterator[str]:
    app = FastAPI()
    page = ATTACK.format(url=library.server.url)
    app.get("/")(lambda: HTMLResponse(page))
    with served(app) as server:
        yield server.url


def test_a_page_of_another_origin_neither_writes_nor_reads(
    library: Library, attacker: str, browser: Browser
) -> None:
    library.add("Author", name="Ada")
    context = browser.new_context()
    context.add_cookies([{"name": "user", "value": "admin", "url": library.server.url}])
    studio = context.new_page()
    studio.goto(f"{library.server.url}/studio/tables/authors")  # has the cookies of the attack
    expect(studio.get_by_text("Ada")).to_be_visible()
    page = context.new_page()
    page.goto(attacker)
    assert all(
        result["status"] == "rejected" for result in page.evaluate("window.results")
    )  # the browser lets it see no response
    page.evaluate("document.getElementById('form').submit()")
    page.wait_for_load_state("networkidle")
    assert "its pages send" in page.content()
    assert [library.get("Author", 1).name, library.get("Author", 2)] == ["Ada", None]
    context.close()


def test_the_page_cannot_be_framed(library: Library, browser: Browser) -> None:
    app = FastAPI()
    frame = f"<iframe src='{library.server.url}/studio/'></iframe>"
    app.get("/")(lambda: HTMLResponse(frame))
    with served(app) as server:
        page = browser.new_page()
        page.goto(server.url)
        page.wait_for_load_state("networkidle")
        assert "studio" not in page.frames[1].url
        page.close()


def test_a_local_studio_opens_only_with_its_token(browser: Browser, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/shop.db"
    db = Database(url)
    with db.engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE item (id integer PRIMARY KEY, name text)")
        connection.exec_driver_sql("INSERT INTO item VALUES (1, 'Local only')")
        connection.exec_driver_sql("CREATE TABLE journal (line text)")
    app = app_of_url(url, writable=False)
    Studio(app, dependencies=[Depends(require_local_access)], left_out=app.state.skipped)
    access = LocalAccess(app, ["127.0.0.1:0"], token="opensesame")
    with served(access) as server:
        access.hosts = frozenset({f"127.0.0.1:{server.port}"})
        page = browser.new_page()
        page.goto(f"{server.url}/studio/")
        expect(page.get_by_text("Open the URL that the command printed")).to_be_visible()
        page.goto(f"{server.url}/studio/?token=wrong")
        expect(page.get_by_text("Open the URL that the command printed")).to_be_visible()
        page.goto(f"{server.url}/studio/tables/item?token=opensesame")
        expect(page.get_by_text("Local only")).to_be_visible()
        assert "token" not in page.url
        expect(page.get_by_role("link", name="New item")).to_have_count(0)  # read-only
        page.goto(f"{server.url}/studio/schema")
        expect(page.get_by_text("Left out: journal, because it has no primary key")).to_be_visible()
        page.close()
    db.dispose()
