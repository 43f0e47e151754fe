import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from evals.conftest import Client, Result, TryDatabase, serve
from sqlalchemy import inspect
from sqlalchemy.exc import IntegrityError

UPDATED = datetime(2024, 2, 29, 23, 59, 59, 123456)


def upgrade(database: TryDatabase, result: Result, titles: dict[int, str]) -> dict[int, str]:
    database.execute(
        "INSERT INTO articles (id, title, body, updated_at) VALUES (:id, :title, :body, :at)",
        [{"id": i, "title": t, "body": f"Body {i}", "at": UPDATED} for i, t in titles.items()],
    )
    result.run("bash", "migrate.sh", url=database.url)
    return {row[0]: row[1] for row in database.execute("SELECT id, slug FROM articles")}


def post(client: Client, title: str, **more: Any) -> Any:
    return client.post("/articles", json={"title": title, **more})


def slug(client: Client, title: str) -> str:
    answer = post(client, title)
    assert answer.status_code == 201
    return str(answer.json()["slug"])


def schema(database: TryDatabase) -> list[Any]:
    columns = inspect(database.engine).get_columns("articles")
    return sorted((c["name"], str(c["type"]), c["nullable"]) for c in columns)


@pytest.fixture
def upgraded_client(
    earlier_database: TryDatabase, result: Result, tmp_path: Path
) -> Iterator[Client]:
    upgrade(earlier_database, result, {1: "News", 2: "News", 3: "Other"})
    if earlier_database.kind == "postgresql":
        earlier_database.execute("SELECT setval(pg_get_serial_sequence('articles', 'id'), 10)")
    yield from serve(earlier_database, result, tmp_path)


def test_models_and_database_agree(drift: str) -> None:
    assert drift == ""


def test_old_articles_get_slugs_from_their_titles(
    earlier_database: TryDatabase, result: Result
) -> None:
    titles = {4: "Hello, World!", 9: "  C++ & Rust: 1--2 ", 11: "Ünder 30", 12: "ÀÉ", 13: "???"}
    assert upgrade(earlier_database, result, titles) == {
        4: "hello-world", 9: "c-rust-1-2", 11: "nder-30", 12: "article", 13: "article-2"
    }  # fmt: skip


def test_old_duplicates_are_numbered_in_the_order_of_ids(
    earlier_database: TryDatabase, result: Result
) -> None:
    titles = {30: "news!", 2: "News", 7: "NEWS", 31: "News"}
    assert upgrade(earlier_database, result, titles) == {
        2: "news", 7: "news-2", 30: "news-3", 31: "news-4"
    }  # fmt: skip


def test_old_numbers_avoid_the_slugs_of_others(
    earlier_database: TryDatabase, result: Result
) -> None:
    titles = {1: "News", 2: "News", 3: "News 2", 4: "Art 2", 5: "Art", 6: "Art", 7: "News 2"}
    assert upgrade(earlier_database, result, titles) == {
        1: "news", 2: "news-2", 3: "news-2-2", 4: "art-2", 5: "art", 6: "art-3", 7: "news-2-3"
    }  # fmt: skip


def test_old_long_titles_are_cut(earlier_database: TryDatabase, result: Result) -> None:
    titles = {1: "x" * 200, 2: "x" * 199, 3: "y" * 79 + " zz", 4: "a" * 80}
    assert upgrade(earlier_database, result, titles) == {
        1: "x" * 80, 2: "x" * 80 + "-2", 3: "y" * 79, 4: "a" * 80
    }  # fmt: skip


def test_nothing_else_of_old_ones_changes(earlier_database: TryDatabase, result: Result) -> None:
    upgrade(earlier_database, result, {5: "Ünder 30", 8: "It's 5%"})
    rows = earlier_database.execute("SELECT id, title, body, updated_at FROM articles ORDER BY id")
    assert [tuple(str(value)[:26] for value in row) for row in rows] == [
        ("5", "Ünder 30", "Body 5", str(UPDATED)),
        ("8", "It's 5%", "Body 8", str(UPDATED)),
    ]


def test_twenty_thousand_articles_take_less_than_a_minute(
    earlier_database: TryDatabase, result: Result
) -> None:
    titles = {i: "Untitled" if i % 3 == 0 else f"Title {i // 2}" for i in range(1, 20_001)}
    begin = time.monotonic()
    slugs = upgrade(earlier_database, result, titles)
    assert time.monotonic() - begin < 60
    assert len(set(slugs.values())) == 20_000
    assert (slugs[3], slugs[19_998]) == ("untitled", "untitled-6666")


