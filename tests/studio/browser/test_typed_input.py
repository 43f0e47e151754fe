"""Nothing that was typed is lost, and nothing is saved that was not meant."""

import datetime as dt
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from tests.studio.browser.conftest import OpenPage, Watched
from tests.studio.browser.library import Library


def fail_once(page: Page, method: str, status: int | None = None) -> None:
    """Let the next request of a method fail: without an answer, or with a status."""
    is_done = False

    def handle(route: Route) -> None:
        nonlocal is_done
        if is_done or route.request.method != method:
            route.continue_()
            return
        is_done = True
        if status is None:
            route.abort()
        else:
            route.fulfill(status=status, json={"detail": "As the test wants."})

    page.route("**/api/data/**", handle)


def test_keys_that_are_pressed_twice_save_once(library: Library, open_page: OpenPage) -> None:
    page = open_page(library.server, "tables/authors/new")
    library.slow_method = "POST"
    name = page.get_by_label("Name")
    name.fill("Once")
    name.press("Control+Enter")
    name.press("Control+Enter")
    name.press("Control+s")
    page.wait_for_url("**/authors/rows/1")
    assert library.get("Author", 2) is None
    methods: list[str] = []
    page.on("request", lambda request: methods.append(request.method))
    name = page.get_by_label("Name")
    name.fill("Twice")
    name.press("Control+s")
    name.press("Control+s")
    expect(page.get_by_text("Saved Twice.")).to_be_visible()
    assert methods.count("PATCH") == 1


def test_input_stays_when_an_action_runs(library: Library, open_page: OpenPage) -> None:
    key = library.add("Book", title="Old")
    page = open_page(library.server, f"tables/books/rows/{key}")
    page.get_by_label("Title").fill("Typed")
    page.get_by_role("button", name="Lend out").click()
    page.get_by_role("dialog").get_by_role("button", name="Lend out").click()
    expect(page.get_by_label("In stock")).not_to_be_checked()
    expect(page.get_by_label("Title")).to_have_value("Typed")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved Typed.")).to_be_visible()
    stored = library.get("Book", key)
    assert (stored.title, stored.in_stock) == ("Typed", False)


def test_input_stays_when_a_change_is_taken_back(library: Library, open_page: OpenPage) -> None:
    key = library.add("Book", title="Old")
    page = open_page(library.server, f"tables/books/rows/{key}")
    page.get_by_label("Title").fill("New")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved New.")).to_be_visible()
    page.get_by_label("Price").fill("3.50")
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_label("Title")).to_have_value("Old")
    expect(page.get_by_label("Price")).to_have_value("3.50")


def test_the_focus_stays_when_the_row_is_read_again(library: Library, open_page: OpenPage) -> None:
    key = library.add("Book", title="Old")
    page = open_page(library.server, f"tables/books/rows/{key}")
    page.get_by_label("Title").fill("New")
    library.slow_method = "GET"
    page.keyboard.press("Control+s")
    page.get_by_label("Price").focus()
    expect(page.get_by_role("heading", name="New")).to_be_visible()  # it has been read again
    expect(page.get_by_label("Price")).to_be_focused()
    page.keyboard.type("3.50")
    expect(page.get_by_label("Price")).to_have_value("3.50")


def test_what_is_typed_while_a_row_is_saved_stays(library: Library, open_page: OpenPage) -> None:
    key = library.add("Book", title="Old")
    page = open_page(library.server, f"tables/books/rows/{key}")
    library.slow_method = "PATCH"
    page.get_by_label("Title").fill("New")
    page.keyboard.press("Control+s")
    page.get_by_label("Price").fill("3.50")
    page.get_by_label("Title").fill("Old")  # as it was before
    expect(page.get_by_text("Saved New.")).to_be_visible()
    expect(page.get_by_label("Price")).to_have_value("3.50")
    expect(page.get_by_label("Title")).to_have_value("Old")
    expect(page.get_by_role("button", name="Save")).to_be_enabled()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved Old.")).to_be_visible()
    assert library.get("Book", key).title == "Old"


