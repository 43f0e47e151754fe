"""Writes on a connection, and their hooks."""
