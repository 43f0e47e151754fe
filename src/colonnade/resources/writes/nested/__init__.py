"""Nested writes: rows with their related rows, created and changed in one request."""
