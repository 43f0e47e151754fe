"""An interrupted revision is shown, finished and reverted; errors say which steps are done."""

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic_core import PydanticUndefined

from colonnade import Field, SQLModel
from colonnade.errors import MigrationError
from colonnade.health import health_router
from colonnade.migrations import RefusedError, unfinished_revisions
from tests.migrations.lab import Lab


def tasks(**extra_fields: Any) -> Callable[[], object]:
    def define() -> object:
        class Base(SQLModel):
            id: int | None = Field(default=None, primary_key=True)
            size: int | None = None

        annotations = {name: kind for name, (kind, _) in extra_fields.items()}
        fields = {name: field for name, (_, field) in extra_fields.items()}
        make: Any = type(SQLModel)
        body = {"__annotations__": annotations, "__module__": __name__, **fields}
        return make("Task", (Base,), body, table=True)

    return define


@pytest.fixture
def halfway(lab: Lab) -> Lab:
    """A database where a revision has added a column, but not its UNIQUE constraint."""
    if lab.db.url.backend != "postgresql":
        pytest.skip("a revision is one transaction on SQLite")
    lab.change(tasks())
    lab.run("INSERT INTO task (size) VALUES (1), (2)")
    lab.models(tasks(slug=(str, Field(unique=True))))
    lab.migrate(fills={"task.slug": "none"})
    with pytest.raises(MigrationError, match="2 of 3 steps are done and stay"):
        lab.upgrade(guarded=False)
    return lab


def test_an_unfinished_revision_is_shown(halfway: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    (unfinished,) = unfinished_revisions(halfway.history, halfway.db)
    assert (unfinished.direction, unfinished.done, unfinished.total) == ("upgrade", 2, 3)
    assert "`colonnade upgrade` to finish it, or `colonnade downgrade` to revert it" in str(
        unfinished
    )
    assert halfway.db.health().unfinished == (unfinished.revision,)
    monkeypatch.chdir(halfway.root)
    app = FastAPI()
    app.include_router(health_router(halfway.db))
    answer = TestClient(app).get("/health")
    assert (answer.status_code, answer.json()["migrations"]) == (503, "unfinished")


def test_an_upgrade_finishes_an_unfinished_revision(halfway: Lab) -> None:
    halfway.run("UPDATE task SET slug = size::text")
    halfway.upgrade()
    assert unfinished_revisions(halfway.history, halfway.db) == []
    assert halfway.drift() == []


def test_a_downgrade_reverts_only_the_unfinished_revision(halfway: Lab) -> None:
    reverted = halfway.downgrade(guarded=True)
    assert reverted == [halfway.history.revisions[-1].revision]
    assert unfinished_revisions(halfway.history, halfway.db) == []
    assert halfway.drift() == ["The database is 1 revision behind. Run `colonnade upgrade`."]
    assert halfway.rows("SELECT size FROM task ORDER BY id") == [(1,), (2,)]


def test_an_upgrade_reverts_an_unfinished_downgrade(lab: Lab) -> None:
    if lab.db.url.backend != "postgresql":
        pytest.skip("a revision is one transaction on SQLite")
    lab.change(tasks(slug=(str | None, Field(default=None, unique=True))))
    lab.write(
        "steps.add_index('ix_size', 'task', ['size'])",
        "steps.drop_index('ix_size', 'task')\nop.execute('SELECT nonsense')",
    )
    lab.upgrade()
    with pytest.raises(MigrationError, match="1 of 2 steps are done"):
        lab.downgrade()
    (unfinished,) = unfinished_revisions(lab.history, lab.db)
    assert unfinished.direction == "downgrade"
    lab.upgrade()
    assert unfinished_revisions(lab.history, lab.db) == []
    names = {index["name"] for index in sa.inspect(lab.db.engine).get_indexes("task")}
    assert "ix_size" in names


def owners(has_foreign_key: bool) -> Callable[[], object]:
    target: Any = "owner.id" if has_foreign_key else PydanticUndefined

    def define() -> None:
        class Owner(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)

        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            owner_id: int | None = Field(default=None, foreign_key=target)

    return define


def test_dangling_references_are_refused_in_both_directions(lab: Lab) -> None:
    lab.change(owners(False))
    lab.run("INSERT INTO task (owner_id) VALUES (99)")
    lab.models(owners(True))
    lab.migrate()
    with pytest.raises(RefusedError, match="1 row refers by owner_id to rows of owner that do"):
        lab.upgrade()
    lab.run("UPDATE task SET owner_id = NULL")
    lab.upgrade()
    lab.change(owners(False))
    lab.run("UPDATE task SET owner_id = 99")
    with pytest.raises(RefusedError, match="Nothing was run"):
        lab.downgrade(guarded=True)


@pytest.mark.parametrize(
    ("step", "query"),
    [
        ("steps.set_not_null('task', 'size')", "SELECT count(*) FROM pg_constraint WHERE contype "
         "= 'c' AND conrelid = 'task'::regclass"),
        ("steps.add_check('ck', 'task', 'size < 2')", "SELECT count(*) FROM pg_constraint WHERE "
         "conname = 'ck'"),
        ("steps.add_index('ix', 'task', ['size'], unique=True)", "SELECT count(*) FROM pg_class "
         "WHERE relname = 'ix'"),
    ],
)  # fmt: skip
def test_a_failed_step_is_rolled_back(lab: Lab, step: str, query: str) -> None:
    if lab.db.url.backend != "postgresql":
        pytest.skip("a revision is one transaction on SQLite")
    lab.change(tasks())
    lab.run("INSERT INTO task (size) VALUES (NULL), (3), (3)")
    lab.write(step)
    with pytest.raises(MigrationError, match="The revision was rolled back"):
        lab.upgrade(guarded=False)
    assert lab.rows(query) == [(0,)]
    assert unfinished_revisions(lab.history, lab.db) == []


@pytest.mark.slow
def test_the_watcher_learns_who_blocks_the_run(lab: Lab) -> None:
    if lab.db.url.backend != "postgresql":
        pytest.skip("SQLite has one lock")
    from colonnade.migrations import Patience, Watcher

    class WaitWatcher(Watcher):
        def __init__(self) -> None:
            self.reasons: list[str] = []

        def waits(self, why: str) -> None:
            self.reasons.append(why)

    lab.change(tasks())
    lab.write("steps.add_check('ck', 'task', 'size < 9')")
    watcher = WaitWatcher()
    with lab.db.engine.connect() as other:
        pid = other.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        other.execute(sa.text("LOCK TABLE task"))
        with pytest.raises(MigrationError, match="could not get its locks"):
            lab.upgrade(watcher=watcher, patience=Patience(1.5, 1, 1), guarded=False)
    assert any(f"add ck to task: process {pid} of" in reason for reason in watcher.reasons)
    lab.upgrade(guarded=False)


def test_a_downgrade_goes_past_a_merge(lab: Lab) -> None:
    from colonnade.migrations import merge

    lab.change(tasks())
    lab.models(tasks(a=(int | None, None)))
    first = lab.migrate().path
    away = first.rename(first.with_suffix(".away"))
    lab.reopen()
    lab.models(tasks(b=(int | None, None)))
    lab.migrate()
    away.rename(first)
    lab.reopen()
    merge(lab.history)
    lab.upgrade()
    assert len(lab.downgrade()) == 1  # the merge itself
    assert len(lab.downgrade()) == 1  # one of the two
    lab.upgrade()
