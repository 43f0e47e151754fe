from typing import Any

from evals.conftest import Client, TryDatabase, at_once


def create(client: Client, name: str, tasks: int = 0, done: int = 0) -> int:
    answer = client.post("/projects", json={"name": name})
    assert answer.status_code == 201, answer.text
    project: int = answer.json()["id"]
    for number in range(tasks):
        add(client, project, done=number < done)
    return project


def add(client: Client, project: int, **fields: Any) -> dict[str, Any]:
    answer = client.post(f"/projects/{project}/tasks", json={"title": "Paint"} | fields)
    assert answer.status_code == 201, answer.text
    task: dict[str, Any] = answer.json()
    return task


def counts(client: Client, project: int) -> tuple[int, int]:
    answer = client.get(f"/projects/{project}")
    assert answer.status_code == 200
    listed = [each for each in client.get("/projects").json() if each["id"] == project]
    assert listed == [answer.json()]
    return answer.json()["task_count"], answer.json()["open_task_count"]


def names(client: Client, **params: Any) -> str:
    answer = client.get("/projects", params=params)
    assert answer.status_code == 200, answer.text
    return "".join(project["name"] for project in answer.json())


def create_some(client: Client) -> None:
    for name, tasks, done in (("c", 2, 0), ("a", 3, 3), ("d", 0, 0), ("b", 2, 1), ("e", 0, 0)):
        create(client, name, tasks, done)


def test_a_project_is_answered_with_its_counts(client: Client) -> None:
    answer = client.post("/projects", json={"name": "Garden"})
    project = answer.json()
    expected = {"id": project["id"], "name": "Garden", "task_count": 0, "open_task_count": 0}
    assert project == expected
    task = add(client, project["id"], done=True)
    assert task == {
        "id": task["id"],
        "project_id": project["id"],
        "title": "Paint",
        "done": True,
    }
    assert add(client, project["id"])["done"] is False
    renamed = client.patch(f"/projects/{project['id']}", json={"name": "Yard"})
    assert renamed.status_code == 200
    assert renamed.json() == expected | {"name": "Yard", "task_count": 2, "open_task_count": 1}
    assert len(client.get(f"/projects/{project['id']}/tasks").json()) == 2


def test_counts_follow_each_change(client: Client) -> None:
    first, second = create(client, "a", 3), create(client, "b", 1)
    task = add(client, first)
    url = f"/tasks/{task['id']}"
    assert counts(client, first) == (4, 4)
    assert client.patch(url, json={"done": True}).json() == task | {"done": True}
    assert counts(client, first) == (4, 3)
    moved = client.patch(url, json={"project_id": second})
    assert moved.json() == task | {"done": True, "project_id": second}
    assert (counts(client, first), counts(client, second)) == ((3, 3), (2, 1))
    assert client.patch(url, json={"done": False}).status_code == 200
    assert counts(client, second) == (2, 2)
    assert client.delete(url).status_code == 204
    assert (counts(client, first), counts(client, second)) == ((3, 3), (1, 1))


def test_the_list_is_sorted_by_counts(client: Client) -> None:
    create_some(client)
    assert names(client) == "cadbe"
    assert names(client, sort="name") == "abcde"
    assert names(client, sort="-name") == "edcba"
    assert names(client, sort="task_count") == "decba"
    assert names(client, sort="-task_count") == "acbde"
    assert names(client, sort="open_task_count") == "adebc"
    assert names(client, sort="-open_task_count") == "cbade"


def test_the_list_is_filtered_by_counts(client: Client) -> None:
    create_some(client)
    assert names(client, has_tasks="false") == "de"
    assert names(client, has_tasks="true") == "cab"
    assert names(client, min_open=0) == "cadbe"
    assert names(client, min_open=1) == "cb"
    assert names(client, min_open=2) == "c"
    assert names(client, min_open=1, has_tasks="false") == ""
    assert names(client, min_open=1, has_tasks="true", sort="open_task_count") == "bc"


def test_pages_are_cut_after_filters_and_order(client: Client) -> None:
    create_some(client)
    assert names(client, sort="-task_count", limit=2, offset=1) == "cb"
    assert names(client, has_tasks="true", sort="name", limit=2) == "ab"
    for params, total in (
        ({"limit": 2}, "5"),
        ({"limit": 1, "has_tasks": "true"}, "3"),
        ({"limit": 1, "min_open": 1, "offset": 9}, "2"),
        ({"min_open": 7}, "0"),
    ):
        assert client.get("/projects", params=params).headers["X-Total-Count"] == total, params


def test_the_list_needs_few_statements(client: Client) -> None:
    for number in range(50):
        create(client, f"p{number}", tasks=number % 3)
    few = client.statements_of("/projects?sort=-task_count&limit=5")
    many = client.statements_of("/projects?sort=-task_count&limit=50")
    assert few == many <= 6