def test_the_end_of_a_session_and_of_a_row_lose_nothing_together(
    library: Library, open_page: OpenPage
) -> None:
    key = library.add("Author", name="Ada")
    page = open_page(library.server, f"tables/authors/rows/{key}")
    page.get_by_label("Name").fill("Kept")
    expect(page.get_by_text("None.")).to_be_visible()  # all of the page is loaded
    with library.db.session() as session:
        session.delete(session.get_one(library.models["Author"], key))
        session.commit()
    library.users.clear()
    page.get_by_role("button", name="Save").click()
    library.users.add("token")
    page.get_by_label("Bearer token").fill("token")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Create it again").click()
    expect(page.get_by_label("Name")).to_have_value("Kept")


@pytest.fixture
def conflict(library: Library, open_page: OpenPage) -> Callable[[], Page]:
    """Opens a form whose row someone else has changed meanwhile."""

    def open_form() -> Page:
        key = library.add("Author", name="Before")
        page = open_page(library.server, f"tables/authors/rows/{key}")
        page.get_by_label("Name").fill("Mine")
        library.change("Author", key, name="Theirs")
        return page

    return open_form


def test_a_failure_while_a_conflict_is_resolved_is_shown(
    conflict: Callable[[], Page], library: Library
) -> None:
    page = conflict()
    fail_once(page, "GET")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("The server is not responding.")
    expect(page.get_by_label("Name")).to_have_value("Mine")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("dialog", name="Changed by someone else")).to_be_visible()


def test_a_choice_that_could_not_be_saved_is_asked_again(
    conflict: Callable[[], Page], library: Library
) -> None:
    page = conflict()
    page.get_by_role("button", name="Save").click()
    fail_once(page, "PATCH", 503)
    page.get_by_role("button", name="Save selected values").click()
    expect(page.get_by_role("alert")).to_contain_text("As the test wants.")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("dialog", name="Changed by someone else")).to_be_visible()
    assert library.get("Author", 1).name == "Theirs"


def test_a_date_of_which_a_part_is_missing_is_not_saved(
    library: Library, open_page: OpenPage
) -> None:
    key = library.add("Sheet", text="x", day=dt.date(2024, 5, 6))
    page = open_page(library.server, f"tables/sheets/rows/{key}")
    page.get_by_label("Day", exact=True).focus()
    page.keyboard.press("Backspace")
    page.keyboard.press("Control+s")
    expect(page.locator("[data-field=day] .error")).to_have_text("Complete the value, or clear it.")
    assert library.get("Sheet", key).day == dt.date(2024, 5, 6)


def test_large_keys_lead_to_the_right_row(library: Library, open_page: OpenPage) -> None:
    library.add("Author", id=9007199254740993, name="Big")
    library.add("Author", id=9007199254740992, name="Other")
    page = open_page(library.server, "tables/authors/rows/9007199254740993")
    page.get_by_role("link", name="Add book").click()
    expect(page.get_by_role("combobox", name="Author")).to_have_value("Big")
    page.get_by_label("Title").fill("Right")
    with page.expect_request(lambda request: request.method == "POST") as posted:
        page.get_by_role("button", name="Create book").click()
    assert posted.value.post_data == '{"title":"Right","author_id":9007199254740993}'


