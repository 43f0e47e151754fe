from concurrent.futures import ThreadPoolExecutor
from typing import Any

from evals.conftest import Client, TryDatabase


def create(client: Client, name: str, parent: int | None = None) -> Any:
    return client.post("/categories", json={"name": name, "parent_id": parent})


def category(client: Client, name: str, parent: int | None = None) -> int:
    answer = create(client, name, parent)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


def chain(client: Client, *names: str) -> list[int]:
    ids: list[int] = []
    for name in names:
        ids.append(category(client, name, ids[-1] if ids else None))
    return ids


def change(client: Client, category_id: int, **body: Any) -> int:
    return client.patch(f"/categories/{category_id}", json=body).status_code


def path(client: Client, category_id: int) -> str:
    answer = client.get(f"/categories/{category_id}")
    assert answer.status_code == 200, answer.text
    return "/".join(answer.json()["path"])


def subtree(client: Client, category_id: int) -> list[str]:
    answer = client.get(f"/categories/{category_id}/subtree")
    assert answer.status_code == 200, answer.text
    return ["/".join(each["path"]) for each in answer.json()]


def at_once(client: Client, *requests: tuple[str, str, Any]) -> list[int]:
    def send(request: tuple[str, str, Any]) -> int:
        method, url, body = request
        return client.request(method, url, json=body).status_code

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(send, requests))


def test_models_and_database_agree(drift: str) -> None:
    assert drift == ""


def test_a_category_has_its_depth_and_path(client: Client) -> None:
    animals, birds = chain(client, "Animals", "Birds")
    answer = create(client, "Owls", birds)
    expected = {"id": answer.json()["id"], "name": "Owls", "parent_id": birds}
    expected |= {"depth": 3, "path": ["Animals", "Birds", "Owls"]}
    assert (answer.status_code, answer.json()) == (201, expected)
    assert client.get(f"/categories/{expected['id']}").json() == expected
    root = {"id": animals, "name": "Animals", "parent_id": None, "depth": 1, "path": ["Animals"]}
    assert client.get(f"/categories/{animals}").json() == root
    assert client.post("/categories", json={"name": "No parent"}).json()["depth"] == 1


def test_wrong_and_unknown_things_are_refused(client: Client) -> None:
    animals = category(client, "Animals")
    wrong = [{}, {"name": ""}, {"name": "x" * 81}, {"name": "x", "parent_id": "y"}]
    wrong.append({"name": "x", "parent_id": 99})
    answers = [client.post("/categories", json=body).status_code for body in wrong]
    assert answers == [422] * 5
    assert change(client, animals, name=None) == change(client, animals, parent_id=99) == 422
    assert change(client, 99, name="x") == 404
    for url in ("/categories/99", "/categories/99/subtree"):
        assert client.get(url).status_code == 404
    assert client.delete("/categories/99").status_code == 404


def test_roots_are_listed_by_name(client: Client) -> None:
    for name in ("Plants", "Animals", "Minerals"):
        category(client, f"Below {name}", category(client, name))
    roots = client.get("/categories").json()
    assert [each["name"] for each in roots] == ["Animals", "Minerals", "Plants"]
    assert roots[0]["path"] == ["Animals"]


def test_a_subtree_is_in_the_order_of_paths(client: Client) -> None:
    root = category(client, "R")
    category(client, "Other root")
    for name in ("apes", "Zoo", "a", "a b", "ä"):
        first = category(client, name, root)
        category(client, "z", category(client, "y", first))
        category(client, "x", first)
    names = ["R"]
    for name in ("Zoo", "a", "a b", "apes", "ä"):
        names += [f"R/{name}{rest}" for rest in ("", "/x", "/y", "/y/z")]
    assert subtree(client, root) == names


def test_a_subtree_begins_with_its_category(client: Client) -> None:
    _, birds, owls = chain(client, "Animals", "Birds", "Owls")
    answer = client.get(f"/categories/{birds}/subtree").json()
    assert [(each["id"], each["depth"]) for each in answer] == [(birds, 2), (owls, 3)]
    assert subtree(client, owls) == ["Animals/Birds/Owls"]


def test_a_category_moves_with_everything_below(client: Client) -> None:
    animals, birds, owls = chain(client, "Animals", "Birds", "Owls")
    plants = category(client, "Plants")
    assert change(client, birds, parent_id=plants) == 200
    assert path(client, owls) == "Plants/Birds/Owls"
    assert subtree(client, animals) == ["Animals"]
    assert change(client, birds, parent_id=None) == 200
    assert path(client, owls) == "Birds/Owls"


def test_renaming_is_not_moving(client: Client) -> None:
    _, birds, owls = chain(client, "Animals", "Birds", "Owls")
    assert change(client, birds, name="Fowl") == 200
    assert change(client, birds) == 200
    assert path(client, owls) == "Animals/Fowl/Owls"


