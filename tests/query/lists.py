"""Reading lists over HTTP."""

import pytest
from fastapi.testclient import TestClient


def ids(client: TestClient, query: str) -> list[int]:
    """The keys of the tasks that a query returns."""
    answer = client.get(f"/tasks?{query}")
    assert answer.status_code == 200, answer.text
    return [task["id"] for task in answer.json()]


def walk(client: TestClient, url: str | None) -> list[int]:
    """The keys of all pages, following the links; fails after ten pages."""
    ids: list[int] = []
    for _ in range(10):
        if url is None:
            return ids
        answer = client.get(url)
        assert answer.status_code == 200, answer.text
        ids += [row["id"] for row in answer.json()]
        url = answer.links.get("next", {}).get("url")
    pytest.fail(f"no end: {ids}")


def pages_of(client: TestClient, url: str | None, rel: str = "next") -> list[list[int]]:
    """The keys of each page, following the links."""
    pages = []
    while url is not None:
        answer = client.get(url)
        pages.append([task["id"] for task in answer.json()])
        url = answer.links.get(rel, {}).get("url")
    return pages
