from pathlib import Path

import pytest

from colonnade import Database
from tests.migrations.lab import Lab


@pytest.fixture
def lab(tmp_path: Path, db: Database) -> Lab:
    """A new project, and an empty database on each backend in turn."""
    return Lab(tmp_path, db)
