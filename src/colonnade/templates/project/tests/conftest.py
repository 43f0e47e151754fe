"""Each test has a database in memory of its own."""

import os
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

os.environ["DATABASE_URL"] = "sqlite://"

from app.database import db
from app.main import app

from colonnade import SQLModel


@pytest.fixture
def client() -> Iterator[TestClient]:
    with TestClient(app) as client:
        yield client
    SQLModel.metadata.drop_all(db.engine)
    db.dispose()
