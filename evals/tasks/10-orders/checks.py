import json
from collections import Counter
from datetime import datetime
from typing import Any
from uuid import uuid4

from evals.conftest import Client, at_once


def create(client: Client, stock: int = 10, price: str = "9.90") -> int:
    body = {"name": "Chair", "price": price, "stock": stock}
    answer = client.post("/products", json=body)
    assert answer.status_code == 201, answer.text
    product: int = answer.json()["id"]
    return product


def stock(client: Client, product: int) -> int:
    answer = client.get(f"/products/{product}")
    assert answer.status_code == 200
    left: int = answer.json()["stock"]
    return left


def basket(*lines: tuple[int, int]) -> dict[str, Any]:
    return {
        "customer": "Jane",
        "lines": [{"product_id": product, "quantity": quantity} for product, quantity in lines],
    }


def order(client: Client, body: Any, key: str | None = None) -> Any:
    headers = {"Idempotency-Key": key or uuid4().hex}
    return client.post("/orders", json=body, headers=headers)


def place(client: Client, *lines: tuple[int, int], key: str | None = None) -> dict[str, Any]:
    answer = order(client, basket(*lines), key)
    assert answer.status_code == 201, answer.text
    placed: dict[str, Any] = answer.json()
    return placed


def orders(client: Client) -> Any:
    answer = client.get("/orders?limit=100")
    assert answer.status_code == 200
    return answer.json()


def test_an_order_takes_from_the_stock(client: Client) -> None:
    chair, table = create(client), create(client, 5, "0.10")
    placed = place(client, (table, 3), (chair, 2))
    assert datetime.fromisoformat(placed["created_at"]).tzinfo is not None
    assert placed == {
        "id": placed["id"],
        "customer": "Jane",
        "status": "placed",
        "created_at": placed["created_at"],
        "total": "20.10",
        "lines": [
            {"product_id": table, "quantity": 3, "unit_price": "0.10"},
            {"product_id": chair, "quantity": 2, "unit_price": "9.90"},
        ],
    }
    assert client.get(f"/orders/{placed['id']}").json() == placed
    assert orders(client) == [placed]
    assert (stock(client, chair), stock(client, table)) == (8, 2)


def test_products_are_created_and_changed(client: Client) -> None:
    body = {"name": "Chair", "price": 9.9, "stock": 3}
    product = client.post("/products", json=body).json()
    assert product == {"id": product["id"], "name": "Chair", "price": "9.90", "stock": 3}
    url = f"/products/{product['id']}"
    assert client.patch(url, json={"price": "12"}).json() == product | {"price": "12.00"}
    for wrong in (
        {"name": ""},
        {"price": "-1"},
        {"price": "0.001"},
        {"price": "100000"},
        {"stock": -1},
        {"stock": None},
        {"colour": "red"},
    ):
        assert client.post("/products", json=body | wrong).status_code == 422, wrong
        assert client.patch(url, json=wrong).status_code == 422, wrong
    assert client.get(url).json() == product | {"price": "12.00"}


def test_a_retry_answers_the_same_order(client: Client) -> None:
    product = create(client, 3)
    placed = place(client, (product, 2), key="k1")
    for _ in range(2):
        answer = order(client, basket((product, 2)), "k1")
        assert answer.status_code in {200, 201}
        assert answer.json() == placed
    assert stock(client, product) == 1
    assert orders(client) == [placed]
    assert place(client, (product, 1), key="k2")["id"] != placed["id"]


def test_a_retry_answers_what_was_answered_first(client: Client) -> None:
    product = create(client, 2)
    placed = place(client, (product, 2), key="k1")
    client.patch(f"/products/{product}", json={"price": "99.00", "stock": 0})
    assert order(client, basket((product, 2)), "k1").json() == placed
    cancelled = client.post(f"/orders/{placed['id']}/cancel")
    assert cancelled.json() == placed | {"status": "cancelled"}
    assert order(client, basket((product, 2)), "k1").json() == placed
    assert stock(client, product) == 2
    assert orders(client) == [cancelled.json()]


def test_bodies_that_mean_the_same_are_the_same(client: Client) -> None:
    product = create(client)
    placed = place(client, (product, 2), key="k1")
    body = {"lines": [{"quantity": 2, "product_id": product}], "customer": "Jane"}
    answer = client.post(
        "/orders",
        content=json.dumps(body, indent=4),
        headers={"Idempotency-Key": "k1", "Content-Type": "application/json"},
    )
    assert answer.status_code in {200, 201}
    assert answer.json() == placed


def test_the_same_key_with_another_body_is_refused(client: Client) -> None:
    product = create(client)
    placed = place(client, (product, 2), key="k1")
    bodies = [basket((product, 1)), basket((product, 2)) | {"customer": "John"}]
    for body in bodies:
        assert order(client, body, "k1").status_code in {409, 422}
    assert stock(client, product) == 8
    assert orders(client) == [placed]


