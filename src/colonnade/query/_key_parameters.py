"""The parameters that statements name a row's key and its new values by."""

from collections.abc import Iterable
from typing import Any

NEW = "new_"
"""What the parameters of values begin with that a statement writes, beside those of the key."""


def key_parameter(index: int) -> str:
    """The name of the parameter of a part of a key."""
    return f"at_key_{index}"


def key_parameters(key: Iterable[Any]) -> dict[str, Any]:
    """The parameters of a key, by name."""
    return {key_parameter(index): value for index, value in enumerate(key)}


def value_parameter(column: Any, prefix: str = NEW) -> str:
    """The name of the parameter of a column's value.

    Args:
        column: A column of SQLAlchemy's.
        prefix: What the name begins with.
    """
    return f"{prefix}{column.key}"
