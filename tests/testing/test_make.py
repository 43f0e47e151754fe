"""``make`` builds rows with random valid values; ``frozen`` stops the clock of ``Timestamps``."""

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


def everything_model() -> Any:
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


def test_random_rows_are_valid(db: Database) -> None:
    Everything = everything_model()
    db.create_all()
    with db.session() as session:
        session.add_all(make(Everything) for _ in range(30))
        session.commit()
        rows = session.exec(select(Everything)).all()
    assert {row.status for row in rows} == {"pending", "completed"}
    assert len({row.one_of_few for row in rows}) == 30
    assert {row.note is None for row in rows} == {True, False}
    assert all(row.version > 0 and row.created_at for row in rows)


def test_values_passed_to_make_are_kept(db: Database) -> None:
    row = make(everything_model(), status="completed", note=None)
    assert (row.status, row.note) == ("completed", None)


def task_models() -> Any:
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

    configure_mappers()  # so that the classes refer to each other: the registry holds them weakly
    return Project, Task, Assignment, Note


def test_make_creates_required_parent_rows(db: Database) -> None:
    Project, Task, Assignment, _ = task_models()
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


def test_make_explains_why_a_row_cannot_be_built() -> None:
    _, Task, _, Note = task_models()
    with pytest.raises(
        TypeError, match=r"Task has no column or relation 'titel'\. Did you mean title"
    ):
        make(Task, titel="x")
    with pytest.raises(FixtureError, match="Note needs a row of task, and has no relation to it"):
        make(Note)
    assert make(Note, task_id=1).task_id == 1
    with pytest.raises(ValidationError, match="'pending' or 'completed'"):
        make(everything_model(), status="nonsense")
    with pytest.raises(ModelError, match="is not a table"):
        make(SQLModel)

    class Link(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        next_id: int = Field(foreign_key="link.id")
        next: Optional["Link"] = Relationship(sa_relationship_kwargs={"remote_side": "Link.id"})

    with pytest.raises(FixtureError, match="parent rows form a cycle, Link -> Link"):
        make(Link)

    class Switch(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        on: bool = Field(unique=True)

    assert {make(Switch).on for _ in range(2)} == {True, False}
    with pytest.raises(
        FixtureError, match=r"Could not generate a valid and unused value for Switch\.on"
    ):
        make(Switch)


def test_a_test_gets_the_same_values_on_each_run(monkeypatch: pytest.MonkeyPatch) -> None:
    Everything = everything_model()

    def make_in(test: str) -> str:
        monkeypatch.setenv("PYTEST_CURRENT_TEST", f"{test} (call)")
        row = make(Everything)
        return str((row.title, row.at, row.numbers, row.slug))

    first = make_in("test_a.py::test_a")
    assert make_in("test_a.py::test_b") != first
    assert make_in("test_a.py::test_a") == first
    assert make_in("test_a.py::test_a") != first


def test_times_are_within_their_bounds() -> None:
    first, end = datetime(2000, 1, 1, tzinfo=UTC), datetime(2000, 1, 1, 0, 0, 1, tzinfo=UTC)

    class Event(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        starts_at: datetime = Field(ge=first, lt=end)
        day: date = Field(gt=date(2026, 1, 1), le=date(2026, 1, 2))
        ended_at: datetime | None = Field(le=first)
        length: timedelta = Field(gt=timedelta(0), lt=timedelta(microseconds=2))
        early: date = Field(le=date(5, 1, 1))
        late: datetime = Field(ge=datetime(9990, 1, 1, tzinfo=UTC))

    for event in (make(Event) for _ in range(20)):
        assert first <= event.starts_at < end
        assert event.ended_at is None or event.ended_at <= first
        assert (event.day, event.length) == (date(2026, 1, 2), timedelta(microseconds=1))


def test_dates_do_not_depend_on_the_clock() -> None:
    Everything = everything_model()
    times = [make(Everything).at for _ in range(30)]
    assert min(times).year < 2015
    assert {moment.year for moment in times} <= set(range(2000, 2026))


def test_frozen_sets_the_time_of_timestamps(db: Database) -> None:
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


def test_a_test_gets_the_same_values_on_every_database(monkeypatch: pytest.MonkeyPatch) -> None:
    Everything = everything_model()

    def make_in(test: str) -> Any:
        for name in ("another", test):  # another test in between
            monkeypatch.setenv("PYTEST_CURRENT_TEST", f"{name} (call)")
            row = make(Everything).model_dump(exclude={"id"})
        return row

    assert (
        make_in("a.py::test[sqlite]") == make_in("a.py::test[postgresql]") == make_in("a.py::test")
    )
    assert make_in("a.py::test[memory-1]") == make_in("a.py::test[1-postgresql]")
    assert make_in("a.py::test[memory-1]") != make_in("a.py::test[memory-2]")
