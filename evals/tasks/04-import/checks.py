from datetime import datetime
from typing import Any

from evals.conftest import Client, TryDatabase, at_once


def item(sku: str, **fields: Any) -> dict[str, Any]:
    return {"sku": sku, "name": f"Chair {sku}", "price": "9.90", "stock": 5} | fields


def send(client: Client, *items: dict[str, Any]) -> dict[str, int]:
    answer = client.post("/products/import", json=list(items))
    assert answer.status_code == 200, answer.text
    counts: dict[str, int] = answer.json()
    return counts


def put(client: Client, sku: str, status: int, **fields: Any) -> dict[str, Any]:
    body = {"name": "Table", "price": "20", "stock": 1} | fields
    answer = client.put(f"/products/{sku}", json=body)
    assert answer.status_code == status, answer.text
    product: dict[str, Any] = answer.json()
    return product


def read(client: Client, sku: str) -> Any:
    answer = client.get(f"/products/{sku}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def counts(created: int = 0, updated: int = 0, unchanged: int = 0) -> dict[str, int]:
    return {"created": created, "updated": updated, "unchanged": unchanged}


WRONG: list[dict[str, Any]] = [
    {"name": ""},
    {"name": "x" * 201},
    {"name": None},
    {"price": "-1"},
    {"price": "1.001"},
    {"price": "100000000"},
    {"price": "NaN"},
    {"price": None},
    {"stock": -1},
    {"stock": 2_000_000_001},
    {"stock": "many"},
    {"updated_at": "2001-01-01T00:00:00Z"},
    {"colour": "red"},
]


def test_put_creates_and_replaces(client: Client) -> None:
    product = put(client, "T-1", 201, note="Ask Jane")
    assert datetime.fromisoformat(product["updated_at"]).tzinfo is not None
    assert (
        product
        == read(client, "T-1")
        == {
            "sku": "T-1",
            "name": "Table",
            "price": "20.00",
            "stock": 1,
            "note": "Ask Jane",
            "updated_at": product["updated_at"],
        }
    )
    replaced = put(client, "T-1", 200, price=0.1)
    assert replaced == read(client, "T-1")
    assert (replaced["price"], replaced["note"]) == ("0.10", None)
    assert datetime.fromisoformat(replaced["updated_at"]) > datetime.fromisoformat(
        product["updated_at"]
    )


def test_an_import_creates_and_updates(client: Client) -> None:
    put(client, "C-2", 201)
    assert send(client, item("C-1"), item("C-2"), item("C-3")) == counts(created=2, updated=1)
    for sku in ("C-1", "C-2", "C-3"):
        expected = item(sku) | {"note": None}
        assert expected.items() <= read(client, sku).items()


def test_an_import_never_touches_notes_and_other_products(client: Client) -> None:
    put(client, "C-1", 201, note="Ask Jane")
    other = put(client, "X-1", 201, note="Sold out")
    send(client, item("C-1"), item("C-2"))
    assert read(client, "C-1")["note"] == "Ask Jane"
    assert read(client, "X-1") == other


def test_the_same_import_twice_changes_nothing(client: Client) -> None:
    items = [item(f"C-{number}", price=f"{number}.10") for number in range(20)]
    assert send(client, *items) == counts(created=20)
    before = client.get("/products").json()
    assert send(client, *items) == counts(unchanged=20)
    items[4] |= {"price": 4.1}
    assert send(client, *reversed(items)) == counts(unchanged=20)
    assert client.get("/products").json() == before
    assert len(before) == 20


def test_updated_at_moves_only_for_what_changed(client: Client) -> None:
    send(client, item("C-1"), item("C-2"))
    first, second = read(client, "C-1"), read(client, "C-2")
    assert send(client, item("C-1", stock=6), item("C-2")) == counts(updated=1, unchanged=1)
    assert read(client, "C-2") == second
    changed = datetime.fromisoformat(read(client, "C-1")["updated_at"])
    assert changed > datetime.fromisoformat(first["updated_at"])
    put(client, "C-2", 200, name=second["name"], price=second["price"], stock=second["stock"])
    assert read(client, "C-2") == second


def test_one_wrong_item_refuses_all_and_says_which(client: Client) -> None:
    put(client, "C-1", 201)
    before = client.get("/products").json()
    wrong_skus = [{"sku": sku} for sku in ("", "c-1", "A B", "Ä", "A" * 41, "A\n", None)]
    for wrong in [*WRONG, *wrong_skus, {"note": None}]:
        items = [item("C-1"), item("C-2"), item("C-3") | wrong, item("C-4")]
        answer = client.post("/products/import", json=items)
        assert answer.status_code == 422, wrong
        positions = {entry["loc"][1] for entry in answer.json()["detail"]}
        assert positions == {2}, wrong
    assert client.get("/products").json() == before


def test_a_field_that_is_missing_refuses_all(client: Client) -> None:
    for field in ("sku", "name", "price", "stock"):
        wrong = item("C-2")
        del wrong[field]
        answer = client.post("/products/import", json=[item("C-1"), wrong])
        assert answer.status_code == 422
        assert answer.json()["detail"][0]["loc"][:2] == ["body", 1]
    assert client.get("/products").json() == []


def test_a_sku_twice_refuses_all_and_is_named(client: Client) -> None:
    items = [item("C-1"), item("TWICE-7"), item("C-2"), item("TWICE-7", stock=9)]
    answer = client.post("/products/import", json=items)
    assert answer.status_code == 422
    assert "TWICE-7" in answer.text
    assert client.get("/products").json() == []


def test_an_import_has_1_to_5000_items(client: Client) -> None:
    items = [item(f"C-{number}") for number in range(5001)]
    for wrong in ([], items, {}):
        assert client.post("/products/import", json=wrong).status_code == 422
    assert client.get("/products").json() == []


def test_5000_items_need_few_statements(client: Client, database: TryDatabase) -> None:
    items = [item(f"C-{number:04}") for number in range(5000)]
    assert send(client, *items[:2500]) == counts(created=2500)
    for each in items[:1000]:
        each["stock"] = 7
    before = client.statements()
    assert send(client, *items) == counts(created=2500, updated=1000, unchanged=1500)
    assert client.statements() - before < 100
    assert read(client, "C-0999")["stock"] == 7
    assert read(client, "C-1000")["stock"] == 5
    assert len(client.get("/products?limit=100&offset=4950").json()) == 50


def test_imports_at_once_all_succeed(client: Client) -> None:
    for turn in range(3):
        known = [item(f"K-{turn}-{number}") for number in range(200)]
        new = [item(f"N-{turn}-{number}") for number in range(200)]
        send(client, *known)
        one = [each | {"stock": 1} for each in known + new]
        two = [each | {"stock": 2} for each in reversed(known + new)]
        answers = at_once(
            lambda items=one: client.post("/products/import", json=items),
            lambda items=two: client.post("/products/import", json=items),
            lambda sku=known[100]["sku"]: client.put(
                f"/products/{sku}", json={"name": "Table", "price": 3, "stock": 3}
            ),
        )
        assert [answer.status_code for answer in answers] == [200, 200, 200]
        assert read(client, known[0]["sku"])["stock"] in {1, 2}
        assert read(client, new[0]["sku"])["stock"] in {1, 2}
        assert read(client, known[100]["sku"])["stock"] in {1, 2, 3}


def test_two_puts_of_a_new_product_at_once_succeed(client: Client) -> None:
    body = {"name": "Table", "price": 3, "stock": 3}
    for number in range(8):
        url = f"/products/P-{number}"
        answers = at_once(*[lambda url=url: client.put(url, json=body)] * 3)
        assert sorted(answer.status_code for answer in answers) == [200, 200, 201]


def test_wrong_puts_are_refused(client: Client) -> None:
    product = put(client, "T-1", 201, note="Ask Jane")
    right = {"name": "Table", "price": "20", "stock": 1}
    for wrong in [*WRONG, {"note": "x" * 1001}, {"sku": "T-2"}]:
        assert client.put("/products/T-1", json=right | wrong).status_code == 422, wrong
    for sku in ("t-1", "A_B", "A" * 41, "A%20B"):
        assert client.put(f"/products/{sku}", json=right).status_code == 422, sku
    assert client.put("/products/T-1", json={"note": "Hi"}).status_code == 422
    assert client.get("/products").json() == [product]


def test_products_are_listed_by_sku(client: Client) -> None:
    send(client, item("C-2"), item("A-1"), item("B-9"), item("B-10"))
    skus = [product["sku"] for product in client.get("/products").json()]
    assert skus[0] == "A-1"
    assert skus[-1] == "C-2"
    page = client.get("/products", params={"limit": 2, "offset": 1}).json()
    assert [product["sku"] for product in page] == skus[1:3]
    for wrong in ({"limit": 0}, {"limit": 101}, {"offset": -1}):
        assert client.get("/products", params=wrong).status_code == 422
    assert client.get("/products/C-7").status_code == 404


def test_models_and_database_agree(drift: str) -> None:
    assert not drift


# Upserts: https://github.com/fastapi/sqlmodel/issues/59
# and https://docs.postgrest.org/en/stable/references/api/tables_views.html#on-conflict
