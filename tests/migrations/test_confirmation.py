"""``confirm = true``: a plan that cannot be undone runs only with its code."""

from dataclasses import replace

import pytest

from colonnade import Field, SQLModel
from colonnade.errors import MigrationError
from colonnade.migrations import ConfirmationError, History, Plan, plan_migration
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
