"""An app with a Resource of each table, on each database."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.testclient import TestClient

from colonnade import Database
from tests.resources.sample_app import all_resources, define_models, serving


@pytest.fixture
def models(db: Database) -> SimpleNamespace:
    """The models, with their tables."""
    models = define_models()
    db.create_all()
    return models


@pytest.fixture
def client(db: Database, models: SimpleNamespace) -> Iterator[TestClient]:
    """A client of an app with a Resource of each table."""
    with serving(*all_resources(db, models)) as client:
        yield client


@pytest.fixture
def store(db: Database) -> Any:
    """Store rows of any tables; generated keys continue after the given ones."""

    def add(*rows: Any) -> None:
        with db.session() as session:
            session.add_all(rows)
            session.commit()
            rows_with_ids = [row for row in rows if isinstance(getattr(row, "id", None), int)]
            for table in {str(row.__tablename__) for row in rows_with_ids}:
                if db.url.backend == "postgresql":
                    session.connection().exec_driver_sql(
                        f"SELECT setval('{table}_id_seq', (SELECT max(id) FROM {table}))"
                    )
            session.commit()

    return add


@pytest.fixture
def sample_rows(models: SimpleNamespace, store: Any) -> None:
    """A project, two workers, a label, and tasks: 3 and 5 below 1, 4 below 3."""
    store(models.Project(id=1, name="Web", slug="web"), models.Worker(id="@ana"))
    store(models.Worker(id="@bot", type="agent"), models.Label(id=1, name="urgent"))
    store(models.Task(id=1, title="One", project_id=1), models.Task(id=2, title="Two"))
    store(models.Task(id=3, title="Below one", parent_id=1))
    store(models.Task(id=4, title="Below three", parent_id=3))
    store(models.Task(id=5, title="Below one too", parent_id=1))
