"""Scopes."""

from colonnade.query import NO_SCOPES


def test_no_scopes_are_falsy() -> None:
    assert not NO_SCOPES
