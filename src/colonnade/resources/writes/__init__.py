"""Writes of rows: changes, the rules that they must pass, and their statements."""
