"""``confirm = true``: a plan that cannot be undone runs only with its code."""

from dataclasses import replace

import pytest
from sqlalchemy.exc import DBAPIError

from colonnade import Database, Field, SQLModel
from colonnade.errors import MigrationError
from colonnade.migrations import (
    ConfirmationError,
    History,
    Plan,
    Watcher,
    plan_migration,
)
from colonnade.migrations.guard._squawk import assess_sql
from colonnade.migrations.runner._plan import LOCAL_HOSTS, _hosts, _identity
from tests.migrations.lab import Lab

LOSING = frozenset({"loses-data", "cannot-undo"})


def tasks() -> None:
    class Task(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        title: str
        size: int | None = None


def configure(lab: Lab, *, confirm: bool, require_person: bool = False) -> None:
    config, project = lab.history.config, lab.history.project
    lab.history = History(replace(project, confirm=confirm, require_person=require_person))
    lab.history.config.attributes["metadata"] = config.attributes["metadata"]


@pytest.fixture
def confirmed(lab: Lab) -> Lab:
    """A project with ``confirm = true``, and a revision that drops a column with values."""
    lab.change(tasks)
    lab.run("INSERT INTO task (title, size) VALUES ('a', 1)")
    configure(lab, confirm=True)
    lab.write(
        "op.drop_column('task', 'size')", "op.add_column('task', sa.Column('size', sa.Integer))"
    )
    return lab


def plan_of(lab: Lab, direction: str = "upgrade", target: str = "heads") -> Plan:
    return plan_migration(
        lab.history, lab.db, "upgrade" if direction == "upgrade" else "downgrade", target
    )


def test_only_the_confirmed_plan_runs(confirmed: Lab) -> None:
    plan = plan_of(confirmed)
    assert plan.needs_confirmation
    assert "loses-data:task.size" in [finding.name for finding in plan.findings]
    with pytest.raises(ConfirmationError, match=r"Nothing was run.*--confirm CODE") as raised:
        confirmed.upgrade(allow=LOSING)
    assert raised.value.plan == plan
    with pytest.raises(ConfirmationError, match="is not that of this plan"):
        confirmed.upgrade(allow=LOSING, confirm="AAAAAAAA")
    assert confirmed.rows("SELECT size FROM task") == [(1,)]
    assert confirmed.upgrade(allow=LOSING, confirm=plan.code.lower()) == list(plan.revisions)
    assert confirmed.rows("SELECT * FROM task") == [(1, "a")]


def test_the_guard_still_has_to_be_allowed(confirmed: Lab) -> None:
    with pytest.raises(MigrationError, match=r"loses-data:task\.size"):
        confirmed.upgrade(confirm=plan_of(confirmed).code)


def test_a_code_does_not_depend_on_the_number_of_rows(confirmed: Lab) -> None:
    code = plan_of(confirmed).code
    confirmed.run("INSERT INTO task (title, size) VALUES ('b', 2)")
    assert plan_of(confirmed).code == code


def test_a_changed_revision_has_another_code(confirmed: Lab) -> None:
    code = plan_of(confirmed).code
    path = next(path for path in confirmed.root.rglob("*by_hand*.py"))
    path.write_text(path.read_text().replace("'size')", "'title')"))
    confirmed.history.clear_cache()
    assert plan_of(confirmed).code != code
    with pytest.raises(ConfirmationError, match="is not that of this plan"):
        confirmed.upgrade(allow=LOSING, confirm=code)


def test_a_downgrade_of_a_database_with_rows_needs_a_confirmation(confirmed: Lab) -> None:
    plan = plan_of(confirmed, "downgrade", "base")
    assert plan.needs_confirmation
    with pytest.raises(ConfirmationError, match="This downgrade changes"):
        confirmed.downgrade("base", allow=LOSING, guarded=True)
    confirmed.downgrade("base", allow=LOSING, guarded=True, confirm=plan.code)


def test_what_loses_nothing_needs_no_confirmation(confirmed: Lab) -> None:
    confirmed.run("DELETE FROM task")
    assert not plan_of(confirmed).needs_confirmation
    confirmed.upgrade(allow=LOSING)
    confirmed.downgrade("base", allow=LOSING, guarded=True)


def test_without_the_setting_allow_is_enough(confirmed: Lab) -> None:
    configure(confirmed, confirm=False)
    with pytest.raises(ConfirmationError, match="is not that of this plan"):
        confirmed.upgrade(allow=LOSING, confirm="AAAAAAAA")
    assert len(confirmed.upgrade(allow=LOSING)) == 1


def test_a_person_is_asked_for_the_code(confirmed: Lab) -> None:
    shown: list[Plan] = []

    def wrong(plan: Plan) -> str:
        shown.append(plan)
        return "yes"

    with pytest.raises(ConfirmationError, match="yes is not"):
        confirmed.upgrade(allow=LOSING, ask=wrong)
    assert shown == [plan_of(confirmed)]
    assert len(confirmed.upgrade(allow=LOSING, ask=lambda plan: plan.code)) == 1


def test_only_a_person_may_confirm_on_another_machine(
    confirmed: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(confirmed, confirm=True, require_person=True)
    plan = plan_of(confirmed)
    assert plan.is_local
    monkeypatch.setattr("colonnade.migrations.runner._plan.LOCAL_HOSTS", frozenset())
    assert not plan_of(confirmed).is_local
    with pytest.raises(ConfirmationError, match="lets only a person at a terminal"):
        confirmed.upgrade(allow=LOSING, confirm=plan.code)
    assert len(confirmed.upgrade(allow=LOSING, ask=lambda plan: plan.code)) == 1


def test_a_relative_target_is_not_planned_again_when_a_lock_is_retried(confirmed: Lab) -> None:
    """Otherwise a retry after the first revision would revert one that nobody confirmed."""
    configure(confirmed, confirm=False)
    last = [confirmed.write(f"op.execute('SELECT {number}')") for number in range(3)][1:]
    confirmed.upgrade(allow=LOSING)
    failures = iter([True])

    class Fails(Watcher):
        def began(self, revision: str, number: int, total: int) -> None:
            if revision == last[0] and next(failures, False):
                raise DBAPIError("", {}, LockError("database is locked"))

    done = confirmed.downgrade("-2", watcher=Fails())
    assert done == [last[1], last[0]]
    assert len(confirmed.downgrade("base")) == 3


class LockError(Exception):
    """What a driver raises if a lock is not available, with PostgreSQL's code for it."""

    sqlstate = "55P03"


def test_require_person_alone_asks_for_a_confirmation(confirmed: Lab) -> None:
    configure(confirmed, confirm=False, require_person=True)
    with pytest.raises(ConfirmationError):
        confirmed.upgrade(allow=LOSING)


def test_a_wrong_code_runs_nothing_on_an_empty_database(lab: Lab) -> None:
    lab.models(tasks)
    lab.migrate()
    with pytest.raises(ConfirmationError, match="is not that of this plan"):
        lab.upgrade(confirm="AAAAAAAA")
    assert len(lab.upgrade()) == 1


def test_what_reverts_an_interrupted_revision_needs_a_confirmation(confirmed: Lab) -> None:
    if confirmed.db.url.backend == "sqlite":
        pytest.skip("a revision is one transaction on SQLite")
    configure(confirmed, confirm=False)
    confirmed.upgrade(allow=LOSING)
    unfinished = confirmed.write(
        "op.add_column('task', sa.Column('note', sa.String))\n"
        "steps.add_index('ix_task_title', 'task', ['title'])\n"
        "op.execute('SELECT 1 / (SELECT count(*) FROM task WHERE title = $$b$$)')",
        "op.drop_column('task', 'note')",
    )
    with pytest.raises(MigrationError, match="division by zero"):
        confirmed.upgrade()
    confirmed.run("UPDATE task SET note = 'precious'")
    configure(confirmed, confirm=True)
    with pytest.raises(ConfirmationError, match="Nothing was run"):
        confirmed.downgrade(guarded=True)
    assert confirmed.rows("SELECT note FROM task") == [("precious",)]
    plan = plan_of(confirmed, "downgrade", "-1")
    assert plan.revisions == (unfinished,)
    assert confirmed.downgrade(guarded=True, confirm=plan.code) == [unfinished]


def test_rows_that_a_policy_hides_are_rows(confirmed: Lab) -> None:
    if confirmed.db.url.backend == "sqlite":
        pytest.skip("SQLite has no row-level security")
    confirmed.run(
        "ALTER TABLE task ENABLE ROW LEVEL SECURITY", "ALTER TABLE task FORCE ROW LEVEL SECURITY"
    )
    assert plan_of(confirmed).needs_confirmation


def test_a_revision_in_another_encoding_runs(lab: Lab) -> None:
    lab.change(tasks)
    lab.run("INSERT INTO task (title) VALUES ('a')")
    lab.write("op.execute('SELECT 1')", "op.execute('SELECT 2')")
    path = next(lab.root.rglob("*by_hand*.py"))
    path.write_bytes(b"# -*- coding: latin-1 -*-\n# \xe9\n" + path.read_bytes())
    lab.history.clear_cache()
    assert len(lab.upgrade()) == 1


@pytest.mark.parametrize(
    ("url", "environment", "is_local"),
    [
        ("postgresql://localhost/shop", {}, True),
        ("postgresql:///shop?host=/var/run/postgresql", {}, True),
        ("postgresql://db.example.com/shop", {}, False),
        ("postgresql://localhost/shop?hostaddr=10.0.0.9", {}, False),
        ("postgresql:///shop?host=/tmp,db.example.com", {}, False),
        ("postgresql://localhost:1,db.example.com:2/shop", {}, False),
        ("postgresql:///shop", {"PGHOST": "db.example.com"}, False),
        ("postgresql:///shop", {}, True),
    ],
)
def test_a_server_of_this_machine_is_local(
    url: str, environment: dict[str, str], is_local: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PGHOST", "PGHOSTADDR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    hosts = _hosts(Database(url))
    assert all(host in LOCAL_HOSTS or host.startswith("/") for host in hosts) is is_local


@pytest.mark.parametrize(
    "other",
    [
        "postgresql://db/shop?options=-csearch_path%3Db",
        "postgresql:///shop?host=/a",
        "postgresql:///shop?host=/b",
        "postgresql://db:5433/shop",
        "postgresql://db/other",
        "postgresql://db/shop?hostaddr=10.0.0.9",
    ],
)
def test_a_code_is_that_of_one_database(other: str) -> None:
    first, second = (
        _identity(database, _hosts(database))
        for database in (
            Database("postgresql://db/shop?options=-csearch_path%3Da"),
            Database(other),
        )
    )
    assert first != second
    same = Database(other.replace("://", "://another:secret@", 1))
    assert _identity(same, _hosts(same)) == second


@pytest.mark.parametrize(
    ("sql", "loses"),
    [
        ("-- clean\nDELETE FROM task", True),
        ("/* x */ DROP TABLE task", True),
        ("WITH a AS (SELECT 1) DELETE FROM task", True),
        ("SELECT 1; TRUNCATE task", True),
        ("ALTER TABLE task DROP size", True),
        ("ALTER TABLE ONLY shop.task DROP size", True),
        ("ALTER TABLE task DROP CONSTRAINT ck_task", False),
        ("ALTER TABLE task ALTER COLUMN size DROP NOT NULL", False),
        ("ALTER TABLE task ALTER size DROP DEFAULT", False),
        ("UPDATE task SET size = 1 -- DELETE FROM task", False),
        ("WITH a AS (SELECT 1) SELECT * FROM a", False),
    ],
)
def test_sql_that_deletes_rows_or_columns_is_recognized(sql: str, loses: bool) -> None:
    kinds = [kind for kind, _ in assess_sql(sql, "sqlite")]
    assert ("loses-data" in kinds) is loses
