"""A number with more digits than its column is refused, however it is written."""

from decimal import Decimal
from typing import Any

import pytest
from fastapi.testclient import TestClient

from colonnade import Database, Field, Resource, SQLModel
from tests.resources.sample_app import serving


@pytest.fixture
def client(db: Database) -> Any:

    class Cash(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        price: Decimal = Field(max_digits=10, decimal_places=2, alias="thePrice")
        ratio: float = 0.5
        more: dict[str, Any] = Field(default_factory=dict)

    db.create_all()
    with serving(Resource(Cash, db, prefix="/cash")) as client:
        yield client


@pytest.mark.parametrize("number", ["1.0000000000000000001", "1e-400", "99999999.0000000001"])
def test_a_number_with_too_many_digits_is_refused(client: TestClient, number: str) -> None:
    headers = {"Content-Type": "application/json"}
    client.post("/cash", json={"thePrice": 1})
    for method, url, body in (
        ("POST", "/cash", '{"thePrice": %s}'),
        ("POST", "/cash", '{"thePrice": "%s"}'),
        ("POST", "/cash:batch", '[{"thePrice": 1}, {"thePrice": %s}]'),
        ("PATCH", "/cash/1", '{"thePrice": %s}'),
        ("PATCH", "/cash:batch", '[{"id": 1, "thePrice": %s}]'),
    ):
        answer = client.request(method, url, content=body % number, headers=headers)
        assert answer.status_code == 422, (body, answer.text)
        assert answer.json()["errors"][0]["field"] == "thePrice"


def test_other_numbers_are_unchanged(client: TestClient) -> None:
    body = '{"thePrice": 1.50, "ratio": 0.10000000000000000555, "more": {"a": 1.5e0}}'
    headers = {"Content-Type": "application/json"}
    created = client.post("/cash", content=body, headers=headers)
    assert created.status_code == 201, created.text
    row = {"id": 1, "thePrice": "1.50", "ratio": 0.1, "more": {"a": 1.5}}
    assert created.json() == row
    assert client.patch("/cash:batch", content='[{"id": 1, "ratio": 0.10000000000000000555}]',
                        headers=headers).json() == [row]  # fmt: skip
