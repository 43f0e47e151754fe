from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from evals.conftest import Client, Result, TryDatabase, serve
from sqlalchemy import inspect
from sqlalchemy.exc import IntegrityError

TABLES = {
    "TBL_CUST": ["CustNo", "Nm", "eMail", "act"],
    "ordhdr": ["OrdYr", "OrdNo", "CustNo", "OrdDt"],
    "ordpos": ["OrdYr", "OrdNo", "PosNo", "Item", "Qty", "Price"],
}
LINE = {"item": "Vase", "quantity": 2, "price": "7.50"}


def rows(database: TryDatabase) -> list[str]:
    tables = []
    for table, names in TABLES.items():
        columns = ", ".join(f'"{name}"' for name in names)
        tables.append(str(database.execute(f'SELECT {columns} FROM "{table}" ORDER BY 1, 2, 3')))
    return tables


def words(sql: str) -> list[str]:
    for mark in '()"':
        sql = sql.replace(mark, " ")
    return sql.split()


def schema(database: TryDatabase) -> dict[str, Any]:
    see = inspect(database.engine)
    tables: dict[str, Any] = {"views": see.get_view_names()}
    for table in TABLES:
        key = see.get_pk_constraint(table)
        tables[table] = {
            "columns": {
                column["name"]: (str(column["type"]), column["nullable"], column["default"])
                for column in see.get_columns(table)
            },
            "primary key": (key["name"], key["constrained_columns"]),
            "foreign keys": sorted(
                (
                    str(f["name"]),
                    f["constrained_columns"],
                    f["referred_table"],
                    f["referred_columns"],
                )
                for f in see.get_foreign_keys(table)
            ),
            "indexes": sorted(
                (str(i["name"]), i["column_names"], bool(i["unique"]))
                for i in see.get_indexes(table)
            ),
            "unique": sorted(str(u["name"]) for u in see.get_unique_constraints(table)),
            "checks": sorted(
                (str(c["name"]), words(c["sqltext"])) for c in see.get_check_constraints(table)
            ),
        }
    return tables


def clear(database: TryDatabase, tmp_path: Path) -> None:
    database.engine.dispose()
    if database.kind == "postgresql":
        database.execute("DROP SCHEMA public CASCADE")
        database.execute("CREATE SCHEMA public")
        database.engine.dispose()
    else:
        (tmp_path / "try.db").unlink()


def refuses_wrong_rows(database: TryDatabase) -> bool:
    customer = 'INSERT INTO "TBL_CUST" ("CustNo", "Nm", "eMail") VALUES '
    database.execute(customer + "(1, 'Bo', 'bo@example.com')")
    assert database.execute('SELECT "act" FROM "TBL_CUST" WHERE "CustNo" = 1')[0][0] == "Y"
    database.execute("""INSERT INTO "ordhdr" VALUES (2010, 7, 1, '2010-01-01')""")
    line = 'INSERT INTO "ordpos" VALUES '
    wrong = ["""UPDATE "TBL_CUST" SET "act" = 'X'""", customer + "(2, 'Cy', 'bo@example.com')"]
    wrong += [line + "(2010, 7, 1, 'A', 0, 1)", line + "(2010, 7, 1, NULL, 1, 1)"]
    for statement in wrong:
        with pytest.raises(IntegrityError):
            database.execute(statement)
    return True


def view_of_new_rows(database: TryDatabase) -> list[Any]:
    database.execute("""INSERT INTO "TBL_CUST" ("CustNo", "Nm") VALUES (1, 'Bo')""")
    for order in (7, 8):
        database.execute(f"""INSERT INTO "ordhdr" VALUES (2010, {order}, 1, '2010-01-01')""")
    database.execute("""INSERT INTO "ordpos" VALUES (2010, 7, 1, 'A', 3, 2.50)""")
    database.execute("""INSERT INTO "ordpos" VALUES (2010, 7, 2, 'B', 1, 0.25)""")
    view = database.execute('SELECT * FROM "v_ord_total" WHERE "OrdYr" = 2010')
    return [tuple(map(float, row)) for row in view]


@pytest.fixture
def legacy(empty_database: TryDatabase, start: Result) -> TryDatabase:
    script = (start.directory / f"legacy/{empty_database.kind}.sql").read_text()
    for statement in script.split(";\n"):
        if statement.strip():
            with empty_database.engine.begin() as connection:
                connection.exec_driver_sql(statement)
    return empty_database


