"""What was not typed stays as it is, and what is done twice happens once."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Optional

import pytest
from fastapi import Cookie, Depends, FastAPI, Header, HTTPException
from playwright.sync_api import Page, Route, expect
from sqlalchemy import ForeignKeyConstraint

from colonnade import Database, Field, Relationship, Resource, SQLModel, Studio, problems
from tests.studio.browser.conftest import OpenPage
from tests.studio.serving import ServedStudio, served

SOON = dt.datetime(2026, 10, 25, 0, 30, 15, 123456, tzinfo=dt.UTC)
"""In Berlin, the first of the two times of 2:30 in that night."""

FOREVER = dt.datetime(9999, 12, 31, 23, 59, 59, tzinfo=dt.UTC)


class Desk:
    """An app of tickets of tenants: with two references that share a column, links and a secret."""

    server: ServedStudio

    def __init__(self, db: Database) -> None:
        self.db = db
        self.calls: list[int] = []

        class Person(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            name: str

        class Share(SQLModel, table=True):
            ticket_id: int | None = Field(default=None, foreign_key="ticket.id", primary_key=True)
            person_id: int | None = Field(default=None, foreign_key="person.id", primary_key=True)
            days: int = 1
            since: dt.datetime | None = None
            ticket: Optional["Ticket"] = Relationship(back_populates="shares")
            person: Person | None = Relationship()

        class Project(SQLModel, table=True):
            tenant: int = Field(primary_key=True)
            number: int = Field(primary_key=True)
            name: str

        class Owner(SQLModel, table=True):
            tenant: int = Field(primary_key=True)
            number: int = Field(primary_key=True)
            name: str

        class Ticket(SQLModel, table=True):
            __table_args__ = (
                ForeignKeyConstraint(
                    ["tenant", "project_nr"], ["project.tenant", "project.number"]
                ),
                ForeignKeyConstraint(["tenant", "owner_nr"], ["owner.tenant", "owner.number"]),
            )
            id: int | None = Field(default=None, primary_key=True)
            name: str
            tenant: int | None = None
            project_nr: int | None = None
            owner_nr: int | None = None
            points: int = 0
            soon: dt.datetime | None = None
            until: dt.datetime | None = None
            at: dt.time | None = None
            data: dict[str, Any] | None = None
            code: str | None = Field(default=None, secret=True)
            urgent: bool = Field(default_factory=lambda: True)
            project: Project | None = Relationship(
                sa_relationship_kwargs={"overlaps": "owner,project"}
            )
            owner: Owner | None = Relationship(sa_relationship_kwargs={"overlaps": "owner,project"})
            shares: list[Share] = Relationship(back_populates="ticket", passive_deletes="all")

        class FixedTicket(SQLModel):
            name: str | None = None
            project_nr: int | None = None

        self.Ticket, self.Share = Ticket, Share
        db.create_all()
        with db.session() as session:
            session.add_all([Person(name="Ada"), Person(name="Grace")])
            for tenant in (1, 2):
                for number in (1, 2):
                    name = f"{number} of {tenant}"
                    session.add(Project(tenant=tenant, number=number, name=f"Project {name}"))
                    session.add(Owner(tenant=tenant, number=number, name=f"Owner {name}"))
            session.commit()
        app = FastAPI(lifespan=db.lifespan)
        include = ["project", "owner", "shares"]
        tickets = Resource(Ticket, db, include=include, nested={"shares": Resource(Share, db)})

        @tickets.action("Count")
        def count(rows: list[Any]) -> None:
            self.calls.append(len(rows))

        fixed = Resource(Ticket, db, include=include, update=FixedTicket, prefix="/fixed-tickets")
        for resource in (
            tickets,
            fixed,
            Resource(Person, db),
            Resource(Project, db),
            Resource(Owner, db),
        ):
            app.include_router(resource)
        problems(app)
        Studio(app, dependencies=[Depends(self.require_admin)])
        self.app = app

    def require_admin(
        self, user: Annotated[str, Cookie()] = "", authorization: Annotated[str, Header()] = ""
    ) -> None:
        if "admin" not in user + authorization:
            raise HTTPException(403 if authorization else 401, "Who are you?")

    def add(self, **values: Any) -> Any:
        with self.db.session() as session:
            ticket = self.Ticket(**{"name": "Old", **values})
            session.add(ticket)
            session.commit()
            return ticket.id

    def get(self, key: int) -> Any:
        with self.db.session() as session:
            return session.get_one(self.Ticket, key)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    db = Database(f"sqlite:///{tmp_path}/desk.db")
    desk = Desk(db)
    with served(desk.app) as server:
        desk.server = server
        yield desk
    db.dispose()


def save(page: Page) -> None:
    with page.expect_response(lambda response: response.request.method == "PATCH") as saved:
        page.get_by_role("button", name="Save").click()
    assert saved.value.ok


def test_a_duplicate_is_exact(desk: Desk, open_page: OpenPage) -> None:
    data = {"long": [0.1234567890123456789, 1.5], "big": 2**63}
    values = {"soon": SOON, "until": FOREVER, "at": dt.time(1, 2, 3, 456789), "data": data}
    page = open_page(desk.server, f"tables/tickets/copy/{desk.add(**values)}")
    expect(page.get_by_label("Name")).to_have_value("Old")
    page.get_by_role("button", name="Create ticket").click()
    page.wait_for_url("**/tickets/rows/2")
    copied = desk.get(2)
    assert {name: getattr(copied, name) for name in values} == values


def test_a_duplicate_of_a_row_that_has_gone_is_explained(desk: Desk, open_page: OpenPage) -> None:
    page = open_page(desk.server, "tables/tickets/copy/9")
    expect(page.get_by_role("alert")).to_contain_text("could not be copied: Ticket not found")
    expect(page.get_by_label("Name")).to_be_editable()


def test_json_keeps_its_digits_when_another_part_changes(desk: Desk, open_page: OpenPage) -> None:
    key = desk.add()
    with desk.db.engine.begin() as connection:
        digits = '{"a": 0.12345678901234567890, "b": 1}'
        connection.exec_driver_sql("UPDATE ticket SET data = ?", (digits,))
    page = open_page(desk.server, f"tables/tickets/rows/{key}")
    editor = page.get_by_label("Data")
    expect(editor).to_have_value('{\n  "a": 0.12345678901234567890,\n  "b": 1\n}')
    with page.expect_request(lambda request: request.method == "PATCH") as sent:
        editor.fill(editor.input_value().replace('"b": 1', '"b": 2'))
        page.get_by_role("button", name="Save").click()
    assert '"a":0.12345678901234567890' in (sent.value.post_data or "")


def test_a_link_keeps_what_was_not_changed(desk: Desk, open_page: OpenPage) -> None:
    key = desk.add()
    with desk.db.session() as session:
        session.add(desk.Share(ticket_id=key, person_id=1, since=SOON))
        session.commit()
    page = open_page(desk.server, f"tables/tickets/rows/{key}")
    page.get_by_role("button", name="Change the link to 1").click()
    page.get_by_role("dialog").get_by_label("Days").fill("9")
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(page.get_by_text("Link changed.")).to_be_visible()
    with desk.db.session() as session:
        share = session.get_one(desk.Share, (key, 1))
        assert (share.days, share.since) == (9, SOON)


def test_rows_of_a_link_table_are_created_with_a_new_row(desk: Desk, open_page: OpenPage) -> None:
    page = open_page(desk.server, "tables/tickets/new")
    page.get_by_label("Name").fill("Shared")
    page.get_by_role("button", name="Add shares").click()
    shares = page.get_by_role("group", name="Shares 1")
    shares.get_by_label("Person id").fill("2")
    page.get_by_role("button", name="Create ticket").click()
    page.wait_for_url("**/tickets/rows/1")
    with desk.db.session() as session:
        assert session.get_one(desk.Share, (1, 2)).days == 1


def test_references_that_share_a_column_do_not_mix(desk: Desk, open_page: OpenPage) -> None:
    key = desk.add(tenant=1, project_nr=1, owner_nr=1)
    page = open_page(desk.server, f"tables/tickets/rows/{key}")
    project = page.get_by_role("combobox", name="Project")
    owner = page.get_by_role("combobox", name="Owner")
    expect(owner).to_have_value("Owner 1 of 1")
    project.fill("2 of 1")
    page.get_by_role("option", name="Project 2 of 1").click()
    expect(owner).to_have_value("Owner 1 of 1")
    project.fill("1 of 2")
    page.get_by_role("option", name="Project 1 of 2").click()
    expect(owner).to_have_value("")
    save(page)
    saved = desk.get(key)
    assert (saved.tenant, saved.project_nr, saved.owner_nr) == (2, 1, None)
    owner.fill("2 of 2")
    page.get_by_role("option", name="Owner 2 of 2").click()
    page.locator("[data-relation=project]").get_by_role("button", name="Clear").click()
    expect(owner).to_have_value("Owner 2 of 2")
    save(page)
    saved = desk.get(key)
    assert (saved.tenant, saved.project_nr, saved.owner_nr) == (2, None, 2)


def test_only_rows_with_the_fixed_part_of_a_key_are_offered(
    desk: Desk, open_page: OpenPage
) -> None:
    key = desk.add(tenant=1, project_nr=1)
    page = open_page(desk.server, f"tables/fixed-tickets/rows/{key}")
    project = page.get_by_role("combobox", name="Project")
    expect(project).to_have_value("Project 1 of 1")
    project.fill("Project")
    expect(page.get_by_role("option")).to_have_count(2)
    page.get_by_role("option", name="Project 2 of 1").click()
    save(page)
    assert (desk.get(key).tenant, desk.get(key).project_nr) == (1, 2)


def test_a_filter_that_is_not_changed_stays_exact(desk: Desk, open_page: OpenPage) -> None:
    page = open_page(desk.server, "tables/tickets?soon__gte=1890-01-01T12:00:30Z")
    page.get_by_role("button", name="Filter", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Apply").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert "1890-01-01T12%3A00%3A30Z" in page.url or "1890-01-01T12:00:30Z" in page.url


def test_a_secret_is_not_said_to_be_taken_back(desk: Desk, open_page: OpenPage) -> None:
    page = open_page(desk.server, f"tables/tickets/rows/{desk.add(code='first')}")
    page.get_by_label("Code").fill("second")
    save(page)
    assert desk.get(1).code == "second"
    expect(page.get_by_role("button", name="Undo")).to_have_count(0)


def test_a_value_that_is_needed_cannot_be_emptied(desk: Desk, open_page: OpenPage) -> None:
    page = open_page(desk.server, f"tables/tickets/rows/{desk.add(points=3)}")
    page.get_by_label("Points").fill("")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("[data-field=points]")).to_contain_text("Enter a value.")
    assert desk.get(1).points == 3


def test_a_default_that_the_server_does_not_tell_is_a_choice(
    desk: Desk, open_page: OpenPage
) -> None:
    page = open_page(desk.server, "tables/tickets/new")
    page.get_by_label("Name").fill("New")
    expect(page.get_by_label("Urgent")).to_have_value("")
    page.get_by_role("button", name="Create ticket").click()
    page.wait_for_url("**/tickets/rows/1")
    expect(page.get_by_label("Urgent")).to_be_checked()
    expect(page.locator("[data-field=code]")).to_contain_text("Leave it empty to keep it")


def test_a_double_click_acts_once(desk: Desk, open_page: OpenPage) -> None:
    page = open_page(desk.server, f"tables/tickets/rows/{desk.add()}")
    page.get_by_role("button", name="Count").dblclick()
    expect(page.get_by_text("Count: done.")).to_be_visible()
    assert desk.calls == [1]


def test_a_post_without_an_answer_is_sent_again_with_its_key(
    desk: Desk, open_page: OpenPage
) -> None:
    keys: list[str | None] = []
    page = open_page(desk.server, "tables/tickets/new")

    def lose(route: Route) -> None:
        keys.append(route.request.header_value("idempotency-key"))
        route.abort()

    page.route("**/api/data/tickets", lose)
    page.get_by_label("Name").fill("Once")
    page.get_by_role("button", name="Create ticket").click()
    expect(page.get_by_role("alert")).to_contain_text("It is not known whether")
    page.get_by_role("button", name="Create ticket").click()
    expect(page.get_by_role("button", name="Create ticket")).to_be_enabled()
    page.get_by_label("Name").fill("Another")
    page.get_by_role("button", name="Create ticket").click()
    expect(page.get_by_role("button", name="Create ticket")).to_be_enabled()
    assert len(keys) == 3
    assert keys[0] == keys[1] != keys[2]


def test_a_picker_waits_for_the_options_of_its_text(desk: Desk, open_page: OpenPage) -> None:
    page = open_page(desk.server, "tables/tickets/new")
    project = page.get_by_role("combobox", name="Project")
    project.fill("2 of 1")
    options = page.get_by_role("listbox", name="Projects")
    expect(options.get_by_role("option")).to_have_count(1)
    project.fill("1 of 2")
    project.press("Enter")
    expect(project).to_have_value("Project 1 of 2")
    project.fill("nothing")
    page.get_by_label("Points").focus()
    expect(project).to_have_value("Project 1 of 2")


def test_a_token_that_is_refused_can_be_replaced(desk: Desk, open_page: OpenPage) -> None:
    page = open_page(desk.server, "tables/tickets")
    page.context.clear_cookies()
    page.reload()
    dialog = page.get_by_role("dialog", name="Sign in")
    dialog.get_by_label("Bearer token").fill("nonsense")
    dialog.get_by_role("button", name="Sign in").click()
    expect(dialog).to_contain_text("Who are you?")
    dialog.get_by_label("Bearer token").fill("admin")
    dialog.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("There are no tickets yet.")).to_be_visible()


def test_signing_out_asks_about_unsaved_input(desk: Desk, open_page: OpenPage) -> None:
    page = open_page(desk.server, f"tables/tickets/rows/{desk.add()}")
    page.evaluate("sessionStorage.setItem('studio-token:/studio/', 'admin')")
    page.reload()
    page.get_by_label("Name").fill("Typed")
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("dialog").get_by_role("button", name="Stay").click()
    expect(page.get_by_label("Name")).to_have_value("Typed")


def test_a_link_to_a_text_that_is_no_row_is_refused(desk: Desk, open_page: OpenPage) -> None:
    page = open_page(desk.server, f"tables/tickets/rows/{desk.add()}")
    page.get_by_role("button", name="Link…").click()
    dialog = page.get_by_role("dialog", name="Link shares")
    dialog.get_by_role("combobox", name="Person").fill("nobody")
    dialog.get_by_role("button", name="Link", exact=True).click()
    expect(dialog.get_by_role("alert")).to_contain_text("Choose a row.")
    dialog.get_by_role("combobox", name="Person").fill("grace")
    dialog.get_by_role("option", name="Grace").click()
    dialog.get_by_role("button", name="Link", exact=True).click()
    expect(page.get_by_text("Link added.")).to_be_visible()
