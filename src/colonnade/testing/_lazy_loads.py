"""``no_lazy_loads``: attributes that ask the database when they are looked at."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import ORMExecuteState, Session

from colonnade.database import Database
from colonnade.testing._call_sites import CallSite, is_within, site


@dataclass(frozen=True, slots=True)
class _Load:
    what: str
    site: CallSite | None
    in_response: bool

    def __str__(self) -> str:
        if self.in_response:
            where = "while FastAPI wrote the response"
        elif self.site is None:
            where = "in a library"
        else:
            where = f"at {self.site}, in {self.site.function}: {self.site.text}"
        return f"{self.what} was loaded {where}"


@contextmanager
def no_lazy_loads(database: Database) -> Iterator[None]:
    """Find attributes that are loaded when they are looked at, rather than with their row.

    Each is a separate statement for each row; in a response FastAPI looks at them, after the
    endpoint has returned. Async code meets ``LazyLoadError`` instead.

    Args:
        database: The database.

    Raises:
        AssertionError: There were some; the message names attributes and lines.

    Example:
        ```python
        with no_lazy_loads(database):
            client.get("/tasks/1/report")
        ```
    """
    loads: list[_Load] = []

    def note(state: ORMExecuteState) -> None:
        what = _loaded(state)
        if what is not None and database.has(_engine(state)):
            here = site()
            loads.append(_Load(what, here, here is None and is_within("fastapi")))

    event.listen(Session, "do_orm_execute", note)
    try:
        yield
    finally:
        event.remove(Session, "do_orm_execute", note)
    if loads:
        lines = [f"- {load}" for load in dict.fromkeys(loads)]
        names = sorted({load.what for load in loads})
        raise AssertionError(
            "\n".join([f"{len(loads)} lazy loads:", *lines])
            + f"\nLoad them with the row by options(selectinload({names[0]})), or leave them out "
            "of the response."
        )


def _loaded(state: ORMExecuteState) -> str | None:
    """The attribute that a statement loads; None if it is not a lazy load."""
    if state.is_relationship_load and state.lazy_loaded_from is not None:
        path: Any = state.loader_strategy_path
        relation = path.prop if path is not None and hasattr(path, "prop") else None
        if relation is not None:
            return f"{relation.parent.class_.__name__}.{relation.key}"
        return f"a relation of {state.lazy_loaded_from.mapper.class_.__name__}"
    if state.is_column_load:
        mapper: Any = state.bind_mapper
        return f"a column of {mapper.class_.__name__}"
    return None


def _engine(state: ORMExecuteState) -> Any:
    return state.session.get_bind(mapper=state.bind_mapper).engine
