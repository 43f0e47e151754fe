from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from evals.conftest import Client, Result, TryDatabase, serve
from sqlalchemy import inspect
from sqlalchemy.exc import IntegrityError

CUSTOMERS = [
    {"id": 3, "name": "Ada Lovelace", "city": "London", "vip": True},
    {"id": 7, "name": "Ada Lovelace", "city": "Paris", "vip": False},
    {"id": 8, "name": "O'Neil; DROP", "city": "Rome", "vip": False},
    {"id": 21, "name": "Åse Ødegård", "city": "Oslo", "vip": True},
]
ORDERS = [
    {"id": 5, "article": "Lamp", "customer_id": 7},
    {"id": 6, "article": "Chair", "customer_id": 3},
    {"id": 9, "article": "Table", "customer_id": 21},
]


@pytest.fixture
def upgraded(earlier_database: TryDatabase, result: Result) -> TryDatabase:
    insert = "INSERT INTO customers (id, name, city, vip) VALUES (:id, :name, :city, :vip)"
    earlier_database.execute(insert, CUSTOMERS)
    insert = "INSERT INTO orders (id, article, customer_id) VALUES (:id, :article, :customer_id)"
    earlier_database.execute(insert, ORDERS)
    result.run("bash", "migrate.sh", url=earlier_database.url)
    return earlier_database


@pytest.fixture
def upgraded_client(upgraded: TryDatabase, result: Result, tmp_path: Path) -> Iterator[Client]:
    if upgraded.kind == "postgresql":  # rows with ids do not move the sequences
        for table in ("customers", "orders"):
            upgraded.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), 100)")
    yield from serve(upgraded, result, tmp_path)


def new(client: Client, full_name: str = "Ada", city: str = "Bern", **more: Any) -> Any:
    return client.post("/customers", json={"full_name": full_name, "city": city, **more})


def schema(database: TryDatabase) -> dict[str, Any]:
    tables: dict[str, Any] = {}
    for table in ("customers", "orders"):
        see = inspect(database.engine)
        tables[table] = {
            "columns": {c["name"]: (str(c["type"]), c["nullable"]) for c in see.get_columns(table)},
            "primary key": see.get_pk_constraint(table)["constrained_columns"],
            "unique": {u["name"]: u["column_names"] for u in see.get_unique_constraints(table)},
            "indexes": {i["name"]: i["column_names"] for i in see.get_indexes(table)},
            "foreign": [
                (f["constrained_columns"], f["referred_table"], f["referred_columns"])
                for f in see.get_foreign_keys(table)
            ],
        }
    return tables


def test_models_and_database_agree(drift: str) -> None:
    assert drift == ""


def test_no_customer_is_lost_or_changed(upgraded: TryDatabase) -> None:
    rows = upgraded.execute("SELECT id, full_name, city, vip FROM customers ORDER BY id")
    assert [tuple(row) for row in rows] == [tuple(each.values()) for each in CUSTOMERS]


def test_orders_still_refer_to_their_customers(upgraded_client: Client) -> None:
    assert upgraded_client.get("/orders").json() == [
        {"id": 5, "article": "Lamp", "customer": "Ada Lovelace"},
        {"id": 6, "article": "Chair", "customer": "Ada Lovelace"},
        {"id": 9, "article": "Table", "customer": "Åse Ødegård"},
    ]


def test_the_column_has_the_new_name_alone_and_is_required(upgraded: TryDatabase) -> None:
    columns = schema(upgraded)["customers"]["columns"]
    assert "name" not in columns
    assert columns["full_name"] == ("VARCHAR(100)", False)


def test_the_index_is_kept_under_its_new_name(upgraded: TryDatabase) -> None:
    indexes = schema(upgraded)["customers"]["indexes"]
    assert indexes["ix_customers_full_name"] == ["full_name"]
    assert "ix_customers_name" not in indexes


def test_the_database_still_refuses_a_duplicate(upgraded: TryDatabase) -> None:
    with pytest.raises(IntegrityError):
        upgraded.execute(
            "INSERT INTO customers (id, full_name, city, vip) VALUES (50, :name, 'Paris', :vip)",
            {"name": "Ada Lovelace", "vip": False},
        )


def test_the_unique_constraint_has_its_new_name(upgraded: TryDatabase) -> None:
    table = schema(upgraded)["customers"]
    names = table["unique"] | table["indexes"]
    assert names["uq_customers_full_name_city"] == ["full_name", "city"]
    assert "uq_customers_name_city" not in names


