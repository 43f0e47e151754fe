"""Compare models with the history, and write the revision that makes up the difference."""