def test_wrong_parameters_are_refused(client: Client) -> None:
    create_some(client)
    for wrong in (
        {"sort": "created"},
        {"sort": "--name"},
        {"has_tasks": "perhaps"},
        {"min_open": -1},
        {"min_open": "many"},
        {"limit": 0},
        {"limit": 101},
        {"offset": -1},
    ):
        assert client.get("/projects", params=wrong).status_code == 422, wrong


def test_a_name_that_is_taken_is_a_conflict(client: Client) -> None:
    create(client, "a")
    other = create(client, "b")
    assert client.post("/projects", json={"name": "a"}).status_code == 409
    assert client.patch(f"/projects/{other}", json={"name": "a"}).status_code == 409
    assert client.patch(f"/projects/{other}", json={"name": "b"}).status_code == 200
    for name in ("c", "d", "e", "f", "g"):
        requests = [lambda name=name: client.post("/projects", json={"name": name})] * 3
        statuses = sorted(answer.status_code for answer in at_once(*requests))
        assert statuses == [201, 409, 409]
    assert names(client) == "abcdefg"


def test_wrong_bodies_are_refused_and_change_nothing(client: Client) -> None:
    project = create(client, "a")
    task = add(client, project)
    url = f"/projects/{project}"
    for wrong in (
        {"name": ""},
        {"name": "x" * 101},
        {"name": None},
        {"name": "b", "task_count": 5},
        {"name": "b", "id": 5},
    ):
        assert client.post("/projects", json=wrong).status_code == 422, wrong
        assert client.patch(url, json=wrong).status_code == 422, wrong
    for wrong_task in (
        {"title": ""},
        {"title": "x" * 201},
        {"title": None},
        {"done": None},
        {"done": "perhaps"},
        {"colour": "red"},
    ):
        body = {"title": "Clean", "done": True} | wrong_task
        assert client.post(f"{url}/tasks", json=body).status_code == 422, wrong_task
        assert client.patch(f"/tasks/{task['id']}", json=body).status_code == 422, wrong_task
    assert client.get(f"{url}/tasks").json() == [task]
    assert names(client) == "a"


def test_a_task_is_not_moved_to_where_nothing_is(client: Client) -> None:
    project = create(client, "a")
    task = add(client, project)
    for wrong in (999, None):
        body = {"project_id": wrong, "title": "Clean"}
        assert client.patch(f"/tasks/{task['id']}", json=body).status_code == 422
    assert client.get(f"/projects/{project}/tasks").json() == [task]


def test_what_is_unknown_is_a_404(client: Client) -> None:
    for method, url, body in (
        ("GET", "/projects/999", None),
        ("PATCH", "/projects/999", {"name": "b"}),
        ("DELETE", "/projects/999", None),
        ("GET", "/projects/999/tasks", None),
        ("POST", "/projects/999/tasks", {"title": "Paint"}),
        ("PATCH", "/tasks/999", {"done": True}),
        ("DELETE", "/tasks/999", None),
    ):
        assert client.request(method, url, json=body).status_code == 404, (method, url)


def test_a_project_with_tasks_is_not_deleted(client: Client) -> None:
    project = create(client, "a")
    task = add(client, project, done=True)
    assert client.delete(f"/projects/{project}").status_code == 409
    assert counts(client, project) == (1, 0)
    assert client.delete(f"/tasks/{task['id']}").status_code == 204
    assert client.delete(f"/projects/{project}").status_code == 204
    assert client.get(f"/projects/{project}").status_code == 404


def test_no_task_is_left_without_a_project(client: Client, database: TryDatabase) -> None:
    for number in range(12):
        url = f"/projects/{create(client, f'p{number}')}"
        added, deleted = at_once(
            lambda url=url: client.post(f"{url}/tasks", json={"title": "Paint"}),
            lambda url=url: client.delete(url),
        )
        assert (added.status_code, deleted.status_code) in {(201, 409), (404, 204)}
    lost = "SELECT count(*) FROM task WHERE project_id NOT IN (SELECT id FROM project)"
    assert database.execute(lost)[0][0] == 0


def test_tasks_added_at_once_are_all_counted(client: Client) -> None:
    project = create(client, "a")
    body = {"title": "Paint"}
    requests = [lambda: client.post(f"/projects/{project}/tasks", json=body)] * 10
    assert {answer.status_code for answer in at_once(*requests)} == {201}
    assert counts(client, project) == (10, 10)
    tasks = client.get(f"/projects/{project}/tasks").json()
    done = [
        lambda task=task: client.patch(f"/tasks/{task['id']}", json={"done": True})
        for task in tasks
    ]
    assert {answer.status_code for answer in at_once(*done)} == {200}
    assert counts(client, project) == (10, 0)


def test_models_and_database_agree(drift: str) -> None:
    assert not drift


# Counts of relations: https://github.com/drizzle-team/drizzle-orm/issues/961
# and https://github.com/PostgREST/postgrest/issues/1126
