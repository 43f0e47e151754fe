import base64
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from evals.conftest import Client, TryDatabase
from sqlalchemy import inspect

NOON = datetime(2030, 5, 1, 12, tzinfo=UTC)


def create(client: Client, seconds: float = 0, kind: str = "door", message: str = "Open") -> int:
    body = {
        "kind": kind,
        "message": message,
        "occurred_at": (NOON + timedelta(seconds=seconds)).isoformat(),
    }
    answer = client.post("/events", json=body)
    assert answer.status_code == 201, answer.text
    event: int = answer.json()["id"]
    return event


def page(client: Client, **params: Any) -> tuple[list[int], Any]:
    answer = client.get("/events", params=params)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert set(body) == {"items", "next_cursor"}
    return [event["id"] for event in body["items"]], body["next_cursor"]


def walk(client: Client, **params: Any) -> list[list[int]]:
    ids, cursor = page(client, **params)
    pages = [ids]
    while cursor is not None:
        ids, cursor = page(client, cursor=cursor, **params)
        pages.append(ids)
        assert len(pages) < 100
    return pages


def test_an_event_is_read_as_it_was_created(client: Client) -> None:
    body = {"kind": "front_door", "message": "x" * 500}
    sent = "2030-05-01T12:00:00.123456+05:30"
    event = client.post("/events", json=body | {"occurred_at": sent}).json()
    assert event == body | {"id": event["id"], "occurred_at": event["occurred_at"]}
    moment = datetime.fromisoformat(event["occurred_at"])
    assert moment.tzinfo is not None
    assert moment == datetime.fromisoformat(sent)
    assert client.get(f"/events/{event['id']}").json() == event
    assert client.get("/events").json() == {"items": [event], "next_cursor": None}
    now = client.post("/events", json=body).json()["occurred_at"]
    assert abs(datetime.now(UTC) - datetime.fromisoformat(now)) < timedelta(minutes=1)


def test_the_latest_come_first_and_the_same_instant_by_id(client: Client) -> None:
    first = create(client, 5)
    second = create(client, 9)
    third, fourth = create(client, 7), create(client, 7)
    fifth = create(client, 7.000001)
    assert page(client) == ([second, fifth, fourth, third, first], None)


def test_each_event_is_shown_once(client: Client) -> None:
    ids = [create(client, number % 3) for number in range(23)]
    pages = walk(client, limit=5)
    assert [len(each) for each in pages] == [5, 5, 5, 5, 3]
    walked = [event for each in pages for event in each]
    assert walked == page(client, limit=100)[0]
    assert sorted(walked) == ids


def test_a_full_last_page_has_no_cursor(client: Client) -> None:
    assert page(client) == ([], None)
    for number in range(4):
        create(client, number)
    assert [len(each) for each in walk(client, limit=2)] == [2, 2]
    assert page(client, limit=4)[1] is None


def test_all_at_one_instant_are_shown_once(client: Client) -> None:
    ids = [create(client) for _ in range(12)]
    walked = [event for each in walk(client, limit=5) for event in each]
    assert walked == ids[::-1]


def test_what_is_added_does_not_shift_the_pages(client: Client) -> None:
    ids = [create(client, number) for number in range(10)]
    seen, cursor = page(client, limit=4)
    assert seen == ids[:5:-1]
    create(client, 100)
    create(client, 7)
    below = create(client, 2.5)
    seen, cursor = page(client, cursor=cursor, limit=4)
    assert seen == [ids[5], ids[4], ids[3], below]
    assert page(client, cursor=cursor, limit=4) == ([ids[2], ids[1], ids[0]], None)


def test_the_event_at_the_cursor_may_be_deleted(client: Client) -> None:
    ids = [create(client) for _ in range(9)]
    seen, cursor = page(client, limit=3)
    for event in seen:
        assert client.delete(f"/events/{event}").status_code == 204
    assert client.delete(f"/events/{ids[4]}").status_code == 204
    following = page(client, cursor=cursor, limit=3)
    assert following[0] == [ids[5], ids[3], ids[2]]
    assert page(client, cursor=cursor, limit=3) == following
    assert page(client, cursor=cursor)[0] == [ids[5], ids[3], ids[2], ids[1], ids[0]]


