"""A phase undoes its steps in reverse order."""

from colonnade.migrations.autogenerate._phase import Phase
from colonnade.migrations.operations import CreateSchema, RenameTable


def descriptions(phase: Phase) -> tuple[list[str], list[str]]:
    return [str(step) for step in phase.upgrade], [str(step) for step in phase.downgrade]


def test_a_phase_undoes_the_last_step_first() -> None:
    phase = Phase()
    phase.add(CreateSchema("sales"))
    phase.add(RenameTable("task", "job"), RenameTable("job", "work"), RenameTable("work", "task"))
    assert descriptions(phase) == (
        ["create schema sales", "rename task to job"],
        ["rename job to work", "rename work to task", "drop schema sales"],
    )


def test_joined_phases_undo_the_later_phase_first() -> None:
    first, second = Phase(), Phase()
    first.add(CreateSchema("sales"))
    second.add(RenameTable("task", "job"))
    assert descriptions(first + second) == (
        ["create schema sales", "rename task to job"],
        ["rename job to task", "drop schema sales"],
    )
