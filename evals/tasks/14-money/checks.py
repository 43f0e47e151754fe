from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from evals.conftest import Client, TryDatabase

LARGEST = "999999999999999.99"
AT = "2026-02-10T12:00:00Z"
references = count(1)


def account(client: Client, balance: str = "0.00", currency: str = "EUR") -> int:
    body = {"owner": "Ada", "currency": currency, "balance": balance}
    answer = client.post("/accounts", json=body)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


def order(from_account: int, to_account: int, amount: str = "1.00", **more: Any) -> dict[str, Any]:
    body = {"reference": f"ref-{next(references)}", "from_account": from_account}
    return body | {"to_account": to_account, "amount": amount, "at": AT} | more


def send(client: Client, body: dict[str, Any]) -> Any:
    return client.post("/transfers", json=body)


def move(client: Client, from_account: int, to_account: int, amount: str, **more: Any) -> int:
    answer = send(client, order(from_account, to_account, amount, **more))
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


def statuses(client: Client, bodies: list[dict[str, Any]]) -> list[int]:
    with ThreadPoolExecutor(8) as pool:
        return sorted(pool.map(lambda body: send(client, body).status_code, bodies))


def balance(client: Client, account_id: int) -> str:
    return str(client.get(f"/accounts/{account_id}").json()["balance"])


def ids(client: Client, **params: Any) -> list[int]:
    answer = client.get("/transfers", params=params)
    assert answer.status_code == 200, answer.text
    return [each["id"] for each in answer.json()]


def test_models_and_database_agree(drift: str) -> None:
    assert drift == ""


def test_an_account_is_opened_and_read(client: Client) -> None:
    answer = client.post("/accounts", json={"owner": "Ada", "currency": "EUR", "balance": "5"})
    expected = {"owner": "Ada", "currency": "EUR", "balance": "5.00", "id": answer.json()["id"]}
    assert (answer.status_code, answer.json()) == (201, expected)
    assert client.get(f"/accounts/{expected['id']}").json() == expected
    empty = client.post("/accounts", json={"owner": "Bo", "currency": "EUR"})
    assert empty.json()["balance"] == "0.00"
    assert client.get("/accounts/99").status_code == 404


def test_wrong_accounts_are_refused(client: Client) -> None:
    right = {"owner": "Ada", "currency": "EUR", "balance": "1.00"}
    wrong = [{"currency": "eur"}, {"currency": "EURO"}, {"currency": "EU"}, {"currency": "ÄÖÜ"},
             {"owner": ""}, {"owner": "x" * 101}, {"balance": "-0.01"}, {"balance": "1.001"},
             {"balance": "NaN"}, {"balance": "1000000000000000.00"}]  # fmt: skip
    answers = [client.post("/accounts", json=right | each).status_code for each in wrong]
    assert answers == [422] * len(wrong)


def test_wrong_amounts_are_refused(client: Client) -> None:
    first, second = account(client, "10.00"), account(client)
    for amount in ("0", "0.00", "-1.00", "1.001", "one", "NaN", "Infinity", ""):
        assert send(client, order(first, second, amount)).status_code == 422, amount
    assert (balance(client, first), balance(client, second)) == ("10.00", "0.00")


def test_a_transfer_moves_money(client: Client) -> None:
    first, second = account(client, "10.00"), account(client)
    body = order(first, second, "2.5")
    answer = send(client, body)
    assert answer.status_code == 201
    shown = answer.json()
    assert datetime.fromisoformat(shown.pop("at")) == datetime.fromisoformat(AT)
    assert isinstance(shown.pop("id"), int)
    del body["at"]
    assert shown == body | {"amount": "2.50", "currency": "EUR"}
    assert (balance(client, first), balance(client, second)) == ("7.50", "2.50")


def test_large_amounts_are_exact(client: Client) -> None:
    first, second = account(client, LARGEST), account(client)
    move(client, first, second, "123456789012345.67")
    assert balance(client, first) == "876543210987654.32"
    assert balance(client, second) == "123456789012345.67"
    move(client, first, second, "876543210987654.32")
    assert (balance(client, first), balance(client, second)) == ("0.00", LARGEST)
    assert [each["total"] for each in client.get("/report").json()] == [LARGEST]


def test_unknown_and_unfitting_accounts_are_refused(client: Client) -> None:
    euro, other, dollar = account(client, "9"), account(client), account(client, "9", "USD")
    assert send(client, order(euro, 999)).status_code == 404
    assert send(client, order(999, other)).status_code == 404
    assert send(client, order(euro, euro)).status_code == 422
    assert send(client, order(euro, dollar)).status_code == 422
    assert (balance(client, euro), balance(client, dollar)) == ("9.00", "9.00")


def test_a_transfer_of_too_much_changes_nothing(client: Client) -> None:
    first, second = account(client, "10.00"), account(client)
    assert send(client, order(first, second, "10.01")).status_code == 409
    assert (balance(client, first), balance(client, second)) == ("10.00", "0.00")
    assert client.get("/transfers").json() == []
    assert move(client, first, second, "10.00")


def test_a_balance_never_becomes_negative_with_many_transfers_at_once(client: Client) -> None:
    first, second = account(client, "50.00"), account(client)
    answers = statuses(client, [order(first, second, "10.00") for _ in range(10)])
    assert answers == [201] * 5 + [409] * 5
    assert (balance(client, first), balance(client, second)) == ("0.00", "50.00")


