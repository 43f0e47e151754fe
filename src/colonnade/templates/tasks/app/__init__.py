"""The task API."""
