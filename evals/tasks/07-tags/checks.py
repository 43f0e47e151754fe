from typing import Any

from evals.conftest import Client, TryDatabase, at_once
from sqlalchemy import inspect


def create(client: Client, *tags: str, title: str = "Paint") -> int:
    answer = client.post("/articles", json={"title": title, "tags": list(tags)})
    assert answer.status_code == 201, answer.text
    article: int = answer.json()["id"]
    return article


def tags_of(client: Client, article: int) -> list[str]:
    answer = client.get(f"/articles/{article}")
    assert answer.status_code == 200
    names: list[str] = answer.json()["tags"]
    return names


def counts(client: Client) -> dict[str, int]:
    answer = client.get("/tags")
    assert answer.status_code == 200
    names = [tag["name"] for tag in answer.json()]
    assert names == sorted(set(names))
    return {tag["name"]: tag["article_count"] for tag in answer.json()}


def tag_id(client: Client, name: str) -> int:
    return next(tag["id"] for tag in client.get("/tags").json() if tag["name"] == name)


def found(client: Client, *tags: str, **params: Any) -> list[int]:
    answer = client.get("/articles", params={"tag": list(tags)} | params)
    assert answer.status_code == 200, answer.text
    return [article["id"] for article in answer.json()]


def test_an_article_is_created_with_new_and_known_tags(client: Client) -> None:
    assert client.post("/tags", json={"name": "garden"}).status_code == 201
    body = {"title": "Paint", "tags": ["garden", "colour", "garden", "a-1"]}
    answer = client.post("/articles", json=body)
    assert answer.status_code == 201
    article = answer.json()
    expected = {"id": article["id"], "title": "Paint", "tags": ["a-1", "colour", "garden"]}
    assert article == expected
    assert client.get(f"/articles/{article['id']}").json() == expected
    assert client.get("/articles").json() == [expected]
    assert counts(client) == {"a-1": 1, "colour": 1, "garden": 1}
    assert client.post("/articles", json={"title": "Clean"}).json()["tags"] == []


def test_patch_replaces_tags_or_leaves_them(client: Client) -> None:
    article = create(client, "a", "b", "c")
    other = create(client, "a", "b")
    url = f"/articles/{article}"
    for patch, tags in (
        ({"title": "Clean"}, ["a", "b", "c"]),
        ({"tags": ["d", "b", "d"]}, ["b", "d"]),
        ({"tags": ["b", "d"]}, ["b", "d"]),
        ({"tags": []}, []),
    ):
        answer = client.patch(url, json=patch)
        assert answer.status_code == 200
        assert answer.json() == {"id": article, "title": "Clean", "tags": tags}
        assert tags_of(client, article) == tags
    assert tags_of(client, other) == ["a", "b"]


def test_a_tag_is_added_and_taken_away_again_and_again(client: Client) -> None:
    article = create(client, "b")
    url = f"/articles/{article}/tags"
    for _ in range(2):
        assert client.put(f"{url}/a").status_code == 204
        assert tags_of(client, article) == ["a", "b"]
    for _ in range(2):
        assert client.delete(f"{url}/b").status_code == 204
        assert tags_of(client, article) == ["a"]
    assert client.delete(f"{url}/never").status_code == 204
    assert counts(client) == {"a": 1, "b": 0}


def test_articles_are_filtered_by_all_tags(client: Client) -> None:
    first = create(client, "a")
    second = create(client, "a", "b")
    third = create(client, "c", "b", "a")
    create(client)
    assert found(client, "a") == [first, second, third]
    assert found(client, "a", "b") == [second, third]
    assert found(client, "c", "b", "a") == [third]
    assert found(client, "b", "b") == [second, third]
    assert found(client, "a", "never") == []
    assert found(client, "a", limit=1, offset=1) == [second]
    assert len(found(client)) == 4
    listed = client.get("/articles", params={"tag": "b"}).json()
    assert [article["tags"] for article in listed] == [["a", "b"], ["a", "b", "c"]]


def test_a_deleted_tag_leaves_its_articles(client: Client) -> None:
    article = create(client, "a", "b")
    url = f"/tags/{tag_id(client, 'a')}"
    assert client.delete(url).status_code == 204
    assert tags_of(client, article) == ["b"]
    assert counts(client) == {"b": 1}
    assert client.delete(url).status_code == 404


def test_a_deleted_article_leaves_its_tags(client: Client, database: TryDatabase) -> None:
    article = create(client, "a", "b")
    create(client, "a")
    assert client.delete(f"/articles/{article}").status_code == 204
    assert client.get(f"/articles/{article}").status_code == 404
    assert counts(client) == {"a": 1, "b": 0}
    assert database.execute("SELECT count(*) FROM article_tag")[0][0] == 1


def test_a_tag_is_renamed(client: Client) -> None:
    article = create(client, "a", "c")
    tag = tag_id(client, "a")
    answer = client.patch(f"/tags/{tag}", json={"name": "z"})
    assert answer.status_code == 200
    assert answer.json() == {"id": tag, "name": "z", "article_count": 1}
    assert tags_of(client, article) == ["c", "z"]
    assert client.patch(f"/tags/{tag}", json={"name": "c"}).status_code == 409
    assert client.post("/tags", json={"name": "c"}).status_code == 409
    assert counts(client) == {"c": 1, "z": 1}


