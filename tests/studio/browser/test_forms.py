"""The form of a row: fields of each kind, problems, related rows, links, trees, odd keys."""

import datetime as dt
from decimal import Decimal
from uuid import UUID

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.studio.browser.conftest import OpenPage
from tests.studio.browser.library import Binding, Library

FIELDS = {
    "Text": ("Line one", "Line two"),
    "Note": ("a note", "another"),
    "Small": ("-10", "10"),
    "Big": ("9007199254740993", "-9007199254740993"),
    "Ratio": ("0.5", "1e3"),
    "Amount": ("12345678901.2345", "0.0001"),
    "Day": ("2026-02-03", "2026-02-04"),
    "At": ("10:20", "23:59:30"),
    "Moment": ("2026-07-01T12:00", "2026-01-01T12:00:30"),
    "Took": ("P1DT2H", "PT3M"),
    "Code": ("4b8ad3d0-9b07-4a9b-9d4c-111111111111", "4b8ad3d0-9b07-4a9b-9d4c-222222222222"),
    "Tags": ('["a", "b"]', "[]"),
    "Settings": ('{"deep": {"list": [1, null]}}', "{}"),
    "Raw": ("AQID", ""),
}
"""What is typed into each field: first in a new row, then to change it."""

CHOICES = {"Level": ("2", "3"), "Binding": ("hardcover", "paperback"), "Answer": ("no", "yes")}

CREATED = {
    "text": "Line one",
    "note": "a note",
    "small": -10,
    "big": 9007199254740993,
    "ratio": 0.5,
    "amount": Decimal("12345678901.2345"),
    "flag": True,
    "answer": False,
    "level": 2,
    "binding": Binding.HARD,
    "day": dt.date(2026, 2, 3),
    "at": dt.time(10, 20),
    "moment": dt.datetime(2026, 7, 1, 10, tzinfo=dt.UTC),  # noon of the summer in Berlin
    "took": dt.timedelta(days=1, hours=2),
    "code": UUID("4b8ad3d0-9b07-4a9b-9d4c-111111111111"),
    "tags": ["a", "b"],
    "settings": {"deep": {"list": [1, None]}},
    "raw": b"\x01\x02\x03",
    "secret": None,
    "checked_by": "nobody",
}

CHANGED = CREATED | {
    "text": "Line two",
    "note": "another",
    "small": 10,
    "big": -9007199254740993,
    "ratio": 1000.0,
    "amount": Decimal("0.0001"),
    "flag": False,
    "answer": True,
    "level": 3,
    "binding": Binding.SOFT,
    "day": dt.date(2026, 2, 4),
    "at": dt.time(23, 59, 30),
    "moment": dt.datetime(2026, 1, 1, 11, 0, 30, tzinfo=dt.UTC),  # noon of the winter in Berlin
    "took": dt.timedelta(minutes=3),
    "code": UUID("4b8ad3d0-9b07-4a9b-9d4c-222222222222"),
    "tags": [],
    "settings": {},
    "raw": b"",
}


def field(page: Page, label: str) -> Locator:
    return page.get_by_label(label, exact=True)


def fill_form(page: Page, index: int) -> None:
    for label, values in FIELDS.items():
        field(page, label).fill(values[index])
    for label, values in CHOICES.items():
        field(page, label).select_option(label=values[index])
    field(page, "Flag").set_checked(index == 0)


def save(page: Page) -> None:
    with page.expect_response(lambda response: response.request.method == "PATCH") as response:
        page.get_by_role("button", name="Save").click()
    assert response.value.ok
    expect(page.get_by_role("button", name="Save")).to_be_disabled()


