"""Properties of histories of random models; `python -m tests.migrations.fuzz` tests more."""

import pytest

from tests.migrations.lab import Lab
from tests.migrations.properties import check_history

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("seed", range(8))
def test_a_random_history_matches_its_models_and_runs_both_ways(lab: Lab, seed: int) -> None:
    if lab.db.url.memory:
        pytest.skip("the same as with a SQLite file")
    assert check_history(lab, seed) >= 1
