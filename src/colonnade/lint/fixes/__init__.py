"""Apply fixes as exact edits of the source text."""
