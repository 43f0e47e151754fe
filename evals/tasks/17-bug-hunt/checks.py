from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from evals.conftest import Client, Result, TryDatabase, serve

AT = datetime(2026, 1, 31, 23, 30)
ITEM_FIELDS = {"id", "name", "quantity", "price_cents", "note", "created_at"}
MOVEMENT_FIELDS = {"id", "item_id", "change", "reason", "quantity", "created_at"}


class InTokyo(Result):
    def environment(self, url: str) -> dict[str, str]:
        return super().environment(url) | {"TZ": "Asia/Tokyo"}


@pytest.fixture
def in_tokyo(database: TryDatabase, result: Result, tmp_path: Path) -> Iterator[Client]:
    yield from serve(database, InTokyo(result.directory), tmp_path)


@pytest.fixture
def upgraded_client(
    earlier_database: TryDatabase, result: Result, tmp_path: Path
) -> Iterator[Client]:
    item = {"name": "Lamp", "quantity": 4, "price_cents": 999, "note": None, "at": AT}
    earlier_database.execute(
        "INSERT INTO items (name, quantity, price_cents, note, created_at)"
        " VALUES (:name, :quantity, :price_cents, :note, :at)",
        item,
    )
    earlier_database.execute(
        "INSERT INTO movements (item_id, change, reason, quantity, created_at)"
        " VALUES (1, 4, 'delivery', 4, :at)",
        {"at": AT},
    )
    result.run("bash", "migrate.sh", url=earlier_database.url)
    yield from serve(earlier_database, result, tmp_path)


def post(client: Client, name: str = "Lamp", **more: Any) -> Any:
    return client.post("/items", json={"name": name, "quantity": 10, "price_cents": 999} | more)


def item(client: Client, name: str = "Lamp", **more: Any) -> str:
    answer = post(client, name, **more)
    assert answer.status_code == 201, answer.text
    return f"/items/{answer.json()['id']}"


def move(client: Client, url: str, change: int, reason: str = "sale") -> Any:
    return client.post(f"{url}/movements", json={"change": change, "reason": reason})


def is_now(time: str) -> bool:
    instant = datetime.fromisoformat(time)
    return instant.utcoffset() is not None and (
        abs(datetime.now(UTC) - instant) < timedelta(minutes=2)
    )


def test_models_and_database_agree(drift: str) -> None:
    assert drift == ""


def test_items_are_answered_as_before(client: Client) -> None:
    answer = post(client, note="Bright")
    assert (answer.status_code, set(answer.json())) == (201, ITEM_FIELDS)
    shown = {key: answer.json()[key] for key in ("name", "quantity", "price_cents", "note")}
    assert shown == {"name": "Lamp", "quantity": 10, "price_cents": 999, "note": "Bright"}
    second = client.post("/items", json={"name": "Chair", "price_cents": 0}).json()
    assert (second["quantity"], second["note"]) == (0, None)
    assert client.get("/items").json() == [answer.json(), second]
    assert client.get("/items?limit=1&offset=1").json() == [second]
    assert client.get(f"/items/{second['id']}").json() == second


def test_movements_are_answered_as_before(client: Client) -> None:
    url = item(client)
    answers = [move(client, url, -3), move(client, url, 5, "delivery")]
    assert [each.status_code for each in answers] == [201, 201]
    assert [each.json()["quantity"] for each in answers] == [7, 12]
    assert set(answers[0].json()) == MOVEMENT_FIELDS
    listed = client.get(f"{url}/movements").json()
    assert listed == [each.json() for each in answers]
    assert client.get(f"{url}/movements?limit=1&offset=1").json() == listed[1:]


def test_errors_are_answered_as_before(client: Client) -> None:
    url = item(client)
    assert client.get("/items/99").status_code == move(client, "/items/99", 1).status_code == 404
    assert client.patch("/items/99", json={}).status_code == 404
    assert client.get("/items/99/movements").status_code == 404
    assert client.get("/items?limit=0").status_code == 422
    assert client.get("/items?limit=101").status_code == 422
    assert move(client, url, 1, "theft").status_code == 422
    assert move(client, url, 1_000_000).status_code == 409


def test_work_goes_on_after_a_conflict(client: Client) -> None:
    url = item(client)
    other = item(client, "Chair")
    for _ in range(3):
        assert post(client).status_code == 409
        assert client.patch(other, json={"name": "Lamp"}).status_code == 409
    assert client.get(other).json()["name"] == "Chair"
    assert move(client, url, -1).status_code == 201
    assert post(client, "Table").status_code == 201
    assert [each["name"] for each in client.get("/items").json()] == ["Lamp", "Chair", "Table"]


def test_changes_of_other_programs_show_at_once(client: Client, database: TryDatabase) -> None:
    url = item(client)
    client.get(url)
    client.get("/items")
    database.execute("UPDATE items SET price_cents = 5")
    assert client.get(url).json()["price_cents"] == 5
    assert client.get("/items").json()[0]["price_cents"] == 5


