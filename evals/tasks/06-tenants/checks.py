import re
from typing import Any

from evals.conftest import Client, at_once


def of(tenant: int) -> dict[str, str]:
    return {"X-Tenant": str(tenant)}


def call(client: Client, tenant: int, method: str, url: str, body: Any = None) -> Any:
    return client.request(method, url, json=body, headers=of(tenant))


def read(client: Client, tenant: int, url: str) -> Any:
    answer = call(client, tenant, "GET", url)
    assert answer.status_code == 200, answer.text
    return answer.json()


def create_notebook(client: Client, tenant: int, name: str = "Ideas") -> int:
    answer = call(client, tenant, "POST", "/notebooks", {"name": name})
    assert answer.status_code == 201, answer.text
    notebook: int = answer.json()["id"]
    return notebook


def create(client: Client, tenant: int, notebook: int, **fields: Any) -> Any:
    body = {"notebook_id": notebook, "title": "Paint"} | fields
    answer = call(client, tenant, "POST", "/notes", body)
    assert answer.status_code == 201, answer.text
    return answer.json()


def unlike_nothing(client: Client, method: str, url: str, body: Any, foreign: int) -> list[Any]:
    """How the answer for the id of another company differs from that for an unused id."""
    seen = []
    for number in (foreign, 987654):
        answer = call(
            client,
            2,
            method,
            url.format(id=number),
            body and {key: number if value == "ID" else value for key, value in body.items()},
        )
        seen.append((answer.status_code, re.sub(rf"\b{number}\b", "ID", answer.text)))
    return [] if seen[0] == seen[1] and seen[0][0] in {404, 422} else [method, url, seen]


def test_notebooks_and_notes_are_answered(client: Client) -> None:
    notebook = create_notebook(client, 1)
    note = create(client, 1, notebook)
    assert note == {
        "id": note["id"],
        "notebook_id": notebook,
        "title": "Paint",
        "text": "",
        "follows_id": None,
    }
    follower = create(client, 1, notebook, text="x" * 10_000, follows_id=note["id"])
    assert follower["follows_id"] == note["id"]
    assert read(client, 1, f"/notes/{note['id']}") == note
    expected = {"id": notebook, "name": "Ideas", "note_count": 2}
    assert read(client, 1, f"/notebooks/{notebook}") == expected
    assert read(client, 1, "/notebooks") == [expected]
    assert read(client, 1, f"/notebooks/{notebook}/notes") == [note, follower]


def test_without_a_tenant_everything_is_a_401(client: Client) -> None:
    notebook = create_notebook(client, 1)
    note = create(client, 1, notebook)
    for headers in ({}, {"X-Tenant": "all"}, {"X-Tenant": "0"}, {"X-Tenant": "-1"}):
        for method, url, body in (
            ("GET", "/notebooks", None),
            ("POST", "/notebooks", {"name": "Plans"}),
            ("POST", "/notebooks", {"name": ""}),
            ("GET", f"/notebooks/{notebook}", None),
            ("GET", f"/notebooks/{notebook}/notes", None),
            ("DELETE", f"/notebooks/{notebook}", None),
            ("GET", "/notes", None),
            ("GET", f"/notes/{note['id']}", None),
            ("PATCH", f"/notes/{note['id']}", {"title": "Clean"}),
            ("GET", "/stats", None),
        ):
            answer = client.request(method, url, json=body, headers=headers)
            assert answer.status_code == 401, (method, url, headers)


