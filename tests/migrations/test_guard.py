"""What is dangerous is stopped before anything is run, with the number of rows."""

from typing import Any

import pytest
import sqlalchemy as sa

from colonnade import Field, SQLModel
from colonnade.migrations import Finding, RefusedError
from colonnade.migrations.guard._assessor import _rewrites
from tests.migrations.lab import Lab


def tasks() -> None:
    class Task(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        title: str
        size: int | None = None


@pytest.fixture
def filled(lab: Lab) -> Lab:
    lab.change(tasks)
    lab.run("INSERT INTO task (title, size) VALUES ('a', 1), ('a', NULL)")
    return lab


def refused(lab: Lab, body: str, down: str = "op.execute('SELECT 1')") -> list[Finding]:
    lab.write(body, down)
    before = lab.rows("SELECT * FROM task ORDER BY id")
    with pytest.raises(RefusedError) as raised:
        lab.upgrade()
    assert lab.rows("SELECT * FROM task ORDER BY id") == before
    assert "Nothing was run" in str(raised.value)
    return list(raised.value.findings)


@pytest.mark.parametrize(
    ("body", "name", "why"),
    [
        ("op.drop_table('task')", "loses-data:task", "2 rows"),
        ("op.drop_column('task', 'size')", "loses-data:task.size", "1 rows have a value"),
        ("with op.batch_alter_table('task') as batch:\n    batch.drop_column('size')",
         "loses-data:task.size", "1 rows have a value"),
        ("op.add_column('task', sa.Column('one', sa.Integer, nullable=False))",
         "fails:task.one", "2 rows"),
        ("steps.set_not_null('task', 'size')", "fails:task.size", "1 rows have no value"),
        ("steps.add_check('ck', 'task', \"title <> 'a'\")", "fails:ck", "2 rows do not meet"),
        ("steps.add_unique('uq', 'task', ['title'])", "fails:uq", "2 rows have the same title"),
        ("steps.map_values('task', 'title', {'a': 'x', 'b': 'x'})", "cannot-undo:task.title",
         "several values become one"),
    ],
)  # fmt: skip
def test_each_kind_is_named_with_what_there_is(filled: Lab, body: str, name: str, why: str) -> None:
    findings = refused(filled, body)
    assert [difference.name for difference in findings] == [name]
    assert why in findings[0].why


def test_sql_that_deletes_is_seen(filled: Lab) -> None:
    for sql in ("DELETE FROM task", "drop table task"):
        (finding,) = refused(filled, f'op.execute("{sql}")')
        assert finding.kind == "loses-data"
        newest = filled.history.revisions[-1]
        import os

        os.remove(newest.path)
        filled.history.forget()


@pytest.mark.parametrize(
    ("old", "new", "is_written_anew"),
    [
        (sa.Enum("a", name="mood"), sa.String(), True),
        (sa.String(), sa.Enum("a", name="mood"), True),
        (sa.Enum("a", name="mood"), sa.Enum("a", name="feeling"), True),
        (sa.Enum("a", name="mood"), sa.Enum("a", "b", name="mood"), False),
        (sa.String(5), sa.String(9), False),
        (sa.String(9), sa.String(5), True),
        (sa.Integer(), sa.BigInteger(), True),
    ],
)
def test_which_types_a_table_is_written_anew_for(old: Any, new: Any, is_written_anew: bool) -> None:
    assert _rewrites(old, new) is is_written_anew


@pytest.mark.parametrize("down", ["pass", "raise NotImplementedError"])
def test_a_revision_that_cannot_be_taken_back_is_said_to_be_one(filled: Lab, down: str) -> None:
    (finding,) = refused(filled, "op.execute(\"UPDATE task SET title = 'b'\")", down)
    assert finding.kind == "cannot-undo"
    filled.upgrade(allow=frozenset({finding.name}))
    assert filled.rows("SELECT DISTINCT title FROM task") == [("b",)]


@pytest.mark.parametrize(
    "body",
    [
        "op.get_bind().execute(sa.text('DELETE FROM task'))",
        "op.get_context().connection.execute(sa.text('DELETE FROM task'))",
        "op.get_context().bind.execute(sa.text('DELETE FROM task'))\nop.drop_table('task')",
    ],
)
def test_what_goes_by_the_databases_answers_is_not_judged_and_not_run(
    filled: Lab, body: str
) -> None:
    (finding,) = refused(filled, body)
    assert finding.kind == "not-judged"


def test_what_is_allowed_is_run_and_what_would_fail_cannot_be(filled: Lab) -> None:
    filled.write("op.drop_column('task', 'size')", "op.execute('SELECT 1')")
    filled.upgrade(allow=frozenset({"loses-data"}))
    filled.write("steps.add_unique('uq', 'task', ['title'])", "op.execute('SELECT 1')")
    with pytest.raises(RefusedError, match="fails:uq"):
        filled.upgrade(allow=frozenset({"fails", "fails:uq"}))


def test_an_empty_table_and_a_column_without_values_lose_nothing(lab: Lab) -> None:
    lab.change(tasks)
    lab.run("INSERT INTO task (title) VALUES ('a')")
    lab.write("op.drop_column('task', 'size')", "op.execute('SELECT 1')")
    lab.upgrade()
    lab.run("DELETE FROM task")
    lab.write("op.drop_table('task')", "op.execute('SELECT 1')")
    lab.upgrade()


LOCKING: list[Any] = [
    ("op.create_index('ix', 'task', ['title'])", "writers of task wait", "steps.add_index"),
    ("op.create_check_constraint('ck', 'task', 'id > 0')", "writers of task wait",
     "steps.add_check"),
    ("op.alter_column('task', 'title', nullable=False)", "readers and writers",
     "steps.set_not_null"),
    ("steps.change_type('task', 'size', sa.BigInteger(), sa.Integer())", "readers and writers",
     "add a column of the new type"),
    ("op.add_column('task', sa.Column('one', sa.Text, server_default=sa.text('random()::text')))",
     "readers and writers", "add it without the default"),
    ("op.add_column('task', sa.Column('one', sa.Uuid, "
     "server_default=sa.text('pg_catalog.gen_random_uuid()')))",
     "readers and writers", "add it without the default"),
    ('op.execute("ALTER TABLE task ADD CONSTRAINT ck CHECK (id > 0)")', "squawk", ""),
]  # fmt: skip


@pytest.mark.parametrize(("body", "why", "instead"), LOCKING)
def test_what_locks_a_large_table_is_stopped_on_postgresql(
    filled: Lab, body: str, why: str, instead: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if filled.db.url.backend != "postgresql":
        pytest.skip("SQLite has one writer at a time")
    from colonnade.migrations.guard import _assessor as _judging

    for rate in ("READ", "BUILT", "WRITTEN"):  # as if the disk were slow, or the table large
        monkeypatch.setattr(_judging, rate, 100.0)
    findings = next(finding for finding in refused(filled, body) if finding.kind == "locks")
    assert why in findings.why
    assert findings.instead.startswith(instead)


@pytest.mark.parametrize(
    "body",
    [
        "steps.add_index('ix', 'task', ['title'])",
        "steps.add_check('ck', 'task', 'id > 0')",
        "op.add_column('task', sa.Column('one', sa.Integer))",
        "op.add_column('task', sa.Column('one', sa.Integer, server_default='1', nullable=False))",
        "op.add_column('task', sa.Column('one', sa.Text, server_default='a random uuid()'))",
        "op.add_column('task', sa.Column('one', sa.DateTime, server_default=sa.text('now()')))",
        "op.add_column('task', sa.Column('one', sa.Text, server_default=sa.text(\"upper('a')\")))",
        "steps.rename_column('task', 'size', 'length')",
        "steps.put_aside('task', 'size')",
    ],
)
def test_what_is_safe_on_a_large_table_is_run(
    filled: Lab, body: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if filled.db.url.backend != "postgresql":
        pytest.skip("SQLite has one writer at a time")
    from colonnade.migrations.guard import _assessor as _judging

    for rate in ("READ", "BUILT", "WRITTEN"):
        monkeypatch.setattr(_judging, rate, 100.0)
    filled.write(body, "op.execute('SELECT 1')")
    filled.upgrade()
