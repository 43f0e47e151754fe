"""The prefixes that keep operation ids apart when a model has several Resources."""

import re
from typing import Any, Protocol
from weakref import WeakValueDictionary

from sqlalchemy import inspect

from colonnade.models import snake


class RouterOfModel(Protocol):
    """A Resource: a router for a table."""

    prefix: str

    @property
    def model(self) -> type[Any]:
        """The table."""


_resources: WeakValueDictionary[tuple[str, str], RouterOfModel] = WeakValueDictionary()
"""The Resources that exist, by the name in their operation ids, and the path."""


def choose_operation_prefix(resource: RouterOfModel) -> str:
    """Return the prefix of the operation ids: the path, if another Resource has the same ids.

    A Resource with the same path belongs to another application, as that of another test.
    """
    model_name, path = snake(resource.model.__name__), resource.prefix
    needs_prefix = any(
        name == model_name
        and other_path != path
        and inspect(other.model, raiseerr=False) is not None
        for (name, other_path), other in _resources.items()
    )
    _resources[model_name, path] = resource
    words = re.sub(r"[^a-z0-9]+", "_", path.lower()).strip("_")
    return f"{words}_" if needs_prefix else ""