def test_the_foreign_key_is_kept(upgraded: TryDatabase) -> None:
    table = schema(upgraded)["orders"]
    assert table["foreign"] == [(["customer_id"], "customers", ["id"])]
    assert "ix_orders_customer_id" in table["indexes"]


def test_a_new_database_gets_the_same_schema(
    upgraded: TryDatabase, result: Result, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    before = schema(upgraded)
    if upgraded.kind == "postgresql":
        upgraded.execute("DROP SCHEMA public CASCADE")
        upgraded.execute("CREATE SCHEMA public")
    else:
        upgraded.engine.dispose()
        (tmp_path / "try.db").unlink()
    result.run("bash", "migrate.sh", url=upgraded.url)
    assert schema(upgraded) == before


def test_a_second_migration_changes_nothing(upgraded: TryDatabase, result: Result) -> None:
    before = schema(upgraded)
    result.run("bash", "migrate.sh", url=upgraded.url)
    assert schema(upgraded) == before
    assert upgraded.execute("SELECT count(*) FROM customers")[0][0] == len(CUSTOMERS)


def test_the_api_reads_and_writes_the_new_name(upgraded_client: Client) -> None:
    created = new(upgraded_client, "Grace Hopper", vip=True)
    assert created.status_code == 201
    expected = {
        "full_name": "Grace Hopper",
        "city": "Bern",
        "vip": True,
        "id": created.json()["id"],
    }
    assert created.json() == expected
    assert upgraded_client.get(f"/customers/{expected['id']}").json() == expected
    assert upgraded_client.get("/customers/21").json()["full_name"] == "Åse Ødegård"
    assert "name" not in upgraded_client.get("/customers").json()[0]


def test_the_old_name_is_refused_in_new_customers(client: Client) -> None:
    assert client.post("/customers", json={"name": "Ada", "city": "Bern"}).status_code == 422
    assert client.get("/customers").json() == []


def test_the_old_name_is_refused_in_changes(client: Client) -> None:
    url = f"/customers/{new(client).json()['id']}"
    assert client.patch(url, json={"name": "Eve", "city": "Rome"}).status_code == 422
    assert client.get(url).json()["city"] == "Bern"
    assert client.patch(url, json={"full_name": "Eve"}).json()["full_name"] == "Eve"


def test_a_filter_by_the_old_name_is_refused(client: Client) -> None:
    new(client)
    assert client.get("/customers", params={"name": "Ada"}).status_code == 422


def test_the_list_is_filtered_and_ordered_by_the_new_name(client: Client) -> None:
    for name, city in [("Bo", "Rome"), ("Ada", "Rome"), ("Bo", "Bern"), ("Bob", "Bern")]:
        assert new(client, name, city).status_code == 201
    cities = [each["city"] for each in client.get("/customers?full_name=Bo").json()]
    assert cities == ["Rome", "Bern"]
    names = [each["full_name"] for each in client.get("/customers").json()]
    assert names == ["Ada", "Bo", "Bo", "Bob"]


def test_limits_stay_as_they_were(client: Client) -> None:
    assert new(client, "").status_code == new(client, "x" * 101).status_code == 422
    assert new(client, "x" * 100).status_code == 201


def test_duplicates_are_conflicts_also_at_once(client: Client) -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: new(client).status_code, range(4)))
    assert sorted(answers) == [201, 409, 409, 409]
    url = f"/customers/{new(client, 'Bo').json()['id']}"
    assert client.patch(url, json={"full_name": "Ada"}).status_code == 409


def test_the_filter_uses_an_index(upgraded: TryDatabase) -> None:
    query = "SELECT * FROM customers WHERE full_name = 'Ada'"
    if upgraded.kind == "sqlite":
        plan = upgraded.execute(f"EXPLAIN QUERY PLAN {query}")
        assert "SEARCH" in str(plan)
    else:
        with upgraded.engine.begin() as connection:
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
            plan = list(connection.exec_driver_sql(f"EXPLAIN {query}").all())
        assert "ndex" in str(plan)


# Source: https://github.com/miguelgrinberg/Flask-Migrate/issues/563 (the migration drops the
# column and adds another) and https://github.com/miguelgrinberg/Flask-Migrate/issues/30.