@pytest.fixture
def adopted(legacy: TryDatabase, result: Result) -> TryDatabase:
    result.run("bash", "migrate.sh", url=legacy.url)
    return legacy


@pytest.fixture
def orders(adopted: TryDatabase, result: Result, tmp_path: Path) -> Iterator[Client]:
    yield from serve(adopted, result, tmp_path)


def test_models_and_database_agree(drift: str) -> None:
    assert drift == ""


def test_no_row_is_lost_or_changed(legacy: TryDatabase, result: Result) -> None:
    before = rows(legacy)
    result.run("bash", "migrate.sh", url=legacy.url)
    assert rows(legacy) == before


def test_nothing_of_the_schema_changes_but_the_new_column(
    legacy: TryDatabase, result: Result
) -> None:
    before = schema(legacy)
    result.run("bash", "migrate.sh", url=legacy.url)
    after = schema(legacy)
    assert after["TBL_CUST"]["columns"].pop("Phone") == ("VARCHAR(30)", True, None)
    assert after == before


def test_an_empty_database_gets_the_columns_and_keys(
    legacy: TryDatabase, result: Result, tmp_path: Path
) -> None:
    before = schema(legacy)
    clear(legacy, tmp_path)
    result.run("bash", "migrate.sh", url=legacy.url)
    after = schema(legacy)
    after["TBL_CUST"]["columns"].pop("Phone")
    for table in TABLES:
        for part in ("columns", "primary key", "foreign keys"):
            assert after[table][part] == before[table][part]


def test_an_empty_database_gets_the_same_schema(
    adopted: TryDatabase, result: Result, tmp_path: Path
) -> None:
    before = schema(adopted)
    clear(adopted, tmp_path)
    result.run("bash", "migrate.sh", url=adopted.url)
    assert schema(adopted) == before


def test_an_empty_database_gets_no_rows(database: TryDatabase) -> None:
    assert rows(database) == ["[]"] * 3


def test_a_second_migration_changes_nothing(adopted: TryDatabase, result: Result) -> None:
    adopted.execute("""UPDATE "TBL_CUST" SET "Phone" = '+47 1' WHERE "CustNo" = 301""")
    before = schema(adopted), rows(adopted)
    result.run("bash", "migrate.sh", url=adopted.url)
    assert (schema(adopted), rows(adopted)) == before
    assert adopted.execute('SELECT count("Phone") FROM "TBL_CUST"')[0][0] == 1


def test_an_old_database_still_refuses_wrong_rows(adopted: TryDatabase) -> None:
    assert refuses_wrong_rows(adopted)


def test_a_new_database_refuses_wrong_rows(database: TryDatabase) -> None:
    assert refuses_wrong_rows(database)


def test_the_view_of_an_old_database_still_adds_up(adopted: TryDatabase) -> None:
    assert view_of_new_rows(adopted) == [(2010, 7, 2, 7.75)]


def test_the_view_of_a_new_database_adds_up(database: TryDatabase) -> None:
    assert view_of_new_rows(database) == [(2010, 7, 2, 7.75)]


def test_customers_are_listed_with_new_names(orders: Client) -> None:
    customers = orders.get("/customers").json()
    assert [each["number"] for each in customers] == [100, 205, 301]
    assert customers[0] == {"number": 100, "name": "Ada Lovelace", "email": "ada@example.com",
                            "active": True, "phone": None}  # fmt: skip
    assert (customers[1]["name"], customers[1]["email"]) == ("O'Neil & Sons", None)
    for active, numbers in (("true", [100, 301]), ("false", [205])):
        listed = orders.get(f"/customers?active={active}").json()
        assert [each["number"] for each in listed] == numbers
    assert orders.get("/customers?active=perhaps").status_code == 422


def test_the_new_column_shows(orders: Client, adopted: TryDatabase) -> None:
    adopted.execute("""UPDATE "TBL_CUST" SET "Phone" = '+47 1' WHERE "CustNo" = 301""")
    assert [each["phone"] for each in orders.get("/customers").json()] == [None, None, "+47 1"]


