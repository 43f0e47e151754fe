"""Responses: bodies, problems and entity tags."""
