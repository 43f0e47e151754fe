"""A client of the sample app, whose relations can all be written."""

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from fastapi.testclient import TestClient

from colonnade import Database
from tests.resources.sample_app import serving
from tests.resources.writes.nested_app import nested_resources


@pytest.fixture
def nested(db: Database, models: SimpleNamespace) -> Iterator[TestClient]:
    """A client of an app with a Resource of each table, all of whose relations can be written."""
    with serving(*vars(nested_resources(db, models)).values()) as client:
        yield client
