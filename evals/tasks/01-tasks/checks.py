from datetime import datetime
from typing import Any

import pytest
from evals.conftest import Client, at_once


def create(client: Client, **fields: Any) -> dict[str, Any]:
    answer = client.post("/tasks", json={"title": "Paint the fence"} | fields)
    assert answer.status_code == 201, answer.text
    task: dict[str, Any] = answer.json()
    return task


def read(client: Client, task: dict[str, Any]) -> dict[str, Any]:
    answer = client.get(f"/tasks/{task['id']}")
    assert answer.status_code == 200
    read_task: dict[str, Any] = answer.json()
    return read_task


def titles(client: Client, **params: Any) -> list[str]:
    answer = client.get("/tasks", params=params)
    assert answer.status_code == 200, answer.text
    return [task["title"] for task in answer.json()]


def instant(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    assert moment.tzinfo is not None
    return moment


WRONG: list[dict[str, Any]] = [
    {"title": ""},
    {"title": "x" * 201},
    {"title": 5},
    {"title": None},
    {"description": "x" * 5001},
    {"status": "later"},
    {"status": None},
    {"priority": 0},
    {"priority": 6},
    {"priority": None},
    {"progress": -1},
    {"progress": 101},
    {"progress": None},
    {"due_at": "tomorrow"},
    {"due_at": "2030-01-02T03:04:05"},
]
OF_THE_SERVER: list[dict[str, Any]] = [
    {"id": 77},
    {"created_at": "2001-01-01T00:00:00Z"},
    {"updated_at": "2001-01-01T00:00:00Z"},
    {"colour": "red"},
]


def test_a_new_task_has_its_defaults(client: Client) -> None:
    task = create(client)
    assert isinstance(task.pop("id"), int)
    assert instant(task.pop("created_at")) == instant(task.pop("updated_at"))
    assert task == {
        "title": "Paint the fence",
        "description": None,
        "status": "todo",
        "priority": 3,
        "progress": 0,
        "due_at": None,
    }


def test_a_task_is_read_as_it_was_created(client: Client) -> None:
    fields = {
        "title": "é" * 200,
        "description": "x" * 5000,
        "status": "done",
        "priority": 5,
        "progress": 100,
    }
    task = create(client, **fields)
    assert fields.items() <= task.items()
    assert read(client, task) == task


def test_wrong_values_are_refused_by_post(client: Client) -> None:
    for wrong in WRONG:
        answer = client.post("/tasks", json={"title": "Paint"} | wrong)
        assert answer.status_code == 422, wrong
    assert client.post("/tasks", json={}).status_code == 422
    assert client.post("/tasks", json=[]).status_code == 422
    assert titles(client) == []


def test_wrong_values_are_refused_by_patch_and_change_nothing(client: Client) -> None:
    task = create(client, description="green", progress=7)
    for wrong in WRONG:
        answer = client.patch(f"/tasks/{task['id']}", json={"priority": 5, "progress": 9} | wrong)
        assert answer.status_code == 422, wrong
    assert read(client, task) == task


def test_unknown_fields_and_those_of_the_server_are_refused(client: Client) -> None:
    task = create(client)
    for wrong in OF_THE_SERVER:
        posted = client.post("/tasks", json={"title": "Paint"} | wrong)
        assert posted.status_code == 422, wrong
        patched = client.patch(f"/tasks/{task['id']}", json={"title": "Paint"} | wrong)
        assert patched.status_code == 422, wrong
    assert read(client, task) == task
    assert len(titles(client)) == 1


def test_patch_changes_only_what_was_sent(client: Client) -> None:
    other = create(client)
    task = create(client, description="green", due_at="2030-01-01T00:00:00Z", progress=7)
    answer = client.patch(f"/tasks/{task['id']}", json={"status": "doing"})
    assert answer.status_code == 200
    changed = answer.json()
    assert changed == task | {"status": "doing", "updated_at": changed["updated_at"]}
    assert read(client, task) == changed
    assert read(client, other) == other


def test_null_clears_description_and_due_at(client: Client) -> None:
    task = create(client, description="green", due_at="2030-01-01T00:00:00Z")
    patch = {"description": None, "due_at": None}
    answer = client.patch(f"/tasks/{task['id']}", json=patch)
    assert answer.status_code == 200
    assert patch.items() <= read(client, task).items()


def test_updated_at_moves_and_created_at_stays(client: Client) -> None:
    task = create(client)
    moments = [instant(task["updated_at"])]
    for progress in (10, 20):
        changed = client.patch(f"/tasks/{task['id']}", json={"progress": progress}).json()
        assert changed["created_at"] == task["created_at"]
        moments.append(instant(changed["updated_at"]))
        assert instant(read(client, task)["updated_at"]) == moments[-1]
    assert moments[0] < moments[1] < moments[2]


def test_due_at_is_the_instant_that_was_sent(client: Client) -> None:
    for sent in ("2030-06-01T12:00:00+05:30", "2030-06-01T12:00:00Z", "2030-06-01T23:30:00-08:00"):
        task = create(client, due_at=sent)
        assert instant(task["due_at"]) == instant(sent)
        assert instant(read(client, task)["due_at"]) == instant(sent)
        listed = client.get("/tasks", params={"sort": "-id"}).json()[0]
        assert instant(listed["due_at"]) == instant(sent)


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_an_unknown_task_is_a_404(client: Client, method: str) -> None:
    body = {"title": "Paint"} if method == "PATCH" else None
    assert client.request(method, "/tasks/999", json=body).status_code == 404


def test_a_deleted_task_is_gone(client: Client) -> None:
    task = create(client)
    kept = create(client)
    answer = client.delete(f"/tasks/{task['id']}")
    assert answer.status_code == 204
    assert answer.content == b""
    assert client.get(f"/tasks/{task['id']}").status_code == 404
    assert client.delete(f"/tasks/{task['id']}").status_code == 404
    assert client.get("/tasks").json() == [kept]


def test_filters_mean_both(client: Client) -> None:
    for title, status, priority in (("a", "todo", 1), ("b", "done", 1), ("c", "done", 2)):
        create(client, title=title, status=status, priority=priority)
    assert titles(client) == ["a", "b", "c"]
    assert titles(client, status="done") == ["b", "c"]
    assert titles(client, priority=1) == ["a", "b"]
    assert titles(client, status="done", priority=1) == ["b"]
    assert titles(client, status="doing") == []


def test_sorting_is_total_in_both_directions(client: Client) -> None:
    for title, priority, due_at in (
        ("a", 2, None),
        ("b", 1, "2030-01-02T00:00:00Z"),
        ("c", 2, "2030-01-02T01:00:00+02:00"),
        ("d", 1, None),
    ):
        create(client, title=title, priority=priority, due_at=due_at)
    assert titles(client, sort="-id") == ["d", "c", "b", "a"]
    assert titles(client, sort="-title") == ["d", "c", "b", "a"]
    assert titles(client, sort="priority") == ["b", "d", "a", "c"]
    assert titles(client, sort="-priority") == ["a", "c", "b", "d"]
    assert titles(client, sort="due_at") == ["c", "b", "a", "d"]
    assert titles(client, sort="-due_at") == ["b", "c", "a", "d"]
    assert titles(client, sort="-created_at") == ["d", "c", "b", "a"]


def test_a_page_is_bounded(client: Client) -> None:
    for number in range(60):
        create(client, title=f"{number:02}")
    assert len(titles(client)) == 50
    assert len(titles(client, limit=100)) == 60
    assert titles(client, limit=2, offset=3) == ["03", "04"]
    assert titles(client, offset=60) == []
    assert client.statements_of("/tasks?limit=5") == client.statements_of("/tasks?limit=60") <= 5


def test_wrong_parameters_are_refused(client: Client) -> None:
    create(client)
    for wrong in (
        {"limit": 0},
        {"limit": 101},
        {"limit": "many"},
        {"offset": -1},
        {"sort": "description"},
        {"sort": "--id"},
        {"sort": "id;drop"},
        {"status": "later"},
        {"priority": "high"},
        {"priority": 6},
    ):
        assert client.get("/tasks", params=wrong).status_code == 422, wrong


def test_two_changes_at_once_are_both_kept(client: Client) -> None:
    for _ in range(10):
        url = f"/tasks/{create(client)['id']}"
        answers = at_once(
            lambda url=url: client.patch(url, json={"title": "Paint the gate"}),
            lambda url=url: client.patch(url, json={"progress": 50}),
        )
        assert [answer.status_code for answer in answers] == [200, 200]
        assert {"title": "Paint the gate", "progress": 50}.items() <= client.get(url).json().items()


def test_models_and_database_agree(drift: str) -> None:
    assert not drift