def test_rows_of_another_company_do_not_exist(client: Client) -> None:
    notebook = create_notebook(client, 1)
    note = create(client, 1, notebook)
    own_notebook = create_notebook(client, 2, "Own")
    own = create(client, 2, own_notebook)
    follow = {"notebook_id": own_notebook, "title": "Paint", "follows_id": "ID"}
    differences = [
        unlike_nothing(client, method, url, body, foreign)
        for method, url, body, foreign in (
            ("GET", "/notebooks/{id}", None, notebook),
            ("GET", "/notebooks/{id}/notes", None, notebook),
            ("PATCH", "/notebooks/{id}", {"name": "Mine"}, notebook),
            ("PATCH", "/notebooks/{id}", {"name": "Own"}, notebook),
            ("DELETE", "/notebooks/{id}", None, notebook),
            ("GET", "/notes/{id}", None, note["id"]),
            ("PATCH", "/notes/{id}", {"title": "Mine"}, note["id"]),
            ("PATCH", "/notes/{id}", {"notebook_id": own_notebook}, note["id"]),
            ("DELETE", "/notes/{id}", None, note["id"]),
            ("POST", "/notes", {"notebook_id": "ID", "title": "Paint"}, notebook),
            ("POST", "/notes", follow, note["id"]),
            ("PATCH", f"/notes/{own['id']}", {"notebook_id": "ID"}, notebook),
            ("PATCH", f"/notes/{own['id']}", {"follows_id": "ID"}, note["id"]),
        )
    ]
    assert [difference for difference in differences if difference] == []
    assert read(client, 1, f"/notebooks/{notebook}/notes") == [note]
    assert read(client, 1, "/notebooks")[0]["name"] == "Ideas"
    assert read(client, 2, "/notes") == [own]


def test_no_note_is_written_into_the_notebook_of_another_company(client: Client) -> None:
    foreign = create_notebook(client, 1)
    own = create(client, 2, create_notebook(client, 2))
    body = {"notebook_id": foreign, "title": "Spam"}
    assert call(client, 2, "POST", "/notes", body).status_code == 422
    url = f"/notes/{own['id']}"
    assert call(client, 2, "PATCH", url, body).status_code == 422
    assert read(client, 2, url) == own
    assert read(client, 1, f"/notebooks/{foreign}")["note_count"] == 0
    assert read(client, 1, f"/notebooks/{foreign}/notes") == []


def test_no_note_follows_a_note_of_another_company(client: Client) -> None:
    foreign = create(client, 1, create_notebook(client, 1))["id"]
    notebook = create_notebook(client, 2)
    own = create(client, 2, notebook)
    body = {"title": "Spy", "follows_id": foreign}
    answer = call(client, 2, "POST", "/notes", body | {"notebook_id": notebook})
    assert answer.status_code == 422
    assert call(client, 2, "PATCH", f"/notes/{own['id']}", body).status_code == 422
    assert read(client, 2, "/notes") == [own]


def test_lists_and_counts_are_of_the_company(client: Client) -> None:
    foreign = create_notebook(client, 1)
    for _ in range(3):
        create(client, 1, foreign)
    notebook = create_notebook(client, 2)
    note = create(client, 2, notebook)
    expected = {"id": notebook, "name": "Ideas", "note_count": 1}
    assert read(client, 2, "/notebooks") == [expected]
    for url in ("/notes", "/notes?q=paint", f"/notes?notebook_id={notebook}"):
        assert read(client, 2, url) == [note], url
    assert read(client, 2, f"/notes?notebook_id={foreign}") == []
    assert read(client, 2, "/notes?notebook_id=987654") == []
    assert read(client, 2, "/stats") == {"notebooks": 1, "notes": 1}
    assert read(client, 1, "/stats") == {"notebooks": 1, "notes": 3}
    assert read(client, 3, "/stats") == {"notebooks": 0, "notes": 0}


def test_names_are_unique_within_a_company(client: Client) -> None:
    create_notebook(client, 1)
    create_notebook(client, 2)
    plans = create_notebook(client, 1, "Plans")
    assert call(client, 1, "POST", "/notebooks", {"name": "Ideas"}).status_code == 409
    renamed = call(client, 1, "PATCH", f"/notebooks/{plans}", {"name": "Ideas"})
    assert renamed.status_code == 409
    for name in ("a", "b", "c", "d", "e"):
        answers = at_once(
            lambda name=name: call(client, 1, "POST", "/notebooks", {"name": name}),
            lambda name=name: call(client, 1, "POST", "/notebooks", {"name": name}),
            lambda name=name: call(client, 2, "POST", "/notebooks", {"name": name}),
        )
        assert sorted(answer.status_code for answer in answers[:2]) == [201, 409]
        assert answers[2].status_code == 201


