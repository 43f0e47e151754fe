"""The plural and the singular of names, in English."""

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pluralizer import Pluralizer

_IRREGULAR = {
    "cache": "caches", "gas": "gases", "lens": "lenses", "schema": "schemas", "virus": "viruses",
}  # fmt: skip
_UNCOUNTABLE = ("data", "media", "metadata", "sms", "species")


@lru_cache(maxsize=1)
def _english() -> "Pluralizer":
    from pluralizer import Pluralizer  # which compiles its rules

    make: Callable[[], Pluralizer] = Pluralizer  # its constructor has no annotation
    english = make()
    for single, many in _IRREGULAR.items():
        english.add_irregular_rule(single, many)
    for word in _UNCOUNTABLE:
        english.add_uncountable_rule(word)
    return english


def plural(name: str) -> str:
    """A name whose last word is in the plural: ``cities``, ``order_details``; a plural stays."""
    start, word = _parted(name)
    return start + _english().plural(word)


def singular(name: str) -> str:
    """A name whose last word is in the singular: ``city``, ``order_detail``."""
    start, word = _parted(name)
    return start + _english().singular(word)


def _parted(name: str) -> tuple[str, str]:
    """What comes before the last word of a name, and the word."""
    end = max(name.rfind("_"), name.rfind("-")) + 1
    return name[:end], name[end:]
