import re
from datetime import datetime
from pathlib import Path
from typing import Any

from evals.conftest import Client, Result, TryDatabase, at_once, serve


def create(client: Client, title: str = "Plan", text: str = "Dig") -> tuple[str, str]:
    answer = client.post("/documents", json={"title": title, "text": text})
    assert answer.status_code == 201, answer.text
    url = f"/documents/{answer.json()['id']}"
    return url, tag_of(client, url)


def tag_of(client: Client, url: str) -> str:
    answer = client.get(url)
    assert answer.status_code == 200
    return answer.headers["ETag"]


def send(client: Client, method: str, url: str, tag: str | None, **fields: Any) -> Any:
    headers = {} if tag is None else {"If-Match": tag}
    body = None if method == "DELETE" else fields
    return client.request(method, url, json=body, headers=headers)


def texts(client: Client, url: str) -> tuple[str, str]:
    document = client.get(url).json()
    return document["title"], document["text"]


def test_a_document_is_answered_with_its_tag(client: Client) -> None:
    answer = client.post("/documents", json={"title": "Plan"})
    document = answer.json()
    assert document == {
        "id": document["id"],
        "title": "Plan",
        "text": "",
        "created_at": document["created_at"],
        "updated_at": document["updated_at"],
    }
    assert datetime.fromisoformat(document["updated_at"]).tzinfo is not None
    tag = answer.headers["ETag"]
    assert re.fullmatch(r'"[^"]+"', tag)
    read = client.get(f"/documents/{document['id']}")
    assert (read.json(), read.headers["ETag"]) == (document, tag)


def test_a_change_needs_the_tag_and_answers_the_new_one(client: Client) -> None:
    url, tag = create(client)
    put = send(client, "PUT", url, tag, title="Map", text="Draw")
    assert put.status_code == 200, put.text
    assert texts(client, url) == (put.json()["title"], put.json()["text"]) == ("Map", "Draw")
    assert tag != put.headers["ETag"] == tag_of(client, url)
    patch = send(client, "PATCH", url, put.headers["ETag"], text="Paint")
    assert patch.status_code == 200, patch.text
    assert texts(client, url) == ("Map", "Paint")
    assert put.headers["ETag"] != patch.headers["ETag"] == tag_of(client, url)
    assert send(client, "DELETE", url, patch.headers["ETag"]).status_code == 204
    assert client.get(url).status_code == 404


def test_without_a_tag_nothing_is_changed(client: Client) -> None:
    url, tag = create(client)
    for method in ("PUT", "PATCH", "DELETE"):
        answer = send(client, method, url, None, title="Map", text="Draw")
        assert answer.status_code == 428, method
    assert texts(client, url) == ("Plan", "Dig")
    assert tag_of(client, url) == tag


def test_with_an_old_tag_nothing_is_changed(client: Client) -> None:
    url, old = create(client)
    tag = send(client, "PATCH", url, old, title="Map").headers["ETag"]
    for method in ("PUT", "PATCH", "DELETE"):
        answer = send(client, method, url, old, title="Lost", text="Lost")
        assert answer.status_code == 412, method
    assert texts(client, url) == ("Map", "Dig")
    assert tag_of(client, url) == tag


def test_a_tag_never_comes_back(client: Client) -> None:
    url, tag = create(client)
    tags = [tag]
    for title in ("Map", "Plan", "Map", "Plan"):
        tags.append(send(client, "PATCH", url, tags[-1], title=title).headers["ETag"])
    assert len(set(tags)) == 5
    assert send(client, "PATCH", url, tags[0], title="Lost").status_code == 412


def test_a_tag_of_another_document_does_not_match(client: Client) -> None:
    url, tag = create(client)
    other, other_tag = create(client)
    other_tag = send(client, "PATCH", other, other_tag, title="Map").headers["ETag"]
    assert send(client, "PATCH", url, other_tag, title="Lost").status_code == 412
    assert tag_of(client, url) == tag


def test_if_match_takes_lists_and_the_star(client: Client) -> None:
    url, tag = create(client)
    for header, title in (
        ('"never" , {}', "a"),
        ('{},"never"', "b"),
        ('"ne,ver", {}', "c"),
        ("*", "d"),
    ):
        answer = send(client, "PATCH", url, header.format(tag), title=title)
        assert answer.status_code == 200, header
        tag = answer.headers["ETag"]
        assert texts(client, url)[0] == title
    assert send(client, "DELETE", url, "*").status_code == 204


def test_if_match_takes_nothing_else(client: Client) -> None:
    url, tag = create(client)
    headers = [f"W/{tag}", tag.strip('"'), '"never"', '""', "", ",", '"', f"x{tag}", '"*"', "W/*"]
    for header in headers:
        for method in ("PUT", "PATCH", "DELETE"):
            answer = send(client, method, url, header, title="Lost", text="Lost")
            allowed = {412, 428} if header in {"", ","} else {412}
            assert answer.status_code in allowed, (method, header)
    assert texts(client, url) == ("Plan", "Dig")


