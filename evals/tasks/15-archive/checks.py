from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from evals.conftest import Client, TryDatabase

ADMIN = {"X-Role": "admin"}


def project(client: Client, name: str = "Garden", **more: Any) -> int:
    answer = client.post("/projects", json={"name": name, **more})
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


def task(client: Client, project_id: int, title: str = "Dig", **more: Any) -> int:
    answer = client.post(f"/projects/{project_id}/tasks", json={"title": title, **more})
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


def archive(client: Client, url: str) -> None:
    assert client.delete(url).status_code == 204


def restore(client: Client, url: str) -> int:
    return client.post(f"{url}/restore", headers=ADMIN).status_code


def ids(client: Client, url: str, **params: Any) -> list[int]:
    answer = client.get(url, params=params, headers=ADMIN)
    assert answer.status_code == 200, answer.text
    return [each["id"] for each in answer.json()]


def at_once(client: Client, *requests: tuple[str, str, Any]) -> list[int]:
    def send(request: tuple[str, str, Any]) -> int:
        method, url, body = request
        return client.request(method, url, json=body, headers=ADMIN).status_code

    with ThreadPoolExecutor(8) as pool:
        return sorted(pool.map(send, requests))


def test_models_and_database_agree(drift: str) -> None:
    assert drift == ""


def test_projects_and_tasks_are_created_and_changed(client: Client) -> None:
    garden = project(client)
    dig = task(client, garden)
    shown = client.patch(f"/projects/{garden}", json={"description": "Green"}).json()
    expected = {"id": garden, "name": "Garden", "description": "Green", "archived_at": None}
    assert shown == expected | {"open_tasks": 1}
    shown = client.patch(f"/tasks/{dig}", json={"done": True}).json()
    expected = {"id": dig, "project_id": garden, "title": "Dig", "done": True}
    assert shown == client.get(f"/tasks/{dig}").json() == expected | {"archived_at": None}
    assert client.get(f"/projects/{garden}").json()["open_tasks"] == 0


def test_wrong_bodies_and_parameters_are_refused(client: Client) -> None:
    garden = project(client)
    dig = task(client, garden)
    for body in ({}, {"name": ""}, {"name": "x" * 101}, {"name": "x", "description": "x" * 1001}):
        assert client.post("/projects", json=body).status_code == 422
    assert client.patch(f"/projects/{garden}", json={"name": None}).status_code == 422
    assert client.patch(f"/tasks/{dig}", json={"title": None}).status_code == 422
    assert client.post(f"/projects/{garden}/tasks", json={"title": ""}).status_code == 422
    for url in ("/projects?limit=0", "/projects?limit=101", "/projects?offset=-1"):
        assert client.get(url).status_code == 422


def test_an_archived_project_is_gone(client: Client) -> None:
    garden, house = project(client), project(client, "House")
    archive(client, f"/projects/{garden}")
    url = f"/projects/{garden}"
    assert client.get(url).status_code == client.get(url, headers=ADMIN).status_code == 404
    assert client.patch(url, json={"description": "x"}).status_code == 404
    assert client.delete(url).status_code == 404
    assert client.post(f"{url}/tasks", json={"title": "Dig"}).status_code == 404
    assert client.get(f"{url}/tasks").status_code == 404
    assert ids(client, "/projects") == [house]
    assert ids(client, "/projects", q="gard") == []


def test_a_restored_project_has_its_tasks(client: Client) -> None:
    garden = project(client, "Unmistakable")
    task(client, garden)
    archive(client, f"/projects/{garden}")
    assert restore(client, f"/projects/{garden}") == 200
    assert client.get(f"/projects/{garden}").json()["open_tasks"] == 1


def test_a_name_is_used_once(client: Client) -> None:
    garden, house = project(client), project(client, "House")
    assert client.post("/projects", json={"name": "Garden"}).status_code == 409
    assert client.patch(f"/projects/{house}", json={"name": "Garden"}).status_code == 409
    assert client.get(f"/projects/{house}").json()["name"] == "House"
    assert client.patch(f"/projects/{garden}", json={"name": "Garden"}).status_code == 200
    assert client.post("/projects", json={"name": "garden"}).status_code == 201


def test_the_name_of_an_archived_project_is_free(client: Client) -> None:
    for _ in range(3):
        archive(client, f"/projects/{project(client)}")
    house = project(client, "House")
    assert client.patch(f"/projects/{house}", json={"name": "Garden"}).status_code == 200
    assert client.post("/projects", json={"name": "Garden"}).status_code == 409


def test_a_project_is_restored_as_it_was(client: Client) -> None:
    garden = project(client, description="Green")
    task(client, garden)
    before = client.get(f"/projects/{garden}").json()
    archive(client, f"/projects/{garden}")
    answer = client.post(f"/projects/{garden}/restore", headers=ADMIN)
    assert (answer.status_code, answer.json()) == (200, before)
    assert client.get(f"/projects/{garden}").json() == before
    assert ids(client, "/projects") == [garden]


def test_a_project_is_not_restored_if_its_name_is_taken(client: Client) -> None:
    garden = project(client)
    archive(client, f"/projects/{garden}")
    other = project(client)
    assert restore(client, f"/projects/{garden}") == 409
    assert ids(client, "/projects") == [other]
    archive(client, f"/projects/{other}")
    assert restore(client, f"/projects/{garden}") == 200


