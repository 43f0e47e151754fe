"""Names: of a model, in paths and in the OpenAPI document."""

import re


def plural(name: str) -> str:
    """The path of a model of this name: ``TaskAssignment`` is ``task-assignments``."""
    words = snake(name).replace("_", "-")
    if re.search(r"[^aeiou]y$", words):
        return words[:-1] + "ies"
    if re.search(r"(s|x|z|ch|sh)$", words):
        return words + "es"
    return words + "s"


def snake(name: str) -> str:
    """``TaskAssignment`` as ``task_assignment``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