def test_a_key_is_needed(client: Client) -> None:
    body = basket((create(client), 1))
    assert client.post("/orders", json=body).status_code in {400, 422}
    assert order(client, body, "x" * 101).status_code in {400, 422}
    assert orders(client) == []
    assert order(client, body, "x" * 100).status_code == 201


def test_the_same_order_at_once_is_made_once(client: Client) -> None:
    for number in range(5):
        product = create(client)
        body = basket((product, 1))
        key = f"k{number}"
        answers = at_once(*[lambda body=body, key=key: order(client, body, key)] * 6)
        assert {answer.status_code for answer in answers} <= {200, 201, 409}
        answers.append(order(client, body, key))
        made = {answer.json()["id"] for answer in answers if answer.status_code != 409}
        assert len(made) == 1
        assert answers[-1].status_code in {200, 201}
        assert stock(client, product) == 9
        assert len(orders(client)) == number + 1


def test_too_little_stock_refuses_the_whole_order(client: Client) -> None:
    chair, table, lamp = create(client, 5), create(client, 1), create(client, 5)
    answer = order(client, basket((chair, 2), (table, 2), (lamp, 2)))
    assert answer.status_code == 409
    assert [stock(client, product) for product in (chair, table, lamp)] == [5, 1, 5]
    assert orders(client) == []


def test_a_refused_order_does_not_use_up_its_key(client: Client) -> None:
    product = create(client, 1)
    assert order(client, basket((product, 2)), "k1").status_code == 409
    assert order(client, basket((999, 1)), "k2").status_code == 422
    assert order(client, basket((product, 1)), "k2").status_code == 201
    client.patch(f"/products/{product}", json={"stock": 2})
    assert order(client, basket((product, 2)), "k1").status_code == 201
    assert stock(client, product) == 0


def test_twenty_orders_at_once_sell_what_is_there(client: Client) -> None:
    product = create(client, 7)
    answers = at_once(*[lambda: order(client, basket((product, 1)))] * 20)
    assert Counter(answer.status_code for answer in answers) == {201: 7, 409: 13}
    assert stock(client, product) == 0
    assert len(orders(client)) == 7


def test_orders_at_once_in_different_orders_all_succeed(client: Client) -> None:
    products = [create(client, 100) for _ in range(8)]
    there = basket(*[(product, 2) for product in products])
    back = basket(*[(product, 2) for product in reversed(products)])
    for _ in range(3):
        answers = at_once(*[lambda body=body: order(client, body) for body in [there, back] * 4])
        assert [answer.status_code for answer in answers] == [201] * 8
    assert {stock(client, product) for product in products} == {100 - 3 * 8 * 2}


def test_wrong_orders_are_refused(client: Client) -> None:
    product = create(client)
    line = {"product_id": product, "quantity": 1}
    for wrong in (
        {"customer": ""},
        {"customer": "x" * 101},
        {"customer": None},
        {"lines": []},
        {"lines": [line, line]},
        {"lines": [line, {"product_id": 999, "quantity": 1}]},
        {"lines": [line | {"quantity": 0}]},
        {"lines": [line | {"quantity": -1}]},
        {"lines": [line | {"quantity": 1001}]},
        {"lines": [line | {"unit_price": "0.01"}]},
        {"total": "0.01"},
        {"status": "cancelled"},
    ):
        answer = order(client, basket((product, 1)) | wrong)
        assert answer.status_code == 422, wrong
    assert stock(client, product) == 10
    assert orders(client) == []


def test_what_is_unknown_is_a_404(client: Client) -> None:
    for method, url, body in (
        ("GET", "/products/999", None),
        ("PATCH", "/products/999", {"stock": 1}),
        ("GET", "/orders/999", None),
        ("POST", "/orders/999/cancel", None),
    ):
        assert client.request(method, url, json=body).status_code == 404, (method, url)


def test_an_order_is_cancelled_once(client: Client) -> None:
    chair, table = create(client), create(client, 2)
    for _ in range(4):
        placed = place(client, (chair, 3), (table, 2))
        url = f"/orders/{placed['id']}/cancel"
        answers = at_once(*[lambda url=url: client.post(url)] * 4)
        assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
        assert (stock(client, chair), stock(client, table)) == (10, 2)
    assert {each["status"] for each in orders(client)} == {"cancelled"}


def test_the_list_needs_few_statements(client: Client) -> None:
    products = [create(client, 100) for _ in range(3)]
    for _ in range(50):
        place(client, *[(product, 1) for product in products])
    page = client.get("/orders", params={"limit": 2, "offset": 1}).json()
    assert [each["id"] for each in page] == [each["id"] for each in orders(client)[1:3]]
    assert client.get("/orders?limit=101").status_code == 422
    few, many = (client.statements_of(f"/orders?limit={limit}") for limit in (5, 50))
    assert few == many <= 6


def test_models_and_database_agree(drift: str) -> None:
    assert not drift
