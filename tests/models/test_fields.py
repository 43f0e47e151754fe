"""Arguments of ``Field``."""

from typing import Any

import pytest

from colonnade import Field, SQLModel
from colonnade.errors import ModelError


def test_regex_is_an_alias_of_pattern() -> None:
    class Code(SQLModel):
        code: str = Field(regex="^[a-z]+$")

    with pytest.raises(ValueError, match="should match pattern"):
        Code(code="A")


@pytest.mark.parametrize(
    ("argument", "instead"),
    [
        ({"const": True}, "Literal"),
        ({"unique_items": True}, "set"),
        ({"allow_mutation": False}, "frozen=True"),
        ({"include": {"a"}}, "read schema"),
    ],
)
def test_an_argument_without_effect_is_refused(argument: Any, instead: str) -> None:
    with pytest.raises(ModelError, match=instead):
        Field(**argument)
