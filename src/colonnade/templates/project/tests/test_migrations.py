"""The history makes the tables that the models say."""

from colonnade.testing import check_migrations


def test_it_goes_up_and_down_and_makes_what_the_models_say() -> None:
    check_migrations()
