"""Actions: functions of the program that requests call with chosen rows."""

from collections.abc import Callable
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, Header, HTTPException, Request
from fastapi.testclient import TestClient
from pydantic import BaseModel

from colonnade import AsyncSession, Database, Field, Resource, Session, SQLModel, problems
from colonnade.errors import ModelError

Make = Callable[..., tuple[Resource, TestClient]]


@pytest.fixture
def make(db: Database) -> Make:
    """A Resource of tickets, and a client; the app includes the Resource at the first request."""

    class Ticket(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        team: str = "red"
        state: str = "open"

    db.create_all()

    def build(**options: Any) -> tuple[Resource, TestClient]:
        tickets = Resource(Ticket, db, **options)
        app = FastAPI(lifespan=db.lifespan)
        app.include_router(tickets)
        problems(app)
        with db.session() as session:
            session.add_all([Ticket(), Ticket(team="blue"), Ticket()])
            session.commit()
        return tickets, TestClient(app)

    return build


def states(client: TestClient) -> list[str]:
    return [row["state"] for row in client.get("/tickets").json()]


def close(rows: list[Any]) -> str:
    for ticket in rows:
        ticket.state = "closed"
    return f"Closed {len(rows)}"


def test_the_chosen_rows_are_changed_in_one_transaction(make: Make) -> None:
    tickets, client = make()
    tickets.action("Close")(close)
    answer = client.post("/tickets:close?key=3&key=1&key=3")
    assert (answer.status_code, answer.json()) == (200, {"ok": True, "message": "Closed 2"})
    assert states(client) == ["closed", "open", "closed"]


def test_rows_have_the_order_of_their_keys_and_both_kinds_of_sessions(make: Make) -> None:
    tickets, client = make()

    @tickets.action("Sync", name="sync-action")
    def sync(rows: list[Any], session: Session) -> str:
        assert isinstance(session, Session)
        session.add(tickets.model(team="new"))
        return ",".join(str(row.id) for row in rows)

    @tickets.action("Async")
    async def run_async(rows: list[Any], session: AsyncSession) -> None:
        assert isinstance(session, AsyncSession)
        rows[0].state = "seen"

    assert client.post("/tickets:sync-action?key=2&key=1").json()["message"] == "2,1"
    assert client.get("/tickets/4").json()["team"] == "new"
    assert client.post("/tickets:run-async?key=1").json() == {"ok": True, "message": None}
    assert states(client)[0] == "seen"


def test_a_failure_changes_nothing(make: Make) -> None:
    tickets, client = make()

    @tickets.action("Fail")
    def fail(rows: list[Any]) -> None:
        rows[0].state = "half"
        raise HTTPException(409, "Not on Sundays.")

    answer = client.post("/tickets:fail?key=1&key=2")
    assert (answer.status_code, answer.json()["detail"]) == (409, "Not on Sundays.")
    assert states(client) == ["open"] * 3


def test_a_body_and_parameters_are_those_of_an_endpoint(make: Make) -> None:
    tickets, client = make()

    class Move(BaseModel):
        team: str = Field(max_length=5)

    @tickets.action("Move")
    def move(rows: list[Any], form: Move, who: Annotated[str, Header()]) -> str:
        rows[0].team = form.team
        return who

    answer = client.post("/tickets:move?key=1", json={"team": "green"}, headers={"who": "zoe"})
    assert answer.json()["message"] == "zoe"
    assert client.get("/tickets/1").json()["team"] == "green"
    refused = client.post("/tickets:move?key=1", json={"team": "magenta"}, headers={"who": "zoe"})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "team")


@pytest.mark.parametrize(
    ("query", "status"), [("", 422), ("key=x", 422), ("key=99", 404), ("key=1&key=99", 404)]
)
def test_keys_that_are_not_there_are_refused_and_nothing_runs(
    query: str, status: int, make: Make
) -> None:
    tickets, client = make()
    tickets.action("Close")(close)
    assert client.post(f"/tickets:close?{query}").status_code == status
    assert states(client) == ["open"] * 3


def test_more_keys_than_rows_in_a_page_are_refused(make: Make) -> None:
    tickets, client = make(max_limit=2)
    tickets.action("Close")(close)
    assert client.post("/tickets:close?key=1&key=2&key=3").status_code == 422


def test_only_rows_that_the_request_may_write_are_reached(make: Make) -> None:
    def team(request: Request) -> dict[str, str]:
        return {"team": request.headers.get("team", "red")}

    tickets, client = make(write_scope=team)
    tickets.action("Close")(close)
    answer = client.post("/tickets:close?key=1&key=2")
    assert answer.status_code == 404
    assert answer.json()["detail"] == "Ticket not found, or not yours to change: 2."
    assert states(client) == ["open"] * 3
    assert client.post("/tickets:close?key=2", headers={"team": "blue"}).status_code == 200


def test_the_guards_of_updates_and_of_the_action_apply(make: Make) -> None:
    def refuse(role: Annotated[str, Header()] = "") -> None:
        if role != "editor":
            raise HTTPException(403, "Editors only.")

    def refuse_interns(role: Annotated[str, Header()] = "") -> None:
        if role == "intern":
            raise HTTPException(403, "No interns.")

    tickets, client = make(dependencies={"update": [Depends(refuse)]})
    tickets.action("Close", dependencies=[Depends(refuse_interns)])(close)
    assert client.post("/tickets:close?key=1").json()["detail"] == "Editors only."
    assert client.post("/tickets:close?key=1", headers={"role": "editor"}).status_code == 200


def test_a_function_that_cannot_be_an_action_is_refused(make: Make) -> None:
    tickets, _ = make()
    with pytest.raises(ModelError, match="needs a parameter for the chosen rows"):
        tickets.action("Close")(lambda: None)
    with pytest.raises(ModelError, match="Use small letters, digits and hyphens"):
        tickets.action("Close", name="Close it")(close)


def test_the_openapi_document_has_the_action(make: Make) -> None:
    tickets, client = make()
    tickets.action("Close")(close)
    operation = client.get("/openapi.json").json()["paths"]["/tickets:close"]["post"]
    assert operation["summary"] == "Close"
    assert [each["name"] for each in operation["parameters"]] == ["key"]
