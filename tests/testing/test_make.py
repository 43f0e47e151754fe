"""``make``: rows of random values that their tables accept; ``frozen``: at one's own time."""

import asyncio
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Literal, Optional
from uuid import UUID, uuid4

import pytest
from pydantic import ValidationError
from sqlalchemy import insert
from sqlalchemy.orm import configure_mappers

from colonnade import Database, Field, Relationship, SQLModel, Timestamps, Versioned, select
from colonnade.errors import FixtureError, ModelError
from colonnade.testing import frozen, make


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


def everything() -> Any:
    class Address(SQLModel):
        street: str
        number: int

    class Everything(Timestamps, Versioned, table=True):
        id: UUID = Field(default_factory=uuid4, primary_key=True)
        status: Literal["pending", "completed"] = "pending"
        colour: Colour
        title: str = Field(min_length=3, max_length=5)
        slug: str = Field(unique=True, max_length=12, schema_extra={"pattern": r"^[a-z]+(-\d+)*$"})
        percent: int = Field(ge=0, le=100)
        share: float = Field(gt=0, lt=1)
        price: Decimal = Field(max_digits=6, decimal_places=2)
        one_of_few: int = Field(unique=True, ge=1, le=40)
        at: datetime
        day: date
        clock: time
        lasts: timedelta
        raw: bytes
        is_it: bool
        tags: list[str]
        numbers: dict[str, int]
        address: Address
        note: str | None = None
        kept: str = Field(readonly=True)
        token: str = Field(secret=True)

    return Everything


def test_rows_that_any_table_accepts(db: Database) -> None:
    Everything = everything()
    db.create_all()
    with db.session() as session:
        session.add_all(make(Everything) for _ in range(30))
        session.commit()
        rows = session.exec(select(Everything)).all()
    assert {row.status for row in rows} == {"pending", "completed"}
    assert len({row.one_of_few for row in rows}) == 30
    assert {row.note is None for row in rows} == {True, False}
    assert all(row.version > 0 and row.created_at for row in rows)


def test_what_is_given_is_kept(db: Database) -> None:
    row = make(everything(), status="completed", note=None)
    assert (row.status, row.note) == ("completed", None)


def work() -> Any:
    class Project(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        name: str
        tasks: list["Task"] = Relationship(back_populates="project", passive_deletes="all")

    class Task(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        title: str
        project_id: int = Field(foreign_key="project.id")
        parent_id: int | None = Field(default=None, foreign_key="task.id")
        project: Optional["Project"] = Relationship(back_populates="tasks")

    class Assignment(SQLModel, table=True):
        task_id: int | None = Field(default=None, foreign_key="task.id", primary_key=True)
        worker: str = Field(primary_key=True)
        task: Optional["Task"] = Relationship()

    class Note(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        task_id: int = Field(foreign_key="task.id")

    configure_mappers()  # the registry alone holds its classes weakly
    return Project, Task, Assignment, Note


def test_a_row_that_must_refer_to_others_comes_with_them(db: Database) -> None:
    Project, Task, Assignment, _ = work()
    db.create_all()
    with db.session() as session:
        session.add(make(Assignment))
        session.add(make(Task, title="Given", project=make(Project, name="Mine")))
        project = Project(name="Stored")
        session.add(project)
        session.commit()
        session.add(make(Task, project_id=project.id))
        session.commit()
        assert len(session.exec(select(Project)).all()) == 3
        tasks = session.exec(select(Task)).all()
        assert [task.parent_id for task in tasks] == [None] * 3
        assert session.exec(select(Assignment)).one().task_id is not None


def test_what_cannot_be_made_says_why() -> None:
    _, Task, _, Note = work()
    with pytest.raises(TypeError, match=r"Task has no 'titel'\. Did you mean title\?"):
        make(Task, titel="x")
    with pytest.raises(FixtureError, match="needs a row of task, to which it has no relation"):
        make(Note)
    assert make(Note, task_id=1).task_id == 1
    with pytest.raises(ValidationError, match="'pending' or 'completed'"):
        make(everything(), status="nonsense")
    with pytest.raises(ModelError, match="is not a table"):
        make(SQLModel)

    class Link(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        next_id: int = Field(foreign_key="link.id")
        next: Optional["Link"] = Relationship(sa_relationship_kwargs={"remote_side": "Link.id"})

    with pytest.raises(FixtureError, match="Link -> Link: each needs the next"):
        make(Link)

    class Switch(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        on: bool = Field(unique=True)

    assert {make(Switch).on for _ in range(2)} == {True, False}
    with pytest.raises(FixtureError, match=r"No value was found for Switch\.on"):
        make(Switch)


def test_the_same_test_has_the_same_values(monkeypatch: pytest.MonkeyPatch) -> None:
    Everything = everything()

    def made(test: str) -> str:
        monkeypatch.setenv("PYTEST_CURRENT_TEST", f"{test} (call)")
        row = make(Everything)
        return str((row.title, row.at, row.numbers, row.slug))

    first = made("test_a.py::test_a")
    assert made("test_a.py::test_b") != first
    assert made("test_a.py::test_a") == first
    assert made("test_a.py::test_a") != first


def test_moments_do_not_depend_on_what_time_it_is() -> None:
    Everything = everything()
    times = [make(Everything).at for _ in range(30)]
    assert min(times).year < 2015
    assert {moment.year for moment in times} <= set(
        range(2000, 2026)
    )  # and never come nearer to now


def test_timestamps_stand_where_the_test_says(db: Database) -> None:
    class Note(Timestamps, table=True):
        id: int | None = Field(default=None, primary_key=True)
        text: str = ""

    db.create_all()
    moment = datetime(2026, 1, 1, 12, tzinfo=UTC)
    with frozen(moment) as clock, db.session() as session:
        note = Note()
        session.add(note)
        session.commit()
        clock.tick(60)
        note.text = "Changed"
        session.commit()
        assert note.updated_at - note.created_at == timedelta(seconds=60)
        asyncio.run(db.run_async(lambda connection: connection.execute(insert(Note))))
        other = session.exec(select(Note).where(Note.text == "")).one()
        assert other.created_at == moment + timedelta(seconds=60)
        clock.set(datetime(2025, 1, 1, tzinfo=UTC))
        assert clock.moment.year == 2025
        with frozen(moment):
            pass
        session.add(Note(text="Later"))
        session.commit()
        later = session.exec(select(Note).where(Note.text == "Later")).one()
        assert later.created_at == datetime(2025, 1, 1, tzinfo=UTC)
    with db.session() as session:
        now = Note()
        session.add(now)
        session.commit()
        assert now.created_at > datetime(2026, 6, 1, tzinfo=UTC)


def test_a_test_has_the_same_values_on_every_database(monkeypatch: pytest.MonkeyPatch) -> None:
    Everything = everything()

    def made(test: str) -> Any:
        for name in ("another", test):  # each begins anew
            monkeypatch.setenv("PYTEST_CURRENT_TEST", f"{name} (call)")
            row = make(Everything).model_dump(exclude={"id"})
        return row

    assert made("a.py::test[sqlite]") == made("a.py::test[postgresql]") == made("a.py::test")
    assert made("a.py::test[memory-1]") == made("a.py::test[1-postgresql]")
    assert made("a.py::test[memory-1]") != made("a.py::test[memory-2]")
