"""CLN001."""

from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.runner._checking import UNREADABLE


class Unreadable(Rule):
    """A file cannot be read, or is not Python that this Python knows, or cannot be checked whole.

    Nothing else can be said of it. Code for a newer Python is read by that one: run `colonnade
    check` with the Python that the project runs on. Blocks of Markdown and cells of notebooks that
    are not Python are passed over, for documents show parts of programs.
    """

    code = UNREADABLE
    name = "unreadable"
    bad = """
def title(:  # CLN001
    return ""
"""
    good = """
def title():
    return ""
"""

    def check(self, context: Context) -> Iterator[Finding]:
        """Nothing: what cannot be parsed gets here to no rule, and is found by the parser."""
        return iter(())
