"""Write llms.txt and llms-full.txt beside the pages of the site.

``python scripts/llms_txt.py site``. The format: https://llmstxt.org. llms.txt lists the pages in
the order of the navigation, and llms-full.txt has the skill and most of the pages as text.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
SKILL = ROOT / "src/colonnade/agents/skill"
SUMMARY = (
    "The data layer for FastAPI built on SQLModel: write the table once; everything else is a view "
    "of it."
)


def sections() -> list[tuple[str, list[tuple[str, Path]]]]:
    """The sections of the navigation, each with the titles and files of its pages."""
    navigation = (ROOT / "mkdocs.yml").read_text().partition("\nnav:\n")[2]
    result: list[tuple[str, list[tuple[str, Path]]]] = [("Start", [])]
    for indent, title, path in re.findall(r'^( +)- "?(.+?)"?:(?: (\S+))?$', navigation, re.M):
        if not path:
            result.append((title, []))
        else:
            section = result[0] if len(indent) == 2 else result[-1]
            section[1].append((title, DOCS / path))
    return result


def first_sentence(page: Path) -> str:
    """What a page is about: its first sentence, without markup."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    paragraphs = [each for each in text.split("\n\n") if re.match(r"[\w*`]", each.strip())]
    paragraph = " ".join(paragraphs[0].split()) if paragraphs else ""
    plain = re.sub(r"[*`]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", paragraph))
    return re.split(r"(?<=[.:]) ", plain)[0].rstrip(":")


def index() -> str:
    """The content of llms.txt."""
    lines = ["# Colonnade", "", f"> {SUMMARY}", ""]
    for title, pages in sections():
        lines += [f"## {title}", ""]
        for name, page in pages:
            url = page.relative_to(DOCS).with_suffix("").as_posix()
            url = "" if url == "index" else f"{url.removesuffix('/index')}/"
            lines.append(f"- [{name}]({url or './'}): {first_sentence(page)}")
        lines.append("")
    return "\n".join(lines)


def full() -> str:
    """The content of llms-full.txt."""
    skill = [SKILL / "SKILL.md", *sorted((SKILL / "references").glob("*.md"))]
    pages = [page for _, pages in sections() for _, page in pages]
    pages = [page for page in pages if page.name not in {"rules.md", "release-notes.md"}]
    return "\n\n".join(page.read_text().strip() for page in [*skill, *pages]) + "\n"


if __name__ == "__main__":
    site = Path(sys.argv[1])
    (site / "llms.txt").write_text(index())
    (site / "llms-full.txt").write_text(full())