def test_each_kind_of_field_is_created_shown_and_changed(
    library: Library, open_page: OpenPage
) -> None:
    page = open_page(library.server, "tables/sheets/new")
    expect(page.locator("[data-field=checked_by]")).to_have_count(0)  # readonly
    fill_form(page, 0)
    page.get_by_role("button", name="Create sheet").click()
    page.wait_for_url("**/sheets/rows/1")
    created = library.get("Sheet", 1)
    assert {name: getattr(created, name) for name in CREATED} == CREATED

    expect(field(page, "Big")).to_have_value("9007199254740993")
    expect(field(page, "Amount")).to_have_value("12345678901.2345")
    expect(field(page, "Moment")).to_have_value("2026-07-01T12:00")
    page.get_by_label("Time zone of Moment").select_option("UTC")
    expect(field(page, "Moment")).to_have_value("2026-07-01T10:00")
    page.get_by_label("Time zone of Moment").select_option("Europe/Berlin")
    expect(page.locator("dl.readonly")).to_contain_text("nobody")
    expect(page.get_by_role("button", name="Save")).to_be_disabled()
    fill_form(page, 1)
    save(page)
    changed = library.get("Sheet", 1)
    assert {name: getattr(changed, name) for name in CHANGED} == CHANGED


def test_only_what_was_changed_is_sent(library: Library, open_page: OpenPage) -> None:
    key = library.add("Sheet", text="one", moment=dt.datetime(2026, 1, 1, 0, 0, 0, 123456, dt.UTC))
    page = open_page(library.server, f"tables/sheets/rows/{key}")
    bodies = []
    page.on("request", lambda request: bodies.append(request.post_data))
    page.locator("[data-field=note]").get_by_label("null").uncheck()
    field(page, "Text").fill("two")
    save(page)
    assert [body for body in bodies if body] == ['{"text":"two","note":""}']
    assert library.get("Sheet", key).moment.microsecond == 123456
    page.locator("[data-field=note]").get_by_label("null").check()
    save(page)
    assert library.get("Sheet", key).note is None


def test_bounds_and_patterns_are_checked_before_anything_is_sent(
    library: Library, open_page: OpenPage
) -> None:
    page = open_page(library.server, "tables/sheets/new")
    sent = []
    page.on("request", lambda request: sent.append(request.method))
    field(page, "Small").fill("11")
    field(page, "Ratio").fill("half")
    field(page, "Tags").fill("[1,")
    page.get_by_role("button", name="Create sheet").click()
    expect(page.locator("[data-field=text] .error")).to_have_text("Enter a value.")
    expect(page.locator("[data-field=small] .error")).to_have_text("The value must be at most 10.")
    expect(page.locator("[data-field=ratio] .error")).to_have_text("Enter a number.")
    expect(page.locator("[data-field=tags] .error")).to_contain_text("This is not valid JSON")
    expect(page.get_by_label("Text")).to_be_focused()
    assert "POST" not in sent
    copies = open_page(library.server, "tables/copies/new")
    copies.get_by_label("Barcode").fill("ab")
    copies.get_by_role("button", name="Create copy").click()
    expect(copies.locator("[data-field=barcode] .error")).to_contain_text("^[A-Z]{2}")


def test_what_the_server_refuses_is_shown_at_the_field_and_nothing_is_lost(
    library: Library, open_page: OpenPage
) -> None:
    library.add("Copy", barcode="AB1")
    page = open_page(library.server, "tables/copies/new")
    page.get_by_label("Barcode").fill("AB1")
    page.get_by_role("button", name="Create copy").click()
    expect(page.locator("[data-field=barcode] .error")).not_to_be_empty()
    expect(page.get_by_label("Barcode")).to_have_value("AB1")
    expect(page.get_by_label("Barcode")).to_be_focused()
    expect(page.get_by_label("Barcode")).to_have_attribute("aria-invalid", "true")


def test_a_picker_searches_while_typing(library: Library, open_page: OpenPage) -> None:
    for name in ("Ada", "Grace", "Gracia"):
        library.add("Author", name=name)
    key = library.add("Book", title="Notes", author_id=1)
    page = open_page(library.server, f"tables/books/rows/{key}")
    author = page.get_by_role("combobox", name="Author")
    expect(author).to_have_value("Ada")
    author.fill("grac")
    expect(page.get_by_role("listbox").get_by_role("option")).to_have_count(2)
    author.press("ArrowDown")
    author.press("ArrowDown")
    author.press("Enter")
    expect(author).to_have_value("Gracia")
    save(page)
    assert library.get("Book", key).author_id == 3
    page.locator("[data-field=author_id]").get_by_role("button", name="Clear the selection").click()
    save(page)
    assert library.get("Book", key).author_id is None


