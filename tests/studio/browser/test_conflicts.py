"""What happens while a form is open: other people, the end of a session, a server that goes."""

from playwright.sync_api import expect

from tests.studio.browser.conftest import OpenPage
from tests.studio.browser.library import Library


def test_two_people_who_edit_one_row_see_both_versions(
    library: Library, open_page: OpenPage
) -> None:
    key = library.add("Book", title="Draft", status="planned")
    first = open_page(library.server, f"tables/books/rows/{key}")
    second = open_page(library.server, f"tables/books/rows/{key}")
    first.get_by_label("Title").fill("First")
    first.get_by_label("Status").select_option(label="published")
    second.get_by_label("Title").fill("Second")
    first.get_by_role("button", name="Save").click()
    expect(first.get_by_text("Saved First")).to_be_visible()

    second.get_by_role("button", name="Save").click()
    dialog = second.get_by_role("dialog", name="Changed by someone else")
    title = dialog.get_by_role("row", name="Title")
    expect(title.locator("td")).to_have_text(["Draft", "Second", "First"])
    status = dialog.get_by_role("row", name="Status")
    expect(status.locator("td")).to_have_text(["planned", "planned", "published"])
    assert library.get("Book", key).title == "First"  # nothing was overwritten
    dialog.get_by_role("button", name="Keep editing").click()
    expect(second.get_by_label("Title")).to_have_value("Second")

    second.get_by_role("button", name="Save").click()
    dialog.get_by_role("button", name="Save selected values").click()
    expect(second.get_by_text("Saved Second")).to_be_visible()
    stored = library.get("Book", key)
    assert (stored.title, stored.status) == ("Second", "published")


def test_one_s_own_version_can_be_discarded(library: Library, open_page: OpenPage) -> None:
    key = library.add("Author", name="Ada")
    page = open_page(library.server, f"tables/authors/rows/{key}")
    page.get_by_label("Name").fill("Mine")
    library.change("Author", key, name="Theirs")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("button", name="Discard my changes").click()
    expect(page.get_by_label("Name")).to_have_value("Theirs")
    assert library.get("Author", key).name == "Theirs"


def test_the_input_for_a_deleted_row_can_become_a_new_one(
    library: Library, open_page: OpenPage
) -> None:
    key = library.add("Author", name="Ada")
    page = open_page(library.server, f"tables/authors/rows/{key}")
    page.get_by_label("Name").fill("Ada, kept")
    expect(page.get_by_text("None.")).to_be_visible()  # all of the page is loaded
    with library.db.session() as session:
        session.delete(session.get(library.models["Author"], key))
        session.commit()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("Someone deleted this author.")
    page.get_by_role("button", name="Create it again").click()
    expect(page.get_by_label("Name")).to_have_value("Ada, kept")
    page.get_by_role("button", name="Create author").click()
    expect(page.get_by_text("Created Ada, kept.")).to_be_visible()


def test_a_session_that_ends_loses_no_input(library: Library, open_page: OpenPage) -> None:
    key = library.add("Author", name="Ada")
    page = open_page(library.server, f"tables/authors/rows/{key}")
    page.get_by_label("Name").fill("Typed before")
    # The whole page, whose last request would ask for the sign-in first.
    expect(page.locator("#relation-books")).to_contain_text("None.")
    library.users.clear()
    page.get_by_role("button", name="Save").click()
    dialog = page.get_by_role("dialog", name="Sign in")
    expect(dialog).to_contain_text("You are not signed in.")
    assert library.get("Author", key).name == "Ada"
    library.users.add("secret-token")
    dialog.get_by_label("Bearer token").fill("Bearer secret-token")
    dialog.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("Saved Typed before.")).to_be_visible()


def test_the_page_asks_for_a_token_before_it_has_any_data(
    library: Library, open_page: OpenPage
) -> None:
    library.add("Author", name="Not for everyone")
    library.users = {"secret-token"}
    page = open_page(library.server, "tables/authors")
    dialog = page.get_by_role("dialog", name="Sign in")
    expect(dialog).to_be_visible()
    assert "Not for everyone" not in page.content()
    dialog.get_by_label("Bearer token").fill("wrong")
    dialog.get_by_role("button", name="Sign in").click()
    dialog = page.get_by_role("dialog", name="Sign in")
    dialog.get_by_label("Bearer token").fill("secret-token")
    dialog.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("Not for everyone")).to_be_visible()
    page.reload()
    expect(page.get_by_text("Not for everyone")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("dialog", name="Sign in")).to_be_visible()


def test_a_server_that_goes_away_loses_no_input(library: Library, open_page: OpenPage) -> None:
    key = library.add("Author", name="Ada")
    page = open_page(library.server, f"tables/authors/rows/{key}")
    page.get_by_label("Name").fill("Typed before")
    library.server.stop()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("The server is not responding.")
    expect(page.get_by_label("Name")).to_have_value("Typed before")
    expect(page.get_by_role("button", name="Save")).to_be_enabled()
