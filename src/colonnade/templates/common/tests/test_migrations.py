"""The migrations create the tables of the models."""

from colonnade.testing import check_migrations


def test_the_history_runs_in_both_directions_and_creates_the_tables() -> None:
    check_migrations()
