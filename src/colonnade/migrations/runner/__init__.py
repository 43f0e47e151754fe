"""Run revisions: one runner at a time, resumable, in the database or in a throwaway copy."""
