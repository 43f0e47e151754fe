"""``no_lazy_loads``: an assertion that no attribute is loaded lazily."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import ORMExecuteState, Session

from colonnade.database import Database
from colonnade.testing._call_sites import CallSite, current_call_site, is_called_from


@dataclass(frozen=True, slots=True)
class _Load:
    attribute: str
    site: CallSite | None
    in_response: bool

    def __str__(self) -> str:
        if self.in_response:
            where = "while FastAPI serialized the response"
        elif self.site is None:
            where = "in a library"
        else:
            where = f"at {self.site}, in {self.site.function}: {self.site.text}"
        return f"{self.attribute} was loaded {where}"


@contextmanager
def no_lazy_loads(database: Database) -> Iterator[None]:
    """Find attributes that are loaded on access instead of with their row.

    A lazy load costs a statement for each row. FastAPI triggers them when it serializes a
    response, after the endpoint has returned. Async code raises ``LazyLoadError`` instead.

    Args:
        database: The database.

    Raises:
        AssertionError: There were lazy loads; the message names the attributes and lines.

    Examples:
        ```python
        from colonnade import Database, Field, Relationship, SQLModel
        from colonnade.testing import no_lazy_loads


        class Project(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            tasks: list["Task"] = Relationship()


        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            project_id: int | None = Field(default=None, foreign_key="project.id")


        db = Database("sqlite:///tasks.db")
        db.create_all()
        with db.session() as session:
            session.add(Project(id=1))
            session.commit()
        try:
            with db.session() as session, no_lazy_loads(db):
                len(session.get_one(Project, 1).tasks)
        except AssertionError as error:
            print(str(error).splitlines()[0])  # 1 lazy load:
        ```
    """
    loads: list[_Load] = []

    def record(state: ORMExecuteState) -> None:
        attribute = _lazy_attribute(state)
        if attribute is not None and database.has(_engine(state)):
            site = current_call_site()
            loads.append(_Load(attribute, site, site is None and is_called_from("fastapi")))

    event.listen(Session, "do_orm_execute", record)
    try:
        yield
    finally:
        event.remove(Session, "do_orm_execute", record)
    if loads:
        lines = [f"- {load}" for load in dict.fromkeys(loads)]
        names = sorted({load.attribute for load in loads})
        raise AssertionError(
            "\n".join([f"{len(loads)} lazy load{'' if len(loads) == 1 else 's'}:", *lines])
            + f"\nLoad them with the row, using options(selectinload({names[0]})), or leave them "
            "out of the response."
        )


def _lazy_attribute(state: ORMExecuteState) -> str | None:
    """The attribute that a statement loads lazily; None if it is not a lazy load."""
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
