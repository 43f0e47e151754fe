"""The Studio of a command: the SQL of a list or a row, and its plan."""

from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient

from colonnade import Database, Field, Page, Resource, SQLModel, col
from colonnade.studio import LocalAccess, LocalStudio


def client_of(db: Database, *, shows_sql: bool) -> TestClient:
    class Item(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        name: str = Field(index=True)

    db.create_all()
    app = FastAPI(lifespan=db.lifespan)
    app.include_router(Resource(Item, db))
    LocalStudio(app, shows_sql=shows_sql)
    client = TestClient(LocalAccess(app, ["testserver"], token="sesame"))
    assert client.get("/studio/?token=sesame").status_code == 200
    return client


def test_the_sql_of_a_list_is_shown_with_its_values_and_its_plan(db: Database) -> None:
    client = client_of(db, shows_sql=True)
    assert client.get("/studio/api/catalog").json()["features"] == {
        "drift": True,
        "sql": True,
        "local": True,
    }
    shown = client.get("/studio/api/explain/items?name=pen&limit=5").json()
    assert "FROM item" in shown["sql"]
    assert "pen" in shown["parameters"].values()
    plan = " ".join(shown["plan"])
    assert "item" in plan
    refused = client.get("/studio/api/explain/items?nam=pen")
    assert (refused.status_code, "Did you mean name?" in refused.text) == (422, True)
    assert client.get("/studio/api/explain/others").status_code == 404


def test_the_sql_of_a_row_is_shown(db: Database) -> None:
    client = client_of(db, shows_sql=True)
    shown = client.get("/studio/api/explain/items/7?fields=name").json()
    assert "FROM item" in shown["sql"]
    assert "LIMIT" not in shown["sql"]
    assert "7" in shown["parameters"].values()
    assert "item" in " ".join(shown["plan"])
    assert client.get("/studio/api/explain/items/seven").status_code == 422
    assert client.get(f"/studio/api/explain/items/{2**70}").status_code == 404


def test_no_sql_is_shown_unless_it_is_asked_for(db: Database) -> None:
    client = client_of(db, shows_sql=False)
    assert client.get("/studio/api/catalog").json()["features"] == {
        "drift": True,
        "sql": False,
        "local": True,
    }
    assert client.get("/studio/api/explain/items").status_code == 404
    assert client.get("/studio/api/explain/items/7").status_code == 404


def test_a_resource_explains_a_page_with_its_conditions(db: Database) -> None:
    class Item(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        name: str

    db.create_all()
    items = Resource(Item, db)
    app = FastAPI(lifespan=db.lifespan)

    @items.get("/explained")
    async def explained(query: Page = Depends(items.query)) -> str:
        explanation = await items.explain(query.where(col(Item.name) != "hidden"))
        return f"{explanation.sql} {explanation.plan}"

    app.include_router(items)
    text = TestClient(app).get("/items/explained?order_by=-name").json()
    assert " != " in text.partition(" ORDER BY ")[0]
    assert "DESC" in text
