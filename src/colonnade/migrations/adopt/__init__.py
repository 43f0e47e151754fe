"""Models and a first revision for a database that has neither."""
