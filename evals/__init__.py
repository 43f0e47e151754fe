"""The evaluation: tasks that a coding agent solves alone, and checks of what it built."""
