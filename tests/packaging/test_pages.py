"""A reader who types what the first pages and the tutorial show gets what they promise."""

import re
import sys
from pathlib import Path

import pytest

from tests.packaging.reader import Reader

pytestmark = pytest.mark.slow
DOCS = Path(__file__).parents[2] / "docs"


def pages_of(section: str) -> list[Path]:
    """The pages of a folder, in the order of the navigation."""
    navigation = (DOCS.parent / "mkdocs.yml").read_text()
    return [DOCS / path for path in re.findall(rf": ({section}/.*\.md)$", navigation, re.MULTILINE)]


def test_the_first_pages_and_the_tutorial_work_as_shown(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "colonnade").symlink_to(checkout)
    reader = Reader(tmp_path, Path(sys.base_prefix) / "bin")
    try:
        for page in pages_of("get-started"):
            reader.read(page)
        reader.close()
        reader.directory = tmp_path
        for page in pages_of("tutorial"):
            reader.read(page)
    finally:
        reader.close()
