"""Names: of a model, in paths and in the OpenAPI document."""

import re

from colonnade.models import plural


def path_of(name: str) -> str:
    """The path of a model of this name: ``TaskAssignment`` is ``task-assignments``."""
    return plural(snake(name)).replace("_", "-")


def snake(name: str) -> str:
    """``TaskAssignment`` as ``task_assignment``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
