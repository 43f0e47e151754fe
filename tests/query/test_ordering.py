"""Ordering by several columns."""

import pytest
from fastapi.testclient import TestClient

from tests.query.lists import ids

ORDERS = (
    ("progress", [6, 2, 3, 5, 4, 1]),
    ("-progress", [1, 4, 5, 3, 2, 6]),
    ("-progress,id", [1, 4, 2, 3, 5, 6]),
    ("due", [2, 6, 1, 3, 4, 5]),
    ("-due", [5, 4, 3, 1, 6, 2]),
    ("status,-progress", [1, 4, 5, 3, 2, 6]),
    ("-id", [6, 5, 4, 3, 2, 1]),
)


@pytest.mark.usefixtures("tasks")
def test_nulls_are_greatest_and_the_key_breaks_ties(client: TestClient) -> None:
    for order, expected in ORDERS:
        assert ids(client, f"order_by={order}") == expected
