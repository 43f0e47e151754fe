"""An app with a Resource of each table, on each database."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.testclient import TestClient

from colonnade import Database
from tests.resources.world import define, everything, serving


@pytest.fixture
def models(db: Database) -> SimpleNamespace:
    """The tables, made."""
    found = define()
    db.create_all()
    return found


@pytest.fixture
def client(db: Database, models: SimpleNamespace) -> Iterator[TestClient]:
    """A client of an app with a Resource of each table."""
    with serving(*everything(db, models)) as client:
        yield client


@pytest.fixture
def store(db: Database) -> Any:
    """Stores rows of any tables, and answers their keys."""

    def add(*rows: Any) -> list[Any]:
        with db.session() as session:
            session.add_all(rows)
            session.commit()
            return [getattr(row, "id", None) for row in rows]

    return add
