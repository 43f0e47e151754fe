"""The names of the SQL parameters for a row's key and its new values."""

from collections.abc import Iterable
from typing import Any

VALUE_PREFIX = "new_"
"""The prefix for parameters of written values, which keeps them apart from those of the key."""


def key_parameter(index: int) -> str:
    """The name of the parameter for one column of a key."""
    return f"at_key_{index}"


def key_parameters(key: Iterable[Any]) -> dict[str, Any]:
    """The values of a key by the names of their parameters."""
    return {key_parameter(index): value for index, value in enumerate(key)}


def value_parameter(column: Any, prefix: str = VALUE_PREFIX) -> str:
    """The name of the parameter for a column's value.

    Args:
        column: A SQLAlchemy column.
        prefix: The prefix of the name.
    """
    return f"{prefix}{column.key}"
