"""Tables of many columns, large values, and a database that only has tables."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from fastapi import Depends
from playwright.sync_api import expect

from colonnade.cli._serve import app_of_url
from colonnade.studio import Studio
from tests.studio.browser.conftest import OpenPage
from tests.studio.serving import ServedStudio, served

COLUMNS = [f"column_{number}" for number in range(300)]
LARGE = 10_000_000


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServedStudio]:
    with closing(sqlite3.connect(tmp_path / "large.db")) as connection, connection:
        columns = ", ".join(f"{name} text" for name in COLUMNS)
        connection.execute(f"CREATE TABLE wide (id integer PRIMARY KEY, {columns})")
        connection.execute("INSERT INTO wide (id, column_7) VALUES (1, 'seven')")
        connection.execute("CREATE TABLE page (id integer PRIMARY KEY, title text, body text)")
        body = "<b>x</b>" * (LARGE // 8)
        connection.execute("INSERT INTO page VALUES (1, 'Large', ?)", [body])
    app = app_of_url(f"sqlite:///{tmp_path}/large.db", writable=True)
    Studio(app, dependencies=[Depends(lambda: None)])
    with served(app) as server:
        yield server


def test_a_table_of_three_hundred_columns_shows_a_few_and_the_form_all(
    server: ServedStudio, open_page: OpenPage
) -> None:
    page = open_page(server, "tables/wide")
    expect(page.locator(".grid thead th")).to_have_count(13)  # with the boxes to select rows
    page.get_by_role("button", name="Columns").click()
    page.get_by_label("Find a column").fill("column_299")
    page.get_by_label("Column 299").check()
    page.get_by_role("button", name="Apply").click()
    expect(page.locator(".grid thead")).to_contain_text("Column 299")
    page.goto(f"{server.url}/studio/tables/wide/rows/1")
    expect(page.get_by_label("Column 7", exact=True)).to_have_value("seven")
    expect(page.locator(".field")).to_have_count(300)
    page.get_by_label("Column 299", exact=True).fill("last")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved")).to_be_visible()


def test_ten_megabytes_in_a_cell_are_shown_in_part_and_kept(
    server: ServedStudio, open_page: OpenPage
) -> None:
    page = open_page(server, "tables/page")
    cell = page.locator(".grid tbody td").last
    expect(cell).to_contain_text("<b>x</b>")
    assert len(cell.inner_text()) < 250
    page.locator(".grid a.open").click()
    body = page.get_by_label("Body", exact=True)
    expect(body).to_have_attribute("readonly", "")
    assert len(body.input_value()) == 1000
    page.get_by_label("Title").fill("Still large")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved Still large.")).to_be_visible()
    page.reload()
    expect(page.get_by_label("Title")).to_have_value("Still large")
    assert (
        page.evaluate("fetch('/studio/api/data/page/1').then(r => r.text()).then(t => t.length)")
        > LARGE
    )
