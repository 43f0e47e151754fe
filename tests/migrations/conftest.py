from pathlib import Path

import pytest

from colonnade import Database
from tests.migrations.lab import Lab


@pytest.fixture
def lab(tmp_path: Path, db: Database) -> Lab:
    """A project of its own, and an empty database on each backend in turn."""
    return Lab(tmp_path, db)
