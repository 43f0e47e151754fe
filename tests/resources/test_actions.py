"""Actions: functions of the program that requests call with chosen rows."""

from collections.abc import Callable
from typing import Annotated, Any

import pytest
from fastapi import Body, Depends, FastAPI, Header, HTTPException, Request
from fastapi.testclient import TestClient
from pydantic import BaseModel

from colonnade import (
    AsyncSession,
    Database,
    Field,
    Relationship,
    Resource,
    Session,
    SQLModel,
    problems,
)
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
    ("query", "status"),
    [
        ("", 422),
        ("key=x", 422),
        ("key=99", 404),
        ("key=1&key=99", 404),
        ("key=99999999999", 404),
        (f"key={2**70}", 404),
    ],
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


def test_a_row_that_is_named_in_two_ways_is_passed_once(make: Make) -> None:
    tickets, client = make()
    tickets.action("Close")(close)
    assert client.post("/tickets:close?key=1&key=01&key=%2B1").json()["message"] == "Closed 1"


def test_as_many_rows_as_in_a_batch_are_reached(make: Make, db: Database) -> None:
    tickets, client = make()
    tickets.action("Close")(close)
    with db.session() as session:
        session.add_all([tickets.model() for _ in range(997)])
        session.commit()
    query = "&".join(f"key={key}" for key in range(1, 1001))
    assert client.post(f"/tickets:close?{query}").json()["message"] == "Closed 1000"


def test_rows_with_composite_keys_are_reached(db: Database) -> None:
    class Seat(SQLModel, table=True):
        row: str = Field(primary_key=True)
        number: int = Field(primary_key=True)
        taken: bool = False

    db.create_all()
    seats = Resource(Seat, db)

    @seats.action("Take")
    def take(rows: list[Seat]) -> str:
        return ",".join(f"{seat.row}{seat.number}" for seat in rows)

    app = FastAPI(lifespan=db.lifespan)
    app.include_router(seats)
    with db.session() as session:
        session.add_all([Seat(row="a", number=1), Seat(row="a", number=2), Seat(row="b", number=1)])
        session.commit()
    client = TestClient(app)
    assert client.post("/seats:take?key=b,1&key=a,2").json()["message"] == "b1,a2"


def test_the_form_is_the_body_and_nothing_else(make: Make) -> None:
    class User(BaseModel):
        password_hash: str = ""

    class Reason(BaseModel):
        text: str

    def current_user() -> User:
        return User()

    tickets, client = make()

    @tickets.action("Close")
    def close_as(rows: list[Any], user: Annotated[User, Depends(current_user)]) -> None: ...

    @tickets.action("Explain")
    def explain(rows: list[Any], reason: Annotated[Reason | None, Body()] = None) -> str:
        return "none" if reason is None else reason.text

    app = client.app
    assert isinstance(app, FastAPI)

    @app.get("/description")
    async def describe(request: Request) -> Any:
        return (await tickets.describe(request)).actions

    forms = {action["name"]: action["form"] for action in client.get("/description").json()}
    assert forms["close-as"] is None
    assert list(forms["explain"]["properties"]) == ["text"]
    assert client.post("/tickets:explain?key=1").json()["message"] == "none"
    body = {"text": "why"}
    assert client.post("/tickets:explain?key=1", json=body).json()["message"] == "why"


@pytest.mark.parametrize("name", ["batch", "aggregate", "Close", "close it"])
def test_a_name_that_a_route_has_is_refused(name: str, make: Make) -> None:
    tickets, _ = make()
    with pytest.raises(ModelError, match="none of aggregate, batch, import"):
        tickets.action("Close", name=name)(close)
    tickets.action("Close")(close)
    with pytest.raises(ModelError, match="two actions with the name 'close'"):
        tickets.action("Close again")(close)


def test_rows_that_a_model_loads_with_others_are_locked_alone(db: Database) -> None:
    class Note(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        order_id: int | None = Field(default=None, foreign_key="order.id")

    class Order(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        notes: list[Note] = Relationship(sa_relationship_kwargs={"lazy": "joined"})

    db.create_all()
    orders = Resource(Order, db)

    @orders.action("Count")
    def count(rows: list[Any]) -> str:
        return ", ".join(str(len(order.notes)) for order in rows)

    app = FastAPI(lifespan=db.lifespan)
    app.include_router(orders)
    with db.session() as session:
        session.add_all([Order(notes=[Note(), Note()]), Order()])
        session.commit()
    answer = TestClient(app).post("/orders:count?key=1&key=2")
    assert (answer.status_code, answer.json().get("message")) == (200, "2, 0")
