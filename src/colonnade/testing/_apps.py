"""The Databases of an application: those its routes, dependencies and lifespan use."""

import inspect
from collections.abc import Iterator
from functools import partial
from typing import Any

from colonnade.database import Database


def databases_of(app: Any) -> Iterator[Database]:
    """The Databases that an application's routes, dependencies and lifespan use."""
    seen: set[int] = set()
    waiting = [app]
    while waiting:
        found = waiting.pop()
        if id(found) in seen:
            continue
        seen.add(id(found))
        if isinstance(found, Database):
            yield found
        else:
            waiting += _parts(found)


_ATTRIBUTES = (
    "router", "routes", "original_router", "lifespan_context", "dependencies", "dependency",
    "dependant", "call", "endpoint", "app", "db",
)  # fmt: skip


def _parts(found: Any) -> list[Any]:
    """What may lead from a part of an application to a Database."""
    if isinstance(found, list | tuple):
        return list(found)
    if isinstance(found, partial):
        return [found.func, *found.args, *found.keywords.values()]
    if inspect.ismethod(found):
        return [found.__self__, found.__func__]
    if inspect.isfunction(found):
        cells = [cell.cell_contents for cell in found.__closure__ or () if _is_set(cell)]
        return [*cells, *(found.__defaults__ or ()), getattr(found, "__wrapped__", None)]
    bases = {base.__module__.partition(".")[0] for base in type(found).__mro__}
    if not bases & {"fastapi", "starlette"}:
        return [getattr(found, "app", None)]  # middleware around an application
    return [getattr(found, name) for name in _ATTRIBUTES if hasattr(found, name)]


def _is_set(cell: Any) -> bool:
    try:
        _ = cell.cell_contents
    except ValueError:
        return False
    return True