def test_cycles_are_refused(client: Client) -> None:
    animals, birds, owls = chain(client, "Animals", "Birds", "Owls")
    assert change(client, animals, parent_id=owls) == 409
    assert change(client, animals, parent_id=birds) == 409
    assert change(client, birds, parent_id=birds) == 409
    assert path(client, owls) == "Animals/Birds/Owls"


def test_moves_below_each_other_at_once_make_no_cycle(client: Client) -> None:
    for number in range(6):
        first, second = category(client, f"A{number}"), category(client, f"B{number}")
        answers = at_once(
            client,
            ("PATCH", f"/categories/{first}", {"parent_id": second}),
            ("PATCH", f"/categories/{second}", {"parent_id": first}),
        )
        assert sorted(answers) == [200, 409]
        assert len(path(client, first).split("/") + path(client, second).split("/")) == 3


def test_five_levels_are_the_limit(client: Client) -> None:
    *_, fifth = chain(client, "1", "2", "3", "4", "5")
    assert client.get(f"/categories/{fifth}").json()["depth"] == 5
    assert create(client, "6", fifth).status_code == 409


def test_a_move_counts_the_levels_below(client: Client) -> None:
    first, second, *_ = chain(client, "1", "2", "3")
    top, *_ = chain(client, "a", "b", "c")
    assert change(client, top, parent_id=first) == 200
    assert change(client, top, parent_id=second) == 200
    assert change(client, top, parent_id=None) == 200
    third = category(client, "third", second)
    assert change(client, top, parent_id=third) == 409
    assert subtree(client, top) == ["a", "a/b", "a/b/c"]


def test_siblings_have_different_names(client: Client) -> None:
    animals, birds = chain(client, "Animals", "Birds")
    plants = category(client, "Plants")
    assert create(client, "Birds", animals).status_code == 409
    assert create(client, "birds", animals).status_code == 201
    other = category(client, "Birds", plants)
    fish = category(client, "Fish", animals)
    assert change(client, fish, name="Birds") == 409
    assert change(client, other, parent_id=animals) == 409
    assert change(client, other, parent_id=animals, name="Parrots") == 200
    assert path(client, birds) == "Animals/Birds"


def test_roots_have_different_names(client: Client) -> None:
    animals, plants = category(client, "Animals"), category(client, "Plants")
    assert create(client, "Animals").status_code == 409
    assert change(client, plants, name="Animals") == 409
    below = category(client, "Plants", animals)
    assert change(client, below, parent_id=None) == 409
    assert change(client, animals, name="Animals") == 200


def test_one_name_at_once_is_given_once(client: Client) -> None:
    root = category(client, "Root")
    for parent in (root, None):
        body = {"name": "New", "parent_id": parent}
        answers = at_once(client, *[("POST", "/categories", body)] * 5)
        assert sorted(answers) == [201] + [409] * 4


def test_a_refused_change_changes_nothing(client: Client) -> None:
    _, birds = chain(client, "Animals", "Birds")
    chain(client, "Plants", "Birds")
    assert change(client, birds, name="Fowl", parent_id=99) == 422
    assert change(client, birds, name="Fowl", parent_id=birds) == 409
    assert change(client, birds, name="Plants", parent_id=None) == 409
    assert path(client, birds) == "Animals/Birds"


def test_only_a_category_without_children_is_deleted(client: Client) -> None:
    animals, birds = chain(client, "Animals", "Birds")
    assert client.delete(f"/categories/{animals}").status_code == 409
    assert path(client, birds) == "Animals/Birds"
    assert client.delete(f"/categories/{birds}").status_code == 204
    assert client.get(f"/categories/{birds}").status_code == 404
    assert client.delete(f"/categories/{animals}").status_code == 204


def test_no_child_is_added_to_a_category_that_is_deleted(client: Client) -> None:
    for number in range(8):
        parent = category(client, f"Parent {number}")
        deleted, added = at_once(
            client,
            ("DELETE", f"/categories/{parent}", None),
            ("POST", "/categories", {"name": "Child", "parent_id": parent}),
        )
        assert (deleted, added) in {(204, 422), (409, 201), (204, 409), (204, 404)}
        assert client.get(f"/categories/{parent}").status_code == (404 if deleted == 204 else 200)


def test_a_subtree_needs_few_statements(client: Client, database: TryDatabase) -> None:
    if database.kind == "sqlite":
        root, _, third = chain(client, "1", "2", "3")
        urls = [f"/categories/{root}/subtree", f"/categories/{third}", "/categories"]
        for number in range(48):
            category(client, f"Category {number:02}", third if number % 2 else None)
            if number == 1:
                few = [client.statements_of(url) for url in urls]
        many = [client.statements_of(url) for url in urls]
        assert few == many
        assert max(many) <= 8


# Source: https://github.com/fastapi/sqlmodel/issues/127
