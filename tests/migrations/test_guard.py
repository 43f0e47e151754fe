"""The guard refuses dangerous steps before anything runs, by the existing rows."""

from typing import Any

import pytest
import sqlalchemy as sa

from colonnade import Field, SQLModel
from colonnade.migrations import Finding, RefusedError
from colonnade.migrations.guard import _assessor
from colonnade.migrations.guard._assessor import needs_rewrite
from colonnade.migrations.guard._volatile_defaults import called_functions
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
        ("op.drop_column('task', 'size')", "loses-data:task.size", "1 row has a value"),
        ("with op.batch_alter_table('task') as batch:\n    batch.drop_column('size')",
         "loses-data:task.size", "1 row has a value"),
        ("op.add_column('task', sa.Column('one', sa.Integer, nullable=False))",
         "fails:task.one", "2 rows"),
        ("steps.set_not_null('task', 'size')", "fails:task.size", "1 row has no value"),
        ("steps.add_check('ck', 'task', \"title <> 'a'\")", "fails:ck", "2 rows do not meet"),
        ("steps.add_unique('uq', 'task', ['title'])", "fails:uq", "2 rows have the same title"),
        ("steps.map_values('task', 'title', {'a': 'x', 'b': 'x'})", "cannot-undo:task.title",
         "several values become the same value"),
    ],
)  # fmt: skip
def test_a_finding_has_a_name_and_counts_rows(filled: Lab, body: str, name: str, why: str) -> None:
    (finding,) = refused(filled, body)
    assert finding.name == name
    assert why in finding.why


@pytest.mark.parametrize("sql", ["DELETE FROM task", "drop table task"])
def test_raw_sql_that_deletes_rows_loses_data(filled: Lab, sql: str) -> None:
    (finding,) = refused(filled, f'op.execute("{sql}")')
    assert finding.kind == "loses-data"


@pytest.mark.parametrize(
    ("old", "new", "is_rewritten"),
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
def test_a_table_is_rewritten_for_incompatible_types(
    old: Any, new: Any, is_rewritten: bool
) -> None:
    assert needs_rewrite(old, new) is is_rewritten


@pytest.mark.parametrize("down", ["pass", "raise NotImplementedError"])
def test_a_revision_without_a_downgrade_cannot_be_undone(filled: Lab, down: str) -> None:
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
def test_a_revision_that_queries_the_database_is_refused_and_not_run(
    filled: Lab, body: str
) -> None:
    (finding,) = refused(filled, body)
    assert finding.kind == "not-judged"


def test_a_step_can_be_allowed_unless_it_would_fail(filled: Lab) -> None:
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


@pytest.mark.parametrize(
    ("expression", "functions"),
    [
        ("'random'", set()),
        ("'it''s random()' || E'\\'uuid()'", set()),
        ("$tag$random()$tag$", set()),
        ("now() /* random() */ -- uuid()", {"now"}),
        ("md5(Random () :: text)", {"md5", "random"}),
        ('public."Code"(1)', {"Code"}),
        ("random", set()),
    ],
)
def test_function_calls_are_found_outside_of_strings_and_comments(
    expression: str, functions: set[str]
) -> None:
    assert called_functions(expression) == functions


LOCKING: list[Any] = [
    ("op.create_index('ix', 'task', ['title'])", "writers of task are blocked",
     "steps.add_index"),
    ("op.create_check_constraint('ck', 'task', 'id > 0')", "writers of task are blocked",
     "steps.add_check"),
    ("op.alter_column('task', 'title', nullable=False)", "readers and writers",
     "steps.set_not_null"),
    ("steps.change_type('task', 'size', sa.BigInteger(), sa.Integer())", "readers and writers",
     "add a column of the new type"),
    ("op.add_column('task', sa.Column('one', sa.Text, server_default=sa.text('random()::text')))",
     "readers and writers", "add the column without the default"),
    ("op.add_column('task', sa.Column('one', sa.Uuid, "
     "server_default=sa.text('pg_catalog.gen_random_uuid()')))",
     "readers and writers", "add the column without the default"),
    ("op.add_column('task', sa.Column('u', sa.Uuid, server_default=sa.text('gen_random_uuid()')))",
     "readers and writers", "add the column without the default"),
    ("op.add_column('task', sa.Column('n', sa.Float, server_default=sa.func.random()))",
     "readers and writers", "add the column without the default"),
    ('op.execute("ALTER TABLE task ADD CONSTRAINT ck CHECK (id > 0)")', "squawk", ""),
]  # fmt: skip


@pytest.fixture
def slow_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """The guard expects every step on a table to take long."""
    for rate in ("SCAN_RATE", "INDEX_RATE", "REWRITE_RATE"):
        monkeypatch.setattr(_assessor, rate, 100.0)


@pytest.mark.only_on("postgresql")
@pytest.mark.usefixtures("slow_disk")
@pytest.mark.parametrize(("body", "why", "instead"), LOCKING)
def test_a_step_that_locks_a_large_table_is_refused(
    filled: Lab, body: str, why: str, instead: str
) -> None:
    finding = next(finding for finding in refused(filled, body) if finding.kind == "locks")
    assert why in finding.why
    assert finding.instead.startswith(instead)


@pytest.mark.only_on("postgresql")
@pytest.mark.usefixtures("slow_disk")
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
        "op.add_column('task', sa.Column('kind', sa.String, server_default='random'))",
        "op.add_column('task', sa.Column('kind', sa.String, server_default=sa.text(\"'uuid()'\")))",
        "op.add_column('task', sa.Column('day', sa.DateTime, server_default=sa.func.now()))",
    ],
)
def test_a_safe_step_on_a_large_table_runs(filled: Lab, body: str) -> None:
    filled.write(body, "op.execute('SELECT 1')")
    filled.upgrade()
