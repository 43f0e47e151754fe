"""English plurals, singulars and articles of names."""

import re
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
    from pluralizer import Pluralizer  # slow: it compiles its rules

    make: Callable[[], Pluralizer] = Pluralizer  # its constructor has no annotation
    english = make()
    for single, many in _IRREGULAR.items():
        english.add_irregular_rule(single, many)
    for word in _UNCOUNTABLE:
        english.add_uncountable_rule(word)
    return english


def snake(name: str) -> str:
    """``TaskAssignment`` as ``task_assignment``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def plural(name: str) -> str:
    """The name with its last word in the plural: ``cities``, ``order_details``."""
    start, word = _split_last_word(name)
    return start + _english().plural(word)


def singular(name: str) -> str:
    """The name with its last word in the singular: ``city``, ``order_detail``."""
    start, word = _split_last_word(name)
    return start + _english().singular(word)


_CONSONANT_SOUNDS = (
    "eu",
    "ewe",
    "uni",
    "use",
    "usa",
    "usu",
    "uti",
    "ubi",
    "ura",
    "uto",
    "one",
    "once",
)
"""How words start that are spelled with a vowel but spoken with a consonant: a user, a unit."""
_SILENT_H = ("hour", "heir", "honest", "honor", "honour")


def with_article(words: str) -> str:
    """The words with their indefinite article: ``an author``, ``a user``, ``an hour``."""
    word = words.lower()
    is_vowel = word[:1] in "aeiou" and not word.startswith(_CONSONANT_SOUNDS)
    return f"{'an' if is_vowel or word.startswith(_SILENT_H) else 'a'} {words}"


def _split_last_word(name: str) -> tuple[str, str]:
    """Split a name before its last word."""
    end = max(name.rfind("_"), name.rfind("-")) + 1
    return name[:end], name[end:]