def test_only_what_is_archived_is_restored(client: Client) -> None:
    garden = project(client)
    dig = task(client, garden)
    assert restore(client, f"/projects/{garden}") == restore(client, f"/tasks/{dig}") == 409
    assert restore(client, "/projects/99") == restore(client, "/tasks/99") == 404


def test_the_archive_is_for_administrators(client: Client) -> None:
    garden, house = project(client), project(client, "House")
    dig = task(client, house)
    archive(client, f"/projects/{garden}")
    archive(client, f"/tasks/{dig}")
    for headers in ({}, {"X-Role": "member"}):
        assert client.get("/projects?archived=true", headers=headers).status_code == 403
        for url in (f"/projects/{garden}", f"/tasks/{dig}"):
            assert client.post(f"{url}/restore", headers=headers).status_code == 403
    assert ids(client, "/projects") == [house]


def test_the_archive_lists_archived_projects_alone(client: Client) -> None:
    garden, house, hut = project(client), project(client, "House"), project(client, "Hut")
    for each in (garden, hut):
        archive(client, f"/projects/{each}")
    listed = client.get("/projects?archived=true", headers=ADMIN).json()
    assert [each["id"] for each in listed] == [garden, hut]
    assert datetime.fromisoformat(listed[0]["archived_at"]).utcoffset() is not None
    assert ids(client, "/projects", archived="true", q="hu") == [hut]
    assert ids(client, "/projects", archived="true", limit=1, offset=1) == [hut]
    assert ids(client, "/projects", archived="false") == ids(client, "/projects") == [house]


def test_an_archived_task_is_gone(client: Client) -> None:
    garden = project(client)
    dig, sow = task(client, garden), task(client, garden, "Sow")
    url = f"/tasks/{dig}"
    archive(client, url)
    assert client.get(url).status_code == client.delete(url).status_code == 404
    assert client.patch(url, json={"done": True}).status_code == 404
    assert ids(client, f"/projects/{garden}/tasks") == [sow]
    assert ids(client, "/tasks", q="dig") == []
    assert client.get(f"/projects/{garden}").json()["open_tasks"] == 1
    assert restore(client, url) == 200
    assert ids(client, f"/projects/{garden}/tasks") == [dig, sow]


def test_tasks_are_hidden_with_their_project(client: Client) -> None:
    garden, house = project(client), project(client, "House")
    dig, paint = task(client, garden), task(client, house, "Dig a cellar")
    archive(client, f"/projects/{garden}")
    url = f"/tasks/{dig}"
    assert client.get(url).status_code == client.delete(url).status_code == 404
    assert client.patch(url, json={"done": True}).status_code == 404
    assert ids(client, "/tasks", q="dig") == ids(client, "/tasks") == [paint]
    assert restore(client, url) == 409


def test_the_tasks_that_were_not_archived_themselves_come_back(client: Client) -> None:
    garden = project(client)
    dig, sow, mow = (task(client, garden, title) for title in ("Dig", "Sow", "Mow"))
    archive(client, f"/tasks/{sow}")
    archive(client, f"/projects/{garden}")
    assert restore(client, f"/tasks/{sow}") == 409
    assert restore(client, f"/projects/{garden}") == 200
    assert ids(client, f"/projects/{garden}/tasks") == [dig, mow]
    assert client.get(f"/projects/{garden}").json()["open_tasks"] == 2
    assert client.get(f"/tasks/{sow}").status_code == 404
    assert restore(client, f"/tasks/{sow}") == 200


def test_search_takes_its_text_literally(client: Client) -> None:
    percent, low, plain = (project(client, name) for name in ("100% Wool", "a_b", "100 axb"))
    assert ids(client, "/projects", q="100%") == [percent]
    assert ids(client, "/projects", q="A_B") == [low]
    assert ids(client, "/projects", q="WOOL") == [percent]
    assert ids(client, "/projects", q="100") == [percent, plain]
    dig = task(client, low, "50% done")
    task(client, low, "500 done")
    assert ids(client, "/tasks", q="50%") == [dig]


def test_one_name_at_once_is_given_once(client: Client) -> None:
    body = {"name": "Garden"}
    assert at_once(client, *[("POST", "/projects", body)] * 5) == [201] + [409] * 4


def test_two_projects_of_one_name_are_not_both_restored(client: Client) -> None:
    urls = []
    for _ in range(4):
        urls.append(f"/projects/{project(client)}")
        archive(client, urls[-1])
    requests = [("POST", f"{url}/restore", None) for url in urls]
    assert at_once(client, *requests) == [200, 409, 409, 409]
    assert len(ids(client, "/projects")) == 1


def test_the_list_needs_few_statements(client: Client, database: TryDatabase) -> None:
    if database.kind == "sqlite":
        for number in range(50):
            task(client, project(client, f"Project {number}"))
            if number == 4:
                few = client.statements_of("/projects"), client.statements_of("/tasks")
        many = client.statements_of("/projects"), client.statements_of("/tasks")
        assert few == many
        assert max(many) <= 4


# Source: https://github.com/fossasia/open-event-server/issues/7093