def test_a_row_is_created_with_its_nested_rows(library: Library, open_page: OpenPage) -> None:
    library.add("Copy", barcode="AB1")
    page = open_page(library.server, "tables/books/new")
    page.get_by_label("Title").fill("With copies")
    page.get_by_role("button", name="Add copy").click()
    page.get_by_role("button", name="Add copy").click()
    page.get_by_label("Barcode").nth(0).fill("AB7")
    page.get_by_label("Barcode").nth(1).fill("AB1")
    page.get_by_role("button", name="Create book").click()
    expect(page.locator(".nested-row").nth(1).locator(".error").first).not_to_be_empty()
    page.get_by_label("Barcode").nth(1).fill("AB8")
    page.get_by_role("button", name="Create book").click()
    page.wait_for_url("**/books/rows/*")
    section = page.locator("#relation-copies")
    expect(section.get_by_text("AB7")).to_be_visible()
    expect(section.get_by_text("AB8")).to_be_visible()
    section.get_by_role("button", name="Add copy").click()
    page.get_by_role("dialog").get_by_label("Barcode").fill("AB9")
    page.get_by_role("dialog").get_by_role("button", name="Create copy").click()
    expect(section.get_by_text("AB9")).to_be_visible()


def test_links_have_their_fields_and_are_removed(library: Library, open_page: OpenPage) -> None:
    book = library.add("Book", title="Lent")
    library.add("Reader", id="r,1/ü", name="Zoë")
    library.add("Tag", name="rare")
    page = open_page(library.server, f"tables/books/rows/{book}")
    loans = page.locator("#relation-loans")
    loans.get_by_role("button", name="Link…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("combobox").fill("zo")
    dialog.get_by_role("option", name="Zoë").click()
    dialog.get_by_label("Days").fill("30")
    dialog.get_by_role("button", name="Link", exact=True).click()
    expect(loans.get_by_role("link", name="r,1/ü")).to_be_visible()
    assert library.get("Loan", (book, "r,1/ü")).days == 30
    loans.get_by_role("button", name="Change the link to").click()
    dialog.get_by_label("Days").fill("61")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.locator(".error", has_text="at most 60")).to_be_visible()
    dialog.get_by_label("Days").fill("7")
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Link changed.")).to_be_visible()
    assert library.get("Loan", (book, "r,1/ü")).days == 7
    loans.get_by_role("link", name="r,1/ü").click()
    expect(page.get_by_role("heading", name="Zoë")).to_be_visible()
    page.go_back()
    page.locator("#relation-loans").get_by_role("button", name="Remove the link").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(page.locator("#relation-loans").get_by_text("None.")).to_be_visible()
    assert library.get("Loan", (book, "r,1/ü")) is None
    tags = page.locator("#relation-tags")
    tags.get_by_role("button", name="Link…").click()
    page.get_by_role("dialog").get_by_role("combobox").fill("rare")
    page.get_by_role("option", name="rare").click()
    page.get_by_role("dialog").get_by_role("button", name="Link", exact=True).click()
    expect(tags.get_by_role("link", name="rare")).to_be_visible()


def test_a_tree_is_shown_with_all_its_levels(library: Library, open_page: OpenPage) -> None:
    top = library.add("Book", title="Series")
    middle = library.add("Book", title="Volume", series_id=top)
    library.add("Book", title="Part", series_id=middle)
    page = open_page(library.server, f"tables/books/rows/{top}")
    parts = page.locator("#relation-parts")
    expect(parts.get_by_text("Volume")).to_be_visible()
    expect(parts.get_by_text("Part", exact=True)).to_have_count(0)
    parts.get_by_role("button", name="Whole tree").click()
    expect(parts.locator("li li").get_by_role("link", name="Part")).to_be_visible()


@pytest.mark.parametrize("room", ["a/b", "x,y~z", "..", "ü & <b>"])
def test_rows_with_composite_keys_are_created_opened_and_deleted(
    room: str, library: Library, open_page: OpenPage
) -> None:
    page = open_page(library.server, "tables/shelves/new")
    page.get_by_label("Room").fill(room)
    page.get_by_label("Number").fill("7")
    page.get_by_role("button", name="Create shelf").click()
    expect(page.locator("dl.readonly")).to_contain_text(room)
    page.reload()
    page.get_by_label("Label", exact=True).fill("Maps")
    save(page)
    assert library.get("Shelf", (room, 7)).label == "Maps"
    page.get_by_role("button", name="Delete…").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("There are no shelves yet.")).to_be_visible()
    assert library.get("Shelf", (room, 7)) is None


