"""``llms.txt`` lists the pages of the site with what they are about; ``llms-full.txt`` has them."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_site_has_its_pages_as_text(tmp_path: Path) -> None:
    script = [sys.executable, str(ROOT / "scripts/llms_txt.py"), str(tmp_path)]
    subprocess.run(script, check=True)
    listed = re.findall(r"^- \[.+?\]\((\S+)\): (\S.+)$", (tmp_path / "llms.txt").read_text(), re.M)
    pages = {page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs").rglob("*.md")}
    urls = {page.removesuffix(".md").removesuffix("index").removesuffix("/") for page in pages}
    assert {url.strip("./") for url, _ in listed} == urls
    full = (tmp_path / "llms-full.txt").read_text()
    assert full.startswith("---\nname: colonnade\n")
    for title in ("# Migrations", "# Scopes", "# Tools for agents"):
        assert f"\n{title}\n" in full
