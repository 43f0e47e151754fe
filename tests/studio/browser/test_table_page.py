"""The page of a table: what it shows, and how it is narrowed, sorted and paged."""

import csv
import io
import re
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.studio.browser.conftest import OpenPage
from tests.studio.browser.library import Library


@pytest.fixture
def books(library: Library) -> Library:
    author = library.add("Author", name="Ursula Ferrante")
    for number in range(60):
        library.add(
            "Book",
            title=f"Book {number:02}",
            status="published" if number % 2 else "planned",
            author_id=author if number < 5 else None,
        )
    library.add("Copy", barcode="AB1", book_id=1)
    library.add("Copy", barcode="AB2", book_id=1)
    return library


def cells(page: Page, column: int) -> list[str]:
    return page.locator(f".grid tbody tr > :nth-child({column})").all_inner_texts()


def test_a_table_shows_its_rows_with_the_names_of_related_rows(
    books: Library, open_page: OpenPage
) -> None:
    page = open_page(books.server)
    page.get_by_role("link", name="Books").click()
    expect(page.get_by_role("heading", name="Books")).to_be_visible()
    row = page.locator(".grid tbody tr").first
    expect(row.get_by_role("link", name="Ursula Ferrante")).to_have_attribute(
        "href", "/studio/tables/authors/rows/1"
    )
    expect(row.get_by_role("link", name="2", exact=True)).to_have_attribute(
        "href", "/studio/tables/copies?book_id=1"
    )
    assert len(cells(page, 1)) == 50
    expect(page.get_by_role("button", name="Previous")).to_be_disabled()


def test_pages_follow_cursors_and_the_url_names_them(books: Library, open_page: OpenPage) -> None:
    page = open_page(books.server, "tables/books?limit=25&fields=title")
    page.get_by_role("button", name="Next").click()
    page.wait_for_url("**cursor=*")
    expect(page.locator(".grid tbody tr").first).to_contain_text("Book 25")
    page.get_by_role("button", name="Next").click()
    expect(page.locator(".grid tbody tr")).to_have_count(10)
    expect(page.get_by_role("button", name="Next")).to_be_disabled()
    page.go_back()
    expect(page.locator(".grid tbody tr").first).to_contain_text("Book 25")
    page.get_by_role("button", name="Previous").click()
    expect(page.locator(".grid tbody tr").first).to_contain_text("Book 00")


def test_the_filter_builder_writes_the_url_and_reads_it(
    books: Library, open_page: OpenPage
) -> None:
    page = open_page(books.server, "tables/books")
    page.get_by_role("button", name="Filter").click()
    page.get_by_label("Field").select_option("status")
    page.get_by_label("Comparison").select_option("eq")
    page.get_by_label("Value").select_option("published")
    page.get_by_role("button", name="Add a filter").click()
    page.get_by_label("Field").nth(1).select_option("title")
    page.get_by_label("Value").nth(1).fill("book 1")
    page.get_by_role("button", name="Apply").click()
    page.wait_for_url("**status=published**")
    query = parse_qs(urlsplit(page.url).query)
    assert query == {"status": ["published"], "title__icontains": ["book 1"]}
    expect(page.locator(".grid tbody tr")).to_have_count(5)
    expect(page.locator(".chip")).to_have_count(2)

    same = open_page(books.server, f"tables/books?{urlsplit(page.url).query}")
    expect(same.locator(".grid tbody tr")).to_have_count(5)
    same.get_by_role(
        "button", name="Remove the filter: Title contains (ignoring case) book 1"
    ).click()
    expect(same.locator(".grid tbody tr")).to_have_count(30)
    same.get_by_role("button", name="Filter", exact=True).click()
    expect(same.get_by_label("Field")).to_have_value("status")
    expect(same.get_by_label("Value")).to_have_value("published")


def test_a_filter_that_the_api_refuses_is_explained(books: Library, open_page: OpenPage) -> None:
    page = open_page(books.server, "tables/books?titel=x")
    expect(page.get_by_role("alert")).to_contain_text("Did you mean title?")
    page.get_by_role("link", name="Show all rows").click()
    expect(page.locator(".grid tbody tr")).to_have_count(50)


