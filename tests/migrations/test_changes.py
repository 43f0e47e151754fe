"""Changes of the models: one revision applies them, keeps the rows, and can be undone."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any, Literal

import pytest
import sqlalchemy as sa
from pydantic import NaiveDatetime

from colonnade import Database, Field, SQLModel, Timestamps
from colonnade.errors import MigrationError
from colonnade.migrations import check, preview_sql
from colonnade.migrations.operations import ChangeType
from tests.migrations.lab import Lab


def first() -> None:
    class Task(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        title: str = Field(max_length=200, index=True)
        status: Literal["open", "done"] = "open"
        progress: int = Field(default=0, ge=0, le=100)


@pytest.fixture
def started(lab: Lab) -> Lab:
    """A project whose table has rows."""
    lab.change(first)
    lab.run(
        "INSERT INTO task (title, status, progress) VALUES ('a', 'open', 0), ('b', 'done', 100)"
    )
    return lab


ROWS = [("a", "open", 0), ("b", "done", 100)]
LOCAL_TIMES = {
    "2026-07-01 12:00:00.000000": "2026-07-01 10:00:00.000000",
    "2026-01-01 00:30:00.000001": "2025-12-31 23:30:00.000001",
    "2026-03-29 02:30:00.000000": "2026-03-29 01:30:00.000000",  # the clock skips this time
    "2026-10-25 02:30:00.000000": "2026-10-25 01:30:00.000000",  # the clock shows it twice
    "0500-01-01 12:00:00.000000": "0500-01-01 11:06:32.000000",
}
"""Times in Berlin, and in UTC."""


def check_round_trip(lab: Lab) -> None:
    """Check that nothing is left to migrate, and that downgrade and upgrade keep the rows."""
    assert lab.drift() == []
    assert lab.maybe() is None
    lab.downgrade()
    assert lab.rows("SELECT title, status, progress FROM task ORDER BY id") == ROWS
    assert lab.drift() == ["The database is 1 revision behind. Run `colonnade upgrade`."]
    lab.upgrade()
    assert lab.drift() == []


@pytest.mark.slow
def test_a_value_is_added_to_a_literal(started: Lab) -> None:
    def second() -> None:
        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            title: str = Field(max_length=200, index=True)
            status: Literal["open", "done", "it's: %(odd)s :x"] = "open"
            progress: int = Field(default=0, ge=0, le=100)

    text = started.change(second)
    assert "steps.replace_check(" in text
    started.run(
        "INSERT INTO task (title, status, progress) VALUES ('c', 'it''s\\: %(odd)s \\:x', 5)"
    )
    started.run("DELETE FROM task WHERE title = 'c'")
    check_round_trip(started)


@pytest.mark.slow
def test_a_bound_changes(started: Lab) -> None:
    def second() -> None:
        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            title: str = Field(max_length=100, index=True)
            status: Literal["open", "done"] = "open"
            progress: int = Field(default=0, ge=0, lt=1000)

    started.change(second)
    started.run("INSERT INTO task (title, status, progress) VALUES ('c', 'open', 999)")
    with pytest.raises(sa.exc.IntegrityError):
        started.run("INSERT INTO task (title, status, progress) VALUES ('c', 'open', 1000)")
    started.run("DELETE FROM task WHERE progress > 100")
    check_round_trip(started)


def renamed() -> None:
    class Task(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        name: str = Field(max_length=200, index=True)
        status: Literal["open", "done"] = "open"
        progress: int = Field(default=0, ge=0, le=100)


@pytest.mark.slow
def test_a_renamed_column_keeps_its_values(started: Lab) -> None:
    text = started.change(renamed, renames={"task.title": "name"})
    assert started.rows("SELECT name FROM task ORDER BY id") == [("a",), ("b",)]
    assert 'steps.rename_column("task", "title", "name")' in text
    assert 'steps.rename_index("task", "ix_task_title", "ix_task_name")' in text
    assert "add_column" not in text
    check_round_trip(started)


def test_a_rename_is_never_guessed(started: Lab) -> None:
    started.models(renamed)
    with pytest.raises(MigrationError, match=r"--rename task.title:name.*--aside.*--drop"):
        started.migrate()


@pytest.mark.slow
def test_a_renamed_table_keeps_its_rows(started: Lab) -> None:
    def second() -> None:
        class Job(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            title: str = Field(max_length=200, index=True)
            status: Literal["open", "done"] = "open"
            progress: int = Field(default=0, ge=0, le=100)

    started.models(second)
    with pytest.raises(MigrationError, match="--rename task:job"):
        started.migrate()
    started.change(second, renames={"task": "job"})
    assert started.rows("SELECT title, status, progress FROM job ORDER BY id") == ROWS
    check_round_trip(started)


@pytest.mark.slow
def test_existing_rows_get_a_value_in_a_required_column(started: Lab) -> None:
    def second() -> None:
        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            title: str = Field(max_length=200, index=True)
            status: Literal["open", "done"] = "open"
            progress: int = Field(default=0, ge=0, le=100)
            owner: str = Field(max_length=20)
            priority: Literal["low", "high"] = "low"
            tags: list[str] = Field(default_factory=list)

    started.models(second)
    with pytest.raises(MigrationError, match=r"--fill task\.owner=VALUE"):
        started.migrate()
    text = started.change(second, fills={"task.owner": "nobody"})
    assert 'steps.require("task", "owner", "nobody")' in text
    assert started.rows("SELECT owner, priority FROM task") == [("nobody", "low")] * 2
    check_round_trip(started)


def test_given_values_are_stored_unchanged_in_existing_rows(started: Lab) -> None:
    def second() -> None:
        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            title: str = Field(max_length=200, index=True)
            status: Literal["open", "done"] = "open"
            progress: int = Field(default=0, ge=0, le=100)
            owner: str
            note: str = "50%: :x %(a)s"

    started.change(second, fills={"task.owner": "100% :x"})
    assert started.rows("SELECT owner, note FROM task") == [("100% :x", "50%: :x %(a)s")] * 2


@pytest.mark.slow
def test_added_timestamps_have_the_time_of_the_upgrade(started: Lab) -> None:
    def second() -> None:
        class Task(Timestamps, table=True):
            id: int | None = Field(default=None, primary_key=True)
            title: str = Field(max_length=200, index=True)
            status: Literal["open", "done"] = "open"
            progress: int = Field(default=0, ge=0, le=100)

    started.change(second)
    assert started.rows("SELECT count(*) FROM task WHERE created_at IS NOT NULL") == [(2,)]
    check_round_trip(started)


@pytest.mark.slow
def test_a_table_with_rows_gets_an_index_a_unique_and_a_foreign_key(started: Lab) -> None:
    def second() -> None:
        class Project(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)

        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            title: str = Field(max_length=200, index=True, unique=True)
            status: Literal["open", "done"] = Field(default="open", index=True)
            progress: int = Field(default=0, ge=0, le=100)
            project_id: int | None = Field(
                default=None, foreign_key="project.id", ondelete="CASCADE"
            )

    text = started.change(second)
    assert "steps.add_index(" in text
    assert "steps.add_foreign_key(" in text
    check_round_trip(started)


@pytest.mark.slow
def test_a_removed_column_is_put_aside_and_restored(started: Lab) -> None:
    def second() -> None:
        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            title: str = Field(max_length=200, index=True)
            status: Literal["open", "done"] = "open"

    started.change(second)
    held = started.rows("SELECT progress__dropped FROM task ORDER BY id")
    assert held == [(0,), (100,)]
    started.run("INSERT INTO task (title, status) VALUES ('c', 'open')")
    started.run("DELETE FROM task WHERE title = 'c'")
    check_round_trip(started)
    assert started.aside == ["task.progress"]
    text = started.migrate(drops=frozenset({"task.progress"})).path.read_text()
    assert 'batch_op.drop_column("progress__dropped")' in text
    started.upgrade(allow=["loses-data"])
    check(started.history, started.db.url, SQLModel.metadata)
    started.downgrade()
    assert started.rows("SELECT title, progress__dropped FROM task ORDER BY id") == [
        ("a", None), ("b", None)
    ]  # fmt: skip


@pytest.mark.slow
def test_a_removed_table_is_put_aside(
    started: Lab, postgresql_database: str, tmp_path: Path
) -> None:
    def second() -> None:
        class Other(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            colour: str
            shape: str
            size: int

    started.change(second)
    assert len(started.rows("SELECT * FROM task__dropped")) == 2
    check_round_trip(started)
    started.change(second, drops=frozenset({"task"}), allow=["loses-data"])
    check(started.history, started.db.url, SQLModel.metadata)
    started.downgrade()
    assert started.rows("SELECT title, status, progress FROM task__dropped") == []
    on_sqlite = started.db.url.backend == "sqlite"
    started.db = Database(postgresql_database if on_sqlite else f"sqlite:///{tmp_path}/other.db")
    started.upgrade(allow=["loses-data"])
    check(started.history, started.db.url, SQLModel.metadata)
    started.db.dispose()


def naive_event() -> None:
    class Event(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        at: NaiveDatetime


def aware_event() -> None:
    class Event(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        at: datetime


def test_naive_datetimes_become_aware_in_the_given_time_zone(lab: Lab) -> None:
    on_sqlite = lab.db.url.backend == "sqlite"

    lab.change(naive_event)
    for local in LOCAL_TIMES:
        lab.run(f"INSERT INTO event (at) VALUES ('{local}')")
    lab.models(aware_event)
    with pytest.raises(MigrationError, match="--zone UTC"):
        lab.migrate()
    lab.change(aware_event, zone="Europe/Berlin")
    at = "at" if on_sqlite else "to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')"
    rows = [at for (at,) in lab.rows(f"SELECT {at} FROM event ORDER BY id")]
    assert rows == list(LOCAL_TIMES.values())
    assert lab.drift() == []
    lab.downgrade()
    (first, *_) = lab.rows("SELECT at FROM event ORDER BY id")
    assert datetime.fromisoformat(str(first[0])) == datetime(2026, 7, 1, 12)


def test_no_sql_script_converts_times_on_sqlite(lab: Lab) -> None:
    lab.change(naive_event)
    lab.models(aware_event)
    lab.migrate(zone="Europe/Berlin")
    if lab.db.url.backend == "postgresql":
        assert "AT TIME ZONE 'Europe/Berlin'" in preview_sql(lab.history, lab.db)
    else:
        with pytest.raises(MigrationError, match="without --sql"):
            preview_sql(lab.history, lab.db)


@pytest.mark.parametrize("was", [sa.DateTime(timezone=True), sa.String(), sa.Date()])
def test_a_zone_needs_a_column_that_gets_or_loses_its_time_zone(was: Any) -> None:
    with pytest.raises(MigrationError, match="zone applies only"):
        ChangeType("event", "at", sa.DateTime(timezone=True), was, zone="Europe/Berlin")
    with pytest.raises(MigrationError, match="Unknown time zone 'Mars'"):
        ChangeType("event", "at", sa.DateTime(timezone=True), sa.DateTime(), zone="Mars")


def test_an_enum_stored_by_name_is_converted_to_its_values(lab: Lab) -> None:
    import sqlmodel

    class Colour(Enum):
        RED = "red"
        BLUE = "blue"

    def stock() -> None:
        class Car(sqlmodel.SQLModel, table=True):
            id: int | None = sqlmodel.Field(default=None, primary_key=True)
            colour: Colour

    def ours() -> None:
        class Car(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            colour: Colour

    lab.change(stock)
    lab.run("INSERT INTO car (colour) VALUES ('RED'), ('BLUE')")
    text = lab.change(ours)
    assert "steps.map_values(" in text
    assert lab.rows("SELECT colour FROM car ORDER BY id") == [("red",), ("blue",)]
    assert lab.drift() == []


@pytest.mark.slow
def test_a_type_changes_together_with_its_default(lab: Lab, postgresql_database: str) -> None:
    """The revision also runs on the database that it was not written on."""

    def define(kind: type, default: str | None) -> Callable[[], object]:
        def define() -> None:
            class Task(SQLModel, table=True):
                __annotations__ = {"id": int | None, "count": kind}
                id = Field(default=None, primary_key=True)
                count = Field(sa_column_kwargs={"server_default": default})

        return define

    lab.change(define(str, "5"))
    lab.run("INSERT INTO task (count) VALUES ('7')")
    lab.change(define(int, "6"))
    lab.run("INSERT INTO task DEFAULT VALUES")
    assert lab.rows("SELECT count FROM task ORDER BY id") == [(7,), (6,)]
    assert lab.drift() == []
    check(lab.history, lab.db.url, SQLModel.metadata)
    lab.change(define(str, None))
    assert lab.drift() == []
    lab.db = Database(postgresql_database)
    lab.upgrade()
    assert lab.drift() == []
    check(lab.history, lab.db.url, SQLModel.metadata)
    lab.db.dispose()


@pytest.mark.slow
def test_server_defaults_and_comments_change(started: Lab) -> None:
    def second() -> None:
        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            title: str = Field(
                max_length=200, index=True, sa_column_kwargs={"comment": "What it is"}
            )
            status: Literal["open", "done"] = "open"
            progress: int = Field(default=0, ge=0, le=100, sa_column_kwargs={"server_default": "7"})

    started.change(second)
    started.run("INSERT INTO task (title, status) VALUES ('c', 'open')")
    assert started.rows("SELECT progress FROM task WHERE title = 'c'") == [(7,)]
    started.run("DELETE FROM task WHERE title = 'c'")
    check_round_trip(started)


def test_tables_of_other_applications_are_ignored(started: Lab) -> None:
    started.run("CREATE TABLE _litestream_seq (id INTEGER PRIMARY KEY, seq INTEGER)")
    assert started.maybe() is None
    assert started.drift() == []


def test_revisions_need_no_formatting_by_ruff(started: Lab) -> None:
    def second() -> None:
        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            name: str = Field(max_length=200, index=True)
            status: Literal["open", "done", "waiting for somebody", "given up for good"] = "open"
            progress: int = Field(default=0, ge=0, le=100)
            meta: dict[str, Any] = Field(default_factory=dict)
            numbers: list[int] = Field(default_factory=list, max_length=3)

    started.change(second, renames={"task.title": "name"})
    for path in sorted(started.history.folder.glob("*.py")):
        ruff = [sys.executable, "-m", "ruff"]
        checked = subprocess.run(
            [*ruff, "format", "--isolated", "--diff", str(path)],
            check=False,
            capture_output=True,
            text=True,
            cwd=path.parent,
        )
        assert checked.stdout == ""
        linted = subprocess.run(
            [*ruff, "check", "--isolated", "--select", "F,I,E4,E7,E9,W", str(path)],
            check=False,
            capture_output=True,
            text=True,
            cwd=path.parent,  # outside the repository, where colonnade is a third-party package
        )
        assert linted.returncode == 0, linted.stdout


@pytest.mark.slow
def test_a_removed_literal_value_is_replaced(started: Lab) -> None:
    def second() -> None:
        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            title: str = Field(max_length=200, index=True)
            status: Literal["open", "finished"] = "open"
            progress: int = Field(default=0, ge=0, le=100)

    started.models(second)
    with pytest.raises(MigrationError, match=r"--map task\.status:done=VALUE"):
        started.migrate()
    started.migrate(maps={"task.status": {"done": ""}})
    with pytest.raises(MigrationError, match=r"1 row does not meet [\s\S]*--map"):
        started.upgrade()
    for path in started.history.folder.glob("*change*.py"):
        path.unlink()
    started.reopen()
    text = started.change(second, maps={"task.status": {"done": "finished"}})
    assert 'values={"done": "finished"}' in text
    assert started.rows("SELECT status FROM task ORDER BY id") == [("open",), ("finished",)]
    assert started.drift() == []


def test_swapped_values_are_mapped_once(started: Lab) -> None:
    started.write("""steps.map_values("task", "status", {"open": "done", "done": "open"})""")
    started.upgrade(guarded=False)
    assert started.rows("SELECT title, status FROM task ORDER BY id") == [
        ("a", "done"), ("b", "open")
    ]  # fmt: skip


def test_missing_answers_are_prompted_for(started: Lab) -> None:
    class Person:
        def __init__(self) -> None:
            self.prompts: list[str] = []

        def choose(self, question: str, answers: Sequence[str]) -> int:
            self.prompts += [question, *answers]
            return 0

        def ask(self, question: str, default: str | None = None) -> str:
            self.prompts.append(question)
            return "somebody"

    def second() -> None:
        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            name: str = Field(max_length=200, index=True)
            status: Literal["open", "done"] = "open"
            progress: int = Field(default=0, ge=0, le=100)
            owner: str

    person = Person()
    started.change(second, asker=person)
    assert person.prompts == [
        "The column task.title is",
        "renamed to name",
        "renamed to owner",
        "removed: put it aside and keep its data",
        "removed: drop it with its data",
        "task.owner is new and NOT NULL. Value for existing rows",
    ]
    assert started.rows("SELECT name, owner FROM task ORDER BY id") == [
        ("a", "somebody"),
        ("b", "somebody"),
    ]


def test_rows_of_a_table_put_aside_survive_the_deletion_of_their_parents(lab: Lab) -> None:
    def owners() -> None:
        class Owner(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)

    def both() -> None:
        owners()

        class Thing(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            owner_id: int = Field(foreign_key="owner.id", ondelete="CASCADE")

    lab.change(both)
    lab.run("INSERT INTO owner (id) VALUES (1)", "INSERT INTO thing (owner_id) VALUES (1)")
    lab.change(owners)
    assert lab.drift() == []
    lab.downgrade()
    lab.upgrade()
    lab.run("DELETE FROM owner")
    assert lab.rows("SELECT count(*) FROM thing__dropped") == [(1,)]
