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
        thing = waiting.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if isinstance(thing, Database):
            yield thing
        else:
            waiting += _parts(thing)


_ATTRIBUTES = (
    "router", "routes", "original_router", "lifespan_context", "dependencies", "dependency",
    "dependant", "call", "endpoint", "app", "db",
)  # fmt: skip


def _parts(thing: Any) -> list[Any]:
    """What may lead from a part of an application to a Database."""
    if isinstance(thing, list | tuple):
        return list(thing)
    if isinstance(thing, partial):
        return [thing.func, *thing.args, *thing.keywords.values()]
    if inspect.ismethod(thing):
        return [thing.__self__, thing.__func__]
    if inspect.isfunction(thing):
        cells = [cell.cell_contents for cell in thing.__closure__ or () if _is_set(cell)]
        return [*cells, *(thing.__defaults__ or ()), getattr(thing, "__wrapped__", None)]
    bases = {base.__module__.partition(".")[0] for base in type(thing).__mro__}
    if not bases & {"fastapi", "starlette"}:
        return [getattr(thing, "app", None)]  # middleware around an application
    return [getattr(thing, name) for name in _ATTRIBUTES if hasattr(thing, name)]


def _is_set(cell: Any) -> bool:
    try:
        _ = cell.cell_contents
    except ValueError:
        return False
    return True