def test_columns_are_sorted_and_chosen(books: Library, open_page: OpenPage) -> None:
    page = open_page(books.server, "tables/books")
    page.get_by_role("button", name="Title", exact=True).click()
    expect(page.locator("th", has_text="Title")).to_have_attribute("aria-sort", "ascending")
    page.get_by_role("button", name="Title", exact=True).click()
    expect(page.locator("th", has_text="Title")).to_have_attribute("aria-sort", "descending")
    expect(page.locator(".grid tbody tr").first).to_contain_text("Book 59")
    page.get_by_role("button", name="Columns").click()
    dialog = page.get_by_role("dialog")
    for name in ("Price", "In stock", "Created at", "Updated at"):
        dialog.get_by_label(name).uncheck()
    dialog.get_by_role("button", name="Apply").click()
    page.wait_for_url("**fields=**")
    expect(page.locator(".grid thead th")).to_have_count(7)
    heads = page.locator(".grid thead th").all_inner_texts()
    assert [head.strip() for head in heads] == [
        "", "Id", "Title", "Status", "Author", "Series", "Copies",
    ]  # fmt: skip


def test_a_search_looks_in_the_fields_of_the_view(books: Library, open_page: OpenPage) -> None:
    page = open_page(books.server, "tables/books")
    search = page.get_by_label("Search title")
    search.fill("k 3")
    search.press("Enter")
    expect(page.locator(".grid tbody tr")).to_have_count(10)
    expect(page.get_by_label("Search title")).to_have_value("k 3")
    page.get_by_label("Search title").fill("nothing at all")
    page.get_by_label("Search title").press("Enter")
    expect(page.get_by_text("No matching rows.")).to_be_visible()


def test_rows_are_counted_only_on_request(books: Library, open_page: OpenPage) -> None:
    page = open_page(books.server, "tables/books?status=planned")
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.get_by_role("button", name="Reload").click()
    expect(page.get_by_text("30 rows.")).to_be_visible()
    assert not any("count=" in url for url in requests)
    page.get_by_role("button", name="Count", exact=True).click()
    expect(page.get_by_text(re.compile("^30 rows match\\."))).to_be_visible()


def test_the_csv_has_what_the_page_shows(books: Library, open_page: OpenPage) -> None:
    books.add("Book", title='=1+1, "quoted"')
    page = open_page(books.server, "tables/books?fields=title,price&order_by=-id&limit=25")
    expect(page.locator(".grid tbody tr")).to_have_count(25)
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    text = download.value.path().read_bytes().decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(text)))
    # A spreadsheet computes nothing of a text.
    assert rows[:3] == [["title", "price"], ['\'=1+1, "quoted"', ""], ["Book 59", ""]]


def test_many_rows_are_changed_deleted_and_given_to_an_action(
    books: Library, open_page: OpenPage
) -> None:
    page = open_page(books.server, "tables/books?limit=25")
    page.get_by_label("Select Book 00").check()
    page.get_by_label("Select Book 01").check()
    page.get_by_role("button", name="Change…").click()
    page.get_by_label("Field to change").select_option(label="Status")
    page.get_by_role("dialog").locator("[data-field=status] select").select_option(
        label="withdrawn"
    )
    page.get_by_role("button", name="Change 2 rows").click()
    expect(page.get_by_text("Changed 2 books.")).to_be_visible()
    assert books.get("Book", 1).status == books.get("Book", 2).status == "withdrawn"

    books.slow_method = "GET"  # the old rows are still shown
    page.get_by_label("Select Book 02").check()
    expect(page.get_by_text("1 selected")).to_be_visible()
    books.slow_method = ""
    page.get_by_role("button", name="Lend out").click()
    page.get_by_role("dialog").get_by_role("button", name="Lend out").click()
    expect(page.get_by_text("Lent 1.")).to_be_visible()
    assert books.get("Book", 3).in_stock is False

    page.get_by_label("Select Book 03").check()
    page.get_by_role("button", name="Set price").click()
    page.get_by_label("Price", exact=True).fill("much")
    page.get_by_role("dialog").get_by_role("button", name="Set price").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.get_by_label("Price", exact=True).fill("3.75")
    page.get_by_role("dialog").get_by_role("button", name="Set price").click()
    expect(page.get_by_text("New price: 3.75.")).to_be_visible()

    page.get_by_label("Select Book 04").check()
    page.get_by_role("button", name="Delete…").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("Deleted 1 row.")).to_be_visible()
    assert books.get("Book", 5) is None


def test_the_request_is_shown_as_code(books: Library, open_page: OpenPage) -> None:
    page = open_page(books.server, "tables/books?status=planned")
    expect(page.locator(".grid")).to_be_visible()
    page.get_by_role("button", name="Request").click()
    code = page.get_by_role("dialog").locator("code")
    expect(code).to_contain_text(f"curl '{books.server.url}/books?status=planned&limit=50")
    page.get_by_role("button", name="Python").click()
    expect(code).to_contain_text("httpx.get(")
    page.get_by_role("button", name="TypeScript").click()
    expect(code).to_contain_text("await fetch(")