def test_the_column_is_required(database: TryDatabase) -> None:
    with pytest.raises(IntegrityError):
        database.execute(
            "INSERT INTO articles (id, title, body, updated_at) VALUES (1, 'x', '', :at)",
            {"at": UPDATED},
        )


def test_the_database_refuses_a_second_article_with_a_slug(
    earlier_database: TryDatabase, result: Result
) -> None:
    upgrade(earlier_database, result, {1: "One", 2: "Two"})
    with pytest.raises(IntegrityError):
        earlier_database.execute("UPDATE articles SET slug = 'one' WHERE id = 2")


def test_a_new_database_gets_the_same_schema(
    earlier_database: TryDatabase, result: Result, tmp_path: Path
) -> None:
    upgrade(earlier_database, result, {1: "One"})
    before = schema(earlier_database)
    assert ("slug", "VARCHAR(100)", False) in before
    earlier_database.engine.dispose()
    if earlier_database.kind == "postgresql":
        earlier_database.execute("DROP SCHEMA public CASCADE")
        earlier_database.execute("CREATE SCHEMA public")
    else:
        (tmp_path / "try.db").unlink()
    result.run("bash", "migrate.sh", url=earlier_database.url)
    assert schema(earlier_database) == before


def test_a_second_migration_changes_nothing(earlier_database: TryDatabase, result: Result) -> None:
    slugs = upgrade(earlier_database, result, {1: "One", 2: "One"})
    earlier_database.execute("UPDATE articles SET title = 'Changed'")
    result.run("bash", "migrate.sh", url=earlier_database.url)
    rows = earlier_database.execute("SELECT id, slug FROM articles")
    assert {row[0]: row[1] for row in rows} == slugs


def test_new_articles_get_the_first_free_slug(client: Client) -> None:
    titles = ["Hello, World!", "hello world", "???", "News 2", "News", "News", "z" * 100]
    assert [slug(client, title) for title in titles] == [
        "hello-world", "hello-world-2", "article", "news-2", "news", "news-3", "z" * 80
    ]  # fmt: skip


def test_new_articles_avoid_the_slugs_of_old_ones(upgraded_client: Client) -> None:
    assert slug(upgraded_client, "News") == "news-3"
    assert [each["slug"] for each in upgraded_client.get("/articles").json()] == [
        "news", "news-2", "other", "news-3"
    ]  # fmt: skip


def test_the_same_title_at_once_gives_different_slugs(client: Client) -> None:
    with ThreadPoolExecutor(6) as pool:
        slugs = list(pool.map(lambda _: slug(client, "News"), range(6)))
    assert sorted(slugs) == ["news", "news-2", "news-3", "news-4", "news-5", "news-6"]


def test_a_slug_in_a_body_has_no_effect(client: Client) -> None:
    answer = post(client, "News", slug="mine")
    assert answer.status_code in {201, 422}
    if answer.status_code == 201:
        assert answer.json()["slug"] == "news"
        url = f"/articles/{answer.json()['id']}"
        client.patch(url, json={"slug": "mine"})
        assert client.get(url).json()["slug"] == "news"


def test_a_slug_stays_when_the_title_changes(client: Client) -> None:
    url = f"/articles/{post(client, 'News').json()['id']}"
    answer = client.patch(url, json={"title": "Other"})
    assert (answer.status_code, answer.json()["title"]) == (200, "Other")
    assert client.get(url).json()["slug"] == answer.json()["slug"] == "news"


def test_the_slug_of_a_deleted_article_is_free(client: Client) -> None:
    first = post(client, "News").json()["id"]
    assert slug(client, "News") == "news-2"
    assert client.delete(f"/articles/{first}").status_code == 204
    assert slug(client, "News") == "news"


def test_an_article_is_found_by_its_slug(client: Client) -> None:
    article = post(client, "News", body="Text").json()
    assert client.get("/articles/by-slug/news").json() == article
    assert client.get("/articles/by-slug/new").status_code == 404


def test_wrong_bodies_are_refused_as_before(client: Client) -> None:
    assert post(client, "").status_code == post(client, "x" * 201).status_code == 422
    assert client.patch("/articles/77", json={"title": "x"}).status_code == 404


def test_the_list_needs_few_statements(client: Client, database: TryDatabase) -> None:
    if database.kind == "sqlite":
        for number in range(5):
            post(client, f"Title {number}")
        few = client.statements_of("/articles")
        for number in range(45):
            post(client, f"Title {number}")
        assert client.statements_of("/articles") == few <= 3
