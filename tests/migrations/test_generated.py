"""Laws of histories, on models made up at random; `python -m tests.migrations.fuzz` tries more."""

import pytest

from tests.migrations.lab import Lab
from tests.migrations.law import history_holds


@pytest.mark.parametrize("seed", range(8))
def test_a_history_goes_both_ways_and_makes_what_the_models_say(lab: Lab, seed: int) -> None:
    if lab.db.url.memory:
        pytest.skip("as in a file")
    assert history_holds(lab, seed) >= 1
