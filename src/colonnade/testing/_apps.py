"""Finds the Databases of an application."""

import inspect
from collections.abc import Iterator
from functools import partial
from typing import Any

from colonnade.database import Database


def databases_of(app: Any) -> Iterator[Database]:
    """The Databases that an application's routes, dependencies and lifespan use."""
    seen: set[int] = set()
    queue = [app]
    while queue:
        component = queue.pop()
        if id(component) in seen:
            continue
        seen.add(id(component))
        if isinstance(component, Database):
            yield component
        else:
            queue += _children(component)


_ATTRIBUTES = (
    "router", "routes", "original_router", "lifespan_context", "dependencies", "dependency",
    "dependant", "call", "endpoint", "app", "db",
)  # fmt: skip


def _children(component: Any) -> list[Any]:
    """The parts of an application's component that may lead to a Database."""
    if isinstance(component, list | tuple):
        return list(component)
    if isinstance(component, partial):
        return [component.func, *component.args, *component.keywords.values()]
    if inspect.ismethod(component):
        return [component.__self__, component.__func__]
    if inspect.isfunction(component):
        cells = [cell.cell_contents for cell in component.__closure__ or () if _is_set(cell)]
        return [*cells, *(component.__defaults__ or ()), getattr(component, "__wrapped__", None)]
    bases = {base.__module__.partition(".")[0] for base in type(component).__mro__}
    if not bases & {"fastapi", "starlette"}:
        return [getattr(component, "app", None)]  # middleware around an application
    return [getattr(component, name) for name in _ATTRIBUTES if hasattr(component, name)]


def _is_set(cell: Any) -> bool:
    try:
        _ = cell.cell_contents
    except ValueError:
        return False
    return True
