"""The project that ``colonnade new`` and ``colonnade demo`` create: a task API to start from."""

from colonnade.templates._layout import lay_out

__all__ = ["lay_out"]