def test_transfers_in_both_directions_at_once_succeed(client: Client) -> None:
    first, second = account(client, "100.00"), account(client, "100.00")
    there = [order(first, second, "1.00") for _ in range(12)]
    back = [order(second, first, "2.00") for _ in range(12)]
    mixed = [body for pair in zip(there, back, strict=True) for body in pair]
    assert statuses(client, mixed) == [201] * 24
    assert (balance(client, first), balance(client, second)) == ("112.00", "88.00")


def test_a_repeated_request_moves_nothing(client: Client) -> None:
    first, second = account(client, "10.00"), account(client)
    body = order(first, second, "2.00")
    original = send(client, body)
    again = send(client, body | {"amount": "2", "at": "2026-02-10T14:00:00+02:00"})
    assert (again.status_code, again.json()["id"]) == (200, original.json()["id"])
    assert balance(client, first) == "8.00"
    rest = order(first, second, "8.00")
    assert [send(client, rest).status_code for _ in range(2)] == [201, 200]


def test_a_reference_is_not_used_for_anything_else(client: Client) -> None:
    first, second, third = account(client, "10.00"), account(client), account(client)
    body = order(first, second, "2.00")
    assert send(client, body).status_code == 201
    for other in ({"amount": "2.01"}, {"to_account": third}, {"at": "2026-02-10T12:00:00+02:00"}):
        assert send(client, body | other).status_code == 409
    assert balance(client, first) == "8.00"


def test_the_same_request_at_once_moves_the_money_once(client: Client) -> None:
    first, second = account(client, "10.00"), account(client)
    assert statuses(client, [order(first, second, "2.00", reference="same")] * 6) == [200] * 5 + [
        201
    ]
    assert (balance(client, first), balance(client, second)) == ("8.00", "2.00")


def test_times_without_an_offset_are_refused(client: Client) -> None:
    first, second = account(client, "10.00"), account(client)
    body = order(first, second, at="2026-02-10T12:00:00")
    assert send(client, body).status_code == 422
    for name in ("from", "to"):
        answer = client.get("/transfers", params={name: "2026-02-10T12:00:00"})
        assert answer.status_code == 422


def test_the_list_is_filtered_by_instants(client: Client) -> None:
    first, second = account(client, "10.00"), account(client)
    early = move(client, first, second, "1", at="2026-03-01T00:30:00+02:00")
    late = move(client, first, second, "1", at="2026-02-28T23:00:00Z")
    middle = move(client, first, second, "1", at="2026-02-28T17:45:00-05:00")
    assert ids(client) == [early, middle, late]
    assert ids(client, **{"from": "2026-02-28T22:45:00Z"}) == [middle, late]
    assert ids(client, to="2026-03-01T00:45:00+02:00") == [early]
    window = {"from": "2026-02-28T23:30:00+01:00", "to": "2026-02-28T23:45:00+01:00"}
    assert ids(client, **window) == [early]


def test_the_list_is_filtered_by_account_and_paged(client: Client) -> None:
    first, second, third = (account(client, "10.00") for _ in range(3))
    transfers = [move(client, first, second, "1"), move(client, second, third, "1"),
            move(client, third, first, "1"), move(client, first, second, "1")]  # fmt: skip
    assert ids(client, account=third) == transfers[1:3]
    assert ids(client, limit=2, offset=1) == transfers[1:3]
    assert ids(client, account=second, limit=1, offset=2) == [transfers[3]]
    for wrong in ({"limit": 0}, {"limit": 101}, {"offset": -1}, {"account": "x"}):
        assert client.get("/transfers", params=wrong).status_code == 422


def test_the_report_adds_up_exactly_by_month_and_currency(client: Client) -> None:
    euro, other = account(client, "100.00"), account(client, "100.00")
    dollar, cent = account(client, "9", "USD"), account(client, "0", "USD")
    for _ in range(11):
        move(client, euro, other, "0.10", at="2026-02-01T00:00:00+00:00")
    move(client, other, euro, "0.07", at="2026-02-28T22:30:00Z")
    move(client, euro, other, "5.00", at="2026-03-01T00:30:00+02:00")
    move(client, euro, other, "1.01", at="2026-02-28T23:30:00-01:00")
    move(client, dollar, cent, "3.30", at="2025-12-31T23:59:59.999999Z")
    move(client, dollar, cent, "0.01", at="2026-03-31T12:00:00Z")
    assert client.get("/report").json() == [
        {"month": "2025-12", "currency": "USD", "transfers": 1, "total": "3.30"},
        {"month": "2026-02", "currency": "EUR", "transfers": 13, "total": "6.17"},
        {"month": "2026-03", "currency": "EUR", "transfers": 1, "total": "1.01"},
        {"month": "2026-03", "currency": "USD", "transfers": 1, "total": "0.01"},
    ]


def test_the_list_and_the_report_need_few_statements(client: Client, database: TryDatabase) -> None:
    if database.kind == "sqlite":
        first, second = account(client, "100.00"), account(client)
        at = datetime.fromisoformat(AT)
        for number in range(50):
            move(client, first, second, "1", at=(at + timedelta(days=31 * number)).isoformat())
            if number == 4:
                few = [client.statements_of(url) for url in ("/transfers", "/report")]
        many = [client.statements_of(url) for url in ("/transfers", "/report")]
        assert few == many
        assert max(many) <= 4
