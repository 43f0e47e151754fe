import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from evals.conftest import Client, Result, TryDatabase, serve

LABELS = ["bug", "UX", "api", "Zoll", "Öl", "billing-x", "billing_a"]
STATUSES = ["open", "closed", "on-hold"]
BEGIN = datetime(2026, 1, 1, 12)
PAGES = ["/tickets", "/tickets?limit=7&offset=3", "/tickets?limit=100", "/tickets?offset=55"]
FILTERS = [
    "/tickets?status=open",
    "/tickets?status=closed&limit=4&offset=4",
    "/tickets?status=on-hold",
]
EDGES = [
    "/tickets?offset=500",
    "/tickets?status=unknown",
    "/tickets?status=open&offset=9999",
    "/tickets?status=",
]
WRONG = ["/tickets?limit=0", "/tickets?limit=101", "/tickets?offset=-1", "/tickets?limit=x"]
NUMBERS = ["/tickets/summary"]
ALL = PAGES + FILTERS + EDGES + WRONG + NUMBERS
serving = contextmanager(serve)


def insert(database: TryDatabase, table: str, columns: str, rows: list[dict[str, Any]]) -> None:
    names = columns.split()
    values = ", ".join(f":{name}" for name in names)
    database.execute(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({values})", rows)


def fill(database: TryDatabase, count: int) -> None:
    insert(database, "people", "id name", [{"id": i, "name": f"Person {i}"} for i in range(1, 9)])
    labels = [{"id": i, "name": name} for i, name in enumerate(LABELS, 1)]
    insert(database, "labels", "id name", labels)
    tickets, links, comments = [], [], []
    for i in range(1, count + 1):
        created = BEGIN + timedelta(minutes=i // 3 * 17 % 400, microseconds=i % 2 * 1500)
        tickets.append(
            {"id": i, "subject": f"Ticket {i}", "status": STATUSES[i * i % 5 % 3],
             "created_at": created, "reporter_id": i % 8 + 1 if i % 4 else None}
        )  # fmt: skip
        links += [{"ticket_id": i, "label_id": (i + j) % 7 + 1} for j in range(i % 5)]
        comments += [
            {"body": f"Comment {j}", "hidden": (i + j) % 3 == 0, "ticket_id": i,
             "created_at": created + timedelta(hours=i * (7 - j) % 11)}
            for j in range(i % 4)
        ]  # fmt: skip
    insert(database, "tickets", "id subject status created_at reporter_id", tickets)
    insert(database, "ticket_labels", "ticket_id label_id", links)
    insert(database, "comments", "body hidden created_at ticket_id", comments)
    if database.kind == "postgresql":
        database.execute(f"SELECT setval(pg_get_serial_sequence('tickets', 'id'), {count + 1})")
        database.execute("ANALYZE")


@pytest.fixture
def before(earlier_database: TryDatabase, start: Result, tmp_path: Path) -> dict[str, Any]:
    fill(earlier_database, 60)
    with serving(earlier_database, start, tmp_path) as client:
        return {url: shown(client, url) for url in ALL}


@pytest.fixture
def upgraded(
    before: dict[str, Any], earlier_database: TryDatabase, result: Result, tmp_path: Path
) -> Iterator[Client]:
    result.run("bash", "migrate.sh", url=earlier_database.url)
    yield from serve(earlier_database, result, tmp_path)


@pytest.fixture
def filled(database: TryDatabase, client: Client) -> Client:
    fill(database, 60)
    return client


def shown(client: Client, url: str) -> tuple[int, bytes]:
    answer = client.get(url)
    return answer.status_code, answer.content


def plan(database: TryDatabase, query: str) -> str:
    if database.kind == "sqlite":
        return str(database.execute(f"EXPLAIN QUERY PLAN {query}"))
    with database.engine.begin() as connection:
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        return str(connection.exec_driver_sql(f"EXPLAIN {query}").all()).upper()


def seconds(client: Client, url: str) -> float:
    times = []
    for _ in range(4):
        begin = time.perf_counter()
        assert client.get(url).status_code == 200
        times.append(time.perf_counter() - begin)
    return min(times)


def rows_of(database: TryDatabase) -> list[Any]:
    tables = ("people", "labels", "tickets", "ticket_labels", "comments")
    return [sorted(database.execute(f"SELECT * FROM {table}"), key=str) for table in tables]


def test_models_and_database_agree(drift: str) -> None:
    assert drift == ""


def test_pages_are_identical(before: dict[str, Any], upgraded: Client) -> None:
    assert [shown(upgraded, url) for url in PAGES] == [before[url] for url in PAGES]


def test_filtered_pages_are_identical(before: dict[str, Any], upgraded: Client) -> None:
    assert [shown(upgraded, url) for url in FILTERS] == [before[url] for url in FILTERS]


def test_empty_pages_are_identical(before: dict[str, Any], upgraded: Client) -> None:
    assert [shown(upgraded, url) for url in EDGES] == [before[url] for url in EDGES]


def test_errors_are_identical(before: dict[str, Any], upgraded: Client) -> None:
    assert [shown(upgraded, url) for url in WRONG] == [before[url] for url in WRONG]


def test_the_summary_is_identical(before: dict[str, Any], upgraded: Client) -> None:
    assert [shown(upgraded, url) for url in NUMBERS] == [before[url] for url in NUMBERS]


def test_tickets_without_anything_are_listed(filled: Client) -> None:
    items = {each["id"]: each for each in filled.get("/tickets?limit=100").json()["items"]}
    assert len(items) == 60
    bare = items[20] | {"subject": "", "created_at": "", "status": ""}
    assert bare == {"id": 20, "subject": "", "created_at": "", "status": "", "reporter": None,
                    "labels": [], "comments": 0, "last_comment_at": None}  # fmt: skip


def test_a_long_page_needs_as_many_statements_as_a_short_page(
    filled: Client, database: TryDatabase
) -> None:
    if database.kind == "sqlite":
        short = filled.statements_of("/tickets?limit=5")
        assert short == filled.statements_of("/tickets?limit=50")
        assert short <= 8


def test_a_filtered_page_needs_few_statements(filled: Client, database: TryDatabase) -> None:
    if database.kind == "sqlite":
        assert filled.statements_of("/tickets?status=open&limit=50") <= 8


def test_the_summary_needs_few_statements(filled: Client, database: TryDatabase) -> None:
    if database.kind == "sqlite":
        assert filled.statements_of("/tickets/summary") <= 4


def test_the_filter_by_status_uses_an_index(database: TryDatabase) -> None:
    fill(database, 300)
    assert "INDEX" in plan(database, "SELECT * FROM tickets WHERE status = 'open'")


def test_the_comments_of_a_ticket_are_found_by_an_index(database: TryDatabase) -> None:
    fill(database, 300)
    assert "INDEX" in plan(database, "SELECT * FROM comments WHERE ticket_id = 5")


def test_existing_rows_stay_as_they_are(earlier_database: TryDatabase, result: Result) -> None:
    fill(earlier_database, 60)
    before = rows_of(earlier_database)
    for _ in range(2):
        result.run("bash", "migrate.sh", url=earlier_database.url)
        assert rows_of(earlier_database) == before


def test_many_tickets_are_listed_faster_and_counted_faster(
    earlier_database: TryDatabase, start: Result, result: Result, tmp_path: Path
) -> None:
    fill(earlier_database, 6000)
    with serving(earlier_database, start, tmp_path) as client:
        before = seconds(client, "/tickets")
    result.run("bash", "migrate.sh", url=earlier_database.url)
    with serving(earlier_database, result, tmp_path) as client:
        after = seconds(client, "/tickets")
        summary_after = seconds(client, "/tickets/summary")
    assert after < before / 2
    assert summary_after < before


def test_new_tickets_and_comments_show_at_once(filled: Client) -> None:
    filled.get("/tickets/summary")
    created = filled.post("/tickets", json={"subject": "New", "status": "closed", "reporter_id": 3})
    assert created.status_code == 201
    url = f"/tickets/{created.json()['id']}/comments"
    assert filled.post(url, json={"body": "Seen"}).status_code == 201
    assert filled.post(url, json={"body": "Psst", "hidden": True}).status_code == 201
    page = filled.get("/tickets?limit=100").json()
    assert page["total"] == 61
    item = next(each for each in page["items"] if each["subject"] == "New")
    assert (item["comments"], item["reporter"]) == (1, "Person 3")


def test_wrong_writes_are_refused_as_before(filled: Client) -> None:
    assert filled.post("/tickets", json={"subject": ""}).status_code == 422
    assert filled.post("/tickets", json={"subject": "x", "reporter_id": 99}).status_code == 422
    assert filled.post("/tickets/999/comments", json={"body": "x"}).status_code == 404


# Source: https://github.com/fastapi/fastapi/issues/1468
