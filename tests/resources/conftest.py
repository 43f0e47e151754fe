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
    module_models = define()
    db.create_all()
    return module_models


@pytest.fixture
def client(db: Database, models: SimpleNamespace) -> Iterator[TestClient]:
    """A client of an app with a Resource of each table."""
    with serving(*everything(db, models)) as client:
        yield client


@pytest.fixture
def store(db: Database) -> Any:
    """Stores rows of any tables; keys that are made come after those that are given."""

    def add(*rows: Any) -> None:
        with db.session() as session:
            session.add_all(rows)
            session.commit()
            numbered = [row for row in rows if isinstance(getattr(row, "id", None), int)]
            for table in {str(row.__tablename__) for row in numbered}:
                if db.url.backend == "postgresql":
                    session.connection().exec_driver_sql(
                        f"SELECT setval('{table}_id_seq', (SELECT max(id) FROM {table}))"
                    )
            session.commit()

    return add
