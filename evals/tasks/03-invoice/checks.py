from typing import Any

from evals.conftest import Client, TryDatabase, at_once

PAINT = {"description": "Paint", "quantity": "1.5", "unit_price": "9.99"}
BRUSH = {"description": "Brush", "quantity": "2", "unit_price": "3.00"}
TAPE = {"description": "Tape", "quantity": "1", "unit_price": "0.50"}


def create(client: Client, number: str = "A1", lines: Any = (PAINT, BRUSH)) -> dict[str, Any]:
    body = {"number": number, "customer": "Jane", "lines": list(lines)}
    answer = client.post("/invoices", json=body)
    assert answer.status_code == 201, answer.text
    invoice: dict[str, Any] = answer.json()
    return invoice


def put(client: Client, invoice: dict[str, Any], *lines: dict[str, Any]) -> Any:
    body = {"customer": "John", "lines": list(lines)}
    return client.put(f"/invoices/{invoice['id']}", json=body)


def read(client: Client, invoice: dict[str, Any]) -> Any:
    answer = client.get(f"/invoices/{invoice['id']}")
    assert answer.status_code == 200
    return answer.json()


def descriptions(invoice: dict[str, Any]) -> list[str]:
    return [line["description"] for line in invoice["lines"]]


WRONG_LINES: list[dict[str, Any]] = [
    {"description": ""},
    {"description": "x" * 201},
    {"quantity": "0"},
    {"quantity": "-1"},
    {"quantity": "100000"},
    {"quantity": "1.0001"},
    {"quantity": None},
    {"quantity": "many"},
    {"quantity": "NaN"},
    {"unit_price": "-0.01"},
    {"unit_price": "10000000"},
    {"unit_price": "0.001"},
    {"amount": "1.00"},
    {"invoice_id": 1},
    {"position": 1},
]


def test_an_invoice_is_created_and_read_with_its_lines(client: Client) -> None:
    invoice = create(client)
    ids = [line.pop("id") for line in read(client, invoice)["lines"]]
    assert len(set(ids)) == 2
    assert read(client, invoice) == invoice
    assert invoice == {
        "id": invoice["id"],
        "number": "A1",
        "customer": "Jane",
        "total": "20.99",
        "lines": [
            {
                "id": ids[0],
                "description": "Paint",
                "quantity": "1.500",
                "unit_price": "9.99",
                "amount": "14.99",
            },
            {
                "id": ids[1],
                "description": "Brush",
                "quantity": "2.000",
                "unit_price": "3.00",
                "amount": "6.00",
            },
        ],
    }


def test_totals_are_exact_and_rounded_half_up(client: Client) -> None:
    for quantity, unit_price, amount, times, total in (
        ("0.1", "0.10", "0.01", 300, "3.00"),
        ("0.5", "0.01", "0.01", 3, "0.03"),
        ("0.5", "0.05", "0.03", 1, "0.03"),
        ("2.675", "1.00", "2.68", 2, "5.36"),
        ("99999.999", "9999999.99", "999999989000.00", 1, "999999989000.00"),
        (0.3, 1.1, "0.33", 10, "3.30"),
    ):
        line = {"description": "Nail", "quantity": quantity, "unit_price": unit_price}
        invoice = create(client, f"{quantity} {unit_price}", [line] * times)
        assert invoice == read(client, invoice)
        assert (invoice["lines"][-1]["amount"], invoice["total"]) == (amount, total)
        listed = client.get("/invoices?limit=100").json()
        assert listed[-1]["total"] == total


def test_one_request_changes_adds_and_removes_lines(client: Client) -> None:
    other = create(client, "B1")
    invoice = create(client)
    brush = invoice["lines"][1]["id"]
    answer = put(client, invoice, TAPE, BRUSH | {"id": brush, "quantity": "3"})
    assert answer.status_code == 200, answer.text
    changed = answer.json()
    assert read(client, invoice) == changed
    assert descriptions(changed) == ["Tape", "Brush"]
    assert changed["lines"][1]["id"] == brush
    assert changed["lines"][0]["id"] not in {line["id"] for line in invoice["lines"]}
    assert (changed["number"], changed["customer"], changed["total"]) == ("A1", "John", "9.50")
    assert read(client, other) == other


def test_lines_keep_the_order_of_the_last_request(client: Client) -> None:
    invoice = create(client)
    paint, brush = (line["id"] for line in invoice["lines"])
    put(client, invoice, BRUSH | {"id": brush}, TAPE, PAINT | {"id": paint})
    assert descriptions(read(client, invoice)) == ["Brush", "Tape", "Paint"]


def test_wrong_lines_refuse_the_whole_request(client: Client) -> None:
    invoice = create(client)
    for wrong in WRONG_LINES:
        body = {"number": "C1", "customer": "Jane", "lines": [BRUSH, PAINT | wrong]}
        assert client.post("/invoices", json=body).status_code == 422, wrong
        assert put(client, invoice, BRUSH, PAINT | wrong).status_code == 422, wrong
    body = {"number": "C1", "customer": "Jane", "lines": [PAINT | {"id": 99}]}
    assert client.post("/invoices", json=body).status_code == 422
    assert read(client, invoice) == invoice
    assert len(client.get("/invoices").json()) == 1