def test_pages_are_of_the_kinds(client: Client) -> None:
    kinds = ["door", "alarm", "light"]
    ids = [create(client, number // 4, kinds[number % 3]) for number in range(21)]
    alarms = [event for each in walk(client, limit=3, kind="alarm") for event in each]
    assert alarms == ids[1::3][::-1]
    both = [event for each in walk(client, limit=4, kind=["door", "light"]) for event in each]
    assert sorted(both) == sorted(ids[0::3] + ids[2::3])
    assert len(both) == len(set(both))
    assert page(client, kind="smoke") == ([], None)


def test_pages_are_of_a_time(client: Client) -> None:
    ids = [create(client, number) for number in range(10)]
    times = {"from": "2030-05-01T14:00:02+02:00", "until": "2030-05-01T12:00:07Z"}
    assert page(client, **times) == (ids[2:7][::-1], None)
    assert walk(client, limit=3, **times) == [ids[6:3:-1], ids[3:1:-1]]
    with_kind = {"kind": "door", "from": times["from"]}
    assert page(client, **with_kind)[0] == ids[2:][::-1]


def test_a_cursor_needs_no_escaping(client: Client) -> None:
    for number in range(6):
        create(client, number * 0.123457)
    for limit in range(1, 6):
        cursor = page(client, limit=limit)[1]
        assert re.fullmatch(r"[A-Za-z0-9._~-]+", cursor), cursor
        answer = client.get(f"/events?cursor={cursor}")
        assert len(answer.json()["items"]) == 6 - limit


def test_a_cursor_that_was_never_given_out_is_refused(client: Client) -> None:
    create(client)
    shapes: list[Any] = [
        None,
        5,
        [],
        {},
        [1],
        ["x", "y"],
        ["2030-05-01T12:00:00", 1, 2, 3],
        {"id": "x"},
        {"occurred_at": None, "id": None},
    ]
    forged = [base64.urlsafe_b64encode(json.dumps(shape).encode()).decode() for shape in shapes]
    wrong = ["x", "~", "1", "-1", "0_0", "é", "\x00", "%00", "null", "AAAA", "9" * 400, "x" * 5000]
    for cursor in [*wrong, *forged, *(each.rstrip("=") for each in forged)]:
        answer = client.get("/events", params={"cursor": cursor})
        assert answer.status_code in {400, 422}, cursor


def test_a_cursor_that_was_cut_is_no_error_of_the_server(client: Client) -> None:
    for number in range(3):
        create(client, number)
    cursor = page(client, limit=1)[1]
    for length in range(1, len(cursor)):
        for wrong in (cursor[:length], cursor[length:], cursor[:length] + "A" + cursor[length:]):
            status = client.get("/events", params={"cursor": wrong}).status_code
            assert status in {200, 400, 422}, wrong


def test_wrong_parameters_are_refused(client: Client) -> None:
    for wrong in (
        {"limit": 0},
        {"limit": 101},
        {"limit": "many"},
        {"kind": "Door"},
        {"kind": ""},
        {"from": "yesterday"},
        {"from": "2030-05-01T12:00:00"},
        {"until": "2030-05-01T12:00:00"},
    ):
        assert client.get("/events", params=wrong).status_code == 422, wrong


def test_wrong_events_are_refused(client: Client) -> None:
    right = {"kind": "door", "message": "Open"}
    for wrong in (
        {"kind": "Door"},
        {"kind": ""},
        {"kind": "x" * 31},
        {"kind": None},
        {"message": ""},
        {"message": "x" * 501},
        {"message": None},
        {"occurred_at": "2030-05-01T12:00:00"},
        {"occurred_at": "1999-12-31T23:59:59Z"},
        {"occurred_at": "2100-01-01T00:00:00Z"},
        {"occurred_at": "0001-01-01T00:00:00+14:00"},
        {"id": 7},
    ):
        assert client.post("/events", json=right | wrong).status_code == 422, wrong
    assert page(client) == ([], None)
    assert client.get("/events/999").status_code == 404
    assert client.delete("/events/999").status_code == 404


def test_each_page_needs_few_statements(client: Client) -> None:
    for number in range(60):
        create(client, number)
    cursor = page(client, limit=5)[1]
    far = page(client, limit=50)[1]
    counts = {
        client.statements_of(f"/events?{query}")
        for query in ("limit=5", f"limit=5&cursor={cursor}", f"limit=50&cursor={cursor}")
    }
    assert counts == {client.statements_of(f"/events?limit=5&cursor={far}")}
    assert max(counts) <= 3


def test_the_order_has_an_index(database: TryDatabase) -> None:
    indexes = inspect(database.engine).get_indexes("event")
    columns = [name for index in indexes for name in index.get("expressions", [])]
    columns += [name for index in indexes for name in index["column_names"] if name]
    assert any("occurred_at" in name for name in columns)


def test_models_and_database_agree(drift: str) -> None:
    assert not drift