def test_a_row_with_a_composite_key_is_chosen_by_its_label(
    library: Library, open_page: OpenPage
) -> None:
    library.add("Shelf", room="North, up", number=1, label="Maps")
    library.add("Shelf", room="North, up", number=2, label="Globes")
    page = open_page(library.server, "tables/boxes/new")
    shelf = page.get_by_role("combobox", name="Shelf")
    shelf.fill("glo")
    page.get_by_role("option", name="Globes").click()
    expect(shelf).to_have_value("Globes")
    expect(field(page, "Room")).to_have_value("North, up")
    expect(field(page, "Number")).to_have_value("2")
    page.get_by_role("button", name="Create box").click()
    page.wait_for_url("**/boxes/rows/1")

    expect(shelf).to_have_value("Globes")
    field(page, "Number").fill("1")
    field(page, "Number").press("Tab")
    expect(shelf).to_have_value("Maps")
    save(page)
    assert library.get("Box", 1).number == 1
    page.get_by_role("button", name="Clear the selection").click()
    expect(field(page, "Number")).to_have_value("")
    save(page)
    assert (library.get("Box", 1).room, library.get("Box", 1).number) == (None, None)


def test_a_row_is_duplicated_without_what_is_unique(library: Library, open_page: OpenPage) -> None:
    library.add("Author", name="Ada")
    key = library.add("Book", title="Notes", author_id=1, status="published")
    page = open_page(library.server, f"tables/books/rows/{key}")
    page.get_by_role("link", name="Duplicate").click()
    expect(page.get_by_role("combobox", name="Author")).to_have_value("Ada")
    page.get_by_label("Title").fill("Notes, again")
    page.get_by_role("button", name="Create book").click()
    page.wait_for_url("**/books/rows/2")
    copy = library.get("Book", 2)
    assert (copy.title, copy.author_id, copy.status) == ("Notes, again", 1, "published")


def test_a_change_can_be_taken_back_unless_someone_has_changed_the_row_again(
    library: Library, open_page: OpenPage
) -> None:
    key = library.add("Author", name="Ada")
    page = open_page(library.server, f"tables/authors/rows/{key}")
    page.get_by_label("Name").fill("Adele")
    save(page)
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_label("Name")).to_have_value("Ada")
    assert library.get("Author", key).name == "Ada"
    page.get_by_label("Name").fill("Adele")
    save(page)
    library.change("Author", key, name="Someone's")
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("so the change was not undone")).to_be_visible()
    assert library.get("Author", key).name == "Someone's"


def test_a_form_with_unsaved_input_asks_before_it_is_left(
    library: Library, open_page: OpenPage
) -> None:
    library.add("Author", name="Ada")
    page = open_page(library.server, "tables/authors")
    page.locator(".grid a.open").click()
    page.get_by_label("Name").fill("Unsaved")
    page.get_by_role("link", name="Books", exact=True).click()
    page.get_by_role("button", name="Stay").click()
    expect(page.get_by_label("Name")).to_have_value("Unsaved")
    page.go_back()
    page.get_by_role("button", name="Stay").click()
    expect(page.get_by_label("Name")).to_have_value("Unsaved")
    page.get_by_role("link", name="Books", exact=True).click()
    page.get_by_role("button", name="Leave").click()
    expect(page.get_by_role("heading", name="Books")).to_be_visible()


def test_a_form_is_filled_and_saved_by_keyboard_alone(
    library: Library, open_page: OpenPage
) -> None:
    library.add("Author", name="Ada")
    page = open_page(library.server, "tables/authors")
    expect(page.locator(".grid")).to_be_visible()
    page.keyboard.press("Tab")  # the link that skips the navigation
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.locator(".grid a.open:focus").count():
            break
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Ada")).to_be_visible()
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.locator("[data-field=name] textarea:focus").count():
            break
    page.keyboard.press("Control+A")
    page.keyboard.type("Ada L.")
    page.keyboard.press("Control+s")
    expect(page.get_by_text("Saved Ada L.")).to_be_visible()
    assert library.get("Author", 1).name == "Ada L."
