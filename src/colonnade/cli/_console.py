"""The consoles that all commands print to."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel

out = Console(highlight=False, soft_wrap=True, emoji=False)
err = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)
"""``emoji=False`` prints ``:key:`` in a message as it is."""


def panel(title: str, lines: Sequence[str]) -> None:
    """Print lines in a box. They may contain rich markup."""
    out.print(Panel("\n".join(lines), title=title, title_align="left", expand=False))


def escaped(text: str) -> str:
    """Escape text for rich, so that its brackets are not markup."""
    return escape(text)
