"""A full-text index that a SQLite history creates by raw SQL is left alone."""

import pytest

from colonnade import Field, SQLModel
from colonnade.migrations import check
from tests.migrations.lab import Lab

CREATE_INDEX = """
op.execute("CREATE VIRTUAL TABLE task_search USING fts5(title, content='task', content_rowid='id')")
op.execute("INSERT INTO task_search(task_search) VALUES ('rebuild')")
"""


def tasks() -> None:
    class Task(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        title: str


def tasks_with_a_size() -> None:
    class Task(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        title: str
        size: int | None = None


@pytest.mark.only_on("sqlite")
def test_migrations_leave_virtual_tables_and_their_shadow_tables_alone(lab: Lab) -> None:
    lab.change(tasks)
    lab.run("INSERT INTO task (title) VALUES ('a needle')")
    lab.write(CREATE_INDEX, "op.execute('DROP TABLE task_search')")
    lab.upgrade()
    assert lab.maybe() is None
    assert lab.drift() == []
    check(lab.history, lab.db.url, SQLModel.metadata)
    assert "task_search" not in lab.change(tasks_with_a_size)
    assert lab.rows("SELECT rowid FROM task_search WHERE task_search MATCH 'needle'") == [(1,)]