def test_wrong_invoices_are_refused(client: Client) -> None:
    right = {"number": "C1", "customer": "Jane", "lines": [PAINT]}
    invoice = create(client)
    url = f"/invoices/{invoice['id']}"
    for wrong in (
        {"lines": []},
        {"lines": None},
        {"lines": [PAINT] * 501},
        {"customer": ""},
        {"customer": None},
        {"total": "1.00"},
        {"id": 5},
    ):
        assert client.post("/invoices", json=right | wrong).status_code == 422, wrong
        changed = {"customer": "John", "lines": [PAINT]} | wrong
        assert client.put(url, json=changed).status_code == 422, wrong
    assert client.post("/invoices", json=right | {"number": "x" * 41}).status_code == 422
    assert client.put(url, json=right).status_code == 422
    assert client.put(url, json={"lines": [PAINT]}).status_code == 422
    assert client.put(url, json={"customer": "John"}).status_code == 422
    assert read(client, invoice) == invoice


def test_lines_of_another_invoice_are_refused(client: Client) -> None:
    other = create(client, "B1")
    invoice = create(client)
    for line_id in (other["lines"][0]["id"], 9999):
        answer = put(client, invoice, TAPE, PAINT | {"id": line_id})
        assert answer.status_code == 422, line_id
    assert read(client, other) == other
    assert read(client, invoice) == invoice


def test_the_same_line_twice_is_refused(client: Client) -> None:
    invoice = create(client)
    line = {"id": invoice["lines"][0]["id"]}
    assert put(client, invoice, PAINT | line, BRUSH | line).status_code == 422
    assert read(client, invoice) == invoice


def test_a_number_that_is_taken_is_a_conflict(client: Client) -> None:
    create(client)
    body = {"number": "A1", "customer": "John", "lines": [PAINT]}
    assert client.post("/invoices", json=body).status_code == 409
    for number in ("D1", "D2", "D3", "D4", "D5"):
        requests = [
            lambda number=number: client.post("/invoices", json=body | {"number": number})
        ] * 3
        statuses = sorted(answer.status_code for answer in at_once(*requests))
        assert statuses == [201, 409, 409]
    assert len(client.get("/invoices").json()) == 6


def test_two_changes_at_once_do_not_mix(client: Client) -> None:
    for number in range(8):
        invoice = create(client, f"E{number}")
        paint, brush = (line["id"] for line in invoice["lines"])
        one = [PAINT | {"id": paint}, TAPE, TAPE]
        two = [BRUSH | {"id": brush}, BRUSH]
        answers = at_once(
            lambda invoice=invoice, lines=one: put(client, invoice, *lines),
            lambda invoice=invoice, lines=two: put(client, invoice, *lines),
        )
        assert sorted(answer.status_code for answer in answers) == [200, 422]
        winner = next(answer.json() for answer in answers if answer.status_code == 200)
        assert read(client, invoice) == winner
        assert descriptions(winner) in (["Paint", "Tape", "Tape"], ["Brush", "Brush"])
        answers = at_once(
            lambda invoice=invoice: put(client, invoice, TAPE, TAPE),
            lambda invoice=invoice: put(client, invoice, BRUSH, PAINT, BRUSH),
        )
        assert [answer.status_code for answer in answers] == [200, 200]
        assert read(client, invoice) in [answer.json() for answer in answers]


def test_a_deleted_invoice_leaves_no_lines(client: Client, database: TryDatabase) -> None:
    invoice = create(client)
    kept = create(client, "B1", [TAPE])
    assert client.delete(f"/invoices/{invoice['id']}").status_code == 204
    assert client.get(f"/invoices/{invoice['id']}").status_code == 404
    assert read(client, kept) == kept
    assert database.execute("SELECT count(*) FROM invoice_line")[0][0] == 1


def test_an_unknown_invoice_is_a_404(client: Client) -> None:
    assert client.get("/invoices/999").status_code == 404
    assert client.delete("/invoices/999").status_code == 404
    assert put(client, {"id": 999}, PAINT).status_code == 404


def test_the_list_has_totals_with_few_statements(client: Client) -> None:
    for number in range(50):
        create(client, f"F{number}")
    page = client.get("/invoices", params={"limit": 2, "offset": 1}).json()
    assert [invoice["number"] for invoice in page] == ["F1", "F2"]
    assert page[0] == {
        "id": page[0]["id"],
        "number": "F1",
        "customer": "Jane",
        "total": "20.99",
    }
    assert client.get("/invoices?limit=0").status_code == 422
    few, many = (client.statements_of(f"/invoices?limit={limit}") for limit in (5, 50))
    assert few == many <= 6


def test_reading_an_invoice_needs_few_statements(client: Client) -> None:
    few, many = create(client), create(client, "B1", [TAPE] * 200)
    counts = [client.statements_of(f"/invoices/{each['id']}") for each in (few, many)]
    assert counts[0] == counts[1] <= 6


def test_models_and_database_agree(drift: str) -> None:
    assert not drift


# Nested writes: https://github.com/fastapi/sqlmodel/issues/6
# and https://github.com/fastapi/sqlmodel/issues/293
