"""What ``colonnade new`` and ``colonnade demo`` lay out: the guide's task system, to start from."""

from colonnade.templates._layout import lay_out

__all__ = ["lay_out"]
