"""The context of a request is gone when the request is answered."""

import gc
from types import SimpleNamespace

from fastapi import Request
from fastapi.testclient import TestClient

from colonnade import Database, Resource
from tests.resources.sample_app import serving


def requests_alive() -> int:
    return sum(isinstance(thing, Request) for thing in gc.get_objects())


def send_requests(client: TestClient) -> None:
    key = client.post("/tasks", json={"title": "a"}).json()["id"]
    for path in ("/tasks", f"/tasks/{key}", "/tasks/0", "/tasks?nope=1"):
        client.get(path)
    client.patch(f"/tasks/{key}", json={"title": "b"})
    client.delete(f"/tasks/{key}")


def test_an_answered_request_does_not_wait_for_the_garbage_collector(
    db: Database, models: SimpleNamespace
) -> None:
    with serving(Resource(models.Task, db)) as client:
        send_requests(client)
        gc.collect()
        before = requests_alive()
        gc.disable()
        try:
            send_requests(client)
            assert requests_alive() <= before
        finally:
            gc.enable()
