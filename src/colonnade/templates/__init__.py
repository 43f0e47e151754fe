"""The projects that ``colonnade new`` and ``colonnade demo`` create."""

from colonnade.templates._layout import EXAMPLES, lay_out

__all__ = ["EXAMPLES", "lay_out"]
