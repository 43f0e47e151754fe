"""Plurals, singulars and articles of names."""

import pytest

from colonnade.models._words import plural, singular, with_article


@pytest.mark.parametrize(
    ("single", "many"),
    [
        ("task", "tasks"),
        ("city", "cities"),
        ("day", "days"),
        ("shelf", "shelves"),
        ("hero", "heroes"),
        ("photo", "photos"),
        ("address", "addresses"),
        ("status", "statuses"),
        ("box", "boxes"),
        ("quiz", "quizzes"),
        ("person", "people"),
        ("child", "children"),
        ("analysis", "analyses"),
        ("cache", "caches"),
        ("database", "databases"),
        ("movie", "movies"),
        ("lens", "lenses"),
        ("schema", "schemas"),
        ("series", "series"),
        ("species", "species"),
        ("data", "data"),
        ("order_detail", "order_details"),
        ("film-category", "film-categories"),
        ("sales_person", "sales_people"),
        ("us_state", "us_states"),
        ("Category", "Categories"),
    ],
)
def test_a_name_has_a_singular_and_a_plural(single: str, many: str) -> None:
    assert plural(single) == many
    assert plural(many) == many  # the name of a table may already be a plural
    assert singular(many) == single
    assert singular(single) == single


@pytest.mark.parametrize(
    "words", ["an author", "an order detail", "an hour", "a user", "a unit", "a task", "an item"]
)
def test_a_word_has_its_article(words: str) -> None:
    assert with_article(words.partition(" ")[2]) == words
