"""Parsing: bodies become changes."""
