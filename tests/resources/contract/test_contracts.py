"""The contracts of docs/how-to/existing-api.md hold on each database, as the page shows them."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "existing-api.md"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty database that another process can open."""
    if request.param == "sqlite":
        return "sqlite:///contracts.db"
    postgresql: str = request.getfixturevalue("postgresql_database")
    return postgresql


def test_the_program_of_the_page_runs(url: str, tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    program = "\n".join(blocks).replace('Database("sqlite://")', f"Database({url!r})")
    assert repr(url) in program
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