def test_the_orders_of_a_customer_are_listed_with_totals(orders: Client) -> None:
    assert orders.get("/customers/100/orders").json() == [
        {"year": 2011, "number": 1, "date": "2011-03-09", "positions": 2, "total": "47.48"},
        {"year": 2012, "number": 2, "date": "2012-02-29", "positions": 2, "total": "1270.49"},
        {"year": 2012, "number": 3, "date": "2012-03-01", "positions": 0, "total": "0.00"},
    ]
    assert orders.get("/customers/205/orders").json() == []
    assert orders.get("/customers/1/orders").status_code == 404


def test_an_order_has_its_lines(orders: Client) -> None:
    order = orders.get("/orders/2012/2").json()
    order.pop("positions", None)
    assert order == {
        "year": 2012, "number": 2, "date": "2012-02-29", "total": "1270.49",
        "customer": {"number": 100, "name": "Ada Lovelace"},
        "lines": [
            {"position": 1, "item": "Lamp", "quantity": 1, "price": "19.99"},
            {"position": 4, "item": "Table", "quantity": 1, "price": "1250.50"},
        ],
    }  # fmt: skip
    assert orders.get("/orders/2012/3").json()["lines"] == []
    assert orders.get("/orders/2012/3").json()["total"] == "0.00"
    for url in ("/orders/2012/9", "/orders/2013/1"):
        assert orders.get(url).status_code == 404


def test_a_line_is_added_at_the_next_position(orders: Client, adopted: TryDatabase) -> None:
    for order, position in (("2012/2", 5), ("2012/2", 6), ("2012/1", 11), ("2012/3", 1)):
        answer = orders.post(f"/orders/{order}/lines", json=LINE)
        assert answer.status_code == 201
        assert answer.json() == {"position": position} | LINE
    assert orders.get("/orders/2012/3").json()["total"] == "15.00"
    row = adopted.execute('SELECT * FROM "ordpos" WHERE "OrdNo" = 3')[0]
    assert (*row[:5], float(row[5])) == (2012, 3, 1, "Vase", 2, 7.5)


def test_lines_at_once_get_different_positions(orders: Client) -> None:
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: orders.post("/orders/2012/2/lines", json=LINE), range(6)))
    assert [answer.status_code for answer in answers] == [201] * 6
    assert sorted(answer.json()["position"] for answer in answers) == [5, 6, 7, 8, 9, 10]


def test_wrong_lines_are_refused(orders: Client) -> None:
    for wrong in ({"item": ""}, {"item": "x" * 41}, {"quantity": 0}, {"quantity": 1_000_001},
                  {"price": "-0.01"}, {"price": "1.001"}, {"price": "100000000.00"}):  # fmt: skip
        assert orders.post("/orders/2012/2/lines", json=LINE | wrong).status_code == 422, wrong
    assert orders.post("/orders/2012/9/lines", json=LINE).status_code == 404
    assert len(orders.get("/orders/2012/2").json()["lines"]) == 2


def test_orders_of_inactive_customers_are_closed(orders: Client, adopted: TryDatabase) -> None:
    adopted.execute("""UPDATE "TBL_CUST" SET "act" = 'N' WHERE "CustNo" = 100""")
    assert orders.post("/orders/2012/2/lines", json=LINE).status_code == 409
    assert orders.post("/orders/2012/1/lines", json=LINE).status_code == 201
    assert len(orders.get("/orders/2012/2").json()["lines"]) == 2


def test_lists_need_few_statements(orders: Client, adopted: TryDatabase) -> None:
    if adopted.kind == "sqlite":
        urls = ["/customers", "/customers/100/orders", "/orders/2012/2"]
        few = [orders.statements_of(url) for url in urls]
        for number in range(50, 95):
            adopted.execute(f"""INSERT INTO "TBL_CUST" ("CustNo", "Nm") VALUES ({number}, 'x')""")
            day = date(2012, 4, 1)
            adopted.execute(f"INSERT INTO \"ordhdr\" VALUES (2012, {number}, 100, '{day}')")
            adopted.execute(f"INSERT INTO \"ordpos\" VALUES (2012, {number}, 1, 'x', 1, 1)")
            adopted.execute(f"INSERT INTO \"ordpos\" VALUES (2012, 2, {number}, 'x', 1, 1)")
        many = [orders.statements_of(url) for url in urls]
        assert few == many
        assert max(many) <= 5
