"""Keys of rows in the arguments of tools, and as segments of a path."""

from typing import Any

from colonnade.agents._answers import ToolError
from colonnade.models import Shape
from colonnade.writes import Keys


def key_segment(key: Any, model: type[Any]) -> str:
    """Return a key as a path segment, quoted for a URL.

    Args:
        key: A value, or a dict of the columns of a composite key.
        model: The table.

    Raises:
        ToolError: It does not have the columns of the key.
    """
    columns = Shape.of(model).primary_key
    names = [column.name for column in columns]
    if not isinstance(key, dict) and len(names) == 1:
        key = {names[0]: key}
    if not isinstance(key, dict) or set(key) != set(names):
        wanted = ", ".join(f'"{name}": ...' for name in names)
        raise ToolError(f"key: pass {{{wanted}}} for {model.__name__}.")
    return Keys(columns).write([_text(key[name]) for name in names])


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
