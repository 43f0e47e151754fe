"""The rows of a table as JSON, written by the database and by Pydantic."""

import json
from typing import Any

from colonnade import Database, schemas, select
from colonnade.query import PageReader, QueryableTable
from colonnade.rows import View, page_statement


def by_database(db: Database, model: Any, query: str = "", **options: Any) -> Any:
    """The parsed JSON of a list, as a Resource would return it."""
    reader = PageReader(QueryableTable.of(model, **options))
    page = reader.read([tuple(part.split("=")) for part in query.split("&") if part])  # type: ignore[misc]  # always two parts
    view = View(reader.queryable, page.fields, page.include)
    statement = page_statement(page, view, db.url.backend)
    window = {**page.parameters(), "limit_": page.limit + 1, "shown_": page.limit}
    with db.engine.connect() as connection:
        body = connection.execute(statement, window).one().body
    rows = json.loads(body)
    return rows if view.is_exact else [json.loads(view.render(row)) for row in rows]


def by_pydantic(db: Database, model: Any) -> Any:
    """The parsed JSON that FastAPI would return with the read schema."""
    read = schemas(model).read
    with db.session() as session:
        rows = session.exec(select(model).order_by(model.id)).all()
        return [
            json.loads(
                read.model_validate(row, from_attributes=True).model_dump_json(by_alias=True)
            )
            for row in rows
        ]
