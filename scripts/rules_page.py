"""Writes docs/rules.md from the rules."""

from pathlib import Path

from colonnade.lint import rules_page

if __name__ == "__main__":
    Path(__file__).parents[1].joinpath("docs", "rules.md").write_text(rules_page())
