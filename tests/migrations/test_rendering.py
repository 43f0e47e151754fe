"""Reflected server defaults, rendered for both databases."""

import pytest

from colonnade.migrations.autogenerate._rendering import literal_in


@pytest.mark.parametrize(
    ("default", "literal"),
    [
        ("'a'", "'a'"),
        ("'a'::text", "'a'"),
        ("'it''s'::mood", "'it''s'"),
        ("'{a}'::mood[]", "'{a}'"),
        ("'a'::character varying(5)", "'a'"),
        ("'2026'::timestamp(3) with time zone", "'2026'"),
        ("'x'::other.\"Feel ing\"", "'x'"),
        ("'a'::text || 'b'::text", None),
        ("'a' || 'b'", None),
        ("'1 day'::interval + now()", None),
        ("nextval('a'::regclass)", None),
        ("now()", None),
    ],
)
def test_a_string_default_is_distinguished_from_an_expression(
    default: str, literal: str | None
) -> None:
    assert literal_in(default) == literal
