"""Errors in filters, and their limits."""

import json
from typing import Any

import pytest
from fastapi.testclient import TestClient


@pytest.mark.usefixtures("tasks")
def test_values_and_conditions_are_limited(client: TestClient) -> None:
    many = ",".join(map(str, range(5_000)))
    assert client.get(f"/tasks?id__in={many}").status_code == 422
    where = json.dumps({"or": [{"id": number} for number in range(101)]})
    assert client.get("/tasks", params={"where": where}).status_code == 422


@pytest.mark.usefixtures("tasks")
def test_empty_conditions_count_towards_the_limit(client: TestClient) -> None:
    wheres: Any = (
        {"and": [{"or": [{}]}] * 200},
        {"or": [{}] * 200},
        {"and": [{"id": 1}] * 101},
    )
    for where in wheres:
        assert client.get("/tasks", params={"where": json.dumps(where)}).status_code == 422