def test_if_none_match_answers_304(client: Client) -> None:
    url, tag = create(client)
    for header in (tag, f"W/{tag}", f'"never", {tag}', f'W/"never",W/{tag}', "*"):
        answer = client.get(url, headers={"If-None-Match": header})
        assert answer.status_code == 304, header
        assert answer.headers["ETag"] == tag
        assert answer.content == b""
    for header in ('"never"', tag.strip('"'), "", '"', ","):
        answer = client.get(url, headers={"If-None-Match": header})
        assert answer.status_code == 200, header
        assert answer.json()["title"] == "Plan"
    new = send(client, "PATCH", url, tag, title="Map").headers["ETag"]
    assert client.get(url, headers={"If-None-Match": tag}).status_code == 200
    assert client.get(url, headers={"If-None-Match": new}).status_code == 304


def test_of_several_writers_exactly_one_wins(client: Client) -> None:
    for method in ("PUT", "PATCH") * 3:
        url, tag = create(client)
        answers = at_once(
            *[
                lambda url=url, tag=tag, method=method, title=title: send(
                    client, method, url, tag, title=title, text=title
                )
                for title in "abcdefgh"
            ]
        )
        assert sorted(answer.status_code for answer in answers) == [200] + [412] * 7
        winner = next(answer for answer in answers if answer.status_code == 200)
        assert client.get(url).json() == winner.json()
        assert tag_of(client, url) == winner.headers["ETag"]


def test_a_writer_and_a_deleter_do_not_both_win(client: Client) -> None:
    for _ in range(8):
        url, tag = create(client)
        patched, deleted = at_once(
            lambda url=url, tag=tag: send(client, "PATCH", url, tag, title="Map"),
            lambda url=url, tag=tag: send(client, "DELETE", url, tag),
        )
        statuses = (patched.status_code, deleted.status_code)
        assert statuses in {(200, 412), (412, 204), (404, 204)}
        assert client.get(url).status_code == (200 if deleted.status_code == 412 else 404)


def test_with_the_star_nobody_is_refused_or_lost(client: Client) -> None:
    for _ in range(8):
        url, tag = create(client)
        answers = at_once(
            lambda url=url: send(client, "PATCH", url, "*", title="Map"),
            lambda url=url: send(client, "PATCH", url, "*", text="Draw"),
        )
        assert [answer.status_code for answer in answers] == [200, 200]
        assert texts(client, url) == ("Map", "Draw")
        assert tag_of(client, url) in {answer.headers["ETag"] for answer in answers} - {tag}


def test_a_tag_survives_a_restart(
    client: Client, database: TryDatabase, result: Result, tmp_path: Path
) -> None:
    url, tag = create(client)
    (tmp_path / "again").mkdir()
    for restarted in serve(database, result, tmp_path / "again"):
        assert tag_of(restarted, url) == tag
        assert restarted.get(url, headers={"If-None-Match": tag}).status_code == 304
        assert send(restarted, "PATCH", url, tag, title="Map").status_code == 200
    assert send(client, "PATCH", url, tag, title="Lost").status_code == 412


def test_an_unknown_document_is_a_404(client: Client) -> None:
    assert client.get("/documents/999").status_code == 404
    assert client.get("/documents/999", headers={"If-None-Match": "*"}).status_code == 404
    for method in ("PUT", "PATCH", "DELETE"):
        for tag in ('"1"', "*", None):
            answer = send(client, method, "/documents/999", tag, title="Map", text="Draw")
            assert answer.status_code == 404, (method, tag)


def test_wrong_bodies_are_refused(client: Client) -> None:
    url, tag = create(client)
    for wrong in (
        {"title": ""},
        {"title": "x" * 201},
        {"title": None},
        {"text": "x" * 100_001},
        {"text": None},
        {"id": 7},
        {"updated_at": "2001-01-01T00:00:00Z"},
        {"colour": "red"},
    ):
        body = {"title": "Map", "text": "Draw"} | wrong
        assert client.post("/documents", json=body).status_code == 422, wrong
        for method in ("PUT", "PATCH"):
            assert send(client, method, url, tag, **body).status_code == 422, (method, wrong)
    assert send(client, "PUT", url, tag, title="Map").status_code == 422
    assert send(client, "PUT", url, tag, text="Draw").status_code == 422
    assert texts(client, url) == ("Plan", "Dig")
    assert tag_of(client, url) == tag


def test_the_list_has_tags_and_needs_few_statements(client: Client) -> None:
    urls = [create(client, f"Plan {number}")[0] for number in range(50)]
    listed = client.get("/documents", params={"limit": 2, "offset": 1}).json()
    assert [set(each) for each in listed] == [{"id", "title", "updated_at", "etag"}] * 2
    assert [each["etag"] for each in listed] == [tag_of(client, url) for url in urls[1:3]]
    for wrong in ({"limit": 0}, {"limit": 101}, {"offset": -1}):
        assert client.get("/documents", params=wrong).status_code == 422
    few, many = (client.statements_of(f"/documents?limit={limit}") for limit in (5, 50))
    assert few == many <= 4


def test_models_and_database_agree(drift: str) -> None:
    assert not drift
