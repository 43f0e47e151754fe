"""One look for every command."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel

out = Console(highlight=False, soft_wrap=True, emoji=False)
err = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)
"""``:key:`` in a message is a name, not a picture of a key."""


def panel(title: str, lines: Sequence[str]) -> None:
    """A small box: what to open, what to type. ``lines`` may hold rich's markup."""
    out.print(Panel("\n".join(lines), title=title, title_align="left", expand=False))


def escaped(text: str) -> str:
    """Text as it is, whatever brackets it has."""
    return escape(text)
