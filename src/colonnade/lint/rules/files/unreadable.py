"""The rule CLN001, unreadable."""

from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.runner._checking import UNREADABLE


class Unreadable(Rule):
    """A file cannot be read, is not valid Python, or could not be checked completely.

    No other rule can check such a file. The syntax is that of the Python that runs `colonnade
    check`: for code with newer syntax, run it with the Python that the project uses. Markdown
    blocks and notebook cells that are not valid Python are skipped, since documents often show
    fragments.
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
        """Yield nothing: the parser reports such files before any rule runs."""
        return iter(())
