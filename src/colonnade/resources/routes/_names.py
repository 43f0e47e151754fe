"""Names of a model in paths."""

from colonnade.models import plural, snake


def path_of(name: str) -> str:
    """The path of a model of this name: ``TaskAssignment`` is ``task-assignments``."""
    return plural(snake(name)).replace("_", "-")