def test_line_breaks_and_microseconds_survive_a_change(
    library: Library, open_page: OpenPage
) -> None:
    key = library.add("Sheet", text="a\r\nb", at=dt.time(10, 0, 0, 123456))
    author = library.add("Author", name="line 1\nline 2")
    page = open_page(library.server, f"tables/sheets/rows/{key}")
    expect(page.get_by_label("At", exact=True)).to_have_value("10:00:00.123")
    page.get_by_label("Text", exact=True).press("Control+End")
    page.keyboard.type("!")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved")).to_be_visible()
    stored = library.get("Sheet", key)
    assert (stored.text, stored.at.microsecond) == ("a\r\nb!", 123456)
    page.goto(f"{library.server.url}/studio/tables/authors/rows/{author}")
    page.get_by_label("Name").press("Control+End")
    page.keyboard.type("!")
    page.keyboard.press("Control+s")
    expect(page.get_by_text("Saved")).to_be_visible()
    assert library.get("Author", author).name == "line 1\nline 2!"


def test_a_picker_whose_text_is_deleted_has_no_row(library: Library, open_page: OpenPage) -> None:
    library.add("Author", name="Ada")
    key = library.add("Book", title="Notes", author_id=1)
    page = open_page(library.server, f"tables/books/rows/{key}")
    author = page.get_by_role("combobox", name="Author")
    expect(author).to_have_value("Ada")
    author.fill("")
    page.get_by_label("Title").focus()
    expect(page.get_by_role("button", name="Save")).to_be_enabled()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved Notes.")).to_be_visible()
    assert library.get("Book", key).author_id is None


def test_a_picker_whose_text_is_no_row_is_not_saved(library: Library, open_page: OpenPage) -> None:
    library.add("Author", name="Ada")
    key = library.add("Book", title="Notes", author_id=1)
    page = open_page(library.server, f"tables/books/rows/{key}")
    author = page.get_by_role("combobox", name="Author")
    author.fill("Adele")
    page.get_by_label("Title").focus()
    page.get_by_role("button", name="Save").click()
    expect(page.locator("[data-field=author_id]")).to_contain_text("Choose a row from the list.")
    expect(author).to_have_value("Adele")
    assert library.get("Book", key).author_id == 1


def test_a_tree_with_a_cycle_ends(library: Library, open_page: OpenPage) -> None:
    first = library.add("Book", title="First")
    second = library.add("Book", title="Second", series_id=first)
    library.change("Book", first, series_id=second)
    page = open_page(library.server, f"tables/books/rows/{first}")
    parts = page.locator("#relation-parts")
    parts.get_by_role("button", name="Whole tree").click()
    expect(parts.locator(".tree li")).to_have_text(["Second"])


def test_a_path_that_is_no_url_is_not_found(
    library: Library, open_page: OpenPage, watched: Watched
) -> None:
    page = open_page(library.server, "tables/%E0")
    expect(page.get_by_role("heading", name="Not found")).to_be_visible()
    assert watched.messages == []


@pytest.mark.parametrize("room", ["a\nb", "a?b#c"])
def test_keys_with_signs_of_urls_are_opened(
    room: str, library: Library, open_page: OpenPage
) -> None:
    library.add("Shelf", room=room, number=1)
    page = open_page(library.server, "tables/shelves")
    page.locator(".grid a.open").click()
    page.get_by_label("Label", exact=True).fill("Maps")
    page.keyboard.press("Control+s")
    expect(page.get_by_text("Saved")).to_be_visible()
    assert library.get("Shelf", (room, 1)).label == "Maps"


def test_a_dialog_with_input_asks_before_it_is_closed(
    library: Library, open_page: OpenPage
) -> None:
    key = library.add("Book", title="Notes")
    page = open_page(library.server, f"tables/books/rows/{key}")
    page.get_by_role("button", name="Set price").click()
    dialog = page.get_by_role("dialog", name="Set price: 1 row")
    dialog.get_by_label("Price", exact=True).fill("7")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Keep editing").click()
    expect(dialog.get_by_label("Price", exact=True)).to_have_value("7")
    dialog.get_by_role("button", name="Cancel").click()
    page.get_by_role("dialog", name="Close without saving?").get_by_role(
        "button", name="Close", exact=True
    ).last.click()
    expect(page.get_by_role("dialog")).to_have_count(0)