def test_an_article_has_at_most_20_tags(client: Client) -> None:
    names = [f"t{number}" for number in range(20)]
    article = create(client, *names, "t0")
    assert client.put(f"/articles/{article}/tags/more").status_code == 409
    assert client.put(f"/articles/{article}/tags/t7").status_code == 204
    body = {"title": "Clean", "tags": [*names, "more"]}
    assert client.patch(f"/articles/{article}", json=body).status_code == 422
    assert client.post("/articles", json=body).status_code == 422
    assert tags_of(client, article) == sorted(names)
    assert "more" not in counts(client)


def test_wrong_bodies_are_refused_and_make_no_tags(client: Client) -> None:
    article = create(client, "a")
    for wrong in (
        {"tags": ["new", "Upper"]},
        {"tags": ["new", ""]},
        {"tags": ["new", "x" * 31]},
        {"tags": ["new", "two words"]},
        {"tags": ["new", None]},
        {"tags": "new"},
        {"tags": None},
        {"title": None, "tags": ["new"]},
        {"title": "", "tags": ["new"]},
        {"title": "x" * 201, "tags": ["new"]},
        {"tags": ["new"], "id": 7},
    ):
        body = {"title": "Clean"} | wrong
        assert client.post("/articles", json=body).status_code == 422, wrong
        assert client.patch(f"/articles/{article}", json=body).status_code == 422, wrong
    for name in ("Upper", "x" * 31, "two%20words"):
        assert client.put(f"/articles/{article}/tags/{name}").status_code == 422, name
    for wrong_tag in ({"name": "Upper"}, {"name": ""}, {"name": "b", "article_count": 2}):
        assert client.post("/tags", json=wrong_tag).status_code == 422
    for params in ({"limit": 0}, {"limit": 101}, {"offset": -1}):
        assert client.get("/articles", params=params).status_code == 422
    assert counts(client) == {"a": 1}
    assert client.get("/articles").json() == [{"id": article, "title": "Paint", "tags": ["a"]}]


def test_what_is_unknown_is_a_404(client: Client) -> None:
    for method, url, body in (
        ("GET", "/articles/999", None),
        ("PATCH", "/articles/999", {"tags": ["new"]}),
        ("DELETE", "/articles/999", None),
        ("PUT", "/articles/999/tags/new", None),
        ("DELETE", "/articles/999/tags/new", None),
        ("PATCH", "/tags/999", {"name": "new"}),
        ("DELETE", "/tags/999", None),
    ):
        assert client.request(method, url, json=body).status_code == 404, (method, url)
    assert counts(client) == {}


def test_the_same_new_tags_at_once_are_made_once(client: Client) -> None:
    for turn in range(6):
        names = [f"t{turn}-{number}" for number in range(20)]
        bodies = [{"title": "Paint", "tags": tags} for tags in (names, names[::-1]) * 2]
        answers = at_once(
            *[lambda body=body: client.post("/articles", json=body) for body in bodies]
        )
        assert [answer.status_code for answer in answers] == [201] * 4
        assert [answer.json()["tags"] for answer in answers] == [sorted(names)] * 4
        assert dict.fromkeys(names, 4).items() <= counts(client).items()


def test_tags_added_at_once_are_all_there_and_once(client: Client) -> None:
    for turn in range(6):
        article = create(client)
        names = [f"same{turn}", f"same{turn}", f"same{turn}", f"other{turn}"]
        answers = at_once(
            *[lambda url=f"/articles/{article}/tags/{name}": client.put(url) for name in names]
        )
        assert [answer.status_code for answer in answers] == [204] * 4
        assert tags_of(client, article) == sorted(set(names))


def test_two_changes_at_once_do_not_mix(client: Client) -> None:
    sets = [["a", "b", "c"], ["d", "e"], ["c", "d"]]
    for start in ([], ["a", "d"], ["f"], ["c"]) * 2:
        url = f"/articles/{create(client, *start)}"
        answers = at_once(
            *[lambda url=url, tags=tags: client.patch(url, json={"tags": tags}) for tags in sets]
        )
        assert [answer.status_code for answer in answers] == [200] * 3
        assert client.get(url).json()["tags"] in sets


def test_lists_need_few_statements(client: Client) -> None:
    for number in range(50):
        create(client, f"t{number}", "a", "b")
    for query in ("", "tag=a&", "tag=a&tag=b&"):
        few, many = (client.statements_of(f"/articles?{query}limit={n}") for n in (5, 50))
        assert few == many <= 6, query
    assert client.statements_of("/tags") <= 4


def test_the_key_of_the_link_is_both_ids(database: TryDatabase) -> None:
    key = inspect(database.engine).get_pk_constraint("article_tag")["constrained_columns"]
    assert set(key) == {"article_id", "tag_id"}


def test_models_and_database_agree(drift: str) -> None:
    assert not drift
