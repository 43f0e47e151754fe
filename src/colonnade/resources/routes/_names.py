"""The name of a model in paths."""

from colonnade.models import plural, snake


def path_of(name: str) -> str:
    """Convert the name of a model to its path: ``TaskAssignment`` to ``task-assignments``."""
    return plural(snake(name)).replace("_", "-")