def test_many_people_work_at_the_same_time(client: Client) -> None:
    urls = [item(client, f"Item {number}") for number in range(4)]

    def work(number: int) -> list[int]:
        url = urls[number % 4]
        answers = [post(client, f"New {number}"), post(client, "Item 0"), client.get("/items")]
        answers.append(move(client, url, 1, "delivery"))
        answers.append(client.patch(url, json={"note": "x"}))
        return [each.status_code for each in answers]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(24))) == [[201, 409, 200, 201, 200]] * 24


def test_quantities_are_what_movements_add_up_to(client: Client) -> None:
    url = item(client, quantity=0)
    assert move(client, url, 100, "delivery").status_code == 201
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: move(client, url, -2).status_code, range(30)))
    assert answers == [201] * 30
    assert client.get(url).json()["quantity"] == 40
    movements = client.get(f"{url}/movements?limit=100").json()
    assert sum(each["change"] for each in movements) == 40
    assert sorted(each["quantity"] for each in movements) == list(range(40, 101, 2))


def test_no_more_is_sold_than_there_is(client: Client) -> None:
    url = item(client, quantity=5)
    with ThreadPoolExecutor(8) as pool:
        answers = sorted(pool.map(lambda _: move(client, url, -1).status_code, range(12)))
    assert answers == [201] * 5 + [409] * 7
    assert client.get(url).json()["quantity"] == 0
    assert len(client.get(f"{url}/movements").json()) == 5


def test_corrections_are_stored(client: Client, database: TryDatabase) -> None:
    url = item(client)
    answer = move(client, url, -4, "correction")
    assert (answer.status_code, answer.json()["quantity"]) == (201, 6)
    assert database.execute("SELECT quantity FROM items")[0][0] == 6
    rows = database.execute("SELECT change, reason, quantity FROM movements")
    assert [tuple(row) for row in rows] == [(-4, "correction", 6)]


def test_a_correction_is_refused_like_other_movements(client: Client) -> None:
    url = item(client)
    assert move(client, url, -11, "correction").status_code == 409
    assert client.get(url).json()["quantity"] == 10
    assert client.get(f"{url}/movements").json() == []


def test_numbers_out_of_range_are_refused(client: Client) -> None:
    for wrong in ({"quantity": -5}, {"quantity": 1_000_001}, {"price_cents": -1},
                  {"price_cents": 100_000_001}):  # fmt: skip
        assert post(client, **wrong).status_code == 422
    assert client.get("/items").json() == []


def test_texts_of_wrong_length_or_kind_are_refused(client: Client) -> None:
    for wrong in ({"name": ""}, {"name": "x" * 81}, {"name": None}, {"price_cents": "cheap"},
                  {"price_cents": None}, {"quantity": "many"}, {"note": "x" * 501}):  # fmt: skip
        assert post(client, **wrong).status_code == 422
    assert client.post("/items", json={}).status_code == 422
    assert client.get("/items").json() == []


def test_ids_and_times_are_not_taken_from_bodies(client: Client) -> None:
    answer = post(client, id=777, created_at="2001-01-01T00:00:00Z")
    assert answer.status_code in {201, 422}
    if answer.status_code == 201:
        assert answer.json()["id"] != 777
        assert is_now(answer.json()["created_at"])


def test_a_change_keeps_what_it_does_not_mention(client: Client) -> None:
    url = item(client, note="Bright")
    before = client.get(url).json()
    for change in ({"note": "Dark"}, {"price_cents": 1}, {"name": "Light"}, {}):
        before |= change
        answer = client.patch(url, json=change)
        assert (answer.status_code, answer.json()) == (200, before)
    assert client.get(url).json() == before


def test_null_removes_a_note_and_nothing_else(client: Client) -> None:
    url = item(client, note="Bright")
    assert client.patch(url, json={"note": None}).json()["note"] is None
    for wrong in ({"name": None}, {"price_cents": None}, {"name": ""}, {"price_cents": -1}):
        assert client.patch(url, json=wrong).status_code == 422
    assert (client.get(url).json()["name"], client.get(url).json()["price_cents"]) == ("Lamp", 999)


def test_times_are_instants_wherever_the_server_stands(in_tokyo: Client) -> None:
    url = item(in_tokyo)
    times = [in_tokyo.get(url).json()["created_at"], in_tokyo.get("/items").json()[0]["created_at"]]
    times += [
        move(in_tokyo, url, 1, reason).json()["created_at"] for reason in ("sale", "correction")
    ]
    times += [each["created_at"] for each in in_tokyo.get(f"{url}/movements").json()]
    assert all(map(is_now, times)), times


def test_rows_of_before_are_kept(upgraded_client: Client) -> None:
    for url in ("/items", "/items/1/movements"):
        [row] = upgraded_client.get(url).json()
        assert datetime.fromisoformat(row["created_at"]) == AT.replace(tzinfo=UTC)
        assert row["quantity"] == 4
    assert move(upgraded_client, "/items/1", -1).json()["quantity"] == 3


# Source of report 5: https://github.com/fastapi/sqlmodel/issues/453