def test_a_note_moves_between_notebooks_of_the_company(client: Client) -> None:
    first, second = create_notebook(client, 1), create_notebook(client, 1, "Plans")
    note = create(client, 1, first, text="Green")
    answer = call(client, 1, "PATCH", f"/notes/{note['id']}", {"notebook_id": second})
    assert answer.status_code == 200
    assert answer.json() == note | {"notebook_id": second}
    assert read(client, 1, f"/notebooks/{first}")["note_count"] == 0
    assert read(client, 1, f"/notebooks/{second}/notes") == [answer.json()]


def test_a_deleted_notebook_takes_its_notes_with_it(client: Client) -> None:
    first, second = create_notebook(client, 1), create_notebook(client, 1, "Plans")
    note = create(client, 1, first)
    create(client, 1, first, follows_id=note["id"])
    follower = create(client, 1, second, follows_id=note["id"])
    assert call(client, 1, "DELETE", f"/notebooks/{first}").status_code == 204
    assert read(client, 1, "/notes") == [follower | {"follows_id": None}]
    assert call(client, 1, "GET", f"/notes/{note['id']}").status_code == 404
    last = create(client, 1, second, follows_id=follower["id"])
    assert call(client, 1, "DELETE", f"/notes/{follower['id']}").status_code == 204
    assert read(client, 1, "/notes") == [last | {"follows_id": None}]


def test_titles_are_searched_literally(client: Client) -> None:
    notebook = create_notebook(client, 1)
    for title in ("100% cotton", "100 metres", "snake_case", "snakeXcase", "back\\slash"):
        create(client, 1, notebook, title=title)
    for q, titles in (
        ("100%", ["100% cotton"]),
        ("e_c", ["snake_case"]),
        ("SNAKE", ["snake_case", "snakeXcase"]),
        ("k\\s", ["back\\slash"]),
        ("nothing", []),
        ("'", []),
    ):
        answer = client.get("/notes", params={"q": q}, headers=of(1))
        assert [note["title"] for note in answer.json()] == titles, q


def test_wrong_bodies_are_refused_and_change_nothing(client: Client) -> None:
    notebook = create_notebook(client, 1)
    note = create(client, 1, notebook)
    for wrong in (
        {"title": ""},
        {"title": "x" * 201},
        {"title": None},
        {"text": "x" * 10_001},
        {"text": None},
        {"notebook_id": None},
        {"tenant_id": 2},
        {"id": 7},
    ):
        body = {"notebook_id": notebook, "title": "Clean"} | wrong
        assert call(client, 1, "POST", "/notes", body).status_code == 422, wrong
        answer = call(client, 1, "PATCH", f"/notes/{note['id']}", body)
        assert answer.status_code == 422, wrong
    for wrong_name in ({"name": ""}, {"name": None}, {"name": "b", "tenant_id": 2}):
        assert call(client, 1, "POST", "/notebooks", wrong_name).status_code == 422
        answer = call(client, 1, "PATCH", f"/notebooks/{notebook}", wrong_name)
        assert answer.status_code == 422, wrong_name
    assert read(client, 1, "/notes") == [note]


def test_patch_changes_only_what_was_sent(client: Client) -> None:
    notebook = create_notebook(client, 1)
    first = create(client, 1, notebook)
    note = create(client, 1, notebook, text="Green", follows_id=first["id"])
    for patch in ({"title": "Clean"}, {"text": ""}, {"follows_id": None}, {}):
        answer = call(client, 1, "PATCH", f"/notes/{note['id']}", patch)
        assert answer.status_code == 200
        note |= patch
        assert answer.json() == note == read(client, 1, f"/notes/{note['id']}")


def test_lists_are_paged_and_need_few_statements(client: Client) -> None:
    for number in range(50):
        create(client, 1, create_notebook(client, 1, f"n{number:02}"))
        if number < 5:
            create(client, 2, create_notebook(client, 2, f"n{number:02}"))
    assert len(read(client, 1, "/notes?limit=7&offset=45")) == 5
    assert call(client, 1, "GET", "/notes?limit=101").status_code == 422
    for url in ("/notebooks", "/notes"):
        few, many = (client.statements_of(url, headers=of(tenant)) for tenant in (2, 1))
        assert few == many <= 6, url


def test_models_and_database_agree(drift: str) -> None:
    assert not drift
