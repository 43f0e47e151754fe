"""The name of a model in paths and in the OpenAPI document."""

import re

from colonnade.models import plural


def path_of(name: str) -> str:
    """Convert the name of a model to its path: ``TaskAssignment`` to ``task-assignments``."""
    return plural(snake(name)).replace("_", "-")


def snake(name: str) -> str:
    """Convert a name to snake case: ``TaskAssignment`` to ``task_assignment``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
