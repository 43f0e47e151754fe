"""Query strings are split as by ``urllib``."""

from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colonnade.resources._reads import _pairs


@given(st.text(st.sampled_from("ab=&;+%2é[]"), max_size=12))
def test_the_pairs_are_those_of_urllib(query: str) -> None:
    assert _pairs(query, 20) == parse_qsl(query, keep_blank_values=True)


def test_too_many_are_refused() -> None:
    assert len(_pairs("a&b", 2)) == 2
    with pytest.raises(ValueError, match="fields"):
        _pairs("a&b&c", 2)
