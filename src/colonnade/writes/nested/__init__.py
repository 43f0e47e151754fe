"""Nested writes: a row, with rows of its relations."""
